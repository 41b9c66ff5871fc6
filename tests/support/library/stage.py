# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host with a macvtapd that the tests of a file share, for as long as each of them leaves it as it found it.

Theory of operation: to make a host and to start macvtapd takes longer than what most tests of a refusal do with it. So a
test marked `shared` gets a stage that an earlier test of its file has returned. A stage that does not look as it did when it was
made (macvtapd's process, its files, its complaints, the links and addresses of both hosts) is closed, and the next test gets
a new one: a test may do to it what it likes. What is left of a port fails the test that left it, as it does everywhere.
"""
import json

from daemon import Daemon
from namespaces import Host


def connect_station(host, station):
    """A cable from eth0 to eth0; the station has 10.0.0.254/24. Neither has IPv6 on it."""
    host.connect("eth0", station, "eth0")
    station.address("eth0", "10.0.0.254/24")
    host.quiet("eth0")
    station.quiet("eth0")


def start_with_lan(stage):
    """A running macvtapd whose network `lan` is eth0 in bridge mode, open to the user nobody."""
    stage.daemon.network("lan", "eth0", AllowUsers="nobody")
    stage.daemon.start()


def _links(host):
    """What a test can have changed of a host's links: not IPv6's link-local addresses, which come when they like."""
    return [(*(link.get(key) for key in ("ifname", "flags", "mtu", "operstate", "address", "master")),
             [one["local"] for one in link["addr_info"] if one["scope"] != "link"])
            for link in json.loads(host.ip("-j", "address").stdout, strict=False)]


class Stage:
    """A host, a station on the wire of its eth0, and a macvtapd, prepared by prepare(stage)."""

    def __init__(self, prepare):
        self._hosts = []
        try:
            self.host = self.new_host("host")
            self.station = self.new_host("station")
            connect_station(self.host, self.station)
            self.daemon = Daemon(self.host)
            prepare(self)
        except BaseException:
            self.close()
            raise
        self._made = self._look()

    def new_host(self, name):
        self._hosts.append(Host(name))
        return self._hosts[-1]

    def _look(self):
        daemon = self.daemon
        files = {str(path): path.read_bytes() for path in daemon.config.rglob("*") if path.is_file()}
        names = sorted(map(str, daemon.folder.rglob("*")))
        return daemon.process.pid, daemon.running, daemon.complaints(), files, names, [_links(host) for host in self._hosts]

    def renew(self):
        """Make it ready for another test. False: something is not as it was."""
        for host in self._hosts:
            host.end_children(but=self.daemon.process)
        if self._look() != self._made:
            return False
        self.daemon.forget_messages()
        return True

    def close(self):
        try:
            if hasattr(self, "daemon"):
                self.daemon.close()
        finally:
            for host in reversed(self._hosts):
                host.close()


class Shelf:
    """The stages of a file that no test has at the moment, one of each kind."""

    def __init__(self):
        self._stages = {}

    def take(self, prepare):
        return self._stages.pop(prepare, None) or Stage(prepare)

    def put(self, prepare, stage, usable):
        """usable: the test has passed."""
        if usable and stage.renew():
            self._stages[prepare] = stage
        else:
            stage.close()

    def close(self):
        for stage in self._stages.values():
            stage.close()
