# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a domain may go through without losing its network. One guest goes through all of it: booting takes longest."""
from domain import Port, domain_xml, guest_xml

STATION = "10.0.0.254"
DISK = ("<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/run/guests/disk.qcow2'/>"
        "<target dev='vda' bus='virtio'/></disk>")


def suspend(site, guest):
    site.libvirt.virsh("suspend", "guest")
    site.libvirt.virsh("resume", "guest")


def save_to_file(site, guest):
    site.libvirt.virsh("save", "guest", "/run/guests/saved")
    assert site.left() == []
    site.libvirt.virsh("restore", "/run/guests/saved")


def managed_save(site, guest):
    site.libvirt.virsh("managedsave", "guest")
    assert site.left() == []
    site.libvirt.virsh("start", "guest")


def revert_snapshot(site, guest):
    site.libvirt.virsh("snapshot-create-as", "guest", "before")
    guest.reach(STATION)
    site.libvirt.virsh("snapshot-revert", "guest", "before")


def revert_snapshot_when_off(site, guest):
    site.libvirt.virsh("destroy", "guest")
    assert site.left() == []
    site.libvirt.virsh("snapshot-revert", "guest", "before", "--running")


def reset_device(site, guest):
    """The guest's driver lets go of the device and takes it again."""
    guest.tell("echo virtio0 >/sys/bus/virtio/drivers/virtio_net/unbind;"
               " echo virtio0 >/sys/bus/virtio/drivers/virtio_net/bind;"
               " configure eth0 10.0.0.1/24")


def reboot_from_inside(site, guest):
    guest.tell("reboot -f", r"GUEST \S+ DONE")


def test_states_keep_the_network(site):
    site.machine.run("qemu-img", "create", "-q", "-f", "qcow2", "/run/guests/disk.qcow2", "16M")
    site.libvirt.define(guest_xml("guest", [Port("vm-net")], ["10.0.0.1/24"], devices=DISK))
    site.libvirt.virsh("start", "guest")
    guest = site.console("guest")
    guest.wait_booted()
    (before,) = site.daemon.ports()
    for change in (suspend, save_to_file, managed_save, revert_snapshot, revert_snapshot_when_off, reset_device,
                   reboot_from_inside):
        change(site, guest)
        assert site.libvirt.state("guest") == "running", change
        guest.reach(STATION)
        (now,) = site.daemon.ports()
        assert now["linkUp"], change
        assert [now["holder"]["pid"]] == site.machine.processes("qemu-system-x86_64")
        assert (now["macAddress"], now["network"]) == (before["macAddress"], before["network"])
    site.libvirt.virsh("destroy", "guest")
    assert site.left() == []


def test_restore_when_the_devices_name_is_taken(site):
    """The guest gets another name for its device, and keeps the MAC."""
    site.libvirt.create(domain_xml("idle", [Port("vm-net")]))
    (before,) = site.daemon.ports()
    site.libvirt.virsh("save", "idle", "/run/guests/saved")
    site.machine.ip("link", "add", "vm-net", "type", "bridge")
    try:
        site.libvirt.virsh("restore", "/run/guests/saved")
        (now,) = site.daemon.ports()
        assert now["interfaceName"] != "vm-net" and now["macAddress"] == before["macAddress"]
        assert now["linkUp"]
        site.libvirt.virsh("destroy", "idle")
    finally:
        site.machine.ip("link", "del", "vm-net")
    assert site.left() == []
