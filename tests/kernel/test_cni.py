# SPDX-License-Identifier: LGPL-2.1-or-later
"""macvtapd-cni, called as a container runtime calls it: parameters in the environment, a configuration on stdin."""
import json
import os
import socket
import threading

import pytest

from cni import CONTAINER, VALID, Runtime
from fake_macvtapd import ODD_ANSWERS, FakeMacvtapd
from programs import program

pytestmark = pytest.mark.shared

VERSIONS = ["0.3.1", "0.4.0", "1.0.0", "1.1.0"]

# An IPAM plugin that keeps one address in a file, and notes what it was asked.
IPAM = """#!/bin/sh
config=$(cat)
echo "$CNI_COMMAND" >>{folder}/asked
case $CNI_COMMAND in
VERSION) echo '{{"cniVersion":"1.0.0","supportedVersions":["0.4.0","1.0.0"]}}' ;;
ADD)
    [ -e {folder}/given ] && {{ echo '{{"code":100,"msg":"no IP addresses available"}}'; exit 1; }}
    touch {folder}/given
    echo '{{"cniVersion":"1.0.0","ips":[{{"address":"10.0.0.41/24","gateway":"10.0.0.254"}}],"routes":[{{"dst":"0.0.0.0/0"}}]}}' ;;
DEL) rm -f {folder}/given ;;
esac
"""


@pytest.fixture
def daemon(daemons, host, station):
    daemon = daemons(host).open_to_containers()
    daemon.network("lan", "eth0")
    daemon.network("leased", text="[Network]\nParent=eth0\nMode=bridge\n[Addresses]\nSubnet=10.0.0.0/24 fd00::/64\n"
                                  "Range=10.0.0.32/30 fd00::20-fd00::2f\nGateway=10.0.0.254\n")
    daemon.start()
    yield daemon
    if daemon.running:
        daemon.ctl("port", "delete", "--all", check=False)


@pytest.fixture
def runtime(daemon, box, tmp_path):
    plugin = tmp_path / "ipam"
    plugin.write_text(IPAM.format(folder=tmp_path), encoding="ascii")
    plugin.chmod(0o755)
    tmp_path.chmod(0o755)
    return Runtime(daemon, box, tmp_path)


def asked(runtime):
    return (runtime.folder / "asked").read_text(encoding="ascii").split()


def test_a_pod_gets_a_port_and_opens_it(daemon, host, box, runtime):
    result = runtime.call("ADD")
    (port,) = daemon.ports()
    assert port["holder"] == {"type": "namespace", "interface": "eth0"}
    assert result["interfaces"] == [{"name": "eth0", "mac": port["macAddress"], "sandbox": f"/proc/{box.pid}/ns/net"}]
    assert runtime.call("CHECK", prevResult=result) is None
    done = host.run("nsenter", f"--net=/proc/{box.pid}/ns/net", "--", "setpriv", "--reuid=65534", "--regid=65534",
                    "--clear-groups", "--bounding-set=-all", program("macvtap-run"), "--socket", daemon.container_socket,
                    "--port", "eth0", "--", "echo", "{mac}", "{fds}")
    assert done.stdout.split()[0] == port["macAddress"]
    assert runtime.call("DEL") is None and runtime.call("DEL") is None
    assert daemon.settle() == []


def test_a_guest_is_told_its_gateway(daemon, host, box, runtime):
    """Its VMM runs as a user that AllowUsers= does not name."""
    address = runtime.call("ADD", network="leased")["ips"][0]["address"].split("/")[0]
    done = host.run("nsenter", f"--net=/proc/{box.pid}/ns/net", "--", "setpriv", "--reuid=65534", "--regid=65534",
                    "--clear-groups", "--bounding-set=-all", program("macvtap-run"), "--socket", daemon.container_socket,
                    "--port", "eth0", "--", "echo", "{gateway}", "{ip=}", "{mac}", "{fds}")
    assert done.stdout.split()[:2] == ["10.0.0.254", f"ip={address}::10.0.0.254:255.255.255.0:::off"]


@pytest.mark.parametrize("version", VERSIONS)
def test_versions(daemon, runtime, version):
    result = runtime.call("ADD", cniVersion=version, network="leased")
    assert result["cniVersion"] == version
    assert [ip["address"].split("/")[1] for ip in result["ips"]] == ["24", "64"]
    assert result["ips"][0]["gateway"] == "10.0.0.254" and "gateway" not in result["ips"][1]
    assert [ip.get("version") for ip in result["ips"]] == (["4", "6"] if version.startswith("0") else [None, None])
    assert ("mtu" in result["interfaces"][0]) == (version == "1.1.0")
    assert runtime.call("VERSION")["supportedVersions"] == VERSIONS
    assert runtime.call("ADD", cniVersion="0.2.0")["code"] == 1


def test_fixed_addresses_and_macs(daemon, runtime):
    fixed = {"ips": ["10.0.0.34/24", "fd00::25/64"], "mac": "52:54:00:00:00:77"}
    result = runtime.call("ADD", network="leased", runtimeConfig=fixed)
    assert [ip["address"] for ip in result["ips"]] == fixed["ips"]
    assert result["interfaces"][0]["mac"] == fixed["mac"]
    again = runtime.call("ADD", interface="eth1", network="leased", runtimeConfig={"ips": fixed["ips"]})
    assert "10.0.0.34" in again["msg"] and again["code"] > 100
    runtime.call("DEL")
    result = runtime.call("ADD", network="leased", arguments="IgnoreUnknown=1;MAC=52:54:00:00:00:78;IP=10.0.0.35")
    assert result["interfaces"][0]["mac"] == "52:54:00:00:00:78"
    assert "10.0.0.35/24" in [ip["address"] for ip in result["ips"]]


def test_range_ends(daemon, runtime):
    for number in range(4):
        assert "ips" in runtime.call("ADD", interface=f"eth{number}", network="leased")
    full = runtime.call("ADD", interface="eth4", network="leased")
    assert full["code"] > 100 and "range" in full["msg"]
    assert len(daemon.ports()) == 4


def test_delegated_addresses(daemon, runtime):
    ipam = {"type": "ipam"}
    result = runtime.call("ADD", ipam=ipam)
    assert result["ips"] == [{"address": "10.0.0.41/24", "gateway": "10.0.0.254", "interface": 0}]
    assert result["routes"] == [{"dst": "0.0.0.0/0"}]
    assert daemon.ports()[0]["addresses"] == ["10.0.0.41/24"]
    # No address is left: no port is made. The port cannot be made: the address goes back.
    assert "no IP addresses available" in runtime.call("ADD", interface="eth1", ipam=ipam)["msg"]
    runtime.call("DEL", ipam=ipam)
    assert "nosuch" in runtime.call("ADD", ipam=ipam, network="nosuch")["msg"]
    assert asked(runtime) == ["ADD", "ADD", "DEL", "ADD", "DEL"]
    assert not (runtime.folder / "given").exists()
    # GC and STATUS are not passed on to one that does not know them.
    assert runtime.call("STATUS", cniVersion="1.1.0", ipam=ipam) is None
    assert asked(runtime)[5:] == ["VERSION"]


@pytest.mark.parametrize("wrong, words", [({}, "already"), ({"network": "one"}, "MaxPorts="), ({"network": "nosuch"}, "nosuch"),
                                          ({"runtimeConfig": {"mac": "01:00:00:00:00:00"}}, "MAC")])
def test_second_add_leaves_the_first_alone(daemon, runtime, wrong, words):
    """An IPAM plugin may give the same address again: it is that of the port which is there, whatever the second is refused for."""
    ipam = {"type": "ipam"}
    daemon.network("one", text="[Network]\nParent=eth0\nMode=bridge\n[Access]\nMaxPorts=1\n")
    daemon.reload()
    runtime.call("ADD", ipam=ipam, network=wrong.get("network", "lan").replace("nosuch", "lan"))
    (runtime.folder / "given").unlink()
    again = runtime.call("ADD", ipam=ipam, **wrong)
    assert again["code"] > 100 and words in again["msg"], again
    assert asked(runtime) == ["ADD", "ADD"] and runtime.call("CHECK", ipam=ipam) is None
    assert runtime.call("DEL", ipam=ipam) is None and not (runtime.folder / "given").exists()


@pytest.mark.parametrize("named", ["name", "ifname"])
def test_a_port_of_somebody_elses(daemon, runtime, named):
    """Who made it chose a name, or an interface's name, that the container's port would have."""
    ipam = {"type": "ipam"}
    other = {"name": "other", "ifname": "vmother", named: "vm1-eth0"}
    daemon.ctl("port", "create", "--network", "lan", "--name", other["name"], "--interface", other["ifname"])
    if named == "name":
        assert "already" in runtime.call("ADD", container="vm1", ipam=ipam)["msg"]
        assert not (runtime.folder / "given").exists()
    assert runtime.call("CHECK", container="vm1", ipam=ipam)["code"] > 100
    assert runtime.call("DEL", container="vm1", ipam=ipam) is None
    assert [port["name"] for port in daemon.ports()] == [other["name"]]


def test_attachments_whose_names_meet(daemon, runtime):
    """Container a-b's c and container a's b-c."""
    ipam = {"type": "ipam"}
    runtime.call("ADD", container="a-b", interface="c", ipam=ipam)
    (runtime.folder / "given").unlink()
    other = {"container": "a", "interface": "b-c", "ipam": ipam}
    assert "already" in runtime.call("ADD", **other)["msg"] and not (runtime.folder / "given").exists()
    assert runtime.call("CHECK", **other)["code"] > 100 and runtime.call("DEL", **other) is None
    assert len(daemon.ports()) == 1 and runtime.call("CHECK", container="a-b", interface="c", ipam=ipam) is None


def test_address_stays_while_there_may_be_a_port(daemon, runtime):
    """macvtapd is lost before it has answered: DEL or GC find out what there is."""
    ipam = {"type": "ipam"}
    path = runtime.folder / "lost"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        lost = threading.Thread(target=lambda: listener.accept()[0].close())
        lost.start()
        assert runtime.call("ADD", ipam=ipam, socket=str(path))["code"] == 11
        lost.join()
    assert (runtime.folder / "given").exists()
    assert runtime.call("DEL", ipam=ipam) is None and not (runtime.folder / "given").exists()


def test_address_is_given_back_by_gc(daemon, box, runtime):
    """The IPAM plugin does not know GC, and DEL was lost: with the port, which went with its namespace, or without."""
    ipam = {"type": "ipam"}
    runtime.call("ADD", ipam=ipam)
    valid = {VALID: [{"containerID": CONTAINER, "ifname": "eth0"}]}
    assert runtime.call("GC", cniVersion="1.1.0", ipam=ipam, **valid) is None
    assert (runtime.folder / "given").exists() and len(daemon.ports()) == 1
    box.close()
    daemon.settle()
    daemon.stop()
    gc = {"cniVersion": "1.1.0", "ipam": ipam, VALID: []}
    assert runtime.call("GC", netns="/", **gc)["code"] == 11 and (runtime.folder / "given").exists()
    daemon.start()
    assert runtime.call("GC", netns="/", **gc) is None
    assert not (runtime.folder / "given").exists() and not list((runtime.folder / "notes/pods").iterdir())


def answer_with(runtime, answer):
    """The IPAM plugin gives this for ADD, and takes anything back."""
    (runtime.folder / "ipam").write_text(f"#!/bin/sh\ncat >/dev/null\necho $CNI_COMMAND >>{runtime.folder}/asked\n"
                                         f"[ $CNI_COMMAND != ADD ] || echo '{json.dumps(answer)}'\n", encoding="ascii")
    return {"type": "ipam"}


FOUR = {"address": "10.0.0.41/24"}


@pytest.mark.parametrize("answer, words", [
    ([], "no result"), ({"ips": 5}, "'ips'"), ({"ips": ["10.0.0.41/24"]}, "'ips'"), ({"ips": [{"address": 5}]}, "'ips'"), ({"ips": [FOUR, {}]}, "'ips'"),
    ({"ips": [FOUR], "routes": 7}, "'routes'"), ({"ips": [FOUR], "routes": ["0.0.0.0/0"]}, "'routes'"), ({"ips": [FOUR], "dns": 5}, "'dns'"),
    ({"ips": [{"address": "10.0.0.400/24"}]}, "10.0.0.400"),
])
def test_ipam_answer_that_cannot_be_used(daemon, runtime, answer, words):
    """The plugin may have noted an address: it gets it back."""
    error = runtime.call("ADD", ipam=answer_with(runtime, answer))
    assert words in error["msg"] and (error["code"] == 6 or error["code"] > 100), error
    assert daemon.ports() == [] and asked(runtime) == ["ADD", "DEL"] and not list((runtime.folder / "notes/pods").iterdir())


@pytest.mark.parametrize("answer", [{}, {"ips": []}, {"ips": None}])
def test_ipam_without_addresses(daemon, runtime, answer):
    """The network's own would come in without a word: an error there. A network without [Addresses] gives none either."""
    error = runtime.call("ADD", network="leased", ipam=answer_with(runtime, answer))
    assert error["code"] == 7 and "ipam gave no address" in error["msg"] and "[Addresses]" in error["msg"]
    assert daemon.ports() == [] and asked(runtime) == ["ADD", "DEL"]
    assert "nosuch" in runtime.call("ADD", network="nosuch", ipam={"type": "ipam"})["msg"]
    assert not runtime.call("ADD", ipam={"type": "ipam"})["ips"]
    (port,) = daemon.ports()
    assert "addresses" not in port


@pytest.mark.parametrize("version", VERSIONS)
def test_result_has_every_address(daemon, runtime, version):
    """The IPAM plugin gives one family, and the network the other."""
    result = runtime.call("ADD", cniVersion=version, network="leased", ipam=answer_with(runtime, {"ips": [{"address": "10.0.0.34/24"}]}))
    (port,) = daemon.ports()
    assert [ip["address"] for ip in result["ips"]] == port["addresses"] and len(result["ips"]) == 2
    assert [ip["interface"] for ip in result["ips"]] == [0, 0]
    assert [ip.get("version") for ip in result["ips"]] == (["4", "6"] if version.startswith("0") else [None, None])


@pytest.mark.parametrize("answer, words", [('{"cniVersion":"1.0.0","ips":[]}', None), ("here you are", "no result"), ("", "no result")])
def test_ipam_that_reads_nothing(daemon, runtime, answer, words):
    """Some end before all of the configuration is written."""
    (runtime.folder / "ipam").write_text(f"#!/bin/sh\necho '{answer}'\n", encoding="ascii")
    result = runtime.call("ADD", ipam={"type": "ipam", "padding": "x" * 500000})
    assert words in result["msg"] if words else result["ips"] == []
    assert len(daemon.ports()) == (not words)


def test_plugin_and_ipam_have_no_capabilities(daemon, runtime):
    (runtime.folder / "ipam").write_text(f"#!/bin/sh\ngrep -h ^Cap /proc/self/status /proc/$PPID/status >{runtime.folder}/seen\n"
                                       'echo \'{"cniVersion":"1.0.0","ips":[]}\'\n', encoding="ascii")
    for command in ("ADD", "CHECK", "DEL"):
        assert runtime.call(command, ipam={"type": "ipam"}) is None or command == "ADD"
        held = [line.split() for line in (runtime.folder / "seen").read_text(encoding="ascii").splitlines()]
        assert len(held) == 10 and all(int(value, 16) == 0 for name, value in held if name != "CapBnd:"), command


@pytest.mark.parametrize("answer", ODD_ANSWERS.values(), ids=list(ODD_ANSWERS))
def test_macvtapd_that_is_none(daemon, runtime, answer):
    """One clear error for each command, and the address is kept: there may be a port."""
    fake = FakeMacvtapd(runtime.folder / "fake", answer)
    config = {"cniVersion": "1.1.0", "socket": str(fake.socket), "ipam": {"type": "ipam"}, VALID: []}
    try:
        for command in ("ADD", "CHECK", "STATUS"):
            error = runtime.call(command, **config)
            assert error["code"] >= 11 and "macvtapd" in error["msg"] and "\n" not in error["msg"]
        assert (runtime.folder / "given").exists()
        for command in ("GC", "DEL"):
            answer = runtime.call(command, **config)
            assert answer is None or "macvtapd" in answer["msg"]
    finally:
        fake.close()


def test_namespace_gone_without_del(daemon, box, runtime):
    runtime.call("ADD")
    path = f"/proc/{box.pid}/ns/net"
    box.close()
    assert daemon.settle() == []
    assert runtime.call("DEL", netns=path) is None
    assert runtime.call("CHECK", netns=path)["code"] > 100
    assert runtime.call("ADD", netns=path)["code"] == 3


def test_garbage_is_collected(daemon, runtime):
    for number, container in enumerate(("one", "two")):
        runtime.call("ADD", container=container, interface=f"eth{number}")
    runtime.call("ADD", container="other", interface="eth2", name="others")
    daemon.ctl("port", "create", "--network", "lan", "--name", "mine", "--description", "CNI pods")
    valid = {VALID: [{"containerID": "two", "ifname": "eth1"}]}
    assert runtime.call("GC", cniVersion="1.1.0", **valid) is None
    assert sorted(port["name"] for port in daemon.ports()) == ["mine", "other-eth2", "two-eth1"]


def test_macvtapd_is_away(daemon, runtime):
    runtime.call("ADD")
    assert runtime.call("STATUS", cniVersion="1.1.0") is None
    daemon.stop()
    assert runtime.call("ADD", interface="eth1")["code"] == 11
    assert runtime.call("DEL")["code"] == 11
    assert runtime.call("STATUS", cniVersion="1.1.0")["code"] == 50
    daemon.start()
    assert runtime.call("CHECK") is None and runtime.call("DEL") is None
    assert daemon.settle() == []


def test_status_knows_the_parent(daemon, host, runtime):
    host.ip("link", "delete", "eth0")
    assert runtime.call("STATUS", cniVersion="1.1.0")["code"] == 50
    assert runtime.call("STATUS", cniVersion="1.1.0", network="nosuch")["code"] == 50


def test_status_knows_the_ipam_plugin(daemon, runtime):
    """Without it no ADD can succeed."""
    error = runtime.call("STATUS", cniVersion="1.1.0", ipam={"type": "nosuch"})
    assert error["code"] == 50 and "no plugin nosuch" in error["msg"]


@pytest.mark.parametrize("config, code, words", [
    ({"network": None}, 7, "network"), ({"name": ""}, 7, "name"), ({"ipam": {"type": "dhcp"}}, 2, "DHCP itself"),
    ({"ipam": {"type": "../x"}}, 7, "path"), ({"prevResult": {}}, 7, "chained"), ({"network": "nosuch"}, None, "nosuch"),
    ({"ipam": {"type": "nosuch"}}, 7, "CNI_PATH"), ({"runtimeConfig": {"mac": "x"}}, None, "MAC"),
    ({"queues": "4"}, 7, "'queues'"), ({"queues": 3.5}, 7, "'queues'"), ({"queues": 4294967297}, 7, "'queues'"), ({"queues": 0}, 7, "'queues'"),
    ({"runtimeConfig": {"mac": 5}}, 7, "'runtimeConfig.mac'"), ({"runtimeConfig": {"ips": "10.0.0.3/24"}}, 7, "'runtimeConfig.ips'"),
    ({"args": {"cni": {"ips": [5]}}}, 7, "'args.cni.ips'"), ({"ipam": {"type": 5}}, 7, "'ipam.type'"), ({"ipam": "host-local"}, 7, "'ipam'"),
    ({"socket": "x" * 200}, 7, "'socket'"), ({"dataDir": "notes", "ipam": {"type": "ipam"}}, 7, "'dataDir'"), ({"cniVersion": 1.0}, 7, "'cniVersion'"),
    ({"name": "x" * 300, "ipam": {"type": "ipam"}}, 5, "too long"), ({"name": "a b"}, 7, "letters"),
])
def test_refused_in_one_sentence(daemon, runtime, config, code, words):
    error = runtime.call("ADD", **config)
    assert words in error["msg"] and "\n" not in error["msg"]
    assert error["code"] == code if code else error["code"] > 100
    assert daemon.ports() == []


@pytest.mark.parametrize("wrong", [{"container": "a/b"}, {"container": ""}, {"interface": "a/b"}, {"interface": "x" * 16},
                                   {"netns": "/nosuch/\udcff"}, {"arguments": "MAC=\udcff"}, {"arguments": "IP=\udcff"}])
def test_bad_parameters(daemon, runtime, wrong):
    assert runtime.call("ADD", **wrong)["code"] == 4
    assert daemon.ports() == [] and runtime.call("DEL", **{"container": "c", "interface": "eth0", "netns": wrong.get("netns")}) is None


def test_paths_of_any_bytes(daemon, host, box, runtime):
    """Only the container's namespace must be UTF-8: the result names it."""
    host.run("mkdir", "-p", "/run/netns")
    path = "/run/netns/\udcff"
    host.run("touch", path)
    host.run("mount", "--bind", f"/proc/{box.pid}/ns/net", path)
    assert runtime.call("ADD", netns=path)["code"] == 4 and daemon.ports() == []
    runtime.path = "/nosuch/\udcff"
    assert "CNI_PATH" in runtime.call("ADD", ipam={"type": "ipam"})["msg"]
    assert runtime.call("DEL", netns=path) is None
    host.run("umount", path)


def test_namespace_that_is_a_pipe(daemon, runtime, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    assert "cannot enter" in runtime.call("ADD", netns=str(tmp_path / "fifo"))["msg"]


def test_long_container_id(daemon, runtime):
    """Its note's name would be too long."""
    long = {"container": "c" * 300, "ipam": {"type": "ipam"}}
    assert runtime.call("ADD", **long)["code"] == 5
    assert runtime.call("DEL", **long) is None and daemon.ports() == []


def test_result_that_nobody_gets(daemon, runtime):
    assert runtime.run("ADD", wrapper=["sh", "-c", 'exec "$@" >/dev/full', "sh"]).returncode == 1
    assert runtime.call("DEL") is None and daemon.ports() == []


@pytest.mark.parametrize("valid", [{}, {VALID: {}}, {VALID: [{"containerID": CONTAINER}]}])
def test_gc_that_does_not_say_what_is_valid(daemon, runtime, valid):
    """It removes nothing: all containers' ports could be what is not named."""
    runtime.call("ADD")
    assert runtime.call("GC", cniVersion="1.1.0", **valid)["code"] == 7 and len(daemon.ports()) == 1
    assert runtime.call("GC", cniVersion="1.1.0", **{VALID: None}) is None and daemon.ports() == []
