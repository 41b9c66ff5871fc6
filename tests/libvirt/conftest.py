# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine with libvirtd, our hook and macvtapd, per module; after each test nothing may be left on it."""
import pytest

from libvirt_host import LibvirtHost, check_afterwards


class Site(LibvirtHost):
    """machine has two parents, each cabled to station: eth0 of the network `lan` (bridge), and eth1 of the networks
    `own` (passthru that assigns the guest's MAC) and `inherit` (passthru with the parent's)."""

    PARENTS = ("eth0", "eth1")

    def _wire(self):
        for number, parent in enumerate(self.PARENTS):
            self.machine.connect(parent, self.station, parent)
            self.machine.quiet(parent)
            self.station.quiet(parent)
            self.station.address(parent, f"10.0.{number}.254/24")

    def _networks(self):
        self.daemon.network("lan", "eth0")
        self.daemon.network("own", text="[Network]\nParent=eth1\nMode=passthru\n[Port]\nMac=assign\n")
        self.daemon.network("inherit", "eth1", "passthru")


@pytest.fixture(scope="module")
def module_site():
    site = Site()
    yield site
    site.close()


@pytest.fixture
def site(request, module_site):
    """The module's Site; the test fails when anything is left after its domains have gone."""
    yield from check_afterwards(request, module_site)
