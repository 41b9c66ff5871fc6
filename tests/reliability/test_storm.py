# SPDX-License-Identifier: LGPL-2.1-or-later
"""A dying host: many ports end at once. They go together, and others are served meanwhile.

That others are served is shown by the order of the events that the daemon tells, not by any time."""
import json
import signal
import subprocess
import sys
import threading

import pytest

import client_processes
import figures
from clock import Deadline
from programs import BUILD, SOURCE
from varlink import Closed

BATCH_MAX = 64  # of src/broker/removals.c
UUID = "00000000-1111-4222-8333-444444444444"


class Events:
    """The events of WatchPorts as they come: "created NAME", "deleted NAME"."""

    def __init__(self, daemon):
        self._connection = daemon.connect()
        self._connection.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
        assert self._connection.receive()["parameters"]["event"] == "ready"
        self.seen = []
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        try:
            while True:
                event = self._connection.receive(Deadline(600))["parameters"]
                with self._changed:
                    self.seen.append(f"{event['event']} {event['port']['name']}")
                    self._changed.notify_all()
        except (Closed, OSError, TimeoutError):
            return

    def wait(self, condition, seconds=120):
        """Wait until condition(what has come)."""
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self.seen), Deadline(seconds).left()), self.seen[-5:]

    def close(self):
        self._connection.socket.shutdown(2)
        self._thread.join()
        self._connection.close()


@pytest.fixture
def events(daemon):
    made = []

    def make():
        made.append(Events(daemon))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def sleepers():
    """sleepers(count): processes that only live; they are killed by the test, or after it."""
    made = []

    def make(count):
        pids = client_processes.sleepers(count)
        made.append(pids)
        return pids

    yield make
    for pids in made:
        client_processes.end(pids)


def create(connection, name, pid=None):
    """A port without descriptors, held by the process, or by nothing."""
    holder = {"type": "process", "pid": pid} if pid else {"type": "none"}
    return connection.ports("CreatePort", network="lan", name=name, holder=holder, openDescriptors=False)["port"]


def fill(daemon, holders, ports):
    """So many ports "vmN" of each of these processes."""
    with daemon.connect() as connection:
        for number in range(len(holders) * ports):
            create(connection, f"vm{number}", holders[number // ports])


def creation(name):
    return {"method": "org.macvtapd.Ports.CreatePort", "parameters": {
        "network": "lan", "name": name, "holder": {"type": "domain", "domain": UUID}, "openDescriptors": False}}


def deleted(seen):
    return sum(event.startswith("deleted vm") for event in seen)


def before(seen, name):
    """How many of the storm's ports had gone when this one was made."""
    return deleted(seen[:seen.index(f"created {name}")])


def storm(daemon, events, holders, ports):
    """All holders are killed while the daemon does not look; then a creation is as old as the storm, and others follow."""
    n, one = len(holders) * ports, len(holders) == 1
    fill(daemon, holders, ports)
    watch = events()
    with daemon.connect() as caller:
        daemon.process.send_signal(signal.SIGSTOP)
        client_processes.end(holders)
        caller.send(creation("first"))
        daemon.process.send_signal(signal.SIGCONT)
        caller.reply(Deadline(120))
        number = 0
        while deleted(watch.seen) < n:
            caller.send(creation(f"other{number}"))
            caller.reply(Deadline(120))
            number += 1
            names = {port["name"] for port in caller.call("org.macvtapd.Ports.ListPorts", Deadline(120))["ports"]}
            assert not one or not any(name.startswith("vm") for name in names), "ports on their way out are listed"
        made = {"created first", *(f"created other{other}" for other in range(number))}
        watch.wait(lambda seen: deleted(seen) == n and made <= set(seen))
        # The first waited for one batch at most, and not all that followed for the end.
        assert before(watch.seen, "first") <= BATCH_MAX
        assert any(0 < before(watch.seen, f"other{other}") < n for other in range(number))
        assert caller.ports("EndDomain", domain=UUID)["ports"] == number + 1
    assert daemon.settle() == []


def test_holders_of_one_port(daemon, events, sleepers):
    storm(daemon, events, sleepers(200), 1)


def test_one_holder(daemon, events, sleepers):
    storm(daemon, events, sleepers(1), 400)


@pytest.mark.long
def test_thousand_holders(daemon, events, sleepers):
    storm(daemon, events, sleepers(1000), 1)


@pytest.mark.long
def test_holder_of_all_ports(daemon, events, sleepers):
    storm(daemon, events, sleepers(1), 8000)


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_daemon_ends_between_batches(daemon, events, sleepers, how):
    holders = sleepers(3 * BATCH_MAX)
    fill(daemon, holders, 1)
    with daemon.connect() as connection:
        create(connection, "stays")
        for number in range(2):
            create(connection, f"asked{number}")
    watch = events()
    asking = [daemon.connect() for _ in range(2)]
    client_processes.end(holders)
    watch.wait(deleted)
    for number, connection in enumerate(asking):
        connection.send({"method": "org.macvtapd.Ports.DeletePort", "parameters": {"port": f"asked{number}"}})
    daemon.kill() if how == "kill" else daemon.stop()
    answered = sum("error" not in reply for connection in asking for reply in connection.wait_closed())
    for connection in asking:
        connection.close()
    daemon.start()
    names = {port["name"] for port in daemon.ports()}
    assert "stays" in names and not any(name.startswith("vm") for name in names)
    assert len(names) <= 3 - answered
    assert set(daemon.records()) == {port["id"] for port in daemon.ports()}
    assert len(daemon.host.macvtaps()) == len(names)
    for name in names:
        daemon.ctl("port", "delete", name)


def test_stop_is_told_to_who_waits(daemon, events):
    """One call for many ports, of which the first have gone: the rest is the next daemon's."""
    count = 8 * BATCH_MAX
    with daemon.connect() as connection:
        for number in range(count):
            create(connection, f"vm{number}")
        watch = events()
        connection.send({"method": "org.macvtapd.Ports.DeletePort", "parameters": {"all": True}})
        watch.wait(deleted)
        daemon.process.send_signal(signal.SIGTERM)
        reply = connection.receive(Deadline(120))["parameters"]
        daemon.process.wait()
    told = {failure["message"] for failure in reply["failures"]}
    assert told == {"macvtapd is shutting down; the removal will be completed at the next start"}
    assert reply["deleted"] > 0 and reply["deleted"] + len(reply["failures"]) == count
    daemon.start()
    assert daemon.leftovers() == []


def test_domain_of_many_ports(daemon):
    """EndDomain answers when all of them have gone."""
    with daemon.connect() as connection:
        for number in range(2 * BATCH_MAX + 1):
            connection.ports("CreatePort", network="lan", name=f"vm{number}", openDescriptors=False,
                             holder={"type": "domain", "domain": UUID})
        assert connection.ports("EndDomain", domain=UUID) == {"ports": 2 * BATCH_MAX + 1}
        assert daemon.leftovers() == []


@pytest.mark.long
@pytest.mark.idle
def test_figures(tmp_path):
    done = tmp_path / "storm.json"
    subprocess.run([sys.executable, SOURCE / "tests/bench/storm", "--build", BUILD, "--json", done], check=True)
    figures.write("storm", describe(json.loads(done.read_text(encoding="utf-8"))))


def describe(run):
    n = run["holders"] * run["ports"]
    singly = run["alone_ms"] / run["alone"] * n
    rows = [[number, f"{storm['ms']:.0f}", f"{storm['ms'] / singly:.3f}",
             f"{storm['floor_us']['p99'] / 1000:.1f}", f"{storm['create_us']['p99'] / 1000:.1f}",
             f"{storm['create_us']['p99'] / storm['floor_us']['p99']:.2f}"]
            for number, storm in enumerate(run["storms"], 1)]
    total = run["storm"]
    rows.append(["all", "", "", f"{total['floor_us']['p99'] / 1000:.1f}", f"{total['create_us']['p99'] / 1000:.1f}",
                 f"{total['create_us']['p99'] / total['floor_us']['p99']:.2f}"])
    delete = run["delete_ms"]
    return (f"{run['holders']:,} holders of {run['ports']} port{'s' if run['ports'] > 1 else ''} each are killed at once,"
            f" while {run['workers']} others create devices by themselves (floor) and by the daemon in turn"
            f" (`tests/bench/storm`). Removed one by one, {run['alone']:,} devices took {run['alone_ms'] / 1000:.1f} s."
            f" Of as many ports, one DeletePort for each took {delete['singly'] / 1000:.1f} s, and those for all together"
            f" {delete['together'] / delete['singly']:.3f} of that.\n\n"
            + figures.table(["storm", "all gone, ms", "of one by one", "floor p99, ms", "CreatePort p99, ms", "ratio"],
                            rows))
