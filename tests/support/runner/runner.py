# SPDX-License-Identifier: LGPL-2.1-or-later
"""The body of tests/run: builds, runs tiers, and sums up. See tests/run for the arguments.

Theory of operation: each step is a child in a process group of its own, with its output passed straight on (the
machines' at their end, because other tiers run beside them); INT and TERM end the groups and then the runner. Counts come
from the files that the test programs write, never from their output. A tier fails when a test fails, when its command
fails, and when nothing ran.
"""
import functools
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parents[1] / "library"))
# pylint: disable=wrong-import-position
import coverage
import fault_injection
import figures
import fuzzing
import memcheck
import programs
import results
from results import Counts

SOURCE = pathlib.Path(__file__).resolve().parents[3]
BY_NAME_ONLY = ["long", "memcheck", "coverage"]
TIERS = ["unit", "contract", "fuzz", "kernel", "reliability", "interop", "e2e", "libvirt", "lab", "systemd",
         "sanitize"]
# `tests/run long PART...` runs them in this order, except the lab, which runs beside all others but the first.
LONG = ["idle", "kernel", "reliability", "e2e", "libvirt", "fuzz", "sanitize", "filter", "memcheck", "systemd", "lab", "coverage"]
PYTEST = {"kernel", "reliability", "interop", "e2e", "libvirt", "systemd"}
# Tiers whose files run in several processes, because a test waits as long as it works. The long tests of e2e have 20 guests at once.
PROCESSES = {"kernel": 2, "e2e": 2, "libvirt": 2, "long-kernel": 2, "long-libvirt": 2, "long-reliability": 6,
             "sanitize-kernel": 2, "filter-kernel": 2, "memcheck-kernel": 2}
LAB_ONLY = "lab"  # both the tier that starts the lab and, inside it, the tests of tests/lab
FUZZ_SAMPLE, FUZZ_LONG = 2, 30  # seconds of each target under libFuzzer
# Of the kernel tier, where it is slow: each Nth test of a file stands for its neighbours.
LAB_SAMPLE, MEMCHECK_SAMPLE = 6, 6
IN_LAB = os.environ.get("MACVTAPD_LAB") == "1"


class Step:
    """A child in a process group of its own."""
    running = []
    ending = False

    def __init__(self, *command, output=None, **environment):
        if Step.ending:
            sys.exit(1)
        print(f"==> {' '.join(map(str, command))}", flush=True)
        self.child = subprocess.Popen([str(word) for word in command], cwd=SOURCE, process_group=0,
                                      stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                      env={**os.environ, **environment})
        self.running.append(self)

    def wait(self):
        status = self.child.wait()
        self.running.remove(self)
        return status

    @classmethod
    def run(cls, *command, **environment):
        return cls(*command, **environment).wait()

    @classmethod
    def end_all(cls):
        cls.ending = True
        for step in list(cls.running):
            os.killpg(step.child.pid, signal.SIGTERM)
            step.child.wait()

    @staticmethod
    def interrupted(number, _frame):
        sys.exit(128 + number)  # not more: it may have come within wait(), which holds a lock


def build(folder, *options, targets=(), **environment):
    if not (folder / "build.ninja").exists():
        if Step.run("meson", "setup", folder, SOURCE, *options, **environment) != 0:
            return False
    return Step.run("ninja", "-C", folder, *targets) == 0


class Runner:
    def __init__(self, folder, output):
        self.folder = folder
        self.output = output
        self.rows = []

    # -- kinds of tiers --------------------------------------------------------------------------------------

    def meson(self, suite, folder=None, multiplier=1):
        folder = folder or self.folder
        logs = folder / "meson-logs"
        # The suite 'stock' needs Debian's kernel: it runs in the lab, and there nothing else of meson's does.
        selected = ["--suite", "stock"] if IN_LAB else ["--suite", suite, "--no-suite", "stock"]
        for name in ("testlog.junit.xml", "testlog.json"):
            (logs / name).unlink(missing_ok=True)
        status = Step.run("meson", "test", "-C", folder, "--no-rebuild", *selected, "--print-errorlogs",
                          "--timeout-multiplier", str(multiplier))
        if IN_LAB:
            shutil.copy(logs / "testlog.junit.xml", self.output / f"{suite}.xml")
        return self._checked(results.meson(logs), status)

    def pytest(self, tier, folder=None, marker=None, name=None, output=None, sample=1, **environment):
        if not list((SOURCE / "tests" / tier).glob("test_*.py")):
            return Counts()
        name = name or tier
        path = self.output / f"{name}.xml"
        path.unlink(missing_ok=True)
        marker = marker or self._marker(tier)
        several = ["-n", str(PROCESSES[name])] if name in PROCESSES and not IN_LAB else []
        status = Step.run("/usr/bin/python3", "-m", "pytest", f"tests/{tier}", "-m", marker, f"--sample={sample}", *several,
                          f"--junitxml={path}", "-o", f"junit_suite_name={name}", "--durations=5", output=output,
                          MACVTAPD_BUILD=str(folder or self.folder), MACVTAPD_REQUIRE="1", PYTHONUNBUFFERED="1",
                          **environment)
        if status == 5:  # pytest's word for "nothing was selected"
            return Counts()
        return self._checked(results.junit(path), status)

    @staticmethod
    def _marker(tier):
        if not IN_LAB:
            return "not long and not stock"
        # The lab is emulated, and a guest in it by what is emulated itself: no more of the other tiers than need be.
        return "not long" if tier == LAB_ONLY else "(stock or lab) and not long"

    @staticmethod
    def _checked(counts, status):
        if status != 0 and counts.failed == 0:
            print(f"the command ended with {status} and named no failed test: counted as one failure")
            counts.failed = 1
        return counts

    # -- tiers -----------------------------------------------------------------------------------------------

    def tier(self, name, what, may_be_empty=False):
        print(f"\n===== {name} =====", flush=True)
        started = time.monotonic()
        counts = what()
        seconds = time.monotonic() - started
        if counts.total == 0 and may_be_empty:
            return
        if counts.total == 0:
            print(f"{name}: nothing ran, which counts as a failure")
            counts.failed = 1
        self.rows.append((name, seconds, counts))
        print(f"{name}: {counts} ({seconds:.0f} s)", flush=True)

    def run(self, name):
        if name == "sanitize":
            self.sanitize()
        elif name == "fuzz":
            self.tier(name, lambda: self.meson("fuzz"))
            self.fuzz(FUZZ_SAMPLE)
        elif name == LAB_ONLY and not IN_LAB:
            self.tier("lab", self.lab)
        elif name == "long":
            self.long(LONG)
        elif name in BY_NAME_ONLY:
            getattr(self, name)()
        elif name == "interop":
            self.tier(name, lambda: self.meson("interop") + self.pytest("interop"))
        elif name in PYTEST or name == LAB_ONLY:
            self.tier(name, lambda: self.pytest(name))
        else:
            self.tier(name, lambda: self.meson(name))

    def start_lab(self, *names, folder="lab", output=None):
        """The contract and kernel tiers and tests/lab on Debian's stock kernel. They run by this same program inside."""
        inside = self.output / folder
        shutil.rmtree(inside, ignore_errors=True)
        inside.mkdir()
        names = names or ("contract", "kernel", LAB_ONLY)
        return Step(SOURCE / "tests/lab/run", "/usr/bin/python3", "-u", __file__, *names, output=output,
                    LAB_RESULTS=str(inside), MACVTAPD_BUILD=str(self.folder))

    def finish_lab(self, step, folder):
        status = step.wait()
        files = sorted((self.output / folder).glob("*.xml"))
        return self._checked(sum(map(results.junit, files), Counts()), status)

    def lab(self, folder="lab", output=None):
        return self.finish_lab(self.start_lab(folder=folder, output=output), folder)

    def run_beside(self, lane, rest):
        """The machines (the lab's, the systemd tier's) keep one processor busy for minutes: the lane {tier: what(log)} runs
        one tier after the other while rest() runs on the other processor. Output of the lane follows at the end."""
        found = {}

        def work():
            for name, what in lane.items():
                with open(self.output / f"{name}.log", "wb") as log:
                    found[name] = what(log)

        if not lane:
            return rest()
        print(f"beside: {', '.join(lane)}; their output is in {self.output} and follows at the end", flush=True)
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        rest()

        def finish(name):
            thread.join()
            print((self.output / f"{name}.log").read_text(encoding="utf-8", errors="replace"), flush=True)
            return found.get(name, Counts(failed=1))

        for name in lane:
            self.tier(name, lambda name=name: finish(name))

    def run_all(self, names):
        machines = {LAB_ONLY: lambda log: self.lab(output=log),
                    "systemd": lambda log: self.pytest("systemd", output=log)}
        lane = {name: machines[name] for name in names if name in machines}

        def rest():
            for name in names:
                if name not in lane:
                    self.run(name)

        self.run_beside(lane, rest)

    def sanitize(self, sample=6):
        """The kernel tier takes twice as long there: each sixth test of a file stands for its neighbours."""
        folder = self.folder.with_name(self.folder.name + "-sanitize")
        options = ["-Db_sanitize=address,undefined", "-Db_lundef=false", "-Dbuildtype=debug"]
        os.environ["ASAN_OPTIONS"] = "abort_on_error=1:detect_leaks=1"
        os.environ["UBSAN_OPTIONS"] = "halt_on_error=1:abort_on_error=1:print_stacktrace=1"
        if not build(folder, *options):
            self.rows.append(("sanitize build", 0.0, Counts(failed=1)))
            return
        for suite in ("unit", "contract"):
            self.tier(f"sanitize {suite}", lambda suite=suite: self.meson(suite, folder, 3))
        self.tier("sanitize kernel", lambda: self.pytest("kernel", folder, name="sanitize-kernel", sample=sample))

    def strict_filter(self):
        """The kernel tier in a build where a system call that no part declares ends the program, instead of failing."""
        folder = self.folder.with_name(self.folder.name + "-filter")
        if not build(folder, "-Dstrict_filter=true"):
            self.rows.append(("filter build", 0.0, Counts(failed=1)))
            return
        self.tier("filter kernel", lambda: self.pytest("kernel", folder, name="filter-kernel"))

    def fuzz(self, seconds):
        folder = self.folder.with_name(self.folder.name + "-fuzz")
        if not build(folder, *fuzzing.OPTIONS, targets=fuzzing.programs(), CC="clang"):
            self.rows.append(("fuzz build", 0.0, Counts(failed=1)))
            return
        fuzzing.forget(folder)
        self.tier("libfuzzer", lambda: fuzzing.run(folder, seconds))

    def pytest_long(self, name):
        return self.pytest(name, marker="long and not idle and not stock", name=f"long-{name}")

    def long_reliability(self):
        self.tier("long reliability", lambda: self.pytest_long("reliability"))
        for matrix in fault_injection.KillMatrix, fault_injection.FaultMatrix:
            matrix.write(functools.partial(results.properties, self.output / "long-reliability.xml"))

    def long(self, parts):
        if IN_LAB:
            self.tier("long kernel", lambda: self.pytest("kernel", marker="not long and not lab", name="long-kernel", sample=LAB_SAMPLE))
            self.tier("long e2e", lambda: self.pytest("e2e", marker="stock", name="long-e2e"))
            self.tier("long lab", lambda: self.pytest(LAB_ONLY, marker="long", name="long-lab"))
            return
        self._keep_figures()
        os.environ.setdefault("LAB_TIMEOUT", "10800")

        lane = {"long lab": lambda log: self.finish_lab(self.start_lab("long", folder="long-lab", output=log), "long-lab")}
        others = {"reliability": self.long_reliability, "fuzz": lambda: self.fuzz(FUZZ_LONG),
                  "sanitize": lambda: self.sanitize(sample=1), "filter": self.strict_filter, "memcheck": self.memcheck,
                  "coverage": self.coverage}

        def rest():
            for part in LONG[1:]:
                if part in parts and part != LAB_ONLY:
                    others.get(part, lambda part=part: self.tier(f"long {part}", lambda: self.pytest_long(part)))()

        if "idle" in parts:
            self.tier("long idle", lambda: self.pytest("reliability", marker="long and idle", name="long-idle"))
        self.run_beside(lane if LAB_ONLY in parts else {}, rest)

    @staticmethod
    def _keep_figures():
        os.environ["MACVTAPD_FIGURES"] = str(SOURCE / "docs/reliability.md")

    def memcheck(self):
        self._keep_figures()
        name = "memcheck-kernel"
        programs.prepare_memcheck()
        self.tier("memcheck kernel", lambda: self.pytest("kernel", name=name, sample=MEMCHECK_SAMPLE, MACVTAPD_MEMCHECK="1"))
        found = memcheck.Findings(self.folder / memcheck.FOLDER / "logs")
        for path, text in found.bad:
            print(f"----- {path}\n{text}", flush=True)
        self.tier("memcheck logs", lambda: Counts(passed=found.clean, failed=len(found.bad)))
        path = self.output / f"{name}.xml"
        figures.write("memory", found.text(results.junit(path), results.skips(path)))

    def coverage(self):
        """All tiers once more, in a build that writes down what it runs."""
        self._keep_figures()
        folder = self.folder.with_name(self.folder.name + "-coverage")
        if not build(folder, "-Db_coverage=true", "-Dbuildtype=debug"):
            self.rows.append(("coverage build", 0.0, Counts(failed=1)))
            return
        tiers = [name for name in TIERS if name not in ("fuzz", "sanitize", "systemd", LAB_ONLY)]
        measured = Runner(folder, self.output)
        measured.rows = self.rows
        umask, environment = os.umask(0), dict(os.environ)
        written = coverage.prepare(folder)

        def rest():
            measured.tier("coverage fuzz", lambda: measured.meson("fuzz"))
            for name in tiers:
                measured.run(name)

        try:
            measured.run_beside({"coverage lab": lambda log: measured.lab("coverage-lab", log)}, rest)
            files = coverage.collect(SOURCE, folder, written, self.output / "coverage-lab")
        finally:
            shutil.rmtree(written)
            os.umask(umask)
            os.environ.clear()
            os.environ.update(environment)
        report = coverage.Report(files)
        (self.output / "coverage.txt").write_text(report.details(), encoding="utf-8")
        print(f"lines that no tier runs: {self.output / 'coverage.txt'}")
        good = report.percent >= coverage.GOAL
        self.tier("coverage", lambda: Counts(passed=int(good), failed=int(not good)))
        figures.write("coverage", report.text())

    def summary(self):
        print(f"\n{'tier':<20}{'seconds':>8}{'passed':>8}{'failed':>8}{'skipped':>8}")
        for name, seconds, counts in self.rows:
            print(f"{name:<20}{seconds:>8.0f}{counts.passed:>8}{counts.failed:>8}{counts.skipped:>8}")
        total = sum((counts for _, _, counts in self.rows), Counts())
        print(total, flush=True)
        return 0 if total.failed == 0 and total.passed > 0 else 1


def find_unknown(names):
    """The first word that tests/run does not know, and those that it knows there, or None."""
    known = LONG if names[:1] == ["long"] else [*TIERS, *BY_NAME_ONLY]
    unknown = [name for name in names[known is LONG:] if name not in known]
    return (unknown[0], known) if unknown else None


def main(arguments):
    names = arguments or TIERS
    unknown = find_unknown(names)
    if unknown:
        print(f"tests/run: {unknown[0]} is unknown here; there are: {' '.join(unknown[1])}", file=sys.stderr)
        return 2
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, Step.interrupted)
    folder = pathlib.Path(os.environ.get("MACVTAPD_BUILD", SOURCE / "build")).resolve()
    output = pathlib.Path(os.environ["LAB_RESULTS"]) if IN_LAB else folder / "test-results"
    if not IN_LAB and not build(folder):
        print(Counts(failed=1))
        return 1
    output.mkdir(exist_ok=True)
    measured = os.environ.get("MACVTAPD_COVERAGE")
    if IN_LAB and measured:
        coverage.use(pathlib.Path(measured), folder)
    runner = Runner(folder, output)
    if names[0] == "long" and names[1:]:
        runner.long(names[1:])
    elif LAB_ONLY in names and len(names) > 1 and not IN_LAB:
        runner.run_all(names)
    else:
        for name in names:
            runner.run(name)
    if IN_LAB and measured:
        coverage.pack(measured, output)
    return runner.summary()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    finally:
        Step.end_all()
