# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may use which network, and who sees what. Users are numbers that no one has: only AllowUsers= and groups count."""
import sys

import pytest

from programs import program
from refusal import REFUSED, NothingLeft, check_refused

pytestmark = pytest.mark.shared

ALICE, BOB, CAROL = 23001, 23002, 23003
TEAM = 23100

NETWORKS = {
    "closed": "",
    "alices": f"AllowUsers={ALICE}\n",
    "teams": f"AllowGroups={TEAM}\n",
    "both": f"AllowUsers=nobody {BOB}\nAllowGroups={TEAM}\n",
}


@pytest.fixture
def access(daemons, host, station):
    daemon = daemons(host)
    for name, rules in NETWORKS.items():
        daemon.network(name, text=f"[Network]\nParent=eth0\nMode=bridge\n[Access]\n{rules}")
    daemon.start()
    yield daemon
    for port in daemon.ports():
        daemon.ctl("port", "delete", port["id"])


def as_user(daemon, uid, *arguments, gid=None, groups=(), tool="macvtapctl"):
    """One of our programs as user uid with primary group gid and supplementary groups."""
    ids = [f"--reuid={uid}", f"--regid={gid or uid}"]
    ids += [f"--groups={','.join(map(str, groups))}"] if groups else ["--clear-groups"]
    return daemon.host.run("setpriv", *ids, "--", program(tool), *arguments, check=False, env=daemon.environment())


USERS = {
    "alice": (dict(uid=ALICE), {"alices"}),
    "bob": (dict(uid=BOB), {"both"}),
    "carol": (dict(uid=CAROL), set()),
    "primary-group": (dict(uid=CAROL, gid=TEAM), {"teams", "both"}),
    "supplementary-group": (dict(uid=CAROL, groups=[TEAM]), {"teams", "both"}),
    "last-of-many-groups": (dict(uid=CAROL, groups=[*range(30000, 30200), TEAM]), {"teams", "both"}),
    "alice-in-the-team": (dict(uid=ALICE, groups=[TEAM]), {"alices", "teams", "both"}),
    # A group's number is no user's, and the other way round.
    "user-with-the-groups-number": (dict(uid=TEAM, gid=CAROL), set()),
    "group-with-the-users-number": (dict(uid=CAROL, gid=ALICE), set()),
    # Root's group gives nothing.
    "root-group": (dict(uid=CAROL, gid=1, groups=[0]), set()),
}


@pytest.mark.parametrize("name", USERS)
def test_who_may_use_what(access, name):
    ids, allowed = USERS[name]
    uid = ids["uid"]
    others = {key: value for key, value in ids.items() if key != "uid"}
    shown = as_user(access, uid, "network", "list", **others)
    assert {line.split()[0] for line in shown.stdout.splitlines()[1:]} == allowed
    for network in NETWORKS:
        create = ["port", "create", "--network", network, "--name", f"on-{network}"]
        if network in allowed:
            done = as_user(access, uid, *create, **others)
            assert done.returncode == 0, done.stderr
        else:
            with NothingLeft(access):
                check_refused(as_user(access, uid, *create, **others), REFUSED,
                              f"user {uid} may not use network {network}")
    assert {port["network"] for port in access.ports()} == allowed
    assert all(port["owner"] == uid for port in access.ports())


def test_root_may_use_all(access):
    assert {network["name"] for network in access.ctl_json("network", "list")["networks"]} == set(NETWORKS)
    for network in [*NETWORKS, "parent=eth0,mode=private"]:
        access.ctl("port", "create", "--network", network)


def test_interface_names_of_users(access):
    """No user takes a name that the host's next NIC would get."""
    create = ["port", "create", "--network=alices", "--interface"]
    for name in ("eth7", "enp3s0", "xvm7", "vmbr0", "vmnet8"):
        with NothingLeft(access):
            check_refused(as_user(access, ALICE, *create, name), REFUSED, name, "'vm' or 'mvt'")
    for name in ("vm7-net0", "mvt-alice"):
        assert as_user(access, ALICE, *create, name).returncode == 0
    assert sorted(port["interfaceName"] for port in access.ports()) == ["mvt-alice", "vm7-net0"]
    access.ctl("port", "create", "--network=closed", "--interface=eth7")


def test_user_is_the_effective_one_of_the_connection(access):
    """Peer credentials are of who connected: a process that has since become another user is believed no more."""
    script = ("import os, socket, sys, json\n"
              f"os.setresgid({BOB}, {BOB}, 0); os.setgroups([]); os.setresuid({BOB}, {BOB}, 0)\n"
              "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
              "os.seteuid(0)\n"
              "s.sendall(b'{\"method\":\"org.macvtapd.Ports.CreatePort\",\"parameters\":{\"network\":\"closed\"}}\\0')\n"
              "print(s.recv(65536).rstrip(b'\\0').decode())\n")
    done = access.host.run("/usr/bin/python3", "-c", script, str(access.socket))
    assert "org.macvtapd.Ports.AccessDenied" in done.stdout
    assert access.leftovers() == []


def test_ports_of_others_are_not_seen(access):
    """Not in lists, by no name, to nobody's hand; root sees and may do all."""
    port = access.ctl_json("port", "create", "--network=both", "--name=bobs", user=None)
    access.ctl("port", "delete", "bobs")
    done = as_user(access, BOB, "port", "create", "--network=both", "--name=bobs")
    assert done.returncode == 0, done.stderr
    (port,) = access.ports()
    names = [port["name"], port["id"], port["interfaceName"]]
    for uid, groups in ((ALICE, [TEAM]), (CAROL, [])):
        assert len(as_user(access, uid, "port", "list", groups=groups).stdout.splitlines()) == 1
        for name in names:
            for verb in ("show", "delete"):
                done = as_user(access, uid, "port", verb, name, groups=groups)
                check_refused(done, REFUSED, f"there is no port '{name}'")
    assert access.ports() == [port]
    assert "bobs" in as_user(access, BOB, "port", "list").stdout
    assert "bobs" in access.ctl("port", "list").stdout
    # What is refused for a taken name tells no more than that it is taken.
    done = as_user(access, ALICE, "port", "create", "--network=both", "--name=bobs", groups=[TEAM])
    check_refused(done, REFUSED, "there is a port 'bobs' already")
    assert as_user(access, BOB, "port", "delete", "bobs").returncode == 0


def test_what_refusals_tell(access):
    """All of it is in docs/threat-model.md: names of networks to everybody, names and MACs that are taken to who may use one."""
    access.network("broken", text="[Network]\nParent=eth0\nMode=secret\n")
    access.reload()
    for network, words in (("nosuch", "there is no network 'nosuch'"), ("closed", "may not use network closed"),
                           ("broken", "network broken cannot be used: its file has an error")):
        done = as_user(access, CAROL, "port", "create", "--network", network)
        check_refused(done, REFUSED, words)
        assert "secret" not in done.stderr
    done = as_user(access, BOB, "port", "create", "--network=both", "--name=bobs", "--interface=vm-bobs")
    assert done.returncode == 0, done.stderr
    (port,) = access.ports()
    done = as_user(access, CAROL, "port", "list", "--network=nosuch")
    check_refused(done, REFUSED, "there is no network 'nosuch'")
    assert "closed" not in done.stderr  # what she may not use is not named
    assert len(as_user(access, CAROL, "port", "list", "--network=both").stdout.splitlines()) == 1
    for asked, words in ((("--name=bobs",), "there is a port 'bobs' already"),
                         (("--interface=vm-bobs",), "interface name vm-bobs is taken by port bobs"),
                         (("--mac", port["macAddress"]), f"MAC {port['macAddress']} belongs to port bobs on eth0")):
        done = as_user(access, ALICE, "port", "create", "--network=both", *asked, groups=[TEAM])
        check_refused(done, REFUSED, words)
        done = as_user(access, CAROL, "port", "create", "--network=both", *asked)
        check_refused(done, REFUSED, "may not use network both")
        assert "bobs" not in done.stderr


def test_name_that_a_user_has_taken_is_roots_to_free(access):
    create = ["port", "create", "--network=closed", "--name=db1-net0", "--interface=db1-net0"]
    assert as_user(access, ALICE, "port", "create", "--network=alices", "--name=db1-net0").returncode == 0
    check_refused(access.ctl(*create, check=False), REFUSED, "there is a port 'db1-net0' already")
    assert f"owner {ALICE}" in access.ctl("port", "show", "db1-net0").stdout
    access.ctl("port", "delete", "db1-net0")
    access.ctl(*create)


def test_who_is_taken_out_keeps_the_ports_that_are_there(access):
    """With the descriptors that he has; more of them he does not get, until he is taken in again."""
    assert as_user(access, ALICE, "port", "create", "--network=alices", "--name=hers", "--vhost=off").returncode == 0
    access.network("alices", "eth0")
    access.reload()
    check_refused(as_user(access, ALICE, "port", "create", "--network=alices"), REFUSED, "may not use network alices")
    assert [port["state"] for port in access.ports()] == ["active"]
    reply = open_as(access, ALICE, "hers")
    assert "AccessDenied" in reply and "may no longer use network alices" in reply and reply.endswith(" 0")
    access.network("alices", "eth0", AllowUsers=str(ALICE))
    access.reload()
    assert open_as(access, ALICE, "hers").endswith(" 1")
    access.ctl("port", "delete", "hers")
    assert "PortNotFound" in open_as(access, ALICE, "hers")


def open_as(access, uid, port):
    """The reply to OpenPort by this user, and how many descriptors came with it."""
    script = ("import json, socket, sys\n"
              "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
              "call = {'method': 'org.macvtapd.Ports.OpenPort', 'parameters': {'port': sys.argv[2]}}\n"
              "s.sendall(json.dumps(call).encode() + bytes(1))\n"
              "data, fds, _, _ = socket.recv_fds(s, 65536, 8)\n"
              "print(data.rstrip(bytes(1)).decode(), len(fds))\n")
    return access.host.run("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--", "/usr/bin/python3", "-c",
                           script, str(access.socket), port).stdout.rstrip()


def test_descriptors_of_others_are_not_opened(access):
    done = as_user(access, BOB, "port", "create", "--network=both", "--name=bobs", "--vhost=off")
    assert done.returncode == 0
    for uid, words, descriptors in ((ALICE, "PortNotFound", " 0"), (BOB, "tapFileDescriptors", " 1")):
        told = open_as(access, uid, "bobs")
        assert words in told and told.endswith(descriptors)


def test_watchers_hear_of_their_own_ports(access):
    """Alice's watch tells of her port, though Bob's came first."""
    watch = ("import socket, sys\n"
             "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
             "s.sendall(b'{\"method\":\"org.macvtapd.Ports.WatchPorts\",\"more\":true}\\0')\n"
             "data = b''\n"
             "while data.count(b'\\0') < 2:\n"
             "    data += s.recv(65536)\n"
             "    if data.count(b'\\0') == 1: print('ready', flush=True)\n"
             "print(data.split(b'\\0')[1].decode(), flush=True)\n")
    watcher = access.host.start("setpriv", f"--reuid={ALICE}", f"--regid={ALICE}", "--clear-groups", "--", "/usr/bin/python3",
                                "-c", watch, str(access.socket), stdout=-1, text=True)
    assert watcher.stdout.readline() == "ready\n"
    assert as_user(access, BOB, "port", "create", "--network=both", "--name=bobs").returncode == 0
    assert as_user(access, ALICE, "port", "create", "--network=alices", "--name=hers").returncode == 0
    line = watcher.stdout.readline()
    assert '"hers"' in line and "bobs" not in line


def test_caller_without_a_right_holds_nothing_of_the_host(access):
    """What an allowed user gets is the queue: the device is not his to change by the descriptor's interface."""
    done = as_user(access, ALICE, "--network", "alices", "--", "sh", "-c", "ip link set {ifname} down # {fd} {mac}",
                   tool="macvtap-run")
    assert done.returncode != 0 and "ermitted" in done.stderr
    assert access.settle() == []


# -- what one user can hold ----------------------------------------------------------------------------------


def test_user_does_not_take_all_descriptors(daemons, host, station):
    """Sixty connections have more descriptors than this daemon may have."""
    daemon = daemons(host, wrapper=["prlimit", "--nofile=100:100"])
    daemon.network("lan", "eth0")
    daemon.start()
    hog = host.start("setpriv", "--reuid=65534", "--clear-groups", sys.executable, "-c", """if True:
        import socket, sys
        made = [socket.socket(socket.AF_UNIX) for _ in range(60)]
        for one in made:
            one.connect(sys.argv[1])
        print("connected", flush=True)
        input()
    """, daemon.socket, stdin=-1, stdout=-1)
    assert hog.stdout.readline() == b"connected\n"
    port = daemon.ctl_json("port", "create", "--network=lan")
    daemon.ctl("port", "delete", port["id"])
    refused = daemon.ctl("port", "list", user="nobody", check=False)
    assert refused.returncode == 1
    assert refused.stderr == ("macvtapctl: macvtapd closed the connection: it has stopped, or you have too many connections to it open\n")
    hog.stdin.close()
    hog.wait()


def test_umask_keeps_no_user_out(daemons, host, station):
    daemon = daemons(host, wrapper=["sh", "-c", 'umask 077; exec "$@"', "sh"])
    daemon.state.rmdir()
    daemon.start()
    assert daemon.state.stat().st_mode & 0o777 == 0o755
    assert daemon.socket.stat().st_mode & 0o777 == 0o666
