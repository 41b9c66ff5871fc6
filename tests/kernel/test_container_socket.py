# SPDX-License-Identifier: LGPL-2.1-or-later
"""The container socket: nobody is root on it, and nobody sees more than what he made there."""
import os

import pytest

from programs import program
from refusal import REFUSED, NothingLeft, check_refused
from varlink import Closed, Connection, VarlinkError

NOBODY = 65534
NONE = {"type": "none"}


@pytest.fixture
def containers(daemons, host, station):
    """A daemon with a container socket; `closed` is open to nobody, `lan` to nobody (the user) and to uid 0."""
    daemon = daemons(host).open_to_containers()
    daemon.network("closed", "eth0")
    daemon.network("lan", "eth0", AllowUsers="nobody root")
    daemon.start()
    yield daemon
    if daemon.running:
        for port in daemon.ports():
            daemon.ctl("port", "delete", port["id"])


def connect(daemon, uid, path=None):
    os.seteuid(uid)
    try:
        return Connection(path or daemon.container_socket)
    finally:
        os.seteuid(0)


def names(connection):
    return sorted(port["name"] for port in connection.ports("ListPorts")["ports"])


def refused(connection, error, method, **parameters):
    with pytest.raises(VarlinkError) as refusal:
        connection.ports(method, **parameters)
    assert refusal.value.name == f"org.macvtapd.Ports.{error}", refusal.value
    return refusal.value.parameters["message"]


def make(daemon, uid, name, over=None):
    with connect(daemon, uid, over) as connection:
        return connection.ports("CreatePort", network="lan", name=name, holder=NONE)["port"]


def make_all(daemon):
    """A port of root and of nobody, over each socket."""
    for uid, who in ((0, "root"), (NOBODY, "nobody")):
        make(daemon, uid, f"host-{who}", daemon.socket)
        assert make(daemon, uid, f"container-{who}")["fromContainer"] is True


def test_root_there_is_a_user(containers):
    with connect(containers, 0) as root, NothingLeft(containers):
        message = refused(root, "AccessDenied", "CreatePort", network="parent=eth0,mode=bridge", holder=NONE)
        assert "only root may name an ad-hoc network, and not over the container socket" in message
        refused(root, "AccessDenied", "CreatePort", network="closed", holder=NONE)
        refused(root, "AccessDenied", "CreatePort", network="lan", interfaceName="eth7", holder=NONE)
        refused(root, "AccessDenied", "CreatePort", network="lan", incoming=True, holder=NONE)
        refused(root, "AccessDenied", "CreatePort", network="lan", deviceNode={"owner": 107, "group": 107}, holder=NONE)
        refused(root, "HolderInvalid", "CreatePort", network="lan", holder={"type": "process", "pid": 1})
        assert [network["name"] for network in root.ports("ListNetworks")["networks"]] == ["lan"]


def test_what_is_not_from_there_is_not_seen(containers):
    make_all(containers)
    with connect(containers, 0) as root, connect(containers, NOBODY) as nobody, \
            connect(containers, NOBODY, containers.socket) as host_nobody:
        assert names(root) == ["container-root"]
        assert names(nobody) == ["container-nobody"]
        assert names(host_nobody) == ["container-nobody", "host-nobody"]
        for name in ("host-root", "host-nobody", "container-nobody"):
            for method, more in (("OpenPort", {}), ("SetPort", {"linkUp": False}), ("DeletePort", {})):
                refused(root, "PortNotFound", method, port=name, **more)
        refused(root, "AccessDenied", "SetPort", port="container-root", sources=[])
    before = containers.ports()
    assert len(before) == 4 and all(port["linkUp"] for port in before)
    # The records say who is whose.
    containers.restart()
    assert sorted(port["name"] for port in containers.ports()) == sorted(port["name"] for port in before)
    with connect(containers, 0) as root:
        assert names(root) == ["container-root"]
        root.ports("SetPort", port="container-root", linkUp=False)
        root.ports("OpenPort", port="container-root")
        root.ports("DeletePort", port="container-root")


def test_what_is_watched(containers):
    with connect(containers, 0) as root:
        root.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
        assert root.reply() == {"event": "ready"}
        make_all(containers)
        for name in ("host-root", "host-nobody", "container-nobody", "container-root"):
            containers.ctl("port", "delete", name)
        heard = root.reply()
        while heard["event"] != "deleted":
            assert heard["port"]["name"] == "container-root"
            heard = root.reply()
        assert heard["port"]["name"] == "container-root"


def test_caller_is_its_ports_holder(containers):
    """Also where it has no process of the host's to name; and macvtap-run works there as it is."""
    run = [program("macvtap-run"), "--socket", containers.container_socket, "--network=lan", "--", "sh", "-c",
           "echo {mac}; read line", "{fd}"]
    process = containers.host.start("unshare", "--pid", "--fork", "--mount-proc", *run, stdin=-1, stdout=-1)
    mac = process.stdout.readline().decode().strip()
    (port,) = containers.ports()
    assert port["macAddress"] == mac and port["fromContainer"] and port["owner"] == 0
    process.stdin.close()
    process.wait()
    assert containers.settle() == []


def test_limits_are_apart_from_roots(containers):
    containers.network("lan", text="[Network]\nParent=eth0\nMode=bridge\n[Access]\nAllowUsers=root\nMaxPortsPerUser=2\n")
    containers.reload()
    make(containers, 0, "one")
    make(containers, 0, "two")
    with connect(containers, 0) as root:
        refused(root, "LimitReached", "CreatePort", network="lan", holder=NONE)
    make(containers, 0, "three", containers.socket)


def test_connections_there_keep_root_from_nothing(containers):
    """Root of a container has the connections of one user, and the host's root his own."""
    made = []
    try:
        with pytest.raises((Closed, BrokenPipeError, ConnectionResetError)):
            for _ in range(1000):
                made.append(connect(containers, 0))
                made[-1].call("org.varlink.service.GetInfo")
        with containers.connect() as connection:
            # A message as long as only root's may be.
            connection.send_raw(b'{"method":"org.varlink.service.GetInfo"' + b" " * 30000 + b"}\0")
            assert connection.reply()["product"] == "macvtapd"
    finally:
        for connection in made:
            connection.close()
    with connect(containers, 0) as root:
        root.send_raw(b'{"method":"org.varlink.service.GetInfo"' + b" " * 30000 + b"}\0")
        assert root.wait_closed() == []


def test_folder_is_for_containers(containers):
    """Nothing else is in it, it can be mounted read-only, and survives the daemon: the next one's socket is found in it."""
    folder = containers.container_socket.parent
    status = folder.stat()
    assert (status.st_uid, status.st_mode & 0o7777) == (0, 0o755)
    assert os.listdir(folder) == ["socket"]
    script = (f"mount --bind {folder} {folder} && mount -o remount,bind,ro {folder} && echo mounted && read line &&"
              f" exec {program('macvtapctl')} --socket {containers.container_socket} network list")
    container = containers.host.start("unshare", "--mount", "sh", "-c", script, stdin=-1, stdout=-1)
    assert container.stdout.readline() == b"mounted\n"
    containers.stop()
    assert os.listdir(folder) == []
    containers.start()
    out, _ = container.communicate(b"\n")
    assert container.returncode == 0 and b"lan" in out and b"closed" not in out


def test_folder_with_more_in_it_is_refused(daemons, host, station):
    daemon = daemons(host)
    daemon.container_socket = daemon.folder / "containers"
    daemon.open_to_containers()
    with pytest.raises(AssertionError, match="ended with 2"):
        daemon.start()
    assert "needs its own folder" in daemon.messages()


LAUNCHER = """
import os, socket, sys
names, paths, command = sys.argv[1], sys.argv[2:4], sys.argv[4:]
listeners = [socket.socket(socket.AF_UNIX) for _ in paths]
for number, (listener, path) in enumerate(zip(listeners, paths)):
    listener.bind(path)
    os.chmod(path, 0o666)
    listener.listen()
    os.dup2(os.dup(listener.fileno()), 10 + number)
for number in range(2):
    os.dup2(10 + number, 3 + number)
    os.close(10 + number)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="2", LISTEN_FDNAMES=names)
os.execv(command[0], command)
"""


@pytest.mark.parametrize("swapped", [False, True])
def test_socket_activation(daemons, host, station, swapped):
    """The service manager's name for a socket says which it is, not its place."""
    daemon = daemons(host)
    paths, ids = [daemon.folder / "main", daemon.folder / "other"], ["macvtapd.socket", "containers"]
    if swapped:
        paths, ids = paths[::-1], ids[::-1]
    daemon._wrapper = ["/usr/bin/python3", "-c", LAUNCHER, ":".join(ids), *paths]
    daemon.network("closed", "eth0")
    daemon.open_to_containers().start()
    assert not daemon.socket.exists() and not daemon.container_socket.exists()
    daemon.socket, daemon.container_socket = daemon.folder / "main", daemon.folder / "other"
    with daemon.connect() as root, daemon.connect_from_container() as other:
        assert len(root.ports("ListNetworks")["networks"]) == 1
        assert other.ports("ListNetworks")["networks"] == []


def test_daemon_told_to_have_none_has_none(daemon):
    """Another socket than the host's own: only what was asked for."""
    assert sorted(path.name for path in daemon.folder.iterdir()) == ["config", "socket", "state", "stderr"]


def test_tools_over_it(containers):
    done = containers.host.run(program("macvtapctl"), "--socket", containers.container_socket, "port", "create",
                               "--network=closed", check=False)
    check_refused(done, REFUSED, "user 0 may not use network closed")


@pytest.mark.parametrize("harm", [os.mkdir, lambda path: os.symlink("/nonexistent", path), lambda path: open(path, "x").close()],
                         ids=["folder", "link", "file"])
def test_what_a_container_puts_in_its_place_keeps_nobody_else_out(containers, harm):
    """It should have the folder read-only. If it has not, the host's own callers are served all the same."""
    containers.stop()
    path = containers.container_socket
    if os.path.lexists(path):
        os.unlink(path)
    harm(path)
    containers.start()
    assert "cannot open the container socket: " in containers.complaints()
    assert containers.ports() == []
