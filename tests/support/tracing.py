# SPDX-License-Identifier: LGPL-2.1-or-later
"""System calls of a running process, by strace."""
import re
import subprocess

import pytest

import memcheck
from clock import Deadline

# What waits for a time, or asks to be woken after one.
TIMERS = {"timerfd_create", "timerfd_settime", "timer_create", "timer_settime", "setitimer", "alarm", "nanosleep",
          "clock_nanosleep"}
_LAST_ARGUMENT = {"poll": 2, "epoll_wait": 3, "epoll_pwait": 3}


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
        match = re.match(r"\d+ +(\w+)\((.*)", line)
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
