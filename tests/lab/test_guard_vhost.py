# SPDX-License-Identifier: LGPL-2.1-or-later
"""The guard's frame table by a real guest whose frames go through vhost-net, with no VMM in between: sent from inside the
guest, looked for on the wire and at a neighbour. The guest takes two minutes to start in the lab: there is no sample."""
import collections
import os
import subprocess

import pytest

import guest
from clock import Deadline
from frames import BROADCAST, mac_bytes
from guard_lan import GUEST, NEIGHBOUR, OWN, Lan, arp, on_one_cpu, read_rows
from programs import BUILD

GUARDED = f"Senders=own\nAddresses=listed\nAllowAddresses={OWN}/32 fd00::5/128\n"
AT_ONCE = 20  # so that no queue fills up

Shot = collections.namedtuple("Shot", "row frame at")  # at: the endpoints that must or must not get it


def shots(rows, wire_mac):
    """A row's frame, if it is for one station, once for each of the two."""
    for row in rows:
        if row.frame[0] & 1:
            yield Shot(row, row.frame, ("wire", "neighbour"))
        else:
            yield Shot(row, mac_bytes(wire_mac) + row.frame[6:], ("wire",))
            yield Shot(row, mac_bytes(NEIGHBOUR) + row.frame[6:], ("neighbour",))


def marker(number):
    """It always passes; what comes before it at the same place was sent before it."""
    return arp(BROADCAST, OWN, f"10.9.{number >> 8}.{number & 255}")


def lines(batch, first):
    """What send-frames reads: each shot with a marker behind it, after one that ends what the guest itself has sent."""
    shots_and_markers = (f"{shot.row.start} {shot.row.offset} {shot.frame.hex()}\n0 0 {marker(first + number).hex()}\n"
                         for number, shot in enumerate(batch, 1))
    return f"0 0 {marker(first).hex()}\n{''.join(shots_and_markers)}".encode()


def pin_vhost(pid):
    """What several processors send may overtake itself on its way to a neighbour. Until Linux 6.4 vhost's worker does not
    take after QEMU in this."""
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/comm", encoding="ascii", errors="replace") as stream:
                if stream.read().startswith(f"vhost-{pid}"):
                    os.sched_setaffinity(int(entry), os.sched_getaffinity(0))
        except (FileNotFoundError, ProcessLookupError):
            pass  # it has ended since


def arrived(endpoint, count, first):
    """The frames of the guest that came before each of the markers but the first."""
    came, deadline = [[]], Deadline(60)
    while len(came) <= count + 1:
        frame = endpoint.receive(deadline, ethertype=None)
        if frame[:42] == marker(first + len(came) - 1)[:42]:
            came.append([])
        elif frame[6:11] == mac_bytes(GUEST)[:5]:
            came[-1].append(frame)
    return came[1:]


@pytest.fixture
def lan(daemons, host, station):
    with on_one_cpu():
        made = Lan(daemons(host), station, GUARDED)
        yield made
        made.close()


def start_guest(lan, guests, tmp_path, batches):
    files = {f"batch{number}": lines(batch, number * (AT_ONCE + 1)) for number, batch in enumerate(batches)}
    with open(BUILD / "tests/support/guest/send-frames", "rb") as program:
        files["send-frames"] = program.read()
    tap = lan.guest.fileno()
    command = guest.qemu_command("", name="sender", end="shell", mac=GUEST,
                                 netdev=f"tap,id=net0,fd={tap},vhost=on")
    command[command.index("-initrd") + 1] = guest.initrd_with(tmp_path, files)
    running = guests(guest.Guest, lan.daemon.host, command, pass_fds=[tap], stdin=subprocess.PIPE)
    running.wait_line("GUEST sender DONE")
    assert running.shell("echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6") == 0
    pin_vhost(running.pid)
    return running


def check_table(lan, guests, tmp_path, rows):
    todo = list(shots(rows, lan.wire.mac))
    batches = [todo[begin:begin + AT_ONCE] for begin in range(0, len(todo), AT_ONCE)]
    running = start_guest(lan, guests, tmp_path, batches)
    wrong, counted = [], collections.Counter()
    for number, batch in enumerate(batches):
        assert running.shell(f"/send-frames eth0 </batch{number}") == 0, "\n".join(running.lines)
        came = {name: arrived(endpoint, len(batch), number * (AT_ONCE + 1))
                for name, endpoint in (("wire", lan.wire), ("neighbour", lan.neighbour))}
        for place, shot in enumerate(batch):
            counted[shot.row.reason] += 1
            seen = [bool(came[name][place]) for name in shot.at]
            if seen != [not shot.row.reason] * len(shot.at):
                wrong.append((shot.row.name, shot.at, seen))
    del counted[""]
    assert not wrong
    assert lan.dropped() == counted


@pytest.mark.long
def test_frame_table(lan, guests, tmp_path):
    check_table(lan, guests, tmp_path, list(read_rows()))
