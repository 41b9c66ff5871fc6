# SPDX-License-Identifier: LGPL-2.1-or-later
"""What macvtapctl doctor finds, from its JSON and its lines, which must agree with each other and its exit status."""
import json


def examine(daemon, **options):
    """All findings but good news."""
    done = daemon.ctl("--json", "doctor", check=False, **options)
    found = json.loads(done.stdout)["findings"]
    for finding in found:
        assert set(finding) == {"code", "severity", "subject", "message", "remedy"} and all(finding.values()), finding
    assert done.returncode == any(finding["severity"] == "problem" for finding in found), done
    assert done.stderr == ""
    lines = [f"{finding['subject']}: {finding['message']}" for finding in found]
    text = daemon.ctl("doctor", check=False, **options).stdout
    assert [line[9:] for line in text.splitlines() if line.startswith(("PROBLEM  ", "note     "))] == lines
    assert [line.strip() for line in text.splitlines() if line.startswith(" ")] == [one["remedy"] for one in found]
    return found


def problems(daemon, code=None, **options):
    """The problems, or those with this code, each as one line with its remedy."""
    return [f"{one['subject']}: {one['message']}: {one['remedy']}" for one in examine(daemon, **options)
            if one["severity"] == "problem" and code in (None, one["code"])]


def codes(daemon, **options):
    """The codes of the problems."""
    return [one["code"] for one in examine(daemon, **options) if one["severity"] == "problem"]
