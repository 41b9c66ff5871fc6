# SPDX-License-Identifier: LGPL-2.1-or-later
"""Settings of a network, and that the kernel has them: queue lengths, sources, multicast, silence of the host."""
import contextlib
import itertools
import os
import select
import socket
import struct
import subprocess

import pytest

from frames import BROADCAST, PacketSocket, Tap, frame, mac_bytes, payload_of
from tracing import Trace

FIRST, SECOND, THIRD = "52:54:00:00:aa:01", "52:54:00:00:aa:02", "52:54:00:00:aa:03"
ETH_P_IPV6, ETH_P_ARP = 0x86DD, 0x0806
_serial = itertools.count()


@pytest.fixture
def made(daemons, host, station):
    return daemons(host)


def network(mode="bridge", **settings):
    port = "".join(f"{key}={value}\n" for key, value in settings.items() if key != "Sources")
    sources = f"Sources={settings['Sources']}\n" if "Sources" in settings else ""
    return f"[Network]\nParent=eth0\nMode={mode}\n{sources}[Port]\nVhost=off\n{port}"


@pytest.fixture
def ports(made):
    """ports(network) makes a port: (port, tap). All are deleted at the end."""
    with contextlib.ExitStack() as stack:
        def make(lan, **parameters):
            with made.connect() as connection:
                reply = connection.ports("CreatePort", network=lan, holder={"type": "none"}, **parameters)
                (descriptor,) = connection.take_descriptors()
            tap = stack.enter_context(Tap(descriptor))
            stack.callback(made.ctl, "port", "delete", reply["port"]["id"])
            return reply["port"], tap
        yield make


@pytest.fixture
def wire(station):
    with PacketSocket(station, "eth0") as endpoint:
        yield endpoint


# -- queue lengths -------------------------------------------------------------------------------------------


def test_queue_lengths(made, host, ports):
    made.network("plain", text=network())
    made.network("long", text=network(TxQueueLength=2000, BroadcastQueueLength=3000))
    made.start()
    plain = host.link(ports("plain")[0]["interfaceName"])
    assert (plain["txqlen"], plain["linkinfo"]["info_data"]["bcqueuelen"]) == (500, 1000)
    link = host.link(ports("long")[0]["interfaceName"])
    assert (link["txqlen"], link["linkinfo"]["info_data"]["bcqueuelen"]) == (2000, 3000)
    # The broadcast queue is the parent's: as long as the longest that any device asked for.
    assert host.link(plain["ifname"])["linkinfo"]["info_data"]["usedbcqueuelen"] == 3000


@pytest.mark.parametrize("parents, port", [(1500, 68), (1500, 1279), (1279, 1279)])
def test_mtu_that_ipv6_does_not_take(made, host, ports, parents, port):
    """Below 1280 the kernel has no IPv6 on a device: there is nothing to switch off then."""
    host.ip("link", "set", "eth0", "mtu", str(parents))
    made.network("small", text=f"[Network]\nParent=eth0\nMode=bridge\nMTU={port}\n")
    made.start()
    link = host.link(ports("small")[0]["interfaceName"])
    assert link["mtu"] == port and "UP" in link["flags"] and link["ifalias"].startswith("macvtapd:")


def test_tx_queue_length_is_what_waits_for_the_guest(made, ports, wire):
    """A guest that reads nothing has so many frames waiting, and no more."""
    made.network("short", text=network(TxQueueLength=8))
    made.start()
    port, tap = ports("short")
    for number in range(20):
        wire.send(frame(port["macAddress"], wire.mac, b"frame %d" % number))
    made.ctl("port", "list")
    waiting = []
    with contextlib.suppress(BlockingIOError):
        while True:
            waiting.append(payload_of(os.read(tap.fileno(), 65536)[tap.header:]))
    assert waiting == [b"frame %d" % number for number in range(8)]


# -- sources -------------------------------------------------------------------------------------------------


def heard(wire, tap, port, marker_source):
    """Which of the three MACs the guest hears. marker_source is one that it must."""
    serial = f"{next(_serial)} "
    for mac in (FIRST, SECOND, THIRD):
        wire.send(frame(port["macAddress"], mac, f"{serial}{mac}".encode()))
    wire.send(frame(port["macAddress"], marker_source, f"{serial}marker".encode()))
    payloads = [payload.decode() for payload in tap.receive_until(f"{serial}marker".encode())]
    return [payload.removeprefix(serial) for payload in payloads if payload.startswith(serial)]


def test_events_with_many_sources_are_read(made, ports, tmp_path):
    """A link's event has all of them, and is longer than a part of a dump."""
    macs = " ".join(f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}" for number in range(3000))
    made.network("wall", text=network("source", Sources=macs))
    made.start()
    with Trace(made.process.pid, tmp_path / "trace") as trace:
        ports("wall")
        made.ports()
    received = [rest for name, rest in trace.calls() if name == "recvmsg"]
    assert any("nlmsg_len=3" in rest for rest in received), received
    assert [rest for rest in received if "msg_flags=MSG_TRUNC" in rest] == []


def test_sources_change_with_the_file(made, ports, wire):
    path = made.network("wall", text=network("source", Sources=FIRST))
    made.start()
    port, tap = ports("wall")
    assert heard(wire, tap, port, FIRST) == [FIRST]
    path.write_text(network("source", Sources=f"{SECOND} {THIRD}"), encoding="utf-8")
    made.reload()
    assert heard(wire, tap, port, THIRD) == [SECOND, THIRD]
    made.restart()
    assert heard(wire, tap, port, THIRD) == [SECOND, THIRD]


def test_sources_of_one_port(made, ports, wire):
    path = made.network("wall", text=network("source", Sources=FIRST))
    made.start()
    (own, own_tap), (other, other_tap) = ports("wall", name="own"), ports("wall")
    made.ctl("port", "set", "own", "--sources", f"{SECOND},{THIRD}")
    assert heard(wire, own_tap, own, THIRD) == [SECOND, THIRD]
    assert heard(wire, other_tap, other, FIRST) == [FIRST]
    listed = {port["name"]: port.get("sources") for port in made.ports()}
    assert listed == {"own": [SECOND, THIRD], other["name"]: None}
    # Its own list stays, whatever becomes of the network's and of the daemon.
    path.write_text(network("source", Sources=SECOND), encoding="utf-8")
    made.reload()
    made.kill()
    made.start()
    assert heard(wire, own_tap, own, THIRD) == [SECOND, THIRD]
    assert heard(wire, other_tap, other, SECOND) == [SECOND]
    # An empty list is none of its own, as an empty description is none.
    made.ctl("port", "set", "own", "--sources", "", "--description", "")
    assert heard(wire, own_tap, own, SECOND) == [SECOND]
    assert not [port for port in made.ports() if "sources" in port or "description" in port]


def test_sources_of_another_mode_are_refused(made, ports):
    made.network("lan", text=network())
    made.start()
    ports("lan", name="vm")
    done = made.ctl("port", "set", "vm", "--sources", FIRST, check=False)
    assert done.returncode == 1 and "only ports in source mode" in done.stderr
    done = made.ctl("port", "set", "vm", "--sources", "01:00:5e:00:00:01", check=False)
    assert done.returncode == 2 and "is not a unicast MAC address" in done.stderr


# -- multicast -----------------------------------------------------------------------------------------------


def solicitation(source, target):
    """The multicast frame by which a neighbour asks for an IPv6 address (RFC 4861, 4.3), and where it goes."""
    target = socket.inet_pton(socket.AF_INET6, target)
    group = b"\xff\x02" + bytes(9) + b"\x01\xff" + target[13:]
    body = struct.pack("!BBHI", 135, 0, 0, 0) + target + b"\x01\x01" + mac_bytes(source)
    header = struct.pack("!IHBB", 6 << 28, len(body), 58, 255) + link_local(source) + group
    total = sum(struct.unpack(f"!{(len(header[8:]) + 8 + len(body)) // 2}H",
                              header[8:] + struct.pack("!II", len(body), 58) + body))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    body = body[:2] + struct.pack("!H", ~total & 0xFFFF) + body[4:]
    return frame("33:33:ff:" + target[13:].hex(":"), source, header + body, ETH_P_IPV6)


def link_local(mac):
    raw = mac_bytes(mac)
    return b"\xfe\x80" + bytes(6) + bytes([raw[0] ^ 2]) + raw[1:3] + b"\xff\xfe" + raw[3:]


@pytest.mark.parametrize("mode", ["bridge", "private", "passthru"])
@pytest.mark.parametrize("multicast", ["all", "filter"])
def test_multicast(made, ports, wire, multicast, mode):
    """A neighbour's solicitation reaches a guest whose device nobody has told which groups it is in, or not: macvlan's filter
    has 256 bits, a hash of a group each, so that one or two of several may come through by chance."""
    made.network("lan", text=network(mode, Multicast=multicast))
    made.start()
    port, tap = ports("lan")
    groups = [frame("01:00:5e:00:00:fb", wire.mac, b"multicast DNS")]
    groups += [solicitation(wire.mac, f"fd00::12:34{number}") for number in range(50, 57)]
    for sent in groups:
        wire.send(sent)
    wire.send(frame(BROADCAST, wire.mac, b"marker"))
    seen = []
    while not seen or payload_of(seen[-1]) != b"marker":
        seen.append(tap.receive(ethertype=None))
    heard = sum(sent in seen for sent in groups)
    assert heard == len(groups) if multicast == "all" else heard <= 2


@pytest.mark.parametrize("mode, nopromisc", [
    ("bridge", "no"), ("vepa", "no"), ("private", "no"), ("source", "no"), ("passthru", "no"), ("passthru", "yes")])
def test_parent_listens_as_before(made, host, mode, nopromisc):
    """What a port makes its parent listen to while it is there, and that none of it stays."""
    extra = "NoPromisc=yes\n" if nopromisc == "yes" else ""
    made.network("lan", text=network(mode).replace("[Port]", extra + "[Port]"))
    made.start()
    keys = ("promiscuity", "allmulti", "flags", "address", "mtu")
    before = {key: host.link("eth0")[key] for key in keys}
    assert (before["promiscuity"], before["allmulti"]) == (0, 0)
    made.ctl("port", "create", "--network=lan", "--name=vm")
    link = host.link("eth0")
    if mode == "passthru":  # promiscuous instead, or nothing at all with NoPromisc=
        assert (link["promiscuity"], link["allmulti"]) == (int(nopromisc == "no"), 0)
    else:  # a veth has no filter for the ports' MACs, so it may be promiscuous as well
        assert link["allmulti"] == 1
    made.ctl("port", "delete", "vm")
    assert {key: host.link("eth0")[key] for key in keys} == before


# -- the host ------------------------------------------------------------------------------------------------


def test_host_answers_nothing_on_a_port(made, host, station, ports, wire):
    """Neither IPv6 on the port's device nor ARP for the host's own address, with the guest's queue open or not."""
    host.run("sysctl", "-q", "-w", "net/ipv6/conf/default/disable_ipv6=0", "net/ipv6/conf/default/accept_ra=2")
    host.run("sysctl", "-q", "-w", "net/ipv4/conf/all/arp_ignore=0")
    host.ip("link", "add", "own", "link", "eth0", "type", "macvlan", "mode", "private")
    host.address("own", "10.9.9.9/24")
    made.network("lan", text=network())
    made.start()
    port, tap = ports("lan")
    mac, name = port["macAddress"], port["interfaceName"]
    assert "inet6" not in host.ip("addr", "show", "dev", name).stdout
    assert host.run("cat", f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").stdout == "1\n"
    tap.close()
    question = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, mac_bytes(wire.mac), socket.inet_aton("10.9.9.1"),
                           bytes(6), socket.inet_aton("10.9.9.9"))
    with PacketSocket(host, name) as inside:
        for destination in (BROADCAST, mac):
            wire.send(frame(destination, wire.mac, question, ETH_P_ARP))
        wire.send(solicitation(wire.mac, socket.inet_ntop(socket.AF_INET6, link_local(mac))))
        wire.send(frame(mac, wire.mac, b"all that came before has been looked at"))
        inside.expect(b"all that came before has been looked at")
    # The host's answer would come back on the same wire, and before this.
    with PacketSocket(host, "eth0") as outside:
        outside.send(frame(BROADCAST, mac, b"marker"))
    seen = []
    while not seen or payload_of(seen[-1]) != b"marker":
        seen.append(wire.receive(ethertype=None))
    assert [data for data in seen if data[6:12] == mac_bytes(mac)] == [seen[-1]]


@pytest.mark.lab
def test_no_moment_between_making_and_silence(made, host, ports):
    """The kernel's own messages: at no time did a port that was up have an IPv6 address."""
    # Without duplicate address detection the kernel tells of an address at once, not a second later.
    host.run("sysctl", "-q", "-w", *(f"net/ipv6/conf/{group}/{setting}=0" for group in ("all", "default")
                                     for setting in ("disable_ipv6", "accept_dad", "dad_transmits")))
    made.network("lan", text=network())
    made.start()
    watch = host.start("ip", "monitor", "address", stdout=subprocess.PIPE, text=True)
    # Its first message shows that it listens.
    number = 0
    while True:
        number += 1
        host.ip("addr", "add", f"10.8.0.{number}/32", "dev", "lo")
        if _readable(watch.stdout):
            break
    names = {ports("lan")[0]["interfaceName"] for _ in range(20)}
    host.ip("addr", "add", "10.7.7.7/32", "dev", "lo")
    lines = []
    while not lines or "10.7.7.7" not in lines[-1]:
        lines.append(watch.stdout.readline())
    watch.kill()
    assert not [line for line in lines if any(name in line for name in names)]


def _readable(stream):
    return bool(select.select([stream], [], [], 0)[0])
