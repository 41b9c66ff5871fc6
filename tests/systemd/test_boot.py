# SPDX-License-Identifier: LGPL-2.1-or-later
"""A Debian host right after its boot: the first port of everybody who may have one, with nothing restarted, loaded or changed
by hand."""
import json
import re

from debian import HELPER, LAN_MAC, OWN_QUEUES
from frames import frame


def events(machine):
    """[(process, its ID, event, the rest)] of modules since the kernel started, in their order."""
    trace = machine.run("cat /sys/kernel/tracing/trace")
    return re.findall(r"^ *(\S+)-(\d+) +\[\d+\].*: (module_\w+): (.*)$", trace, re.MULTILINE)


def test_root(machine):
    assert machine.run(f"macvtap-run --network lan,queues=2 -- {OWN_QUEUES}").split() == ["2", "2"]


def test_user(machine):
    assert machine.run(f"runuser -u alice -- macvtap-run --network lan -- {OWN_QUEUES}").split() == ["1", "1"]
    assert "may not use network lan" in machine.fails("runuser -u mallory -- macvtap-run --network lan -- true {fd} {mac}")


# Writes frames to a port's tap as a guest does, and prints what is pinned meanwhile.
SENDER = """import fcntl, os, struct, sys
tap, mac, *frames = sys.argv[1:]
header = bytes(*struct.unpack("i", fcntl.ioctl(int(tap), 0x800454D7, bytes(4))))  # TUNGETVNETHDRSZ
for frame in frames:
    os.write(int(tap), header + bytes.fromhex(frame))
print(*sorted(os.listdir("/sys/fs/bpf/macvtapd")))
"""


def test_port_is_guarded(machine):
    """What its guest sends with another sender is dropped, by programs whose maps are pinned."""
    own = "52:54:00:00:00:03"
    frames = [frame("ff:ff:ff:ff:ff:ff", sender, payload).hex()
              for sender, payload in (("52:54:00:66:66:66", b"spoofed"), (own, b"honest"))]
    pins = machine.run(f"macvtap-run --network lan,mac={own} -- python3 -c '{SENDER}' {{fd}} {{mac}} {' '.join(frames)}")
    assert {pin.partition("-")[2] for pin in pins.split()} >= {"counters", "events", "settings", "state"}
    assert "52:54:00:66:66:66" in machine.run("macvtapctl log | grep dropped")


def test_helper(machine):
    mac = "52:54:00:00:00:02"
    machine.start_qemu("helper", "", f"-S -netdev tap,id=n0,vhost=on,helper='{HELPER} --network=lan --mac={mac}'"
                       f" -device virtio-net-pci,netdev=n0,mac={mac},romfile=", user="alice")
    (port,) = machine.until("macvtapctl port list | grep -w 52:54:00:00:00:02 | grep -w active").splitlines()
    assert machine.queues_of("helper") == ["1", "1"], port
    machine.stop_qemu("helper")


def test_libvirt(machine):
    machine.define("first", ports=[("first-net0", "lan")], kind="kvm", boot=False)
    machine.run("virsh start first")
    assert machine.queues_of("first") == ["1", "1"]
    machine.run("virsh destroy first && virsh undefine first")


def test_nothing_is_left(machine):
    machine.until("! ip -o link show type macvtap | grep .")
    assert machine.ports() == []


def test_modules_are_loaded_by_us_alone(machine):
    """macvtap by the unit, before the daemon starts; vhost_net by the daemon, which opens its node."""
    machine.run(f"macvtap-run --network lan -- {OWN_QUEUES}")
    loader = machine.property("modprobe@macvtap.service", "ExecMainPID")
    seen = events(machine)
    assert [pid for _, pid, event, rest in seen if event == "module_load" and rest.split()[0] == "macvtap"] == [loader]
    # 10:238 is /dev/vhost-net, include/linux/miscdevice.h.
    vhost = [(name, event) for name, _, event, rest in seen
             if (event, rest.split()[0]) in (("module_request", "char-major-10-238"), ("module_load", "vhost_net"))]
    assert vhost == [("macvtapd", "module_request"), ("modprobe", "module_load")]


def test_parent_was_renamed_by_udev(machine):
    assert machine.run("cat /sys/class/net/lan0/address").strip() == LAN_MAC
    assert "ID_NET_LINK_FILE=/etc/systemd/network/10-lan0.link" in machine.run("udevadm info /sys/class/net/lan0")
    assert re.search(r"lan0: renamed from eth\d", machine.run("journalctl -b -k --no-pager"))


def test_a_guest_pings(machine):
    machine.station()
    machine.start_guest("guest", "10.0.0.2", user="alice", macvtap_run="--network lan,queues=2")
    machine.ping("10.0.0.2")
    assert machine.queues_of("guest") == ["2", "2"]
    machine.stop_qemu("guest")
    assert machine.ports() == []


def test_journal(machine):
    """Nothing that systemd ignores, nothing that the daemon complains of, nothing that AppArmor denies."""
    machine.assert_quiet_journal()
    state = dict(line.split("=", 1) for line in machine.run(
        "systemctl show macvtapd.service -p ActiveState,NRestarts,DropInPaths,NeedDaemonReload,StatusErrno").splitlines())
    assert state == {"ActiveState": "active", "NRestarts": "0", "DropInPaths": "", "NeedDaemonReload": "no",
                     "StatusErrno": "0"}
    done = machine.run("systemd-analyze verify --man=no macvtapd.service macvtapd.socket 2>&1")
    assert done == ""


SCRAPE = "import urllib.request; print(urllib.request.urlopen(\"http://127.0.0.1:9982/metrics\").read().decode())"


def test_numbers_for_a_scraper(machine):
    """A user whom no network allows anything gets the numbers of root's port, by the unit as it is installed."""
    machine.run("systemd-sysusers && systemctl start macvtapd-metrics.socket")
    port = machine.run("macvtapctl --json port create --network lan --holder none")
    try:
        text = machine.run(f"runuser -u mallory -- python3 -c '{SCRAPE}'")
        assert 'macvtapd_ports{network="lan",state="active"} 1' in text.splitlines()
        assert json.loads(port)["name"] in text
        assert machine.run("journalctl -b -u 'macvtapd-metrics@*' -p warning --no-pager -o cat -q || true") == ""
    finally:
        machine.run("macvtapctl port delete --all; systemctl stop macvtapd-metrics.socket")
