# SPDX-License-Identifier: LGPL-2.1-or-later
"""systemd's units: that systemd understands them, and that what the service leaves of root's power is enough."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from programs import BUILD

SERVICE = BUILD / "src/daemon/macvtapd.service"
SOCKET = pathlib.Path(__file__).resolve().parents[2] / "src/daemon/units/macvtapd.socket"


def setting(name):
    return re.findall(rf"^{name}=(.*)$", SERVICE.read_text(encoding="utf-8"), re.MULTILINE)


def test_units_are_valid(tmp_path):
    text = SERVICE.read_text(encoding="utf-8")
    (program,) = setting("ExecStart")
    assert program.endswith("/sbin/macvtapd")
    (tmp_path / SERVICE.name).write_text(text.replace(program, shutil.which("true")), encoding="utf-8")
    shutil.copy(SOCKET, tmp_path)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(tmp_path / SERVICE.name),
                           str(tmp_path / SOCKET.name)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.fixture
def confined(daemons, host, station):
    (capabilities,) = setting("CapabilityBoundingSet")
    kept = ",".join("+" + name.removeprefix("CAP_").lower() for name in capabilities.split())
    daemon = daemons(host, wrapper=["setpriv", "--no-new-privs", f"--bounding-set=-all,{kept}"])
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
        assert os.stat(f"/dev/tap{port['interfaceIndex']}").st_uid == 65534
        connection.ports("DeletePort", port=port["id"])
        port = connection.ports("CreatePort", network="lan", incoming=True, holder={"type": "none"})["port"]
        connection.ports("DeletePort", port=port["id"])
        before = host.mac("eth0")
        port = connection.ports("CreatePort", network="through", macAddress="52:54:00:00:00:07",
                                holder={"type": "none"})["port"]
        connection.ports("DeletePort", port=port["id"])
        assert host.mac("eth0") == before
