# SPDX-License-Identifier: LGPL-2.1-or-later
"""[Host] Access=yes on a bond, before and after a failover, on a VLAN device, and on a real NIC: two hosts of one segment, each with a
guest, one of which has leases and the other uses addresses of its own; with a strict rp_filter on both hosts."""
import contextlib
import itertools
import socket

import pytest

from clock import Deadline
from daemon import Daemon
from frames import BROADCAST, PacketSocket, mac_bytes
from parent_kinds import STATION_IP, active_slave, wait_carrier, wait_link
from stack_guest import StackGuest, talks

PROTOCOL = "77"  # of our routes
_GROUPS = 0x40 | 0x400  # RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_ROUTE
_asked = itertools.count(100)


def _route_socket():
    monitor = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    monitor.bind((0, _GROUPS))
    return monitor


class Side:
    """A host of the segment, with an address of each family on its parent, a macvtapd, and a guest."""

    def __init__(self, daemon, parent, network, address, number):
        self.daemon, self.machine, self.parent = daemon, daemon.host, parent
        self.addresses = [address, f"fd00::{number}"]
        self.guests_addresses = [f"10.0.0.{number}0", f"fd00::{number}0"]
        self.mac = f"52:54:00:00:00:0{number}"
        self.machine.run("sysctl", "-q", "-w", "net/ipv4/conf/all/rp_filter=1", f"net/ipv6/conf/{parent}/disable_ipv6=0")
        self.machine.ip("address", "replace", f"{address}/24", "dev", parent)
        self.machine.ip("address", "add", f"{self.addresses[1]}/64", "dev", parent, "nodad")
        daemon.network("lan", text=network + "[Guard]\nSenders=own\n[Host]\nAccess=yes\n")
        daemon.start()

    def add_guest(self, **request):
        with self.daemon.connect() as connection:
            connection.ports("CreatePort", network="lan", vhost="off", macAddress=self.mac, **request)
            (descriptor,) = connection.take_descriptors()
        self.guest = StackGuest(descriptor, self.mac)
        for address, bits in zip(self.guests_addresses, (24, 64)):
            self.guest.address(f"{address}/{bits}")

    def routes(self):
        words = [self.machine.ip(family, "route", "show", "proto", PROTOCOL).stdout.split() for family in ("-4", "-6")]
        return {word for word in itertools.chain(*words) if word in self.guests_addresses}

    def take_away(self):
        self.machine.ip("address", "flush", "dev", self.parent)
        self.machine.quiet(self.parent)


def _state(site):
    """What the ports must leave as it was. A bond counts how often its links have failed, which is none of their doing."""
    state = site.state()
    for name in site.trunk:
        (state[name]["linkinfo"] or {}).get("info_slave_data", {}).pop("link_failure_count", None)
    return state


@pytest.fixture
def sides(request, sites):
    """(the site, its host as a Side whose guest has leases, its station as one whose guest has not)"""
    site = sites(request.param)
    with contextlib.ExitStack() as stack:
        parent = "office" if request.param == "own-vlan" else site.parent
        other = Daemon(site.station)
        stack.callback(other.close)
        stack.callback(site.daemon.stop)
        made = []
        for arguments in ((site.daemon, parent, site.network("bridge"), "10.0.0.1", 1),
                          (other, site.wire, f"[Network]\nParent={site.wire}\nMode=bridge\n", STATION_IP, 2)):
            made.append(Side(*arguments))
            stack.callback(made[-1].take_away)
        before = _state(site)
        yield site, *made
        for side in made:
            side.guest.close()
            assert side.daemon.settle() == []
        assert _state(site) == before


def check_first_packet(side):
    """A leased address: what the host sends first arrives, without the guest having said anything."""
    for family, address, source in zip((socket.AF_INET, socket.AF_INET6), side.guests_addresses, side.addresses):
        with side.machine.socket(family, socket.SOCK_DGRAM) as speaker, \
                side.guest.host.socket(family, socket.SOCK_DGRAM) as listener:
            listener.bind((address, 0))
            speaker.sendto(b"first", listener.getsockname()[:2])
            Deadline().wait_readable(listener)
            assert listener.recvfrom(16)[1][0] == source


def check_second_arp(side):
    """A seen address: the guest asks for somebody, by which its route comes, and then for the host, which answers."""
    routes = side.machine.call(_route_socket)
    deadline = Deadline()
    guest4, guest6 = side.guests_addresses
    with routes, PacketSocket(side.guest.host, "eth0") as port:
        assert side.routes() == set()
        for family, source, stranger in ((socket.AF_INET, guest4, f"10.0.0.{next(_asked)}"),
                                         (socket.AF_INET6, guest6, f"fd00::{next(_asked)}")):
            with side.guest.host.socket(family, socket.SOCK_DGRAM) as speaker:
                speaker.bind((source, 0))
                speaker.sendto(b"hello", (stranger, 9))
        while side.routes() != {guest4, guest6}:
            deadline.wait_readable(routes)
            routes.recv(65536)
        port.send(arp(side.mac, guest4, side.addresses[0]))
        while (answer := port.receive(deadline, ethertype=0x0806))[20:22] != b"\0\2":
            pass
        assert answer[28:32] == socket.inet_aton(side.addresses[0])


def arp(mac, sender, target):
    return (mac_bytes(BROADCAST) + mac_bytes(mac) + bytes.fromhex("08060001080006040001") + mac_bytes(mac)
            + socket.inet_aton(sender) + bytes(6) + socket.inet_aton(target)).ljust(60, b"\0")


def check_one_answer(side, other):
    """A station that asks for the host ten times gets ten answers, all from the parent."""
    with PacketSocket(other.machine, other.parent) as wire:
        asked = [f"10.0.0.{next(_asked)}" for _ in range(11)]
        for sender in asked[:-1]:
            wire.send(arp(wire.mac, sender, side.addresses[0]))
        answers = [_answer(wire) for _ in asked[:-1]]
        wire.send(arp(wire.mac, asked[-1], side.addresses[0]))
        answers.append(_answer(wire))
    assert [target for _, target in answers] == asked
    assert {mac for mac, _ in answers} == {side.machine.mac(side.parent)}


def _answer(wire):
    while True:
        frame = wire.receive(ethertype=0x0806)
        if frame[20:22] == b"\0\2":
            return frame[6:12].hex(":"), socket.inet_ntoa(frame[38:42])


def check_everybody(*sides):
    """TCP from each of two hosts and two guests to each other one, in both families."""
    members = [(side.machine, side.addresses) for side in sides] + [(side.guest.host, side.guests_addresses) for side in sides]
    for (one, ours), (other, theirs) in itertools.permutations(members, 2):
        for source, address in zip(ours, theirs):
            assert talks(one, other, address, source, Deadline(5)), (source, address)


def check_host_access(leasing, seen):
    leasing.add_guest(addresses=leasing.guests_addresses)
    check_first_packet(leasing)
    seen.add_guest()
    check_second_arp(seen)
    check_everybody(leasing, seen)
    check_one_answer(leasing, seen)
    check_one_answer(seen, leasing)


@pytest.mark.long
@pytest.mark.parametrize("sides", ["bond"], indirect=True)
def test_on_a_bond_before_and_after_a_failover(sides):
    site, leasing, seen = sides
    check_host_access(leasing, seen)
    before = active_slave(site.host)
    site.switch.host.ip("link", "set", site.ports[before], "down")
    wait_link(site.host, "bond0", lambda link: active_slave(site.host) not in ("", before))
    check_everybody(leasing, seen)
    check_one_answer(leasing, seen)
    site.switch.host.ip("link", "set", site.ports[before], "up")
    wait_carrier(site.host, before)
    site.host.ip("link", "set", "bond0", "type", "bond", "active_slave", before)


@pytest.mark.long
@pytest.mark.parametrize("sides", ["own-vlan", "nic"], indirect=True)
def test_on_a_vlan_device_and_a_nic(sides):
    _, leasing, seen = sides
    check_host_access(leasing, seen)
