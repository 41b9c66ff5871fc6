# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine with Debian's dockerd and our driver for it.

Theory of operation: dockerd lives in an IsolatedHost, whose processes end with it, with its state in a tmpfs. Control groups are
the machine's own (v1): dockerd's are below one of this host's, and go with it. The image is made from nothing by `docker import`:
it has only folders, on which the machine's /usr, our programs and the guests' images are mounted.
"""
import json
import os
import pathlib
import signal

from clock import PATIENCE
from docker_driver import Driver
from guest import Guest, qemu_command
from isolated_host import IsolatedHost
from programs import INSIDE_BUILD, INSIDE_IMAGES, program

# Another docker may come first in the test's own.
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

_SETUP = """
set -e
mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
for controller in $(awk '!/^#/ {print $1}' /proc/cgroups); do
    mkdir /sys/fs/cgroup/$controller
    mount -t cgroup -o $controller cgroup /sys/fs/cgroup/$controller 2>/dev/null || rmdir /sys/fs/cgroup/$controller
done
for folder in /var/lib/docker /etc/docker; do
    mkdir -p $folder
    mount -t tmpfs -o mode=755 tmpfs $folder
done
mkdir -p -m 700 /run/docker
mkdir -p /run/docker/plugins /run/image/usr /run/image/tmp /run/image/run
echo nobody:100000:65536 >/run/subordinate
touch /etc/subuid /etc/subgid
mount --bind /run/subordinate /etc/subuid
mount --bind /run/subordinate /etc/subgid
for folder in bin sbin lib lib64; do
    ln -s usr/$folder /run/image/$folder
done
"""

_LEAVE = "cd /sys/fs/cgroup && find . -depth -mindepth 2 -type d -path '*/{group}*' -exec rmdir {{}} +"


class DockerHost(IsolatedHost):
    def __init__(self, name="docker"):
        super().__init__(name)
        self._group = f"macvtapd-{os.getpid()}-{self.pid}"
        self._dockerd = None
        self._log = None
        self.driver = None
        self.shell(_SETUP)

    @staticmethod
    def environment():
        return {**os.environ, "PATH": _PATH}

    def shell(self, command, **options):
        return self.run("bash", "-c", command, env=self.environment(), **options)

    def docker(self, *arguments, **options):
        """What a docker command prints."""
        return self.run("docker", *arguments, env=self.environment(), **options).stdout.strip()

    def refused(self, *arguments):
        """What a docker command that fails says."""
        done = self.run("docker", *arguments, env=self.environment(), check=False)
        assert done.returncode != 0, done
        return done.stderr

    def start_driver(self, daemon):
        """Before dockerd, which looks for its socket."""
        self.driver = Driver(self, daemon, pathlib.Path(self.path("/run/docker/plugins/macvtapd.sock")))
        return self.driver.start()

    # -- dockerd -----------------------------------------------------------------------------------------------

    def start_dockerd(self, *options):
        self._dockerd = self.begin_dockerd(
            pathlib.Path(self.path("/run/notify")), "/run/notify", self.path("/run/dockerd.log"), "--storage-driver=vfs",
            f"--cgroup-parent=/{self._group}", *options, env=self.environment())

    def log(self):
        return self.file("/run/dockerd.log")

    def stop_dockerd(self, number=signal.SIGTERM):
        self._dockerd.send_signal(number)
        self._dockerd.wait(PATIENCE)

    def restart_dockerd(self, *options, number=signal.SIGTERM):
        self.stop_dockerd(number)
        self.start_dockerd(*options)

    def import_image(self):
        self.shell("tar -C /run/image -c . | docker import - vm")

    # -- containers --------------------------------------------------------------------------------------------

    def run_vm(self, name, daemon, address, *options, network="lan1", ping=(), keep=None, port="eth0", extra=()):
        """docker run of a container whose program is a VM on its port."""
        folder = daemon.container_socket.parent
        qemu = qemu_command(address, ping, name, keep=keep, extra=extra)
        self.docker("run", "--detach", "--name", name, "--network", network, *options, "--cap-drop=all", "--read-only", "--tmpfs=/tmp",
                    "--volume=/usr:/usr:ro", f"--volume={INSIDE_BUILD}:{INSIDE_BUILD}:ro",
                    f"--volume={INSIDE_IMAGES}:{INSIDE_IMAGES}:ro", f"--volume={folder}:/run/macvtapd-containers:ro",
                    "--user=65534:65534", "vm", program("macvtap-run"), "--socket", "/run/macvtapd-containers/socket", "--port", port,
                    "--", *qemu)

    def console(self, name):
        """What the VM of a container says."""
        return Guest(self, ["docker", "logs", "--follow", name], env=self.environment())

    def members(self, network="lan1"):
        """What `docker network inspect` shows of the members, by name."""
        (shown,) = json.loads(self.docker("network", "inspect", network))
        return {member["Name"]: member for member in shown["Containers"].values()}

    def close(self):
        try:
            if self._dockerd and self._dockerd.poll() is None:
                self.shell("docker ps -aq | xargs -r docker rm -f", check=False)
                self.stop_dockerd()
            if self.driver:
                self.driver.close()
            self.shell(_LEAVE.format(group=self._group), check=False)
        finally:
            super().close()
