# SPDX-License-Identifier: LGPL-2.1-or-later
"""The commands of README.md and docs/recipes.md for libvirt, as they stand."""
import os

import pytest

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
        (tmp_path / "vm1.xml").write_text(domain_xml("vm1", devices=devices), encoding="utf-8")
        run("virsh define vm1.xml")

    run.define = define
    yield run
    run("virsh destroy vm1; virsh undefine vm1")


def held(site):
    return [(port["macAddress"], port["holder"]["type"], port["openQueues"]) for port in site.daemon.ports()]


def test_quick_start(site, shell):
    """The two commands for a domain, without a disk that would boot."""
    shell("mkdir -p /var/lib/libvirt/images; qemu-img create -q -f qcow2 /var/lib/libvirt/images/vm1.qcow2 1M")
    for command in commands(block("README.md", "From a bare Debian 12 to the first ping", 1))[1:]:
        shell(command)
    ((_, holder, _),) = held(site)
    assert holder == "domain"


def test_attach_and_start(site, shell):
    shell.define()
    for command in commands(block("README.md", "Start a VM", 6)):
        shell(command)
    ((_, holder, _),) = held(site)
    assert holder == "domain"


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
