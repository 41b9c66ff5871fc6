# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pings at a steady rate beside what a test does, and which of them were lost."""
import select
import socket
import struct
import threading
import time

from clock import Deadline

_ECHO_REPLY, _ECHO = 0, 8
_IDENTIFIER = 0x4C56
INTERVAL = 0.2  # seconds between two pings


def _checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _echo(number):
    head = struct.pack("!BBHHH", _ECHO, 0, 0, _IDENTIFIER, number)
    return struct.pack("!BBHHH", _ECHO, 0, _checksum(head), _IDENTIFIER, number)


class Pinger:
    """Pings an address from a host until stop(). A ping counts as lost when one that was sent after it is answered
    and it is not, not even by the end: nothing waits for a time, but for a last ping's answer."""

    def __init__(self, host, address):
        self._address = address
        self._socket = host.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self._socket.connect((address, 0))
        self.sent = 0
        self._answered = {}  # number: how many later ones were sent before its answer came
        self._changed = threading.Condition()
        self._over = False
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self):
        due = time.monotonic()
        while not self._over:
            if time.monotonic() >= due:
                self._send()
                due += INTERVAL
            if select.select([self._socket], [], [], max(0, due - time.monotonic()))[0]:
                self._receive()

    def _send(self):
        self.sent += 1
        try:
            self._socket.send(_echo(self.sent))
        except OSError:  # a full queue, or no route at this moment: lost, then
            pass

    def _receive(self):
        data = self._socket.recv(65536)
        message = data[(data[0] & 15) * 4:]
        kind, _, _, identifier, number = struct.unpack_from("!BBHHH", message)
        if kind == _ECHO_REPLY and identifier == _IDENTIFIER:
            with self._changed:
                self._answered.setdefault(number, self.sent - number)
                self._changed.notify_all()

    def wait_answers(self, count, deadline=None):
        """Wait until that many pings that are sent from now on have been answered."""
        deadline = deadline or Deadline(60)
        with self._changed:
            wanted = len(self._answered) + count
            if not self._changed.wait_for(lambda: len(self._answered) >= wanted, deadline.left()):
                raise AssertionError(f"{self._address} answered {len(self._answered)} of {self.sent} pings")

    def stop(self):
        """The numbers of the lost ones, of `sent`."""
        if self._thread.is_alive():
            with self._changed:
                last = self.sent + 1
                answered = self._changed.wait_for(lambda: max(self._answered, default=0) >= last, Deadline(60).left())
            self.close()
            assert answered, f"{self._address} does not answer any more after {max(self._answered, default=0)} of" \
                             f" {self.sent}"
        return [number for number in range(1, max(self._answered)) if number not in self._answered]

    def late(self, by):
        """The numbers of those whose answer came when `by` later ones had been sent, or more."""
        return [number for number, later in sorted(self._answered.items()) if later >= by]

    def close(self):
        self._over = True
        self._thread.join()
        self._socket.close()
