# SPDX-License-Identifier: LGPL-2.1-or-later
"""macvtapd-cni called by libcni, with the IPAM plugins that everyone uses: Debian's host-local and static. macvtapd is restarted after
each call."""
import pytest

from cni import CONTAINER, VALID, Libcni, Runtime, needs_plugins
from namespaces import Host

GATEWAY = "10.0.0.254"
ONE_RANGE = {"subnet": "10.0.0.0/24", "rangeStart": "10.0.0.31", "rangeEnd": "10.0.0.33", "gateway": GATEWAY}
TWO_FAMILIES = {"ranges": [[ONE_RANGE], [{"subnet": "fd00::/64", "rangeStart": "fd00::31", "rangeEnd": "fd00::33", "gateway": "fd00::1"}]]}
LISTED = [{"address": "10.0.0.31/24", "gateway": GATEWAY}, {"address": "fd00::31/64", "gateway": "fd00::1"}]
# Each gives a container 10.0.0.31 or the like, the second and later also an address of IPv6.
KINDS = {"one range": {"ipam": {"type": "host-local", **ONE_RANGE}}, "two families": {"ipam": {"type": "host-local", **TWO_FAMILIES}},
         "static": {"ipam": {"type": "static", "addresses": LISTED}}, "leases": {"network": "leased"}}
LEASED = f"""[Network]
Parent=eth0
Mode=bridge
[Addresses]
Subnet=10.0.0.0/24 fd00::/64
Range=10.0.0.31-10.0.0.33 fd00::31-fd00::33
Gateway={GATEWAY} fd00::1
"""
kinds = pytest.mark.parametrize("kind", KINDS)
ranges = pytest.mark.parametrize("kind", ["one range", "two families", "leases"])


class Node:
    """A host whose runtime uses libcni; macvtapd is restarted after each call."""

    def __init__(self, daemon, boxes, folder):
        needs_plugins()
        self.daemon = daemon
        self._boxes = boxes
        self._folder = folder

    def container(self, kind, version="1.0.0"):
        plugin = dict(KINDS[kind])
        if "ipam" in plugin:
            plugin["ipam"] = {**plugin["ipam"], "dataDir": str(self._folder / "addresses")}
        return Container(self, Libcni(Runtime(self.daemon, self._boxes(), self._folder), plugin, version))

    def wait_ports(self, count):
        with self.daemon.connect() as watcher:
            watcher.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
            watcher.reply()
            while len(self.daemon.ports()) != count:
                watcher.reply()

    def left(self):
        """Ports, and what host-local and the plugin have on file."""
        files = [path.name for folder in ("addresses", "notes", "cache") for path in (self._folder / folder).rglob("*") if path.is_file()]
        return [port["name"] for port in self.daemon.ports()] + [name for name in files if not name.startswith(("last_reserved_ip", "lock"))]


class Container:
    def __init__(self, node, libcni):
        self._node = node
        self._libcni = libcni
        self.box = libcni.runtime.box
        self.id = CONTAINER[:-4] + f"{self.box.pid % 10000:04}"
        self._netns = f"/proc/{self.box.pid}/ns/net"

    def call(self, command, **options):
        answer = self._libcni.call(command, container=self.id, netns=self._netns, **options)
        self._node.daemon.restart()
        return answer

    def plugin_alone(self, command, valid=(), **config):
        if command == "GC":
            config[VALID] = [{"containerID": one.id, "ifname": "eth0"} for one in valid]
        return self._libcni.by_hand(command, container=self.id, netns=self._netns, **config)

    def by_hand(self, command, **options):
        """In the words of 1.1.0."""
        answer = self.plugin_alone(command, **options)
        self._node.daemon.restart()
        return answer


@pytest.fixture
def node(daemons, host, station, hosts, tmp_path):
    tmp_path.chmod(0o755)
    daemon = daemons(host)
    daemon.network("lan", "eth0")
    daemon.network("leased", text=LEASED)
    yield Node(daemon.start(), lambda: hosts("box"), tmp_path)
    if daemon.running:
        daemon.ctl("port", "delete", "--all", check=False)


def addresses(result):
    return [ip["address"] for ip in result["ips"]]


@kinds
def test_life(node, kind):
    container = node.container(kind)
    result = container.call("add")
    (port,) = node.daemon.ports()
    assert result["interfaces"] == [{"name": "eth0", "mac": port["macAddress"], "sandbox": f"/proc/{container.box.pid}/ns/net"}]
    assert addresses(result) == port["addresses"] and result["ips"][0]["gateway"] == GATEWAY
    assert len(result["ips"]) == (1 if kind == "one range" else 2)
    assert container.call("add")["code"] >= 100
    assert container.call("check") is None and len(node.daemon.ports()) == 1
    assert container.call("del") is None and container.call("del") is None
    assert node.left() == []


@kinds
def test_check_after_port_delete(node, kind):
    container = node.container(kind)
    container.call("add")
    node.daemon.ctl("port", "delete", node.daemon.ports()[0]["name"])
    assert container.call("check")["code"] > 100
    assert container.call("del") is None and node.left() == []


@kinds
def test_del_after_the_namespace_has_gone(node, kind):
    container = node.container(kind)
    container.call("add")
    container.box.close()
    assert node.daemon.settle() == []
    assert container.call("del") is None and container.call("del") is None
    assert node.left() == []


@ranges
def test_range_and_its_end(node, kind):
    containers = [node.container(kind) for _ in range(4)]
    results = [container.call("add") for container in containers[:3]]
    assert sorted(addresses(result)[0] for result in results) == ["10.0.0.31/24", "10.0.0.32/24", "10.0.0.33/24"]
    assert {ip["gateway"] for result in results for ip in result["ips"]} <= {GATEWAY, "fd00::1"}
    full = containers[3].call("add")
    assert ("range" in full["msg"] if kind == "leases" else "10.0.0.31-10.0.0.33" in full["msg"]) and len(node.daemon.ports()) == 3
    containers[1].call("del")
    assert addresses(containers[3].call("add")) == addresses(results[1])


@pytest.mark.parametrize("kind", ["two families", "static", "leases"])
def test_fixed_addresses(node, kind):
    fixed = {"ips": ["10.0.0.32/24", "fd00::33/64"], "mac": "52:54:00:00:00:77"}
    container, other = node.container(kind), node.container(kind)
    result = container.call("add", capabilities=fixed)
    assert addresses(result) == fixed["ips"] and node.daemon.ports()[0]["addresses"] == fixed["ips"]
    assert result["interfaces"][0]["mac"] == fixed["mac"] and container.call("check") is None
    if kind != "static":  # it keeps no account
        assert "10.0.0.32" in other.call("add", capabilities={"ips": fixed["ips"]})["msg"]
    assert other.call("add", args=[("IgnoreUnknown", "1"), ("MAC", "52:54:00:00:00:78")])["interfaces"][0]["mac"].endswith("78")


@ranges
def test_garbage_after_lost_dels(node, kind):
    """One container lives, one is forgotten, one has ended; what the last two had is free after GC."""
    living, lost, ended = (node.container(kind) for _ in range(3))
    first = [addresses(container.call("add")) for container in (living, lost, ended)]
    ended.box.close()
    node.wait_ports(2)
    assert living.by_hand("GC", valid=[living]) is None
    assert len(node.daemon.ports()) == 1 and living.call("check") is None
    others = [addresses(node.container(kind).call("add")) for _ in range(2)]
    assert sorted(sum(others, [])) == sorted(sum(first[1:], []))  # leases of the two families need not stay together
    assert living.by_hand("GC") is None and node.daemon.ports() == []
    assert [name for name in node.left() if name.startswith("10.") or ":" in name] == []


def test_status(node, host):
    container = node.container("one range")
    assert container.by_hand("STATUS") is None
    host.ip("link", "set", "eth0", "down")
    down = container.by_hand("STATUS")
    assert down["code"] == 50 and "eth0" in down["msg"]
    host.ip("link", "set", "eth0", "up")
    assert container.by_hand("STATUS") is None
    node.daemon.network("lan", "nosuch")
    node.daemon.restart()
    assert container.by_hand("STATUS")["code"] == 50
    node.daemon.stop()
    assert container.plugin_alone("STATUS")["code"] == 50
    node.daemon.start()


@pytest.mark.parametrize("version", ["0.3.1", "0.4.0", "1.0.0"])
def test_versions(node, version):
    container = node.container("two families", version)
    assert container.call("validate") is None
    result = container.call("add")
    assert result["cniVersion"] == version and addresses(result) == ["10.0.0.31/24", "fd00::31/64"]
    assert version == "0.3.1" or container.call("check") is None  # which has no CHECK
    assert container.call("del") is None and node.left() == []


def test_newer_than_the_ipam_plugin(node):
    """GC and STATUS came with 1.1.0, which Debian's host-local does not know."""
    container = node.container("two families")
    result = container.by_hand("ADD")
    assert result["cniVersion"] == "1.1.0" and addresses(result) == ["10.0.0.31/24", "fd00::31/64"]
    assert container.by_hand("CHECK", prevResult=result) is None and container.by_hand("GC", valid=[container]) is None
    assert container.by_hand("DEL") is None and node.left() == []
