# SPDX-License-Identifier: LGPL-2.1-or-later
"""The log: a line for each grant, refusal and end, for start and reload, none for reading; with fields in the journal."""
import json
import os
import pathlib
import re
import signal

import pytest

from clock import Deadline
from programs import program
from refusal import REFUSED, USAGE, check_refused
from varlink import VarlinkError

NONE = {"type": "none"}


def refused(connection, method, **parameters):
    with pytest.raises(VarlinkError):
        connection.ports(method, **parameters)


def end_lines(daemon):
    return [line for line in daemon.trail() if " ended on " in line]


@pytest.mark.parametrize("kind", ["none", "process"])
def test_grant_whose_caller_has_gone(daemon, kind):
    """Its timeout ran out, say, while the daemon did not get to it."""
    holder = {"none": NONE, "process": {"type": "process", "pid": os.getpid()}}[kind]
    daemon.process.send_signal(signal.SIGSTOP)
    with daemon.connect() as connection:
        connection.send({"method": "org.macvtapd.Ports.CreatePort", "parameters": {
            "network": "lan", "name": "web", "holder": holder, "openDescriptors": False}})
    daemon.process.send_signal(signal.SIGCONT)
    daemon.wait_trail("port web ended on ")
    assert daemon.settle() == []
    (end,) = end_lines(daemon)
    assert end.endswith(": its caller was gone before the reply")
    assert daemon.ports() == []


def test_one_line_for_each(daemon, host):
    """And nothing but these on stderr."""
    with daemon.connect() as connection:
        connection.ports("CreatePort", network="lan", name="web", queues=2, holder=NONE)
        connection.ports("OpenPort", port="web")
        for method in ("ListPorts", "ListNetworks"):
            connection.ports(method)
        connection.ports("SetPort", port="web", linkUp=False)
        refused(connection, "CreatePort", network="none")
        refused(connection, "CreatePort", network="lan", name="web")
        refused(connection, "OpenPort", port="db")
        refused(connection, "SetPort", port="db", linkUp=True)
        refused(connection, "DeletePort", port="db")
        refused(connection, "ListPorts", network="none")
        connection.ports("DeletePort", port="web")
        connection.ports("CreatePort", network="lan", name="vm", holder={"type": "domain", "domain": "0" * 8 + "-0000-4000-8000-" + "0" * 12})
        connection.ports("EndDomain", domain="0" * 8 + "-0000-4000-8000-" + "0" * 12)
    daemon.reload()
    asker = rf"uid 0 \(\S+, process {os.getpid()}(, \S+)?\)"
    expected = [
        r"started: networks: 1, ports: 0",
        rf"port web created on lan for {asker}: mvt\w+, MAC 52:54:00:\S+",
        rf"port web opened by {asker}: 2 queues",
        rf"refused {asker} to create a port on none: there is no network 'none'; you may use lan",
        rf"refused {asker} to create port web on lan: there is a port 'web' already",
        rf"refused {asker} to open port db: there is no port 'db'",
        rf"refused {asker} to change port db: there is no port 'db'",
        rf"refused {asker} to delete port db: there is no port 'db'",
        rf"port web ended on lan \(mvt\w+\): deleted by {asker}",
        rf"port vm created on lan for {asker}: mvt\w+, MAC 52:54:00:\S+",
        rf"port vm ended on lan \(mvt\w+\): its domain has ended, according to {asker}",
        r"reloaded: networks: 1",
    ]
    lines = daemon.messages().splitlines()
    assert len(lines) == len(expected), lines
    for line, pattern in zip(lines, expected):
        assert re.fullmatch("macvtapd: " + pattern, line), (line, pattern)


def test_end_of_a_process_and_who_is_who(daemon, host):
    """macvtap-run's port is the VMM's that it becomes, under nobody's uid, and ends with its descriptors."""
    vmm = host.start(program("macvtap-run"), "--socket", daemon.socket, "--network=lan,name=vm", "--",
                     "sh", "-c", "exec cat", "{fd}", "{mac}", user="nobody", stdin=-1, stdout=-1)
    vmm.stdin.write(b"x")
    vmm.stdin.flush()
    assert vmm.stdout.read1(1) == b"x"
    (created,) = [line for line in daemon.trail() if "created" in line]
    assert f"for uid 65534 (macvtap-run, process {vmm.pid}" in created
    vmm.send_signal(signal.SIGKILL)
    vmm.wait()
    assert daemon.settle() == []
    (ended,) = end_lines(daemon)
    assert ended.endswith(": its last descriptor is closed")


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_end_while_no_daemon_runs(daemon, host, how):
    vmm = host.start("cat", stdin=-1)
    with daemon.connect() as connection:
        connection.ports("CreatePort", network="lan", name="vm", holder={"type": "process", "pid": vmm.pid})
    getattr(daemon, how)()
    vmm.kill()
    vmm.wait()
    daemon.start()
    (ended,) = end_lines(daemon)
    assert ended.startswith("port vm ended on lan (") and ended.endswith(f": process {vmm.pid} has ended")


def test_device_that_others_remove(daemon, host, station):
    with daemon.connect() as connection:
        port = connection.ports("CreatePort", network="lan", name="web", holder=NONE)["port"]
        connection.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
        assert connection.reply() == {"event": "ready"}
        host.ip("link", "delete", port["interfaceName"])
        while connection.reply()["port"]["state"] != "device-gone":
            pass
    assert daemon.complaints() == (f"macvtapd: warning: port web lost: its device {port['interfaceName']}"
                                   " was removed by another program\n")
    daemon.ctl("port", "delete", "web")
    assert len(end_lines(daemon)) == 1


def test_a_flood_of_refusals(daemon, host):
    """A user who is refused without end fills no log, and hides nobody's."""
    script = ("import socket, sys\n"
              "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
              "for _ in range(2000):\n"
              "    s.sendall(b'{\"method\":\"org.macvtapd.Ports.OpenPort\",\"parameters\":{\"port\":\"x\"}}\\0')\n"
              "    assert s.recv(65536)\n")
    host.run("/usr/bin/python3", "-c", script, daemon.socket, user="nobody")
    lines = [line for line in daemon.trail() if line.startswith("refused uid 65534")]
    # More than a minute may pass on a slow machine.
    assert 21 <= len(lines) <= 200
    assert "(further ones within a minute are counted, not logged)" in lines[20]
    with daemon.connect() as connection:
        refused(connection, "OpenPort", port="roots")
    assert "open port roots" in daemon.trail()[-1]
    daemon.stop()
    told = [line for line in daemon.trail() if line.startswith("refused uid 65534")]
    counts = [int(found[1]) for line in told if (found := re.search(r" (\d+) more requests", line))]
    assert len(told) - 2 * len(counts) + sum(counts) == 2000


JOURNAL = r"""
import json, os, socket
os.makedirs("/run/systemd/journal")
stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
stream.bind("/run/systemd/journal/stdout")
stream.listen()
native = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
native.bind("/run/systemd/journal/socket")
print("ready", flush=True)
while True:
    data = native.recv(1 << 20).decode()
    print(json.dumps(dict(line.split("=", 1) for line in data.splitlines())), flush=True)
"""

# stderr as systemd makes it.
INTO_JOURNAL = ("import os, socket, sys\n"
                "s = socket.socket(socket.AF_UNIX); s.connect('/run/systemd/journal/stdout')\n"
                "os.dup2(s.fileno(), 2)\n"
                "os.execv(sys.argv[1], sys.argv[1:])\n")


class Journal:
    def __init__(self, host):
        self._process = host.start("/usr/bin/python3", "-c", JOURNAL, stdout=-1, bufsize=0)
        assert self._process.stdout.readline() == b"ready\n"

    def line(self):
        Deadline().wait_readable(self._process.stdout)
        return json.loads(self._process.stdout.readline())


@pytest.fixture
def journaled(daemons, host, station):
    """A daemon whose standard error is a journal of the test's own, with its filters on; and that journal."""
    journal = Journal(host)
    daemon = daemons(host, wrapper=["/usr/bin/python3", "-c", INTO_JOURNAL])
    daemon.network("lan", "eth0")
    daemon.start()
    return daemon, journal


def test_fields_in_the_journal(journaled):
    daemon, journal = journaled
    started = journal.line()
    assert (started["MESSAGE"], started["PRIORITY"]) == ("started: networks: 1, ports: 0", "5")
    assert started["SYSLOG_IDENTIFIER"] == "macvtapd" and re.fullmatch("[0-9a-f]{32}", started["MESSAGE_ID"])
    with daemon.connect() as connection:
        port = connection.ports("CreatePort", network="lan", name="web", holder=NONE)["port"]
        refused(connection, "OpenPort", port="db\n<1>forged")
        connection.ports("DeletePort", port="web")
    created, refusal, ended = journal.line(), journal.line(), journal.line()
    who = {"MACVTAPD_UID": "0", "MACVTAPD_PID": str(os.getpid())}
    which = {"MACVTAPD_NETWORK": "lan", "MACVTAPD_PORT": "web", "MACVTAPD_PORT_ID": port["id"],
             "MACVTAPD_INTERFACE": port["interfaceName"], "MACVTAPD_MAC": port["macAddress"]}
    assert created.items() >= {**who, **which, "PRIORITY": "6"}.items()
    with open("/proc/self/comm", encoding="utf-8") as comm:
        assert created["MACVTAPD_COMMAND"] == comm.read().strip()
    assert refusal.items() >= {**who, "PRIORITY": "5", "MACVTAPD_PORT": r"db\x0a<1>forged"}.items()
    assert refusal["MACVTAPD_REASON"].startswith("there is no port 'db")
    assert ended.items() >= {**who, **which, "PRIORITY": "6"}.items()
    assert len({line["MESSAGE_ID"] for line in (started, created, refusal, ended)}) == 4
    assert daemon.messages() == ""


def test_who_connected_is_looked_up_once(daemon):
    """As its credentials are: the name that the process gives itself later is not the one that has connected."""
    def call_myself(name):
        with open("/proc/self/comm", "w", encoding="utf-8") as comm:
            comm.write(name)

    with open("/proc/self/comm", encoding="utf-8") as comm:
        before = comm.read().strip()
    try:
        with daemon.connect() as connection:
            call_myself("first")
            connection.ports("CreatePort", network="lan", name="a", holder=NONE)
            call_myself("second")
            connection.ports("CreatePort", network="lan", name="b", holder=NONE)
        with daemon.connect() as connection:
            connection.ports("DeletePort", port="a")
            connection.ports("DeletePort", port="b")
    finally:
        call_myself(before)
    lines = daemon.trail()
    assert [re.search(r"uid 0 \((\w+), process", line).group(1) for line in lines[-4:]] == [
        "first", "first", "second", "second"]


def test_other_lines_have_their_priority_too(journaled):
    daemon, journal = journaled
    journal.line()
    daemon.network("broken", text="[Network]\nTypo=1\n")
    daemon.reload()
    problem, reloaded = journal.line(), journal.line()
    assert problem["MESSAGE"].startswith("network broken cannot be used") and problem["PRIORITY"] == "4"
    assert reloaded["MESSAGE"] == "reloaded: networks: 2"


def test_stream_of_another_journal(daemons, host, station):
    """Where the journal reads stderr as a stream (a namespace of its), each line says its priority."""
    script = 'JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec "$@"'
    daemon = daemons(host, wrapper=["sh", "-c", script, "sh"])
    daemon.network("lan", "eth0")
    daemon.network("broken", text="[Network]\nTypo=1\n")
    daemon.start()
    warning, started = daemon.messages().splitlines()
    assert warning.startswith("<4>macvtapd: warning: network broken cannot be used")
    assert started == "<5>macvtapd: started: networks: 2, ports: 0"
    daemon.stop()
    (daemon.config / "macvtapd.conf").write_text("x", encoding="utf-8")
    with pytest.raises(AssertionError):
        daemon.start()
    assert daemon.messages().splitlines()[-1].startswith("<3>macvtapd: macvtapd.conf:1: ")


def test_journal_of_others_is_not_ours(daemons, host, station):
    """$JOURNAL_STREAM is inherited by what has its stderr elsewhere."""
    daemon = daemons(host, wrapper=["env", "JOURNAL_STREAM=1:2"])
    daemon.start()
    assert daemon.messages() == "macvtapd: started: networks: 0, ports: 0\n"


# -- macvtapctl log ------------------------------------------------------------------------------------------


@pytest.fixture
def ctl_log(host):
    """macvtapctl log in a machine with a journal whose journalctl says what it was asked."""
    host.run("mkdir", "-p", "/run/bin", "/run/log/journal/0123")
    host.run("touch", "/run/log/journal/0123/system.journal")
    host.run("mount", "-t", "tmpfs", "none", "/var/log")
    journalctl = pathlib.Path(host.path("/run/bin/journalctl"))
    journalctl.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n", encoding="ascii")
    journalctl.chmod(0o755)

    def run(*arguments, path="/run/bin"):
        return host.run("env", f"PATH={path}", program("macvtapctl"), *arguments, check=False)

    return run


UNIT = "_SYSTEMD_UNIT=macvtapd.service"


@pytest.mark.parametrize("arguments, asked", [
    (["log"], [UNIT]),
    (["log", "-f", "-n", "5"], ["--follow", "--lines=5", UNIT]),
    (["--json", "log", "--follow"], ["--follow", "--output=json", UNIT]),
    (["log", "--port", "--web"], [UNIT, "MACVTAPD_PORT=--web", "+", UNIT, "MACVTAPD_PORT_ID=--web", "+", UNIT,
                                  "MACVTAPD_INTERFACE=--web"]),
])
def test_log_asks_journalctl(ctl_log, arguments, asked):
    done = ctl_log(*arguments)
    assert (done.returncode, done.stdout.splitlines(), done.stderr) == (0, asked, "")


def test_log_without_a_journal(ctl_log, host):
    check_refused(ctl_log("log", path="/run/none"), REFUSED, "cannot run journalctl", "standard error")
    check_refused(ctl_log("log", "extra"), USAGE, "unexpected argument 'extra'; usage: macvtapctl log")
    check_refused(ctl_log("log", "-n", "-5"), USAGE, "-n")
    for command in ["rm", "/run/log/journal/0123/system.journal"], ["rmdir", "/run/log/journal/0123", "/run/log/journal"]:
        host.run(*command)
        check_refused(ctl_log("log"), REFUSED, "this machine keeps no journal", "standard error")
