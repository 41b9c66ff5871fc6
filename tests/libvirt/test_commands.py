# SPDX-License-Identifier: LGPL-2.1-or-later
"""macvtapctl domain: what it refuses, in one line that names the cause, and the names that it chooses."""
import json
import os
import re
import subprocess

import pytest

from clock import Deadline
from domain import NAMESPACE, Port, domain_xml, metadata, new_mac
from programs import program


def refused(site, status, *words):
    done = site.daemon.domain(*words, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    return line


@pytest.mark.parametrize("words, text", [
    ([], "domain needs a command"),
    (["nonsense"], "unknown command 'domain nonsense'"),
    (["attach"], "missing argument; usage: macvtapctl domain attach DOMAIN --network NET, or DOMAIN [TARGET|MAC] --replace"),
    (["attach", "idle", "vm-net", "--network=lan"], "'vm-net' names an interface, which requires --replace"),
    (["attach", "idle"], "--network NET is missing"),
    (["attach", "idle", "--network=lan", "--queues=-1"], "queues must be 1 to 256, not '-1'"),
    (["attach", "idle", "--network=lan", "--queues=70000"], "queues must be 1 to 256, not '70000'"),
    (["attach", "idle", "--network=lan", "--mtu=-4"], "the MTU must be 68 to 65535, not '-4'"),
    (["attach", "idle", "--network=lan", "--mac=52:54:00:1"], "'52:54:00:1' is not a MAC address"),
    (["attach", "idle", "--network=parent=eth0, mode=bridge"], "unknown word ' mode=bridge' in the ad-hoc network"),
    (["xml", "--network=lan", "--queues=5000"], "queues must be 1 to 256, not '5000'"),
    (["xml", "--network=lan", "--mtu=-4"], "the MTU must be 68 to 65535, not '-4'"),
    (["attach", "idle", "--nonsense"], "--nonsense"),
    (["detach", "idle"], "missing argument; usage: macvtapctl domain detach DOMAIN TARGET|MAC"),
    (["detach", "idle", "vm-net", "--timeout=-1"], "the timeout is 0 to 2147483 seconds, not -1"),
    (["detach", "idle", "vm-net", "--timeout=2147484"], "the timeout is 0 to 2147483 seconds, not 2147484"),
    (["check"], "missing argument; usage: macvtapctl domain check DOMAIN"),
    (["list", "--", "idle"], "unexpected argument 'idle'; usage: macvtapctl domain list"),
    (["hook", "idle"], "unexpected argument 'idle'; usage: macvtapctl domain hook"),
    (["check", "--", "-idle", "other"], "unexpected argument 'other'; usage: macvtapctl domain check DOMAIN"),
    (["xml"], "--network NET is missing"),
    (["xml", "lan"], "unexpected argument 'lan'; usage: macvtapctl domain xml --network NET"),
], ids=lambda value: " ".join(value) or "nothing" if isinstance(value, list) else "")
def test_wrong_use(site, words, text):
    assert text in refused(site, 2, *words)


def test_what_there_is_not(site):
    site.libvirt.define(domain_xml("idle"))
    site.libvirt.create(domain_xml("passing"))
    number = site.libvirt.virsh("domuuid", "idle").stdout.strip()
    site.daemon.network("broken", text="[Network]\nParent=eth0\nMode=bridge\nTypo=1\n")
    site.daemon.reload()
    lan = ("--network", "lan")
    rows = [("nobody", ["check", "nobody"]),
            ("nobody", ["attach", "nobody", *lan]),
            ("nobody", ["detach", "nobody", "vm-net"]),
            ("domain idle is not running: omit --live", ["attach", "idle", *lan, "--live"]),
            ("domain passing has no configuration: omit --config", ["attach", "passing", *lan, "--config"]),
            ("configuration has no port vm-none", ["detach", number, "vm-none"]),
            ("the domain has no port vm-none", ["detach", "passing", "vm-none"]),
            ("there is no network 'nowhere'", ["attach", "idle", "--network", "nowhere"]),
            ("network broken cannot be used: ", ["attach", "idle", "--network", "broken"]),
            ("a/b", ["attach", "idle", *lan, "--target", "a/b"]),
            ("a/b", ["xml", *lan, "--target", "a/b"]),
            ("virt-install has no option that could name network parent=eth0,mode=bridge: define one",
             ["xml", "--network", "parent=eth0,mode=bridge", "--template", "virt-install"]),
            ("there is no template 'none'", ["xml", *lan, "--template", "none"])]
    for text, words in rows:
        assert text in refused(site, 1, *words)
    assert site.daemon.ports() == []


@pytest.mark.parametrize("uri, text", [("test:///default", "is not this machine's QEMU"),
                                       ("qemu:///nonsense", "cannot connect to libvirt: ")])
def test_another_libvirt(site, uri, text):
    for words in (["list"], ["check", "idle"]):
        done = site.daemon.ctl("domain", "--connect", uri, *words, check=False)
        assert done.returncode == 1 and text in done.stderr


def test_names_that_it_chooses(site):
    """Of the domain's name what a device's may have, and the first number that is free."""
    for name in ("idle", "___", "a name that is long"):
        site.libvirt.define(domain_xml(name))
        for _ in range(2):
            site.daemon.domain("attach", name, "--network", "parent=eth0,mode=bridge")
    listed = site.daemon.domain("list").stdout
    for target in ("idle-net0", "idle-net1", "vm-net0", "vm-net1", "anamethat-net0", "anamethat-net1"):
        assert target in listed, listed
    site.libvirt.virsh("start", "idle")
    assert {port["interfaceName"] for port in site.daemon.ports()} == {"idle-net0", "idle-net1"}
    # A name that the machine has is not chosen either.
    site.machine.ip("link", "add", "idle-net2", "type", "veth", "peer", "name", "idle-net3")
    site.daemon.domain("attach", "idle", "--network", "lan", "--live")
    assert "idle-net4" in {port["interfaceName"] for port in site.daemon.ports()}
    site.machine.ip("link", "del", "idle-net2")


def test_names_of_two_domains(site):
    """Their names are cut alike, and neither runs: no device of theirs is there yet."""
    for name in ("web-server-01", "web-server-02"):
        site.libvirt.define(domain_xml(name))
        site.daemon.domain("attach", name, "--network", "lan", "--config")
    for name in ("web-server-01", "web-server-02"):
        site.libvirt.virsh("start", name)
    assert {port["interfaceName"] for port in site.daemon.ports()} == {"webserver-net0", "webserver-net1"}


def test_macs_of_domains_that_do_not_run(site):
    """No two get the same, however few the network allows."""
    site.daemon.network("few", text="[Network]\nParent=eth0\nMode=bridge\n"
                                    "[Port]\nAllowMacs=52:54:00:00:4e:00/46\n")
    site.daemon.reload()
    for name in ("one", "two", "three", "four", "five"):
        site.libvirt.define(domain_xml(name))
    for name in ("one", "two", "three", "four"):
        site.daemon.domain("attach", name, "--network", "few")
    assert "every MAC that network few offers belongs to another interface" in refused(site, 1, "attach", "five", "--network=few")
    made = "".join(site.libvirt.virsh("dumpxml", name).stdout for name in ("one", "two", "three", "four", "five"))
    assert sorted(re.findall("mac address='(.*)'", made)) == \
        [f"52:54:00:00:4e:0{digit}" for digit in range(4)]


def test_limits_of_the_network(site):
    """macvtapd would tell of them at the domain's next start only."""
    site.daemon.network("small", text="[Network]\nParent=eth0\nMode=bridge\nMTU=1400\n"
                                      "[Port]\nMaxQueues=2\nAllowMacs=52:54:00:00:4e:00/47\n")
    site.daemon.reload()
    site.libvirt.define(domain_xml("idle"))
    for text, word in (("allows a port at most 2 queues, not 4", "--queues=4"),
                       ("MTU 1500 is above 1400, the MTU= of network 'small'", "--mtu=1500"),
                       ("network 'small' does not allow MAC", "--mac=52:54:00:00:4e:02")):
        assert text in refused(site, 1, "attach", "idle", "--network=small", word)
    site.daemon.domain("attach", "idle", "--network=small", "--queues=2", "--mtu=1400", "--mac=52:54:00:00:4E:01")
    site.daemon.domain("check", "idle")


def test_changes_at_the_same_time(site):
    """libvirt replaces the metadata as a whole: none of the changes may lose what another has written."""
    site.libvirt.define(domain_xml("idle", [Port("vm-old0"), Port("vm-old1")]))
    changes = [["detach", "idle", f"vm-old{number}"] for number in range(2)]
    changes += [["attach", "idle", "--network=lan"]] * 4
    running = [site.daemon.domain_start(*words, "--config") for words in changes]
    assert [process.wait(Deadline(60).left()) for process in running] == [0] * len(running)
    xml = site.libvirt.virsh("dumpxml", "idle", "--inactive").stdout
    made = [f"idle-net{number}" for number in range(4)]
    assert sorted(re.findall(r"port target=.([^'\"]*)", xml)) == made
    assert sorted(re.findall(r"target dev='([^']*)'", xml)) == made


def test_no_folder_for_the_lock(site):
    site.libvirt.define(domain_xml("idle", [Port("vm-net")]))
    site.machine.run("mkdir", "-p", "/run/macvtapd-hook")
    site.machine.run("mv", "/run/macvtapd-hook", "/run/away")
    site.machine.run("touch", "/run/macvtapd-hook")
    try:
        for words in (["attach", "idle", "--network=lan"], ["detach", "idle", "vm-net"]):
            assert "cannot open the folder /run/macvtapd-hook" in refused(site, 1, *words, "--config")
    finally:
        site.machine.run("rm", "/run/macvtapd-hook")
        site.machine.run("mv", "/run/away", "/run/macvtapd-hook")


def test_check_of_a_running_domain(site):
    site.libvirt.create(domain_xml("idle", [Port("vm-one"), Port("vm-two")]))
    site.libvirt.create(domain_xml("without"))
    assert "interface vm-two: its port is active" in site.daemon.domain("check", "idle").stdout
    site.daemon.ctl("port", "delete", "vm-one")
    done = site.daemon.domain("check", "idle", check=False)
    assert done.returncode == 1 and "interface vm-one: macvtapd has no such port" in done.stdout
    site.daemon.ctl("port", "create", "--network=lan", "--interface=vm-one", "--name=other")
    done = site.daemon.domain("check", "idle", check=False)
    assert done.returncode == 1 and "interface vm-one: its port is held by none" in done.stdout
    site.daemon.ctl("port", "delete", "other")
    number = site.libvirt.virsh("domuuid", "without").stdout.strip()
    site.daemon.ctl("port", "create", "--network=lan", "--interface=vm-one", f"--holder=domain:{number}")
    done = site.daemon.domain("check", "idle", check=False)
    assert done.returncode == 1 and "interface vm-one: its port is held by domain without" in done.stdout
    site.daemon.ctl("port", "delete", "vm-one")
    done = site.daemon.domain("check", "without", check=False)
    assert done.returncode == 1 and "the domain has no port of macvtapd" in done.stdout


def test_options_of_macvtapctl_itself(site):
    """They may stand before the word domain: what runs the command gets them."""
    site.libvirt.define(domain_xml("idle", [Port("vm-net")]))
    words = ("domain", "--connect", site.libvirt.uri, "list")
    (listed,) = json.loads(site.daemon.ctl("--json", *words).stdout)["ports"]
    assert listed["target"] == "vm-net"
    elsewhere = site.daemon.ctl("--socket", "/nonexistent", *words, check=False)
    assert elsewhere.returncode == 1 and "cannot connect to /nonexistent" in elsewhere.stderr
    assert "-idle" in refused(site, 1, "check", "--", "-idle")
    for behind in (["--json"], ["--json", "--socket", str(site.daemon.socket)]):
        assert json.loads(site.daemon.ctl(*words, *behind).stdout)["ports"] == [listed]
    assert json.loads(site.daemon.ctl("domain", "list", f"-c{site.libvirt.uri}", "--json").stdout)["ports"] == [listed]
    elsewhere = site.daemon.ctl(*words, "--socket", "/nonexistent", check=False)
    assert elsewhere.returncode == 1 and "cannot connect to /nonexistent" in elsewhere.stderr
    shown = site.daemon.ctl("help", "domain", "attach").stdout
    assert "macvtapctl domain attach [OPTION" in shown and shown == site.daemon.ctl("domain", "attach", "--help").stdout
    assert "\n\nGive a domain a port, or turn an interface that it has into one.\n\n" in shown
    assert site.daemon.ctl("help", "domain").stdout == site.daemon.ctl("domain", "--help").stdout
    assert site.daemon.ctl("domain", "list", "--version").stdout == site.daemon.ctl("--version").stdout


def test_check_of_wrong_metadata(site):
    """Nobody but the hook and these commands reads it: libvirt takes whatever it is given."""
    site.libvirt.define(domain_xml("wrong", [Port("vm-net")], meta=metadata([Port("vm-net"), Port("vm-net")])))
    done = site.daemon.domain("check", "wrong", check=False)
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("PROBLEM")]
    assert "two ports have the target 'vm-net'" in line
    assert site.daemon.ports() == []


def test_detach_loses_nothing(site):
    """It writes the metadata anew from what it has understood; what agrees with no interface it can still remove."""
    one, two = Port("vm-one"), Port("vm-two")
    typo = "netwrok=".join(metadata([one, two]).rsplit("network=", 1))
    site.libvirt.define(domain_xml("wrong", [one, two], meta=typo))
    line = refused(site, 1, "detach", "wrong", "vm-one")
    assert "not 'netwrok': correct it with virsh edit wrong first" in line
    xml = site.libvirt.virsh("dumpxml", "wrong").stdout
    assert "netwrok" in xml and xml.count("vm-one") == 2
    site.libvirt.create(domain_xml("idle", [one]))
    site.libvirt.virsh("metadata", "idle", NAMESPACE, "--key", "m", "--set", "<ports><prot/></ports>", "--live")
    assert "not 'prot'" in refused(site, 1, "attach", "idle", "--network=lan")
    site.libvirt.define(domain_xml("alone", [one], meta=metadata([one, two])))
    site.daemon.domain("detach", "alone", "vm-two")
    xml = site.libvirt.virsh("dumpxml", "alone").stdout
    assert "vm-two" not in xml and xml.count("vm-one") == 2


def test_interface_that_is_no_port(site):
    """A second one of its name would keep the domain from starting, and so would one that stays without metadata."""
    tap = Port("vm-tap")
    site.libvirt.define(domain_xml("idle", [tap], meta=""))
    assert "the domain already has an interface vm-tap" in \
        refused(site, 1, "attach", "idle", "--network=lan", "--target=vm-tap")
    assert "only an interface of libvirt's own" in refused(site, 1, "detach", "idle", "vm-tap")
    assert "vm-tap" in site.libvirt.virsh("dumpxml", "idle").stdout
    site.libvirt.define(domain_xml("twice", [tap, Port("vm-tap")], meta=metadata([tap])))
    assert "interface vm-tap cannot have a port" in refused(site, 1, "detach", "twice", "vm-tap")
    assert site.libvirt.virsh("dumpxml", "twice").stdout.count("vm-tap") == 3


def test_check_of_a_stopped_domain(site):
    """Of a domain without ports, one thing is said of them; one whose old ports are still there starts."""
    site.libvirt.define(domain_xml("without"))
    done = site.daemon.domain("check", "without", check=False)
    assert done.returncode == 1 and "the domain has no port of macvtapd" in done.stdout
    assert "can be made" not in done.stdout
    named = Port("vm-named")
    site.libvirt.define(domain_xml("half", [named, Port("vm-half")], meta=metadata([named])))
    done = site.daemon.domain("check", "half", check=False)
    assert done.returncode == 1 and "the metadata names no port vm-half" in done.stdout
    assert site.libvirt.virsh("start", "half", check=False).returncode == 1
    site.machine.ip("link", "add", "vm-half", "type", "veth", "peer", "name", "vm-peer")
    assert "vm-half" not in site.daemon.domain("check", "half").stdout
    site.machine.ip("link", "del", "vm-half")
    new = Port("vm-new")
    site.libvirt.define(domain_xml("idle", [Port("vm-net"), new, Port("vm-other")]))
    number = site.libvirt.virsh("domuuid", "idle").stdout.strip()
    for words in (["--interface=vm-net"], ["--interface=vm-old", f"--mac={new.mac}"]):
        site.daemon.ctl("port", "create", "--network=lan", *words, f"--holder=domain:{number}")
    done = site.daemon.domain("check", "idle")
    assert "interface vm-net: a start ends the domain's old port vm-net first" in done.stdout
    assert "interface vm-new: a start ends the domain's old port vm-old first" in done.stdout
    assert "its ports can be made" in done.stdout
    assert {port["interfaceName"] for port in site.daemon.ports()} == {"vm-net", "vm-old"}
    site.libvirt.virsh("start", "idle")
    assert {port["interfaceName"] for port in site.daemon.ports()} == {"vm-net", "vm-new", "vm-other"}


def test_port_of_another_domain(site):
    """The metadata names the device of another domain's port, which stays that domain's."""
    site.libvirt.create(domain_xml("one", [Port("vm-one")]))
    site.libvirt.create(domain_xml("two"))
    site.libvirt.virsh("metadata", "two", NAMESPACE, "--key", "m", "--set",
                       "<ports><port target='vm-one' network='lan'/><port target='vm-none' network='lan'/></ports>", "--live")
    listed = json.loads(site.daemon.ctl("--json", "domain", "list").stdout)["ports"]
    assert {port["domain"]: port["state"] for port in listed if port["target"] == "vm-one"} == \
        {"one": "active", "two": "absent"}
    done = site.daemon.domain("detach", "two", "vm-one", "--live")
    assert "port vm-one stays: it is held by domain one, not by domain two" in done.stderr
    assert [port["interfaceName"] for port in site.daemon.ports()] == ["vm-one"]
    # Nor is one missed that nobody has.
    site.daemon.domain("detach", "two", "vm-none", "--live")
    assert "vm-" not in site.libvirt.virsh("dumpxml", "two").stdout


def test_guest_that_does_not_let_go(site):
    """It is in its firmware, and nobody answers the request to unplug."""
    site.libvirt.create(domain_xml("idle"))
    site.daemon.domain("attach", "idle", "--network", "lan", "--target", "vm-hot")
    assert "the guest has not released vm-hot within 1 seconds: it keeps the port" in \
        refused(site, 1, "detach", "idle", "vm-hot", "--timeout", "1")
    assert [port["interfaceName"] for port in site.daemon.ports()] == ["vm-hot"]


def test_detach_is_repeated(site):
    """What a guest that has not let go keeps, the configuration keeps, too; what one has lost is not missed."""
    site.libvirt.define(domain_xml("idle", [Port("vm-net")]))
    site.libvirt.virsh("start", "idle")
    both = ("detach", "idle", "vm-net", "--live", "--config", "--timeout=0")
    refused(site, 1, *both)
    assert "vm-net" in site.libvirt.virsh("dumpxml", "idle", "--inactive").stdout
    assert "the domain has no port vm-none of macvtapd" in refused(site, 1, "detach", "idle", "vm-none", *both[3:])
    site.libvirt.define(domain_xml("other", [Port("vm-one")]))
    site.libvirt.virsh("start", "other")
    site.libvirt.define(site.libvirt.virsh("dumpxml", "other", "--inactive").stdout.replace("vm-one", "vm-two"))
    site.daemon.domain("detach", "other", "vm-two", "--live", "--config", "--timeout=0")
    assert "vm-two" not in site.libvirt.virsh("dumpxml", "other", "--inactive").stdout


def test_domain_ends_while_its_guest_is_waited_for(site):
    site.libvirt.define(domain_xml("idle", [Port("vm-net")]))
    site.libvirt.virsh("start", "idle")
    # A repeated command: the first one has been through with the configuration.
    site.daemon.domain("detach", "idle", "vm-net", "--config")
    environment = {**site.daemon.environment(), "LIBVIRT_LOG_FILTERS": "1:util.event", "LIBVIRT_LOG_OUTPUTS": "1:stderr"}
    words = ("--connect", site.libvirt.uri, "detach", "idle", "vm-net", "--live", "--config", "--timeout=600")
    process = site.machine.start(program("macvtapctl"), "domain", *words, env=environment, stderr=subprocess.PIPE)
    said, deadline = b"", Deadline()
    # libvirt's own word for the wait that our timer would end.
    while b"running default event implementation" not in said:
        deadline.wait_readable(process.stderr)
        said += os.read(process.stderr.fileno(), 65536)
    site.libvirt.virsh("destroy", "idle")
    said = process.communicate(timeout=Deadline(60).left())[1]
    assert process.returncode == 0 and b"domain idle no longer runs" in said, said
    assert site.daemon.ports() == []


def test_live_commands_are_roots(site):
    """Whom the system's libvirt lets in has no part in the ports of its domains."""
    site.libvirt.create(domain_xml("idle", [Port("vm-net")]))
    site.machine.run("chmod", "777", "/run/libvirt", "/run/libvirt/libvirt-sock")
    for words in (["attach", "idle", "--network=lan"], ["detach", "idle", "vm-net"]):
        done = site.machine.run(program("macvtapctl"), "domain", "--connect", site.libvirt.uri, *words, user="nobody",
                                env=site.daemon.environment(), check=False)
        assert done.returncode == 1 and "the ports of idle belong to root" in done.stderr, done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_what_a_user_cannot_check(site):
    """A start is root's hook's, so what macvtapd refuses to the user says nothing of it."""
    site.libvirt.define(domain_xml("idle", [Port("vm-net"), Port("bridged", "parent=eth0,mode=bridge")]))
    site.machine.run("sh", "-c", "chmod 777 /run/libvirt /run/libvirt/libvirt-sock; install -d -o nobody /run/user/65534")
    try:
        done = site.daemon.domain("check", "idle", user="nobody")
        assert "PROBLEM" not in done.stdout and "its ports can be made" not in done.stdout
        for line in ("interface vm-net: user 65534 may not use network lan", "interface bridged: only root may"):
            assert f"ok       only root can check whether this port can be made (run it as root): {line}" in done.stdout
        assert "ok       its ports can be made" in site.daemon.domain("check", "idle").stdout
        words = "attach", "idle", "--network", "lan", "--config"
        done = site.daemon.domain(*words, user="nobody", check=False)
        assert done.returncode == 1 and "choose a MAC with --mac" in done.stderr
        mac = new_mac()
        done = site.daemon.domain(*words, "--mac", mac, user="nobody")
        assert "only root can check whether the domain would start: user 65534 may not" in done.stderr
        site.daemon.domain("attach", "idle", mac, "--replace", user="nobody")
        site.libvirt.virsh("start", "idle", "--paused")
        assert mac in [port["macAddress"] for port in site.daemon.ports()]
        # What root is refused, too, is a problem for everybody.
        site.libvirt.define(domain_xml("lost", [Port("vm-lost", "nowhere")]))
        assert site.daemon.domain("check", "lost", user="nobody", check=False).returncode == 1
    finally:
        site.machine.run("rm", "-rf", "/run/user/65534")


def test_macvtapd_is_away(site):
    site.libvirt.create(domain_xml("idle", [Port("vm-net")]))
    site.daemon.stop()
    for words in (["list"], ["check", "idle"], ["attach", "idle", "--network", "lan"]):
        done = site.daemon.domain(*words, check=False)
        assert done.returncode == 1 and "macvtapd" in done.stderr.splitlines()[-1]
    # An example can be had all the same.
    assert "network='lan'" in site.daemon.domain("xml", "--network", "lan").stdout
    site.daemon.start()


def test_templates_are_listed(site):
    assert "domain-multiqueue" in site.daemon.domain("xml", "--list").stdout.splitlines()


def test_libvirt_is_away(site):
    site.libvirt.stop()
    assert "libvirt is not running; it will find macvtapd's hook when it starts" in site.daemon.domain("hook").stdout


def test_xml_for_a_network_that_is_not_there(site):
    """Refused, unless it is asked for; without macvtapd nothing can be checked."""
    for template in [], ["--template", "virt-install"], ["--template", "domain"]:
        words = ["xml", "--network", "nowhere", *template]
        done = site.daemon.domain(*words, check=False)
        assert (done.returncode, done.stdout) == (1, "") and "there is no network 'nowhere'" in done.stderr
        done = site.daemon.domain(*words, "--unchecked")
        assert "nowhere" in done.stdout and done.stderr.startswith("macvtapctl: note: there is no network 'nowhere'")
    done = site.daemon.domain("xml", "--network", "lna", check=False)
    assert done.stderr == "macvtapctl: there is no network 'lna'; did you mean lan?\n"
    # Whether libvirt has such a network is unknown then.
    libvirts = ["--template", "libvirt-network"]
    for words in (["xml", "--network", "nowhere", "--unchecked"], ["--socket", "/nonexistent", "xml", "--network", "lan"]):
        done = site.daemon.domain(*words, *libvirts, check=False)
        assert done.returncode == 1 and "libvirt has no" not in done.stderr
        assert done.stderr.endswith("are unknown, and the template libvirt-network needs them\n")
    text = site.daemon.domain("xml", "--network", "parent=eth0,mode=bridge", *libvirts).stdout
    assert "<forward mode='bridge'>" in text and "<interface dev='eth0'/>" in text
    done = site.daemon.domain("xml", "--network", "parent=eth0,mode=bridge,vlan=7", *libvirts, check=False)
    assert done.returncode == 1 and "cannot tag, and parent=eth0,mode=bridge,vlan=7 has VLAN 7" in done.stderr
    done = site.daemon.domain("--socket", "/nonexistent", "xml", "--network", "nowhere")
    assert "nowhere" in done.stdout and done.stderr.startswith("macvtapctl: note: cannot reach macvtapd")


def test_what_a_later_start_may_find_otherwise(site):
    """A passthru parent that is in use now, and a limit of ports that is reached: a note, once the MAC is known."""
    site.daemon.network("one", text="[Network]\nParent=eth0\nMode=bridge\n[Port]\nMaxQueues=2\n[Access]\nMaxPorts=1\n")
    site.daemon.reload()
    for name in ("later", "never"):
        site.libvirt.define(domain_xml(name))
    for network in ("one", "inherit"):
        site.daemon.ctl("port", "create", f"--network={network}", f"--name={network}")
    mac = site.machine.mac("eth1")
    links = sorted(site.machine.links())
    for network, guest in (("one", "52:54:00:00:4d:21"), ("inherit", mac)):
        assert "choose a MAC with --mac MAC" in refused(site, 1, "attach", "later", f"--network={network}")
        done = site.daemon.domain("attach", "later", f"--network={network}", f"--mac={guest}")
        assert done.stderr.startswith("macvtapctl: note: as it is now, the domain would not start: ")
    assert "at most 2 queues" in refused(site, 1, "attach", "never", "--network=one", f"--mac={mac}", "--queues=3")
    done = site.daemon.domain("check", "later", check=False)
    assert done.returncode == 1 and "MaxPorts=" in done.stdout and "passthru port inherit holds eth1" in done.stdout
    assert sorted(site.machine.links()) == links
    site.daemon.ctl("port", "delete", "one", "inherit")
    site.daemon.domain("check", "later")
