# SPDX-License-Identifier: LGPL-2.1-or-later
"""macvtap-run --replace: the old VM's port ends for a new one that will start, and for no other."""
import pytest

from programs import program


@pytest.fixture
def daemon(daemons, host, station):
    daemon = daemons(host)
    daemon.network("lan", "eth0")
    daemon.network("leased", text="[Network]\nParent=eth0\nMode=bridge\n[Addresses]\nSubnet=10.0.0.0/24\nRange=10.0.0.32/28\n"
                                  "Gateway=10.0.0.254\n")
    yield daemon.start()
    daemon.ctl("port", "delete", "--all")


def held(daemon, host, name="vm", network="leased"):
    """An old VM's port: the process, and the port."""
    process = host.start(program("macvtap-run"), f"--network={network},name={name}", "--", "sh", "-c", "echo; exec cat", "{fd}",
                         "{mac}", env=daemon.environment(), stdin=-1, stdout=-1)
    process.stdout.readline()
    return process, next(port for port in daemon.ports() if port["name"] == name)


OTHER = "52:54:00:00:00:99"
QEMU = ("qemu-system-x86_64", "-M", "q35")


@pytest.mark.parametrize("options, command, text", [
    (["leased,name=vm", "nosuch,name=store"], ("true", "{fds:0}", "{mac:0}", "{fds:1}", "{mac:1}"), "there is no network 'nosuch'"),
    (["leased,name=vm", "nosuch"], ("true", "{fds:0}", "{mac:0}", "{fds:1}", "{mac:1}"), "there is no network 'nosuch'"),
    (["leased,name=vm", "lan,name=vm"], ("true", "{fds:0}", "{mac:0}", "{fds:1}", "{mac:1}"), "two ports cannot both have name=vm"),
    (["leased,name=vm"], (*QEMU, "-netdev", "{netdev}", "-device", f"virtio-net-pci,netdev=macvtap0,mac={OTHER}"),
     "is not in the command"),
    (["leased,name=vm"], (*QEMU, "-netdev", "{netdev}", "-device", f"{{device}},mac={OTHER}"), "a later mac= overrides"),
    (["lan,name=vm"], ("true", "{fds}", "{mac}", "{address}"), "port vm has no address"),
    (["leased,name=vm"], ("true", "{fds}", "{mac}", "{dns}"), "network leased has no IPv4 DNS server"),
    (["leased,name=vm,vhost=off"], ("true", "{fds}", "{mac}", "{vhostfd}"), "has no vhost-net"),
    (["leased,name=vm,queues=2"], ("true", "{fds}", "{mac}", "{fd:2}"), "has 2 queues, counted from 0"),
    (["leased,name=vm,seed=/dev/null/seed"], QEMU, "/dev/null/seed"),
    (["leased,name=vm,address=10.0.0.34"], ("true", "{fds}", "{mac}", "{ip=}"), "address 10.0.0.34 belongs to port other"),
])
def test_replacement_that_cannot_start_costs_nothing(daemon, host, options, command, text):
    """Whatever can be known of the ports and the command is checked before the first port ends."""
    daemon.ctl("port", "create", "--network=leased", "--name=other", "--address=10.0.0.34", "--holder=none")
    process, old = held(daemon, host)
    done = daemon.tool("macvtap-run", "--replace", *(f"--network={option}" for option in options), "--", *command, check=False)
    assert done.returncode == 125 and text in done.stderr and "ended" not in done.stderr, done
    assert len(done.stderr.splitlines()) == 1
    assert {port["id"] for port in daemon.ports() if port["name"] != "other"} == {old["id"]}
    daemon.ctl("port", "delete", "other")
    process.stdin.close()
    assert daemon.settle() == []


def test_replaced_port_and_its_neighbours_are_used_at_once(daemon, host):
    """In the order of the command line, with what each has: one port is replaced, one is there, one is new."""
    process, old = held(daemon, host)
    kept = daemon.ctl_json("port", "create", "--network=lan", "--name=kept", "--holder=none")
    done = daemon.tool("macvtap-run", "--replace", "-n", "lan", "-n", "leased,name=vm", "-p", "kept", "--", "echo", "{fds:0}", "{mac:1}",
                       "{ip=:1}", "{mac:2}", "{fds:1}", "{fds:2}", "{mac:0}")
    words = done.stdout.split()
    assert words[1:4] == [old["macAddress"], f"ip={old['addresses'][0].split('/')[0]}::10.0.0.254:255.255.255.0:vm::off",
                          kept["macAddress"]]
    done = daemon.tool("macvtap-run", "--replace", "-n", "lan,name=kept", "-p", "kept", "--", "true", "{fds:0}", "{mac:0}", "{fds:1}", "{mac:1}",
                       check=False)
    assert done.returncode == 125 and "port kept cannot be both replaced and used with --port" in done.stderr
    daemon.ctl("port", "delete", "kept")
    process.stdin.close()
    assert daemon.settle() == []


def test_what_has_ended_is_said(daemon, host):
    """A program that is no program shows only when it is executed."""
    process, _ = held(daemon, host, network="lan")
    program_file = daemon.folder / "no-program"
    program_file.write_bytes(b"\x7fELF")
    program_file.chmod(0o755)
    done = daemon.tool("macvtap-run", "--replace", "-n", "lan,name=vm", "--", program_file, "{fd}", "{mac}", check=False)
    assert done.returncode == 126 and done.stderr.endswith("; --replace has already ended port vm\n"), done
    process.stdin.close()
    assert daemon.settle() == []


@pytest.mark.parametrize("policy", ["inherit", "assign"])
def test_port_that_has_its_parent_to_itself(daemon, host, policy):
    """Which MAC the new port will have is known while the old one still gives its own to the parent."""
    daemon.network("pass", text=f"[Network]\nParent=eth0\nMode=passthru\n[Port]\nMac={policy}\n")
    daemon.reload()
    process, old = held(daemon, host, network="pass")
    for mac, status in ((OTHER, 125), (old["macAddress"], 0)):
        assert [port["id"] for port in daemon.ports()] == [old["id"]]
        done = daemon.tool("macvtap-run", "--replace", "-n", "pass,name=vm", "--", "true", "{fd}", mac, check=False)
        assert done.returncode == status, done
    process.stdin.close()
    assert daemon.settle() == []
