# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests on a bridge-mode network: attached in every direct way, by root and by a user that AllowUsers names."""
import json
import os
import re
import signal

import pytest

import guest
from programs import program

A, B = "10.0.0.1", "10.0.0.2"
STATION = "10.0.0.254"
MAC = "52:54:00:00:0b:01"


def wait_both_ways(first, second):
    for running, other in ((first, B), (second, A)):
        running.wait_ping(STATION)
        running.wait_ping(other)


def test_run_as_root_and_helper_as_user(daemon, guests):
    first = guests(guest.run_with_macvtap_run, daemon, ["lan"], f"{A}/24", [STATION, B], "a")
    second = guests(guest.run_with_helper, daemon, "lan", f"{B}/24", MAC, [STATION, A], "b", user="nobody")
    wait_both_ways(first, second)
    assert second.wait_ready()["mac"] == MAC
    for running in (first, second):
        assert any(f"qemu-system-x86 [{running.pid}]" in daemon.ctl("port", "show", port["id"]).stdout for port in daemon.ports())


def test_run_as_user_and_bridge_helper_as_root(daemon, guests):
    first = guests(guest.run_with_macvtap_run, daemon, ["lan"], f"{A}/24", [STATION, B], "a", user="nobody")
    second = guests(guest.run_with_helper, daemon, "lan", f"{B}/24", MAC, [STATION, A], "b", kind="bridge")
    wait_both_ways(first, second)


def test_guest_has_the_ports_mac_and_mtu(daemon, host, station, guests):
    running = guests(guest.run_with_macvtap_run, daemon, ["lan"], f"{A}/24", [STATION])
    ready = running.wait_ready()
    (port,) = daemon.ports()
    assert ready["mac"] == port["macAddress"] == host.mac(port["interfaceName"])
    assert int(ready["mtu"]) == port["mtu"] == 1500


def test_macvtap_run_becomes_the_vmm(daemon, guests):
    running = guests(guest.run_with_macvtap_run, daemon, ["lan"], f"{A}/24")
    running.wait_ready()
    assert os.path.basename(os.readlink(f"/proc/{running.pid}/exe")) == "qemu-system-x86_64"
    (port,) = daemon.ports()
    assert f"qemu-system-x86 [{running.pid}]" in daemon.ctl("port", "show", port["id"]).stdout


def start_qemu(daemon, options, devices):
    """A QEMU that runs no guest, with a network device per helper: options are the helpers', devices QEMU's."""
    line = ["qemu-system-x86_64", "-S", "-nodefaults", "-no-user-config", "-display", "none", "-monitor", "stdio"]
    for number, (option, device) in enumerate(zip(options, devices)):
        line += ["-device", f"virtio-net-pci,netdev=n{number},romfile={device}", "-netdev",
                 f"tap,id=n{number},helper={program('qemu-macvtap-helper')} --network=lan {option}"]
    return daemon.host.start(*line, stdin=-1, stdout=-1, stderr=-1, text=True, env=daemon.environment())


@pytest.mark.parametrize("options, devices", [
    ([""], [""]),
    ([""], [",mac=52:54:00:00:00:51"]),
    (["--mac=52:54:00:00:00:51", "--mac=52:54:00:12:34:56"], [",mac=52:54:00:00:00:51", ""]),
    (["--mac=52:54:00:12:34:56", "--mac=52:54:00:12:34:57"], ["", ""]),
])
def test_helpers_port_has_the_mac_of_qemus_device(daemon, options, devices):
    qemu = start_qemu(daemon, options, devices)
    qemu.stdin.write("info network\n")
    qemu.stdin.flush()
    macs = []
    while len(macs) < len(devices):
        line = qemu.stdout.readline()
        assert line, qemu.stderr.read()
        macs += re.findall(r"macaddr=([0-9a-f:]+)", line)
    assert sorted(port["macAddress"] for port in daemon.ports()) == sorted(macs)
    qemu.communicate("quit\n")
    assert daemon.settle() == []


@pytest.mark.parametrize("devices", [["", ""], [",mac=52:54:00:00:00:51", ""], ["", ",mac=52:54:00:00:00:51"]])
def test_helper_does_not_guess_among_network_devices(daemon, devices):
    qemu = start_qemu(daemon, ["", ""], devices)
    told = qemu.communicate("quit\n")[1]
    assert qemu.returncode == 1
    assert "QEMU has several network devices; name this one's MAC with --mac=MAC" in told
    assert daemon.settle() == []


HELPER = f"{program('qemu-macvtap-helper')} --network=lan"
STOPPED = ["qemu-system-x86_64", "-S", "-no-user-config", "-display", "none", "-vga", "none", "-monitor", "stdio"]


def monitor_says(qemu, command, pattern):
    """What the pattern finds in QEMU's answer to a command, which is read until it is there."""
    qemu.stdin.write(f"{command}\n")
    qemu.stdin.flush()
    while True:
        line = qemu.stdout.readline()
        assert line, qemu.stderr.read()
        found = re.search(pattern, line)
        if found:
            return found.group(1)


@pytest.mark.parametrize("arguments", [
    ["-nic", f"tap,helper={HELPER}"],
    ["-nic", f"bridge,br=lan,helper={program('qemu-macvtap-helper')}"],
    ["-nic", f"tap,model=e1000,mac={MAC},helper={HELPER}"],
    ["-net", "nic", "-net", f"tap,helper={HELPER}"],
    ["-net", "nic,model=rtl8139,macaddr=52:54:00:00:00:51", "-net", f"bridge,helper={HELPER}"],
    ["-netdev", json.dumps({"type": "tap", "id": "n", "helper": HELPER}),
     "-device", json.dumps({"driver": "virtio-net-pci", "netdev": "n", "mac": MAC})],
    ["-netdev", f"bridge,id=n,helper={HELPER}", "-device", "vmxnet3,netdev=n"],
    ["-global", f"e1000.mac={MAC}", "-device", "e1000,netdev=n,id=d,mac=52:54:00:00:00:51", "-set", "device.d.romfile=",
     "-netdev", f"tap,id=n,helper={HELPER}"],
])
def test_helpers_port_has_the_mac_in_every_form(daemon, arguments):
    qemu = daemon.host.start(*STOPPED, *arguments, stdin=-1, stdout=-1, stderr=-1, text=True, env=daemon.environment())
    mac = monitor_says(qemu, "info network", r"macaddr=([0-9a-f:]+)")
    assert [port["macAddress"] for port in daemon.ports()] == [mac]
    qemu.communicate("quit\n")
    assert daemon.settle() == []


@pytest.mark.parametrize("arguments", [
    ["-readconfig", "FILE", "-netdev", f"tap,id=n,helper={HELPER}"],
    ["-netdev", f"tap,id=n,helper={HELPER}", "-device", "e1000,netdev=n,id=d", "-set", f"device.d.mac={MAC}"],
    ["-netdev", f"tap,id=n,helper={HELPER}", "-device", "e1000,netdev=n", "-global", f"e1000.mac={MAC}"],
    ["-nodefaults", "-netdev", f"tap,id=n,helper={HELPER}"],
])
def test_helper_does_not_guess_what_it_does_not_see(daemon, arguments):
    """Each made a port with QEMU's default MAC for a guest that had another."""
    config = daemon.folder / "device"
    config.write_text(f'[device "d"]\n  driver = "e1000"\n  netdev = "n"\n  mac = "{MAC}"\n', encoding="utf-8")
    line = [str(config) if word == "FILE" else word for word in arguments]
    done = daemon.host.run(*STOPPED, *line, check=False, env=daemon.environment())
    assert done.returncode == 1
    assert re.search(r"^qemu-macvtap-helper: .*--mac=MAC$", done.stderr, re.M)
    assert daemon.leftovers() == []


def test_helper_while_qemu_runs(daemon):
    """netdev_add: the command line does not say which device it is for."""
    qemu = daemon.host.start(*STOPPED, "-nic", "user", stdin=-1, stdout=-1, stderr=-1, text=True, env=daemon.environment())
    monitor_says(qemu, "info status", "(VM status)")
    told, error = qemu.communicate(f'netdev_add "tap,id=a,helper={HELPER}"\n'
                                   f'netdev_add "tap,id=b,helper={HELPER} --mac={MAC}"\ninfo network\nquit\n')
    (line,) = [line for line in error.splitlines() if line.startswith("qemu-macvtap-helper")]
    assert line.endswith("--mac=MAC")
    assert re.search(r"^ *b: .*type=tap", told, re.M) and not re.search(r"^ *a: .*type=tap", told, re.M)
    assert daemon.settle() == []


@pytest.mark.parametrize("way", ["run", "helper"])
def test_killed_vmm_loses_its_device_by_event(daemon, host, guests, monitor, way):
    if way == "run":
        running = guests(guest.run_with_macvtap_run, daemon, ["lan"], f"{A}/24")
    else:
        running = guests(guest.run_with_helper, daemon, "lan", f"{A}/24", MAC, user="nobody")
    running.wait_ready()
    (port,) = daemon.ports()
    links = monitor(host)
    os.kill(running.pid, signal.SIGKILL)
    links.wait_deleted(port["interfaceName"])
    assert daemon.settle() == []
    assert daemon.ports() == []


def test_two_queues(daemon, guests):
    running = guests(guest.run_with_macvtap_run, daemon, ["lan,queues=2"], f"{A}/24", [STATION], extra=["-smp", "2"])
    assert running.wait_ready()["queues"] == "2"
    running.wait_ping(STATION)
    (port,) = daemon.ports()
    assert port["queues"] == 2


def test_two_networks(daemon, daemons, host, hosts, guests):
    other = hosts("other")
    host.connect("eth1", other, "eth0")
    other.address("eth0", "10.0.1.254/24")
    daemon.network("dmz", "eth1")
    daemon.restart()
    running = guests(guest.run_with_macvtap_run, daemon, ["lan", "dmz"], f"{A}/24,10.0.1.1/24", [STATION, "10.0.1.254"])
    running.wait_ping(STATION)
    running.wait_ping("10.0.1.254")


def test_tokens_for_another_network_card(daemon, guests):
    extra = ["-netdev", "tap,id=n,fd={fd}", "-device", "e1000,netdev=n,mac={mac}"]
    running = guests(guest.run_with_macvtap_run, daemon, ["lan"], f"{A}/24", [STATION], extra=extra)
    running.wait_ping(STATION)
    (port,) = daemon.ports()
    assert running.wait_ready()["mac"] == port["macAddress"]


def test_ports_outlive_the_daemon(daemon, guests):
    """Ports of living holders stay over a restart, and the new daemon removes them when the holder ends."""
    running = guests(guest.run_with_macvtap_run, daemon, ["lan"], f"{A}/24", [STATION])
    running.wait_ready()
    before = daemon.ports()
    daemon.kill()
    daemon.start()
    assert [port["id"] for port in daemon.ports()] == [port["id"] for port in before]
    running.wait_ping(STATION)
    running.kill()
    assert daemon.settle() == []


def opens_vhost(running):
    folder = f"/proc/{running.pid}/fd"
    return "/dev/vhost-net" in {os.readlink(f"{folder}/{entry}") for entry in os.listdir(folder)}


@pytest.mark.stock
@pytest.mark.long
def test_vhost(daemon, guests):
    """By root and by a user who may not open /dev/vhost-net. One test, because guests in the lab boot slowly."""
    networks = ["lan,vhost=require"]
    first = guests(guest.run_with_macvtap_run, daemon, networks, f"{A}/24", [STATION, B], "a")
    second = guests(guest.run_with_macvtap_run, daemon, networks, f"{B}/24", [STATION, A], "b", user="nobody")
    wait_both_ways(first, second)
    assert opens_vhost(first) and opens_vhost(second)
