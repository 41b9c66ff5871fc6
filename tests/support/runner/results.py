# SPDX-License-Identifier: LGPL-2.1-or-later
"""Counts of tests, read from the JUnit files that meson and pytest write."""
import json
import xml.etree.ElementTree

ALLOWED_SKIPS = ("cannot run on Debian 12", "cannot run with sanitizers", "cannot run without history",
                 "cannot run where coverage is measured")


class Counts:
    def __init__(self, passed=0, failed=0, skipped=0):
        self.passed, self.failed, self.skipped = passed, failed, skipped

    def __add__(self, other):
        return Counts(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    @property
    def total(self):
        return self.passed + self.failed + self.skipped

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def _count_case(case, counts):
    skip = case.find("skipped")
    if case.find("failure") is not None or case.find("error") is not None:
        counts.failed += 1
    elif skip is None:
        counts.passed += 1
    elif skip.get("type") == "pytest.xfail":
        counts.passed += 1
    elif any(reason in f"{skip.get('message', '')}{skip.text or ''}" for reason in ALLOWED_SKIPS):
        counts.skipped += 1
    else:
        # Whoever runs the tests is owed all of them: a test that could have run and did not has failed.
        print(f"skipped, which counts as failed: {case.get('classname', '')} {case.get('name')}"
              f" {skip.get('message', '')}")
        counts.failed += 1


def junit(path):
    """The counts of one JUnit file; nothing if it is not there."""
    counts = Counts()
    if path.exists():
        for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
            _count_case(case, counts)
    return counts


def properties(path, name):
    """What the tests of one JUnit file have left by this name (record_property)."""
    found = xml.etree.ElementTree.parse(path).getroot().iter("property") if path.exists() else []
    return [one.get("value") for one in found if one.get("name") == name]


def skips(path):
    """Why the tests of one JUnit file were skipped: {reason: number}."""
    reasons = {}
    for case in xml.etree.ElementTree.parse(path).getroot().iter("skipped"):
        reason = case.get("message", "")
        reasons[reason] = reasons.get(reason, 0) + 1
    return reasons


def meson(logs):
    """The counts of meson's last run. A program that died after its last good subtest has no failed case in the
    JUnit file, so the programs' own results are held against it."""
    counts = junit(logs / "testlog.junit.xml")
    path = logs / "testlog.json"
    if path.exists():
        bad = [entry["name"] for entry in map(json.loads, path.read_text().splitlines())
               if entry["result"] not in ("OK", "SKIP", "EXPECTEDFAIL")]
        counts.failed = max(counts.failed, len(bad))
    return counts
