# SPDX-License-Identifier: LGPL-2.1-or-later
"""The interface below a VLAN device, or below the filter device of GuestVLANs=, is moved into another network namespace
and comes back with another ifindex."""
import pytest

AWAY = "was moved into another network namespace"
NETWORKS = {
    "one tag": ("[Network]\nParent=eth0\nMode=bridge\nVLAN=100\n", f"eth0, which its parent eth0.100 is on, {AWAY}"),
    "two tags": ("[Network]\nParent=eth0\nMode=bridge\nVLAN=200.100\n", f"eth0, which its parent eth0.200.100 is on, {AWAY}"),
    "guest's tags": ("[Network]\nParent=eth0\nMode=bridge\n[Port]\nGuestVLANs=100\n", f"its parent eth0 {AWAY}"),
}


def wait_for(watcher, wanted):
    while not wanted(port := watcher.reply()["port"]):
        pass
    return port


def filters(host):
    """The filter devices, as the names that they have and should have."""
    return {name: f"mg{host.interface_index('eth0'):x}" for name in host.links() if name.startswith("mg") and "." not in name}


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("kind", NETWORKS)
def test_trunk(daemons, host, station, hosts, kind, restarts):
    text, problem = NETWORKS[kind]
    elsewhere = hosts("elsewhere")
    daemon = daemons(host)
    daemon.network("net", text=text)
    daemon.start()
    port = daemon.ctl_json("port", "create", "--network=net", "--name=vm")
    with daemon.connect() as watcher:
        watcher.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
        assert watcher.reply() == {"event": "ready"}
        index = host.interface_index("eth0")
        host.ip("link", "set", "eth0", "netns", str(elsewhere.pid))
        wait_for(watcher, lambda port: problem in port.get("problem", ""))
    host.ip("link", "add", "other0", "index", str(index), "type", "dummy")
    if restarts:
        daemon.restart()
        (away,) = daemon.ports()
        assert problem in away["problem"]
    with daemon.connect() as watcher:
        watcher.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
        assert watcher.reply() == {"event": "ready"}
        host.ip("link", "set", "other0", "mtu", "1300")
        elsewhere.ip("link", "set", "eth0", "netns", str(host.pid))
        host.ip("link", "set", "eth0", "up")
        back = wait_for(watcher, lambda port: "problem" not in port and port["carrier"])
    assert host.interface_index("eth0") != index
    assert {**back, "seenAddresses": None} == {**port, "seenAddresses": None}
    assert all(name == wanted for name, wanted in filters(host).items())
    assert bool(filters(host)) == (kind == "guest's tags")
    daemon.ctl("port", "delete", "vm")
    assert sorted(host.links()) == ["eth0", "lo", "other0"]


def test_device_between_two_tags(daemons, host, station, hosts):
    """The port keeps the ifindexes of its parent and trunk only."""
    elsewhere = hosts("elsewhere")
    daemon = daemons(host)
    daemon.network("net", text=NETWORKS["two tags"][0])
    daemon.start()
    daemon.ctl_json("port", "create", "--network=net", "--name=vm")
    with daemon.connect() as watcher:
        watcher.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
        assert watcher.reply() == {"event": "ready"}
        host.ip("link", "set", "eth0.200", "netns", str(elsewhere.pid))
        problem = f"the VLAN device of tag 200, which its parent eth0.200.100 is on, {AWAY}"
        wait_for(watcher, lambda port: problem in port.get("problem", ""))
        elsewhere.ip("link", "set", "eth0.200", "netns", str(host.pid))
        host.ip("link", "set", "eth0.200", "up")
        wait_for(watcher, lambda port: "problem" not in port and port["carrier"])
    daemon.ctl("port", "delete", "vm")
    assert sorted(host.links()) == ["eth0", "lo"]
