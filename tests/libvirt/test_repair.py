# SPDX-License-Identifier: LGPL-2.1-or-later
"""What virsh, virt-clone and their users make of a domain: domain check and domain list tell of it, and one command
repairs it."""
import contextlib
import glob
import json
import os
import re
import select
import socket
import stat
import threading

import pytest

from clock import Deadline
from domain import NAMESPACE, Port, domain_xml, guest_xml, new_mac
from guest import KERNEL_WORDS
from namespaces import LinkMonitor
from programs import image
from virtinst import clone, install

STATION, DMZ_STATION = "10.0.0.254", "10.0.1.254"
SAMPLE, LONG = (), pytest.mark.long


@pytest.fixture(scope="module", autouse=True)
def dmz(module_site):
    """A second bridge network, so that a domain can be sent astray."""
    module_site.daemon.network("dmz", "eth1")
    module_site.daemon.reload()


def xml_of(site, name, *words):
    return site.libvirt.virsh("dumpxml", name, *words).stdout


def copy(site, old, new, *changes):
    """dumpxml | sed | define: what most people call a clone."""
    text = re.sub("<uuid>.*</uuid>", "", xml_of(site, old, "--inactive")).replace(f"<name>{old}<", f"<name>{new}<")
    text = text.replace(f"/run/guests/{old}.", f"/run/guests/{new}.")
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    site.libvirt.define(text)


def like_a_clone(site, old, new):
    """What virt-clone, which test_guest_pings_again calls, makes of the interfaces: it takes seconds."""
    text = xml_of(site, old, "--inactive")
    copy(site, old, new, *((mac, new_mac()) for mac in re.findall("mac address='(.*?)'", text)),
         *((f" dev='{target}'", "") for target in re.findall("target dev='(.*?)'", text)))


def listed(site, name):
    """The rows of domain list that are the domain's, as the API's field names have them."""
    rows = json.loads(site.daemon.ctl("--json", "domain", "--connect", site.libvirt.uri, "list").stdout)["ports"]
    return [row for row in rows if row["domain"] == name]


def told(site, name, text, state="absent"):
    """check and list both tell of it, and the guest's NIC is not called active."""
    done = site.daemon.domain("check", name, check=False)
    assert done.returncode == 1, done.stdout
    problems = [line for line in done.stdout.splitlines() if line.startswith("PROBLEM")]
    assert any(text in line for line in problems), done.stdout
    rows = [row for row in listed(site, name) if "problem" in row]
    assert any(text in row["problem"] for row in rows), rows
    assert {row["state"] for row in rows} == {state}
    assert text in site.daemon.domain("list").stdout


def well(site, name, state="active"):
    done = site.daemon.domain("check", name, check=False)
    assert (done.returncode, "PROBLEM" in done.stdout) == (0, False), done.stdout
    assert [(row["state"], row.get("problem")) for row in listed(site, name)] == [(state, None)]


def replug(site, guest, *words):
    """attach --replace of a running guest: which interface it gets in the old one's place."""
    before = guest.count()
    site.daemon.domain("attach", "guest", "--replace", *words)
    return guest.wait_line(r"GUEST ADDED interface=(\S+)", before).group(1)


def define_guest(site, name="guest", **options):
    port = Port(f"{name}-net0", **options)
    site.libvirt.define(guest_xml(name, [port], ["10.0.0.1/24"], [STATION]))
    return port


# -- with guests ---------------------------------------------------------------------------------------------------

def cloned(site):
    define_guest(site, "first")
    clone(site, "first", "middle")
    copy(site, "middle", "guest", ("/run/guests/first.", "/run/guests/guest."))
    site.libvirt.virsh("undefine", "middle")
    told(site, "guest", "it has no name for its device, as after virt-clone")
    line = site.libvirt.virsh("start", "guest", check=False).stderr
    assert "has no device's name, as in a clone (its metadata still says first-net0)" in line


def renamed(site):
    """A copy under another name, while the first one runs."""
    define_guest(site, "first")
    copy(site, "first", "guest")
    site.libvirt.virsh("start", "first", "--paused")
    told(site, "guest", "domain first also has its device and its MAC")
    line = site.libvirt.virsh("start", "guest", check=False).stderr
    assert "there is a port 'first-net0' already; domain first has it" in line
    # The first one is not to blame.
    well(site, "first")


def redefined(site):
    """Another device's name: the metadata has the old one."""
    define_guest(site)
    text = xml_of(site, "guest", "--inactive").replace("<target dev='guest-net0'", "<target dev='nic0'")
    site.libvirt.define(text)
    told(site, "guest", "there is no such device, and the metadata names no port nic0")


@pytest.mark.parametrize("broken", [pytest.param(cloned, marks=SAMPLE), pytest.param(renamed, marks=LONG),
                                    pytest.param(redefined, marks=LONG)])
def test_guest_pings_again(site, broken):
    broken(site)
    assert re.fullmatch(r"port \S+ on network lan, MAC \S+\n",
                        site.daemon.domain("attach", "guest", "--replace").stdout)
    well(site, "guest", "absent")
    site.libvirt.virsh("start", "guest")
    well(site, "guest")
    site.console("guest").wait_ping(STATION)


def test_running_guest_pings_again(site):
    """Sent to another network in its metadata; unplugged and plugged by virsh, with another MAC. The guest takes part:
    one boot for all, as that is what takes the time."""
    port = define_guest(site)
    site.libvirt.virsh("start", "guest")
    guest = site.console("guest")
    guest.wait_booted()
    site.libvirt.virsh("metadata", "guest", NAMESPACE, "--key", "m", "--live", "--set",
                       "<ports><port target='guest-net0' network='dmz'/></ports>")
    told(site, "guest", "the metadata says network dmz, but its port is on lan", "mismatch")
    # What is right needs no other device: the guest keeps its NIC.
    site.daemon.domain("attach", "guest", "--replace", "--network", "lan")
    well(site, "guest")
    guest.reach(STATION)
    site.libvirt.virsh("metadata", "guest", NAMESPACE, "--key", "m", "--live", "--set",
                       "<ports><port target='guest-net0' network='dmz' limits='receive=8M'/></ports>")
    name = replug(site, guest)
    well(site, "guest")
    (made,) = site.daemon.ports()
    assert (made["network"], made["macAddress"], made["ownLimits"]) == ("dmz", port.mac, {"receive": "8M"})
    guest.tell(f"configure {name} 10.0.1.1/24")
    guest.reach(DMZ_STATION)

    # libvirt runs no hook for it: its port stays.
    site.libvirt.virsh("detach-interface", "guest", "ethernet", "--live")
    guest.tell("while [ -e /sys/class/net/" + name + " ]; do :; done")
    told(site, "guest", "the guest has no such interface, but its port is still there", "unplugged")
    other = Port("guest-net0", mac=new_mac())
    before = guest.count()
    path = site.machine.path("/run/guests/device.xml")
    with open(path, "w", encoding="ascii") as stream:
        stream.write(other.interface())
    site.libvirt.virsh("attach-device", "guest", "/run/guests/device.xml", "--live")
    guest.wait_line("GUEST ADDED", before)
    told(site, "guest", f"the guest has MAC {other.mac}, but its port has {port.mac}", "mismatch")
    name = replug(site, guest)
    well(site, "guest")
    assert [(one["macAddress"], one["ownLimits"]) for one in site.daemon.ports()] == [(other.mac, {"receive": "8M"})]
    assert limits_of(site, "guest") == ["receive=8M"]
    # The port knows what the metadata no longer says.
    site.libvirt.virsh("metadata", "guest", NAMESPACE, "--live", "--remove")
    site.daemon.domain("attach", "guest", "--replace")
    assert limits_of(site, "guest") == ["receive=8M"]
    guest.tell(f"configure {name} 10.0.1.1/24")
    guest.reach(DMZ_STATION)

    # What virsh leaves of one, detach removes.
    site.libvirt.virsh("detach-interface", "guest", "ethernet", "--live")
    guest.tell("while [ -e /sys/class/net/" + name + " ]; do :; done")
    told(site, "guest", "the guest has no such interface, but its port is still there", "unplugged")
    site.daemon.domain("detach", "guest", "guest-net0", "--live")
    assert site.daemon.ports() == [] and "guest-net0" not in xml_of(site, "guest")


def virt_install_words(site, name, *words):
    return site.daemon.domain("xml", "--network", "lan", "--domain", name, "--template", "virt-install",
                              *words).stdout.split()


@pytest.mark.long
def test_first_boot_by_virt_install(site):
    """One command, and the kernel of the very first boot has network, which a netinstall needs."""
    words = virt_install_words(site, "guest", "--mtu", "1400")
    boot = f"kernel={image('kernel')},initrd={image('guest')},kernel_args=\"{KERNEL_WORDS} guest.name=guest" \
           f" guest.ip=10.0.0.1/24 guest.ping={STATION} guest.end=shell\""
    install(site, "guest", "--import", "--boot", boot, "--serial", "file,path=/run/guests/guest.log", *words)
    site.console("guest").wait_ping(STATION)
    (row,) = listed(site, "guest")
    (port,) = site.daemon.ports()
    assert (row["state"], row["macAddress"]) == ("active", port["macAddress"])
    assert (port["interfaceName"], port["mtu"], f"mac/@address={port['macAddress']}" in " ".join(words)) == \
        ("guest-net0", 1400, True)
    # What it prints for another domain is free.
    others = " ".join(virt_install_words(site, "guest"))
    assert "guest-net1" in others and port["macAddress"] not in others


def frames_from(sock, mac, deadline):
    """The frames of a MAC, as they come."""
    while True:
        deadline.wait_readable(sock)
        frame = sock.recv(65536)
        if frame[6:12] == bytes.fromhex(mac.replace(":", "")):
            yield frame


def test_pxe_by_virt_install(site):
    """One command, and the firmware of the very first boot asks for an address and a boot file, on the wire."""
    wire = site.station.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
    wire.bind(("eth0", 0))
    try:
        install(site, "guest", "--pxe", *virt_install_words(site, "guest"), "--network", "user")
        (port,) = site.daemon.ports()
        for frame in frames_from(wire, port["macAddress"], Deadline(120)):
            if b"PXEClient" in frame:
                break
    finally:
        wire.close()


class Nodes:
    """What udev does elsewhere: /dev/tapN for the macvtaps that libvirt makes."""

    def __init__(self, machine):
        self._machine, self._made, self._over = machine, set(), False
        self._monitor = LinkMonitor(machine)
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self):
        while not self._over:
            if select.select([self._monitor.fileno()], [], [], 0.2)[0]:
                self._monitor.drain()
            for path in glob.glob(self._machine.path("/sys/class/net/macvtap*/tap[0-9]*/dev")):
                self._make(path)

    def _make(self, path):
        node = self._machine.path(f"/dev/{os.path.basename(os.path.dirname(path))}")
        try:
            with open(path, encoding="ascii") as stream:
                os.mknod(node, 0o600 | stat.S_IFCHR, os.makedev(*map(int, stream.read().split(":"))))
            self._made.add(node)
        except OSError:  # it is there, or the device has gone
            pass

    def close(self):
        self._over = True
        self._thread.join()
        self._monitor.close()
        for node in self._made:
            os.unlink(node)


@pytest.mark.long
def test_running_guest_moves(site):
    """From libvirt's own interface to ours, and back, while it runs."""
    mac = new_mac()
    text = guest_xml("guest", [], ["10.0.0.1/24"], [STATION], devices=direct(mac).replace("e1000", "virtio"))
    with contextlib.closing(Nodes(site.machine)):
        site.libvirt.define(text)
        site.libvirt.virsh("start", "guest")
        guest = site.console("guest")
        guest.wait_booted()
        for words, ours in (("attach guest --replace", 1), ("detach guest guest-net0 --direct", 0)):
            before = guest.count()
            site.daemon.domain(*words.split(), "--live", "--config")
            name = guest.wait_line(r"GUEST ADDED interface=(\S+)", before).group(1)
            guest.tell(f"configure {name} 10.0.0.1/24")
            guest.reach(STATION)
            assert [port["macAddress"] for port in site.daemon.ports()] == [mac] * ours
            # It starts with the same device the next time.
            assert xml_of(site, "guest", "--inactive").count("guest-net0") == 2 * ours
        assert f"<mac address='{mac}'/>" in xml_of(site, "guest") and "macvtapd" not in xml_of(site, "guest")
        site.libvirt.virsh("destroy", "guest")


# -- without guests ------------------------------------------------------------------------------------------------

def test_clone_of_two_ports(site):
    """Each gets the network that its first one had, and a device of its own."""
    site.libvirt.define(domain_xml("first"))
    for network in ("lan", "dmz"):
        site.daemon.domain("attach", "first", "--network", network)
    like_a_clone(site, "first", "second")
    # One MAC is not for two.
    done = site.daemon.domain("attach", "second", "--replace", "--mac", new_mac(), check=False)
    assert done.returncode == 1 and "which interface of domain second? Say one of 52:" in done.stderr
    site.daemon.domain("attach", "second", "--replace")
    for name in ("first", "second"):
        site.libvirt.virsh("start", name)
    assert {(port["interfaceName"], port["network"]) for port in site.daemon.ports()} == \
        {(f"{name}-net{number}", network) for name in ("first", "second")
         for number, network in enumerate(("lan", "dmz"))}
    assert len({port["macAddress"] for port in site.daemon.ports()}) == 4


def test_detach_of_a_clone(site):
    """By the MAC or the old device's name, and both the interface and what the metadata says of it go."""
    site.libvirt.define(domain_xml("first", [Port("first-net0")]))
    for by in ("mac", "name"):
        like_a_clone(site, "first", "second")
        (row,) = listed(site, "second")
        site.daemon.domain("detach", "second", row["macAddress"] if by == "mac" else "first-net0")
        text = xml_of(site, "second")
        assert "<interface" not in text and "first-net0" not in text
        site.libvirt.virsh("start", "second")
        site.libvirt.virsh("destroy", "second")
        site.libvirt.virsh("undefine", "second")
    # The first one's is as it was.
    site.libvirt.virsh("start", "first")
    well(site, "first")


def test_copy_gets_a_mac_of_its_own(site):
    first = Port("first-net0")
    site.libvirt.define(domain_xml("first", [first]))
    copy(site, "first", "second", ("first-net0", "second-net0"))
    told(site, "second", "domain first also has its MAC")
    site.daemon.domain("attach", "second", "--replace")
    (row,) = listed(site, "second")
    assert row["target"] == "second-net0" and row["macAddress"] != first.mac
    well(site, "second", "absent")
    # In passthru all guests of a parent have its MAC, and that is no fault.
    mac = site.machine.mac("eth1")
    for name in ("third", "fourth"):
        site.libvirt.define(domain_xml(name, [Port(f"{name}-net0", "inherit", mac)]))
        well(site, name, "absent")


def test_metadata_that_is_gone(site):
    site.libvirt.define(domain_xml("idle", [Port("idle-net0")]))
    site.libvirt.virsh("start", "idle")
    site.libvirt.virsh("metadata", "idle", NAMESPACE, "--remove", "--live")
    told(site, "idle", "the metadata does not name its port, on network lan", "active")
    before = site.daemon.ports()
    site.daemon.domain("attach", "idle", "--replace")
    well(site, "idle")
    assert site.daemon.ports() == before


def test_port_that_nobody_has_open(site):
    """It was removed under the guest and made again: all its names are right, and the guest is deaf."""
    port = Port("idle-net0")
    site.libvirt.create(domain_xml("idle", [port]))
    number = site.libvirt.virsh("domuuid", "idle").stdout.strip()
    site.daemon.ctl("port", "delete", "idle-net0")
    told(site, "idle", "macvtapd has no such port")
    site.daemon.ctl("port", "create", "--network=lan", "--interface=idle-net0", f"--mac={port.mac}",
                    f"--holder=domain:{number}")
    told(site, "idle", "QEMU does not have its port open", "mismatch")


def test_link_that_is_down(site):
    site.libvirt.create(domain_xml("idle", [Port("idle-net0")]))
    site.libvirt.virsh("domif-setlink", "idle", "idle-net0", "down")
    told(site, "idle", "cable is unplugged (virsh domif-setlink idle idle-net0 up)", "link-down")
    site.libvirt.virsh("domif-setlink", "idle", "idle-net0", "up")
    site.daemon.ctl("port", "set", "idle-net0", "--link", "down")
    told(site, "idle", "its port is set down (macvtapctl port set idle-net0 --link up)", "link-down")
    site.daemon.ctl("port", "set", "idle-net0", "--link", "up")
    watcher = site.daemon.connect()
    watcher.send({"method": "org.macvtapd.Ports.WatchPorts", "parameters": {}, "more": True})
    assert watcher.reply()["event"] == "ready"
    site.station.ip("link", "set", "eth0", "down")
    try:
        while watcher.reply()["port"]["carrier"]:
            pass
        told(site, "idle", "its parent eth0 has no carrier", "no-carrier")
    finally:
        site.station.ip("link", "set", "eth0", "up")
    while not watcher.reply()["port"]["carrier"]:
        pass
    watcher.close()
    well(site, "idle")


def with_rule(rule):
    return domain_xml("idle", [Port("idle-net0")]).replace("<rom ", f"{rule}<rom ")


def limits_of(site, name, *words):
    return re.findall("<[^<]*port [^>]*limits=['\"](.*?)['\"]", xml_of(site, name, *words))


def test_limits_stay(site):
    """What a port may send and receive is not forgotten when its interface becomes another port."""
    site.libvirt.define(domain_xml("first", [Port("first-net0")]))
    site.libvirt.virsh("metadata", "first", NAMESPACE, "--key", "m", "--config", "--set",
                       "<ports><port target='first-net0' network='lan' limits='receive=8M'/></ports>")
    like_a_clone(site, "first", "second")
    site.daemon.domain("attach", "second", "--replace")
    site.daemon.domain("attach", "first", "first-net0", "--replace", "--queues", "2")
    for name in ("first", "second"):
        assert limits_of(site, name) == ["receive=8M"]
        site.libvirt.virsh("start", name)
        well(site, name)
    assert [port["ownLimits"] for port in site.daemon.ports()] == [{"receive": "8M"}] * 2
    # What would be lost on the way to libvirt's own interface and back is told.
    done = site.daemon.domain("detach", "first", "first-net0", "--direct", "--config")
    assert "no longer has its port's limits (receive=8M)" in done.stderr
    bandwidth = "<bandwidth><inbound average='1000' peak='2000'/></bandwidth>"
    site.libvirt.define(domain_xml("idle", devices=direct(new_mac(), more=bandwidth)))
    done = site.daemon.domain("attach", "idle", "--replace")
    assert "no longer has its <bandwidth>: a port has one rate" in done.stderr and not limits_of(site, "idle")


def test_bandwidth_of_libvirts(site):
    """It takes it and does something else: a domain that relies on it does not start."""
    site.libvirt.define(with_rule("<bandwidth><inbound average='1000'/></bandwidth>"))
    told(site, "idle", "interface idle-net0 has a <bandwidth>")
    done = site.libvirt.virsh("start", "idle", check=False)
    assert done.returncode == 1 and "macvtapd: interface idle-net0 has a <bandwidth>, and libvirt" in done.stderr
    site.daemon.domain("attach", "idle", "--replace")
    site.libvirt.virsh("start", "idle")
    well(site, "idle")


def check_filter(site, text):
    """domain check tells of the filter."""
    done = site.daemon.domain("check", "idle", check=False)
    assert done.returncode == 1, done.stdout
    assert any(line.startswith("PROBLEM") and f"interface idle-net0: its filter {text}" in line
               for line in done.stdout.splitlines()), done.stdout


def set_guard(site, text):
    site.daemon.network("lan", text=f"[Network]\nParent=eth0\nMode=bridge\n[Guard]\n{text}\n")
    site.daemon.reload()


def test_filters_of_libvirts(site):
    """A domain that relies on one gets its port where the guard keeps it; else it is told what is missing."""
    site.libvirt.define(with_rule("<filterref filter='no-mac-spoofing'/>"))
    site.libvirt.virsh("start", "idle")
    well(site, "idle")
    site.libvirt.virsh("destroy", "idle")
    site.libvirt.virsh("undefine", "idle")
    site.libvirt.define(with_rule("<filterref filter='clean-traffic'/>"))
    missing = "clean-traffic needs Addresses=listed or Addresses=dhcp in network lan"
    check_filter(site, missing)
    done = site.libvirt.virsh("start", "idle", check=False)
    assert done.returncode == 1 and f"macvtapd: interface idle-net0: its filter {missing}" in done.stderr
    set_guard(site, "Addresses=dhcp")
    try:
        site.libvirt.virsh("start", "idle")
        well(site, "idle")
        set_guard(site, "Verdict=count\nAddresses=dhcp")
        check_filter(site, "clean-traffic needs Verdict=drop in network lan")
        site.libvirt.virsh("destroy", "idle")
    finally:
        site.daemon.network("lan", "eth0")
        site.daemon.reload()


def direct(mac, parent="eth0", mode="bridge", more=""):
    return (f"<interface type='direct'><mac address='{mac}'/><source dev='{parent}' mode='{mode}'/>"
            f"<model type='e1000'/>{more}<rom enabled='no'/></interface>")


def interfaces(text):
    return [re.sub(r">\s+<", "><", found) for found in re.findall(r"(?s)<interface.*?</interface>", text)]


def test_from_libvirts_own_and_back(site):
    """One command each way. The guest's NIC stays what it is: MAC, model, address on its bus, place in the boot order."""
    mac = new_mac()
    site.libvirt.define(domain_xml("idle", boot="", devices=direct(mac, more="<boot order='1'/>")))
    before = interfaces(xml_of(site, "idle"))
    assert site.daemon.domain("attach", "idle", "--replace").stdout == f"port idle-net0 on network lan, MAC {mac}\n"
    (now,) = interfaces(xml_of(site, "idle"))
    for piece in ("<interface type='ethernet'>", f"<mac address='{mac}'/>", "<target dev='idle-net0' managed='no'/>",
                  "<model type='e1000'/>", "<boot order='1'/>", "slot='0x02'"):
        assert piece in now, now
    assert "<source" not in now
    site.libvirt.virsh("start", "idle")
    well(site, "idle")
    site.libvirt.virsh("destroy", "idle")
    site.daemon.domain("detach", "idle", mac, "--direct")
    assert interfaces(xml_of(site, "idle")) == before
    assert "macvtapd" not in xml_of(site, "idle")


def test_which_network_is_like_libvirts(site):
    """Nobody is put on a network that was not meant."""
    def refused(*words):
        done = site.daemon.domain(*words, check=False)
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        return line

    site.daemon.network("tagged", text="[Network]\nParent=eth0\nVLAN=7\nMode=vepa\n")
    site.daemon.network("sources", "eth0", "source")
    site.daemon.reload()
    one, two = new_mac(), new_mac()
    site.libvirt.define(domain_xml("idle", devices=direct(one, mode="vepa") + direct(two, "eth1", "passthrough")))
    assert f"which interface of domain idle? Say one of {one}, {two}" in refused("attach", "idle", "--replace")
    assert "has no interface vm-none" in refused("attach", "idle", "vm-none", "--replace")
    assert "no network has the parent eth0 and mode vepa: choose one" in refused("attach", "idle", one, "--replace")
    assert "more than one network has the parent eth1 and mode passthrough" in refused("attach", "idle", two, "--replace")
    site.daemon.domain("attach", "idle", two, "--replace", "--network", "own", "--target", "vm-two")
    site.daemon.domain("attach", "idle", one, "--replace", "--network", "parent=eth0,mode=private")
    assert [(row["network"], row["target"]) for row in listed(site, "idle")] == \
        [("parent=eth0,mode=private", "idle-net0"), ("own", "vm-two")]
    site.daemon.domain("detach", "idle", one, "--direct")
    site.daemon.domain("detach", "idle", "vm-two", "--direct")
    text = xml_of(site, "idle")
    assert "<source dev='eth0' mode='private'/>" in text and "<source dev='eth1' mode='passthrough'/>" in text
    for network, words in (("tagged", "cannot tag, and network tagged has VLAN 7"),
                           ("sources", "libvirt has no interface like one on network sources")):
        site.libvirt.define(domain_xml(network, [Port("vm-net", network)]))
        assert words in refused("detach", network, "vm-net", "--direct")
    site.libvirt.define(domain_xml("none"))
    assert "has no interface that could become a port" in refused("attach", "none", "--replace")


def test_who_has_it(site):
    """Who is refused a device's name or a MAC is told whose it is."""
    one = Port("vm-one")
    site.libvirt.create(domain_xml("one", [one]))
    site.libvirt.create(domain_xml("two"))
    for words, text in ((["--target=vm-one"], "there is a port 'vm-one' already; domain one has it"),
                        ([f"--mac={one.mac}"], "domain one has it")):
        done = site.daemon.domain("attach", "two", "--network=lan", *words, check=False)
        (line,) = done.stderr.splitlines()
        assert done.returncode == 1 and text in line
    # One that does not run has no port, but is in the way of the other's start.
    three = Port("vm-three")
    site.libvirt.define(domain_xml("three", [three]))
    site.libvirt.define(domain_xml("four"))
    done = site.daemon.domain("attach", "four", "--network=lan", "--target=vm-three", f"--mac={three.mac}")
    assert "domain three also has the device vm-three: only one of the two can run" in done.stderr
    assert f"domain three also has the MAC {three.mac}" in done.stderr
    # An interface on another's port would take a share of its frames.
    path = site.machine.path("/run/guests/device.xml")
    with open(path, "w", encoding="ascii") as stream:
        stream.write(Port("vm-one").interface())
    site.libvirt.virsh("attach-device", "two", "/run/guests/device.xml", "--live")
    os.unlink(path)
    told(site, "two", "its port is held by domain one")
