# SPDX-License-Identifier: LGPL-2.1-or-later
"""A descriptor's holder changes the MAC of the device, as any may who has nothing but the descriptor."""
import contextlib
import json
import os
import pwd
import signal

import pytest

from frames import PacketSocket, Tap, frame, set_mac
from namespaces import MacMonitor

OTHER, THIRD = "52:54:00:00:77:01", "52:54:00:00:77:02"
NETWORK = "[Network]\nParent=eth0\nMode={mode}\n[Port]\nMac={mac}\n[Access]\nAllowUsers=nobody\n"


@pytest.fixture
def daemon(daemons, host, station):
    made = daemons(host)
    for name, mode, mac in (("pinned", "bridge", "generate"), ("any", "bridge", "any"),
                            ("inherit", "passthru", "inherit"), ("assign", "passthru", "assign")):
        made.network(name, text=NETWORK.format(mode=mode, mac=mac))
    return made.start()


@pytest.fixture
def ports(daemon):
    """ports(network) makes a port: (port, tap). All are deleted at the end."""
    with contextlib.ExitStack() as stack:
        def make(network, **parameters):
            with daemon.connect() as connection:
                reply = connection.ports("CreatePort", network=network, holder={"type": "none"}, vhost="off",
                                         **parameters)
                (descriptor,) = connection.take_descriptors()
            tap = stack.enter_context(Tap(descriptor))
            stack.callback(daemon.ctl, "port", "delete", reply["port"]["id"])
            return reply["port"], tap
        yield make


@pytest.fixture
def watcher(daemon):
    with daemon.connect() as connection:
        connection.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
        assert connection.reply() == {"event": "ready"}
        yield connection


@pytest.fixture
def wire(station):
    with PacketSocket(station, "eth0") as socket:
        yield socket


def as_nobody(function, *arguments):
    """Call function in a process of the user nobody, without any capability."""
    nobody = pwd.getpwnam("nobody")
    pid = os.fork()
    if pid == 0:
        status = 1
        with contextlib.suppress(BaseException):
            os.setgroups([])
            os.setresgid(nobody.pw_gid, nobody.pw_gid, nobody.pw_gid)
            os.setresuid(nobody.pw_uid, nobody.pw_uid, nobody.pw_uid)
            with open("/proc/thread-self/status", encoding="ascii") as stream:
                assert "CapEff:\t0000000000000000\n" in stream.read()
            function(*arguments)
            status = 0
        os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0, "nobody could not"


def state(daemon, port):
    return next(other for other in daemon.ports() if other["id"] == port["id"])


def check_frames(station, tap, mac):
    tap.send(frame(station.mac, mac, b"from the guest"))
    station.expect(b"from the guest")
    station.send(frame(mac, station.mac, b"to the guest"))
    tap.expect(b"to the guest")


def test_undone_by_event_and_counted(daemon, host, ports, watcher, wire):
    port, tap = ports("pinned")
    mac, name = port["macAddress"], port["interfaceName"]
    assert watcher.reply()["event"] == "created"
    with MacMonitor(host, name) as macs:
        for times in (1, 2, 3):
            as_nobody(set_mac, tap.fileno(), OTHER)
            macs.wait(OTHER)
            macs.wait(mac)
            assert watcher.reply() == {"event": "changed", "port": {**port, "macChanges": times}}
            assert host.mac(name) == mac
    assert state(daemon, port)["macChanges"] == 3
    assert daemon.messages().count("its MAC was changed") == 1
    assert OTHER in daemon.messages()
    check_frames(wire, tap, mac)


def test_undone_by_the_next_start(daemon, host, ports):
    """What was changed while no daemon ran."""
    port, tap = ports("pinned")
    daemon.kill()
    as_nobody(set_mac, tap.fileno(), OTHER)
    assert host.mac(port["interfaceName"]) == OTHER
    daemon.start()
    assert host.mac(port["interfaceName"]) == port["macAddress"]
    assert state(daemon, port) == {**port, "macChanges": 1}


def test_inherited_mac_of_the_parent_is_kept(daemon, host, ports):
    before = host.mac("eth0")
    port, tap = ports("inherit")
    with MacMonitor(host, port["interfaceName"]) as macs:
        as_nobody(set_mac, tap.fileno(), OTHER)
        macs.wait(OTHER)
        macs.wait(before)
    assert host.mac("eth0") == before
    assert state(daemon, port)["macChanges"] == 1
    assert f"its MAC was changed to {OTHER}" in daemon.messages()
    assert "the MAC of its parent" not in daemon.messages()


def test_inherited_mac_is_kept_when_the_parents_is_changed(daemon, host, ports):
    """The device has the other one as well then, of which no message of the kernel tells."""
    before = host.mac("eth0")
    port, _ = ports("inherit")
    with MacMonitor(host, "eth0") as macs:
        host.ip("link", "set", "eth0", "address", OTHER)
        macs.wait(OTHER)
        macs.wait(before)
    assert host.mac(port["interfaceName"]) == before
    assert state(daemon, port)["macChanges"] == 1
    assert f"the MAC of its parent eth0 was changed to {OTHER}, and was restored to {before}" in daemon.messages()


def test_change_of_the_parents_mac_is_told_as_such(daemon, host, ports):
    """A new device's carrier is told late, up to a second, in a message that has the other MAC as well."""
    before = host.mac("eth0")
    port, _ = ports("inherit")
    daemon.process.send_signal(signal.SIGSTOP)
    host.ip("link", "set", "eth0", "address", OTHER)
    host.ip("link", "show", port["interfaceName"])  # who asks for it has it told at once
    with MacMonitor(host, "eth0") as macs:
        daemon.process.send_signal(signal.SIGCONT)
        macs.wait(before)
    assert state(daemon, port)["macChanges"] == 1
    assert f"the MAC of its parent eth0 was changed to {OTHER}" in daemon.messages()


@pytest.mark.parametrize("network", ["any", "assign"])
def test_allowed_and_the_record_follows(daemon, host, ports, watcher, wire, network):
    before = host.mac("eth0")
    port, tap = ports(network, macAddress=THIRD)
    assert watcher.reply()["event"] == "created"
    as_nobody(set_mac, tap.fileno(), OTHER)
    changed = {**port, "macAddress": OTHER}
    assert watcher.reply() == {"event": "changed", "port": changed}
    assert json.loads((daemon.state / "ports" / port["id"]).read_text(encoding="utf-8"))["macAddress"] == OTHER
    assert host.mac("eth0") == (OTHER if network == "assign" else before)
    daemon.kill()
    daemon.start()
    assert state(daemon, port) == changed
    assert host.mac(port["interfaceName"]) == OTHER
    check_frames(wire, tap, OTHER)
    assert "its MAC was changed" not in daemon.messages()


@pytest.mark.lab
def test_passthru_parent_has_its_mac_again_after_changes(daemon, host):
    before = host.mac("eth0")
    with daemon.connect() as connection:
        port = connection.ports("CreatePort", network="assign", macAddress=THIRD, holder={"type": "none"},
                                vhost="off")["port"]
        (descriptor,) = connection.take_descriptors()
    as_nobody(set_mac, descriptor, OTHER)
    assert host.mac("eth0") == OTHER
    os.close(descriptor)
    daemon.ctl("port", "delete", port["id"])
    assert host.mac("eth0") == before


def swap(first, second):
    """Two guests exchange their MACs. The kernel takes no MAC twice, hence a third one in between."""
    (one, one_tap), (two, two_tap) = first, second
    set_mac(one_tap.fileno(), OTHER)
    set_mac(two_tap.fileno(), one["macAddress"])
    set_mac(one_tap.fileno(), two["macAddress"])


@pytest.mark.parametrize("when", ["it does not look", "it does not run"])
def test_two_ports_that_swap(daemon, host, ports, wire, when):
    """Neither can have its MAC back while the other has it."""
    first, second = ports("pinned"), ports("pinned")
    with MacMonitor(host, first[0]["interfaceName"]) as one, MacMonitor(host, second[0]["interfaceName"]) as two:
        if when == "it does not run":
            daemon.kill()
        else:
            daemon.process.send_signal(signal.SIGSTOP)
        as_nobody(swap, first, second)
        two.wait(first[0]["macAddress"])
        one.wait(second[0]["macAddress"])
        if when == "it does not run":
            daemon.start()
        else:
            daemon.process.send_signal(signal.SIGCONT)
        one.wait(first[0]["macAddress"])
        two.wait(second[0]["macAddress"])
    for port, tap in (first, second):
        check_frames(wire, tap, port["macAddress"])


def test_stolen_mac_comes_back_when_it_is_free(daemon, host, ports):
    """A device that is not ours has the MAC: the port gets it back when that one has gone."""
    port, tap = ports("pinned")
    daemon.process.send_signal(signal.SIGSTOP)
    as_nobody(set_mac, tap.fileno(), OTHER)
    host.ip("link", "add", "thief", "link", "eth0", "address", port["macAddress"], "type", "macvlan", "mode", "bridge")
    host.ip("link", "set", "thief", "up")
    with MacMonitor(host, port["interfaceName"]) as macs:
        daemon.process.send_signal(signal.SIGCONT)
        blocked = state(daemon, port)
        assert blocked["macChanges"] == 1 and "could not be restored" in blocked["problem"]
        host.ip("link", "del", "thief")
        macs.wait(port["macAddress"])


def test_mac_of_another_port_is_refused_by_the_kernel(ports):
    first, second = ports("pinned"), ports("pinned")
    with pytest.raises(OSError):
        set_mac(first[1].fileno(), second[0]["macAddress"])
