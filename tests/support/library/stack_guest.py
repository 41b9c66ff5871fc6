# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest with an IP stack but without QEMU: a host of its own whose eth0 is a tap, and a thread that carries frames
between that and a port's queue as QEMU does."""
import fcntl
import os
import select
import socket
import struct
import threading

from clock import Deadline
from frames import IFF_NO_PI, IFF_TAP, IFF_VNET_HDR, TUNGETVNETHDRSZ, TUNSETIFF, TUNSETVNETHDRSZ
from namespaces import Host


def _open_tap(host):
    def make():
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("=16sH22x", b"eth0", IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
        return descriptor
    return host.call(make)


class StackGuest:
    """Takes the port's descriptor. host runs commands as the guest."""

    def __init__(self, descriptor, mac, name="guest"):
        self.host = Host(name)
        self.mac = mac
        self._port, self._tap = descriptor, _open_tap(self.host)
        os.set_blocking(self._port, False)
        fcntl.ioctl(self._tap, TUNSETVNETHDRSZ, fcntl.ioctl(self._port, TUNGETVNETHDRSZ, bytes(4)))
        self._wake, self._stop = os.pipe()
        self.host.run("sysctl", "-q", "-w", "net/ipv6/conf/eth0/dad_transmits=0", "net/ipv6/conf/eth0/accept_ra=0")
        self.host.ip("link", "set", "eth0", "address", mac, "up")
        self._thread = threading.Thread(target=self._carry)
        self._thread.start()

    def _carry(self):
        poll = select.poll()
        for descriptor in (self._port, self._tap, self._wake):
            poll.register(descriptor, select.POLLIN)
        while True:
            for descriptor, _ in poll.poll():
                if descriptor == self._wake:
                    return
                other = self._tap if descriptor == self._port else self._port
                try:
                    os.write(other, os.read(descriptor, 65550))
                except OSError:  # a full queue, or a device that is down: the frame is lost
                    pass

    def address(self, address):
        self.host.ip("address", "add", address, "dev", "eth0", *(["nodad"] if ":" in address else []))

    def close(self):
        if not self._thread.is_alive():
            return
        os.close(self._stop)
        self._thread.join()
        for descriptor in (self._port, self._tap, self._wake):
            os.close(descriptor)
        self.host.close()


def _family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def talks(client, server, address, source=None, deadline=None):
    """Whether a TCP connection from one host to another's address comes about, and carries data both ways. source: the
    client's address that the server must see. Without an answer it takes the deadline."""
    deadline = deadline or Deadline()
    with server.socket(_family(address), socket.SOCK_STREAM) as listener, \
            client.socket(_family(address), socket.SOCK_STREAM) as speaker:
        listener.bind((address, 0))
        listener.listen()
        speaker.settimeout(deadline.left())
        try:
            speaker.connect(listener.getsockname()[:2])
        except OSError:
            return False
        answerer, seen = listener.accept()
        with answerer:
            assert source in (None, seen[0]), f"{seen[0]} instead of {source}"
            for one, other in ((speaker, answerer), (answerer, speaker)):
                one.sendall(b"hello")
                other.settimeout(deadline.left())
                assert other.recv(16) == b"hello"
    return True
