# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guarded port, a neighbour's on the same parent, and the wire: what of the guest's frames arrives where.

The frames are those of tests/support/fixtures/guard-rows.c. After each goes a marker that always passes; what comes before
it has arrived."""
import collections
import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import subprocess

from frames import BROADCAST, PacketSocket, Tap, mac_bytes
from programs import BUILD

GUEST, NEIGHBOUR = "52:54:00:00:00:01", "52:54:00:00:00:02"
OWN = "10.9.0.5"
NEEDS_CSUM, GSO_TCPV4 = 1, 1
_SIOCETHTOOL, _ETHTOOL_STXCSUM, _TUNSETOFFLOAD = 0x8946, 0x17, 0x400454D0

Row = collections.namedtuple("Row", "name reason allow others start offset frame")


def read_rows(*arguments):
    """The frame table; with "received": the frames that teach a guest's port."""
    command = [f"{BUILD}/tests/support/fixtures/guard-rows", *arguments]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for line in lines.splitlines():
        name, reason, allow, others, start, offset, frame = line.split("\t")
        yield Row(name, reason, int(allow), others, int(start), int(offset), bytes.fromhex(frame))


def disable_checksum_offload(host, interface):
    """The kernel then finishes each checksum itself before a frame leaves by this interface."""
    value = ctypes.create_string_buffer(struct.pack("=II", _ETHTOOL_STXCSUM, 0))
    with host.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCETHTOOL, struct.pack("=16sQ16x", interface.encode(), ctypes.addressof(value)))


def arp(destination, sender_ip, target_ip):
    return (mac_bytes(destination) + mac_bytes(GUEST) + bytes.fromhex("08060001080006040002") + mac_bytes(GUEST)
            + socket.inet_aton(sender_ip) + bytes(6) + socket.inet_aton(target_ip) + bytes(18))


@contextlib.contextmanager
def on_one_cpu():
    """What one CPU sends stays in order on the way to a neighbour (netif_rx() has a queue for each)."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Lan:
    """A guest's port, a neighbour's on the same parent, and the wire."""

    def __init__(self, daemon, station, guard):
        disable_checksum_offload(daemon.host, "eth0")
        daemon.network("lan", text=f"[Network]\nParent=eth0\nMode=bridge\n[Guard]\n{guard}")
        daemon.start()
        self.daemon = daemon
        self.wire = PacketSocket(station, "eth0", promiscuous=True)
        self.connection = daemon.connect()
        self.guest, self.neighbour = (self.create(mac) for mac in (GUEST, NEIGHBOUR))
        fcntl.ioctl(self.neighbour.fileno(), _TUNSETOFFLOAD, 0)  # so the kernel finishes what it gets
        self._markers = 0

    def create(self, mac, **wishes):
        self.connection.ports("CreatePort", network="lan", vhost="off", macAddress=mac, **wishes)
        (descriptor,) = self.connection.take_descriptors()
        return Tap(descriptor)

    def send(self, frame, start=0, offset=0, segment=0):
        """As the guest. start: asks for a checksum from there on, at offset behind. segment: the host is to make TCP
        segments of that size. Only Ethernet's header need lie in one piece."""
        header = struct.pack("=BBHHHH", NEEDS_CSUM if start else 0, GSO_TCPV4 if segment else 0, 14, segment, start, offset)
        os.write(self.guest.fileno(), header.ljust(self.guest.header, b"\0") + frame)

    def arriving(self, frame, *how):
        """What of the guest comes to (the wire, the neighbour)."""
        self.send(frame, *how)
        self._markers += 1
        marker = arp(BROADCAST, OWN, f"10.9.{self._markers >> 8}.{self._markers & 255}")
        self.send(marker)
        return [self._before(endpoint, marker) for endpoint in (self.wire, self.neighbour)]

    @staticmethod
    def _before(endpoint, marker):
        before = []
        while True:
            frame = endpoint.receive(ethertype=None)
            if frame[:42] == marker[:42]:
                return before
            if frame[6:11] == mac_bytes(GUEST)[:5]:  # of the station nothing is looked for
                before.append(frame)

    def arrives(self, row):
        """Whether a row's frame comes to (the wire, the neighbour); one for another station is sent to each."""
        if row.frame[0] & 1:
            return [bool(frames) for frames in self.arriving(row.frame, row.start, row.offset)]
        to_wire = self.arriving(mac_bytes(self.wire.mac) + row.frame[6:], row.start, row.offset)[0]
        to_neighbour = self.arriving(mac_bytes(NEIGHBOUR) + row.frame[6:], row.start, row.offset)[1]
        return [bool(to_wire), bool(to_neighbour)]

    def port(self, mac=GUEST):
        (port,) = [port for port in self.daemon.ports() if port["macAddress"] == mac]
        return port

    def dropped(self, mac=GUEST):
        """What was dropped of the guest, by reason."""
        return {reason: count for reason, count in self.port(mac).get("dropped", {}).items() if count}

    def seen(self, mac=GUEST):
        """The addresses that the guest was seen to use, and how."""
        return {seen["address"]: seen["how"] for seen in self.port(mac).get("seenAddresses", [])}

    def close(self):
        for endpoint in (self.guest, self.neighbour, self.wire, self.connection):
            endpoint.close()
