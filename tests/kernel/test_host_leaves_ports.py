# SPDX-License-Identifier: LGPL-2.1-or-later
"""The host leaves the devices of ports alone; when a program of it does not, the log and doctor tell."""
import shutil
import signal
import socket
import subprocess

import pytest

from clock import Deadline, FolderWatch
from doctor import problems

ETH_P_ALL, ETH_P_IP, ETH_P_ARP, ETH_P_LLDP = 0x0003, 0x0800, 0x0806, 0x88CC

LISTENER = """
import socket, sys
listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
listener.bind((sys.argv[1], int(sys.argv[2])))
print("listening", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def port(daemon):
    made = daemon.ctl_json("port", "create", "--network=lan", "--name=vm7")
    yield made
    daemon.ctl("port", "delete", "vm7")


def address_events():
    events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    events.bind((0, 0x100))  # RTMGRP_IPV6_IFADDR
    return events


def wait_said(daemon, words):
    """Wait until the log has a line with these words; returns those lines."""
    deadline, watch = Deadline(), FolderWatch(daemon.folder, contents=True)
    try:
        while words not in daemon.messages():
            deadline.wait_readable(watch.fileno())
            watch.drain()
    finally:
        watch.close()
    return [line for line in daemon.messages().splitlines() if words in line]


def program_called(name, daemon, host, *arguments):
    """Something that listens like a DHCP client, called as one: the name that /proc has is its file's."""
    path = daemon.folder / name
    shutil.copy("/usr/bin/python3", path)
    process = host.start(path, "-c", LISTENER, *map(str, arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"listening\n"
    return process


def test_nothing_to_tell(daemon, port):
    assert problems(daemon) == []


def wait_ipv6_off(host, sysctl):
    deadline = Deadline()
    while host.run("sysctl", "-n", sysctl).stdout != "1\n":
        assert deadline.left() > 0


def test_address(daemon, host, port):
    device, address = port["interfaceName"], "169.254.7.7/16"
    host.ip("addr", "add", address, "dev", device)
    (line,) = wait_said(daemon, f"port vm7: the host has the address {address} on the guest's device {device}")
    assert line.startswith("macvtapd: warning: ")
    host.ip("addr", "add", "10.9.9.9/24", "dev", device)
    host.ip("addr", "add", "10.9.9.10/24", "dev", "eth0")
    found = problems(daemon)
    assert any("port vm7: the host has the address 169.254.7.7 on" in line for line in found) and len(found) == 2
    # Once for a port; and the daemon has read on since.
    daemon.ctl("port", "create", "--network=lan", "--name=vm8")
    other = daemon.ctl_json("port", "show", "vm8")["interfaceName"]
    host.ip("addr", "add", "10.9.9.11/24", "dev", other)
    wait_said(daemon, "port vm8: the host has the address 10.9.9.11/24")
    daemon.ctl("port", "delete", "vm8")
    assert daemon.messages().count("port vm7:") == 1


@pytest.mark.lab
def test_ipv6_address(daemon, host, port):
    """It is told, and IPv6 is off again, and with it the address is gone."""
    ipv6 = f"net/ipv6/conf/{port['interfaceName']}/disable_ipv6"
    daemon.process.send_signal(signal.SIGSTOP)  # it turns IPv6 off again as soon as it reads of it
    host.run("sysctl", "-q", "-w", f"{ipv6}=0")
    with host.call(address_events) as told:
        host.ip("addr", "add", "2001:db8::7/64", "dev", port["interfaceName"], "nodad")
        Deadline().wait_readable(told)  # a worker of the kernel's tells it, unless IPv6 is off again by then
    daemon.process.send_signal(signal.SIGCONT)
    wait_said(daemon, "port vm7: the host has the address 2001:db8::7/64")
    wait_ipv6_off(host, ipv6)
    assert problems(daemon) == []


def test_address_of_before_the_daemons_start(daemon, host, port):
    daemon.stop()
    host.ip("addr", "add", "10.9.9.9/24", "dev", port["interfaceName"])
    daemon.start()
    wait_said(daemon, "port vm7: the host has the address 10.9.9.9/24")


def test_ipv6_is_turned_off_again(daemon, host, port):
    ipv6 = f"net/ipv6/conf/{port['interfaceName']}/disable_ipv6"
    host.run("sysctl", "-q", "-w", f"{ipv6}=0")
    wait_ipv6_off(host, ipv6)
    assert problems(daemon) == []


CURES = {
    "dhcpcd": "add the line 'denyinterfaces mvt*' to /etc/dhcpcd.conf",
    "systemd-network": "05-macvtapd.network",
    "NetworkManager": "unmanaged-devices=interface-name:mvt*",
    "udhcpc": "end it",
}


@pytest.mark.parametrize("name", CURES)
def test_dhcp_client(daemon, host, port, name):
    client = program_called(name, daemon, host, port["interfaceName"], ETH_P_IP)
    (line,) = problems(daemon)
    assert f"port vm7: {name} (process {client.pid}) listens on the guest's device" in line and CURES[name] in line
    if name != "udhcpc":
        host.ip("addr", "add", "10.9.9.9/24", "dev", port["interfaceName"])
        assert any("has the address" in line and CURES[name] in line for line in problems(daemon))


def test_who_sees_whose_it_is(daemon, host):
    """Who is not root is told nothing that may be wrong."""
    made = daemon.ctl_json("port", "create", "--network=lan", "--name=vm9", user="nobody")
    program_called("dhcpcd", daemon, host, made["interfaceName"], ETH_P_IP)
    assert problems(daemon, user="nobody") == []
    assert len(problems(daemon)) == 1
    daemon.ctl("port", "delete", "vm9")


def test_who_may_listen(daemon, host, port):
    device = port["interfaceName"]
    program_called("tcpdump", daemon, host, device, ETH_P_ALL)
    program_called("lldpd", daemon, host, device, ETH_P_LLDP)
    program_called("dhclient", daemon, host, "eth0", ETH_P_ALL)
    assert problems(daemon) == []


def test_cure_names_the_ports_own_name(daemon, host):
    daemon.ctl("port", "create", "--network=lan", "--name=web", "--interface=web0")
    program_called("dhcpcd", daemon, host, "web0", ETH_P_ARP)
    (line,) = problems(daemon)
    assert "'denyinterfaces web0'" in line
    daemon.ctl("port", "delete", "web")


def test_busybox_client(daemon, host, port):
    """A real one."""
    client = host.start("busybox", "udhcpc", "-f", "-t", "100", "-i", port["interfaceName"], "-s", "/bin/true",
                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    while b"discover" not in client.stdout.readline():
        assert client.poll() is None
    (line,) = problems(daemon)
    assert f"(process {client.pid}) listens on the guest's device {port['interfaceName']}" in line


def test_another_namespaces_doctor(daemon, station, port):
    """Through the socket of a container, say: its links are others."""
    station.ip("link", "add", port["interfaceName"], "type", "bridge")
    station.ip("addr", "add", "10.9.9.9/24", "dev", port["interfaceName"])
    done = station.run("/run/build/src/tools/macvtapctl", "doctor", env=daemon.environment(), check=False)
    assert "guest's device" not in done.stdout
