# SPDX-License-Identifier: LGPL-2.1-or-later
"""Deadlines. A deadline is only the bound after which a test has failed; nothing ever waits for it to pass."""
import ctypes
import os
import select
import time

_IN_MODIFY, _IN_MOVED_FROM, _IN_MOVED_TO, _IN_CREATE, _IN_DELETE = 0x2, 0x40, 0x80, 0x100, 0x200

# The lab's processor is emulated, and guests in it are emulated twice.
FACTOR = 8 if os.environ.get("MACVTAPD_LAB") or os.environ.get("MACVTAPD_MEMCHECK") else 1
PATIENCE = 20 * FACTOR


class Deadline:
    def __init__(self, seconds=None):
        self._end = time.monotonic() + (PATIENCE if seconds is None else seconds * FACTOR)

    def left(self):
        return max(0.0, self._end - time.monotonic())

    def wait_readable(self, *descriptors):
        """Wait until one is readable (or hung up) and return those that are; TimeoutError after the deadline."""
        poller = select.poll()
        for descriptor in descriptors:
            poller.register(descriptor, select.POLLIN)
        ready = poller.poll(self.left() * 1000)
        if not ready:
            raise TimeoutError("deadline passed")
        return [descriptor for descriptor, _ in ready]


class FolderWatch:
    """Readable when an entry of the folder comes or goes; with contents=True also when a file there is written to."""

    def __init__(self, folder, contents=False):
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        mask = _IN_CREATE | _IN_DELETE | _IN_MOVED_FROM | _IN_MOVED_TO | (_IN_MODIFY if contents else 0)
        if libc.inotify_add_watch(self._descriptor, os.fsencode(folder), mask) < 0:
            os.close(self._descriptor)
            raise OSError(ctypes.get_errno(), f"inotify {folder}")

    def fileno(self):
        return self._descriptor

    def drain(self):
        try:
            while os.read(self._descriptor, 65536):
                pass
        except BlockingIOError:
            pass

    def close(self):
        os.close(self._descriptor)
