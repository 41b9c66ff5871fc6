# SPDX-License-Identifier: LGPL-2.1-or-later
"""Our programs under valgrind's memcheck, and what it found.

Theory of operation: a script per program stands for it and becomes valgrind that runs it, so whoever starts it, by
whatever way, notices nothing but the time it takes. Each process writes a log of its own; what counts is in the logs,
because a program that is killed has no exit status of valgrind's. valgrind is not told to follow a program that another
replaces itself by (a VMM that macvtap-run starts): up to there its log holds the errors, and no leaks.
"""
import collections
import os
import pathlib
import re
import shutil

import figures

# The build folder has this one while the programs run under valgrind.
FOLDER = "memcheck"
EXIT_STATUS = 99
CANNOT_RUN = "cannot run on Debian 12's valgrind"

_SCRIPT = """#!/bin/sh
exec /usr/bin/valgrind --error-exitcode={status} --leak-check=full --show-leak-kinds=definite,indirect \\
    --errors-for-leak-kinds=definite,indirect --track-fds=yes --trace-children=no --vgdb=no --read-inline-info=no \\
    --suppressions={inside}/valgrind.supp --log-file={inside}/logs/{name}.$(/bin/date +%s%N).$$ \\
    -- {program} "$@"
"""
_SUPPRESSIONS = pathlib.Path(__file__).with_name("valgrind.supp")
_SUMMARY = re.compile(r"ERROR SUMMARY: (\d+) errors from (\d+) contexts \(suppressed: (\d+) from")
_LOST = re.compile(r"(?:definitely|indirectly) lost: ([\d,]+) bytes")
# valgrind 3.19 answers pidfd_open(2) with ENOSYS, and says so in the log.
_NO_PIDFD_OPEN = "WARNING: unhandled amd64-linux syscall: 434"
# Opened by GLib: for the main context that every program has to its end, and to tell that a program cannot be started.
_ACCEPTED = re.compile(r"g_wakeup_new|g_main_context_new|g_spawn_sync")


def prepare(build, inside, programs):
    """Write the scripts for programs, {name: path inside a Host}, into the build folder, which is `inside` there."""
    folder = build / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "logs").mkdir(parents=True)
    (folder / "logs").chmod(0o1777)  # users' programs write there as well
    shutil.copy(_SUPPRESSIONS, folder)
    for name, program in programs.items():
        path = folder / name
        path.write_text(_SCRIPT.format(status=EXIT_STATUS, inside=f"{inside}/{FOLDER}", name=name, program=program))
        path.chmod(0o755)


def why_not(build, since):
    """Why no test could pass whose own children are those that were started since then (time.time_ns()), or None."""
    for path in (build / FOLDER / "logs").iterdir():
        if path.stat().st_mtime_ns >= since:
            text = path.read_text(encoding="utf-8", errors="replace")
            if f"Parent PID: {os.getpid()}\n" in text and _NO_PIDFD_OPEN in text:
                return f"{CANNOT_RUN}: it does not know pidfd_open(2)"
    return None


class Findings:
    """What the logs of a run say. ended: processes that came to their own end; replaced: those that were killed or
    became another program."""

    def __init__(self, logs):
        self.ended = collections.Counter()
        self.replaced = collections.Counter()
        self.suppressed = self.lost = 0
        self.bad = []
        for path in sorted(logs.iterdir()):
            self._read(path)

    def _read(self, path):
        name = path.name.split(".")[0]
        text = path.read_text(encoding="utf-8", errors="replace")
        body = re.sub(r"^==\d+== ?", "", text, flags=re.MULTILINE)
        # A child that was forked off writes to the same log: each has a summary.
        summaries = _SUMMARY.findall(body)
        self.lost += sum(int(lost.replace(",", "")) for lost in _LOST.findall(body))
        self.suppressed += sum(int(summary[2]) for summary in summaries)
        wrong = [summary for summary in summaries if summary[0] != "0"]
        descriptors = _leaked(body)
        if summaries:
            self.ended[name] += 1
        else:
            self.replaced[name] += 1
            wrong = re.findall(r"^ +at 0x", body, flags=re.MULTILINE)
        if wrong or descriptors:
            self.bad.append((path.name, text))

    @property
    def clean(self):
        return self.ended.total() + self.replaced.total() - len(self.bad)

    def text(self, counts, skips):
        """The figures of a run whose tests had these counts and these reasons to be skipped."""
        rows = [("tests of the kernel tier", counts),
                ("processes that valgrind saw end", _list(self.ended)),
                ("processes that were killed, or became a VMM", _list(self.replaced)),
                ("processes with an error, a leak or a descriptor left open", len(self.bad)),
                ("bytes definitely or indirectly lost", self.lost),
                ("errors suppressed", self.suppressed)]
        skipped = "".join(f"- {number} skipped: {reason.removeprefix('Skipped: ')}\n" for reason, number in skips.items())
        return f"{figures.table(('valgrind memcheck', 'found'), rows)}\n\n{skipped}"


def _list(counter):
    return ", ".join(f"{number} × {name}" for name, number in sorted(counter.items())) or "none"


def _leaked(body):
    """The descriptors that were open at the end, without those that the process was born with."""
    blocks = re.split(r"\n(?=Open )", body)
    return [block for block in blocks
            if block.startswith("Open ") and "<inherited from parent>" not in block and not _ACCEPTED.search(block)]


def enabled():
    return os.environ.get("MACVTAPD_MEMCHECK") == "1"
