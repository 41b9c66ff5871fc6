# SPDX-License-Identifier: LGPL-2.1-or-later
"""A parent that is moved into another network namespace while it has ports, and comes back with another ifindex."""
import contextlib
import errno

import pytest

import link_events
from clock import Deadline
from frames import PacketSocket, mac_bytes
from stack_guest import StackGuest, talks

ETHERTYPE_RARP = 0x8035
AWAY = "its parent eth0 was moved into another network namespace"
NETWORK = "[Network]\nParent=eth0\nMode=bridge\n[Guard]\nSenders=own\n[Host]\nAccess=yes\n"
MAC, HOST, GUEST = "52:54:00:00:00:01", "10.0.0.1", "10.0.0.9"


@pytest.fixture
def watcher(daemon):
    with daemon.connect() as connection:
        connection.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
        assert connection.reply() == {"event": "ready"}
        yield connection


@pytest.fixture
def port(daemon, watcher):
    """A port of nobody, called vm."""
    made = daemon.ctl_json("port", "create", "--network=lan", "--name=vm")
    assert watcher.reply()["event"] == "created"
    yield made
    daemon.ctl("port", "delete", "vm")


class Parent:
    """The host's eth0, and where it can go."""

    def __init__(self, host, elsewhere):
        self.host, self.elsewhere = host, elsewhere
        self.index = host.interface_index("eth0")

    def leave(self):
        self.host.ip("link", "set", "eth0", "netns", str(self.elsewhere.pid))

    def replace(self, name="other0"):
        """Another link gets its ifindex."""
        self.host.ip("link", "add", name, "index", str(self.index), "type", "veth", "peer", "name", "other1")
        for each in (name, "other1"):
            self.host.quiet(each)
            self.host.ip("link", "set", each, "up")

    def come_back(self):
        self.elsewhere.ip("link", "set", "eth0", "netns", str(self.host.pid))
        self.host.quiet("eth0")
        self.host.ip("link", "set", "eth0", "up")
        assert self.host.interface_index("eth0") != self.index


@pytest.fixture
def parent(host, hosts, daemon):
    return Parent(host, hosts("elsewhere"))


def wait_for(watcher, **wanted):
    """The port as it is told when it is so."""
    last = None
    while True:
        try:
            last = watcher.reply()["port"]
        except TimeoutError:
            raise AssertionError(f"{wanted} was not told, but {last}") from None
        if all(value in last.get(key, "") if isinstance(value, str) and value else last.get(key, "") == value
               for key, value in wanted.items()):
            return last


def only_port(daemon):
    (port,) = daemon.ports()
    return port


def without(port, *members):
    return {key: value for key, value in port.items() if key not in members}


def check_follows(parent, station, watcher, port):
    """The port follows its parent: its MTU, its carrier, and its guest is announced."""
    parent.host.ip("link", "set", "eth0", "mtu", "1400")
    wait_for(watcher, mtu=1400)
    parent.host.ip("link", "set", "eth0", "mtu", "1500")
    wait_for(watcher, mtu=1500)
    station.ip("link", "set", "eth0", "down")
    wait_for(watcher, carrier=False)
    with PacketSocket(station, "eth0") as wire:
        station.ip("link", "set", "eth0", "up")
        wait_for(watcher, carrier=True)
        heard = wait_announcement(wire)
    assert heard[6:12] == mac_bytes(port["macAddress"])


def wait_announcement(wire):
    deadline = Deadline()
    while True:
        try:
            return wire.receive(deadline, ETHERTYPE_RARP)
        except OSError as error:  # once, as the interface was down
            assert error.errno == errno.ENETDOWN


def test_comes_back_with_another_index(daemon, parent, station, port, watcher):
    parent.leave()
    away = wait_for(watcher, problem=AWAY)
    assert (away["state"], away["parent"]) == ("active", "eth0")
    assert AWAY in daemon.ctl("port", "show", "vm").stdout
    parent.replace()
    parent.host.ip("link", "set", "other0", "mtu", "1300")
    parent.host.ip("link", "set", "other0", "down")  # Debian's kernel renames no link that is up
    parent.host.ip("link", "set", "other0", "name", "other2")
    assert without(only_port(daemon), "linkUp", "carrier") == without(away, "linkUp", "carrier")
    parent.come_back()
    assert wait_for(watcher, problem="", carrier=True) == port
    check_follows(parent, station, watcher, port)
    parent.host.ip("link", "set", "other2", "mtu", "1200")
    parent.host.ip("link", "del", "other2")
    assert only_port(daemon) == port


def test_comes_back_before_the_daemon_looks(daemon, parent, station, port, watcher):
    with link_events.unread(daemon):
        parent.leave()
        parent.replace()
        parent.come_back()
    check_follows(parent, station, watcher, port)
    assert only_port(daemon) == port


def test_moves_whose_events_are_lost(daemon, parent, station, port, watcher):
    link_events.set_buffer(daemon, 1)
    with link_events.unread(daemon):
        parent.leave()
        parent.replace("eth0")
    wait_for(watcher, problem=AWAY)
    parent.host.ip("link", "set", "eth0", "down")
    parent.host.ip("link", "set", "eth0", "mtu", "1300", "name", "other0")
    with link_events.unread(daemon):
        parent.come_back()
        parent.host.ip("link", "set", "other0", "mtu", "1200")
    wait_for(watcher, problem="")
    link_events.set_buffer(daemon, link_events.BUFFER)
    check_follows(parent, station, watcher, port)


def test_moves_while_no_daemon_runs(daemon, parent, station, port):
    """A link with the parent's name and ifindex is not the parent."""
    daemon.kill()
    parent.leave()
    parent.replace("eth0")
    daemon.start()
    assert AWAY in only_port(daemon)["problem"]
    parent.host.ip("link", "set", "eth0", "mtu", "1300")
    parent.host.ip("link", "set", "eth0", "down")
    parent.host.ip("link", "set", "eth0", "name", "other0")
    assert only_port(daemon)["mtu"] == 1500
    daemon.restart()
    assert AWAY in only_port(daemon)["problem"]
    assert only_port(daemon)["parent"] == "eth0"
    daemon.kill()
    parent.come_back()
    daemon.start()
    assert without(only_port(daemon), "seenAddresses") == port
    with daemon.connect() as watcher:
        watcher.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
        assert watcher.reply() == {"event": "ready"}
        check_follows(parent, station, watcher, port)


def test_restart_while_the_parent_is_away(daemon, parent, station, port, watcher):
    parent.leave()
    away = wait_for(watcher, problem=AWAY)
    parent.replace("eth0")
    daemon.restart()
    assert without(only_port(daemon), "seenAddresses", "carrier") == without(away, "carrier")
    parent.host.ip("link", "set", "eth0", "down")
    parent.host.ip("link", "set", "eth0", "name", "other0")
    with daemon.connect() as again:
        again.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
        assert again.reply() == {"event": "ready"}
        parent.come_back()
        wait_for(again, problem="", carrier=True)
        check_follows(parent, station, again, port)


def test_removed_elsewhere(daemon, parent, port, watcher):
    """The kernel removes the device with the parent, wherever that is; whoever gets the name is not the parent."""
    parent.leave()
    wait_for(watcher, problem=AWAY)
    parent.replace()
    parent.elsewhere.ip("link", "del", "eth0")
    assert "problem" not in wait_for(watcher, state="parent-gone")
    parent.host.ip("link", "set", "other0", "down")
    parent.host.ip("link", "set", "other0", "name", "eth0")
    for _ in range(2):
        daemon.restart()
        assert only_port(daemon)["state"] == "parent-gone"


@pytest.mark.parametrize("runs", [True, False])
def test_device_moved_as_well(daemon, parent, watcher, runs):
    """The kernel did not remove it together with its parent, but the port's end does."""
    port = daemon.ctl_json("port", "create", "--network=lan", "--name=vm")
    parent.leave()
    wait_for(watcher, problem=AWAY)
    if not runs:
        daemon.kill()
    parent.host.ip("link", "set", port["interfaceName"], "netns", str(parent.elsewhere.pid))
    if runs:
        wait_for(watcher, state="device-gone")
    else:
        daemon.start()
    assert only_port(daemon)["state"] == "device-gone"
    assert "its device was moved into another network namespace" in only_port(daemon)["problem"]
    assert port["interfaceName"] in parent.elsewhere.links()
    daemon.ctl("port", "delete", "vm")
    assert port["interfaceName"] not in parent.elsewhere.links()


def test_passthru(daemon, parent, station, watcher):
    daemon.network("alone", text="[Network]\nParent=eth0\nMode=passthru\n")
    daemon.reload()
    port = daemon.ctl_json("port", "create", "--network=alone", "--name=vm")
    parent.leave()
    wait_for(watcher, problem=AWAY)
    parent.replace()
    parent.come_back()
    assert wait_for(watcher, problem="", carrier=True) == port
    check_follows(parent, station, watcher, port)
    daemon.ctl("port", "delete", "vm")


def test_host_link_itself(daemon, parent):
    """macvtapd has made another meanwhile, and removes both with the last port."""
    host, elsewhere = parent.host, parent.elsewhere
    daemon.network("lan", text=NETWORK)
    daemon.reload()
    daemon.ctl("port", "create", "--network=lan", "--name=vm")
    host.ip("link", "set", "mvh-eth0", "netns", str(elsewhere.pid))
    daemon.restart()
    assert "mvh-eth0" in host.links()
    elsewhere.ip("link", "set", "mvh-eth0", "name", "old0")
    elsewhere.ip("link", "set", "old0", "netns", str(host.pid))
    daemon.ctl("port", "delete", "vm")
    assert not {"mvh-eth0", "old0"} & set(host.links())


@pytest.mark.parametrize("looks", [True, False])
def test_host_access(daemon, parent, watcher, looks):
    """The host link goes when the parent does, and is made again; the daemon looks in between, or only afterwards."""
    host = parent.host
    host.address("eth0", f"{HOST}/24")
    daemon.network("lan", text=NETWORK)
    daemon.reload()
    with daemon.connect() as connection:
        connection.ports("CreatePort", network="lan", vhost="off", macAddress=MAC)
        (descriptor,) = connection.take_descriptors()
    guest = StackGuest(descriptor, MAC)
    try:
        guest.address(f"{GUEST}/24")
        assert talks(guest.host, host, HOST, GUEST)
        with contextlib.nullcontext() if looks else link_events.unread(daemon):
            parent.leave()
            if looks:
                wait_for(watcher, problem=AWAY)
            parent.replace()
            parent.come_back()
            host.address("eth0", f"{HOST}/24")
        assert talks(guest.host, host, HOST, GUEST)
        assert talks(host, guest.host, GUEST, HOST)
        daemon.restart()
        assert talks(guest.host, host, HOST, GUEST)
        assert len(daemon.host_links()) == 1
    finally:
        guest.close()
