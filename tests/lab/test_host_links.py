# SPDX-License-Identifier: LGPL-2.1-or-later
"""[Host] Access=yes on a bond, before and after a failover, on a VLAN device, and on a real NIC."""
import contextlib

import pytest

from parent_kinds import STATION_IP, active_slave, wait_link
from stack_guest import StackGuest, talks

GUEST, HOST = "10.0.0.9", "10.0.0.1"
MAC = "52:54:00:00:00:01"


@pytest.fixture
def guest(request, sites):
    """A guest on a site of this kind, whose host has an address on the parent; and that site."""
    site = sites(request.param)
    parent = "office" if request.param == "own-vlan" else site.parent
    with contextlib.ExitStack() as stack:
        site.host.run("sysctl", "-q", "-w", "net/ipv4/conf/all/rp_filter=1")
        site.host.address(parent, f"{HOST}/24")
        stack.callback(site.host.ip, "address", "delete", f"{HOST}/24", "dev", parent)
        before = site.state()
        text = site.network("bridge") + "[Guard]\nSenders=own\n[Host]\nAccess=yes\n"
        site.daemon.network("lan", text=text)
        site.daemon.start()
        stack.callback(site.daemon.stop)
        with site.daemon.connect() as connection:
            connection.ports("CreatePort", network="lan", vhost="off", macAddress=MAC)
            (descriptor,) = connection.take_descriptors()
        guest = StackGuest(descriptor, MAC)
        stack.callback(guest.close)
        guest.address(f"{GUEST}/24")
        yield site, guest
        guest.close()
        assert site.daemon.settle() == []
        assert site.state() == before


def meet(site, guest):
    assert talks(guest.host, site.host, HOST, GUEST)
    assert talks(site.host, guest.host, GUEST, HOST)
    assert talks(guest.host, site.station, STATION_IP, GUEST)


@pytest.mark.long
@pytest.mark.parametrize("guest", ["bond"], indirect=True)
def test_on_a_bond_before_and_after_a_failover(guest):
    site, guest = guest
    meet(site, guest)
    before = active_slave(site.host)
    site.switch.host.ip("link", "set", site.ports[before], "down")
    wait_link(site.host, "bond0", lambda link: active_slave(site.host) not in ("", before))
    meet(site, guest)
    site.switch.host.ip("link", "set", site.ports[before], "up")


@pytest.mark.long
@pytest.mark.parametrize("guest", ["own-vlan", "nic"], indirect=True)
def test_on_a_vlan_device_and_a_nic(guest):
    site, guest = guest
    meet(site, guest)
