# SPDX-License-Identifier: LGPL-2.1-or-later
"""A signal or an error at one system call of the running daemon, by strace; and what it has open."""
import collections
import contextlib
import ctypes
import os
import typing

from daemon import Ended
from tracing import Trace

_NR_PIDFD_GETFD = 438  # the same on every architecture; Python has no function for it

# What strace shows of the wait that it has interrupted to attach, and the end of the process.
_NOT_CALLS = {"restart_syscall", "exit", "exit_group"}


class Point(typing.NamedTuple):
    """The nth call of this name since strace began; text is its arguments and its result."""
    name: str
    nth: int
    text: str

    def __str__(self):
        return f"{self.name} #{self.nth} ({self.text[:100]})"


def points(calls):
    """The points of calls as Trace.calls() and read_calls() give them."""
    counts = collections.Counter()
    found = []
    for name, text in calls:
        if name not in _NOT_CALLS:
            counts[name] += 1
            found.append(Point(name, counts[name], text))
    return found


def injection(point, what):
    """The words for strace: what (as signal=SIGKILL) happens as the process enters the call."""
    return "-e", f"trace={point.name}", "-e", f"inject={point.name}:{what}:when={point.nth}"


@contextlib.contextmanager
def traced_start(daemon, path, *options):
    """with traced_start(daemon, path, …): the daemon starts under strace, which follows it to its end. Gives the
    Ended if it did not get ready."""
    reading, writing = os.pipe()
    # The tracer is no child of ours: its end of the pipe tells when it has written all that it had to.
    wrapper = ["strace", "-D", "-f", "-y", "-s", "64", "-o", path, *options]
    try:
        daemon.start(wrapper, pass_fds=[writing])
        ended = None
    except Ended as error:
        ended = error
    finally:
        os.close(writing)
    try:
        yield ended
    finally:
        if daemon.running:
            daemon.kill()
        os.read(reading, 1)
        os.close(reading)


def start_points(calls):
    """The points of a start, from its first step on: before that there are the loader and the libraries' own."""
    found = points(calls)
    first = next(i for i, point in enumerate(found) if '"/sys"' in point.text)
    last = next(i for i, point in enumerate(found) if "READY=1" in point.text)
    return found[first:last + 1]


def sample(items, every, phase):
    """Every so many of them, from another one on for each phase."""
    return items[phase % every::every]


def take_descriptor(pid, number):
    """A copy of a descriptor that another process has open, owned by the caller."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(pid)
    try:
        taken = libc.syscall(_NR_PIDFD_GETFD, pidfd, number, 0)
        if taken < 0:
            raise OSError(ctypes.get_errno(), "pidfd_getfd")
        return taken
    finally:
        os.close(pidfd)
