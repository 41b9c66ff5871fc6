# SPDX-License-Identifier: LGPL-2.1-or-later
"""What bash offers for a line of macvtapctl and macvtap-run, as readline has it cut into words."""
import re

import pytest

import agent
from clock import Deadline
from programs import INSIDE_BUILD, SOURCE, built, program

SCRIPT = (SOURCE / "src/tools/completion.bash").read_text(encoding="utf-8")

# $1 is the line up to the cursor; the rest are the words that readline makes of it.
ASK = """
PATH=$LOOK_IN
COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9 COMP_KEY=9
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
set -- $(complete -p "${COMP_WORDS[0]}")
while [ "$1" != -F ]; do shift; done
"$2" "${COMP_WORDS[0]}" "${COMP_WORDS[COMP_CWORD]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def cut(line):
    """As COMP_WORDBREAKS has it: runs of '=' and ':' are words, too."""
    words = [part for word in line.split() for part in re.findall(r"[=:]+|[^=:]+", word)]
    return words + [""] * (line[-1:] == " ")


@pytest.fixture
def offered(daemon):
    """offered(line): what bash offers at its end, in a shell that finds our programs in $LOOK_IN and the daemon by $MACVTAPD_SOCKET."""
    def ask(line, **variables):
        environment = {**daemon.environment(), "LOOK_IN": f"{INSIDE_BUILD}/src/tools:/usr/bin:/bin:/usr/sbin:/sbin",
                       "MACVTAPD_LIBEXEC": f"{INSIDE_BUILD}/src/libvirt", **variables}
        done = daemon.host.run("bash", "-c", SCRIPT + ASK, "bash", line, *cut(line), env=environment)
        assert done.stderr == ""
        return done.stdout.split()

    built("macvtapctl")
    return ask


def commands(daemon, group):
    return set(re.findall(rf"^  {group} ([a-z][a-z-]*)", daemon.ctl("--help").stdout, re.M))


def test_commands(daemon, offered):
    firsts = set(re.findall(r"^  ([a-z]+)", daemon.ctl("--help").stdout.split("Commands:")[1], re.M))
    assert len(firsts) > 5 and sorted(offered("macvtapctl ")) == sorted(firsts | {"help"})
    assert offered("macvtapctl mon") == ["monitor"]
    for group in ("network", "port", "vm"):
        for before in ("", "--json ", "help ", f"--socket {daemon.socket} "):
            assert set(offered(f"macvtapctl {before}{group} ")) == commands(daemon, group)
    assert set(offered("macvtapctl port cr")) == {"create"}
    assert set(offered("macvtapctl domain ")) == {"attach", "detach", "list", "check", "hook", "xml"}


def test_options(daemon, offered):
    assert set(offered("macvtapctl -")) == {"--help", "--socket=", "--json", "--version"}
    shown = daemon.ctl("port", "create", "--help").stdout
    assert set(offered("macvtapctl port create --network lan -")) == set(re.findall(r"^ .* (--[a-z-]+=?)", shown, re.M)) - {"--network"}
    assert offered("macvtapctl port create --holder=n") == ["none"]
    assert offered("macvtapctl port create --link d") == ["down"]
    assert "--network=" in offered("macvtap-run --") and offered("macvtap-run --dr") == ["--dry-run"]


def test_networks_and_ports(daemon, offered):
    daemon.network("lab", "eth0")
    daemon.reload()
    daemon.ctl("port", "create", "--network=lan", "--name=web")
    daemon.ctl("port", "create", "--network=lan", "--name=mail")
    for line in ("macvtapctl network show ", "macvtapctl port list --network ", "macvtapctl port list --network=",
                 "macvtap-run -n ", "macvtap-run --replace --network=", "macvtapctl port create --mtu 1400 --network la"):
        assert offered(line) == ["lab", "lan"], line
    for line in ("macvtapctl port show ", "macvtapctl port set ", "macvtapctl --json port delete web ", "macvtap-run -p ",
                 "macvtapctl log --port=", "macvtapctl port open "):
        assert sorted(offered(line)) == ["mail", "web"], line
    assert offered("macvtapctl port show w") == ["web"] and offered("macvtapctl port show web ") == []
    assert offered("macvtapctl monitor ") == [] and offered("macvtap-run ") == []
    daemon.ctl("port", "delete", "web", "mail")


def test_no_daemon(daemon, offered):
    """Silence, and no names; the rest is offered as ever."""
    for line in ("macvtapctl port show ", "macvtap-run --network=", f"macvtapctl --socket={daemon.socket}.no network show "):
        assert offered(line, MACVTAPD_SOCKET="/nonexistent") == []
    assert offered(f"macvtapctl --socket {daemon.socket} network show ", MACVTAPD_SOCKET="/nonexistent") == ["lan"]
    assert offered("macvtapctl port sh", MACVTAPD_SOCKET="/nonexistent") == ["show"]


def test_domains(daemon, offered):
    """What virsh says, where there is one."""
    folder = daemon.folder / "bin"
    folder.mkdir()
    path = f"{folder}:{INSIDE_BUILD}/src/tools"
    assert offered("macvtapctl domain attach ", LOOK_IN=path) == []
    virsh = folder / "virsh"
    virsh.write_text("#!/bin/sh\n[ \"$*\" = '--readonly list --all --name' ] && printf 'vm1\\nvm2\\n\\n'\n", encoding="utf-8")
    virsh.chmod(0o755)
    for command in ("attach", "detach", "check"):
        assert offered(f"macvtapctl domain {command} ", LOOK_IN=path) == ["vm1", "vm2"]
    assert offered("macvtapctl domain check vm1 ", LOOK_IN=path) == []


def test_the_other_programs_line(offered):
    assert "true" in offered("macvtap-run -n lan -- tru")
    assert "/etc/passwd" in offered("macvtap-run -n lan -- cat /etc/passw")
    assert "true" in offered("macvtapctl port open web -- tru")
    assert "--network=" not in offered("macvtap-run -n lan -- true --")


@pytest.mark.native("the process between macvtap-run and its agent ends with all that it inherited")
def test_vms(daemon, offered):
    qemu = ["qemu-system-x86_64", "-S", "-M", "none", "-nodefaults", "-display", "none", "-name", "web"]
    running = daemon.host.start(program("macvtap-run"), "--agent", "--network=lan,name=backup,check-mac=no", "--", *qemu, "-netdev",
                      "{netdev}", env=agent.environment(daemon))
    deadline = Deadline()
    while not agent.vms(daemon):
        assert deadline.left() > 0
    assert offered("macvtapctl vm attach ") == ["web"] and offered("macvtapctl vm detach w") == ["web"]
    assert offered("macvtapctl vm detach web ") == ["backup"]
    assert "--qmp=" in offered("macvtapctl vm attach web --")
    running.kill()
    assert daemon.settle() == []
