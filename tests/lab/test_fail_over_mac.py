# SPDX-License-Identifier: LGPL-2.1-or-later
"""A bond with fail_over_mac=active takes every MAC without an error and keeps its active slave's."""
import os
import re
import time

import pytest

from clock import FACTOR, Deadline
from parent_kinds import active_slave, wait_carrier
from tracing import Trace

NETWORK = "[Network]\nParent=bond0\nMode=passthru\n"


@pytest.fixture
def site(sites):
    site = sites("bond")
    ip = site.host.ip
    ip("link", "set", "bond0", "down")
    for slave in ("eth0", "eth1"):
        ip("link", "set", slave, "nomaster")
    ip("link", "set", "bond0", "type", "bond", "fail_over_mac", "active")
    for slave in ("eth0", "eth1"):
        ip("link", "set", slave, "down")
        ip("link", "set", slave, "master", "bond0")
    ip("link", "set", "bond0", "up")
    wait_carrier(site.host, "bond0")
    site.daemon.network("inherit", text=NETWORK)
    return site


def wait_problem(watcher, text):
    """How many changes were told up to the one whose problem has text; None: up to one that has none."""
    count = 0
    while True:
        event = watcher.reply()
        assert event["event"] == "changed"
        count += 1
        problem = event["port"].get("problem")
        if problem is None if text is None else text in (problem or ""):
            return count, event["port"]


@pytest.fixture
def port(site):
    site.daemon.start()
    yield site.daemon.ctl_json("port", "create", "--network=inherit", "--name=vm")
    site.daemon.ctl("port", "delete", "vm")
    assert site.daemon.leftovers() == []
    site.daemon.stop()


@pytest.fixture
def watcher(site, port):
    with site.daemon.connect() as connection:
        connection.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
        assert connection.reply() == {"event": "ready"}
        yield connection


def fail_over(host):
    """The other slave is the active one from now on. Returns the one that was."""
    first = active_slave(host)
    host.ip("link", "set", first, "down")
    return first


def fail_back(host, first):
    host.ip("link", "set", first, "up")
    wait_carrier(host, first)
    (second,) = {"eth0", "eth1"} - {first}
    host.ip("link", "set", second, "down")
    return second


def set_macs(trace):
    """How often the daemon asked the kernel for another MAC. strace names nothing of a socket of another namespace:
    0x13 is RTM_SETLINK, and an IFLA_ADDRESS begins with its length, 10, and its number, 1."""
    pattern = r"nlmsg_type=(RTM_SETLINK|0x13\b).*(IFLA_ADDRESS|\\x0a\\x00\\x01\\x00)"
    return sum(name == "sendmsg" and re.search(pattern, rest) is not None for name, rest in trace.calls())


def test_failover_ends_and_is_told(site, port, watcher, tmp_path):
    daemon, host = site.daemon, site.host
    assert port["macAddress"] == host.mac("bond0") == host.mac(active_slave(host))
    with Trace(daemon.process.pid, tmp_path / "trace", "-e", "trace=sendmsg") as trace:
        first = fail_over(host)
        count, told = wait_problem(watcher, "tried 5 times")
    # Of thousands that there once were: what a failover itself changes, and three of ours for each state of the bond.
    assert count <= 12
    assert 5 <= set_macs(trace) <= 20
    assert "its parent bond0 keeps" in told["problem"]
    assert "problem    its MAC" in daemon.ctl("port", "show", "vm").stdout
    assert daemon.messages().count("could not be restored") == 1
    second = fail_back(host, first)
    wait_problem(watcher, None)
    assert host.mac(port["interfaceName"]) == port["macAddress"]
    assert daemon.messages().count("could not be restored") == 1
    host.ip("link", "set", second, "up")


def processor_time(pid):
    """In seconds, of user and system (proc(5))."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stream:
        fields = stream.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def drain_until(watcher, end):
    """Replies up to this time of time.monotonic(): silence is the answer that is looked for. How many came."""
    count = 0
    while True:
        try:
            watcher.reply(Deadline((end - time.monotonic()) / FACTOR))
        except TimeoutError:
            return count
        count += 1


@pytest.mark.long
def test_failover_costs_nothing_after_five_seconds(site, port, watcher):
    """A whole processor, once, until the bond failed back."""
    daemon, host = site.daemon, site.host
    pid = daemon.process.pid
    began, used = time.monotonic(), processor_time(pid)
    first = fail_over(host)
    drain_until(watcher, began + 5)
    until_five, at_five = processor_time(pid) - used, time.monotonic()
    wait_problem(watcher, "tried 5 times")
    given_up = time.monotonic()
    # Given up: nothing happens any more.
    assert drain_until(watcher, given_up + 10) == 0
    elapsed = time.monotonic() - at_five
    share = (processor_time(pid) - used - until_five) / elapsed
    print(f"\nfail_over_mac=active: {until_five:.2f} s of processor time in the first 5 s after a failover, then"
          f" {100 * share:.2f} % for {elapsed:.0f} s; given up after {given_up - began:.1f} s")
    assert share < 0.01
    second = fail_back(host, first)
    wait_problem(watcher, None)
    host.ip("link", "set", second, "up")
