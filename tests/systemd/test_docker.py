# SPDX-License-Identifier: LGPL-2.1-or-later
"""The unit of macvtapd-docker on a real host. The test asks as dockerd does, which is not there: it gives the driver a network, and a
container's namespace where dockerd mounts one."""
import json
import re

import pytest

ASK = "/opt/macvtapd-ask-docker"
_ASK = r"""
import http.client, socket, sys
connection = http.client.HTTPConnection("docker")
connection.sock = socket.socket(socket.AF_UNIX)
connection.sock.connect("/run/docker/plugins/macvtapd.sock")
connection.request("POST", "/" + sys.argv[1], sys.argv[2])
answer = connection.getresponse()
assert answer.status == 200, answer.status
print(answer.read().decode())
"""

NETWORK, ENDPOINT = "a" * 64, "b" * 64
SANDBOX = "/run/docker/netns/c0ffee"
INSIDE = f"nsenter --net={SANDBOX} -- unshare --pid --fork --kill-child"
CONTAINERS = "/run/macvtapd-containers/socket"


@pytest.fixture
def ask(machine):
    machine.write(ASK, _ASK)
    machine.run("systemctl start macvtapd-docker.socket")

    def call(method, **arguments):
        return machine.json(f"python3 {ASK} {method} '{json.dumps(arguments)}'")

    yield call
    machine.run("systemctl stop macvtapd-docker.socket macvtapd-docker.service; macvtapctl port delete --all;"
                f" umount {SANDBOX}; rm -rf /run/docker; ip netns delete box || true")


def test_a_container_of_docker(machine, ask):
    """The first request starts the service, whose sandbox lets it see a mount of later, enter the namespace and make the port there."""
    assert machine.property("macvtapd-docker.service", "ActiveState") == "inactive"
    assert ask("Plugin.Activate") == {"Implements": ["NetworkDriver"]}
    check_process(machine, machine.property("macvtapd-docker.service", "MainPID"))
    assert ask("NetworkDriver.CreateNetwork", NetworkID=NETWORK, IPv4Data=[], IPv6Data=[],
               Options={"com.docker.network.generic": {"network": "lan"}}) == {}
    mac = ask("NetworkDriver.CreateEndpoint", NetworkID=NETWORK, EndpointID=ENDPOINT,
              Interface={"Address": "10.0.0.33/24", "AddressIPv6": "", "MacAddress": ""})["Interface"]["MacAddress"]
    ask("NetworkDriver.Join", NetworkID=NETWORK, EndpointID=ENDPOINT, SandboxKey=SANDBOX, Options=None)
    machine.run(f"ip netns add box && mkdir -p {SANDBOX.rpartition('/')[0]} && touch {SANDBOX}")
    machine.run(f"mount --bind /run/netns/box {SANDBOX}")
    # Nobody has to wait here: macvtap-run does, as a container's first program.
    seen = machine.run(f"{INSIDE} setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all"
                       f" macvtap-run --socket {CONTAINERS} --port eth0 -- echo {{mac}} {{fds}}")
    assert seen.split()[0] == mac
    (port,) = machine.ports()
    assert (port["holder"], port["addresses"]) == ({"type": "namespace", "interface": "eth0"}, ["10.0.0.33/24"])
    assert ask("NetworkDriver.Leave", NetworkID=NETWORK, EndpointID=ENDPOINT) == {}
    assert ask("NetworkDriver.DeleteEndpoint", NetworkID=NETWORK, EndpointID=ENDPOINT) == {}
    assert machine.ports() == []
    assert ask("NetworkDriver.DeleteNetwork", NetworkID=NETWORK) == {}
    check_end(machine)


def check_process(machine, pid):
    status = dict(re.findall(r"^(\w+):\t(.*)$", machine.run(f"cat /proc/{pid}/status"), re.MULTILINE))
    for name in "CapBnd", "CapEff", "CapPrm":
        assert int(status[name], 16) == 1 << 21, name  # CAP_SYS_ADMIN, linux/capability.h
    assert (status["NoNewPrivs"], status["Seccomp"], status["Umask"]) == ("1", "2", "0077")
    host, own = (set(machine.run(f"readlink /proc/{one}/ns/{{mnt,uts}}").split()) for one in (1, pid))
    assert not host & own
    mounts = {line.split()[4]: line.split()[5].split(",") for line in machine.run(f"cat /proc/{pid}/mountinfo").splitlines()}
    for path in "/", "/proc/sys", "/sys", "/sys/fs/cgroup", "/home":
        assert "ro" in mounts[path], path
    for path in "/var/lib/macvtapd-docker", "/run/macvtapd-docker":
        assert "rw" in mounts[path], path
        assert machine.run(f"stat -c %a:%U {path}").strip() == "700:root"
    assert machine.run("stat -c %a:%U /run/docker/plugins/macvtapd.sock").strip() == "600:root"
    limits = machine.run("systemctl show macvtapd-docker.service -p MemoryMax,TasksMax --value").split()
    assert limits == [str(64 << 20), "8"]


def check_end(machine):
    """Stopped, it leaves neither process nor socket, and nothing that systemd or it complains of."""
    machine.run("systemctl stop macvtapd-docker.socket macvtapd-docker.service")
    state = machine.run("systemctl show macvtapd-docker.service -p Result,NRestarts --value").split()
    assert sorted(state) == ["0", "success"]
    machine.run("! pidof macvtapd-docker && [ ! -e /run/docker/plugins/macvtapd.sock ]")
    assert machine.run("journalctl -b -u 'macvtapd-docker.*' -p warning --no-pager -o cat -q || true") == ""
    assert machine.run("systemd-analyze verify --man=no macvtapd-docker.service macvtapd-docker.socket 2>&1") == ""
