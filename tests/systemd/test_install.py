# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host that runs gets macvtapd as the README says, and is rebooted: the first port after each, and a domain that libvirt starts
by itself."""
import pytest

from debian import INSTALL, OWN_QUEUES

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def host(machines):
    return machines(setup="")


def first_ports(host):
    assert host.run(f"runuser -u alice -- macvtap-run --network lan -- {OWN_QUEUES}").split() == ["1", "1"]
    assert host.run(f"macvtap-run --network lan,queues=4 -- {OWN_QUEUES}").split() == ["4", "4"]


def test_install(host):
    host.run("! command -v macvtapd && ! lsmod | grep -w macvtap")
    host.run("mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 stage /mnt")
    host.run(f"set -e; {INSTALL}")
    host.run("systemctl enable --now macvtapd.socket macvtapd.service && systemctl try-reload-or-restart libvirtd")
    first_ports(host)
    host.assert_quiet_journal()


def test_reboot(host):
    host.define("auto", address="10.0.0.7")
    host.run("macvtapctl domain attach auto --network lan --config --queues 2 && virsh autostart auto")
    before = host.boot_id
    host.reboot()
    assert host.boot_id != before
    host.wait_line("auto", "GUEST .* DONE")
    assert host.queues_of("auto") == ["2", "2"]
    host.station()
    host.ping("10.0.0.7")
    first_ports(host)
    # libvirt starts its domains when macvtapd is there.
    began = [int(host.property(unit, "ActiveEnterTimestampMonotonic")) for unit in ("macvtapd.service", "libvirtd.service")]
    assert began == sorted(began)
    host.assert_quiet_journal()


def test_guests_are_stopped_first(host):
    """At a shutdown the domain is still reached by its port until it has ended: another boot finds nothing to complain of."""
    host.reboot()
    host.wait_line("auto", "GUEST .* DONE")
    host.assert_quiet_journal()
    lines = host.run("journalctl -b -1 -u macvtapd.service -p warning --no-pager -o cat -q || true")
    assert lines == ""
