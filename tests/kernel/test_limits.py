# SPDX-License-Identifier: LGPL-2.1-or-later
"""Limits of a port, as its guest and the wire see them: in force from the first frame, changed while it lives, put back
when root takes them away, gone with the port. How near a flow comes to its limit is tests/bench/limits."""
import json
import re
import socket
import struct
import subprocess

import pytest

from clock import PATIENCE, Deadline
from frames import BROADCAST, ETHERTYPE, PacketSocket, Tap, frame
from programs import program
from tracing import Trace, injection, points, read_calls
from varlink import VarlinkError

_SO_TIMESTAMPNS = 35


def network(**limits):
    lines = "".join(f"{key}={value}\n" for key, value in limits.items())
    return f"[Network]\nParent=eth0\nMode=bridge\n[Guard]\nAllow=other\n{lines}"


@pytest.fixture
def guest(daemon):
    """guest(…) makes a port on the network lan and opens it: (port, tap)."""
    taps = []

    def make(**parameters):
        with daemon.connect() as connection:
            reply = connection.ports("CreatePort", **{"network": "lan", "vhost": "off", **parameters})
            taps.append(Tap(connection.take_descriptors()[0]))
        return reply["port"], taps[-1]
    yield make
    for tap in taps:
        tap.close()


def show(daemon, port):
    (found,) = [one for one in daemon.ports() if one["id"] == port["id"]]
    return found


def qdisc(host, port):
    return json.loads(host.run("tc", "-j", "qdisc", "show", "dev", port["interfaceName"], "root").stdout)[0]


def large(to, mac, number):
    return frame(to, mac, struct.pack("=I", number)).ljust(1514, b"x")


def wait_pace(host, port):
    """Until macvtapd has set it again; each look is an exchange with the kernel."""
    deadline = Deadline()
    while qdisc(host, port)["kind"] != "tbf":
        assert deadline.left() > 0


def test_broadcasts(daemon, station, guest):
    daemon.network("lan", text=network(BroadcastLimit=5))
    daemon.reload()
    port, tap = guest()
    with PacketSocket(station, "eth0") as wire:
        for _ in range(60):
            tap.send(frame(BROADCAST, port["macAddress"], b"to all"))
        tap.send(frame(wire.mac, port["macAddress"], b"to one"))
        passed = len(wire.receive_until(b"to one"))
    assert 5 <= passed < 30
    assert show(daemon, port)["limited"] == {"broadcasts-dropped": 60 - passed}
    assert show(daemon, port)["limits"] == {"broadcasts": 5}
    assert f'limit="broadcast"}} {60 - passed}\n' in daemon.ctl("metrics").stdout


def test_a_capture_shows_what_limits_dropped(daemon, station, guest):
    daemon.network("lan", text=network(BroadcastLimit=1, ReceiveLimit="1M/2K"))
    daemon.reload()
    port, tap = guest()
    capture = daemon.host.start(program("macvtapctl"), "port", "capture", port["id"], "--only-dropped", "-c", "25",
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=daemon.environment())
    assert "capturing" in capture.stderr.readline()
    with PacketSocket(station, "eth0") as wire:
        for number in range(60):
            tap.send(frame(BROADCAST, port["macAddress"], b"to all"))
            wire.send(large(port["macAddress"], wire.mac, number))
    lines = [line.split() for line in capture.communicate(timeout=PATIENCE)[0].splitlines()]
    assert {tuple(line[1:4]) for line in lines} == {("dropped", "broadcast-limit", port["macAddress"]),
                                                   ("dropped", "receive-limit", wire.mac)}


def test_what_a_guest_receives(daemon, station, guest):
    daemon.network("lan", text=network(ReceiveLimit="1M/16K"))
    daemon.reload()
    port, tap = guest()
    with PacketSocket(station, "eth0") as wire:
        for number in range(60):
            wire.send(large(port["macAddress"], wire.mac, number))
        daemon.ctl("port", "set", port["id"], "--limits", "receive=none")
        wire.send(frame(port["macAddress"], wire.mac, b"last"))
        passed = len(tap.receive_until(b"last"))
    assert 10 <= passed < 50
    assert "limited" not in show(daemon, port)
    # Without a limit, all arrive.
    with PacketSocket(station, "eth0") as wire:
        for number in range(60):
            wire.send(large(port["macAddress"], wire.mac, number))
        wire.send(frame(port["macAddress"], wire.mac, b"last"))
        assert len(tap.receive_until(b"last")) == 60


def test_cost_of_what_a_guest_receives(daemon, station, guest):
    daemon.network("lan", text=network(ReceiveLimit="64K/2K"))
    daemon.reload()
    port, tap = guest()
    with PacketSocket(station, "eth0") as wire:
        for number in range(50):
            wire.send(large(port["macAddress"], wire.mac, number))
    limited = show(daemon, port)["limited"]
    assert limited["received-bytes-dropped"] == 1514 * limited["received-dropped"]
    assert 40 <= limited["received-dropped"] < 50
    assert tap.receive()[:6].hex(":") == port["macAddress"]


def _arrivals(wire, count):
    """(bytes, seconds between the first and the last) of so many of the guest's frames, by the kernel's clock."""
    times, deadline = [], Deadline()
    while len(times) < count:
        deadline.wait_readable(wire)
        data, controls, _, _ = wire.recvmsg(2048, 64)
        if data[12:14] == struct.pack("!H", ETHERTYPE):
            seconds, nanoseconds = struct.unpack("=qq", controls[0][2][:16])
            times.append(seconds + nanoseconds / 1e9)
    return 1514 * (count - 1), times[-1] - times[0]


def test_what_a_guest_sends_is_paced(daemon, host, station, guest):
    """Nothing of it is lost, and none of it comes sooner than its rate allows."""
    daemon.network("lan", text=network())
    daemon.reload()
    port, tap = guest()
    daemon.ctl("port", "set", port["id"], "--limits", "send=1M/4K")
    with station.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as wire:
        wire.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        wire.bind(("eth0", 3))
        to = station.mac("eth0")
        for number in range(12):
            tap.send(large(to, port["macAddress"], number))
        octets, seconds = _arrivals(wire, 12)
    assert octets - 4096 <= 125000 * seconds * 1.05
    limited = show(daemon, port)["limited"]
    assert limited.get("sent-delayed", 0) > 0 and "sent-dropped" not in limited
    with PacketSocket(station, "eth0") as wire:
        for number in range(200):  # more than its queue holds
            tap.send(large(to, port["macAddress"], number))
        daemon.ctl("port", "set", port["id"], "--limits", "send=1G")
        tap.send(frame(to, port["macAddress"], b"last"))
        assert len(wire.receive_until(b"last")) < 200
    assert show(daemon, port)["limited"]["sent-dropped"] > 0
    assert qdisc(host, port)["options"]["rate"] == 125000000


def test_another_port_is_not_delayed(daemon, station, guest):
    daemon.network("lan", text=network(SendLimit="64K/2K"))
    daemon.reload()
    slow, slow_tap = guest()
    quick, quick_tap = guest()
    with PacketSocket(station, "eth0") as wire:
        for number in range(20):
            slow_tap.send(large(wire.mac, slow["macAddress"], number))
        quick_tap.send(frame(wire.mac, quick["macAddress"], b"quick"))
        assert len(wire.receive_until(b"quick")) < 15


def test_root_removes_it_and_the_daemon_is_killed(daemon, host, guest):
    daemon.network("lan", text=network(SendLimit="10M/64K"))
    daemon.reload()
    port, _ = guest()
    assert qdisc(host, port)["options"]["rate"] == 1250000
    for _ in range(3):
        host.run("tc", "qdisc", "del", "dev", port["interfaceName"], "root")
        wait_pace(host, port)
    host.run("tc", "qdisc", "replace", "dev", port["interfaceName"], "root", "pfifo")
    wait_pace(host, port)
    daemon.kill()
    assert qdisc(host, port)["kind"] == "tbf"
    host.run("tc", "qdisc", "del", "dev", port["interfaceName"], "root")
    daemon.network("lan", text=network(SendLimit="20M"))
    daemon.start()
    assert qdisc(host, port)["options"]["rate"] == 2500000
    daemon.network("lan", text=network())
    daemon.reload()
    assert qdisc(host, port)["kind"] != "tbf"
    assert "limits" not in show(daemon, port)


@pytest.mark.parametrize("befalls", ["error=ENOBUFS", "signal=SIGKILL"])
def test_a_queue_that_cannot_be_removed_at_first(daemon, host, guest, tmp_path, befalls):
    """What is said of the port is what there is, and the next attempt succeeds."""
    port, _ = guest(limits={"send": "10M"}, holder={"type": "none"})

    def remove(*options):
        with Trace(daemon.process.pid, tmp_path / "trace", *options):
            return daemon.ctl("port", "set", port["id"], "--limits", "send=none", check=False)

    assert remove().returncode == 0
    (point,) = [point for point in points(read_calls(tmp_path / "trace"))
                if point.name == "sendmsg" and re.search(r"nlmsg_type=(RTM_DELQDISC|0x25\b)", point.text)]
    daemon.ctl("port", "set", port["id"], "--limits", "send=10M")
    assert remove(*injection(point, befalls)).returncode == 1
    if not daemon.running:
        daemon.start()
    assert "limits" in show(daemon, port) and qdisc(host, port)["kind"] == "tbf"
    assert remove().returncode == 0
    assert "limits" not in show(daemon, port) and qdisc(host, port)["kind"] != "tbf"
    daemon.ctl("port", "delete", port["id"])


def test_a_queue_that_no_record_has_goes_at_a_start(daemon, host, guest):
    """The daemon was killed between a change and its record."""
    port, _ = guest()
    daemon.kill()
    host.run("tc", "qdisc", "add", "dev", port["interfaceName"], "root", "handle", "4d56:", "tbf", "rate", "1mbit",
             "burst", "32k", "limit", "64k")
    daemon.start()
    assert qdisc(host, port)["kind"] != "tbf"


def test_only_root_and_only_rates(daemon, guest):
    refused = daemon.ctl("port", "create", "--network", "lan", "--limits", "send=10M", user="nobody", check=False)
    assert refused.returncode == 1 and "only root may give a port its own limits" in refused.stderr
    for text in ("fast", "10", "1M/1K", "101G"):
        with daemon.connect() as connection, pytest.raises(VarlinkError, match="is not a rate"):
            connection.ports("CreatePort", network="lan", limits={"send": text})
    port, _ = guest(limits={"send": "10M", "broadcasts": 3})
    assert (port["limits"], port["ownLimits"]) == ({"send": "10M", "broadcasts": 3},) * 2
    shown = daemon.ctl("port", "show", port["id"]).stdout
    assert re.search(r"^send limit +10M$", shown, re.M), shown
