# SPDX-License-Identifier: LGPL-2.1-or-later
"""VMs in containers of podman and Docker: the recipes of docs/containers.md as they stand."""
import itertools
import os
import re
import subprocess

import pytest

from containers import ENGINES, GATEWAY, SUBORDINATE
from documents import block, commands
from programs import BUILD, SOURCE
from sample import sampled

NOBODY = 65534
RUN, HARDENED, MAPPED, DHCP = (commands(block("docs/containers.md", "By hand", 0)) + commands(block("docs/containers.md", "By hand", 1))
                               + commands(block("docs/containers.md", "By hand", 2)) + commands(block("docs/containers.md", "By hand", 3)))


RECIPES = {"default": (RUN, 0, None), "hardened": (HARDENED, NOBODY, None), "dhcp": (DHCP, 0, "52:54:00:00:00:77"),
           "helper": (*commands(block("docs/containers.md", "A QEMU that starts the helper", 0)), 0, "52:54:00:00:00:78")}


def by(name):
    """The test runs with both engines in `tests/run long`, and with the one that is named otherwise as well."""
    return pytest.mark.parametrize("engine", sampled(ENGINES, [name]), indirect=True)


@pytest.fixture
def engine(request, engine_hosts):
    """A test that is named so has user namespaces: Docker's by its own settings."""
    return engine_hosts.get(request.param, maps_users=request.param == "docker" and "user_namespace" in request.node.name)


@pytest.fixture
def daemon(engine_daemon):
    engine_daemon.network("lan", text=block("docs/containers.md", "The network", 0))
    return engine_daemon.start()


def for_engine(engine, command):
    """The document says that both take the same words."""
    return command.replace("podman", engine.engine)


def run_vm(engine, daemon, command):
    """The VM of a recipe gets its lease and reaches the gateway; its port ends when the container is killed."""
    console = engine.console(for_engine(engine, command))
    try:
        address = console.wait_line(r"GUEST READY .* ip=(\S+)").group(1)
        console.wait_line(rf"GUEST PING {GATEWAY} ok")
        (port,) = daemon.ports()
        assert port["openQueues"] == 1 and port["addresses"] == [address]
        engine.shell(f"{engine.engine} kill vm1")
        console.process.wait()
        return port
    finally:
        console.close()


@pytest.mark.parametrize("engine, recipe", sampled(itertools.product(ENGINES, RECIPES), [("podman", "hardened"), ("docker", "helper")]),
                         indirect=["engine"])
def test_by_hand(engine, daemon, recipe):
    command, owner, mac = RECIPES[recipe]
    port = run_vm(engine, daemon, command)
    assert port["owner"] == owner and port["fromContainer"]
    assert mac in (None, port["macAddress"])
    assert daemon.settle() == []


@by("docker")
def test_library(engine, daemon):
    """A program that is built against the static library."""
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "glib-2.0", "jansson"], stdout=subprocess.PIPE, text=True,
                           check=True).stdout.split()
    subprocess.run(["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{SOURCE}/src/client", "-o", engine.folder / "start-qemu",
                    SOURCE / "docs/examples/start-qemu.c", f"{BUILD}/src/client/libmacvtap.a",
                    *(["-lgcov"] if "MACVTAPD_COVERAGE" in os.environ else []), *flags], check=True)
    run_vm(engine, daemon, *commands(block("docs/containers.md", "A program that uses the library", 0)))
    assert daemon.settle() == []


@by("podman")
def test_port_by_name(engine, daemon):
    """Also twice: the port is there until the namespace ends."""
    pod, create, vm = commands(block("docs/containers.md", "A port that root gives the container", 0))
    engine.shell(for_engine(engine, pod))
    engine.shell(for_engine(engine, create))
    for command in (vm, vm):
        port = run_vm(engine, daemon, command)
        assert (port["name"], port["holder"]["interface"], port.get("fromContainer")) == ("pod1", "eth0", None)
        assert [one["name"] for one in daemon.ports()] == ["pod1"]
    engine.shell(f"{engine.engine} kill pod1")
    assert daemon.settle() == []


@by("docker")
def test_by_name_as_behind_cni(engine, daemon):
    """The command of the section on CNI, in the container's shell."""
    pod, create, _ = commands(block("docs/containers.md", "A port that root gives the container", 0))
    engine.shell(for_engine(engine, pod))
    engine.shell(for_engine(engine, create))
    (command,) = commands(block("docs/containers.md", "By CNI", 0))
    mounted = "-v /run/macvtapd-containers:/run/macvtapd-containers:ro"
    done = engine.shell(f"{engine.engine} run --rm --network container:pod1 {mounted} --entrypoint sh vm -c"
                        f" '{command.replace('macvtap-run', 'macvtap-run --verbose').replace('-m 1G disk.qcow2', '-version')}'")
    assert "QEMU emulator version" in done.stdout and daemon.ports()[0]["macAddress"] in done.stdout + done.stderr


@by("podman")
def test_user_namespace(engine, daemon):
    assert run_vm(engine, daemon, MAPPED if engine.engine == "podman" else RUN)["owner"] == SUBORDINATE
    assert daemon.settle() == []


def without_bpf(line):
    """What the document says to leave out for Docker 20.10."""
    shorter = re.sub(r"--cap-add BPF .* -v /run/macvtapd-bpf:/sys/fs/bpf ", "", line)
    assert shorter != line
    return shorter


@pytest.fixture
def configured(engine, daemon):
    """The networks of the daemon on the host are in /etc/macvtapd as well."""
    engine.shell(f"mkdir -p /run/etc-macvtapd /etc/macvtapd && cp -r {daemon.config}/. /run/etc-macvtapd &&"
                 " mount --bind /run/etc-macvtapd /etc/macvtapd")
    if engine.engine == "docker":
        engine.shell("sed -i /^Serve=/d /etc/macvtapd/networks.d/lan.network")
    yield
    engine.remove_all()
    engine.shell(f"{engine.engine} network rm physical; umount /run/macvtapd-bpf /etc/macvtapd", check=False)


@by("podman")
def test_macvtapd_in_a_container(engine, daemon, configured):
    """On a macvlan network; its guest gets a lease and reaches the gateway, and nothing is left when the container is killed."""
    network, mount, start, vm = commands(block("docs/containers.md", "macvtapd in a container", 1))
    engine.shell(for_engine(engine, network))
    engine.shell(mount)
    engine.shell(for_engine(engine, start if engine.engine == "podman" else without_bpf(start)))
    log = engine.console(f"{engine.engine} logs -f vmhost")
    log.wait_line("started: ")
    log.close()
    console = engine.console(for_engine(engine, vm))
    try:
        console.wait_line(r"GUEST READY .* ip=192\.168\.1\.\d+/24")
        console.wait_line(rf"GUEST PING {GATEWAY} ok")
    finally:
        console.close()
    assert any("not guarded" in line for line in log.lines) == (engine.engine == "docker"), log.lines
    assert daemon.ports() == []
    engine.shell(f"{engine.engine} kill vmhost")
    assert engine.macvtaps() == {}
