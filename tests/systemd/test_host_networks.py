# SPDX-License-Identifier: LGPL-2.1-or-later
"""The host leaves ports alone: whatever configures its own interfaces, a port's device gets no address, keeps IPv6 off, is not set
up by others, and sends nothing in the guest's name.

Theory of operation: each of these programs is told to take every interface, and it is waited until it has decided about a port
and configured lan0, which shows that it takes what it may. Then the port is looked at, and the wire.
"""
import re

import pytest

from debian import LAN_MAC

MAC = "52:54:00:00:00:%02x"
ALL_BY_NETWORKD = "[Match]\n{match}\n[Network]\nDHCP=yes\n"

# Tells, each time that libvirt calls, what the port's device is like when macvtapd's hook has done its work.
RECORDER = """#!/bin/sh
[ "$2" != start ] || ip -o link show dev domain-net0 >/run/macvtapd-hook/recorded
"""


@pytest.fixture(scope="module")
def site(machine):
    """The machine with a DHCP server at the station and a port that was there before anything else."""
    machine.station()
    machine.run("systemd-run -q --unit=dhcp-server ip netns exec station dnsmasq --keep-in-foreground --port=0"
                " --interface=wire0 --dhcp-range=10.0.0.100,10.0.0.200,1h --dhcp-leasefile=/run/leases")
    make_port(machine, 1)
    yield machine
    machine.run("macvtapctl port delete vm1; systemctl stop dhcp-server")


def make_port(machine, number):
    machine.run(f"macvtapctl port create --network lan --name vm{number} --interface vm{number} --holder none"
                f" --mac {MAC % number}")


def facts(machine, interface):
    """What the host has done to a port's device; nothing, when all is well."""
    found = []
    if machine.run(f"cat /proc/sys/net/ipv6/conf/{interface}/disable_ipv6").strip() != "1":
        found.append("IPv6 is on")
    link = machine.json(f"ip -j addr show dev {interface}")[0]
    found += [f"address {address['local']}" for address in link["addr_info"]]
    return found


def sent_as(machine, mac):
    return [frame.hex() for frame in machine.frames() if frame[6:12] == bytes.fromhex(mac.replace(":", ""))]


def discovers(machine, mac):
    """How often the host has asked for an address: DHCP requests (to port 67) with this client hardware address."""
    client = bytes.fromhex(mac.replace(":", ""))
    return sum(frame[12:14] == b"\x08\x00" and frame[23] == 17 and frame[36:38] == b"\x00\x43" and frame[70:76] == client
               for frame in machine.frames())


def assert_left_alone(machine, configured, decided, number):
    """configured: succeeds once lan0 is; decided: once the program has made up its mind about an interface. It is asked about
    a port that was there before, one that is new, and one of a guest."""
    machine.until(configured)
    make_port(machine, number)
    machine.start_guest("guest", "10.0.0.3", macvtap_run=f"-n lan,ifname=vmguest,mac={MAC % 0xFF}")
    try:
        assert discovers(machine, LAN_MAC) > 0
        found = {}
        for interface in "vm1", f"vm{number}", "vmguest":
            machine.until(decided.format(interface))
            found[interface] = facts(machine, interface)
        for interface, mac in ("vm1", MAC % 1), (f"vm{number}", MAC % number):
            found[interface] += sent_as(machine, mac)
        found["vmguest"] += ["asks for an address"] * discovers(machine, MAC % 0xFF)
        assert found == {"vm1": [], f"vm{number}": [], "vmguest": []}
        machine.ping("10.0.0.3")
    finally:
        machine.stop_qemu("guest")
        machine.run(f"macvtapctl port delete vm{number}")


def bare(machine, interfaces):
    """lan0 without an address, for others to give it one: its own from before they would leave alone. `restored` undoes it."""
    machine.run("ip addr flush dev lan0; ip link set lan0 down")
    machine.write("/etc/network/interfaces", interfaces)


@pytest.fixture
def restored(site):
    """The site, which is afterwards as Debian's installer left it."""
    site.run("cp /etc/network/interfaces /run/interfaces")
    yield site
    site.run("cp /run/interfaces /etc/network/interfaces; ip addr flush dev lan0; systemctl reset-failed;"
             " systemctl restart networking")


def by_networkd(machine, number):
    assert_left_alone(machine, "networkctl status lan0 | grep -w 'State: routable (configured)'",
                      "networkctl list {} | grep -E ' (unmanaged|configuring|configured|failed) *$'", number)


@pytest.fixture
def networkd(restored):
    yield restored
    restored.run("systemctl stop systemd-networkd.socket systemd-networkd; rm -f /etc/systemd/network/*.network /etc/netplan/*;"
                 " rm -rf /run/systemd/network")


@pytest.mark.parametrize("match", ["Name=*", pytest.param("Type=ether", marks=pytest.mark.long)])
def test_networkd(networkd, match):
    networkd.write("/etc/systemd/network/50-all.network", ALL_BY_NETWORKD.format(match=match))
    networkd.run("systemctl start systemd-networkd")
    by_networkd(networkd, 2)
    assert "05-macvtapd.network" in networkd.run("ls /usr/lib/systemd/network")


@pytest.mark.long
def test_networkd_and_libvirt(networkd):
    """Down until libvirt starts the guest, whatever name the port's device has."""
    networkd.write("/etc/systemd/network/50-all.network", ALL_BY_NETWORKD.format(match="Name=*"))
    networkd.run("systemctl start systemd-networkd")
    networkd.write("/etc/libvirt/hooks/qemu.d/zz-recorder", RECORDER)
    networkd.run("chmod 755 /etc/libvirt/hooks/qemu.d/zz-recorder; systemctl reload libvirtd")
    networkd.define("domain", ports=[("domain-net0", "lan")], boot=False)
    try:
        networkd.run("virsh start domain")
        networkd.until("networkctl list domain-net0 | grep -E ' (unmanaged|configuring|configured|failed) *$'")
        assert facts(networkd, "domain-net0") == []
        recorded = networkd.run("cat /run/macvtapd-hook/recorded")
        assert re.search(r"domain-net0@lan0: <[^>]*>", recorded) and not re.search(r"<[^>]*\bUP\b[^>]*>", recorded), recorded
        assert "UP" in networkd.run("ip -o link show dev domain-net0")
        assert sent_as(networkd, networkd.json("ip -j link show dev domain-net0")[0]["address"]) == []
    finally:
        networkd.run("virsh destroy domain; virsh undefine domain; rm /etc/libvirt/hooks/qemu.d/zz-recorder")


@pytest.mark.long
def test_netplan(networkd):
    networkd.write("/etc/netplan/all.yaml", "network:\n  version: 2\n  renderer: networkd\n  ethernets:\n    all:\n"
                   "      match: {name: '*'}\n      dhcp4: true\n")
    networkd.run("chmod 600 /etc/netplan/all.yaml; netplan generate; systemctl start systemd-networkd")
    assert "Name=*" in networkd.run("cat /run/systemd/network/10-netplan-all.network")
    by_networkd(networkd, 3)


@pytest.mark.long
@pytest.mark.parametrize("catch_all", [False, True])
def test_network_manager(restored, catch_all):
    """Without and with a connection for every Ethernet interface."""
    restored.write("/etc/NetworkManager/NetworkManager.conf", "[main]\nplugins=ifupdown,keyfile\n[ifupdown]\nmanaged=true")
    connection = "/etc/NetworkManager/system-connections/all.nmconnection"
    if catch_all:
        restored.write(connection, "[connection]\nid=all\ntype=ethernet\nmulti-connect=3\n[ipv4]\nmethod=auto")
        restored.run(f"chmod 600 {connection}")
    bare(restored, "" if catch_all else "auto lan0\niface lan0 inet dhcp")
    restored.run("systemctl start NetworkManager")
    try:
        assert_left_alone(restored, "nmcli -t -f DEVICE,STATE device | grep '^lan0:connected$'",
                          "nmcli -t -f DEVICE,STATE device | grep -E '^{}:(unmanaged|connected|disconnected|unavailable)'", 4)
    finally:
        restored.run(f"systemctl stop NetworkManager; rm -f {connection}")


@pytest.mark.long
def test_ifupdown(restored):
    """Debian's own scripts take what is named, here by a pattern that names everything."""
    bare(restored, "auto /*\niface lo inet loopback\niface lan0 inet dhcp")
    # It fails, for it knows nothing of the others that it has been told to take.
    restored.fails("systemctl restart networking")
    try:
        assert_left_alone(restored, "ip -4 -o addr show dev lan0 | grep -w dynamic", "true {}", 5)
    finally:
        restored.run("ifdown --force lan0")


@pytest.mark.long
@pytest.mark.parametrize("line", ["denyinterfaces mvt* vm* mvh* mg*", "allowinterfaces lan0"])
def test_dhcpcd(restored, line):
    """It has no folder for a file of ours: docs/networks.md names these lines."""
    bare(restored, "")
    restored.run(f"ip link set lan0 up; cp /etc/dhcpcd.conf /etc/dhcpcd.conf.old; echo '{line}' >>/etc/dhcpcd.conf;"
                 " systemd-run -q --unit=dhcpcd dhcpcd -B")
    try:
        assert_left_alone(restored, "ip -4 -o addr show dev lan0 | grep -w dynamic", "true {}", 6)
    finally:
        restored.run("systemctl stop dhcpcd; mv /etc/dhcpcd.conf.old /etc/dhcpcd.conf")
