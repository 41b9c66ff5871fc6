# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which lines of the product the tiers run, and why the others are not run.

Theory of operation: programs built with b_coverage write what they ran when they end or become another program. They
write it below GCOV_PREFIX, a folder that every user may write to and every Host shows, for the build folder is neither.
libvirt's hook gets no environment and writes into the build folder; what the lab's programs wrote comes out of it as an
archive. gcovr reads each of the three, and a line has run that ran in one of them.
"""
import collections
import json
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile

import figures

FOLDERS = ("src/", "vhost/", "hooks/")
REASONS = pathlib.Path(__file__).with_name("coverage-reasons")
ARCHIVE = "coverage.tar"
GOAL = 90.0


def prepare(build):
    """What was measured before is forgotten. Returns the folder that the programs started from now on write to."""
    _clear(build)
    path = pathlib.Path(tempfile.mkdtemp(prefix="mvtg-"))
    use(path, build)
    return path


def use(path, build):
    """The programs started from now on write to path. A program of one user adds to what another user's wrote."""
    path.mkdir(exist_ok=True)
    path.chmod(0o777)
    os.umask(0)
    os.environ.update(MACVTAPD_COVERAGE=str(path), GCOV_PREFIX=str(path),
                      GCOV_PREFIX_STRIP=str(len(build.parts) - 1))


def pack(path, folder):
    with tarfile.open(folder / ARCHIVE, "w") as archive:
        archive.add(path, ".")


def collect(source, build, written, lab):
    """The lines of the product by file, {number: (function, whether it ran)}: from the folder written, the build folder
    and the folder of the lab's results."""
    files = _read(source, build)
    _replace(build, written)
    _add(files, _read(source, build))
    if (lab / ARCHIVE).exists():
        with tempfile.TemporaryDirectory(prefix="mvtg-") as name:
            with tarfile.open(lab / ARCHIVE) as archive:
                archive.extractall(name)
            _replace(build, pathlib.Path(name))
        _add(files, _read(source, build))
    return files


def _replace(build, tree):
    """What was written below tree takes the place of what was written below build: gcov looks beside its notes."""
    _clear(build)
    for path in tree.rglob("*.gcda"):
        shutil.copy(path, build / path.relative_to(tree))


def _clear(build):
    for path in build.rglob("*.gcda"):
        path.unlink()


def _add(files, more):
    for file, lines in more.items():
        known = files.setdefault(file, {})
        for number, (function, ran) in lines.items():
            known[number] = (function, ran or number in known and known[number][1])


def _read(source, build):
    filters = [word for name in FOLDERS for word in ("--filter", name)]
    done = subprocess.run(["gcovr", "--root", source, "--object-directory", build, "--json", "-", *filters,
                           *(build / name for name in FOLDERS)], cwd=source, stdout=subprocess.PIPE, check=True)
    files = {}
    for entry in json.loads(done.stdout)["files"]:
        starts = sorted((function["lineno"], function["name"]) for function in entry["functions"])
        lines = files[entry["file"]] = {}
        for line in entry["lines"]:
            if line.get("gcovr/noncode"):
                continue
            number = line["line_number"]
            function = next((name for start, name in reversed(starts) if start <= number), "")
            lines[number] = (function, line["count"] > 0)
    return files


def read_reasons(text):
    """{(file, function): reason} of lines `FILE FUNCTION REASON…`."""
    reasons = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            file, function, reason = line.split(maxsplit=2)
            reasons[file, function] = reason
    return reasons


def ranges(numbers):
    """1, 2, 3, 5 as "1–3, 5"."""
    found = []
    for number in sorted(numbers):
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}–{last}" for first, last in found)


class Report:
    """The lines of all files held against the reasons."""

    def __init__(self, files, reasons):
        self.modules = collections.defaultdict(lambda: [0, 0])
        self.rest = []
        self.without = []
        for file, lines in sorted(files.items()):
            missed = collections.defaultdict(list)
            for number, (function, ran) in sorted(lines.items()):
                self.modules[os.path.dirname(file)][0] += ran
                self.modules[os.path.dirname(file)][1] += 1
                if not ran:
                    missed[function].append(number)
            for function, numbers in missed.items():
                reason = reasons.get((file, function)) or reasons.get((file, "*"))
                if not reason:
                    self.without.append(f"{file}: {function}(): {ranges(numbers)}")
                self.rest.append((file, f"`{function}`", ranges(numbers), reason or "**none given**"))
        self.run, self.lines = (sum(column) for column in zip(*self.modules.values()))

    @property
    def percent(self):
        return 100 * self.run / self.lines

    def text(self):
        modules = [(module, run, lines, f"{100 * run / lines:.1f} %") for module, (run, lines) in sorted(self.modules.items())]
        modules.append(("all", self.run, self.lines, f"{self.percent:.1f} %"))
        return (figures.table(("folder", "lines run", "lines", ""), rows=modules) + "\n\nNot run, and why:\n\n" +
                figures.table(("file", "function", "lines", "why"), self.rest))
