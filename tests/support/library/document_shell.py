# SPDX-License-Identifier: LGPL-2.1-or-later
"""A user's desk in a host: a folder with the files that the documents' commands name, and our programs where an
installation puts them. Its commands run as they stand.

Theory of operation: a tmpfs in the host's own mount namespace is /usr/local there. The qemu-system-x86_64 and qemu-system-aarch64
that are found there first are the real ones with one more monitor, which connects to the desk: so it shows when QEMU has taken its
network devices and runs. They have tcg instead of kvm, which a test's machine need not have. VMMs that Debian does not have are
stand-ins, which say by the same socket which queues they were given.
"""
import json
import os
import socket
import subprocess

from clock import Deadline
from programs import BUILD, INSIDE_BUILD, SOURCE, built, program
from qmp import Qmp

_LINKS = {"bin/macvtapctl": "macvtapctl", "bin/macvtap-run": "macvtap-run", "libexec/qemu-macvtap-helper": "qemu-macvtap-helper"}

_QEMU = """#!/bin/bash
exec /usr/bin/${{0##*/}} "${{@/#kvm/tcg}}" -qmp unix:{path}
"""

_STAND_IN = """#!/usr/bin/python3 -IS
import fcntl, json, re, socket, sys
words = " ".join(sys.argv[1:])
names = []
for number in re.findall(r"[0-9]+", re.search(r"fd=(\\[[0-9,]+\\]|[0-9]+)", words).group(1)):
    request = bytearray(40)
    fcntl.ioctl(int(number), 0x800454D2, request)  # TUNGETIFF
    names.append(bytes(request[:16]).rstrip(b"\\0").decode())
with socket.socket(socket.AF_UNIX) as desk:
    desk.connect("{path}")
    desk.sendall(json.dumps([names, re.search(r"mac=([0-9a-f:]+)", words).group(1)]).encode() + b"\\n")
    desk.recv(1)
"""

_START_VM = """#!/bin/bash
[ "$1 $3" = '--netdev --device' ] || exit 2
exec qemu-system-x86_64 -m 1G -netdev "$2" -device "$4"
"""


class Running:
    """A command of a document that has started a VMM: QEMU, of which monitor is the Qmp, or a stand-in."""

    def __init__(self, desk, process, connection):
        self._desk, self.process, self._connection = desk, process, connection
        self.monitor = None

    def check_qemu(self):
        """It runs, each port has its queues open, and each virtio-net has the MAC of its port."""
        try:
            self.monitor = Qmp(connected=self._connection)
        except OSError:
            self.process.kill()
            self.process.wait()
            raise AssertionError(self._desk.log()) from None
        assert self.monitor.call("query-status")["status"] == "running"
        ports = self._desk.daemon.ports()
        assert ports and all(port["openQueues"] == port["queues"] for port in ports), ports
        devices = [nic["main-mac"] for nic in self.monitor.call("query-rx-filter")]
        assert not devices or sorted(devices) == sorted(port["macAddress"] for port in ports)
        return ports

    def check_stand_in(self):
        """It has all queues of the port, and its MAC."""
        names, mac = json.loads(self._connection.makefile().readline())
        (port,) = self._desk.daemon.ports()
        assert (names, mac) == ([port["interfaceName"]] * port["queues"], port["macAddress"])
        return [port]

    def end(self):
        if self.monitor:
            self.monitor.call("quit")
            self.monitor.close()
        self._connection.close()
        self.process.wait()


class DocumentShell:
    def __init__(self, daemon):
        self.daemon, self.host = daemon, daemon.host
        self.folder = daemon.folder / "desk"
        self.folder.mkdir()
        self._listener = socket.socket(socket.AF_UNIX)
        path = self.folder / "listener"
        self._listener.bind(str(path))
        self._listener.listen()
        self._install(path)
        for name in ("disk.qcow2", "old.qcow2"):
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", self.folder / name, "1M"], check=True)

    def _install(self, path):
        self.host.run("sh", "-ec", "mount -t tmpfs -o mode=755 local /usr/local; mkdir /usr/local/bin /usr/local/libexec;"
                      f" ln -sfn {self.daemon.folder} /run/macvtapd;"
                      f" ln -s {INSIDE_BUILD}/src/libvirt/macvtapctl-domain /usr/local/libexec")
        for place, name in _LINKS.items():
            built(name)
            self.host.run("ln", "-s", program(name), f"/usr/local/{place}")
        for name, text in (("qemu-system-x86_64", _QEMU), ("qemu-system-aarch64", _QEMU), ("cloud-hypervisor", _STAND_IN),
                           ("crosvm", _STAND_IN)):
            self._program(f"/usr/local/bin/{name}", text.format(path=path))
        self._program(self.folder / "start-vm", _START_VM)

    def _program(self, path, text):
        self.host.run("sh", "-c", 'cat >"$0" && chmod 755 "$0"', path, stdin=None, input=text)

    def run(self, command, check=True):
        """Run a command to its end."""
        return self.host.run("bash", "-c", f"cd {self.folder}; {command}", check=check, env=self._environment())

    @staticmethod
    def _environment():
        return {**os.environ, "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}

    def begin(self, command, **options):
        return self.host.start("bash", "-c", command, cwd=self.folder, env=self._environment(), stdin=subprocess.DEVNULL, **options)

    def start(self, command):
        """Start a command that starts a VMM, and wait until that is there."""
        with open(self.folder / "log", "wb") as stream:
            process = self.begin(command, stdout=stream, stderr=stream)
        ended = os.pidfd_open(process.pid)
        try:
            ready = Deadline(60).wait_readable(self._listener.fileno(), ended)
        finally:
            os.close(ended)
        assert self._listener.fileno() in ready, f"{command}\n{self.log()}"
        return Running(self, process, self._listener.accept()[0])

    def log(self):
        """What the command that was started last has said."""
        return (self.folder / "log").read_text(encoding="utf-8")

    def vm(self, command):
        """Run a command that starts a VM: it starts, its ports are right, and it ends. Returns the ports."""
        running = self.start(command)
        ports = running.check_qemu() if "qemu" in command or "start-vm" in command else running.check_stand_in()
        running.end()
        return ports

    def close(self):
        self._listener.close()


def compile_example(text, folder):
    """Build a C program of a document against the library of the build under test; returns its path inside a Host."""
    source, binary = folder / "example.c", folder / "example"
    source.write_text(text, encoding="utf-8")
    subprocess.run(["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-o", binary, source, f"-I{SOURCE}/src/client",
                    f"-L{BUILD}/src/client", "-lmacvtap", f"-Wl,-rpath,{INSIDE_BUILD}/src/client"], check=True)
    return binary
