# SPDX-License-Identifier: LGPL-2.1-or-later
"""An agent whose QEMU the test plays: it ends, answers late or refuses in the middle of what the agent does."""
import contextlib
import json
import os
import signal
import socket
import subprocess
import threading

import pytest

import agent
from clock import PATIENCE, Deadline
from programs import program
from varlink import Connection, VarlinkError


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


def start_ctl(daemon, *words, **variables):
    return daemon.host.start(program("macvtapctl"), "vm", *words, env=agent.environment(daemon, **variables), stdout=subprocess.PIPE,
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


def test_a_detach_before_qemu_is_ready(daemon, played):
    """The agent has not yet asked macvtapd what the names of its ports are."""
    with daemon.connect() as connection:
        port = connection.ports("CreatePort", network="lan", name="first", queues=1)["port"]
        qemu = played(port["id"], greets=False)
        device = qemu.start_with(port, connection.take_descriptors())
    with Connection(daemon.host.path("/run/macvtap-agent/web")) as asker:
        asker.send({"method": "org.macvtapd.Agent.Detach", "parameters": {"port": "first"}})
        assert agent.only_vm(daemon)["ports"] == []
        qemu.greet()
        qemu.serve("device_del")
        qemu.release(device)
        qemu.serve("netdev_del")
        assert asker.reply()["port"]["id"] == port["id"]
    assert daemon.ports() == []


@pytest.mark.parametrize("command", ["getfd", "device_add"])
def test_terminated_during_an_attach(daemon, played, command):
    """The attach comes to its end; what waits for it does not begin."""
    qemu = played()
    attaching = start_ctl(daemon, "attach", "web", "--network=lan")
    under_way = qemu.next(command)
    with Connection(daemon.host.path("/run/macvtap-agent/web")) as asker:
        asker.send({"method": "org.macvtapd.Agent.Detach", "parameters": {"port": "other"}})
        agent.only_vm(daemon)
        qemu.agent.terminate()
        deadline = Deadline()
        while agent.vms(daemon):
            assert deadline.left() > 0
        qemu.refuse(under_way)
        with pytest.raises(AssertionError, match="the agent has ended"):
            qemu.next("nothing more")
        assert outcome(attaching) == "refused by the test"
        with pytest.raises(VarlinkError, match="the VM's agent was told to end"):
            asker.reply()
    assert qemu.agent.wait() == 0
    assert daemon.ports() == []


def test_terminated_twice(daemon, played):
    qemu = played()
    attach(daemon, qemu)
    detaching = start_ctl(daemon, "detach", "web", "extra")
    qemu.serve("device_del")
    qemu.agent.terminate()
    deadline = Deadline()
    while agent.vms(daemon):
        assert deadline.left() > 0
    qemu.agent.terminate()
    assert qemu.agent.wait() == -signal.SIGTERM
    assert outcome(detaching) == "the service closed the connection"


# -- what macvtapd does not tell -------------------------------------------------------------------------------------

NOBODY = 65534


@pytest.fixture
def nobodys(daemon, played):
    """nobodys(…) is a PlayedQemu of the user nobody."""
    folder = daemon.folder / "agents"
    folder.mkdir()
    folder.chmod(0o755)
    os.chown(folder, NOBODY, NOBODY)
    return lambda *ports: played(*ports, user="nobody", MACVTAP_AGENT_DIR=str(folder))


@pytest.fixture
def journal(host):
    with contextlib.closing(agent.Journal(host)) as made:
        yield made


def connect_as_nobody(daemon):
    os.seteuid(NOBODY)
    try:
        return Connection(daemon.socket)
    finally:
        os.seteuid(0)


def nobodys_vms(daemon):
    return agent.vms(daemon, MACVTAP_AGENT_DIR=str(daemon.folder / "agents"))


def take_all_watches(daemon, stack):
    watchers = []
    while True:
        watchers.append(stack.enter_context(connect_as_nobody(daemon)))
        watchers[-1].send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
        if "error" in watchers[-1].receive():
            return watchers


def test_an_agent_without_a_watch(daemon, nobodys, journal, station):
    """It knows its ports all the same, says why it hears of no changes, and does when it can."""
    daemon.network("lan", text="[Network]\nParent=eth0\nMode=bridge\n[Guest]\nFollowCarrier=yes\n[Access]\nAllowUsers=nobody\n")
    daemon.reload()
    with contextlib.ExitStack() as stack, connect_as_nobody(daemon) as connection:
        first, second = [connection.ports("CreatePort", network="lan", name=name, queues=1)["port"] for name in ("first", "second")]
        watchers = take_all_watches(daemon, stack)
        qemu = nobodys(first["id"], second["id"])
        fds = connection.take_descriptors()
        device = qemu.start_with(first, fds[:len(fds) // 2])
        qemu.start_with(second, fds[len(fds) // 2:])
        assert "refuses to report changes: you already have 34 watches" in journal.wait("parents")
        detaching = start_ctl(daemon, "detach", "web", "first", MACVTAP_AGENT_DIR=str(daemon.folder / "agents"))
        qemu.serve("device_del")
        qemu.release(device)
        qemu.serve("netdev_del")
        assert outcome(detaching) == ""
        assert [port["name"] for port in nobodys_vms(daemon)[0]["ports"]] == ["second"]
        for watcher in watchers:
            watcher.close()
        journal.wait("reports changes of the ports again")
        station.ip("link", "set", "eth0", "down")
        assert qemu.next("set_link")["arguments"] == {"name": "of-second", "up": False}
        station.ip("link", "set", "eth0", "up")


@pytest.mark.long
def test_qemu_sets_the_link_too_late(daemon, played, journal, station):
    """It stood still for so long that the agent gave up: later the guest's link must not stay down."""
    daemon.network("lan", text="[Network]\nParent=eth0\nMode=bridge\n[Guest]\nFollowCarrier=yes\n")
    daemon.reload()
    qemu = played()
    attach(daemon, qemu)
    station.ip("link", "set", "eth0", "down")
    late = qemu.next("set_link")
    assert late["arguments"]["up"] is False
    assert "QEMU has not answered set_link in time" in journal.wait("cannot set the guest's link", 60)
    qemu.answer(late)
    station.ip("link", "set", "eth0", "up")
    assert qemu.next("set_link")["arguments"]["up"] is True


def test_a_port_of_another_user(daemon, nobodys, journal):
    """As in a container, whose port is the host's root's: the agent keeps it, and says once what it cannot do."""
    port = daemon.ctl_json("port", "create", "--network=lan", "--name=roots")
    nobodys(port["id"])
    why = f"macvtapd does not show port {port['id']} to this user: the guest's link does not follow its parent"
    assert journal.wait("not show") == why
    assert nobodys_vms(daemon)[0]["ports"] == [{"id": port["id"]}]
    daemon.restart()
    journal.wait("lost macvtapd")
    shown = agent.vm(daemon, "list", MACVTAP_AGENT_DIR=str(daemon.folder / "agents")).stdout
    assert port["id"] in shown
    done = agent.vm(daemon, "detach", "web", port["id"], check=False, MACVTAP_AGENT_DIR=str(daemon.folder / "agents"))
    assert done.stderr == f"macvtapctl: VM web has a port {port['id']}, but macvtapd does not show it to this user\n"
    assert why not in journal.messages()
    daemon.ctl("port", "delete", "roots")


# -- what another user has at a socket like an agent's ---------------------------------------------------------------


@pytest.fixture
def forged(daemon):
    """What listens as the agent of a VM "forged" of the user nobody."""
    folder = daemon.host.path(f"/run/user/{NOBODY}/macvtap-agent")
    os.makedirs(folder, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{folder}/forged")
        listener.listen()
        listener.settimeout(PATIENCE)
        yield listener
    os.unlink(f"{folder}/forged")


def answer(listener, parameters):
    """Answer one call; who only looks whether somebody listens asks nothing."""
    asked = b""
    while not asked:
        connection, _ = listener.accept()
        asked = connection.recv(4096)
    with connection:
        connection.sendall(json.dumps({"parameters": parameters}).encode() + b"\0")
        connection.recv(4096)


def test_an_agent_that_does_not_answer(daemon, played, forged):  # pylint: disable=unused-argument
    """It keeps no other from root's view."""
    played()
    done = agent.vm(daemon, "list")
    assert done.stderr == f"macvtapctl: the agent at /run/user/{NOBODY}/macvtap-agent/forged does not answer\n"
    assert "web " in done.stdout


def test_an_agent_that_would_write_to_the_terminal(daemon, forged):
    thread = threading.Thread(target=answer, args=(forged, {"name": "a\x1b[2J\nroot", "pid": 5, "ports": [{"name": "\x9bx"}]}))
    thread.start()
    shown = agent.vm(daemon, "list").stdout
    thread.join()
    assert shown.splitlines()[1].split() == ["a?[2J?root", "5", "?x"]
