# SPDX-License-Identifier: LGPL-2.1-or-later
"""Parents that cannot be: a bond without slaves, Wi-Fi."""
import os
import subprocess

import pytest

MODES = ("bridge", "vepa", "private", "passthru", "source")


def refused(daemon, network):
    done = daemon.ctl("port", "create", "--network", network, check=False)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1), done
    assert daemon.leftovers() == []
    return done.stderr


@pytest.fixture
def running(daemons, host):
    return daemons(host).start()


def test_bond_without_slaves(running, host, station):
    host.ip("link", "add", "bond0", "type", "bond", "mode", "active-backup", "miimon", "50")
    assert "bond0 is down" in refused(running, "parent=bond0,mode=bridge")
    host.ip("link", "set", "bond0", "up")
    for mode in MODES:
        assert "bond bond0 has no slaves" in refused(running, f"parent=bond0,mode={mode}")
    assert "bond bond0 has no slaves" in refused(running, "parent=bond0,mode=bridge,vlan=100")
    assert sorted(host.links()) == ["bond0", "eth0", "lo"]
    # With a slave it is a parent, and the slave is none.
    host.ip("link", "set", "eth0", "down")
    host.ip("link", "set", "eth0", "master", "bond0")
    running.ctl("port", "create", "--network", "parent=bond0,mode=bridge", "--name=vm")
    running.ctl("port", "delete", "vm")
    message = refused(running, "parent=eth0,mode=bridge")
    assert "eth0 is a port of bond bond0" in message and "use bond0" in message


@pytest.fixture
def wifi(host):
    """wlan0 in the host: the lab's simulated Wi-Fi interface, which ends with the test (a radio stays where it went)."""
    try:
        (phy,) = os.listdir("/sys/class/ieee80211")
        subprocess.run(["iw", "phy", phy, "set", "netns", str(host.pid)], check=True)
        (name,) = [name for name in host.links() if os.path.exists(host.path(f"/sys/class/net/{name}/phy80211"))]
        host.ip("link", "set", name, "name", "wlan0")
        host.ip("link", "set", "wlan0", "up")
        yield
    finally:
        subprocess.run(["modprobe", "-r", "mac80211_hwsim"], check=True)


def test_wifi(running, host, wifi):
    for mode in MODES:
        message = refused(running, f"parent=wlan0,mode={mode}")
        assert "wlan0 is a Wi-Fi interface" in message and "passthru included" in message
    assert "Wi-Fi" in refused(running, "parent=wlan0,mode=bridge,vlan=100")
    assert sorted(host.links()) == ["lo", "wlan0"]
