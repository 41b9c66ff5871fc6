# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which lines of the product the tiers run.

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
    # Programs that are killed leave counts that do not add up: gcov computes negative ones for some branches and calls, which
    # gcovr refuses by default. Whether a line ran does not depend on them.
    filters = [word for name in FOLDERS for word in ("--filter", name)]
    done = subprocess.run(["gcovr", "--root", source, "--object-directory", build, "--json", "-", "--gcov-ignore-parse-errors", *filters,
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
    """percent: how many lines of all ran."""

    def __init__(self, files):
        self._modules = collections.defaultdict(lambda: [0, 0])
        self._missed = []  # (file, function, numbers of lines, whether nothing of the function ran)
        for file, lines in sorted(files.items()):
            module = self._modules[os.path.dirname(file)]
            functions = collections.defaultdict(lambda: ([], []))
            for number, (function, ran) in sorted(lines.items()):
                functions[function][ran].append(number)
            for function, (missed, run) in functions.items():
                module[0] += len(run)
                module[1] += len(missed) + len(run)
                if missed:
                    self._missed.append((file, function, missed, not run))
        self._run, self._lines = (sum(column) for column in zip(*self._modules.values()))

    @property
    def percent(self):
        return 100 * self._run / self._lines

    def details(self):
        """A line for each function with lines that did not run."""
        return "".join(f"{file}: {function}(): {ranges(numbers)}{' (never called)' if is_whole else ''}\n"
                       for file, function, numbers, is_whole in self._missed)

    def text(self):
        """The percentages, and the functions that were never called."""
        modules = [(module, run, lines, f"{100 * run / lines:.1f} %") for module, (run, lines) in sorted(self._modules.items())]
        modules.append(("all", self._run, self._lines, f"{self.percent:.1f} %"))
        never = [(file, f"`{function}`") for file, function, _, is_whole in self._missed if is_whole]
        return (figures.table(("folder", "lines run", "lines", ""), rows=modules) + "\n\nFunctions that are never called:\n\n" +
                figures.table(("file", "function"), never))
