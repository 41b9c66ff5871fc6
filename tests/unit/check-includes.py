#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds the sources against the table of modules in docs/architecture.md (prints TAP).

Every #include "…" is of a module that the table lets the including one use, and that lies in a lower layer. The broker
goes through the table of features and names none of them. No module is above a fifth of the product."""
import pathlib
import re
import sys

FEATURES = 'src/features'
# What src/features has for others: the table, and what a device must be.
PUBLIC_HEADERS = {'port-features.h', 'device-state.h'}

root = pathlib.Path(sys.argv[1])


def read_modules():
    """The table: module -> (layer, modules that it may use)."""
    text = (root / 'docs/architecture.md').read_text(encoding='utf-8')
    table = text.split('<!-- modules: begin -->')[1].split('<!-- modules: end -->')[0]
    modules = {}
    for line in table.strip().splitlines()[2:]:
        module, layer, uses, _ = (cell.strip() for cell in line.strip('|').split('|'))
        modules[module] = (int(layer), uses.split())
    return modules


def sources(module):
    return sorted((root / module).glob('*.[ch]'))


def check_table(modules, headers):
    for folder in {path.parent for path in root.glob('src/**/*.c')} | {root / 'vhost', root / 'hooks'}:
        if str(folder.relative_to(root)) not in modules:
            yield f'{folder.relative_to(root)} is not in the table'
    for name, where in headers.items():
        if len(where) > 1:
            yield f'{name} is in {" and ".join(where)}: an include would be ambiguous'
    for module, (layer, uses) in modules.items():
        for used in uses:
            if used not in modules:
                yield f'{module} uses {used}, which is not in the table'
            elif modules[used][0] >= layer and not module.startswith(used + '/'):
                yield f'{module} in layer {layer} uses {used} in layer {modules[used][0]}'


def check_includes(modules):
    headers = {}
    for module in modules:
        for header in (root / module).glob('*.h'):
            headers.setdefault(header.name, []).append(module)
    yield from check_table(modules, headers)
    for module, (_, uses) in modules.items():
        for source in sources(module):
            for included in re.findall(r'^\s*#\s*include\s+"([^"]+)"', source.read_text(), re.M):
                home = headers.get(included)
                if not home:
                    yield f'{source.relative_to(root)}: {included} is in no module'
                elif home[0] != module and home[0] not in uses:
                    yield f'{source.relative_to(root)}: {module} may not use {home[0]} ({included})'


def feature_names():
    """What belongs to one feature: its file, its functions, its row, and what its own headers declare."""
    names = set()
    for source in sources(FEATURES):
        if source.name in PUBLIC_HEADERS | {'port-features.c', 'feature.h'}:
            continue
        names.add(f'{source.stem}.c')
        names.add(f'{source.stem}.h')
        text = source.read_text()
        stem = source.stem.replace('-', '_')
        names.update(re.findall(rf'^(?:\w[\w ]*\*?)?({stem}_\w+)\(', text, re.M))
        names.update(re.findall(r'^(?:extern )?const PortFeature (\w+)', text, re.M))
    names.add('feature.h')
    return names


def check_broker():
    names = feature_names()
    if not {'feature_lifetime', 'lifetime_prepare', 'holders_add', 'mac.c', 'migration_want'} <= names:
        yield 'the names of the features are not found any more: this check looks for nothing'
    pattern = re.compile(r'(?<![\w.-])(' + '|'.join(re.escape(name) for name in sorted(names)) + r')(?![\w])')
    for source in sources('src/broker'):
        for number, line in enumerate(source.read_text().splitlines(), 1):
            for name in pattern.findall(line):
                yield f'{source.relative_to(root)}:{number}: names {name}, which is of one feature'


def is_product(module):
    return module != 'src/kernel/fake'


def lines_of_code(module):
    code = (re.sub(r'/\*.*?\*/', '', source.read_text(), flags=re.S) for source in sources(module))
    return sum(1 for text in code for line in text.splitlines() if line.strip())


def check_sizes(modules):
    sizes = {module: lines_of_code(module) for module in modules if is_product(module)}
    for module, size in sizes.items():
        if size > sum(sizes.values()) / 5:
            yield f'{module} has {size} of the {sum(sizes.values())} lines of code: more than a fifth'


def report(number, title, problems):
    problems = list(problems)
    for problem in problems:
        print(f'# {problem}')
    print(f'{"not " if problems else ""}ok {number} - {title}')


def main():
    modules = read_modules()
    print('1..3')
    report(1, 'includes follow the table of modules', check_includes(modules))
    report(2, 'the broker names no feature', check_broker())
    report(3, 'no module is above a fifth of the product', check_sizes(modules))


main()
