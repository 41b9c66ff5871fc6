# SPDX-License-Identifier: LGPL-2.1-or-later
"""A Debian 12 host in a virtual machine, with systemd, AppArmor and libvirt of its own, on which macvtapd is installed
as the README says.

Theory of operation: the disk (tests/systemd/image) is never written to: each machine has an overlay on it that goes with
the machine. Its first program runs a script of ours before it becomes systemd, once: so files can be installed, and
units enabled, before the first boot that has them. From then on an agent in the machine runs commands that come over a
virtio serial port. The processor is always an emulated one, because that one has what kvm needs: type=kvm works. There
is one alone: two were seen to wait for each other for ever once a guest of kvm's ran on one of them.

The machine has two NICs on one wire: lan0, which is the parent, and wire0, which the tests give to a station. All frames
on the wire are in a file of the test's.
"""
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import tempfile

from clock import Deadline
from domain import Port, domain_xml
from frames import frame
from guest import KERNEL_WORDS
from programs import BUILD, SOURCE, image_folder, images

BOOT = 300  # seconds: 20 by itself, but the tier runs beside others
WAKE = 10  # seconds without an answer: see _read_awake()
LAN_MAC, WIRE_MAC = "52:54:00:1a:b0:01", "52:54:00:1a:b0:02"

# no_timer_check and the clock: see tests/lab/run.
_KERNEL_WORDS = ("root=/dev/vda rw console=ttyS0 loglevel=4 panic=-1 oops=panic mitigations=off no_timer_check"
                 " clocksource=hpet tsc=reliable cryptomgr.notests nokaslr systemd.getty_auto=no"
                 " modprobe.blacklist=ahci,aesni_intel,crct10dif_pclmul,drm,edac_mce_amd,ghash_clmulni_intel,i2c_i801,"
                 "iTCO_wdt,pcspkr,powernow_k8,psmouse,sha512_ssse3 init=/usr/lib/macvtapd-tests/init"
                 " trace_event=module:module_load,module:module_request")

INSTALL = """
cp -a /mnt/install/. /
ldconfig
mkdir -p /etc/macvtapd/networks.d
printf '[Network]\\nParent=lan0\\nMode=bridge\\n[Access]\\nAllowUsers=alice\\n' >/etc/macvtapd/networks.d/lan.network
"""
ENABLE = "systemctl enable macvtapd.socket macvtapd.service\n"

# MACVTAPD_SYSTEMD_WITHOUT=NAME[,NAME] spoils the installation, to see that the tests notice.
_UNIT = "/usr/lib/systemd/system/macvtapd.service"
SPOILED = {
    "modprobe": f"sed -i '/modprobe@macvtap/d' {_UNIT}",
    "own-modprobe": f"sed -i '/modprobe@macvtap/d' {_UNIT}; echo macvtap >/etc/modules-load.d/other.conf",
    "network-file": "rm /usr/lib/systemd/network/05-macvtapd.network",
    "directive": f"sed -i 's/^ProtectSystem=/ProtectSystems=/' {_UNIT}",
    "docker-namespaces": "sed -i 's/^RestrictNamespaces=.*/RestrictNamespaces=yes/' /usr/lib/systemd/system/macvtapd-docker.service",
    "device-policy": f"sed -i '/^DevicePolicy=/d; /^DeviceAllow=/d' {_UNIT}",
}


HELPER = "/usr/local/libexec/qemu-macvtap-helper"

# In the machine: prints how many descriptors of macvtap and of /dev/vhost-net a process has, itself or the one named.
QUEUES = "/usr/lib/macvtapd-tests/queues"
# As what macvtap-run becomes: it makes no port for a command that does not use it.
OWN_QUEUES = f"sh -c {QUEUES} queues {{fds}} {{mac}}"
# Sends a frame, in hexadecimal digits, from an interface.
SEND = "/usr/lib/macvtapd-tests/send"


class CommandFailed(AssertionError):
    def __init__(self, command, answer):
        super().__init__(f"{command}\nended with {answer['status']}\n{answer['output']}{answer['errors']}")
        self.status, self.output, self.errors = answer["status"], answer["output"], answer["errors"]


def _image():
    done = subprocess.run([SOURCE / "tests/systemd/image"], stdout=subprocess.PIPE, text=True, check=True)
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


def _inside(name):
    """The path of an image of the guests in the machine."""
    return f"/srv/{os.path.relpath(images()[name], image_folder())}"


class Debian:
    """Boots at once; wait_booted() waits until systemd is done. setup: shell commands for before systemd runs, by
    default those that install and enable macvtapd. Files of `stage` are in /mnt then."""

    def __init__(self, setup=INSTALL + ENABLE, memory=2048):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="macvtapd-systemd."))
        self.stage = self.folder / "stage"
        self.stage.mkdir()
        self._install_into(self.stage / "install")
        spoiled = [SPOILED[name] for name in os.environ.get("MACVTAPD_SYSTEMD_WITHOUT", "").split(",") if name]
        (self.stage / "setup").write_text("\n".join([setup, *spoiled] if setup else []), encoding="utf-8")
        self._serial = self.boot_id = None
        self._rest, self._number, self._answers = b"", 0, {}
        self.image = _image()
        self._qemu = self._start(self.image, memory)

    @staticmethod
    def _install_into(folder):
        subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", folder],
                       stdout=subprocess.DEVNULL, check=True)

    def _start(self, image, memory):
        overlay, path = self.folder / "overlay", self.folder / "agent"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", image["disk"], "-F", "raw", overlay],
                       check=True)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen(1)
            line = ["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max",
                    "-M", "q35", "-m", str(memory), "-smp", os.environ.get("MACVTAPD_SYSTEMD_CPUS", "1"),
                    "-nodefaults", "-no-user-config", "-display", "none",
                    "-drive", f"file={overlay},format=qcow2,if=virtio,cache=unsafe,discard=unmap",
                    "-serial", f"file:{self.folder}/kernel.log",
                    "-device", "virtio-serial-pci", "-chardev", f"socket,id=agent,path={path}",
                    "-device", "virtserialport,chardev=agent,name=macvtapd-tests",
                    "-netdev", "hubport,id=nic0,hubid=0", "-device", f"virtio-net-pci,netdev=nic0,mac={LAN_MAC}",
                    "-netdev", "hubport,id=nic1,hubid=0", "-device", f"virtio-net-pci,netdev=nic1,mac={WIRE_MAC}",
                    "-object", f"filter-dump,id=wire,netdev=nic1,file={self.folder}/wire.pcap",
                    "-virtfs", f"local,path={self.stage},mount_tag=stage,security_model=none",
                    "-virtfs", f"local,path={image_folder()},mount_tag=guests,security_model=none,readonly=on",
                    "-kernel", image["kernel"], "-initrd", image["initrd"], "-append", _KERNEL_WORDS]
            with open(self.folder / "qemu.log", "wb") as log:
                qemu = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            try:
                Deadline().wait_readable(listener.fileno())
                self._serial = listener.accept()[0]
            except BaseException:
                qemu.kill()
                qemu.wait()
                raise
        return qemu

    # -- the agent -------------------------------------------------------------------------------------------

    def _read(self, deadline):
        deadline.wait_readable(self._serial)
        data = self._serial.recv(65536)
        if not data:
            raise EOFError(f"the machine ended:\n{self.kernel_log()}")
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            said = json.loads(line)
            if "boot" in said:
                self.boot_id = said["boot"]
            else:
                self._answers[said["id"]] = said

    def _read_awake(self, deadline):
        """The same. An emulated processor was seen to lose its timer's interrupt while a guest of kvm's ran on it, and a machine that
        waits for nothing else then stands still, until an interrupt of another kind comes: a command's."""
        try:
            self._read(Deadline(min(WAKE, deadline.left())))
        except TimeoutError:
            if deadline.left() == 0:
                raise
            self.begin(":")

    def kernel_log(self):
        text = (self.folder / "kernel.log").read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-40:])

    def begin(self, command):
        """Start a shell command; finish() gives its answer."""
        self._number += 1
        self._serial.sendall(json.dumps({"id": self._number, "command": command}).encode() + b"\n")
        return self._number

    def finish(self, number, deadline=None):
        """{"status", "output", "errors"} of a command that begin() started."""
        deadline = deadline or Deadline(BOOT)
        while number not in self._answers:
            try:
                self._read_awake(deadline)
            except TimeoutError:
                raise AssertionError(f"a command does not end; the kernel's last lines:\n{self.kernel_log()}") from None
        return self._answers.pop(number)

    def run(self, command, deadline=None):
        """The output of a shell command, run by root. CommandFailed if it fails."""
        answer = self.finish(self.begin(command), deadline)
        if answer["status"] != 0:
            raise CommandFailed(command, answer)
        return answer["output"]

    def fails(self, command):
        """What a shell command that has to fail says."""
        answer = self.finish(self.begin(command))
        assert answer["status"] != 0, f"{command}\nsucceeded:\n{answer['output']}"
        return answer["output"] + answer["errors"]

    def json(self, command):
        return json.loads(self.run(command))

    def until(self, command, deadline=None):
        """Run a command until it succeeds; returns its output."""
        deadline = deadline or Deadline(BOOT)
        while True:
            answer = self.finish(self.begin(command))
            if answer["status"] == 0:
                return answer["output"]
            if deadline.left() == 0:
                raise CommandFailed(command, answer)

    def write(self, path, text):
        self.run(f"cat >{path} <<'END_OF_FILE'\n{text}\nEND_OF_FILE")

    # -- what is in it ---------------------------------------------------------------------------------------

    def property(self, unit, name):
        return self.run(f"systemctl show --value -p {name} {unit}").strip()

    def ports(self):
        return self.json("macvtapctl --json port list")["ports"]

    def port(self, mac):
        (port,) = [port for port in self.ports() if port["macAddress"] == mac]
        return port

    def last_words(self):
        """For the report of a failure."""
        try:
            return self.run("journalctl -b -n 60 --no-pager -o short-precise", Deadline(60))
        except (AssertionError, EOFError, OSError) as error:
            return f"{error!r}\n{self.kernel_log()}"

    def assert_quiet_journal(self):
        lines = self.run("journalctl -b -p warning --no-pager -o short | "
                         "grep -E 'macvtapd?[.](service|socket)|macvtapd[[]|05-macvtapd' || true")
        lines += self.run("journalctl -b --no-pager -g 'apparmor=.DENIED' -q || true")
        assert lines == "", lines

    def start_qemu(self, name, before, arguments, user="root"):
        """QEMU in a unit of its own. before: a command that starts it, such as macvtap-run … --."""
        line = f"{before} qemu-system-x86_64 -accel kvm -M q35 -m 128 -nodefaults -no-user-config -display none" \
               f" -serial file:/run/guests/{name}.log -pidfile /run/guests/{name}.pid {arguments}"
        self.write(f"/run/guests/{name}.sh", f"exec {line.strip()}")
        self.run(f"rm -f /run/guests/{name}.log &&"
                 f" systemd-run -q --unit=guest-{name} --uid={user} sh /run/guests/{name}.sh")

    def stop_qemu(self, name):
        self.run(f"systemctl stop guest-{name}")

    def queues_of(self, name):
        """How many descriptors of macvtap and vhost-net the QEMU has: of start_qemu(), or of a domain of libvirt."""
        paths = f"/run/guests/{name}.pid /run/libvirt/qemu/{name}.pid"
        pid = self.until(f"cat {paths} 2>/dev/null | grep .").strip()
        return self.run(f"{QUEUES} {pid}").split()

    @staticmethod
    def _guest(name, address, words):
        return f"{KERNEL_WORDS} guest.name={name} guest.ip={address}/24 {words}"

    def start_guest(self, name, address, macvtap_run=None, arguments="", user="root"):
        """Boot the test's guest in QEMU, by macvtap-run with these options or with these arguments for the network."""
        words = self._guest(name, address, "guest.end=stay")
        before = f"macvtap-run {macvtap_run} --" if macvtap_run else ""
        self.start_qemu(name, before, f"-kernel {_inside('kernel')} -initrd {_inside('guest')} -append '{words}' {arguments}",
                        user)
        self.wait_line(name, "GUEST .* DONE")

    def wait_line(self, name, pattern, deadline=None):
        """Wait until the guest has written such a line on its console."""
        log = f"/run/guests/{name}.log"
        self.run(f"grep -a -q -m1 -E '{pattern}' <(exec tail -n +1 -F {log} 2>/dev/null);"
                 " found=$?; kill $! 2>/dev/null; exit $found", deadline)

    def define(self, name, ports=(), kind="kvm", boot=True, address="10.0.0.9", queues=None):
        """A domain of libvirt with these ports, [(target, network)]; if boot, it boots the test's guest."""
        words = self._guest(name, address, "guest.end=shell")
        system = f"<kernel>{_inside('kernel')}</kernel><initrd>{_inside('guest')}</initrd><cmdline>{words}</cmdline>"
        serial = f"<serial type='file'><source path='/run/guests/{name}.log' append='on'/><target port='0'/></serial>"
        found = [Port(target, network, queues=queues) for target, network in ports]
        text = domain_xml(name, found, system if boot else "<boot dev='hd'/>", serial if boot else "", memory=128, kind=kind)
        self.write(f"/run/guests/{name}.xml", text)
        self.run(f"virsh define /run/guests/{name}.xml")
        return found

    def ping(self, address):
        """The station pings a guest: now, twice in a row."""
        self.run(f"ip netns exec station ping -q -c 2 -w 60 {address}")

    # -- the machine -----------------------------------------------------------------------------------------

    def wait_booted(self):
        """Wait until systemd has started everything."""
        deadline = Deadline(BOOT)
        try:
            while self.boot_id is None:
                self._read(deadline)
        except (TimeoutError, EOFError) as error:
            raise AssertionError(f"the machine does not boot ({error!r}):\n{self.kernel_log()}") from None
        status = self.stage / "setup.status"
        if status.exists() and status.read_text(encoding="ascii").strip() != "0":
            raise AssertionError("setup: " + (self.stage / "setup.log").read_text(encoding="utf-8"))
        state = self.finish(self.begin("systemctl is-system-running --wait"))["output"].strip()
        assert state == "running", f"{state}\n{self.run('systemctl --failed --no-pager; journalctl -b -p 4 --no-pager')}"
        self.run("mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,ro guests /srv && mkdir -m 1777 /run/guests")
        return self

    def reboot(self):
        self.boot_id = None
        # It cannot be expected to be answered.
        self.begin("systemctl reboot")
        return self.wait_booted()

    def station(self, address="10.0.0.254/24"):
        """Make wire0 a machine of its own on the wire: the network namespace `station`, if it is not yet."""
        self.run("[ ! -e /run/netns/station ] || exit 0; ip netns add station && ip link set wire0 netns station &&"
                 " ip -n station link set lo up && ip netns exec station sysctl -q -w net.ipv6.conf.wire0.disable_ipv6=1 &&"
                 f" ip -n station addr add {address} dev wire0 && ip -n station link set wire0 up")

    def frames(self):
        """All frames on the wire so far."""
        # lan0 sends this after all that was sent there before.
        self._number += 1
        marker = b"marker %016d" % self._number
        self.run(f"{SEND} lan0 {frame('ff:ff:ff:ff:ff:ff', LAN_MAC, marker).hex()}")
        found = []
        data = (self.folder / "wire.pcap").read_bytes()
        at = 24
        while at + 16 <= len(data):
            (length,) = struct.unpack_from("<I", data, at + 8)
            found.append(data[at + 16:at + 16 + length])
            at += 16 + length
        assert any(marker in one for one in found)
        return found

    def close(self):
        if self._qemu.poll() is None:
            self._qemu.send_signal(signal.SIGKILL)
        self._qemu.wait()
        self._serial.close()
        shutil.rmtree(self.folder)


class OnDisk:
    """Commands run by this machine's processor as root of the disk that a machine started with, for what would take long in it. They
    see no network and nothing that the machine has changed since; hand_over() gives the machine what they have written.

    Each command has a mount namespace of its own, in which the disk is under an overlay: nothing stays mounted."""

    MOUNT = """set -e
mount -o loop,ro "$DISK" /mnt
mkdir -p upper work root
mount -t overlay overlay -o lowerdir=/mnt,upperdir=upper,workdir=work root
mount -t proc proc root/proc
mount --rbind /dev root/dev
for name in tmp run; do mount -t tmpfs tmpfs root/$name; done
exec chroot root /usr/bin/env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin bash -c "$0"
"""

    def __init__(self, machine):
        self._machine = machine
        self._folder = machine.folder / "on-disk"
        (self._folder / "upper").mkdir(parents=True)

    def copy(self, source, path):
        """Must be the first: a command's overlay looks at what is there once only."""
        target = pathlib.Path(f"{self._folder}/upper{path}")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target, symlinks=True)

    def run(self, command):
        done = subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", self.MOUNT, command],
                              cwd=self._folder, env={**os.environ, "DISK": self._machine.image["disk"]}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        assert done.returncode == 0, f"{command}\nended with {done.returncode}\n{done.stdout}"
        return done.stdout

    def hand_over(self):
        """All that the commands have written is copied into the machine, in which /mnt is the stage."""
        (self._folder / "upper").rename(self._machine.stage / "on-disk")
        self._machine.run("cp -a /mnt/on-disk/. /", Deadline(2 * BOOT))
