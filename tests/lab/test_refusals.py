# SPDX-License-Identifier: LGPL-2.1-or-later
"""Parents that cannot be: a bond without slaves, a NIC in Open vSwitch, a VLAN device on a macvlan, Wi-Fi."""
import os
import subprocess

import pytest

from frames import BROADCAST, PacketSocket, Tap, frame, open_tap
from openvswitch import INTERNAL, NETDEV, Datapath
from reachability import one_processor

MODES = ("bridge", "vepa", "private", "passthru", "source")


def refused(daemon, network):
    done = daemon.ctl("port", "create", "--network", network, check=False)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1), done
    assert daemon.leftovers() == []
    return done.stderr


@pytest.fixture
def running(daemons, host):
    return daemons(host).start()


def test_bond_without_slaves(running, host, station):
    host.ip("link", "add", "bond0", "type", "bond", "mode", "active-backup", "miimon", "50")
    assert "bond0 is down" in refused(running, "parent=bond0,mode=bridge")
    host.ip("link", "set", "bond0", "up")
    for mode in MODES:
        assert "bond bond0 has no slaves" in refused(running, f"parent=bond0,mode={mode}")
    assert "bond bond0 has no slaves" in refused(running, "parent=bond0,mode=bridge,vlan=100")
    assert sorted(host.links()) == ["bond0", "eth0", "lo"]
    # With a slave it is a parent, and the slave is none.
    host.ip("link", "set", "eth0", "down")
    host.ip("link", "set", "eth0", "master", "bond0")
    running.ctl("port", "create", "--network", "parent=bond0,mode=bridge", "--name=vm")
    running.ctl("port", "delete", "vm")
    message = refused(running, "parent=eth0,mode=bridge")
    assert "eth0 is a port of bond bond0" in message and "use bond0" in message


def check_frames(daemon, network, station):
    """A port of the network reaches the station, and it the port."""
    with daemon.connect() as connection, PacketSocket(station, "eth0") as neighbour:
        reply = connection.ports("CreatePort", network=network, holder={"type": "none"}, vhost="off")
        (descriptor,) = connection.take_descriptors()
        with Tap(descriptor) as tap:
            tap.send(frame(neighbour.mac, reply["port"]["macAddress"], b"from the guest"))
            neighbour.expect(b"from the guest")
            neighbour.send(frame(reply["port"]["macAddress"], neighbour.mac, b"to the guest"))
            tap.expect(b"to the guest")
        connection.ports("DeletePort", port=reply["port"]["id"])


def test_open_vswitch(running, host, station):
    """Following the advice works."""
    switch = Datapath(host)
    switch.add("eth0", NETDEV)
    assert "eth0 belongs to Open vSwitch; use an internal interface of its bridge as the parent (one has the" \
        " bridge's name)" in refused(running, "parent=eth0,mode=bridge")
    switch.add("br0", INTERNAL)
    switch.join("eth0", "br0")
    host.ip("link", "set", "br0", "up")
    host.ip("link", "set", "ovs-system", "up")
    advice = "use br0, an internal interface of its bridge, as the parent"
    assert f"eth0 belongs to Open vSwitch; {advice}" in refused(running, "parent=eth0,mode=bridge")
    assert f"eth0 belongs to Open vSwitch; {advice}" in refused(running, "parent=eth0,mode=passthru")
    message = refused(running, "parent=ovs-system,mode=bridge")
    assert f"ovs-system is Open vSwitch's own device and carries no frames; {advice}" in message
    check_frames(running, "parent=br0,mode=bridge", station)
    switch.add("br1", INTERNAL)
    assert "use an internal interface of its bridge" in refused(running, "parent=eth0,mode=bridge")
    switch.close()


def test_team(running, host, station):
    host.ip("link", "add", "team0", "type", "team")
    host.ip("link", "set", "eth0", "down")
    host.ip("link", "set", "eth0", "master", "team0")
    assert "eth0 is a port of team team0; use team0 as the parent" in refused(running, "parent=eth0,mode=bridge")


def test_vlan_device_on_a_macvlan(running, host, station):
    host.ip("link", "add", "link", "eth0", "name", "shim", "type", "macvlan", "mode", "bridge")
    host.ip("link", "add", "link", "shim", "name", "shim.7", "type", "vlan", "id", "7")
    for name in ("shim", "shim.7"):
        host.ip("link", "set", name, "up")
    assert "shim.7 is on macvlan shim, which receives frames for its own MAC only" \
        in refused(running, "parent=shim.7,mode=bridge")
    # It is so: of a macvtap that is made there all the same, only what is for everybody gets through.
    host.ip("link", "add", "link", "shim.7", "name", "tap7", "type", "macvtap", "mode", "bridge")
    host.ip("link", "set", "tap7", "up")
    station.ip("link", "add", "link", "eth0", "name", "eth0.7", "type", "vlan", "id", "7")
    station.ip("link", "set", "eth0.7", "up")
    with PacketSocket(station, "eth0.7") as neighbour, Tap(open_tap(host, "tap7")) as tap:
        with one_processor():
            neighbour.send(frame(host.mac("tap7"), neighbour.mac, b"for the guest"))
            neighbour.send(frame(BROADCAST, neighbour.mac, b"for everybody"))
        assert tap.receive_until(b"for everybody") == []
    host.ip("link", "del", "tap7")
    # VLAN= goes to what the macvlan lies on.
    port = running.ctl_json("port", "create", "--network=parent=shim,mode=bridge,vlan=7", "--name=vm")
    assert (port["parent"], port["trunk"]) == ("eth0.7", "eth0")
    running.ctl("port", "delete", "vm")


@pytest.fixture
def wifi(host):
    """wlan0 in the host: the lab's simulated Wi-Fi interface, which ends with the test (a radio stays where it went)."""
    try:
        (phy,) = os.listdir("/sys/class/ieee80211")
        subprocess.run(["iw", "phy", phy, "set", "netns", str(host.pid)], check=True)
        (name,) = [name for name in host.links() if os.path.exists(host.path(f"/sys/class/net/{name}/phy80211"))]
        host.ip("link", "set", name, "name", "wlan0")
        host.ip("link", "set", "wlan0", "up")
        yield
    finally:
        subprocess.run(["modprobe", "-r", "mac80211_hwsim"], check=True)


def test_wifi(running, host, wifi):
    for mode in MODES:
        message = refused(running, f"parent=wlan0,mode={mode}")
        assert "wlan0 is a Wi-Fi interface" in message and "not even passthru" in message
    assert "Wi-Fi" in refused(running, "parent=wlan0,mode=bridge,vlan=100")
    assert sorted(host.links()) == ["lo", "wlan0"]
