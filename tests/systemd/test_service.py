# SPDX-License-Identifier: LGPL-2.1-or-later
"""The service is restarted, reloaded, killed, stopped and started, while guests of every kind run: none notices."""
import pytest

from debian import HELPER, OWN_QUEUES

pytestmark = pytest.mark.long

MAC = "52:54:00:00:00:12"
ADDRESSES = {"run": "10.0.0.11", "helper": "10.0.0.12", "domain": "10.0.0.13"}


@pytest.fixture(scope="module")
def site(machine):
    """The machine with three guests: by macvtap-run, by the helper, and libvirt's."""
    machine.station()
    machine.start_guest("run", ADDRESSES["run"], user="alice", macvtap_run="--network lan,name=run")
    machine.start_guest("helper", ADDRESSES["helper"], user="alice", arguments=f"-device virtio-net-pci,netdev=n0,mac={MAC}"
                        f" -netdev tap,id=n0,vhost=on,helper=\"{HELPER} --network=lan\"")
    machine.define("domain", ports=[("domain-net0", "lan")], address=ADDRESSES["domain"])
    machine.run("virsh start domain")
    machine.wait_line("domain", "GUEST .* DONE")
    yield machine
    machine.run("virsh destroy domain; virsh undefine domain; systemctl stop guest-run; systemctl stop guest-helper || true")


@pytest.fixture
def undisturbed(site):
    """The ports of the guests are the same after the test as before, and the guests are reached."""
    before = {port["id"]: port["interfaceIndex"] for port in site.ports()}
    assert len(before) == 3
    for address in ADDRESSES.values():
        site.ping(address)
    yield site
    assert {port["id"]: port["interfaceIndex"] for port in site.ports()} == before
    assert {port["state"] for port in site.ports()} == {"active"}
    for address in ADDRESSES.values():
        site.ping(address)


def first_port(machine):
    assert machine.run(f"runuser -u alice -- macvtap-run --network lan -- {OWN_QUEUES}").split() == ["1", "1"]


def test_restart(undisturbed):
    before = undisturbed.property("macvtapd.service", "MainPID")
    undisturbed.run("systemctl restart macvtapd.service")
    assert undisturbed.property("macvtapd.service", "MainPID") != before
    first_port(undisturbed)


def test_reload(undisturbed):
    before = undisturbed.property("macvtapd.service", "MainPID")
    undisturbed.run("sed s/bridge/private/ /etc/macvtapd/networks.d/lan.network >/etc/macvtapd/networks.d/alone.network")
    undisturbed.run("systemctl reload macvtapd.service")
    assert undisturbed.run(f"macvtap-run --network alone -- {OWN_QUEUES}").split() == ["1", "1"]
    assert undisturbed.property("macvtapd.service", "MainPID") == before
    undisturbed.run("rm /etc/macvtapd/networks.d/alone.network; systemctl reload macvtapd.service")
    assert "alone" in undisturbed.fails("macvtap-run --network alone -- true {fd} {mac}")


def test_kill(undisturbed):
    before = int(undisturbed.property("macvtapd.service", "NRestarts"))
    undisturbed.run("systemctl kill --signal=KILL macvtapd.service")
    undisturbed.until(f"[ $(systemctl show --value -p NRestarts macvtapd.service) = {before + 1} ] &&"
                      " systemctl is-active macvtapd.service")
    first_port(undisturbed)


def test_socket_activation(undisturbed):
    undisturbed.run("systemctl stop macvtapd.service")
    assert undisturbed.property("macvtapd.service", "ActiveState") == "inactive"
    first_port(undisturbed)
    assert undisturbed.property("macvtapd.service", "ActiveState") == "active"


def test_stop_and_start(undisturbed):
    undisturbed.run("systemctl stop macvtapd.socket macvtapd.service")
    undisturbed.run("[ ! -e /run/macvtapd/socket ]")
    assert "is it running" in undisturbed.fails("macvtapctl port list")
    for address in ADDRESSES.values():
        undisturbed.ping(address)
    undisturbed.run("systemctl start macvtapd.socket macvtapd.service")
    first_port(undisturbed)


def test_libvirt_is_restarted(undisturbed):
    undisturbed.run("systemctl restart libvirtd")
    assert undisturbed.run("virsh list --name").split() == ["domain"]


def test_guest_ends_while_the_service_is_stopped(site):
    """Its port, and no other, goes with the start."""
    before = {port["macAddress"] for port in site.ports()}
    site.run("systemctl stop macvtapd.socket macvtapd.service")
    site.stop_qemu("helper")
    site.run("systemctl start macvtapd.socket macvtapd.service")
    site.until("! macvtapctl port list | grep " + MAC)
    assert {port["macAddress"] for port in site.ports()} == before - {MAC}
    assert len(site.run("ip -o link show type macvtap").splitlines()) == len(before) - 1


def test_journal(site):
    """Of a kill, systemd tells by itself."""
    lines = site.run("journalctl -b -u macvtapd.service -u macvtapd.socket -p warning --no-pager -o cat || true").splitlines()
    assert [line for line in lines if "code=killed, status=9/KILL" not in line and "Failed with result 'signal'" not in line] == []
