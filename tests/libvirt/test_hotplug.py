# SPDX-License-Identifier: LGPL-2.1-or-later
"""macvtapctl domain: ports that come to a running guest and leave it, and what list and check say."""
import json

import pytest

from domain import Port, domain_xml, guest_xml
from pinger import Pinger

STATION = "10.0.0.254"


@pytest.fixture
def pinger(site):
    """pinger(address) pings it from the station."""
    made = []

    def make(address):
        made.append(Pinger(site.station, address))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_three_come_and_go_while_a_fourth_pings(site, pinger):
    site.libvirt.define(guest_xml("guest", [Port("vm-net")], ["10.0.0.1/24"], [STATION]))
    site.libvirt.virsh("start", "guest")
    guest = site.console("guest")
    guest.wait_booted()
    pings = pinger("10.0.0.1")
    pings.wait_answers(1)
    targets = {f"vm-hot{number}": f"10.0.{number}" for number in (2, 3, 4)}
    for target, subnet in targets.items():
        site.station.address("eth0", f"{subnet}.254/24")
        before = guest.count()
        site.daemon.domain("attach", "guest", "--network", "lan", "--target", target, "--live")
        name = guest.wait_line(r"GUEST ADDED interface=(\S+)", before).group(1)
        guest.tell(f"configure {name} {subnet}.1/24")
        guest.reach(f"{subnet}.254")
    ports = {port["interfaceName"]: port for port in site.daemon.ports()}
    assert sorted(ports) == sorted([*targets, "vm-net"])
    assert {port["holder"]["pid"] for port in ports.values()} == {site.libvirt.qemu("guest")}
    site.daemon.domain("detach", "guest", "vm-hot2", "--live")
    site.daemon.domain("detach", "guest", ports["vm-hot3"]["macAddress"], "--live")
    site.daemon.domain("detach", "guest", "vm-hot4", "--live")
    assert [port["interfaceName"] for port in site.daemon.ports()] == ["vm-net"]
    pings.wait_answers(1)
    assert pings.stop() == [], f"of {pings.sent}"
    # What came and went live is not in the configuration.
    assert "vm-hot" not in site.libvirt.virsh("dumpxml", "guest", "--inactive").stdout
    site.libvirt.virsh("destroy", "guest")
    assert site.left() == []


def test_config(site):
    """A domain that is off gets its port for the next start."""
    site.libvirt.define(domain_xml("idle"))
    site.daemon.domain("attach", "idle", "--network", "lan", "--target", "vm-net", "--mac", "52:54:00:00:4d:01",
                       "--config")
    assert site.left() == []
    site.libvirt.virsh("start", "idle")
    (port,) = site.daemon.ports()
    assert (port["interfaceName"], port["macAddress"], port["linkUp"]) == ("vm-net", "52:54:00:00:4d:01", True)
    assert "vm-net" in site.daemon.domain("list").stdout
    site.libvirt.virsh("destroy", "idle")
    site.daemon.domain("detach", "idle", "vm-net", "--config")
    site.libvirt.virsh("start", "idle")
    assert site.daemon.ports() == []


def test_mac_of_a_network_described_in_place(site):
    """In passthru the guest has the parent's, as on a network that inherits it: no other one would start."""
    mac = site.machine.mac("eth1")
    site.libvirt.define(domain_xml("idle"))
    site.daemon.domain("attach", "idle", "--network", "parent=eth1,mode=passthru", "--target", "vm-net")
    assert f"<mac address='{mac}'/>" in site.libvirt.virsh("dumpxml", "idle").stdout
    site.daemon.domain("check", "idle")
    assert f"<mac address='{mac}'/>" in site.daemon.domain("xml", "--network", "mode=passthru,parent=eth1").stdout
    done = site.daemon.domain("attach", "idle", "--network", "parent=gone0,mode=passthru", check=False)
    assert done.returncode == 1 and "choose a MAC with --mac MAC" in done.stderr


def test_attached_ports_end_with_the_domain(site):
    """libvirt's release names no hot-plugged port that the configuration does not have; they go all the same."""
    site.libvirt.create(domain_xml("idle", [Port("vm-net")]))
    site.daemon.domain("attach", "idle", "--network", "own", "--target", "vm-hot", "--live")
    site.libvirt.virsh("destroy", "idle")
    assert site.left() == []


def test_attached_port_outlives_both_daemons(site):
    site.libvirt.create(domain_xml("idle"))
    site.daemon.domain("attach", "idle", "--network", "lan", "--target", "vm-hot", "--live")
    before = site.daemon.ports()
    site.libvirt.kill()
    site.daemon.kill()
    site.daemon.start()
    site.libvirt.start_and_find()
    assert site.libvirt.domains() == ["idle"]
    assert site.daemon.ports() == before
    site.machine.kill(site.libvirt.qemu("idle"))
    site.libvirt.wait_gone("idle")
    assert site.left() == []


def test_attach_that_fails_leaves_nothing(site):
    site.libvirt.create(domain_xml("idle", [Port("vm-net")]))
    before = site.daemon.ports()
    for network, target, more in (("nowhere", "vm-hot", ()), ("lan", "vm-net", ()),
                                  ("inherit", "vm-hot", ("--mac", "52:54:00:00:4d:02"))):
        done = site.daemon.domain("attach", "idle", "--network", network, "--target", target, *more, "--live",
                                  check=False)
        assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done.stderr
        assert site.daemon.ports() == before
        assert "vm-hot" not in site.libvirt.virsh("dumpxml", "idle").stdout


def test_check(site):
    good, bad = Port("vm-net"), Port("vm-own", "inherit")
    site.libvirt.define(domain_xml("good", [good]))
    site.libvirt.define(domain_xml("bad", [Port("vm-one", "nowhere"), bad]))
    site.daemon.domain("check", "good")
    assert site.left() == []
    done = site.daemon.domain("check", "bad", check=False)
    assert done.returncode == 1
    text = done.stdout + done.stderr
    assert "nowhere" in text and bad.mac in text and site.machine.mac("eth1") in text
    assert site.left() == []


def test_list_as_json(site):
    site.libvirt.create(domain_xml("idle", [Port("vm-net")]))
    listed = json.loads(site.daemon.ctl("--json", "domain", "--connect", site.libvirt.uri, "list").stdout)
    assert "vm-net" in json.dumps(listed) and "idle" in json.dumps(listed)
