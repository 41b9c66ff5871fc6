# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's podman and Docker in a host of the test's own, with an image of a VM that the documents' Containerfile makes.

Theory of operation: an engine lives in an IsolatedHost, whose processes end with it. Its images and containers are in a tmpfs,
control groups are those of the machine (v1), and the folder of the container socket is where an installation has it.
The image is built once in a run of pytest, by podman from Debian's packages and without a network; Docker gets the same one.
"""
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from clock import PATIENCE
from daemon import Daemon
from guest import KERNEL_WORDS, Guest
from isolated_host import IsolatedHost
from namespaces import Host
from programs import SOURCE, images

RECIPE = SOURCE / "docs/examples/containers"
# What the Containerfile installs, and what tests install besides.
_PACKAGES = ["qemu-system-x86", "libglib2.0-0", "libjansson4", "libnl-route-3-200", "libseccomp2", "libbpf1", "iproute2", "python3"]
_PATH = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENGINES = ("podman", "docker")
_IMAGES = ["vm", "vmhost", "attacker"]
_ATTACKER = "FROM vm\nRUN apt-get update && apt-get install -y --no-install-recommends python3\n"
# The container's user 0 is 100000 outside, where a container has a user namespace.
SUBORDINATE = 100000
# What stands in the document's network.
GATEWAY = "192.168.1.1"

_SETUP = """
set -e
umount -l /sys/fs/bpf
while umount -l /sys 2>/dev/null; do :; done  # crun looks at what is mounted below, too
mount -t sysfs sysfs /sys
mount -t bpf -o mode=700 bpf /sys/fs/bpf
mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
for controller in $(awk '!/^#/ {print $1}' /proc/cgroups); do
    mkdir /sys/fs/cgroup/$controller
    mount -t cgroup -o $controller cgroup /sys/fs/cgroup/$controller 2>/dev/null || rmdir /sys/fs/cgroup/$controller
done
for folder in /var/lib/containers /var/lib/docker /var/lib/cni /etc/containers /etc/docker /etc/cni; do
    mkdir -p $folder
done
cp -a /etc/containers /run/etc-containers
mount --bind /run/etc-containers /etc/containers
for folder in /var/lib/containers /var/lib/docker /var/lib/cni /etc/docker /etc/cni; do
    mount -t tmpfs -o mode=755 tmpfs $folder
done
cat >/etc/containers/containers.conf <<END
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "crun"
END
cat >/etc/containers/storage.conf <<END
[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"
END
echo nobody:{subordinate}:65536 >/run/subordinate
mount --bind /run/subordinate /etc/subuid
mount --bind /run/subordinate /etc/subgid
mkdir -p /run/macvtapd-containers
mount -t tmpfs -o mode=755 local /usr/local
mkdir /usr/local/bin /usr/local/libexec
mkdir /usr/local/sbin
ln -s /run/build/src/tools/macvtapctl /run/build/src/tools/macvtap-run /usr/local/bin/
ln -s /run/build/src/daemon/macvtapd /usr/local/sbin/
ln -s /run/build/src/tools/qemu-macvtap-helper /usr/local/libexec/
"""

# The folders that engines leave in the control groups, which are the machine's.
_LEAVE = "cd /sys/fs/cgroup && find . -depth -mindepth 2 -type d \\( -path '*/docker*' -o -path '*/libpod_parent*' \\) -exec rmdir {} +"


class ContainerHost(IsolatedHost):
    """A host with an engine, "podman" or "docker". maps_users: Docker gives each container a user namespace."""

    def __init__(self, engine, maps_users=False):
        super().__init__(engine)
        self.engine, self.maps_users = engine, maps_users
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mvtc-"))
        self.folder.chmod(0o755)
        self._dockerd = None
        self.shell(_SETUP.replace("{subordinate}", str(SUBORDINATE)))
        if engine == "docker":
            self._start_docker()

    @staticmethod
    def environment():
        return {**os.environ, "PATH": _PATH}

    def _start_docker(self):
        self._dockerd = self.begin_dockerd(
            self.folder / "notify", str(self.folder / "notify"), self.folder / "dockerd", "--storage-driver=overlay2",
            *(["--userns-remap=nobody:nogroup"] if self.maps_users else []), env=self.environment())

    def shell(self, command, check=True, **options):
        """Run a command line to its end."""
        return self.run("bash", "-c", f"cd {self.folder}; {command}", check=check, env=self.environment(), **options)

    def console(self, command, **options):
        """Start a command line that shows a VM's console."""
        return Guest(self, ["bash", "-c", f"cd {self.folder}; exec {command}"], env=self.environment(), **options)

    def load(self, images):
        """Take up the images from a file."""
        self.shell(f"{self.engine} load -q -i {images}; for name in {' '.join(_IMAGES)}; do {self.engine} tag localhost/$name $name; done")

    def names(self):
        return self.shell(f"{self.engine} ps -a --format '{{{{.Names}}}}'").stdout.split()

    def process(self, name):
        """The process 1 of a container, by the ID that it has in this host."""
        return int(self.shell(f"{self.engine} inspect -f '{{{{.State.Pid}}}}' {name}").stdout)

    def remove_all(self):
        names = " ".join(self.names())
        if names:  # rm waits for a process 1 that passes over SIGTERM
            self.shell(f"{self.engine} kill {names}; {self.engine} rm -f {names}", check=False)

    def close(self):
        self.remove_all()
        if self._dockerd:
            self._dockerd.send_signal(signal.SIGTERM)
            self._dockerd.wait(PATIENCE)
        self.shell(_LEAVE, check=False)
        super().close()
        shutil.rmtree(self.folder)


class EngineHosts:
    """Hosts with an engine and the images, made when they are first asked for: one of each kind is enough for a run of pytest.
    The interface eth0 of each is cabled to a station of its own, which is the gateway."""

    def __init__(self, images_file):
        self._images = images_file
        self._made = {}

    def get(self, engine, maps_users=False):
        kind = (engine, maps_users)
        if kind not in self._made:
            host, station = self._made[kind] = ContainerHost(engine, maps_users), Host("station")
            host.connect("eth0", station, "eth0")
            station.address("eth0", f"{GATEWAY}/24")
            host.load(self._images)
        return self._made[kind][0]

    def close(self):
        for host, station in self._made.values():
            host.close()
            station.close()


class EngineDaemon(Daemon):
    """A macvtapd whose container socket is where an installation has it."""

    def __init__(self, host, **options):
        super().__init__(host, **options)
        folder = self.container_socket.parent
        folder.mkdir(mode=0o755)
        host.shell(f"mount --bind {folder} /run/macvtapd-containers; ln -sfn {self.folder} /run/macvtapd")
        self.open_to_containers()

    def close(self):
        super().close()
        self.host.shell("umount /run/macvtapd-containers", check=False)


def recipe_folder(host):
    """docs/examples/containers as the recipe wants it, in the host's folder at the same path."""
    folder = host.folder / "docs/examples/containers"
    shutil.copytree(RECIPE, folder)
    for name, there in (("vmlinuz", "kernel"), ("initrd.img", "guest")):
        shutil.copy(images()[there], folder / name)
    return folder


def import_base(host):
    """Debian 12 as the image debian:12."""
    done = subprocess.run([SOURCE / "tests/support/guest/container-base", *_PACKAGES], stdout=subprocess.PIPE, text=True, check=True)
    host.shell(f"podman import -q {done.stdout.strip().removeprefix('base=')} debian:12")


def build_images(made, recipes):
    """The images of the recipes, which are command lines, in the file made."""
    host = ContainerHost("podman")
    try:
        import_base(host)
        recipe_folder(host)
        for command in recipes:
            host.shell(command)
        host.shell("podman build -q -t attacker -", stdin=None, input=_ATTACKER)
        host.shell(f"podman save -q -m -o {made} {' '.join(_IMAGES)}")
    finally:
        host.close()


# A shorter boot of the test's guest, for KERNEL_WORDS.
QUICK = KERNEL_WORDS.replace("console=ttyS0 ", "")
