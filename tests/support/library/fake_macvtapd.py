# SPDX-License-Identifier: LGPL-2.1-or-later
"""A service on a socket that answers as no macvtapd does, for programs that ask one."""
import json
import socket
import threading

# None: it closes the connection.
ODD_ANSWERS = {
    "closed": None, "text": b"hello", "array": b"[]", "empty": b"{}", "no UTF-8": b'{"error":"\xff"}', "error": b'{"error":5}',
    "other error": b'{"error":"org.example.Other","parameters":{}}', "several": b'{"continues":true,"parameters":{}}',
    "wrong types": b'{"parameters":{"port":5,"ports":5,"networks":5}}', "nothing": b'{"parameters":{"ports":[],"networks":[]}}',
    "no fields": json.dumps({"parameters": {"port": {"id": "1", "name": "a"}, "ports": [{}], "networks": [{}]}}).encode(),
}


class FakeMacvtapd:
    """Answers each call with this, until close()."""

    def __init__(self, path, answer):
        self.socket = path
        self._answer = answer
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        """A client at a time, as they come."""
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            with connection:
                while self._serve(connection):
                    pass

    def _serve(self, connection):
        try:
            asked = connection.recv(65536)
            if not asked or self._answer is None:
                return False
            connection.sendall((self._answer + b"\0") * asked.count(b"\0"))
            return True
        except OSError:
            return False

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


def silent_macvtapd(path):
    """A listening socket, for the caller to close: it takes connections and calls, and answers none."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    return listener
