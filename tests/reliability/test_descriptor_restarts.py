# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon ends and starts again under ports that descriptors hold, and some are closed while it is dead."""
import os
import random

import pytest

import figures
from previous import previous_daemon
from programs import program

HOWS = ["kill", "stop", "replace"]


class Guests:
    """Who has descriptors: name -> those that are open."""

    def __init__(self, daemon, randomness):
        self.daemon, self.random = daemon, randomness
        self.held, self.made, self.closed = {}, 0, 0

    def fill(self, count):
        with self.daemon.connect() as connection:
            while len(self.held) < count:
                self.made += 1
                name = f"vm{self.made}"
                connection.ports("CreatePort", network="lan", name=name, vhost="off", queues=self.random.choice([1, 1, 2, 3]))
                self.held[name] = connection.take_descriptors()

    def close_some(self):
        """Of a third of the ports some descriptors or all."""
        for name in self.random.sample(sorted(self.held), len(self.held) // 3):
            count = self.random.randint(1, len(self.held[name]))
            for descriptor in self.held[name][:count]:
                os.close(descriptor)
            self.closed += count
            self.held[name] = self.held[name][count:]
        self.held = {name: descriptors for name, descriptors in self.held.items() if descriptors}

    def expected(self):
        return {name: len(descriptors) for name, descriptors in self.held.items()}

    def seen(self):
        return {port["name"]: port["openQueues"] for port in self.daemon.ports()}

    def close(self):
        for descriptors in self.held.values():
            for descriptor in descriptors:
                os.close(descriptor)
        self.held = {}


def run(daemon, others, ports, rounds):
    """others: programs that the daemon is replaced by, in turns."""
    guests = Guests(daemon, random.Random(ports))
    try:
        for number in range(rounds):
            guests.fill(ports)
            how = HOWS[number % len(HOWS)]
            daemon.kill() if how == "kill" else daemon.stop()
            if how == "replace":
                others.append(others.pop(0))
                daemon.program = others[0]
            guests.close_some()
            daemon.start()
            assert guests.seen() == guests.expected(), f"round {number}, {how}"
            assert len(daemon.host.macvtaps()) == len(daemon.records()) == len(guests.held)
    finally:
        guests.close()
    assert daemon.settle() == []
    return guests


def test_sample(daemon):
    run(daemon, [program("macvtapd"), previous_daemon(knows="HOLDER_DESCRIPTORS")], 30, 6)


@pytest.mark.long
def test_200_ports_20_rounds(daemon):
    guests = run(daemon, [program("macvtapd"), previous_daemon(knows="HOLDER_DESCRIPTORS")], 200, 20)
    figures.write("descriptor-restarts", figures.table(
        ["ports at a time", "rounds", "ports made", "descriptors closed while no daemon ran", "wrong ports after a start"],
        [[200, 20, guests.made, guests.closed, 0]]))
