# SPDX-License-Identifier: LGPL-2.1-or-later
"""A port that a container's network namespace holds: who may open it there, and that it ends with the namespace."""
import os
import socket

import pytest

from frames import Tap
from namespaces import Host
from programs import program
from varlink import Connection, VarlinkError

NOBODY = 65534


@pytest.fixture
def daemon(daemons, host, station):
    daemon = daemons(host).open_to_containers()
    daemon.network("lan", "eth0")
    daemon.start()
    yield daemon
    if daemon.running:
        daemon.ctl("port", "delete", "--all", check=False)


def connect(daemon, box, uid=0, container=False):
    """A connection from inside the box."""
    made = box.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    os.seteuid(uid)
    try:
        return Connection(daemon.container_socket if container else daemon.socket, made)
    finally:
        os.seteuid(0)


def make(connection, name="web", interface="eth0"):
    return connection.ports("CreatePort", network="lan", name=name, openDescriptors=False,
                            holder={"type": "namespace", "interface": interface})["port"]


def refused(connection, error, method, **parameters):
    with pytest.raises(VarlinkError) as refusal:
        connection.ports(method, **parameters)
    assert refusal.value.name == f"org.macvtapd.Ports.{error}", refusal.value
    return refusal.value.parameters["message"]


def test_port_ends_with_the_namespace(daemon, host, box):
    with connect(daemon, box) as connection:
        made = make(connection)
        assert made["holder"] == {"type": "namespace", "interface": "eth0"}
    assert made["interfaceName"] in host.macvtaps() and daemon.ports()
    box.close()
    assert daemon.settle() == []
    assert daemon.trail()[-1].endswith("its network namespace has ended")


def test_connection_alone_keeps_no_port(daemon, box):
    """An open connection keeps the namespace alive: it is the client's own doing, and ends with it."""
    connection = connect(daemon, box)
    make(connection)
    box.close()
    assert [port["name"] for port in daemon.ports()] == ["web"]
    connection.close()
    assert daemon.settle() == []


@pytest.mark.parametrize("dies_meanwhile", [False, True])
def test_over_a_restart(daemon, box, dies_meanwhile):
    with connect(daemon, box) as connection:
        make(connection)
    daemon.kill()
    if dies_meanwhile:
        box.close()
    daemon.start()
    if not dies_meanwhile:
        assert [port["name"] for port in daemon.ports()] == ["web"]
        with connect(daemon, box, NOBODY, container=True) as inside:
            assert inside.ports("OpenPort", port="eth0", queues=1)["port"]["name"] == "web"
            for descriptor in inside.take_descriptors():
                os.close(descriptor)
        box.close()
    assert daemon.settle() == []


def test_whoever_is_there_opens_it(daemon, host, box):
    with connect(daemon, box) as root:
        make(root)
    with connect(daemon, box, NOBODY, container=True) as inside, daemon.connect_from_container() as outside:
        refused(outside, "PortNotFound", "OpenPort", port="eth0")
        refused(inside, "PortNotFound", "OpenPort", port="web")
        inside.ports("OpenPort", port="eth0")
        tap = Tap(inside.take_descriptors()[0])
        assert "in use" in refused(inside, "AccessDenied", "OpenPort", port="eth0")
        refused(inside, "PortNotFound", "DeletePort", port="web")
        tap.close()
        inside.ports("OpenPort", port="eth0")  # the VMM was started again
        for descriptor in inside.take_descriptors():
            os.close(descriptor)
    assert [port["name"] for port in daemon.ports()] == ["web"]


def test_run_needs_no_id(daemon, host, box):
    """As in a container: another network namespace, a user without any right, the container socket."""
    with connect(daemon, box) as root:
        made = make(root)
    done = host.run("nsenter", f"--net=/proc/{box.pid}/ns/net", "--", "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}",
                    "--clear-groups", "--bounding-set=-all", program("macvtap-run"), "--socket", daemon.container_socket,
                    "--port", "eth0", "--", "echo", "{mac}", "{fds}")
    assert done.stdout.split()[0] == made["macAddress"]


def test_what_is_seen_there(daemon, host, box):
    """The port and its network, as by somebody who may use it, and nothing else; and nothing there can be changed."""
    with connect(daemon, box) as root:
        made = make(root)
        root.ports("CreatePort", network="lan", name="other", openDescriptors=False, holder={"type": "none"})
    with connect(daemon, box, NOBODY, container=True) as inside, daemon.connect_from_container() as outside, \
            connect(daemon, box, NOBODY, container=True) as watch:
        for name in ("eth0", "web", made["id"]):
            assert inside.ports("GetPort", port=name)["port"]["id"] == made["id"]
            refused(outside, "PortNotFound", "GetPort", port=name)
        refused(inside, "PortNotFound", "GetPort", port="other")
        assert [port["name"] for port in inside.ports("ListPorts")["ports"]] == ["web"]
        (network,) = inside.ports("ListNetworks")["networks"]
        assert network["name"] == "lan" and "members" not in network
        (network,) = inside.ports("ListNetworks", network="lan")["networks"]
        assert [port["name"] for port in network["members"]] == ["web"]
        assert not outside.ports("ListPorts")["ports"] and not outside.ports("ListNetworks")["networks"]
        assert "may not use network lan" in refused(inside, "AccessDenied", "CreatePort", network="lan")
        for method, more in (("DeletePort", {}), ("SetPort", {"linkUp": False}), ("CapturePort", {})):
            for name in ("eth0", "web"):
                refused(inside, "PortNotFound", method, port=name, **more)
        # "all" are those that he may delete.
        assert inside.ports("DeletePort", all=True) == {"deleted": 0, "failures": []}
        watch.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
        assert watch.receive()["parameters"]["event"] == "ready"
        daemon.ctl("port", "set", "web", "--link=down")
        assert watch.receive()["parameters"]["port"]["linkUp"] is False
    assert {port["name"] for port in daemon.ports()} == {"web", "other"}


def test_two_namespaces_use_the_same_name(daemon, host, box):
    other = Host("other")
    try:
        for name, place in (("one", box), ("two", other)):
            with connect(daemon, place) as root:
                make(root, name)
                assert "has a port eth0" in refused(root, "NameTaken", "CreatePort", network="lan", openDescriptors=False,
                                                    holder={"type": "namespace", "interface": "eth0"})
        for name, place in (("one", box), ("two", other)):
            with connect(daemon, place, NOBODY, container=True) as inside:
                assert inside.ports("OpenPort", port="eth0")["port"]["name"] == name
                for descriptor in inside.take_descriptors():
                    os.close(descriptor)
    finally:
        other.close()
    box.close()
    assert daemon.settle() == []


def test_own_namespace_holds_nothing(daemon, host):
    with connect(daemon, host) as here:
        assert "macvtapd's own network namespace" in refused(
            here, "HolderInvalid", "CreatePort", network="lan", openDescriptors=False,
            holder={"type": "namespace", "interface": "eth0"})


@pytest.mark.parametrize("holder", [{"type": "namespace"}, {"type": "none", "interface": "eth0"},
                                    {"type": "namespace", "interface": "a/b"},
                                    {"type": "namespace", "interface": "eth0", "pid": 1}])
def test_bad_holders(daemon, box, holder):
    with connect(daemon, box) as root, pytest.raises(VarlinkError):
        root.ports("CreatePort", network="lan", openDescriptors=False, holder=holder)
    assert daemon.leftovers() == []


def test_by_the_command(daemon, host, box):
    inside = ["nsenter", f"--net=/proc/{box.pid}/ns/net", "--", program("macvtapctl"), "--socket", daemon.socket]
    host.run(*inside, "port", "create", "--network", "lan", "--name", "web", "--holder", "namespace:eth0")
    assert "namespace:eth0" in daemon.ctl("port", "show", "web").stdout
    assert "namespace:eth0" in daemon.ctl("port", "list").stdout
    box.close()
    assert daemon.settle() == []
