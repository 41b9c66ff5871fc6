# SPDX-License-Identifier: LGPL-2.1-or-later
"""macvtapctl and macvtap-run as people and programs use them."""
import contextlib
import json
import os
import re
import signal
import socket
import stat

import pytest

from clock import Deadline
from frames import BROADCAST, Tap, frame, tap_interface
from programs import VMM, program
from refusal import REFUSED, RUN_OURS, USAGE, check_line, check_refused
from varlink import VarlinkError

pytestmark = pytest.mark.shared
MAC = "52:54:00:00:00:07"


@pytest.fixture
def two_networks(daemon, host, hosts):
    """`lan` on eth0 and `dmz` on eth1."""
    host.connect("eth1", hosts("other"), "eth0")
    daemon.network("dmz", "eth1", mode="vepa")
    daemon.restart()
    return daemon


def table(text):
    """A table as rows of cells, by the columns of its head, whose cells have no blanks."""
    head, *rows = text.splitlines()
    starts = [head.index(word) for word in head.split()]
    ends = [*starts[1:], None]
    return head.split(), [[row[start:end].strip() for start, end in zip(starts, ends)] for row in rows]


# -- macvtapctl ----------------------------------------------------------------------------------------------


def test_tables(two_networks, host):
    daemon = two_networks
    daemon.ctl("port", "create", "--network=lan", "--name=vm7", f"--mac={MAC}", "--interface=vm7-net", "--queues=2")
    daemon.ctl("port", "create", "--network=dmz", "--name=a-rather-long-name-of-a-port")
    head, rows = table(daemon.ctl("port", "list").stdout)
    assert head == ["NAME", "NETWORK", "PARENT", "MODE", "INTERFACE", "MAC", "ADDRESS", "QUEUES", "HOLDER",
                    "STATE"]
    assert rows[0] == ["vm7", "lan", "eth0", "bridge", "vm7-net", MAC, "-", "2", "none", "active"]
    assert rows[1][:4] == ["a-rather-long-name-of-a-port", "dmz", "eth1", "vepa"]
    _, rows = table(daemon.ctl("port", "list", "--network", "dmz").stdout)
    assert [row[1] for row in rows] == ["dmz"]
    head, rows = table(daemon.ctl("network", "list").stdout)
    assert head[:4] == ["NAME", "MODE", "PARENT", "VLAN"]
    assert [row[:3] for row in rows] == [["dmz", "vepa", "eth1"], ["lan", "bridge", "eth0"]]
    shown = daemon.ctl("network", "show", "lan").stdout
    assert "vm7" in shown and MAC in shown and "long-name" not in shown
    for name in ("vm7", "vm7-net"):
        shown = daemon.ctl("port", "show", name).stdout
        assert MAC in shown and "vm7-net" in shown and str(host.interface_index("vm7-net")) in shown
    daemon.ctl("port", "delete", "vm7", "a-rather-long-name-of-a-port")
    assert table(daemon.ctl("port", "list").stdout)[1] == []


def test_delete_together(two_networks):
    """Those named, a network's, or all: root's are everybody's, a user's his own. What cannot go is told by name."""
    daemon = two_networks
    daemon.network("open", "eth0", AllowUsers="nobody")
    daemon.reload()

    def create(*names, network="lan", user=None):
        for name in names:
            daemon.ctl("port", "create", f"--network={network}", f"--name={name}", user=user)

    def names():
        return sorted(port["name"] for port in daemon.ports())

    create("a", "b", "c", "d")
    create("x", network="dmz")
    create("hers", "hers2", network="open", user="nobody")
    done = daemon.ctl("port", "delete", "a", "none", "b", "d d", check=False)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.splitlines() == ["macvtapctl: there is no port 'none'", "macvtapctl: there is no port 'd d'"]
    assert names() == ["c", "d", "hers", "hers2", "x"]
    for words in ([], ["a", "--all"], ["--network=lan", "--all"], ["c", "--network=lan"]):
        check_refused(daemon.ctl("port", "delete", *words, check=False), USAGE, "one of PORT..., --network NET and --all")
    check_refused(daemon.ctl("port", "delete", "--network=none", check=False), REFUSED, "there is no network 'none'")
    assert names() == ["c", "d", "hers", "hers2", "x"]
    daemon.ctl("port", "delete", "--network=lan")
    assert names() == ["hers", "hers2", "x"]
    done = daemon.ctl("port", "delete", "hers2", "x", user="nobody", check=False)
    assert done.returncode == 1 and done.stderr == "macvtapctl: there is no port 'x'\n"
    create("hers3", network="open", user="nobody")
    daemon.ctl("port", "delete", "--all", user="nobody")
    assert names() == ["x"]
    create("hers", network="open", user="nobody")
    daemon.ctl("port", "delete", "--all")
    assert names() == [] and daemon.leftovers() == []


def without_statistics(reply):
    """They come only when they are asked for, and grow from one look to the next."""
    return {"ports": [{key: value for key, value in port.items() if key != "statistics"} for port in reply["ports"]]}


def test_json_is_what_the_api_returns(two_networks):
    daemon = two_networks
    made = daemon.ctl_json("port", "create", "--network=lan", "--name=vm7", "--mtu=1400", "--holder=none")
    assert made["mtu"] == 1400
    with daemon.connect() as connection:
        for options, parameters in (([], {}), (["--network=dmz"], {"network": "dmz"})):
            listed = without_statistics(daemon.ctl_json("port", "list", *options))
            assert listed == connection.ports("ListPorts", **parameters)
        assert listed == {"ports": []}
        assert without_statistics({"ports": [daemon.ctl_json("port", "show", "vm7")]}) == {"ports": [made]}
        networks = connection.ports("ListNetworks")
        assert daemon.ctl_json("network", "list") == networks
        (shown,) = connection.ports("ListNetworks", network="lan")["networks"]
        of_tool = daemon.ctl_json("network", "show", "lan")
        assert [without_statistics({"ports": network.pop("members")}) for network in (shown, of_tool)] == [{"ports": [made]}] * 2
        assert of_tool == shown
        assert {name: value for name, value in shown.items() if name != "parentLinks"} in networks["networks"]
    assert set(made) >= {"id", "name", "network", "parent", "mode", "interfaceName", "interfaceIndex", "macAddress", "mtu",
                         "queues", "holder", "owner", "state"}
    daemon.ctl("port", "delete", made["id"])


@contextlib.contextmanager
def monitor_through_us(daemon, *options, stdout=-1):
    """macvtapctl monitor, with the test between it and the daemon, so that it is known when the watch has begun.
    Gives the process and pass_on(), which passes one message of the daemon's on."""
    path = daemon.folder / "between"
    with socket.socket(socket.AF_UNIX) as listener, daemon.connect() as server:
        listener.bind(str(path))
        listener.listen()
        process = daemon.host.start(program("macvtapctl"), "--socket", path, *options, "monitor", stdout=stdout, stderr=-1,
                                    text=True, env={**os.environ, "MACVTAPD_SOCKET": "/nonexistent"})
        Deadline().wait_readable(listener)
        client, _ = listener.accept()
        with client:
            Deadline().wait_readable(client)
            server.send_raw(client.recv(65536))

            def pass_on():
                message = server.receive_raw()
                client.sendall(message + b"\0")
                return json.loads(message).get("parameters")

            assert pass_on() == {"event": "ready"}
            yield process, pass_on


def test_monitor_is_live(daemon, host):
    with monitor_through_us(daemon) as (process, pass_on):
        port = daemon.ctl_json("port", "create", "--network=lan", "--name=vm7")
        pass_on()
        words = process.stdout.readline().split()
        assert words == ["created", "vm7", port["interfaceName"], "on", "eth0", port["macAddress"], "active"]
        host.ip("link", "del", port["interfaceName"])
        pass_on()
        assert process.stdout.readline().split()[:2] == ["changed", "vm7"]
        daemon.ctl("port", "delete", "vm7")
        pass_on()
        assert process.stdout.readline().split()[:2] == ["deleted", "vm7"]


def test_monitor_json(daemon):
    with monitor_through_us(daemon, "--json") as (process, pass_on):
        port = daemon.ctl_json("port", "create", "--network=lan")
        assert json.loads(process_line(process, pass_on)) == {"event": "created", "port": port}
        daemon.ctl("port", "delete", port["id"])
        assert json.loads(process_line(process, pass_on)) == {"event": "deleted", "port": port}


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_monitor_tells_of_dropped_frames(daemon, options):
    with daemon.connect() as connection:
        port = connection.ports("CreatePort", network="lan", name="vm7", vhost="off")["port"]
        (descriptor,) = connection.take_descriptors()
    with Tap(descriptor) as tap, monitor_through_us(daemon, *options) as (process, pass_on):
        tap.send(frame(BROADCAST, port["macAddress"], ethertype=0x88cc))
        line = process_line(process, pass_on)
        if options:
            event = json.loads(line)
            assert (event["event"], event["reason"], event["port"]["name"]) == ("dropped", "lldp", "vm7")
        else:
            assert line == "dropped  vm7  an LLDP frame (Allow=lldp lets it pass)\n"


def process_line(process, pass_on):
    pass_on()
    return process.stdout.readline()


def test_monitor_ends_with_the_daemon(daemon):
    with monitor_through_us(daemon) as (process, _):
        pass
    assert process.wait() == REFUSED
    check_line(process.stderr.read(), "macvtapctl")


def test_domain_without_the_libvirt_part(daemon, host):
    done = host.run("env", "MACVTAPD_LIBEXEC=/nonexistent", program("macvtapctl"), "domain", "list", check=False)
    check_refused(done, REFUSED, "cannot run /nonexistent/macvtapctl-domain: No such file or directory",
                  "macvtapd's libvirt part is not installed")


def test_reload(daemon, host):
    """What SIGHUP does, with the outcome: for root alone, and not over the container socket."""
    daemon.network("new", "eth0")
    assert daemon.ctl("reload").stdout == "networks: 2\n"
    assert daemon.ctl_json("network", "show", "new")["parents"] == ["eth0"]
    assert daemon.ctl_json("reload") == {"networks": 2}
    assert re.search(r"^reloaded for uid 0 \(macvtapctl, process \d+.*\): networks: 2$", daemon.trail()[-1])
    daemon.network("new", text="[Network]\nTypo=1\n")
    done = daemon.ctl("reload", check=False)
    assert (done.returncode, done.stdout) == (REFUSED, "networks: 2\n")
    check_line(done.stderr, "macvtapctl", "network new cannot be used", "new.network:2", "Typo")
    check_refused(daemon.ctl("reload", user="nobody", check=False), REFUSED, "only root")
    assert "only root" in daemon.trail()[-1] and "to reload" in daemon.trail()[-1]
    (daemon.config / "macvtapd.conf").write_text("[Daemon]\nTypo=1\n", encoding="utf-8")
    (daemon.config / "networks.d" / "new.network").unlink()
    check_refused(daemon.ctl("reload", check=False), REFUSED, "keeping the previous daemon settings", "Typo")
    assert [network["name"] for network in daemon.ctl_json("network", "list")["networks"]] == ["lan"]
    (daemon.config / "macvtapd.conf").unlink()
    daemon.ctl("reload")


def test_reload_tells_the_service_manager(daemon):
    with daemon.notifications() as said:
        daemon.ctl("reload")
        for word in (b"RELOADING=1", b"READY=1"):
            Deadline().wait_readable(said)
            assert said.recv(4096) == word


def test_reload_over_the_container_socket(daemon):
    daemon.open_to_containers().restart()
    with daemon.connect_from_container() as connection, pytest.raises(VarlinkError) as caught:
        connection.ports("Reload")
    assert caught.value.name == "org.macvtapd.Ports.AccessDenied"


def test_table_shows_that_there_is_no_carrier(daemon, station):
    station.ip("link", "set", "eth0", "down")
    daemon.ctl("port", "create", "--network=lan", "--name=vm7")
    assert table(daemon.ctl("port", "list").stdout)[1][0][-1] == "no-carrier"
    assert "no-carrier" in daemon.ctl("network", "show", "lan").stdout
    port = daemon.ctl_json("port", "show", "vm7")
    assert (port["state"], port["carrier"]) == ("active", False)
    daemon.ctl("port", "delete", "vm7")


def test_list_of_a_network_that_is_not_there(daemon):
    check_refused(daemon.ctl("port", "list", "--network", "nope", check=False), REFUSED, "there is no network 'nope'")
    with daemon.connect() as connection, pytest.raises(VarlinkError) as caught:
        connection.ports("ListPorts", network="nope")
    assert caught.value.name == "org.macvtapd.Ports.NetworkNotFound"
    # A port outlives its network's file.
    daemon.ctl("port", "create", "--network=lan", "--name=vm7")
    (daemon.config / "networks.d" / "lan.network").unlink()
    daemon.reload()
    assert [row[0] for row in table(daemon.ctl("port", "list", "--network=lan").stdout)[1]] == ["vm7"]
    daemon.ctl("port", "delete", "vm7")
    check_refused(daemon.ctl("port", "list", "--network=lan", check=False), REFUSED, "there is no network 'lan'")


@pytest.mark.parametrize("words, said", [
    ([], ["no command given"]),
    (["port"], ["port needs a command", "list, show, create, set, delete"]),
    (["network"], ["network needs a command", "list, show"]),
    (["port", "lst"], ["unknown command 'port lst'", "list, show, create, set, delete"]),
    (["prot", "list"], ["unknown command 'prot'; did you mean 'port'?"]),
    (["list"], ["unknown command 'list'; did you mean 'network list', 'port list' or 'vm list'?"]),
    (["create"], ["unknown command 'create'; did you mean 'port create'?"]),
    (["frobnicate"], ["unknown command 'frobnicate' (see macvtapctl --help)"]),
    (["port", "create", "lan"], ["unexpected argument 'lan'; usage: macvtapctl port create --network NET"]),
])
def test_half_a_command(daemon, words, said):
    check_refused(daemon.ctl(*words, check=False), USAGE, *said)


def test_folder_of_configuration_that_is_not_there(daemon):
    assert "does not exist, so there are no networks" not in daemon.messages()
    daemon.config.rename(daemon.folder / "elsewhere")
    daemon.reload()
    told = f"warning: folder {daemon.config} does not exist, so there are no networks"
    assert daemon.messages().count(told) == 1
    daemon.restart()
    assert daemon.messages().count(told) == 2


@pytest.mark.parametrize("name, words, status", [
    ("macvtapctl", ["--json", "port", "list"], REFUSED), ("macvtapctl", ["network", "show", "lan"], REFUSED),
    ("macvtapctl", ["--version"], REFUSED), ("macvtapd", ["--privileges"], REFUSED), ("macvtap-run", ["--version"], RUN_OURS),
])
def test_output_to_a_full_disk(daemon, name, words, status):
    options = [] if words[0].startswith("--v") or name == "macvtapd" else ["--socket", str(daemon.socket)]
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = daemon.host.run(program(name), *options, *words, stdout=full, stderr=-1, check=False)
    assert done.returncode == status
    check_line(done.stderr, name, "cannot write the output: No space left on device")


def test_monitor_ends_with_a_full_disk(daemon):
    with open("/dev/full", "w", encoding="utf-8") as full, monitor_through_us(daemon, stdout=full) as (process, pass_on):
        daemon.ctl("port", "create", "--network=lan", "--name=vm7")
        pass_on()
        assert process.wait(Deadline().left()) == REFUSED
        check_line(process.stderr.read(), "macvtapctl", "cannot write the output: No space left on device")
    daemon.ctl("port", "delete", "vm7")


def test_words_are_not_recoded(daemon):
    environment = {**daemon.environment(), "LC_ALL": "C"}
    done = daemon.host.run(program("macvtapctl"), "port", "show", "b\u00fcro", check=False, env=environment, encoding="utf-8")
    check_refused(done, REFUSED, "there is no port 'b\u00fcro'")


@pytest.mark.parametrize("name", ["macvtapctl", "macvtap-run", "macvtapd"])
def test_help_and_version(daemon, name):
    assert daemon.tool(name, "--version").stdout.startswith(f"{name} ")
    assert "--socket" in daemon.tool(name, "--help").stdout


@pytest.mark.parametrize("words", [
    "network list", "network show", "port list", "port show", "port create", "port set", "port delete", "port open", "monitor",
    "log", "reload", "doctor",
])
def test_help_of_a_command(daemon, words):
    """It names the command and says what it does, and the table of all commands has its options."""
    shown = daemon.ctl(*words.split(), "--help").stdout
    assert re.search(r"\n\n([A-Z][^\n;.]+)[;.]", shown).group(1) in daemon.ctl("--help").stdout
    assert f"macvtapctl {words} [OPTION" in shown
    (line,) = re.findall(rf"^  {words}\b(?:.*\n {{10}})*.*$", daemon.ctl("--help").stdout, re.M)
    common = {"--socket", "--json", "--version", "--help"}
    assert set(re.findall(r"^ +(?:-[a-z], )?(--[a-z]+)", shown, re.M)) == set(re.findall(r"--[a-z]+", line)) | common
    assert daemon.ctl("help", *words.split()).stdout == shown


@pytest.mark.parametrize("group", ["network", "port"])
def test_help_of_a_group(daemon, group):
    """Its commands with their arguments, as the table of all has them, and nothing else."""
    ours = re.findall(rf"^  {group} .*$", daemon.ctl("--help").stdout, re.M)
    for words in ([group, "--help"], [group, "-h"], ["help", group], ["--json", "help", group]):
        shown = daemon.ctl(*words).stdout
        assert f"macvtapctl {group} [OPTION" in shown
        assert re.findall(r"^  [a-z].*$", shown.split("Commands:")[1], re.M) == ours


def test_help_of_everything(daemon):
    shown = daemon.ctl("--help").stdout
    assert [line for line in shown.splitlines() if re.match(r"  [a-z]| {10}", line) and len(line) > 79] == []
    for words in (["help"], ["help", "help"], ["help", "--help"]):
        assert daemon.ctl(*words).stdout == shown
    check_refused(daemon.ctl("help", "prot", check=False), USAGE, "unknown command 'prot'")
    check_refused(daemon.ctl("help", "port", "lst", check=False), USAGE, "unknown command 'port lst'")


def test_sources_that_are_no_macs(daemon):
    daemon.ctl("port", "create", "--network=lan", "--name=web")
    for text in ("foo", "52:54:00:00:00:01,foo", "52:54:00:00:00:01 52:54:00:00:00:02"):
        check_refused(daemon.ctl("port", "set", "web", "--sources", text, check=False), USAGE, "is not a unicast MAC address")
    daemon.ctl("port", "delete", "web")


def test_options_anywhere(daemon):
    made = daemon.ctl_json("port", "create", "--network=lan", "--name=web")
    elsewhere = {**os.environ, "MACVTAPD_SOCKET": "/nonexistent"}
    socket_option = ["--socket", str(daemon.socket)]
    for words in (["--json", *socket_option, "port", "show", "web"], ["port", "show", "web", "--json", *socket_option],
                  ["port", "--json", "show", *socket_option, "web"], ["port", *socket_option, "show", "--json", "--", "web"],
                  ["--socket=/nonexistent", "port", "show", "web", "--json", *socket_option]):
        done = daemon.host.run(program("macvtapctl"), *words, env=elsewhere)
        assert without_statistics({"ports": [json.loads(done.stdout)]}) == {"ports": [made]}
    for words in (["port", "list", "--version"], ["port", "--version"], ["--version", "port"], ["doctor", "--version"]):
        assert daemon.ctl(*words).stdout == daemon.ctl("--version").stdout
    check_refused(daemon.ctl("port", "show", "--", "--json", check=False), REFUSED, "there is no port '--json'")
    daemon.ctl("port", "delete", "web")


def test_port_open_leaves_the_commands_options_alone(daemon):
    daemon.ctl("port", "create", "--network=lan", "--name=web")
    echo = ["sh", "-c", 'echo "$@"', "sh", "{mac}", "{fd}"]
    elsewhere = {**os.environ, "MACVTAPD_SOCKET": "/nonexistent"}
    ours = ["--socket", str(daemon.socket)]
    mac = daemon.ctl_json("port", "show", "web")["macAddress"]
    theirs = ["--socket", "/x", "--json", "--help", "-n5", "--", "--version"]
    for words in ([*ours, "web", "--"], ["web", *ours, "--"], ["web", *ours], ["--", "web", *ours, "--"]):
        done = daemon.host.run(program("macvtapctl"), "port", "open", *words, *echo, *theirs, env=elsewhere)
        said = done.stdout.split()
        assert (said[0], said[2:]) == (mac, theirs)
    check_refused(daemon.ctl("port", "open", "web", "--", check=False), USAGE, "missing argument; usage: macvtapctl port open PORT")
    daemon.ctl("port", "delete", "web")


def test_value_behind_a_letter(daemon):
    """As every other program takes it; what follows -- is the command's."""
    daemon.ctl("port", "create", "--network=lan", "--name=web")
    for words in (["-nlan"], ["-vnlan"], ["-pweb"], ["-vpweb"]):
        done = daemon.tool("macvtap-run", *words, "--", "sh", "-c", 'echo "$@"', "sh", "-nlan", "-pweb", "{fd}", "{mac}")
        assert done.stdout.split()[:2] == ["-nlan", "-pweb"]
    assert "web" in daemon.ctl("port", "list", "-nlan").stdout
    daemon.ctl("port", "delete", "-n", "lan")
    daemon.ctl("port", "create", "-n", "lan", "--name=web")
    daemon.ctl("port", "delete", "web")
    check_refused(daemon.tool("macvtap-run", "-nnope", "--", *VMM, check=False), RUN_OURS, "there is no network 'nope'")


def test_socket_option_comes_before_the_environment(daemon):
    path = str(daemon.socket)
    environment = {**os.environ, "MACVTAPD_SOCKET": "/nonexistent"}
    tools = {"macvtapctl": ["network", "list"], "macvtap-run": ["-n", "lan", "--", *VMM]}
    for name, arguments in tools.items():
        daemon.host.run(program(name), "--socket", path, *arguments, env=environment)
        done = daemon.host.run(program(name), *arguments, env=environment, check=False)
        check_refused(done, 125 if name == "macvtap-run" else 1, "/nonexistent")
    assert daemon.settle() == []


# -- macvtap-run ---------------------------------------------------------------------------------------------


def run(daemon, networks, *command, **options):
    arguments = [word for network in networks for word in ("--network", network)]
    return daemon.tool("macvtap-run", *arguments, "--", *command, **options)


def test_tokens(daemon):
    network = f"lan,mac={MAC},ifname=vm7,mtu=1400,name=seven,vhost=off"
    done = run(daemon, [network], "echo", "{fd}", "{fds}", "{mac}", "{mtu}", "{ifname}", "a{mac}b{mtu}c")
    fd, fds, *rest = done.stdout.split()
    assert fd == fds and int(fd) > 2
    assert rest == [MAC, "1400", "vm7", f"a{MAC}b1400c"]
    done = run(daemon, [network], "echo", "{netdev}", "{device}")
    netdev, device = done.stdout.split()
    assert netdev == f"tap,id=macvtap0,fd={fd}"
    assert device == f"virtio-net-pci,netdev=macvtap0,mac={MAC},host_mtu=1400"
    assert daemon.settle() == []


def test_what_is_no_token_stays(daemon):
    words = ["{}", "{nonsense}", "{", "}", '{"driver":"virtio"}', "{fd"]
    done = run(daemon, ["lan"], "printf", "%s\\n", *words, "{fd}", "{mac}")
    assert done.stdout.splitlines()[:-2] == words
    assert daemon.settle() == []


def test_tokens_of_several_networks(two_networks):
    daemon = two_networks
    done = run(daemon, ["lan,vhost=off", f"dmz,mac={MAC},queues=2,vhost=off"], "echo", "{fd:lan}", "{fd:0}", "{fds:dmz}",
               "{fds:1}", "{mac:dmz}", "{netdev:dmz}", "{device:1}", "{mac:lan}")
    lan, lan_again, dmz, dmz_again, mac, netdev, device, _ = done.stdout.split()
    assert lan == lan_again and dmz == dmz_again and mac == MAC
    numbers = [int(number) for number in dmz.split(":")]
    assert len({int(lan), *numbers}) == 3
    assert netdev == f"tap,id=macvtap1,fds={dmz}"
    assert device == f"virtio-net-pci,netdev=macvtap1,mac={MAC},mq=on,vectors=6"
    assert daemon.settle() == []


CHECK_DESCRIPTORS = """
import json, os, struct, fcntl, sys
names = {}
for text in os.listdir("/proc/self/fd"):
    try:
        target = os.readlink(f"/proc/self/fd/{text}")
    except FileNotFoundError:
        continue
    if int(text) > 2 and "/proc" not in target:
        answer = fcntl.ioctl(int(text), 0x800454D2, bytes(40))
        names[text] = answer[:16].rstrip(b"\\0").decode()
print(json.dumps({"names": names, "arguments": sys.argv[1:]}))
"""


@pytest.mark.native("its log is open in what the program becomes")
def test_vmm_has_its_descriptors_and_no_others(two_networks):
    daemon = two_networks
    done = run(daemon, ["lan,ifname=vm-lan,vhost=off", "dmz,ifname=vm-dmz,queues=2,vhost=off"], "/usr/bin/python3", "-c",
               CHECK_DESCRIPTORS, "{fd:lan}", "{fds:dmz}", "{mac:lan}", "{mac:dmz}", user=None)
    told = json.loads(done.stdout)
    lan, dmz = told["arguments"][:2]
    first, second = dmz.split(":")
    assert told["names"] == {lan: "vm-lan", first: "vm-dmz", second: "vm-dmz"}
    assert daemon.settle() == []


def fake_qemu(daemon, name="qemu-system-x86_64"):
    path = daemon.folder / name
    path.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("name", ["qemu-system-x86_64", "qemu-kvm", "kvm"])
def test_qemu_gets_its_arguments_by_itself(two_networks, name):
    daemon = two_networks
    qemu = fake_qemu(daemon, name)
    done = run(daemon, [f"lan,mac={MAC},vhost=off", "dmz,queues=2,mtu=1300,vhost=off"], qemu, "-m", "128")
    words = done.stdout.splitlines()
    assert words[:3] == ["-m", "128", "-netdev"]
    assert words[3].startswith("tap,id=macvtap0,fd=")
    assert words[4:6] == ["-device", f"virtio-net-pci,netdev=macvtap0,mac={MAC}"]
    assert words[6] == "-netdev" and words[7].startswith("tap,id=macvtap1,fds=") and ":" in words[7]
    assert words[8] == "-device" and words[9].endswith(",mq=on,vectors=6,host_mtu=1300")
    # A token says that the user knows better.
    done = run(daemon, ["lan"], qemu, "-netdev", "{netdev}", "{mac}")
    assert done.stdout.splitlines()[0] == "-netdev" and len(done.stdout.splitlines()) == 3
    assert daemon.settle() == []


def test_other_programs_get_no_arguments(daemon):
    done = run(daemon, [f"lan,mac={MAC}"], fake_qemu(daemon, "cloud-hypervisor"), "--net", "fd=[{fds,}],mac={mac}")
    assert re.fullmatch(r"--net\nfd=\[\d+\],mac=" + MAC + r"\n", done.stdout)
    assert daemon.settle() == []


@pytest.mark.stock
def test_vhost_tokens(daemon):
    words = run(daemon, ["lan,vhost=require,queues=2"], "echo", "{netdev}", "{fds}", "{vhostfds}", "{mac}").stdout.split()
    assert words[0] == f"tap,id=macvtap0,fds={words[1]},vhost=on,vhostfds={words[2]}"
    words = run(daemon, ["lan"], "echo", "{netdev}", "{fd}", "{vhostfd}", "{mac}").stdout.split()
    assert words[0] == f"tap,id=macvtap0,fd={words[1]},vhost=on,vhostfd={words[2]}"
    assert daemon.settle() == []


@pytest.mark.parametrize("status", [0, 1, 7, 255])
def test_exit_status_is_the_vmms(daemon, status):
    assert run(daemon, ["lan"], "sh", "-c", f"exit {status}", *VMM[1:], check=False).returncode == status
    assert daemon.settle() == []


def test_end_by_a_signal_is_the_vmms(daemon):
    done = run(daemon, ["lan"], "sh", "-c", "kill -TERM $$", *VMM[1:], check=False)
    assert done.returncode == -signal.SIGTERM
    assert daemon.settle() == []


def test_vmm_of_a_user(daemon):
    done = run(daemon, [f"lan,mac={MAC}"], "sh", "-c", "id -u; echo {mac}", "{fd}", user="nobody")
    assert done.stdout.split() == ["65534", MAC]
    assert daemon.settle() == []


def test_descriptor_is_the_ports(daemon, host):
    """The same by the raw API, seen with the kernel's eyes."""
    with daemon.connect() as connection:
        port = connection.ports("CreatePort", network="lan", queues=2, vhost="off", holder={"type": "none"})
        assert (port["tapFileDescriptors"], port["vhostFileDescriptors"]) == ([0, 1], [])
        for descriptor in connection.take_descriptors():
            assert stat.S_ISCHR(os.fstat(descriptor).st_mode)
            name, flags = tap_interface(descriptor)
            assert name == port["port"]["interfaceName"]
            assert flags & 0x5102 == 0x5102, "tap, no packet information, virtio-net header, several queues"
            os.close(descriptor)
        connection.ports("DeletePort", port=port["port"]["id"])


def refused_without_a_port(daemon, networks, command, *words, options=()):
    """macvtap-run says one line and exits with 125, and nothing was made that a watcher sees."""
    with daemon.connect() as watcher:
        watcher.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
        assert watcher.reply() == {"event": "ready"}
        arguments = [word for network in networks for word in ("--network", network)]
        done = daemon.tool("macvtap-run", *options, *arguments, "--", *command, check=False)
        check_refused(done, RUN_OURS, *words)
        daemon.ctl("port", "create", "--network=lan", "--name=mark")
        assert watcher.reply()["port"]["name"] == "mark"
        daemon.ctl("port", "delete", "mark")


@pytest.mark.parametrize("networks, command, words", [
    (["lan"], ["true"], "the command starts no QEMU and uses no token"),
    (["lan"], ["sh", "-c", "exec qemu-system-x86_64"], "the command starts no QEMU"),
    (["lan"], ["SUDO", "-u", "nobody", "qemu-system-x86_64"], "sudo -u USER macvtap-run …"),
    (["lan"], ["nice", "-n", "5", "SUDO", "true", "{netdev}", "{device}"], "sudo -u USER macvtap-run …"),
    (["lan"], ["true", "{mac}"], "does not use the descriptor of the port on network lan"),
    (["lan"], ["true", "{device}"], "does not use the descriptor of the port on network lan"),
    (["lan"], ["true", "{netdev}"], "is not in the command"),
    (["lan"], ["true", "{fds}"], "check-mac=no to --network=lan"),
    ([f"lan,mac={MAC}"], ["true", "{fd}", "mac=52:54:00:00:00:08"], f"({MAC}) is not in the command"),
    (["lan", "lan"], ["true", "{netdev:0}", "{device:0}"], "does not use the descriptor of the port on network lan"),
    (["lan"], ["true", "{netdev:dmz}"], "there is no --network or --port 'dmz'"),
    (["lan,queues=2"], ["true", "{fd}"], "has 2 queues; use {fds}"),
    (["lan"], ["QEMU", "-M", "none"], "machine none has no bus for virtio-net"),
])
def test_no_vm_without_its_network(daemon, networks, command, words):
    """Each of these used to start a VM that had no network, or a guest that did not hear."""
    names = {"SUDO": fake_qemu(daemon, "sudo"), "QEMU": fake_qemu(daemon)}
    refused_without_a_port(daemon, networks, [names.get(word, word) for word in command], words)


def test_mac_of_the_command_is_another_than_the_ports(daemon):
    """There is a MAC in the command: whether it is the port's can be said when the port is there."""
    done = run(daemon, ["lan"], "true", "{netdev}", "mac=52:54:00:00:00:08", check=False)
    check_refused(done, RUN_OURS, "is not in the command")
    assert daemon.settle() == []
    for words in (["lan,check-mac=no"], "{fd}"), ([f"lan,mac={MAC}"], "{fd},52-54-00-00-00-07"):
        run(daemon, words[0], "true", words[1])
    assert daemon.settle() == []


# How a wrapper of the kernel tier's fake QEMU is called, and packages that may be missing are not in it.
WRAPPERS = [
    "nice -n 5", "taskset -c 0", "taskset 1", "env -i A=b", "timeout -k 1 60", "chrt -o 0", "setpriv --nnp --reuid 1",
    "nohup", "setsid -w", "ionice -c 3", "stdbuf -oL", "prlimit --core=0", "numactl -l",
    "ip netns exec NAME", "nohup nice -n 1 ionice -c2 -n 7 taskset -c 0 env A=b timeout 60 stdbuf -o0",
]


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_qemu_behind_another_program(daemon, wrapper):
    """The real programs, with a QEMU that only says what it was given."""
    name = f"macvtapd-{os.getpid()}"
    host = daemon.host
    script = f'ip netns add {name} && "$@"; status=$?; ip netns del {name}; exit $status' if "NAME" in wrapper else '"$@"'
    words = wrapper.replace("NAME", name).split()
    done = host.run("sh", "-c", script, "sh", program("macvtap-run"), "-n", f"lan,mac={MAC},vhost=off", "--", *words,
                    fake_qemu(daemon), "-m", "128", env=daemon.environment())
    *_, option, netdev, other_option, device = done.stdout.splitlines()
    assert (option, other_option) == ("-netdev", "-device"), done.stdout
    assert re.fullmatch(r"tap,id=macvtap0,fd=\d+", netdev)
    assert device == f"virtio-net-pci,netdev=macvtap0,mac={MAC}"
    assert daemon.settle() == []


@pytest.mark.parametrize("options, machine, device", [
    ("", ["-M", "microvm"], f"virtio-net-device,netdev=macvtap0,mac={MAC}"),
    (",queues=2", ["-M", "microvm"], f"virtio-net-device,netdev=macvtap0,mac={MAC},mq=on"),
    (",model=e1000", ["-M", "microvm"], f"e1000,netdev=macvtap0,mac={MAC}"),
    (",bus=rp0,mtu=1400", ["-M", "q35"], f"virtio-net-pci,netdev=macvtap0,mac={MAC},bus=rp0,host_mtu=1400"),
    ("", ["-machine", "isapc"], f"ne2k_isa,netdev=macvtap0,mac={MAC}"),
])
def test_device_suits_the_machine(daemon, options, machine, device):
    done = run(daemon, [f"lan,mac={MAC},vhost=off{options}"], fake_qemu(daemon), *machine)
    assert done.stdout.splitlines()[-1] == device
    assert daemon.settle() == []


def test_mtu_that_the_guest_is_not_told(daemon):
    for command, told in ((["QEMU", "-netdev", "{netdev}", "-device", "e1000,netdev=macvtap0,mac={mac}"], True),
                          (["QEMU", "-netdev", "{netdev}", "-device", "{device}"], False),
                          (["QEMU", "{fd},{mac},{mtu}"], False), (["QEMU"], False),
                          (["QEMU", "{fd}", "-device", "virtio-net-pci,mac={mac},host_mtu=1400"], False)):
        line = [fake_qemu(daemon) if word == "QEMU" else word for word in command]
        done = run(daemon, ["lan,mtu=1400"], *line)
        assert bool(done.stderr) == told
        if told:
            check_line(done.stderr, "macvtap-run", "the MTU of network lan is 1400", "host_mtu={mtu}")
    assert daemon.settle() == []


def shown(daemon, port):
    """What port show prints: label -> text."""
    lines = daemon.ctl("port", "show", port).stdout.splitlines()
    return {line[:10].strip(): line[11:] for line in lines}


def test_port_show_says_one_thing_of_its_state(daemon):
    """Not active beside a link that is down; and counters also while they are 0."""
    daemon.ctl("port", "create", "--network=lan", "--name=web", "--link=down")
    lines = shown(daemon, "web")
    assert (lines["state"], lines["link"], lines["received"], lines["sent"]) == ("link-down", "down", "0", "0")
    daemon.ctl("port", "set", "web", "--link=up")
    lines = shown(daemon, "web")
    assert lines["state"] == "active" and "MAC resets" not in lines
    daemon.ctl("port", "delete", "web")


def test_dry_run_and_verbose(daemon):
    daemon.ctl("port", "create", "--network=lan", "--name=web", f"--mac={MAC}")
    before = daemon.ports()
    done = daemon.tool("macvtap-run", "--dry-run", "-n", "lan,queues=2", "-p", "web", "--", "nice", "qemu-system-x86_64",
                       "-name", "a b")
    assert done.stdout == ("nice qemu-system-x86_64 -name 'a b' -netdev tap,id=macvtap0,fds=FD0:FD1 -device "
                           "virtio-net-pci,netdev=macvtap0,mac=MAC,mq=on,vectors=6 -netdev tap,id=macvtap1,fd=FD0 -device "
                           "virtio-net-pci,netdev=macvtap1,mac=MAC\n")
    assert daemon.ports() == before
    daemon.ctl("port", "delete", "web")
    done = daemon.tool("macvtap-run", "-v", "-n", f"lan,mac={MAC},name=web,vhost=off", "--", "echo", "{fd}", "{mac}")
    port, started = done.stderr.splitlines()
    assert port.startswith("macvtap-run: port web on network lan: mvt") and f"MAC {MAC}, MTU 1500, 1 queue" in port
    assert started == f"macvtap-run: starting echo {done.stdout.strip()}"
    assert daemon.settle() == []


def test_guest_keeps_its_mac_by_its_name(daemon):
    """Without name=, QEMU's -name decides, also behind another program."""
    qemu = fake_qemu(daemon)
    macs = [re.search(r"mac=([0-9a-f:]+)", run(daemon, ["lan"], *words).stdout).group(1) for words in (
        [qemu, "-name", "web"], ["nice", qemu, "-name", "guest=web,debug-threads=on"], [qemu, "-name", "db"])]
    assert macs[0] == macs[1] != macs[2]
    assert daemon.settle() == []


def test_second_guest_of_a_name(daemon):
    """It gets another port, and that is told with the first one's, unless both are of the same guest."""
    qemu = fake_qemu(daemon)
    assert run(daemon, ["lan", "lan"], qemu, "-name", "web").stderr == ""
    daemon.settle()
    daemon.ctl("port", "create", "--network=lan", "--name=web", f"--mac={MAC}")
    line = run(daemon, ["lan"], qemu, "-name", "web").stderr
    check_line(line, "macvtap-run", f"port web on network lan (MAC {MAC}) belongs to a guest with the same -name; this guest gets port p")
    for option in "lan,name=other", f"lan,mac={MAC[:-2]}99,name=third":
        assert run(daemon, [option], qemu, "-name", "web").stderr == ""
    daemon.ctl("port", "delete", "web")
    assert daemon.settle() == []


# -- ports that are there --------------------------------------------------------------------------------------


@pytest.fixture
def web(daemon):
    """A port made by hand, with two queues."""
    daemon.ctl("port", "create", "--network=lan", "--name=web", f"--mac={MAC}", "--queues=2", "--interface=vm-web",
               "--vhost=off")
    yield "web"
    daemon.ctl("port", "delete", "web")


TELL = "import fcntl, sys; print([fcntl.ioctl(int(n), 0x800454D2, bytes(40))[:16].rstrip(bytes(1)).decode()" \
       " for n in sys.argv[1].split(',')], sys.argv[2:])"


@pytest.mark.parametrize("start", [
    ["macvtap-run", "--port", "PORT", "--"], ["macvtapctl", "port", "open", "PORT", "--"], ["macvtapctl", "port", "open", "PORT"],
])
def test_port_made_by_hand_is_used(daemon, web, start):
    for port in (web, "vm-web", "web,check-mac=no"):
        words = [word.replace("PORT", port) for word in start]
        done = daemon.tool(*words, "/usr/bin/python3", "-c", TELL, "{fds,}", "{mac}", "{ifname}", "{mtu}")
        assert done.stdout.strip() == f"['vm-web', 'vm-web'] ['{MAC}', 'vm-web', '1500']"
    words = [word.replace("PORT", "web,queues=1,model=e1000") for word in start]
    done = daemon.tool(*words, fake_qemu(daemon))
    assert re.fullmatch(rf"-netdev\ntap,id=macvtap0,fd=\d+\n-device\ne1000,netdev=macvtap0,mac={MAC}\n", done.stdout)
    assert [port["name"] for port in daemon.ports()] == ["web"]


def test_port_beside_a_network(daemon, web):
    """Positions count in the order of the command line."""
    done = daemon.tool("macvtap-run", "-p", web, "-n", "lan,ifname=vm-lan,vhost=off", "-n", "lan,ifname=vm-two", "--",
                       "/usr/bin/python3", "-c", TELL, "{fds,:web},{fd:1},{fd:0:1},{fd:2}", "{mac:0}", "{mac:1}", "{mac:2}")
    assert done.stdout.startswith(f"['vm-web', 'vm-web', 'vm-lan', 'vm-web', 'vm-two'] ['{MAC}', ")


def test_refused_ports(daemon, web):
    for words in (["--port", "nosuch"], ["--port", "web,mac=x"], ["--port", "web,queues=3"]):
        done = daemon.tool("macvtap-run", *words, "--", "true", "{fds}", "{mac}", check=False)
        check_refused(done, RUN_OURS)
    done = daemon.tool("macvtap-run", "--port", "web", "--", "true", "{fds}", "mac=52:54:00:00:00:08", check=False)
    check_refused(done, RUN_OURS, f"the MAC of port web ({MAC}) is not in the command", "check-mac=no to --port=web")
    for words, status in (([], USAGE), (["web"], USAGE), (["web", "--"], USAGE), (["web", "--", "true"], USAGE),
                          (["nosuch", "--", *VMM], REFUSED), (["web", "--", "no-such-vmm"], 127)):
        check_refused(daemon.ctl("port", "open", *words, check=False), status)
    assert [port["name"] for port in daemon.ports()] == ["web"]


def test_port_open_gives_up_no_power(daemon, web):
    """What it starts has what the user has, as behind macvtap-run."""
    command = ["sh", "-c", "grep CapEff /proc/self/status", "{fds}", "{mac}"]
    expected = daemon.host.run(*command).stdout
    assert daemon.ctl("port", "open", web, "--", *command).stdout == expected
    assert daemon.tool("macvtap-run", "-p", web, "--", *command).stdout == expected


def test_replace(daemon, monitor):
    """A port of that name of the same owner goes first; there may be none."""
    command = ["--replace", "-n", "lan,name=web", "--", "sh", "-c", "echo {mac}; exec cat", "{fd}"]
    first = daemon.host.start(program("macvtap-run"), *command, env=daemon.environment(), stdin=-1, stdout=-1)
    mac = first.stdout.readline()
    (port,) = daemon.ports()
    done = daemon.tool("macvtap-run", *command[1:], check=False)
    check_refused(done, RUN_OURS, "there is a port 'web' already")
    second = daemon.host.start(program("macvtap-run"), *command, env=daemon.environment(), stdin=-1, stdout=-1)
    assert second.stdout.readline() == mac
    (new,) = daemon.ports()
    assert (new["name"], new["macAddress"]) == ("web", port["macAddress"]) and new["id"] != port["id"]
    assert first.poll() is None
    first.kill()
    done = daemon.tool("macvtap-run", *command, user="nobody", check=False)
    check_refused(done, RUN_OURS, "'web'")
    assert [port["id"] for port in daemon.ports()] == [new["id"]]
    second.kill()
    assert daemon.settle() == []


def test_root_replaces_no_port_of_a_user(daemon):
    daemon.ctl("port", "create", "--network=lan", "--name=web", user="nobody")
    done = daemon.tool("macvtap-run", "--replace", "-n", "lan,name=web", "--", *VMM, check=False)
    check_refused(done, RUN_OURS, "there is a port 'web' already")
    daemon.ctl("port", "delete", "web")
    check_refused(daemon.tool("macvtap-run", "--replace", "-n", "lan", "--", *VMM, check=False), RUN_OURS,
                  "--replace needs a port's name")


def test_incoming(daemon):
    done = run(daemon, ["lan,incoming=yes,name=guest"], "sh", "-c", f"{program('macvtapctl')} --json port show guest", "{fd}",
               "{mac}")
    assert json.loads(done.stdout)["incoming"] is True
    assert daemon.settle() == []


# -- closed standard descriptors -------------------------------------------------------------------------------

CLOSED = ("<&- >&-", "<&- >&- 2>&-")


def closed(daemon, how, name, *arguments, **options):
    """Run one of our programs with standard descriptors closed."""
    return daemon.host.run("sh", "-c", f'exec "$@" {how}', "sh", program(name), *arguments, env=daemon.environment(),
                           **options)


@pytest.mark.native("its log takes the place of what was closed")
@pytest.mark.parametrize("how", CLOSED)
def test_no_tap_becomes_a_standard_descriptor(daemon, how):
    told = daemon.folder / "told"
    command = f"readlink /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 > {told}.part; echo {{fd}} >> {told}.part; : {{mac}}; " \
              f"mv {told}.part {told}"
    closed(daemon, how, "macvtap-run", "-n", "lan", "--", "sh", "-c", command)
    *standard, fd = told.read_text(encoding="utf-8").split()
    assert standard[0] == "/dev/null" and int(fd) > 2
    assert standard[1] == f"{told}.part" and "tap" not in standard[2]
    assert daemon.settle() == []


def test_messages_are_not_written_into_the_connection(daemon):
    """Standard error closed: the daemon would get the first refusal, and not the second request."""
    daemon.ctl("port", "create", "--network=lan", "--name=vm7")
    done = closed(daemon, "2>&-", "macvtapctl", "port", "delete", "nosuch", "vm7", check=False)
    assert done.returncode == REFUSED and daemon.ports() == []


# -- MACs that stay ------------------------------------------------------------------------------------------


def test_first_command_of_the_readme_has_the_same_mac_at_each_start(daemon, host):
    """Also at once after the end of the one before, and when the daemon was another meanwhile; two at a time differ."""
    run = ["--network=lan", "--", "sh", "-c", "echo $0", "{mac}", "{fd}"]
    macs = [daemon.tool("macvtap-run", *run, user="nobody").stdout.strip() for _ in range(5)]
    daemon.restart()
    macs.append(daemon.tool("macvtap-run", *run, user="nobody").stdout.strip())
    assert len(set(macs)) == 1 and macs[0].startswith("52:54:00:")
    first = host.start(program("macvtap-run"), "--socket", daemon.socket, "--network=lan", "--", "sh", "-c",
                       "echo {mac}; read line", "{fd}", user="nobody", stdin=-1, stdout=-1)
    assert first.stdout.readline().decode().strip() == macs[0]
    second = daemon.tool("macvtap-run", *run, user="nobody").stdout.strip()
    assert second != macs[0]
    assert daemon.tool("macvtap-run", *run, user="nobody").stdout.strip() == second
    first.stdin.close()
    first.wait()
    # Another user's is another, too.
    assert daemon.tool("macvtap-run", *run).stdout.strip() not in (macs[0], second)


# -- a port's description --------------------------------------------------------------------------------------


def test_description(daemon):
    """It is kept and shown as it was given, whatever happens to the daemon, and its owner changes it."""
    text = "Web server of the shop, „Halle 3“ \\ \"x\""
    daemon.network("lan", "eth0", AllowUsers="nobody")
    daemon.reload()
    made = daemon.ctl_json("port", "create", "--network=lan", "--name=web", "--description", text, user="nobody")
    assert made["description"] == text
    daemon.restart()
    assert daemon.ports() == [made]
    assert f"about      {text}\n" in daemon.ctl("port", "show", "web", user="nobody").stdout
    with daemon.connect() as watcher:
        watcher.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
        assert watcher.reply() == {"event": "ready"}
        daemon.ctl("port", "set", "web", "--description=old shop", "--link=down", user="nobody")
        changed = {**made, "description": "old shop", "linkUp": False}
        assert watcher.reply() == {"event": "changed", "port": changed}
        daemon.kill()
    daemon.start()
    assert daemon.ports() == [changed]
    daemon.ctl("port", "set", "web", "--description=")
    del changed["description"]
    assert daemon.ports() == [changed]
    assert "about" not in daemon.ctl("port", "show", "web").stdout
    daemon.ctl("port", "delete", "web")


@pytest.mark.parametrize("text, words", [
    ("é" * 128 + "x", "a description must not exceed 256 bytes; this one has 257"),
    ("a\nb", "a description must be one line without control characters"),
    ("a\x1b[2J", "a description must be one line"),
    ("a\u2028b", "a description must be one line"),
], ids=["long", "lines", "escape", "separator"])
def test_description_that_is_refused(daemon, text, words):
    daemon.ctl("port", "create", "--network=lan", "--name=web", "--description=" + "é" * 128)
    for command in (["create", "--network=lan"], ["set", "web"]):
        done = daemon.ctl("port", *command, "--description", text, check=False)
        assert (done.returncode, done.stdout) == (USAGE, "") and words in done.stderr
    (port,) = daemon.ports()
    assert port["description"] == "é" * 128
    daemon.ctl("port", "delete", "web")


def test_description_is_its_owners(daemon):
    daemon.network("lan", "eth0", AllowUsers="nobody daemon")
    daemon.reload()
    daemon.ctl("port", "create", "--network=lan", "--name=web", "--description=mine", user="nobody")
    done = daemon.ctl("port", "set", "web", "--description=yours", user="daemon", check=False)
    assert done.returncode == 1 and "there is no port 'web'" in done.stderr
    (port,) = daemon.ports()
    assert port["description"] == "mine"
    daemon.ctl("port", "delete", "web")
