# SPDX-License-Identifier: LGPL-2.1-or-later
"""A running guest on a bond gets ports with vhost-net and four queues and loses them, and announces itself when the bond
changes its slave."""
import pytest

import agent
from frames import PacketSocket
from parent_kinds import STATION_IP, active_slave

ADDRESS = "10.0.0.7"


@pytest.fixture
def site(sites):
    site = sites("bond")
    site.daemon.network("lan", text=site.network("bridge", Vhost="require"))
    if not site.daemon.running:
        site.daemon.start()
    return site


@pytest.mark.long
@pytest.mark.parametrize("cycles", [1, 100])
def test_attached_and_detached(site, guests, cycles):
    running = guests(agent.start, site.daemon)
    running.wait_line("GUEST web DONE")
    agent.check_cycles(site.daemon, running, cycles, "lan,queues=4,name=extra", ADDRESS, STATION_IP)
    running.kill()
    assert site.daemon.settle() == []


@pytest.mark.long
def test_announced_by_the_guest(site, guests):
    running = guests(agent.start, site.daemon, ["lan"], ip=f"{ADDRESS}/24")
    running.wait_line("GUEST web DONE")
    (port,) = agent.only_vm(site.daemon)["ports"]
    with PacketSocket(site.station, site.wire) as endpoint:
        (other,) = {"eth0", "eth1"} - {active_slave(site.host)}
        site.host.ip("link", "set", "bond0", "type", "bond", "active_slave", other)
        agent.wait_gratuitous_arp(endpoint, port["macAddress"])
    running.kill()
    assert site.daemon.settle() == []
