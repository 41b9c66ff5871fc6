# SPDX-License-Identifier: LGPL-2.1-or-later
"""The guest image itself, on a macvtap made by hand: if this fails, look no further at the others."""
import os

import frames
import guest


def test_guest_reaches_station(hosts, host, station, guests):
    mac = "52:54:00:00:00:01"
    host.ip("link", "add", "vm0", "link", "eth0", "address", mac, "type", "macvtap", "mode", "bridge")
    host.ip("link", "set", "vm0", "up")
    descriptor = frames.open_tap(host, "vm0")
    assert frames.tap_interface(descriptor)[0] == "vm0"
    running = guests(guest.run_with_descriptor, host, descriptor, "10.0.0.1/24", mac, ping=["10.0.0.254"])
    os.close(descriptor)
    assert running.wait_ready()["mac"] == mac
    running.wait_ping("10.0.0.254")
