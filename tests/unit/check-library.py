#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds what libmacvtap exports, shared and static, against its map and its header (prints TAP).
Usage: check-library.py FOLDER SHARED-LIBRARY STATIC-LIBRARY"""
import pathlib
import re
import subprocess
import sys

folder, shared, static = map(pathlib.Path, sys.argv[1:])


def header_names():
    text = re.sub(r"/\*.*?\*/", "", (folder / "macvtap.h").read_text(encoding="utf-8"), flags=re.S)
    return set(re.findall(r"\b(macvtap_\w+)\(", text))


def map_names():
    return set(re.findall(r"^\s+(\w+);", (folder / "libmacvtap.map").read_text(encoding="utf-8"), re.M))


def symbols(*command):
    """The names that nm prints: shared ones with their version."""
    lines = subprocess.run(["nm", "--defined-only", *command], check=True, text=True,
                           stdout=subprocess.PIPE).stdout.splitlines()
    return {line.split()[2] for line in lines if len(line.split()) == 3}


def differences(what, has, wanted):
    return [f"{what} lacks {name}" for name in sorted(wanted - has)] + \
           [f"{what} has {name}" for name in sorted(has - wanted)]


def check_header():
    """Each function is in the map, and the header includes nothing but C's own headers."""
    text = (folder / "macvtap.h").read_text(encoding="utf-8")
    includes = set(re.findall(r"#include (\S+)", text))
    return differences("the map", map_names(), header_names()) + \
        differences("macvtap.h", includes, {"<stdbool.h>", "<stddef.h>", "<stdint.h>"}) + \
        [f"macvtap.h has GLib's {word}" for word in re.findall(r"\b(?:g_|G_)\w+|\bg(?:boolean|uint|pointer)\b", text)]


def check_versions():
    text = (folder / "macvtap.h").read_text(encoding="utf-8")
    numbers = re.findall(r"#define MACVTAP_VERSION_(?:MAJOR|MINOR|MICRO) (\d+)", text)
    (word,) = re.findall(r'#define MACVTAP_VERSION "(.*)"', text)
    (built,) = re.findall(r"client_version = '(.*)'", (folder / "meson.build").read_text(encoding="utf-8"))
    return [f"{what} is {version}" for what, version in (("MACVTAP_VERSION", word), ("meson's", built))
            if version != ".".join(numbers)]


def check_shared():
    wanted = {f"{name}@@LIBMACVTAP_1.0" for name in map_names()}
    return differences("the shared library", symbols("-D", shared), wanted | {"LIBMACVTAP_1.0"})


def check_static():
    return differences("the static library", symbols("-g", static), map_names())


def check_compilers():
    """A program of either language takes the header as its first, however strict the compiler is told to be."""
    problems = []
    for compiler, standard, language in (("cc", "c11", "c"), ("c++", "c++11", "c++")):
        done = subprocess.run([compiler, f"-std={standard}", "-x", language, "-Wall", "-Wextra", "-Wconversion", "-Werror",
                               "-pedantic", "-fsyntax-only", f"-I{folder}", "-"], text=True, check=False,
                              input="#include <macvtap.h>\nint main() { return !macvtap_client_new(); }\n",
                              stderr=subprocess.PIPE)
        problems += done.stderr.splitlines()
    return problems


def check_documents():
    """Every function, constant and type of the library that the documents name is in the header."""
    root = folder.parent.parent
    text = (folder / "macvtap.h").read_text(encoding="utf-8")
    problems = []
    for document in ("README.md", "docs/vmm.md", "docs/man/libmacvtap.3.scd", "docs/man/org.macvtapd.Ports.7.scd"):
        found = re.findall(r"\b(?:macvtap_\w+(?=\()|MACVTAP_\w+|Macvtap\w+)", (root / document).read_text(encoding="utf-8"))
        problems += [f"{document}: there is no {name}" for name in sorted(set(found)) if not re.search(rf"\b{name}\b", text)]
    return problems


checks = [("the documents name what there is", check_documents), ("C and C++ take the header", check_compilers), ("the map has the header's functions", check_header), ("one version", check_versions),
          ("the shared library exports the map", check_shared), ("the static library exports the map", check_static)]
print(f"1..{len(checks)}")
for number, (title, check) in enumerate(checks, 1):
    wrong = check()
    for line in wrong:
        print(f"# {line}")
    print(f"{'not ok' if wrong else 'ok'} {number} - {title}")
