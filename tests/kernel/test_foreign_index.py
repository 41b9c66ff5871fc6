# SPDX-License-Identifier: LGPL-2.1-or-later
"""/dev/tapN is one name for the whole machine, and interface indexes repeat across network namespaces: whatever lies
at that path, the descriptor that macvtapd hands out is the port's own. Shown with traffic."""
import os
import stat

import pytest

from frames import BROADCAST, PacketSocket, Tap, device_number, frame, open_tap, tap_interface
from reachability import one_processor

FOREIGN_MAC = "52:54:00:ff:00:01"


@pytest.fixture
def connection(daemon):
    with daemon.connect() as connection:
        yield connection


@pytest.fixture
def port(connection):
    """A port that was made without descriptors: each test opens it when the node is as the test wants it."""
    made = connection.ports("CreatePort", network="lan", name="vm", vhost="off", openDescriptors=False,
                            holder={"type": "none"})["port"]
    yield made
    connection.ports("DeletePort", port="vm")


@pytest.fixture
def node(port):
    """The path of the port's node, with nothing there."""
    path = f"/dev/tap{port['interfaceIndex']}"
    os.unlink(path)
    yield path
    if os.path.lexists(path):
        if stat.S_ISDIR(os.lstat(path).st_mode):
            os.rmdir(path)
        else:
            os.unlink(path)


@pytest.fixture
def foreigner(hosts, port):
    """A machine with a macvtap of the port's name and index, on a cable of its own."""
    other, behind = hosts("foreigner"), hosts("behind-foreigner")
    other.connect("eth0", behind, "eth0")
    for machine in (other, behind):
        machine.quiet("eth0")

    def take_index():
        name = port["interfaceName"]
        other.ip("link", "add", "link", "eth0", "name", name, "index", str(port["interfaceIndex"]),
                 "address", FOREIGN_MAC, "type", "macvtap", "mode", "bridge")
        other.quiet(name)
        other.ip("link", "set", name, "up")
        return name

    other.take_index = take_index
    other.behind = behind
    return other


def check_traffic(daemon, connection, station, port):
    """Open a queue of the port and exchange frames with the station on its wire."""
    opened = connection.ports("OpenPort", port="vm")
    assert opened["port"]["interfaceIndex"] == port["interfaceIndex"]
    (descriptor,) = connection.take_descriptors()
    assert os.fstat(descriptor).st_rdev == device_number(daemon.host, port["interfaceName"])
    assert tap_interface(descriptor)[0] == port["interfaceName"]
    with Tap(descriptor) as tap, PacketSocket(station, "eth0") as wire:
        tap.send(frame(wire.mac, port["macAddress"], b"from the guest"))
        wire.expect(b"from the guest")
        wire.send(frame(port["macAddress"], wire.mac, b"to the guest"))
        tap.expect(b"to the guest")


def test_node_is_the_others(daemon, connection, station, port, node, foreigner):
    name = foreigner.take_index()
    assert os.stat(node).st_rdev == device_number(foreigner, name) != device_number(daemon.host, name)
    before = os.stat(node)
    with Tap(open_tap(foreigner, name)) as theirs, PacketSocket(foreigner.behind, "eth0") as wire, one_processor():
        check_traffic(daemon, connection, station, port)
        wire.send(frame(BROADCAST, wire.mac, b"on the other wire"))
        assert theirs.receive_until(b"on the other wire") == []
    assert (os.stat(node).st_rdev, os.stat(node).st_ino) == (before.st_rdev, before.st_ino)
    foreigner.ip("link", "del", name)


def test_node_is_ours_and_the_other_has_none(daemon, connection, station, port, foreigner):
    name = foreigner.take_index()
    assert os.stat(f"/dev/tap{port['interfaceIndex']}").st_rdev == device_number(daemon.host, name)
    check_traffic(daemon, connection, station, port)
    foreigner.ip("link", "del", name)
    check_traffic(daemon, connection, station, port)


def test_missing_node(daemon, connection, station, port, node):
    check_traffic(daemon, connection, station, port)
    assert not os.path.lexists(node)


def make_file(path):
    with open(path, "wb") as stream:
        stream.write(b"not a device")


def make_null(path):
    os.mknod(path, stat.S_IFCHR | 0o600, os.stat("/dev/null").st_rdev)


def make_block_device(path):
    """Of any number: it is never opened."""
    os.mknod(path, stat.S_IFBLK | 0o600, os.makedev(7, 200))


IMPOSTORS = {
    "file": make_file,
    "folder": os.mkdir,
    "fifo": os.mkfifo,
    "link": lambda path: os.symlink("/dev/null", path),
    "dangling-link": lambda path: os.symlink("/nonexistent", path),
    "null": make_null,
    "block-device": make_block_device,
}


@pytest.mark.parametrize("kind", IMPOSTORS)
def test_another_thing_at_the_path(daemon, connection, station, port, node, kind):
    IMPOSTORS[kind](node)
    before = os.lstat(node)
    check_traffic(daemon, connection, station, port)
    after = os.lstat(node)
    assert (before.st_ino, before.st_mode, before.st_rdev, before.st_size) == \
        (after.st_ino, after.st_mode, after.st_rdev, after.st_size), "it was not ours to change"


def test_link_to_the_right_device_is_not_followed(daemon, connection, station, port, node):
    """A link could be turned elsewhere between two looks at it."""
    right = f"{node}-test"
    os.mknod(right, stat.S_IFCHR | 0o600, device_number(daemon.host, port["interfaceName"]))
    try:
        os.symlink(right, node)
        check_traffic(daemon, connection, station, port)
    finally:
        os.unlink(right)
