# SPDX-License-Identifier: LGPL-2.1-or-later
"""What people and programs are told of guards: lists, ports and networks, the log, the doctor, watchers; and what root
says against a network's file."""
import contextlib
import re
import shlex
import socket
import struct
import time

import pytest

from doctor import codes, examine
from documents import block, commands
from frames import BROADCAST, Tap, frame, mac_bytes
from refusal import USAGE, check_refused
from varlink import VarlinkError

FALSE = "52:54:00:66:66:66"
NETWORK = "[Network]\nParent=eth0\nMode=bridge\n[Access]\nAllowUsers=nobody\n[Guard]\n"
NO_BPFFS = "/sys/fs/bpf is not a BPF file system (mount -t bpf bpf /sys/fs/bpf)"


def arp(mac, address):
    """A gratuitous one."""
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac_bytes(mac) + socket.inet_aton(address)
    return frame(BROADCAST, mac, body + bytes(6) + socket.inet_aton(address), 0x0806)


def solicitation(mac, address):
    """A neighbour solicitation from this IPv6 address for another."""
    source, target = (socket.inet_pton(socket.AF_INET6, text) for text in (address, "fe80::ffff"))
    group = socket.inet_pton(socket.AF_INET6, "ff02::1:ff00:ffff")
    body = struct.pack("!BBHI", 135, 0, 0, 0) + target + b"\1\1" + mac_bytes(mac)
    whole = source + group + struct.pack("!II", len(body), 58) + body
    total = sum(struct.unpack(f"!{len(whole) // 2}H", whole))
    total = (total & 0xffff) + (total >> 16)
    checksum = ~(total + (total >> 16)) & 0xffff
    body = body[:2] + struct.pack("!H", checksum) + body[4:]
    return frame("33:33:ff:00:ff:ff", mac, struct.pack("!IHBB", 6 << 28, len(body), 58, 255) + source + group + body,
                 0x86dd)


@pytest.fixture
def guarded(daemons, host, station):
    """A macvtapd whose network lan has the guard that there is by default."""
    made = daemons(host)
    made.network("lan", text=NETWORK)
    return made.start()


@contextlib.contextmanager
def guest(daemon, **parameters):
    """A port named web: it as made, and its tap."""
    with daemon.connect() as connection:
        port = connection.ports("CreatePort", network="lan", name="web", vhost="off", holder={"type": "none"},
                                **parameters)["port"]
        (descriptor,) = connection.take_descriptors()
    with Tap(descriptor) as tap:
        yield port, tap
    daemon.ctl("port", "delete", "web")


def shown(daemon, name="web"):
    """The lines of port show."""
    return daemon.ctl("port", "show", name).stdout.splitlines()


def line_of(daemon, label, name="web"):
    (line,) = [line for line in shown(daemon, name) if line.startswith(f"{label} ")]
    return line.removeprefix(label).strip()


def found(daemon):
    """What the doctor finds, but of this machine's vhost-net."""
    return [one for one in examine(daemon) if not one["code"].startswith("vhost")]


def watch(connection):
    connection.send({"method": "org.macvtapd.Ports.WatchPorts", "parameters": {}, "more": True})
    assert connection.reply()["event"] == "ready"


def told_drops(daemon):
    return [line for line in daemon.trail() if "dropped" in line]


# -- what there is -----------------------------------------------------------------------------------------------

def test_a_port_shows_its_guard(guarded):
    with guest(guarded) as (port, _):
        assert port["guard"] == {"senders": "own", "addresses": "any", "allow": [], "verdict": "drop"}
        assert line_of(guarded, "guard") == "senders own, addresses any, verdict drop"
        assert not [line for line in shown(guarded) if line.startswith("dropped")]
    assert guarded.settle() == []


def test_a_network_shows_what_is_in_force(guarded):
    (network,) = guarded.ctl_json("network", "list")["networks"]
    assert network["guard"] == {"senders": "own", "addresses": "any", "allow": [], "verdict": "drop"}
    assert "unguarded" not in network
    guarded.network("lan", text=NETWORK + "Addresses=listed\nAllowAddresses=10.0.0.0/24 fd00::5\nAllow=lldp stp\n")
    guarded.reload()
    lines = guarded.ctl("network", "show", "lan").stdout.splitlines()
    assert [(line[:12].strip(), line[13:]) for line in lines[lines.index(f"{'senders':12} own"):]][:5] == [
        ("senders", "own"), ("addresses", "listed"), ("allowed IPs", "10.0.0.0/24 fd00::5"), ("allows", "lldp stp"),
        ("verdict", "drop")]


def test_a_reload_reaches_living_ports_and_says_so(guarded):
    with guest(guarded):
        guarded.network("lan", text=NETWORK + "Verdict=count\nAddresses=dhcp\n")
        guarded.reload()
        assert line_of(guarded, "guard") == "senders own, addresses dhcp, verdict count"
        assert "network lan has changed in Addresses= and Verdict=; its port is up to date" in guarded.messages()


def test_seen_addresses(guarded):
    """Of each guest, guard or not: the one that it is best reached by comes first."""
    with guest(guarded) as (port, tap), guarded.connect() as watcher:
        watch(watcher)
        row = guarded.ctl("port", "list").stdout.splitlines()[1].split()
        assert row[6] == "-"
        before = int(time.time())
        tap.send(solicitation(port["macAddress"], "fe80::1"))
        tap.send(arp(port["macAddress"], "10.0.0.5"))
        while len(watcher.reply()["port"].get("seenAddresses", [])) < 2:
            pass
        first, second = guarded.ports()[0]["seenAddresses"]
        assert (first["address"], first["how"], second["address"], second["how"]) == ("10.0.0.5", "arp", "fe80::1", "nd")
        assert before - 2 <= first["firstSeen"] <= first["lastSeen"] <= int(time.time()) + 1
        assert 0 <= first["age"] <= 60
        row = guarded.ctl("port", "list").stdout.splitlines()[1].split()
        assert row[6] == "10.0.0.5"
        lines = [line for line in shown(guarded) if line.startswith("address ")]
        assert re.fullmatch(r"address +10\.0\.0\.5 \(arp, \d+ s ago\)", lines[0])
        assert re.fullmatch(r"address +fe80::1 \(nd, \d+ s ago\)", lines[1])


def test_the_list_has_what_is_given_until_something_is_seen(guarded):
    guarded.ctl("port", "create", "--network=lan", "--name=web", "--guard=addresses=listed,allow-addresses=10.0.0.7")
    row = guarded.ctl("port", "list").stdout.splitlines()[1].split()
    assert row[6] == "10.0.0.7"
    guarded.ctl("port", "delete", "web")


# -- what was dropped --------------------------------------------------------------------------------------------

def test_the_first_drop_of_a_kind_is_told(guarded, station):
    with guest(guarded) as (port, tap), guarded.connect() as watcher:
        example = f"a frame from MAC {FALSE}; the port has {port['macAddress']}"
        watch(watcher)
        for _ in range(3):
            tap.send(frame(BROADCAST, FALSE))
        event = watcher.reply()
        assert (event["event"], event["reason"], event["port"]["dropExample"]) == ("dropped", "other-mac", example)
        tap.send(frame(BROADCAST, port["macAddress"], ethertype=0x88cc))
        assert watcher.reply()["reason"] == "lldp"
        assert guarded.ports()[0]["dropped"] == {"other-mac": 3, "lldp": 1}
        assert line_of(guarded, "dropped") == "other-mac 3, lldp 1"
        assert told_drops(guarded) == [
            f"port web: dropped {example}", "port web: dropped an LLDP frame (Allow=lldp lets it pass)"]
        assert codes(guarded) == ["port-dropped"]
    assert guarded.settle() == []


def test_the_doctor_names_the_guests_mac(guarded):
    with guest(guarded) as (port, tap), guarded.connect() as watcher:
        watch(watcher)
        tap.send(frame(BROADCAST, FALSE))
        assert watcher.reply()["event"] == "dropped"
        (finding,) = found(guarded)
        assert (finding["code"], finding["subject"]) == ("port-dropped", "port web")
        assert finding["message"] == f"its guard drops a frame from MAC {FALSE}; the port has {port['macAddress']}"
        assert f"give the guest's NIC the MAC {port['macAddress']}" in finding["remedy"]


def test_count_says_what_it_would_do(guarded):
    guarded.network("lan", text=NETWORK + "Verdict=count\n")
    guarded.reload()
    with guest(guarded) as (_, tap), guarded.connect() as watcher:
        watch(watcher)
        tap.send(frame(BROADCAST, FALSE))
        assert watcher.reply()["event"] == "dropped"
        assert guarded.ports()[0]["dropped"] == {"other-mac": 1}
        (line,) = told_drops(guarded)
        assert line.startswith(f"port web: would have dropped a frame from MAC {FALSE}; ")
        (finding,) = found(guarded)
        assert (finding["severity"], finding["message"]) == ("note", "its guard would have dropped: other-mac 1")


# -- root's own word ---------------------------------------------------------------------------------------------

def test_root_gives_a_port_its_own_guard(guarded):
    port = guarded.ctl_json("port", "create", "--network=lan", "--name=web",
                            "--guard=senders=any,verdict=count,allow=stp+lldp")
    assert port["guard"] == {"senders": "any", "addresses": "any", "allow": ["lldp", "stp"], "verdict": "count"}
    assert port["ownGuard"] == {"senders": "any", "allow": ["lldp", "stp"], "verdict": "count"}
    assert line_of(guarded, "guard") == "senders any, addresses any, allows lldp stp, verdict count"
    guarded.ctl("port", "set", "web", "--guard=addresses=listed,allow-addresses=10.0.0.7+fd00::/64")
    assert line_of(guarded, "guard") == "senders own, addresses listed (10.0.0.7 fd00::/64), verdict drop"
    guarded.restart()
    assert line_of(guarded, "guard") == "senders own, addresses listed (10.0.0.7 fd00::/64), verdict drop"
    guarded.ctl("port", "set", "web", "--guard=network")
    assert line_of(guarded, "guard") == "senders own, addresses any, verdict drop"
    assert guarded.ports()[0]["ownGuard"] == {}
    guarded.ctl("port", "delete", "web")


def test_the_commands_of_the_document(guarded):
    guarded.ctl("port", "create", "--network=lan", "--name=web")
    create, change, back = (shlex.split(line)[1:] for line in commands(block("docs/networks.md", "[Guard]", 0)))
    guarded.ctl(*create)
    assert line_of(guarded, "guard", "router").startswith("senders any, addresses any, allows router dhcp-server vlan")
    guarded.ctl(*change)
    assert line_of(guarded, "guard").startswith("senders own, addresses listed (192.168.1.7 fd00::7)")
    guarded.ctl(*back)
    assert line_of(guarded, "guard") == "senders own, addresses any, verdict drop"
    guarded.ctl("port", "delete", "web", "router")


def test_what_no_guard_can_be(guarded):
    guarded.ctl("port", "create", "--network=lan", "--name=web")
    for words, text in (
            ("senders=mine", "senders must be auto, any or own, not 'mine'"),
            ("allow=ospf", "allow has router, dhcp-server, vlan, lldp, lacp, stp, tunnels, other or none, not 'ospf'"),
            ("addresses=listed,allow-addresses=10.0.0.5/24", "'10.0.0.5/24' has bits set after the /24")):
        check_refused(guarded.ctl("port", "create", "--network=lan", f"--guard={words}", check=False), USAGE, text)
    done = guarded.ctl("port", "set", "web", "--guard=allow-addresses=10.0.0.5", check=False)
    check_refused(done, 1, "only with addresses=listed or dhcp")
    check_refused(guarded.ctl("port", "set", "web", "--guard=sender=any", check=False), USAGE,
                  "a guard has senders=, addresses=, allow-addresses=, allow= or verdict=, each with a value, not"
                  " 'sender=any'")
    guarded.ctl("port", "delete", "web")


def test_only_root_gives_one(guarded):
    done = guarded.ctl("port", "create", "--network=lan", "--guard=senders=any", user="nobody", check=False)
    check_refused(done, 1, "only root may give a port its own guard")
    guarded.ctl("port", "create", "--network=lan", "--name=web", user="nobody")
    done = guarded.ctl("port", "set", "web", "--guard=senders=any", user="nobody", check=False)
    check_refused(done, 1, "only root may give a port its own guard")
    guarded.ctl("port", "delete", "web")


# -- where there is none -----------------------------------------------------------------------------------------

def test_unguarded_networks(daemons, host, station):
    host.run("umount", "/sys/fs/bpf")
    daemon = daemons(host)
    daemon.network("lan", text=NETWORK)
    daemon.network("asks", text=NETWORK + "Addresses=dhcp\n")
    daemon.network("free", text=NETWORK + "Senders=any\n")
    daemon.start()
    networks = {network["name"]: network for network in daemon.ctl_json("network", "list")["networks"]}
    assert [networks[name].get("unguarded") for name in ("lan", "asks", "free")] == [NO_BPFFS, NO_BPFFS, None]
    assert [networks[name]["guard"]["senders"] for name in ("lan", "asks", "free")] == ["any", "own", "any"]
    lines = daemon.ctl("network", "show", "lan").stdout.splitlines()
    assert f"{'senders':12} any" in lines and f"{'unguarded':12} {NO_BPFFS}" in lines
    told = [(one["code"], one["severity"], one["subject"], one["remedy"]) for one in found(daemon)]
    remedy = "mount -t bpf bpf /sys/fs/bpf, then restart macvtapd"
    assert told == [("network-unguarded", "problem", "network asks", remedy),
                     ("network-unguarded", "note", "network lan", remedy)]


def test_a_port_older_than_the_guard(daemons, host, station):
    host.run("umount", "/sys/fs/bpf")
    daemon = daemons(host)
    daemon.network("lan", text=NETWORK)
    daemon.start()
    daemon.ctl("port", "create", "--network=lan", "--name=web")
    host.run("mount", "-t", "bpf", "-o", "mode=700", "bpf", "/sys/fs/bpf")
    daemon.restart()
    assert "guard" not in daemon.ports()[0]
    assert [one["code"] for one in found(daemon)] == ["port-no-guard"]
    with pytest.raises(VarlinkError), daemon.connect() as connection:
        connection.ports("SetPort", port="web", guard={"senders": "nobody"})
    daemon.ctl("port", "set", "web", "--guard=network")
    assert line_of(daemon, "guard") == "senders own, addresses any, verdict drop"
    assert found(daemon) == []
    daemon.ctl("port", "delete", "web")
