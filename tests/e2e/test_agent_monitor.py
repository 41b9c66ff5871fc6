# SPDX-License-Identifier: LGPL-2.1-or-later
"""An agent whose QEMU the test plays: it ends, answers late or refuses in the middle of what the agent does."""
import subprocess

import pytest

import agent
from programs import program


@pytest.fixture
def played(daemon):
    """played(…) is a PlayedQemu that ends with the test, as its agent does then."""
    made = []

    def make(*arguments, **options):
        made.append(agent.PlayedQemu(daemon, *arguments, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()
        one.agent.wait()
    assert daemon.settle() == []


def start_ctl(daemon, *words):
    return daemon.host.start(program("macvtapctl"), "vm", *words, env=agent.environment(daemon), stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)


def outcome(process):
    """What macvtapctl said, after "macvtapctl: "; "" if it has succeeded."""
    _, errors = process.communicate()
    assert process.returncode == (1 if errors else 0)
    return errors.removeprefix("macvtapctl: ").rstrip("\n")


def attach(daemon, qemu, name="extra"):
    """Returns the path of the new port's device."""
    attaching = start_ctl(daemon, "attach", "web", f"--network=lan,name={name}")
    qemu.serve("device_add")
    assert outcome(attaching) == ""
    (port,) = [port for port in daemon.ports() if port["name"] == name]
    return f"/machine/peripheral/macvtap-{port['id']}-nic"


CLOSED = "QEMU has ended or closed its monitor"


def test_a_port_comes_and_goes(daemon, played):
    qemu = played()
    device = attach(daemon, qemu)
    assert [port["name"] for port in agent.only_vm(daemon)["ports"]] == ["extra"]
    detaching = start_ctl(daemon, "detach", "web", "extra")
    qemu.serve("device_del")
    qemu.release(device)
    qemu.serve("netdev_del")
    assert outcome(detaching) == ""
    assert daemon.ports() == []


def test_qemu_ends_while_the_guest_is_asked(daemon, played):
    """The detach ends with it, as does the agent, and the next VM gets the name."""
    qemu = played()
    attach(daemon, qemu)
    detaching = start_ctl(daemon, "detach", "web", "extra")
    qemu.serve("device_del")
    qemu.close()
    assert outcome(detaching) == CLOSED
    assert qemu.agent.wait() == 0
    assert agent.vms(daemon) == []
    played()
    assert agent.only_vm(daemon)["name"] == "web"


@pytest.mark.parametrize("command", ["query-pci", "getfd", "netdev_add", "device_add"])
def test_qemu_ends_during_an_attach(daemon, played, command):
    qemu = played()
    attaching = start_ctl(daemon, "attach", "web", "--network=lan")
    qemu.next(command)
    waiting = start_ctl(daemon, "attach", "web", "--network=lan")
    qemu.close()
    assert outcome(attaching) == CLOSED
    outcome(waiting)
    assert qemu.agent.wait() == 0
    assert agent.vms(daemon) == []
