# SPDX-License-Identifier: LGPL-2.1-or-later
"""Many domains of many ports, started and ended at once: all come, and nothing is left."""
import pytest

from domain import Port, domain_xml

PORTS = 4


def at_once(site, command, names):
    """virsh COMMAND for each, all running at the same time."""
    running = {name: site.libvirt.virsh_start(command, name) for name in names}
    failed = {}
    for name, process in running.items():
        said, _ = process.communicate(timeout=120)
        if process.returncode != 0:
            failed[name] = said
    assert failed == {}


@pytest.mark.parametrize("count, rounds", [pytest.param(3, 1, id="few"),
                                           pytest.param(8, 10, id="rounds", marks=pytest.mark.long)])
def test_at_once(site, count, rounds):
    domains = {f"vm{number}": [Port(f"vm{number}-net{port}") for port in range(PORTS)] for number in range(count)}
    for name, ports in domains.items():
        site.libvirt.define(domain_xml(name, ports))
    wanted = sorted((port.target, port.mac) for ports in domains.values() for port in ports)
    for _ in range(rounds):
        at_once(site, "start", domains)
        made = site.daemon.ports()
        assert sorted((port["interfaceName"], port["macAddress"]) for port in made) == wanted
        assert all(port["linkUp"] for port in made)
        at_once(site, "destroy", domains)
        assert site.left() == []


@pytest.mark.long
def test_at_once_and_killed(site):
    """The QEMUs of all of them die at the same time."""
    domains = [f"vm{number}" for number in range(8)]
    for name in domains:
        site.libvirt.define(domain_xml(name, [Port(f"{name}-net{port}") for port in range(PORTS)]))
    for _ in range(10):
        at_once(site, "start", domains)
        site.machine.run("kill", "-KILL", *map(str, site.machine.processes("qemu-system-x86_64")))
        site.libvirt.wait_gone(*domains)
        assert site.left() == []
