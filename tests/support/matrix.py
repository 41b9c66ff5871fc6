# SPDX-License-Identifier: LGPL-2.1-or-later
"""A round of an operation for each of its system calls, in which something befalls the daemon at this call.

Theory of operation: one clean round tells which system calls an operation makes of the daemon. Then there is a round for
each of them."""
import contextlib

import figures
import varlink
from clock import Deadline
from injection import injection, points, sample, start_points, traced_start
from operations import World, differences
from tracing import Trace, read_calls


class Matrix:
    """The worlds, kept for all operations."""

    def __init__(self, folder):
        self._worlds = {}
        self.trace = folder / "trace"
        self.rows = []

    def world(self, operation):
        if operation.own_dev not in self._worlds:
            world = self._worlds[operation.own_dev] = World(operation.own_dev)
            world.daemon.start()
            world.clean = world.state()
        return self._worlds[operation.own_dev]

    def tracing(self, world, operation, *options):
        if operation.is_start:
            return traced_start(world.daemon, self.trace, *options)
        return Trace(world.daemon.process.pid, self.trace, *options)

    def learn(self, operation):
        world = self.world(operation)
        world.begin(operation)
        with self.tracing(world, operation):
            world.act(operation)
        if operation.is_start:
            world.daemon.start()
        problems = world.problems() + world.end()
        problems += differences(world.clean, world.state())
        assert not problems, "\n".join(problems)
        calls = read_calls(self.trace)
        return start_points(calls) if operation.is_start else points(calls)

    def end(self, world, operation, fits=True):
        """Everybody lets go. What is then not as it was, and, if all must fit together, what did not before; such a
        world is given up."""
        problems = world.problems() if fits else []
        problems += world.end()
        problems += differences(world.clean, world.state())
        if problems:
            self._worlds.pop(operation.own_dev).close()
        return problems

    def close(self):
        for world in self._worlds.values():
            world.close()


class KillMatrix(Matrix):
    """rows: operation, system calls, those that were reached, rounds with ports that stayed."""

    @staticmethod
    def _answers(daemon):
        """Whether it does; it may be about to end, when the call at which it was killed came behind its answer."""
        try:
            daemon.ports()
        except (varlink.Closed, ConnectionError):
            daemon.process.wait(Deadline().left())
            return False
        return True

    def _kill(self, operation, point):
        """Returns whether the point was reached, whether ports were still there, and what is wrong."""
        world = self.world(operation)
        world.begin(operation)
        with self.tracing(world, operation, *injection(point, "signal=SIGKILL")) as ended:
            with contextlib.suppress(varlink.Closed, ConnectionError):
                world.act(operation)
        world.state()
        killed = bool(ended) if operation.is_start else not self._answers(world.daemon)
        if not world.daemon.running:
            world.daemon.start()
        kept = bool(world.daemon.ports())
        return killed, kept, [f"killed at {point}: {problem}" for problem in self.end(world, operation)]

    def run(self, operation, every=1, phase=0):
        chosen = sample(self.learn(operation), every, phase)
        outcomes = [self._kill(operation, point) for point in chosen]
        self.rows.append((operation.name, len(chosen), sum(killed for killed, _, _ in outcomes),
                          sum(kept for killed, kept, _ in outcomes if killed)))
        problems = [problem for _, _, problems in outcomes for problem in problems]
        assert not problems, "\n".join(problems)
        assert self.rows[-1][2] > 0, "the daemon was never killed"

    def write(self):
        total = [sum(row[i] for row in self.rows) for i in (1, 2, 3)]
        head = ["operation", "system calls", "killed at", "ports taken over"]
        text = ("macvtapd is killed as it enters each system call of an operation, and started again. What the API says of"
                " the ports is compared with the kernel's devices (name, parent, mode, MAC, MTU, up or down, alias, no IPv6"
                " and no ARP of the host's), and what was done from outside must have had its effect. Then everybody lets"
                " go of their ports, and every link (`ip -d`: MACs, flags, promiscuity and the rest), the state folder"
                " and /dev are compared with what was before. Devices in another state than the API says: 0. Left behind:"
                " 0. MACs not restored: 0. A call that came again in no second round (an event that was told earlier or"
                " later) counts as not killed at.\n\n")
        figures.write("kill-matrix", text + figures.table(head, [*self.rows, ("all", *total)]))
