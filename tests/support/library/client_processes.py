# SPDX-License-Identifier: LGPL-2.1-or-later
"""Many clients at once, each a process of its own that the test may kill.

They are forks without a program of their own: a thousand of them start in a second."""
import mmap
import os
import random
import signal
import struct
import traceback

from clock import Deadline
from namespaces import die_with_parent

TICK = 10  # cycles


def fork(body):
    """Run body() in a child that ends with the test; its exit status is 1 if body raised."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        die_with_parent()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        body()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def sleepers(count):
    """The pids of so many processes that do nothing, until they are killed."""
    return [fork(signal.pause) for _ in range(count)]


def end(pids):
    """Kill all of them and wait until they have ended; the list is empty then."""
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    while pids:
        os.waitpid(pids.pop(), 0)


class ClientProcesses:
    """Clients that call cycle(client) again and again, where client = connect() is their own; every TICK cycles of one
    of them the test is told. A client that is killed or loses its service is replaced by another one."""

    def __init__(self, connect, cycle, count):
        self._connect, self._cycle = connect, cycle
        self._ticks, self._tell = os.pipe()
        self._memory = mmap.mmap(-1, 8 * (count + 1))
        self._clients = {}  # pid -> place
        self.killed = 0
        self.failed = []  # exit statuses
        for place in range(count):
            self._start(place)

    def _start(self, place):
        self._clients[fork(lambda: self._work(place))] = place

    def _work(self, place):
        client = self._connect()
        while not self._memory[0]:
            self._cycle(client)
            (done,) = struct.unpack_from("=Q", self._memory, 8 * (place + 1))
            struct.pack_into("=Q", self._memory, 8 * (place + 1), done + 1)
            if (done + 1) % TICK == 0:
                os.write(self._tell, b".")

    @property
    def cycles(self):
        return sum(struct.unpack_from(f"={len(self._memory) // 8 - 1}Q", self._memory, 8))

    def wait_tick(self, deadline=None):
        (deadline or Deadline(120)).wait_readable(self._ticks)
        os.read(self._ticks, 1)

    def kill_one(self):
        """SIGKILL to any of them, wherever it is in its cycle."""
        pid = random.choice(list(self._clients))
        os.kill(pid, signal.SIGKILL)
        self._reap(pid, killed=True)

    def _reap(self, pid, killed=False):
        place = self._clients.pop(pid)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if status == -signal.SIGKILL and killed:
            self.killed += 1
            self._start(place)
        elif status != 0:
            self.failed.append(status)

    def finish(self):
        """Each finishes the cycle that it is in."""
        self._memory[0] = 1
        while self._clients:
            self._reap(next(iter(self._clients)))

    def close(self):
        end(list(self._clients))
        self._clients = {}
        os.close(self._ticks)
        os.close(self._tell)
