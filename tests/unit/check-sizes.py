#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks how long functions are (prints TAP): half of them 18 lines or less, none above 100.
Usage: check-sizes.py SOURCE-TREE"""
import pathlib
import re
import statistics
import sys

MEDIAN, MOST = 18, 100
root = pathlib.Path(sys.argv[1])


def functions(path):
    """(lines, name) of each function: from its name, at the start of a line, to the brace that ends it."""
    start = None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if name := re.match(r"(\w+)\(", line):
            start = number, name[1]
        elif line == "}" and start:
            yield number - start[0] + 1, start[1]
        if line.startswith("}"):
            start = None


sizes = [(lines, f"{path.relative_to(root)}: {name}") for folder in ("src", "hooks", "vhost")
         for path in sorted((root / folder).rglob("*.[ch]")) for lines, name in functions(path)]
median = statistics.median(lines for lines, _ in sizes)
long = [(lines, name) for lines, name in sizes if lines > MOST]
for lines, name in long:
    print(f"# {name} has {lines} lines")
print("1..2")
print(f"{'ok' if median <= MEDIAN else 'not ok'} 1 - the median of {len(sizes)} functions is {median:g} lines")
print(f"{'not ok' if long else 'ok'} 2 - the longest has {max(sizes)[0]} lines")
