# SPDX-License-Identifier: LGPL-2.1-or-later
"""virsh start on what only Debian's stock kernel has: a bond, a VLAN that is made for the domain, vhost-net.

Theory of operation: libvirt opens vhost-net for domains of KVM only, so these are such; the lab's emulated processor has
AMD's virtualization, on which a guest boots in half the time of an emulated one."""
import contextlib
import os
import subprocess

import pytest

from domain import Port, guest_xml
from libvirt_host import LibvirtHost, check_afterwards
from namespaces import Host, Switch
from programs import SOURCE
from parent_kinds import VLAN, bond_of

QUEUES = 4
BONDS = {"bond0": ("eth0", "eth1"), "bond1": ("eth2", "eth3")}
STATIONS = {"bond": "10.0.0.254", "vlan": "10.0.100.254", "passthru": "10.0.1.254"}
PARENTS = {"bond": ("bond0",), "vlan": (f"bond0.{VLAN}", "bond0"), "multiqueue": ("bond0",), "passthru": ("bond1",)}
ENDS = ["destroy", "kill"]


def network_template(name, parent):
    lines = (SOURCE / "xml-templates/networks" / f"{name}.network").read_text(encoding="utf-8").splitlines()
    return "\n".join(f"Parent={parent}" if line.startswith("Parent=") else line for line in lines) + "\n"


class Site(LibvirtHost):
    """machine has two bonds of two NICs each, on a switch of their own that station is plugged into: bond0 of the
    networks `bond`, `vlan` and `multiqueue`, bond1 of `passthru`, which are macvtapd's templates."""

    def _wire(self):
        for bond, slaves in BONDS.items():
            switch = Switch(self._closing(Host("switch")))
            for slave in slaves:
                switch.plug(self.machine, slave)
            switch.plug(self.station, bond)
            bond_of(self.machine, *slaves, name=bond)
            for host in (self.machine, self.station):
                host.quiet(bond)
        self.station.ip("link", "add", "link", "bond0", "name", "tagged", "type", "vlan", "id", str(VLAN))
        self.station.ip("link", "set", "tagged", "up")
        for network, interface in (("bond", "bond0"), ("vlan", "tagged"), ("passthru", "bond1")):
            self.station.address(interface, f"{STATIONS[network]}/24")
        self.machine.run("mknod", "/dev/kvm", "c", *map(str, device_number("/dev/kvm")))

    def _networks(self):
        for name in ("bond", "vlan", "multiqueue"):
            self.daemon.network(name, text=network_template(name, "bond0"))
        self.daemon.network("passthru", text=network_template("passthru", "bond1"))

    def define_template(self, domain, network, template, *options, fit=True):
        text = self.daemon.domain("xml", "--network", network, "--template", template, "--domain", domain, "--target",
                                  f"{domain}-net0", *options).stdout
        self.machine.run("mkdir", "-p", "/var/lib/libvirt/images")
        self.machine.run("qemu-img", "create", "-q", "-f", "qcow2", f"/var/lib/libvirt/images/{domain}.qcow2", "1M")
        self.libvirt.define(text)
        # Besides, all that the hook and the daemon need has then been read once, from a slow file system.
        checked = self.daemon.domain("check", domain, check=False)
        assert ("its ports can be made" in checked.stdout) == fit, checked

    def end(self, how, *domains):
        for domain in domains:
            if how == "destroy":
                self.libvirt.virsh("destroy", domain)
            else:
                self.machine.kill(self.libvirt.qemu(domain))
        self.libvirt.wait_gone(*domains)

    def qemu_opens(self, domain):
        """How often the domain's QEMU has each device node open."""
        folder = self.machine.path(f"/proc/{self.libvirt.qemu(domain)}/fd")
        names = [os.readlink(f"{folder}/{number}") for number in os.listdir(folder)]
        return {name: names.count(name) for name in set(names)}


def device_number(path):
    number = os.stat(path).st_rdev
    return os.major(number), os.minor(number)


@pytest.fixture(scope="module")
def module_site():
    for module in ("kvm_amd", "kvm_intel"):
        subprocess.run(["modprobe", "-q", module], check=False)
    if not os.path.exists("/dev/kvm"):
        pytest.skip("libvirt opens vhost-net for KVM only, which the lab's processor does not offer")
    with contextlib.closing(Site()) as site:
        yield site


@pytest.fixture
def site(request, module_site):
    yield from check_afterwards(request, module_site)


def ports_by_network(site):
    return {port["network"]: port for port in site.daemon.ports()}


def check_parent(port, parent, trunk=None):
    assert (port["parent"], port.get("trunk"), port["linkUp"]) == (parent, trunk, True)


def check_queues(site, domain, port, queues):
    opens = site.qemu_opens(domain)
    assert (opens[port["deviceNode"]], opens["/dev/vhost-net"]) == (queues, queues)


@pytest.mark.long
@pytest.mark.parametrize("how", ENDS)
def test_vlan_with_vhost_net(site, how):
    """No guest runs: QEMU has its queues and vhost-net, and nothing of it stays."""
    site.define_template("idle", "vlan", "domain-multiqueue")
    site.libvirt.virsh("start", "--paused", "idle")
    (port,) = site.daemon.ports()
    check_parent(port, f"bond0.{VLAN}", "bond0")
    check_queues(site, "idle", port, QUEUES)
    site.end(how, "idle")
    assert site.left() == []


@pytest.mark.long
def test_passthru_with_another_mac(site):
    site.define_template("other", "passthru", "domain", "--mac", "52:54:00:00:4d:08", fit=False)
    done = site.libvirt.virsh("start", "other", check=False)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if "macvtapd: " in line]
    assert site.machine.mac("bond1") in line and "52:54:00:00:4d:08" in line and "Mac=assign" in line
    assert site.left() == []


@pytest.mark.long
def test_templates_20_times(site):
    networks = {"bond": "domain", "vlan": "domain", "multiqueue": "domain-multiqueue", "passthru": "domain"}
    for network, template in networks.items():
        site.define_template(network, network, template)
    for number in range(20):
        for network in networks:
            site.libvirt.virsh("start", "--paused", network)
        ports = ports_by_network(site)
        assert sorted(ports) == sorted(networks)
        for network, port in ports.items():
            check_parent(port, *PARENTS[network])
            check_queues(site, network, port, QUEUES if network == "multiqueue" else 1)
        assert ports["passthru"]["macAddress"] == site.machine.mac("bond1")
        site.end(ENDS[number % len(ENDS)], *networks)
        assert site.left() == []


@pytest.mark.long
@pytest.mark.parametrize("how", ENDS)
def test_guest_pings(site, how):
    """One guest with a port on the bond, one on the VLAN with vhost-net and queues, and the other bond for itself."""
    ports = [Port("vm-bond", "bond"), Port("vm-vlan", "vlan", queues=QUEUES, driver="vhost"),
             Port("vm-own", "passthru", mac=site.machine.mac("bond1"))]
    addresses = [STATIONS[port.network].replace("254", "1/24") for port in ports]
    site.libvirt.define(guest_xml("guest", ports, addresses, STATIONS.values(), kind="kvm"))
    site.libvirt.virsh("start", "guest")
    made = ports_by_network(site)
    for port in ports:
        check_parent(made[port.network], *PARENTS[port.network])
        assert made[port.network]["macAddress"] == port.mac
    console = site.console("guest")
    for number, port in enumerate(ports):
        console.wait_line(rf"GUEST \S+ READY interface=eth{number} mac={port.mac} ")
    for address in STATIONS.values():
        console.wait_ping(address)
    opens = site.qemu_opens("guest")
    assert [opens[made[port.network]["deviceNode"]] for port in ports] == [1, QUEUES, 1]
    assert opens["/dev/vhost-net"] == QUEUES + 2
    site.end(how, "guest")
    assert site.left() == []
