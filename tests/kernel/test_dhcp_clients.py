# SPDX-License-Identifier: LGPL-2.1-or-later
"""Serve=dhcp with Debian's DHCP clients: each gets and renews its lease from its own port, in every mode, whether a daemon
lives or not, and nothing of it comes to the wire. A hostile DHCP server is there, and asks to be heard."""
import itertools

import pytest

from clock import Deadline
from dhcp_lan import ACK, ADDRESSES, CLIENTS, DNS, GATEWAY, LEASE, MODES, NAK, OFFER, Site, StackGuest, bootp, ethernet, ipv4, udp
from sample import sampled

WANTED = [LEASE, "255.255.255.0", GATEWAY, DNS, "1500", "3600"]
STRANGER = "10.9.0.200"
ALL = list(itertools.product(MODES, CLIENTS))
# Each mode and each client once.
SAMPLE = {("bridge", "udhcpc"), ("vepa", "dhclient"), ("private", "dhcpcd"), ("passthru", "networkd"),
          ("source", "udhcpc")}


@pytest.fixture
def sites(daemons, hosts, host, station):
    made = []

    def make(**options):
        site = Site(daemons(host), station, **options)
        made.append(site)
        guest = StackGuest(hosts("guest"), site.descriptor, site.mac)
        made.append(guest)
        return site, guest

    station.address("eth0", f"{GATEWAY}/24")
    yield make
    for one in reversed(made):
        one.close()


def offend(site, station_mac):
    """A hostile server's answers, to all and to the guest."""
    for kind, to in itertools.product((OFFER, ACK, NAK), ("ff:ff:ff:ff:ff:ff", site.mac)):
        options = bytes((53, 1, kind)) + bytes((54, 4, 10, 9, 0, 200)) + b"\x33\x04\0\0\x0e\x10\xff"
        message = bootp(site.mac, options, operation=2)
        site.wire.socket.send(ethernet(station_mac, ipv4(STRANGER, "255.255.255.255", udp((67, 68), message)), to))


def check_clients_life(site, guest, client):
    assert client.wait_lease() == WANTED, client.log()
    offend(site, site.wire.socket.mac)
    site.daemon.kill()
    assert client.renew() == WANTED, client.log()
    # The hostile server is heard by nobody, and nobody but the port has answered.
    assert site.dhcp_on_the_wire(guest.port.send) == []
    assert {answer.source for answer in guest.answers()} == {GATEWAY}
    assert all(answer.good_checksum for answer in guest.answers())
    site.daemon.start()
    dropped = site.dropped()
    assert "dhcp-unanswered" not in dropped
    assert dropped["dhcp-other-server"] > 0


@pytest.mark.parametrize("mode, name", sampled(ALL, SAMPLE))
def test_a_client_gets_and_renews_its_lease(sites, mode, name):
    site, guest = sites(mode=mode)
    client = CLIENTS[name](guest)
    try:
        check_clients_life(site, guest, client)
    finally:
        client.close()


@pytest.mark.long
@pytest.mark.parametrize("name, renewed", [("udhcpc", "renew"), ("dhclient", "RENEW")])
def test_a_client_renews_when_its_timer_says_so(sites, name, renewed):
    """Half of the shortest LeaseTime= after it got the lease, the daemon being dead all the time."""
    site, guest = sites(addresses=ADDRESSES.replace("LeaseTime=3600", "LeaseTime=60"))
    client = CLIENTS[name](guest)
    wanted = [*WANTED[:-1], "60"]
    try:
        assert client.wait_lease() == wanted, client.log()
        site.daemon.kill()
        assert client.wait_event(renewed, deadline=Deadline(60))[:6] == wanted, client.log()
        assert site.dhcp_on_the_wire(guest.port.send) == []
        assert {answer.source for answer in guest.answers()} == {GATEWAY}
        site.daemon.start()
    finally:
        client.close()
