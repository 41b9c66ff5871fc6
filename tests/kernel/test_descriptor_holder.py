# SPDX-License-Identifier: LGPL-2.1-or-later
"""What who has nothing but a port's descriptor can do with it, and cannot: docs/threat-model.md tells of it."""
import json
import sys

import pytest

from frames import PacketSocket, Tap, frame, tap_interface

# Run by nobody, without a capability, with the descriptor as its standard input. Says what became of each attempt.
HOLDER = """if True:
    import ctypes, fcntl, json, os, socket, struct, sys
    name, other = sys.argv[1].encode(), bytes.fromhex(sys.argv[2])
    results = {}
    def attempt(what, function):
        try:
            function()
            results[what] = "done"
        except OSError as error:
            results[what] = os.strerror(error.errno)
    SIOCSIFFLAGS, SIOCSIFMTU, SIOCSIFNAME, TUNSETPERSIST, TUNSETOWNER = 0x8914, 0x8922, 0x8923, 0x400454cb, 0x400454cc
    request = lambda number: struct.pack("=16sI20x", name, number)
    plain = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for way, fd in (("by the tap", 0), ("by a socket", plain.fileno())):
        attempt(f"down {way}", lambda: fcntl.ioctl(fd, SIOCSIFFLAGS, request(0)))
        attempt(f"MTU {way}", lambda: fcntl.ioctl(fd, SIOCSIFMTU, request(900)))
        attempt(f"name {way}", lambda: fcntl.ioctl(fd, SIOCSIFNAME, struct.pack("=16s16s8x", name, b"mine")))
    attempt("outlive", lambda: fcntl.ioctl(0, TUNSETPERSIST, 1))
    attempt("own", lambda: fcntl.ioctl(0, TUNSETOWNER, os.getuid()))
    attempt("open the node", lambda: os.open(f"/dev/tap{socket.if_nametoindex(name.decode())}", os.O_RDWR))
    attempt("see the wire", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0x300))
    attempt("false sender", lambda: os.write(0, bytes(10) + b"\\xff" * 6 + other + b"\\x88\\xb5" + b"false sender".ljust(46)))
    print(json.dumps(results), flush=True)
"""
FALSE_SENDER = "52:54:00:66:66:66"


@pytest.fixture
def port(daemon):
    with daemon.connect() as connection:
        made = connection.ports("CreatePort", network="lan", name="held", vhost="off", holder={"type": "none"})["port"]
        (descriptor,) = connection.take_descriptors()
    made["tap"] = Tap(descriptor)
    yield made
    made["tap"].close()
    daemon.ctl("port", "delete", "held", check=False)


def test_what_nobody_can_do_with_it(host, station, port):
    with PacketSocket(station, "eth0") as wire:
        done = host.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", sys.executable,
                        "-c", HOLDER, port["interfaceName"], FALSE_SENDER.replace(":", ""), stdin=port["tap"].fileno())
        results = json.loads(done.stdout)
        # The tap takes the frame, and the port's guard drops it.
        assert results.pop("false sender") == "done"
        port["tap"].send(frame("ff:ff:ff:ff:ff:ff", port["macAddress"], b"the port's own"))
        assert wire.receive_until(b"the port's own") == []
    assert "done" not in results.values(), results
    assert results["down by a socket"] == results["MTU by a socket"] == "Operation not permitted"
    link = host.link(port["interfaceName"])
    assert "UP" in link["flags"] and link["mtu"] == 1500


def test_descriptor_is_of_no_use_after_its_port(daemon, station, port):
    """The kernel takes what is written and has nowhere to send it; to reading it says that it is the end."""
    daemon.ctl("port", "delete", "held")
    tap = port["tap"]
    with PacketSocket(station, "eth0") as wire, PacketSocket(daemon.host, "eth0") as parent:
        try:
            tap.send(frame("ff:ff:ff:ff:ff:ff", port["macAddress"], b"too late"))
        except OSError:
            pass
        parent.send(frame("ff:ff:ff:ff:ff:ff", "52:54:00:00:99:99", b"marker"))
        assert wire.receive_until(b"marker") == []
    with pytest.raises(OSError):
        tap_interface(tap.fileno())
    assert daemon.settle() == []
