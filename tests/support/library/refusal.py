# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a refusal looks like: one line on stderr that begins with the program's name and names the cause."""
import os

_PROGRAMS = ("macvtapctl", "macvtap-run", "qemu-macvtap-helper", "macvtapd")

# macvtapctl: refused or failed, and wrong usage; macvtap-run: ours, not executable, not found.
REFUSED, USAGE = 1, 2
RUN_OURS, RUN_NOT_EXECUTABLE, RUN_NOT_FOUND = 125, 126, 127


def check_line(text, name, *words):
    """text is exactly one line of the program of this name, with all the words. Returns it."""
    lines = text.splitlines()
    assert len(lines) == 1, text
    assert lines[0].startswith(f"{name}: "), text
    for word in words:
        assert str(word) in lines[0], f"{word!r} is not in {lines[0]!r}"
    return lines[0]


def check_refused(done, status, *words):
    """done is what Daemon.tool() gave of one of our programs."""
    name = next(os.path.basename(word) for word in done.args if os.path.basename(word) in _PROGRAMS)
    assert (done.returncode, done.stdout) == (status, ""), done
    return check_line(done.stderr, name, *words)


class NothingLeft:
    """with NothingLeft(daemon): devices, records and nodes are the same after it as before."""

    def __init__(self, daemon):
        self._daemon = daemon

    def _look(self):
        return sorted(self._daemon.host.macvtaps()), self._daemon.records(), self._daemon.host.queue_nodes()

    def __enter__(self):
        self._before = self._look()

    def __exit__(self, kind, *_):
        if kind is None:
            assert self._look() == self._before
