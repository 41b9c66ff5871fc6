# SPDX-License-Identifier: LGPL-2.1-or-later
"""README's quick start from a bare Debian 12 to the first ping, and the recipes that need systemd or a whole guest: each line as it
stands.

Theory of operation: the machine has what README's first command installs, since it has no network that could bring it, and the
repository's address means a copy of this tree there. Its first NIC is eth0, as in the documents. disk.qcow2 is a disk that boots, with a
guest that answers pings.

The machine's processor is emulated, and compiling there would take an hour. So the command that builds and installs runs as root of the
machine's own disk, mounted beside the machine, with the same compiler and libraries; what it has written is then copied into the machine.
"""
import re
import shutil
import subprocess

import pytest

from clock import Deadline
from debian import BOOT, INSTALL, CommandFailed, OnDisk
from documents import block, commands
from guest import KERNEL_WORDS
from programs import SOURCE, image

pytestmark = pytest.mark.long

QUICK_START = block("README.md", "From a bare Debian 12 to the first ping", 0).splitlines()

ETH0 = "sed -i s/lan0/eth0/ /etc/systemd/network/10-lan0.link /etc/network/interfaces\n"
GUEST, SECOND, HOST = "10.0.0.2", "10.0.0.3", "192.168.1.5"
MOUNT = "mountpoint -q /mnt || mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 stage /mnt"


@pytest.fixture(scope="module")
def host(machines):
    made = machines(setup=ETH0)
    shutil.copy(SOURCE / "tests/support/guest/boot-disk", made.stage)
    made.run(MOUNT)
    made.station()
    made.run("ip -n station addr add 192.168.1.1/24 dev wire0")
    make_disk(made, "/root/disk.qcow2", GUEST)
    made.run("modprobe kvm_amd; chgrp kvm /dev/kvm; chmod 660 /dev/kvm")
    return made


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A git repository of this tree, as it is."""
    folder = tmp_path_factory.mktemp("tree") / "source"
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("build", "build-*", ".git", "__pycache__", ".pytest_cache"))
    for words in ["init", "-q"], ["add", "-A"], ["-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "-qm", "all"]:
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


def make_disk(host, path, address):
    words = f"{KERNEL_WORDS} guest.name=web guest.ip={address}/24 guest.end=shell"
    host.run(f"{MOUNT}; /mnt/boot-disk {path} {image('guest').replace('/run/images', '/srv')} {words}")


def wait_ping(host, address):
    """The station reaches it, at last: ping gives up on an address that does not answer ARP."""
    host.until(f"ip netns exec station ping -q -c 2 -w 60 {address}")


def begin_vm(host, command, address, folder="/root"):
    """Run a command that becomes a VM, until that answers pings."""
    host.begin(f"cd {folder}; {command}")
    wait_ping(host, address)


def start_domain(host, line):
    """A line that starts a domain. libvirt's hook gives macvtapd 1.5 s, which is not much for an emulated processor on a busy machine."""
    deadline = Deadline(BOOT)
    while True:
        try:
            return host.run(f"cd /root; {line}")
        except CommandFailed as error:
            if "did not answer within" not in error.errors or deadline.left() == 0:
                raise


def end_vms(host):
    """Nothing of a test stays for the next one, however it ended."""
    host.run("systemctl disable --now $(systemctl list-units --all --plain --no-legend 'vm@*' 'macvtap-port@*' | cut -d' ' -f1) || true;"
             " for name in $(virsh list --all --name); do virsh destroy $name; virsh undefine $name; done;"
             " kill $(pidof qemu-system-x86_64) || true")
    host.until("! pidof qemu-system-x86_64")
    host.run("macvtapctl port delete --all")
    host.until("! ip -o link show type macvtap | grep . && ! macvtapctl port list | grep -v ^NAME")


def install_without_readme(host):
    """For the other tests."""
    host.run(f"command -v macvtapd || {{ {MOUNT}; {INSTALL.replace('lan0', 'eth0')}"
             "systemctl enable --now macvtapd.socket macvtapd.service; systemctl try-reload-or-restart libvirtd; }")


def check_example(host):
    """README's program in C compiles with what its first two commands have brought, and finds the library."""
    host.write("/root/vmm.c", block("README.md", "Start a VM", 4))
    (line,) = set(re.findall(r"`(cc vmm.c [^`]*)`", (SOURCE / "README.md").read_text(encoding="utf-8")))
    host.run(f"cd /root; ldconfig; {line}")
    assert "is it running" in host.fails("/root/a.out")


def test_quick_start_and_uninstall(host, tree):
    """Five commands to the first ping, one more for the second VM; and macvtapd goes again."""
    host.run("! command -v macvtapd")
    packages, install, network, enable, vm = QUICK_START
    host.run(packages)
    disk = OnDisk(host)
    disk.copy(tree, "/root/source")
    disk.run("git config --system url./root/source.insteadOf https://github.com/macvtapd/macvtapd")
    disk.run(f"cd /root; {install}")
    disk.hand_over()
    check_example(host)
    for line in network, enable:
        host.run(f"cd /root; {line}")
    begin_vm(host, vm, GUEST)
    make_disk(host, "/root/second.qcow2", SECOND)
    begin_vm(host, vm.replace("-name web", "-name mail").replace("disk.qcow2", "second.qcow2"), SECOND)
    assert {port["name"] for port in host.ports()} == {"web", "mail"}
    end_vms(host)
    for line in commands(block("README.md", "Install, uninstall, develop", 0)):
        host.run(f"cd /root; {line}")
    host.run("! command -v macvtapd && [ ! -e /usr/lib/systemd/system/macvtapd.service ]")


def test_quick_start_with_libvirt(host):
    """Five commands with the two that are the same, and two for the second domain; libvirtd may be asleep by then."""
    install_without_readme(host)
    end_vms(host)
    host.run("cp /root/disk.qcow2 /var/lib/libvirt/images/vm1.qcow2")
    lines = commands(block("README.md", "From a bare Debian 12 to the first ping", 1))
    assert len(lines) == 3
    for line in lines:
        start_domain(host, line)
    wait_ping(host, GUEST)
    make_disk(host, "/var/lib/libvirt/images/vm2.qcow2", SECOND)
    for line in lines[1:]:
        start_domain(host, line.replace("vm1", "vm2"))
    wait_ping(host, SECOND)


@pytest.fixture
def site(host):
    """The network lan of the README, which alice may use, and a disk of hers. No VM is left from before."""
    install_without_readme(host)
    end_vms(host)
    host.write("/etc/macvtapd/networks.d/lan.network", block("README.md", "Start a VM", 0))
    host.run("macvtapctl reload; rm -rf /tmp/desk; install -d -o alice /tmp/desk /var/lib/vms;"
             " install -o alice /root/disk.qcow2 /tmp/desk/disk.qcow2; install -o alice /root/disk.qcow2 /var/lib/vms/web.qcow2")
    return host


def test_libvirt_in_short(site):
    """A domain that is there gets a port, also while libvirtd sleeps."""
    site.define("vm1", address=GUEST)
    site.run("systemctl stop libvirtd")
    for line in commands(block("docs/libvirt.md", "In short", 0)):
        start_domain(site, line)
    wait_ping(site, GUEST)


def test_sudo(site):
    begin_vm(site, *commands(block("docs/recipes.md", "sudo, and other programs in front of QEMU", 0)), GUEST, "/tmp/desk")
    alice = int(site.run("id -u alice"))
    assert [port["owner"] for port in site.ports()] == [alice]
    end_vms(site)


def test_cloud_image(site):
    """The guest is not a cloud image, but its second disk is what cloud-init reads."""
    site.write("/tmp/desk/user-data", block("docs/recipes.md", "A cloud image with cloud-init", 1))
    site.write("/tmp/desk/network-config", block("docs/recipes.md", "A cloud image with cloud-init", 2))
    site.run("cp /root/disk.qcow2 /tmp/desk/debian-12-genericcloud-amd64.qcow2")
    *before, start = commands(block("docs/recipes.md", "A cloud image with cloud-init", 3))
    for command in before:
        site.run(f"cd /tmp/desk; {command}")
    assert site.run("blkid -o value -s LABEL /tmp/desk/seed.img").strip() == "cidata"
    begin_vm(site, start, GUEST, "/tmp/desk")
    (mac,) = set(re.findall(r"52:54:[0-9a-f:]+", site.run("cat /tmp/desk/network-config")))
    assert [port["macAddress"] for port in site.ports()] == [mac]
    end_vms(site)


def test_log_and_doctor(site):
    """The commands of log.md and of guests.md that read the journal; the log has a port called web by now."""
    site.run("macvtapctl port create --network lan --name web && macvtapctl port delete web")
    *lines, by_field = [*commands(block("docs/log.md", "The log", 0))]
    for line in [*lines, *commands(block("docs/guests.md", "1. Ask macvtapd", 0))[2:]]:
        assert "port web created on lan" in site.run(line), line
    site.run(by_field)


SCRAPE = ("import socket, sys; s = socket.socket(getattr(socket, sys.argv[1])); s.connect(eval(sys.argv[2]));"
          " s.sendall(b'GET /metrics HTTP/1.0\\r\\n\\r\\n'); print(s.makefile().read())")


def test_metrics(site):
    """The commands and the drop-in of metrics.md; the page is then at the port, and at the file."""
    for line in commands(block("docs/metrics.md", "Scraping", 0)):
        site.run(line)
    assert "macvtapd_network_usable" in site.run(f'python3 -c "{SCRAPE}" AF_INET "(\'127.0.0.1\', 9982)"')
    site.run("mkdir -p /etc/systemd/system/macvtapd-metrics.socket.d")
    site.write("/etc/systemd/system/macvtapd-metrics.socket.d/override.conf", block("docs/metrics.md", "Scraping", 1))
    site.run("systemctl daemon-reload; systemctl restart macvtapd-metrics.socket")
    assert "macvtapd_network_usable" in site.run(f'python3 -c "{SCRAPE}" AF_UNIX "\'/run/macvtapd-metrics.sock\'"')
    assert site.run("stat -c '%a %G' /run/macvtapd-metrics.sock").strip() == "660 www-data"
    site.run("systemctl disable --now macvtapd-metrics.socket; rm -r /etc/systemd/system/macvtapd-metrics.socket.d; systemctl daemon-reload")


def test_units(site):
    """A VM and a port as services: started, stopped by the power button, and there again after a reboot."""
    site.write("/etc/systemd/system/vm@.service", block("docs/recipes.md", "A VM as a systemd service", 0))
    site.write("/etc/systemd/system/macvtap-port@.service", block("docs/recipes.md", "Ports that come back after a reboot", 0))
    for line in (*commands(block("docs/recipes.md", "A VM as a systemd service", 1)),
                 *commands(block("docs/recipes.md", "Ports that come back after a reboot", 1))):
        site.run(line)
    wait_ping(site, GUEST)
    before = {port["name"]: port["macAddress"] for port in site.ports()}
    assert set(before) == {"web", "mail"}
    # The guest listens to its power button a moment after it answers pings.
    site.run("systemctl restart vm@web")
    wait_ping(site, GUEST)
    site.run("systemctl stop vm@web")
    assert "terminating on signal" not in site.run("journalctl -b -u vm@web --no-pager -o cat")
    assert [port["name"] for port in site.ports()] == ["mail"]
    site.reboot()
    site.station()
    wait_ping(site, GUEST)
    assert {port["name"]: port["macAddress"] for port in site.ports()} == before
    site.run("systemctl disable --now vm@web macvtap-port@mail")
    assert site.ports() == []


@pytest.fixture
def configurable(site):
    """Where the recipes configure the host's network; afterwards that is as Debian's installer left it."""
    site.run("cp /etc/network/interfaces /run/interfaces; ip -n station addr replace 192.168.1.1/24 dev wire0")
    yield site
    end_vms(site)
    site.run("rm -f /etc/systemd/network/[23]0-*; systemctl stop systemd-networkd.socket systemd-networkd;"
             " for name in hostlan bond0; do [ ! -e /sys/class/net/$name ] || ip link del $name; done;"
             " cp /run/interfaces /etc/network/interfaces; systemctl restart networking")


@pytest.fixture
def addressed(configurable):
    """The same with a guest on eth0."""
    begin_vm(configurable, "macvtap-run -n lan -- qemu-system-x86_64 -accel kvm -m 128 -nographic disk.qcow2", GUEST, "/tmp/desk")
    return configurable


def check_host_access(site):
    site.until(f"ip -o addr show dev hostlan | grep -w {HOST}")
    site.until(f"ping -c 1 -W 5 -I {HOST} 192.168.1.1")
    # The test's guest has another subnet than the recipe's addresses.
    site.run("ip addr add 10.0.0.77/24 dev hostlan")
    site.run(f"ping -c 2 -w 60 -I hostlan {GUEST}")


def test_host_access_by_ifupdown(addressed):
    addressed.run("ip addr flush dev eth0")
    addressed.write("/etc/network/interfaces", "auto lo\niface lo inet loopback\n" + block("docs/recipes.md", "Host access", 1))
    addressed.run("systemctl restart networking")
    check_host_access(addressed)


def test_host_access_by_networkd(addressed):
    addressed.run("ip addr flush dev eth0; rm /etc/network/interfaces")
    addressed.write("/etc/systemd/network/20-eth0.network", block("docs/recipes.md", "Host access", 2))
    addressed.write("/etc/systemd/network/20-hostlan.netdev", block("docs/recipes.md", "Host access", 3))
    addressed.write("/etc/systemd/network/20-hostlan.network", block("docs/recipes.md", "Host access", 4))
    addressed.run("systemctl start systemd-networkd")
    check_host_access(addressed)


def test_bond_by_networkd(configurable):
    """What the recipe has for the guest, in this machine: its NIC is in the bond, which finds its gateway by ARP."""
    site = configurable
    site.run("ip addr flush dev eth0; rm /etc/network/interfaces")
    site.write("/etc/systemd/network/30-bond0.netdev", block("docs/recipes.md", "A bond in the guest", 1))
    site.write("/etc/systemd/network/30-nics.network", block("docs/recipes.md", "A bond in the guest", 2))
    site.write("/etc/systemd/network/30-bond0.network", block("docs/recipes.md", "A bond in the guest", 3))
    site.run("systemctl start systemd-networkd")
    site.until("grep -w eth0 /sys/class/net/bond0/bonding/slaves")
    assert site.run("cat /sys/class/net/bond0/bonding/mode").split()[0] == "active-backup"
    site.run("ip addr add 192.168.1.40/24 dev bond0")  # the station has no DHCP server
    site.until("ping -c 1 -W 5 192.168.1.1")
    site.until("grep -w eth0 /sys/class/net/bond0/bonding/active_slave")
