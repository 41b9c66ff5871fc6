#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes the static library of one object, whose only global symbols are those of the map.
Usage: archive.py CC... -- OBJCOPY AR MAP OUTPUT LIBRARY..."""
import os
import re
import subprocess
import sys
import tempfile

split = sys.argv.index("--")
compiler = sys.argv[1:split]
objcopy, archiver, symbols, output, first, *others = sys.argv[split + 1:]
with open(symbols, encoding="utf-8") as text:
    names = re.findall(r"^\s+(\w+);", text.read(), re.M)
with tempfile.TemporaryDirectory() as folder:
    joined, keep = os.path.join(folder, "libmacvtap.o"), os.path.join(folder, "names")
    with open(keep, "w", encoding="utf-8") as text:
        text.write("\n".join(names) + "\n")
    # Only those members of the other libraries that the first one needs.
    subprocess.run([*compiler, "-r", "-nostdlib", "-o", joined, "-Wl,--whole-archive", first, "-Wl,--no-whole-archive",
                    *others], check=True)
    subprocess.run([objcopy, f"--keep-global-symbols={keep}", joined], check=True)
    if os.path.exists(output):
        os.unlink(output)
    subprocess.run([archiver, "rcsD", output, joined], check=True)
