# SPDX-License-Identifier: LGPL-2.1-or-later
"""A bond's slaves fail: ports and watchers are told, and frames go on."""
import collections
import contextlib

import pytest

from announcements import SCHEDULE, Capture, fail_over, make_silent_guests, netlink_capture, set_wire
from clock import Deadline
from frames import PacketSocket, Tap, frame
from parent_kinds import active_slave


@pytest.fixture
def create(site):
    """create() makes a port on the site: (port, tap)."""
    with contextlib.ExitStack() as stack:
        def make():
            with site.daemon.connect() as connection:
                reply = connection.ports("CreatePort", network="lan", holder={"type": "none"}, vhost="off")
                (descriptor,) = connection.take_descriptors()
            stack.callback(site.daemon.ctl, "port", "delete", reply["port"]["id"])
            return reply["port"], stack.enter_context(Tap(descriptor))
        yield make


@pytest.fixture
def site(sites, kind):
    site = sites(kind)
    site.daemon.network("lan", text=site.network("bridge"))
    if not site.daemon.running:
        site.daemon.start()
    return site


@pytest.fixture
def watcher(site):
    with site.daemon.connect() as connection:
        connection.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
        assert connection.reply() == {"event": "ready"}
        yield connection


def wait_change(watcher, **wanted):
    """The next change to a port that has all of this; those in between are of the same port and change one thing."""
    while True:
        event = watcher.reply()
        assert event["event"] == "changed"
        if all(event["port"].get(key) == value for key, value in wanted.items()):
            return event["port"]


@pytest.mark.parametrize("kind", [pytest.param("bond", marks=pytest.mark.long), "vlan-on-bond"])
def test_failover_and_carrier(site, create, watcher):
    port, tap = create()
    assert watcher.reply() == {"event": "created", "port": port}
    first = active_slave(site.host)
    (second,) = {"eth0", "eth1"} - {first}
    assert (port["activeSlave"], port["carrier"]) == (first, True)

    set_wire(site, first, False)
    assert wait_change(watcher, activeSlave=second) == {**port, "activeSlave": second}
    with PacketSocket(site.station, site.wire) as station:
        tap.send(frame(station.mac, port["macAddress"], b"through the other"))
        station.expect(b"through the other")
        station.send(frame(port["macAddress"], station.mac, b"and back"))
        tap.expect(b"and back")

    set_wire(site, second, False)
    gone = wait_change(watcher, carrier=False)
    assert gone["state"] == "active"
    assert "no" in site.daemon.ctl("port", "show", port["id"]).stdout
    set_wire(site, first, True)
    set_wire(site, second, True)
    back = wait_change(watcher, carrier=True)
    while back.get("activeSlave") is None:
        back = wait_change(watcher)
    assert site.daemon.ports() == [{**port, "activeSlave": active_slave(site.host)}]


@pytest.mark.parametrize("kind", ["bond"])
def test_slave_that_the_administrator_chooses(site, create, watcher):
    port, _ = create()
    watcher.reply()
    (other,) = {"eth0", "eth1"} - {port["activeSlave"]}
    site.host.ip("link", "set", "bond0", "type", "bond", "active_slave", other)
    assert wait_change(watcher, activeSlave=other) == {**port, "activeSlave": other}
    shown = site.daemon.ctl("port", "show", port["id"]).stdout
    assert f"slave      {other}" in shown


# -- announcements (src/networks/announcements.c) --------------------------------------------------------------

def _hear_schedule(capture, count):
    """The announcements of so many guests: the times of each by its MAC."""
    heard, deadline = collections.defaultdict(list), Deadline()
    for _ in range(count * len(SCHEDULE)):
        mac, when = capture.take_announcement(deadline)
        heard[mac].append(when)
    return heard


def _describe_rounds(heard, event):
    rounds = zip(*heard.values())
    return "; ".join(f"{(min(times) - event) * 1000:.1f} to {(max(times) - event) * 1000:.1f}" for times in rounds)


@pytest.mark.parametrize("kind", ["bond", "vlan-on-bond"])
@pytest.mark.long
@pytest.mark.parametrize("count", [20, 200])
def test_silent_guests_are_announced(site, count):
    with contextlib.ExitStack() as stack:
        stack.callback(site.daemon.ctl, "port", "delete", "--all")
        macs = make_silent_guests(site, count)
        captures = {slave: stack.enter_context(Capture(site.switch.host, site.ports[slave])) for slave in ("eth0", "eth1")}
        netlink = stack.enter_context(netlink_capture(site.host))
        first, second = fail_over(site)
        stack.callback(set_wire, site, first, True)
        heard = _hear_schedule(captures[second], count)
        event = netlink.take_failover(site.host, Deadline())
        print(f"{count} guests, milliseconds after the failover: {_describe_rounds(heard, event)}")
        assert sorted(heard) == sorted(macs)
        assert {len(times) for times in heard.values()} == {len(SCHEDULE)}
        with pytest.raises(TimeoutError):
            captures[first].take_announcement(Deadline(0))
        # None comes before its time; by how much one comes late, the lab's processor decides.
        for times in heard.values():
            assert all(when - event >= due - 0.002 for when, due in zip(times, SCHEDULE))
