# SPDX-License-Identifier: LGPL-2.1-or-later
"""The socket on which the daemon hears of links, and how to overflow it."""
import contextlib
import os
import signal
import socket

from tracing import take_descriptor

BUFFER = 8 * 1024 * 1024  # bytes: what the daemon asks for
_LINK_GROUP = 1  # RTMGRP_LINK
_NETLINK_ROUTE = 0  # the kernel's uevents have a group 1, too
_SO_RCVBUFFORCE = 33


def _socket_of(daemon):
    """Closing it closes a copy."""
    pid = daemon.process.pid
    for name in os.listdir(f"/proc/{pid}/fd"):
        if not os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:"):
            continue
        taken = socket.socket(fileno=take_descriptor(pid, int(name)))
        if (taken.family, taken.proto) == (socket.AF_NETLINK, _NETLINK_ROUTE) and taken.getsockname()[1] & _LINK_GROUP:
            return taken
        taken.close()
    raise AssertionError("the daemon listens to no link events")


def set_buffer(daemon, size):
    """In bytes. With 1, the second of two events is lost."""
    with _socket_of(daemon) as events:
        events.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)


@contextlib.contextmanager
def unread(daemon):
    """The daemon reads nothing inside."""
    daemon.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        daemon.process.send_signal(signal.SIGCONT)
