# SPDX-License-Identifier: LGPL-2.1-or-later
"""The parts of docs/tutorial.md that need bonds and VLANs, with VMs on two hosts."""
import contextlib
import itertools

import pytest

from daemon import Daemon
from documents import block, commands
from namespaces import Host, Switch
from parent_kinds import active_slave, bond_of
from tutorial import Node, serve_dhcp

pytestmark = pytest.mark.long


@pytest.fixture
def segment():
    """(a switch, a function that makes a host, one that makes a node of a host)."""
    with contextlib.ExitStack() as stack:
        def make_host(name):
            host = Host(name)
            stack.callback(host.close)
            return host

        def make_node(host):
            daemon = Daemon(host)
            stack.callback(daemon.close)
            node = Node(daemon.start())
            stack.callback(node.close)
            return node

        yield Switch(make_host("switch")), make_host, make_node


def test_two_hosts(segment):
    """Each of four guests and two hosts reaches each, also after the first host's bond has failed over."""
    switch, make_host, make_node = segment
    station = make_host("station")
    switch.plug(station, "eth0")
    station.address("eth0", "192.168.1.1/24")
    serve_dhcp(station, "192.168.1.50", "192.168.1.60")
    nodes, hosts = [], []
    for number in (1, 2):
        host = make_host(f"host{number}")
        for slave in ("eth0", "eth1"):
            switch.plug(host, slave)
        bond_of(host, "eth0", "eth1")
        host.address("bond0", f"192.168.1.{number + 10}/24")
        hosts.append(f"192.168.1.{number + 10}")
        nodes.append(make_node(host))
        nodes[-1].network("lan", block("docs/tutorial.md", "Two hosts, four guests, one segment", 0))
        nodes[-1].start(block("docs/tutorial.md", "Two hosts, four guests, one segment", 1))
    nodes[0].start(block("docs/tutorial.md", "Two hosts, four guests, one segment", 2))
    nodes[1].start(block("docs/tutorial.md", "Two hosts, four guests, one segment", 3))
    addresses = {(node, name): node.lease(name) for node in nodes for name in node.guests}
    assert len(set(addresses.values())) == 4

    def check_all():
        for (node, name), address in itertools.product(addresses, [*addresses.values(), *hosts]):
            if addresses[node, name] != address:
                assert node.pings(name, address, 60), (name, address)
        for node, address in itertools.product(nodes, addresses.values()):
            assert node.answers(address), address

    check_all()
    (down,) = commands(block("docs/tutorial.md", "Two hosts, four guests, one segment", 4))
    nodes[0].host.run("sh", "-c", down)
    assert active_slave(nodes[0].host) == "eth1"
    check_all()
    (up,) = commands(block("docs/tutorial.md", "Two hosts, four guests, one segment", 5))
    nodes[0].host.run("sh", "-c", up)


def test_two_vlans(segment):
    """Guests reach those of their VLAN on the other node, and nobody else."""
    switch, make_host, make_node = segment
    nodes = []
    for number in (1, 2):
        host = make_host(f"node{number}")
        switch.plug(host, "eth0")
        nodes.append(make_node(host))
    for node, first in zip(nodes, (64, 96)):
        for name, text in (("red", block("docs/tutorial.md", "Two VLANs on two nodes", 0)),
                           ("blue", block("docs/tutorial.md", "Two VLANs on two nodes", 1))):
            node.network(name, text.replace(".64/27", f".{first}/27"))
    nodes[0].start(block("docs/tutorial.md", "Two VLANs on two nodes", 2))
    nodes[1].start(block("docs/tutorial.md", "Two VLANs on two nodes", 3))
    leases = {name: node.lease(name) for node in nodes for name in node.guests}
    assert leases == {"red1": "10.100.0.65", "blue1": "10.200.0.65", "red2": "10.100.0.97", "blue2": "10.200.0.97"}
    (ping,) = commands(block("docs/tutorial.md", "Two VLANs on two nodes", 4))
    assert nodes[0].guests["red1"].shell(f"{ping} -W 60") == 0
    assert nodes[1].pings("blue2", "10.200.0.65", 60)
    assert nodes[1].guests["blue2"].shell("ip addr add 10.100.0.98/24 dev eth0") == 0
    assert not nodes[0].pings("red1", "10.100.0.98", 3)
    (listed,) = commands(block("docs/tutorial.md", "Two VLANs on two nodes", 5))
    assert "eth0.100" in nodes[0].desk.run(listed).stdout
