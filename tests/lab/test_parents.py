# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every kind of parent in every mode: a port is made, carries frames both ways, and goes without a trace."""
import os

import pytest

from frames import BROADCAST, Tap, frame
from parent_kinds import KINDS

MODES = ("bridge", "vepa", "private", "source", "passthru")
SAMPLE = ("nic", "vlan-on-bond", "qinq", "own-vlan")  # to make a parent takes longer than what is done with it
FORMS = ("unicast", "broadcast")


@pytest.fixture
def site(sites, kind):
    site = sites(kind)
    if not site.daemon.running:
        for mode in MODES:
            site.daemon.network(mode, text=site.network(mode))
        site.daemon.start()
    return site


def create(connection, network):
    """A port and a tap of it."""
    reply = connection.ports("CreatePort", network=network, holder={"type": "none"})
    descriptors = connection.take_descriptors()
    taps = [descriptors[index] for index in reply["tapFileDescriptors"]]
    for descriptor in set(descriptors) - set(taps):
        os.close(descriptor)
    assert len(taps) == 1
    return reply["port"], Tap(taps[0])


def check_frames(station, tap, mac):
    for form in FORMS:
        payload = f"from the guest, {form}".encode()
        tap.send(frame(station.mac if form == "unicast" else BROADCAST, mac, payload))
        station.expect(payload)
    for form in FORMS:
        payload = f"to the guest, {form}".encode()
        station.send(frame(mac if form == "unicast" else BROADCAST, station.mac, payload))
        tap.expect(payload)


def check_devices(site, port):
    """The port lies where the network says, and its VLAN devices are there."""
    links = site.host.links()
    assert links[port["interfaceName"]]["link"] == port["parent"]
    if not site.vlan:
        assert port["parent"] == site.parent
        return
    assert port["trunk"] == site.parent
    device, tags = port["parent"], []
    while device != site.parent:
        data = links[device]["linkinfo"]["info_data"]
        tags.insert(0, (data["protocol"], data["id"]))
        device = links[device]["link"]
    wanted = [int(tag) for tag in site.vlan.split(".")]
    assert tags == list(zip(["802.1ad", "802.1Q"][-len(wanted):], wanted))
    if "office" in site.trunk:
        assert port["parent"] == "office"


def cells():
    """All of them; only a sample has no mark: of some kinds passthru, and one other mode by turns."""
    for row, kind in enumerate(KINDS):
        for column, mode in enumerate(MODES):
            sampled = kind in SAMPLE and (mode == "passthru" or column == row % (len(MODES) - 1))
            yield pytest.param(kind, mode, marks=[] if sampled else pytest.mark.long)


@pytest.mark.parametrize("kind, mode", cells())
def test_cell(site, mode):
    station = site.endpoint()
    before = site.state()
    with site.daemon.connect() as connection:
        port, tap = create(connection, mode)
        with tap:
            check_devices(site, port)
            check_frames(station, tap, port["macAddress"])
        connection.ports("DeletePort", port=port["id"])
    assert site.state() == before
    assert site.daemon.leftovers() == []
