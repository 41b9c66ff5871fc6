# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest with an agent, and what can go wrong between the two."""
import json
import os
import re
import socket
import subprocess
import threading

import guest
from clock import Deadline
from programs import INSIDE_BUILD, program


def environment(daemon, **more):
    """Of our programs, in the build folder."""
    return {**daemon.environment(), "MACVTAPD_LIBEXEC": f"{INSIDE_BUILD}/src/tools", **more}


def vm(daemon, *arguments, check=True, user=None, **variables):
    """macvtapctl vm."""
    return daemon.host.run(program("macvtapctl"), "vm", *arguments, check=check, user=user,
                           env=environment(daemon, **variables))


def vms(daemon, *arguments, **options):
    done = daemon.host.run(program("macvtapctl"), "--json", "vm", "list", *arguments, env=environment(daemon), **options)
    return json.loads(done.stdout)["vms"]


def start(daemon, networks=(), options=("--agent",), ip="", name="web", extra=(), machine="q35", user=None, **variables):
    """A guest that obeys its console, started by macvtap-run."""
    line = [program("macvtap-run"), *options]
    for network in networks:
        line += ["--network", network]
    line += ["--", *guest.qemu_command(ip, name=name, machine=machine, end="shell", extra=["-name", name, *extra])]
    return guest.Guest(daemon.host, line, user=user, stdin=subprocess.PIPE, env=environment(daemon, **variables))


def processes(daemon):
    """The agents in the daemon's host, by process ID: their root is the host's."""
    root = os.stat(daemon.host.path("/run"))
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/comm", encoding="ascii", errors="replace") as comm:
                if comm.read() == "macvtap-agent\n" and os.path.samestat(os.stat(f"/proc/{entry}/root/run"), root):
                    found.append(int(entry))
        except OSError:
            pass  # it has ended since
    return found


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def wait_new_interface(running, seen):
    """The name of the interface that came to the guest after the first seen lines of its console."""
    return running.wait_line(r"ADDED interface=(\S+)", after=seen).group(1)


def attach(daemon, running, *arguments):
    """Returns the new port and its interface in the guest."""
    seen = len(running.lines)
    before = {port["id"] for port in daemon.ports()}
    vm(daemon, "attach", *arguments)
    (port,) = [port for port in daemon.ports() if port["id"] not in before]
    return port, wait_new_interface(running, seen)


def only_vm(daemon):
    (found,) = vms(daemon)
    return found


def check_cycles(daemon, running, cycles, network, address, other):
    """The guest gets the port "extra", reaches the other with it, and loses it again, as often; nothing adds up."""
    (helper,) = processes(daemon)
    before = daemon.ports()
    counts = []
    for _ in range(cycles):
        port, interface = attach(daemon, running, "web", "--network", network)
        assert port["holder"] == {"type": "descriptors"}
        assert running.shell(f"ip link set {interface} up && ip addr add {address}/24 dev {interface}") == 0
        assert running.shell(f"until ping -c 1 -W 1 {other} >/dev/null; do :; done") == 0
        assert "extra" in [port["name"] for port in only_vm(daemon)["ports"]]
        vm(daemon, "detach", "web", "extra")
        assert [port["id"] for port in daemon.ports()] == [port["id"] for port in before]
        counts.append((descriptors(running.pid), descriptors(helper)))
    assert len({of_qemu for of_qemu, _ in counts}) == 1, counts
    least, deadline = min(of_agent for _, of_agent in counts), Deadline()
    while descriptors(helper) != least:  # connections that have ended are closed a moment later
        assert deadline.left() > 0, counts


def wait_gratuitous_arp(endpoint, mac):
    """A request or reply of this MAC for its own address."""
    deadline = Deadline()
    own = bytes.fromhex(mac.replace(":", ""))
    while True:
        data = endpoint.receive(deadline, ethertype=0x0806)
        if data[6:12] == own and data[28:32] == data[38:42] != bytes(4):
            return


class Proxy:
    """A monitor in front of QEMU's: it answers the command with the number refused (from 0) with an error, which QEMU
    gets nevertheless if carried_out, and counts what passes."""

    def __init__(self, path, target, refused=None, carried_out=False, names=None):
        self.commands = []
        self._target, self._refused, self._carried_out, self._names = target, refused, carried_out, names
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        client, _ = self._listener.accept()
        qemu = socket.socket(socket.AF_UNIX)
        qemu.connect(str(self._target))
        back = threading.Thread(target=self._pass_back, args=(qemu, client))
        back.start()
        with client, qemu:
            while True:
                data, fds, _, _ = socket.recv_fds(client, 65536, 4)
                if not data:
                    qemu.shutdown(socket.SHUT_RDWR)
                    break
                self._pass_on(data, fds, client, qemu)
            back.join()

    def _pass_on(self, data, fds, client, qemu):
        command = json.loads(data)
        counted = self._names is None or command["execute"] in self._names
        number = len(self.commands)
        if counted:
            self.commands.append(command["execute"])
        if counted and number == self._refused:
            if self._carried_out:
                command["id"] = 1 << 40  # its answer is nobody's
                socket.send_fds(qemu, [json.dumps(command).encode() + b"\n"], fds)
            client.sendall(json.dumps({"id": json.loads(data)["id"], "error": {
                "class": "GenericError", "desc": "refused by the test"}}).encode() + b"\n")
        else:
            socket.send_fds(qemu, [data], fds)
        for fd in fds:
            os.close(fd)

    @staticmethod
    def _pass_back(qemu, client):
        try:
            while data := qemu.recv(65536):
                client.sendall(data)
        except OSError:
            pass

    def close(self):
        self._listener.close()
        self._thread.join()
