# SPDX-License-Identifier: LGPL-2.1-or-later
"""network probe in a VLAN: one that arrives, and one that the switch port does not carry. (The other faults: kernel/test_probe.py.)"""
import json
import subprocess

import pytest


@pytest.fixture
def probe(daemons, host, station):
    """probe(vlan): the checks' results for a port in this VLAN, behind a station that serves VLAN 100 and sends untagged frames."""
    station.ip("link", "add", "link", "eth0", "name", "office", "type", "vlan", "id", "100")
    station.address("office", "10.9.0.254/24")
    station.ip("link", "set", "office", "up")
    server = station.start(
        "dnsmasq", "--conf-file=/dev/null", "--keep-in-foreground", "--log-facility=-", "--port=0", "--user=root", "--pid-file=",
        "--dhcp-leasefile=/dev/null", "--interface=office", "--no-ping", "--dhcp-range=10.9.0.50,10.9.0.60,1h",
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert any("DHCP, " in line for line in server.stderr)
    running = daemons(host).start()

    def ask(vlan):
        running.network("office", text=f"[Network]\nParent=eth0\nVLAN={vlan}\nMode=bridge\n")
        running.reload()
        done = running.ctl("--json", "network", "probe", "office", check=False)
        return done.returncode, {one["check"]: one["result"] for one in json.loads(done.stdout)["findings"]}

    return ask


def test_vlans(probe):
    status, found = probe(100)
    assert (status, found["vlan"], found["mac"], found["dhcp"], found["gateway"], found["mtu"]) == (0, *["ok"] * 5), found
    status, found = probe(200)
    assert (status, found["vlan"], found["dhcp"], found["gateway"]) == (1, "problem", "unknown", "unknown"), found
