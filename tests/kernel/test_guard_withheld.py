# SPDX-License-Identifier: LGPL-2.1-or-later
"""Addresses=dhcp and the addresses of others: whoever answers the guest, also a station outside that hears its
questions, nothing teaches its port the gateway's address, the host's, or another port's."""
import contextlib
import socket

import pytest

from frames import mac_bytes
from guard_lan import GUEST, NEIGHBOUR, OWN, Lan, on_one_cpu, read_rows
from previous import previous_daemon
from programs import program

GUARD = f"Senders=own\nAddresses=dhcp\nAllowAddresses={OWN}/32 fd00::5/128\n"
SENT = {row.name: row.frame for row in read_rows()}
RECEIVED = {row.name: row.frame for row in read_rows("received")}
FIRST = "52:54:00:00:00:03"
LEASE, FREE = "10.9.0.100", "10.9.0.120"
HOST, ON_MACVLAN, NEXT_HOP, GATEWAY, LEASED, LISTED = (f"10.9.0.{last}" for last in (2, 3, 4, 1, 77, 78))
HOST6, NEXT_HOP6, GATEWAY6, LEASED6, LISTED6 = (f"fd11::{last}" for last in ("2", "4", "1", "77", "78"))
FREE6 = "fd11::120"
OTHERS = {HOST, ON_MACVLAN, NEXT_HOP, GATEWAY, LEASED, LISTED}
OTHERS6 = {HOST6, NEXT_HOP6, GATEWAY6, LEASED6, LISTED6}
# Where the frames have what the tests change.
SOURCE4, SOURCE6, TARGET, YOUR_ADDRESS, CLIENT_MAC, REQUESTED, SERVER = 26, 22, 62, 58, 70, 287, 293


def put(frame, *changes):
    for at, data in changes:
        frame = frame[:at] + data + frame[at + len(data):]
    return frame


def ip(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def sent_from(address):
    if ":" in address:
        return put(SENT["IPv6 of its own"], (SOURCE6, ip(address)))
    return put(SENT["IPv4 of its own"], (SOURCE4, ip(address)))


def request(address, mac=GUEST):
    return put(SENT["DHCP client"], (6, mac_bytes(mac)), (CLIENT_MAC, mac_bytes(mac)), (REQUESTED, ip(address)))


def ack(address, mac=GUEST):
    return put(RECEIVED["DHCP ACK"], (0, mac_bytes(mac)), (CLIENT_MAC, mac_bytes(mac)), (YOUR_ADDRESS, ip(address)))


def dad(address, mac=GUEST):
    return put(SENT["DAD: NS from ::"], (6, mac_bytes(mac)), (TARGET, ip(address)))


def passes(lan, frame):
    return bool(lan.arriving(frame)[1])


def tell(lan, tap, frame):
    """From the wire, as any station can; returns when the guest at the tap has it."""
    frame = frame.ljust(60, b"\0")
    lan.wire.send(frame)
    while tap.receive(ethertype=None) != frame:
        pass


def is_taught(lan, address):
    """Whether the guest can use the address after it was given it, as it is given to guests."""
    if ":" in address:
        assert passes(lan, dad(address))
    else:
        assert passes(lan, request(address))
        tell(lan, lan.guest, ack(address))
    return passes(lan, sent_from(address))


@contextlib.contextmanager
def made_lan(daemon, station, rest=""):
    with on_one_cpu():
        made = Lan(daemon, station, GUARD + rest)
        for tap in made.guest, made.neighbour:
            tell(made, tap, RECEIVED["router advertisement for autoconfiguration"])
        yield made
    made.close()


@pytest.fixture
def lan(daemons, host, station):
    with made_lan(daemons(host), station) as made:
        yield made


@pytest.fixture
def others(request, daemons, host, station):
    """A LAN on which all others have an address of each family."""
    host.run("sysctl", "-q", "-w", "net/ipv6/conf/eth0/disable_ipv6=0", "net/ipv6/conf/eth0/accept_dad=0")
    for address in f"{HOST}/24", f"{HOST6}/64":
        host.address("eth0", address)
    host.ip("route", "add", "default", "via", NEXT_HOP)
    host.ip("-6", "route", "add", "default", "via", NEXT_HOP6, "dev", "eth0")
    host.ip("link", "add", "mv0", "link", "eth0", "type", "macvlan", "mode", "bridge")
    host.address("mv0", f"{ON_MACVLAN}/24")
    daemon = daemons(host)
    daemon.program = getattr(request, "param", program)("macvtapd")
    addresses = f"Subnet=10.9.0.0/24 fd11::/64\nRange=10.9.0.77 fd11::77\nGateway={GATEWAY} {GATEWAY6}\n"
    daemon.network("given", text=f"[Network]\nParent=eth0\nMode=bridge\n[Addresses]\n{addresses}")
    daemon.network("listed", text="[Network]\nParent=eth0\nMode=bridge\n[Guard]\nAddresses=listed\n"
                   f"AllowAddresses={LISTED}/32 {LISTED6}/128\n")
    with made_lan(daemon, station) as made:
        for network in "given", "listed":
            daemon.ctl("port", "create", "--network", network, "--name", network)
        yield made
        daemon.ctl("port", "delete", "given", "listed", check=False)


def test_nobody_teaches_the_addresses_of_others(others):
    assert {address for address in OTHERS | OTHERS6 if is_taught(others, address)} == set()
    assert not (OTHERS | OTHERS6) & set(others.seen())
    assert is_taught(others, FREE) and is_taught(others, FREE6)


def test_not_while_the_daemon_is_dead_either(others):
    others.daemon.kill()
    assert {address for address in OTHERS | OTHERS6 if is_taught(others, address)} == set()
    assert is_taught(others, FREE)
    others.daemon.start()
    assert {address for address in OTHERS | OTHERS6 if is_taught(others, address)} == set()
    assert passes(others, sent_from(FREE))
    others.daemon.ctl("port", "delete", "given", "listed")
    assert is_taught(others, FREE6)


def test_nothing_is_released_while_the_parent_is_away(others, host, hosts):
    """Up in another network namespace, it connects its guests there."""
    elsewhere = hosts("elsewhere")
    host.ip("link", "set", "eth0", "netns", str(elsewhere.pid))
    elsewhere.quiet("eth0")
    elsewhere.ip("link", "set", "eth0", "up")
    while not all("problem" in port and port["carrier"] for port in others.daemon.ports()):
        pass
    assert {address for address in OTHERS | OTHERS6 if is_taught(others, address)} == set()
    others.daemon.restart()
    assert {address for address in OTHERS | OTHERS6 if is_taught(others, address)} == set()
    assert is_taught(others, FREE) and is_taught(others, FREE6)


@pytest.mark.parametrize("text", [None, "Typo=1"])
def test_a_gateway_outlives_its_networks_file(others, text):
    """As do the ports of the network. text: what the file has become."""
    file = others.daemon.config / "networks.d" / "given.network"
    if text:
        file.write_text(text, encoding="utf-8")
    else:
        file.unlink()
    others.daemon.reload()
    others.daemon.ctl("port", "delete", "listed")  # which may have taken an address away
    while not is_taught(others, LISTED):  # the review follows the deletion, when the daemon has nothing else to do
        pass
    assert not is_taught(others, GATEWAY) and not is_taught(others, GATEWAY6)
    others.daemon.kill()
    others.daemon.start()
    others.daemon.reload()
    assert not is_taught(others, GATEWAY) and not is_taught(others, GATEWAY6)
    others.daemon.network("given", "eth0")
    others.daemon.reload()
    while not is_taught(others, GATEWAY):
        pass


@pytest.mark.long
@pytest.mark.parametrize("others", [lambda _: previous_daemon(knows="GUARD_WITHHELD")], ids=["before"], indirect=True)
def test_an_upgrade_and_the_way_back(others, host):
    """While no daemon runs, the host gets an address that the guest has learned, and a network's file goes."""
    daemon, before = others.daemon, others.daemon.program
    assert is_taught(others, LEASE) and is_taught(others, FREE6)
    daemon.kill()
    file = daemon.config / "networks.d" / "given.network"
    text = file.read_text(encoding="utf-8")
    file.unlink()
    host.address("eth0", f"{LEASE}/24")
    for build in program("macvtapd"), before, program("macvtapd"):
        daemon.program = build
        daemon.start()
        assert not passes(others, sent_from(LEASE))
        assert {address for address in OTHERS | OTHERS6 | {LEASE} if is_taught(others, address)} == set()
        assert passes(others, sent_from(FREE6))
        file.write_text(text, encoding="utf-8")  # the build before may need it
        daemon.kill()
    daemon.start()


def test_an_arp_probe_teaches_nothing(others):
    """Address conflict detection passes, whatever it asks for; its silence gives nothing."""
    for address in (LEASED, HOST, FREE):
        probe = put(SENT["ARP probe, sender IP 0.0.0.0 (RFC 5227)"], (38, ip(address)))
        assert passes(others, probe)
        assert not passes(others, sent_from(address))


def test_a_forged_answer_of_a_station_outside(lan):
    """It hears the question, and answers first: another address, or in another server's name, is not learned, and the
    server's own answer counts all the same."""
    assert passes(lan, request(LEASE))
    tell(lan, lan.guest, ack(FREE))
    assert not passes(lan, sent_from(FREE))
    tell(lan, lan.guest, put(ack(LEASE), (SERVER, ip("10.9.0.66"))))
    assert not passes(lan, sent_from(LEASE))
    tell(lan, lan.guest, ack(LEASE))
    assert passes(lan, sent_from(LEASE))
    tell(lan, lan.guest, ack(FREE))
    assert not passes(lan, sent_from(FREE))


def test_first_come_keeps(lan):
    first = lan.create(FIRST)
    tell(lan, first, RECEIVED["router advertisement for autoconfiguration"])
    first.send(request(LEASE, FIRST))
    tell(lan, first, ack(LEASE, FIRST))
    first.send(dad(FREE6, FIRST))
    assert not is_taught(lan, LEASE)
    assert not is_taught(lan, FREE6)
    assert is_taught(lan, FREE)
    first.close()
    while any(port["macAddress"] == FIRST for port in lan.daemon.ports()):
        pass
    assert is_taught(lan, LEASE) and is_taught(lan, FREE6)


@pytest.mark.parametrize("runs", [True, False], ids=["daemon", "no-daemon"])
def test_what_was_learned_follows_the_parent(lan, host, hosts, runs):
    """It comes back with another ifindex. No frame of the first port's guest reminds of what it has learned."""
    elsewhere, index = hosts("elsewhere"), host.interface_index("eth0")
    first = lan.create(FIRST)
    tell(lan, first, RECEIVED["router advertisement for autoconfiguration"])
    first.send(request(LEASE, FIRST))
    tell(lan, first, ack(LEASE, FIRST))
    first.send(dad(FREE6, FIRST))
    assert is_taught(lan, FREE)
    if not runs:
        lan.daemon.kill()
    host.ip("link", "set", "eth0", "netns", str(elsewhere.pid))
    while runs and not all("problem" in port for port in lan.daemon.ports()):
        pass
    host.ip("link", "add", "other0", "index", str(index), "type", "veth", "peer", "name", "other1")
    elsewhere.ip("link", "set", "eth0", "netns", str(host.pid))
    host.quiet("eth0")
    host.ip("link", "set", "eth0", "up")
    if not runs:
        lan.daemon.start()
    while any("problem" in port or not port["carrier"] for port in lan.daemon.ports()):
        pass
    assert not is_taught(lan, LEASE) and not is_taught(lan, FREE6)
    host.address("eth0", f"{FREE}/24")
    while passes(lan, sent_from(FREE)):
        pass
    first.close()


def test_an_address_that_the_host_gets_later(lan, host):
    assert is_taught(lan, LEASE) and is_taught(lan, FREE6)
    host.address("eth0", f"{LEASE}/24")
    while passes(lan, sent_from(LEASE)):
        pass
    assert not is_taught(lan, LEASE)
    assert passes(lan, sent_from(FREE6))
    host.ip("address", "delete", f"{LEASE}/24", "dev", "eth0")
    while not is_taught(lan, LEASE):
        pass


def test_a_port_that_learned_before_it_was_guarded(lan, host):
    """What it learned with Addresses=any is checked when it gets Addresses=dhcp."""
    host.address("eth0", f"{HOST}/24")
    (port,) = [port for port in lan.daemon.ports() if port["macAddress"] == GUEST]
    lan.daemon.ctl("port", "set", port["id"], "--guard=addresses=any")
    assert is_taught(lan, HOST)
    lan.daemon.ctl("port", "set", port["id"], "--guard=addresses=dhcp")
    assert not passes(lan, sent_from(HOST))


@pytest.mark.lab
def test_a_flood_takes_no_address_from_others(lan):
    """10,000 addresses by duplicate address detection: sixteen are the flooding guest's, the others remain free."""
    assert is_taught(lan, LEASE) and is_taught(lan, FREE6)
    before = lan.seen(), lan.dropped()
    for number in range(10000):
        frame = dad(f"fd11::a:{number:x}", NEIGHBOUR)
        lan.neighbour.send(frame)
        if number % 100 == 99:  # before a queue overflows
            for endpoint in lan.wire, lan.guest:
                while endpoint.receive(ethertype=None) != frame:
                    pass
    assert (lan.seen(), lan.dropped()) == before
    assert passes(lan, sent_from(LEASE)) and passes(lan, sent_from(FREE6))
    assert is_taught(lan, f"fd11::a:{9999:x}")
    assert not is_taught(lan, "fd11::a:1")
