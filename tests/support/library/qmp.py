# SPDX-License-Identifier: LGPL-2.1-or-later
"""QEMU's monitor, QMP."""
import json
import socket

from guest import BOOT


class Qmp:
    """QEMU's monitor on the socket of this path, or on one that it has connected to."""

    def __init__(self, path=None, connected=None):
        self._socket = connected or socket.socket(socket.AF_UNIX)
        self._socket.settimeout(BOOT)
        if path:
            self._socket.connect(str(path))
        self._file = self._socket.makefile("rw", encoding="utf-8")
        self._file.readline()
        self.call("qmp_capabilities")

    def _next(self):
        return json.loads(self._file.readline())

    def call(self, command, **arguments):
        self._file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._file.flush()
        while True:
            reply = self._next()
            assert "error" not in reply, reply
            if "return" in reply:
                return reply["return"]

    def close(self):
        self._file.close()
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
