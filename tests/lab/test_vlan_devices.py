# SPDX-License-Identifier: LGPL-2.1-or-later
"""How the VLAN devices that we make are called, found again, and kept silent."""
import struct

import pytest

from frames import ETHERTYPE, PacketSocket, Tap, frame, payload_of


@pytest.fixture
def running(daemons, host):
    return daemons(host).start()


def test_name_that_is_taken(running, host, station):
    """A device with the name that we would take is somebody else's, and the VLAN device finds another name."""
    host.ip("link", "add", "eth0.100", "type", "dummy")
    running.ctl("port", "create", "--network", "parent=eth0,mode=bridge,vlan=100", "--name=vm")
    (port,) = running.ports()
    assert (port["parent"], port["trunk"]) == (f"mv{host.interface_index('eth0'):x}.100", "eth0")
    assert len(port["parent"]) <= 15
    running.ctl("port", "delete", "vm")
    assert sorted(host.links()) == ["eth0", "eth0.100", "lo"]


def test_trunk_with_a_long_name(running, host, hosts):
    """15 characters are full: the VLAN device is called by its trunk's index."""
    host.connect("enp130s0f0np000", hosts("other"), "eth0")
    running.ctl("port", "create", "--network", "parent=enp130s0f0np000,mode=bridge,vlan=4094", "--name=vm")
    (port,) = running.ports()
    assert port["parent"] == f"mv{host.interface_index('enp130s0f0np000'):x}.4094"
    running.ctl("port", "delete", "vm")
    assert sorted(host.links()) == ["enp130s0f0np000", "lo"]


def test_vlan_of_a_lost_state_folder_is_found_again(running, host, station):
    """By its alias: it goes with the next start, while one of the administrator's stays."""
    host.ip("link", "add", "link", "eth0", "name", "office", "type", "vlan", "id", "7")
    host.ip("link", "add", "link", "eth0", "name", "eth0.100", "type", "vlan", "id", "100")
    host.ip("link", "set", "eth0.100", "alias", "macvtapd:vlan")
    running.restart()
    assert sorted(host.links()) == ["eth0", "lo", "office"]


def test_vlan_device_is_silent(running, host, station):
    """No address of the host's on it, and no way for it to get one."""
    host.run("sysctl", "-q", "-w", "net/ipv6/conf/default/disable_ipv6=0")
    running.ctl("port", "create", "--network", "parent=eth0,mode=bridge,vlan=100", "--name=vm")
    (port,) = running.ports()
    for name in (port["parent"], port["interfaceName"]):
        link = host.link(name)
        assert {"UP", "NOARP"} <= set(link["flags"])
        assert link["inet6_addr_gen_mode"] == "none"
        assert "inet6" not in host.ip("addr", "show", "dev", name).stdout
        assert host.run("cat", f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").stdout == "1\n"
    running.ctl("port", "delete", "vm")


def create(daemon, name, vlan="100"):
    daemon.ctl("port", "create", "--network", f"parent=eth0,mode=bridge,vlan={vlan}", "--name", name)


def parents(daemon):
    return {port["name"]: (port["state"], port["parent"]) for port in daemon.ports()}


def test_renamed_device_stays_under_its_ports(running, host, station):
    """It goes with the last of them, by whatever name, and through a restart."""
    create(running, "p1")
    host.rename("eth0.100", "office")
    create(running, "p2")
    running.ctl("port", "delete", "p1")
    assert parents(running) == {"p2": ("active", "office")}
    running.stop()
    host.rename("office", "attic")
    running.start()
    assert parents(running) == {"p2": ("active", "attic")}
    running.ctl("port", "delete", "p2")
    assert sorted(host.links()) == ["eth0", "lo"]
    assert not list((running.state / "vlans").iterdir())


@pytest.mark.parametrize("lower,link,left", [
    pytest.param("eth0.200", ["name", "adm7", "type", "vlan", "id", "7"], ["adm7", "eth0.200"], id="vlan-on-the-outer"),
    pytest.param("eth0.200.100", ["name", "own", "type", "macvlan", "mode", "bridge"], ["eth0.200", "eth0.200.100", "own"],
                 id="macvlan-on-the-inner", marks=pytest.mark.long),
])
def test_device_that_others_use_stays(running, host, station, lower, link, left):
    """It is not macvtapd's alone any more: it goes when it is free, which is looked at when the next port goes."""
    create(running, "vm", "200.100")
    host.ip("link", "add", "link", lower, *link)
    running.ctl("port", "delete", "vm")
    assert sorted(host.links()) == sorted(["eth0", "lo", *left])
    running.restart()
    create(running, "vm", "5")
    running.ctl("port", "delete", "vm")
    assert sorted(host.links()) == sorted(["eth0", "lo", *left])
    assert running.messages().count(f"keeping unused VLAN device {lower}") == 2, "once a start"
    host.ip("link", "del", link[1])
    create(running, "vm", "5")
    running.ctl("port", "delete", "vm")
    assert sorted(host.links()) == ["eth0", "lo"]


@pytest.mark.long
def test_device_in_a_bridge_stays(running, host, station):
    create(running, "vm")
    (port,) = running.ports()
    host.ip("link", "del", port["interfaceName"])
    host.ip("link", "add", "br0", "type", "bridge")
    host.ip("link", "set", "eth0.100", "master", "br0")
    running.ctl("port", "delete", "vm")
    assert sorted(host.links()) == ["br0", "eth0", "eth0.100", "lo"]
    host.ip("link", "del", "br0")
    running.restart()
    assert sorted(host.links()) == ["eth0", "lo"]


def hears_tag(tap, mac, wire, tag):
    """Whether the guest gets a frame that comes with this tag; one without a tag it must get."""
    wire.send(frame(mac, wire.mac, struct.pack("!HH", tag, ETHERTYPE) + b"tagged", ethertype=0x8100))
    wire.send(frame(mac, wire.mac, b"marker"))
    seen = []
    while not seen or payload_of(seen[-1]) != b"marker":
        seen.append(tap.receive(ethertype=None))
    return any(data[12:16] == struct.pack("!HH", 0x8100, tag) for data in seen)


def check_tag_within_a_vlan(running, host):
    """A network with VLAN= is a trunk, too, for guests that use tags within it."""
    words = "note     network office: its guests do not get the frames of VLAN 7 on eth0.100: the VLAN device inner takes them"
    assert words not in running.ctl("doctor", check=False).stdout
    host.ip("link", "add", "link", "eth0.100", "name", "inner", "type", "vlan", "id", "7")
    assert words in running.ctl("doctor", check=False).stdout
    host.ip("link", "del", "inner")


def test_tag_that_another_network_takes(running, host, station):
    """What network show and the log say of networks on one trunk is so: see networks_list_taken_vlans()."""
    running.network("trunk", "eth0")
    running.network("office", text="[Network]\nParent=eth0\nMode=bridge\nVLAN=100\n")
    running.reload()
    words = "its guests do not get the frames of VLAN 100 on eth0 while network office has a port there"
    assert words in running.messages() and words in running.ctl("network", "show", "trunk").stdout
    with running.connect() as connection, PacketSocket(station, "eth0") as wire:
        reply = connection.ports("CreatePort", network="trunk", name="router", holder={"type": "none"}, vhost="off")
        mac = reply["port"]["macAddress"]
        (descriptor,) = connection.take_descriptors()
        with Tap(descriptor) as tap:
            assert hears_tag(tap, mac, wire, 100)
            assert "the VLAN device" not in running.ctl("doctor", check=False).stdout
            running.ctl("port", "create", "--network=office", "--name=desk")
            assert not hears_tag(tap, mac, wire, 100)
            assert "note     network trunk: its guests do not get the frames of VLAN 100 on eth0: the VLAN device" \
                in running.ctl("doctor", check=False).stdout
            assert hears_tag(tap, mac, wire, 200)
            check_tag_within_a_vlan(running, host)
            running.ctl("port", "delete", "desk")
            assert hears_tag(tap, mac, wire, 100)
        running.ctl("port", "delete", "router")
