# SPDX-License-Identifier: LGPL-2.1-or-later
"""Copies of a port's frames (CapturePort, `macvtapctl port capture`): which, for whom, and how a capture ends."""
import contextlib
import os
import re
import shlex
import signal
import socket
import struct
import subprocess

import pytest

from dhcp_lan import DISCOVER, question
from documents import block, commands
from frames import BROADCAST, frame, mac_bytes
from guard_lan import GUEST, NEIGHBOUR, OWN, Lan, arp, on_one_cpu, read_rows
from programs import BUILD, program
from refusal import REFUSED, USAGE, check_line, check_refused
from varlink import Connection, VarlinkError

pytestmark = pytest.mark.shared

GUARDED = f"Senders=own\nAddresses=listed\nAllowAddresses={OWN}/32 fd00::5/128\n"
HEADER = struct.Struct("=IHHIIQQ")
SENT, RECEIVED, DROPPED, END = 1, 2, 3, 4
ALICE, BOB = 23001, 23002
NONE = {"type": "none"}


class Capture:
    """A reader of CapturePort's descriptor."""

    def __init__(self, connection, port, **wishes):
        reply = connection.ports("CapturePort", port=port, **wishes)
        (descriptor,) = connection.take_descriptors()
        self.reasons = reply["reasons"]
        self.socket = socket.socket(fileno=descriptor)
        self.socket.settimeout(20)
        self.lost = 0
        self._records = []

    def record(self):
        """The next: (type, reason, bytes, length)."""
        while not self._records:
            message = self.socket.recv(196608)
            assert message, "the capture ended without a record that says why"
            while message:
                size, kind, reason, length, n, _, lost = HEADER.unpack_from(message)
                data = message[HEADER.size:HEADER.size + n]
                self._records.append((lost, (kind, self.reasons[reason - 1] if reason else None, data, length)))
                message = message[size:]
        self.lost, record = self._records.pop(0)
        return record

    def until(self, data):
        """The records before the one of this frame, and it."""
        records = []
        while not records or records[-1][2] != data:
            records.append(self.record())
        return records

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


class Ctl:
    """`macvtapctl port capture`, from the moment it captures."""

    def __init__(self, daemon, *arguments, output=subprocess.PIPE, user=None):
        become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--"] if user else []
        self.process = daemon.host.start(*become, program("macvtapctl"), "port", "capture", *arguments, stdout=output,
                                         stderr=subprocess.PIPE, env=daemon.environment())
        first = self.process.stderr.readline().decode()
        assert first.startswith("capturing port "), first + self.process.stderr.read().decode()

    def finish(self, how=None):
        """(exit status, lines of stdout, stderr)"""
        if how:
            self.process.send_signal(how)
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, (out or b"").decode().splitlines(), err.decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()


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


@contextlib.contextmanager
def captured(lan, mac=GUEST, **wishes):
    with lan.daemon.connect() as connection, Capture(connection, lan.port(mac)["id"], **wishes) as capture:
        yield capture


def marker(number):
    return arp(BROADCAST, OWN, f"10.9.{number >> 8}.{number & 255}")


def refused(daemon, error, connection=None, **parameters):
    with connection or daemon.connect() as caller, pytest.raises(VarlinkError) as refusal:
        caller.ports("CapturePort", **parameters)
    assert refusal.value.name == f"org.macvtapd.Ports.{error}", refusal.value
    return refusal.value.parameters["message"]


def as_user(daemon, user, path=None):
    os.seteuid(user)
    try:
        return Connection(path or daemon.socket)
    finally:
        os.seteuid(0)


# ---- what is captured -----------------------------------------------------------------------------------------------

def test_sent_and_received_from_the_guests_view(lans):
    lan = lans()
    request, reply = arp(BROADCAST, OWN, "10.9.0.9"), arp(GUEST, "10.9.0.9", OWN)
    with captured(lan) as capture, captured(lan, NEIGHBOUR) as of_neighbour:
        lan.send(request)
        lan.wire.send(reply)
        assert capture.record() == (SENT, None, request, len(request))
        assert capture.record() == (RECEIVED, None, reply, len(reply))
        assert of_neighbour.record() == (RECEIVED, None, request, len(request))
        assert capture.lost == 0


def test_each_row_of_the_guards_table_with_its_reason(lans):
    lan = lans()
    wrong = []
    with captured(lan, frames="all") as capture:
        for number, row in enumerate(read_rows()):
            lan.send(row.frame, row.start, row.offset)
            lan.send(marker(number))
            records = [record for record in capture.until(marker(number)) if record[0] != RECEIVED]
            wanted = (DROPPED, row.reason) if row.reason else (SENT, None)
            # A checksum that the host is to finish is captured unfinished.
            if [record[:3] for record in records] != [(*wanted, row.frame), (SENT, None, marker(number))]:
                wrong.append((row.name, records))
    assert not wrong


def test_verdict_count_says_what_would_be_dropped(lans):
    lan = lans(GUARDED + "Verdict=count\n")
    forged = frame(BROADCAST, "52:54:00:66:66:66", b"forged")
    with captured(lan) as capture:
        lan.send(forged)
        assert capture.record()[:3] == (SENT, "other-mac", forged)


def test_frames_selects(lans):
    lan = lans()
    forged = frame(BROADCAST, "52:54:00:66:66:66", b"forged")
    with captured(lan) as passed, captured(lan, frames="passed") as same, captured(lan, frames="dropped") as dropped:
        for number in range(3):
            lan.send(forged)
            lan.send(marker(number))
        for capture in (passed, same):
            assert [capture.record()[2] for _ in range(3)] == [marker(number) for number in range(3)]
        assert [dropped.record()[:3] for _ in range(3)] == [(DROPPED, "other-mac", forged)] * 3


def test_frames_of_each_size(lans, host, station):
    for machine in (host, station):
        machine.ip("link", "set", "eth0", "mtu", "9000")
    lan = lans("Senders=any\n")
    with captured(lan) as capture, captured(lan, snapLength=64) as short:
        for length in (14, 60, 128, 129, 512, 513, 1514, 2048, 2049, 9014):
            sent = (mac_bytes(BROADCAST) + mac_bytes(GUEST) + b"\x88\xb5").ljust(length, b"x")
            lan.send(sent)
            assert capture.record() == (SENT, None, sent, length)
            assert short.record() == (SENT, None, sent[:64], length)


def test_a_large_frame_while_as_many_ports_as_possible_are_captured(lans, host, station):
    for machine in (host, station):
        machine.ip("link", "set", "eth0", "mtu", "65535")
    lan = lans("Senders=any\n")
    with lan.daemon.connect() as connection, captured(lan) as capture, contextlib.ExitStack() as others:
        for number in range(15):
            make_port(lan.daemon, 0, f"p{number}")
            others.enter_context(Capture(connection, f"p{number}"))
        sent = (mac_bytes(BROADCAST) + mac_bytes(GUEST) + b"\x88\xb5").ljust(60000, b"x")
        lan.send(sent)
        assert capture.record() == (SENT, None, sent, 60000)
    lan.daemon.ctl("port", "delete", *(f"p{number}" for number in range(15)))


def test_the_tag_of_a_received_frame(lans):
    """The kernel keeps it beside the frame."""
    lan = lans()
    tagged = mac_bytes(BROADCAST) + mac_bytes(lan.wire.mac) + bytes.fromhex("8100002a88b5") + b"tagged".ljust(50)
    with captured(lan) as capture:
        lan.wire.send(tagged)
        assert capture.record() == (RECEIVED, None, tagged, len(tagged))


def test_what_the_port_answers_itself(lans):
    """A DHCP client's question, although it goes no further, and the answer."""
    lan = lans(GUARDED + "[Addresses]\nSubnet=10.9.0.0/24\nServe=dhcp\n")
    discover = question(GUEST, DISCOVER)
    with captured(lan) as capture:
        lan.send(discover)
        assert capture.record()[:3] == (SENT, None, discover)
        kind, _, answer, _ = capture.record()
        assert kind == RECEIVED and answer[34:38] == struct.pack("!HH", 67, 68)


# ---- beside the parent ----------------------------------------------------------------------------------------------

def test_parent_and_port_side_by_side(lans):
    """The classic exercise: what the guard drops is at the port only, what it passes at both, and what is for another
    station at the parent only."""
    lan = lans()
    forged, honest = arp(BROADCAST, "10.9.0.66", "10.9.0.9"), arp(BROADCAST, OWN, "10.9.0.9")
    for_other, for_all = frame("02:00:00:00:00:77", lan.wire.mac, b"other"), frame(BROADCAST, lan.wire.mac, b"all")
    tcpdump = lan.daemon.host.start("tcpdump", "-i", "eth0", "-l", "-n", "-xx", "-c", "3", "arp or ether proto 0x88b5",
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        while b"listening on" not in tcpdump.stderr.readline():
            assert tcpdump.poll() is None
        with captured(lan, frames="all") as capture:
            lan.send(forged)
            lan.send(honest)
            lan.wire.send(for_other)
            lan.wire.send(for_all)
            at_port = [record[:3] for record in capture.until(for_all)]
        at_parent = re.sub(r"^\t0x.*?:|\s", "", tcpdump.communicate(timeout=20)[0].decode(), flags=re.M)
    finally:
        tcpdump.kill()
    assert at_port == [(DROPPED, "arp-address", forged), (SENT, None, honest), (RECEIVED, None, for_all)]
    places = [at_parent.find(data.hex()) for data in (honest, for_other, for_all)]
    assert forged.hex() not in at_parent and -1 not in places and places == sorted(places)


# ---- macvtapctl -----------------------------------------------------------------------------------------------------

def test_lines(lans):
    lan = lans()
    with Ctl(lan.daemon, lan.port()["name"], "--count", "2") as ctl:
        lan.send(arp(BROADCAST, OWN, "10.9.0.9"))
        lan.wire.send(arp(GUEST, "10.9.0.9", OWN))
        status, lines, err = ctl.finish()
    assert (status, err) == (0, "2 frames\n")
    assert [line.split("  ", 1)[1] for line in lines] == [
        f"sent      {GUEST} > {BROADCAST} ARP 10.9.0.5 is-at {GUEST}, length 60",
        f"received  {GUEST} > {GUEST} ARP 10.9.0.9 is-at {GUEST}, length 60"]


def test_lines_have_a_column_for_the_reason(lans):
    lan = lans()
    name = lan.port()["name"]
    with Ctl(lan.daemon, name, "--dropped", "arp") as ctl, Ctl(lan.daemon, name, "--only-dropped", "-c2") as of_dropped:
        lan.send(arp(BROADCAST, "10.9.0.66", "10.9.0.9"))
        lan.send(frame(BROADCAST, GUEST, b"filtered"))
        lan.send(arp(BROADCAST, OWN, "10.9.0.9"))
        lines = [ctl.process.stdout.readline().decode().split(maxsplit=3) for _ in range(2)]
        status, rest, err = ctl.finish(signal.SIGINT)
        only_dropped = of_dropped.finish()[1]
    assert [line[1:3] for line in lines] == [["dropped", "arp-address"], ["sent", "-"]]
    assert (status, rest, err) == (0, [], "2 frames\n")
    assert [line.split()[1:3] for line in only_dropped] == [["dropped", "arp-address"], ["dropped", "other-protocol"]]


ASKED = mac_bytes(BROADCAST) + mac_bytes(GUEST) + bytes.fromhex("08060001080006040001") + mac_bytes(GUEST) + \
    bytes((10, 9, 0, 5)) + bytes(6) + bytes((10, 9, 0, 9)) + bytes(18)
ANSWER = mac_bytes(GUEST) + mac_bytes("02:00:00:00:00:09") + bytes.fromhex("0806000108000604000202000000") + b"\0\x09" + \
    bytes((10, 9, 0, 9)) + mac_bytes(GUEST) + bytes((10, 9, 0, 5)) + bytes(18)
FORGED = arp(BROADCAST, "10.9.0.66", OWN)
OWN_ARP = arp(BROADCAST, OWN, "10.9.0.9")


def as_in_the_document(lan, text, exchange):
    """Run the block's command while these frames go (True: the guest's), and compare what it says with the block, but the time."""
    line, said, *frames = text.splitlines()
    with Ctl(lan.daemon, *shlex.split(line)[3:]) as ctl:
        for is_sent, data in exchange:
            (lan.send if is_sent else lan.wire.send)(data)
        lines = [ctl.process.stdout.readline().decode().rstrip() for _ in frames]
        ctl.finish(signal.SIGINT)
    assert said == "capturing port web (mvt3 on network lan); Ctrl-C ends it"
    assert [line.split(maxsplit=1)[1] for line in lines] == [line.split(maxsplit=1)[1] for line in frames]


def test_the_document(lans):
    """Each command of capture.md, with the output that stands there."""
    lan = lans()
    lan.guest.close()
    lan.guest = lan.create(GUEST, name="web")
    as_in_the_document(lan, block("docs/capture.md", "Capturing a port's frames", 0), [(True, ASKED), (False, ANSWER)])
    as_in_the_document(lan, block("docs/capture.md", "What the guard drops", 0), [(True, FORGED), (True, OWN_ARP)])
    (line,) = commands(block("docs/capture.md", "Capturing a port's frames", 1))
    with Ctl(lan.daemon, *shlex.split(line)[3:]) as ctl:
        for _ in range(10):
            lan.send(ASKED)
        assert ctl.finish()[0] == 0
    dump, capture = commands(block("docs/capture.md", "Port and parent side by side", 0))
    with contextlib.closing(lan.daemon.host.start(*shlex.split(dump), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL).stderr) as said:
        while b"listening on" not in said.readline():
            pass
    with Ctl(lan.daemon, *shlex.split(capture)[3:]) as ctl:
        lan.send(FORGED)
        assert b"dropped   arp-address" in ctl.process.stdout.readline()


def test_files_that_tcpdump_reads(lans, tmp_path):
    lan = lans()
    path = tmp_path / "web.pcapng"
    with Ctl(lan.daemon, lan.port()["name"], "--dropped", "-w", path, "-c", "2") as ctl, \
            Ctl(lan.daemon, lan.port()["name"], "-w", "-") as piped:
        lan.send(arp(BROADCAST, "10.9.0.66", "10.9.0.9"))
        lan.send(arp(BROADCAST, OWN, "10.9.0.9"))
        assert ctl.finish()[0] == 0
        lan.daemon.ctl("port", "delete", lan.port()["name"])
        data = piped.process.stdout.read()
        status = piped.process.wait(20)
    assert path.stat().st_mode & 0o777 == 0o600
    read = subprocess.run(["tcpdump", "-n", "-r", path], capture_output=True, text=True, check=True).stdout
    assert [line.split(" ", 1)[1] for line in read.splitlines()] == [
        f"ARP, Reply 10.9.0.66 is-at {GUEST}, length 46", f"ARP, Reply {OWN} is-at {GUEST}, length 46"]
    assert b"dropped by the port's guard: arp-address" in path.read_bytes()
    assert status == 1
    read = subprocess.run(["tcpdump", "-n", "-r", "-"], input=data, capture_output=True, check=True).stdout.decode()
    assert len(read.splitlines()) == 1


def test_misuse(lans):
    lan = lans()
    name = lan.port()["name"]
    for arguments, words in (
            ((), ["PORT"]), ((name, "ether", "hots"), ["'ether hots' is not a filter", "pcap-filter(7)"]),
            ((name, "-s0"), ["--snap-length must be 1 to 65536 bytes, not 0"]),
            ((name, "-c-1"), ["--count must be 1 or more frames, not -1"]), ((name, "--json"), ["has no JSON"])):
        check_refused(lan.daemon.ctl("port", "capture", *arguments, check=False), USAGE, *words)
    check_refused(lan.daemon.ctl("port", "capture", "nobodys", check=False), REFUSED, "there is no port 'nobodys'")
    check_refused(lan.daemon.ctl("port", "capture", name, "-w", "/nowhere/x", check=False), REFUSED,
                  "cannot write /nowhere/x")
    for wishes in ({}, {"port": name, "frames": "sent"}, {"port": name, "snapLength": 0},
                   {"port": name, "snapLength": 65537}, {"port": name, "promiscuous": True}):
        with lan.daemon.connect() as connection, pytest.raises(VarlinkError):
            connection.ports("CapturePort", **wishes)


# ---- who may --------------------------------------------------------------------------------------------------------

@pytest.fixture
def shared(daemons, host, station):
    """A daemon with a network for Alice and Bob, one for passthru ports, and a container socket."""
    daemon = daemons(host).open_to_containers()
    daemon.network("lan", "eth0", AllowUsers=f"{ALICE} {BOB} 0")
    daemon.start()
    yield daemon
    if daemon.running:
        for port in daemon.ports():
            daemon.ctl("port", "delete", port["id"])


def make_port(daemon, user, name, path=None, network="lan"):
    with as_user(daemon, user, path) as connection:
        return connection.ports("CreatePort", network=network, name=name, vhost="off", openDescriptors=False,
                                holder=NONE)["port"]


def test_the_owner_and_root_may(shared):
    make_port(shared, ALICE, "alices")
    for user in (ALICE, 0):
        with as_user(shared, user) as connection, Capture(connection, "alices"):
            pass
    assert "there is no port 'alices'" in refused(shared, "PortNotFound", as_user(shared, BOB), port="alices")
    lines = [line for line in shared.trail() if "capture" in line]
    assert len(lines) == 3
    assert lines[0].startswith("port alices captured by uid 23001") and lines[0].endswith(": its frames")
    assert lines[2].startswith("refused uid 23002") and "to capture port alices: there is no port" in lines[2]


def test_of_containers_only_what_they_made(shared):
    make_port(shared, 0, "hosts")
    make_port(shared, 0, "containers", shared.container_socket)
    refused(shared, "PortNotFound", as_user(shared, 0, shared.container_socket), port="hosts")
    with as_user(shared, 0, shared.container_socket) as connection, Capture(connection, "containers"):
        pass


def test_what_an_owner_may_not(shared):
    make_port(shared, ALICE, "alices")
    shared.network("lan", "eth0", AllowUsers=BOB)
    shared.reload()
    assert "user 23001 may no longer use network lan" in refused(shared, "AccessDenied", as_user(shared, ALICE), port="alices")
    shared.ctl("port", "delete", "alices")
    shared.network("whole", "eth0", "passthru", AllowUsers=ALICE)
    shared.reload()
    make_port(shared, ALICE, "alices", network="whole")
    message = refused(shared, "AccessDenied", as_user(shared, ALICE), port="alices")
    assert message == "only root may capture a passthru port: port alices gets all frames of its parent"
    with shared.connect() as connection, Capture(connection, "alices"):
        pass


def test_limits(shared):
    make_port(shared, ALICE, "alices")
    make_port(shared, BOB, "bobs")
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(Capture(stack.enter_context(as_user(shared, ALICE)), "alices"))
        assert "you already have 4 captures" in refused(shared, "LimitReached", as_user(shared, ALICE), port="alices")
        for user, port in ((BOB, "bobs"), (0, "alices")):
            with as_user(shared, user) as connection, Capture(connection, port):
                pass
    with as_user(shared, ALICE) as connection:  # the others have ended with their readers
        connection.ports("GetPort", port="alices")
        with Capture(connection, "alices"):
            pass


def test_limit_of_ports(shared):
    """Root may capture 16 ports at a time."""
    for number in range(17):
        make_port(shared, 0, f"p{number}")
    with shared.connect() as connection, contextlib.ExitStack() as stack:
        for number in range(16):
            stack.enter_context(Capture(connection, f"p{number}"))
        assert "16 ports are already captured" in refused(shared, "LimitReached", port="p16")
        stack.enter_context(Capture(connection, "p3"))
    with shared.connect() as connection, Capture(connection, "p16"):
        pass


def test_the_descriptor_can_only_be_read(shared):
    make_port(shared, ALICE, "alices")
    with as_user(shared, ALICE) as connection, Capture(connection, "alices") as capture:
        assert (capture.socket.family, capture.socket.type) == (socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with pytest.raises(BrokenPipeError):
            capture.socket.send(b"x")


# ---- how it ends ----------------------------------------------------------------------------------------------------

def test_ends_with_the_port(lans):
    lan = lans()
    port = lan.port()
    with Ctl(lan.daemon, port["id"]) as ctl:
        ctl.finish(signal.SIGKILL)
    with captured(lan) as capture, Ctl(lan.daemon, port["id"]) as ctl:
        lan.send(marker(1))
        assert capture.record()[2] == marker(1)
        lan.daemon.ctl("port", "delete", port["id"])
        assert capture.end() == f"port {port['name']} has ended"
        assert capture.socket.recv(10) == b""
        status, lines, err = ctl.finish()
    assert (status, len(lines)) == (1, 1)
    check_line(err.splitlines()[-1], "macvtapctl", f"the capture has ended: port {port['name']} has ended")


def test_ends_with_the_device(lans):
    lan = lans()
    port = lan.port()
    with captured(lan) as capture:
        lan.daemon.host.ip("link", "delete", port["interfaceName"])
        assert capture.end() == f"the device of port {port['name']} is gone"


def test_ends_with_the_daemon(lans):
    lan = lans()
    name = lan.port()["name"]
    with captured(lan) as capture:
        lan.daemon.restart()
        assert capture.end() == "macvtapd is stopping"
    with captured(lan) as capture, Ctl(lan.daemon, name) as ctl:
        lan.daemon.kill()
        assert capture.socket.recv(10) == b""
        status, _, err = ctl.finish()
        assert status == 1
        check_line(err.splitlines()[-1], "macvtapctl", "the capture has ended: macvtapd was killed or has crashed")
    # What it left in the kernel is replaced.
    lan.send(marker(1))
    lan.daemon.start()
    with captured(lan) as capture:
        lan.send(marker(2))
        assert capture.record()[2] == marker(2)


# ---- who is slow ----------------------------------------------------------------------------------------------------

def test_a_reader_that_stops_loses_frames_and_the_guest_none(lans):
    lan = lans()
    filler = arp(BROADCAST, OWN, "10.9.9.9") + bytes(1400)
    with captured(lan) as stopped:
        with lan.daemon.connect() as connection:
            sent = 0
            while sent < 6000:  # more than the socket and the ring hold
                lan.send(filler)
                sent += 1
                if sent % 1000 == 0:
                    connection.ports("ListPorts")  # the daemon answers all the same
        with captured(lan) as reading:
            lan.send(marker(1))
            assert reading.record()[2] == marker(1)
        assert int(lan.daemon.ctl_json("port", "show", lan.port()["id"])["statistics"]["sentPackets"]) >= sent
        n = 0
        stopped.socket.settimeout(20)
        while stopped.record()[2] != marker(2):
            n += 1
            if n == 1000:
                lan.send(marker(2))
            if stopped.lost:
                lan.send(marker(2))
        assert 0 < stopped.lost < sent and n < sent


def test_a_flood_starves_no_other_port(lans):
    """Frames are of one size, so that none fits into what the flood leaves of a ring that it has filled."""
    lan = lans("Senders=any\n")
    of_neighbour = frame(GUEST, NEIGHBOUR, bytes(1000))
    with captured(lan) as flooded, captured(lan, NEIGHBOUR) as quiet:
        lan.daemon.process.send_signal(signal.SIGSTOP)  # it is as slow as can be
        os.waitid(os.P_PID, lan.daemon.process.pid, os.WSTOPPED | os.WNOWAIT)
        for _ in range(2000):
            lan.send(frame("02:00:00:00:00:77", GUEST, bytes(1000)))
        lan.neighbour.send(of_neighbour)
        lan.daemon.process.send_signal(signal.SIGCONT)
        assert quiet.record() == (SENT, None, of_neighbour, len(of_neighbour))
        assert quiet.lost == 0
        lan.send(marker(1))
        flooded.until(marker(1))
        assert flooded.lost > 0


def cost_of_a_frame(lan, frames):
    """Nanoseconds of processor time from a write to the tap to its return: the frame is on its way then."""
    data = bytes(lan.guest.header) + arp("02:00:00:00:00:77", OWN, "10.9.9.9")
    return float(subprocess.run([f"{BUILD}/tests/support/fixtures/frame-writer", data.hex(), str(frames)], check=True,
                                stdin=lan.guest.fileno(), capture_output=True, text=True).stdout)


@pytest.mark.long
def test_a_reader_that_stops_costs_the_guest_nothing(lans):
    """Frames a second are at least 0.97 of those without, in the median of pairs."""
    lan = lans()
    ratios = []
    for _ in range(41):
        without = cost_of_a_frame(lan, 20000)
        with captured(lan) as capture:
            cost_of_a_frame(lan, 20000)  # fills the reader's socket
            ratios.append(without / cost_of_a_frame(lan, 20000))
            while not capture.lost:  # it was full
                lan.send(marker(1))
                capture.record()
    ratios.sort()
    print(f"frames a second with a reader that stops, of those without: {ratios[len(ratios) // 2]:.3f}"
          f" ({ratios[len(ratios) // 4]:.3f} to {ratios[-len(ratios) // 4]:.3f})")
    assert ratios[len(ratios) // 2] >= 0.97
