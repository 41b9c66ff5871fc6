# SPDX-License-Identifier: LGPL-2.1-or-later
"""systemd's units: that systemd understands them, that what the service leaves of root's power is enough, and little."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from node import users
from privileges import declared_calls, declared_capabilities, is_sanitized, start_capabilities
from programs import BUILD

SERVICE = BUILD / "src/daemon/macvtapd.service"
UNITS = pathlib.Path(__file__).resolve().parents[2] / "src/daemon/units"
SOCKETS = [UNITS / "macvtapd.socket", UNITS / "macvtapd-containers.socket"]
EXPOSURE_MAX = 2.0  # of 10


def setting(name):
    return re.findall(rf"^{name}=(.*)$", SERVICE.read_text(encoding="utf-8"), re.MULTILINE)


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)


@pytest.fixture
def units(tmp_path):
    """The units, of a service whose program is there; the service is the first."""
    text = SERVICE.read_text(encoding="utf-8")
    (program,) = setting("ExecStart")
    assert program.endswith("/sbin/macvtapd")
    (tmp_path / SERVICE.name).write_text(text.replace(program, shutil.which("true")), encoding="utf-8")
    paths = [tmp_path / SERVICE.name, *(pathlib.Path(shutil.copy(socket, tmp_path)) for socket in SOCKETS)]
    for path in paths:
        path.chmod(0o644)  # whatever the umask
    return paths


def test_units_are_valid(units):
    done = analyze("verify", "--man=no", *units)
    assert (done.returncode, done.stdout) == (0, "")


def test_exposure(units):
    done = analyze("security", "--offline=yes", "--no-pager", units[0])
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found and float(found[1]) <= EXPOSURE_MAX, done.stdout


def test_capabilities_are_the_daemons_own():
    (capabilities,) = setting("CapabilityBoundingSet")
    assert set(capabilities.split()) == declared_capabilities() | start_capabilities()


def expand(names):
    """The system calls that a SystemCallFilter= stands for."""
    calls = set()
    for name in names:
        if name.startswith("@"):
            lines = analyze("syscall-filter", name).stdout.splitlines()[1:]
            calls |= expand(line.strip() for line in lines if line.strip() and not line.strip().startswith("#"))
        else:
            calls.add(name)
    return calls


def allowed_calls():
    """As systemd does it: the first line makes the list, others add to it or take away."""
    calls = set()
    for line in setting("SystemCallFilter"):
        if line.startswith("~"):
            calls -= expand(line[1:].split())
        else:
            calls |= expand(line.split())
    # What systemd always lets a service have; futex_waitv and the like are in it as well.
    return calls | expand(["@default"])


def test_filter_has_what_the_daemon_needs():
    assert declared_calls() - allowed_calls() == set()


def narrowed():
    (capabilities,) = setting("CapabilityBoundingSet")
    kept = ",".join("+" + name.removeprefix("CAP_").lower() for name in capabilities.split())
    return ["setpriv", "--no-new-privs", f"--bounding-set=-all,{kept}"]


@pytest.mark.native("strace would show valgrind's own system calls")
def test_filter_has_what_a_start_needs(daemons, host, station, tmp_path):
    if is_sanitized():
        pytest.skip("cannot run with sanitizers, which make calls of their own")
    trace = tmp_path / "trace"
    daemon = daemons(host, wrapper=[*narrowed(), "strace", "-D", "-f", "-qq", "-o", trace])
    daemon.network("lan", "eth0", AllowUsers="nobody", AllowGroups="nogroup")
    daemon.start()
    seen = {match[1] for match in re.finditer(r"^\d+ +(\w+)\(", trace.read_text(encoding="utf-8"), re.MULTILINE)}
    assert "execve" in seen and seen - allowed_calls() == set()


@pytest.fixture
def confined(daemons, host, station):
    daemon = daemons(host, wrapper=narrowed())
    daemon.network("lan", "eth0")
    daemon.network("through", text="[Network]\nParent=eth0\nMode=passthru\n[Port]\nMac=assign\n")
    return daemon.start()


def test_capabilities_are_enough(confined, host):
    with confined.connect() as connection:
        node = {"owner": 65534, "group": 65534}
        port = connection.ports("CreatePort", network="lan", queues=4, holder={"type": "none"})["port"]
        os.unlink(f"/dev/tap{port['interfaceIndex']}")
        connection.ports("OpenPort", port=port["id"])  # by a node of its own
        connection.ports("DeletePort", port=port["id"])
        port = connection.ports("CreatePort", network="lan", openDescriptors=False, deviceNode=node,
                                holder={"type": "none"})["port"]
        assert users(f"/dev/tap{port['interfaceIndex']}") == {0, 65534}
        connection.ports("DeletePort", port=port["id"])
        port = connection.ports("CreatePort", network="lan", incoming=True, holder={"type": "none"})["port"]
        connection.ports("DeletePort", port=port["id"])
        before = host.mac("eth0")
        port = connection.ports("CreatePort", network="through", macAddress="52:54:00:00:00:07",
                                holder={"type": "none"})["port"]
        connection.ports("DeletePort", port=port["id"])
        assert host.mac("eth0") == before
