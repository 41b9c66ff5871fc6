# SPDX-License-Identifier: LGPL-2.1-or-later
"""Parents of every kind, each with a station on the wire behind it.

A NIC is one of the lab's two emulated ones; the other, on the same hub, is the station's."""
import contextlib
import json
import os

from clock import Deadline
from frames import PacketSocket
from namespaces import RTM_NEWLINK, Host, LinkMonitor, Switch

VLAN, OUTER_VLAN = 100, 200
STATION_IP = "10.0.0.254"

# kind: (what carries the ports, VLAN=)
KINDS = {
    "nic": ("nic", None),
    "bond": ("bond", None),
    "vlan": ("nic", f"{VLAN}"),
    "vlan-on-bond": ("bond", f"{VLAN}"),
    "veth": ("veth", None),
    "qinq": ("nic", f"{OUTER_VLAN}.{VLAN}"),
    "own-vlan": ("nic", f"{VLAN}"),
}

# As "nic", with the NIC that has a VLAN filter (virtio-net's, which cannot be turned off).
FILTERING = {"filtering-nic": ("filtering_nic", None)}

_STATE = ("address", "mtu", "flags", "promiscuity", "allmulti", "operstate", "txqlen", "ifalias", "linkinfo")


def wait_link(host, name, condition, deadline=None):
    """Wait, by the kernel's messages, until the link is there and condition(link as `ip` tells it) holds."""
    deadline = deadline or Deadline()
    monitor = LinkMonitor(host)
    try:
        while True:
            link = host.links().get(name)
            if link and condition(link):
                return link
            monitor.wait(RTM_NEWLINK, name, deadline)
    except TimeoutError:
        raise AssertionError(f"{name} is still {link}") from None
    finally:
        monitor.close()


def wait_carrier(host, name):
    return wait_link(host, name, lambda link: "LOWER_UP" in link["flags"] and link["operstate"] == "UP")


def bond_of(host, *slaves, name="bond0", mode="active-backup"):
    """Make a bond of links that have carrier, and wait until it has."""
    host.ip("link", "add", name, "type", "bond", "mode", mode, "miimon", "50")
    for slave in slaves:
        host.ip("link", "set", slave, "down")
        host.ip("link", "set", slave, "master", name)
    host.ip("link", "set", name, "up")
    wait_carrier(host, name)


def active_slave(host, bond="bond0"):
    with open(host.path(f"/sys/class/net/{bond}/bonding/active_slave"), encoding="ascii") as stream:
        return stream.read().strip()


def _silent_host(name):
    """A host whose interfaces send nothing by themselves."""
    host = Host(name)
    host.run("sysctl", "-q", "-w", "net/ipv6/conf/default/disable_ipv6=1")
    return host


def _drivers():
    """The NICs of the lab by driver."""
    found = {}
    for name in os.listdir("/sys/class/net"):
        with contextlib.suppress(OSError):
            found[os.path.basename(os.readlink(f"/sys/class/net/{name}/device/driver"))] = name
    return found


class Site:
    """A host with a parent, and a station. kind: one of KINDS or FILTERING, or "bond:MODE" for a bond of another mode.

    parent, vlan: what Parent= and VLAN= of a network say. trunk: the links that a port must leave as they were: the
    parent, a bond's slaves, the VLAN device that the administrator made. wire: the station's interface on the same
    segment as the ports."""

    def __init__(self, kind):
        kind, _, bond_mode = kind.partition(":")
        base, self.vlan = (KINDS | FILTERING)[kind]
        self._bond_mode = bond_mode or "active-backup"
        self._stack = contextlib.ExitStack()
        try:
            self.host, self.station = self._make_host("host"), self._make_host("station")
            getattr(self, f"_{base}")()
            self.wire = self._tag_station()
            if kind == "own-vlan":
                self._own_vlan()
            self.station.address(self.wire, f"{STATION_IP}/24")
            self._socket = None
        except BaseException:
            self._stack.close()
            raise

    def _make_host(self, name):
        host = _silent_host(name)
        self._stack.callback(host.close)
        return host

    def _veth(self):
        self.host.connect("eth0", self.station, "eth0")
        self.parent, self.trunk = "eth0", ["eth0"]

    def _filtering_nic(self):
        self._nic("virtio_net", "e1000e")

    def _nic(self, own="e1000e", other="virtio_net"):
        for driver, host in ((own, self.host), (other, self.station)):
            self._take_nic(driver, host)
        wait_carrier(self.host, "eth0")
        wait_carrier(self.station, "eth0")
        self.parent, self.trunk = "eth0", ["eth0"]

    def _take_nic(self, driver, host):
        name = _drivers()[driver]
        root = _Root()
        root.ip("link", "set", name, "netns", str(host.pid), "name", "eth0")
        # Given back by hand: a namespace that ends gives it back some time later.
        self._stack.callback(lambda: host.ip("link", "set", "eth0", "netns", "1", "name", name))
        host.ip("link", "set", "eth0", "up")

    def _bond(self):
        self.switch = Switch(self._make_host("switch"))
        self.ports = {name: self.switch.plug(self.host, name) for name in ("eth0", "eth1")}
        self.switch.plug(self.station, "eth0")
        bond_of(self.host, "eth0", "eth1", mode=self._bond_mode)
        self.parent, self.trunk = "bond0", ["bond0", "eth0", "eth1"]

    def _tag_station(self):
        wire = "eth0"
        tags = [int(tag) for tag in self.vlan.split(".")] if self.vlan else []
        for tag, outer in zip(tags, [True] * (len(tags) - 1) + [False]):
            name = f"v{tag}"
            self.station.ip("link", "add", "link", wire, "name", name, "type", "vlan", "protocol",
                            "802.1ad" if outer else "802.1Q", "id", str(tag))
            self.station.ip("link", "set", name, "up")
            wire = name
        return wire

    def _own_vlan(self):
        self.host.ip("link", "add", "link", "eth0", "name", "office", "type", "vlan", "id", str(VLAN))
        self.host.ip("link", "set", "office", "alias", "the administrator's", "up")
        wait_carrier(self.host, "office")
        self.trunk.append("office")

    # -- what tests ask ----------------------------------------------------------------------------------------

    def network(self, mode, **settings):
        """The text of a network file."""
        lines = [f"Parent={self.parent}", f"Mode={mode}"]
        if self.vlan:
            lines.append(f"VLAN={self.vlan}")
        if mode == "source":
            lines.append(f"Sources={self.station.mac(self.wire)}")
        port = [f"{key}={value}" for key, value in settings.items()]
        return "\n".join(["[Network]", *lines, "[Port]", *port, ""])

    def endpoint(self):
        """A packet socket at the station's end of the ports' segment; closed with the site."""
        if self._socket is None:
            self._socket = self._stack.enter_context(PacketSocket(self.station, self.wire))
        return self._socket

    def names(self):
        return sorted(self.host.links())

    def state(self):
        """What must be the same after a port as before it: which links there are, and all of those in trunk, with
        the addresses that their filters let through."""
        links = self.host.links()
        filters = json.loads(self.host.run("bridge", "-j", "fdb", "show").stdout or "[]")
        return {
            "links": sorted(links),
            **{name: {key: links[name].get(key) for key in _STATE} for name in self.trunk},
            **{f"filter of {name}": sorted(entry["mac"] for entry in filters if entry["ifname"] == name)
               for name in self.trunk},
        }

    def close(self):
        self._stack.close()


class _Root(Host):
    """The namespace of the tests themselves, which has the NICs that no site uses."""

    def __init__(self):  # pylint: disable=super-init-not-called
        self.name = "root"
        self._children = []

    def command(self, arguments, user=None, cwd=None):
        return [str(argument) for argument in arguments]
