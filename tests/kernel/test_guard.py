# SPDX-License-Identifier: LGPL-2.1-or-later
"""The guard of a port: in force before the device is up, while no daemon runs, across restarts and reloads; what root
takes away is put back; nothing of it stays."""
import contextlib
import os
import re
import socket
import struct
import threading

import pytest

from clock import Deadline
from frames import BROADCAST, PacketSocket, Tap, frame, open_tap, payload_of, set_mac
from namespaces import MacMonitor
from varlink import VarlinkError

GUARDED = "[Network]\nParent=eth0\nMode=bridge\n[Guard]\nSenders={}\nAllow=other\n"
FALSE = "52:54:00:66:66:66"
SPOOFED = b"spoofed"
_RTMGRP_TC = 8
RTM_NEWTFILTER = 44


class FilterMonitor:
    """The kernel's messages of qdiscs and filters of a host, from the moment this object exists."""

    def __init__(self, host):
        def make():
            made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
            made.bind((0, _RTMGRP_TC))
            return made
        self._socket = host.call(make)

    def wait(self, kind, times=1):
        """Wait for messages of this kind."""
        deadline = Deadline()
        while times > 0:
            deadline.wait_readable(self._socket)
            data = self._socket.recv(65536)
            while len(data) >= 16:
                length, seen = struct.unpack_from("=IH", data)
                times -= seen == kind
                data = data[(length + 3) & ~3:]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()


class Spoofer(threading.Thread):
    """A guest that sends with a false sender without pause, from here on to the end of the block. to: each in turn."""

    def __init__(self, tap, *to):
        super().__init__()
        self._tap, self._frames = tap, [frame(each, FALSE, SPOOFED) for each in to]
        self._ends = threading.Event()
        self.sent = 0

    def run(self):
        while not self._ends.is_set():
            with contextlib.suppress(OSError):  # the device is not up yet
                for each in self._frames:
                    self._tap.send(each)
                    self.sent += 1

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._ends.set()
        self.join()


@pytest.fixture
def ports(daemons, host, station):
    """ports.daemon, and ports(network) makes a port: (port, tap). All are deleted at the end."""
    with contextlib.ExitStack() as stack:
        def make(network="lan", **parameters):
            with make.daemon.connect() as connection:
                reply = connection.ports("CreatePort", network=network, holder={"type": "none"}, vhost="off",
                                         **parameters)
                (descriptor,) = connection.take_descriptors()
            tap = stack.enter_context(Tap(descriptor))
            stack.callback(make.daemon.ctl, "port", "delete", reply["port"]["id"])
            return reply["port"], tap
        make.daemon = daemons(host)
        make.daemon.network("lan", text=GUARDED.format("own"))
        make.daemon.start()
        yield make


@pytest.fixture
def wire(station):
    with PacketSocket(station, "eth0", promiscuous=True) as made:
        yield made


def check_guarded(wire, port, tap):
    tap.send(frame(wire.mac, FALSE, SPOOFED))
    tap.send(frame(wire.mac, port["macAddress"], b"honest"))
    assert wire.receive_until(b"honest") == []


def is_spoofed(wire, port, tap):
    """Whether a frame with a false sender comes through."""
    tap.send(frame(wire.mac, FALSE, SPOOFED))
    tap.send(frame(wire.mac, port["macAddress"], b"honest"))
    return SPOOFED in wire.receive_until(b"honest")


def test_no_frame_leaves_before_the_guard_is_there(ports, host, wire):
    """Whoever opens a new device by its node, as soon as there is one, sends nothing that the guard does not see."""
    ends, known = threading.Event(), set()

    def send_from_each():
        taps = []
        while not ends.is_set():
            for name in set(os.listdir(host.path("/sys/class/net"))) - known - {"lo", "eth0"}:
                with contextlib.suppress(OSError, ValueError):
                    taps.append(Tap(open_tap(host, name)))
                    known.add(name)
            for tap in taps:
                with contextlib.suppress(OSError):
                    tap.send(frame(wire.mac, FALSE, SPOOFED))
        for tap in taps:
            tap.close()

    sender = threading.Thread(target=send_from_each)
    sender.start()
    try:
        with ports.daemon.connect() as connection:
            for _ in range(20):
                port = connection.ports("CreatePort", network="lan", openDescriptors=False,
                                        holder={"type": "none"})["port"]
                while port["interfaceName"] not in known:
                    assert sender.is_alive()
                connection.ports("DeletePort", port=port["id"])
    finally:
        ends.set()
        sender.join()
    port, tap = ports()
    check_guarded(wire, port, tap)


def test_holds_for_neighbours_too(ports, wire):
    port, tap = ports()
    other, neighbour = ports()
    tap.send(frame(other["macAddress"], FALSE, SPOOFED))
    tap.send(frame("ff:ff:ff:ff:ff:ff", FALSE, SPOOFED))
    tap.send(frame(other["macAddress"], port["macAddress"], b"honest"))
    assert neighbour.receive_until(b"honest") == []
    check_guarded(wire, port, tap)


def test_stays_while_no_daemon_runs(ports, wire):
    port, tap = ports()
    ports.daemon.kill()
    check_guarded(wire, port, tap)
    ports.daemon.start()
    check_guarded(wire, port, tap)
    ports.daemon.restart()
    check_guarded(wire, port, tap)


def test_what_was_counted_outlives_the_daemon(ports, host, wire):
    port, tap = ports()
    check_guarded(wire, port, tap)
    ports.daemon.kill()
    check_guarded(wire, port, tap)
    assert "v1-counters" in host.pins()
    ports.daemon.start()
    check_guarded(wire, port, tap)
    assert ports.daemon.ctl_json("port", "show", port["id"])["dropped"] == {"other-mac": 3}


def test_without_its_pins_it_is_in_force_all_the_same(ports, host, wire):
    """As after an upgrade to maps of another version."""
    port, tap = ports()
    check_guarded(wire, port, tap)
    ports.daemon.kill()
    for folder in host.pin_folders():
        for name in os.listdir(folder):
            os.rename(f"{folder}/{name}", f"{folder}/{name.replace('v1', 'v0')}")
    with Spoofer(tap, wire.mac):
        ports.daemon.start()
    check_guarded(wire, port, tap)
    assert [name for name in host.pins() if not name.startswith("v1-")] == []


def test_follows_a_reload(ports, wire):
    port, tap = ports()
    for senders in ("any", "own", "any", "own"):
        ports.daemon.network("lan", text=GUARDED.format(senders))
        ports.daemon.reload()
        assert is_spoofed(wire, port, tap) == (senders == "any")


def test_follows_the_mac_that_a_guest_may_choose(ports, host, wire):
    ports.daemon.network("lan", text=GUARDED.format("own") + "[Port]\nMac=any\n")
    ports.daemon.reload()
    port, tap = ports()
    with ports.daemon.connect() as watcher, MacMonitor(host, port["interfaceName"]) as monitor:
        watcher.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
        assert watcher.reply() == {"event": "ready"}
        set_mac(tap.fileno(), FALSE)
        monitor.wait(FALSE)
        while watcher.reply()["port"]["macAddress"] != FALSE:
            pass
    tap.send(frame(wire.mac, port["macAddress"], b"before"))
    tap.send(frame(wire.mac, FALSE, b"now"))
    assert wire.receive_until(b"now") == []


@pytest.mark.parametrize("command, messages", [
    ("tc qdisc del dev {} clsact", 2), ("tc filter del dev {} egress", 2), ("tc filter del dev {} egress prio 1", 2),
    # another program in its place: one message is of that
    ("tc filter replace dev {} egress protocol all prio 1 handle 1 bpf bytecode 1,6_0_0_0,", 3)])
def test_what_root_takes_away_is_put_back(ports, host, wire, command, messages):
    port, tap = ports()
    for _ in range(3):
        with FilterMonitor(host) as monitor:
            host.run(*(word.replace("_", " ") for word in command.format(port["interfaceName"]).split()))
            monitor.wait(RTM_NEWTFILTER, messages)
        check_guarded(wire, port, tap)
    assert ports.daemon.complaints().count(f"port {port['name']}: its guard was removed") == 1


def test_flushed_firewall_changes_nothing(ports, host, wire):
    port, tap = ports()
    host.run("nft", "flush", "ruleset")
    check_guarded(wire, port, tap)


def test_taken_away_while_no_daemon_runs(ports, host, wire):
    port, tap = ports()
    ports.daemon.kill()
    host.run("tc", "qdisc", "del", "dev", port["interfaceName"], "clsact")
    assert is_spoofed(wire, port, tap)
    ports.daemon.start()
    check_guarded(wire, port, tap)


# -- without BPF -----------------------------------------------------------------------------------------------

NO_BPFFS = "/sys/fs/bpf is not a BPF file system (mount -t bpf bpf /sys/fs/bpf)"


def test_without_a_bpf_file_system(daemons, host, station, wire):
    host.run("umount", "/sys/fs/bpf")
    daemon = daemons(host)
    daemon.network("lan", text=GUARDED.format("auto"))
    for number, asked in enumerate(("Senders=own", "Addresses=listed", "Addresses=dhcp")):
        daemon.network(f"asks{number}", text=f"[Network]\nParent=eth0\nMode=bridge\n[Guard]\n{asked}\n")
    daemon.start()
    assert daemon.complaints() == f"macvtapd: warning: ports are not guarded: {NO_BPFFS}\n"
    with daemon.connect() as connection:
        port = connection.ports("CreatePort", network="lan", vhost="off")["port"]
        (descriptor,) = connection.take_descriptors()
        with Tap(descriptor) as tap:
            assert is_spoofed(wire, port, tap)
        for number in range(3):
            with pytest.raises(VarlinkError, match=re.escape(
                    f"network asks{number} asks for a guard, and macvtapd cannot guard ports: {NO_BPFFS}")):
                connection.ports("CreatePort", network=f"asks{number}", vhost="off")
    assert daemon.settle() == []
    networks = {network["name"]: network for network in daemon.ctl_json("network", "list")["networks"]}
    assert NO_BPFFS in networks["lan"]["unguarded"]


def test_a_port_made_without_stays_without(daemons, host, station, wire):
    host.run("umount", "/sys/fs/bpf")
    daemon = daemons(host)
    daemon.network("lan", text=GUARDED.format("auto"))
    daemon.start()
    with daemon.connect() as connection:
        port = connection.ports("CreatePort", network="lan", vhost="off")["port"]
        (descriptor,) = connection.take_descriptors()
    with Tap(descriptor) as tap:
        host.run("mount", "-t", "bpf", "-o", "mode=700", "bpf", "/sys/fs/bpf")
        daemon.restart()
        assert is_spoofed(wire, port, tap)
        daemon.network("lan", text=GUARDED.format("own"))
        daemon.reload()
        check_guarded(wire, port, tap)


# -- what is left ------------------------------------------------------------------------------------------------

def test_nothing_stays_in_bpffs(daemons, host, station):
    daemon = daemons(host)
    daemon.network("lan", "eth0")
    daemon.start()
    daemon.ctl("port", "create", "--network", "lan", "--name", "web")
    daemon.ctl("port", "create", "--network", "lan", "--name", "db")
    assert host.pins() != []
    daemon.ctl("port", "delete", "web", "db")
    assert host.pins() == []
    port = daemon.ctl_json("port", "create", "--network", "lan", "--name", "web")
    daemon.kill()
    host.ip("link", "delete", port["interfaceName"])
    assert host.pins() != []
    daemon.start()
    daemon.ctl("port", "delete", "web")
    assert host.pins() == []
    daemon.stop()
    assert host.pin_folders() == []


def test_entries_of_ports_that_are_no_more_are_swept(daemons, host, station):
    daemon = daemons(host)
    daemon.network("lan", "eth0")
    daemon.start()
    port = daemon.ctl_json("port", "create", "--network", "lan", "--name", "web")
    daemon.kill()
    host.ip("link", "delete", port["interfaceName"])
    for record in daemon.records():
        (daemon.state / "ports" / record).unlink()
    daemon.start()
    assert host.pins() == []


# -- without pause -----------------------------------------------------------------------------------------------

ANY_MAC = GUARDED.format("own") + "[Port]\nMac=any\n"


class Honest(threading.Thread):
    """A guest that sends to all numbered frames of its own, from here on to the end of the block. It waits until each has
    come to the endpoints, so that no queue fills up, and sees what else comes there."""

    _PATIENCE = 2  # seconds; what does not come in that time is lost

    def __init__(self, tap, mac, *endpoints):
        super().__init__()
        self._tap, self._endpoints = tap, endpoints
        self._turn = threading.Condition()
        self._ends = False
        self.mac = mac
        self.number = 0  # of the frame that was sent last
        self.lost = set()
        self.others = []

    def run(self):
        while not self._ends:
            with self._turn:
                self.number += 1
                self._turn.notify_all()
            payload = b"honest %d" % self.number
            self._tap.send(frame(BROADCAST, self.mac, payload))
            for endpoint in self._endpoints:
                self._look_for(payload, endpoint)

    def _look_for(self, payload, endpoint):
        deadline = Deadline(self._PATIENCE)
        try:
            while (came := payload_of(endpoint.receive(deadline))) != payload:
                if not came.startswith(b"honest "):  # or it comes late
                    self.others.append(came)
        except TimeoutError:
            self.lost.add(self.number)

    def send_more(self, count):
        """Wait until it has sent so many more, and looked for all but the last."""
        with self._turn:
            end = self.number + count
            assert self._turn.wait_for(lambda: self.number >= end, Deadline(60).left())

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._ends = True
        self.join()


class Shaken:
    """What moves a guest's guard, and which of its frames may be lost by that."""

    def __init__(self, daemon, tap, guest):
        self._daemon, self._tap, self._guest = daemon, tap, guest
        self.may_be_lost = set()

    @contextlib.contextmanager
    def _may_lose(self):
        first = self._guest.number
        yield
        # One more may just have been made with what held before.
        self.may_be_lost |= set(range(first, self._guest.number + 2))
        self._guest.send_more(5)

    def kill(self):
        self._daemon.kill()
        self._guest.send_more(5)
        self._daemon.start()
        self._guest.send_more(5)

    def reload(self, number):
        with self._may_lose():
            self._daemon.network("lan", text=ANY_MAC + f"[Access]\nMaxPorts={100 + number}\n")
            self._daemon.reload()

    def change_mac(self, mac):
        """Until the daemon has heard of it, what comes from the new one is lost."""
        with self._daemon.connect() as watcher:
            watcher.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
            while watcher.reply().get("event") != "ready":
                pass
            with self._may_lose():
                set_mac(self._tap.fileno(), mac)
                self._guest.mac = mac
                while watcher.reply().get("port", {}).get("macAddress") != mac:
                    pass


def shake(ports, wire, times):
    ports.daemon.network("lan", text=ANY_MAC)
    ports.daemon.reload()
    (port, tap), (other, neighbour) = ports(), ports()
    with Spoofer(tap, wire.mac, BROADCAST, other["macAddress"]) as spoofer, \
            Honest(tap, port["macAddress"], wire, neighbour) as guest:
        shaken = Shaken(ports.daemon, tap, guest)
        for number in range(times):
            shaken.kill()
            shaken.reload(number)
            shaken.change_mac(f"52:54:00:77:00:{number:02x}")
    assert spoofer.sent > 0 and guest.others == []
    assert guest.lost - shaken.may_be_lost == set()


def test_kills_reloads_and_macs(ports, wire):
    shake(ports, wire, 5)


@pytest.mark.long
def test_fifty_kills_reloads_and_macs(ports, wire):
    shake(ports, wire, 50)
