# SPDX-License-Identifier: LGPL-2.1-or-later
"""Domains that cannot start, in one line that names the cause; and input that nobody should write."""
import os
from xml.sax.saxutils import escape

import pytest

from domain import NAMESPACE, Port, domain_xml, metadata

MARK = "mark"  # a file that a shell would make of the hostile names
INTERFACE = Port("vm-net").interface()


def refusal(site, xml):
    """Create a domain, which must fail; returns what our hook said, nothing if it did not."""
    done = site.libvirt.create(xml, check=False)
    assert done.returncode == 1, done.stdout
    lines = [line.partition("macvtapd: ")[2] for line in done.stderr.splitlines() if "macvtapd: " in line]
    assert len(lines) <= 1, done.stderr
    assert site.left() == []
    return lines[0] if lines else ""


def ports_of(text):
    return f"<metadata><macvtapd:ports xmlns:macvtapd='{NAMESPACE}'>{text}</macvtapd:ports></metadata>"


def test_passthru_with_another_mac(site):
    """Both MACs, and the two ways out."""
    port = Port("vm-net", "inherit")
    parent = site.machine.mac("eth1")
    said = refusal(site, domain_xml("vm", [port]))
    assert port.mac in said and parent in said
    assert "ask for that MAC" in said and "Mac=assign" in said
    site.libvirt.create(domain_xml("vm", [Port("vm-net", "inherit", parent)]))
    site.libvirt.virsh("destroy", "vm")
    assert site.left() == []


@pytest.mark.parametrize("meta, expected", [
    (metadata([Port("other")]), "other"),
    (metadata([Port("vm-net", "nowhere")]), "nowhere"),
    (metadata([Port("vm-net"), Port("vm-net")]), "vm-net"),
    (ports_of("<macvtapd:port target='vm-net'/>"), "network"),
    (ports_of("<macvtapd:port network='lan'/>"), "target"),
    (ports_of("<macvtapd:port target='vm-net' network='lan' colour='red'/>"), "colour"),
    (ports_of("<macvtapd:prot target='vm-net' network='lan'/>"), "prot"),
    (ports_of("<macvtapd:port target='vm-net' network=''/>"), "network"),
    (ports_of("<macvtapd:port target='vm-net' network='../../../etc/passwd'/>"), "../../../etc/passwd"),
    (ports_of(f"<macvtapd:port target='vm-net' network='$(touch {MARK})'/>"), "$(touch"),
    (ports_of("<macvtapd:port target='vm-net' network='parent=eth9,mode=bridge'/>"), "eth9"),
    (ports_of("<macvtapd:port target='vm-net' network='parent=eth0,mode=sideways'/>"), "sideways"),
    (ports_of("<macvtapd:port target='vm-net' network='l&#228;n'/>"), "cannot be a network's name"),
], ids=lambda value: None if value.startswith("<") else value)
def test_metadata(site, meta, expected):
    assert expected in refusal(site, domain_xml("vm", [Port("vm-net")], meta=meta))


def test_metadata_without_a_port_is_not_ours(site):
    """libvirt's own words for a device that is not there."""
    for meta in ("", ports_of("")):
        xml = domain_xml("vm", [Port("vm-net")], meta=meta)
        done = site.libvirt.create(xml, check=False)
        assert done.returncode == 1 and "specified dev doesn't exist" in done.stderr and "macvtapd: " not in done.stderr


@pytest.mark.parametrize("target", ["sixteen-bytes-xx", "a/b", "..", "a b", f"$(touch {MARK})", "eth0", "all",
                                    "vm%d", "lo"])
def test_target(site, target):
    assert refusal(site, domain_xml("vm", [Port(target)])) != ""
    assert sorted(site.machine.links()) == ["eth0", "eth1", "lo"]


def test_target_of_another_domain(site):
    site.libvirt.create(domain_xml("first", [Port("vm-net")]))
    before = site.daemon.ports()
    done = site.libvirt.create(domain_xml("second", [Port("vm-net")]), check=False)
    assert done.returncode == 1 and "macvtapd: interface vm-net" in done.stderr
    assert site.daemon.ports() == before
    assert site.libvirt.domains() == ["first"]
    site.libvirt.virsh("destroy", "first")
    assert site.left() == []


def test_second_port_fails(site):
    """The first port of a domain does not stay when its second cannot be had."""
    assert "nowhere" in refusal(site, domain_xml("vm", [Port("vm-one"), Port("vm-two", "nowhere")]))


@pytest.mark.parametrize("name", [f"$(touch {MARK});touch {MARK}", "'\"<R&D>", "-rf", "ü vm" + "m" * 190],
                         ids=["shell", "xml", "option", "long"])
def test_name_of_a_domain(site, name):
    site.libvirt.create(domain_xml(escape(name), [Port("vm-net")]))
    (port,) = site.daemon.ports()
    assert port["linkUp"]
    assert [port["holder"]["pid"]] == site.machine.processes("qemu-system-x86_64")
    site.libvirt.virsh("destroy", "--domain", name)
    assert site.left() == []
    assert not os.path.exists(site.machine.path(f"/{MARK}"))


def test_target_that_a_shell_would_run(site):
    """The kernel would take it as the name of a device; macvtapd does not."""
    assert "only letters" in refusal(site, domain_xml("vm", [Port("`>mark`;reboot")]))
    assert not os.path.exists(site.machine.path(f"/{MARK}"))


def test_large_metadata(site):
    """As much as libvirt's protocol lets through; another element of the user's may be large."""
    padding = f"<big:pad xmlns:big='urn:big'>{'x' * 3000000}</big:pad></metadata>"
    xml = domain_xml("vm", [Port("vm-net")], meta=metadata([Port("vm-net")]).replace("</metadata>", padding))
    said = refusal(site, xml)
    assert "large" in said or "MiB" in said or "bytes" in said


def call_hook(site, operation, data):
    """The hook as libvirt calls it, with bytes that libvirt would not pass on."""
    process = site.machine.start("/etc/libvirt/hooks/qemu.d/macvtapd", "vm", operation, "begin", "-", stdin=-1, stderr=-1)
    _, said = process.communicate(data, timeout=60)
    return process.returncode, said.decode()


OURS = domain_xml("vm", [Port("vm-net")]).encode()


@pytest.mark.parametrize("data", [
    b"", b"\0" * 100, OURS[:len(OURS) // 2], OURS.replace(b"vm-net", b"vm\0net"), OURS.replace(b"'lan'", b"'\xff\xfe'"),
    OURS + OURS, OURS.replace(b"</metadata>", b"<!-- " + b"x" * (10 << 20) + b" --></metadata>"),
    b"<!DOCTYPE d [<!ENTITY a 'aaaaaaaaaa'>" + b"".join(
        b"<!ENTITY %c '%s'>" % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9)) + b"]>" + OURS.replace(b"lan", b"&j;"),
    b"<!DOCTYPE d [<!ENTITY f SYSTEM 'file:///etc/hostname'>]>" + OURS.replace(b"lan", b"&f;"),
], ids=["nothing", "zeros", "half", "zero-within", "not-utf8", "twice", "10-mib", "entities", "external-entity"])
def test_bytes(site, data):
    status, said = call_hook(site, "prepare", data)
    concerns_us = NAMESPACE.encode() in data
    assert status == (1 if concerns_us else 0), said
    assert len(said.splitlines()) == status and len(said) < 1000
    for operation in ("stopped", "release", "reconnect"):
        assert call_hook(site, operation, data)[0] == 0
    assert site.left() == []
