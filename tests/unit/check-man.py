#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds the manual pages against mandoc and man, the programs' --help, and the keys that the sources have (prints TAP).
Usage: check-man.py SOURCE-FOLDER MACVTAPD MACVTAPCTL MACVTAPCTL-DOMAIN MACVTAP-RUN MACVTAP-AGENT QEMU-MACVTAP-HELPER MACVTAPD-DOCKER PAGE...
MACVTAPD-DOCKER may be empty."""
import os
import pathlib
import re
import subprocess
import sys

root, macvtapd, macvtapctl, domain, macvtap_run, agent, helper, docker, *pages = sys.argv[1:]
SOURCES = pathlib.Path(root) / "docs/man"


def said_by(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                          env={**os.environ, "LC_ALL": "C.UTF-8"}).stdout


def page(name):
    return (SOURCES / f"{name}.scd").read_text(encoding="utf-8")


def options_in_page(text):
    """Those in bold, each by itself."""
    return set(re.findall(r"\*(--?[a-z][a-z-]*)\*", text))


def options_of(*command):
    """Those that --help lists, each with its letter."""
    listed = re.findall(r"^  (?:(-[a-z]), )?(--[a-z-]+)", said_by(*command, "--help"), re.M)
    return {option for pair in listed for option in pair if option}


def differences(what, page_has, program_has):
    return [f"{what}: the page lacks {option}" for option in sorted(program_has - page_has)] + \
           [f"{what}: the program has no {option}" for option in sorted(page_has - program_has)]


def check_form(path):
    """What mandoc has to say, and the warnings of man, which reads the page with groff."""
    lines = said_by("mandoc", "-T", "lint", path).splitlines()
    done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", path], stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"})
    return lines + done.stderr.splitlines() + \
        ([f"{path}: man: status {done.returncode}"] if done.returncode else [])


def check_program(name, program):
    """Each option is defined in the page, and the rest of the page names no other."""
    text, has = page(name), options_of(program)
    defined = options_in_page("\n".join(re.findall(r"^\*-.*$", text, re.M)))
    return differences(name, defined, has) + differences(name, options_in_page(text) | has, has)


def commands_of(program, words):
    """The command's words -> the program with them, of those in the table of --help."""
    table = said_by(program, "--help").split("Commands:")[1].split("\n\n")[0]
    names = [line.strip() for line in re.findall(r"^  ((?:[a-z][a-z-]* ?){1,2}(?= |$))", table, re.M)]
    return {" ".join([*words, name]): [program, *name.split()] for name in names}


def definition(text, command):
    """Synopsis and text of a command in the page."""
    found = re.search(rf"^\*{command}\*.*\n(?:\t.*\n)*", text, re.M)
    return found.group(0) if found else None


def check_commands():
    """Each command has the options in the page that it has in its --help, besides those of all."""
    text = page("macvtapctl.1")
    problems, all_options = [], options_of(macvtapctl) | options_of(domain)
    ours, of_domain = commands_of(macvtapctl, []), commands_of(domain, ["domain"])
    ours.pop("domain")
    for group, common in ((ours, options_of(macvtapctl)), (of_domain, options_of(domain))):
        for command, call in group.items():
            found = definition(text, command)
            options = options_of(*call) - common
            all_options |= options
            problems += differences(command, options_in_page(found), options) if found else [f"the page lacks {command}"]
    for command in re.findall(r"^\*([a-z]+(?: [a-z-]+)?)\*", text.split("# NETWORKS")[1], re.M):
        if command not in ours and command not in of_domain:
            problems.append(f"the program has no {command}")
    return problems + differences("macvtapctl.1", options_in_page(text), all_options)


def check_keys():
    """Each key in its section of its page, and no other."""
    source = "".join((pathlib.Path(root) / "src" / path).read_text(encoding="utf-8")
                     for path in ("model/network-fields.c", "config/config-keys.c"))
    keys = set(re.findall(r'KEY\("(\w+)", "(\w+)"\)|\.section = "(\w+)", \.key = "(\w+)"', source))
    keys = {tuple(filter(None, key)) for key in keys}
    found = set()
    for name in ("macvtapd.network.5", "macvtapd.conf.5"):
        for section in re.split(r"^# ", page(name), flags=re.M)[1:]:
            title = re.match(r"\[([A-Z]+)\]", section)
            found |= {(title.group(1).capitalize(), key) for key in re.findall(r"^\*([A-Za-z]+)=\*$", section, re.M)
                      } if title else set()
    return differences("keys", {" ".join(key) for key in found}, {" ".join(key) for key in keys})


def check_findings():
    """Each code of doctor's table."""
    source = (pathlib.Path(root) / "src/tools/ctl-doctor.c").read_text(encoding="utf-8")
    section = page("macvtapctl.1").split("# FINDINGS")[1].split("\n# ")[0]
    lines = "\n".join(re.findall(r"^\*.*$", section, re.M))
    return differences("findings", set(re.findall(r"\*([a-z0-9-]+)\*", lines)),
                       set(re.findall(r'^    \{"([a-z0-9-]+)", \w+_check_', source, re.M)))


checks = [(f"form of {os.path.basename(path)}", check_form, path) for path in pages]
checks += [(f"options of {name}", check_program, name, program) for name, program in (
    ("macvtapd.8", macvtapd), ("macvtap-run.1", macvtap_run), ("macvtap-agent.1", agent), ("qemu-macvtap-helper.8", helper),
    ("macvtapd-docker.8", docker)) if program]
checks += [("commands of macvtapctl", check_commands), ("keys", check_keys), ("findings", check_findings)]
print(f"1..{len(checks)}")
for number, (title, check, *arguments) in enumerate(checks, 1):
    wrong = check(*arguments)
    for line in wrong:
        print(f"# {line}")
    print(f"{'not ok' if wrong else 'ok'} {number} - {title}")
