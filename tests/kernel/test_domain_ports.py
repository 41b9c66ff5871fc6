# SPDX-License-Identifier: LGPL-2.1-or-later
"""What libvirt needs of a port: its device node by path, a device that is down until the guest runs, and a domain as
its holder, by whose process or word it ends."""
import os
import signal
import stat
import subprocess

import pytest

import node
from frames import device_number
from programs import program
from varlink import VarlinkError

pytestmark = pytest.mark.shared

FIRST, SECOND = "123e4567-e89b-12d3-a456-426614174000", "123e4567-e89b-12d3-a456-426614174001"
OWNER = {"owner": 64055, "group": 64056}


@pytest.fixture
def connection(daemon):
    with daemon.connect() as connection:
        yield connection
    for port in daemon.ports():
        daemon.ctl("port", "delete", port["id"])


@pytest.fixture
def process(host):
    return host.start("cat", stdin=-1)


def create(connection, name="vm", domain=FIRST, pid=None, **parameters):
    holder = {"type": "domain", "domain": domain, **({"pid": pid} if pid else {})}
    return connection.ports("CreatePort", network="lan", name=name, holder=holder, openDescriptors=False,
                            **parameters)["port"]


def is_up(host, port):
    return "UP" in host.link(port["interfaceName"])["flags"]


# -- the device ----------------------------------------------------------------------------------------------


def test_device_is_down_until_it_is_set_up(daemon, host, connection):
    port = create(connection, linkUp=False)
    assert not port["linkUp"] and not is_up(host, port)
    assert connection.ports("SetPort", port="vm", linkUp=True)["port"]["linkUp"]
    assert is_up(host, port)
    assert "link       up" in daemon.ctl("port", "show", "vm").stdout
    daemon.ctl("port", "set", "vm", "--link", "down")
    assert not is_up(host, port)
    assert "link       down" in daemon.ctl("port", "show", "vm").stdout
    daemon.kill()
    daemon.start()
    (found,) = daemon.ports()
    assert not found["linkUp"]


def test_options_of_macvtapctl(daemon, host):
    port = daemon.ctl_json("port", "create", "--network=lan", "--name=vm", "--link=down", "--incoming")
    assert port["incoming"] and not port["linkUp"] and not is_up(host, port)
    assert host.link(port["interfaceName"])["linkinfo"]["info_data"]["mode"] == "vepa"
    daemon.ctl("port", "delete", "vm")
    done = daemon.ctl("port", "create", "--network=lan", "--link=sideways", check=False)
    assert done.returncode == 2 and "not 'sideways'" in done.stderr


def test_host_takes_nothing_of_a_device_that_is_set_up_later(host, connection):
    port = create(connection, linkUp=False)
    connection.ports("SetPort", port="vm", linkUp=True)
    link = host.link(port["interfaceName"])
    assert {"UP", "NOARP"} <= set(link["flags"])
    shown = host.ip("-o", "addr", "show", "dev", port["interfaceName"]).stdout
    assert shown == ""


def test_mac_that_another_took_meanwhile(host, connection):
    port = create(connection, linkUp=False)
    host.ip("link", "add", "thief", "link", "eth0", "address", port["macAddress"], "type", "macvlan", "mode", "bridge")
    host.ip("link", "set", "thief", "up")
    with pytest.raises(VarlinkError, match="MacConflict.*belongs to thief on eth0"):
        connection.ports("SetPort", port="vm", linkUp=True)
    with pytest.raises(VarlinkError, match="MacConflict.*belongs to thief on eth0"):
        connection.ports("DeletePort", port="vm")
        create(connection, linkUp=False, macAddress=port["macAddress"])
    host.ip("link", "del", "thief")


@pytest.mark.parametrize("arguments, status, text", [
    ((), 2, "nothing to change"),
    (("--link", "sideways"), 2, "'sideways'"),
    (("--link", "up", "more"), 2, "unexpected argument 'more'; usage: macvtapctl port set PORT"),
    (("--sources", ""), 1, "in mode bridge"),
])
def test_set_refuses(daemon, connection, arguments, status, text):
    create(connection)
    done = daemon.ctl("port", "set", "vm", *arguments, check=False)
    (line,) = done.stderr.splitlines()
    assert done.returncode == status and text in line


# -- the node ------------------------------------------------------------------------------------------------


def may_open(host, path, user, group):
    return host.run("setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "sh", "-c", f"exec 3<>{path}",
                    check=False).returncode == 0


def test_node_is_the_devices_and_the_owners(daemon, host, connection):
    port = create(connection, deviceNode=OWNER)
    path = port["deviceNode"]
    assert path == f"/dev/tap{port['interfaceIndex']}"
    status = os.stat(path)
    assert stat.S_ISCHR(status.st_mode) and status.st_rdev == device_number(host, port["interfaceName"])
    assert node.users(path) == {0, OWNER["owner"]}
    assert may_open(host, path, OWNER["owner"], 65534) and not may_open(host, path, 65534, OWNER["group"])
    assert path in daemon.ctl("port", "show", "vm").stdout
    daemon.kill()
    daemon.start()
    assert daemon.ports()[0]["deviceNode"] == path
    daemon.ctl("port", "delete", "vm")
    assert not os.path.exists(path)


def widen(path):
    os.removexattr(path, "system.posix_acl_access")
    os.chmod(path, 0o666)


@pytest.mark.parametrize("harm", [widen, os.unlink], ids=["opened-to-all", "removed"])
def test_node_is_as_it_was_after_a_restart(daemon, connection, harm):
    port = create(connection, deviceNode=OWNER)
    before = os.stat(port["deviceNode"])
    daemon.kill()
    harm(port["deviceNode"])
    daemon.start()
    after = os.stat(port["deviceNode"])
    assert (after.st_mode, after.st_uid, after.st_rdev) == (before.st_mode, before.st_uid, before.st_rdev)
    assert node.users(port["deviceNode"]) == {0, OWNER["owner"]}
    daemon.restart()
    daemon.ctl("port", "delete", "vm")
    assert not os.path.exists(port["deviceNode"])


def test_node_of_another_user_is_told_and_left_to_the_kernel(daemon, connection):
    """The daemon has no power over it, and who has it would keep it if it were unlinked as it is."""
    port = create(connection, deviceNode=OWNER)
    daemon.kill()
    os.chown(port["deviceNode"], 65534, 65534)
    before = os.stat(port["deviceNode"])
    daemon.start()
    assert f"{port['deviceNode']} is user 65534's and cannot be taken back" in daemon.log.read_text()
    assert os.stat(port["deviceNode"]).st_ino == before.st_ino
    os.chown(port["deviceNode"], 0, 0)
    daemon.restart()
    assert node.users(port["deviceNode"]) == {0, OWNER["owner"]}


REOPEN = """
import os, sys
held = os.open(sys.argv[1], os.O_PATH)
for _ in sys.stdin:
    try:
        os.close(os.open(f"/proc/self/fd/{held}", os.O_RDWR | os.O_NONBLOCK))
        print("opened", flush=True)
    except OSError as error:
        print(error.strerror, flush=True)
"""


@pytest.mark.parametrize("made_by", ["kernel", "daemon"])
def test_who_held_on_to_his_node_does_not_get_the_next_device_of_its_number(daemon, host, connection, made_by):
    port = create(connection, deviceNode=OWNER)
    path = port["deviceNode"]
    if made_by == "daemon":
        daemon.kill()
        os.unlink(path)
        daemon.start()
    user = host.start("setpriv", f"--reuid={OWNER['owner']}", f"--regid={OWNER['group']}", "--clear-groups",
                      "/usr/bin/python3", "-c", REOPEN, path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def reopen():
        user.stdin.write("\n")
        user.stdin.flush()
        return user.stdout.readline().strip()

    assert reopen() == "opened"
    daemon.ctl("port", "delete", "vm")
    assert reopen() == "Permission denied"  # whether there is such a device or not, which would be "No such device"


OWN_NODE = """
import json, os, socket, sys

connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
for owner, group in ((0, 0), (os.getuid(), 0), (os.getuid(), os.getgid())):
    parameters = {"network": "lan", "deviceNode": {"owner": owner, "group": group}, "openDescriptors": False,
                  "holder": {"type": "process"}}
    call = {"method": "org.macvtapd.Ports.CreatePort", "parameters": parameters}
    connection.sendall(json.dumps(call).encode() + bytes(1))
    reply = json.loads(connection.recv(65536)[:-1])
    if "error" not in reply:
        os.close(os.open(reply["parameters"]["port"]["deviceNode"], os.O_RDWR))
    print(reply.get("error", "opened"))
"""


def test_node_of_another_is_only_for_root_to_give(daemon, host):
    done = host.run("/usr/bin/python3", "-c", OWN_NODE, daemon.socket, user="nobody")
    assert done.stdout.split() == ["org.macvtapd.Ports.AccessDenied"] * 2 + ["opened"]
    assert daemon.settle() == []


# -- the domain ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["made", "later", "after-restart"])
def test_port_goes_with_the_domains_process(daemon, connection, process, when):
    port = create(connection, pid=process.pid if when == "made" else None, deviceNode=OWNER)
    if when != "made":
        assert "pid" not in port["holder"]
        tied = connection.ports("SetPort", port="vm", holderPid=process.pid)["port"]
        assert tied["holder"] == {"type": "domain", "domain": FIRST, "pid": process.pid}
    if when == "after-restart":
        daemon.kill()
        daemon.start()
    assert f"process    {process.pid}" in daemon.ctl("port", "show", "vm").stdout
    os.kill(process.pid, signal.SIGKILL)
    assert daemon.settle() == []
    assert not os.path.exists(port["deviceNode"])


def test_domains_process_ended_while_no_daemon_ran(daemon, connection, process):
    create(connection, "dead", pid=process.pid)
    create(connection, "waits")
    daemon.kill()
    process.kill()
    process.wait()
    daemon.start()
    assert [port["name"] for port in daemon.ports()] == ["waits"]
    assert any(line.startswith("port dead ended on ") for line in daemon.trail())
    daemon.ctl("port", "delete", "waits")


def test_end_of_a_domain(daemon, connection, process):
    create(connection, "one", FIRST)
    create(connection, "two", FIRST, process.pid)
    create(connection, "other", SECOND, process.pid)
    assert connection.ports("EndDomain", domain=FIRST.upper()) == {"ports": 2}
    assert connection.ports("EndDomain", domain=FIRST) == {"ports": 0}
    assert [port["name"] for port in daemon.ports()] == ["other"]
    process.kill()
    assert daemon.settle() == []


def test_record_of_a_macvtapd_before(daemon, connection):
    """Records without what is new are read as ever."""
    port = create(connection)
    text = (daemon.state / "ports" / port["id"]).read_text(encoding="utf-8")
    assert "deviceNode" not in text and "pid" not in text
    daemon.restart()
    assert daemon.ports() == [port]


@pytest.mark.parametrize("pid, error", [(0, "InvalidRequest"), (2**31 - 1, "HolderInvalid")])
def test_process_that_cannot_be_tied(connection, pid, error):
    create(connection)
    with pytest.raises(VarlinkError, match=error):
        connection.ports("SetPort", port="vm", holderPid=pid)


def test_process_of_another_pid_namespace(daemon, host):
    """What a container calls process 1 is another one here."""
    done = daemon.host.run("unshare", "--pid", "--fork", program("macvtapctl"), "port", "create", "--network", "lan",
                           "--holder", "pid:1", check=False, env=daemon.environment())
    assert done.returncode == 1
    assert "process 1 is in another PID namespace than macvtapd" in done.stderr
    assert daemon.ports() == []
