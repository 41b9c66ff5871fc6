# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests on machines of every kind, and QEMU behind other programs: they boot, and reach the wire."""
import os

import pytest

import guest
from programs import image, program

A = "10.0.0.1"
STATION = "10.0.0.254"
# What forks is behind a program that lets QEMU end with it.
ENDS_WITH_IT = ["setpriv", "--pdeathsig", "KILL"]
ROOT_PORT = ["-device", "pcie-root-port,id=rp0,chassis=1"]


def check_reaches(daemon, running):
    """The guest has the port's MAC, and reaches the wire."""
    ready = running.wait_ready()
    running.wait_ping(STATION)
    (port,) = daemon.ports()
    assert (ready["mac"], int(ready["mtu"]), int(ready["queues"])) == (port["macAddress"], port["mtu"], port["queues"])


def test_root_port_behind_other_programs(daemon, guests):
    wrapper = "nohup nice -n 1 taskset -c 0-1 env -u HOME A=b stdbuf -oL timeout -k 1 600".split() + ENDS_WITH_IT
    running = guests(guest.run_with_macvtap_run, daemon, ["lan,bus=rp0,mtu=1400"], f"{A}/24", [STATION], extra=ROOT_PORT,
                     wrapper=wrapper)
    check_reaches(daemon, running)


def test_microvm(daemon, guests):
    """It has no PCI: the device is virtio-net-device."""
    running = guests(guest.run_with_macvtap_run, daemon, ["lan,queues=2"], f"{A}/24", [STATION], machine="microvm",
                     extra=["-smp", "2"])
    check_reaches(daemon, running)


def test_e1000_of_a_port_made_by_hand(daemon, guests):
    daemon.ctl("port", "create", "--network=lan", "--name=web")
    running = guests(guest.run_with_macvtap_run, daemon, [], f"{A}/24", [STATION], options=["--port", "web,model=e1000"])
    check_reaches(daemon, running)
    running.kill()
    assert [port["name"] for port in daemon.ports()] == ["web"]
    daemon.ctl("port", "delete", "web")


@pytest.mark.long
@pytest.mark.parametrize("wrapper", [
    "nice -n 5", "taskset -c 0-1", "env -i A=b", "timeout -k 1 600", "chrt -o 0", "numactl -l", "setpriv --reuid 1 --nnp",
    "nohup", "setsid -w", "ionice -c 3", "stdbuf -o0", "prlimit --core=0", "choom -n 1 --", "ip netns exec NAME",
])
def test_behind_each_program(daemon, guests, wrapper):
    name = f"macvtapd-{os.getpid()}"
    words = wrapper.replace("NAME", name).split()
    if name in words:
        daemon.host.ip("netns", "add", name)
    try:
        running = guests(guest.run_with_macvtap_run, daemon, ["lan"], f"{A}/24", [STATION], wrapper=words + ENDS_WITH_IT)
        check_reaches(daemon, running)
        running.kill()
    finally:
        if name in words:
            daemon.host.ip("netns", "del", name)


@pytest.mark.long
@pytest.mark.parametrize("machine, network, extra", [
    ("q35", "lan,model=e1000", []),
    ("q35", "lan,queues=4", ["-smp", "4"]),
    ("q35", "lan,bus=rp0,queues=2", [*ROOT_PORT, "-smp", "2"]),
    ("pc", "lan", []),
    ("microvm", "lan,mtu=1400", []),
    ("microvm,pcie=on", "lan,model=virtio-net-pci", []),
])
def test_machine(daemon, guests, machine, network, extra):
    check_reaches(daemon, guests(guest.run_with_macvtap_run, daemon, [network], f"{A}/24", [STATION], machine=machine,
                                 extra=extra))


@pytest.mark.long
@pytest.mark.parametrize("networks", [["lan"], ["lan,queues=2,mtu=1400"]])
def test_arm(daemon, guests, networks):
    """Debian's arm64 kernel on aarch64's machine virt."""
    words = f"console=ttyAMA0 panic=-1 quiet guest.name=arm guest.ip={A}/24 guest.ping={STATION}"
    line = ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57", "-smp", "2", "-m", "256", "-nodefaults",
            "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot", "-kernel", image("arm64_kernel"),
            "-initrd", image("arm64_guest"), "-append", words]
    options = [word for network in networks for word in ("-n", network)]
    check_reaches(daemon, guests(guest.Guest, daemon.host, [program("macvtap-run"), *options, "--", *line],
                                 env=daemon.environment()))
