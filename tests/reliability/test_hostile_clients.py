# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients that hold on to what they can: what each user may hold is limited, everybody else is served all the while,
and when they have gone the daemon is as it was."""
import contextlib
import ctypes
import fcntl
import os
import resource
import select
import signal
import struct
import sys

import pytest

from clock import Deadline
from refusal import NothingLeft
from varlink import Closed, Connection, VarlinkError

NOBODY = 65534
SERVICE = "org.varlink.service"
PORTS = "org.macvtapd.Ports"
USER_MESSAGE, ROOT_MESSAGE = 4096, 65536
PER_USER, IN_ALL = 512, 4096


# -- what the daemon has -------------------------------------------------------------------------------------


def descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


def resident(daemon):
    """KiB."""
    with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as stream:
        return next(int(line.split()[1]) for line in stream if line.startswith("VmRSS:"))


def serve_one(daemon):
    with daemon.connect() as connection:
        assert "ports" in connection.ports("ListPorts")


def settle(daemon, before):
    """Wait until the daemon has seen all ends: each of its answers comes after some of them. Until it has seen enough
    of them it may refuse this connection too."""
    deadline = Deadline()
    served = False
    while not served:
        with daemon.connect() as connection, contextlib.suppress(Closed, BrokenPipeError, ConnectionResetError):
            while descriptors(daemon) > before + 2:
                assert deadline.left() > 0, f"{descriptors(daemon)} descriptors, {before} before"
                connection.ports("ListPorts", _deadline=deadline)
            served = True
        assert served or deadline.left() > 0, "no connection is taken"


@pytest.fixture
def served(daemon):
    """The daemon; after the test its descriptors are as before, nothing is left, and it serves."""
    serve_one(daemon)
    before = descriptors(daemon)
    with NothingLeft(daemon):
        yield daemon
        serve_one(daemon)
        settle(daemon, before)
    assert daemon.complaints() == ""


# -- callers -------------------------------------------------------------------------------------------------


def connect(daemon, uid=NOBODY):
    """A connection of this user's: the kernel names who is the effective user when it is made."""
    os.seteuid(uid)
    try:
        return Connection(daemon.socket)
    finally:
        os.seteuid(0)


@contextlib.contextmanager
def many(daemon, count, uid=NOBODY):
    connections = [connect(daemon, uid) for _ in range(count)]
    try:
        yield connections
    finally:
        for connection in connections:
            connection.close()


def is_open(connection):
    """Whether the daemon has the connection, by its answer to a call."""
    try:
        connection.call(f"{SERVICE}.GetInfo")
    except (Closed, BrokenPipeError, ConnectionResetError):
        return False
    return True


def text_call(size):
    """A whole message of so many bytes, its NUL included, that is refused by name."""
    head, tail = b'{"method":"%b.OpenPort","parameters":{"port":"' % PORTS.encode(), b'"}}\0'
    return head + b"x" * (size - len(head) - len(tail)) + tail


@pytest.fixture
def room():
    """This process may have as many descriptors as these tests need."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (16384, max(16384, before[1])))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


# -- messages ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("uid, limit", [(NOBODY, USER_MESSAGE), (0, ROOT_MESSAGE)])
def test_limit_of_a_message(served, uid, limit):
    with connect(served, uid) as connection:
        connection.send_raw(text_call(limit))
        assert connection.receive()["error"] == f"{PORTS}.PortNotFound"
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.send_raw(text_call(limit + 1))
        assert connection.wait_closed() == []


def test_ten_mebibytes(served):
    """They stay with who sends them."""
    before = resident(served)
    for data in (b"x" * (10 << 20), text_call(10 << 20)):
        with connect(served, 0) as connection:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.send_raw(data)
            assert connection.wait_closed() == []
    assert resident(served) < before + 512


@pytest.mark.parametrize("uid, size", [(NOBODY, USER_MESSAGE - 1), (0, 60000)])
def test_half_messages(served, uid, size):
    """Of as many connections as one user has: memory for them is bounded, and most of it goes with them each time."""
    before, held = resident(served), descriptors(served)
    afterwards = []
    for _ in range(3):
        with many(served, 400, uid) as connections:
            for connection in connections:
                connection.send_raw(text_call(size + 1)[:size])
            assert all(map(is_waiting, connections))
            serve_one(served)
            assert resident(served) < before + 400 * (size // 1024 + 4) + 4096
        settle(served, held)
        afterwards.append(resident(served))
    # What the C library keeps for the next time depends on how the pieces came in.
    assert max(afterwards) < before + 400 * size // 1024 // 2 + 2048, (before, afterwards)


def is_waiting(connection):
    """The daemon has read what was sent and neither answered nor closed."""
    deadline = Deadline()
    while unread_by_peer(connection):
        assert deadline.left() > 0
        os.sched_yield()
    return not select.select([connection.socket], [], [], 0)[0]


def unread_by_peer(connection):
    """SIOCOUTQ: what the kernel still has of what was sent."""
    return struct.unpack("i", fcntl.ioctl(connection.socket, 0x5411, b"\0" * 4))[0]


def test_message_of_many_values(served):
    with connect(served) as connection:
        connection.send_raw(b'{"method":"a.b","parameters":{"a":[%b]}}\0' % b",".join([b"{}"] * 600))
        assert connection.wait_closed() == []


def test_pipelining(served):
    """A thousand calls at once are answered one by one, in their order; others come between them."""
    calls = b"".join(b'{"method":"%b.ListPorts","parameters":{"network":"n%d"}}\0' % (PORTS.encode(), i) for i in range(1000))
    with connect(served) as connection:
        connection.socket.setblocking(False)
        sent = connection.socket.send(calls)
        serve_one(served)
        connection.socket.setblocking(True)
        number = 0
        while number < 1000:
            if sent < len(calls):
                sent += connection.socket.send(calls[sent:sent + 4096])
            while number < calls[:sent].count(b"\0"):
                assert f"'n{number}'" in connection.receive()["parameters"]["message"]
                number += 1


def test_calls_whose_replies_are_never_read(served):
    """The caller's own socket fills up, and the daemon reads no more of it."""
    before = resident(served)
    with many(served, 100) as connections:
        for connection in connections:
            connection.socket.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    connection.socket.send(b'{"method":"%b.GetInfo"}\0' % SERVICE.encode() * 50)
        serve_one(served)
        assert resident(served) < before + 100 * 12 + 2048


# -- connections ---------------------------------------------------------------------------------------------


def test_connections_of_one_user(served, room):
    before = descriptors(served)
    with many(served, PER_USER + 50) as connections:
        assert [is_open(connection) for connection in connections] == [True] * PER_USER + [False] * 50
        serve_one(served)
        settle(served, before + 2 * PER_USER)
        connections[0].close()
        settle(served, before + 2 * PER_USER - 2)
        with connect(served) as another:
            assert is_open(another)


def test_connections_of_several_users(daemons, host, station, room):
    """Seven users take what they can; the eighth is served all the same, and root."""
    daemon = daemons(host, wrapper=["prlimit", "--nofile=16384:16384"])
    daemon.start()
    serve_one(daemon)
    before = descriptors(daemon)
    with contextlib.ExitStack() as stack:
        users = [stack.enter_context(many(daemon, PER_USER, 24000 + user)) for user in range(7)]
        counts = [sum(map(is_open, connections)) for connections in users]
        assert counts == [PER_USER] * 6 + [PER_USER // 8]
        for uid in (0, 24100):
            with connect(daemon, uid) as another:
                assert is_open(another)
    settle(daemon, before)


def test_connections_of_more_users_than_there_are_connections(daemons, host, station, room):
    """A user of a user namespace has many numbers. Root gets in all the same, as often as there is room kept for it."""
    daemon = daemons(host, wrapper=["prlimit", "--nofile=16384:16384"])
    daemon.start()
    serve_one(daemon)
    before = descriptors(daemon)
    with contextlib.ExitStack() as stack:
        users = [stack.enter_context(many(daemon, count, 100000 + user))
                 for user, count in enumerate([PER_USER] * 6 + [PER_USER // 8] * 16)]
        assert all(is_open(connection) for connections in users for connection in connections)
        with connect(daemon, 100100) as another:
            assert not is_open(another)
        with many(daemon, 65, 0) as roots:
            assert [is_open(connection) for connection in roots] == [True] * 64 + [False]
    settle(daemon, before)


def test_watchers_of_one_user(served):
    """Each is told of each change; so a user has so many, as many more as ports, and root as many as it likes."""
    def watch(connection):
        connection.send({"method": f"{PORTS}.WatchPorts", "more": True})
        answer = connection.receive()
        return answer.get("error") or answer["parameters"]["event"]

    with many(served, 35) as watchers, many(served, 33, 0) as roots:
        assert list(map(watch, watchers[:33])) == ["ready"] * 32 + [f"{PORTS}.LimitReached"]
        assert set(map(watch, roots)) == {"ready"}
        watchers[0].close()
        serve_one(served)
        assert watch(watchers[32]) == "ready"
        assert watch(watchers[33]) == f"{PORTS}.LimitReached"
        with connect(served) as user:
            user.ports("CreatePort", network="lan", holder={"type": "none"}, openDescriptors=False, name="own")
            assert [watch(watchers[33]), watch(watchers[34])] == ["ready", f"{PORTS}.LimitReached"]
            user.ports("DeletePort", port="own")


def test_comers_and_goers(served):
    """Two thousand connections one after the other, some with half a message, some with a call. Those that come while the
    daemon still has as many of the user's as it allows, because it has not yet seen their ends, are turned away."""
    for number in range(2000):
        with connect(served) as connection, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            if number % 3:
                connection.send_raw(text_call(100)[:100 if number % 3 == 1 else 50])
    serve_one(served)


# -- descriptors ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 253])
@pytest.mark.parametrize("part", ["first", "middle", "last", "behind"])
def test_descriptors_with_each_part_of_a_message(served, count, part):
    """The kernel refuses them for the daemon, or the daemon closes the connection; it never has one of them."""
    message = text_call(300)
    cut = {"first": 0, "middle": 150, "last": 299, "behind": 300}[part]
    reading, writing = os.pipe()
    with connect(served) as connection:
        connection.send_raw(message[:cut])
        try:
            connection.send_raw(message[cut:] or message, [writing] * count)
        except PermissionError:
            connection.send_raw(message[cut:] or message)
            assert connection.receive()["error"] == f"{PORTS}.PortNotFound"
        else:
            assert len(connection.wait_closed()) <= (part == "behind")
        os.close(writing)
        Deadline().wait_readable(reading)
        assert os.read(reading, 1) == b"", "the daemon holds the pipe"
    os.close(reading)


def test_daemon_without_descriptors(daemons, host, station):
    """A port with more queues than the daemon can open is refused with the cause; smaller ones are made."""
    daemon = daemons(host, wrapper=["prlimit", "--nofile=80:80"])
    daemon.network("lan", text="[Network]\nParent=eth0\nMode=bridge\n[Port]\nMaxQueues=100\nVhost=off\n")
    daemon.start()
    with daemon.connect() as connection:
        for _ in range(3):
            with NothingLeft(daemon), pytest.raises(VarlinkError) as caught:
                connection.ports("CreatePort", network="lan", queues=60, holder={"type": "none"})
            assert caught.value.name == f"{PORTS}.SystemError"
            assert "Too many open files" in caught.value.parameters["message"]
        port = connection.ports("CreatePort", network="lan", queues=8, holder={"type": "none"})["port"]
        with many(daemon, 60):
            with pytest.raises(VarlinkError) as caught:
                connection.ports("OpenPort", port=port["id"], queues=60)
            assert caught.value.name.endswith((".LimitReached", ".SystemError"))
            connection.ports("OpenPort", port=port["id"], queues=4)
        connection.ports("DeletePort", port=port["id"])
    assert daemon.running


# -- callers that die ----------------------------------------------------------------------------------------


def run_caller(host, daemon, script, uid=NOBODY, **options):
    """A process of this user's with the socket `s` connected, in the host."""
    head = "import os, signal, socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n"
    return host.start("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--", sys.executable, "-c", head + script,
                      daemon.socket, **options)


CREATE = f'{{"method":"{PORTS}.CreatePort","parameters":{{"network":"lan"}}}}'
HOLD = CREATE.replace('"lan"', '"lan","holder":{"type":"process"}')


@pytest.mark.parametrize("script", [
    f"s.sendall(b'{CREATE}'[:30])",
    f"s.sendall(b'{CREATE}\\0')",
    f"s.sendall(b'{CREATE}\\0' * 8)",
    f"s.sendall(b'{CREATE}\\0'); s.recv(1)",
    f"s.sendall(b'{CREATE}\\0'); s.shutdown(socket.SHUT_WR)",
    f"s.sendall(b'{{\"method\":\"{SERVICE}.GetInterfaceDescription\",\"parameters\":{{\"interface\":\"{PORTS}\"}}}}\\0' * 40); s.recv(1)",
    f"s.sendall(b'{{\"method\":\"{PORTS}.WatchPorts\",\"more\":true}}\\0'); s.recv(1)",
], ids=["half-request", "request", "requests", "mid-reply", "shut-down", "mid-replies", "stream"])
def test_caller_dies(served, host, script):
    """Killed at that point: what it had been given goes with it."""
    for _ in range(5):
        caller = run_caller(host, served, f"{script}\nos.kill(os.getpid(), signal.SIGKILL)")
        assert caller.wait() == -signal.SIGKILL
    assert served.settle() == []


# -- pids ----------------------------------------------------------------------------------------------------

_CLONE3, _CLONE_ARGS = 435, "11Q"


def process_with_pid(pid):
    """A process of ours, root's, with a pid that is free."""
    wanted = (ctypes.c_int * 1)(pid)
    arguments = struct.pack(_CLONE_ARGS, 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, ctypes.addressof(wanted), 1, 0)
    libc = ctypes.CDLL(None, use_errno=True)
    made = libc.syscall(_CLONE3, arguments, len(arguments))
    if made == 0:
        while True:
            signal.pause()
    if made < 0:
        pytest.skip(f"cannot choose a pid: {os.strerror(ctypes.get_errno())}")
    return made


@pytest.mark.parametrize("seen", [True, False], ids=["accepted", "not-accepted-yet"])
def test_pid_that_is_anothers_now(served, host, seen):
    """The caller has died, its child has the connection, and the caller's pid is now a process of root's."""
    caller = run_caller(host, served, f"""if True:
        if {seen}:
            s.sendall(b'{{"method":"{SERVICE}.GetInfo"}}\\0'); s.recv(65536)
        print("connected", flush=True)
        sys.stdin.readline()
        if os.fork():
            os._exit(0)
        sys.stdin.readline()
        s.sendall(b'{HOLD}\\0')
        print(s.recv(65536).decode(), flush=True)""", stdin=-1, stdout=-1, bufsize=0)
    if not seen:
        served.process.send_signal(signal.SIGSTOP)
    try:
        assert caller.stdout.readline() == b"connected\n"
        caller.stdin.write(b"die\n")
        caller.wait()
        other = process_with_pid(caller.pid)
    finally:
        served.process.send_signal(signal.SIGCONT)
    try:
        caller.stdin.write(b"go\n")
        reply = caller.stdout.readline().decode()
        assert f"{PORTS}.HolderInvalid" in reply, reply
        assert served.leftovers() == []
    finally:
        os.kill(other, signal.SIGKILL)
        os.waitpid(other, 0)


def test_what_is_anothers(daemon, host):
    """Who names a port, a process or a domain that is not his own finds nothing, or is refused."""
    uuid = "123e4567-e89b-12d3-a456-426614174000"
    holder = {"type": "domain", "domain": uuid}
    sleeper = host.start("sleep", "infinity")
    with daemon.connect() as root, connect(daemon) as user:
        port = root.ports("CreatePort", network="lan", name="roots", holder=holder)["port"]
        for name in (port["id"], "roots", port["interfaceName"]):
            for method, more in (("OpenPort", {}), ("SetPort", {"linkUp": False}), ("DeletePort", {})):
                with pytest.raises(VarlinkError) as caught:
                    user.ports(method, port=name, **more)
                assert caught.value.name == f"{PORTS}.PortNotFound"
        assert user.ports("EndDomain", domain=uuid) == {"ports": 0}
        own = user.ports("CreatePort", network="lan", name="users", holder=holder)["port"]
        for pid in (1, sleeper.pid, daemon.process.pid):
            with pytest.raises(VarlinkError) as caught:
                user.ports("SetPort", port=own["id"], holderPid=pid)
            assert caught.value.name == f"{PORTS}.HolderInvalid"
        assert root.ports("ListPorts")["ports"][0] == port
        assert root.ports("EndDomain", domain=uuid) == {"ports": 2}


# -- streams -------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_watchers_that_never_read(served):
    """Each is dropped when it has more unread than a connection may have; who reads misses nothing."""
    changes = 1100
    with many(served, 2) as sleepers, connect(served) as reader, connect(served) as user:
        for connection in [*sleepers, reader]:
            connection.send({"method": f"{PORTS}.WatchPorts", "more": True})
            assert connection.receive()["parameters"]["event"] == "ready"
        before = resident(served)
        user.ports("CreatePort", network="lan", name="restless", holder={"type": "none"}, openDescriptors=False)
        for number in range(changes):
            user.ports("SetPort", port="restless", linkUp=bool(number % 2))
            while number % 10 == 0 and select.select([reader.socket], [], [], 0)[0]:
                reader.receive()
        user.ports("DeletePort", port="restless")
        while reader.receive()["parameters"]["event"] != "deleted":
            pass
        for connection in sleepers:
            messages = connection.wait_closed()
            assert 100 < len(messages) < changes
        assert resident(served) < before + 2048


# -- a good client beside them -------------------------------------------------------------------------------


def test_good_client_is_served_beside_all_of_them(served, host):
    """Flooding, pipelining, half messages, values and floods of connections, all at once, from several users."""
    script = """if True:
        import select
        def dial():
            one = socket.socket(socket.AF_UNIX); one.connect(sys.argv[1]); return one
        kind = int(sys.argv[2]) if len(sys.argv) > 2 else KIND
        call = b'{"method":"org.varlink.service.GetInfo"}\\0'
        data = [call * 1000, call[:-5], b'{"method":"a.b","parameters":{"a":[' + b'{},' * 1300 + b'{}]}}\\0', call, b'x' * 100000][kind]
        print("ready", flush=True)
        while True:
            try:
                if kind != 0:
                    s = dial()
                s.setblocking(kind == 3)
                s.send(data)
                while kind == 0 and s.recv(65536):
                    pass
            except OSError:
                select.select([s], [], [], 0)
    """
    hostile = [run_caller(host, served, script.replace("KIND", str(kind)), uid=25000 + kind, stdout=-1) for kind in range(5)]
    for one in hostile:
        assert one.stdout.readline() == b"ready\n"
    with served.connect() as connection:
        for _ in range(5):
            port = connection.ports("CreatePort", network="lan", holder={"type": "none"})["port"]
            connection.ports("DeletePort", port=port["id"])
    for _ in range(10):
        serve_one(served)
    for one in hostile:
        one.kill()
        one.wait()
