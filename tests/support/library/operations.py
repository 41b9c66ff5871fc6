# SPDX-License-Identifier: LGPL-2.1-or-later
"""What macvtapd does, an operation at a time, in a world that can be compared with what it was before.

Theory of operation: a World is one host, kept for many rounds. A round prepares an operation (its ports, its holders),
acts (this is what is killed, or made to fail), and ends everything as users would: holders end, a domain is let go, what
has no holder is deleted; then the administrator takes back what he did to the host. After that the world is as it was,
whatever happened in between: every link as `ip -d` tells it, the state folder with all that is in it, the nodes in /dev, the
pins of the guard's maps.

Before everybody lets go, what the API says must be what the kernel says, and what the operation wants of its ports must
have come true: at once, or with a repair that is tried again.
"""
import contextlib
import dataclasses
import json
import os
import pathlib
import subprocess
import typing

import varlink
from clock import Deadline, FolderWatch
from daemon import Daemon
from domain import Port, domain_xml
from frames import Tap
from namespaces import Host, LinkMonitor
from programs import program

ANSWER = 10  # seconds after which a call hangs, and after which what has not gone stays
DOMAIN = "123e4567-e89b-12d3-a456-426614174000"
NODE = {"owner": 65534, "group": 65534}
NETWORKS = {"lan": "Mode=bridge", "assign": "Mode=passthru\n[Port]\nMac=assign", "inherit": "Mode=passthru",
            "source": "Mode=source\nSources=52:54:00:00:00:01", "vlan": "Mode=bridge\nVLAN=100",
            "tags": "Mode=bridge\n[Port]\nGuestVLANs=100 200",
            "leases": "Mode=bridge\n[Addresses]\nSubnet=10.0.0.0/29 fd00::/64\nRange=10.0.0.2 fd00::2-fd00::3",
            "learns": "Mode=bridge\n[Addresses]\nSubnet=10.0.0.0/29\nGateway=10.0.0.1\n[Guard]\nAddresses=dhcp",
            "reached": "Mode=bridge\n[Addresses]\nSubnet=10.9.0.0/24\n[Host]\nAccess=yes"}
_OWN_DEV = """
mount -t tmpfs -o mode=755 dev /dev
mknod -m 666 /dev/null c 1 3
mknod -m 666 /dev/urandom c 1 9
"""


class _Shell:
    """A shell in a host that answers a command with one line, much sooner than a process of its own would."""

    def __init__(self, host):
        self._process = host.start("sh", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, command):
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()

    def links(self):
        """As Host.links()."""
        return {link["ifname"]: link for link in json.loads(self.ask("ip -d -j link"))}

    def macvtaps(self):
        return {name: link for name, link in self.links().items()
                if link.get("linkinfo", {}).get("info_kind") == "macvtap"}


class World:
    """A host with the parents eth0 and eth1 and networks on them, and its macvtapd.

    own_dev: /dev has no nodes but those that macvtapd makes, as in a container; else it is the kernel's devtmpfs."""

    def __init__(self, own_dev=False):
        self.host, self.station = Host("host"), Host("station")
        self.own_dev = own_dev
        for parent in ("eth0", "eth1"):
            self.connect_parent(parent)
        self.host.address("eth0", "10.9.0.1/24")
        if own_dev:
            self.host.run("sh", "-ec", _OWN_DEV)
        self._shell, self._beyond = _Shell(self.host), _Shell(self.station)
        self.daemon = Daemon(self.host)
        self.define_networks()
        self._holders, self._nodes_seen, self._held = [], set(), []
        self._operation = None
        self.connection = None
        self.port = None  # what the operation is about, as the API tells it
        self.done = None  # what the hook gave
        self.noted = None  # what the operation wants to know afterwards

    def connect_parent(self, name):
        self.host.connect(name, self.station, name)
        self.host.quiet(name)
        self.station.quiet(name)

    def define_networks(self):
        for name, keys in NETWORKS.items():
            self.daemon.network(name, text=f"[Network]\nParent=eth0\n{keys}\n")
        self.daemon.network("probe", "eth1")
        self.daemon.network("assign1", text="[Network]\nParent=eth1\nMode=passthru\n[Port]\nMac=assign\n")
        self.daemon.network("extra", "eth2")  # a parent that comes and goes

    # -- holders and calls -----------------------------------------------------------------------------------

    def holder(self, *words):
        """A process that ends with the round; words are in its command line."""
        child = subprocess.Popen(["sh", "-c", "echo; read line", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._holders.append(child)
        with child.stdout:
            child.stdout.readline()  # Popen() returns while execve(2) is still about to set what /proc/PID/cmdline tells
        return {"type": "process", "pid": child.pid}

    def end_holder(self, holder):
        (child,) = [child for child in self._holders if child.pid == holder["pid"]]
        self._holders.remove(child)
        child.kill()
        child.wait()
        child.stdin.close()

    def end_holders(self):
        for child in list(self._holders):
            self.end_holder({"pid": child.pid})

    def _ask(self, method, parameters):
        if not self.connection:
            raise varlink.Closed()
        return self.connection.ports(method, _deadline=Deadline(ANSWER), **parameters)

    def _take_descriptors(self):
        return self.connection.take_descriptors() if self.connection else []

    def call(self, method, **parameters):
        try:
            return self._ask(method, parameters)
        finally:
            for descriptor in self._take_descriptors():
                os.close(descriptor)

    def create(self, network, **parameters):
        parameters.setdefault("holder", self.holder())
        self.port = self.call("CreatePort", network=network, **parameters)["port"]
        return self.port

    def hold(self, method, **parameters):
        """As call(), but who calls keeps the descriptors."""
        try:
            reply = self._ask(method, parameters)
        finally:
            self._held += self._take_descriptors()
        self.port = reply["port"]

    def held_tap(self):
        """The first of the descriptors; it stays the world's."""
        return Tap(os.dup(self._held[0]))

    def hear(self):
        """Wait until the daemon has read what it has been told: whoever calls next has an answer behind it all."""
        for _ in range(3):
            self.call("ListPorts")

    def let_go(self, count=None):
        """Closes that many of the descriptors, or all."""
        closed = self._held[:count]
        self._held = self._held[len(closed):]
        for descriptor in closed:
            os.close(descriptor)

    def hook(self, operation, text):
        self.done = self.host.run(program("hook"), "vm1", operation, "begin", "-", input=text, stdin=None, check=False,
                                  env={**self.daemon.environment(), "LC_ALL": "C"})

    # -- rounds ----------------------------------------------------------------------------------------------

    def begin(self, operation):
        """Up to the operation's act."""
        self._operation = operation
        self._nodes_seen = set()
        if not self.daemon.running:
            self.daemon.start()
        self.connection = self.daemon.connect()
        operation.prepare(self)
        # A connection of its own, or what was prepared would be told on it; accepting it is part of the operation.
        self.connection.close()
        self.connection = None

    def act(self, operation):
        """The operation, from the caller's connection on. What comes from outside comes even if there is no daemon: a
        late event may have been its end."""
        if operation.is_start:
            return
        with contextlib.suppress(ConnectionError):
            self.connection = self.daemon.connect()
        try:
            operation.act(self)
        finally:
            if self.connection:
                self.connection.close()

    def end(self):
        """Everybody lets go of their ports, macvtapd is done with them, and the host is as it was. Returns what is wrong
        in between."""
        self.end_holders()
        self.let_go()
        problems = self._operation.let_go(self) or []
        with self.daemon.connect() as connection:
            connection.ports("EndDomain", domain=DOMAIN)
            for port in connection.ports("ListPorts")["ports"]:
                if port["holder"]["type"] == "none":
                    connection.ports("DeletePort", port=port["id"])
            unguarded = "unguarded" in connection.ports("ListNetworks")["networks"][0]
            # The next user's call is served as ever.
            connection.ports("CreatePort", network="probe", name="probe", holder={"type": "none"})
            connection.ports("DeletePort", port="probe")
        if unguarded:  # a start could load no programs: what it has found in the maps is the next one's
            self.daemon.restart()
        self._settle()
        return problems + (self._operation.undo(self) or [])

    def _settle(self):
        deadline = Deadline(ANSWER)
        watches = [LinkMonitor(self.host), FolderWatch(self.daemon.state / "ports"),
                   FolderWatch(self.host.path("/dev"))]
        with contextlib.suppress(FileNotFoundError):
            watches.append(FolderWatch(self.host.queue_folder))
        watches += [FolderWatch(folder) for folder in self.host.pin_folders()]
        ended = os.pidfd_open(self.daemon.process.pid)
        try:
            while self.macvtaps() or self.daemon.records() or self.host.queue_nodes() or self.host.pins():
                if ended in deadline.wait_readable(*(watch.fileno() for watch in watches), ended):
                    return
                for watch in watches:
                    watch.drain()
        except TimeoutError:
            pass  # what is left is told by the comparison
        finally:
            os.close(ended)
            for watch in watches:
                watch.close()

    # -- what is there ---------------------------------------------------------------------------------------

    def links(self):
        return self._shell.links()

    def macvtaps(self):
        return self._shell.macvtaps()

    def moved(self):
        """The macvtaps that are in the station's network namespace."""
        return self._beyond.macvtaps()

    def state(self):
        links = self.links()
        self._nodes_seen |= {found for name, link in links.items() if (found := self._node_of(name, link["ifindex"]))}
        return {"links": links, "moved": list(self.moved()), "files": self._files(), "nodes": self._nodes(),
                "pins": self.host.pins()}

    def _files(self):
        root = self.daemon.state
        return {str(path.relative_to(root)): path.is_file() and path.read_bytes() for path in root.rglob("*")}

    def _node_of(self, name, index):
        """(its node's name in /dev, the number of its character device) for a macvtap."""
        number = pathlib.Path(self.host.path(f"/sys/class/net/{name}/macvtap/tap{index}/dev"))
        return (f"tap{index}", number.read_text(encoding="ascii").strip()) if number.exists() else None

    @staticmethod
    def _is_there(node, number):
        """Whether /dev has it. The node of that name may be another world's: interfaces have the same indexes there."""
        try:
            found = os.stat(f"/dev/{node}").st_rdev
        except FileNotFoundError:
            return False
        return number == f"{os.major(found)}:{os.minor(found)}"

    def _nodes(self):
        """Of a /dev that others use as well: only what belongs, or belonged, to a device of this world."""
        if self.own_dev:
            return sorted(os.listdir(self.host.path("/dev"))) + self.host.queue_nodes()
        return sorted(node for node, number in self._nodes_seen if self._is_there(node, number)) + self.host.queue_nodes()

    def open_files(self):
        """As /proc has them: "socket:[1234]", "/dev/vhost-net"."""
        folder = f"/proc/{self.daemon.process.pid}/fd"
        found = []
        for name in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                found.append(os.readlink(f"{folder}/{name}"))
        return found

    def own_sockets(self):
        """The daemon's sockets, as /proc has them ("socket:[1234]"), except its connections to callers: it may take a
        moment to close one whose caller has gone."""
        accepted = self._accepted()
        return {name for name in self.open_files() if name.startswith("socket:") and name not in accepted}

    def _accepted(self):
        """The sockets that accept(2) has returned. They alone are connected and have a path, the listening socket's; the
        kernel lists them in the caller's network namespace, here the test's or the host's (net/unix/af_unix.c,
        unix_stream_connect())."""
        found = set()
        for pid in os.getpid(), self.daemon.process.pid:
            with open(f"/proc/{pid}/net/unix", encoding="utf-8", errors="replace") as stream:
                for line in stream:
                    fields = line.split()
                    if len(fields) == 8 and fields[5] == "03":
                        found.add(f"socket:[{fields[6]}]")
        return found

    def descriptors(self):
        """What the daemon has open while this one is its only caller."""
        with self.daemon.connect() as connection:
            connection.ports("ListNetworks")
            connection.ports("ListNetworks")
            open_files = [name.split("[")[0].split(":")[0] for name in self.open_files()]
            # It may be having one of the looks that follow a start (src/kernel/queue.c).
            return sorted(name for name in open_files if name != "/proc/locks")

    def _wait_removed(self, listed):
        """Ports that are ending are listed no more, and their records come to say so with the piece that removes them."""
        watch, deadline = FolderWatch(self.daemon.state / "ports"), Deadline(ANSWER)
        try:
            while set(self.daemon.records()) - listed:
                deadline.wait_readable(watch.fileno())
                watch.drain()
        except TimeoutError:
            pass  # what is left is told by the comparison
        finally:
            watch.close()

    def _are_settled(self, ports):
        return (not any("problem" in port and port["state"] == "active" for port in ports)
                and (not ports or self._operation.wants(self, ports)))

    def _settled_ports(self):
        """The ports as they are listed. A device that a fault kept from being repaired, or from being looked at, gets
        another look: it is waited for, until the ports are as the operation wants them."""
        deadline = Deadline(ANSWER)
        with self.daemon.connect() as connection, self.daemon.connect() as watcher:
            ports = connection.ports("ListPorts")["ports"]
            if not self._are_settled(ports):
                watcher.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
                watcher.reply(deadline)
                ports = connection.ports("ListPorts")["ports"]
            with contextlib.suppress(TimeoutError):
                while not self._are_settled(ports):
                    watcher.reply(deadline)
                    ports = connection.ports("ListPorts")["ports"]
            return ports

    def _has_ipv6(self, link):
        """The kernel has none on a device of less than 1280 bytes."""
        name, generation = link["ifname"], link.get("inet6_addr_gen_mode")
        off = self._shell.ask(f"{{ read -r off < /proc/sys/net/ipv6/conf/{name}/disable_ipv6; }} 2>/dev/null"
                              ' && echo "$off" || echo 1')
        return off != "1\n" or generation not in ("none", None) or (generation is None and link["mtu"] >= 1280)

    def _is_guarded(self, link):
        hooks = (f"tc filter show dev {link['ifname']} {hook}" for hook in ("egress", "ingress"))
        return self._shell.ask(f"{{ {'; '.join(hooks)}; }} | grep -c ' macvtapd direct-action '") == "2\n"

    def _problems_of(self, port, devices):
        """Where the kernel says something else than the API."""
        link = devices.get(port["interfaceName"])
        has_record = port["id"] in self.daemon.records()
        if port["state"] in ("device-gone", "parent-gone") and not link and has_record:
            return []
        if not link or not has_record:
            return [f"port {port} has no device or no record"]
        found = []
        is_like = (link["ifindex"], link["address"], link["mtu"], link.get("ifalias"), "UP" in link["flags"],
                   link["linkinfo"]["info_data"]["mode"], link["link"])
        mode = "vepa" if port["incoming"] else port["mode"]
        if is_like != (port["interfaceIndex"], port["macAddress"], port["mtu"], f"macvtapd:{port['id']}",
                       port["linkUp"], mode, port["parent"]) or port["state"] != "active":
            found.append(f"{port} is not {link}")
        if "NOARP" not in link["flags"] or self._has_ipv6(link):
            found.append(f"the host speaks on {link}")
        if "guard" in port and not self._is_guarded(link):
            found.append(f"the guard of {port} is not on {link}")
        return found

    def problems(self):
        """What does not fit together: the ports that are listed, their records, and their devices."""
        ports = self._settled_ports()
        self._wait_removed({port["id"] for port in ports})
        self.daemon.ports()  # answered when what went with the records has gone as well
        devices = self.macvtaps()
        found = [f"record {name} of no port" for name in set(self.daemon.records()) - {port["id"] for port in ports}]
        expected = {port["interfaceName"] for port in ports}
        if any(port["network"] == "tags" for port in ports):
            expected |= {name for name, link in devices.items() if link.get("ifalias") == "macvtapd:guest-vlans"}
        found += [f"device {name} of no port" for name in set(devices) - expected]
        if not self._are_settled(ports):
            found.append(f"not as they must be: {ports}")
        return found + [problem for port in ports for problem in self._problems_of(port, devices)]

    def close(self):
        self.end_holders()
        self.let_go()
        self.daemon.close()
        self.host.close()
        self.station.close()


def differences(before, after):
    """What is other in the second of two states, a line each."""
    found = []
    for kind in before:
        if isinstance(before[kind], list):
            found += [f"{kind}: {name}" for name in set(before[kind]) ^ set(after[kind])]
            continue
        for name in before[kind].keys() | after[kind].keys():
            old, new = before[kind].get(name), after[kind].get(name)
            if old != new:
                found.append(f"{kind}: {name}: {old} has become {new}")
    return found


# -- operations ----------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Operation:
    name: str
    act: typing.Callable
    prepare: typing.Callable = lambda world: None
    own_dev: bool = False
    may_be_told: bool = False  # what fails is told in the log and by the next call: nobody has called
    hook: bool = False
    is_start: bool = False  # the daemon's: there is no act
    wants: typing.Callable = lambda world, ports: True  # what must be true of the ports that are left, in the end
    # Ends ports that nothing else ends; may return what is wrong, a list.
    let_go: typing.Callable = lambda world: None
    # Puts back what act has changed of the host, if it came so far; may return what is wrong before that, a list.
    undo: typing.Callable = lambda world: None


def create(network, **parameters):
    return lambda world: world.create(network, **parameters)


def create_for_domain(world, network="lan", **parameters):
    parameters = {"openDescriptors": False, "linkUp": False, "deviceNode": NODE, **parameters}
    world.create(network, holder={"type": "domain", "domain": DOMAIN}, **parameters)


def _open(world):
    world.call("OpenPort", port=world.port["id"])


def _delete(world):
    world.call("DeletePort", port=world.port["id"])


def create_held(network, **parameters):
    return lambda world: world.hold("CreatePort", network=network, vhost="off", holder={"type": "descriptors"}, **parameters)


def _open_held(world):
    world.hold("OpenPort", port=world.port["id"])


def _two_held(world):
    for _ in range(2):
        create_held("lan", queues=2)(world)


def _let_descriptors_go(world):
    world.let_go(3)
    world.hear()


def _set(**change):
    return lambda world: world.call("SetPort", port=world.port["id"], **change)


def _tie(world):
    world.call("SetPort", port=world.port["id"], holderPid=world.holder()["pid"])


def _three_of_a_domain(world):
    for network in ("lan", "lan", "lan"):
        world.create(network, holder={"type": "domain", "domain": DOMAIN})


def _three_of_a_process(world):
    holder = world.holder()
    for _ in range(3):
        world.create("lan", holder=holder)


def _let_holders_end(world):
    world.end_holders()
    world.hear()


def _take_another_mac(world):
    """As a guest does; in passthru the parent's goes with it."""
    world.host.ip("link", "set", world.port["interfaceName"], "address", "52:54:00:00:77:01")
    world.hear()


_GUEST = Port("vm1net0", mac="52:54:00:00:4c:01"), Port("vm1net1", mac="52:54:00:00:4c:02")
_XML = domain_xml("vm1", _GUEST, number=DOMAIN)


def _hook(operation):
    return lambda world: world.hook(operation, _XML)


def _prepared(world):
    world.hook("prepare", _XML)
    assert world.done.returncode == 0, world.done.stderr


def _with_qemu(world):
    """libvirt has started the domain's QEMU, and tells where it is."""
    _prepared(world)
    pid = world.holder("qemu", "-uuid", DOMAIN)["pid"]
    folder = world.host.path("/run/libvirt/qemu")
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/vm1.pid", "w", encoding="ascii") as stream:
        stream.write(f"{pid}\n")


def _started(world):
    _with_qemu(world)
    world.hook("started", _XML)
    assert world.done.returncode == 0, world.done.stderr


def _crash(world):
    """What a start may find: see reconcile.c."""
    records = world.daemon.state / "ports"
    stays, ends = world.holder(), world.holder()
    world.create("lan", holder=stays)
    world.create("assign1", holder=ends)
    world.create("lan", holder={"type": "domain", "domain": DOMAIN, "pid": ends["pid"]}, deviceNode=NODE)
    create_held("lan", queues=2)(world)  # two of its queues are closed by the next start, and then it is over,
    create_held("lan", queues=2)(world)  # of this one it is one queue
    for suffix in (".creating", ".deleting"):
        port = world.create("lan", holder=stays)
        (records / port["id"]).rename(records / f"{port['id']}{suffix}")
    port = world.create("lan", holder=stays)
    (records / port["id"]).unlink()
    (records / ".p000000000001.new").write_bytes(b"{")
    world.daemon.kill()
    world.end_holder(ends)
    world.let_go(3)


def _has_only_lease(world, ports):
    """Its network has one IPv4 address: whatever went wrong, that is the port's."""
    return all("10.0.0.2/29" in port["addresses"] for port in ports)


OPERATIONS = [
    Operation("create: bridge", create("lan", queues=2)),
    Operation("create: passthru, inherit", create("inherit")),
    Operation("create: passthru, assign", create("assign")),
    Operation("create: source", create("source")),
    Operation("create: with a lease", create("leases"), wants=_has_only_lease),
    Operation("create: with Addresses=dhcp", create("learns")),
    Operation("create: with host access", create("reached")),
    Operation("create: for a domain, with a node", create_for_domain),
    Operation("create: the same, in a /dev without nodes", create_for_domain, own_dev=True),
    Operation("create: for an incoming guest", lambda world: create_for_domain(world, incoming=True)),
    Operation("create: held by its descriptors", create_held("lan", queues=2)),
    Operation("create: held by its descriptors, in a /dev without nodes", create_held("lan", queues=2), own_dev=True),
    Operation("open", _open, create("lan", queues=2)),
    Operation("open: of a port that descriptors hold", _open_held, create_held("lan", queues=2)),
    Operation("open: in a /dev without nodes", _open, create("lan"), own_dev=True),
    Operation("open: a node that was given away", _open, create_for_domain),
    Operation("set: holder", _tie, create_for_domain),
    Operation("set: sources", _set(sources=["52:54:00:00:00:02"]), create("source")),
    Operation("set: guard", _set(guard={"verdict": "count"}), create("lan")),
    Operation("set: link", _set(linkUp=True), create_for_domain),
    Operation("delete: bridge", _delete, create("lan", queues=2)),
    Operation("delete: passthru, assign", _delete, create("assign")),
    Operation("delete: with a node, in a /dev without nodes", _delete, create_for_domain, own_dev=True),
    Operation("delete: with Addresses=dhcp", _delete, create("learns")),
    Operation("delete: with host access", _delete, create("reached")),
    Operation("end of a domain with three ports",
              lambda world: world.call("EndDomain", domain=DOMAIN), _three_of_a_domain),
    Operation("the last descriptor of a port is closed", _let_descriptors_go, _two_held, may_be_told=True),
    Operation("end of a process with three ports", _let_holders_end, _three_of_a_process, may_be_told=True),
    Operation("the guest takes another MAC, and may not", _take_another_mac, create("lan"), may_be_told=True),
    Operation("the guest takes another MAC, and may (assign)", _take_another_mac, create("assign"), may_be_told=True),
    Operation("hook: prepare", _hook("prepare"), hook=True),
    Operation("hook: started", _hook("started"), _with_qemu, hook=True),
    Operation("hook: release", _hook("release"), _started, hook=True),
    Operation("start", None, _crash, is_start=True),
]
VLAN_OPERATIONS = [
    Operation("make a VLAN device", create("vlan")),
    Operation("remove a VLAN device", _delete, create("vlan")),
    Operation("name the tags of guests", create("tags")),
    Operation("forget the tags of guests", _delete, create("tags")),
]


def operation(name, operations=None):
    (found,) = [operation for operation in operations or OPERATIONS if operation.name == name]
    return found
