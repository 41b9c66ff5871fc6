# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/recipes.md: QEMU moves a guest from one host to another, without libvirt. A host is a network namespace with a
daemon of its own, a switch joins them, and neighbours of the guest ping it all along."""
import os
import subprocess

import pytest

import guest
from documents import block, commands
from guest import KERNEL_WORDS
from namespaces import Switch
from pinger import Pinger
from programs import image, program

GUEST, STATION = "10.0.0.1", "10.0.0.254"
LOST_MAX = 2  # pings, at 5 per second, on either host and on the wire

FIRST, SECOND = commands(block("docs/recipes.md", "Move a guest to another host, without libvirt", 0))
MIGRATE, LOOK, QUIT = (line.removeprefix("(qemu) ").replace("HOST2", "10.0.9.2")
                       for line in commands(block("docs/recipes.md", "Move a guest to another host, without libvirt", 1)))

# What is found first of that name: the real one, which boots the test's guest and shows its console beside the monitor.
QEMU = f"""#!/bin/bash
exec /usr/bin/qemu-system-x86_64 "$@" -accel tcg -display none -serial file:/dev/stderr -no-reboot -kernel {image('kernel')} \\
    -initrd {image('guest')} -append '{KERNEL_WORDS} guest.name=web guest.ip={GUEST}/24 guest.ping={STATION} guest.keep={STATION}'
"""


@pytest.fixture
def desk(tmp_path):
    """The folder in which both hosts have the guest's disk."""
    qemu = tmp_path / "bin" / "qemu-system-x86_64"
    qemu.parent.mkdir()
    qemu.write_text(QEMU, encoding="utf-8")
    qemu.chmod(0o755)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", tmp_path / "disk.qcow2", "1M"], check=True)
    return tmp_path


def start(daemon, desk, command):
    """A line of the recipe, on the daemon's host."""
    path = f"{desk}/bin:{os.path.dirname(program('macvtap-run'))}:{os.environ['PATH']}"
    return guest.Guest(daemon.host, ["bash", "-c", f"cd {desk}; exec {command}"], stdin=subprocess.PIPE,
                       env={**daemon.environment(), "PATH": path})


def tell(running, line):
    """Type a line into QEMU's monitor."""
    running.process.stdin.write(f"{line}\n".encode())
    running.process.stdin.flush()


def wait_migrated(running):
    """As the recipe has it, look until it says completed."""
    while True:
        running.lines.clear()
        tell(running, LOOK)
        status = running.wait_line(r"Migration status: (\S+)").group(1)
        assert status not in ("failed", "cancelled"), running.lines
        if status == "completed":
            return


@pytest.fixture
def racks(hosts, daemons):
    """Two daemons on hosts of their own, each with a neighbour of its ports on the same parent; and all neighbours."""
    switch = Switch(hosts("switch"))
    station = hosts("station")
    switch.plug(station, "eth0")
    station.address("eth0", f"{STATION}/24")
    made, neighbours = [], {"station": station}
    for number in (1, 2):
        host = hosts(f"host{number}")
        switch.plug(host, "eth0")
        host.quiet("eth0")
        daemon = daemons(host)
        daemon.network("lan", "eth0")
        made.append(daemon.start())
        neighbour = neighbours[f"host{number}"] = hosts(f"neighbour{number}")
        host.ip("link", "add", "link", "eth0", "name", "next", "netns", str(neighbour.pid), "type", "macvlan", "mode", "bridge")
        neighbour.ip("link", "set", "next", "up")
        neighbour.address("next", f"10.0.0.{10 + number}/24")
    made[0].host.connect("wire", made[1].host, "wire")
    for number, daemon in enumerate(made):
        daemon.host.address("wire", f"10.0.9.{number + 1}/24")
    return made, neighbours


def test_recipe(racks, guests, desk):
    """The recipe's lines as they stand: neighbours everywhere reach the guest all along."""
    (source, destination), neighbours = racks
    first = guests(start, source, desk, FIRST)
    first.wait_ping(STATION)
    second = guests(start, destination, desk, SECOND)
    with destination.connect() as watcher:
        watcher.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
        while not destination.ports():
            watcher.reply()
        (waiting,) = destination.ports()
        assert waiting["incoming"] and waiting["macAddress"] == source.ports()[0]["macAddress"]
        pings = {name: Pinger(host, GUEST) for name, host in neighbours.items()}
        try:
            for one in pings.values():
                one.wait_answers(2)
            tell(first, MIGRATE)
            wait_migrated(first)
            second.wait_reply()
            # The source's QEMU is still there, stopped, with its port.
            for one in pings.values():
                one.wait_answers(3)
            tell(first, QUIT)
            assert first.process.wait() == 0
            assert source.settle() == []
            for one in pings.values():
                one.wait_answers(3)
            lost = {name: one.stop() for name, one in pings.items()}
        finally:
            for one in pings.values():
                one.close()
        assert max(len(numbers) for numbers in lost.values()) <= LOST_MAX, lost
    (now,) = destination.ports()
    assert not now["incoming"] and now["name"] == "web"
    assert not any(" READY " in line for line in second.lines), "it booted anew"
