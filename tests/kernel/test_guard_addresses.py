# SPDX-License-Identifier: LGPL-2.1-or-later
"""Addresses=dhcp and seen addresses by real frames: what teaches a port, what does not, and a flood that is its own."""
import socket

import pytest

from frames import BROADCAST, mac_bytes
from guard_lan import GUEST, NEIGHBOUR, OWN, Lan, arp, on_one_cpu, read_rows

GUARD = f"Senders=own\nAddresses=dhcp\nAllowAddresses={OWN}/32 fd00::5/128\n"
SENT = {row.name: row.frame for row in read_rows()}
RECEIVED = {row.name: row.frame for row in read_rows("received")}
LEASE = "10.9.0.100"
# Where an IPv6 frame has its source, and a neighbour solicitation its target.
SOURCE, TARGET = 22, 62


@pytest.fixture
def lan(daemons, host, station):
    with on_one_cpu():
        made = Lan(daemons(host), station, GUARD)
        yield made
    made.close()


def placed(frame, at, data):
    return frame[:at] + data + frame[at + len(data):]


def from_ipv4(address):
    return placed(SENT["IPv4 of its own"], 26, socket.inet_aton(address))


def from_ipv6(address):
    return placed(SENT["IPv6 of its own"], SOURCE, socket.inet_pton(socket.AF_INET6, address))


def dad(address):
    return placed(SENT["DAD: NS from ::"], TARGET, socket.inet_pton(socket.AF_INET6, address))


def passes(lan, frame):
    return bool(lan.arriving(frame)[1])


def tell_guest(lan, frame):
    """From the wire; returns when the guest has it."""
    frame = frame.ljust(60, b"\0")
    lan.wire.send(frame)
    while lan.guest.receive(ethertype=None) != frame:
        pass


def test_a_lease_may_be_used(lan):
    assert not passes(lan, from_ipv4(LEASE))
    assert passes(lan, SENT["DHCP client"])
    tell_guest(lan, RECEIVED["DHCP ACK"])
    assert passes(lan, from_ipv4(LEASE))
    assert lan.seen()[LEASE] == "dhcp"
    assert lan.dropped() == {"ipv4-address": 1}


@pytest.mark.parametrize("name", ["DHCP ACK to another", "DHCP ACK to what nobody asked", "DHCP OFFER"])
def test_other_answers_teach_nothing(lan, name):
    assert passes(lan, SENT["DHCP client"])
    tell_guest(lan, placed(RECEIVED[name], 0, mac_bytes(GUEST)))
    for last in range(100, 104):
        assert not passes(lan, from_ipv4(f"10.9.0.{last}"))
    assert lan.seen() == {OWN: "arp"}  # of the markers


def test_an_accomplice_behind_a_guard_teaches_nothing(lan):
    """The same frames as from the wire, sent by the neighbour."""
    assert passes(lan, SENT["DHCP client"])
    for name in ("DHCP ACK", "router advertisement for autoconfiguration"):
        lan.neighbour.send(placed(RECEIVED[name], 6, mac_bytes(NEIGHBOUR)))
    assert not passes(lan, from_ipv4(LEASE))
    assert passes(lan, dad("fd11::7"))
    assert not passes(lan, from_ipv6("fd11::7"))
    assert lan.dropped(NEIGHBOUR) == {"dhcp-server": 1, "router-advertisement": 1}


def test_autoconfiguration(lan):
    tell_guest(lan, RECEIVED["router advertisement for autoconfiguration"])
    tell_guest(lan, RECEIVED["router advertisement without autoconfiguration"])
    assert not passes(lan, from_ipv6("fd11::7"))
    for number in range(1, 18):
        assert passes(lan, dad(f"fd11::{number}"))
    for number in range(1, 17):
        assert passes(lan, from_ipv6(f"fd11::{number}"))
    assert not passes(lan, from_ipv6("fd11::17"))
    assert passes(lan, dad("fd12::1"))
    assert not passes(lan, from_ipv6("fd12::1"))
    assert lan.dropped() == {"ipv6-address": 2, "too-many-addresses": 1}


def test_an_address_that_another_station_has_is_not_the_guests(lan):
    tell_guest(lan, RECEIVED["router advertisement for autoconfiguration"])
    assert passes(lan, dad("fd11::77"))
    tell_guest(lan, RECEIVED["NA of another station"])
    assert not passes(lan, from_ipv6("fd11::77"))


def test_the_routers_link_local_address_is_not_the_guests(lan):
    router = from_ipv6("fe80::ff:fe00:a")
    assert passes(lan, router)
    tell_guest(lan, RECEIVED["router advertisement without autoconfiguration"])
    assert not passes(lan, router)


def test_a_flood_is_its_own(lan):
    """10,000 senders and 10,000 ARP claims at one port: another's counters and addresses are as they were."""
    lan.neighbour.send(placed(placed(SENT["ARP of its own"], 6, mac_bytes(NEIGHBOUR)), 22, mac_bytes(NEIGHBOUR)))
    before = lan.dropped(NEIGHBOUR), lan.seen(NEIGHBOUR)
    assert before == ({}, {OWN: "arp"})
    for number in range(10000):
        lan.send(placed(SENT["IPv4 of its own"], 9, number.to_bytes(3, "big")))
        lan.send(arp(BROADCAST, f"10.8.{number >> 8}.{number & 255}", OWN))
    assert lan.dropped()["other-mac"] >= 9999  # one of the numbers is its own
    assert lan.dropped()["arp-address"] == 10000
    assert (lan.dropped(NEIGHBOUR), lan.seen(NEIGHBOUR)) == before
    assert lan.seen() == {}
