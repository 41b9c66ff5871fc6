# SPDX-License-Identifier: LGPL-2.1-or-later
"""The life of a domain, and each of its ends: no device, record, node or changed MAC is left (Site.left)."""
import pytest

from domain import Port, domain_xml, guest_xml

STATION = "10.0.0.254"
ROUNDS = [pytest.param(1, id="once"), pytest.param(20, id="rounds", marks=pytest.mark.long)]


@pytest.fixture
def idle(site):
    """A domain of two ports, on a bridge network and on one that changes its parent's MAC; its guest boots nothing."""
    ports = [Port("vm-lan"), Port("vm-own", "own")]
    site.libvirt.define(domain_xml("idle", ports))
    return ports


def check_ports(site, ports):
    made = {port["interfaceName"]: port for port in site.daemon.ports()}
    assert sorted(made) == sorted(port.target for port in ports)
    for port in ports:
        one = made[port.target]
        assert (one["network"], one["macAddress"], one["linkUp"]) == (port.network, port.mac, True)
        assert [one["holder"]["pid"]] == site.machine.processes("qemu-system-x86_64")


def test_guest_pings_and_shuts_down(site):
    """One guest for both, because booting is what takes the time."""
    site.libvirt.define(guest_xml("guest", [Port("vm-net")], ["10.0.0.1/24"], [STATION]))
    site.libvirt.virsh("start", "guest")
    site.console("guest").wait_ping(STATION)
    site.console("guest").wait_booted()
    site.libvirt.virsh("shutdown", "guest")
    site.libvirt.wait_gone("guest")
    assert site.left() == []


@pytest.mark.parametrize("rounds", ROUNDS)
def test_destroy(site, idle, rounds):
    for _ in range(rounds):
        site.libvirt.virsh("start", "idle")
        check_ports(site, idle)
        site.libvirt.virsh("destroy", "idle")
        assert site.left() == []


@pytest.mark.parametrize("rounds", ROUNDS)
def test_qemu_killed(site, idle, rounds):
    for _ in range(rounds):
        site.libvirt.virsh("start", "idle")
        check_ports(site, idle)
        site.machine.kill(site.libvirt.qemu("idle"))
        site.libvirt.wait_gone("idle")
        assert site.left() == []


@pytest.mark.long
def test_shutdowns(site):
    site.libvirt.define(guest_xml("guest", [Port("vm-net"), Port("vm-own", "own")], ["10.0.0.1/24", "10.0.1.1/24"]))
    for _ in range(20):
        before = site.console("guest").count()
        site.libvirt.virsh("start", "guest")
        site.console("guest").wait_booted(before)
        site.libvirt.virsh("shutdown", "guest")
        site.libvirt.wait_gone("guest")
        assert site.left() == []


def test_transient_domain(site):
    """virsh create: a domain that libvirt forgets."""
    port = Port("vm-net")
    site.libvirt.create(domain_xml("passing", [port]))
    check_ports(site, [port])
    site.libvirt.virsh("destroy", "passing")
    assert site.left() == []
    assert site.libvirt.domains("--all") == []
