# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests are announced when their parent's carrier returns: as seen on the wire (src/networks/announcements.c)."""
import contextlib
import errno

import pytest

from clock import Deadline
from frames import BROADCAST, PacketSocket, mac_bytes

ETHERTYPE_RARP = 0x8035
ROUNDS = 5


@pytest.fixture
def ports(daemon):
    """ports(…) makes a port that stays until the end of the test."""
    with contextlib.ExitStack() as stack:
        def make(**parameters):
            with daemon.connect() as connection:
                port = connection.ports("CreatePort", **{"network": "lan", **parameters}, holder={"type": "none"},
                                        openDescriptors=False)["port"]
            stack.callback(daemon.ctl, "port", "delete", port["id"], check=False)
            return port
        yield make


@contextlib.contextmanager
def wire(station):
    with PacketSocket(station, "eth0") as endpoint:
        yield endpoint


def flap(daemon, station):
    """Pull the parent's cable, and plug it in when macvtapd has seen that."""
    with daemon.connect() as connection:
        connection.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
        assert connection.reply() == {"event": "ready"}
        station.ip("link", "set", "eth0", "down")
        while connection.reply()["port"]["carrier"]:
            pass
        station.ip("link", "set", "eth0", "up")


def hear(endpoint, count):
    """So many announcements: the MACs, and the frames, in their order."""
    deadline, macs, frames = Deadline(), [], []
    while len(macs) < count:
        try:
            data = endpoint.receive(deadline, ETHERTYPE_RARP)
        except OSError as error:  # once, as the interface was down
            assert error.errno == errno.ENETDOWN
            continue
        assert data[:6] == mac_bytes(BROADCAST)
        macs.append(data[6:12].hex(":"))
        frames.append(data)
    return macs, frames


def test_each_guest_in_each_round(daemon, station, ports):
    up = sorted(ports()["macAddress"] for _ in range(3))
    ports(linkUp=False)
    ports(incoming=True)
    with wire(station) as endpoint:
        flap(daemon, station)
        macs, frames = hear(endpoint, len(up) * ROUNDS)
        assert [sorted(macs[start:start + len(up)]) for start in range(0, len(macs), len(up))] == [up] * ROUNDS
        assert all(len(data) == 60 for data in frames)


def test_port_that_goes_down_in_between(daemon, station, ports):
    stays, sinks = ports(), ports()
    with wire(station) as endpoint:
        flap(daemon, station)
        hear(endpoint, 2)
        daemon.ctl("port", "set", sinks["id"], "--link", "down")
        flap(daemon, station)
        macs, _ = hear(endpoint, ROUNDS)
        # Of the first schedule, frames may have been on their way.
        while macs[0] != stays["macAddress"] or set(macs[-ROUNDS:]) != {stays["macAddress"]}:
            macs += hear(endpoint, 1)[0]


def test_what_a_switch_sends_back_is_no_migration(daemon, station, ports):
    port = ports()
    with wire(station) as endpoint:
        flap(daemon, station)
        for _ in range(ROUNDS):
            _, (data,) = hear(endpoint, 1)
            endpoint.send(data)
        # A real one, which must be heard after all of them.
        other = ports()
        with daemon.connect() as connection:
            connection.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
            assert connection.reply() == {"event": "ready"}
            real = bytearray(data)
            real[6:12] = mac_bytes(other["macAddress"])
            endpoint.send(bytes(real[:42]).ljust(60, b"\0"))
            while not (event := connection.reply())["port"]["incoming"]:
                pass
            assert event["port"]["id"] == other["id"]
    assert [one["incoming"] for one in daemon.ports() if one["id"] == port["id"]] == [False]


def test_passthru_and_a_network_that_says_no(daemon, station, ports):
    daemon.network("alone", text="[Network]\nParent=eth0\nMode=passthru\n[Guest]\nAnnounce=no\n")
    daemon.reload()
    mac = ports(network="alone")["macAddress"]
    with wire(station) as endpoint:
        flap(daemon, station)
        daemon.network("alone", text="[Network]\nParent=eth0\nMode=passthru\n")
        daemon.reload()
        flap(daemon, station)
        macs, _ = hear(endpoint, ROUNDS)
        assert macs == [mac] * ROUNDS
