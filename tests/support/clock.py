# SPDX-License-Identifier: LGPL-2.1-or-later
"""Deadlines. A deadline is only the bound after which a test has failed; nothing ever waits for it to pass."""
import os
import select
import time

# The lab's processor is emulated, and guests in it are emulated twice.
FACTOR = 8 if os.environ.get("MACVTAPD_LAB") else 1
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
