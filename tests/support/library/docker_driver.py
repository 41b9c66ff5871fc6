# SPDX-License-Identifier: LGPL-2.1-or-later
"""macvtapd-docker as its socket unit starts it, and dockerd's part of the conversation."""
import http.client
import json
import pathlib
import shutil
import socket
import subprocess
import tempfile

from clock import PATIENCE
from daemon import hand_in
from programs import program


class _Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("docker", timeout=2 * PATIENCE)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(2 * PATIENCE)
        self.sock.connect(str(self._path))


class Driver:
    """The driver in a host. The socket listens from the start to close(), whether the process runs or not."""

    def __init__(self, host, daemon, path=None):
        """path: where to listen, as the test sees it; daemon: the macvtapd that it asks."""
        self.host = host
        self.daemon = daemon
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mvtd-docker-"))
        self.path = path or self.folder / "socket"
        self.networks, self.endpoints = self.folder / "networks", self.folder / "endpoints"
        self.networks.mkdir()
        self.endpoints.mkdir()
        self.log = self.folder / "stderr"
        self.process = None
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(self.path))
        self.listener.listen()

    def start(self, wrapper=()):
        with open(self.log, "ab") as log:
            self.process = self.host.start(
                *hand_in(self.listener), *wrapper, program("macvtapd-docker"), "--socket", self.daemon.socket,
                "--networks", self.networks, "--endpoints", self.endpoints,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[self.listener.fileno()])
        return self

    def stop(self):
        self.process.terminate()
        assert self.process.wait(PATIENCE) == 0, self.messages()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def restart(self):
        self.stop()
        return self.start()

    def messages(self):
        return self.log.read_text(encoding="utf-8", errors="replace")

    def close(self):
        try:
            if self.process and self.process.poll() is None:
                self.stop()
        finally:
            self.listener.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    def request(self, path, body, method="POST"):
        """(status, text) of the answer to one request."""
        connection = _Connection(self.path)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def call(self, method, **arguments):
        status, text = self.request(f"/NetworkDriver.{method}" if "." not in method else f"/{method}", json.dumps(arguments))
        assert status == 200, text
        return json.loads(text)

    def refusal(self, method, **arguments):
        answer = self.call(method, **arguments)
        assert list(answer) == ["Err"] and "\n" not in answer["Err"], answer
        return answer["Err"]
