# SPDX-License-Identifier: LGPL-2.1-or-later
"""A running QEMU gets and loses ports, through its agent or a monitor of the user's; whatever fails or dies in between,
nothing is left."""
import itertools
import os
import re
import select
import signal
import socket
import subprocess

import pytest

import agent
import qmp
import guest
from clock import PATIENCE, Deadline
from documents import block, commands
from frames import PacketSocket
from guest import KERNEL_WORDS
from privileges import is_sanitized
from programs import image, program
from tracing import Trace

STATION = "10.0.0.254"
# A QEMU without a guest: enough for what macvtapctl, the agent and QEMU have to do with each other. On "pc", no bus is in
# the way.
BARE = ["qemu-system-x86_64", "-S", "-M", "pc", "-m", "32", "-nodefaults", "-no-user-config", "-display", "none",
        "-accel", "tcg"]


(START,) = commands(block("docs/agent.md", "Attach and detach", 0))
LIST, ATTACH, DETACH = commands(block("docs/agent.md", "Attach and detach", 1))
MONITOR_ATTACH, MONITOR_LIST, MONITOR_DETACH = commands(block("docs/agent.md", "Without an agent", 0))

# What is found first of that name: the real one, which boots the test's guest, with a monitor of the user's besides.
QEMU = f"""#!/bin/bash
exec /usr/bin/qemu-system-x86_64 "$@" -accel tcg -m 128 -display none -serial stdio -no-reboot -kernel {image('kernel')} \\
    -initrd {image('guest')} -append '{KERNEL_WORDS} guest.name=web guest.end=shell' -qmp unix:web.qmp,server=on,wait=off
"""


def carrier(interface):
    return f"$(cat /sys/class/net/{interface}/carrier)"


def wait_carrier(running, value):
    assert running.shell(f"until [ {carrier('eth0')}{carrier('eth1')} = {value} ]; do :; done") == 0


def check_links(daemon, station, running, first):
    """The guest has eth0 and eth1, both up."""
    assert running.shell("ip addr add 10.0.0.8/24 dev eth0") == 0
    wait_carrier(running, "11")
    station.ip("link", "set", "eth0", "down")
    wait_carrier(running, "00")
    daemon.restart()  # the agent finds it again
    station.ip("link", "set", "eth0", "up")
    with PacketSocket(station, "eth0") as endpoint:
        agent.wait_gratuitous_arp(endpoint, first["macAddress"])
    wait_carrier(running, "11")
    daemon.ctl("port", "set", first["id"], "--link", "down")
    wait_carrier(running, "01")
    daemon.network("lan", "eth0")  # without FollowCarrier=, the link is up again
    daemon.reload()
    wait_carrier(running, "11")
    daemon.host.ip("link", "set", "eth0", "down")
    assert running.shell(f"[ {carrier('eth0')}{carrier('eth1')} = 11 ]") == 0
    daemon.host.ip("link", "set", "eth0", "up")
    daemon.ctl("port", "set", first["id"], "--link", "up")


@pytest.fixture
def desk(tmp_path):
    """The folder in which the user of docs/agent.md works."""
    qemu = tmp_path / "bin" / "qemu-system-x86_64"
    qemu.parent.mkdir()
    qemu.write_text(QEMU, encoding="utf-8")
    qemu.chmod(0o755)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", tmp_path / "disk.qcow2", "1M"], check=True)
    return tmp_path


def type_line(daemon, desk, command, host_method, **options):
    path = f"{desk}/bin:{os.path.dirname(program('macvtap-run'))}:{os.environ['PATH']}"
    return host_method("bash", "-c", f"cd {desk}; exec {command}", env=agent.environment(daemon, PATH=path), **options)


def check_document(daemon, desk, running):
    def run(command):
        return type_line(daemon, desk, command, daemon.host.run).stdout

    for attach_it, list_them, detach_it, queues in ((ATTACH, LIST, DETACH, 4), (MONITOR_ATTACH, MONITOR_LIST, MONITOR_DETACH, 1)):
        seen = len(running.lines)
        run(attach_it)
        agent.wait_new_interface(running, seen)
        assert re.search(rf"^web +{running.pid} +(web, backup|backup, web)$", run(list_them), re.M)
        assert [port["queues"] for port in daemon.ports() if port["name"] == "backup"] == [queues]
        run(detach_it)
        assert [port["name"] for port in daemon.ports()] == ["web"]


def test_a_guest_gets_and_loses_ports(daemon, desk, station, guests):
    """One guest for all: what docs/agent.md says, a port that comes and goes three times, links that follow the carrier, and
    the port that it was started with goes, too."""
    daemon.network("lan", text="[Network]\nParent=eth0\nMode=bridge\n[Guest]\nFollowCarrier=yes\n")
    daemon.reload()
    command = START.replace("--network lan", "--network lan,bus=macvtap-slot3")
    running = guests(lambda: type_line(daemon, desk, command, lambda *words, **options: guest.Guest(
        daemon.host, words, stdin=subprocess.PIPE, **options)))
    running.wait_line("GUEST web DONE")
    found = agent.only_vm(daemon)
    (first,) = daemon.ports()
    assert (found["name"], found["pid"], [port["id"] for port in found["ports"]]) == ("web", running.pid, [first["id"]])
    check_document(daemon, desk, running)
    agent.check_cycles(daemon, running, 3, "lan,queues=2,name=extra", "10.0.0.7", STATION)
    _, interface = agent.attach(daemon, running, "web", "--network", "lan")
    assert running.shell(f"ip link set {interface} up") == 0
    check_links(daemon, station, running, first)
    agent.vm(daemon, "detach", "web", first["interfaceName"])
    assert first["id"] not in [port["id"] for port in daemon.ports()]
    running.kill()
    assert daemon.settle() == []
    assert "refused" not in daemon.messages()


# -- a QEMU without a guest ------------------------------------------------------------------------------------------


class Bare:
    """QEMU with a monitor of the user's, with or without an agent."""

    def __init__(self, daemon, folder, arguments=(), command=(), user=None, **variables):
        self.path = folder
        self.process = daemon.host.start(*command, *BARE, "-qmp", f"unix:{self.path},server=on,wait=off", *arguments,
                                         env=agent.environment(daemon, **variables), user=user)
        self.pid = self.process.pid
        self.monitor = self._connect(Deadline())

    def _connect(self, deadline):
        ended = os.pidfd_open(self.pid)
        try:
            while True:
                assert deadline.left() > 0 and not select.select([ended], [], [], 0)[0], "QEMU has no monitor"
                try:
                    return qmp.Qmp(self.path)
                except (FileNotFoundError, ConnectionRefusedError):
                    pass
        finally:
            os.close(ended)

    def release(self):
        """Leave the monitor to others."""
        self.monitor.close()

    def close(self):
        self.monitor.close()
        self.process.kill()
        self.process.wait()


@pytest.fixture
def bare(daemon, tmp_path):
    """bare(…) starts a QEMU that ends with the test."""
    made = []

    def make(*arguments, **options):
        made.append(Bare(daemon, tmp_path / f"qmp{len(made)}", *arguments, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def with_agent(daemon, bare):
    def make(name="web", networks=("lan,check-mac=no",), **options):
        command = [program("macvtap-run"), "--agent", *(f"--network={network}" for network in networks), "--"]
        made = bare(["-name", name], command=command, **options)
        assert name in [found["name"] for found in agent.vms(daemon)]
        return made

    return make


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)


def test_who_may_ask(daemon):
    """The agent's user and root; another user is kept out by the folder, and else by the agent."""
    runtime = daemon.folder / "runtime"
    runtime.mkdir()
    os.chown(runtime, 65534, 65534)
    place = runtime / "agents"

    def vm(*arguments, **options):
        return agent.vm(daemon, *arguments, MACVTAP_AGENT_DIR=str(place), **options)

    process = daemon.host.start(program("macvtap-run"), "--agent", "--network=lan,check-mac=no", "--", *BARE, "-name", "web",
                                user="nobody", env=agent.environment(daemon, MACVTAP_AGENT_DIR=str(place)))
    deadline = Deadline()
    while "web" not in vm("list", user="nobody").stdout:
        assert deadline.left() > 0
    (helper,) = agent.processes(daemon)
    assert status_of(helper)["Uid"].split() == ["65534"] * 4
    assert place.stat().st_mode & 0o777 == 0o700
    assert "web" not in vm("list", user="daemon").stdout
    place.chmod(0o777)
    (place / "web").chmod(0o777)
    done = vm("attach", "web", "--network=lan", user="daemon", check=False)
    assert (done.returncode, done.stderr) == (1, "macvtapctl: the VM belongs to another user\n")
    vm("attach", "web", "--network=lan,name=extra")
    (port,) = [port for port in daemon.ports() if port["name"] == "extra"]
    assert port["owner"] == 65534
    process.kill()
    process.wait()
    assert daemon.settle() == []


def wait_processes_ended(pids):
    for pid in pids:
        try:
            ended = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            assert select.select([ended], [], [], PATIENCE)[0], f"process {pid} has not ended"
        finally:
            os.close(ended)


ORDERS = list(itertools.permutations(["agent", "QEMU", "daemon"]))


@pytest.mark.parametrize("order", [ORDERS[0], *(pytest.param(order, marks=pytest.mark.long) for order in ORDERS[1:])],
                         ids="-".join)
def test_killed_in_every_order(daemon, with_agent, order):
    qemu = with_agent()
    agent.vm(daemon, "attach", "web", "--network=lan")
    (helper,) = agent.processes(daemon)
    victims = {"agent": helper, "QEMU": qemu.pid, "daemon": daemon.process.pid}
    for name in order:
        try:
            os.kill(victims[name], signal.SIGKILL)
        except ProcessLookupError:
            assert (name, "QEMU" in order[:order.index(name)]) == ("agent", True)
    wait_processes_ended([helper])
    qemu.process.wait()
    daemon.process.wait()
    daemon.start()
    assert daemon.settle() == []
    assert agent.processes(daemon) == []
    assert agent.vms(daemon) == []
    assert os.listdir(daemon.host.path("/run/macvtap-agent")) == []


def test_same_name_twice(daemon, with_agent):
    with_agent()
    first = agent.only_vm(daemon)
    with_agent(networks=[])  # and no port
    names = sorted(found["name"] for found in agent.vms(daemon))
    assert names[0] == "web" and re.fullmatch(r"web\.\d+", names[1])
    done = agent.vm(daemon, "detach", "web", "nosuch", check=False)
    assert (done.returncode, done.stderr) == (1, "macvtapctl: VM web has no port nosuch\n")
    done = agent.vm(daemon, "attach", "nosuch", "--network=lan", check=False)
    assert done.returncode == 1 and "there is no VM 'nosuch' with an agent" in done.stderr
    assert first["name"] == "web"


def test_the_agent_has_no_descriptor_of_a_port(daemon, with_agent):
    with_agent()
    (helper,) = agent.processes(daemon)
    names = [os.readlink(f"/proc/{helper}/fd/{fd}") for fd in os.listdir(f"/proc/{helper}/fd")]
    assert not [name for name in names if "macvtapd" in name or name.startswith(("/dev/tap", "/dev/vhost"))], names
    fields = status_of(helper)
    assert fields["NoNewPrivs"] == "1" and int(fields["CapPrm"], 16) == 0 and int(fields["CapBnd"], 16) == 0


@pytest.mark.native("the agent puts no filter on its system calls, which are not all ours")
def test_what_the_agent_calls(daemon, with_agent, tmp_path):
    """Each thread has the filter, and nothing that it does is refused."""
    running = with_agent()
    (helper,) = agent.processes(daemon)
    for thread in os.listdir(f"/proc/{helper}/task"):
        assert status_of(f"{helper}/task/{thread}")["Seccomp"] == ("0" if is_sanitized() else "2")
    with Trace(helper, tmp_path / "trace") as trace:
        agent.vm(daemon, "attach", "web", "--network=lan,name=extra")
        agent.only_vm(daemon)
        daemon.restart()
        running.process.kill()
        wait_processes_ended([helper])
    assert trace.calls() and "EPERM" not in (tmp_path / "trace").read_text(encoding="utf-8", errors="replace")


def test_an_agent_that_cannot_work(daemon, host):
    def run(**variables):
        return host.run(program("macvtap-run"), "--agent", "--network=lan,check-mac=no", "--", *BARE, check=False,
                        env=agent.environment(daemon, **variables))

    done = run(MACVTAPD_LIBEXEC="/nonexistent")
    assert (done.returncode, done.stderr) == (125, "macvtap-run: /nonexistent/macvtap-agent: cannot be executed\n")
    done = run(MACVTAP_AGENT_DIR="/proc/nonexistent")
    assert done.returncode == 125 and "cannot make /proc/nonexistent" in done.stderr
    assert daemon.settle() == []
    done = host.run(program("macvtap-run"), "--agent", "--network=lan", "--", "true", "{fd}", "{mac}", check=False,
                    env=agent.environment(daemon))
    assert (done.returncode, done.stderr) == (125, "macvtap-run: --agent needs a QEMU in the command\n")


# -- each step fails -------------------------------------------------------------------------------------------------

STEPS = {"getfd", "netdev_add", "device_add"}


def attach_through(daemon, qemu, number, proxy, network="lan,queues=2,name=extra"):
    path = qemu.path.with_name(f"proxy{number}")
    made = agent.Proxy(path, qemu.path, names=STEPS, **proxy)
    try:
        done = agent.vm(daemon, "attach", "--qmp", path, "--network", network, check=False)
    finally:
        made.close()
    return done, made.commands


def state(qemu):
    """QEMU's descriptors, and its backends and devices."""
    with qmp.Qmp(qemu.path) as monitor:
        shown = monitor.call("human-monitor-command", **{"command-line": "info network"})
        return agent.descriptors(qemu.pid), shown


@pytest.mark.parametrize("carried_out", [False, True], ids=["refused", "carried out"])
def test_each_step_fails(daemon, bare, carried_out):
    """Also when QEMU has carried the command out, and only its answer is lost. The last leaves a device without a backend
    then, as no guest runs that could release it."""
    qemu = bare()
    qemu.release()
    before = state(qemu)
    for number in itertools.count():
        done, steps = attach_through(daemon, qemu, number, {"refused": number, "carried_out": carried_out})
        if done.returncode == 0:
            break
        assert (done.returncode, done.stderr) == (1, "macvtapctl: refused by the test\n"), number
        assert daemon.settle() == [], number
        count, shown = state(qemu)
        if carried_out and steps[-1] == "device_add":
            assert count == before[0]
            return
        assert (count, shown) == before, number
    assert number == len(steps) and steps == ["getfd"] * (number - 2) + ["netdev_add", "device_add"]
    (port,) = daemon.ports()
    assert [found["id"] for vm in agent.vms(daemon, "--qmp", qemu.path) for found in vm["ports"]] == [port["id"]]


def test_what_qemu_refuses_itself(daemon, bare):
    qemu = bare(["-M", "q35"])
    qemu.release()
    before = state(qemu)
    for network, why in [("lan", "no free slot"), ("lan,bus=pcie.0,model=virtio-net-pci", "does not support hotplugging"),
                         ("lan,model=nosuch,bus=pcie.0", "nosuch"), ("nosuch,model=e1000,bus=x", "nosuch"),
                         ("lan,mtu=9000,model=e1000,bus=x", "9000")]:
        done = agent.vm(daemon, "attach", "--qmp", qemu.path, "--network", network, check=False)
        assert done.returncode == 1 and why in done.stderr and done.stderr.count("\n") == 1, done
        assert daemon.settle() == []
    assert state(qemu) == before


def test_only_the_backend_is_left(daemon, bare):
    """As when the guest has released the device after macvtapctl had given up."""
    qemu = bare()
    qemu.release()
    before = state(qemu)
    daemon.network("addressed", text="[Network]\nParent=eth0\nMode=bridge\n[Addresses]\nSubnet=10.0.0.0/24\n")
    daemon.reload()
    agent.vm(daemon, "attach", "--qmp", qemu.path, "--network=addressed,name=extra,address=10.0.0.9")
    (port,) = daemon.ports()
    assert port["addresses"] == ["10.0.0.9/24"]
    with qmp.Qmp(qemu.path) as monitor:
        device, deadline = f"macvtap-{port['id']}-nic", Deadline()
        monitor.call("device_del", id=device)
        monitor.call("system_reset")  # which is as good as the guest's word
        while device in [item["name"] for item in monitor.call("qom-list", path="/machine/peripheral")]:
            assert deadline.left() > 0
    agent.vm(daemon, "detach", "--qmp", qemu.path, "extra")
    assert daemon.settle() == []
    assert state(qemu) == before
    daemon.ctl("port", "create", "--network=lan", "--name=other")
    done = agent.vm(daemon, "detach", "--qmp", qemu.path, "other", check=False)
    assert done.returncode == 1 and "QEMU has no network device of this port (MAC 52:54:00:" in done.stderr
    daemon.ctl("port", "delete", "other")


def test_monitors_that_are_of_no_use(daemon, tmp_path):
    done = agent.vm(daemon, "list", "--qmp", "/run/libvirt/qemu/domain-1-vm/monitor.sock", check=False)
    assert done.returncode == 1 and "is libvirt's own monitor: use macvtapctl domain attach" in done.stderr
    done = agent.vm(daemon, "list", "--qmp", tmp_path / "nosuch", check=False)
    assert done.returncode == 1 and f"cannot connect to QEMU's monitor {tmp_path}/nosuch" in done.stderr
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "other"))
        other.listen()
        done = agent.vm(daemon, "list", "--qmp", tmp_path / "other", check=False)
        assert done.returncode == 1 and "another program may be using it" in done.stderr


def test_wrong_usage(daemon):
    for words in (["attach", "web"], ["attach", "--network=lan"], ["attach", "web", "--qmp", "q", "--network=lan"],
                  ["detach", "web"], ["attach", "web", "--network=lan,incoming=yes"], ["attach", "web", "--network=lan,seed=x"], ["list", "web"]):
        assert agent.vm(daemon, *words, check=False).returncode == 2, words
