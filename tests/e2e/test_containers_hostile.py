# SPDX-License-Identifier: LGPL-2.1-or-later
"""Root of a container against macvtapd, against the host, and against the VM in another container."""
import itertools
import json
import os
import socket
import threading

import pytest

from containers import GATEWAY, QUICK, SUBORDINATE
from documents import block, commands
from namespaces import in_network_namespace
from programs import SOURCE
from sample import sampled
from varlink import Connection

SOCKET = "/run/macvtapd-containers/socket"
FOLDER = "-v /run/macvtapd-containers:/run/macvtapd-containers:ro"
# The host's main socket alone, in a container whose root is not the host's.
MAIN = "-v /run/macvtapd/socket:/run/main/socket:ro"
TOOLS = f"-v {SOURCE}/tests/support/library:/library:ro -v {SOURCE}/src/api:/api:ro"
NOBODY = 65534
REFUSED = {"AccessDenied", "PortNotFound", "NetworkNotFound", "HolderInvalid", "InvalidRequest"}


@pytest.fixture
def engine(request, engine_hosts):
    return engine_hosts.get(request.param.split("-")[0], maps_users="-" in request.param)


@pytest.fixture
def daemon(engine_daemon):
    engine_daemon.network("lan", text=block("docs/containers.md", "The network", 0).replace("nobody", "nobody 4711"))
    engine_daemon.network("closed", "eth0")
    return engine_daemon.start()


class Victim:
    """A VM in a container, on a port that the container's namespace holds; and a port of the host's root."""

    def __init__(self, engine, daemon):
        self._engine = engine
        pod, create, vm = commands(block("docs/containers.md", "A port that root gives the container", 0))
        engine.shell(pod.replace("podman", engine.engine))
        engine.shell(create.replace("podman", engine.engine))
        vm = vm.replace("podman", engine.engine).replace("--rm", f"--rm -e 'KERNEL_WORDS={QUICK} {{ip=}} guest.keep={GATEWAY}'")
        self.console = engine.console(vm)
        self.console.wait_reply()
        daemon.ctl("port", "create", "--network=lan", "--name=hosts")
        self.ports = self.seen(daemon)
        (self.port,) = [port for port in daemon.ports() if port["name"] == "pod1"]

    @staticmethod
    def seen(daemon):
        """What must not change of the ports that are not the attacker's."""
        return {port["name"]: {key: port[key] for key in ("id", "macAddress", "linkUp", "openQueues", "owner", "holder", "guard")}
                for port in daemon.ports() if port["name"] in ("pod1", "hosts")}

    def device(self):
        path = self._engine.path(f"/sys/class/net/{self.port['interfaceName']}/macvtap")
        with open(f"{path}/tap{self.port['interfaceIndex']}/dev", encoding="ascii") as stream:
            return [int(number) for number in stream.read().split(":")]

    def names(self):
        return ["eth0", "hosts", "pod1", self.port["id"], self.port["interfaceName"]]


class Served:
    """Another user of the host, who makes one port after the other meanwhile."""

    def __init__(self, daemon):
        self._path, self._end, self.count = daemon.socket, threading.Event(), 0
        os.seteuid(NOBODY)
        try:
            self._connection = Connection(self._path)
        finally:
            os.seteuid(0)
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        while not self._end.is_set():
            name = self._connection.ports("CreatePort", network="lan", holder={"type": "none"})["port"]["id"]
            self._connection.ports("DeletePort", port=name)
            self.count += 1

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()
        self._connection.close()


def attack(engine, victim, options, where, requests, made=None):
    """What root of a container with these options found. made: a socket that it is handed."""
    words = {"socket": where, "others": victim.names(), "networks": ["closed"], "device": victim.device(),
             "mount": "/run/macvtapd-containers", "made": 3 if made else None, "interface": "/api/org.macvtapd.Ports.varlink",
             "requests": requests}
    hand_on, more, passed = ("", "", {}) if made is None else (
        f"exec 3<&{made.fileno()}; ", "--preserve-fds 1", {"pass_fds": [made.fileno()]})
    done = engine.shell(f"{hand_on}{engine.engine} run --rm --name attacker --network none {more} {FOLDER} {options} {TOOLS}"
                        f" -e PYTHONDONTWRITEBYTECODE=1 --entrypoint python3 attacker /library/inside_container.py '{json.dumps(words)}'",
                        **passed)
    return json.loads(done.stdout)


def check(found, victim, daemon, requests, beside=False):
    """beside: its socket is of the namespace that holds the VM's port, which is seen there, and in use."""
    asked = found["asked"]
    assert asked["OpenPort eth0"] == ("AccessDenied" if beside else "PortNotFound")
    assert asked.pop("listed") == (["pod1"] if beside else []) and asked.pop("networks") == ["lan"]
    for name in victim.names():
        if beside and name != "hosts":
            assert asked.pop(f"GetPort {name}") == "done"
    # To delete all is to delete all of its own.
    assert asked.pop("delete all") in REFUSED | {"done"}
    assert {what: word for what, word in asked.items() if word not in REFUSED} == {}
    assert found["files"].pop("open the tap") in ("EPERM", "EACCES")
    assert found["files"].pop("state folder") == "ENOENT"
    assert found["files"].pop("mount it writable") in ("EPERM", "EACCES")
    assert found["files"].pop("take the socket away") in ("EROFS", "EBUSY")
    assert found["files"].pop("plant a file") in ("EROFS", "EACCES")
    assert set(found["files"].values()) == {"not there"}
    assert sum(found["generated"].values()) == requests
    assert victim.seen(daemon) == victim.ports
    victim.console.wait_reply()
    assert "warning" not in daemon.messages(), daemon.messages()


def mapped(engine):
    return "" if engine.maps_users else f"--uidmap 0:{SUBORDINATE}:65536"


@pytest.mark.parametrize("engine, requests", sampled(itertools.product(["podman", "docker", "docker-users"], [300, 10000]), [("podman", 300)]),
                         indirect=["engine"])
def test_root_of_a_container(engine, daemon, requests):
    """With the engine's own capabilities, on the container socket; where it has a user namespace, also on the main one."""
    victim = Victim(engine, daemon)
    with Served(daemon) as served:
        check(attack(engine, victim, "", SOCKET, requests), victim, daemon, requests)
        if engine.engine == "podman" or engine.maps_users:
            found = attack(engine, victim, f"{mapped(engine)} {MAIN}", "/run/main/socket", requests)
            check(found, victim, daemon, requests)
    assert served.count > requests // 100
    victim.console.close()
    daemon.ctl("port", "delete", "hosts")


@pytest.mark.parametrize("engine", ["podman"], indirect=True)  # Docker hands no descriptor on
def test_handed_on_socket(engine, daemon):
    """A socket that was made on the host and is connected in the container: who connects is the caller, and the host's
    namespace is macvtapd's own, which holds no port. One that was made in a container's namespace speaks for that, as a
    descriptor of the port would."""
    victim = Victim(engine, daemon)
    with engine.socket(socket.AF_UNIX, socket.SOCK_STREAM) as made:
        check(attack(engine, victim, "", SOCKET, 0, made), victim, daemon, 0)
    path = engine.path(f"/proc/{engine.process('pod1')}/ns/net")
    with in_network_namespace(path, lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as made:
        check(attack(engine, victim, "", SOCKET, 0, made), victim, daemon, 0, beside=True)
    with in_network_namespace(path, lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as made:
        engine.shell("podman kill vm1")
        victim.console.process.wait()
        found = attack(engine, victim, "", SOCKET, 0, made)
        assert found["asked"]["OpenPort eth0"].startswith("done, with descriptor")
    daemon.ctl("port", "delete", "hosts")
