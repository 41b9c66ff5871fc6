# SPDX-License-Identifier: LGPL-2.1-or-later
"""The commands of README.md and docs/, as they stand: each starts its VM, with the ports and MACs that it should have. (What needs
systemd or a guest's boot is in systemd/test_documents.py, libvirt in libvirt/test_documents.py.)"""
import pathlib
import select
import subprocess

import pytest

import guest
from clock import Deadline
from document_shell import DocumentShell, compile_example
from documents import block, commands
from namespaces import Switch
from programs import image, images, program


@pytest.fixture
def desk(daemon):
    made = DocumentShell(daemon)
    yield made
    made.close()


def more_networks(desk, far, **parents):
    """Networks besides lan, each on a parent of its own."""
    for name, parent in parents.items():
        desk.host.connect(parent, far, parent)
        desk.daemon.network(name, parent)
    desk.daemon.reload()


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


def test_vms(desk, hosts):
    """Commands that start a VM, and how many ports that has."""
    more_networks(desk, hosts("far"), dmz="eth2", left="eth3", right="eth4")
    for name, there in ("vmlinuz", image("kernel")), ("initrd.img", image("guest")), ("kernel8.img", image("guest")):
        (desk.folder / name).symlink_to(there)
    desk.run("/usr/bin/qemu-system-aarch64 -M virt,dumpdtb=raspi3b.dtb -display none")
    for text, ports in VMS:
        assert [len(desk.vm(command)) for command in commands(text)] == ports, text


def test_port_by_hand(desk):
    """Each command finds the port that the first has made, and the last deletes it."""
    create, vm, listed, monitor, delete = commands(block("README.md", "Start a VM", 7))
    desk.run(create)
    watching, deadline, changes = desk.begin(monitor, stdout=subprocess.PIPE, text=True), Deadline(), 0
    while not select.select([watching.stdout], [], [], 0)[0]:  # it does not say when it listens
        assert deadline.left()
        changes += 1
        desk.run(f"macvtapctl port set web --description 'change {changes}'")
    assert watching.stdout.readline().split()[:2] == ["changed", "web"]
    (port,) = desk.vm(vm)
    assert "web" in desk.run(listed).stdout
    for command in commands(block("docs/recipes.md", "A port made by hand", 1)):
        assert [one["id"] for one in desk.vm(command)] == [port["id"]]
    desk.run(delete)
    assert desk.daemon.ports() == []
    create, vm = commands(block("docs/recipes.md", "A port made by hand", 0))
    desk.run(create)
    desk.vm(vm)
    desk.run(delete)


def test_daemonized(desk):
    """The port lives with the QEMU in the background, and ends with it."""
    running = desk.start(*commands(block("docs/recipes.md", "A QEMU that becomes a daemon", 0)))
    running.check_qemu()
    assert running.process.wait() == 0
    assert len(desk.daemon.ports()) == 1
    desk.run(*commands(block("docs/recipes.md", "A QEMU that becomes a daemon", 1)))
    running.monitor.close()
    assert desk.daemon.settle() == []


def test_parent_of_its_own(desk, hosts):
    """The guest has the parent's MAC, and hears frames for others."""
    far = hosts("far")
    desk.host.connect("eth1", far, "eth1")
    desk.daemon.network("trunk", text=block("docs/recipes.md", "Several MACs behind one port", 0).replace("alice", "nobody"))
    desk.daemon.reload()
    (port,) = desk.vm(*commands(block("docs/recipes.md", "Several MACs behind one port", 1)))
    assert port["macAddress"] == desk.host.mac("eth1") and port["mode"] == "passthru"


def test_looking_for_faults(desk):
    """Every command of guests.md is one that works, while a guest is there whose port has the names that stand there."""
    running = desk.start("macvtap-run -n lan,name=web,ifname=IFNAME -- qemu-system-x86_64 disk.qcow2")
    running.check_qemu()
    doctor, *commands_of_ours = commands(block("docs/guests.md", "1. Ask macvtapd", 0))[:2]
    assert desk.run(doctor, check=False).returncode in (0, 1)
    for command in [*commands_of_ours, *commands(block("docs/guests.md", "3. Count", 0))]:
        assert desk.run(command).stdout
    for command in commands(block("docs/guests.md", "4. Watch the frames", 0)):
        watching = desk.begin(f"exec {command}", stderr=subprocess.PIPE, text=True)
        assert any("listening on" in line for line in watching.stderr)
        watching.kill()
    running.end()


def test_probe(desk):
    """It says of the station on the wire that it is no gateway."""
    done = desk.run(*commands(block("docs/guests.md", "Probe the network", 0)), check=False)
    assert done.returncode == 1 and "PROBLEM  gateway: none is known" in done.stdout


def test_example_in_c(desk):
    """It gets a port, and says why it gets none."""
    example = compile_example(block("README.md", "Start a VM", 4), desk.folder)
    assert "MAC 52:54:00:" in desk.run(example).stdout
    assert desk.daemon.settle() == []
    done = desk.run(f"MACVTAPD_SOCKET=/nonexistent {example}", check=False)
    assert done.returncode == 1 and done.stderr.startswith("no port: ") and "is it running" in done.stderr


def test_example_in_python(desk):
    (desk.folder / "example.py").write_text(block("docs/vmm.md", "Asking for a port", 0), encoding="utf-8")
    mac, mtu, taps, vhosts = desk.run("/usr/bin/python3 example.py").stdout.split()
    assert mac.startswith("52:54:00:") and (mtu, taps) == ("1500", "2") and vhosts in ("0", "2")
    desk.daemon.network("lan", "nosuch0")
    desk.daemon.reload()
    assert "ParentNotFound" in desk.run("/usr/bin/python3 example.py", check=False).stderr


@pytest.mark.long
def test_host_access(desk, host, station, guests):
    """The host and its guest reach each other once the host's address is on a macvlan of its own."""
    host.address("eth0", "192.168.1.5/24")
    station.address("eth0", "192.168.1.1/24")
    for command in commands(block("docs/recipes.md", "Host access", 0)):
        desk.run(command)
    running = guests(guest.run_with_macvtap_run, desk.daemon, ["lan"], "192.168.1.40/24", ["192.168.1.5", "192.168.1.1"])
    running.wait_ping("192.168.1.5")
    running.wait_ping("192.168.1.1")
    assert "via 192.168.1.1 dev hostlan" in host.ip("route").stdout


# The guest's first program, which sets up the recipe's bond and shows what guests.md asks for.
BOND = f"""#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev
exec </dev/console >/dev/ttyS0 2>&1
for module in $(cat /modules/order) tls.ko; do insmod /modules/$module; done
insmod /modules/bonding.ko mode=active-backup arp_interval=1000 arp_ip_target=192.168.1.1
ip addr add 192.168.1.40/24 dev bond0
ip link set bond0 up
for name in eth0 eth1; do ip link set $name down; echo +$name >/sys/class/net/bond0/bonding/slaves; done
{block("docs/guests.md", "2. Compare the MACs", 0)}
exec ping 192.168.1.1
"""


def bond_initrd(folder):
    """The guest's initrd with another first program, and the module that it needs."""
    modules = pathlib.Path(images()["modules"])
    (folder / "modules").mkdir(parents=True)
    for name in "bonding", "tls":
        (found,) = modules.rglob(f"{name}.ko")
        (folder / "modules" / found.name).write_bytes(found.read_bytes())
    (folder / "init").write_text(BOND, encoding="utf-8")
    (folder / "init").chmod(0o755)
    subprocess.run("(cat $(readlink -f guest); find init modules | cpio -o -H newc --quiet | gzip -1) >initrd", shell=True,
                   cwd=folder, check=True)
    return folder / "initrd"


@pytest.mark.long
def test_bond_in_the_guest(desk, hosts, guests):
    """The guest reaches its gateway when either of its two parents goes down."""
    switch, station = Switch(hosts("switch")), hosts("gateway")
    switch.plug(station, "eth0")
    station.address("eth0", "192.168.1.1/24")
    for name, parent in ("left", "eth3"), ("right", "eth4"):
        switch.plug(desk.host, parent)
        desk.daemon.network(name, parent)
    desk.daemon.reload()
    options = commands(block("docs/recipes.md", "A bond in the guest", 0))[0].split(" -- ")[0].split()[1:]
    folder = desk.folder / "bond"
    folder.mkdir()
    (folder / "guest").symlink_to(images()["guest"])
    line = [program("macvtap-run"), *options, "--", *guest.qemu_command("", name="bond")]
    line[line.index("-initrd") + 1] = bond_initrd(folder)
    running = guests(guest.Guest, desk.host, line, env=desk.daemon.environment())
    running.wait_line("link/ether 52:54:00:00:00:0b")
    running.wait_reply()
    for down, up in ("eth3", None), ("eth4", "eth3"), ("eth3", "eth4"):
        if up:
            desk.host.ip("link", "set", up, "up")
        desk.host.ip("link", "set", down, "down")
        for _ in range(3):  # the first may have been on its way
            running.wait_reply()
