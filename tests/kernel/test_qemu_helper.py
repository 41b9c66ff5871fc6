# SPDX-License-Identifier: LGPL-2.1-or-later
"""qemu-macvtap-helper by QEMU's protocol (net/tap.c, net_bridge_run_helper): --use-vnet --fd=N --br=BR, one byte with
one descriptor over the socket, exit status 0. A script stands in for QEMU."""
import json
import os
import signal

import pytest

from programs import program

pytestmark = pytest.mark.shared
MAC = "52:54:00:00:00:09"
OTHER_MAC = "52:54:00:00:00:0a"

MAKER = """
import fcntl, json, os, socket, subprocess, sys
ours, theirs = socket.socketpair()
theirs.set_inheritable(True)
if os.environ.get("DEAF"):
    ours.close()
helper = subprocess.Popen(["sh", "-c", f"{sys.argv[1]} --use-vnet --fd={theirs.fileno()} {sys.argv[2]}"],
                          close_fds=False, stderr=subprocess.PIPE, text=True)
theirs.close()
data, descriptors = b"", []
if not os.environ.get("DEAF"):
    data, descriptors, _, _ = socket.recv_fds(ours, 16, 4)
error = helper.communicate()[1]
names = [fcntl.ioctl(fd, 0x800454D2, bytes(40))[:16].rstrip(bytes(1)).decode() for fd in descriptors]
print(json.dumps({"bytes": len(data), "names": names, "status": helper.returncode, "error": error}), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def maker(daemon):
    """maker(options, arguments…) starts a stand-in for QEMU with these arguments; .told is what came of its helper."""
    def start(options="--network=lan", *arguments, br="--br=br0", user=None, **environment):
        process = daemon.host.start(
            "/usr/bin/python3", "-c", MAKER, f"{program('qemu-macvtap-helper')} {options}", br, *arguments, user=user,
            stdin=-1, stdout=-1, env={**daemon.environment(), **environment})
        process.told = json.loads(process.stdout.readline())
        return process
    return start


def check_given(daemon, process, mac):
    (port,) = daemon.ports()
    assert process.told == {"bytes": 1, "names": [port["interfaceName"]], "status": 0, "error": ""}
    assert (port["holder"], port["openQueues"]) == ({"type": "descriptors"}, 1)
    assert port["macAddress"] == mac
    return port


@pytest.mark.parametrize("options, br, user", [
    ("--network=lan", "--br=br0", None),
    ("--network=lan", "--br=br0", "nobody"),
    ("--network=lan", "", None),
    ("", "--br=lan", None),
    ("", "--br=lan", "nobody"),
])
def test_one_byte_and_one_descriptor(daemon, maker, options, br, user):
    process = maker(f"{options} --mac={MAC}", br=br, user=user)
    port = check_given(daemon, process, MAC)
    assert port["owner"] == (65534 if user else 0)
    os.kill(process.pid, signal.SIGKILL)
    assert daemon.settle() == []


def test_in_a_pid_namespace(daemon, host):
    """QEMU and its helper are in a container: what macvtapd sees of their pids is nothing that a port hangs on."""
    process = host.start("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "/usr/bin/python3", "-c", MAKER,
                         f"{program('qemu-macvtap-helper')} --network=lan --mac={MAC}", "--br=br0", stdin=-1, stdout=-1,
                         env=daemon.environment())
    told = json.loads(process.stdout.readline())
    (port,) = daemon.ports()
    assert told == {"bytes": 1, "names": [port["interfaceName"]], "status": 0, "error": ""}
    daemon.restart()
    assert [kept["id"] for kept in daemon.ports()] == [port["id"]]
    process.stdin.close()
    process.wait()
    assert daemon.settle() == []


HELPER = ("-netdev", "tap,id=n,helper=h")


@pytest.mark.parametrize("options, arguments, mac", [
    ("", [*HELPER, "-device", f"virtio-net-pci,netdev=n,mac={MAC}"], MAC),
    ("", ["-device", f"virtio-net-pci,mac={MAC},netdev=n", *HELPER], MAC),
    ("", [*HELPER, "-device", json.dumps({"driver": "virtio-net-pci", "netdev": "n", "mac": MAC})], MAC),
    ("", ["-nic", f"tap,helper=h,model=virtio,mac={MAC}"], MAC),
    ("", ["-device", "qemu-xhci", "-device", f"e1000,netdev=n,mac={MAC}", "-nic", "none", "-netdev", "bridge,id=n"], MAC),
    ("", ["-M", "virt", *HELPER, "-device", "virtio-net-pci,netdev=n"], "52:54:00:12:34:56"),
    ("", ["-net", "nic", "-net", "bridge,br=lan"], "52:54:00:12:34:56"),
    (f"--mac={OTHER_MAC}", [*HELPER, "-device", f"virtio-net-pci,netdev=n,mac={MAC}"], OTHER_MAC),
    (f"--mac={OTHER_MAC}", ["-device", f"e1000,mac={MAC}", "-device", "e1000,mac=52:54:00:00:00:0b"], OTHER_MAC),
    (f"--mac={OTHER_MAC}", ["-readconfig", "f"], OTHER_MAC),
    ("", ["-name", f"mac={MAC}", *HELPER, "-device", f"e1000,netdev=n,mac={OTHER_MAC}"], OTHER_MAC),
])
def test_mac_is_that_of_qemus_device(daemon, maker, options, arguments, mac):
    process = maker(f"--network=lan {options}", *arguments)
    check_given(daemon, process, mac)
    process.kill()
    assert daemon.settle() == []


@pytest.mark.parametrize("options, arguments, words", [
    (f"--network=nosuch --mac={MAC}", [], "there is no network 'nosuch'"),
    ("--network=lan", ["-device", f"e1000,mac={MAC}", "-device", f"e1000,mac={OTHER_MAC}"], "several network devices"),
    ("--network=lan", ["-device", f"e1000,netdev=a,mac={MAC}", "-device", "e1000,netdev=b"], "several network devices"),
    ("--network=lan", ["-nic", "tap", "-nic", "tap"], "several network devices; name this one's MAC with --mac"),
    ("--network=lan", [], "name its MAC with --mac=MAC"),
    ("--network=lan", ["-nodefaults", *HELPER], "name its MAC with --mac=MAC"),
    ("--network=lan", ["-nic", "user", "-qmp", "stdio"], "name its MAC with --mac=MAC"),
    ("--network=lan", ["-readconfig", "f", *HELPER, "-device", f"e1000,netdev=n,mac={MAC}"], "with --mac=MAC"),
    ("--network=lan", [*HELPER, "-device", "e1000,netdev=n,id=d", "-set", f"device.d.mac={MAC}"], "with --mac=MAC"),
    ("--network=lan", [*HELPER, "-device", "e1000,netdev=n", "-global", f"e1000.mac={MAC}"], "with --mac=MAC"),
    ("--network=lan", [*HELPER, "-device", "e1000", "-device", "e1000,netdev=n"], "with --mac=MAC"),
    (f"--network=lan --port=x --mac={MAC}", [], "--port=PORT names an existing port, so --network cannot go with it"),
    (f"--port=x --incoming --mac={MAC}", [], "--incoming cannot go with it"),
    (f"--port=nosuch --mac={MAC}", [], "there is no port 'nosuch'"),
    ("", [], "no network given, and there is no network 'br0' that you may use, as QEMU's br= says; add --network=NET"),
    ("--network=lan", ["-device", '{"mac"'], "name the device's MAC with --mac"),
    ("--network=lan --mac=53:54:00:00:00:01", [], "multicast"),
    ("--network=lan --mac=nonsense", [], "'nonsense' is not a MAC address"),
    (f"--network=lan --mac={MAC} --socket=/nonexistent", [], "is it running?"),
])
def test_refused(daemon, maker, options, arguments, words):
    process = maker(options, *arguments)
    told = process.told
    assert (told["bytes"], told["names"], told["status"]) == (0, [], 2 if "--port=x" in options else 1)
    (line,) = told["error"].splitlines()
    assert line.startswith("qemu-macvtap-helper: ") and words in line
    assert daemon.leftovers() == []


def test_mac_that_another_has(daemon, maker):
    """Two QEMUs without mac= have the same; the second is told what to do, but not when it has said the MAC itself."""
    first = maker("--network=lan", "-nic", "tap,helper=h", user="nobody")
    check_given(daemon, first, "52:54:00:12:34:56")
    words = "; give QEMU's device a mac= of its own, or name its MAC with --mac=MAC"
    told = maker("--network=lan", "-nic", "tap,helper=h").told
    assert told["status"] == 1 and "MAC 52:54:00:12:34:56 belongs to port" in told["error"] and words in told["error"]
    told = maker("--network=lan --mac=52:54:00:12:34:56", user="nobody").told
    assert told["status"] == 1 and "MAC 52:54:00:12:34:56 belongs to port" in told["error"] and words not in told["error"]
    assert f"its queues are open in python3 [{first.pid}]" in told["error"]
    first.kill()
    assert daemon.settle() == []


def test_not_allowed(daemon, maker):
    daemon.network("closed", "eth0")
    daemon.reload()
    told = maker(f"--network=closed --mac={MAC}", user="nobody").told
    assert told["status"] == 1 and "may not use network closed" in told["error"]
    assert daemon.leftovers() == []


def test_qemu_that_does_not_take_it_keeps_no_port(daemon, maker):
    process = maker(f"--network=lan --mac={MAC}", DEAF="1")  # it is gone with the helper, which had the descriptor last
    assert process.told["status"] == 1
    assert "cannot hand the descriptor to QEMU" in process.told["error"]
    assert process.poll() is None
    assert daemon.settle() == []


@pytest.mark.parametrize("options, arguments, told", [
    ("", [*HELPER, "-device", f"virtio-net-pci,netdev=n,mac={MAC}"], True),
    ("", [*HELPER, "-device", f"virtio-net-pci,netdev=n,mac={MAC},host_mtu=9000"], True),
    ("", [*HELPER, "-device", f"virtio-net-pci,netdev=n,mac={MAC},host_mtu=1400"], False),
    ("", ["-nic", f"tap,helper=h,mac={MAC}"], True),
    (f"--mac={MAC}", ["-qmp", "stdio"], True),
    (f"--mac={MAC}", ["-device", "e1000,netdev=a", "-device", f"virtio-net-pci,netdev=b,mac={MAC},host_mtu=1400"], False),
])
def test_mtu_that_does_not_reach_the_guest_is_told(daemon, maker, options, arguments, told):
    daemon.network("small", text="[Network]\nParent=eth0\nMode=bridge\nMTU=1400\n")
    daemon.reload()
    process = maker(f"--network=small {options}", *arguments)
    assert process.told["status"] == 0
    lines = process.told["error"].splitlines()
    assert len(lines) == told
    assert all("the MTU of network small is 1400" in line and line.endswith("host_mtu=1400") for line in lines)
    process.kill()
    assert daemon.settle() == []


def test_port_made_by_hand(daemon, maker):
    daemon.ctl("port", "create", "--network=lan", "--name=web", f"--mac={MAC}")
    (port,) = daemon.ports()
    for options, arguments in ((f"--mac={MAC.upper()}", []), ("", ["-nic", f"tap,helper=h,mac={MAC}"])):
        process = maker(f"--port=web {options}", *arguments)
        assert process.told == {"bytes": 1, "names": [port["interfaceName"]], "status": 0, "error": ""}
        process.kill()
    told = maker("--port=web", "-nic", f"tap,helper=h,mac={OTHER_MAC}").told
    assert told["status"] == 1 and told["names"] == []
    assert f"port web has the MAC {MAC}, and QEMU's device {OTHER_MAC}: give the device mac={MAC}" in told["error"]
    assert [port["name"] for port in daemon.ports()] == ["web"]
    daemon.ctl("port", "delete", "web")


def test_incoming(daemon, maker):
    process = maker(f"--network=lan --incoming --mac={MAC}")
    (port,) = daemon.ports()
    assert process.told["status"] == 0 and port["incoming"]
    process.kill()
    assert daemon.settle() == []
