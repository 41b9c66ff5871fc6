# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who reaches whom on a segment, measured with frames.

Theory of operation: a frame that does not arrive cannot be waited for, so each one is followed by others that must
arrive behind it: the sender sends a frame to the witness, a station on the wire that everybody reaches, and when the
witness has it, it broadcasts a marker. Whatever a receiver got before the marker has arrived, the rest has not. The
kernel keeps the order of frames that one processor sends, hence the pinning (`one_processor`).
"""
import contextlib
import itertools
import os

from frames import BROADCAST, frame

UNICAST_KIND, BROADCAST_KIND = "unicast", "broadcast"
KINDS = (UNICAST_KIND, BROADCAST_KIND)

_serial = itertools.count()


@contextlib.contextmanager
def one_processor():
    """The calling thread stays on one processor, and so do the frames that it sends."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


class Member:
    """One on the segment: its name, its socket or tap, and its MAC."""

    def __init__(self, name, endpoint, mac):
        self.name = name
        self.endpoint = endpoint
        self.mac = mac

    def send(self, destination, payload):
        self.endpoint.send(frame(destination, self.mac, payload))


def _received_before_marker(witness, sender, receivers):
    """What each receiver has got of all that the sender sent until now: [payloads] in the receivers' order."""
    number = next(_serial)
    if sender is not witness:
        sync = b"sync %d" % number
        sender.send(witness.mac, sync)
        witness.endpoint.expect(sync)
    marker = b"marker %d" % number
    witness.send(BROADCAST, marker)
    return [receiver.endpoint.receive_until(marker) for receiver in receivers]


def arrives(witness, sender, receiver, kind):
    """Whether a frame of this kind gets from sender to receiver."""
    probe = b"probe %d" % next(_serial)
    with one_processor():
        sender.send(receiver.mac if kind == UNICAST_KIND else BROADCAST, probe)
        if receiver is witness:
            receiver.endpoint.expect(probe)
            return True
        (payloads,) = _received_before_marker(witness, sender, [receiver])
    return probe in payloads
