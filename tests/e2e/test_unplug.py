# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real QEMU plugs and unplugs its NIC, becomes a daemon, and refuses what the helper has given: a port lives as long as
QEMU has its descriptor, no shorter and no longer. No guest runs: what is tried is QEMU itself."""
import json
import os
import signal
import socket

import pytest

from programs import program

MAC = "52:54:00:00:00:31"
QEMU = ["qemu-system-x86_64", "-M", "none", "-nodefaults", "-no-user-config", "-display", "none"]


class Monitor:
    """QMP with a QEMU that has one end of a socket pair."""

    def __init__(self, host, daemon):
        ours, theirs = socket.socketpair()
        self.process = host.start(*QEMU, "-chardev", f"socket,id=m,fd={theirs.fileno()}", "-mon", "chardev=m,mode=control",
                                  pass_fds=[theirs.fileno()], env=daemon.environment())
        theirs.close()
        self._socket, self._lines = ours, ours.makefile("rw", encoding="utf-8")
        self._lines.readline()
        self.ask("qmp_capabilities")

    def ask(self, command, **arguments):
        self._lines.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._lines.flush()
        while "event" in (reply := json.loads(self._lines.readline())):
            pass
        return reply

    def close(self):
        self._lines.close()
        self._socket.close()


@pytest.fixture
def monitor(daemon, host):
    made = Monitor(host, daemon)
    yield made
    made.close()


def plug(monitor, **options):
    helper = f"{program('qemu-macvtap-helper')} --network=lan --mac={MAC}"
    return monitor.ask("netdev_add", type="tap", id="n0", helper=helper, **options)


def test_unplugged_and_plugged_again(daemon, monitor):
    """The same NIC with the same MAC, 100 times in a row, and QEMU runs all the while."""
    for _ in range(100):
        assert plug(monitor) == {"return": {}}
        (port,) = [port for port in daemon.ports() if port["openQueues"]]
        assert port["macAddress"] == MAC
        assert monitor.ask("netdev_del", id="n0") == {"return": {}}
    assert daemon.settle() == []
    assert monitor.process.poll() is None


def test_refused_after_the_helpers_answer(daemon, monitor):
    """QEMU gets the descriptor and finds that it cannot have vhost-net."""
    for _ in range(2):
        reply = plug(monitor, vhostforce=True, vhostfd="nosuch")
        assert "error" in reply
        assert daemon.settle() == []
    assert plug(monitor) == {"return": {}}
    monitor.process.kill()
    assert daemon.settle() == []


@pytest.mark.parametrize("way", ["macvtap-run", "helper"])
def test_daemonized(daemon, host, tmp_path, way):
    pidfile = tmp_path / "pid"
    options = ["-daemonize", "-pidfile", pidfile]
    if way == "helper":
        helper = f"{program('qemu-macvtap-helper')} --network=lan --mac={MAC}"
        done = host.run(
            *QEMU, "-netdev", f"tap,id=n0,helper={helper}", *options, env=daemon.environment())
    else:
        done = daemon.tool("macvtap-run", "--network=lan,check-mac=no", "--", *QEMU, "-netdev", "{netdev}", *options)
    assert done.returncode == 0
    (port,) = daemon.ports()
    pid = int(pidfile.read_text(encoding="ascii"))
    assert f"qemu-system-x86 [{pid}]" in daemon.ctl("port", "show", port["id"]).stdout
    daemon.restart()
    assert [kept["id"] for kept in daemon.ports()] == [port["id"]]
    os.kill(pid, signal.SIGKILL)
    assert daemon.settle() == []
