# SPDX-License-Identifier: LGPL-2.1-or-later
"""Serve=dhcp by real frames: each row of the table of DHCP frames written to a port's tap, in every mode. What is answered
comes back, what is not is counted, and nothing of it comes to the wire.

The rows are those of tests/support/fixtures/dhcp-rows.c: the guest is 52:54:00:00:00:01, and 10.9.0.41 is its lease."""
import collections
import fcntl
import itertools
import os
import socket
import struct
import subprocess

import pytest

from dhcp_lan import (ACK, ADDRESSES, DISCOVER, GATEWAY, LEASE, MODES, NAK, NOBODY, OFFER, REQUEST, Answer, Site, bootp,
                      ethernet, ipv4, network_text, question, receive_answer, requested, server, udp)
from frames import PacketSocket, Tap, frame, mac_bytes, set_mac
from guard_lan import NEEDS_CSUM, NEIGHBOUR, on_one_cpu
from programs import BUILD
from sample import sampled
from varlink import VarlinkError

GUEST = "52:54:00:00:00:01"
GUARDED = "Allow=other\n"
UNGUARDED = "Senders=any\nAllow=router dhcp-server vlan lldp lacp stp tunnels other\n"
_TUNSETOFFLOAD, _TUN_F_CSUM = 0x400454D0, 1

Row = collections.namedtuple("Row", "name result type frame")


def read_rows(*arguments):
    command = [f"{BUILD}/tests/support/fixtures/dhcp-rows", *arguments]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for line in lines.splitlines():
        name, result, kind, data = line.split("\t")
        yield Row(name, result, int(kind), bytes.fromhex(data))


@pytest.fixture
def sites(daemons, host, station):
    """sites(mode=…) makes a Site whose guest is a tap: site.tap."""
    made = []

    def make(**options):
        host.ip("link", "set", "eth0", "address", GUEST if options.get("mode") == "passthru" else "02:00:00:00:00:07")
        site = Site(daemons(host), station, mac=GUEST, **options)
        site.tap = Tap(site.descriptor)
        made.append(site)
        return site

    yield make
    for site in made:
        site.tap.close()
        site.close()


def drain(tap):
    """What the tap has for the guest by now: an answer is there before the write that asks for it returns."""
    frames = []
    while True:
        try:
            frames.append(os.read(tap.fileno(), 65536)[tap.header:])
        except BlockingIOError:
            return frames


def before(tap, marker):
    """What comes to the guest from the marker's sender before the marker."""
    frames = []
    while not (data := tap.receive(ethertype=None)).startswith(marker):
        if data[6:12] == marker[6:12]:
            frames.append(data.hex())
    return frames


def answers_to(site, data):
    """The DHCP messages that come back for a frame."""
    drain(site.tap)
    site.tap.send(data)
    return [Answer(data) for data in drain(site.tap) if data[34:38] == b"\0\x43\0\x44"]


def answer_to(site, data):
    (answer,) = answers_to(site, data)
    return answer


def is_dropped(row):
    return row.result not in ("pass", "answer", "swallow")


@pytest.mark.lab
@pytest.mark.parametrize("mode, guard", sampled(itertools.product(MODES, [GUARDED, UNGUARDED]),
                                                [("bridge", GUARDED), ("passthru", UNGUARDED)]))
def test_the_table(sites, mode, guard):
    site = sites(mode=mode, guard=guard)
    wrong = []
    for row in read_rows():
        before = site.dropped() if is_dropped(row) else {}
        kinds = [answer.kind for answer in answers_to(site, row.frame)]
        if kinds != ([row.type] if row.result == "answer" else []):
            wrong.append((row.name, kinds))
        if is_dropped(row) and site.dropped().get(row.result, 0) != before.get(row.result, 0) + 1:
            wrong.append((row.name, site.dropped()))
    assert not wrong
    asked = {row.frame for row in read_rows() if row.result != "pass"}
    came = site.wire.frames_until_marker(site.tap.send, GUEST)
    assert [data.hex() for data in came if data in asked] == []
    if guard == UNGUARDED:  # what is not DHCP's comes to the wire, as ever
        assert {row.name for row in read_rows() if row.frame in came} == {row.name for row in read_rows()
                                                                       if row.result == "pass"}


@pytest.mark.parametrize("mode", sampled(MODES, ["bridge"]))
def test_other_servers_are_not_heard(sites, station, mode):
    site = sites(mode=mode)
    rows = [row for row in read_rows("received") if is_dropped(row)]
    sender = PacketSocket(station, "eth0")
    for row in rows:
        sender.send(row.frame[:6] + mac_bytes(sender.mac) + row.frame[12:])
    marker = frame("ff:ff:ff:ff:ff:ff", sender.mac, b"marker")
    sender.send(marker)
    assert before(site.tap, marker) == []
    sender.close()
    # Those behind a tag do not come to an untagged macvtap in every mode and kernel.
    assert len(rows) - 1 <= site.dropped()["dhcp-other-server"] <= len(rows)


def test_a_neighbour_is_not_heard(sites):
    """A guest that is allowed to serve DHCP, on the same parent."""
    site = sites()
    site.daemon.network("other", text="[Network]\nParent=eth0\nMode=bridge\n[Guard]\nSenders=any\n")
    site.daemon.reload()
    with site.daemon.connect() as connection:
        connection.ports("CreatePort", network="other", vhost="off", macAddress=NEIGHBOUR)
        with Tap(connection.take_descriptors()[0]) as neighbour:
            mac = NEIGHBOUR
            marker = frame(GUEST, mac, b"marker")
            with on_one_cpu():
                for kind, to in itertools.product((OFFER, ACK, NAK), ("ff:ff:ff:ff:ff:ff", GUEST)):
                    message = bootp(GUEST, bytes((53, 1, kind, 255)), operation=2)
                    neighbour.send(ethernet(mac, ipv4("10.9.0.9", "255.255.255.255", udp((67, 68), message)), to))
                neighbour.send(marker)
            assert before(site.tap, marker) == []
    assert site.dropped()["dhcp-other-server"] == 6


# ---- ARP for the server identifier --------------------------------------------------------------------------------

def arp(sender, target, operation=1, mac=GUEST):
    return ethernet(mac, bytes.fromhex("000108000604") + struct.pack("!H", operation) + mac_bytes(mac)
                    + socket.inet_aton(sender) + bytes(6) + socket.inet_aton(target) + bytes(18), ethertype=b"\x08\x06")


@pytest.mark.parametrize("mode", sampled(MODES, ["private"]))
def test_arp_for_the_server(sites, mode):
    site = sites(mode=mode, addresses=ADDRESSES.replace(f"Gateway={GATEWAY}\n", ""))
    for sender in ("0.0.0.0", LEASE):
        site.tap.send(arp(sender, NOBODY))
        reply = site.tap.receive(ethertype=0x0806)
        assert reply[20:22] == b"\0\2" and reply[28:32] == socket.inet_aton(NOBODY)
        assert reply[32:42] == mac_bytes(GUEST) + socket.inet_aton(sender)
    mac = reply[22:28].hex(":")
    # What the guest sends there comes back, too.
    message = bootp(GUEST, bytes((53, 1, REQUEST, 255)), ciaddr=LEASE)
    answer = answer_to(site, ethernet(GUEST, ipv4(LEASE, NOBODY, udp((68, 67), message)), mac))
    assert (answer.kind, answer.server, answer.source_mac) == (ACK, NOBODY, mac)
    assert answer.options[121] == b"\x20" + socket.inet_aton(NOBODY) + bytes(4)
    came = site.wire.frames_until_marker(site.tap.send, GUEST)
    assert [data.hex() for data in came if socket.inet_aton(NOBODY) in data] == []


def test_arp_for_a_gateway_is_the_gateways(sites):
    site = sites()
    site.tap.send(arp(LEASE, GATEWAY))
    came = site.wire.frames_until_marker(site.tap.send, GUEST)
    assert [data[38:42] for data in came if data[12:14] == b"\x08\x06"] == [socket.inet_aton(GATEWAY)]


# ---- checksums that the host is to finish --------------------------------------------------------------------------

@pytest.mark.parametrize("offload", [0, _TUN_F_CSUM], ids=["finished by the host", "finished by the guest"])
def test_a_question_with_an_unfinished_checksum(sites, offload):
    """As a guest's UDP socket sends it: the answer is as good, whichever side adds it up."""
    site = sites()
    fcntl.ioctl(site.tap.fileno(), _TUNSETOFFLOAD, offload)
    header = struct.pack("=BBHHHH", NEEDS_CSUM, 0, 0, 0, 34, 6).ljust(site.tap.header, b"\0")
    message = bootp(GUEST, bytes((53, 1, REQUEST, 255)), ciaddr=LEASE)
    drain(site.tap)
    os.write(site.tap.fileno(), header + ethernet(GUEST, ipv4(LEASE, GATEWAY, udp((68, 67), message))))
    (data,) = [data for data in drain_whole(site.tap) if data[site.tap.header + 34:][:4] == b"\0\x43\0\x44"]
    flags, start, offset = data[0], *struct.unpack("=HH", data[6:10])
    data = bytearray(data[site.tap.header:])
    if flags & NEEDS_CSUM:
        assert offload and (start, offset) == (34, 6)
        data[40:42] = struct.pack("!H", folded(data[34:]) ^ 0xffff)
    pseudo = data[26:34] + b"\0\x11" + data[38:40]
    assert data[40:42] != b"\0\0" and folded(pseudo + data[34:]) == 0xffff


def drain_whole(tap):
    """As drain(), with the virtio-net headers."""
    frames = []
    while True:
        try:
            frames.append(os.read(tap.fileno(), 65536))
        except BlockingIOError:
            return frames


def folded(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", bytes(data)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


# ---- what the answers follow ---------------------------------------------------------------------------------------

def test_answers_follow_the_networks_file(sites):
    site = sites()
    discover = question(GUEST, DISCOVER)
    assert answer_to(site, discover).options[3] == socket.inet_aton(GATEWAY)
    site.daemon.network("lan", text=network_text(addresses=ADDRESSES.replace(GATEWAY, "10.9.0.1")))
    site.daemon.reload()
    answer = answer_to(site, discover)
    assert (answer.server, answer.options[3]) == ("10.9.0.1", socket.inet_aton("10.9.0.1"))
    # A lease of the old server's is not renewed there, but extended by whoever answers to all.
    message = bootp(GUEST, bytes((53, 1, REQUEST, 255)), ciaddr=LEASE)
    assert answers_to(site, ethernet(GUEST, ipv4(LEASE, GATEWAY, udp((68, 67), message)))) == []
    assert answer_to(site, ethernet(GUEST, ipv4(LEASE, "255.255.255.255", udp((68, 67), message)))).kind == ACK

    site.daemon.network("lan", text=network_text(addresses=ADDRESSES.replace("Serve=dhcp", "Serve=none")))
    site.daemon.reload()
    assert answers_to(site, discover) == []
    assert len(site.dhcp_on_the_wire(site.tap.send)) == 1


def test_answers_stay_without_the_networks_file(sites):
    site = sites()
    (site.daemon.config / "networks.d" / "lan.network").unlink()
    site.daemon.reload()
    site.daemon.kill()
    site.daemon.start()
    assert answer_to(site, question(GUEST, DISCOVER)).options[3] == socket.inet_aton(GATEWAY)
    assert site.dhcp_on_the_wire(site.tap.send) == []


@pytest.mark.parametrize("text", [None, "Typo=1"])
def test_without_the_networks_file_the_guest_may_change_its_mac(sites, text):
    """The answers go to the new MAC. text: what the file has become."""
    site = sites(addresses=f"{ADDRESSES}[Port]\nMac=any\n")
    file = site.daemon.config / "networks.d" / "lan.network"
    if text:
        file.write_text(text, encoding="utf-8")
    else:
        file.unlink()
    site.daemon.reload()
    set_mac(site.tap.fileno(), NEIGHBOUR)
    while site.daemon.ports()[0]["macAddress"] != NEIGHBOUR:
        pass
    for _ in range(2):
        assert answer_to(site, question(NEIGHBOUR, DISCOVER)).destination_mac == NEIGHBOUR
        options = requested(LEASE) + server(GATEWAY)
        assert answer_to(site, question(NEIGHBOUR, REQUEST, options)).kind == ACK
        site.daemon.kill()
        site.daemon.start()


def test_the_mtu_is_the_ports(sites, host):
    site = sites()
    with site.daemon.connect() as watcher:
        watcher.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
        assert watcher.reply() == {"event": "ready"}
        host.ip("link", "set", "eth0", "mtu", "1400")
        while watcher.reply().get("port", {}).get("mtu") != 1400:
            pass
    assert answer_to(site, question(GUEST, DISCOVER)).options[26] == struct.pack("!H", 1400)


def test_two_ports_give_each_its_own(sites, station):
    site = sites()
    site.connection.ports("CreatePort", network="lan", vhost="off", addresses=["10.9.0.42"])
    with Tap(site.connection.take_descriptors()[0]) as other:
        (port,) = [port for port in site.daemon.ports() if port["addresses"] == ["10.9.0.42/24"]]
        other.send(question(port["macAddress"], DISCOVER))
        assert receive_answer(other).address == "10.9.0.42"
        assert drain(site.tap) == []
    assert answer_to(site, question(GUEST, DISCOVER)).address == LEASE


def test_what_was_removed_is_put_back(sites, host):
    """Without a guard, too, a port does not stay without what answers."""
    site = sites(guard=UNGUARDED)
    site.daemon.kill()
    host.run("tc", "qdisc", "del", "dev", site.port["interfaceName"], "clsact", check=False)
    site.daemon.start()
    assert answer_to(site, question(GUEST, DISCOVER)).kind == OFFER
    options = requested(LEASE) + server(GATEWAY)
    assert answer_to(site, question(GUEST, REQUEST, options)).kind == ACK


def test_a_decline_is_told(sites):
    site = sites()
    site.tap.send(question(GUEST, 4, requested(LEASE) + server(GATEWAY)))
    assert site.dropped() == {"dhcp-declined": 1}
    site.daemon.ctl("port", "show", site.port["id"])
    assert "dropped a DHCPDECLINE" in site.daemon.messages()


def test_without_a_bpf_file_system(daemons, host, station):
    host.run("umount", "/sys/fs/bpf")
    daemon = daemons(host)
    daemon.network("lan", text=network_text())
    daemon.start()
    with daemon.connect() as connection, pytest.raises(VarlinkError) as refusal:
        connection.ports("CreatePort", network="lan", vhost="off")
    assert ("network lan has its ports answer DHCP (Serve=dhcp), and macvtapd cannot do that: /sys/fs/bpf is not a BPF"
            " file system") in str(refusal.value)
    assert daemon.ports() == []
