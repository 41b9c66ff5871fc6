# SPDX-License-Identifier: LGPL-2.1-or-later
"""macvtapctl doctor: what it finds wrong with networks, ports, macvtapd's files and the machine.

What the host's programs do to the devices of ports is in test_host_leaves_ports.py."""
import json
import os
import signal
import subprocess

import pytest

from clock import PATIENCE
from doctor import codes, examine, problems
from fake_macvtapd import silent_macvtapd
from programs import program

UUID = "6d3f5a50-1c86-4a5e-9f7c-0123456789ab"


def create(daemon, *arguments, name="vm7", **options):
    return daemon.ctl_json("port", "create", "--network=lan", f"--name={name}", *arguments, **options)


@pytest.fixture
def port(daemon):
    yield create(daemon)
    daemon.ctl("port", "delete", "vm7")


def port_states(daemon):
    """What `port list` says of the state of each port."""
    rows = [line.split() for line in daemon.ctl("port", "list").stdout.splitlines()]
    return {row[0]: row[-1] for row in rows[1:]}


def test_nothing_is_wrong(daemon, port):
    done = daemon.ctl("doctor")
    lines = done.stdout.splitlines()
    assert "ok       macvtapd answers" in lines and "ok       network lan: bridge, 1 port" in lines
    assert "PROBLEM" not in done.stdout
    assert codes(daemon) == []


# -- networks ----------------------------------------------------------------------------------------------------


def test_file_with_an_error(daemon):
    daemon.network("broken", text="[Network]\nTypo=1\n")
    daemon.reload()
    (line,) = problems(daemon, "network-invalid")
    assert line.startswith("network broken: broken.network:2") and "Typo" in line and "macvtapctl reload" in line


def test_no_networks(daemon):
    """Nothing is wrong with who may use none."""
    (daemon.config / "networks.d" / "lan.network").unlink()
    daemon.reload()
    assert "there is no network that you may use" in daemon.ctl("doctor").stdout
    assert "AllowUsers=" in daemon.ctl("doctor", user="nobody").stdout


def test_files_that_were_not_read(daemon):
    def changes():
        return [line.removesuffix(" since macvtapd read the networks: macvtapctl reload")
                for line in problems(daemon, "files-changed")]

    daemon.network("lan", "eth0", AllowUsers="daemon")
    daemon.network("new", "eth0")
    assert changes() == ["network lan: its file has changed", "network new: its file is new"]
    assert "read the networks" not in daemon.ctl("doctor", user="nobody").stdout
    with daemon.connect() as connection:
        assert len(connection.ports("ListNetworks")["fileChanges"]) == 2
        daemon.reload()
        assert "fileChanges" not in connection.ports("ListNetworks")
    assert codes(daemon) == []
    (daemon.config / "networks.d" / "new.network").unlink()
    assert changes() == ["network new: its file was removed"]


def test_parents(daemon, host, hosts):
    host.connect("eth1", hosts("other"), "eth0")
    daemon.network("missing", "nosuch0")
    daemon.network("jumbo", text="[Network]\nParent=eth0\nMode=bridge\nMTU=9000\n")
    daemon.network("pool", "eth1 nosuch1")
    daemon.network("none", "nosuch1 nosuch2")
    daemon.reload()
    expected = {"network jumbo: MTU 9000 is above eth0's 1500": "ip link set dev eth0 mtu 9000, or lower MTU=",
                "network missing: there is no interface nosuch0": "ip link",
                "network none: there is no interface nosuch1": "ip link",
                "network none: there is no interface nosuch2": "ip link",
                "network pool: there is no interface nosuch1 (its other parents are used)": "Parent="}

    def check_expected(found):
        assert len(found) == len(expected)
        for line, (start, remedy) in zip(found, expected.items()):
            assert line.startswith(f"{start}: ") and remedy in line.removeprefix(start)

    check_expected(problems(daemon))
    table = {line.split()[0]: line for line in daemon.ctl("network", "list").stdout.splitlines()}
    assert table["none"].endswith(" there is no interface nosuch1; there is no interface nosuch2")
    assert table["jumbo"].endswith(" MTU 9000 is above eth0's 1500") and table["lan"].endswith(" -")
    host.ip("link", "set", "eth0", "down")
    assert any(line.startswith("network lan: parent eth0 is down: ip link set dev eth0 up") for line in problems(daemon))
    assert "parent eth0 is down" in daemon.ctl("network", "show", "lan").stdout
    assert daemon.ctl_json("network", "show", "lan")["parentProblems"] == ["parent eth0 is down"]
    host.ip("link", "set", "eth0", "up")
    assert "parentProblems" not in daemon.ctl_json("network", "show", "lan")
    check_expected(problems(daemon))


def test_parent_that_serves_another_bridge(daemon, host):
    host.ip("link", "add", "br0", "type", "bridge")
    host.ip("link", "set", "eth0", "master", "br0")
    (line,) = problems(daemon)
    assert line.startswith("network lan: eth0 is a port of bridge br0; use br0 as the parent")


def test_parent_without_carrier(daemon, station):
    """Once, however many networks and ports it has."""
    daemon.network("other", "eth0")
    daemon.reload()
    create(daemon)
    station.ip("link", "set", "eth0", "down")
    (line,) = problems(daemon)
    assert line.startswith("parent eth0: it has no carrier") and "cable" in line
    station.ip("link", "set", "eth0", "up")
    assert codes(daemon) == []
    daemon.ctl("port", "delete", "vm7")


def test_parent_without_carrier_by_its_alternative_name(daemon, host, station):
    host.ip("link", "property", "add", "dev", "eth0", "altname", "a-name-longer-than-fifteen-bytes")
    daemon.network("lan", "a-name-longer-than-fifteen-bytes")
    daemon.reload()
    station.ip("link", "set", "eth0", "down")
    assert [line.partition(":")[0] for line in problems(daemon)] == ["parent eth0"]
    station.ip("link", "set", "eth0", "up")


@pytest.mark.parametrize("has, words", [
    (["addr add 10.0.0.7/24 dev eth0"], "address 10.0.0.7 is on it"),
    (["addr add 10.0.0.7/24 dev eth0", "route add default via 10.0.0.254"],
     "address 10.0.0.7 and default route are on it"),
    (["route add default dev eth0"], "default route is on it"),
    (["-6 route add default dev eth0"], "default route is on it"),
    (["-6 addr add 2001:db8::7/64 dev eth0 nodad"], "address 2001:db8::7 is on it"),
    (["addr add 169.254.3.3/16 dev eth0"], None),
    (["addr add 10.0.0.7/24 dev lo"], None),
])
def test_passthru_on_what_the_host_needs(daemon, host, has, words):
    daemon.network("fast", "eth0", mode="passthru")
    daemon.reload()
    assert codes(daemon) == []
    host.run("sysctl", "-q", "-w", "net/ipv6/conf/eth0/addr_gen_mode=1", "net/ipv6/conf/eth0/disable_ipv6=0")
    for command in has:
        host.ip(*command.split())
    found = problems(daemon, "passthru-of-host")
    assert len(found) == (words is not None)
    assert not words or f"network fast: its guest gets every frame that eth0 receives, and the host's {words}: " in found[0]
    assert not words or "a mode other than passthru" in found[0]


def test_passthru_by_another_name_of_what_the_host_needs(daemon, host):
    """A link may have alternative names; and a macvlan as Parent= means the link below it."""
    host.ip("addr", "add", "10.0.0.7/24", "dev", "eth0")
    host.ip("link", "property", "add", "dev", "eth0", "altname", "a-name-longer-than-fifteen-bytes")
    host.ip("link", "add", "hostlan", "link", "eth0", "type", "macvlan", "mode", "bridge")
    for name in "a-name-longer-than-fifteen-bytes", "hostlan":
        daemon.network("lan", name, mode="passthru")
        daemon.reload()
        (line,) = problems(daemon, "passthru-of-host")
        assert line.startswith("network lan: its guest gets every frame that eth0 receives, and the host's address 10.0.0.7"), line


def test_passthru_port_of_an_adhoc_network(daemon, host):
    host.ip("addr", "add", "10.0.0.7/24", "dev", "eth0")
    daemon.ctl("port", "create", "--network=parent=eth0,mode=passthru", "--name=vm7")
    (line,) = problems(daemon, "passthru-of-host")
    assert line.startswith("port vm7: its guest gets every frame that eth0 receives")
    daemon.ctl("port", "delete", "vm7")


# -- host links --------------------------------------------------------------------------------------------------


@pytest.fixture
def host_link(daemon, host):
    """A port of a network whose host link, mvh-eth0, is there."""
    host.address("eth0", "10.9.0.1/24")
    daemon.network("lan", text="[Network]\nParent=eth0\nMode=bridge\n[Guard]\nSenders=own\n[Host]\nAccess=yes\n")
    daemon.reload()
    create(daemon)
    assert daemon.host_links() == ["mvh-eth0"]
    yield
    daemon.ctl("port", "delete", "vm7")


def found_rules(daemon, **options):
    return [(one["severity"], one["message"]) for one in examine(daemon, **options) if one["code"] == "host-link-firewall"]


def test_firewall_rules_that_miss_the_host_link(daemon, host, host_link):
    """The kernel lists the rules to nobody without CAP_NET_ADMIN, which doctor gives up before all else."""
    assert found_rules(daemon) == []
    host.run("nft", "add table inet filter; add chain inet filter input { type filter hook input priority 0; }; "
                    'add rule inet filter input iifname "eth0" tcp dport 22 accept')
    ((severity, message),) = found_rules(daemon)
    assert severity == "note" and message.startswith("1 firewall rule for eth0 does not apply"), message
    assert message.endswith('through mvh-eth0: iifname "eth0" tcp dport 22 accept')
    assert found_rules(daemon, user="nobody") == []
    host.run("nft", "flush", "ruleset")
    assert found_rules(daemon) == []


def test_firewall_rules_that_cannot_be_read(daemon, host, host_link, tmp_path, monkeypatch):
    """Without nft nothing is said; an nft that fails is no proof that there is no rule."""
    environment = {**daemon.environment(), "PATH": str(tmp_path)}
    monkeypatch.setattr(daemon, "environment", lambda: environment)
    assert found_rules(daemon) == []
    nft = tmp_path / "nft"
    nft.write_text("#!/bin/sh\necho no rights >&2\nexit 1\n", encoding="utf-8")
    nft.chmod(0o755)
    ((severity, message),) = found_rules(daemon)
    assert severity == "note" and "cannot read the ruleset" in message and "no rights" in message, message


# -- ports -------------------------------------------------------------------------------------------------------


def test_link_down(daemon, host, port):
    assert port_states(daemon) == {"vm7": "active"}
    daemon.ctl("port", "set", "vm7", "--link=down")
    assert problems(daemon) == ["port vm7: its link is down, so its guest sends and receives nothing: "
                                "macvtapctl port set vm7 --link up"]
    assert port_states(daemon) == {"vm7": "link-down"}
    assert "link-down" in daemon.ctl("network", "show", "lan").stdout
    assert daemon.ctl_json("port", "show", "vm7")["state"] == "active"
    daemon.ctl("port", "set", "vm7", "--link=up")
    assert codes(daemon) == [] and port_states(daemon) == {"vm7": "active"}


def test_device_gone(daemon, host, port):
    host.ip("link", "del", port["interfaceName"])
    (line,) = problems(daemon)
    assert line.startswith("port vm7: another program removed its device: ") and "macvtapctl port delete vm7" in line


def test_device_moved(daemon, host, hosts, port):
    host.ip("link", "set", port["interfaceName"], "netns", str(hosts("container").pid))
    (line,) = problems(daemon)
    assert line.startswith("port vm7: its device was moved into another network namespace")


def test_parent_gone(daemon, host, port):
    host.ip("link", "del", "eth0")
    assert codes(daemon) == ["network-parent", "port-gone"]
    assert problems(daemon, "port-gone")[0].startswith("port vm7: its parent was removed, and the device with it: ")


def test_mac_that_cannot_be_put_back(daemon, host, port):
    daemon.process.send_signal(signal.SIGSTOP)
    host.ip("link", "set", port["interfaceName"], "address", "52:54:00:00:77:01")
    host.ip("link", "add", "thief", "link", "eth0", "address", port["macAddress"], "type", "macvlan", "mode", "bridge")
    host.ip("link", "set", "thief", "up")
    daemon.process.send_signal(signal.SIGCONT)
    (line,) = problems(daemon)
    assert line.startswith("port vm7: its MAC ") and "could not be restored" in line
    assert line.endswith(": see what macvtapd has tried: macvtapctl log --port vm7")
    assert codes(daemon) == ["port-damaged"]
    host.ip("link", "del", "thief")


def test_mtu_that_sank(daemon, host, station):
    for machine in (host, station):
        machine.ip("link", "set", "eth0", "mtu", "9000")
    create(daemon)
    assert codes(daemon) == [] and daemon.ctl_json("port", "show", "vm7")["wantedMtu"] == 9000
    host.ip("link", "set", "eth0", "mtu", "1500")
    (line,) = problems(daemon)
    assert line.startswith("port vm7: its MTU dropped from 9000 to 1500 with its parent's")
    assert "ip link set dev eth0 mtu 9000" in line
    daemon.restart()
    assert codes(daemon) == ["port-mtu"]
    host.ip("link", "set", "eth0", "mtu", "9000")
    assert codes(daemon) == []
    daemon.ctl("port", "delete", "vm7")


def test_mac_that_the_parent_took(daemon, host, port):
    before = host.mac("eth0")
    host.ip("link", "set", "eth0", "address", port["macAddress"])
    (line,) = problems(daemon)
    assert line.startswith(f"port vm7: its parent eth0 now has the port's MAC {port['macAddress']}")
    assert "ip link set dev eth0 address" in line
    host.ip("link", "set", "eth0", "address", before)
    assert codes(daemon) == []


def test_passthru_has_its_parents_mac(daemon):
    """Its MAC is no problem; that another network's ports have lost their parent to it is one."""
    daemon.ctl("port", "create", "--network=parent=eth0,mode=passthru", "--name=vm7")
    assert codes(daemon) == ["network-parent"]
    assert any("passthru port vm7 holds eth0" in line for line in daemon.ctl("doctor", check=False).stdout.splitlines())
    daemon.ctl("port", "delete", "vm7")


KEEPER = """
import array, os, socket, sys
tap = int(sys.argv[1])
ours, theirs = socket.socketpair()
print("open", flush=True)
sys.stdin.readline()
socket.send_fds(ours, [b"x"], [tap])
os.close(tap)
print("sent", flush=True)
sys.stdin.readline()
"""


def test_no_process_has_the_queues(daemon, host):
    """A descriptor that is in a socket is nobody's, and keeps its port all the same."""
    keeper = host.start(program("macvtap-run"), "--network=lan,name=vm7,check-mac=no", "--", "python3", "-c", KEEPER, "{fd}",
                        env=daemon.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert keeper.stdout.readline() == b"open\n"
    assert codes(daemon) == []
    keeper.stdin.write(b"\n")
    keeper.stdin.flush()
    assert keeper.stdout.readline() == b"sent\n"
    (line,) = problems(daemon)
    assert line.startswith("port vm7: it has 1 open queue, but no visible process has one")
    assert "macvtapctl port delete vm7" in line
    assert codes(daemon, user="nobody") == []
    keeper.stdin.close()
    keeper.wait()


def test_domain_without_a_process(daemon, host):
    create(daemon, f"--holder=domain:{UUID}")
    (line,) = problems(daemon)
    assert line.startswith(f"port vm7: libvirt's domain {UUID} holds it, but no process of that domain can be found")
    qemu = host.start("sh", "-c", "echo ready; read line", "qemu", "-uuid", UUID, stdin=subprocess.PIPE,
                      stdout=subprocess.PIPE)
    assert qemu.stdout.readline() == b"ready\n"
    assert codes(daemon) == []
    daemon.ctl("port", "delete", "vm7")


# -- what macvtapd alone can see ---------------------------------------------------------------------------------


def set_record_aside(daemon, port):
    daemon.stop()
    (daemon.state / "ports" / port["id"]).write_text("{}", encoding="utf-8")
    daemon.start()


def test_record_set_aside(daemon, host):
    port = create(daemon)
    set_record_aside(daemon, port)
    record, device = problems(daemon)
    assert record.startswith(f"record {port['id']}.damaged: macvtapd could not read it")
    assert device.startswith(f"device {port['interfaceName']}: it has the alias macvtapd:{port['id']}, but no port has it")
    assert f"ip link delete {port['interfaceName']}" in device
    assert codes(daemon) == ["record-set-aside", "device-stray"]
    assert codes(daemon, user="nobody") == []
    host.ip("link", "del", port["interfaceName"])
    assert codes(daemon) == ["record-set-aside"]
    (daemon.state / "ports" / f"{port['id']}.damaged").unlink()
    assert codes(daemon) == []


@pytest.mark.parametrize("name, alias, told", [
    ("mvtstray", None, True), ("vm0", "macvtapd:p0123456789ab", True), ("vm0", "macvtapd:what", False),
    ("vm0", "somebody's", False),
])
def test_device_without_a_port(daemon, host, port, name, alias, told):
    host.ip("link", "add", "link", "eth0", "name", name, "type", "macvtap", "mode", "bridge")
    if alias:
        host.ip("link", "set", name, "alias", alias)
    assert codes(daemon) == (["device-stray"] if told else [])
    host.ip("link", "del", name)
    assert codes(daemon) == []


def test_settings_with_an_error(daemon):
    (daemon.config / "macvtapd.conf").write_text("[Daemon]\nTypo=1\n", encoding="utf-8")
    (line,) = problems(daemon)
    assert line.startswith("settings: macvtapd.conf:2") and f"correct {daemon.config}/macvtapd.conf" in line
    assert codes(daemon) == ["settings-invalid"] and codes(daemon, user="nobody") == []
    (daemon.config / "macvtapd.conf").unlink()
    assert codes(daemon) == []


def test_file_with_the_wrong_suffix(daemon):
    folder = daemon.config / "networks.d"
    for name in ("lan.network.bak", "lan.network~", ".lan.network.swp"):
        (folder / name).write_text("", encoding="utf-8")
    assert codes(daemon) == []
    for name in ("dmz.conf", "vm\n", "lan.networks"):
        (folder / name).write_text("", encoding="utf-8")
    dmz, lan, newline = problems(daemon)
    assert dmz.startswith(f"{folder}/dmz.conf: it is ignored") and "rename it to dmz.network" in dmz
    assert "lan.networks" in lan and r"vm\n" in newline
    assert codes(daemon) == ["file-ignored"] * 3 and codes(daemon, user="nobody") == []


# -- the machine -------------------------------------------------------------------------------------------------


def doctor_in(daemon, script, *arguments, **options):
    """The doctor's findings where script, a shell's, has changed what it sees of the machine."""
    done = daemon.host.run("unshare", "--mount", "sh", "-ec", f'{script}\nexec "$@"', "sh", program("macvtapctl"),
                           "--json", "doctor", *arguments, check=False, env=daemon.environment(), **options)
    found = json.loads(done.stdout)["findings"]
    assert done.returncode == any(finding["severity"] == "problem" for finding in found)
    return {finding["code"]: finding for finding in found}


# A kernel of which nothing is loaded, built as the first argument has it; its modules are what the machine has.
KERNEL = """
    echo "Character devices:" > /run/devices
    mount --bind /run/devices /proc/devices
    echo "{config}" | gzip > /run/config.gz
    [ ! -e /proc/config.gz ] || mount --bind /run/config.gz /proc/config.gz
    [ ! -e /proc/net/vlan ] || mount -t tmpfs tmpfs /proc/net
"""


@pytest.mark.parametrize("code, feature, option, without", [
    ("kernel-macvtap", "macvtap", "CONFIG_MACVTAP", "no port can be created"),
    ("kernel-vlan", "802.1Q", "CONFIG_VLAN_8021Q", "no port can be created on network tagged, which has VLAN=100"),
])
def test_kernel_without(daemon, code, feature, option, without):
    daemon.network("tagged", text="[Network]\nParent=eth0\nMode=bridge\nVLAN=100\n")
    daemon.reload()
    assert "the kernel has macvtap" in daemon.ctl("doctor", check=False).stdout
    found = doctor_in(daemon, KERNEL.format(config="# nothing"))
    release = os.uname().release
    if os.path.isdir(f"/lib/modules/{release}"):
        assert code not in found  # it would be loaded
    elif os.path.exists("/proc/config.gz"):
        assert (found[code]["severity"], found[code]["subject"]) == ("problem", f"kernel {release}")
        assert found[code]["message"] == f"it has no {feature}: {without}" and option in found[code]["remedy"]
        assert code not in doctor_in(daemon, KERNEL.format(config=f"#\n{option}=y"))
    else:
        assert found[code]["severity"] == "note"


VHOST = "mount -t tmpfs tmpfs /dev; mknod /dev/null c 1 3; mknod /dev/vhost-net c 10 238; "


@pytest.mark.parametrize("mode, told", [("600 root:root", True), ("666 root:root", False), ("660 root:daemon", False)])
def test_vhost_that_users_cannot_open(daemon, mode, told):
    bits, owner = mode.split()
    found = doctor_in(daemon, f"{VHOST} chmod {bits} /dev/vhost-net; chown {owner} /dev/vhost-net")
    assert ("vhost-closed" in found) == told and "vhost-missing" not in found
    assert not told or (found["vhost-closed"]["severity"] == "note" and "udev" in found["vhost-closed"]["remedy"])


def test_no_vhost(daemon):
    """It is a problem for who requires it."""
    no_vhost = "mount -t tmpfs tmpfs /dev; mknod /dev/null c 1 3"
    assert doctor_in(daemon, no_vhost)["vhost-missing"]["severity"] == "note"
    daemon.network("fast", text="[Network]\nParent=eth0\nMode=bridge\n[Port]\nVhost=require\n")
    daemon.reload()
    finding = doctor_in(daemon, no_vhost)["vhost-missing"]
    assert (finding["severity"], finding["subject"]) == ("problem", "network fast")
    assert "vhost_net" in finding["remedy"]


def test_no_daemon(daemon):
    """It is the first thing to look for; what needs no daemon is looked at all the same."""
    daemon.stop()
    (line,) = problems(daemon)
    assert line.startswith("macvtapd: cannot reach macvtapd") and "journalctl -u macvtapd" in line
    assert "the kernel has macvtap" in daemon.ctl("doctor", check=False).stdout
    finding = doctor_in(daemon, "mount -t tmpfs tmpfs /etc; mkdir /etc/macvtapd; "
                                "printf '[Daemon]\\nTypo=1\\n' > /etc/macvtapd/macvtapd.conf")["daemon-unreachable"]
    assert "macvtapd.conf:2" in finding["message"] and "correct /etc/macvtapd/macvtapd.conf" in finding["remedy"]


@pytest.mark.long
def test_daemon_that_never_answers(daemon, host, tmp_path):
    """Programs that may run unattended end as well, with one line."""
    tmp_path.chmod(0o755)
    config = tmp_path / "config"
    config.write_text(json.dumps({"cniVersion": "1.1.0", "name": "pods", "type": "macvtapd-cni", "network": "lan",
                                  "socket": str(tmp_path / "silent")}), encoding="ascii")
    cni = {"CNI_COMMAND": "STATUS", "CNI_PATH": "/"}
    with silent_macvtapd(tmp_path / "silent") as silent, open(config, encoding="ascii") as text:
        programs = [host.start(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
                    for command, options in (
                        ([program("macvtapctl"), "--socket", silent.getsockname(), "doctor"], {}),
                        ([program("macvtap-run"), "--socket", silent.getsockname(), "--network", "lan", "--", "echo", "{mac}", "{fd}"], {}),
                        ([program("macvtapd-cni")], {"stdin": text, "env": cni}))]
        said = [process.communicate(timeout=6 * PATIENCE) for process in programs]
    assert "macvtapd does not answer" in said[0][0] and said[0][1] == ""
    assert said[1][1] == "macvtap-run: macvtapd does not answer\n"
    assert json.loads(said[2][0])["msg"] == "macvtapd does not answer"
    assert [process.returncode for process in programs] == [1, 125, 1]


def test_from_another_network_namespace(daemon, hosts):
    """Through the socket of a container, say: what links there are called there is another matter."""
    other = hosts("container")
    other.connect("eth0", hosts("cable"), "eth0")
    other.ip("link", "add", "link", "eth0", "name", "mvtstray", "type", "macvtap")
    other.address("eth0", "10.0.0.9/24")
    daemon.network("fast", "eth0", mode="passthru")
    daemon.reload()
    done = other.run(program("macvtapctl"), "--json", "doctor", env=daemon.environment())
    found = json.loads(done.stdout)["findings"]
    assert [one for one in found if one["severity"] == "problem"] == []
    assert "daemon-elsewhere" in [one["code"] for one in found]


def test_what_is_not_roots_is_told_to_users(daemon):
    create(daemon, name="vm9", user="nobody")
    daemon.ctl("port", "set", "vm9", "--link=down")
    create(daemon, "--link=down")
    assert [finding["subject"] for finding in examine(daemon, user="nobody") if finding["severity"] == "problem"] == \
        ["port vm9"]
    daemon.ctl("port", "delete", "vm7", "vm9")
