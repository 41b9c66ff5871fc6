# SPDX-License-Identifier: LGPL-2.1-or-later
"""A small Varlink client of the tests' own, which can also say what no client should say."""
import array
import json
import os
import socket

from clock import Deadline


class VarlinkError(Exception):
    def __init__(self, name, parameters):
        super().__init__(f"{name} {parameters}")
        self.name = name
        self.parameters = parameters


class Closed(Exception):
    """The server closed the connection."""


class Connection:
    def __init__(self, path, made=None):
        """made: a socket to connect, of another network namespace."""
        self.socket = made or socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.socket.connect(str(path))
        self._buffer = b""
        self.descriptors = []

    def send_raw(self, data, descriptors=()):
        if descriptors:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
            self.socket.sendmsg([data], rights)
        else:
            self.socket.sendall(data)

    def send(self, message, descriptors=()):
        self.send_raw(json.dumps(message).encode() + b"\0", descriptors)

    def receive_raw(self, deadline=None):
        """The next message without its NUL; descriptors that came are added to self.descriptors."""
        deadline = deadline or Deadline()
        while b"\0" not in self._buffer:
            deadline.wait_readable(self.socket)
            try:
                data, descriptors, _, _ = socket.recv_fds(self.socket, 65536, 64, socket.MSG_CMSG_CLOEXEC)
            except ConnectionResetError:
                data, descriptors = b"", []
            self.descriptors += descriptors
            if not data:
                raise Closed(self._buffer)
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        return message

    def receive(self, deadline=None):
        return json.loads(self.receive_raw(deadline))

    def wait_closed(self, deadline=None):
        """Read to the end; returns the messages that still came."""
        messages = []
        try:
            while True:
                messages.append(self.receive(deadline))
        except Closed:
            return messages

    def call(self, method, _deadline=None, **parameters):
        """One call, one reply: its parameters. An error reply raises VarlinkError."""
        self.send({"method": method, "parameters": parameters})
        return self.reply(_deadline)

    def reply(self, deadline=None):
        reply = self.receive(deadline)
        if "error" in reply:
            raise VarlinkError(reply["error"], reply.get("parameters", {}))
        return reply.get("parameters", {})

    def ports(self, method, **parameters):
        return self.call(f"org.macvtapd.Ports.{method}", **parameters)

    def take_descriptors(self):
        taken, self.descriptors = self.descriptors, []
        return taken

    def close(self):
        for descriptor in self.take_descriptors():
            os.close(descriptor)
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
