# SPDX-License-Identifier: LGPL-2.1-or-later
"""Frames in and out of a test: packet sockets in a host, and tap descriptors with a virtio-net header.

To show that a frame does NOT arrive, send it and then a second one that must arrive on the same path, and look at
what came before the second: `receive_until`. Nothing waits for a time.
"""
import contextlib
import fcntl
import os
import socket
import stat
import struct
import tempfile

from clock import Deadline

ETH_P_ALL = 3
_ETH_P_RARP = 0x8035
# IEEE 802 local experimental EtherType 1: no kernel answers it.
ETHERTYPE = 0x88B5
BROADCAST = "ff:ff:ff:ff:ff:ff"

SIOCSIFHWADDR = 0x8924
_ARPHRD_ETHER = 1
TUNSETIFF, TUNGETIFF, TUNSETVNETHDRSZ, TUNGETVNETHDRSZ = 0x400454CA, 0x800454D2, 0x400454D8, 0x800454D7
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR, IFF_MULTI_QUEUE = 0x0002, 0x1000, 0x4000, 0x0100

_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, _PACKET_MR_PROMISC, _PACKET_IGNORE_OUTGOING = 263, 1, 1, 23


def mac_bytes(mac):
    return bytes.fromhex(mac.replace(":", ""))


def frame(destination, source, payload=b"", ethertype=ETHERTYPE):
    """An Ethernet frame, at least 60 bytes long."""
    return (mac_bytes(destination) + mac_bytes(source) + struct.pack("!H", ethertype) + payload).ljust(60, b"\0")


def announcement(mac):
    """As announce_self_create() of QEMU's net/announce.c makes it."""
    body = bytes.fromhex("0001080006040003") + (mac_bytes(mac) + bytes(4)) * 2
    return frame(BROADCAST, mac, body, _ETH_P_RARP)


def payload_of(data):
    return data[14:].rstrip(b"\0")


class _Endpoint:
    """What packet sockets and taps share. Subclasses have fileno(), send() and _receive()."""

    def receive(self, deadline=None, ethertype=ETHERTYPE):
        """The next frame of this EtherType (None: of any)."""
        deadline = deadline or Deadline()
        while True:
            deadline.wait_readable(self.fileno())
            data = self._receive()
            if ethertype is None or data[12:14] == struct.pack("!H", ethertype):
                return data

    def receive_until(self, payload, deadline=None):
        """The payloads that come before this one, which must come."""
        deadline = deadline or Deadline()
        before = []
        while True:
            try:
                seen = payload_of(self.receive(deadline))
            except TimeoutError:
                raise AssertionError(f"no frame {payload!r}; got {before!r}") from None
            if seen == payload:
                return before
            before.append(seen)

    def expect(self, payload, deadline=None):
        """Wait for a frame with this payload, whatever comes before."""
        self.receive_until(payload, deadline)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class PacketSocket(_Endpoint):
    """Sends and receives whole frames on an interface of a host. promiscuous: also those for other stations.

    It sees what comes in on the wire, whoever takes it afterwards. See StackSocket for what the host itself gets."""

    _PROTOCOL = ETH_P_ALL

    def __init__(self, host, interface, promiscuous=False):
        self._socket = host.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._socket.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        if promiscuous:
            request = struct.pack("=iHH8s", host.interface_index(interface), _PACKET_MR_PROMISC, 0, b"")
            self._socket.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, request)
        self._socket.bind((interface, self._PROTOCOL))
        self.mac = host.mac(interface)

    def fileno(self):
        return self._socket.fileno()

    def send(self, data):
        self._socket.send(data)

    def _receive(self):
        return self._socket.recv(65536)

    def close(self):
        self._socket.close()


class StackSocket(PacketSocket):
    """What the host's own protocols get from an interface: frames that are for it, and that no bridge, macvlan or
    macvtap on it has taken (the kernel asks those before the handlers of one EtherType, __netif_receive_skb_core)."""

    _PROTOCOL = ETHERTYPE

    def _receive(self):
        while True:
            data, (_, _, kind, _, _) = self._socket.recvfrom(65536)
            if kind != socket.PACKET_OTHERHOST:
                return data
            Deadline().wait_readable(self.fileno())


class Tap(_Endpoint):
    """A tap descriptor (owned from here on), as QEMU uses it: each frame behind a virtio-net header."""

    def __init__(self, descriptor):
        self._descriptor = descriptor
        os.set_blocking(descriptor, False)
        self.header = struct.unpack("=i", fcntl.ioctl(descriptor, TUNGETVNETHDRSZ, bytes(4)))[0]

    def fileno(self):
        return self._descriptor

    def send(self, data):
        os.write(self._descriptor, bytes(self.header) + data)

    def _receive(self):
        return os.read(self._descriptor, 65536 + self.header)[self.header:]

    def close(self):
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def tap_interface(descriptor):
    """(interface name, flags) that the kernel knows for a tap descriptor."""
    name, flags = struct.unpack("=16sH22x", fcntl.ioctl(descriptor, TUNGETIFF, bytes(40)))
    return name.rstrip(b"\0").decode(), flags


def set_mac(descriptor, mac):
    """Change the MAC of a tap's device through its descriptor, which takes no capability."""
    fcntl.ioctl(descriptor, SIOCSIFHWADDR, struct.pack("=16sH6s16x", b"", _ARPHRD_ETHER, mac_bytes(mac)))


def device_number(host, interface):
    """The device number of a macvtap's node, from the host's sysfs."""
    index = host.interface_index(interface)
    with open(host.path(f"/sys/class/net/{interface}/macvtap/tap{index}/dev"), encoding="ascii") as stream:
        major, minor = map(int, stream.read().split(":"))
    return os.makedev(major, minor)


def open_tap(host, interface, flags=IFF_TAP | IFF_NO_PI | IFF_VNET_HDR):
    """Open a queue of a macvtap of a host through a node of our own; returns a descriptor."""
    folder = tempfile.mkdtemp(prefix=".macvtapd-test-", dir="/dev")
    node = os.path.join(folder, "tap")
    try:
        os.mknod(node, stat.S_IFCHR | 0o600, device_number(host, interface))
        descriptor = os.open(node, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(node)
        os.rmdir(folder)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("=16sH22x", b"", flags))
    return descriptor
