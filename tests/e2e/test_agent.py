# SPDX-License-Identifier: LGPL-2.1-or-later
"""A running QEMU gets and loses ports, through its agent or a monitor of the user's; whatever fails or dies in between,
nothing is left."""
import pytest

import agent
from clock import Deadline

STATION = "10.0.0.254"


def check_reaches(running, interface, address):
    assert running.shell(f"ip link set {interface} up && ip addr add {address}/24 dev {interface}") == 0
    assert running.shell(f"ping -c 1 -W 10 {STATION} >/dev/null") == 0


def attach(daemon, running, *arguments):
    """Returns the new port and its interface in the guest."""
    seen = len(running.lines)
    before = {port["id"] for port in daemon.ports()}
    agent.vm(daemon, "attach", *arguments)
    (port,) = [port for port in daemon.ports() if port["id"] not in before]
    return port, agent.wait_new_interface(running, seen)


def wait_vm(daemon):
    """Until the agent listens: QEMU has greeted it before the guest says a word."""
    (found,) = agent.vms(daemon)
    return found


@pytest.mark.parametrize("cycles", [3])
def test_attached_and_detached(daemon, guests, cycles):
    running = guests(agent.start, daemon, ["lan"])
    running.wait_line("GUEST web DONE")
    found = wait_vm(daemon)
    (first,) = daemon.ports()
    assert (found["name"], found["pid"], [port["id"] for port in found["ports"]]) == ("web", running.pid, [first["id"]])
    (helper,) = agent.processes(daemon)
    counts = []
    for _ in range(cycles):
        port, interface = attach(daemon, running, "web", "--network", "lan,queues=2,name=extra")
        assert port["holder"] == {"type": "descriptors"} and port["queues"] == 2
        check_reaches(running, interface, "10.0.0.7")
        assert [port["name"] for port in wait_vm(daemon)["ports"]] == ["web", "extra"]
        agent.vm(daemon, "detach", "web", "extra")
        assert [port["id"] for port in daemon.ports()] == [first["id"]]
        counts.append((agent.descriptors(running.pid), agent.descriptors(helper)))
    assert len(set(counts)) == 1, counts
    running.kill()
    assert daemon.settle() == []
