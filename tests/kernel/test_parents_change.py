# SPDX-License-Identifier: LGPL-2.1-or-later
"""What happens to a parent under its ports, and what watchers hear of it."""
import os

import pytest

from programs import program


@pytest.fixture
def watcher(daemon):
    with daemon.connect() as connection:
        connection.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
        assert connection.reply() == {"event": "ready"}
        yield connection


@pytest.fixture
def port(daemon, watcher):
    """A port of nobody, called vm."""
    made = daemon.ctl_json("port", "create", "--network=lan", "--name=vm")
    assert watcher.reply()["event"] == "created"
    yield made
    daemon.ctl("port", "delete", "vm")


def test_carrier_goes_and_comes(daemon, station, port, watcher):
    assert port["carrier"] is True
    station.ip("link", "set", "eth0", "down")
    assert watcher.reply() == {"event": "changed", "port": {**port, "carrier": False}}
    assert daemon.ports() == [{**port, "carrier": False}]
    assert "carrier    no" in daemon.ctl("port", "show", "vm").stdout
    station.ip("link", "set", "eth0", "up")
    assert watcher.reply() == {"event": "changed", "port": port}


def test_carrier_at_creation_is_the_parents(daemon, station, host, watcher):
    station.ip("link", "set", "eth0", "down")
    port = daemon.ctl_json("port", "create", "--network=lan", "--name=vm")
    assert (port["carrier"], port["state"]) == (False, "active")
    assert watcher.reply() == {"event": "created", "port": port}
    station.ip("link", "set", "eth0", "up")
    assert watcher.reply() == {"event": "changed", "port": {**port, "carrier": True}}
    daemon.ctl("port", "delete", "vm")


def test_mtu_sinks_and_is_regained(daemon, host, port, watcher):
    assert port["mtu"] == 1500
    host.ip("link", "set", "eth0", "mtu", "1400")
    smaller = {**port, "mtu": 1400}
    assert watcher.reply() == {"event": "changed", "port": smaller}
    assert "its MTU is now 1400, it was 1500" in daemon.messages()
    # The kernel does not raise it again with the parent's; and nothing above what the port was made with is its own.
    host.ip("link", "set", "eth0", "mtu", "9000")
    assert watcher.reply() == {"event": "changed", "port": port}
    assert "macvtapd: port vm: its MTU is 1500 again, as its parent's allows\n" in daemon.messages()
    host.ip("link", "set", "eth0", "mtu", "1000")
    assert watcher.reply() == {"event": "changed", "port": {**port, "mtu": 1000}}
    daemon.stop()
    host.ip("link", "set", "eth0", "mtu", "1500")
    daemon.start()
    (now,) = daemon.ports()
    now.pop("seenAddresses", None)  # the host's own on the device, until a daemon is there to forbid it
    assert now == port
    # With an MTU below 1280 the kernel forgets that the host does no IPv6 on the device.
    name = port["interfaceName"]
    assert host.run("cat", f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").stdout == "1\n"
    assert host.links()[name]["inet6_addr_gen_mode"] == "none"


def test_device_is_renamed(daemon, host, port, watcher):
    """The port follows, whether a daemon runs that hears of the new name or not."""
    host.ip("link", "set", port["interfaceName"], "down")
    assert watcher.reply()["event"] == "changed"
    host.ip("link", "set", port["interfaceName"], "name", "guest7")
    renamed = {**port, "interfaceName": "guest7", "linkUp": False, "carrier": False}
    while (event := watcher.reply())["port"]["interfaceName"] != "guest7":
        assert event["event"] == "changed"
    (now,) = daemon.ports()
    assert now == {**renamed, "carrier": now["carrier"]}
    daemon.stop()
    host.ip("link", "set", "guest7", "name", "guest8")
    daemon.start()
    assert daemon.ctl_json("port", "show", "guest8")["id"] == port["id"]


def test_device_moved_into_another_namespace(daemon, host, station, watcher):
    """It is told where the device is, and the port's end removes it there, after a restart as well."""
    for restart in (False, True):
        port = daemon.ctl_json("port", "create", "--network=lan", "--name=vm")
        host.ip("link", "set", port["interfaceName"], "netns", str(station.pid))
        while watcher.reply()["port"]["state"] != "device-gone":
            pass
        (moved,) = daemon.ports()
        assert "moved into another network namespace" in moved["problem"]
        assert f"set it up (ip link set {port['interfaceName']} up)" in moved["problem"]
        assert "was moved into another network namespace by another program" in daemon.messages()
        assert station.link(port["interfaceName"])["ifalias"] == f"macvtapd:{port['id']}"
        if restart:
            daemon.kill()
            daemon.start()
            assert daemon.ports() == [moved]
        daemon.ctl("port", "delete", "vm")
        assert port["interfaceName"] not in station.links()


@pytest.mark.parametrize("holder_ends", [False, True])
def test_device_moved_while_no_daemon_runs(daemon, host, station, holder_ends):
    """The next one finds it, without the kernel's event of the move, and removes it when its time has come."""
    holder = host.start("sleep", "inf")
    port = daemon.ctl_json("port", "create", "--network=lan", "--name=vm", f"--holder=pid:{holder.pid}")
    daemon.kill()
    host.ip("link", "set", port["interfaceName"], "netns", str(station.pid))
    if holder_ends:
        holder.kill()
        holder.wait()
    daemon.start()
    if not holder_ends:
        assert "moved into another network namespace" in daemon.ports()[0]["problem"]
        holder.kill()
    assert daemon.settle() == []
    assert port["interfaceName"] not in station.links()


def test_forged_alias_in_another_namespace(daemon, station, port):
    """Whoever is root of a network namespace writes there what he likes: as long as the port has its device, it is not
    even looked at."""
    station.ip("link", "add", "link", "eth0", "name", "forged", "type", "macvtap")
    station.ip("link", "set", "forged", "alias", f"macvtapd:{port['id']}")
    for _ in range(2):
        assert daemon.ports() == [port]
        daemon.restart()
    another = daemon.ctl_json("port", "create", "--network=lan", "--name=another")
    station.ip("link", "set", "forged", "alias", f"macvtapd:{another['id']}")
    daemon.ctl("port", "delete", "another")
    assert "forged" in station.links()


def test_what_others_did_to_the_device_is_undone(daemon, host, port):
    """Mode, alias, multicast and ARP, while no daemon runs; the API does not tell another state than the kernel."""
    def look():
        return {**host.link(name), "operstate": "late at times"}

    name = port["interfaceName"]
    before = look()
    daemon.stop()
    host.ip("link", "set", name, "type", "macvtap", "mode", "private")
    host.ip("link", "set", name, "alias", "mine", "arp", "on", "allmulticast", "off")
    daemon.start()
    assert look() == before
    assert daemon.ports() == [port]


def wait_gone(watcher, count):
    """The next count ports that lose their parent, by name. That they lose their carrier may be told first."""
    gone = []
    while len(gone) < count:
        event = watcher.reply()
        assert event["event"] == "changed"
        if event["port"]["state"] == "parent-gone":
            gone.append(event["port"])
        else:
            assert not event["port"]["carrier"]
    return sorted(gone, key=lambda port: port["name"])


@pytest.mark.lab
def test_parent_gone_under_a_living_holder_and_back(daemon, host, station, watcher):
    """The ports say so and keep their record as long as their holder lives; new ones work on the new parent."""
    holder = host.start("sleep", "inf")
    held = daemon.ctl_json("port", "create", "--network=lan", "--name=held", f"--holder=pid:{holder.pid}")
    free = daemon.ctl_json("port", "create", "--network=lan", "--name=free")
    assert [watcher.reply()["event"] for _ in range(2)] == ["created", "created"]
    host.ip("link", "del", "eth0")
    gone = {"state": "parent-gone", "linkUp": False, "carrier": False}
    assert wait_gone(watcher, 2) == [{**port, **gone} for port in (free, held)]
    assert len(daemon.records()) == 2

    done = daemon.ctl("port", "create", "--network=lan", check=False)
    assert done.returncode == 1 and "there is no interface eth0" in done.stderr
    host.connect("eth0", station, "eth0")
    daemon.ctl("port", "create", "--network=lan", "--name=new")
    assert watcher.reply()["port"]["state"] == "active"
    assert {port["name"]: port["state"] for port in daemon.ports()} == \
        {"held": "parent-gone", "free": "parent-gone", "new": "active"}

    holder.kill()
    event = watcher.reply()
    assert (event["event"], event["port"]["name"]) == ("deleted", "held")
    daemon.ctl("port", "delete", "free", "new")
    assert daemon.records() == []


def test_parent_gone_under_an_open_tap(daemon, host, watcher):
    """A VMM keeps descriptors that are dead, and its port goes with it."""
    vmm = host.start(program("macvtap-run"), "--network=lan,name=vm", "--", "sh", "-c", "echo; exec cat # {fd} {mac}",
                     env=daemon.environment(), stdin=-1, stdout=-1)
    vmm.stdout.readline()
    assert watcher.reply()["event"] == "created"
    host.ip("link", "del", "eth0")
    wait_gone(watcher, 1)
    vmm.kill()
    assert watcher.reply()["event"] == "deleted"
    assert daemon.settle() == []


def wait_parent(watcher, name):
    """The next port that is told to have this parent, and its carrier, which it loses where the parent must be down for it."""
    while True:
        port = watcher.reply()["port"]
        if port["parent"] == name and port["carrier"]:
            return port


def test_parent_is_renamed(daemon, host, port, watcher):
    """The port follows it, whether a daemon runs that hears of the new name or not."""
    host.rename("eth0", "uplink")
    assert wait_parent(watcher, "uplink") == {**port, "parent": "uplink"}
    assert daemon.ports() == [{**port, "parent": "uplink"}]
    daemon.stop()
    host.rename("uplink", "wire")
    daemon.start()
    assert daemon.ports() == [{**port, "parent": "wire"}]


@pytest.mark.parametrize("altname", ["alt0", "enp0s31f6np0-the-uplink", "n" * 127], ids=["short", "long", "longest"])
def test_parent_by_an_alternative_name(daemon, host, watcher, altname):
    """Whoever names a parent may give any of its names; the port has the interface, and shows it by its own name."""
    host.ip("link", "property", "add", "dev", "eth0", "altname", altname)
    daemon.network("alt", altname)
    daemon.network("pool", f"gone {altname}")
    daemon.ctl("reload")
    assert f"parent       {altname}\n" in daemon.ctl("network", "show", "alt").stdout
    for name, network in (("filed", "alt"), ("pooled", "pool"), ("adhoc", f"parent={altname},mode=bridge")):
        assert daemon.ctl_json("port", "create", "--network", network, "--name", name)["parent"] == "eth0"
    refused = daemon.ctl("port", "create", "--network", f"parent={altname},mode=passthru", check=False)
    assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1) and "passthru needs eth0" in refused.stderr
    host.rename("eth0", "uplink")
    daemon.restart()
    daemon.ctl("port", "create", "--network=alt", "--name=later")
    assert {port["name"]: port["parent"] for port in daemon.ports()} == dict.fromkeys(("filed", "pooled", "adhoc", "later"), "uplink")
    daemon.ctl("port", "delete", "--all")
    assert daemon.settle() == []


def test_alternative_name_of_nobody(daemon):
    for length in (16, 127):
        refused = daemon.ctl("port", "create", "--network", f"parent={'n' * length},mode=bridge", check=False)
        assert refused.stderr.endswith(f"there is no interface {'n' * length}\n")
    refused = daemon.ctl("port", "create", "--network", f"parent={'n' * 128},mode=bridge", check=False)
    assert "it is longer than 127 characters" in refused.stderr


# What each name looks like to people and programs: the bytes that are no printable ASCII as \\xNN, and the '\\' itself.
BYTES_OF_NAMES = {b"\xff\xfe": "\\xff\\xfe", "é0".encode(): "\\xc3\\xa90", b"a\\b\x01": "a\\x5cb\\x01",
                  b"\xff" * 15: "\\xff" * 15}


@pytest.mark.parametrize("name", BYTES_OF_NAMES, ids=BYTES_OF_NAMES.values())
def test_parent_is_renamed_to_any_bytes(daemon, host, watcher, name):
    """An interface's name is bytes: the ports follow it, in records that the next start reads, and go as always."""
    shown = BYTES_OF_NAMES[name]
    holder = host.start("sleep", "inf")
    daemon.ctl("port", "create", "--network=lan", "--name=held", f"--holder=pid:{holder.pid}")
    daemon.ctl("port", "create", "--network=lan", "--name=free")
    assert [watcher.reply()["event"] for _ in range(2)] == ["created", "created"]
    host.rename("eth0", os.fsdecode(name))
    told = {wait_parent(watcher, shown)["name"]}
    while told != {"held", "free"}:
        told.add(wait_parent(watcher, shown)["name"])
    for _ in range(2):
        assert {port["name"]: port["parent"] for port in daemon.ports()} == {"held": shown, "free": shown}
        assert f"parent     {shown}, mode bridge" in daemon.ctl("port", "show", "held").stdout
        assert shown in daemon.ctl("port", "list").stdout
        daemon.restart()
    assert "ignoring" not in daemon.messages() and ".damaged" not in "".join(daemon.records())
    with daemon.connect() as again:
        again.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
        assert again.reply() == {"event": "ready"}
        holder.kill()
        event = again.reply()
        assert (event["event"], event["port"]["name"], event["port"]["parent"]) == ("deleted", "held", shown)
    daemon.ctl("port", "delete", "free")
    assert daemon.settle() == []


def test_name_of_a_renamed_parent_is_free(daemon, host, hosts, watcher):
    """A passthru port has the interface that it was made on, and not the next one with its name."""
    def create(parent, name):
        return daemon.ctl("port", "create", "--network", f"parent={parent},mode=passthru", "--name", name, check=False)

    assert create("eth0", "p1").returncode == 0
    host.rename("eth0", "uplink")
    host.connect("eth0", hosts("other"), "eth0")
    assert create("eth0", "p2").returncode == 0
    assert {port["name"]: port["parent"] for port in daemon.ports()} == {"p1": "uplink", "p2": "eth0"}
    for parent, holder in (("eth0", "p2"), ("uplink", "p1")):
        assert f"passthru port {holder} holds {parent}" in create(parent, "p3").stderr
    daemon.ctl("port", "delete", "p1", "p2")
