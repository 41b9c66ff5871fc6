#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks that a program built against an earlier libmacvtap.so.1 can use this one: functions and enumerators may be added, and
none removed or changed (prints TAP).
Usage: check-abi.py HEADER SHARED-LIBRARY DESCRIPTION [--renew]

The description is abidw's, of what the header declares. --renew writes it: docs/contributing.md says when."""
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile

header, library, description = sys.argv[1:4]
# What it takes to describe the interface and neither the build nor the implementation.
DESCRIBE = ["abidw", "--drop-private-types", "--no-show-locs", "--exported-interfaces-only", "--no-corpus-path",
            "--no-comp-dir-path", "--no-elf-needed", "--no-parameter-names"]


def describe(folder, output):
    """Writes the description of the library. Public is what a header in the folder declares: its name counts, not its path."""
    subprocess.run([*DESCRIBE, "--headers-dir", folder, "--out-file", output, library], check=True)


def differences(output):
    """Both sides are descriptions, so that both have been reduced to the header."""
    done = subprocess.run(["abidiff", "--no-added-syms", description, output], check=False, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    return done.stdout.splitlines() or [f"abidiff: status {done.returncode}"] if done.returncode else []


def compare(folder):
    output = folder / "now.abi"
    describe(folder, output)
    wrong = differences(output)
    print("1..1")
    for line in wrong:
        print(f"# {line}")
    print(f"{'not ok' if wrong else 'ok'} 1 - the library has all that earlier versions have")


with tempfile.TemporaryDirectory() as name:
    shutil.copy(header, name)
    if sys.argv[4:] == ["--renew"]:
        describe(name, description)
    elif platform.machine() != "x86_64" or not shutil.which("abidiff"):
        print("1..0 # SKIP needs abidiff (package abigail-tools), and the description is of x86_64")
    else:
        compare(pathlib.Path(name))
