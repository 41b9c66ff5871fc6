# SPDX-License-Identifier: LGPL-2.1-or-later
"""The sockets on which the daemon hears of links and of routing, and how to overflow them."""
import contextlib
import os
import signal
import socket

from tracing import take_descriptor

BUFFER = 8 * 1024 * 1024  # bytes: what the daemon asks for
LINKS, ROUTING = 1, 4  # RTMGRP_LINK, RTMGRP_NEIGH
_NETLINK_ROUTE = 0  # the kernel's uevents have a group 1, too
_SO_RCVBUFFORCE = 33


def _socket_of(daemon, group):
    """Closing it closes a copy."""
    pid = daemon.process.pid
    for name in os.listdir(f"/proc/{pid}/fd"):
        if not os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:"):
            continue
        taken = socket.socket(fileno=take_descriptor(pid, int(name)))
        if (taken.family, taken.proto) == (socket.AF_NETLINK, _NETLINK_ROUTE) and taken.getsockname()[1] & group:
            return taken
        taken.close()
    raise AssertionError("the daemon does not listen to these events")


def set_buffer(daemon, size, group=LINKS):
    """In bytes. With 1, the second of two events is lost."""
    with _socket_of(daemon, group) as events:
        events.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)


@contextlib.contextmanager
def unread(daemon):
    """The daemon reads nothing inside."""
    daemon.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        daemon.process.send_signal(signal.SIGCONT)
