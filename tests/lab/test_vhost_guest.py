# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real guest with vhost-net and four queues on a VLAN of a bond."""
import os
import subprocess

import pytest

import guest
from clock import Deadline
from programs import VMM
from parent_kinds import STATION_IP, active_slave, wait_link

QUEUES = 4


@pytest.fixture
def site(sites):
    site = sites("vlan-on-bond")
    site.daemon.network("lan", text=site.network("bridge", Vhost="require"))
    site.daemon.network("auto", text=site.network("bridge", Vhost="auto"))
    if not site.daemon.running:
        site.daemon.start()
    return site


def vhost_threads(pid):
    """The vhost workers of a process: kernel threads of their own, or since Linux 6.4 threads of it."""
    names = []
    for folder in ("/proc", f"/proc/{pid}/task"):
        for entry in filter(str.isdigit, os.listdir(folder)):
            try:
                with open(f"{folder}/{entry}/comm", encoding="ascii", errors="replace") as stream:
                    names.append(stream.read().strip())
            except FileNotFoundError:
                pass  # it has ended since
    return names.count(f"vhost-{pid}")


@pytest.mark.parametrize("processors", [1, pytest.param(QUEUES, marks=pytest.mark.long)])
def test_guest_pings_through_a_failover(site, guests, processors):
    """The guest uses one queue for each of its processors, of which an emulated one within an emulated one is slow."""
    running = guests(guest.run_with_macvtap_run, site.daemon, [f"lan,queues={QUEUES}"], "10.0.0.1/24", [STATION_IP],
                     extra=["-smp", str(processors)], keep=STATION_IP)
    assert running.wait_ready()["queues"] == str(processors)
    running.wait_ping(STATION_IP)
    assert vhost_threads(running.pid) == QUEUES
    (port,) = site.daemon.ports()
    first = active_slave(site.host)
    assert (port["trunk"], port["vlan"], port["queues"], port["activeSlave"]) == ("bond0", "100", QUEUES, first)

    running.wait_reply()
    site.switch.host.ip("link", "set", site.ports[first], "down")
    wait_link(site.host, "bond0", lambda link: link["linkinfo"]["info_data"].get("active_slave") not in (first, None))
    numbers = [running.wait_reply() for _ in range(3)]
    assert numbers == sorted(set(numbers))
    (port,) = site.daemon.ports()
    assert port["activeSlave"] == active_slave(site.host) != first
    assert port["carrier"] and port["state"] == "active"

    running.kill()
    assert site.daemon.settle() == []
    assert site.names() == sorted(["bond0", "eth0", "eth1", "lo"])
    site.switch.host.ip("link", "set", site.ports[first], "up")


def who_has(node):
    """The processes that have it open, as lines for a failure."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            files = [os.readlink(f"/proc/{entry}/fd/{fd}") for fd in os.listdir(f"/proc/{entry}/fd")]
            if any(node in file for file in files):
                with open(f"/proc/{entry}/cmdline", encoding="utf-8", errors="replace") as stream:
                    found.append(f"{entry} {stream.read()!r}")
        except FileNotFoundError:
            pass  # it has ended since
    return found


def unload_vhost_net():
    """Once nobody has it: the kernel may still be at the end of a guest that has gone."""
    deadline = Deadline()
    while True:
        with open("/sys/module/vhost_net/refcnt", encoding="ascii") as stream:
            if stream.read() == "0\n":
                break
        assert deadline.left() > 0, f"/dev/vhost-net is open: {who_has('/dev/vhost-net')}"
    subprocess.run(["modprobe", "-r", "vhost_net"], check=True)


def test_no_vhost_net_and_it_is_required(site):
    unload_vhost_net()
    try:
        assert not os.path.exists("/dev/vhost-net")
        done = site.daemon.tool("macvtap-run", "--network=lan", "--", *VMM, check=False)
        assert done.returncode == 125
        assert "vhost" in done.stderr and "/dev/vhost-net" in done.stderr, done.stderr
        assert site.daemon.leftovers() == []
        # A caller cannot ask for less than the network requires; one that only prefers it does without.
        done = site.daemon.tool("macvtap-run", "--network=lan,vhost=auto", "--", *VMM, check=False)
        assert done.returncode == 125, done
        done = site.daemon.tool("macvtap-run", "--network=auto", "--", "echo", "{netdev}", "{device}")
        assert done.stdout.startswith("tap,") and "vhost" not in done.stdout
        assert site.daemon.settle() == []
    finally:
        subprocess.run(["modprobe", "vhost_net"], check=True)
