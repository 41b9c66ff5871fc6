# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who reaches whom in each mode, with real frames through the ports' descriptors; README's table is the result."""
import itertools

import pytest

from frames import StackSocket, Tap
from namespaces import Switch
from programs import SOURCE
from reachability import KINDS, Member, arrives

MODES = ["bridge", "vepa", "private", "passthru", "source"]
IN_LAB = ("bridge",)  # without `tests/run long`
MACS = ["52:54:00:00:00:01", "52:54:00:00:00:02"]
BEGIN, END = "<!-- mode table: begin -->", "<!-- mode table: end -->"

HEAD = ["Mode", "A station behind the parent", "Another port", "Another port, over a switch with hairpin",
        "The host", "The host, over a switch with hairpin"]


def documented_table():
    text = (SOURCE / "README.md").read_text(encoding="utf-8")
    assert BEGIN in text and END in text, f"README.md has no table between {BEGIN} and {END}"
    return text.split(BEGIN)[1].split(END)[0].strip().splitlines()


def row(cells):
    return f"| {' | '.join(cells)} |"


def words(kinds):
    kinds = set(kinds)
    if len(kinds) == len(KINDS):
        return "yes"
    return f"{kinds.pop()} only" if kinds else "no"


def cell(there, back):
    """there and back: the kinds of frames that arrive, seen from the port."""
    there, back = words(there), words(back)
    return there if there == back else f"to it {there}, from it {back}"


def kinds_arriving(witness, sender, receiver):
    return [kind for kind in KINDS if arrives(witness, sender, receiver, kind)]


class Segment:
    """Ports of one network, the host on their parent, and a station, with somebody to measure among them."""

    def __init__(self, daemon, parent, station, mode, sources=None):
        host = daemon.host
        for machine, name in ((host, parent), (station, "eth0")):
            machine.quiet(name)
        self.host = Member("host", StackSocket(host, parent), host.mac(parent))
        self.station = Member("station", StackSocket(station, "eth0"), station.mac("eth0"))
        text = f"[Network]\nParent={parent}\nMode={mode}\n"
        if mode == "source":
            listed = sources if sources is not None else [self.host.mac, self.station.mac, *MACS]
            text += f"Sources={' '.join(listed)}\n"
        self.network = f"on-{parent}"
        daemon.network(self.network, text=text)
        self.mode = mode
        self.ports = []

    def create_ports(self, connection):
        for mac in MACS[:1 if self.mode == "passthru" else 2]:
            wanted = {} if self.mode == "passthru" else {"macAddress": mac}
            port = connection.ports("CreatePort", network=self.network, vhost="off", **wanted)["port"]
            (descriptor,) = connection.take_descriptors()
            self.ports.append(Member(port["name"], Tap(descriptor), port["macAddress"]))

    def among_ports(self):
        if len(self.ports) == 1:
            return "no other port"
        first, second = self.ports
        return cell(kinds_arriving(self.station, first, second), kinds_arriving(self.station, second, first))

    def with_other(self, other):
        """One cell for all ports: they must not differ."""
        cells = {cell(kinds_arriving(self.station, port, other), kinds_arriving(self.station, other, port))
                 for port in self.ports}
        assert len(cells) == 1, cells
        return cells.pop()

    def close(self):
        for member in (self.host, self.station, *self.ports):
            member.endpoint.close()


@pytest.fixture
def segments():
    made = []

    def make(*arguments, **options):
        made.append(Segment(*arguments, **options))
        return made[-1]

    yield make
    for segment in made:
        segment.close()


@pytest.mark.parametrize("mode", [pytest.param(mode, marks=[pytest.mark.lab] * (mode in IN_LAB)) for mode in MODES])
def test_who_reaches_whom(hosts, host, daemons, segments, switch, mode):
    behind_switch, behind_wire = hosts("behind-switch"), hosts("behind-wire")
    switch_port = switch.plug(host, "eth0")
    switch.plug(behind_switch, "eth0")
    host.connect("eth1", behind_wire, "eth0")
    daemon = daemons(host)
    switched = segments(daemon, "eth0", behind_switch, mode)
    wired = segments(daemon, "eth1", behind_wire, mode)
    daemon.start()
    with daemon.connect() as connection:
        switched.create_ports(connection)
        # The kernel lets a macvlan port have the same MAC again on another parent.
        wired.create_ports(connection)
        station = wired.with_other(wired.station)
        ports, to_host = switched.among_ports(), switched.with_other(switched.host)
        assert switched.with_other(switched.station) == station
        assert (wired.among_ports(), wired.with_other(wired.host)) == (ports, to_host)
        switch.set_hairpin(switch_port, True)
        assert switched.with_other(switched.station) == station
        measured = row([f"`{mode}`", station, ports, switched.among_ports(), to_host, switched.with_other(switched.host)])
        for port in daemon.ports():
            connection.ports("DeletePort", port=port["id"])
    assert measured in documented_table(), f"measured:\n{measured}"


def test_table_is_whole():
    head, rule, *rows = documented_table()
    assert head == row(HEAD)
    assert rule == "|" + "---|" * len(HEAD)
    assert [line.split("`")[1] for line in rows] == MODES


@pytest.mark.lab
def test_sources_filter_by_source_mac(hosts, host, daemons, segments, switch):
    """Of two stations only the listed one gets through; both can be reached."""
    listed, unlisted = hosts("listed"), hosts("unlisted")
    switch.plug(host, "eth0")
    for station in (listed, unlisted):
        switch.plug(station, "eth0")
    unlisted.quiet("eth0")
    daemon = daemons(host)
    segment = segments(daemon, "eth0", listed, "source", sources=[listed.mac("eth0")])
    daemon.start()
    with daemon.connect() as connection, StackSocket(unlisted, "eth0") as endpoint:
        segment.create_ports(connection)
        stranger = Member("unlisted", endpoint, unlisted.mac("eth0"))
        witness = segment.station
        for port, kind in itertools.product(segment.ports, KINDS):
            assert arrives(witness, witness, port, kind)
            assert not arrives(witness, stranger, port, kind)
            assert arrives(witness, port, stranger, kind)
        for port in daemon.ports():
            connection.ports("DeletePort", port=port["id"])
