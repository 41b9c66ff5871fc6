# SPDX-License-Identifier: LGPL-2.1-or-later
"""What macvtapctl domain xml prints, libvirt takes; and whether libvirt knows the hook."""
import json
import re

import pytest

from domain import Port, domain_xml
from libvirt import HOOKS, with_input
from programs import INSIDE_BUILD

MODES = {"bridge": "bridge", "vepa": "vepa", "private": "private", "passthru": "passthrough"}


@pytest.mark.parametrize("template", ["domain", "domain-multiqueue"])
@pytest.mark.parametrize("network", ["lan", "own", "inherit"])
def test_domain_is_defined(site, template, network):
    text = site.daemon.domain("xml", "--network", network, "--template", template, "--domain", "made").stdout
    site.libvirt.define(text)
    (port,) = json.loads(site.daemon.ctl("--json", "domain", "list").stdout)["ports"]
    assert (port["domain"], port["network"], port["target"]) == ("made", network, "made-net0")
    assert "its ports can be made" in site.daemon.domain("check", "made").stdout
    if network == "inherit":
        assert port["macAddress"] == site.machine.mac("eth1")
    assert site.left() == []


def test_fragments_make_a_port(site):
    """Put by hand into a domain that is there."""
    text = site.daemon.domain("xml", "--network", "lan", "--target", "vm-made", "--mac", "52:54:00:00:4d:07", "--mtu",
                              "1400").stdout
    metadata, interface = re.fullmatch(r"(<metadata>.*</metadata>)\s*(<interface.*</interface>)\s*", text, re.S).groups()
    site.libvirt.define(domain_xml("made", meta=metadata, devices=interface))
    site.libvirt.virsh("start", "made")
    (port,) = site.daemon.ports()
    assert (port["interfaceName"], port["macAddress"], port["mtu"]) == ("vm-made", "52:54:00:00:4d:07", 1400)
    site.libvirt.virsh("destroy", "made")
    assert site.left() == []


@pytest.mark.parametrize("mode", MODES)
def test_libvirts_own_network(site, mode):
    """What libvirt itself has for the mode, for those who compare."""
    site.daemon.network(f"by-{mode}", "eth1", mode)
    site.daemon.reload()
    text = site.daemon.domain("xml", "--network", f"by-{mode}", "--template", "libvirt-network").stdout
    site.libvirt.virsh("net-define", "/dev/stdin", **with_input(text))
    told = site.libvirt.virsh("net-dumpxml", f"by-{mode}").stdout
    site.libvirt.virsh("net-undefine", f"by-{mode}")
    assert f"mode='{MODES[mode]}'" in told and "<interface dev='eth1'/>" in told


def test_libvirt_has_no_source_mode(site):
    site.daemon.network("by-source", "eth1", "source")
    site.daemon.reload()
    done = site.daemon.domain("xml", "--network", "by-source", "--template", "libvirt-network", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "libvirt has no network type like by-source" in done.stderr


def test_libvirts_own_network_of_a_pool(site):
    site.daemon.network("pool", text="[Network]\nParent=eth0 eth1\nMode=bridge\n")
    site.daemon.network("tagged", text="[Network]\nParent=eth1\nVLAN=7\nMode=bridge\n")
    site.daemon.network("by-altname", "the-uplink-of-the-host")
    site.daemon.reload()
    text = site.daemon.domain("xml", "--network", "pool", "--template", "libvirt-network").stdout
    site.libvirt.virsh("net-define", "/dev/stdin", **with_input(text))
    told = site.libvirt.virsh("net-dumpxml", "pool").stdout
    site.libvirt.virsh("net-undefine", "pool")
    assert re.findall(r"<interface dev='(\w+)'", told) == ["eth0", "eth1"]
    done = site.daemon.domain("xml", "--network", "tagged", "--template", "libvirt-network", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "libvirt's own macvtap network cannot tag, and tagged has VLAN 7: " in done.stderr
    done = site.daemon.domain("xml", "--network", "by-altname", "--template", "libvirt-network", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "use the interface's own name instead of the-uplink-of-the-host in Parent=" in done.stderr


# Options of every command, which the table of commands need not repeat.
COMMON = {"--help", "--json", "--socket", "--connect", "--version"}


@pytest.mark.parametrize("command", ["attach", "detach", "list", "check", "hook", "xml"])
def test_help_of_a_command(site, command):
    """It names the command, and the table of all commands has its options."""
    shown = site.daemon.domain(command, "--help").stdout
    assert f"macvtapctl domain {command} [OPTION" in shown
    (line,) = re.findall(rf"^  {command}\b(?:.*\n {{10}})*.*$", site.daemon.domain("--help").stdout, re.M)
    assert set(re.findall(r"^ +(?:-\w, )?(--[a-z]+)", shown, re.M)) - COMMON == set(re.findall(r"--[a-z]+", line))


def test_daemon_that_is_to_be_reloaded(site):
    """libvirt may have a daemon for QEMU alone; the machine's first process is one here."""
    site.libvirt.stop()
    site.machine.run("rm", "-f", f"{HOOKS}/macvtapd", "/run/macvtapd-hook/called")
    site.machine.run("cp", f"{INSIDE_BUILD}/hooks/macvtapd", HOOKS)
    site.machine.run("sh", "-c", "echo 1 >/run/virtqemud.pid")
    done = site.daemon.domain("hook", check=False)
    site.machine.run("rm", "/run/virtqemud.pid")
    assert done.returncode == 1 and "reload it (systemctl reload virtqemud)" in done.stdout


def test_hook_that_libvirt_does_not_know(site):
    """libvirt looks for hooks when it starts; whether it knows one that came later shows when it calls it."""
    assert "libvirt knows macvtapd's hook" in site.daemon.ctl("doctor", check=False).stdout
    site.machine.run("rm", "-f", f"{HOOKS}/macvtapd", "/run/macvtapd-hook/called")
    done = site.daemon.domain("hook", check=False)
    assert done.returncode == 1 and "is not installed" in done.stdout
    site.machine.run("cp", f"{INSIDE_BUILD}/hooks/macvtapd", HOOKS)
    done = site.daemon.ctl("doctor", check=False)
    assert done.returncode == 1 and "reload it (systemctl reload libvirtd)" in done.stdout
    site.machine.run("install", "-d", "-m", "700", "/run/macvtapd-hook")
    done = site.daemon.domain("hook", user="nobody")
    assert "ok       only root can see whether libvirt has called macvtapd's hook" in done.stdout
    site.libvirt.create(domain_xml("idle", [Port("vm-net")]))
    assert "libvirt knows macvtapd's hook" in site.daemon.ctl("doctor", check=False).stdout
    # An upgrade installs another program, which libvirt will call as it has called this one.
    site.machine.run("sh", "-c", f"cp {HOOKS}/macvtapd {HOOKS}/.new && mv {HOOKS}/.new {HOOKS}/macvtapd")
    assert "libvirt knows macvtapd's hook" in site.daemon.domain("hook").stdout
    site.libvirt.virsh("destroy", "idle")
    # Another process of libvirt's may have been the one that called it.
    site.libvirt.stop()
    site.libvirt.start()
    site.machine.run("sh", "-c", f"cp {HOOKS}/macvtapd {HOOKS}/.new && mv {HOOKS}/.new {HOOKS}/macvtapd")
    done = site.daemon.domain("hook", check=False)
    assert done.returncode == 1 and "then shows at the next start of a domain" in done.stdout
    site.libvirt.create(domain_xml("idle"))
    assert "libvirt knows macvtapd's hook" in site.daemon.domain("hook").stdout
    site.libvirt.virsh("destroy", "idle")
