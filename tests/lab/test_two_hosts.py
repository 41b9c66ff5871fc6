# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two hosts with a bond each on one switch, two guests on each: one segment, everybody reaches everybody."""
import contextlib
import itertools
import typing

import pytest

import guest
from daemon import Daemon
from frames import BROADCAST, Tap, frame
from namespaces import Host, Switch
from parent_kinds import bond_of

TEXT = "[Network]\nParent=bond0\nVLAN=100\nMode=bridge\n[Port]\nVhost=auto\n"


@pytest.fixture(scope="module")
def racks():
    """Two daemons, each on a host of its own."""
    with contextlib.ExitStack() as stack:
        def make_host(name):
            host = Host(name)
            stack.callback(host.close)
            host.run("sysctl", "-q", "-w", "net/ipv6/conf/default/disable_ipv6=1")
            return host

        switch = Switch(make_host("switch"))
        made = []
        for number in (1, 2):
            host = make_host(f"host{number}")
            for slave in ("eth0", "eth1"):
                switch.plug(host, slave)
            bond_of(host, "eth0", "eth1")
            made.append(Daemon(host))
            stack.callback(made[-1].close)
            made[-1].network("lan", text=TEXT)
            made[-1].start()
        yield made


class Member(typing.NamedTuple):
    """What `network show` has to tell of a guest."""
    name: str
    address: str


class TapGuest:
    """What of a guest matters here: its end of a tap."""

    def __init__(self, daemon, name):
        self.daemon, self.name, self.address = daemon, name, "-"
        with daemon.connect() as connection:
            reply = connection.ports("CreatePort", network="lan", name=name, holder={"type": "none"}, vhost="off")
            (descriptor,) = connection.take_descriptors()
        self.mac, self.tap = reply["port"]["macAddress"], Tap(descriptor)

    def send(self, mac, payload):
        self.tap.send(frame(mac, self.mac, payload))

    def close(self):
        self.tap.close()
        self.daemon.ctl("port", "delete", self.name)


def check_members(daemon, guests):
    """`macvtapctl network show` lists each member with MAC, parent, state and what went through it."""
    text = daemon.ctl("network", "show", "lan").stdout
    heading, *rows = text.partition("PORT ")[2].splitlines()
    assert heading.split() == ["MAC", "ADDRESS", "PARENT", "INTERFACE", "STATE", "RECEIVED", "SENT"]
    addresses = {member.name: member.address for member in guests}
    members = {row.split()[0]: row.split() for row in rows}
    listed = {port["name"]: port for port in daemon.ports()}
    assert set(members) == set(listed) == set(addresses)
    for name, (_, mac, address, parent, interface, state, received, sent) in members.items():
        port = listed[name]
        assert (mac, address, parent, interface, state) == \
            (port["macAddress"], addresses[name], "bond0.100", port["interfaceName"], "active")
        assert int(received) > 0 and int(sent) > 0, text


def test_everybody_reaches_everybody(racks):
    with contextlib.ExitStack() as stack:
        guests = []
        for number, name in enumerate(("a", "b", "c", "d")):
            guests.append(TapGuest(racks[number // 2], name))
            stack.callback(guests[-1].close)
        for one, other in itertools.permutations(guests, 2):
            payload = f"{one.name} to {other.name}".encode()
            one.send(other.mac, payload)
            other.tap.expect(payload)
        for one in guests:
            payload = f"{one.name} to all".encode()
            one.send(BROADCAST, payload)
            for other in guests:
                if other is not one:
                    other.tap.expect(payload)
        for daemon in racks:
            check_members(daemon, [member for member in guests if member.daemon is daemon])
    for daemon in racks:
        assert daemon.leftovers() == []
        assert sorted(daemon.host.links()) == ["bond0", "eth0", "eth1", "lo"]


@pytest.mark.long
def test_real_guests(racks, guests):
    addresses = {name: f"10.0.0.{number}" for number, name in enumerate("abcd", 1)}
    running = {}
    for number, (name, address) in enumerate(addresses.items()):
        others = [other for other in addresses.values() if other != address]
        running[name] = guests(guest.run_with_macvtap_run, racks[number // 2], [f"lan,name={name}"], f"{address}/24",
                               others, name)
    for name, one in running.items():
        for other, address in addresses.items():
            if other != name:
                one.wait_ping(address)
    for number, daemon in enumerate(racks):
        check_members(daemon, [Member(*one) for one in list(addresses.items())[2 * number:2 * number + 2]])
    for one in running.values():
        one.kill()
    for daemon in racks:
        assert daemon.settle() == []
