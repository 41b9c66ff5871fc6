# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bad requests, by every way that a request can come: one clear line, the exit status as designed, nothing left."""
import os

import pytest

from programs import VMM
from refusal import REFUSED, RUN_NOT_EXECUTABLE, RUN_NOT_FOUND, RUN_OURS, USAGE, NothingLeft, check_line, check_refused
from varlink import VarlinkError

pytestmark = pytest.mark.shared
MAC = "52:54:00:00:00:01"
OTHER_MAC = "52:54:00:00:00:02"


def with_odd_parents(stage):
    """A daemon with usable and unusable networks."""
    host, other, daemon = stage.host, stage.new_host("other"), stage.daemon
    for name in ("eth1", "asleep", "slave"):
        host.connect(name, other, name)
    host.ip("link", "set", "asleep", "down")
    host.ip("link", "add", "br0", "type", "bridge")
    host.ip("link", "set", "slave", "master", "br0")
    daemon.network("lan", "eth0", AllowUsers="nobody")
    daemon.network("anymac", text="[Network]\nParent=eth0\nMode=bridge\n[Port]\nMac=any\n")
    for name in ("asleep", "slave", "lo", "nosuch0"):
        daemon.network(f"on-{name}", name)
    daemon.network("through", "eth1", mode="passthru")
    daemon.network("through-lan", "eth0", mode="passthru")
    daemon.network("shared", "eth1")
    daemon.start()


@pytest.fixture
def world(stages):
    """The daemon of with_odd_parents(), and the port `first` with MAC on `lan`, held by nobody."""
    daemon = stages(with_odd_parents).daemon
    daemon.ctl("port", "create", "--network", "lan", "--name", "first", "--mac", MAC, "--interface", "vm0")
    yield daemon
    for port in daemon.ports():
        daemon.ctl("port", "delete", port["id"])


# name: (request, error, words of the line)
REQUESTS = {
    "unknown-network": ({"network": "nosuch"}, "NetworkNotFound", ["there is no network 'nosuch'"]),
    "empty-network": ({"network": ""}, "NetworkNotFound", ["no network"]),
    "parent-missing": ({"network": "on-nosuch0"}, "ParentNotFound", ["on-nosuch0", "there is no interface nosuch0"]),
    "parent-is-bridge-port": ({"network": "on-slave"}, "ParentUnusable", ["slave is a port of bridge br0; use br0 as the parent"]),
    "parent-down": ({"network": "on-asleep"}, "ParentUnusable", ["parent asleep is down"]),
    "parent-not-ethernet": ({"network": "on-lo"}, "ParentUnusable", ["lo is not an Ethernet interface"]),
    "parent-is-a-port": ({"network": "parent=vm0,mode=bridge"}, "ParentUnusable", ["vm0 is a macvtap itself"]),
    "duplicate-mac": ({"network": "lan", "macAddress": MAC}, "MacConflict", [f"MAC {MAC} belongs to port first on eth0"]),
    "duplicate-mac-other-network": ({"network": "anymac", "macAddress": MAC}, "MacConflict", [MAC, "first"]),
    "multicast-mac": ({"network": "lan", "macAddress": "53:54:00:00:00:01"}, "InvalidRequest",
                      ["53:54:00:00:00:01 is a multicast address"]),
    "broadcast-mac": ({"network": "anymac", "macAddress": "ff:ff:ff:ff:ff:ff"}, "InvalidRequest", ["multicast"]),
    "zero-mac": ({"network": "anymac", "macAddress": "00:00:00:00:00:00"}, "InvalidRequest", ["is not an address"]),
    "parents-own-mac": ({"network": "anymac", "macAddress": "PARENT"}, "MacConflict", ["is the parent's own (eth0)"]),
    "mac-not-allowed": ({"network": "lan", "macAddress": "02:00:00:00:00:01"}, "MacNotAllowed",
                        ["02:00:00:00:00:01", "52:54:00:00:00:00/24"]),
    "mac-nonsense": ({"network": "lan", "macAddress": "52:54:00"}, "InvalidRequest",
                     ["'52:54:00' is not a MAC address"]),
    "passthru-other-mac": ({"network": "through", "macAddress": OTHER_MAC}, "MacNotAllowed", ["eth1", OTHER_MAC]),
    "interface-name-too-long": ({"network": "lan", "interfaceName": "x" * 16}, "InvalidRequest",
                                ["x" * 16, "longer than 15 characters"]),
    "interface-name-empty": ({"network": "lan", "interfaceName": ""}, "InvalidRequest", ["empty"]),
    "interface-name-dots": ({"network": "lan", "interfaceName": ".."}, "InvalidRequest", ["'..'"]),
    "interface-name-slash": ({"network": "lan", "interfaceName": "a/b"}, "InvalidRequest", ["'a/b'"]),
    "interface-name-space": ({"network": "lan", "interfaceName": "a b"}, "InvalidRequest", ["'a b'"]),
    "interface-name-pattern": ({"network": "lan", "interfaceName": "vm%d"}, "InvalidRequest", ["vm%d"]),
    "interface-name-newline": ({"network": "lan", "interfaceName": "a\nb"}, "InvalidRequest", ["'a\\nb'"]),
    "interface-name-separator": ({"network": "lan", "interfaceName": "vm;7"}, "InvalidRequest", ["'vm;7'", "only letters"]),
    "interface-name-dash": ({"network": "lan", "interfaceName": "-vm"}, "InvalidRequest", ["'-vm'", "the first must be a letter"]),
    "interface-name-taken": ({"network": "lan", "interfaceName": "eth1"}, "NameTaken", ["interface name eth1 is taken"]),
    "interface-name-of-port": ({"network": "lan", "interfaceName": "vm0"}, "NameTaken", ["vm0 is taken"]),
    "port-name-taken": ({"network": "lan", "name": "first"}, "NameTaken", ["there is a port 'first' already"]),
    "port-name-bad": ({"network": "lan", "name": "a/b"}, "InvalidRequest", ["'a/b' cannot be a port's name"]),
    "port-name-like-an-id": ({"network": "lan", "name": "p0123456789ab"}, "InvalidRequest", ["looks like a port ID"]),
    "port-name-empty": ({"network": "lan", "name": ""}, "InvalidRequest", ["port's name"]),
    "queues-0": ({"network": "lan", "queues": 0}, "InvalidRequest", ["1 to 256", "0"]),
    "queues-257": ({"network": "parent=eth0,mode=bridge", "queues": 257}, "InvalidRequest", ["1 to 256", "257"]),
    "queues-negative": ({"network": "lan", "queues": -1}, "InvalidRequest", ["1 to 256", "-1"]),
    "queues-above-network": ({"network": "lan", "queues": 9}, "LimitReached", ["at most 8 queues, not 9"]),
    "mtu-above-parents": ({"network": "lan", "mtu": 9000}, "MtuTooLarge", ["MTU 9000 is above eth0's 1500"]),
    "mtu-tiny": ({"network": "lan", "mtu": 67}, "InvalidRequest", ["67"]),
    "mtu-huge": ({"network": "lan", "mtu": 65536}, "InvalidRequest", ["65536"]),
    "passthru-on-used-parent": ({"network": "through-lan"}, "ParentBusy", ["eth0", "first"]),
    "vhost-nonsense": ({"network": "lan", "vhost": "maybe"}, "InvalidRequest", ["'maybe'"]),
    "adhoc-no-parent": ({"network": "mode=bridge"}, "InvalidRequest", ["parent= is missing"]),
    "adhoc-no-mode": ({"network": "parent=eth0"}, "InvalidRequest", ["mode= is missing"]),
    "adhoc-bad-mode": ({"network": "parent=eth0,mode=hub"}, "InvalidRequest", ["'mode=hub'"]),
    "adhoc-bad-parent": ({"network": "parent=../eth0,mode=bridge"}, "InvalidRequest", ["'../eth0'"]),
    "adhoc-empty-parent": ({"network": "parent=,mode=bridge"}, "InvalidRequest", ["empty"]),
    "adhoc-missing-parent": ({"network": "parent=nosuch0,mode=bridge"}, "ParentNotFound", ["nosuch0"]),
    "adhoc-twice": ({"network": "parent=eth0,parent=eth1,mode=bridge"}, "InvalidRequest", ["parent is given twice"]),
    "adhoc-vlan-0": ({"network": "parent=eth0,mode=bridge,vlan=0"}, "InvalidRequest", ["'0'"]),
    "adhoc-vlan-4095": ({"network": "parent=eth0,mode=bridge,vlan=4095"}, "InvalidRequest", ["'4095'"]),
}

API_FIELDS = {"network": "network", "name": "name", "interfaceName": "ifname", "macAddress": "mac", "queues": "queues",
              "mtu": "mtu", "vhost": "vhost"}


def fill(request, daemon):
    return {key: daemon.host.mac("eth0") if value == "PARENT" else value for key, value in request.items()}


@pytest.mark.parametrize("name", REQUESTS)
def test_request(world, name):
    request, error, words = REQUESTS[name]
    request = fill(request, world)
    with NothingLeft(world):
        with world.connect() as connection, pytest.raises(VarlinkError) as caught:
            connection.ports("CreatePort", **request)
        assert caught.value.name == f"org.macvtapd.Ports.{error}"
        message = caught.value.parameters["message"]
        assert "\n" not in message and all(word in message for word in words), message
        options = [f"--{'interface' if key == 'interfaceName' else API_FIELDS[key]}={value}"
                   for key, value in request.items()]
        done = world.ctl("port", "create", *options, check=False)
        check_refused(done, USAGE if error == "InvalidRequest" else REFUSED, *words)
        if "," in request["network"] or request["network"] == "":
            tokens = None if request["network"] == "" else request["network"]
        else:
            tokens = request["network"]
        if tokens is not None:
            tokens += "".join(f",{API_FIELDS[key]}={value}" for key, value in request.items() if key != "network")
            check_refused(world.tool("macvtap-run", "--network", tokens, "--", *VMM, check=False), RUN_OURS, *words)


def test_second_passthru_port_and_the_reverse(world):
    world.ctl("port", "create", "--network", "through", "--name", "vm7")
    with NothingLeft(world):
        for network in ("through", "shared", "parent=eth1,mode=private"):
            done = world.ctl("port", "create", "--network", network, check=False)
            check_refused(done, REFUSED, "passthru port vm7 holds eth1")


@pytest.mark.parametrize("mode, network, words", [
    ("passthru", "through", "passthru device foreign holds eth1"),
    ("passthru", "shared", "passthru device foreign holds eth1"),
    ("bridge", "through", "passthru needs eth1 to itself, but macvlan foreign is on it"),
])
def test_passthru_and_a_foreign_macvlan(world, mode, network, words):
    world.host.ip("link", "add", "link", "eth1", "name", "foreign", "type", "macvlan", "mode", mode)
    with NothingLeft(world):
        check_refused(world.ctl("port", "create", "--network", network, check=False), REFUSED, words)
    assert "foreign" in world.host.links()


def test_foreign_macvlan_holds_the_mac(world):
    world.host.ip("link", "add", "link", "eth0", "name", "foreign", "address", OTHER_MAC, "type", "macvlan",
                  "mode", "bridge")
    world.host.ip("link", "set", "foreign", "up")
    with NothingLeft(world):
        done = world.ctl("port", "create", "--network", "lan", "--mac", OTHER_MAC, check=False)
        check_refused(done, REFUSED, f"MAC {OTHER_MAC} belongs to foreign on eth0")


@pytest.mark.parametrize("queues", ["abc", "", "1.5", "0x2", "18446744073709551617"])
def test_queues_are_no_number(world, queues):
    with NothingLeft(world):
        check_refused(world.ctl("port", "create", "--network=lan", f"--queues={queues}", check=False), USAGE,
                      f"queues must be 1 to 256, not '{queues}'")
        check_refused(world.tool("macvtap-run", f"--network=lan,queues={queues}", "--", *VMM, check=False), RUN_OURS,
                      "1 to 256")


@pytest.mark.parametrize("network, words", [
    ("lan,", "''"), ("lan,mac", "'mac'"), ("lan,colour=red", "unknown key 'colour'"), ("", "names no network"),
    ("mac=" + MAC, "names no network"), ("lan,parent=eth0", "a network and a parent"),
    ("lan,mac=,mac=", "'mac' is given twice"),
])
def test_run_network_nonsense(world, network, words):
    with NothingLeft(world):
        check_refused(world.tool("macvtap-run", "--network", network, "--", *VMM, check=False), RUN_OURS, words)


@pytest.mark.parametrize("arguments", [
    [], ["nonsense"], ["port"], ["port", "nonsense"], ["port", "create"], ["port", "show"], ["port", "delete"],
    ["network", "show"], ["network", "list", "extra"], ["port", "show", "a", "b"], ["--nonsense", "port", "list"],
    ["port", "create", "--network"], ["monitor", "extra"], ["doctor", "extra"], ["port", "list", "--nonsense"],
])
def test_ctl_usage(daemon, arguments):
    check_refused(daemon.ctl(*arguments, check=False), USAGE)


@pytest.mark.parametrize("arguments", [
    [], ["--network=lan"], ["--", "true"], ["--nonsense"], ["--network=lan", "--"], ["--network"],
])
def test_run_usage(daemon, arguments):
    check_refused(daemon.tool("macvtap-run", *arguments, check=False), RUN_OURS)


@pytest.mark.parametrize("arguments", [["--nonsense"], ["extra"], ["--config"]])
def test_daemon_usage(daemon, arguments):
    check_refused(daemon.tool("macvtapd", *arguments, check=False), USAGE)


def test_show_what_looks_like_an_option(daemon):
    check_refused(daemon.ctl("port", "show", "--", "-nosuch", check=False), REFUSED, "there is no port '-nosuch'")


@pytest.mark.parametrize("kind, words", [("port", "there is no port 'nosuch'"),
                                         ("network", "there is no network 'nosuch'")])
def test_show_what_is_not_there(daemon, kind, words):
    check_refused(daemon.ctl(kind, "show", "nosuch", check=False), REFUSED, words)


def test_delete_goes_on_after_what_is_not_there(daemon):
    daemon.ctl("port", "create", "--network", "lan", "--name", "one")
    check_refused(daemon.ctl("port", "delete", "nosuch", "one", check=False), REFUSED, "there is no port 'nosuch'")
    assert daemon.leftovers() == []


@pytest.mark.parametrize("stale", [False, True])
def test_daemon_not_running(daemon, stale):
    if stale:
        daemon.kill()
        assert daemon.socket.is_socket()
    else:
        daemon.stop()
        assert not daemon.socket.exists()
    words = ["macvtapd (is it running?)", daemon.socket]
    check_refused(daemon.ctl("port", "list", check=False), REFUSED, *words)
    check_refused(daemon.ctl("monitor", check=False), REFUSED, *words)
    check_refused(daemon.tool("macvtap-run", "-n", "lan", "--", *VMM, check=False), RUN_OURS, *words)
    assert daemon.leftovers() == []


@pytest.mark.native("it ends a program whose execve(2) fails")
def test_vmm_missing_or_not_executable(daemon, tmp_path):
    plain = daemon.folder / "plain"
    plain.write_text("text\n", encoding="utf-8")
    plain.chmod(0o644)
    script = daemon.folder / "script"
    script.write_text("#!/nonexistent/interpreter\n", encoding="utf-8")
    script.chmod(0o755)
    with NothingLeft(daemon):
        for command, status in (("nonexistent-vmm", RUN_NOT_FOUND), (daemon.folder / "nosuch", RUN_NOT_FOUND),
                                (plain, RUN_NOT_EXECUTABLE), (daemon.folder, RUN_NOT_EXECUTABLE)):
            check_refused(daemon.tool("macvtap-run", "-n", "lan", "--", command, check=False), status, command)
    check_refused(daemon.tool("macvtap-run", "-n", "lan", "--", script, *VMM[1:], check=False), RUN_NOT_FOUND, script)
    check_refused(daemon.tool("macvtap-run", "-n", "lan", "--", plain, *VMM[1:], user="nobody", check=False),
                  RUN_NOT_EXECUTABLE, plain)
    assert daemon.settle() == []


def test_run_with_one_bad_network_keeps_no_port_of_the_good(daemon):
    done = daemon.tool("macvtap-run", "-n", "lan", "-n", "nosuch", "--", "true", "{netdev:0}", "{device:0}",
                       "{netdev:1}", "{device:1}", check=False)
    check_refused(done, RUN_OURS, "there is no network 'nosuch'")
    assert daemon.settle() == []


@pytest.mark.parametrize("command, words", [
    (["echo", "{mac}", "{fd:2}"], "has 1 queue"), (["echo", "{fd:dmz}"], "'dmz'"),
    (["echo", "{mac}", "{fd}", "{vhostfd}"], "has no vhost-net"),
])
def test_run_tokens_that_name_nothing(daemon, command, words):
    check_refused(daemon.tool("macvtap-run", "-n", "lan,vhost=off", "--", *command, check=False), RUN_OURS, words)
    assert daemon.settle() == []


def test_run_token_of_one_queue_with_several(daemon):
    done = daemon.tool("macvtap-run", "-n", "lan,queues=2", "--", "echo", "{fd}", check=False)
    check_refused(done, RUN_OURS, "2 queues", "{fds}")
    done = daemon.tool("macvtap-run", "-n", "lan", "-n", "lan", "--", "echo", "{fd}", check=False)
    check_refused(done, RUN_OURS, "2 networks")
    assert daemon.settle() == []


def test_caller_not_allowed(daemon):
    daemon.network("closed", "eth0")
    daemon.restart()
    words = ["user 65534 may not use network closed", "AllowUsers="]
    with NothingLeft(daemon):
        check_refused(daemon.ctl("port", "create", "--network=closed", user="nobody", check=False), REFUSED, *words)
        check_refused(daemon.tool("macvtap-run", "-n", "closed", "--", *VMM, user="nobody", check=False), RUN_OURS,
                      *words)
        done = daemon.ctl("port", "create", "--network=parent=eth0,mode=bridge", user="nobody", check=False)
        check_refused(done, REFUSED, "only root may name an ad-hoc network")
        done = daemon.tool("macvtap-run", "-n", "parent=eth0,mode=bridge", "--", *VMM, user="nobody", check=False)
        check_refused(done, RUN_OURS, "only root may name an ad-hoc network")


# -- limits --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text, user, words", [
    ("[Access]\nAllowUsers=nobody\nMaxPorts=2\n", "nobody", "network few already has 2 ports, and MaxPorts= allows no more"),
    ("[Access]\nMaxPorts=2\n", None, "network few already has 2 ports, and MaxPorts= allows no more"),
    ("[Access]\nAllowUsers=nobody\nMaxPortsPerUser=2\n", "nobody", "user 65534 already has 2 ports on network few, and MaxPortsPerUser= allows no more"),
])
def test_limit_of_ports(daemon, text, user, words):
    daemon.network("few", text=f"[Network]\nParent=eth0\nMode=bridge\n{text}")
    daemon.restart()
    create = ["port", "create", "--network=few"]
    for name in ("one", "two"):
        daemon.ctl(*create, "--name", name, user=user)
    with NothingLeft(daemon):
        check_refused(daemon.ctl(*create, user=user, check=False), REFUSED, words)
    daemon.ctl("port", "delete", "one")
    daemon.ctl(*create, "--name=three", user=user)
    if "PerUser" in text:
        daemon.ctl(*create, "--name=roots")
        daemon.ctl("port", "delete", "roots")
    daemon.ctl("port", "delete", "two", "three")


def test_limit_of_queues(daemon):
    daemon.network("few", text="[Network]\nParent=eth0\nMode=bridge\n[Port]\nMaxQueues=2\n")
    daemon.restart()
    with NothingLeft(daemon):
        done = daemon.ctl("port", "create", "--network=few", "--queues=3", check=False)
        check_refused(done, REFUSED, "at most 2 queues, not 3")
    daemon.ctl("port", "create", "--network=few", "--queues=2", "--name=two")
    with daemon.connect() as connection, pytest.raises(VarlinkError) as caught:
        connection.ports("OpenPort", port="two", queues=3)
    assert caught.value.name.endswith(".LimitReached")
    daemon.ctl("port", "delete", "two")


# -- holders -------------------------------------------------------------------------------------------------


@pytest.fixture
def sleeper(host):
    """A process of root's in the host."""
    return host.start("sleep", "infinity")


@pytest.mark.parametrize("holder", ["pid:0", "pid:-1", "pid:x", "pid:", "domain:x", "domain:", "nonsense", "",
                                    "pid:99999999999", "domain:123e4567"])
def test_holder_nonsense(daemon, holder):
    with NothingLeft(daemon):
        check_refused(daemon.ctl("port", "create", "--network=lan", f"--holder={holder}", check=False), USAGE)


def test_holder_of_another_user(daemon, sleeper):
    with NothingLeft(daemon):
        done = daemon.ctl("port", "create", "--network=lan", f"--holder=pid:{sleeper.pid}", user="nobody", check=False)
        check_refused(done, REFUSED, f"process {sleeper.pid} does not belong to user 65534")


def test_dead_holder(daemon, host):
    gone = host.start("true")
    # It is a zombie until it is waited for: its pid is taken, but it is no process that could hold anything.
    os.waitid(os.P_PID, gone.pid, os.WEXITED | os.WNOWAIT)
    with NothingLeft(daemon):
        for _ in ("zombie", "gone"):
            done = daemon.ctl("port", "create", "--network=lan", f"--holder=pid:{gone.pid}", check=False)
            check_refused(done, REFUSED, f"process {gone.pid}")
            gone.wait()


# -- qemu-macvtap-helper -------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments, status, words", [
    ([], USAGE, "--fd"), (["--fd=3"], USAGE, "--network"), (["--fd=x", "--network=lan"], USAGE, "x"),
    (["--network=lan", "--use-vnet"], USAGE, "--fd=N is missing"), (["--fd=3", "--network=lan", "extra"], USAGE, "'extra'"),
    (["--nonsense"], USAGE, "nonsense"), (["--fd=999", "--network=lan"], REFUSED, "--fd=999"),
    (["--fd=0", "--network=lan"], REFUSED, "--fd=0 is not QEMU's socket"),
])
def test_helper_usage(daemon, arguments, status, words):
    with NothingLeft(daemon):
        check_refused(daemon.tool("qemu-macvtap-helper", *arguments, check=False), status, words)


# -- the daemon's own start ----------------------------------------------------------------------------------


def start_refused(daemon, *words):
    with pytest.raises(AssertionError, match="macvtapd ended with 1"):
        daemon.start()
    return check_line(daemon.messages(), "macvtapd", *words)


def test_state_folder_is_a_file(daemons, host):
    daemon = daemons(host)
    daemon.state.rmdir()
    daemon.state.write_text("", encoding="utf-8")
    start_refused(daemon, daemon.state)


def test_networks_folder_is_a_file(daemons, host):
    daemon = daemons(host)
    (daemon.config / "networks.d").rmdir()
    (daemon.config / "networks.d").write_text("", encoding="utf-8")
    start_refused(daemon, daemon.config / "networks.d")


def test_socket_path_is_taken_by_a_file(daemons, host):
    daemon = daemons(host)
    daemon.socket.write_text("precious", encoding="utf-8")
    start_refused(daemon, daemon.socket, "is not a socket")
    assert daemon.socket.read_text(encoding="utf-8") == "precious"


def test_socket_path_too_long(daemons, host):
    daemon = daemons(host)
    daemon.socket = daemon.folder / ("x" * 120)
    start_refused(daemon, daemon.socket)


def test_not_root(daemon):
    """Without the right to make devices the caller is told so, and nothing stays."""
    daemon.stop()
    daemon._wrapper = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", "--"]
    daemon.start()
    done = daemon.ctl("port", "create", "--network=lan", check=False)
    check_refused(done, REFUSED, "ermitted")
    assert daemon.leftovers() == []
