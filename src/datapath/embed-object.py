#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes a BPF object as C data: embed-object.py OBJECT NAME HEADER > C."""
import pathlib
import sys

path, name, header = sys.argv[1:]
data = pathlib.Path(path).read_bytes()
# Aligned, as libbpf reads the ELF file in place.
print(f'#include "{header}"\n\n__attribute__((aligned(8))) const unsigned char {name}[] = {{')
for start in range(0, len(data), 24):
    print('    ' + ''.join(f'{byte},' for byte in data[start:start + 24]))
print(f'}};\nconst gsize {name}_size = sizeof {name};')
