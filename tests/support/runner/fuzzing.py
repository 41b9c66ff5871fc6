# SPDX-License-Identifier: LGPL-2.1-or-later
"""The fuzz targets under clang's libFuzzer with ASan and UBSan: each for a while, as many at a time as there are
processors. What they find is kept in the build folder; the corpora in the tree are only read."""
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess

import figures
from results import Counts

SOURCE = pathlib.Path(__file__).resolve().parents[3]
OPTIONS = ["-Dfuzzers=true", "-Db_lundef=false", "-Dbuildtype=debug", "-Doptimization=1"]
ENVIRONMENT = {"ASAN_OPTIONS": "abort_on_error=1:detect_leaks=1",
               "UBSAN_OPTIONS": "halt_on_error=1:abort_on_error=1:print_stacktrace=1",
               "G_SLICE": "always-malloc"}
_LAST_LINES = 60


def targets():
    return sorted(path.stem.removeprefix("fuzz-") for path in (SOURCE / "tests/fuzz").glob("fuzz-*.c"))


def programs():
    """What ninja is to build."""
    return [f"tests/fuzz/fuzz-{name}" for name in targets()]


def _first(pattern, text):
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


class Run:
    """One target's."""

    def __init__(self, folder, name, seconds):
        self.name = name
        corpus = folder / "corpus" / name
        corpus.mkdir(parents=True, exist_ok=True)
        # A folder in memory where there is one: each request's record is written.
        memory = {"TMPDIR": "/dev/shm"} if os.path.isdir("/dev/shm") else {}
        done = subprocess.run(
            [folder / f"tests/fuzz/fuzz-{name}", f"-max_total_time={seconds}", "-timeout=25", "-rss_limit_mb=1024",
             "-max_len=8192", "-print_final_stats=1", f"-artifact_prefix={corpus.parent}/{name}-", corpus,
             SOURCE / "tests/fuzz/corpus" / name],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            env={**os.environ, **ENVIRONMENT, **memory}, check=False)
        self.good = done.returncode == 0
        self.output = done.stdout
        self.executions = _first(r"stat::number_of_executed_units:\s*(\d+)", self.output)
        self.edges = _first(r"cov: (\d+)", self.output)
        self.inputs = _first(r"corp: (\d+)/", self.output)

    def report(self):
        print(f"fuzz-{self.name}: {self.executions} runs, {self.edges} edges, {self.inputs} inputs in the corpus"
              f"{'' if self.good else ', FAILED'}", flush=True)
        if not self.good:
            print("\n".join(self.output.splitlines()[-_LAST_LINES:]), flush=True)


def run(folder, seconds):
    """Run every target for so long; returns Counts, and writes the figures where they are asked for."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = list(pool.map(lambda name: Run(folder, name, seconds), targets()))
    for one in runs:
        one.report()
    rows = [[f"`fuzz-{one.name}`", f"{one.executions:,}", one.edges, one.inputs] for one in runs]
    failed = sum(not one.good for one in runs)
    figures.write("fuzz", f"{len(runs)} targets, {seconds} seconds each under libFuzzer with ASan and UBSan:"
                          f" {sum(one.executions for one in runs):,} inputs, {failed} failures.\n\n"
                          + figures.table(["target", "inputs run", "edges covered", "inputs kept"], rows))
    return Counts(passed=len(runs) - failed, failed=failed)


def forget(folder):
    """What earlier runs have found starts no run: a sample is the same from a fresh tree."""
    shutil.rmtree(folder / "corpus", ignore_errors=True)
