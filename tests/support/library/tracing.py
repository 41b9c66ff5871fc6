# SPDX-License-Identifier: LGPL-2.1-or-later
"""System calls of a running process, by strace; and a signal or an error at one of them."""
import collections
import contextlib
import ctypes
import os
import re
import subprocess
import typing

import pytest

import memcheck
from clock import Deadline
from daemon import Ended

_NR_PIDFD_GETFD = 438  # the same on every architecture; Python has no function for it

# What waits for a time, or asks to be woken after one.
TIMERS = {"timerfd_create", "timerfd_settime", "timer_create", "timer_settime", "setitimer", "alarm", "nanosleep",
          "clock_nanosleep"}
_LAST_ARGUMENT = {"poll": 2, "epoll_wait": 3, "epoll_pwait": 3}
# What strace shows of the wait that it has interrupted to attach, and the end of the process.
_NOT_CALLS = {"restart_syscall", "exit", "exit_group"}


class Trace:
    """with Trace(pid, path): what the process calls meanwhile is in the file. options: more words for strace."""

    def __init__(self, pid, path, *options):
        if memcheck.enabled():
            pytest.skip(f"{memcheck.CANNOT_RUN}: strace would show valgrind's own system calls")
        self._path = path
        self._process = subprocess.Popen(["strace", "-f", "-y", "-o", str(path), *options, "-p", str(pid)],
                                         stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        Deadline().wait_readable(self._process.stderr)
        line = self._process.stderr.readline()
        if "attached" not in line:
            self._process.wait()
            self._process.stderr.close()
            pytest.skip(f"strace may not trace: {line.strip()}")
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait()
        self._process.stderr.close()

    def calls(self):
        return read_calls(self._path)


def read_calls(path):
    """[(name, text of the arguments and the result)] of calls that have begun."""
    calls = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        match = re.match(r"(?:\d+ +)?(\w+)\((.*)", line)
        if match:
            calls.append(match.groups())
    return calls


def waits_with_a_time(calls):
    """Those of the calls that set a timer, sleep, or wait with an end other than 'at once' and 'never'."""
    found = []
    for name, rest in calls:
        if name in TIMERS:
            found.append((name, rest))
        elif name in ("ppoll", "pselect6", "select", "epoll_pwait2") and re.search(r"tv_n?sec=[1-9]", rest):
            found.append((name, rest))
        elif name in _LAST_ARGUMENT and not _timeout_is_plain(name, rest):
            found.append((name, rest))
    return found


def _timeout_is_plain(name, rest):
    arguments = re.sub(r"\[.*?\]+(?=, \d)|\{.*?\}", "x", rest)
    timeout = re.search(r", (-?\d+)(?:, NULL, \d+)?(?:\)| <unfinished| <detached)", arguments)
    return timeout is not None and int(timeout.group(1)) in (-1, 0)


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
