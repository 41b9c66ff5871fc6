#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes a text file as a C function that returns it: embed-text.py TEXT FUNCTION HEADER > C."""
import json
import sys

path, function, header = sys.argv[1:]
print(f'#include "{header}"\n\nconst char *\n{function}(void)\n{{\n    return')
with open(path, encoding='ascii') as text:
    for line in text:
        # JSON's escapes are valid in C as long as the text is ASCII.
        print(f'        {json.dumps(line)}')
print('        ;\n}')
