# SPDX-License-Identifier: LGPL-2.1-or-later
"""Something befalls the daemon at each system call of each operation: it is killed, or the call fails with each errno.

Theory of operation: one clean round tells which system calls an operation makes of the daemon. Then there is a round for
each of them (KillMatrix), or for each of them and each errno that it may have (FaultMatrix).

What must hold when a call fails: who asked gets what was asked for, or an error that the interface declares and that names
the cause; who only finds the connection closed has lost it to a call on this very connection. The daemon lives and serves
the next call. Once everybody has let go, nothing is left, no descriptor either."""
import contextlib
import errno
import json
import os
import re

import pytest

import figures
import varlink
from clock import Deadline
from operations import OPERATIONS, World, differences, operation as _operation
from outside import OUTSIDE_OPERATIONS
from programs import SOURCE
from tracing import Trace, injection, points, read_calls, sample, start_points, traced_start

_DESCRIPTORS = ["EMFILE", "ENFILE", "ENOMEM"]
_FOLDER = ["ENOSPC", "EIO", "EPERM", "EROFS"]
# No EAGAIN from a socket of a caller's: it would be the kernel's lie, for the socket is told to be ready once only.
_SOCKET = ["ENOBUFS", "ENOMEM", "EINTR"]
ERRNOS = {
    "accept4": [*_DESCRIPTORS, "ENOBUFS", "ECONNABORTED", "EINTR", "EPERM"],
    "access": ["ENOMEM", "EACCES"],
    "bind": ["ENOMEM", "EADDRINUSE", "EPERM"],
    "chmod": ["EIO", "EPERM", "EROFS"],
    "clock_nanosleep": ["EINTR"],
    "connect": ["ECONNREFUSED", "EAGAIN", "EINTR"],
    "epoll_create1": _DESCRIPTORS,
    "epoll_ctl": ["ENOMEM", "ENOSPC", "EPERM"],
    "epoll_wait": ["EINTR"],
    "eventfd2": _DESCRIPTORS,
    "faccessat": ["ENOMEM", "EACCES", "EIO"],
    "faccessat2": ["ENOMEM", "EACCES", "EIO"],
    "fchmodat": ["EIO", "EPERM", "EROFS"],
    "fchownat": ["EIO", "EPERM", "EROFS"],
    "fcntl": ["EMFILE", "ENOMEM", "EINTR"],
    "flock": ["EAGAIN", "ENOLCK", "EINTR"],
    "fstat": ["ENOMEM", "EIO"],
    "getdents64": ["EIO", "ENOMEM"],
    "getrandom": ["EINTR", "EAGAIN"],
    "getsockname": ["ENOBUFS"],
    "getsockopt": ["ENOMEM", "EMFILE", "ENOBUFS"],
    "inotify_add_watch": ["ENOSPC", "ENOMEM"],
    "inotify_init1": _DESCRIPTORS,
    "ioctl": ["ENOMEM", "EIO", "EBUSY", "EPERM", "ENODEV", "EINTR"],
    "listen": ["EADDRINUSE"],
    "mkdir": _FOLDER,
    "mkdirat": _FOLDER,
    "mknodat": [*_FOLDER, "ENOMEM"],
    "newfstatat": ["ENOMEM", "EIO", "EACCES"],
    "openat": ["EMFILE", "ENOMEM", "EIO", "EPERM", "EINTR"],
    "pidfd_open": [*_DESCRIPTORS, "ENODEV"],
    "poll": ["EINTR", "ENOMEM"],
    "ppoll": ["EINTR", "ENOMEM", "EAGAIN"],
    "bpf": ["ENOMEM", "EPERM", "ENOSPC"],
    "capget": ["EPERM"],
    "capset": ["EPERM"],
    "landlock_add_rule": ["ENOMEM", "EPERM"],
    "landlock_create_ruleset": ["ENOMEM", "EMFILE"],
    "landlock_restrict_self": ["ENOMEM", "EPERM"],
    "prctl": ["EPERM", "ENOMEM"],
    "prlimit64": ["EPERM"],
    "seccomp": ["ENOMEM", "EPERM"],
    "read": ["EIO", "EINTR"],
    "readlinkat": ["EACCES", "ENOMEM"],
    "recvfrom": _SOCKET,
    "recvmsg": _SOCKET,
    "renameat": [*_FOLDER, "ENOMEM"],
    "sendmsg": [*_SOCKET, "EPERM"],
    "sendto": _SOCKET,
    "setsockopt": ["ENOMEM", "ENOBUFS", "EPERM"],
    "setxattr": ["ENOSPC", "EIO", "EPERM", "EOPNOTSUPP"],
    "socket": [*_DESCRIPTORS, "ENOBUFS", "EPERM"],
    "socketpair": _DESCRIPTORS,
    "unlink": _FOLDER,
    "unlinkat": [*_FOLDER, "EBUSY", "ENOMEM"],
    "write": ["ENOSPC", "EIO", "EINTR"],
    "writev": ["ENOSPC", "EIO", "EINTR", "EPERM"],
}
# A close() that is said to fail has not closed: strace takes the call away. The kernel's always does.
_NEVER_FAIL = {"close", "inotify_rm_watch", "getpid", "gettid", "getuid", "geteuid", "getgid", "getegid", "umask", "munmap", "rt_sigprocmask",
               "rt_sigaction", "madvise", "lseek", "statfs", "shutdown"}
# GLib ends the process when there is no memory, which is a kill like any other.
_MEMORY = {"brk", "mmap", "mprotect", "mremap", "futex"}

DECLARED = set(re.findall(r"^error (\w+)", (SOURCE / "src/api/org.macvtapd.Ports.varlink").read_text(encoding="utf-8"),
                          re.MULTILINE))
# Where the message has better words than the errno's.
_WORDS = {"EAGAIN": "netlink answer is missing", "ENODEV": "has just been removed|has been removed", "EBUSY": "is in use in a way"}


# libseccomp, GLib and connect() hide the errno from us, and of a lock it has but one meaning: the step is named all the same.
_HIDES_ERRNO = ("cannot limit system calls|cannot make the state folder|another daemon listens"
                "|another macvtapd uses this state folder")

ALL = [*OPERATIONS, *OUTSIDE_OPERATIONS]
_START = _operation("start")


def pairs(points):
    """(point, errno's name) for all of them; a system call that nobody has thought of is an error."""
    found = []
    for point in points:
        if point.name in _NEVER_FAIL | _MEMORY:
            continue
        found += [(point, name) for name in ERRNOS[point.name] if not _is_lie(point, name)]
        if "AF_NETLINK" in point.text and point.name == "recvmsg":
            found.append((point, "EAGAIN"))  # answers were lost
    return found


def _is_lie(point, name):
    """What the kernel does not answer: root opens its own files to read them, and who has a file open may look at it."""
    return ((name == "EPERM" and point.name == "openat" and "/state/" in point.text and "O_RDONLY" in point.text)
            or (name == "EACCES" and point.name == "newfstatat" and "AT_E" in point.text))


def _names_cause(message, name):
    return os.strerror(getattr(errno, name)) in message or re.search(_WORDS.get(name, "$^"), message)


class Matrix:
    """The worlds, kept for all operations."""

    def __init__(self, folder):
        self._worlds = {}
        self.trace = folder / "trace"

    def world(self, operation):
        if operation.own_dev not in self._worlds:
            world = self._worlds[operation.own_dev] = World(operation.own_dev)
            world.daemon.start()
            world.clean = world.state()
        return self._worlds[operation.own_dev]

    def tracing(self, world, operation, *options):
        if operation.is_start:
            return traced_start(world.daemon, self.trace, *options)
        return Trace(world.daemon.process.pid, self.trace, *options)

    def learn(self, operation):
        """The points of an operation, by the shorter of two rounds: on a busy machine a caller may ask thousands of times
        whether something has come about."""
        rounds = [self._learn(operation)]
        if not operation.is_start:
            rounds.append(self._learn(operation))
        return min(rounds, key=len)

    def _learn(self, operation):
        world = self.world(operation)
        world.begin(operation)
        with self.tracing(world, operation):
            world.act(operation)
        if operation.is_start:
            world.daemon.start()
        problems = world.problems() + world.end()
        problems += differences(world.clean, world.state())
        assert not problems, "\n".join(problems)
        calls = read_calls(self.trace)
        return start_points(calls) if operation.is_start else points(calls)

    def end(self, world, operation, fits=True):
        """Everybody lets go. What is then not as it was, and, if all must fit together, what did not before; such a
        world is given up."""
        problems = world.problems() if fits else []
        problems += world.end()
        problems += differences(world.clean, world.state())
        if problems:
            self.give_up(operation)
        return problems

    def give_up(self, operation):
        """Close the operation's world, which is not as it was; the next round makes another."""
        self._worlds.pop(operation.own_dev).close()

    @staticmethod
    def row(operation, outcomes):
        """The operation's row of the table. outcomes: of each round whether the point was reached, whether what the table
        counts was so, and what is wrong."""
        problems = [problem for _, _, problems in outcomes for problem in problems]
        assert not problems, "\n".join(problems)
        return (operation.name, len(outcomes), sum(reached for reached, _, _ in outcomes),
                sum(so for reached, so, _ in outcomes if reached))

    def close(self):
        for world in self._worlds.values():
            world.close()

    @classmethod
    def _parts(cls, operation):
        return cls.START_PARTS if operation.is_start else 1

    @classmethod
    def parameters(cls):
        """For parametrize("name, part, parts"): each operation. Several processes share them, and the start, which takes
        longest by far."""
        found = []
        for one in ALL:
            parts = cls._parts(one)
            for part in range(parts):
                found.append(pytest.param(one.name, part, parts, id=f"{one.name} {part + 1} of {parts}" if parts > 1 else one.name,
                                          marks=[pytest.mark.slowest] if parts > 1 else []))
        return found

    @classmethod
    def write(cls, results):
        """The figures, of the rows that the tests of all operations have left in results (see results.properties())."""
        found = [json.loads(row) for row in results(cls.FIGURES)]
        rows = []
        for one in ALL:
            parts = [row[1:] for row in found if row[0] == one.name]
            if len(parts) != cls._parts(one):
                return
            rows.append((one.name, *map(sum, zip(*parts))))
        total = map(sum, zip(*(row[1:] for row in rows)))
        figures.write(cls.FIGURES, cls.TEXT + figures.table(cls.HEAD, [*rows, ("all", *total)]))


class KillMatrix(Matrix):
    FIGURES = "kill-matrix"
    START_PARTS = 3
    HEAD = ["operation", "system calls", "killed at", "ports taken over"]
    TEXT = ("macvtapd is killed as it enters each system call of an operation, and started again. What the API says of"
            " the ports is compared with the kernel's devices (name, parent, mode, MAC, MTU, up or down, alias, no IPv6"
            " and no ARP of the host's, the guard), and what was done from outside must have had its effect. Then everybody lets"
            " go of their ports, and every link (`ip -d`: MACs, flags, promiscuity and the rest), the state folder,"
            " /dev and the pins of the guard's maps are compared with what was before. Devices in another state than the API says: 0. Left behind:"
            " 0. MACs not restored: 0. A call that came again in no second round (an event that was told earlier or"
            " later) counts as not killed at.\n\n")

    @staticmethod
    def _answers(daemon):
        """Whether it does; it may be about to end, when the call at which it was killed came behind its answer."""
        try:
            daemon.ports()
        except (varlink.Closed, ConnectionError):
            daemon.process.wait(Deadline().left())
            return False
        return True

    def _kill(self, operation, point):
        """Returns whether the point was reached, whether ports were still there, and what is wrong."""
        world = self.world(operation)
        world.begin(operation)
        with self.tracing(world, operation, *injection(point, "signal=SIGKILL")) as ended:
            with contextlib.suppress(varlink.Closed, ConnectionError):
                world.act(operation)
        world.state()
        killed = bool(ended) if operation.is_start else not self._answers(world.daemon)
        if not world.daemon.running:
            world.daemon.start()
        kept = bool(world.daemon.ports())
        return killed, kept, [f"killed at {point}: {problem}" for problem in self.end(world, operation)]

    def run(self, operation, every=1, phase=0):
        chosen = sample(self.learn(operation), every, phase)
        row = self.row(operation, [self._kill(operation, point) for point in chosen])
        assert row[2] > 0, "the daemon was never killed"
        return row


class FaultMatrix(Matrix):
    FIGURES = "fault-matrix"
    START_PARTS = 6
    HEAD = ["operation", "(call, errno) pairs", "that came about", "done all the same"]
    TEXT = ("Each system call of an operation fails with each errno that it may have. Who asked gets what was asked"
            " for or an error of the interface that names the cause, or loses the connection when the call was on that"
            " very connection; what came from outside has its effect in the end, and the kernel's devices are what the"
            " API says; the daemon serves the next call; once everybody has let go, every link, the state"
            " folder, /dev, the pins of the guard's maps and the daemon's descriptors are what they were. Crashes: 0. Hangs: 0. Left behind: 0. A"
            " call that did not come again in the second round (an event that was told earlier or later) did not come"
            " about.\n\n")

    def _attempt(self, world, operation):
        """None: done. Else what the caller was told: (name, message), or "closed"."""
        try:
            world.act(operation)
        except varlink.VarlinkError as error:
            return error.name, error.parameters.get("message", "")
        except (varlink.Closed, ConnectionError):
            return "closed"
        except TimeoutError:
            return "hang"
        if operation.hook and (world.done.returncode != 0 or world.done.stderr):
            return f"hook {world.done.returncode}", world.done.stderr
        return None

    def _attempt_start(self, world, options):
        """None: it was ready. Else ("start", its last line), or "hang"."""
        said = len(world.daemon.messages())
        try:
            with self.tracing(world, _START, *options) as ended:
                pass
        except AssertionError:
            return "hang"
        if not ended:
            return None
        return f"start {ended.status}", world.daemon.messages()[said:].rstrip().rpartition("\n")[2]

    @staticmethod
    def _is_callers(point, own):
        """Whether the call was on a caller's connection, and not on one of the sockets that the daemon had before.
        None: there are no callers yet."""
        found = re.search(r"^(?:\d+<anon_inode:\[eventpoll\]>, EPOLL_CTL_\w+, )?\d+<(socket:\[\d+\])>", point.text)
        return point.name == "accept4" or bool(found and own is not None and found.group(1) not in own)

    @classmethod
    def _judge(cls, told, point, name, own):
        """What is wrong with what the caller was told when this call failed."""
        if told is None:
            return []
        is_callers = cls._is_callers(point, own)
        if told == "closed":
            return [] if is_callers else ["the connection was closed"]
        if told == "hang":
            # The nth recvmsg() was the caller's this time, where EAGAIN is a lie: see _SOCKET.
            return [] if is_callers and name == "EAGAIN" else ["there was no answer"]
        kind, message = told
        found = []
        if kind.startswith("hook "):
            if len(message.splitlines()) != 1:
                found.append(f"not one line: {message!r}")
            if is_callers:
                return found
        elif kind.startswith("start "):
            if re.search(_HIDES_ERRNO, message):
                return found
            if kind != "start 1" or not message.startswith("macvtapd: "):
                found.append(f"{kind} {message!r}")
        elif kind.rpartition(".")[2] not in DECLARED:
            found.append(f"no declared error: {kind}")
        if not _names_cause(message, name):
            found.append(f"the cause is not in {kind} {message!r}")
        return found

    def _fail(self, operation, point, name):
        """Returns whether the point was reached, whether it was done all the same, and what is wrong."""
        world = self.world(operation)
        world.begin(operation)
        options = injection(point, f"error={name}")
        own = None if operation.is_start else world.own_sockets()
        warnings = world.daemon.messages().count("warning:")
        if operation.is_start:
            told = self._attempt_start(world, options)
            world.daemon.start()
        else:
            with self.tracing(world, operation, *options):
                told = self._attempt(world, operation)
        # The nth call may be another one than in the clean round, as events are told earlier or later.
        hit = [one for one in points(read_calls(self.trace)) if one.text.endswith("(INJECTED)")]
        problems = [problem for point in hit for problem in self._judge(told, point, name, own)]
        if told and not hit:
            problems.append(f"nothing failed, and yet: {told}")
        if not world.daemon.running:
            problems.append(f"the daemon has ended: {world.daemon.messages()[-500:]}")
            world.daemon.start()
        warned = world.daemon.messages().count("warning:") > warnings
        problems += self.end(world, operation, fits=not (operation.may_be_told and warned))
        if name == "EAGAIN" and any(point.name == "recvmsg" and self._is_callers(point, own) for point in hit):
            # The nth recvmsg() was a caller's this time: see _SOCKET. The daemon waits there for what has come already.
            world.daemon.restart()
        if not problems and world.descriptors() != world.clean_descriptors:
            problems.append(f"descriptors were {world.clean_descriptors} and are {world.descriptors()}")
            self.give_up(operation)
        for problem in problems:
            print(f"{operation.name}: {name} from {point}: {problem}", flush=True)  # what a killed run has seen
        return bool(hit), told is None, [f"{name} from {point}: {problem}" for problem in problems]

    def world(self, operation):
        world = super().world(operation)
        if not hasattr(world, "clean_descriptors"):
            world.clean_descriptors = self._settled_descriptors(world)
        return world

    @staticmethod
    def _settled_descriptors(world):
        """Once a busy machine's daemon has closed the connections of those who looked at the world before."""
        found, before = world.descriptors(), None
        while found != before:
            found, before = world.descriptors(), found
        return found

    def run(self, operation, every=1, phase=0):
        chosen = sample(pairs(self.learn(operation)), every, phase)
        return self.row(operation, [self._fail_twice(operation, point, name) for point, name in chosen])

    def _fail_twice(self, operation, point, name):
        """The hook gives macvtapd 1.5 seconds, which it may exceed when it is traced on a busy machine; if it hangs, it does
        so again."""
        found = self._fail(operation, point, name)
        is_late = any("did not answer within" in problem for problem in found[-1])
        return self._fail(operation, point, name) if is_late else found
