# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirtd and QEMU both killed, macvtapd or libvirtd first to come back: nothing is left, and the next start works."""
import itertools

import pytest

from domain import Port, domain_xml
from libvirt import LastHook

ROUNDS = [pytest.param(1, id="once"), pytest.param(20, id="rounds", marks=pytest.mark.long)]


def kill_qemu(site):
    site.machine.kill(site.libvirt.qemu("idle"))


def kill_libvirtd(site):
    site.libvirt.kill()


def restart_macvtapd(site):
    site.daemon.kill()
    site.daemon.start()


def start_libvirtd(site):
    site.libvirt.start()


def name(functions):
    return " ".join(function.__name__ for function in functions)


KILLS = list(itertools.permutations([kill_qemu, kill_libvirtd]))
COMEBACKS = list(itertools.permutations([restart_macvtapd, start_libvirtd]))


@pytest.fixture
def idle(site):
    site.libvirt.define(domain_xml("idle", [Port("vm-lan"), Port("vm-own", "own")]))


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize("comebacks", COMEBACKS, ids=name)
@pytest.mark.parametrize("kills", KILLS, ids=name)
def test_both_killed(site, idle, kills, comebacks, rounds):
    for _ in range(rounds):
        site.libvirt.virsh("start", "idle")
        for step in kills + comebacks:
            step(site)
        site.libvirt.wait_gone("idle")
        assert site.left() == []


@pytest.mark.parametrize("rounds", ROUNDS)
def test_all_three_killed(site, idle, rounds):
    """The holder ends while no macvtapd runs to see it."""
    for _ in range(rounds):
        site.libvirt.virsh("start", "idle")
        site.daemon.kill()
        kill_libvirtd(site)
        kill_qemu(site)
        assert [what.split()[0] for what in site.daemon.leftovers() if not what.startswith("pin ")] == ["device"] * 2 + ["record"] * 2
        site.daemon.start()
        assert site.left() == []
        start_libvirtd(site)
        site.libvirt.wait_gone("idle")


def by_name(ports):
    return {port["interfaceName"]: port for port in ports}


def test_restarts_leave_a_running_guest_alone(site, idle):
    """That libvirtd finds the guest while macvtapd is not there to answer its hook must not end it, either."""
    site.libvirt.virsh("start", "idle")
    before, qemu = by_name(site.daemon.ports()), site.libvirt.qemu("idle")
    for steps in ([site.libvirt.kill, site.libvirt.start_and_find], [site.daemon.kill, site.daemon.start],
                  [site.libvirt.stop, site.daemon.stop, site.libvirt.start_and_find, site.libvirt.domains,
                   site.daemon.start]):
        for step in steps:
            step()
        assert site.libvirt.state("idle") == "running"
        assert by_name(site.daemon.ports()) == before
        assert site.machine.processes("qemu-system-x86_64") == [qemu]
    site.libvirt.virsh("destroy", "idle")
    assert site.left() == []


def test_a_link_set_down_stays_down(site, idle):
    """Who has isolated a guest does not see that undone by a new libvirtd."""
    site.libvirt.virsh("start", "idle")
    first, second = sorted(by_name(site.daemon.ports()))
    site.daemon.ctl("port", "set", first, "--link", "down")
    site.libvirt.kill()
    site.libvirt.start_and_find()
    ports = by_name(site.daemon.ports())
    assert (ports[first]["linkUp"], ports[second]["linkUp"]) == (False, True)
    assert {port["holder"]["pid"] for port in ports.values()} == {site.libvirt.qemu("idle")}
    site.libvirt.virsh("destroy", "idle")
    assert site.left() == []


@pytest.mark.parametrize("operation", ["prepare", "start", "started"])
@pytest.mark.parametrize("comebacks", [COMEBACKS[0], pytest.param(COMEBACKS[1], marks=pytest.mark.long)], ids=name)
def test_libvirtd_killed_within_a_start(site, idle, operation, comebacks):
    with LastHook(site.machine, operation, stay=True) as hook:
        starting = site.libvirt.virsh_start("start", "idle")
        hook.wait()
    site.libvirt.kill()
    starting.communicate()
    for pid in site.machine.processes("sleep"):
        site.machine.kill(pid)
    for pid in site.machine.processes("qemu-system-x86_64"):
        site.machine.kill(pid)
    for step in comebacks:
        step(site)
    site.libvirt.wait_gone("idle")
    assert site.left() == []
    site.libvirt.virsh("start", "idle")
    site.libvirt.virsh("destroy", "idle")
    assert site.left() == []
