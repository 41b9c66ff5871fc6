# SPDX-License-Identifier: LGPL-2.1-or-later
"""macvtapd-docker, asked as dockerd asks it: HTTP on its socket."""
import contextlib
import itertools
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess

import pytest

from clock import PATIENCE, Deadline
from docker_driver import Driver
from fake_macvtapd import ODD_ANSWERS, FakeMacvtapd, silent_macvtapd
from privileges import is_sanitized
from programs import BUILD, SOURCE, program

NETWORK = "021e8674d986cddec18de2a516ac785aed26f011b3f6a7d5ce018b002b787ea4"
ENDPOINT = "2634dd1092422403e351031e067053d3c07b66b8db88ac998dfb8411dac0be08"
PORT = "docker-2634dd109242"
FIXED = {"Address": "10.0.0.33/24", "AddressIPv6": "fd00::33/64", "MacAddress": ""}


@pytest.fixture
def daemon(daemons, host, station):
    daemon = daemons(host).open_to_containers()
    daemon.network("lan", "eth0")
    daemon.start()
    yield daemon
    if daemon.running:
        daemon.ctl("port", "delete", "--all", check=False)


@pytest.fixture
def driver(daemon, host):
    driver = Driver(host, daemon)
    yield driver.start()
    driver.close()


@pytest.fixture
def sandbox(host, box):
    """Where dockerd mounts the namespace of the container: its folder is there."""
    host.run("mkdir", "-p", "/run/docker/netns")
    return Sandbox(host, box, "/run/docker/netns/d796e3ae2d3c")


class Sandbox:
    def __init__(self, host, box, key):
        self._host = host
        self._box = box
        self.key = key

    def touch(self):
        """As dockerd does before it mounts."""
        self._host.run("touch", self.key)

    def mount(self):
        self.touch()
        self._host.run("mount", "--bind", f"/proc/{self._box.pid}/ns/net", self.key)

    def unmount(self):
        """As dockerd does, which does not wait for those who have the file open, as macvtapd has when it looks."""
        self._host.run("umount", "--lazy", self.key)
        self._host.run("rm", self.key)


def create_network(driver, network=NETWORK, **options):
    generic = {"com.docker.network.generic": {"network": "lan", **options}, "com.docker.network.enable_ipv6": True}
    return driver.call("CreateNetwork", NetworkID=network, Options=generic, IPv4Data=[{"Pool": "10.0.0.0/24"}], IPv6Data=[])


def create_endpoint(driver, endpoint=ENDPOINT, network=NETWORK, **interface):
    return driver.call("CreateEndpoint", NetworkID=network, EndpointID=endpoint, Interface={**FIXED, **interface},
                       Options={"com.docker.network.portmap": []})


def join(driver, sandbox, endpoint=ENDPOINT, network=NETWORK):
    return driver.call("Join", NetworkID=network, EndpointID=endpoint, SandboxKey=sandbox.key, Options=None)


def leave(driver, endpoint=ENDPOINT):
    assert driver.call("Leave", NetworkID=NETWORK, EndpointID=endpoint) == {}
    assert driver.call("DeleteEndpoint", NetworkID=NETWORK, EndpointID=endpoint) == {}


def wait_port(daemon, driver, name="eth0"):
    """The port that comes up by itself, by macvtapd's own events."""
    with daemon.connect() as connection:
        connection.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
        deadline = Deadline()
        while True:
            for port in daemon.ports():
                if port["holder"].get("interface") == name and port["state"] == "active":
                    return port
            assert driver.process.poll() is None, driver.messages()
            connection.receive(deadline)


def test_a_container_gets_a_port_and_opens_it(daemon, driver, host, box, sandbox):
    assert driver.call("Plugin.Activate") == {"Implements": ["NetworkDriver"]}
    assert driver.call("GetCapabilities") == {"Scope": "local"}
    assert create_network(driver) == {}
    mac = create_endpoint(driver)["Interface"]["MacAddress"]
    # dockerd joins before the namespace is there.
    assert join(driver, sandbox) == {"InterfaceName": {"SrcName": "", "DstPrefix": ""}, "DisableGatewayService": True}
    sandbox.touch()
    host.run("mount", "-t", "tmpfs", "other", "/mnt")
    assert driver.call("Plugin.Activate") and daemon.ports() == [] and driver.messages() == ""
    sandbox.mount()
    port = wait_port(daemon, driver)
    assert (port["name"], port["macAddress"]) == (PORT, mac)
    assert port["addresses"] == ["10.0.0.33/24", "fd00::33/64"]
    assert port["holder"] == {"type": "namespace", "interface": "eth0"}
    info = driver.call("EndpointOperInfo", NetworkID=NETWORK, EndpointID=ENDPOINT)
    assert info == {"Value": {"macvtapd.port": PORT}}
    done = host.run("nsenter", f"--net=/proc/{box.pid}/ns/net", "--", "setpriv", "--reuid=65534", "--regid=65534",
                    "--clear-groups", "--bounding-set=-all", program("macvtap-run"), "--socket", daemon.container_socket,
                    "--port", "eth0", "--", "echo", "{mac}", "{address}", "{fds}")
    assert done.stdout.split()[:2] == [mac, "10.0.0.33"]
    leave(driver)
    leave(driver)
    assert daemon.settle() == []
    assert list(driver.endpoints.iterdir()) == []
    assert driver.call("DeleteNetwork", NetworkID=NETWORK) == driver.call("DeleteNetwork", NetworkID=NETWORK) == {}
    assert list(driver.networks.iterdir()) == []


def start_in_container(host, daemon, box):
    """macvtap-run as the first program of a container: in the namespaces of its network and of processes of its own."""
    return host.start("nsenter", f"--net=/proc/{box.pid}/ns/net", "--", "unshare", "--pid", "--fork", "--kill-child",
                      "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all",
                      program("macvtap-run"), "--socket", daemon.container_socket, "--port", "eth0", "--", "echo", "{mac}", "{fds}",
                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("watches", [0, 32], ids=["watching", "out of watches"])
def test_a_vm_that_starts_before_its_port(daemon, driver, host, box, sandbox, watches):
    """It waits for the port, also when its user has as many watches as one may have."""
    os.seteuid(65534)
    try:
        taken = [daemon.connect_from_container() for _ in range(watches)]
    finally:
        os.seteuid(0)
    for connection in taken:
        connection.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
        connection.receive()
    create_network(driver)
    mac = create_endpoint(driver)["Interface"]["MacAddress"]
    join(driver, sandbox)
    vm = start_in_container(host, daemon, box)
    daemon.wait_trail("there is no port 'eth0'")
    assert vm.poll() is None
    sandbox.mount()
    output, errors = vm.communicate(timeout=PATIENCE)
    assert output.split()[:1] == [mac], errors
    for connection in taken:
        connection.close()
    leave(driver)


@pytest.mark.long  # for as long as it waits
def test_a_vm_whose_port_does_not_come(daemon, host, box):
    vm = start_in_container(host, daemon, box)
    output, errors = vm.communicate(timeout=PATIENCE)
    assert (vm.returncode, output) == (125, "")
    assert errors == "macvtap-run: waited 10 s for the container's port: there is no port 'eth0'\n"
    # One try, and one at the end: macvtapd's log is not filled by a port that does not come.
    assert len([line for line in daemon.trail() if "no port 'eth0'" in line]) <= 2


def test_a_container_that_runs_already(daemon, driver, sandbox):
    """docker network connect; the MAC is the user's, and each endpoint gets the next name."""
    sandbox.mount()
    create_network(driver)
    assert create_endpoint(driver, MacAddress="52:54:00:00:00:44") == {}
    join(driver, sandbox)
    other = ENDPOINT[::-1]
    create_endpoint(driver, other, Address="10.0.0.34/24", AddressIPv6="")
    join(driver, sandbox, other)
    ports = {port["holder"]["interface"]: port for port in daemon.ports()}
    assert ports["eth0"]["macAddress"] == "52:54:00:00:00:44" and ports["eth1"]["addresses"] == ["10.0.0.34/24"]
    leave(driver)
    (port,) = daemon.ports()
    assert port["holder"]["interface"] == "eth1"
    leave(driver, other)
    assert daemon.settle() == []


def test_a_name_of_the_users(daemon, driver, sandbox):
    create_network(driver, port="vm0")
    create_endpoint(driver)
    join(driver, sandbox)
    create_endpoint(driver, "b" * 64, Address="10.0.0.34/24", AddressIPv6="")
    assert "already has a port vm0" in driver.refusal("Join", NetworkID=NETWORK, EndpointID="b" * 64, SandboxKey=sandbox.key)
    leave(driver, "b" * 64)
    sandbox.mount()
    wait_port(daemon, driver, "vm0")
    assert len(daemon.ports()) == 1
    leave(driver)


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
def test_the_driver_restarts_at_any_time(daemon, driver, sandbox, kill):
    def restart():
        if kill:
            driver.kill()
            driver.start()
        else:
            driver.restart()

    create_network(driver)
    restart()
    mac = create_endpoint(driver)["Interface"]["MacAddress"]
    restart()
    join(driver, sandbox)
    restart()
    sandbox.mount()
    assert wait_port(daemon, driver)["macAddress"] == mac
    restart()
    assert driver.call("EndpointOperInfo", NetworkID=NETWORK, EndpointID=ENDPOINT)["Value"]
    assert len(daemon.ports()) == 1
    driver.call("Leave", NetworkID=NETWORK, EndpointID=ENDPOINT)
    restart()
    driver.call("DeleteEndpoint", NetworkID=NETWORK, EndpointID=ENDPOINT)
    assert daemon.settle() == []


def test_the_namespace_comes_while_no_driver_runs(daemon, driver, sandbox):
    create_network(driver)
    create_endpoint(driver)
    join(driver, sandbox)
    driver.stop()
    sandbox.mount()
    driver.start()
    wait_port(daemon, driver)
    leave(driver)


def test_macvtapd_is_away(daemon, driver, sandbox):
    create_network(driver)
    daemon.stop()
    assert str(daemon.socket) in driver.refusal("CreateNetwork", NetworkID="b" * 64,
                                                Options={"com.docker.network.generic": {"network": "lan"}})
    refusal = driver.refusal("CreateEndpoint", NetworkID=NETWORK, EndpointID=ENDPOINT, Interface=FIXED)
    assert "macvtapd" in refusal and str(daemon.socket) in refusal
    daemon.start()
    create_endpoint(driver)
    join(driver, sandbox)
    # It goes after it was asked: the port comes when it is back.
    daemon.stop()
    sandbox.mount()
    daemon.start()
    wait_port(daemon, driver)
    # A port that cannot be deleted now goes later: dockerd does not ask again.
    daemon.stop()
    leave(driver)
    driver.restart()
    daemon.start()
    assert daemon.settle() == []
    # It says so once for each try that dockerd knows of, and not each second.
    assert driver.messages().count("cannot reach macvtapd") <= 4


def test_an_address_is_free_when_its_container_has_left(daemon, driver, sandbox):
    """macvtapd was away meanwhile, and the port of the first is not deleted yet."""
    create_network(driver)
    create_endpoint(driver)
    join(driver, sandbox)
    sandbox.mount()
    wait_port(daemon, driver)
    daemon.stop()
    leave(driver)
    daemon.start()
    assert create_endpoint(driver, "b" * 64)["Interface"]["MacAddress"]
    assert daemon.ports() == []


@pytest.mark.parametrize("first, second", [(ENDPOINT, "b" * 64), ("b" * 64, ENDPOINT)])
def test_ports_go_before_others_come(daemon, driver, hosts, host, sandbox, first, second):
    """One container ends and another starts while macvtapd is away, and there is room for one."""
    daemon.network("one", text="[Network]\nParent=eth0\nMode=bridge\n[Access]\nMaxPorts=1\n")
    daemon.reload()
    for network, name in ((NETWORK, "eth0"), ("c" * 64, "vm0")):
        options = {"com.docker.network.generic": {"network": "one", "port": name}}
        assert driver.call("CreateNetwork", NetworkID=network, Options=options, IPv4Data=[], IPv6Data=[]) == {}
    other = Sandbox(host, hosts("other"), f"{sandbox.key}0")
    create_endpoint(driver, first)
    create_endpoint(driver, second, "c" * 64, Address="10.0.0.34/24", AddressIPv6="")
    join(driver, sandbox, first)
    sandbox.mount()
    wait_port(daemon, driver)
    driver.call("Join", NetworkID="c" * 64, EndpointID=second, SandboxKey=other.key, Options=None)
    daemon.stop()
    other.mount()
    leave(driver, first)
    daemon.start()
    wait_port(daemon, driver, "vm0")
    assert len(daemon.ports()) == 1 and "MaxPorts" not in driver.messages()
    leave(driver, second)


def test_joining_twice(daemon, driver, sandbox):
    """dockerd has not heard the first answer."""
    create_network(driver)
    create_endpoint(driver)
    assert join(driver, sandbox) == join(driver, sandbox) and "Err" not in join(driver, sandbox)
    sandbox.mount()
    wait_port(daemon, driver)
    assert "Err" not in join(driver, sandbox) and len(daemon.ports()) == 1
    leave(driver)
    assert daemon.settle() == []


@pytest.mark.parametrize("text", [None, "{", "{}", '{"networkId":5,"network":"lan","sandbox":"/x","port":"eth0"}'])
def test_an_endpoint_that_was_forgotten(daemon, driver, sandbox, text):
    """Its file is gone or damaged: it has a port all the same, which ends when it leaves."""
    create_network(driver)
    create_endpoint(driver)
    join(driver, sandbox)
    sandbox.mount()
    wait_port(daemon, driver)
    driver.stop()
    file = driver.endpoints / ENDPOINT
    file.unlink()
    if text is not None:
        file.write_text(text, encoding="ascii")
    driver.start()
    daemon.stop()
    leave(driver)
    daemon.start()
    leave(driver)
    assert daemon.ports() == [] and list(driver.endpoints.iterdir()) == []
    assert driver.messages().count("damaged") == (text is not None)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"network":5}', '{"network":"lan","port":[]}'])
def test_a_network_whose_file_is_damaged(driver, text):
    create_network(driver)
    (driver.networks / NETWORK).write_text(text, encoding="ascii")
    refusal = driver.refusal("CreateEndpoint", NetworkID=NETWORK, EndpointID=ENDPOINT, Interface=FIXED)
    assert "damaged" in refusal and "create it again" in refusal


def test_no_space_to_note_that_a_container_has_left(daemon, driver, host, sandbox):
    driver.kill()  # it may not have come to where it minds SIGTERM
    host.run("mount", "-t", "tmpfs", "-o", "nr_inodes=3", "full", driver.endpoints)
    driver.start()
    create_network(driver)
    create_endpoint(driver)
    join(driver, sandbox)
    sandbox.mount()
    wait_port(daemon, driver)
    host.run("touch", driver.endpoints / "full")
    assert "space" in driver.refusal("CreateEndpoint", NetworkID=NETWORK, EndpointID="b" * 64, Interface={})
    leave(driver)
    assert daemon.ports() == [] and host.run("ls", driver.endpoints).stdout.split() == ["full"]


@pytest.mark.parametrize("answer", ODD_ANSWERS.values(), ids=list(ODD_ANSWERS))
def test_macvtapd_that_is_none(daemon, driver, sandbox, answer):
    create_network(driver)
    create_endpoint(driver)
    daemon.stop()
    fake = FakeMacvtapd(daemon.socket, answer)
    try:
        sandbox.mount()
        for method in ("CreateNetwork", "Join", "CreateEndpoint"):
            refusal = driver.refusal(method, NetworkID=NETWORK, EndpointID=ENDPOINT, SandboxKey=sandbox.key, Interface=FIXED,
                                     Options={"com.docker.network.generic": {"network": "lan"}})
            assert "macvtapd" in refusal, (method, refusal)
        assert driver.process.poll() is None, driver.messages()
    finally:
        fake.close()
    os.unlink(daemon.socket)
    daemon.start()
    leave(driver)
    assert daemon.ports() == []


def count_waiting(listener):
    """How many have connected, which are lost then."""
    listener.setblocking(False)
    with contextlib.ExitStack() as accepted:  # the driver would come again as soon as one is closed
        for number in itertools.count():
            try:
                accepted.enter_context(listener.accept()[0])
            except BlockingIOError:
                return number


@pytest.mark.long
def test_macvtapd_that_never_answers(daemon, driver, sandbox):
    """One line for each thing that dockerd asks, which does not wait for the ports of all other containers as well."""
    create_network(driver)
    for endpoint in "abcdef":
        create_endpoint(driver, endpoint * 64, Address="", AddressIPv6="")
        join(driver, sandbox, endpoint * 64)
    daemon.stop()
    with silent_macvtapd(daemon.socket) as silent:
        options = {"com.docker.network.generic": {"network": "lan"}}
        assert driver.refusal("CreateNetwork", NetworkID="f" * 64, Options=options) == "macvtapd does not answer"
        sandbox.mount()
        assert driver.refusal("CreateEndpoint", NetworkID=NETWORK, EndpointID="e" * 64, Interface={}) == "macvtapd does not answer"
        assert 2 <= count_waiting(silent) <= 4  # the first of all that look, and perhaps the driver's own next one
    os.unlink(daemon.socket)
    daemon.start()
    create_endpoint(driver)
    leave(driver)


def test_macvtapd_restarts_under_a_container(daemon, driver, sandbox):
    create_network(driver)
    create_endpoint(driver)
    join(driver, sandbox)
    sandbox.mount()
    port = wait_port(daemon, driver)
    daemon.restart()
    assert daemon.ports()[0]["id"] == port["id"]
    leave(driver)
    assert daemon.settle() == []


def test_a_container_that_is_gone_without_a_word(daemon, driver, box, sandbox):
    create_network(driver)
    create_endpoint(driver)
    join(driver, sandbox)
    sandbox.mount()
    wait_port(daemon, driver)
    sandbox.unmount()
    box.close()
    assert daemon.settle() == []
    leave(driver)


def test_what_cannot_be_is_said_before_the_container_starts(daemon, driver, sandbox):
    daemon.ctl("port", "create", "--network", "lan", "--name", "mine", "--address", "10.0.0.33", "--mac", "52:54:00:00:00:01")
    create_network(driver)
    for interface in ({}, {"MacAddress": "52:54:00:00:00:01", "Address": "10.0.0.34/24"}, {"Address": "x"}, {"MacAddress": "x"}):
        refusal = driver.refusal("CreateEndpoint", NetworkID=NETWORK, EndpointID=ENDPOINT, Interface={**FIXED, **interface})
        assert any(word in refusal for word in ("10.0.0.33", "52:54:00:00:00:01", "'x'", "x")), refusal
    assert "create it again" in driver.refusal("CreateEndpoint", NetworkID="b" * 64, EndpointID=ENDPOINT, Interface=FIXED)
    assert "does not know" in driver.refusal("Join", NetworkID=NETWORK, EndpointID=ENDPOINT, SandboxKey=sandbox.key)
    assert list(driver.endpoints.iterdir()) == []


@pytest.mark.parametrize("options, words", [
    ({"com.docker.network.generic": {"network": "nosuch"}}, "nosuch"),
    ({"com.docker.network.generic": {"network": "lan", "parent": "eth0"}}, "unknown option 'parent'"),
    ({"com.docker.network.generic": {"network": 1}}, "network"), ({"com.docker.network.generic": None}, "-o network="),
    ({}, "-o network="), (None, "-o network="), ({"com.docker.network.generic": {"network": "lan", "port": "a/b"}}, "port=a/b"),
    ({"com.docker.network.generic": {"network": "lan"}, "com.docker.network.internal": True}, "--internal"),
])
def test_a_network_that_cannot_be(driver, options, words):
    assert words in driver.refusal("CreateNetwork", NetworkID=NETWORK, Options=options, IPv4Data=[], IPv6Data=[])
    assert list(driver.networks.iterdir()) == []


@pytest.mark.parametrize("method", ["DiscoverNew", "DiscoverDelete", "ProgramExternalConnectivity", "RevokeExternalConnectivity"])
def test_what_the_driver_has_no_use_for(driver, method):
    assert driver.call(method, NetworkID=NETWORK, EndpointID=ENDPOINT) == {}


def test_hostile_requests(driver):
    for path, body in (("/NetworkDriver.AllocateNetwork", "{}"), ("/nosuch", "{}"), ("/NetworkDriver.Join", "[" * 100000),
                       ("/NetworkDriver.Join", '{"NetworkID":"../x","EndpointID":"a","SandboxKey":"/x"}'),
                       ("/NetworkDriver.Join", '{"NetworkID":"a","EndpointID":"a","SandboxKey":"x"}'),
                       ("/NetworkDriver.Join", '{"NetworkID":"a","NetworkID":"b"}'), ("/NetworkDriver.Leave", b"\xff\xfe"),
                       ("/NetworkDriver.%ff%fe", "{}"),
                       ("/NetworkDriver.Leave", json.dumps({"NetworkID": "a" * 129, "EndpointID": "a"}))):
        status, text = driver.request(path, body)
        assert status == 200 and json.loads(text)["Err"], (path, text)
    assert driver.request("/NetworkDriver.Leave", "x" * (1024 * 1024))[0] == 413
    assert driver.request("/Plugin.Activate", None, method="GET")[0] == 405
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
        silent.connect(str(driver.path))
        silent.sendall(b"POST /Plugin.Activate HTTP/1.1\r\n")
        assert driver.call("Plugin.Activate") == {"Implements": ["NetworkDriver"]}


def test_idle_connections(driver):
    """Hundreds of them keep nobody from being served."""
    idle = []
    for _ in range(300):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        idle.append(connection)
        connection.connect(str(driver.path))
        connection.settimeout(PATIENCE)
        connection.sendall(b"POST /Plugin.Activate HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
    assert driver.call("Plugin.Activate") == {"Implements": ["NetworkDriver"]}
    for connection in idle:
        connection.close()
    assert driver.call("Plugin.Activate") == {"Implements": ["NetworkDriver"]}


def test_root_only(driver, host):
    driver.folder.chmod(0o755)
    driver.path.chmod(0o666)
    text = "POST /Plugin.Activate HTTP/1.0\\r\\nContent-Length: 0\\r\\n\\r\\n"
    done = host.run("/usr/bin/python3", "-c", "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
                    f"s.sendall(b'{text}'); print(s.makefile().read())", driver.path, user="nobody")
    assert " 403 " in done.stdout and "only root" in done.stdout


def test_not_started_by_a_service_manager(host):
    done = host.run(program("macvtapd-docker"), check=False)
    assert done.returncode == 1 and "macvtapd-docker.socket" in done.stderr and done.stderr.count("\n") == 1


SERVICE = BUILD / "src/docker/macvtapd-docker.service"


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_the_unit_is_valid_and_confined(tmp_path):
    text = SERVICE.read_text(encoding="utf-8")
    (line,) = [line for line in text.splitlines() if line.startswith("ExecStart=")]
    assert line.endswith("/sbin/macvtapd-docker")
    (tmp_path / SERVICE.name).write_text(text.replace(line, "ExecStart=/bin/true"), encoding="utf-8")
    paths = [tmp_path / SERVICE.name,
             *(pathlib.Path(shutil.copy(SOURCE / unit, tmp_path))
               for unit in ("src/docker/units/macvtapd-docker.socket", "src/daemon/units/macvtapd.socket"))]
    for path in paths:
        path.chmod(0o644)
    done = analyze("verify", "--man=no", *paths[:2])
    # What macvtapd.socket itself starts is not there.
    assert done.returncode == 0 and "macvtapd-docker" not in done.stdout, done.stdout
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", analyze("security", "--offline=yes", "--no-pager", paths[0]).stdout)
    assert float(found[1]) <= 2.3


def expand(name):
    """The system calls of a SystemCallFilter='s word."""
    if not name.startswith("@"):
        return {name}
    lines = [line.strip() for line in analyze("syscall-filter", name).stdout.splitlines()[1:]]
    return set().union(*(expand(line) for line in lines if line and not line.startswith("#")))


def allowed_calls():
    calls = expand("@default")
    for line in re.findall(r"^SystemCallFilter=(.*)$", SERVICE.read_text(encoding="utf-8"), re.M):
        words = set().union(*map(expand, line.removeprefix("~").split()))
        calls = calls - words if line.startswith("~") else calls | words
    return calls | expand("@default")


@pytest.mark.native("strace would show valgrind's own system calls")
def test_the_unit_lets_it_work(daemon, driver, host, sandbox, tmp_path):
    """With the unit's capabilities and calls, in a mount namespace that gets mounts from outside, as systemd makes it."""
    if is_sanitized():
        pytest.skip("cannot run with sanitizers, which make calls of their own")
    driver.kill()
    host.run("mount", "--make-shared", "/run")  # as systemd has the host's
    trace = tmp_path / "trace"
    driver.start(["unshare", "--mount", "--propagation", "slave", "setpriv", "--no-new-privs", "--bounding-set=-all,+sys_admin",
                  "strace", "-D", "-f", "-qq", "-o", trace])
    create_network(driver)
    create_endpoint(driver)
    join(driver, sandbox)
    sandbox.mount()
    wait_port(daemon, driver)
    leave(driver)
    driver.call("DeleteNetwork", NetworkID=NETWORK)
    driver.stop()
    seen = {match[1] for match in re.finditer(r"^\d+ +(\w+)\(", trace.read_text(encoding="utf-8"), re.M)}
    assert {"setns", "execve"} <= seen and seen - allowed_calls() == set()
