# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's podman, which calls CNI plugins for each network of its /etc/cni/net.d: containers on a network of macvtapd-cni."""
import json
import os
import shutil

import pytest

from cni import needs_plugins
from isolated_host import IsolatedHost
from programs import program

# podman's files are in tmpfs, and control groups are the machine's (v1): crun refuses those of both versions at once.
SETUP = """
set -e
umount -l /sys/fs/bpf
while umount -l /sys 2>/dev/null; do :; done
mount -t sysfs sysfs /sys
mount -t bpf -o mode=700 bpf /sys/fs/bpf
mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
for controller in $(awk '!/^#/ {print $1}' /proc/cgroups); do
    mkdir /sys/fs/cgroup/$controller
    mount -t cgroup -o $controller cgroup /sys/fs/cgroup/$controller 2>/dev/null || rmdir /sys/fs/cgroup/$controller
done
for folder in /var/lib/containers /var/lib/cni /etc/cni; do
    mkdir -p $folder
    mount -t tmpfs -o mode=755 tmpfs $folder
done
mkdir -p /etc/cni/net.d /run/plugins /run/image/bin
ln -s /usr/lib/cni/* /run/build/src/cni/macvtapd-cni /run/plugins
cat >/run/containers.conf <<END
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "crun"
[network]
network_backend = "cni"
cni_plugin_dirs = ["/run/plugins"]
END
cat >/run/storage.conf <<END
[storage]
driver = "vfs"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"
END
cp /bin/busybox /run/image/bin
"""
# The folders that podman leaves in the control groups, which are the machine's.
LEAVE = "cd /sys/fs/cgroup && find . -depth -mindepth 2 -type d -path '*/libpod_parent*' -exec rmdir {} +"
LEASED = "[Network]\nParent=eth0\nMode=bridge\n[Addresses]\nSubnet=10.0.0.0/24\nRange=10.0.0.32/27\nGateway=10.0.0.254\n"
IPAM = {"type": "host-local", "subnet": "10.0.0.0/24", "rangeStart": "10.0.0.32", "rangeEnd": "10.0.0.62", "gateway": "10.0.0.254"}
NETWORKS = {"leases": {"network": "leased"}, "host-local": {"network": "lan", "ipam": IPAM}}
SLEEP = "box /bin/busybox sleep 1000"


class Podman:
    def __init__(self, host):
        if not shutil.which("podman") or not shutil.which("crun"):
            pytest.skip("no podman or no crun (Debian packages of these names)")
        self.host = host
        self._environment = {**os.environ, "CONTAINERS_CONF": "/run/containers.conf", "CONTAINERS_STORAGE_CONF": "/run/storage.conf"}
        self.shell(SETUP)
        self.shell("tar -C /run/image -c . | podman import -q - box")

    def shell(self, command, check=True):
        return self.host.run("bash", "-c", command, check=check, env=self._environment).stdout

    def define(self, name, socket, config):
        plugin = {"type": "macvtapd-cni", "socket": str(socket), "capabilities": {"mac": True, "ips": True}, **config}
        text = json.dumps({"cniVersion": "0.4.0", "name": name, "plugins": [plugin]})
        self.host.run("tee", f"/etc/cni/net.d/{name}.conflist", input=text, stdin=None)

    def inspect(self, name, network):
        (found,) = json.loads(self.shell(f"podman inspect {name}"))
        return found["NetworkSettings"], found["NetworkSettings"]["Networks"][network]

    def close(self):
        self.shell("podman rm -fa -t 0", check=False)
        self.shell(LEAVE, check=False)


@pytest.fixture
def host():
    host = IsolatedHost("podman")
    yield host
    host.close()


@pytest.fixture
def daemon(host, daemons, station):  # the host ends last
    daemon = daemons(host).open_to_containers()
    daemon.network("lan", "eth0")
    daemon.network("leased", text=LEASED)
    return daemon.start()


@pytest.fixture
def podman(host, daemon):
    podman = Podman(host)
    yield podman
    podman.close()


def addresses(daemon):
    return sorted(address for port in daemon.ports() for address in port["addresses"])


@pytest.mark.parametrize("name", NETWORKS)
def test_containers_on_a_network(daemon, host, podman, name):
    needs_plugins()
    podman.define(name, daemon.socket, NETWORKS[name])
    podman.shell(f"podman run -d --name first --network {name} {SLEEP}")
    (port,) = daemon.ports()
    settings, shown = podman.inspect("first", name)
    assert port["holder"] == {"type": "namespace", "interface": "eth0"}
    assert port["addresses"] == [f"{shown['IPAddress']}/{shown['IPPrefixLen']}"]
    assert (shown["MacAddress"], shown["Gateway"]) == (port["macAddress"], "10.0.0.254")
    # Who is in the container's namespace opens it.
    done = host.run("nsenter", f"--net={settings['SandboxKey']}", "--", "setpriv", "--reuid=65534", "--clear-groups",
                    program("macvtap-run"), "--socket", daemon.container_socket, "--port", "eth0", "--", "echo", "{mac}", "{fds}")
    assert done.stdout.split()[0] == port["macAddress"]
    # A container's random ID decides which address its lease is.
    fixed = "10.0.0.40" if shown["IPAddress"] != "10.0.0.40" else "10.0.0.41"
    podman.shell(f"podman run -d --name second --network {name} --ip {fixed} --mac-address 52:54:00:00:00:99 {SLEEP}")
    _, shown = podman.inspect("second", name)
    assert (shown["IPAddress"], shown["MacAddress"]) == (fixed, "52:54:00:00:00:99")
    daemon.restart()
    assert len(addresses(daemon)) == 2
    # What one has had is another's, however it ended.
    podman.shell("podman rm -f -t 0 first && podman kill second && podman rm second")
    assert daemon.settle() == []
    podman.shell(f"podman run -d --name third --network {name} --ip {fixed} {SLEEP}")
    assert addresses(daemon) == [f"{fixed}/24"]
    podman.shell("podman rm -f -t 0 third")
    assert daemon.settle() == []
