# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host with processes, devices and libvirt's folders of its own besides its network: a whole machine to libvirtd.

Theory of operation: a process is born into the process namespace that the thread which forks it has chosen for its
children. So one thread per machine does all the forking, and the children are still the test's to wait for; the first,
the keeper, is that namespace's process 1. It reaps what libvirtd leaves (QEMU's probes wait for that), and when it
ends, because the test has, the kernel kills the rest.
"""
import concurrent.futures
import ctypes
import os
import pathlib
import socket
import subprocess

from clock import Deadline
from namespaces import Host, in_network_namespace
from programs import BUILD, image_folder

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWPID = 0x20000000

_KEEPER = """
set -e
umask 022
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t bpf -o mode=700 bpf /sys/fs/bpf
mount -t tmpfs -o nosuid,mode=755 run /run
mkdir /run/build /run/images /run/dev /run/etc-libvirt /run/user
[ ! -d "$1" ] || mount --bind "$1" /run/build
mount --bind "$2" /run/images
mount -t tmpfs -o mode=755 dev /run/dev
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty /run/dev/
[ ! -e /dev/vhost-net ] || cp -a /dev/vhost-net /run/dev/
mkdir /run/dev/pts /run/dev/shm /run/dev/net
cp -a /dev/net/tun /run/dev/net/
ln -s pts/ptmx /run/dev/ptmx
ln -s /proc/self/fd /run/dev/fd
ln -s fd/0 /run/dev/stdin
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts /run/dev/pts
chmod 1777 /run/dev/shm
mount --move /run/dev /dev
cp -a /etc/libvirt/. /run/etc-libvirt/
rm -rf /run/etc-libvirt/hooks
mount --bind /run/etc-libvirt /etc/libvirt
for folder in /var/lib/libvirt /var/log/libvirt /var/cache/libvirt; do
    mkdir -p "$folder"
    mount -t tmpfs -o mode=755 tmpfs "$folder"
done
ip link set lo up
echo ready
cat
exit
"""


def _own_processes():
    if _libc.unshare(_CLONE_NEWPID) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


class Neighbour:
    def __init__(self, path):
        self._path = path

    def socket(self, *arguments):
        return in_network_namespace(self._path, lambda: socket.socket(*arguments))


class IsolatedHost(Host):
    """A Host whose processes, /dev, /etc/libvirt and libvirt's /var folders nobody else sees. The process IDs of its
    children are the test's; those that the machine's own programs tell are its own."""

    def __init__(self, name="machine"):  # pylint: disable=super-init-not-called
        self.name = name
        self._children = []
        self._forker = concurrent.futures.ThreadPoolExecutor(1, f"forks of {name}", _own_processes)
        keeper = ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", _KEEPER, name, BUILD,
                  image_folder()]
        self._keeper = self._fork(lambda: subprocess.Popen(keeper, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        if self._keeper.stdout.readline() != b"ready\n":
            self.close()
            raise RuntimeError("cannot make a machine: are we root?")

    def _fork(self, function):
        return self._forker.submit(function).result()

    def start(self, *arguments, **options):
        return self._fork(lambda: Host.start(self, *arguments, **options))

    def run(self, *arguments, **options):
        return self._fork(lambda: Host.run(self, *arguments, **options))

    def connect(self, name, other, other_name):
        # The other end goes to a process by its ID, which has to be one where `ip` runs: not in here.
        other.connect(other_name, self, name)

    def kill(self, pid, signal="KILL"):
        """Send a signal to a process by the ID that it has in the machine."""
        self.run("kill", f"-{signal}", str(pid))

    def file(self, path):
        """The text of a file of the machine."""
        with open(self.path(path), encoding="utf-8", errors="replace") as stream:
            return stream.read()

    def neighbour(self, name, parent, address):
        """Another on the machine's own end of the wire, as a guest is: a network namespace with a macvlan of parent,
        which has what Pinger needs of a host."""
        self.run("ip", "netns", "add", name)
        self.ip("link", "add", "link", parent, "name", name, "netns", name, "type", "macvlan", "mode", "bridge")
        self.run("ip", "netns", "exec", name, "sysctl", "-q", "-w", f"net/ipv6/conf/{name}/disable_ipv6=1")
        self.run("ip", "-n", name, "addr", "add", address, "dev", name)
        self.run("ip", "-n", name, "link", "set", name, "up")
        return Neighbour(self.path(f"/run/netns/{name}"))

    def processes(self, name):
        """The IDs, in the machine, of the processes that run a program of this name."""
        found = []
        for entry in os.listdir(self.path("/proc")):
            try:
                if entry.isdigit() and os.path.basename(os.readlink(self.path(f"/proc/{entry}/exe"))) == name:
                    found.append(int(entry))
            except OSError:  # it has ended, or has no program
                continue
        return found

    def close(self):
        Host.close(self)
        self._forker.shutdown()

    def begin_dockerd(self, notify, inside, log, *options, env):
        """A dockerd, once it is ready, which it says on the socket notify, whose path in the host is inside."""
        assert len(str(notify)) < 108, notify
        notify.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready, open(log, "ab") as output:
            ready.bind(str(notify))
            dockerd = self.start(
                "dockerd", "--iptables=false", "--ip6tables=false", "--bridge=none", "--exec-opt=native.cgroupdriver=cgroupfs", *options,
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={**env, "NOTIFY_SOCKET": inside})
            deadline = Deadline(60)
            try:
                while True:
                    deadline.wait_readable(ready)
                    if b"READY=1" in ready.recv(4096):
                        return dockerd
            except TimeoutError:
                raise AssertionError(f"dockerd did not get ready:\n{pathlib.Path(log).read_text(encoding='utf-8')}") from None
