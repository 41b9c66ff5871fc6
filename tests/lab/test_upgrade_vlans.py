# SPDX-License-Identifier: LGPL-2.1-or-later
"""A daemon of an earlier build and this one take over each other's ports on VLAN devices."""
import pytest

from previous import BEFORE_FIELDS, previous_daemon, run_next
from programs import program


def look(daemon, host):
    ports = {port["name"]: (port["parent"], port["trunk"], port["vlan"], port["state"]) for port in daemon.ports()}
    return ports, {name: link["ifindex"] for name, link in host.links().items()}


@pytest.mark.long
@pytest.mark.parametrize("begins", ["older", "newer"])
def test_vlan_devices_stay(daemons, host, station, begins):
    daemon = daemons(host)
    older, newer = previous_daemon(BEFORE_FIELDS), program("macvtapd")
    first, *others = [older, newer, older, newer][begins == "newer":]
    daemon.network("tagged", text="[Network]\nParent=eth0\nMode=bridge\nVLAN=100\n")
    daemon.network("twice", text="[Network]\nParent=eth0\nMode=vepa\nVLAN=200.100\n")
    run_next(daemon, first)
    daemon.start()
    for network in ("tagged", "twice", "parent=eth0,mode=private,vlan=7"):
        daemon.ctl("port", "create", "--network", network)
    before = look(daemon, host)
    for build in others:
        daemon.stop()
        run_next(daemon, build)
        daemon.start()
        assert look(daemon, host) == before
    for port in daemon.ports():
        daemon.ctl("port", "delete", port["id"])
    assert sorted(host.links()) == ["eth0", "lo"]
