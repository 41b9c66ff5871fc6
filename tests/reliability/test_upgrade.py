# SPDX-License-Identifier: LGPL-2.1-or-later
"""A daemon of the build before is replaced by this one under live ports and live clients."""
import json
import os
import subprocess

import pytest

from frames import PacketSocket, Tap, frame
from previous import previous_daemon
from programs import program

# What the daemon sees rather than keeps.
SEEN = {"state", "linkUp", "carrier", "openQueues", "statistics"}

# The last one whose ports hung on a process by default.
BASELINE = "fd0da01"


@pytest.fixture(scope="module", params=[None, pytest.param(BASELINE, marks=pytest.mark.long)],
                ids=["before", BASELINE])
def previous(request):
    return previous_daemon(request.param)


# Networks beside lan, and the parents that they are on.
NETWORKS = {"vepa": "eth0", "private": "eth0", "source": "eth0", "passthru": "eth1"}


class Site:
    """A daemon with ports in use, in every mode: of a process, of a domain, of nobody, and a tap that a guest sends
    through."""

    def __init__(self, daemon, host, station):
        self.daemon = daemon
        self.host = host
        self.process = host.start("cat", stdin=subprocess.PIPE)
        with daemon.connect() as connection:
            self.guest = connection.ports("CreatePort", network="lan", name="guest", holder={"type": "none"}, queues=1)
            self.tap = Tap(connection.descriptors.pop(0))
            # As a VMM was started before: its queues are open, and its process is the holder.
            connection.ports("CreatePort", network="lan", name="started", vhost="off", queues=2,
                             holder={"type": "process", "pid": self.process.pid})
            self.queues = connection.take_descriptors()
            for network in NETWORKS:
                connection.ports("CreatePort", network=network, name=f"in-{network}", openDescriptors=False,
                                 holder={"type": "none"})
            connection.ports("CreatePort", network="lan", name="held", openDescriptors=False,
                             holder={"type": "process", "pid": self.process.pid})
            connection.ports("CreatePort", network="lan", name="domain", openDescriptors=False,
                             deviceNode={"owner": 65534, "group": 65534},
                             holder={"type": "domain", "domain": "123e4567-e89b-12d3-a456-426614174000"})
        self.wire = PacketSocket(station, "eth0")
        self.before = self.ports()
        self.links = self.devices()

    def ports(self):
        return {port["name"]: {key: value for key, value in port.items() if key not in SEEN}
                for port in self.daemon.ports()}

    def devices(self):
        return {name: (link["ifindex"], link["address"], link["flags"]) for name, link in self.host.macvtaps().items()}

    def exchange(self, text):
        """A frame each way, through the descriptor that the first daemon handed out."""
        mac = self.guest["port"]["macAddress"]
        self.tap.send(frame("ff:ff:ff:ff:ff:ff", mac, text))
        self.wire.expect(text)
        self.wire.send(frame(mac, "52:54:00:ff:00:01", text))
        self.tap.expect(text)

    def end(self):
        """Each port ends as if the daemon had always been there."""
        self.process.kill()
        self.process.wait()
        for name in ("guest", "domain", *(f"in-{network}" for network in NETWORKS)):
            self.daemon.ctl("port", "delete", name)
        self.close()
        assert self.daemon.settle() == []

    def close(self):
        self.tap.close()
        while self.queues:
            os.close(self.queues.pop())


@pytest.fixture
def site(daemons, host, station, hosts, previous, request):
    daemon = daemons(host)
    host.connect("eth1", hosts("other"), "eth0")
    daemon.network("lan", "eth0")
    for mode, parent in NETWORKS.items():
        daemon.network(mode, text=f"[Network]\nParent={parent}\nMode={mode}\n"
                       + ("Sources=52:54:00:00:00:01\n" if mode == "source" else ""))
    daemon.program = previous
    if getattr(request, "param", "own") == "handed-in":
        daemon.listen()
    daemon.start()
    made = Site(daemon, host, station)
    yield made
    made.close()
    made.wire.close()


def watch(connection):
    connection.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
    assert connection.reply() == {"event": "ready"}


@pytest.mark.parametrize("ending", ["stop", pytest.param("kill", marks=pytest.mark.long)])
@pytest.mark.parametrize("site", ["own", pytest.param("handed-in", marks=pytest.mark.long)], indirect=True)
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
    daemon.program = program("macvtapd")
    daemon.start()
    if waiting:
        with waiting:
            assert {port["name"] for port in waiting.reply()["ports"]} == set(site.before)
    assert site.ports() == site.before and site.devices() == site.links
    site.exchange(b"with the second")
    with daemon.connect() as watcher:
        watch(watcher)
        site.end()
        assert {watcher.reply()["port"]["name"] for _ in site.before} == set(site.before)


def test_and_back_again(site):
    """What this build writes, the one before can read."""
    daemon, before = site.daemon, site.daemon.program
    daemon.stop()
    daemon.program = program("macvtapd")
    daemon.start()
    with daemon.connect() as connection:
        connection.ports("CreatePort", network="lan", name="new", holder={"type": "none"})
    daemon.stop()
    daemon.program = before
    daemon.start()
    assert set(site.ports()) == {*site.before, "new"}
    daemon.ctl("port", "delete", "new")
    site.end()


def test_record_of_a_later_format_is_set_aside(site):
    daemon = site.daemon
    port = site.before["guest"]
    daemon.stop()
    record = daemon.state / "ports" / port["id"]
    later = json.dumps({**json.loads(record.read_text(encoding="utf-8")), "version": 2, "colour": "blue"})
    record.write_text(later, encoding="utf-8")
    daemon.program = program("macvtapd")
    daemon.start()
    messages = daemon.messages()
    assert "version 2, and this macvtapd knows version 1" in messages and f"ip link delete {port['interfaceName']}" in messages
    assert set(site.ports()) == set(site.before) - {"guest"} and site.devices() == site.links
    site.exchange(b"its guest goes on")
    aside = record.with_name(f"{port['id']}.damaged")
    assert aside.read_text(encoding="utf-8") == later
    # With the right daemon again, the record is put back by hand.
    daemon.stop()
    os.rename(aside, record)
    record.write_text(later.replace('"version": 2', '"version": 1'), encoding="utf-8")
    daemon.start()
    assert site.ports() == site.before
    site.end()
