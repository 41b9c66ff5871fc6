# SPDX-License-Identifier: LGPL-2.1-or-later
"""A state folder that is full or read-only: an error to the caller before anything is made; and records of others."""
import json
import re

import pytest

PAGE = 4096
LIMITS = {
    "full": ("", "No space left on device"),
    "without inodes": ("", "No space left on device"),
    "read-only": ("remount,ro", "Read-only file system"),
}


class Folder:
    """The daemon's state folder as a file system of its own, of 16 pages and as many inodes."""

    def __init__(self, daemon):
        self._daemon, self._host = daemon, daemon.host
        self._host.run("mount", "-t", "tmpfs", "-o", f"size={16 * PAGE},nr_inodes=16,mode=700", "state", daemon.state)

    def spoil(self, how):
        if how == "read-only":
            self._host.run("mount", "-o", "remount,ro", self._daemon.state)
        elif how == "full":
            self._host.run("sh", "-c", f"dd if=/dev/zero of={self._daemon.state}/ballast bs={PAGE} status=none || :")
        else:
            self._host.run("sh", "-c", f"for i in $(seq 16); do : >{self._daemon.state}/ballast$i || :; done", check=False)

    def mend(self):
        self._host.run("mount", "-o", "remount,rw", self._daemon.state)
        self._host.run("sh", "-c", f"rm -f {self._daemon.state}/ballast*")

    def records(self):
        return self._host.run("ls", f"{self._daemon.state}/ports").stdout.split()


@pytest.fixture
def folder(daemons, host, station):
    daemon = daemons(host)
    daemon.network("lan", "eth0")
    folder = Folder(daemon)
    daemon.start()
    return daemon, folder


def create(daemon, *options, check=True):
    return daemon.ctl("port", "create", "--network=lan", "--holder=none", *options, check=check)


@pytest.mark.parametrize("how", LIMITS)
def test_creation_is_refused_before_anything_is_made(folder, monitor, how):
    daemon, state = folder
    create(daemon, "--name=before")
    links, records, devices = monitor(daemon.host), state.records(), list(daemon.host.macvtaps())
    state.spoil(how)
    for _ in range(3):
        done = create(daemon, check=False)
        assert done.returncode == 1
        assert re.search(f"cannot record the port: .*{LIMITS[how][1]}", done.stderr), done.stderr
    # What is told late of a link that was there tells nothing.
    assert {name for _, _, name in links.take()} <= {*devices, "eth0"}, "a device was made"
    assert (state.records(), list(daemon.host.macvtaps())) == (records, devices)
    state.mend()
    create(daemon, "--name=after")
    for name in ("before", "after"):
        daemon.ctl("port", "delete", name)
    assert (state.records(), list(daemon.host.macvtaps())) == ([], [])


@pytest.mark.parametrize("how", LIMITS)
def test_ports_that_are_there_go_on(folder, how):
    """They can be opened; in a full folder they can go as well, in a read-only one that is an error with its cause."""
    daemon, state = folder
    create(daemon, "--name=web")
    state.spoil(how)
    with daemon.connect() as connection:
        connection.ports("OpenPort", port="web")
    done = daemon.ctl("port", "delete", "web", check=False)
    if how != "read-only":
        assert (done.returncode, state.records(), list(daemon.host.macvtaps())) == (0, [], [])
        return
    assert done.returncode == 1 and LIMITS[how][1] in done.stderr
    assert [port["name"] for port in daemon.ports()] == ["web"]
    state.mend()
    daemon.ctl("port", "delete", "web")
    assert (state.records(), list(daemon.host.macvtaps())) == ([], [])


@pytest.mark.parametrize("how", LIMITS)
def test_holder_ends_meanwhile(folder, how):
    """Its port goes when the folder can be written again and somebody asks for something, or with the next start."""
    daemon, state = folder
    holder = daemon.host.start("sleep", "infinity")
    with daemon.connect() as connection:
        connection.ports("CreatePort", network="lan", holder={"type": "process", "pid": holder.pid})
    state.spoil(how)
    holder.kill()
    holder.wait()
    state.mend()
    create(daemon, "--name=next")
    daemon.ctl("port", "delete", "next")
    assert (daemon.ports(), state.records(), list(daemon.host.macvtaps())) == ([], [], [])


@pytest.mark.parametrize("how", LIMITS)
def test_start(folder, how):
    """A daemon that can only read takes over what is there, and refuses what it could not keep."""
    daemon, state = folder
    create(daemon, "--name=web")
    devices = sorted(daemon.host.macvtaps())
    daemon.stop()
    state.spoil(how)
    daemon.start()
    assert ([port["name"] for port in daemon.ports()], sorted(daemon.host.macvtaps())) == (["web"], devices)
    assert LIMITS[how][1] in create(daemon, check=False).stderr
    state.mend()
    daemon.ctl("port", "delete", "web")
    assert (state.records(), list(daemon.host.macvtaps())) == ([], [])


SPOILED = {
    "damaged": lambda text: text.replace(b'"name"', b'"nome"'),
    "truncated": lambda text: text[:len(text) // 2],
    "empty": lambda text: b"",
    "foreign": lambda text: b"\x7fELF\0\0\0",
    "future": lambda text: json.dumps({**json.loads(text), "version": 99}).encode(),
    "huge": lambda text: text + b" " * 1024 * 1024,
}


@pytest.mark.parametrize("kind", SPOILED)
def test_record_that_cannot_be_read(daemon, host, kind):
    """It is set aside with a message that names it, the daemon starts, and nobody's device is touched."""
    create(daemon, "--name=good")
    create(daemon, "--name=spoiled")
    ports = {port["name"]: port for port in daemon.ports()}
    devices = sorted(host.macvtaps())
    daemon.stop()
    path = daemon.state / "ports" / ports["spoiled"]["id"]
    path.write_bytes(SPOILED[kind](path.read_bytes()))
    daemon.start()
    assert ([port["name"] for port in daemon.ports()], sorted(host.macvtaps())) == (["good"], devices)
    (line,) = [line for line in daemon.messages().splitlines() if path.name in line and "ignoring invalid record" in line]
    assert not path.exists()
    assert any(name.startswith(path.name) for name in daemon.records()), line
    daemon.ctl("port", "delete", "good")
    host.ip("link", "delete", ports["spoiled"]["interfaceName"])
    for left in (daemon.state / "ports").glob(f"{path.name}*"):
        left.unlink()
