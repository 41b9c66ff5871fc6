# SPDX-License-Identifier: LGPL-2.1-or-later
"""ADD and DEL of macvtapd-cni, with macvtapd or the plugin killed in between.

Theory of operation: the world's station is the container. Whatever was killed, the runtime then knows of no container, calls GC, and
neither a port nor an address may be left, with host-local (which does nothing for GC) or with the network's own leases."""
import json

from cni import PLUGINS, VALID, Runtime, needs_plugins
from fault_injection import Matrix
from operations import Operation
from tracing import injection, points, read_calls, sample

_IPAM = {"type": "host-local", "ranges": [[{"subnet": "10.0.0.0/24"}], [{"subnet": "fd00::/64"}]]}
_CONFIGS = {"host-local": lambda folder: {"network": "lan", "ipam": {**_IPAM, "dataDir": str(folder / "addresses")}},
            "leases": lambda folder: {"network": "leases"}}


class _Container:
    """The station of a world, as a container's runtime sees it."""

    def __init__(self, world, kind):
        folder = world.daemon.folder / "cni"
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._runtime = Runtime(world.daemon, world.station, folder)
        self._runtime.path = PLUGINS
        self._runtime.config.update(_CONFIGS[kind](folder))

    def call(self, command, **options):
        return self._runtime.run(command, container="container", **options)

    def collect(self):
        """What is wrong with GC, or left of addresses."""
        done = self.call("GC", cniVersion="1.1.0", **{VALID: []})
        left = [path.name for path in self._folder.rglob("*") if path.is_file() and not path.name.startswith(("last_reserved_ip", "lock"))]
        return [f"GC: {done}"] * bool(done.returncode) + [f"left: {name}" for name in left]


def _call(kind, command):
    def act(world):
        world.done = _Container(world, kind).call(command)
    return act


def _added(kind):
    def prepare(world):
        needs_plugins()
        _call(kind, "ADD")(world)
        assert "ips" in json.loads(world.done.stdout), world.done
    return prepare


def _row(kind, command):
    def wants(world, ports):
        """What was said to be done is done."""
        return world.done.returncode != 0 or len(ports) == (command == "ADD")

    return Operation(f"CNI: {command}, {kind}", _call(kind, command), (lambda world: needs_plugins()) if command == "ADD" else _added(kind),
                     wants=wants, let_go=lambda world: _Container(world, kind).collect())


CNI_OPERATIONS = [_row(kind, command) for kind in _CONFIGS for command in ("ADD", "DEL")]


class PluginKillMatrix(Matrix):
    """The plugin is killed, not macvtapd."""

    def _act(self, world, operation, *options):
        """Whether it was killed."""
        kind, command = operation.name.rpartition(" ")[2], operation.name.split()[1].rstrip(",")
        world.done = _Container(world, kind).call(command, wrapper=["strace", "-s", "64", "-o", str(self.trace), *options])
        return world.done.returncode < 0

    def _learn(self, operation):
        """From its first step on: before that there are the loader and the libraries' own."""
        world = self.world(operation)
        world.begin(operation)
        assert not self._act(world, operation) and world.done.returncode == 0, world.done
        problems = self.end(world, operation)
        assert not problems, "\n".join(problems)
        found = points(read_calls(self.trace))
        return found[next(i for i, point in enumerate(found) if point.name == "read" and point.text.startswith("0, ")):]

    def _kill(self, operation, point):
        world = self.world(operation)
        world.begin(operation)
        killed = self._act(world, operation, *injection(point, "signal=SIGKILL"))
        kept = bool(world.daemon.ports())
        return killed, kept, [f"killed at {point}: {problem}" for problem in self.end(world, operation)]

    def run(self, operation, every=1, phase=0):
        chosen = sample(self._learn(operation), every, phase)
        row = self.row(operation, [self._kill(operation, point) for point in chosen])
        assert row[2] > 0, "the plugin was never killed"
        return row
