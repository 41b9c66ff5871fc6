# SPDX-License-Identifier: LGPL-2.1-or-later
"""A daemon of the build before is replaced by this one under live ports and live clients."""
import json
import os
import subprocess

import pytest

from frames import PacketSocket, Tap, frame
from previous import BEFORE_FIELDS, WITHOUT_DESCRIPTORS, knows_guard, previous_daemon, run_next
from programs import program

# What the daemon sees rather than keeps, and what the older ones do not tell.
SEEN = {"state", "linkUp", "carrier", "openQueues", "statistics", "wantedMtu"}


@pytest.fixture(scope="module", params=[None, pytest.param(WITHOUT_DESCRIPTORS, marks=pytest.mark.long),
                                        pytest.param(BEFORE_FIELDS, marks=pytest.mark.long)],
                ids=["before", WITHOUT_DESCRIPTORS, BEFORE_FIELDS])
def previous(request):
    return previous_daemon(request.param)


@pytest.fixture
def knows_descriptors(previous):
    """Whether ports can be tied to their descriptors, and there is a container socket."""
    return f"/{WITHOUT_DESCRIPTORS}/" not in previous


# Networks beside lan: the parent, the mode and the rest of the file.
NETWORKS = {"vepa": ("eth0", "vepa", ""), "private": ("eth0", "private", ""),
            "source": ("eth0", "source", "Sources=52:54:00:00:00:01\n"), "passthru": ("eth1", "passthru", ""),
            "assign": ("eth2", "passthru", "[Port]\nMac=assign\n"), "quiet": ("eth3", "passthru", "NoPromisc=yes\n")}
DOMAIN = "123e4567-e89b-12d3-a456-426614174000"
NODE = {"owner": 65534, "group": 65534}


def devices(host):
    return {name: (link["ifindex"], link["address"], link["flags"]) for name, link in host.macvtaps().items()}


class Site:
    """A daemon with ports of every kind: in every mode; of a process, of a domain, of nobody, of their descriptors, of a
    caller in a container; with what else their records can say; and a tap that a guest sends through."""

    def __init__(self, daemon, host, station, knows_descriptors):
        self.daemon = daemon
        self.host = host
        self.process = host.start("cat", stdin=subprocess.PIPE)
        self.queues = []
        with daemon.connect() as connection:
            self.guest = connection.ports("CreatePort", network="lan", name="guest", holder={"type": "none"}, queues=1)
            self.tap = Tap(connection.descriptors.pop(0))
            # As a VMM was started before: its queues are open, and its process is the holder.
            self._open(connection, "started", vhost="off", queues=2, holder=self._process())
            for network in NETWORKS:
                self._make(connection, f"in-{network}", network=network, holder={"type": "none"})
            self._make(connection, "held", holder=self._process())
            self._make(connection, "domain", deviceNode=NODE, holder={"type": "domain", "domain": DOMAIN})
            self._make(connection, "running", deviceNode=NODE, holder={"type": "domain", "domain": DOMAIN[:-1] + "1"})
            connection.ports("SetPort", port="running", holderPid=self.process.pid)
            self._make(connection, "down", linkUp=False, interfaceName="vmdown", mtu=1400, queues=8,
                       macAddress="52:54:00:00:00:0d")
            self._make(connection, "incoming", incoming=True)
            self._make(connection, "sources", network="source")
            connection.ports("SetPort", port="sources", sources=["52:54:00:00:00:02", "52:54:00:00:00:03"])
            self._make(connection, "adhoc", network="parent=eth0,mode=vepa")
            if knows_descriptors:
                self._open(connection, "open", vhost="off", queues=1)
        # Of the sockets that are handed in, the container one has no part here.
        if knows_descriptors and not daemon.listener:
            with daemon.connect_from_container() as connection:
                self._open(connection, "contained", network="boxes", vhost="off", queues=1)
        self.wire = PacketSocket(station, "eth0")
        self.before = self.ports()
        self.links = self.devices()

    def _process(self):
        return {"type": "process", "pid": self.process.pid}

    @staticmethod
    def _make(connection, name, network="lan", holder=None, **parameters):
        connection.ports("CreatePort", network=network, name=name, openDescriptors=False, holder=holder or {"type": "none"},
                         **parameters)

    def _open(self, connection, name, network="lan", **parameters):
        connection.ports("CreatePort", network=network, name=name, **parameters)
        self.queues += connection.take_descriptors()

    def ports(self):
        return {port["name"]: {key: value for key, value in port.items() if key not in SEEN}
                for port in self.daemon.ports()}

    def keeps_ports(self):
        """Each port is as the first daemon said, which may not have known all that there is to say."""
        now = self.ports()
        return now.keys() == self.before.keys() and all(now[name].items() >= port.items() for name, port in self.before.items())

    def devices(self):
        return devices(self.host)

    def exchange(self, text):
        """A frame each way, through the descriptor that the first daemon handed out."""
        mac = self.guest["port"]["macAddress"]
        self.tap.send(frame("ff:ff:ff:ff:ff:ff", mac, text))
        self.wire.expect(text)
        self.wire.send(frame(mac, "52:54:00:ff:00:01", text))
        self.tap.expect(text)

    def end(self):
        """Each port ends as if the daemon had always been there."""
        held = {port["name"] for port in self.daemon.ports() if port["holder"]["type"] in ("none", "domain")} - {"running"}
        self.process.kill()
        self.process.wait()
        for name in sorted(held):
            self.daemon.ctl("port", "delete", name)
        self.close()
        assert self.daemon.settle() == []

    def close(self):
        self.tap.close()
        while self.queues:
            os.close(self.queues.pop())


@pytest.fixture
def daemon(daemons, host, station, hosts, previous, knows_descriptors, request):
    """The previous build, with networks, not started yet."""
    daemon = daemons(host)
    other = hosts("other")
    for number in (1, 2, 3):
        host.connect(f"eth{number}", other, f"eth{number}")
    daemon.network("lan", "eth0")
    daemon.network("boxes", "eth0", AllowUsers="root")
    for name, (parent, mode, rest) in NETWORKS.items():
        daemon.network(name, text=f"[Network]\nParent={parent}\nMode={mode}\n{rest}")
    run_next(daemon, previous)
    if getattr(request, "param", "own") == "handed-in":
        daemon.listen()
    elif knows_descriptors:
        daemon.open_to_containers()
    return daemon


@pytest.fixture
def site(daemon, host, station, knows_descriptors):
    daemon.start()
    made = Site(daemon, host, station, knows_descriptors)
    yield made
    made.close()
    made.wire.close()


def watch(connection):
    connection.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
    assert connection.reply() == {"event": "ready"}


@pytest.mark.parametrize("ending", ["stop", pytest.param("kill", marks=pytest.mark.long)])
@pytest.mark.parametrize("daemon", ["own", pytest.param("handed-in", marks=pytest.mark.long)], indirect=True)
def test_ports_stay(site, ending):
    daemon = site.daemon
    with daemon.connect() as watcher:
        watch(watcher)
        site.exchange(b"with the first")
        getattr(daemon, ending)()
        assert watcher.wait_closed() == []
    assert site.devices() == site.links
    site.exchange(b"with none")
    waiting = None
    if daemon.listener:
        # The socket is there all the while: who calls now is answered by the next daemon.
        waiting = daemon.connect()
        waiting.send({"method": "org.macvtapd.Ports.ListPorts", "parameters": {}})
    run_next(daemon, program("macvtapd"))
    daemon.start()
    if waiting:
        with waiting:
            assert {port["name"] for port in waiting.reply()["ports"]} == set(site.before)
    assert site.keeps_ports() and site.devices() == site.links
    site.exchange(b"with the second")
    with daemon.connect() as watcher:
        watch(watcher)
        site.end()
        assert {watcher.reply()["port"]["name"] for _ in site.before} == set(site.before)


def test_and_back_again(site):
    """What this build writes, the one before can read."""
    daemon, before = site.daemon, site.daemon.program
    daemon.stop()
    run_next(daemon, program("macvtapd"))
    daemon.start()
    with daemon.connect() as connection:
        connection.ports("CreatePort", network="lan", name="new", holder={"type": "none"})
        # Each record is written anew by this build.
        for name in site.before:
            connection.ports("SetPort", port=name, description=f"for {name}, é")
    daemon.stop()
    run_next(daemon, before)
    daemon.start()
    site.exchange(b"with the first again")
    assert site.devices().items() >= site.links.items()
    assert set(site.ports()) == {*site.before, "new"}
    assert all(site.ports()[name].items() >= port.items() for name, port in site.before.items())
    daemon.ctl("port", "delete", "new")
    if not knows_guard(before):
        # It leaves the pins of the guards where they are.
        daemon.stop()
        run_next(daemon, program("macvtapd"))
        daemon.start()
    site.end()


def test_the_older_takes_over(daemon, host, station, knows_descriptors):
    """A build that never ran here finds what this one has made, with all that only this one writes down."""
    before = daemon.program
    run_next(daemon, program("macvtapd"))
    daemon.start()
    site = Site(daemon, host, station, knows_descriptors)
    with daemon.connect() as watcher:
        watch(watcher)
        told = set()
        # Records of this build only: descriptions, an MTU that is to be regained, a name that is no text, which builds
        # before those fields end on by themselves.
        name = b"wire3" if BEFORE_FIELDS in before or WITHOUT_DESCRIPTORS in before else b"\xff\xfe_3"
        with daemon.connect() as connection:
            for port in site.before:
                connection.ports("SetPort", port=port, description=f"für {port}")
        host.ip("link", "set", "eth2", "mtu", "1300")
        host.ip("link", "set", "eth3", "name", os.fsdecode(name))
        while told != {"mtu", "name"}:
            port = watcher.reply()["port"]
            told |= {"mtu"} if port["mtu"] == 1300 else set()
            told |= {"name"} if port["name"] == "in-quiet" and port["parent"] != "eth3" else set()
    site.before, site.links = site.ports(), site.devices()
    daemon.stop()
    run_next(daemon, before)
    daemon.start()
    site.exchange(b"with the older")
    assert site.devices() == site.links
    assert set(site.ports()) == set(site.before), daemon.messages()
    daemon.stop()
    run_next(daemon, program("macvtapd"))
    daemon.start()
    site.exchange(b"with the newer again")
    assert site.devices() == site.links and set(site.ports()) == set(site.before)
    site.end()
    site.wire.close()


def test_what_the_older_cannot_read(daemon, host, previous, station):
    """An ad-hoc network with a long alternative name, which older builds take for no interface's: one line, no harm."""
    host.ip("link", "property", "add", "dev", "eth0", "altname", "the-uplink-of-the-host")
    run_next(daemon, program("macvtapd"))
    daemon.start()
    daemon.ctl("port", "create", "--network=parent=the-uplink-of-the-host,mode=bridge", "--name=new")
    daemon.ctl("port", "create", "--network=lan", "--name=old")
    (new,) = [port for port in daemon.ports() if port["name"] == "new"]
    links, record = devices(host), daemon.state / "ports" / new["id"]
    aside, text = record.with_name(f"{new['id']}.damaged"), record.read_bytes()
    daemon.stop()
    run_next(daemon, previous)
    daemon.start()
    if previous.split("/")[-2] in (WITHOUT_DESCRIPTORS, BEFORE_FIELDS):
        lines = [line for line in daemon.messages().splitlines() if "'network'" in line]
        assert len(lines) == 1 and new["id"] in lines[0]
        assert [port["name"] for port in daemon.ports()] == ["old"] and aside.read_bytes() == text
        os.rename(aside, record)
    assert devices(host) == links
    daemon.stop()
    run_next(daemon, program("macvtapd"))
    daemon.start()
    assert {port["name"] for port in daemon.ports()} == {"old", "new"} and devices(host) == links
    daemon.ctl("port", "delete", "old", "new")
    assert daemon.settle() == []


def test_record_of_a_later_format_is_set_aside(site):
    daemon = site.daemon
    port = site.before["guest"]
    daemon.stop()
    record = daemon.state / "ports" / port["id"]
    later = json.dumps({**json.loads(record.read_text(encoding="utf-8")), "version": 2, "colour": "blue"})
    record.write_text(later, encoding="utf-8")
    run_next(daemon, program("macvtapd"))
    daemon.start()
    messages = daemon.messages()
    assert "version 2, but this macvtapd supports version 1" in messages and f"ip link delete {port['interfaceName']}" in messages
    assert set(site.ports()) == set(site.before) - {"guest"} and site.devices() == site.links
    site.exchange(b"its guest goes on")
    aside = record.with_name(f"{port['id']}.damaged")
    assert aside.read_text(encoding="utf-8") == later
    # With the right daemon again, the record is put back by hand.
    daemon.stop()
    os.rename(aside, record)
    record.write_text(later.replace('"version": 2', '"version": 1'), encoding="utf-8")
    daemon.start()
    assert site.keeps_ports()
    site.end()
