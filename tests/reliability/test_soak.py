# SPDX-License-Identifier: LGPL-2.1-or-later
"""Many clients for long: what the daemon has and what it leaves does not grow, and no call fails."""
import os
import random

import pytest

import figures
from client_processes import ClientProcesses
from varlink import Closed

CLIENTS = 64
ALLOWANCE = 256  # KiB: what the allocator's own fragmentation may come to
ONE_KILL_IN = 5  # ticks


def usage(daemon):
    """(descriptors, KiB resident) of a daemon with nothing to do."""
    with daemon.connect() as connection:
        connection.call("org.varlink.service.GetInfo")
        with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as stream:
            status = dict(line.split(":", 1) for line in stream)
        return len(os.listdir(f"/proc/{daemon.process.pid}/fd")), int(status["VmRSS"].split()[0])


def cycle(client):
    port = client.ports("CreatePort", network="lan")["port"]
    client.ports("DeletePort", port=port["id"])
    for descriptor in client.take_descriptors():
        os.close(descriptor)


def cycle_until_closed(client):
    try:
        cycle(client)
    except (Closed, BrokenPipeError, ConnectionResetError):
        os._exit(0)


def soak(daemon, cycles):
    """Returns (cycles done, clients killed). No call may fail."""
    clients = ClientProcesses(daemon.connect, cycle, CLIENTS)
    try:
        while clients.cycles < cycles and not clients.failed:
            clients.wait_tick()
            if random.randrange(ONE_KILL_IN) == 0:
                clients.kill_one()
        clients.finish()
        assert clients.failed == []
        return clients.cycles, clients.killed
    finally:
        clients.close()


def kill_daemon(daemon):
    """SIGKILL while all clients are at it, and the next start."""
    clients = ClientProcesses(daemon.connect, cycle_until_closed, CLIENTS)
    try:
        for _ in range(random.randrange(1, 5)):
            clients.wait_tick()
        daemon.kill()
        clients.finish()
        assert clients.failed == []
    finally:
        clients.close()
    daemon.start()
    assert daemon.settle() == []


def run(daemon, first, cycles, kills):
    done, killed = soak(daemon, first)
    assert daemon.settle() == []
    descriptors, memory = usage(daemon)
    more, more_killed = soak(daemon, cycles - done)
    assert daemon.settle() == []
    descriptors_after, memory_after = usage(daemon)
    assert descriptors_after == descriptors
    assert memory_after <= memory + ALLOWANCE
    for _ in range(kills):
        kill_daemon(daemon)
    descriptors_last, _ = usage(daemon)
    assert descriptors_last == descriptors
    return figures.table(
        ["what", f"after {done:,} cycles", f"after {done + more:,} cycles"],
        [["descriptors of the daemon", descriptors, descriptors_after],
         ["resident memory, KiB", memory, memory_after],
         ["clients killed", killed, killed + more_killed],
         ["failed calls", 0, 0],
         ["records and devices left", 0, 0]]) + (
        f"\n\n{CLIENTS} clients at once. After that the daemon was killed {kills} times while all of them were at it, and"
        f" started again: nothing was left each time, and at the end it had {descriptors_last} descriptors.")


def test_sample(daemon):
    run(daemon, 150, 450, 1)


@pytest.mark.long
@pytest.mark.slowest
def test_soak(daemon):
    figures.write("soak", run(daemon, 1000, 50000, 20))
