# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirt's domains on our ports as Debian ships it: QEMU is the user libvirt-qemu's, and AppArmor confines it, libvirtd, our hook
and virt-aa-helper."""
import pytest

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def site(machine):
    machine.station()
    machine.define("confined", ports=[("confined-net0", "lan")], queues=4, address="10.0.0.21")
    machine.run("virsh start confined")
    machine.wait_line("confined", "GUEST .* DONE")
    return machine


def confinement(machine, pid):
    return machine.run(f"cat /proc/{pid}/attr/current").split()


def test_a_denial_is_seen(machine):
    """What the other tests do not find would be found."""
    assert "denied" in machine.fails("aa-exec -p virt-aa-helper -- cat /etc/shadow").lower()
    machine.until("journalctl -b --no-pager -g 'apparmor=.DENIED.*virt-aa-helper' -q")
    # So that the others find nothing.
    machine.run("journalctl --rotate && journalctl --vacuum-time=1us")


def test_start(site):
    """type=kvm with vhost, and four queues."""
    site.ping("10.0.0.21")
    assert site.queues_of("confined") == ["4", "4"]
    pid = site.run("cat /run/libvirt/qemu/confined.pid").strip()
    profile, mode = confinement(site, pid)
    assert profile == "libvirt-" + site.run("virsh domuuid confined").strip() and mode == "(enforce)"
    assert site.run(f"stat -c %U /proc/{pid}").strip() == "libvirt-qemu"
    assert confinement(site, site.property("libvirtd.service", "MainPID")) == ["libvirtd", "(enforce)"]
    site.assert_quiet_journal()


def test_hotplug(site):
    for queues in 1, 3:
        site.run("truncate -s 0 /run/guests/confined.log")
        site.run(f"macvtapctl domain attach confined --network lan --live --queues {queues} --mac 52:54:00:00:00:77")
        site.wait_line("confined", "GUEST .*ADDED interface=")
        assert site.queues_of("confined") == [str(4 + queues)] * 2
        site.run("macvtapctl domain detach confined 52:54:00:00:00:77 --live")
        assert site.queues_of("confined") == ["4", "4"]
        site.until("! macvtapctl port list | grep 52:54:00:00:00:77")
        site.ping("10.0.0.21")
    site.assert_quiet_journal()


def test_save_and_restore(site):
    (before,) = site.ports()
    site.run("virsh save confined /var/lib/libvirt/images/saved")
    site.until("! ip -o link show type macvtap | grep .")
    site.run("virsh restore /var/lib/libvirt/images/saved")
    (after,) = site.ports()
    assert after["macAddress"] == before["macAddress"] and after["state"] == "active"
    assert site.queues_of("confined") == ["4", "4"]
    site.ping("10.0.0.21")
    site.assert_quiet_journal()


def test_destroy(site):
    site.run("virsh destroy confined && virsh undefine confined")
    site.until("! ip -o link show type macvtap | grep .")
    assert site.ports() == []
    assert site.run("ls -d /dev/tap* 2>/dev/null || true") == ""
    site.assert_quiet_journal()
