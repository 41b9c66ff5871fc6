# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests that say nothing on a bond that fails over, and the announcements that a switch gets for them."""
import contextlib
import errno
import socket
import struct

from clock import Deadline
from frames import ETH_P_ALL
from namespaces import RTM_NEWLINK, link_attribute
from parent_kinds import active_slave, wait_link

ETHERTYPE_RARP = 0x8035
SCHEDULE = (0, 0.050, 0.200, 0.450, 0.800)  # announce_times of announcements.c, in seconds
_SO_TIMESTAMPNS, _SO_RCVBUFFORCE = 35, 33
_SOL_PACKET, _PACKET_IGNORE_OUTGOING = 263, 23
_IFLA_EVENT, _IFLA_EVENT_BONDING_FAILOVER = 44, 3


class Capture:
    """What passes an interface, with the kernel's time stamps. None of it is lost while nobody reads."""

    def __init__(self, host, interface, own=False):
        """own: also what the host itself sends."""
        self._socket = host.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 64 << 20)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, int(not own))
        self._socket.bind((interface, ETH_P_ALL))  # a bridge takes the frames before the handlers of one EtherType

    def take(self, deadline):
        """The next frame: (bytes, seconds since the epoch)."""
        while True:
            deadline.wait_readable(self._socket)
            try:
                data, controls, _, _ = self._socket.recvmsg(65536, 64)
            except OSError as error:  # once, after the interface went down
                assert error.errno == errno.ENETDOWN
                continue
            seconds, nanoseconds = struct.unpack("=qq", controls[0][2][:16])
            return data, seconds + nanoseconds / 1e9

    def take_announcement(self, deadline):
        """The next one: (MAC, seconds since the epoch)."""
        while True:
            data, when = self.take(deadline)
            if data[12:14] == struct.pack("!H", ETHERTYPE_RARP):
                return data[6:12].hex(":"), when

    def take_failover(self, host, deadline):
        """When the kernel said that the bond had another active slave; of an nlmon interface."""
        wanted = host.interface_index("bond0")
        while True:
            data, when = self.take(deadline)
            kind, = struct.unpack_from("=H", data, 4)
            if kind != RTM_NEWLINK or struct.unpack_from("=i", data, 20)[0] != wanted:
                continue
            event = link_attribute(data[32:], _IFLA_EVENT)
            if event and struct.unpack("=I", event)[0] == _IFLA_EVENT_BONDING_FAILOVER:
                return when

    def empty(self):
        """Forget what has come so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.recv(65536, socket.MSG_DONTWAIT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()


@contextlib.contextmanager
def netlink_capture(host):
    """A Capture of all netlink messages of a host."""
    host.ip("link", "add", "nlmon0", "type", "nlmon")
    host.ip("link", "set", "nlmon0", "up")
    try:
        with Capture(host, "nlmon0", own=True) as capture:
            yield capture
    finally:
        host.ip("link", "delete", "nlmon0")


def make_silent_guests(site, count):
    """Ports on the network lan that are up, without a VMM, and one that is down: the MACs of those that are up."""
    macs = []
    for number in range(count + 1):
        with site.daemon.connect() as connection:
            port = connection.ports("CreatePort", network="lan", holder={"type": "none"}, openDescriptors=False,
                                    linkUp=number < count)["port"]
        macs.append(port["macAddress"])
    return macs[:count]


def set_wire(site, slave, on):
    """The cable between a slave of the site's bond and the switch."""
    site.switch.host.ip("link", "set", site.ports[slave], "up" if on else "down")


def fail_over(site):
    """Pull the cable of the active slave, when the other is there to take over; returns both names."""
    first = active_slave(site.host)
    (second,) = {"eth0", "eth1"} - {first}
    wait_link(site.host, second, lambda link: link["linkinfo"]["info_slave_data"]["mii_status"] == "UP")
    set_wire(site, first, False)
    return first, second
