#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds every #include "…" of the sources against the table of rooms in docs/architecture.md (prints TAP)."""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
text = (root / 'docs/architecture.md').read_text(encoding='utf-8')
table = text.split('<!-- rooms: begin -->')[1].split('<!-- rooms: end -->')[0]
rooms = {}
for line in table.strip().splitlines()[2:]:
    room, floor, uses, _ = (cell.strip() for cell in line.strip('|').split('|'))
    rooms[room] = (int(floor), uses.split())

headers = {}
for room in rooms:
    for header in (root / room).glob('*.h'):
        headers.setdefault(header.name, []).append(room)

problems = []
for folder in {path.parent for path in root.glob('src/**/*.c')} | {root / 'vhost', root / 'hooks'}:
    if str(folder.relative_to(root)) not in rooms:
        problems.append(f'{folder.relative_to(root)} is not in the table')
for name, where in headers.items():
    if len(where) > 1:
        problems.append(f'{name} is in {" and ".join(where)}: an include would be ambiguous')
for room, (floor, uses) in rooms.items():
    for used in uses:
        if used not in rooms:
            problems.append(f'{room} uses {used}, which is not in the table')
        elif rooms[used][0] >= floor:
            problems.append(f'{room} on floor {floor} uses {used} on floor {rooms[used][0]}')
    for source in sorted((root / room).glob('*.[ch]')):
        for included in re.findall(r'^\s*#\s*include\s+"([^"]+)"', source.read_text(), re.M):
            home = headers.get(included)
            if not home:
                problems.append(f'{source.relative_to(root)}: {included} is in no room')
            elif home[0] != room and home[0] not in uses:
                problems.append(f'{source.relative_to(root)}: {room} may not use {home[0]} ({included})')

print('1..1')
for problem in problems:
    print(f'# {problem}')
print(f'{"not " if problems else ""}ok 1 - includes follow the table of rooms')
