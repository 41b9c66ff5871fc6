# SPDX-License-Identifier: LGPL-2.1-or-later
"""GuestVLANs=: a NIC with a VLAN filter lets in the tags that guests use, and no others; nothing takes them away."""
import pytest

from frames import BROADCAST, ETHERTYPE, Tap, frame
from parent_kinds import wait_carrier

MAC = "52:54:00:00:00:0a"
TAGS = (100, 200, 300)
ETH_P_8021Q = 0x8100


@pytest.fixture
def site(sites):
    site = sites("filtering-nic")
    yield site
    site.daemon.stop()


def network(site, tags, name="lan", mode="bridge"):
    site.daemon.network(name, text=f"[Network]\nParent={site.parent}\nMode={mode}\n[Port]\nGuestVLANs={tags}\n")


def tagged(tag, payload, destination=MAC, source="52:54:00:00:00:01"):
    return frame(destination, source, tag.to_bytes(2, "big") + ETHERTYPE.to_bytes(2, "big") + payload, ethertype=ETH_P_8021Q)


def hears(site, tap, destination=MAC):
    """The tags whose frames the guest gets; what comes without one is there at the end."""
    wire = site.endpoint()
    for tag in TAGS:
        wire.send(tagged(tag, b"tag %d" % tag, destination))
    wire.send(frame(destination, "52:54:00:00:00:01", b"the last"))
    heard = set()
    while True:
        data = tap.receive(ethertype=None)
        if b"the last" in data:
            return heard
        heard |= {tag for tag in TAGS if b"tag %d" % tag in data}


def open_port(site, name, mac=MAC, net="lan"):
    with site.daemon.connect() as connection:
        connection.ports("CreatePort", network=net, name=name, macAddress=mac, vhost="off", queues=1)
        return Tap(connection.descriptors.pop(0))


def test_tags_reach_the_guest(site):
    daemon, host = site.daemon, site.host
    before = site.state()
    network(site, "")
    network(site, "100 200-201", "tagged")
    daemon.start()
    with open_port(site, "plain") as tap:
        assert hears(site, tap) == set()
        with open_port(site, "other", "52:54:00:00:00:0b", net="tagged") as other:
            assert hears(site, tap) == {100, 200}
            assert hears(site, other, "52:54:00:00:00:0b") == {100, 200}
            assert hears(site, tap, BROADCAST) == {100, 200}
            # What the guest sends has its tag, where its network lets it use one.
            tap.send(tagged(100, b"not its own", BROADCAST, MAC))
            other.send(tagged(100, b"from the guest", BROADCAST, "52:54:00:00:00:0b"))
            assert b"not its own" not in b"".join(site.endpoint().receive_until(b"from the guest"))
            assert host.link(site.parent)["promiscuity"] == before[site.parent]["promiscuity"]
            # A NIC that was down, a daemon that is not there, and one that was killed.
            daemon.kill()
            host.ip("link", "set", site.parent, "down")
            host.ip("link", "set", site.parent, "up")
            wait_carrier(host, site.parent)
            assert hears(site, tap) == {100, 200}
            daemon.start()
            assert hears(site, tap) == {100, 200}
            daemon.ctl("port", "delete", "other")
        assert hears(site, tap) == set()
    assert daemon.settle() == []
    assert site.state() == before


def test_reload_changes_the_tags(site):
    daemon = site.daemon
    network(site, "100")
    daemon.start()
    with open_port(site, "vm") as tap:
        assert hears(site, tap) == {100}
        network(site, "200-300")
        daemon.ctl("reload")
        assert hears(site, tap) == {200, 300}
        network(site, "")
        daemon.ctl("reload")
        assert hears(site, tap) == set()
    assert daemon.settle() == []
