# SPDX-License-Identifier: LGPL-2.1-or-later
"""The macvtapd of the build before: of the last commit whose sources differ from the tree's."""
import pathlib
import shutil
import subprocess
import tarfile
import tempfile

import pytest

from daemon import GUARD
from programs import BUILD, INSIDE_BUILD, SOURCE

SOURCES = ["src", "vhost", "meson.build"]

# The last one whose ports hung on a process by default, and the last one before records were loops over the table of fields.
WITHOUT_DESCRIPTORS, BEFORE_FIELDS = "fd0da01", "6d8d991"


def knows_guard(path):
    """Whether the build at previous_daemon()'s path reads network files with a [Guard] section."""
    return not any(f"/{commit}/" in path for commit in (WITHOUT_DESCRIPTORS, BEFORE_FIELDS))


def run_next(daemon, path):
    """The daemon's next start runs the build at path, with network files that this build can read."""
    daemon.program = path
    for file in (daemon.config / "networks.d").iterdir():
        text = file.read_text(encoding="utf-8").replace(GUARD, "")
        file.write_text(text + GUARD if knows_guard(path) else text, encoding="utf-8")


def git(*arguments):
    return subprocess.run(["git", "-c", f"safe.directory={SOURCE}", "-C", str(SOURCE), *arguments], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True)


def _previous_commit():
    commits = git("log", "--format=%H", "-n", "2", "--", *SOURCES).stdout.split()
    if commits and git("diff", "--quiet", commits[0], "--", *SOURCES).returncode == 1:
        return commits[0]
    if len(commits) < 2 or git("cat-file", "-e", f"{commits[1]}:src/daemon/meson.build").returncode != 0:
        pytest.skip("cannot run without history: this clone does not have the commit before")
    return commits[1]


def previous_daemon(commit=None, knows=None):
    """The path, inside a Host, of the daemon of the build before, or of this commit. It is built when it is missing.
    knows: a word of the sources; a build that does not know it yet gives way to this tree's own."""
    commit = commit or _previous_commit()
    if git("cat-file", "-e", f"{commit}:src/daemon/meson.build").returncode != 0:
        pytest.skip(f"cannot run without history: this clone does not have commit {commit}")
    if knows and git("grep", "-q", knows, commit, "--", "src").returncode != 0:
        return f"{INSIDE_BUILD}/src/daemon/macvtapd"
    folder = BUILD / "previous" / commit
    if not (folder / "macvtapd").exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as work:
            _build(commit, pathlib.Path(work), folder)
    return f"{INSIDE_BUILD}/previous/{commit}/macvtapd"


def _build(commit, work, folder):
    subprocess.run(["git", "-c", f"safe.directory={SOURCE}", "-C", str(SOURCE), "archive", "-o", str(work / "tree.tar"), commit],
                   check=True)
    with tarfile.open(work / "tree.tar") as archive:
        archive.extractall(work / "tree")
    options = (work / "tree/meson_options.txt").read_text(encoding="utf-8")
    without_tests = "-Dtests=false" if "option('tests', type: 'boolean'" in options else "-Dtests=disabled"
    for command in (["meson", "setup", work / "build", work / "tree", without_tests, "-Doptimization=0"],
                    ["ninja", "-C", work / "build", "src/daemon/macvtapd"]):
        done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, done.stdout
    shutil.move(work / "build/src/daemon/macvtapd", folder / "macvtapd")
