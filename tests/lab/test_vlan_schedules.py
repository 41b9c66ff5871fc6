# SPDX-License-Identifier: LGPL-2.1-or-later
"""Random schedules over two networks that share a parent, one with VLAN= and one without: the VLAN device is there
exactly while a port needs it.

Theory of operation: a schedule is a list of steps drawn from a seed that each failure prints. The model is the set of
ports that should live. After each step the devices must match it; where the daemon acts by itself (a holder ended)
the test waits for the kernel's messages. A VLAN device that is needed must never go, not even for a moment, so
every message of its removal must find the model without need for it."""
import os
import random
import subprocess

import pytest

from clock import Deadline
from namespaces import RTM_DELLINK, Host, LinkMonitor, die_with_parent
from daemon import Daemon

SCHEDULES, SAMPLE, STEPS = 200, 2, 10
SEED = int(os.environ.get("MACVTAPD_SEED", "20261120"))
TAGS = {"100": ["eth0.100"], "200.100": ["eth0.200", "eth0.200.100"]}
STEP_KINDS = ("create", "create", "create", "delete", "kill holder", "kill daemon", "both")


class World:
    """A host with a parent eth0, and a daemon with the networks `plain` and `tagged`."""

    def __init__(self):
        self.host, self.other = Host("host"), Host("other")
        self.host.connect("eth0", self.other, "eth0")
        self.daemon = Daemon(self.host)
        self.daemon.network("plain", "eth0")
        self.ports = {}  # id: (network, holder's process or None)
        self.vlans = []
        self.removed = LinkMonitor(self.host)

    def begin(self, vlan):
        """Start a daemon whose `tagged` has this VLAN."""
        self.vlans = TAGS[vlan]
        self.daemon.network("tagged", text=f"[Network]\nParent=eth0\nVLAN={vlan}\nMode=bridge\n")
        self.daemon.start()

    def end(self):
        for process in [holder for _, holder in self.ports.values() if holder]:
            process.kill()
            process.wait()
        for name in [port for port, (_, holder) in self.ports.items() if not holder]:
            self._call("DeletePort", port=name)
        self.ports.clear()
        self.check()
        self.daemon.stop()

    def close(self):
        for _, holder in self.ports.values():
            if holder:
                holder.kill()
                holder.wait()
        self.removed.close()
        self.daemon.close()
        self.other.close()
        self.host.close()

    def _call(self, method, **parameters):
        with self.daemon.connect() as connection:
            return connection.ports(method, **parameters)

    # -- steps -----------------------------------------------------------------------------------------------

    def create(self, dice):
        network = dice.choice(["plain", "tagged"])
        process = subprocess.Popen(["sleep", "inf"], preexec_fn=die_with_parent) if dice.random() < 0.7 else None
        holder = {"type": "process", "pid": process.pid} if process else {"type": "none"}
        port = self._call("CreatePort", network=network, holder=holder, openDescriptors=False)["port"]
        self.ports[port["id"]] = network, process
        return network

    def delete(self, dice):
        name = dice.choice(sorted(self.ports))
        network, process = self.ports.pop(name)
        self._call("DeletePort", port=name)
        if process:
            process.kill()
            process.wait()
        return network

    def _kill_some_holder(self, dice):
        held = sorted(name for name, (_, process) in self.ports.items() if process)
        if not held:
            return "nobody"
        network, process = self.ports.pop(dice.choice(held))
        process.kill()
        process.wait()
        return network

    def kill_holder(self, dice):
        return self._kill_some_holder(dice)

    def kill_daemon(self, _dice):
        self.daemon.kill()
        self.daemon.start()

    def both(self, dice):
        """A holder ends while no daemon runs."""
        self.daemon.kill()
        network = self._kill_some_holder(dice)
        self.daemon.start()
        return network

    # -- what must be ----------------------------------------------------------------------------------------

    def _wanted(self):
        needed = any(network == "tagged" for network, _ in self.ports.values())
        return len(self.ports), sorted(self.vlans if needed else [])

    def _seen(self):
        names = os.listdir(self.host.path("/sys/class/net"))
        return sum(name.startswith("mvt") for name in names), sorted(name for name in names if name.startswith("eth0."))

    def check(self):
        deadline = Deadline()
        try:
            while self._seen() != self._wanted():
                deadline.wait_readable(self.removed.fileno())
                self._look_at_removals()
        except TimeoutError:
            assert self._seen() == self._wanted(), self.daemon.messages()
        self._call("ListPorts")  # the daemon has come to the end of what it was doing
        assert self._seen() == self._wanted()
        self._look_at_removals()

    def _look_at_removals(self):
        names = [name for kind, _, name in self.removed.take() if kind == RTM_DELLINK]
        assert not set(names) & set(self._wanted()[1]), f"{names} went, and a port needs it"


def run_schedule(world, number):
    dice = random.Random(SEED * 1000 + number)
    done = []
    try:
        world.begin(dice.choice(sorted(TAGS)))
        for _ in range(STEPS):
            step = dice.choice(STEP_KINDS)
            if not world.ports and step in ("delete", "kill holder"):
                step = "create"
            done.append(step)
            done[-1] = step, getattr(world, step.replace(" ", "_"))(dice)
            world.check()
        world.end()
    except BaseException:
        print(f"MACVTAPD_SEED={SEED}, schedule {number}, VLAN devices {world.vlans}: {done}")
        raise


@pytest.fixture
def world():
    made = World()
    yield made
    made.close()


def test_sample_of_schedules(world):
    for number in range(SAMPLE):
        run_schedule(world, number)


@pytest.mark.long
def test_all_schedules(world):
    for number in range(SCHEDULES):
        run_schedule(world, number)
