# SPDX-License-Identifier: LGPL-2.1-or-later
"""Parents that others have a part in: macvlans, with what they lie on here or in another network namespace, as in a
container; devices on the parent that only another namespace sees; bridges."""
import os

import pytest

from frames import PacketSocket, Tap, frame

PASSTHRU = "parent=eth0,mode=passthru"


@pytest.fixture
def container(hosts, host, station):
    """A container as Docker's macvlan networks make it: its eth0 lies on the host's, which it does not see."""
    made = hosts("container")
    add_macvlan(host, made, "bridge")
    made.quiet("eth0")
    return made


def add_macvlan(host, other, mode):
    # Debian's kernel wants a name that is free in the host too.
    host.ip("link", "add", "link", "eth0", "name", "new0", "netns", str(other.pid), "type", "macvlan", "mode", mode)
    other.ip("link", "set", "new0", "name", "eth0")
    other.ip("link", "set", "eth0", "up")


@pytest.fixture
def inside(daemons, container):
    """A macvtapd in the container, with the network lan on its eth0."""
    made = daemons(container)
    made.network("lan", "eth0")
    return made.start()


@pytest.fixture
def watcher(inside):
    with inside.connect() as connection:
        connection.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
        assert connection.reply() == {"event": "ready"}
        yield connection


@pytest.fixture
def outside(daemons, host, station):
    """A macvtapd in the host itself."""
    return daemons(host).start()


def create(daemon, network, **request):
    """A port and its tap."""
    with daemon.connect() as connection:
        reply = connection.ports("CreatePort", network=network, holder={"type": "none"}, **request)
        taps = [connection.take_descriptors()[index] for index in reply["tapFileDescriptors"]]
    return reply["port"], Tap(taps[0])


def refused(daemon, network, *options):
    done = daemon.ctl("port", "create", "--network", network, *options, check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done
    assert daemon.leftovers() == []
    return done.stderr


def check_frames(tap, mac, station, wire="eth0"):
    with PacketSocket(station, wire) as neighbour:
        tap.send(frame(neighbour.mac, mac, b"from the guest"))
        neighbour.expect(b"from the guest")
        neighbour.send(frame(mac, neighbour.mac, b"to the guest"))
        tap.expect(b"to the guest")


def test_macvlan_of_a_container(inside, container, station):
    port, tap = create(inside, "lan")
    assert (port["parent"], port["state"], port["carrier"], port["mtu"]) == ("eth0", "active", True, 1500)
    with tap:
        check_frames(tap, port["macAddress"], station)
        inside.restart()
        assert inside.ports() == [port]
        check_frames(tap, port["macAddress"], station)
    own = container.mac("eth0")
    assert f"MAC {own} is the parent's own (eth0)" in refused_beside(inside, own)
    inside.ctl("port", "delete", port["id"])
    assert inside.leftovers() == []


def refused_beside(daemon, mac):
    """The refusal of a MAC to a second port."""
    done = daemon.ctl("port", "create", "--network=parent=eth0,mode=bridge", f"--mac={mac}", check=False)
    assert done.returncode == 1
    return done.stderr


def test_mac_of_the_interface_that_the_container_does_not_see(inside, host):
    assert "is already in use on eth0" in refused(inside, "parent=eth0,mode=bridge", "--mac", host.mac("eth0"))


def test_container_follows_the_wire(inside, container, station, host, watcher):
    port = inside.ctl_json("port", "create", "--network=lan", "--name=vm")
    assert watcher.reply() == {"event": "created", "port": port}
    station.ip("link", "set", "eth0", "down")
    assert watcher.reply() == {"event": "changed", "port": {**port, "carrier": False}}
    inside.restart()
    assert inside.ports() == [{**port, "carrier": False}]
    station.ip("link", "set", "eth0", "up")
    # The container's interface goes down, and then away: the device lies beside it, not on it.
    container.ip("link", "set", "eth0", "down")
    container.ip("link", "del", "eth0")
    inside.restart()
    assert inside.ports() == [port]
    inside.ctl("port", "delete", "vm")


def test_host_removes_what_the_container_lies_on(inside, host, watcher):
    port = inside.ctl_json("port", "create", "--network=lan", "--name=vm")
    assert watcher.reply()["event"] == "created"
    host.ip("link", "del", "eth0")
    event = watcher.reply()
    while event["port"]["state"] == "active":
        event = watcher.reply()
    assert event["port"] == {**port, "state": "parent-gone", "linkUp": False, "carrier": False}
    inside.restart()
    assert [port["state"] for port in inside.ports()] == ["parent-gone"]
    inside.ctl("port", "delete", "vm")
    assert "there is no interface eth0" in refused(inside, "lan")


def test_mtu_of_a_macvlan(inside, container):
    """The port has the macvlan's, not that of what it lies on, which nobody here sees."""
    container.ip("link", "set", "eth0", "mtu", "1400")
    port, tap = create(inside, "lan")
    tap.close()
    assert port["mtu"] == 1400 and container.link(port["interfaceName"])["mtu"] == 1400
    inside.ctl("port", "delete", port["id"])
    assert inside.complaints() == ""


def test_what_a_macvlan_cannot_do(inside, container, hosts):
    assert "passthru needs an interface to itself, but eth0 is a macvlan" in refused(inside, PASSTHRU)
    line = refused(inside, "parent=eth0,mode=bridge,vlan=100")
    assert "VLAN=100 does not work on eth0, a macvlan" in line and "on a VLAN device" in line
    alone = hosts("alone")
    container.connect("up1", alone, "eth0")
    container.ip("link", "add", "link", "up1", "name", "own", "type", "macvlan", "mode", "passthru")
    container.ip("link", "set", "own", "up")
    assert "own is a macvlan in passthru mode" in refused(inside, "parent=own,mode=bridge")


def test_macvlan_of_the_host_means_what_it_lies_on(outside, host, station):
    """As an administrator has one to reach the guests with."""
    host.ip("link", "add", "link", "eth0", "name", "shim", "type", "macvlan", "mode", "bridge")
    host.ip("link", "set", "shim", "up")
    port, tap = create(outside, "parent=shim,mode=bridge")
    assert port["parent"] == "eth0"
    with tap:
        check_frames(tap, port["macAddress"], station)
        outside.restart()
        assert outside.ports() == [port]
    assert "MAC" in refused_beside(outside, host.mac("shim"))
    line = outside.ctl("port", "create", f"--network=parent={port['interfaceName']},mode=bridge", check=False).stderr
    assert f"{port['interfaceName']} is a macvtap itself; use eth0, the interface below it, as the parent" in line
    outside.ctl("port", "delete", port["id"])


def test_passthru_beside_a_containers_macvlan(outside, container):
    assert "passthru needs eth0 to itself, but a macvlan or macvtap in another network namespace (a container's)" \
        " is on it" in refused(outside, PASSTHRU)


def test_beside_a_containers_passthru(outside, hosts, host):
    add_macvlan(host, hosts("container"), "passthru")
    assert "a passthru macvlan or macvtap in another network namespace (a container's) holds eth0" \
        in refused(outside, "parent=eth0,mode=bridge")


def test_advice_for_a_bridges_port(outside, host, station):
    """Following it works."""
    host.ip("link", "add", "br0", "type", "bridge")
    host.ip("link", "set", "eth0", "master", "br0")
    host.ip("link", "set", "br0", "up")
    assert "eth0 is a port of bridge br0; use br0 as the parent" in refused(outside, "parent=eth0,mode=bridge")
    port, tap = create(outside, "parent=br0,mode=bridge")
    with tap:
        check_frames(tap, port["macAddress"], station)
    outside.ctl("port", "delete", port["id"])


def test_vlan_without_8021q(outside, host):
    """Where the kernel has it, the port is made: nobody can say so without trying."""
    done = outside.ctl("port", "create", "--network=parent=eth0,mode=bridge,vlan=100", "--name=vm", check=False)
    if os.path.isdir(host.path("/proc/net/vlan")) or done.returncode == 0:
        outside.ctl("port", "delete", "vm")
        return
    assert done.stderr.endswith("VLAN= needs the kernel module 8021q: make sure that 'modprobe 8021q' succeeds\n")
    assert outside.leftovers() == []
