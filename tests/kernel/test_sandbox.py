# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a daemon that runs keeps of root's power: what its parts declare (`macvtapd --privileges`), and that they need all
of it."""
import os
import re
import subprocess

import pytest

import link_events
from privileges import declared_bpf_commands, declared_calls, declared_capabilities, is_sanitized
from tracing import Trace
from varlink import VarlinkError

# enum bpf_cmd of linux/bpf.h
BPF_COMMANDS = {1: "BPF_MAP_LOOKUP_ELEM", 2: "BPF_MAP_UPDATE_ELEM", 3: "BPF_MAP_DELETE_ELEM", 4: "BPF_MAP_GET_NEXT_KEY",
                6: "BPF_OBJ_PIN", 26: "BPF_MAP_UPDATE_BATCH"}
CAPABILITY_NUMBERS = {"CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13, "CAP_MKNOD": 27}

# Declared, and not seen when everything is done once here: why it is declared.
UNSEEN = {
    "fstat": "from glibc 2.37 on", "renameat2": "machines without renameat",
    "fchmodat": "machines without chmod", "ppoll": "machines without poll", "epoll_pwait": "machines without epoll_wait",
    "brk": "memory", "mmap": "memory", "munmap": "memory", "mremap": "memory", "madvise": "memory", "mprotect": "a module",
    "futex": "only with a second thread, or to wake one", "getrandom": "from glibc 2.41 on without a call",
    "clock_gettime": "a clock without vDSO", "gettimeofday": "a clock without vDSO",
    "readlinkat": "a module", "prctl": "a module", "access": "a module", "pread64": "a module", "lseek": "a module", "connect": "a module", "fcntl": "a module",
    "recvfrom": "a frame or a module", "getpid": "a module or abort()", "gettid": "a module or abort()", "getuid": "a module", "getegid": "a module",
    "rt_sigprocmask": "a module or abort()", "rt_sigaction": "abort()", "tgkill": "abort()", "rt_sigreturn": "a signal",
    "setitimer": "a connection that is refused, or in which descriptors may lie: kernels before 6.16",
    "restart_syscall": "after SIGSTOP", "unlink": "the end", "exit_group": "the end",
}


def status(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


@pytest.mark.native("the daemon puts no filter on its system calls, which are not all ours")
def test_only_what_is_declared_is_kept(daemon):
    mask = sum(1 << CAPABILITY_NUMBERS[name] for name in declared_capabilities())
    now = status(daemon.process.pid)
    assert {name: int(now[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == \
        {"CapInh": 0, "CapPrm": mask, "CapEff": mask, "CapBnd": mask, "CapAmb": 0}
    assert (now["NoNewPrivs"], now["Seccomp"], now["Threads"]) == ("1", "0" if is_sanitized() else "2", "1")
    assert daemon.complaints() == ""


@pytest.mark.native("the daemon puts no filter on its system calls, which are not all ours")
def test_writes_are_confined_before_anybody_is_served(daemons, host, station, tmp_path):
    if is_sanitized():
        pytest.skip("cannot run with sanitizers, which have no such confinement")
    if "MACVTAPD_COVERAGE" in os.environ:
        pytest.skip("cannot run where coverage is measured: the daemon writes that where nothing else may be written")
    trace = tmp_path / "trace"
    daemons(host, wrapper=["strace", "-D", "-qq", "-e", "trace=landlock_restrict_self,seccomp,accept4", "-o",
                           trace]).start()
    done = re.findall(r"^(\w+\([A-Z_]*).* = 0$", trace.read_text(encoding="ascii"), re.MULTILINE)
    assert [call for call in done if "GET" not in call] == ["landlock_restrict_self(", "seccomp(SECCOMP_SET_MODE_FILTER"]


@pytest.fixture
def everything(daemons, host, station):
    """A daemon, and a function that has it do each thing once."""
    daemon = daemons(host)
    daemon.network("lan", "eth0", AllowUsers="nobody", AllowGroups="nogroup")
    daemon.network("through", text="[Network]\nParent=eth0\nMode=passthru\n[Port]\nMac=assign\n")
    daemon.start()

    def do(connection):
        def create(**parameters):
            return connection.ports("CreatePort", network="lan", **{"holder": {"type": "none"}, **parameters})["port"]

        def delete(port):
            connection.ports("DeletePort", port=port["id"])

        port = create(queues=2)
        os.unlink(f"/dev/tap{port['interfaceIndex']}")
        connection.ports("OpenPort", port=port["id"])  # by a node of its own
        connection.ports("CapturePort", port=port["id"])
        delete(port)
        port = create(deviceNode={"owner": 65534, "group": 65534}, openDescriptors=False)
        delete(port)
        port = create(deviceNode={"owner": 0, "group": 0}, openDescriptors=False)
        os.unlink(f"/dev/tap{port['interfaceIndex']}")
        delete(port)
        delete(create(incoming=True))
        process = host.start("cat", stdin=subprocess.PIPE)
        port = create(holder={"type": "process", "pid": process.pid})
        process.kill()
        process.wait()
        port = connection.ports("CreatePort", network="through", macAddress="52:54:00:00:00:07",
                                holder={"type": "none"})["port"]
        delete(port)
        link_events.set_buffer(daemon, 1)
        with link_events.unread(daemon):
            for mtu in ("1400", "1500"):
                host.ip("link", "set", "eth0", "mtu", mtu)
        connection.ports("ListPorts")  # answered after the full look
        daemon.reload()
        assert daemon.settle() == []

    daemon.do_everything = do
    return daemon


def test_no_more_calls_than_declared_and_no_fewer(everything, tmp_path):
    if is_sanitized():
        pytest.skip("cannot run with sanitizers, which make calls of their own")
    with Trace(everything.process.pid, tmp_path / "trace") as trace, everything.connect() as connection:
        everything.do_everything(connection)
    calls = trace.calls()
    seen = {name for name, _ in calls}
    assert seen - declared_calls() == set()
    assert declared_calls() - seen - set(UNSEEN) == set()
    assert set(UNSEEN) - declared_calls() == set()
    assert [call for call in calls if "EPERM" in call[1]] == []
    assert {command for name, text in calls if name == "bpf" for command in re.findall(r"^\w+", text)} <= \
        {BPF_COMMANDS[number] for number in declared_bpf_commands()}


@pytest.mark.parametrize("missing, words", [
    ("CAP_NET_ADMIN", "cannot make macvtap"), ("CAP_MKNOD", "cannot make a device node in /dev"),
    ("CAP_NET_RAW", "cannot watch link")])
def test_each_capability_is_needed(daemons, host, station, missing, words):
    capability = missing.removeprefix("CAP_").lower()
    daemon = daemons(host, wrapper=["setpriv", f"--bounding-set=-{capability}"])
    daemon.network("lan", "eth0")
    if missing == "CAP_NET_RAW":
        with pytest.raises(AssertionError, match="cannot listen for announcements"):
            daemon.start()
        return
    daemon.start()
    with daemon.connect() as connection, pytest.raises(VarlinkError, match=words):
        port = connection.ports("CreatePort", network="lan", holder={"type": "none"})["port"]
        os.unlink(f"/dev/tap{port['interfaceIndex']}")
        try:
            connection.ports("OpenPort", port=port["id"])
        finally:
            connection.ports("DeletePort", port=port["id"])
