# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest that moves from one host to another on the same segment: its neighbours on either host reach it where it
runs, before, at and after the moment when QEMU announces it."""
import itertools
import json
import socket
import types

import pytest

from frames import BROADCAST, Tap, announcement, frame
from namespaces import Switch

GUEST = "52:54:00:00:00:01"
_serial = itertools.count()


class Site:
    """A host with its daemon, a port for the guest that moves, and one for a neighbour that stays."""

    def __init__(self, daemon, neighbour):
        self.daemon = daemon
        self.guest = None
        self._taps = []
        self.neighbour = self._make("neighbour", neighbour)
        self._watch = None

    def _make(self, name, mac, **parameters):
        with self.daemon.connect() as connection:
            connection.ports("CreatePort", network="lan", name=name, macAddress=mac, holder={"type": "none"},
                             vhost="off", **parameters)
            tap = Tap(connection.take_descriptors()[0])
        self._taps.append(tap)
        return types.SimpleNamespace(mac=mac, tap=tap)

    def make_guest(self, **parameters):
        self.guest = self._make("guest", GUEST, **parameters)

    def port(self):
        (port,) = [port for port in self.daemon.ports() if port["name"] == "guest"]
        return port

    def mode(self):
        link = self.daemon.host.link(self.port()["interfaceName"])
        return link["linkinfo"]["info_data"]["mode"]

    def watch(self):
        """From now on wait_incoming() sees changes of the guest's port."""
        self._watch = self.daemon.connect()
        self._watch.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
        assert self._watch.reply() == {"event": "ready"}

    def wait_incoming(self, incoming):
        while True:
            reply = self._watch.reply()
            if reply["port"]["name"] == "guest" and reply["port"]["incoming"] == incoming:
                return

    def close(self):
        for tap in self._taps:
            tap.close()
        if self._watch:
            self._watch.close()
        for port in self.daemon.ports():
            self.daemon.ctl("port", "delete", port["id"])


@pytest.fixture
def sites(hosts, daemons):
    """Two hosts on one switch."""
    switch = Switch(hosts("switch"))
    made = []
    for name, neighbour in ("source", "52:54:00:00:00:02"), ("destination", "52:54:00:00:00:03"):
        host = hosts(name)
        switch.plug(host, "eth0")
        host.quiet("eth0")
        daemon = daemons(host)
        # Some tests have a neighbour forge a guest's announcement.
        daemon.network("lan", text="[Network]\nParent=eth0\nMode=bridge\n[Guard]\nSenders=any\n")
        made.append(Site(daemon.start(), neighbour))
    yield made
    for site in made:
        site.close()


def reaches(sender, receiver, to=None):
    payload = b"frame %d" % next(_serial)
    sender.tap.send(frame(to or receiver.mac, sender.mac, payload))
    receiver.tap.expect(payload)


def all_reach(guest, sites):
    """The guest and the neighbours on both hosts, in both directions, also with what goes to all."""
    for site in sites:
        reaches(guest, site.neighbour, BROADCAST)
        reaches(site.neighbour, guest)
        reaches(guest, site.neighbour)
        reaches(site.neighbour, guest, BROADCAST)


def test_neighbours_reach_the_guest_all_along(sites):
    source, destination = sites
    source.make_guest()
    all_reach(source.guest, sites)
    destination.make_guest(incoming=True)
    assert destination.port()["incoming"] and destination.mode() == "vepa"
    assert destination.port()["mode"] == "bridge"
    assert "on another host" in destination.daemon.ctl("port", "show", "guest").stdout
    all_reach(source.guest, sites)
    source.watch()
    destination.watch()
    destination.guest.tap.send(announcement(GUEST))
    destination.wait_incoming(False)
    source.wait_incoming(True)
    assert (source.mode(), destination.mode()) == ("vepa", "bridge")
    # The source's port is still there, as libvirt keeps it for a while.
    all_reach(destination.guest, sites)
    source.daemon.ctl("port", "delete", "guest")
    all_reach(destination.guest, sites)


class Qemu:
    """A QEMU whose guest, of no software at all, has not been started."""

    def __init__(self, host, tap, mac):
        self._qmp, theirs = socket.socketpair()
        self.process = host.start(
            "qemu-system-x86_64", "-machine", "accel=tcg", "-m", "32", "-display", "none", "-nodefaults", "-S",
            "-netdev", f"tap,id=port,fd={tap}", "-device", f"virtio-net-pci,netdev=port,mac={mac},romfile=",
            "-chardev", f"socket,id=qmp,fd={theirs.fileno()}", "-mon", "chardev=qmp,mode=control",
            pass_fds=(tap, theirs.fileno()))
        theirs.close()
        self._stream = self._qmp.makefile("rw")
        self.execute("qmp_capabilities")

    def execute(self, command, **arguments):
        self._stream.write(json.dumps({"execute": command, "arguments": arguments}))
        self._stream.flush()
        while "return" not in (answer := json.loads(self._stream.readline())):
            assert "error" not in answer, answer

    def close(self):
        self.process.kill()
        self.process.wait()
        self._stream.close()
        self._qmp.close()


def test_what_qemu_announces(sites):
    """QEMU's own frame, and that it leaves when the guest starts to run, not before."""
    source, destination = sites
    source.make_guest()
    source.watch()
    destination.make_guest(incoming=True)
    destination.watch()
    qemu = Qemu(destination.daemon.host, destination.guest.tap.fileno(), GUEST)
    try:
        qemu.execute("announce-self", initial=50, max=550, rounds=1, step=100)
        qemu.execute("query-status")
        assert destination.port()["incoming"] and not source.port()["incoming"]
        qemu.execute("cont")
        destination.wait_incoming(False)
        source.wait_incoming(True)
    finally:
        qemu.close()


def test_guest_that_goes_on_at_the_source(sites):
    """The migration failed after the announcement, or somebody has forged one."""
    source, destination = sites
    source.make_guest()
    source.watch()
    destination.neighbour.tap.send(announcement(GUEST))
    source.wait_incoming(True)
    source.guest.tap.send(frame(BROADCAST, GUEST, b"still here"))
    source.wait_incoming(False)
    assert source.mode() == "bridge"
    all_reach(source.guest, sites)


@pytest.mark.parametrize("when", ["before", "while"])
def test_daemon_at_the_destination_is_restarted(sites, when):
    source, destination = sites
    source.make_guest()
    destination.make_guest(incoming=True)
    destination.daemon.kill()
    if when == "while":
        destination.guest.tap.send(announcement(GUEST))
    destination.daemon.start()
    if when == "before":
        assert destination.port()["incoming"]
        all_reach(source.guest, sites)
        destination.watch()
        destination.guest.tap.send(announcement(GUEST))
        destination.wait_incoming(False)
    assert not destination.port()["incoming"] and destination.mode() == "bridge"


def test_daemon_at_the_source_is_restarted(sites):
    source, destination = sites
    source.make_guest()
    all_reach(source.guest, sites)
    source.watch()
    destination.make_guest()
    destination.guest.tap.send(announcement(GUEST))
    source.wait_incoming(True)
    source.daemon.kill()
    source.daemon.start()
    assert source.port()["incoming"] and source.mode() == "vepa"
    all_reach(destination.guest, sites)


def test_announcement_within_one_host_is_none(sites):
    """A guest that announces itself, and a neighbour that announces it, are not on the wire."""
    source, _ = sites
    source.make_guest()
    source.watch()
    source.guest.tap.send(announcement(GUEST))
    source.neighbour.tap.send(announcement(GUEST))
    all_reach(source.guest, sites)
    assert not source.port()["incoming"] and source.mode() == "bridge"


def test_without_knowing_of_the_migration(sites):
    """A port at the destination that is no incoming one hides the guest from its neighbours there until it runs."""
    source, destination = sites
    source.make_guest()
    destination.make_guest()
    destination.neighbour.tap.send(frame(GUEST, destination.neighbour.mac, b"lost"))
    destination.neighbour.tap.send(frame(BROADCAST, destination.neighbour.mac, b"marker"))
    assert source.guest.tap.receive_until(b"marker") == []
