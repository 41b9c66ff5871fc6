# SPDX-License-Identifier: LGPL-2.1-or-later
"""A bond of any mode is a parent."""
import pytest

from frames import BROADCAST, Tap, frame

MODES = ("802.3ad", "balance-alb")
LONG_MODES = ("balance-rr", "active-backup", "balance-xor", "broadcast", "balance-tlb")
# Those that have a slave of their own to name.
WITH_ACTIVE_SLAVE = ("active-backup", "balance-tlb", "balance-alb")


def plain(state):
    """Without what a bond's own protocols change all the time."""
    return {name: {key: value for key, value in of.items() if key != "linkinfo"} if isinstance(of, dict) else of
            for name, of in state.items()}


@pytest.mark.parametrize("mode", ["bridge", "passthru"])
@pytest.mark.parametrize("bond", [*MODES, *(pytest.param(bond, marks=pytest.mark.long) for bond in LONG_MODES)])
def test_bond(sites, bond, mode):
    site = sites(f"bond:{bond}")
    daemon, station = site.daemon, site.endpoint()
    if not daemon.running:
        daemon.start()
    before = plain(site.state())
    with daemon.connect() as connection:
        port = connection.ports("CreatePort", network=f"parent=bond0,mode={mode}", holder={"type": "none"},
                                vhost="off")["port"]
        (descriptor,) = connection.take_descriptors()
        assert port["carrier"] is True
        assert ("activeSlave" in port) == (bond in WITH_ACTIVE_SLAVE)
        with Tap(descriptor) as tap:
            for destination, payload in ((station.mac, b"to it"), (BROADCAST, b"to all")):
                tap.send(frame(destination, port["macAddress"], payload))
                station.expect(payload)
            for destination, payload in ((port["macAddress"], b"to the guest"), (BROADCAST, b"to everybody")):
                station.send(frame(destination, station.mac, payload))
                tap.expect(payload)
        connection.ports("DeletePort", port=port["id"])
    assert plain(site.state()) == before
    assert daemon.leftovers() == []
