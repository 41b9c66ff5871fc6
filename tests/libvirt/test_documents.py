# SPDX-License-Identifier: LGPL-2.1-or-later
"""The commands of README.md and docs/recipes.md for libvirt, as they stand."""
import os

import pytest

import virtinst
from documents import block, commands
from domain import domain_xml
from programs import INSIDE_BUILD

DIRECT = "<interface type='direct'><mac address='52:54:00:00:00:0d'/><source dev='eth0' mode='bridge'/><model type='virtio'/></interface>"


@pytest.fixture
def shell(site, tmp_path):
    """shell(command): run it in the machine, in a folder of the test's."""
    environment = {**site.daemon.environment(), "PATH": f"{INSIDE_BUILD}/src/tools:{os.environ['PATH']}",
                   "MACVTAPD_SOCKET": "/run/macvtapd/socket"}

    def run(command):
        return site.machine.run("bash", "-c", f"cd {tmp_path}; {command}", env=environment).stdout

    def define(devices=""):
        write("vm1.xml", domain_xml("vm1", devices=devices))
        run("virsh define vm1.xml")

    def write(name, text):
        (tmp_path / name).write_text(text, encoding="utf-8")

    def begin(command):
        """Start a command of virt-install's."""
        return site.machine.start("bash", "-c", f"cd {tmp_path}; exec {command}", env={**environment, **virtinst.ENVIRONMENT, "PATH": environment["PATH"]})

    run.define, run.write, run.begin = define, write, begin
    yield run
    run("virsh destroy vm1; virsh undefine vm1")


def held(site):
    return [(port["macAddress"], port["holder"]["type"], port["openQueues"]) for port in site.daemon.ports()]


def test_quick_start(site, shell):
    """The two commands for a domain, without a disk that would boot."""
    shell("mkdir -p /var/lib/libvirt/images; qemu-img create -q -f qcow2 /var/lib/libvirt/images/vm1.qcow2 1M")
    for command in commands(block("README.md", "From a bare Debian 12 to the first ping", 1))[1:]:
        shell(command)
    ((mac, holder, _),) = held(site)
    assert holder == "domain" and mac.startswith("52:54:00:")


def test_attach_and_start(site, shell):
    shell.define()
    for command in commands(block("README.md", "Start a VM", 6)):
        shell(command)
    ((_, holder, _),) = held(site)
    assert holder == "domain"


def start_installing(site, shell, command):
    """virt-install waits for the end of the installation: begin it, until its domain runs with its port."""
    with site.daemon.connect() as watcher:
        watcher.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
        assert watcher.reply() == {"event": "ready"}
        running = shell.begin(command)
        try:
            while [(port["holder"]["type"], port["linkUp"]) for port in site.daemon.ports()] != [("domain", True)]:
                watcher.reply()
        finally:
            shell("virsh destroy vm1; true")
            running.wait()


@pytest.mark.long
@pytest.mark.parametrize("text", [block("docs/libvirt.md", "In short", 1),
                                  block("docs/recipes.md", "A libvirt domain that boots from the network", 0)], ids=["libvirt", "recipe"])
def test_virt_install_and_clone(site, shell, text):
    """The first boot has its port; so has the clone, once it is repaired."""
    # Room for the disk, of which nothing is written.
    shell("mkdir -p /var/lib/libvirt/images; mount -t tmpfs -o size=64G images /var/lib/libvirt/images")
    (install,) = commands(text)
    start_installing(site, shell, install)
    for command in commands(block("docs/recipes.md", "A libvirt domain that boots from the network", 1)):
        shell(command)
    shell("virsh start vm2")
    assert [port[1] for port in held(site)] == ["domain"]
    shell("virsh destroy vm2; virsh undefine vm2; umount /var/lib/libvirt/images")


def test_pieces_by_hand(site, shell):
    """The interface and the metadata that stand in libvirt.md make a port."""
    interface, metadata = block("docs/libvirt.md", "By hand", 0), block("docs/libvirt.md", "By hand", 1)
    shell.write("vm1.xml", domain_xml("vm1", devices=interface).replace("<devices>", f"{metadata}<devices>", 1))
    shell("virsh define vm1.xml; virsh start vm1")
    assert [port[:2] for port in held(site)] == [("52:54:00:12:34:56", "domain")]


def test_from_direct_and_back(site, shell):
    """The guest keeps its MAC both ways. (libvirt cannot start the domain as it was: that takes a /dev with udev.)"""
    shell.define(DIRECT)
    for command in commands(block("docs/recipes.md", "From libvirt's type='direct'", 0)):
        shell(command)
    assert [port[:2] for port in held(site)] == [("52:54:00:00:00:0d", "domain")]
    assert "direct" not in shell("virsh domiflist vm1")
    shell("virsh destroy vm1")
    for command in commands(block("docs/recipes.md", "From libvirt's type='direct'", 2)):
        shell(command)
    assert "direct" in shell("virsh domiflist vm1") and "52:54:00:00:00:0d" in shell("virsh domiflist vm1")
    assert "macvtapd" not in shell("virsh dumpxml vm1")
    for command in commands(block("docs/recipes.md", "From libvirt's type='direct'", 1)):
        shell(command)
    assert "direct" not in shell("virsh domiflist vm1") and "52:54:00:00:00:0d" in shell("virsh domiflist vm1")
    # libvirt.md has the same in short.
    shell("virsh destroy vm1; virsh undefine vm1")
    shell.define(DIRECT)
    for command, kind in zip(commands(block("docs/libvirt.md", "From `type='direct'`, and back", 0)), ("ethernet", "direct")):
        shell(command)
        assert [line.split()[1] for line in shell("virsh domiflist vm1").splitlines()[2:] if line] == [kind]
