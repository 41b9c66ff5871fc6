#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""page.py SCDOC SOURCE: prints the manual page that scdoc makes of SOURCE, in the form that mandoc -T lint asks for.

scdoc begins a paragraph where none follows, writes lines of any length, and the title in small letters."""
import re
import subprocess
import sys
import textwrap

NO_PARAGRAPH_AFTER = re.compile(r"\.(P|TH|SH|SS)\b")
NO_PARAGRAPH_BEFORE = re.compile(r"\.(P|SH|SS|RE)\b")

scdoc, source = sys.argv[1:]
with open(source, "rb") as stream:
    lines = subprocess.run([scdoc], stdin=stream, stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()


def wrapped(line):
    """Filled text in lines of at most 80 bytes; a macro and what stands in .nf stay as they are."""
    if line.startswith((".", "'")):
        return [line]
    parts = textwrap.wrap(line, 80, break_long_words=False, break_on_hyphens=False)
    return [f"\\&{part}" if part[0] in ".'" else part for part in parts]


page, filled = [], True
for number, line in enumerate(lines):
    following = lines[number + 1] if number + 1 < len(lines) else ".SH"
    if line == ".P" and (NO_PARAGRAPH_AFTER.match(page[-1]) or NO_PARAGRAPH_BEFORE.match(following)):
        continue
    if line.startswith(".TH "):
        line = re.sub(r'"[^"]+"', lambda name: name.group().upper(), line, count=1)
    filled = {".nf": False, ".fi": True}.get(line, filled)
    page += wrapped(line) if filled and line else [line]
sys.stdout.write("\n".join(page) + "\n")
