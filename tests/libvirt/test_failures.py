# SPDX-License-Identifier: LGPL-2.1-or-later
"""macvtapd stopped, hung, or restarting: virsh start says so or succeeds, and libvirt goes on.

That libvirt does not wait for a macvtapd that hangs is seen by the order of things: virsh has ended while macvtapd
still hangs. How long it took is a figure in the report (record_property); the long test holds it against 3 seconds."""
import os
import signal
import time

import pytest

from domain import Port, domain_xml
from libvirt import HOOKS

ROUNDS = [pytest.param(1, id="once"), pytest.param(20, id="rounds", marks=pytest.mark.long)]


@pytest.fixture
def idle(site):
    site.libvirt.define(domain_xml("idle", [Port("vm-lan"), Port("vm-own", "own")]))


@pytest.fixture
def plain(site):
    """A domain that has no port of ours."""
    site.libvirt.define(domain_xml("plain"))


@pytest.fixture
def hung(site):
    """hung() stops macvtapd's process, and go_on() lets it go on; so does the end of the test."""
    class Hung:
        def __call__(self):
            site.daemon.process.send_signal(signal.SIGSTOP)

        def go_on(self):
            site.daemon.process.send_signal(signal.SIGCONT)

    hung = Hung()
    yield hung
    hung.go_on()


def hook_line(done):
    """What our hook has said, of all that virsh shows."""
    (line,) = [line for line in done.stderr.splitlines() if "macvtapd: " in line]
    return line.partition("macvtapd: ")[2]


def test_stopped(site, idle, plain):
    site.daemon.stop()
    done = site.libvirt.virsh("start", "idle", check=False)
    assert done.returncode == 1
    assert "is it running?" in hook_line(done)
    site.libvirt.virsh("start", "plain")
    assert site.libvirt.domains() == ["plain"]
    site.libvirt.virsh("destroy", "plain")
    site.daemon.start()
    assert site.left() == []


def start_against_hung(site):
    """Start `idle` with macvtapd hanging; virsh list runs beside it, too. Returns both with the seconds they took."""
    began = time.monotonic()
    starting = site.libvirt.virsh_start("start", "idle")
    listed = site.libvirt.virsh("list", "--all")
    list_seconds = time.monotonic() - began
    said, _ = starting.communicate(timeout=60)
    assert "idle" in listed.stdout
    assert starting.returncode == 1 and "is it hanging?" in said
    return time.monotonic() - began, list_seconds


def test_hung(site, idle, plain, hung, record_property):
    hung()
    start_seconds, list_seconds = start_against_hung(site)
    record_property("start_seconds", round(start_seconds, 2))
    record_property("list_seconds", round(list_seconds, 2))
    print(f"macvtapd hangs: virsh start failed after {start_seconds:.2f} s, virsh list took {list_seconds:.2f} s")
    assert site.libvirt.domains() == []
    site.libvirt.virsh("start", "plain")
    site.libvirt.virsh("destroy", "plain")
    hung.go_on()
    assert site.left() == []
    site.libvirt.virsh("start", "idle")
    site.libvirt.virsh("destroy", "idle")
    assert site.left() == []


@pytest.mark.long
def test_hung_for_at_most_three_seconds(site, idle, hung):
    for _ in range(10):
        hung()
        assert max(start_against_hung(site)) < 3
        hung.go_on()
        assert site.left() == []


def test_hung_while_a_domain_ends(site, idle, hung):
    site.libvirt.virsh("start", "idle")
    hung()
    site.libvirt.virsh("destroy", "idle")
    assert site.libvirt.domains() == []
    assert [what.split()[0] for what in site.daemon.leftovers() if not what.startswith("pin ")] == ["device"] * 2 + ["record"] * 2
    hung.go_on()
    assert site.left() == []


def test_hung_while_libvirtd_comes_back(site, idle, hung):
    """A failing reconnect would kill the guest."""
    site.libvirt.virsh("start", "idle")
    hung()
    site.libvirt.kill()
    site.libvirt.start_and_find()
    assert site.libvirt.state("idle") == "running"
    hung.go_on()
    assert len(site.daemon.ports()) == 2
    site.libvirt.virsh("destroy", "idle")
    assert site.left() == []


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize("end", ["stop", "kill"])
def test_restarting(site, idle, end, rounds):
    """Whatever virsh start meets, it is all or nothing."""
    for _ in range(rounds):
        starting = site.libvirt.virsh_start("start", "idle")
        getattr(site.daemon, end)()
        site.daemon.start()
        said, _ = starting.communicate(timeout=60)
        if starting.returncode == 0:
            assert [port["linkUp"] for port in site.daemon.ports()] == [True, True], said
            site.libvirt.virsh("destroy", "idle")
        else:
            assert "macvtapd: " in said
        assert site.libvirt.domains() == []
        assert site.left() == []


@pytest.fixture
def unprivileged(site):
    """QEMU runs as another user than libvirt and the hook."""
    path = site.machine.path("/etc/libvirt/qemu.conf")
    with open(path, encoding="utf-8") as stream:
        before = stream.read()

    def restart(text):
        site.libvirt.stop()
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
        site.libvirt.start()

    restart(before + '\nuser = "nobody"\ngroup = "nogroup"\n')
    yield
    restart(before)


def test_proc_that_hides_processes(site, idle, unprivileged):
    """The hook does without what /proc would say; a macvtapd that needs it names the cause."""
    hook = f"{HOOKS}/macvtapd"
    path, target = site.machine.path(hook), site.machine.run("readlink", hook).stdout.strip()
    os.unlink(path)
    with open(path, "w", encoding="ascii") as stream:
        stream.write("#!/bin/sh\nexec unshare --mount sh -c 'mount -t proc -o hidepid=2,gid=4 proc /proc && exec"
                     f" {target} \"$@\"' hook \"$@\"\n")
    os.chmod(path, 0o755)
    try:
        site.libvirt.virsh("start", "idle", "--paused")
        qemu = int(site.machine.run("cat", "/run/libvirt/qemu/idle.pid").stdout)
        assert {port["holder"]["pid"] for port in site.daemon.ports()} == {qemu}
        site.libvirt.virsh("destroy", "idle")
    finally:
        os.unlink(path)
        os.symlink(target, path)
    site.machine.run("mount", "-o", "remount,hidepid=2,gid=4", "/proc")
    try:
        done = site.libvirt.virsh("start", "idle", "--paused", check=False)
        assert done.returncode == 1 and "hidepid" in hook_line(done), done.stderr
    finally:
        site.machine.run("mount", "-o", "remount,hidepid=0", "/proc")


def test_no_hook_no_macvtapd_for_others(site, plain, hung, record_property):
    """A domain of others starts as if we did not exist: our hook has nothing to ask macvtapd."""
    hung()
    began = time.monotonic()
    site.libvirt.virsh("start", "plain")
    site.libvirt.virsh("destroy", "plain")
    record_property("seconds", round(time.monotonic() - began, 2))
    hung.go_on()
