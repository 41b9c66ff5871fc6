# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/tutorial.md with VMs, as far as one host is enough; the rest, which needs bonds and VLANs, is in lab/test_tutorial.py."""
import pytest

from documents import block, commands
from tutorial import Node, serve_dhcp

pytestmark = pytest.mark.long


@pytest.fixture
def node(daemon):
    made = Node(daemon)
    yield made
    made.close()


def test_two_guests(node, station):
    """They reach each other and the LAN, and the commands that look show both."""
    station.address("eth0", "192.168.1.1/24")
    serve_dhcp(station, "192.168.1.50", "192.168.1.60")
    node.network("lan", block("docs/tutorial.md", "Two guests on one network card", 0))
    for command in commands(block("docs/tutorial.md", "Two guests on one network card", 1)):
        assert "PROBLEM" not in node.desk.run(command).stdout
    node.start(block("docs/tutorial.md", "Two guests on one network card", 2))
    addresses = {name: node.lease(name) for name in ("web", "mail")}
    assert node.pings("web", addresses["mail"]) and node.pings("mail", addresses["web"]) and node.pings("mail", "192.168.1.1")
    for command in commands(block("docs/tutorial.md", "Two guests on one network card", 3)):
        shown = node.desk.run(command).stdout
        assert all(name in shown for name in addresses), shown
    assert all(address in node.desk.run("macvtapctl port list").stdout for address in addresses.values())


def test_network_with_addresses(node, host, station):
    """Leases by DHCP from the port itself, a fixed address in each family, and the host that reaches its guests."""
    for machine, number, number6 in ((host, 2, "2"), (station, 254, "fe")):
        machine.run("sysctl", "-q", "-w", "net/ipv6/conf/eth0/accept_dad=0", "net/ipv6/conf/eth0/disable_ipv6=0")
        machine.address("eth0", f"192.168.32.{number}/24")
        machine.address("eth0", f"fd00:32::{number6}/64")
    node.network("macnet", block("docs/tutorial.md", "A network with addresses of its own", 0))
    for command in commands(block("docs/tutorial.md", "A network with addresses of its own", 1)):
        node.desk.run(command)
    node.start(block("docs/tutorial.md", "A network with addresses of its own", 2))
    leases = {name: node.lease(name) for name in ("web", "db")}
    assert leases["db"] == "192.168.32.200" and leases["web"].startswith("192.168.32.") and 129 < int(leases["web"].split(".")[3])
    assert f"{leases['web']}/24" in node.port("web")["addresses"]
    (by_hand,) = commands(block("docs/tutorial.md", "A network with addresses of its own", 3))
    assert node.guests["db"].shell(by_hand) == 0
    assert node.pings("web", "192.168.32.200") and node.pings("db", "192.168.32.254")
    *pings, listed = commands(block("docs/tutorial.md", "A network with addresses of its own", 4))
    for command in pings:
        address = command.split()[-1]
        assert node.answers(address), address
    assert "192.168.32.200" in node.desk.run(listed).stdout
    for command, why in zip(commands(block("docs/tutorial.md", "A network with addresses of its own", 5)), ("reserved", "db")):
        done = node.desk.run(command, check=False)
        assert done.returncode == 1 and why in done.stderr, done.stderr
