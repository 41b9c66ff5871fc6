# SPDX-License-Identifier: LGPL-2.1-or-later
"""A network that changes while ports live: what the kernel takes reaches them, and the rest is told."""
import contextlib

import pytest

from clock import Deadline
from frames import PacketSocket, Tap, frame
from namespaces import LinkMonitor

LAN = "[Network]\nParent=eth0\nMode={mode}\n{network}[Port]\nVhost=off\n{port}"


@pytest.fixture
def made(daemons, host, station):
    made = daemons(host)
    made.network("lan", text=text())
    return made.start()


def text(mode="bridge", port="", **network):
    return LAN.format(mode=mode, port=port, network="".join(f"{key}={value}\n" for key, value in network.items()))


@pytest.fixture
def taps(made):
    """taps(name) makes a port of that name: (port, tap)."""
    with contextlib.ExitStack() as stack:
        def make(name, **parameters):
            with made.connect() as connection:
                reply = connection.ports("CreatePort", network="lan", name=name, holder={"type": "none"}, **parameters)
                (descriptor,) = connection.take_descriptors()
            stack.callback(made.ctl, "port", "delete", name)
            return reply["port"], stack.enter_context(Tap(descriptor))
        yield make


def change(made, **settings):
    """Writes the file anew, and returns what the reload says of the network."""
    before = len(made.messages())
    made.network("lan", text=text(**settings))
    made.reload()
    return [line for line in made.messages()[before:].splitlines() if "network lan" in line]


def shown(made, name):
    return made.ctl_json("port", "show", name)


def hears(sender, receiver, name, wire):
    """Whether a port on the same parent gets a frame of another. wire: what it gets in any case."""
    receiver_port, receiver_tap = receiver
    sender_port, sender_tap = sender
    sender_tap.send(frame(receiver_port["macAddress"], sender_port["macAddress"], name))
    wire.send(frame(receiver_port["macAddress"], wire.mac, name + b" end"))
    return name in receiver_tap.receive_until(name + b" end")


def test_mode_reaches_living_ports(made, host, station, taps):
    """Neighbours meet in bridge mode only; it is the same with a start after the change."""
    with PacketSocket(station, "eth0") as wire:
        one, two = taps("one"), taps("two")
        assert hears(one, two, b"first", wire)
        assert change(made, mode="private") == [
            "macvtapd: network lan has changed in Mode=; its 2 ports are up to date"]
        assert not hears(one, two, b"second", wire)
        made.stop()
        made.network("lan", text=text())
        made.start()
        assert hears(one, two, b"third", wire)
    assert [shown(made, name)["mode"] for name in ("one", "two")] == ["bridge", "bridge"]


def test_mtu_reaches_living_ports(made, host, taps):
    port, _ = taps("vm")
    own, _ = taps("own", mtu=1300)

    def mtus():
        devices = [host.link(name["interfaceName"])["mtu"] for name in (port, own)]
        assert devices == [shown(made, name)["mtu"] for name in ("vm", "own")]
        return devices

    assert change(made, MTU=1400) == ["macvtapd: network lan has changed in MTU=; its 2 ports are up to date"]
    assert mtus() == [1400, 1300]
    change(made, MTU=1200)
    assert mtus() == [1200, 1200]
    change(made)
    assert mtus() == [1500, 1300]
    # More than the parent has comes as soon as the parent has it.
    assert change(made, MTU=2000) == [
        "macvtapd: network lan has changed in MTU=; 1 of its 2 ports keeps its old MTU= (outdated in macvtapctl"
        " port show)"]
    assert mtus() == [1500, 1300] and shown(made, "vm")["outdated"] == ["MTU"]
    with made.connect() as watcher:
        watcher.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
        assert watcher.reply() == {"event": "ready"}
        host.ip("link", "set", "eth0", "mtu", "2000")
        while watcher.reply()["port"]["mtu"] != 2000:
            pass
    assert mtus() == [2000, 1300]
    assert "outdated" not in shown(made, "vm")


def test_queue_lengths_reach_living_ports(made, host, taps):
    port, _ = taps("vm")

    def lengths():
        link = host.link(port["interfaceName"])
        return link["txqlen"], link["linkinfo"]["info_data"]["bcqueuelen"]

    assert lengths() == (500, 1000)
    change(made, port="TxQueueLength=77\nBroadcastQueueLength=3000\n")
    assert lengths() == (77, 3000)
    made.restart()
    assert lengths() == (77, 3000)


def test_promiscuity_reaches_a_living_port(made, host):
    """And is counted right at the port's end."""
    def promiscuity():
        return host.link("eth0")["promiscuity"]

    made.network("pass", "eth0", mode="passthru")
    made.reload()
    made.ctl("port", "create", "--network=pass", "--name=vm")
    assert promiscuity() == 1
    made.network("pass", text="[Network]\nParent=eth0\nMode=passthru\nNoPromisc=yes\n")
    made.reload()
    assert promiscuity() == 0
    # Not while the device is down: the kernel would count it twice.
    made.ctl("port", "set", "vm", "--link", "down")
    made.network("pass", "eth0", mode="passthru")
    made.reload()
    assert promiscuity() == 0
    with contextlib.closing(LinkMonitor(host)) as monitor:
        made.ctl("port", "set", "vm", "--link", "up")
        deadline = Deadline()
        while promiscuity() == 0:
            deadline.wait_readable(monitor.fileno())
            monitor.drain()
    assert promiscuity() == 1
    made.ctl("port", "delete", "vm")
    assert promiscuity() == 0


def test_what_no_living_port_takes_is_told(made, host, taps):
    port, _ = taps("vm")
    assert change(made, mode="passthru", VLAN=100) == [
        "macvtapd: network lan has changed in Mode=, VLAN= and Mac=; its port keeps its old Mode= and VLAN="
        " (outdated in macvtapctl port show)"]
    assert shown(made, "vm")["outdated"] == ["Mode", "VLAN"]
    assert "outdated   Mode VLAN\n" in made.ctl("port", "show", "vm").stdout
    assert host.link(port["interfaceName"])["linkinfo"]["info_data"]["mode"] == "bridge"
    made.restart()
    assert shown(made, "vm")["outdated"] == ["Mode", "VLAN"]
    change(made)
    assert "outdated" not in shown(made, "vm")


def test_removed_network(made, station, taps):
    """Its ports stay, and say so."""
    with PacketSocket(station, "eth0") as wire:
        port, tap = taps("vm")
        path = made.network("lan", text=text())
        path.unlink()
        made.reload()
        assert "network lan has been removed; its port stays as it is\n" in made.messages()
        assert "network    lan (removed; the port keeps its settings)\n" in made.ctl("port", "show", "vm").stdout
        assert shown(made, "vm")["networkRemoved"] is True
        made.restart()
        assert shown(made, "vm")["networkRemoved"] is True
        wire.send(frame(port["macAddress"], wire.mac, b"still there"))
        tap.expect(b"still there")
        made.network("lan", text=text())
        made.reload()
        assert "networkRemoved" not in shown(made, "vm")
        assert "network lan is new\n" in made.messages()
        made.network("lan", text="[Network]\nTypo=1\n")
        made.reload()
        assert "networkRemoved" not in shown(made, "vm")
        made.network("lan", text=text())
        made.reload()
        assert "network lan can be used again\n" in made.messages()


def test_watchers_hear_of_it(made, taps):
    taps("vm")
    with made.connect() as watcher:
        watcher.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
        assert watcher.reply() == {"event": "ready"}
        change(made, VLAN=7)
        event = watcher.reply()
        assert event["event"] == "changed" and event["port"]["outdated"] == ["VLAN"]


def test_frames_that_another_network_takes(made):
    """F5: whoever has ports on the trunk itself does not hear a VLAN that another network takes away."""
    words = "its guests do not get the frames of VLAN 100 on eth0 while network office has a port there"
    assert words not in made.messages() and words not in made.ctl("doctor", check=False).stdout
    made.network("office", text="[Network]\nParent=eth0\nMode=bridge\nVLAN=100\n")
    made.reload()
    assert f"macvtapd: network lan: {words}" in made.messages()
    # It is not so yet: lab/test_vlan_devices.py has the VLAN device.
    assert "its guests do not get the frames" not in made.ctl("doctor", check=False).stdout
    assert f"  not heard  {words}" in made.ctl("network", "show", "lan").stdout
    assert "network office: its guests" not in made.messages()
    assert "takenVlans" not in made.ctl_json("network", "show", "office")


def test_frames_that_another_network_takes_on_each_trunk(made, host, station):
    """Each trunk of each network is named: guests of a pool may be on any of its parents."""
    host.connect("eth1", station, "eth1")
    made.network("pool", text="[Network]\nParent=eth0 eth1\nMode=bridge\n")
    made.network("office", text="[Network]\nParent=eth0 eth1\nMode=bridge\nVLAN=100\n")
    made.network("lab", text="[Network]\nParent=eth1\nMode=bridge\nVLAN=200\n")
    made.reload()

    def words(tag, trunk, other):
        return f"its guests do not get the frames of VLAN {tag} on {trunk} while network {other} has a port there, whose VLAN device takes them"

    assert made.ctl_json("network", "show", "lan")["takenVlans"] == [words(100, "eth0", "office")]
    pool = [words(100, "eth0", "office"), words(100, "eth1", "office"), words(200, "eth1", "lab")]
    assert made.ctl_json("network", "show", "pool")["takenVlans"] == pool
    for line in pool:
        assert f"network pool: {line}" in made.messages() and line in made.ctl("network", "show", "pool").stdout
