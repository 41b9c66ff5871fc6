# SPDX-License-Identifier: LGPL-2.1-or-later
"""Copies of a port's frames (CapturePort, `macvtapctl port capture`): which, for whom, and how a capture ends."""
import contextlib
import socket
import struct

import pytest

from frames import BROADCAST, mac_bytes
from guard_lan import GUEST, NEIGHBOUR, OWN, Lan, arp, on_one_cpu, read_rows

GUARDED = f"Senders=own\nAddresses=listed\nAllowAddresses={OWN}/32 fd00::5/128\n"
HEADER = struct.Struct("=IHHIIQQ")
SENT, RECEIVED, DROPPED, END = 1, 2, 3, 4


class Capture:
    """A reader of CapturePort's descriptor."""

    def __init__(self, connection, port, **wishes):
        reply = connection.ports("CapturePort", port=port, **wishes)
        (descriptor,) = connection.take_descriptors()
        self.reasons = reply["reasons"]
        self.socket = socket.socket(fileno=descriptor)
        self.lost = 0
        self._records = []

    def record(self):
        """The next: (type, reason, bytes)."""
        while not self._records:
            self.socket.settimeout(10)
            message = self.socket.recv(196608)
            assert message, "the capture ended without a record that says why"
            while message:
                size, kind, reason, length, n, _, self.lost = HEADER.unpack_from(message)
                data = message[HEADER.size:HEADER.size + n]
                self._records.append((kind, self.reasons[reason - 1] if reason else None, data, length))
                message = message[size:]
        return self._records.pop(0)

    def end(self):
        """Why it has ended."""
        while True:
            kind, _, data, _ = self.record()
            if kind == END:
                return data.decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


@pytest.fixture
def lans(daemons, host, station):
    made = []

    def make(guard=GUARDED):
        made.append(Lan(daemons(host), station, guard))
        return made[-1]

    with on_one_cpu():
        yield make
    for lan in made:
        lan.close()


def test_sent_and_received_from_the_guests_view(lans):
    lan = lans()
    with lan.daemon.connect() as connection, Capture(connection, lan.port()["id"]) as capture:
        request, reply = arp(BROADCAST, OWN, "10.9.0.9"), arp(GUEST, "10.9.0.9", OWN)
        lan.send(request)
        lan.wire.send(reply)
        assert capture.record()[:3] == (SENT, None, request)
        kind, reason, data, _ = capture.record()
        assert (kind, reason, data[:42]) == (RECEIVED, None, reply[:42])
