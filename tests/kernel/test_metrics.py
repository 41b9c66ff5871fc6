# SPDX-License-Identifier: LGPL-2.1-or-later
"""`macvtapctl metrics` and GetStatistics: the guest's view, in forms that others parse, for whom, and over HTTP."""
import contextlib
import os
import shutil
import socket
import subprocess

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.parser import text_string_to_metric_families as classic_families

from frames import BROADCAST, Tap, frame
from guard_lan import on_one_cpu
from programs import BUILD, SOURCE, program
from refusal import USAGE, check_refused
from tracing import Trace
from varlink import Connection

pytestmark = pytest.mark.shared

ALICE, BOB, READER = 23001, 23002, 23999
NONE = {"type": "none"}
FORGED = "52:54:00:66:66:66"


def samples(text, families=text_string_to_metric_families):
    """Each sample: (name, labels) -> value. The parser refuses what is not in the format."""
    found = {}
    for family in families(text):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def value(found, metric, **labels):
    (number,) = [number for (sample, has), number in found.items()
                 if sample == metric and labels.items() <= dict(has).items()]
    return number


@pytest.fixture
def daemon(daemons, host, station):
    made = daemons(host).open_to_containers()
    made.network("lan", "eth0", AllowUsers=f"{ALICE} {BOB} 0")
    made.network("broken", text="[Network]\nParent=\n")
    host.run("sh", "-c", f"(cat /etc/group; echo macvtapd-metrics:x:{READER}:) >/run/group &&"
                         " mount --bind /run/group /etc/group")
    made.start()
    yield made
    if made.running:
        for port in made.ports():
            made.ctl("port", "delete", port["id"])


@contextlib.contextmanager
def as_user(daemon, user, group=None, path=None):
    groups = os.getgroups()
    os.setgroups([group] if group else [])
    os.seteuid(user)
    try:
        connection = Connection(path or daemon.socket)
    finally:
        os.seteuid(0)
        os.setgroups(groups)
    with connection:
        yield connection


def make_port(connection, name, **more):
    return connection.ports("CreatePort", network="lan", name=name, vhost="off", holder=NONE, **more)["port"]


def metrics(daemon, *arguments):
    return samples(daemon.ctl("metrics", *arguments).stdout)


def test_the_guests_view(daemon, station):
    with daemon.connect() as connection, on_one_cpu():
        port = make_port(connection, "web")
        other = make_port(connection, "other", openDescriptors=False)
        (descriptor,) = connection.take_descriptors()
        with Tap(descriptor) as tap:
            before = metrics(daemon)
            for _ in range(5):
                tap.send(frame(other["macAddress"], port["macAddress"], b"x" * 100))
            for _ in range(3):
                tap.send(frame(BROADCAST, FORGED, b"forged"))
            after = metrics(daemon)
    labels = {"name": "web", "network": "lan", "device": port["interfaceName"]}
    assert value(after, "macvtapd_network_transmit_packets_total", **labels) == \
        value(before, "macvtapd_network_transmit_packets_total", **labels) + 5
    assert value(after, "macvtapd_network_transmit_bytes_total", **labels) >= 5 * 114
    assert value(after, "macvtapd_network_receive_packets_total", name="other") >= \
        value(before, "macvtapd_network_receive_packets_total", name="other") + 5
    assert value(after, "macvtapd_guard_drop_total", reason="other-mac", **labels) == 3
    assert value(after, "macvtapd_ports", network="lan", state="active") == 2
    assert value(after, "macvtapd_port_open_queues", name="web") == 1
    assert value(after, "macvtapd_network_usable", network="lan") == 1
    assert value(after, "macvtapd_network_usable", network="broken") == 0


def test_open_queues_of_a_domain_are_unknown(daemon):
    """libvirt opens its port's queues by path, unseen by macvtapd: 0 would mean that no VMM has the port."""
    with daemon.connect() as connection:
        port = make_port(connection, "domain", openDescriptors=False, deviceNode={"owner": 0, "group": 0})
        make_port(connection, "unused", openDescriptors=False)
        descriptor = os.open(port["deviceNode"], os.O_RDWR)
        try:
            found = metrics(daemon)
        finally:
            os.close(descriptor)
    assert value(found, "macvtapd_port_link_up", name="domain") == 1
    assert [dict(labels)["name"] for name, labels in found if name == "macvtapd_port_open_queues"] == ["unused"]


def test_leases(daemon):
    daemon.network("given", text="[Network]\nParent=eth0\nMode=bridge\n[Addresses]\nSubnet=10.9.0.0/24\nRange=10.9.0.32/28\n")
    daemon.reload()
    for name in ("web", "db"):
        daemon.ctl("port", "create", "--network", "given", "--name", name)
    found = metrics(daemon)
    assert value(found, "macvtapd_network_addresses_leased", network="given", family="IPv4") == 2
    assert value(found, "macvtapd_network_addresses_free", network="given", family="IPv4") == 14
    assert value(found, "macvtapd_port_leases", name="web") == 1
    assert not [key for key in found if key[0] == "macvtapd_network_addresses_free" and ("network", "lan") in key[1]]


def test_of_the_daemon(daemon):
    with daemon.connect() as connection:
        make_port(connection, "web", openDescriptors=False)
        connection.ports("DeletePort", port="web")
        connection.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
        assert connection.reply() == {"event": "ready"}
        daemon.ctl("port", "delete", "nobodys", check=False)
        found = metrics(daemon)
    assert value(found, "macvtapd_ports_created_total") == 1
    assert value(found, "macvtapd_ports_ended_total", reason="deleted") == 1
    assert value(found, "macvtapd_ports_ended_total", reason="holder") == 0
    assert value(found, "macvtapd_refusals_total", error="PortNotFound") >= 1
    assert value(found, "macvtapd_watches") == 1
    assert value(found, "macvtapd_connections") == 2
    assert value(found, "macvtapd_requests_total") == 5
    assert value(found, "macvtapd_build_info") == 1


def test_counters_never_go_back(daemon, station):
    """While the port lives: over restarts, kills, reloads, and a guard that is attached again."""
    def restart():
        daemon.kill()
        tap.send(frame(BROADCAST, FORGED, b"forged"))
        daemon.start()

    def lose_guard():
        daemon.host.run("tc", "qdisc", "del", "dev", port["interfaceName"], "clsact")

    with daemon.connect() as connection:
        port = make_port(connection, "web")
        (descriptor,) = connection.take_descriptors()
    with Tap(descriptor) as tap:
        before = {}
        for change in (lambda: None, daemon.restart, restart, daemon.reload, lose_guard, daemon.restart):
            tap.send(frame(BROADCAST, port["macAddress"], b"honest"))
            tap.send(frame(BROADCAST, FORGED, b"forged"))
            change()
            now = {key: number for key, number in metrics(daemon).items() if ("name", "web") in key[1]}
            went_back = [key for key in before if key[0].endswith("_total") and now[key] < before[key]]
            assert not went_back
            before = now
    assert value(before, "macvtapd_guard_drop_total", reason="other-mac") >= 6


def test_who_sees_what(daemon):
    for user, name in ((ALICE, "alices"), (BOB, "bobs"), (0, "roots")):
        with as_user(daemon, user) as connection:
            make_port(connection, name, openDescriptors=False)

    def seen(user, group=None, path=None):
        with as_user(daemon, user, group, path) as connection:
            answer = connection.ports("GetStatistics")
        assert all("macAddress" not in port and "seenAddresses" not in port for port in answer["ports"])
        return sorted(port["name"] for port in answer["ports"]), "daemon" in answer

    everything = ["alices", "bobs", "roots"]
    assert seen(0) == (everything, True)
    assert seen(ALICE) == (["alices"], False)
    assert seen(READER) == ([], False)  # the group's number is no user's
    assert seen(65534, READER) == (everything, True)
    assert seen(65534, READER, daemon.container_socket) == ([], False)
    assert seen(0, None, daemon.container_socket) == ([], False)
    with as_user(daemon, 65534, READER) as connection:  # and that is all that the group is for
        assert connection.ports("ListPorts")["ports"] == []
    daemon.host.run("umount", "/etc/group")
    daemon.reload()
    assert seen(65534, READER) == ([], False)


def test_modules_that_load_late_are_refused_no_call(daemon, tmp_path):
    """Until then every name was in a file, so the filter on system calls is older than what a module loads."""
    daemon.host.run("umount", "/etc/group")
    with Trace(daemon.process.pid, tmp_path / "trace") as trace:
        daemon.reload()
    assert [call for call in trace.calls() if "EPERM" in call[1]] == []


def test_classic(daemon):
    with daemon.connect() as connection:
        make_port(connection, "web", openDescriptors=False)
    text = daemon.ctl("metrics", "--classic").stdout
    assert value(samples(text, classic_families), "macvtapd_ports", state="active") == 1
    assert "# EOF" not in text
    assert set(daemon.ctl_json("metrics")) == {"networks", "ports", "daemon"}
    check_refused(daemon.ctl("metrics", "--json", "--http", check=False), USAGE, "--json cannot be combined with")


# ---- over HTTP ------------------------------------------------------------------------------------------------------

def scrape(daemon, request, user=None):
    """What one connection to the socket unit gets: (exit status, answer, stderr)."""
    ours, its = socket.socketpair()
    become = ["setpriv", f"--reuid={user}", "--regid=65534", f"--groups={READER}", "--"] if user else []
    process = daemon.host.start(*become, program("macvtapctl"), "metrics", "--http", stdin=its, stdout=its,
                                stderr=subprocess.PIPE, env=daemon.environment())
    its.close()
    with ours:
        ours.sendall(request)
        ours.shutdown(socket.SHUT_WR)
        answer = b""
        while data := ours.recv(65536):
            answer += data
    return process.wait(20), answer.decode(), process.stderr.read().decode()


def test_a_scrape(daemon):
    with daemon.connect() as connection:
        make_port(connection, "web", openDescriptors=False)
    accept = b"Accept: application/openmetrics-text;version=1.0.0\r\n"
    status, answer, err = scrape(daemon, b"GET /metrics HTTP/1.1\r\nHost: x\r\n" + accept + b"\r\n", 65534)
    head, body = answer.split("\r\n\r\n")
    assert (status, err) == (0, "")
    assert head.startswith("HTTP/1.1 200 OK\r\n") and f"\r\nContent-Length: {len(body)}\r\n" in head
    assert "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n" in head
    assert value(samples(body), "macvtapd_ports", network="lan", state="active") == 1
    assert scrape(daemon, b"GET / HTTP/1.1\r\n\r\n")[1].startswith("HTTP/1.1 404 ")
    status, answer, err = scrape(daemon, b"GET /met")
    assert (status, answer) == (1, "") and "the client did not send a complete request" in err
    daemon.stop()
    status, answer, err = scrape(daemon, b"GET /metrics HTTP/1.1\r\n\r\n")
    assert status == 1 and answer.startswith("HTTP/1.1 503 ") and "is it running?" in answer and "is it running?" in err
    daemon.start()


def test_the_unit_is_valid_and_confined(tmp_path):
    folder = BUILD / "src/tools"
    service = (folder / "macvtapd-metrics@.service").read_text(encoding="utf-8")
    (line,) = [line for line in service.splitlines() if line.startswith("ExecStart=")]
    assert line.endswith("/bin/macvtapctl metrics --http")
    (tmp_path / "macvtapd-metrics@.service").write_text(service.replace(line, "ExecStart=/bin/true"), encoding="utf-8")
    shutil.copy(SOURCE / "src/tools/units/macvtapd-metrics.socket", tmp_path)
    paths = [tmp_path / "macvtapd-metrics@.service", tmp_path / "macvtapd-metrics.socket"]
    for path in paths:
        path.chmod(0o644)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *paths], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--no-pager", paths[0]],
                          stdout=subprocess.PIPE, text=True)
    (exposure,) = [line for line in done.stdout.splitlines() if "Overall exposure level" in line]
    assert float(exposure.split(": ")[1].split()[0]) <= 1.5, done.stdout


@pytest.mark.long
def test_promtool(daemon, tmp_path):
    """The check of Prometheus itself, for its own text format."""
    subprocess.run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", "prometheus"], cwd=tmp_path, check=True)
    (package,) = tmp_path.glob("prometheus_*.deb")
    subprocess.run(["dpkg", "-x", package, tmp_path], check=True)
    with daemon.connect() as connection:
        port = make_port(connection, "web")
        (descriptor,) = connection.take_descriptors()
        with Tap(descriptor) as tap:
            tap.send(frame(BROADCAST, FORGED, b"forged"))
    text = daemon.ctl("metrics", "--classic").stdout
    assert f'macvtapd_guard_drop_total{{name="web",network="lan",device="{port["interfaceName"]}",reason="other-mac"}} 1' in text
    done = subprocess.run([tmp_path / "usr/bin/promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
