# SPDX-License-Identifier: LGPL-2.1-or-later
"""A node of docs/tutorial.md: a host whose shell runs the tutorial's commands as they stand, and whose VMs boot the test guest.

Theory of operation: the VMs' disks are empty. The qemu-system-x86_64 that a node's shell finds adds a kernel, the guest's initrd and
an emulated processor, so the guest stands behind its console with a shell, and does what a distribution does at its boot: it asks for
its address by DHCP."""
import os
import re
import subprocess

from clock import Deadline
from document_shell import DocumentShell
from documents import commands
from guest import KERNEL_WORDS, Guest
from programs import image

_QEMU = """#!/bin/bash
name=guest
for ((i = 1; i < $#; i++)); do
    [ "${{!i}}" != -name ] || {{ n=$((i + 1)); name=${{!n}}; }}
done
exec /usr/bin/qemu-system-x86_64 "${{@/#kvm/tcg}}" -monitor none -no-reboot -kernel {kernel} -initrd {initrd} \
    -append "{words} guest.name=$name guest.end=shell"
"""

_LEASE = (r'#!/bin/sh\n[ $1 = bound ] || exit 0\nip addr add $ip/$mask dev eth0\n'
          r'[ -z "$router" ] || ip route add default via $router\necho GUEST LEASE $ip\n')


class Node:
    def __init__(self, daemon):
        self.desk, self.daemon, self.host = DocumentShell(daemon), daemon, daemon.host
        text = _QEMU.format(kernel=image("kernel"), initrd=image("guest"), words=KERNEL_WORDS)
        self.host.run("sh", "-c", "cat >/usr/local/bin/qemu-system-x86_64", stdin=None, input=text)
        self.guests = {}

    def network(self, name, text):
        """The file is there; the tutorial's own command has it read."""
        (self.daemon.config / "networks.d" / f"{name}.network").write_text(text, encoding="utf-8")

    def start(self, text):
        """Start the VMs of a block, and run its other commands. A VM's console is its guest's shell."""
        for command in commands(text):
            name = re.search(r" -name (\S+)", command)
            if not name:
                self.desk.run(command)
                continue
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", self.desk.folder / command.split()[-1], "1M"], check=True)
            self.guests[name.group(1)] = Guest(self.host, ["bash", "-c", f"cd {self.desk.folder}; PATH=/usr/local/bin:$PATH; exec {command}"],
                                               stdin=subprocess.PIPE, env=dict(os.environ))

    def lease(self, name):
        """The guest's address, by DHCP."""
        guest = self.guests[name]
        guest.shell(f"printf '{_LEASE}' >/lease; chmod 755 /lease")
        assert guest.shell("udhcpc -n -q -t 30 -T 1 -i eth0 -s /lease") == 0, "\n".join(guest.lines)
        return guest.wait_line(r"GUEST LEASE (\S+)$").group(1)

    def port(self, name):
        (port,) = [port for port in self.daemon.ports() if port["name"] == name]
        return port

    def pings(self, name, address, wait=20):
        """Whether an address answers a guest."""
        return self.guests[name].shell(f"ping -c 1 -W {wait} {address}") == 0

    def answers(self, address):
        """Whether an address answers the host, once the guest has looked whether anybody else uses it (DAD)."""
        deadline = Deadline()
        while self.host.run("busybox", "ping", "-c", "1", "-W", "1", address, check=False).returncode != 0:
            if not deadline.left():
                return False
        return True

    def close(self):
        for guest in self.guests.values():
            guest.close()
        self.desk.close()


def serve_dhcp(station, first, last, interface="eth0"):
    """A DHCP server of the LAN."""
    server = station.start(
        "dnsmasq", "--conf-file=/dev/null", "--keep-in-foreground", "--log-facility=-", "--port=0", "--user=root", "--pid-file=",
        "--dhcp-leasefile=/dev/null", f"--interface={interface}", "--no-ping", f"--dhcp-range={first},{last},1h",
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert any("DHCP, " in line for line in server.stderr)
