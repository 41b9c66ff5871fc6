# SPDX-License-Identifier: LGPL-2.1-or-later
"""VMs in containers of a real dockerd, on a network of our driver."""
import json
import signal

import pytest

from docker_host import DockerHost
from namespaces import Host

GATEWAY, GATEWAY6 = "192.168.1.1", "fd00:1::1"


@pytest.fixture
def docker(hosts):
    host, station = DockerHost(), Host("station")
    try:
        host.connect("eth0", station, "eth0")
        station.address("eth0", f"{GATEWAY}/24")
        station.run("ip", "addr", "add", f"{GATEWAY6}/64", "dev", "eth0", "nodad")
        host.station = station
        yield host
    finally:
        host.close()
        station.close()


@pytest.fixture
def daemon(docker, daemons):
    daemon = daemons(docker).open_to_containers()
    daemon.network("lan", "eth0")
    daemon.start()
    docker.start_driver(daemon)
    docker.start_dockerd("--live-restore")
    docker.import_image()
    return daemon


def create_network(docker, name="lan1", subnet="192.168.1.0/24", first="192.168.1.32/27"):
    docker.docker("network", "create", "-d", "macvtapd", "--ipv6", f"--subnet={subnet}", f"--gateway={GATEWAY}",
                  f"--ip-range={first}", "--aux-address=printer=192.168.1.33", "--subnet=fd00:1::/64", f"--gateway={GATEWAY6}",
                  "-o", "network=lan", name)


def test_vms_in_containers(docker, daemon):
    create_network(docker)
    docker.run_vm("vm1", daemon, "192.168.1.40/24", "--ip=192.168.1.40", "--ip6=fd00:1::40", ping=[GATEWAY])
    # Docker's own choice: the first of the range that is not reserved.
    docker.run_vm("vm2", daemon, "192.168.1.32/24", "--mac-address=52:54:00:00:00:02", ping=[GATEWAY, "192.168.1.40"])
    ports = {port["addresses"][0]: port for port in daemon.ports()}
    members = docker.members()
    assert (members["vm1"]["IPv4Address"], members["vm1"]["IPv6Address"]) == ("192.168.1.40/24", "fd00:1::40/64")
    assert (members["vm2"]["IPv4Address"], members["vm2"]["MacAddress"]) == ("192.168.1.32/24", "52:54:00:00:00:02")
    for member in members.values():
        port = ports[member["IPv4Address"]]
        assert port["macAddress"] == member["MacAddress"] and port["addresses"][1] == member["IPv6Address"]
        assert port["holder"] == {"type": "namespace", "interface": "eth0"}
    with_consoles = [docker.console("vm1"), docker.console("vm2")]
    try:
        for guest, addresses in zip(with_consoles, ([GATEWAY], [GATEWAY, "192.168.1.40"])):
            assert guest.wait_ready()["mac"] in [member["MacAddress"] for member in members.values()]
            for address in addresses:
                guest.wait_ping(address)
        docker.docker("kill", "vm1", "vm2")
        assert daemon.settle() == [] and docker.members() == {}
        docker.docker("run", "--rm", "--network", "lan1", "--ip=192.168.1.40", "--volume=/usr:/usr:ro", "vm", "/bin/true")
        assert daemon.settle() == []
    finally:
        for guest in with_consoles:
            guest.close()


def test_refusals_reach_the_user(docker, daemon):
    def refused(*arguments):
        """Docker's line for the error; its client complains of the connection besides."""
        (line,) = [line for line in docker.refused(*arguments).splitlines() if "rror response from daemon: " in line]
        return line

    assert "nosuch" in refused("network", "create", "-d", "macvtapd", "-o", "network=nosuch", "lan1")
    assert "unknown option 'parent'" in refused("network", "create", "-d", "macvtapd", "-o", "parent=eth0", "lan1")
    create_network(docker)
    daemon.ctl("port", "create", "--network", "lan", "--name", "mine", "--address", "192.168.1.41")
    run = ["run", "--network", "lan1", "--volume=/usr:/usr:ro"]
    assert "192.168.1.41" in refused(*run, "--ip=192.168.1.41", "vm", "/bin/true")
    daemon.ctl("port", "delete", "mine")
    daemon.stop()
    assert "macvtapd" in refused(*run, "vm", "/bin/true")
    daemon.start()
    docker.docker(*run, "vm", "/bin/true")
    assert daemon.settle() == []


def sleep_in(docker, name, *options):
    docker.docker("run", "--detach", "--name", name, "--network", "lan1", *options, "--volume=/usr:/usr:ro", "vm", "/bin/sleep", "inf")


def test_restarts_under_a_container(docker, daemon):
    """Of each of the three: the container goes on, and its end still ends the port."""
    create_network(docker)
    sleep_in(docker, "c1", "--ip=192.168.1.40")
    (port,) = daemon.ports()
    daemon.restart()
    docker.driver.restart()
    docker.restart_dockerd("--live-restore", number=signal.SIGKILL)
    assert [found["id"] for found in daemon.ports()] == [port["id"]]
    assert docker.members()["c1"]["MacAddress"] == port["macAddress"]
    docker.docker("kill", "c1")
    assert daemon.settle() == []
    sleep_in(docker, "c2", "--ip=192.168.1.40")
    docker.docker("restart", "-t", "0", "c2")
    assert [found["addresses"][0] for found in daemon.ports()] == ["192.168.1.40/24"]
    # Without live-restore dockerd ends its containers; those of a dockerd that was killed, when it is back.
    docker.restart_dockerd(number=signal.SIGKILL)
    assert daemon.settle() == []
    docker.docker("start", "c2")
    assert len(daemon.ports()) == 1
    docker.docker("rm", "-f", "c1", "c2")
    docker.docker("network", "rm", "lan1")
    assert list(docker.driver.networks.iterdir()) == list(docker.driver.endpoints.iterdir()) == []


def test_networks_of_a_running_container(docker, daemon):
    create_network(docker)
    docker.docker("network", "create", "-d", "macvtapd", "--subnet=10.9.0.0/24", "-o", "network=lan", "-o", "port=vm0", "lan2")
    sleep_in(docker, "c1")
    docker.docker("network", "connect", "--ip=10.9.0.7", "lan2", "c1")
    assert sorted(port["holder"]["interface"] for port in daemon.ports()) == ["eth0", "vm0"]
    docker.docker("network", "disconnect", "lan1", "c1")
    (port,) = daemon.ports()
    assert port["addresses"] == ["10.9.0.7/24"]
    docker.docker("kill", "c1")
    assert daemon.settle() == []


@pytest.mark.long
def test_user_namespaces(docker, daemon):
    """The container's network namespace is its user namespace's."""
    docker.restart_dockerd("--userns-remap=nobody:nogroup")
    docker.import_image()
    create_network(docker)
    docker.run_vm("vm1", daemon, "192.168.1.40/24", "--ip=192.168.1.40", ping=[GATEWAY])
    guest = docker.console("vm1")
    try:
        guest.wait_ping(GATEWAY)
    finally:
        guest.close()
    docker.docker("kill", "vm1")
    assert daemon.settle() == []


@pytest.mark.long
def test_a_vm_outlives_restarts(docker, daemon):
    create_network(docker)
    docker.run_vm("vm1", daemon, "192.168.1.40/24", "--ip=192.168.1.40", keep=GATEWAY)
    guest = docker.console("vm1")
    try:
        guest.wait_reply()
        daemon.restart()
        docker.driver.restart()
        guest.wait_reply()
        docker.restart_dockerd("--live-restore")
        guest.close()
        guest = docker.console("vm1")
        guest.wait_reply()
        docker.docker("kill", "vm1")
        assert daemon.settle() == []
    finally:
        guest.close()


@pytest.mark.long
def test_twenty_vms_at_once(docker, daemon):
    create_network(docker)
    names = [f"vm{number}" for number in range(20)]
    for number, name in enumerate(names):
        docker.run_vm(name, daemon, f"192.168.1.{40 + number}/24", f"--ip=192.168.1.{40 + number}", ping=[GATEWAY])
    assert len(docker.members()) == len(daemon.ports()) == len(names)
    for name in names:
        guest = docker.console(name)
        try:
            guest.wait_ping(GATEWAY)
        finally:
            guest.close()
    docker.docker("kill", *names)
    assert daemon.settle() == [] and docker.members() == {}
    assert json.loads(docker.docker("network", "inspect", "lan1"))[0]["Containers"] == {}
