# SPDX-License-Identifier: LGPL-2.1-or-later
"""Addresses=dhcp with a real guest, and dnsmasq on a router behind the parent: what the guest is given it may use, and
nothing else. An accomplice on the same parent forges the answers of DHCP server and router; its own guard drops them."""
import ipaddress
import json
import subprocess

import pytest

from frames import PacketSocket, Tap, mac_bytes
from guard_lan import GUEST, NEIGHBOUR, read_rows
from guest import Guest, qemu_command
from programs import program

ROUTER, BEYOND = "10.9.0.254", "10.99.0.1"
ROUTER6, BEYOND6 = "fd12::1", "fd99::1"
# What the accomplice's frames give the guest.
FORGED, FORGED6 = "10.9.0.100", "fd11::7"
RECEIVED = {row.name: row.frame for row in read_rows("received")}
# Of a DHCP message in an Ethernet frame.
XID = slice(46, 50)

# What udhcpc runs, as printf(1) writes it.
LEASE_SCRIPT = (r"#!/bin/sh\ncase $1 in bound) ip addr add $ip/$mask dev eth0; ip route add default via $router;; esac\n"
                r"echo GUEST LEASE $1 $ip\n")


@pytest.fixture
def router(station):
    """A router on the wire, with an address beyond it in each family. It says nothing before dnsmasq runs."""
    station.run("sysctl", "-q", "-w", "net/ipv6/conf/eth0/disable_ipv6=0", "net/ipv6/conf/eth0/accept_dad=0",
                "net/ipv4/ip_forward=1", "net/ipv6/conf/all/forwarding=1")
    for name, address in (("eth0", f"{ROUTER}/24"), ("eth0", f"{ROUTER6}/64"), ("lo", BEYOND), ("lo", BEYOND6)):
        station.address(name, address)
    return station


class Site:
    """The guest, its accomplice, and the daemon that has their ports."""

    def __init__(self, daemon, router, folder):
        self.daemon, self._router, self._folder = daemon, router, folder
        daemon.network("lan", text="[Network]\nParent=eth0\nMode=bridge\n[Guard]\nSenders=own\nAddresses=dhcp\n")
        daemon.start()
        self._connection = daemon.connect()
        self._connection.ports("CreatePort", network="lan", vhost="off", macAddress=NEIGHBOUR)
        (descriptor,) = self._connection.take_descriptors()
        self.accomplice = Tap(descriptor)
        line = [program("macvtap-run"), "--network", f"lan,mac={GUEST}", "--", *qemu_command("", end="shell")]
        self.guest = Guest(daemon.host, line, stdin=subprocess.PIPE, env=daemon.environment())

    def start_dnsmasq(self):
        self._router.start(
            "dnsmasq", "--conf-file=/dev/null", "--keep-in-foreground", "--log-facility=-", "--port=0", "--user=root",
            "--pid-file=", f"--dhcp-leasefile={self._folder}/leases", "--interface=eth0", "--dhcp-authoritative",
            "--no-ping", "--dhcp-range=10.9.0.50,10.9.0.60,1h", "--enable-ra", "--dhcp-range=fd12::,ra-only,64,1h",
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def forge(self, name, xid=None):
        """Send the frame with this name from the accomplice, as an answer to xid."""
        frame = bytearray(RECEIVED[name])
        frame[6:12] = mac_bytes(NEIGHBOUR)
        if xid:
            frame[XID] = xid
        self.accomplice.send(bytes(frame))

    def forge_outside(self, name, xid):
        """The same, from a station of the LAN that is behind no guard."""
        frame = bytearray(RECEIVED[name])
        frame[XID] = xid
        wire = PacketSocket(self._router, "eth0")
        wire.send(bytes(frame))
        wire.close()

    def heard_xid(self):
        """The transaction number of the next DHCP client's message that the accomplice gets."""
        while True:
            frame = self.accomplice.receive(ethertype=0x0800)
            if frame[23] == 17 and frame[34:38] == bytes.fromhex("00440043"):
                return frame[XID]

    def check_reaches(self, address, source):
        assert self.guest.shell(f"ping -c 1 -W 5 -I {source} {address}") == 0, "\n".join(self.guest.lines)

    def check_refused(self, address, source, reason):
        """The guest gets no answer, because what it sends from this source address is dropped and counted."""
        before = self.dropped().get(reason, 0)
        assert self.guest.shell(f"ping -c 1 -W 1 -I {source} {address}") == 1, "\n".join(self.guest.lines)
        assert self.dropped().get(reason, 0) > before
        assert source not in self.seen()

    def port(self, mac):
        (port,) = [port for port in self.daemon.ports() if port["macAddress"] == mac]
        return json.loads(self.daemon.ctl("port", "show", port["id"], "--json").stdout)

    def dropped(self, mac=GUEST):
        return {reason: count for reason, count in self.port(mac).get("dropped", {}).items() if count}

    def seen(self):
        return {seen["address"] for seen in self.port(GUEST).get("seenAddresses", [])}

    def close(self):
        self.guest.close()
        self.accomplice.close()
        self._connection.close()


@pytest.fixture
def site(daemons, host, router, tmp_path):
    made = Site(daemons(host), router, tmp_path)
    yield made
    made.close()


def test_leased_address(site):
    guest = site.guest
    # ACD: the probe comes to the router, and its answer back.
    assert guest.shell(f"arping -D -c 1 -w 5 -I eth0 {ROUTER}") == 1
    assert guest.shell("arping -D -c 1 -w 1 -I eth0 10.9.0.55") == 0

    # The first answer to the guest's question is the accomplice's.
    guest.shell(f"printf '{LEASE_SCRIPT}' >/lease; chmod 755 /lease")
    guest.shell("udhcpc -f -a200 -t 60 -T 1 -i eth0 -s /lease &")
    xid = site.heard_xid()
    site.forge("DHCP OFFER", xid)
    site.forge("DHCP ACK", xid)
    assert site.dropped(NEIGHBOUR) == {"dhcp-server": 2}
    site.forge_outside("DHCP ACK", xid)

    site.start_dnsmasq()
    lease = guest.wait_line(r"GUEST LEASE bound (10\.9\.0\.[56]\d)$").group(1)
    site.check_reaches(ROUTER, lease)
    site.check_reaches(BEYOND, lease)
    site.daemon.kill()
    guest.shell("kill -USR1 $!")
    guest.wait_line(rf"GUEST LEASE renew {lease}$")
    site.check_reaches(BEYOND, lease)
    site.daemon.start()
    assert lease in site.seen()
    assert "ipv4-address" not in site.dropped()

    # Neither what the accomplice's ACK had given it, nor one that the guest chose.
    for address in (FORGED, "10.9.0.200"):
        guest.shell(f"ip addr add {address}/24 dev eth0")
        site.check_refused(ROUTER, address, "ipv4-address")
    site.check_reaches(BEYOND, lease)


def wait_addresses(guest, prefix, flags, count):
    """Wait until so many addresses of the guest have these flags, hexadecimal: 1 is a privacy address, 80 one that was
    added by hand, and as long as DAD goes on there is a 40."""
    pattern = f"^{prefix}.* {flags} *eth0"
    guest.shell(f"until [ $(grep -c '{pattern}' /proc/net/if_inet6) = {count} ]; do :; done")


def address_with(guest, prefix, flags):
    """The guest's address with these flags."""
    guest.shell(f"sed -n 's/^\\({prefix}[^ ]*\\) .* {flags} *eth0/GUEST HAS {flags} \\1/p' /proc/net/if_inet6")
    return str(ipaddress.IPv6Address(bytes.fromhex(guest.wait_line(rf"GUEST HAS {flags} (\w+)").group(1))))


def test_autoconfigured_addresses(site):
    guest = site.guest
    guest.shell("echo 2 >/proc/sys/net/ipv6/conf/eth0/use_tempaddr")
    site.forge("router advertisement for autoconfiguration")
    assert site.dropped(NEIGHBOUR) == {"router-advertisement": 1}
    guest.shell(f"ip addr add {FORGED6}/64 dev eth0; ip -6 route add default dev eth0")
    wait_addresses(guest, "fd11", "80", 1)
    site.check_refused(ROUTER6, FORGED6, "ipv6-address")
    guest.shell(f"ip addr del {FORGED6}/64 dev eth0; ip -6 route del default dev eth0")

    site.start_dnsmasq()
    guest.shell("ip link set eth0 down; ip link set eth0 up")
    wait_addresses(guest, "fd12", "0[01]", 2)
    own = {address_with(guest, "fd12", flags) for flags in ("00", "01")}
    for address in own:
        site.check_reaches(ROUTER6, address)
        site.check_reaches(BEYOND6, address)
    assert own <= site.seen()

    # DAD tells the guest that the router's address is the router's. One that takes it all the same cannot use it.
    guest.shell(f"ip addr add {ROUTER6}/64 dev eth0")
    wait_addresses(guest, "fd12", "c8", 1)
    guest.shell(f"ip addr del {ROUTER6}/64 dev eth0; echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad")
    guest.shell(f"ip addr add {ROUTER6}/64 dev eth0")
    site.check_refused(BEYOND6, ROUTER6, "ipv6-address")
    guest.shell(f"ip addr del {ROUTER6}/64 dev eth0; echo 1 >/proc/sys/net/ipv6/conf/eth0/accept_dad")

    # With these three there is room for thirteen more.
    assert "too-many-addresses" not in site.dropped()
    guest.shell("for i in $(seq 14); do ip addr add fd12::a$i/64 dev eth0; done")
    wait_addresses(guest, "fd12", "80", 14)
    guest.shell(f"for i in $(seq 14); do ping -c 1 -W 2 -I fd12::a$i {ROUTER6} && echo GUEST REACHES; done")
    assert guest.lines.count("GUEST REACHES") == 13, "\n".join(guest.lines)
    assert site.dropped()["too-many-addresses"] > 0
    for address in own:
        site.check_reaches(BEYOND6, address)
