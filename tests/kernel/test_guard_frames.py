# SPDX-License-Identifier: LGPL-2.1-or-later
"""The guard's frame table by real frames: each row written to a port's tap, and looked for on the wire and at a
neighbour on the same parent. docs/guard.md's table is what this measures.

The rows are those of tests/support/fixtures/guard-rows.c. After each frame goes a marker that always passes; what comes
before it has arrived."""
import socket
import struct

import pytest

from frames import BROADCAST, mac_bytes
from guard_lan import GUEST, NEIGHBOUR, OWN, Lan, arp, on_one_cpu, read_rows
from programs import SOURCE

GATEWAY = "10.9.0.254"
GUARDED = f"Senders=own\nAddresses=listed\nAllowAddresses={OWN}/32 fd00::5/128\n"
UNGUARDED = "Senders=any\n"
DOCUMENT = SOURCE / "docs/guard.md"
BEGIN, END = "<!-- frame table: begin -->", "<!-- frame table: end -->"
ALLOW = ["router", "dhcp-server", "vlan", "lldp", "lacp", "stp", "tunnels", "other"]  # in the order of their bits
VERDICTS = {"P": "passes", "D": "dropped", "-": "not looked at", "?": ""}
HEAD = ["Frame from the guest", "To the wire", "To a neighbour", "Counted as", "Passes with `Allow=`",
        "nwfilter `clean-traffic`", "neutron", "Incus", "Proxmox"]
ROWS = list(read_rows())


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
    allowed = " ".join(name for bit, name in enumerate(ALLOW) if row.allow >> bit & 1)
    others = [VERDICTS[verdict] for verdict in row.others] if row.others else [""] * 4
    return [row.name, *("passes" if there else "**dropped**" for there in arrived),
            f"`{row.reason}`" if row.reason else "", allowed, *others]


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


@pytest.mark.lab
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


# ---- large frames, in several pieces of memory ---------------------------------------------------------------------

def ipv4(source, protocol, payload):
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0)
    return (mac_bytes(NEIGHBOUR) + mac_bytes(GUEST) + b"\x08\0" + head + socket.inet_aton(source)
            + socket.inet_aton("10.9.0.9") + payload)


def tcp(source):
    return ipv4(source, 6, struct.pack("!HHIIBBHHH", 1000, 80, 1, 0, 0x50, 0x18, 1000, 0, 0) + bytes(60000))


def large_udp(source, port=1000):
    return ipv4(source, 17, struct.pack("!HHHH", port, 2000, 7008, 0) + bytes(7000))


@pytest.mark.lab
@pytest.mark.parametrize("frame, how, reason", [
    (tcp(OWN), (34, 16, 1400), None),
    (tcp(GATEWAY), (34, 16, 1400), "ipv4-address"),
    (large_udp(OWN), (), None),
    (large_udp(GATEWAY), (), "ipv4-address"),
    (large_udp(OWN, 67), (), "dhcp-server"),
], ids=["own segments", "another's segments", "own datagram", "another's datagram", "DHCP server's datagram"])
def test_large_frames(lans, host, station, frame, how, reason):
    for machine in (host, station):
        machine.ip("link", "set", "eth0", "mtu", "9000")
    lan = lans(GUARDED)
    assert bool(lan.arriving(frame, *how)[1]) == (reason is None)
    assert lan.dropped() == ({reason: 1} if reason else {})


def test_count_lets_pass_and_counts(lans):
    lan = lans(GUARDED + "Verdict=count\n")
    for row in ROWS:
        if row.name != "pause":  # seen: the kernel gives none to a neighbour
            before = lan.dropped().get(row.reason, 0)
            assert lan.arrives(row) == [True, True], row.name
            assert not row.reason or lan.dropped()[row.reason] > before, row.name
