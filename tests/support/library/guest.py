# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests: QEMU with the test image (tests/support/guest), in a host, attached in any of the ways of a user."""
import os
import re
import select
import shlex
import subprocess

from clock import FACTOR, Deadline
from programs import image, images, program

# Starting a guest takes 2 s of an otherwise idle processor; several start at once in a test, and on a busy machine.
BOOT = 90

# quiet and what follows only make the boot shorter: no side-channel mitigations, no clock calibration, no self-tests.
KERNEL_WORDS = ("console=ttyS0 panic=-1 quiet mitigations=off tsc=reliable no_timer_check nokaslr cryptomgr.notests"
                " initcall_blacklist=crypto_kdf108_init,init_kprobe_trace,load_system_certificate_list")


def qemu_command(ip, ping=(), name="guest", netdev=None, device="virtio-net-pci", mac=None, extra=(), keep=None,
                 machine="q35", end=None):
    """The command line of a guest. Without netdev it has no network arguments: macvtap-run adds them.
    keep: an address that it pings for ever when it is done; end: guest.end of the image's init."""
    words = [f"guest.name={name}", f"guest.ip={ip}", f"guest.ping={','.join(ping)}",
             f"guest.tries={120 * FACTOR}"]
    words += [f"guest.keep={keep}"] if keep else []
    words += [f"guest.end={end}"] if end else []
    # It has no timer by which the kernel could find out how fast QEMU's time stamp counter is.
    words += ["tsc_early_khz=1000000"] if machine.startswith("microvm") else []
    line = ["qemu-system-x86_64", "-accel", "tcg", "-M", machine, "-m", "128", "-nodefaults", "-no-user-config",
            "-display", "none", "-serial", "stdio", "-no-reboot",
            "-kernel", image("kernel"), "-initrd", image("guest"),
            "-append", " ".join([KERNEL_WORDS, *words])]
    if netdev:
        line += ["-netdev", netdev, "-device", f"{device},netdev=net0" + (f",mac={mac}" if mac else "")]
    return line + list(extra)


def initrd_with(folder, files):
    """An initrd in this folder: the guests' own, and with it these files, {name: content}, all of them executable."""
    for name, content in files.items():
        path = folder / name
        path.write_bytes(content)
        path.chmod(0o755)
    more = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], input="\n".join(files).encode(), stdout=subprocess.PIPE,
                          cwd=folder, check=True).stdout
    with open(images()["guest"], "rb") as stream:
        own = stream.read()
    made = folder / "initrd"
    made.write_bytes(own + bytes(-len(own) % 4) + more)  # the kernel unpacks one after the other
    return made


class Guest:
    """A guest that runs. All that it says is kept; waiting reads on until the line is there."""

    def __init__(self, host, arguments, user=None, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        self.process = host.start(*arguments, user=user, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
        self.pid = self.process.pid
        self.lines = []
        self._rest = b""
        self._commands = 0

    def wait_line(self, pattern, deadline=None, after=0):
        """The match of the first line, after this many from the start of the console, that has the pattern."""
        deadline = deadline or Deadline(BOOT)
        seen = after
        while True:
            for line in self.lines[seen:]:
                match = re.search(pattern, line)
                if match:
                    return match
            seen = len(self.lines)
            self._read_or_fail(deadline, repr(pattern))

    def _read_or_fail(self, deadline, what):
        try:
            self._read(deadline)
        except (TimeoutError, EOFError) as error:
            raise AssertionError(f"no line {what} from the guest ({error!r}):\n" + "\n".join(self.lines)) from None

    def _read(self, deadline):
        deadline.wait_readable(self.process.stdout)
        data = os.read(self.process.stdout.fileno(), 65536)
        if not data:
            raise EOFError(f"QEMU ended with {self.process.wait()}")
        *lines, self._rest = (self._rest + data).split(b"\n")
        self.lines += [line.decode(errors="replace").rstrip("\r") for line in lines]

    def wait_reply(self):
        """Wait for a further reply to a guest that pings for ever (keep=); returns its number."""
        while select.select([self.process.stdout], [], [], 0)[0]:
            self._read_or_fail(Deadline(), "reply")
        seen = len(self.lines)
        deadline = Deadline(BOOT)
        while True:
            for line in self.lines[seen:]:
                match = re.search(r"bytes from .* seq=(\d+)", line)
                if match:
                    return int(match.group(1))
            seen = len(self.lines)
            self._read_or_fail(deadline, "reply")

    def shell(self, command):
        """Run a command in a guest that was started with end="shell" and stdin=PIPE; returns its exit status."""
        self._commands += 1
        self.wait_line(r"GUEST \S+ DONE")
        self.process.stdin.write(f"eval {shlex.quote(command)}; echo GUEST STATUS {self._commands} $?\n".encode())
        self.process.stdin.flush()
        return int(self.wait_line(rf"GUEST STATUS {self._commands} (\d+)$").group(1))

    def wait_ready(self):
        """What the guest says of its interface: {'interface', 'mac', 'mtu', 'queues', 'ip'}, all text."""
        match = self.wait_line(r"GUEST \S+ READY (.*)")
        return dict(word.split("=", 1) for word in match.group(1).split())

    def wait_ping(self, address):
        result = self.wait_line(rf"GUEST \S+ PING {re.escape(address)} (\w+)", Deadline(2 * BOOT)).group(1)
        assert result == "ok", "\n".join(self.lines)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        if self.process.poll() is None:
            self.kill()
        self.process.stdout.close()
        if self.process.stdin:
            self.process.stdin.close()


def run_with_macvtap_run(daemon, networks, ip, ping=(), name="guest", user=None, extra=(), keep=None, machine="q35",
                         options=(), wrapper=()):
    """macvtap-run --network … -- qemu-system-x86_64 …: it adds -netdev and -device, or fills tokens in extra. options:
    more of macvtap-run's; wrapper: what starts QEMU."""
    line = [program("macvtap-run"), *options]
    for network in networks:
        line += ["--network", network]
    line += ["--", *wrapper, *qemu_command(ip, ping, name, extra=extra, keep=keep, machine=machine)]
    return Guest(daemon.host, line, user=user, env=daemon.environment())


def run_with_helper(daemon, network, ip, mac, ping=(), name="guest", user=None, kind="tap"):
    """-netdev tap,helper=… or bridge,br=…,helper=…: QEMU itself starts our helper, with its own --br as well."""
    helper = f"{program('qemu-macvtap-helper')} --mac={mac}"
    if kind == "bridge":
        netdev = f"bridge,id=net0,br={network},helper={helper}"
    else:
        netdev = f"tap,id=net0,helper={helper} --network={network}"
    return Guest(daemon.host, qemu_command(ip, ping, name, netdev=netdev, mac=mac), user=user,
                 env=daemon.environment())


def run_with_descriptor(host, descriptor, ip, mac, ping=(), name="guest"):
    """-netdev tap,fd=N with a descriptor of the test's own (it stays the test's to close)."""
    return Guest(host, qemu_command(ip, ping, name, netdev=f"tap,id=net0,fd={descriptor}", mac=mac),
                 pass_fds=[descriptor])
