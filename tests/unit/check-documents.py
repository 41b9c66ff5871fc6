#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds the documents against the tests that run their code blocks, and against the programs' --help (prints TAP).
Usage: check-documents.py SOURCE-FOLDER MACVTAPD MACVTAPCTL MACVTAPCTL-DOMAIN MACVTAP-RUN QEMU-MACVTAP-HELPER"""
import functools
import pathlib
import re
import subprocess
import sys

root, *programs = sys.argv[1:]
sys.path.insert(0, f"{root}/tests/support/library")
import documents  # pylint: disable=wrong-import-position

NAMES = ["macvtapd", "macvtapctl", "domain", "macvtap-run", "qemu-macvtap-helper"]
PROGRAMS = dict(zip(NAMES, programs))
READ = [*documents.DOCUMENTS, "docs/NEWS.md", "docs/kubernetes.md"]
# What is for those who change macvtapd: its links lead somewhere, and so do the paths that it names.
DEVELOPERS = ["docs/architecture.md", "docs/contributing.md", "tests/README.md"]
# What ends the part of a line that is one of our programs'.
END = re.compile(r" -- |[|;&`'\"()>]|  #| …")
CALL = r"(?:^|(?<! -d)[ /(=])(macvtapctl|macvtap-run|qemu-macvtap-helper|macvtapd) ([a-z-].*)"
HEADINGS = r"^#+ (.*)$"


def read(path):
    return (pathlib.Path(root) / path).read_text(encoding="utf-8")


@functools.cache
def help_of(*command):
    return subprocess.run([*command, "--help"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False).stdout


def commands_of(program):
    table = help_of(program).split("Commands:")[1].split("\n\n")[0]
    return {line.strip() for line in re.findall(r"^  ((?:[a-z]+ ?){1,2}(?= |$))", table, re.M)}


def check_blocks():
    """Each block is run by a test or excused, and not both."""
    there = {(one.document, one.heading, one.number) for document in documents.DOCUMENTS for one in documents.blocks(document)}
    taken, excused = set(documents.taken()), set(documents.NOT_RUN)
    what = [(there - taken - excused, "no test runs it, and documents.NOT_RUN has no reason"),
            (taken - there, "a test wants this block, which is not there"),
            (excused - there, "documents.NOT_RUN excuses this block, which is not there"),
            (taken & excused, "documents.NOT_RUN excuses it, but a test runs it")]
    return [f"{', '.join(map(str, key))}: {text}" for keys, text in what for key in sorted(keys, key=str)]


def command_of(name, words):
    """The program to ask for help with its words, and the options that follow."""
    if name != "macvtapctl":
        return [PROGRAMS[name]], words
    plain = [word for before, word in zip(["", *words], words)
             if not word.startswith("-") and before not in ("--socket", "--connect")]
    if plain[:1] == ["domain"]:
        name, plain = "domain", plain[1:]
    if not plain or plain[0] == "help":
        return [PROGRAMS[name]], words
    known = commands_of(PROGRAMS[name])
    for command in (" ".join(plain[:2]), plain[0]):
        if command in known:
            return [PROGRAMS[name], *command.split()], words
    groups = {command.split()[0] for command in known}
    return (None, words) if plain[0] not in groups or plain[1:] else ([PROGRAMS[name]], words)


def wrong_in(name, text):
    """What is wrong with a call of one of our programs."""
    words = END.split(text)[0].split()
    command, words = command_of(name, words)
    if command is None:
        return [f"{name} {text}: there is no such command"]
    said = help_of(*command)
    options = {word.split("=")[0] for word in words if re.match(r"-{1,2}[a-z]", word)}
    wrong = [f"{name} {text}: its --help has no {option}" for option in sorted(options)
             if not re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", said)]
    for value in re.findall(r"(?:-n|-p|--network|--port) (\S+)", " ".join(words)) if name == "macvtap-run" else []:
        keys = [key.split("=")[0] for key in value.split(",")[1:]] if "parent=" not in value else []
        wrong += [f"{name} {text}: --help has no key {key}" for key in keys if not re.search(rf"\b{key}\b", said)]
    return wrong


def check_commands():
    """Each command and option of ours in a document is one that the program has."""
    wrong, seen = [], 0
    for document in READ:
        text = (documents.SOURCE / document).read_text(encoding="utf-8").replace("\\\n", " ")
        spans = [re.sub(r"\s+", " ", span) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", text)]
        code = "".join(one.text for one in documents.blocks(document)).replace("\\\n", " ")
        for line in [*spans, *code.splitlines()]:
            for name, rest in re.findall(CALL, line):
                seen += 1
                wrong += [f"{document}: {one}" for one in wrong_in(name, rest)]
    return wrong if seen > 50 else [f"only {seen} commands found: is this still looking at the right places?"]


def check_links():
    """Each link within the tree leads somewhere."""
    wrong = []
    for document in [*READ, *DEVELOPERS]:
        path = pathlib.Path(root) / document
        for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
            target, _, anchor = link.partition("#")
            if "://" in link:
                continue
            there = (path.parent / target) if target else path
            text = there.read_text(encoding="utf-8") if there.is_file() else ""
            anchors = {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in re.findall(HEADINGS, text, re.M)}
            if not there.exists() or anchor and anchor not in anchors:
                wrong.append(f"{document}: {link} leads nowhere")
    return wrong


def check_paths():
    """Each path of the tree that is named to developers is there, and so is each file named after a folder."""
    wrong, seen = [], 0
    for document in DEVELOPERS:
        text = (pathlib.Path(root) / document).read_text(encoding="utf-8")
        for path in re.findall(r"`((?:src|tests|docs|hooks|vhost)/[\w./*-]+)`", text):
            seen += 1
            if not re.search(r"\bNAME\b", path) and not list(pathlib.Path(root).glob(path.rstrip("/"))):
                wrong.append(f"{document}: there is no {path}")
    return wrong if seen > 100 else [f"only {seen} paths found: is this still looking at the right places?"]


def check_packages():
    """README's first command installs what the build needs, and besides that QEMU and git."""
    text = (documents.SOURCE / "tests/packages").read_text(encoding="utf-8")
    parts = [part.partition("\n") for part in text.split("\n# ")[1:]]
    lists = {title: set(re.findall(r"^([a-z0-9][^\s#]*)", names, re.M)) for title, _, names in parts}
    words = documents.blocks("README.md")[0].text.split("\n")[0].split()
    installs = set(words[words.index("-y") + 1:])
    wrong = [f"README.md does not install {name}, which tests/packages has under build"
             for name in sorted(lists["build"] - installs)]
    return wrong + [f"tests/packages lacks {name}, which README.md installs" for name in sorted(installs - set.union(*lists.values()))]


def check_changes():
    """Both lists of what a reload changes for living ports have every key of the network file."""
    keys = re.findall(r'KEY\("\w+", "(\w+)"\)', read("src/model/network-fields.c"))
    parts = {"docs/networks.md": ("## Changes", "`{}=`"), "docs/man/macvtapd.network.5.scd": ("# CHANGES", "*{}=*")}
    wrong = []
    for document, (heading, form) in parts.items():
        part = read(document).split(f"\n{heading}\n")[1].split("\n#")[0]
        wrong += [f"{document}: '{heading}' has no {key}=" for key in keys if form.format(key) not in part]
    return wrong if len(keys) > 30 else [f"only {len(keys)} keys found: is this still looking at the right places?"]


def kept_capabilities():
    """{command of macvtapctl: what it keeps}, from the table of commands."""
    source = read("src/tools/macvtapctl.h") + read("src/tools/macvtapctl.c")
    macros = dict(re.findall(r"^#define (\w+) (.+)$", source, re.M))
    kept = {}
    for first, second, rest in re.findall(r'^    \{"(\w+)", (?:"([\w-]+)"|NULL), (.*?)\},$', source, re.M | re.S):
        words = re.search(r"\.capabilities = ([^,}]*)", rest)
        text = " ".join(macros.get(word, word) for word in re.findall(r"\w+", words[1])) if words else ""
        names = {"all"} if ".starts_programs = TRUE" in rest else set(re.findall(r"CAP_\w+", f"{words and words[1]} {text}"))
        if names:
            kept[f"{first} {second}".strip()] = names
    return kept


def check_capabilities():
    """docs/threat-model.md tells which commands keep which capabilities."""
    rows = re.findall(r"^\| (`[^|]*) \| ([^|]*) \|", read("docs/threat-model.md").split("| command of `macvtapctl` |")[-1].split("\n\n")[0], re.M)
    told = {command: set(re.findall(r"CAP_\w+|all", names)) for commands, names in rows for command in re.findall(r"`([^`]+)`", commands)}
    kept = kept_capabilities()
    return [f"{command} keeps {sorted(kept.get(command, []))}, and docs/threat-model.md says {sorted(told.get(command, []))}"
            for command in sorted(told.keys() | kept) if told.get(command) != kept.get(command)]


checks = [("every code block is run by a test, or has a reason", check_blocks), ("commands and options", check_commands),
          ("links", check_links), ("paths", check_paths), ("packages", check_packages), ("keys that reach living ports", check_changes),
          ("capabilities of commands", check_capabilities)]
print(f"1..{len(checks)}")
for number, (title, check) in enumerate(checks, 1):
    problems = check()
    for line in problems:
        print(f"# {line}")
    print(f"{'not ok' if problems else 'ok'} {number} - {title}")
