# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hosts for tests: a network and a mount namespace each, with cables and switches between them.

Theory of operation: a host is kept alive by one process, `cat`, that ends when its standard input closes, so a
test run that is killed leaves no namespace. Everything started in a host is killed with the test process
(PR_SET_PDEATHSIG). Names of interfaces live inside the host, so runs side by side do not meet; only /dev is shared.
"""
import contextlib
import ctypes
import glob
import json
import os
import pwd
import shutil
import signal
import socket
import struct
import subprocess
import threading

from clock import Deadline
from programs import BUILD, image_folder

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1
_IN_HOST = BUILD / "tests/support/fixtures/in-host"  # also kills what it starts when the test process ends

# For busybox, whose shell has these commands in it.
_KEEPER = """
set -e
mount -t sysfs sysfs /sys
mount -t bpf -o mode=700 bpf /sys/fs/bpf
mount -t tmpfs -o nosuid,nodev,mode=755 run /run
if [ -d "$1" ]; then
    mkdir /run/build
    mount -o bind "$1" /run/build
fi
mkdir /run/images
mount -o bind "$2" /run/images
ip link set lo up
trap '' INT TERM
echo ready
while read -r line; do :; done
# The test has ended, perhaps without close(). /dev is the machine's: what a killed daemon has left would stay.
rm -rf "/dev/macvtapd-$(readlink /proc/self/ns/net | tr -dc 0-9)"
"""


def die_with_parent():
    """preexec_fn: the child is killed when the thread that started it ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def enter_network_namespace(path):
    """The calling thread is in the network namespace at path from now on, and so is what it starts."""
    with open(path, "rb") as namespace:
        if _libc.setns(namespace.fileno(), _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {path}")


def in_network_namespace(path, function):
    """Call function in a short-lived thread that has entered the network namespace at path."""
    result = {}

    def body():
        try:
            enter_network_namespace(path)
            result["value"] = function()
        except BaseException as error:  # handed to the caller's thread
            result["error"] = error

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if "error" in result:
        raise result["error"]
    return result["value"]


class Host:
    """A machine of the test: network namespace, mount namespace with its own /sys and a /run that has nothing but
    the build folder (/run/build) and the guest images (/run/images)."""

    def __init__(self, name="host"):
        self.name = name
        self._children = []
        self._keeper = subprocess.Popen(
            ["unshare", "--net", "--mount", "--propagation", "private", "/bin/busybox", "sh", "-c",
             _KEEPER, name, BUILD, image_folder()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self._keeper.stdout.readline() != b"ready\n":
            self.close()
            raise RuntimeError("cannot make a namespace: are we root?")

    @property
    def pid(self):
        return self._keeper.pid

    @property
    def queue_folder(self):
        """Where a macvtapd in this host keeps the nodes of the open queues, seen from the test."""
        return self.path(f"/dev/macvtapd-{os.stat(f'/proc/{self.pid}/ns/net').st_ino}")

    def queue_nodes(self):
        try:
            return sorted(os.listdir(self.queue_folder))
        except FileNotFoundError:
            return []

    def pin_folders(self):
        """Where macvtapds in this host pin the maps of their guards, seen from the test."""
        return glob.glob(self.path("/sys/fs/bpf/macvtapd*"))

    def pins(self):
        return sorted(name for folder in self.pin_folders() for name in os.listdir(folder))

    def path(self, inside):
        """Where a file of the host's own mount namespace is seen from the test's."""
        return f"/proc/{self.pid}/root{inside}"

    # -- processes -----------------------------------------------------------------------------------------

    def command(self, arguments, user=None, cwd=None):
        """The command line that runs arguments in the host; no process stays between, so the pid is the command's."""
        line = [str(_IN_HOST), str(self.pid), str(cwd or "/")]
        if user is not None:
            line += ["setpriv", f"--reuid={user}", f"--regid={user_group(user)}", "--init-groups", "--"]
        return line + [str(argument) for argument in arguments]

    def start(self, *arguments, user=None, cwd=None, **options):
        child = subprocess.Popen(self.command(arguments, user, cwd), **options)
        self._children.append(child)
        return child

    def run(self, *arguments, user=None, check=True, timeout=120, **options):
        """Run to the end; stdout and stderr are text. A failure with check shows both."""
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        done = subprocess.run(self.command(arguments, user), text=True, errors="surrogateescape", timeout=timeout, **options)
        if check and done.returncode != 0:
            raise AssertionError(f"{self.name}: {' '.join(map(str, arguments))}: status {done.returncode}\n"
                                 f"{done.stdout or ''}{done.stderr or ''}")
        return done

    def ip(self, *arguments, check=True):
        return self.run("ip", *arguments, check=check)

    def rename(self, name, new_name):
        """Before Linux 6.2 a device has to be down for that."""
        done = self.ip("link", "set", name, "name", new_name, check=False)
        if done.returncode != 0:
            self.ip("link", "set", name, "down")
            self.ip("link", "set", name, "name", new_name)
            self.ip("link", "set", new_name, "up")

    def links(self):
        """All links as `ip -d -j link` tells them, by name: any bytes, which ip(8) writes as they are."""
        return {link["ifname"]: link for link in json.loads(self.ip("-d", "-j", "link").stdout or "[]", strict=False)}

    def link(self, name):
        return self.links()[name]

    def macvtaps(self):
        return {name: link for name, link in self.links().items()
                if link.get("linkinfo", {}).get("info_kind") == "macvtap"}

    # -- sockets and files -----------------------------------------------------------------------------------

    def call(self, function):
        """Call function with the calling thread in the host's network namespace: for making sockets."""
        return in_network_namespace(f"/proc/{self.pid}/ns/net", function)

    def socket(self, *arguments):
        return self.call(lambda: socket.socket(*arguments))

    def interface_index(self, name):
        with open(self.path(f"/sys/class/net/{name}/ifindex"), encoding="ascii") as stream:
            return int(stream.read())

    def mac(self, name):
        with open(self.path(f"/sys/class/net/{name}/address"), encoding="ascii") as stream:
            return stream.read().strip()

    # -- network ---------------------------------------------------------------------------------------------

    def connect(self, name, other, other_name):
        """A cable: a veth pair with one end here and one in another host; both ends are up."""
        self.ip("link", "add", name, "type", "veth", "peer", "name", other_name, "netns", str(other.pid))
        self.ip("link", "set", name, "up")
        other.ip("link", "set", other_name, "up")

    def address(self, name, address):
        self.ip("addr", "add", address, "dev", name)

    def quiet(self, name):
        """No IPv6 on an interface: no frame leaves it that the test did not send."""
        self.run("sysctl", "-q", "-w", f"net/ipv6/conf/{name}/disable_ipv6=1")

    def end_children(self, but=None):
        """Kill what start() started here, except the process `but`."""
        for child in self._children:
            if child is but:
                continue
            if child.poll() is None:
                child.kill()
            child.wait()
            for stream in (child.stdin, child.stdout, child.stderr):
                if stream:
                    stream.close()
        self._children = [child for child in self._children if child is but]

    def close(self):
        self.end_children()
        if self._keeper.poll() is None:  # /dev is the machine's: what a killed daemon has left would stay
            shutil.rmtree(self.queue_folder, ignore_errors=True)
        if self._keeper.stdin:
            with contextlib.suppress(BrokenPipeError):
                self._keeper.stdin.close()
        self._keeper.kill()
        self._keeper.wait()
        self._keeper.stdout.close()


def user_group(user):
    """The primary group of a user given by number or name."""
    entry = pwd.getpwuid(user) if isinstance(user, int) else pwd.getpwnam(user)
    return entry.pw_gid


class Switch:
    """An Ethernet switch: a host with one bridge. hairpin=True sends frames back to the port they came from,
    as an 802.1Qbg (VEPA) switch does."""

    def __init__(self, host):
        self.host = host
        self._ports = 0
        host.ip("link", "add", "switch", "type", "bridge", "stp_state", "0", "mcast_snooping", "0")
        host.ip("link", "set", "switch", "up")

    def plug(self, other, name, hairpin=False):
        """Connect a new interface of another host to a new port; returns the port's name."""
        port = f"port{self._ports}"
        self._ports += 1
        self.host.connect(port, other, name)
        self.host.ip("link", "set", port, "master", "switch")
        self.set_hairpin(port, hairpin)
        return port

    def set_hairpin(self, port, on):
        self.host.ip("link", "set", port, "type", "bridge_slave", "hairpin", "on" if on else "off")


RTM_NEWLINK, RTM_DELLINK = 16, 17
_IFLA_ADDRESS, _IFLA_IFNAME = 1, 3


def link_socket():
    """A socket that gets the kernel's link messages of the caller's network namespace from now on."""
    monitor = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    monitor.bind((0, 1))  # RTMGRP_LINK
    return monitor


class LinkMonitor:
    """The kernel's link messages of a host, from the moment this object exists."""

    def __init__(self, host):
        self._socket = host.call(link_socket)
        self._pending = []

    def fileno(self):
        return self._socket.fileno()

    def drain(self):
        """Forget what has come so far."""
        self._pending = []
        while True:
            try:
                self._socket.recv(65536, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return

    def take(self):
        """All messages that have come so far, without waiting."""
        taken, self._pending = self._pending, []
        while True:
            try:
                taken += parse_links(self._socket.recv(65536, socket.MSG_DONTWAIT))
            except BlockingIOError:
                return taken

    def wait(self, kind, name=None, deadline=None):
        """The next message of this kind (about this interface); returns (kind, index, name)."""
        deadline = deadline or Deadline()
        while True:
            while self._pending:
                message = self._pending.pop(0)
                if message[0] == kind and name in (None, message[2]):
                    return message
            deadline.wait_readable(self._socket)
            self._pending += parse_links(self._socket.recv(65536))

    def wait_deleted(self, name, deadline=None):
        return self.wait(RTM_DELLINK, name, deadline)

    def close(self):
        self._socket.close()


def parse_links(data):
    """The link messages in what one recv() gave: [(RTM_NEWLINK or RTM_DELLINK, index, name)]."""
    messages = []
    while len(data) >= 16:
        length, kind, _, _, _ = struct.unpack_from("=IHHII", data)
        if kind in (RTM_NEWLINK, RTM_DELLINK):
            family, _, index = struct.unpack_from("=BxHi", data, 16)
            # A bridge tells of a port that it loses with the same type and family AF_BRIDGE.
            if family == socket.AF_UNSPEC:
                messages.append((kind, index, _link_name(data[32:length])))
        data = data[(length + 3) & ~3:]
    return messages


def _link_name(attributes):
    name = link_attribute(attributes, _IFLA_IFNAME)
    return None if name is None else name.rstrip(b"\0").decode()


def link_attribute(attributes, wanted):
    """The value of an attribute of a netlink message, or None."""
    while len(attributes) >= 4:
        length, kind = struct.unpack_from("=HH", attributes)
        if kind == wanted:
            return attributes[4:length]
        attributes = attributes[(length + 3) & ~3:]
    return None


class MacMonitor:
    """The MACs that the kernel tells of a link, from the moment this object exists."""

    def __init__(self, host, name):
        self._index = host.interface_index(name)
        self._socket = host.call(link_socket)
        self.seen = []

    def wait(self, mac, deadline=None):
        """Wait until a message has this MAC, one that no wait() has had yet."""
        deadline = deadline or Deadline()
        start = len(self.seen)
        while mac not in self.seen[start:]:
            try:
                deadline.wait_readable(self._socket)
            except TimeoutError:
                raise AssertionError(f"no message with {mac}, but {self.seen[start:]}") from None
            self._read(self._socket.recv(65536))

    def _read(self, data):
        while len(data) >= 16:
            length, kind = struct.unpack_from("=IH", data)
            if kind == RTM_NEWLINK and struct.unpack_from("=BxHi", data, 16)[::2] == (socket.AF_UNSPEC, self._index):
                self.seen.append(link_attribute(data[32:length], _IFLA_ADDRESS).hex(":"))
            data = data[(length + 3) & ~3:]

    def close(self):
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
