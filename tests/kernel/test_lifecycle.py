# SPDX-License-Identifier: LGPL-2.1-or-later
"""The life of ports: what ends them, and what a daemon makes of what it finds when it starts."""
import json
import os
import re
import signal
import sys
import threading

import pytest

from programs import program
from tracing import Trace, waits_with_a_time

pytestmark = pytest.mark.shared

MAC = "52:54:00:00:00:01"


@pytest.fixture
def vmm(daemon):
    """vmm() starts a stand-in for a VMM by macvtap-run; it says its pid when it has its port, and then stays."""
    def start(*networks, user=None):
        networks = networks or ["lan"]
        options = [word for network in networks for word in ("--network", network)]
        given = [f"{{{token}:{number}}}" for number in range(len(networks)) for token in ("fds", "mac")]
        process = daemon.host.start(program("macvtap-run"), *options, "--", "sh", "-c", "echo $$; exec cat", *given,
                                    user=user, env=daemon.environment(), stdin=-1, stdout=-1)
        process.said = int(process.stdout.readline())
        return process
    return start


def record(daemon, port):
    return daemon.state / "ports" / port["id"]


def rewrite(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


def create(daemon, *options, network="lan"):
    return daemon.ctl_json("port", "create", f"--network={network}", *options)


# -- the holder ends -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [pytest.param(signal.SIGKILL, marks=pytest.mark.lab), signal.SIGTERM])
def test_holder_ends_and_the_device_goes_by_event(daemon, host, vmm, monitor, tmp_path, number):
    process = vmm()
    (port,) = daemon.ports()
    links = monitor(host)
    with Trace(daemon.process.pid, tmp_path / "trace") as trace:
        os.kill(process.pid, number)
        links.wait_deleted(port["interfaceName"])
        assert daemon.settle() == []
    calls = trace.calls()
    assert {"sendto", "sendmsg"} & {name for name, _ in calls}, "the trace shows no request to the kernel"
    assert waits_with_a_time(calls) == []


def test_idle_daemon_sleeps_without_end(daemon, tmp_path):
    """Nothing is in hand: a call of another comes, and the daemon waits again, for ever."""
    with Trace(daemon.process.pid, tmp_path / "trace") as trace:
        assert daemon.ports() == []
        daemon.ctl("port", "create", "--network=lan", "--name=vm")
        daemon.ctl("port", "delete", "vm")
    assert waits_with_a_time(trace.calls()) == []


def test_daemon_has_one_thread(daemon, vmm):
    """Which is why no tier runs under ThreadSanitizer: nothing could run at the same time."""
    process = vmm()
    daemon.reload()
    create(daemon, "--name=vm")
    process.kill()
    daemon.ctl("port", "delete", "vm")
    assert daemon.settle() == []
    assert os.listdir(f"/proc/{daemon.process.pid}/task") == [str(daemon.process.pid)]


def test_run_becomes_the_vmm(daemon, vmm):
    process = vmm()
    assert process.said == process.pid
    (port,) = daemon.ports()
    assert port["holder"] == {"type": "descriptors"}
    children = f"/proc/{process.pid}/task/{process.pid}/children"
    with open(children, encoding="ascii") as stream:
        assert stream.read() == ""
    process.kill()
    assert daemon.settle() == []


def test_holder_of_several_ports(daemon, vmm):
    process = vmm("lan", "lan,name=second", "parent=eth0,mode=bridge")
    assert len(daemon.ports()) == 3
    process.kill()
    assert daemon.settle() == []


def test_port_lives_as_long_as_its_holder_not_as_its_connection(daemon, host, vmm):
    holder = host.start("sleep", "infinity")
    with daemon.connect() as connection:
        connection.ports("CreatePort", network="lan", holder={"type": "process", "pid": holder.pid})
    with daemon.connect() as another:
        assert len(another.ports("ListPorts")["ports"]) == 1
    holder.kill()
    assert daemon.settle() == []


def test_port_deleted_under_a_living_holder(daemon, vmm):
    process = vmm()
    (port,) = daemon.ports()
    daemon.ctl("port", "delete", port["name"])
    assert daemon.leftovers() == []
    assert process.poll() is None
    process.kill()
    process.wait()
    assert daemon.ports() == []


def test_daemon_keeps_no_descriptor(daemon):
    """Neither of a port that it has handed over, nor of one that is gone; of the nodes' folder while there are any."""
    folder = f"/proc/{daemon.process.pid}/fd"
    with daemon.connect() as connection:
        def held():
            # Its answer is the sign that it is done with the call before.
            connection.ports("ListNetworks")
            return sorted(os.readlink(f"{folder}/{number}") for number in os.listdir(folder))

        before = held()
        port = connection.ports("CreatePort", network="lan", queues=4, vhost="off", holder={"type": "none"})["port"]
        assert len(connection.take_descriptors()) == 4
        assert held() == sorted([*before, f"/dev/{os.path.basename(daemon.host.queue_folder)}"])
        connection.ports("DeletePort", port=port["id"])
        assert held() == before


# -- the daemon stops and starts -----------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_ports_of_living_holders_stay(daemon, host, station, vmm, how):
    process = vmm()
    before = daemon.ports()
    getattr(daemon, how)()
    assert list(host.macvtaps()) == [before[0]["interfaceName"]]
    daemon.start()
    assert [kept(port) for port in daemon.ports()] == [kept(port) for port in before]
    # Adopted: the new daemon watches the holder.
    process.kill()
    assert daemon.settle() == []


def test_stop_is_clean(daemon):
    daemon.ctl("port", "create", "--network=lan", "--name=vm")
    assert daemon.stop() == 0
    assert daemon.complaints() == ""
    assert not daemon.socket.exists()
    daemon.start()
    daemon.ctl("port", "delete", "vm")


@pytest.mark.parametrize("holder", ["none", "domain:123e4567-e89b-12d3-a456-426614174000"])
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_ports_without_a_process_survive(daemon, holder, how):
    port = create(daemon, f"--holder={holder}", "--name=vm", "--queues=2", "--vhost=off")
    getattr(daemon, how)()
    daemon.start()
    assert daemon.ports() == [port]
    with daemon.connect() as connection:
        connection.ports("OpenPort", port="vm")
        assert len(connection.take_descriptors()) == 2
    daemon.ctl("port", "delete", "vm")


@pytest.fixture(params=["descriptors", "process"])
def held(request, daemon, host, vmm):
    """A port that ends with a process: by its descriptors, or by its pid."""
    if request.param == "descriptors":
        process = vmm()
    else:
        process = host.start("sleep", "infinity")
        create(daemon, f"--holder=pid:{process.pid}")
    process.reason = {"descriptors": "its last descriptor is closed", "process": f"process {process.pid} has ended"}[request.param]
    return process


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_holder_ends_while_no_daemon_runs(daemon, host, held, how):
    process = held
    getattr(daemon, how)()
    process.kill()
    process.wait()
    assert len(host.macvtaps()) == len(daemon.records()) == 1
    daemon.start()
    assert daemon.leftovers() == []
    assert daemon.ports() == []
    assert process.reason in daemon.trail()[-2]


def test_pid_that_is_another_process_now(daemon, host):
    """The record's start time is not that of the process with this pid: the holder has ended."""
    process = host.start("sleep", "infinity")
    port = create(daemon, f"--holder=pid:{process.pid}")
    daemon.stop()
    holder = json.loads(record(daemon, port).read_text(encoding="utf-8"))["holder"]
    rewrite(record(daemon, port), holder={**holder, "startTime": holder["startTime"] + 1})
    daemon.start()
    assert daemon.leftovers() == []
    assert process.poll() is None


def test_pid_that_is_a_thread_now(daemon, host):
    """It is no process's, so the holder has ended: the daemon starts all the same."""
    port = create(daemon, f"--holder=pid:{host.start('sleep', 'infinity').pid}")
    daemon.stop()
    end, known, ids = threading.Event(), threading.Event(), []
    thread = threading.Thread(target=lambda: (ids.append(threading.get_native_id()), known.set(), end.wait()))
    thread.start()
    try:
        known.wait()
        holder = json.loads(record(daemon, port).read_text(encoding="utf-8"))["holder"]
        rewrite(record(daemon, port), holder={**holder, "pid": ids[0]})
        daemon.start()
        assert daemon.leftovers() == []
    finally:
        end.set()
        thread.join()


def test_orphan_device_is_removed(daemon, host):
    daemon.stop()
    for name, alias in (("orphan", "macvtapd:p0123456789ab"), ("foreign", None), ("other", "macvtapd:nonsense"),
                        ("named", "somebody's")):
        host.ip("link", "add", "link", "eth0", "name", name, "type", "macvtap", "mode", "bridge")
        if alias:
            host.ip("link", "set", name, "alias", alias)
    daemon.start()
    assert sorted(host.macvtaps()) == ["foreign", "named", "other"]
    assert "orphan" in daemon.messages()
    for name in host.macvtaps():
        host.ip("link", "del", name)


def test_alias_on_something_else_is_left_alone(daemon, host):
    """Whatever is no macvtap is not ours, whoever wrote the alias."""
    daemon.stop()
    host.ip("link", "add", "link", "eth0", "name", "other", "type", "macvlan", "mode", "bridge")
    host.ip("link", "set", "other", "alias", "macvtapd:p0123456789ab")
    daemon.start()
    assert "other" in host.links()


@pytest.mark.parametrize("device", ["whole", "without-alias", "none"])
def test_creation_that_was_interrupted(daemon, host, device):
    port = create(daemon, "--name=vm")
    daemon.kill()
    path = record(daemon, port)
    path.rename(path.with_name(path.name + ".creating"))
    if device == "without-alias":
        host.ip("link", "set", port["interfaceName"], "alias", "")
    elif device == "none":
        host.ip("link", "del", port["interfaceName"])
    daemon.start()
    assert daemon.leftovers() == []
    assert "creation of port vm was interrupted" in daemon.messages()


def test_record_that_was_half_written(daemon):
    daemon.stop()
    (daemon.state / "ports" / "p0123456789ab.creating").write_text('{"version": 1, "id":', encoding="utf-8")
    daemon.start()
    assert daemon.records() == []


@pytest.mark.parametrize("text", ["", "nonsense", "{}", '{"version": 2}', "\0" * 100, "[" * 5000])
def test_damaged_record_is_set_aside(daemon, host, text):
    """Its device stays: a guest may be using it, and nobody but a person can tell."""
    port = create(daemon, "--name=vm")
    daemon.stop()
    record(daemon, port).write_text(text, encoding="utf-8")
    for _ in range(2):
        daemon.start()
        assert daemon.records() == [port["id"] + ".damaged"]
        assert list(host.macvtaps()) == [port["interfaceName"]]
        assert f"ip link delete {port['interfaceName']}" in daemon.messages()
        daemon.stop()
    assert daemon.messages().count("ignoring invalid record") == 1
    (daemon.state / "ports" / daemon.records()[0]).unlink()
    daemon.start()
    assert host.macvtaps() == {}


@pytest.mark.parametrize("device", ["there", "gone"])
def test_removal_that_was_interrupted(daemon, host, device):
    port = create(daemon, "--name=vm")
    daemon.kill()
    record(daemon, port).rename(f"{record(daemon, port)}.deleting")
    if device == "gone":
        host.ip("link", "del", port["interfaceName"])
    daemon.start()
    assert "removal of port vm was interrupted" in daemon.messages()
    assert daemon.ports() == [] and daemon.records() == [] and host.macvtaps() == {}
    create(daemon, "--name=vm")
    daemon.ctl("port", "delete", "vm")


@pytest.mark.parametrize("alias", ["web", ""])
def test_device_with_another_alias_is_the_ports_still(daemon, host, alias):
    port = create(daemon, "--name=vm")
    host.ip("link", "set", port["interfaceName"], "alias", alias)
    daemon.stop()
    daemon.start()
    assert [port["state"] for port in daemon.ports()] == ["active"]
    daemon.ctl("port", "delete", "vm")
    assert host.macvtaps() == {}


def test_record_does_not_claim_a_foreign_device(daemon, host):
    """A device with the record's name and index that is not ours is not the port's."""
    port = create(daemon, "--name=vm")
    daemon.stop()
    host.ip("link", "del", port["interfaceName"])
    host.ip("link", "add", "link", "eth0", "name", port["interfaceName"], "index", str(port["interfaceIndex"]),
            "type", "macvtap", "mode", "bridge")
    daemon.start()
    assert daemon.ports()[0]["state"] == "device-gone"
    daemon.ctl("port", "delete", "vm")
    assert list(host.macvtaps()) == [port["interfaceName"]]
    host.ip("link", "del", port["interfaceName"])
    assert daemon.records() == []


def test_second_daemon_on_the_same_state_is_refused(daemon, daemons, host):
    port = create(daemon, "--name=vm")
    second = daemons(host)
    second.state.rmdir()
    second.state.symlink_to(daemon.state)
    with pytest.raises(AssertionError, match="ended with 1"):
        second.start()
    (line,) = second.messages().splitlines()
    assert "another macvtapd uses this state folder" in line
    assert not second.socket.exists()
    assert daemon.ports() == [port]
    daemon.ctl("port", "delete", "vm")


ASK_AND_GO = """
import socket
for _ in range(5000):
    with socket.socket(socket.AF_UNIX) as one:
        one.connect("\\0org.macvtapd.lock")
"""


def test_second_daemon_with_another_state_is_refused(daemon, daemons):
    """It would take the first one's devices for orphans. It asks who listens at a name, and a user who asks before it,
    more often than anybody may wait there, does not keep it from hearing."""
    port = create(daemon, "--name=vm")
    daemon.host.run("/usr/bin/python3", "-c", ASK_AND_GO, user="nobody")
    second = daemons(daemon.host)
    for number in range(3):
        with pytest.raises(AssertionError, match="ended with 1"):
            second.start()
        line = second.messages().splitlines()[number]
        assert "another macvtapd" in line and "in this network namespace" in line
    assert not second.socket.exists()
    assert daemon.ports() == [port]
    daemon.ctl("port", "delete", "vm")


def test_user_who_sits_on_the_lock_keeps_no_daemon_from_starting(daemons, host, station):
    squatter = host.start("setpriv", "--reuid=65534", "--clear-groups", sys.executable, "-c", """if True:
        import socket
        one = socket.socket(socket.AF_UNIX)
        one.bind("\\0org.macvtapd.lock")
        one.listen()
        print("bound", flush=True)
        input()
    """, stdin=-1, stdout=-1)
    assert squatter.stdout.readline() == b"bound\n"
    daemon = daemons(host)
    daemon.network("lan", "eth0")
    daemon.start()
    assert "warning: another program holds the socket name" in daemon.messages()
    squatter.stdin.close()
    squatter.wait()


# -- the socket ----------------------------------------------------------------------------------------------


def test_stale_socket_file_is_replaced(daemon):
    daemon.kill()
    assert daemon.socket.is_socket()
    daemon.start()
    assert daemon.ports() == []


def test_socket_of_a_living_daemon_is_not_taken(daemon, daemons, host):
    port = create(daemon, "--name=vm")
    second = daemons(host)
    second.socket = daemon.socket
    with pytest.raises(AssertionError, match="ended with 1"):
        second.start()
    (line,) = second.messages().splitlines()
    assert f"another daemon listens at {daemon.socket}" in line
    assert daemon.ports() == [port]
    daemon.ctl("port", "delete", "vm")


LAUNCHER = """
import os, socket, sys

count, kind, path, *command = sys.argv[1:]
listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM if kind != "datagram" else socket.SOCK_DGRAM)
listener.bind(path)
os.chmod(path, 0o666)
if kind == "listening":
    listener.listen()
for number in range(3, 3 + int(count)):
    os.dup2(listener.fileno(), number) if listener.fileno() != number else os.set_inheritable(number, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=count, LISTEN_FDNAMES="varlink")
os.execv(command[0], command)
"""


def activated(daemons, host, count=1, kind="listening"):
    daemon = daemons(host)
    daemon.activated = daemon.folder / "activated"
    daemon._wrapper = ["/usr/bin/python3", "-c", LAUNCHER, str(count), kind, daemon.activated]
    daemon.network("lan", "eth0", AllowUsers="nobody")
    return daemon


def test_socket_activation(daemons, host, station):
    daemon = activated(daemons, host)
    daemon.start()
    assert not daemon.socket.exists()
    path, daemon.socket = daemon.socket, daemon.activated
    port = create(daemon, "--name=vm")
    done = daemon.ctl("port", "list", user="nobody")
    assert "vm" not in done.stdout
    daemon.ctl("port", "delete", port["id"])
    daemon.socket = path
    assert daemon.stop() == 0
    assert daemon.activated.is_socket(), "the socket is the service manager's"


@pytest.mark.parametrize("count, kind", [(2, "listening"), (1, "silent"), (1, "datagram")])
def test_what_is_handed_in_is_no_listening_socket(daemons, host, station, count, kind):
    daemon = activated(daemons, host, count, kind)
    with pytest.raises(AssertionError, match="ended with 1"):
        daemon.start()
    (line,) = daemon.messages().splitlines()
    assert "the service manager must pass one listening AF_UNIX socket" in line


# -- reload --------------------------------------------------------------------------------------------------


def test_reload(daemon, host):
    port = create(daemon, "--name=vm")
    daemon.network("new", "eth0")
    daemon.network("broken", text="[Network]\nParent=eth0\nMode=bridge\nTypo=1\n")
    daemon.reload()
    networks = {network["name"]: network for network in daemon.ctl_json("network", "list")["networks"]}
    assert set(networks) == {"lan", "new", "broken"}
    assert "problem" in networks["broken"]
    daemon.ctl("port", "delete", create(daemon, network="new")["id"])
    daemon.network("lan", "eth0", mode="private")
    daemon.reload()
    assert daemon.ports() == [{**port, "mode": "private"}]
    assert host.link(port["interfaceName"])["linkinfo"]["info_data"]["mode"] == "private"
    (daemon.config / "networks.d" / "lan.network").unlink()
    daemon.reload()
    assert daemon.ports() == [{**port, "mode": "private", "networkRemoved": True}]
    assert daemon.ctl("port", "create", "--network=lan", check=False).returncode == 1
    daemon.ctl("port", "delete", "vm")


def test_reload_that_fails_keeps_the_networks(daemon):
    folder = daemon.config / "networks.d"
    folder.rename(daemon.config / "away")
    folder.write_text("", encoding="utf-8")
    daemon.reload()
    assert "keeping the previous networks" in daemon.messages()
    daemon.ctl("port", "delete", create(daemon)["id"])


# -- others remove things ------------------------------------------------------------------------------------


def watch(connection):
    connection.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
    assert connection.reply() == {"event": "ready"}


# What the daemon sees rather than keeps: it changes on its own.
SEEN = {"state", "linkUp", "carrier", "openQueues", "statistics"}


def kept(port):
    return {key: value for key, value in port.items() if key not in SEEN}


def wait_state(connection, port, state):
    """Read the changes of a port until it has this state."""
    while True:
        reply = connection.reply()
        assert reply["event"] == "changed" and kept(reply["port"]) == kept(port)
        if reply["port"]["state"] == state:
            return


def test_device_removed_by_hand(daemon, host):
    port = create(daemon, "--name=vm")
    with daemon.connect() as connection:
        watch(connection)
        host.ip("link", "del", port["interfaceName"])
        wait_state(connection, port, "device-gone")
    done = daemon.ctl("port", "list")
    assert "device-gone" in done.stdout
    with daemon.connect() as connection, pytest.raises(Exception, match="DeviceGone"):
        connection.ports("OpenPort", port="vm")
    daemon.restart()
    (found,) = daemon.ports()
    assert (kept(found), found["state"]) == (kept(port), "device-gone")
    daemon.ctl("port", "delete", "vm")
    assert daemon.records() == []


def test_parent_removed(daemon, host, hosts):
    host.connect("eth1", hosts("other"), "eth0")
    daemon.network("dmz", "eth1")
    daemon.restart()
    port = create(daemon, "--name=vm", network="dmz")
    with daemon.connect() as connection:
        watch(connection)
        host.ip("link", "del", "eth1")
        wait_state(connection, port, "parent-gone")
    daemon.restart()
    (found,) = daemon.ports()
    assert (kept(found), found["state"]) == (kept(port), "parent-gone")
    daemon.ctl("port", "delete", "vm")
    assert daemon.records() == []


def test_device_of_a_living_holder_removed_by_hand(daemon, host, vmm):
    process = vmm()
    (port,) = daemon.ports()
    host.ip("link", "del", port["interfaceName"])
    process.kill()
    assert daemon.settle() == []


# -- what a port is like -------------------------------------------------------------------------------------


def test_same_mac_for_the_same_name(daemon):
    first = create(daemon, "--name=vm7")
    second = create(daemon, "--name=vm8")
    daemon.ctl("port", "delete", "vm7", "vm8")
    daemon.restart()
    again = create(daemon, "--name=vm7")
    assert again["macAddress"] == first["macAddress"] != second["macAddress"]
    assert again["macAddress"].startswith("52:54:00:")
    assert again["id"] != first["id"]
    daemon.ctl("port", "delete", "vm7")


def test_host_takes_none_of_the_traffic(daemon, host):
    """No IPv6 address on the host's side, no ARP; up; the alias says whose it is."""
    port = create(daemon, "--name=vm")
    link = host.link(port["interfaceName"])
    assert {"UP", "NOARP"} <= set(link["flags"])
    assert link["ifalias"] == f"macvtapd:{port['id']}"
    assert (link["address"], link["mtu"], link["ifindex"]) == (port["macAddress"], port["mtu"], port["interfaceIndex"])
    addresses = json.loads(host.ip("-j", "addr", "show", "dev", port["interfaceName"]).stdout)
    assert addresses[0]["addr_info"] == []
    host.run("sysctl", "-q", "-w", "net/ipv6/conf/all/disable_ipv6=0")
    host.ip("link", "set", port["interfaceName"], "down")
    host.ip("link", "set", port["interfaceName"], "up")
    addresses = json.loads(host.ip("-j", "addr", "show", "dev", port["interfaceName"]).stdout)
    assert addresses[0]["addr_info"] == []
    daemon.ctl("port", "delete", "vm")


def test_record_exists_before_the_device(daemon, tmp_path):
    """And it is final before the caller hears of the port; the device goes before the record."""
    with Trace(daemon.process.pid, tmp_path / "trace") as trace:
        port = create(daemon, "--name=vm")
        daemon.ctl("port", "delete", "vm")
    lines = [f"{name}({rest}" for name, rest in trace.calls()]
    steps = [rf'openat\(.*"{port["id"]}\.creating", O_WRONLY', r"sendmsg\(.*nlmsg_type=(RTM_NEWLINK|0x10\b).*NLM_F_REQUEST",
             rf'renameat\(.*"{port["id"]}\.creating", .*"{port["id"]}"\)', r'sendmsg\(.*\{\\"parameters',
             rf'renameat\(.*"{port["id"]}", .*"{port["id"]}\.deleting"\)',
             r"sendmsg\(.*nlmsg_type=(RTM_DELLINK|0x11\b)", rf'unlinkat\(.*"{port["id"]}\.deleting", 0\)',
             r'sendmsg\(.*\{\\"parameters\\":\{\}']
    position = -1
    for step in steps:
        position = next((i for i in range(position + 1, len(lines)) if re.search(step, lines[i])), None)
        assert position is not None, f"no {step!r} after the steps before it:\n" + "\n".join(lines)
