# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest with an agent, and what can go wrong between the two."""
import json
import os
import re
import socket
import subprocess
import threading

import guest
from clock import PATIENCE, Deadline
from programs import INSIDE_BUILD, program


def environment(daemon, **more):
    """Of our programs, in the build folder."""
    return {**daemon.environment(), "MACVTAPD_LIBEXEC": f"{INSIDE_BUILD}/src/tools", **more}


def vm(daemon, *arguments, check=True, user=None, **variables):
    """macvtapctl vm."""
    return daemon.host.run(program("macvtapctl"), "vm", *arguments, check=check, user=user,
                           env=environment(daemon, **variables))


def vms(daemon, *arguments, **variables):
    done = daemon.host.run(program("macvtapctl"), "--json", "vm", "list", *arguments, env=environment(daemon, **variables))
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


class Journal:
    """The journal of a host in which no journald runs."""

    def __init__(self, host):
        folder = host.path("/run/systemd/journal")
        os.makedirs(folder, exist_ok=True)
        self._path = os.path.join(folder, "socket")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self._path)
        os.chmod(self._path, 0o666)
        self._socket.setblocking(False)

    def message(self, deadline):
        """The next one."""
        deadline.wait_readable(self._socket)
        text = self._socket.recv(65536).decode()
        return re.search("^MESSAGE=(.*)$", text, re.M).group(1)

    def wait(self, pattern, seconds=None):
        """The first message in which the pattern is found."""
        deadline = Deadline(seconds)
        while not re.search(pattern, found := self.message(deadline)):
            pass
        return found

    def messages(self):
        """Those that are there."""
        found = []
        try:
            while True:
                found.append(self.message(Deadline(0)))
        except TimeoutError:
            return found

    def close(self):
        self._socket.close()
        os.unlink(self._path)


class PlayedQemu:
    """The test plays QEMU, for an agent that it starts: it does what is asked of its monitor, one command after the other, when it
    is told to. A device goes when the test says so."""

    def __init__(self, daemon, *ports, name="web", user=None, greets=True, **variables):
        self._socket, other = socket.socketpair()
        self._socket.settimeout(PATIENCE)
        with other:
            self.agent = daemon.host.start(
                program("macvtap-agent"), f"--qmp-fd={other.fileno()}", f"--name={name}", "--", *ports, user=user,
                pass_fds=[other.fileno()], stderr=subprocess.PIPE, env=environment(daemon, **variables))
        with self.agent.stderr as problems:
            # It ends when the agent is ready. Another user's program cannot always write what coverage counts.
            assert [line for line in problems if not line.startswith(b"profiling:")] == []
        self.heard = []
        self._rest = b""
        self._passed, self._named, self._backends = [], {}, {}  # descriptors
        self._devices = {}
        if greets:
            self.greet()

    def greet(self):
        self._say({"QMP": {"version": {}, "capabilities": []}})
        self.serve("qmp_capabilities")

    def _say(self, message):
        self._socket.sendall(json.dumps(message).encode() + b"\r\n")

    def _hear(self):
        while b"\n" not in self._rest:
            data, fds, _, _ = socket.recv_fds(self._socket, 65536, 4)
            assert data, "the agent has ended"
            self._rest += data
            self._passed += fds
        line, self._rest = self._rest.split(b"\n", 1)
        command = json.loads(line)
        self.heard.append(command["execute"])
        return command

    def next(self, name):
        """Do what is asked until this command comes; return it, unanswered and not done."""
        while (command := self._hear())["execute"] != name:
            self.answer(command)
        return command

    def serve(self, name):
        """Do what is asked up to this command."""
        self.answer(self.next(name))

    def answer(self, command):
        try:
            value = self.do(command)
        except KeyError as missing:
            self.refuse(command, f"there is no {missing}")
        else:
            self._say({"return": value, "id": command["id"]})

    def refuse(self, command, text="refused by the test"):
        self._say({"error": {"class": "GenericError", "desc": text}, "id": command["id"]})

    def do(self, command):
        """Do it, without an answer; return what belongs into that. KeyError: there is no such thing."""
        name, arguments = command["execute"].replace("-", "_"), command.get("arguments", {})
        return getattr(self, f"_do_{name}", lambda **_: {})(**arguments)

    @staticmethod
    def _do_query_target():
        return {"arch": "x86_64"}

    @staticmethod
    def _do_query_pci():
        return [{"bus": 0, "devices": [{"id": {"vendor": 0x8086, "device": 0x1237}}]}]

    def _do_getfd(self, fdname):
        self._named[fdname] = self._passed.pop(0)
        return {}

    def _do_closefd(self, fdname):
        os.close(self._named.pop(fdname))
        return {}

    def _do_netdev_add(self, id, **arguments):  # pylint: disable=redefined-builtin
        names = [name for key in ("fd", "fds", "vhostfd", "vhostfds") for name in arguments.get(key, "").split(":") if name]
        self._backends[id] = [self._named.pop(name) for name in names]
        return {}

    def _do_netdev_del(self, id):  # pylint: disable=redefined-builtin
        for fd in self._backends.pop(id):
            os.close(fd)
        return {}

    def _do_device_add(self, id, netdev, mac, **_):  # pylint: disable=redefined-builtin
        self.add_device(id, netdev, mac)
        return {}

    def add_device(self, name, netdev, mac):
        """Returns its path."""
        self._devices[f"/machine/peripheral/{name}"] = {"netdev": netdev, "mac": mac}
        return f"/machine/peripheral/{name}"

    def start_with(self, port, descriptors):
        """As if the command line had this port, whose descriptors are taken; returns its device's path."""
        self._backends[f"of-{port['name']}"] = descriptors
        return self.add_device(port["name"], f"of-{port['name']}", port["macAddress"])

    def _do_device_del(self, id):  # pylint: disable=redefined-builtin
        assert self._devices[id]
        return {}

    def _do_qom_list(self, path):
        return [{"name": os.path.basename(device), "type": "child<virtio-net-pci>"} for device in self._devices
                if os.path.dirname(device) == path]

    def _do_qom_get(self, path, property):  # pylint: disable=redefined-builtin
        return self._devices[path][property]

    def release(self, path):
        """The guest releases the device."""
        del self._devices[path]
        self._say({"event": "DEVICE_DELETED", "data": {"device": os.path.basename(path), "path": path}})

    def close(self):
        """QEMU ends."""
        self._socket.close()
        for fd in [*self._passed, *self._named.values(), *sum(self._backends.values(), [])]:
            os.close(fd)
        self._passed, self._named, self._backends = [], {}, {}
