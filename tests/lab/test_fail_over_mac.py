# SPDX-License-Identifier: LGPL-2.1-or-later
"""A bond with fail_over_mac=active takes every MAC without an error and keeps its active slave's."""
import pytest

from sites import active_slave, wait_carrier

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


def test_failover_ends_and_is_told(site):
    daemon, host = site.daemon, site.host
    daemon.start()
    with daemon.connect() as watcher:
        watcher.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
        assert watcher.reply() == {"event": "ready"}
        port = daemon.ctl_json("port", "create", "--network=inherit", "--name=vm")
        assert watcher.reply()["event"] == "created"
        first = active_slave(host)
        assert port["macAddress"] == host.mac("bond0") == host.mac(first)
        host.ip("link", "set", first, "down")
        count, told = wait_problem(watcher, "tried 5 times")
        # Of thousands that there once were: what a failover itself changes, and three of ours for each state of the bond.
        assert count <= 12
        assert "its parent bond0 keeps" in told["problem"]
        assert "problem    its MAC" in daemon.ctl("port", "show", "vm").stdout
        assert daemon.messages().count("could not be put back") == 1
        host.ip("link", "set", first, "up")
        (second,) = {"eth0", "eth1"} - {first}
        host.ip("link", "set", second, "down")
        wait_problem(watcher, None)
    assert host.mac(port["interfaceName"]) == port["macAddress"]
    daemon.ctl("port", "delete", "vm")
    assert daemon.leftovers() == []
