# SPDX-License-Identifier: LGPL-2.1-or-later
"""Thousands of generated requests through the real socket, from root and from a user who may use the network: each is
answered, with an error that the interface declares if with one, or its connection closed; nothing is left."""
import collections
import os
import random
import socket

import pytest

import badrequests
import figures
from badrequests import Caller, Generator, Interface, effective_user
from programs import SOURCE
from varlink import Connection

SEED = 20261
NOBODY = 65534
BATCH = 250


def read_memory(daemon):
    """Resident KiB."""
    with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as stream:
        return next(int(line.split()[1]) for line in stream if line.startswith("VmRSS:"))


def count_descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


def make_ports(daemon):
    for name, uid in (("roots", 0), ("nobodys", NOBODY)):
        with effective_user(uid):
            connection = Connection(daemon.socket)
        with connection:
            connection.ports("CreatePort", network="lan", name=name, holder={"type": "none"}, queues=2)


def delete_ports(daemon):
    with daemon.connect() as connection:
        for port in connection.ports("ListPorts")["ports"]:
            connection.ports("DeletePort", port=port["id"])


class Tally:
    """How often which outcome was that of which method."""

    def __init__(self):
        self.counts = collections.defaultdict(collections.Counter)

    def add(self, who, method, outcome):
        self.counts[who, method][outcome] += 1

    def total(self, *outcomes):
        return sum(count for counter in self.counts.values() for outcome, count in counter.items()
                   if not outcomes or outcome in outcomes)

    def table(self):
        rows = []
        for (who, method), counter in sorted(self.counts.items()):
            errors = [f"{name.rpartition('.')[2]} {count}" for name, count in counter.most_common() if "." in name]
            rows.append([who, method.replace("org.macvtapd.Ports.", ""), sum(counter.values()), counter["done"],
                         counter["closed"], counter["no reply"], ", ".join(errors)])
        return figures.table(["caller", "method", "requests", "done", "closed", "no reply asked for", "refused"], rows)


def declared_errors(interface):
    with open(SOURCE / "src/varlink/varlink-server.c", encoding="utf-8") as stream:
        service = Interface(stream.read())
    return ({f"{badrequests.PORTS}.{name}" for name in interface.errors}
            | {f"{badrequests.SERVICE}.{name}" for name in service.errors})


@pytest.fixture
def world(daemons, host, station, hosts):
    """A daemon with two networks that nobody may use too, and a passthru one."""
    host.connect("eth1", hosts("other"), "eth1")
    daemon = daemons(host)
    daemon.network("lan", "eth0", AllowUsers="nobody")
    daemon.network("a", text="[Network]\nParent=eth0\nMode=private\n[Port]\nMac=any\n[Access]\nAllowUsers=nobody\n")
    daemon.network("auto", "eth1", mode="passthru")
    return daemon.start()


def send_all(daemon, interface, count, callers):
    """count distinct requests, by one caller after the other. Returns (tally, [resident KiB after each batch])."""
    generator, tally, memory = Generator(interface, SEED), Tally(), []
    for number in range(count):
        if number % BATCH == 0:
            make_ports(daemon)
        who = list(callers)[number % len(callers)]
        method, data = next(generator)
        outcome = callers[who].outcome(data)
        tally.add(who, method, outcome)
        if number % BATCH == BATCH - 1:
            delete_ports(daemon)
            memory.append(read_memory(daemon))
    for caller in callers.values():
        caller.close()
    delete_ports(daemon)
    return tally, memory


def check(daemon, count, callers=None):
    callers = callers or {"root": Caller(daemon.socket, 0), "nobody": Caller(daemon.socket, NOBODY)}
    with open(SOURCE / "src/api/org.macvtapd.Ports.varlink", encoding="utf-8") as stream:
        interface = Interface(stream.read())
    with daemon.connect() as connection:  # what is made on first use is there
        connection.ports("ListPorts")
        before = count_descriptors(daemon)
        tally, memory = send_all(daemon, interface, count, callers)
        assert connection.ports("ListPorts") == {"ports": []}
        assert count_descriptors(daemon) == before
    assert daemon.running
    assert "warning" not in daemon.messages(), daemon.messages()
    assert daemon.settle() == []
    outcomes = {outcome for counter in tally.counts.values() for outcome in counter}
    assert outcomes - {"done", "closed", "no reply"} <= declared_errors(interface)
    assert tally.total() == count
    return tally, memory


def test_sample(world):
    tally, _ = check(world, 1500)
    assert tally.total("done") > 20 and tally.total("closed") > 100


class Witness:
    """What root of the host sees of all ports meanwhile."""

    def __init__(self, daemon):
        self._connection = daemon.connect()
        self._connection.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
        assert self._connection.reply() == {"event": "ready"}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._connection.close()

    def events(self, until):
        """All up to the end of the port of this name."""
        while True:
            reply = self._connection.reply()
            yield reply["event"], reply["port"]
            if reply["event"] == "deleted" and reply["port"]["name"] == until:
                return


def test_sample_over_the_container_socket(world):
    """Root of a container makes nothing but what any user may, and does nothing to what is not its own."""
    world.stop()
    world.network("lan", "eth0", AllowUsers="nobody root")
    world.open_to_containers().start()
    with Witness(world) as witness:
        tally, _ = check(world, 1000, {"root of a container": Caller(world.container_socket, 0)})
        world.ctl("port", "create", "--network=lan", "--name=last")
        world.ctl("port", "delete", "last")
        events = list(witness.events("last"))
    made = [port for event, port in events if event == "created" and port.get("fromContainer")]
    assert len(made) >= 3 and tally.total("done") > 20
    assert {port["network"] for port in made} == {"lan"}
    assert all(port["interfaceName"].startswith(("vm", "mvt")) and not port["incoming"] for port in made)
    # Those that root and nobody of the host had were there at each batch's end, unchanged but for their own descriptors.
    for name in ("roots", "nobodys"):
        kept = [(event, {**port, "openQueues": None}) for event, port in events if port["name"] == name]
        seen = [event for event, port in kept if event != "changed" or ("created", port) not in kept]
        assert seen == ["created", "deleted"] * 4


@pytest.mark.long
def test_ten_thousand(world):
    count = 12000
    tally, memory = check(world, count)
    methods = {method for _, method in tally.counts if "bytes" not in method}
    assert {method for (_, method), outcomes in tally.counts.items() if outcomes["done"]} >= methods
    # Flat after the first quarter: what was needed once stays.
    settled = memory[len(memory) // 4]
    assert max(memory) <= settled + 512, memory
    files, unusable = check_network_files(world, 2000)
    figures.write("bad-input", f"{count:,} distinct requests, generated with seed {SEED}, through the real socket: 0 crashes,"
                               f" 0 hangs, 0 devices, records, nodes or descriptors left; {tally.total('done'):,} were done,"
                               f" {tally.total('closed'):,} ended their connection, all others got an error that the"
                               f" interface declares. Resident memory: {settled} KiB after the first quarter, at most"
                               f" {max(memory)} KiB later.\n\n"
                               f"{files:,} generated network files: {unusable:,} were refused with file, line and key, none"
                               f" kept the daemon from serving the others.\n\n{tally.table()}")


# -- network files -------------------------------------------------------------------------------------------

LINES = ["[Network]", "[Port]", "[Access]", "[Netwrok]", "[]", "[Network", "Parent=eth0", "Parent=", "Parent=../eth0", "Parent=eth0 eth1",
         "Mode=bridge", "Mode=passthru", "Mode=hub", "VLAN=100", "VLAN=0", "VLAN=99999999999", "MTU=1400", "MTU=-1", "NoPromisc=yes",
         "NoPromisc=perhaps", "Sources=52:54:00:00:00:01", "Sources=x", "MaxQueues=8", "MaxQueues=0", "Vhost=auto", "Vhost=x",
         "Mac=any", "Mac=inherit", "AllowMacs=52:54:00:00:00:00/24", "AllowMacs=/", "Multicast=all", "AllowUsers=nobody",
         "AllowUsers=nosuchuser", "AllowGroups=65534", "MaxPorts=1", "MaxPorts=1e9", "MaxPortsPerUser=-1", "Colour=red", "=", "#", ";x",
         "Parent", "\\x", "Parent=\xe9", "x" * 5000, "Parent=%s", "Mode=$(reboot)", "\x00", "\x0c", "TxQueueLength=5", " Parent=eth1"]


def generate_file(source):
    lines = ["[Network]", "Parent=eth0", "Mode=bridge"] if source.random() < 0.7 else []
    lines += [source.choice(LINES) for _ in range(source.randrange(1, 4))]
    if source.random() < 0.3:
        source.shuffle(lines)
    return ("\n".join(lines) + source.choice(["", "\n"])).encode("latin-1" if source.random() < 0.5 else "utf-8")


def check_network_files(daemon, count):
    """All at once, then read by a reload; returns how many, and how many of them are unusable."""
    source, texts = random.Random(SEED), set()
    while len(texts) < count:
        texts.add(generate_file(source))
    folder = daemon.config / "networks.d"
    for number, text in enumerate(sorted(texts)):
        (folder / f"g{number}.network").write_bytes(text)
    daemon.reload()
    with daemon.connect() as connection:
        networks = connection.ports("ListNetworks")["networks"]
        problems = {network["name"]: network.get("problem") for network in networks}
        assert len(problems) == count + 3
        unusable = [text for text in problems.values() if text]
        assert all("\n" not in text and ".network" in text for text in unusable), unusable
        connection.ports("CreatePort", network="lan", holder={"type": "none"}, name="still")
        connection.ports("DeletePort", port="still")
    return count, len(unusable)


def test_network_files(world):
    count, unusable = check_network_files(world, 150)
    assert 0 < unusable < count
