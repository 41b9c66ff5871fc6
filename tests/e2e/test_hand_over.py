# SPDX-License-Identifier: LGPL-2.1-or-later
"""How a guest without DHCP learns its lease, each way as docs/recipes.md has it, and with a guest that really reads it: Debian's
initrd (ip=), and cloud-init with netplan of a Debian cloud image. The station is the gateway; an address of its own beyond the network is
reached by the guest's default route only."""
import pathlib
import re
import shlex
import subprocess

import pytest

import guest
from clock import Deadline
from document_shell import DocumentShell
from documents import block, commands
from programs import INSIDE_IMAGES, SOURCE, image_folder, images, program

GATEWAY, BEYOND, GATEWAY6 = "192.168.1.1", "10.99.0.1", "fd12::1"
LAN = f"""[Network]
Parent=eth0
Mode=bridge
[Addresses]
Subnet=192.168.1.0/24 fd12::/64
Range=192.168.1.32/27
Gateway={GATEWAY} {GATEWAY6}
DNS={GATEWAY}
Search=example.net
"""


@pytest.fixture
def desk(daemon, station):
    daemon.network("lan", text=LAN)
    daemon.reload()
    station.address("eth0", f"{GATEWAY}/24")
    station.address("lo", BEYOND)
    made = DocumentShell(daemon)
    yield made
    made.close()


def lease(daemon, prefix="192.168.1."):
    """The one port's address with this beginning, without its length."""
    (port,) = daemon.ports()
    (found,) = [address for address in port["addresses"] if address.startswith(prefix)]
    return found.split("/")[0]


def cloud_image():
    """Paths by name inside a host: disk, kernel, initrd."""
    done = subprocess.run([SOURCE / "tests/support/guest/cloud-image"], stdout=subprocess.PIPE, text=True, check=True)
    return {name: f"{INSIDE_IMAGES}/{pathlib.Path(path).relative_to(image_folder())}"
            for name, path in (line.split("=", 1) for line in done.stdout.splitlines())}


def start_by_itself(desk, command, *more):
    """A recipe's QEMU on an emulated processor, its console in the desk's log, with more arguments than stand there."""
    words = " ".join(map(shlex.quote, ["-accel", "tcg", "-monitor", "none", *more]))
    desk.host.run("sh", "-c", f"printf '#!/bin/bash\\nexec /usr/bin/qemu-system-x86_64 \"${{@/#kvm/tcg}}\" %s\\n' "
                              f"{shlex.quote(words)} >/usr/local/bin/qemu-system-x86_64")
    with open(desk.folder / "log", "wb") as stream:
        return desk.begin(f"exec {command}", stdout=stream, stderr=stream)


def wait_reached(desk, station, address, running):
    """The gateway reaches it, also from beyond the network."""
    deadline = Deadline(200)
    while station.run("busybox", "ping", "-c", "1", "-W", "1", "-I", BEYOND, address, check=False).returncode != 0:
        assert deadline.left() and running.poll() is None, desk.log()[-5000:]
    running.kill()
    running.wait()


def test_fw_cfg(desk):
    """The recipe's guest starts, with its address where fw_cfg has it."""
    (command,) = commands(block("docs/recipes.md", "An address on the kernel's command line", 1))
    running = desk.start(command)
    running.check_qemu()
    words = pathlib.Path(f"/proc/{running.process.pid}/cmdline").read_bytes().decode().split("\0")
    assert f"name=opt/org.example/address,string={lease(desk.daemon)}/24" in words
    running.end()


def vfat_initrd(folder):
    """The guest's initrd, with what a disk of FAT needs, and a first program that shows what is on it."""
    (folder / "modules").mkdir()
    for name in "virtio_blk", "fat", "vfat", "nls_cp437", "nls_ascii":
        (found,) = pathlib.Path(images()["modules"]).rglob(f"{name}.ko")
        (folder / "modules" / found.name).write_bytes(found.read_bytes())
    (folder / "init").write_text("""#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev
exec </dev/console >/dev/ttyS0 2>&1
for module in $(cat /modules/order) virtio_blk.ko nls_cp437.ko nls_ascii.ko fat.ko vfat.ko; do insmod /modules/$module; done
echo "GUEST LABEL $(dd if=/dev/vda1 bs=1 skip=43 count=11 2>/dev/null)"
mount -t vfat -o ro /dev/vda1 /mnt/root
for file in /mnt/root/*; do sed "s,^,$file: ," $file; done
echo GUEST DONE
exec sleep 2147483647
""", encoding="utf-8")
    (folder / "init").chmod(0o755)
    subprocess.run(f"(cat {shlex.quote(images()['guest'])}; find init modules | cpio -o -H newc --quiet | gzip -1) >initrd", shell=True,
                   cwd=folder, check=True)
    return folder / "initrd"


def test_seed_disk(desk, guests, tmp_path):
    """A guest finds the disk by its label, and on it the user's own files and its lease, as cloud-init's command prints it, too."""
    seed = desk.folder / "seed"
    seed.mkdir()
    (seed / "user-data").write_text("#cloud-config\nhostname: mine\n", encoding="utf-8")
    initrd = vfat_initrd(tmp_path)
    line = [program("macvtap-run"), "-n", f"lan,seed={seed}", "--", *guest.qemu_command("", name="web"), "-name", "web"]
    line[line.index("-initrd") + 1] = initrd
    running = guests(guest.Guest, desk.host, line, env=desk.daemon.environment())
    running.wait_line("GUEST DONE")
    assert "GUEST LABEL CIDATA     " in running.lines, running.lines
    (port,) = desk.daemon.ports()
    found = {}
    for text in running.lines:
        match = re.match(r"/mnt/root/(\S+): (.*)", text)
        if match:
            found.setdefault(match.group(1), []).append(match.group(2))
    assert sorted(found) == ["meta-data", "network-config", "user-data"], running.lines
    assert found["user-data"] == ["#cloud-config", "hostname: mine"] and 'local-hostname: "web"' in found["meta-data"]
    shown = desk.daemon.ctl("port", "cloud-init", "web").stdout.splitlines()
    assert found["network-config"][1:] == shown, running.lines
    ethernet = desk.daemon.ctl_json("port", "cloud-init", "web")["ethernets"]["macvtap0"]
    assert ethernet["match"] == {"macaddress": port["macAddress"]} and ethernet["addresses"] == port["addresses"]
    assert ethernet["routes"] == [{"to": "0.0.0.0/0", "via": GATEWAY}, {"to": "::/0", "via": GATEWAY6}]
    assert ethernet["nameservers"] == {"addresses": [GATEWAY], "search": ["example.net"]}
    assert "dhcp4" not in ethernet


def test_refusals(desk):
    """Nothing starts, and no port stays."""
    desk.daemon.network("bare", "eth0")
    desk.daemon.reload()
    for words, message in ((["-n", "bare", "--", "qemu-system-x86_64", "-append", "{address}"], "port web has no address"),
                           (["-n", "lan,seed=a", "-n", "lan,seed=b", "--", "qemu-system-x86_64"], "seed= is given twice"),
                           (["-n", "lan,seed=a", "--", "cloud-hypervisor", "fd={fd},mac={mac}"], "seed= adds a disk to QEMU"),
                           (["-n", "lan,seed=/nonexistent/a", "--", "qemu-system-x86_64"], "cannot make /nonexistent/a")):
        if "qemu-system-x86_64" in words:
            words = [*words, "-name", "web"]
        done = desk.run("macvtap-run " + " ".join(map(shlex.quote, words)), check=False)
        assert done.returncode == 125 and message in done.stderr, done.stderr
    assert desk.daemon.settle() == []


@pytest.mark.long
def test_kernel_command_line(desk, station):
    """Debian's initrd reads ip= and sets the address, host name and default route before it looks for its root."""
    made = cloud_image()
    for name in ("kernel", "initrd"):
        desk.host.run("ln", "-s", made[name], desk.folder / {"kernel": "vmlinuz", "initrd": "initrd.img"}[name])
    (command,) = commands(block("docs/recipes.md", "An address on the kernel's command line", 0))
    running = start_by_itself(desk, command)
    wait_reached(desk, station, wait_lease(desk), running)


def wait_lease(desk):
    deadline = Deadline()
    while not desk.daemon.ports():
        assert deadline.left(), desk.log()
    return lease(desk.daemon)


@pytest.mark.long
def test_cloud_image(desk, station):
    """cloud-init finds the disk, and netplan and networkd set what it says."""
    made = cloud_image()
    desk.run(f"qemu-img create -q -f qcow2 -F raw -b {made['disk']} web.qcow2")
    mkdir, command = commands(block("docs/recipes.md", "A cloud image with an address of the network's", 0))
    desk.run(mkdir)
    (desk.folder / "seed/user-data").write_text(block("docs/recipes.md", "A cloud image with an address of the network's", 1), encoding="utf-8")
    running = start_by_itself(desk, command, "-kernel", made["kernel"], "-initrd", made["initrd"],
                              "-append", "root=/dev/vda rw console=ttyS0 mitigations=off tsc=reliable no_timer_check")
    address = wait_lease(desk)
    (given,) = commands(block("docs/recipes.md", "A cloud image with an address of the network's", 2))
    desk.run(given)
    assert f'"{address}/24"' in (desk.folder / "network-config").read_text(encoding="utf-8")
    wait_reached(desk, station, address, running)
