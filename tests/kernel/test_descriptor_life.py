# SPDX-License-Identifier: LGPL-2.1-or-later
"""A port ends with the last of its descriptors, in whatever process that is, and with nothing else."""
import array
import fcntl
import os
import signal
import socket
import struct
import sys

import pytest

from clock import Deadline
from frames import PacketSocket, Tap, frame, open_tap
from programs import program
from varlink import VarlinkError

pytestmark = pytest.mark.shared

MAC = "52:54:00:00:00:78"
F_OFD_SETLK = 37  # linux/fcntl.h


@pytest.fixture
def connection(daemon):
    with daemon.connect() as connection:
        yield connection


def create(connection, name="vm", **parameters):
    """A port that its descriptors hold, and these."""
    port = connection.ports("CreatePort", network="lan", name=name, vhost="off", **parameters)["port"]
    return port, connection.take_descriptors()


def close(descriptors):
    for descriptor in descriptors:
        os.close(descriptor)


def alive(daemon):
    return sorted(port["name"] for port in daemon.ports())


# -- whoever has them ----------------------------------------------------------------------------------------


def test_it_is_the_default(daemon, connection):
    port, descriptors = create(connection, queues=2)
    assert (port["holder"], port["openQueues"]) == ({"type": "descriptors"}, 2)
    assert "descriptors" in daemon.ctl("port", "list").stdout
    close(descriptors)
    assert daemon.settle() == []


def test_without_descriptors_a_holder_must_be_named(connection):
    with pytest.raises(VarlinkError, match="InvalidRequest.*different holder"):
        connection.ports("CreatePort", network="lan", openDescriptors=False)


def test_it_outlives_who_asked(daemon):
    with daemon.connect() as connection:
        _, descriptors = create(connection)
    assert alive(daemon) == ["vm"]
    close(descriptors)
    assert daemon.settle() == []


# What daemonizes as QEMU's -daemonize does: the parent waits for the child's word, and ends.
DAEMONIZE = """
import os, sys
told, tell = os.pipe()
if os.fork():
    os.read(told, 1)
    os._exit(0)
os.setsid()
os.write(tell, b"1")
print(os.getpid(), flush=True)
os.read(int(sys.argv[1]), 1)
"""


@pytest.mark.parametrize("launcher", [pytest.param([], marks=pytest.mark.lab), ["setsid", "-f"], ["sh", "-c", '"$@" & exit', "sh"]],
                         ids=["", "setsid", "shell"])
def test_vmm_that_daemonizes(daemon, host, launcher):
    stays, gate = os.pipe()
    process = host.start(program("macvtap-run"), "--network=lan,name=vm,check-mac=no",
                         "--", *launcher, sys.executable, "-c", DAEMONIZE, str(stays), "{fd}", env=daemon.environment(),
                         stdin=-1, stdout=-1, pass_fds=[stays])
    child = int(process.stdout.readline())
    assert process.wait() == 0
    os.close(stays)
    assert alive(daemon) == ["vm"]
    assert os.path.exists(f"/proc/{child}")
    os.close(gate)
    assert daemon.settle() == []


# Sends the descriptor that it got on over a socket, and keeps none.
RELAY = """
import array, os, socket, sys

one, other = (socket.socket(fileno=int(number)) for number in sys.argv[1:3])
_, ancillary, _, _ = one.recvmsg(1, 64)
other.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, ancillary[0][2])])
"""


def test_descriptors_that_are_passed_on_twice(daemon, connection, host):
    _, (descriptor,) = create(connection)
    first, second, last = socket.socketpair(), socket.socketpair(), socket.socketpair()
    ends = [(first[1], second[0]), (second[1], last[0])]
    relays = [host.start(sys.executable, "-c", RELAY, str(one.fileno()), str(other.fileno()),
                         pass_fds=[one.fileno(), other.fileno()]) for one, other in ends]
    first[0].sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))])
    os.close(descriptor)
    assert [relay.wait() for relay in relays] == [0, 0]
    assert alive(daemon) == ["vm"]
    _, got, _, _ = socket.recv_fds(last[1], 1, 1)
    for pair in (first, second, last):
        for end in pair:
            end.close()
    assert alive(daemon) == ["vm"]
    close(got)
    assert daemon.settle() == []


def test_descriptors_that_nobody_reads(daemon):
    """They lie in the socket of who asked, and go with it: the grant that reached nobody is undone."""
    connection = daemon.connect()
    connection.send({"method": "org.macvtapd.Ports.CreatePort", "parameters": {"network": "lan"}})
    Deadline().wait_readable(connection.socket)
    assert len(daemon.ports()) == 1
    connection.socket.close()
    assert daemon.settle() == []


def test_caller_who_has_gone_before_the_answer(daemon):
    os.kill(daemon.process.pid, signal.SIGSTOP)
    connection = daemon.connect()
    connection.send({"method": "org.macvtapd.Ports.CreatePort", "parameters": {"network": "lan"}})
    connection.socket.close()
    os.kill(daemon.process.pid, signal.SIGCONT)
    assert daemon.ports() is not None  # behind that call
    assert daemon.settle() == []


IN_PID_NAMESPACE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]


def test_caller_in_another_pid_namespace(daemon, host):
    process = host.start(*IN_PID_NAMESPACE, program("macvtap-run"), "--network=lan,name=vm", "--", "sh", "-c",
                         "echo ready; exec cat", "{fd}", "{mac}", env=daemon.environment(), stdin=-1, stdout=-1)
    assert process.stdout.readline() == b"ready\n"
    assert alive(daemon) == ["vm"]
    process.stdin.close()
    process.wait()
    assert daemon.settle() == []


# -- what is no end, and what is ------------------------------------------------------------------------------


def test_queue_by_queue(daemon, connection, station):
    port, descriptors = create(connection, queues=3)
    connection.ports("ListNetworks")  # the daemon has closed its own copies
    close(descriptors[:2])
    with Tap(descriptors[2]) as tap, PacketSocket(station, "eth0") as wire:
        wire.send(frame(port["macAddress"], wire.mac, b"to the last queue"))
        tap.expect(b"to the last queue")
        assert alive(daemon) == ["vm"]
    assert daemon.settle() == []


def test_o_path_descriptor_keeps_nothing(daemon, connection):
    _, (descriptor,) = create(connection)
    held = os.open(f"/proc/self/fd/{descriptor}", os.O_PATH)
    os.close(descriptor)
    assert daemon.settle() == []
    os.close(held)


def test_root_who_opens_the_descriptor_once_more_ends_nothing(daemon, connection):
    _, (descriptor,) = create(connection)
    os.close(os.open(f"/proc/self/fd/{descriptor}", os.O_RDWR | os.O_NONBLOCK))
    assert daemon.ports()[0]["openQueues"] == 1
    os.close(descriptor)
    assert daemon.settle() == []


def test_device_node_of_the_kernel_is_no_queue_of_ours(daemon, connection, host):
    port, descriptors = create(connection)
    other = open_tap(host, port["interfaceName"])
    close(descriptors)
    assert daemon.settle() == []
    os.close(other)


def test_unplugged_and_plugged_again(daemon, connection):
    """The same MAC, 100 times in a row: each time the port before is gone, or going."""
    mac = "52:54:00:00:00:77"
    for _ in range(100):
        port, descriptors = create(connection, macAddress=mac)
        assert port["macAddress"] == mac
        close(descriptors)
        connection.ports("ListNetworks")
    assert daemon.settle() == []


def test_deleted_under_open_descriptors(daemon, connection, host):
    """Nothing is left, whatever is still open; and what is closed later is nobody's."""
    _, descriptors = create(connection, queues=2)
    daemon.ctl("port", "delete", "vm")
    assert daemon.leftovers() == []
    close(descriptors)
    assert daemon.ports() == []


def test_watchers_hear_of_it(daemon, connection):
    with daemon.connect() as watcher:
        watcher.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
        watcher.reply()
        _, descriptors = create(connection, queues=2)
        close(descriptors[:1])
        while (heard := watcher.reply())["port"]["openQueues"] != 1:
            assert heard["event"] != "deleted"
        close(descriptors[1:])
        while watcher.reply()["event"] != "deleted":
            pass


FORGOTTEN = "import os, sys; os.fork() or (print(os.getpid(), flush=True), sys.stdin.read())"


def test_show_names_the_processes(daemon, host):
    """A child that has inherited the descriptors by mistake keeps the port: root is told which."""
    process = host.start(program("macvtap-run"), "--network=lan,name=vm", "--", sys.executable, "-c", FORGOTTEN, "{fd}",
                         "{mac}", env=daemon.environment(), stdin=-1, stdout=-1)
    child = int(process.stdout.readline())
    assert process.wait() == 0
    shown = daemon.ctl("port", "show", "vm").stdout
    assert f"open       1 queue, in python3 [{child}]" in shown
    process.stdin.close()
    assert daemon.settle() == []


def test_refusal_names_the_processes(daemon, host):
    """What keeps a name or a MAC, to who may know it; of another user's port there is nothing to say."""
    process = host.start(program("macvtap-run"), f"--network=lan,name=vm,mac={MAC}", "--", "sh", "-c", "exec cat", "{fd}",
                         "{mac}", env=daemon.environment(), stdin=-1, stdout=-1, bufsize=0)
    process.stdin.write(b"\n")
    process.stdout.readline()  # cat has become what the shell was
    for again in ("name=vm", f"mac={MAC}"):
        done = daemon.tool("macvtap-run", f"--network=lan,{again}", "--", "true", "{fd}", "{mac}", check=False)
        (line,) = done.stderr.splitlines()
        assert done.returncode == 125 and line.endswith(f"; its queues are open in cat [{process.pid}]")
        done = daemon.tool("macvtap-run", f"--network=lan,{again}", "--", "true", "{fd}", "{mac}", user="nobody", check=False)
        assert done.returncode == 125 and "open in" not in done.stderr
    done = daemon.ctl("port", "create", "--network=lan", "--name=vm", check=False)
    assert f"cat [{process.pid}]" in done.stderr
    process.stdin.close()
    assert daemon.settle() == []


def test_replaced_by_its_owner(daemon, host):
    """QEMU hangs and keeps the name: --replace takes it."""
    run = [program("macvtap-run"), "--replace", "--network=lan,name=vm", "--", "sh", "-c", "echo; exec cat", "{fd}", "{mac}"]
    first = host.start(*run, env=daemon.environment(), stdin=-1, stdout=-1)
    first.stdout.readline()
    (before,) = daemon.ports()
    second = host.start(*run, env=daemon.environment(), stdin=-1, stdout=-1)
    second.stdout.readline()
    (after,) = daemon.ports()
    assert (after["name"], after["macAddress"]) == (before["name"], before["macAddress"]) and after["id"] != before["id"]
    first.kill()
    first.wait()
    assert daemon.ports() == [after]
    second.kill()
    assert daemon.settle() == []


@pytest.mark.parametrize("options", ["nonet,name=vm", "lan,name=vm,queues=99", "lan,name=vm,mac=53:54:00:00:00:01",
                                     "lan,name=vm,mtu=9000", "lan,name=vm,ifname=eth7", "lan,name=vm,incoming=yes"])
def test_replacement_that_is_refused_costs_nothing(daemon, host, options):
    process = host.start(program("macvtap-run"), "--network=lan,name=vm", "--", "sh", "-c", "echo; exec cat", "{fd}", "{mac}",
                         user="nobody", env=daemon.environment(), stdin=-1, stdout=-1)
    process.stdout.readline()
    before = daemon.ports()
    done = daemon.tool("macvtap-run", "--replace", f"--network={options}", "--", "true", "{fds}", "{mac}", user="nobody",
                       check=False)
    assert done.returncode == 125 and len(done.stderr.splitlines()) == 1
    assert daemon.ports() == before
    process.stdin.close()
    assert daemon.settle() == []


# -- restarts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_restarts(daemon, connection, how):
    held = {name: create(connection, name, queues=2)[1] for name in ("a", "b", "c")}
    for _ in range(3):
        getattr(daemon, how)()
        daemon.start()
        assert alive(daemon) == ["a", "b", "c"]
    getattr(daemon, how)()
    close(held["a"])
    close(held["b"][:1])
    daemon.start()
    assert alive(daemon) == ["b", "c"]
    assert {port["name"]: port["openQueues"] for port in daemon.ports()} == {"b": 1, "c": 2}
    assert any(line.startswith("port a ended") and "its last descriptor is closed" in line for line in daemon.trail())
    close(held["b"][1:] + held["c"])
    assert daemon.settle() == []


def test_lock_that_its_user_drops(daemon, connection):
    """It is what a daemon that starts later goes by; to the one that runs it is nothing."""
    _, (own,) = create(connection, "own")
    _, (other,) = create(connection, "other")
    fcntl.fcntl(own, F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_UNLCK, 0, 0, 0, 0))
    assert alive(daemon) == ["other", "own"]
    daemon.restart()
    assert alive(daemon) == ["other"]
    close([own, other])
    assert daemon.settle() == []


def test_creation_that_was_interrupted_leaves_no_node(daemon, host, connection):
    port, descriptors = create(connection)
    daemon.kill()
    path = daemon.state / "ports" / port["id"]
    path.rename(path.with_name(path.name + ".creating"))
    daemon.start()
    assert daemon.leftovers() == []
    close(descriptors)


def test_port_of_a_daemon_before_keeps_its_process(daemon, host):
    """A record as fd0da01 wrote it: the queues have no node of their own."""
    holder = host.start("sleep", "infinity")
    daemon.ctl("port", "create", "--network=lan", "--name=old", f"--holder=pid:{holder.pid}")
    (port,) = daemon.ports()
    old = open_tap(host, port["interfaceName"])
    daemon.restart()
    os.close(old)
    assert alive(daemon) == ["old"]
    holder.kill()
    assert daemon.settle() == []


def test_nodes_are_roots_alone(daemon, host, connection):
    port, descriptors = create(connection, queues=2)
    status = os.stat(host.queue_folder)
    assert (status.st_uid, status.st_mode & 0o7777) == (0, 0o700)
    assert host.queue_nodes() == [f"{port['id']}.0", f"{port['id']}.1"]
    done = host.run("ls", f"/dev/{os.path.basename(host.queue_folder)}", user="nobody", check=False)
    assert done.returncode != 0
    close(descriptors)
    assert daemon.settle() == []
    assert not os.path.exists(host.queue_folder)
