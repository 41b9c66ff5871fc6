# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirt of an unprivileged user (qemu:///session), whom AllowUsers names: the node is that user's, the rest as ever."""
import os
import pwd

import pytest

import node
from domain import Console, Port, domain_xml, guest_xml
from libvirt import HOOKS, Libvirt
from programs import INSIDE_BUILD, program

STATION = "10.0.0.254"
USER = "nobody"
UID, GID = pwd.getpwnam(USER)[2:4]
FOLDER = f"/run/user/{UID}"


class Session(Libvirt):
    def __init__(self, machine):
        self.uid, self.gid = UID, GID
        super().__init__(machine, user=USER)
        for folder in (FOLDER, "/run/home"):
            machine.run("install", "-d", "-m", "700", "-o", str(self.uid), "-g", str(self.gid), folder)
        machine.run("chmod", "1777", "/run/guests")

    def environment(self):
        return {**super().environment(), "HOME": "/run/home", "XDG_RUNTIME_DIR": FOLDER}


class HomeSession(Session):
    """One that is not of a login: libvirt's files of the moment lie in the user's cache folder."""

    def environment(self):
        return {**Libvirt.environment(self), "HOME": "/run/home"}


@pytest.fixture(scope="module")
def module_session(module_site):
    made = Session(module_site.machine)
    made.start()
    yield made
    made.close()


@pytest.fixture
def session(site, module_session):
    site.daemon.network("theirs", "eth0", AllowUsers=USER)
    site.daemon.reload()
    yield module_session
    module_session.clear()
    (site.daemon.config / "networks.d" / "theirs.network").unlink()
    assert site.left() == []
    site.daemon.reload()


def test_guest_of_a_user_pings(site, session):
    port = Port("vm-user", "theirs")
    session.define(guest_xml("mine", [port], ["10.0.0.1/24"], [STATION]))
    session.virsh("start", "mine")
    (made,) = site.daemon.ports()
    assert (made["owner"], made["macAddress"], made["linkUp"]) == (session.uid, port.mac, True)
    (qemu,) = site.machine.processes("qemu-system-x86_64")
    assert made["holder"]["pid"] == qemu
    assert node.users(site.machine.path(made["deviceNode"])) == {0, session.uid}
    assert os.stat(site.machine.path(f"/proc/{qemu}")).st_uid == session.uid
    Console(site.machine, "mine").wait_ping(STATION)
    session.virsh("destroy", "mine")
    assert site.left() == []


def test_qemu_of_a_user_is_killed(site, session):
    session.create(domain_xml("mine", [Port("vm-user", "theirs")]))
    (qemu,) = site.machine.processes("qemu-system-x86_64")
    site.machine.kill(qemu)
    assert site.left() == []


def test_session_without_runtime_folder(site, session):
    other = HomeSession(site.machine)
    other.start()
    try:
        other.create(domain_xml("mine", [Port("vm-user", "theirs")]))
        # Its commands keep the lock there, too.
        site.machine.run(program("macvtapctl"), "domain", "--connect", other.uri, "attach", "mine", "--network=theirs",
                         user=USER, env={**site.daemon.environment(), **other.environment()})
        made = site.daemon.ports()
        assert {port["interfaceName"] for port in made} == {"vm-user", "vmmine-net0"}
        assert {port["holder"]["pid"] for port in made} == set(site.machine.processes("qemu-system-x86_64"))
        assert {port["owner"] for port in made} == {UID}
        other.virsh("destroy", "mine")
    finally:
        other.close()
    assert site.left() == []


def domain_command(site, session, *words, uri=None, **options):
    """macvtapctl domain … as the user, at the session's libvirt."""
    return site.machine.run(program("macvtapctl"), "domain", "--connect", uri or session.uri, *words, user=USER,
                            env={**site.daemon.environment(), **session.environment()}, **options)


def test_attached_port_is_tied_to_qemu(site, session):
    """However the session was named."""
    session.create(domain_xml("mine"))
    for number, uri in enumerate(["qemu:///session", f"qemu:///session?socket={FOLDER}/libvirt/libvirt-sock"]):
        domain_command(site, session, "attach", "mine", "--network=theirs", f"--target=vm-{number}", uri=uri)
    (qemu,) = site.machine.processes("qemu-system-x86_64")
    assert [port["holder"].get("pid") for port in site.daemon.ports()] == [qemu, qemu]
    session.virsh("destroy", "mine")
    assert site.left() == []


def test_check_looks_at_the_sessions_libvirt(site, session):
    session.define(domain_xml("mine", [Port("vm-user", "theirs")]))
    site.libvirt.stop()
    assert "libvirt is not running" in site.daemon.domain("hook").stdout
    for words in (["check", "mine"], ["hook"]):
        assert "ok       libvirt knows macvtapd's hook" in domain_command(site, session, *words).stdout
    # A hook that came later, and was never called.
    site.machine.run("rm", "-f", f"{HOOKS}/macvtapd", f"{FOLDER}/macvtapd-hook/called")
    site.machine.run("cp", f"{INSIDE_BUILD}/hooks/macvtapd", HOOKS)
    done = domain_command(site, session, "check", "mine", check=False)
    assert done.returncode == 1
    assert f"reload it (kill -HUP {pid_of(site, session)})" in done.stdout
    session.virsh("start", "mine")
    assert "ok       libvirt knows macvtapd's hook" in domain_command(site, session, "check", "mine").stdout
    session.virsh("destroy", "mine")


def pid_of(site, session):
    """The session's libvirtd in the machine."""
    return int(site.machine.file(f"{FOLDER}/libvirt/libvirtd.pid"))


def test_network_of_others(site, session):
    xml = domain_xml("mine", [Port("vm-user", "lan")])
    done = session.create(xml, check=False)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if "macvtapd: " in line]
    assert "lan" in line
    assert site.left() == []


def test_target_that_is_not_a_users(site, session):
    done = session.create(domain_xml("mine", [Port("eth7", "theirs")]), check=False)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if "macvtapd: " in line]
    assert "eth7" in line and "'vm' or 'mvt'" in line
    assert site.left() == []
