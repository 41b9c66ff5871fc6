# SPDX-License-Identifier: LGPL-2.1-or-later
"""The guard's frame table by real frames: each row written to a port's tap, and looked for on the wire and at a
neighbour on the same parent. docs/guard.md's table is what this measures.

The rows are those of tests/support/fixtures/guard-rows.c. After each frame goes a marker that always passes; what comes
before it has arrived."""
import collections
import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import subprocess

import pytest

from frames import BROADCAST, PacketSocket, Tap, mac_bytes
from programs import BUILD, SOURCE

pytestmark = pytest.mark.lab

GUEST, NEIGHBOUR = "52:54:00:00:00:01", "52:54:00:00:00:02"
OWN, GATEWAY = "10.9.0.5", "10.9.0.254"
GUARDED = f"Senders=own\nAddresses=listed\nAllowAddresses={OWN}/32 fd00::5/128\n"
UNGUARDED = "Senders=any\n"
DOCUMENT = SOURCE / "docs/guard.md"
BEGIN, END = "<!-- frame table: begin -->", "<!-- frame table: end -->"
ALLOW = {0: "", 1: "router", 2: "dhcp-server", 4: "vlan", 8: "lldp", 16: "lacp", 32: "stp", 64: "tunnels", 128: "other"}
VERDICTS = {"P": "passes", "D": "dropped", "-": "not looked at", "?": ""}
HEAD = ["Frame from the guest", "To the wire", "To a neighbour", "Counted as", "Passes with `Allow=`",
        "nwfilter `clean-traffic`", "neutron", "Incus", "Proxmox"]
NEEDS_CSUM = 1
_SIOCETHTOOL, _ETHTOOL_STXCSUM, _TUNSETOFFLOAD = 0x8946, 0x17, 0x400454D0

Row = collections.namedtuple("Row", "name reason allow others start offset frame")


def read_rows():
    lines = subprocess.run([f"{BUILD}/tests/support/fixtures/guard-rows"], check=True, capture_output=True, text=True)
    for line in lines.stdout.splitlines():
        name, reason, allow, others, start, offset, frame = line.split("\t")
        yield Row(name, reason, int(allow), others, int(start), int(offset), bytes.fromhex(frame))


ROWS = list(read_rows())


def disable_checksum_offload(host, interface):
    """The kernel then finishes each checksum itself before a frame leaves by this interface."""
    value = ctypes.create_string_buffer(struct.pack("=II", _ETHTOOL_STXCSUM, 0))
    with host.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCETHTOOL, struct.pack("=16sQ16x", interface.encode(), ctypes.addressof(value)))


def arp(destination, sender_ip, target_ip):
    return (mac_bytes(destination) + mac_bytes(GUEST) + bytes.fromhex("08060001080006040002") + mac_bytes(GUEST)
            + socket.inet_aton(sender_ip) + bytes(6) + socket.inet_aton(target_ip) + bytes(18))


@contextlib.contextmanager
def on_one_cpu():
    """What one CPU sends stays in order on the way to a neighbour (netif_rx() has a queue for each)."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Lan:
    """A guest's port, a neighbour's on the same parent, and the wire."""

    def __init__(self, daemon, station, guard):
        disable_checksum_offload(daemon.host, "eth0")
        daemon.network("lan", text=f"[Network]\nParent=eth0\nMode=bridge\n[Guard]\n{guard}")
        daemon.start()
        self.daemon = daemon
        self.wire = PacketSocket(station, "eth0", promiscuous=True)
        self.connection = daemon.connect()
        self.guest, self.neighbour = (self._create(mac) for mac in (GUEST, NEIGHBOUR))
        fcntl.ioctl(self.neighbour.fileno(), _TUNSETOFFLOAD, 0)  # so the kernel finishes what it gets
        self._markers = 0

    def _create(self, mac):
        self.connection.ports("CreatePort", network="lan", vhost="off", macAddress=mac)
        (descriptor,) = self.connection.take_descriptors()
        return Tap(descriptor)

    def send(self, frame, start=0, offset=0):
        header = struct.pack("=BBHHHH", NEEDS_CSUM if start else 0, 0, 0, 0, start, offset)
        os.write(self.guest.fileno(), header.ljust(self.guest.header, b"\0") + frame)

    def arriving(self, frame, start=0, offset=0):
        """What of the guest comes to (the wire, the neighbour)."""
        self.send(frame, start, offset)
        self._markers += 1
        marker = arp(BROADCAST, OWN, f"10.9.{self._markers >> 8}.{self._markers & 255}")
        self.send(marker)
        return [self._before(endpoint, marker) for endpoint in (self.wire, self.neighbour)]

    @staticmethod
    def _before(endpoint, marker):
        before = []
        while True:
            frame = endpoint.receive(ethertype=None)
            if frame[:42] == marker[:42]:
                return before
            if frame[6:11] == mac_bytes(GUEST)[:5]:  # of the station nothing is looked for
                before.append(frame)

    def arrives(self, row):
        """Whether a row's frame comes to (the wire, the neighbour); one for another station is sent to each."""
        if row.frame[0] & 1:
            return [bool(frames) for frames in self.arriving(row.frame, row.start, row.offset)]
        to_wire = self.arriving(mac_bytes(self.wire.mac) + row.frame[6:], row.start, row.offset)[0]
        to_neighbour = self.arriving(mac_bytes(NEIGHBOUR) + row.frame[6:], row.start, row.offset)[1]
        return [bool(to_wire), bool(to_neighbour)]

    def dropped(self):
        """What was dropped of the guest, by reason."""
        (port,) = [port for port in self.daemon.ports() if port["macAddress"] == GUEST]
        return {reason: count for reason, count in port.get("dropped", {}).items() if count}

    def close(self):
        for endpoint in (self.guest, self.neighbour, self.wire, self.connection):
            endpoint.close()


@pytest.fixture
def lans(daemons, host, station):
    made = []

    def make(guard):
        made.append(Lan(daemons(host), station, guard))
        return made[-1]

    with on_one_cpu():
        yield make
    for lan in made:
        lan.close()


def table_row(row, arrived):
    others = [VERDICTS[verdict] for verdict in row.others] if row.others else [""] * 4
    return [row.name, *("passes" if there else "**dropped**" for there in arrived),
            f"`{row.reason}`" if row.reason else "", ALLOW[row.allow], *others]


def write_table(cells):
    """Puts the table into the document. Returns whether that has another one now."""
    lines = [f"| {' | '.join(row)} |" for row in (HEAD, ["---"] * len(HEAD), *cells)]
    text = DOCUMENT.read_text(encoding="utf-8")
    assert BEGIN in text and END in text, f"{DOCUMENT} has no table between {BEGIN} and {END}"
    new = "\n".join([text.split(BEGIN)[0] + BEGIN, *lines, END + text.split(END)[1]])
    if new == text:
        return False
    DOCUMENT.write_text(new, encoding="utf-8")
    return True


def test_frame_table(lans):
    lan = lans(GUARDED)
    cells, wrong = [], []
    for row in ROWS:
        before = lan.dropped()
        arrived = lan.arrives(row)
        cells.append(table_row(row, arrived))
        counted = {reason for reason, count in lan.dropped().items() if count != before.get(reason, 0)}
        if arrived != [not row.reason] * 2 or counted != ({row.reason} if row.reason else set()):
            wrong.append((row.name, arrived, counted))
    assert not wrong
    assert not write_table(cells), f"{DOCUMENT} had another table than was measured; it is written anew: commit it"


def test_every_row_arrives_without_a_guard(lans):
    """So what the table calls dropped was dropped by the guard."""
    lan = lans(UNGUARDED)
    arrived = {row.name: lan.arrives(row) for row in ROWS}
    assert arrived.pop("pause")[0]  # seen: the kernel gives none to a neighbour
    assert [name for name, where in arrived.items() if where != [True, True]] == []
    assert lan.dropped() == {}


# ---- what a checksum can write -----------------------------------------------------------------------------------

def folded_sum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def forged(frame, start, at, wanted, filler):
    """The frame in which the checksum from `start` on is `wanted`, by two bytes at `filler`: written at `at` it takes
    the place of what the guard has seen there. All places are even."""
    frame = bytearray(frame + bytes(len(frame) % 2))
    frame[filler:filler + 2] = bytes(2)
    missing = (~wanted & 0xffff) - folded_sum(bytes(frame[start:]))
    frame[filler:filler + 2] = struct.pack("!H", missing % 0xffff)
    return bytes(frame), start, at - start


def udp(destination):
    payload = b"FORGED!!" * 4
    head = struct.pack("!BBHHHBBH", 0x45, 0, 28 + len(payload), 0, 0, 64, 17, 0)
    return (mac_bytes(destination) + mac_bytes(GUEST) + b"\x08\0" + head + socket.inet_aton(OWN)
            + socket.inet_aton("10.9.0.9") + struct.pack("!HHHH", 1000, 2000, 8 + len(payload), 0) + payload)


# The last two bytes of the sender's address become those of the gateway's: 10.9.0.254.
ATTACKS = {
    "ARP": (forged(arp(BROADCAST, OWN, "10.9.0.9"), 20, 30, 0x00fe, 50), 28),
    "IPv4 to all": (forged(udp(BROADCAST), 20, 28, 0x00fe, 60), 26),
    "IPv4 to a neighbour": (forged(udp(NEIGHBOUR), 20, 28, 0x00fe, 60), 26),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_checksum_forges_a_sender_without_a_guard(lans, name):
    attack, at = ATTACKS[name]
    came = [frame[at:at + 4] for frames in lans(UNGUARDED).arriving(*attack) for frame in frames]
    assert socket.inet_aton(GATEWAY) in came


@pytest.mark.parametrize("name", ATTACKS)
def test_a_checksum_forges_no_sender_with_one(lans, name):
    lan = lans(GUARDED)
    assert lan.arriving(*ATTACKS[name][0]) == [[], []]
    assert lan.dropped() == {"checksum": 1}
