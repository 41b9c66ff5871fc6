# SPDX-License-Identifier: LGPL-2.1-or-later
"""The commands of README.md and docs/, as they stand: each starts its VM, with the ports and MACs that it should have. (What needs
systemd or a guest's boot is in systemd/test_documents.py, libvirt in libvirt/test_documents.py.)"""
import subprocess

import pytest

import guest
from desk import Desk, compile_example
from documents import block, commands
from programs import image


@pytest.fixture
def desk(daemon, host, hosts):
    """The networks that the documents name, each on a parent of its own; eth0 is lan's."""
    far = hosts("far")
    for number, name in enumerate(("dmz", "left", "right", "trunk"), 1):
        parent = f"eth{number}" if name != "trunk" else "eth9"
        host.connect(parent, far, parent)
        daemon.network(name, parent, "passthru" if name == "trunk" else "bridge")
    daemon.reload()
    made = Desk(daemon)
    yield made
    made.close()


VMS = [
    (block("README.md", "Start a VM", 1), [1, 2]),
    (block("README.md", "Start a VM", 2), [1]),
    (block("README.md", "Start a VM", 3), [1]),
    (block("docs/recipes.md", "A microvm", 0), [1]),
    (block("docs/recipes.md", "sudo, and other programs in front of QEMU", 1), [1]),
    (block("docs/recipes.md", "sudo, and other programs in front of QEMU", 2), [1, 1]),
    (block("docs/recipes.md", "Another network card", 0), [1, 1, 1]),
    (block("docs/recipes.md", "A bond in the guest", 0), [2]),
    (block("docs/vmm.md", "For authors of VMMs", 0), [1, 1]),
]


def test_vms(desk):
    """Commands that start a VM, and how many ports that has."""
    for name, there in ("vmlinuz", image("kernel")), ("initrd.img", image("guest")), ("kernel8.img", image("guest")):
        (desk.folder / name).symlink_to(there)
    desk.run("/usr/bin/qemu-system-aarch64 -M virt,dumpdtb=raspi3b.dtb -display none")
    for text, ports in VMS:
        assert [len(desk.vm(command)) for command in commands(text)] == ports, text
