# SPDX-License-Identifier: LGPL-2.1-or-later
"""[Host] Access=yes: the host and the guests on a parent of it reach each other, and nothing else changes."""
import contextlib
import itertools
import json
import socket

import pytest

import link_events
from clock import Deadline
from frames import BROADCAST, PacketSocket, Tap, mac_bytes
from stack_guest import StackGuest, talks

NETWORK = "[Network]\nParent=eth0\nMode=bridge\n[Guard]\nSenders=own\n[Host]\nAccess=yes\n"
MACS = ["52:54:00:00:00:01", "52:54:00:00:00:02"]
HOST, HOST6, GUEST, GUEST6 = "10.0.0.1", "fd00::1", "10.0.0.9", "fd00::9"
PROTOCOL = "77"
_ROUTES = 0x40 | 0x400 | 0x4  # RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_ROUTE, RTMGRP_NEIGH


def _family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _route_socket():
    monitor = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    monitor.bind((0, _ROUTES))
    return monitor


class Site:
    """A host with the addresses HOST and HOST6 on eth0, a station 10.0.0.254 and fd00::254 behind it, and guests."""

    def __init__(self, daemon, station, stack, network=NETWORK):
        self.daemon, self.host, self.station, self._stack = daemon, daemon.host, station, stack
        for machine, last in ((self.host, "1"), (station, "254")):
            machine.run("sysctl", "-q", "-w", "net/ipv6/conf/eth0/disable_ipv6=0")
            machine.ip("address", "add", f"fd00::{last}/64", "dev", "eth0", "nodad")
        self.host.address("eth0", f"{HOST}/24")
        self.host.run("sysctl", "-q", "-w", "net/ipv4/conf/all/rp_filter=1")
        self._changes = stack.enter_context(self.host.call(_route_socket))
        self.before = self.state()
        daemon.network("lan", text=network)
        daemon.start()

    def state(self):
        """What of the host must be the same without ports as before there were any."""
        # The kernel's own address of eth0 counts down no time, but is first tentative.
        addresses = [(link["ifname"], entry["local"], entry["prefixlen"]) for link in self._json("address")
                     for entry in link["addr_info"]]
        routes = [json.dumps(route, sort_keys=True) for family in ("-4", "-6") for route in self._json(family, "route")]
        return sorted(addresses), sorted(routes)

    def _json(self, *arguments):
        return json.loads(self.host.ip("-j", *arguments).stdout or "[]")

    def tap(self, mac, **request):
        with self.daemon.connect() as connection:
            connection.ports("CreatePort", network="lan", vhost="off", macAddress=mac, **request)
            (descriptor,) = connection.take_descriptors()
        return descriptor

    def guest(self, mac, *addresses, **request):
        guest = StackGuest(self.tap(mac, **request), mac)
        self._stack.callback(guest.close)
        for address in addresses:
            guest.address(address)
        return guest

    def link(self):
        (link,) = self.daemon.ctl_json("network", "show", "lan")["hostLinks"]
        return link

    def routes(self):
        """The addresses to which there are routes of ours, and the host's own that each names."""
        return {route["dst"]: route.get("prefsrc") for family in ("-4", "-6")
                for route in self._json(family, "route", "show", "proto", PROTOCOL)}

    def wait_routes(self, wanted, deadline=None):
        deadline = deadline or Deadline()
        while self.routes() != wanted:
            try:
                deadline.wait_readable(self._changes)
            except TimeoutError:
                raise AssertionError(f"{self.routes()}\n{self.daemon.messages()}") from None
            self._changes.recv(65536)

    def ways_to(self, addresses):
        """By which link, gateway and address of its own the host sends to each."""
        batch = self.daemon.folder / "batch"
        batch.write_text("".join(f"route get {address}\n" for address in addresses), encoding="ascii")
        return self.host.ip("-o", "-batch", batch).stdout.splitlines()


_asked = itertools.count(100)


def claim(guest, address):
    """Has the guest use the address: it asks by ARP or ND for another, a new one each time."""
    ipv6 = ":" in address
    guest.address(f"{address}/{64 if ipv6 else 24}")
    with guest.host.socket(_family(address), socket.SOCK_DGRAM) as speaker:
        speaker.bind((address, 0))
        speaker.sendto(b"hello", (f"fd00::{next(_asked)}" if ipv6 else f"10.0.0.{next(_asked)}", 9))


@pytest.fixture
def site(daemons, host, station):
    with contextlib.ExitStack() as stack:
        yield Site(daemons(host), station, stack)


def meet(site, guest, host4=HOST, host6=HOST6):
    """TCP both ways, both families, by the right addresses."""
    assert talks(guest.host, site.host, host4, GUEST)
    assert talks(guest.host, site.host, host6, GUEST6)
    assert talks(site.host, guest.host, GUEST, host4)
    assert talks(site.host, guest.host, GUEST6, host6)


@pytest.mark.lab
def test_the_host_and_guests_reach_each_other_by_seen_addresses(site):
    guest = site.guest(MACS[0], f"{GUEST}/24", f"{GUEST6}/64")
    meet(site, guest)
    other = site.guest(MACS[1], "10.0.0.10/24")
    assert talks(other.host, site.host, HOST, "10.0.0.10")
    assert talks(other.host, guest.host, GUEST, "10.0.0.10")
    assert talks(guest.host, site.station, "10.0.0.254", GUEST)
    assert talks(site.station, site.host, HOST, "10.0.0.254")
    assert site.routes() == {GUEST: HOST, GUEST6: HOST6, "10.0.0.10": HOST}
    assert site.link() == {"interfaceName": "mvh-eth0", "parent": "eth0", "addresses": [HOST, HOST6], "routes": 3}
    shown = site.daemon.ctl("network", "show", "lan").stdout
    assert f"host link    mvh-eth0 on eth0, the host is {HOST} {HOST6}, routes to guests: 3\n" in shown


def test_a_host_whose_new_links_have_no_ipv6(daemons, host, station):
    host.run("sysctl", "-q", "-w", "net/ipv6/conf/default/disable_ipv6=1")
    with contextlib.ExitStack() as stack:
        site = Site(daemons(host), station, stack)
        guest = site.guest(MACS[0], f"{GUEST}/24", f"{GUEST6}/64", addresses=[GUEST, GUEST6])
        meet(site, guest)
        site.host.run("sysctl", "-q", "-w", "net/ipv6/conf/eth0/disable_ipv6=1")  # takes the address away
        site.wait_routes({GUEST: HOST})
        assert site.daemon.complaints() == ""


def test_leased_addresses_work_from_the_first_packet(site):
    guest = site.guest(MACS[0], f"{GUEST}/24", f"{GUEST6}/64", addresses=[GUEST, GUEST6])
    assert site.routes() == {GUEST: HOST, GUEST6: HOST6}
    with site.host.socket(socket.AF_INET, socket.SOCK_DGRAM) as speaker, \
            guest.host.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind((GUEST, 0))
        speaker.sendto(b"first", listener.getsockname())
        Deadline().wait_readable(listener)
        data, (sender, _) = listener.recvfrom(16)
    assert (data, sender) == (b"first", HOST)
    meet(site, guest)


def test_all_is_gone_with_the_last_port(site):
    guests = [site.guest(mac, f"10.0.0.{last}/24") for mac, last in zip(MACS, (9, 10))]
    for guest in guests:
        assert talks(guest.host, site.host, HOST)
    site.daemon.ctl("port", "delete", site.daemon.ports()[0]["id"])
    assert len(site.routes()) == 1
    assert site.daemon.host_links() == ["mvh-eth0"]
    site.daemon.ctl("port", "delete", "--all")
    assert site.daemon.leftovers() == []
    assert site.state() == site.before
    assert "mvh" not in site.host.ip("neighbour").stdout
    assert site.daemon.complaints() == ""


@pytest.mark.long
def test_a_port_may_be_made_again_at_once(site):
    for _ in range(3):
        guest = site.guest(MACS[0], f"{GUEST}/24", addresses=[GUEST])
        assert talks(site.host, guest.host, GUEST)
        site.daemon.ctl("port", "delete", "--all")
    assert site.state() == site.before


def arp(mac, sender, target):
    return (mac_bytes(BROADCAST) + mac_bytes(mac) + bytes.fromhex("08060001080006040001") + mac_bytes(mac)
            + socket.inet_aton(sender) + bytes(6) + socket.inet_aton(target)).ljust(60, b"\0")


def test_a_station_gets_one_answer_for_the_host(site):
    """Each request goes to the host link before the guest has the next: the kernel hands broadcasts out in order."""
    with Tap(site.tap(MACS[0], addresses=[GUEST])) as tap, PacketSocket(site.station, "eth0") as wire:
        for name in ("all", "mvh-eth0"):  # strict, it would not answer a station by the host link anyway
            site.host.run("sysctl", "-q", "-w", f"net/ipv4/conf/{name}/rp_filter=0")
        for last in range(100, 110):
            request = arp(wire.mac, f"10.0.0.{last}", HOST)
            wire.send(request)
            while tap.receive(ethertype=None)[:42] != request[:42]:
                pass
        answers = [wire.receive(ethertype=0x0806) for _ in range(10)]
        assert {answer[6:12].hex(":") for answer in answers} == {site.host.mac("eth0")}
        wire.send(arp(wire.mac, "10.0.0.110", HOST))
        assert wire.receive(ethertype=0x0806)[38:42] == socket.inet_aton("10.0.0.110")


def test_the_hosts_addresses_change(site):
    guest = site.guest(MACS[0], f"{GUEST}/24", f"{GUEST6}/64")
    meet(site, guest)
    site.host.ip("address", "add", "10.0.0.2/24", "dev", "eth0")
    site.host.ip("address", "add", "fd00::2/64", "dev", "eth0", "nodad")
    site.host.ip("address", "delete", f"{HOST}/24", "dev", "eth0")  # takes the route to the guest along
    site.host.ip("address", "delete", f"{HOST6}/64", "dev", "eth0")
    if not site.host.ip("-j", "address", "show", "to", "10.0.0.2").stdout.strip("[{} \n]"):
        site.host.ip("address", "add", "10.0.0.2/24", "dev", "eth0")  # a secondary goes with its primary
    site.wait_routes({GUEST: "10.0.0.2", GUEST6: "fd00::2"})
    meet(site, guest, "10.0.0.2", "fd00::2")
    site.host.ip("address", "flush", "dev", "eth0", "scope", "global")
    site.wait_routes({})
    site.host.ip("address", "add", f"{HOST}/24", "dev", "eth0")
    site.wait_routes({GUEST: HOST})
    assert talks(guest.host, site.host, HOST, GUEST)


def test_what_root_takes_away_comes_back(site):
    guest = site.guest(MACS[0], f"{GUEST}/24", addresses=[GUEST])
    for command in (["route", "delete", GUEST, "dev", "mvh-eth0"], ["neighbour", "delete", GUEST, "dev", "mvh-eth0"],
                    ["link", "delete", "mvh-eth0"], ["link", "set", "mvh-eth0", "down"]):
        site.host.ip(*command)
        site.wait_routes({GUEST: HOST})
        assert talks(site.host, guest.host, GUEST, HOST)
        assert talks(guest.host, site.host, HOST, GUEST)
    assert len(site.daemon.host_links()) == 1


@pytest.mark.long
def test_the_filters_come_back(site):
    site.guest(MACS[0], f"{GUEST}/24", addresses=[GUEST])

    def filters():
        return [site.host.run("tc", "filter", "show", "dev", "mvh-eth0", hook).stdout.count("direct-action")
                for hook in ("ingress", "egress")]

    assert filters() == [1, 1]
    site.host.run("tc", "qdisc", "delete", "dev", "mvh-eth0", "clsact")
    deadline = Deadline()
    while filters() != [1, 1]:
        assert deadline.left()


def test_the_daemon_dies_and_another_comes(site):
    guest = site.guest(MACS[0], f"{GUEST}/24", f"{GUEST6}/64")
    meet(site, guest)
    site.daemon.kill()
    meet(site, guest)
    site.daemon.start()
    assert site.routes() == {GUEST: HOST, GUEST6: HOST6}
    meet(site, guest)
    site.daemon.kill()
    guest.close()
    site.daemon.start()
    assert site.daemon.settle() == []
    assert site.state() == site.before


# -- theft ---------------------------------------------------------------------------------------------------------------

GATEWAY, KNOWN, SILENT, OWN_MARKER = "10.0.0.251", "10.0.0.252", "10.0.0.253", "10.0.0.77"


def test_a_guest_that_claims_others_addresses_gets_none_of_their_traffic(site):
    victim = site.guest(MACS[1], f"{GUEST}/24", f"{GUEST6}/64", addresses=[GUEST, GUEST6])
    for address in (GATEWAY, KNOWN, SILENT):
        site.station.address("eth0", f"{address}/24")
    site.host.ip("route", "add", "default", "via", GATEWAY)
    site.host.ip("neighbour", "replace", KNOWN, "lladdr", site.station.mac("eth0"), "dev", "eth0", "nud", "stale")
    claimed = [GATEWAY, KNOWN, SILENT, "8.8.8.8", HOST, GUEST, "fd00::254", GUEST6]
    ways = site.ways_to(claimed)
    thief = site.guest(MACS[0])
    for address in claimed:
        claim(thief, address)
    claim(thief, OWN_MARKER)  # what comes after all that, and is answered
    site.wait_routes({GUEST: HOST, GUEST6: HOST6, OWN_MARKER: HOST})
    assert site.ways_to(claimed) == ways
    assert talks(site.host, victim.host, GUEST, HOST)
    assert talks(victim.host, site.host, HOST, GUEST)
    assert talks(site.host, site.station, SILENT)
    problems = "\n".join(site.link()["problems"])
    for address, words in ((GATEWAY, "it is a gateway's"), (KNOWN, "the station"), (SILENT, "the station"),
                           (HOST, "it is the host's own")):
        assert f"uses {address}, but {words}" in problems
        assert f"uses {address}, but {words}" in site.daemon.messages()
    site.daemon.ctl("port", "delete", "--all")
    others = [address for address in claimed if address not in (GUEST, GUEST6)]
    assert site.ways_to(others) == [way for way in ways if "mvh-eth0" not in way]


@pytest.mark.long
def test_a_guest_that_claims_a_thousand_addresses_gets_no_route(site):
    site.host.address("eth0", "10.9.0.1/16")
    addresses = [f"10.9.{number >> 8}.{number & 255}" for number in range(256, 1256)]
    ways = site.ways_to(addresses)
    with Tap(site.tap(MACS[0])) as tap:
        for address in addresses:
            tap.send(arp(MACS[0], address, HOST))
        victim = site.guest(MACS[1])
        claim(victim, GUEST)
        site.wait_routes({GUEST: HOST})
        assert site.ways_to(addresses) == ways
    assert site.ways_to(addresses) == ways


@pytest.mark.long
def test_two_guests_with_one_address_get_no_route_until_one_is_gone(site):
    guests = [site.guest(mac, f"{GUEST}/24") for mac in MACS]
    assert talks(guests[0].host, site.host, HOST)
    with guests[1].host.socket(socket.AF_INET, socket.SOCK_DGRAM) as speaker:
        speaker.sendto(b"hello", (HOST, 9))
    site.wait_routes({})
    (problem,) = site.link()["problems"]
    assert f"uses {GUEST}, but ports " in problem
    guests[1].close()
    site.wait_routes({GUEST: HOST})
    assert talks(guests[0].host, site.host, HOST)


@pytest.mark.long
def test_a_station_that_turns_up_takes_the_route(site):
    guest = site.guest(MACS[0], f"{GUEST}/24")
    assert talks(guest.host, site.host, HOST)
    with PacketSocket(site.station, "eth0") as wire:
        wire.send(arp(wire.mac, GUEST, "10.0.0.123"))
        site.wait_routes({})
        assert f"uses {GUEST}, but the station {wire.mac} has it too" in site.daemon.messages()


def test_a_station_of_another_vlan_takes_no_route(site):
    guest = site.guest(MACS[0])
    with PacketSocket(site.station, "eth0", promiscuous=True) as wire:
        claim(guest, GUEST)
        while wire.receive(ethertype=0x0806)[38:42] != socket.inet_aton(GUEST):
            pass  # until the host asks for stations with this address
        answer = arp(wire.mac, GUEST, "10.0.0.123")
        wire.send(answer[:12] + bytes.fromhex("81000064") + answer[12:])
        site.wait_routes({GUEST: HOST})


def test_a_station_that_could_not_answer_is_asked_again(site):
    site.station.address("eth0", f"{SILENT}/24")
    site.station.ip("link", "set", "eth0", "down")
    guest = site.guest(MACS[0])
    claim(guest, SILENT)
    site.wait_routes({SILENT: HOST})  # there is nobody on the LAN
    site.station.ip("link", "set", "eth0", "up")
    site.wait_routes({})
    assert talks(site.host, site.station, SILENT)


def lose_neighbours(site, *changes):
    """Of the changes' events only the first ones are not lost."""
    others = [["replace", f"10.0.0.{last}", "lladdr", "02:00:00:00:00:aa"] for last in range(50, 55)]
    link_events.set_buffer(site.daemon, 1, link_events.ROUTING)
    with link_events.unread(site.daemon):
        for change in [*changes[:-1], *others, changes[-1]]:
            site.host.ip("neighbour", *change, "dev", "eth0")


STATION = [GUEST, "lladdr", "02:00:00:00:00:bb"]


def test_a_station_turns_up_while_events_are_lost(site):
    claim(site.guest(MACS[0]), GUEST)
    site.wait_routes({GUEST: HOST})
    lose_neighbours(site, ["replace", *STATION])
    site.wait_routes({})
    assert f"uses {GUEST}, but the station {STATION[-1]} has it too" in site.daemon.messages()


def test_a_station_is_gone_while_events_are_lost(site):
    guest = site.guest(MACS[0])
    claim(guest, GUEST)
    site.wait_routes({GUEST: HOST})
    site.host.ip("neighbour", "replace", *STATION, "dev", "eth0")
    site.wait_routes({})
    lose_neighbours(site, ["change", *STATION, "nud", "stale"], ["delete", GUEST])
    site.wait_routes({GUEST: HOST})
    assert talks(guest.host, site.host, HOST, GUEST)


def test_what_lies_behind_a_forwarding_host_is_not_reached(site, hosts):
    behind = hosts("behind")
    site.host.connect("eth1", behind, "eth0")
    site.host.address("eth1", "10.1.0.1/24")
    behind.address("eth0", "10.1.0.2/24")
    behind.ip("route", "add", "default", "via", "10.1.0.1")
    site.host.run("sysctl", "-q", "-w", "net/ipv4/ip_forward=1", "net/ipv6/conf/all/forwarding=1")
    guest = site.guest(MACS[0], f"{GUEST}/24", addresses=[GUEST])
    guest.host.ip("route", "add", "default", "via", HOST)
    assert talks(guest.host, site.host, HOST)
    host_mac, link_mac = site.host.mac("eth0"), site.host.mac("mvh-eth0")
    with PacketSocket(behind, "eth0") as inner, PacketSocket(site.station, "eth0", promiscuous=True) as wire, \
            guest.host.socket(socket.AF_INET, socket.SOCK_DGRAM) as speaker, \
            site.host.socket(socket.AF_INET, socket.SOCK_DGRAM) as marker:
        for address in ("10.1.0.2", "10.0.0.254", "10.1.0.1", "8.8.8.8"):
            speaker.sendto(b"stolen", (address, 9))
        assert talks(guest.host, site.host, HOST)  # behind them, on the same way
        for address, endpoint in (("10.1.0.2", inner), ("10.0.0.254", wire)):
            marker.sendto(b"marker", (address, 9))
            while b"marker" not in (frame := endpoint.receive(ethertype=0x0800)):
                assert b"stolen" not in frame or frame[6:12] not in (mac_bytes(host_mac), mac_bytes(link_mac))
                assert endpoint is wire or b"stolen" not in frame


@pytest.mark.long
def test_the_host_links_mac_never_leaves(site):
    guest = site.guest(MACS[0], f"{GUEST}/24", f"{GUEST6}/64")
    link_mac = None
    with PacketSocket(site.station, "eth0", promiscuous=True) as wire:
        meet(site, guest)
        link_mac = mac_bytes(site.host.mac("mvh-eth0"))
        with site.host.socket(socket.AF_INET, socket.SOCK_DGRAM) as speaker:
            speaker.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            speaker.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"mvh-eth0\0")
            with contextlib.suppress(OSError):
                speaker.sendto(b"to everybody", ("255.255.255.255", 9))
        with site.host.socket(socket.AF_INET, socket.SOCK_DGRAM) as marker:
            marker.sendto(b"marker", ("10.0.0.254", 9))
        while b"marker" not in (frame := wire.receive(ethertype=None)):
            assert frame[6:12] != link_mac


# -- settings --------------------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_access_comes_and_goes_with_the_file(site):
    guest = site.guest(MACS[0], f"{GUEST}/24", addresses=[GUEST])
    site.daemon.network("lan", text=NETWORK.replace("Access=yes", "Access=no"))
    site.daemon.reload()
    site.wait_routes({})
    assert site.state() == site.before
    site.daemon.network("lan", text=NETWORK)
    site.daemon.reload()
    site.wait_routes({GUEST: HOST})
    assert talks(guest.host, site.host, HOST)


REFUSALS = [
    ("Mode=bridge", "Mode=vepa", "Access=yes needs Mode=bridge: it cannot work with Mode=vepa"),
    ("Senders=own", "Senders=any", "Access=yes needs Senders=own"),
    ("Senders=own", "Verdict=count", "Access=yes needs Verdict=drop"),
    ("Access=yes", "Interface=host0", "Interface= can only be used with Access=yes"),
    ("Access=yes", "Access=yes\nInterface=bad/name", "Interface= 'bad/name' is not"),
]


def test_refusals_say_why(daemon):
    for number, (old, new, _) in enumerate(REFUSALS):
        daemon.network(f"bad{number}", text=NETWORK.replace(old, new))
    daemon.reload()
    for number, (_, _, words) in enumerate(REFUSALS):
        problem = daemon.ctl_json("network", "show", f"bad{number}")["problem"]
        assert words in problem
        assert f"bad{number}.network:" in problem


@pytest.mark.long
def test_the_administrator_names_the_host_link(site):
    site.daemon.network("lan", text=NETWORK + "Interface=host0\n")
    site.daemon.reload()
    guest = site.guest(MACS[0], f"{GUEST}/24", addresses=[GUEST])
    assert site.daemon.host_links() == ["host0"]
    assert talks(site.host, guest.host, GUEST, HOST)


@pytest.mark.long
def test_a_port_that_root_lets_use_any_mac_has_no_access(site):
    guest = site.guest(MACS[0], f"{GUEST}/24", addresses=[GUEST])
    (port,) = site.daemon.ports()
    assert site.routes() == {GUEST: HOST}
    site.daemon.ctl("port", "set", port["id"], "--guard", "senders=any")
    site.wait_routes({})
    assert guest.mac == port["macAddress"]
