# SPDX-License-Identifier: LGPL-2.1-or-later
"""macvtapctl network probe: what it says of a network that works, and of each fault that keeps a guest off it. The station on
the wire is the router, with dnsmasq for DHCP and router advertisements, and with nft rules for what a switch drops."""
import ipaddress
import json
import random
import socket
import subprocess

import pytest

from frames import PacketSocket, mac_bytes
from guard_lan import read_rows
from programs import program
from stack_guest import StackGuest

ROUTER, ROUTER6 = "10.9.0.254", "fd12::1"
HEARD = {row.name: row.frame for row in read_rows("received")}
DHCP = ["--dhcp-range=10.9.0.50,10.9.0.60,1h", "--dhcp-authoritative", "--no-ping"]
RA = ["--enable-ra", "--dhcp-range=fd12::,ra-only,64,1h"]
RA_WITHOUT_ADDRESSES = ["--enable-ra", "--dhcp-range=fd12::,static,64,1h"]


@pytest.fixture
def router(station):
    station.run("sysctl", "-q", "-w", "net/ipv6/conf/eth0/accept_dad=0", "net/ipv6/conf/all/forwarding=1",
                "net/ipv6/conf/eth0/disable_ipv6=0")
    for address in (f"{ROUTER}/24", f"{ROUTER6}/64"):
        station.address("eth0", address)
    return station


@pytest.fixture
def serve(router, tmp_path):
    """serve(ranges…): dnsmasq on the router. Its leases are in serve.leases."""
    def start(*options):
        server = router.start(
            "dnsmasq", "--conf-file=/dev/null", "--keep-in-foreground", "--log-facility=-", "--port=0", "--user=root", "--pid-file=",
            f"--dhcp-leasefile={start.leases}", "--interface=eth0", *options, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        last = "router advertisement enabled" if "--enable-ra" in options else "DHCP, "
        assert any(last in line for line in server.stderr)  # it serves from here on

    start.leases = tmp_path / "leases"
    return start


def switch(router, rule, hook="ingress"):
    """What the switch on the way drops."""
    router.run("nft", f"add table netdev switch; add chain netdev switch {hook} "
                      f"{{ type filter hook {hook} device eth0 priority 0; }}; add rule netdev switch {hook} {rule} drop")


def problems(probed):
    """{check: result}, of several findings of a check the worst."""
    order = ["ok", "note", "unknown", "problem"]
    found = {}
    for finding in probed["findings"]:
        found[finding["check"]] = max(found.get(finding["check"], "ok"), finding["result"], key=order.index)
    return found


def probe(daemon, **options):
    """The results of the checks; the exit status says whether there is a problem among them."""
    done = daemon.ctl("--json", "network", "probe", "lan", check=False, **options)
    return judge(done.returncode, done.stdout, done.stderr)


def judge(status, stdout, stderr):
    assert stderr == "" and status in (0, 1), stderr
    probed = json.loads(stdout)
    found = problems(probed)
    assert status == ("problem" in found.values()), stdout
    return found, {(one["check"], one["result"]): one["message"] for one in probed["findings"]}


def test_good_network(daemon, serve):
    """Nothing is taken from the DHCP server, and no port stays; a user who may use the network sees the same."""
    serve(*DHCP, *RA)
    for user in (None, "nobody"):
        found, messages = probe(daemon, user=user)
        assert found == dict.fromkeys(["carrier", "mac", "dhcp", "gateway", "gateway6", "mtu"], "ok"), messages
        assert f"{ROUTER} offers 10.9.0." in messages["dhcp", "ok"] and f"gateway {ROUTER}" in messages["dhcp", "ok"]
        assert "packets of 1500 bytes go to the gateway and back" == messages["mtu", "ok"]
    assert "10.9.0." not in serve.leases.read_text(encoding="utf-8")
    assert daemon.settle() == []
    shown = daemon.ctl("network", "probe", "lan").stdout
    assert shown.startswith("network lan: a port on eth0 with MAC 52:54:00:") and "\nok       gateway: 10.9.0.254, known by DHCP" in shown


@pytest.mark.long
def test_guard_of_addresses(daemon, serve):
    """A guard that lets no offered address be used drops nothing of the probe: it does without an echo."""
    daemon.network("lan", text="[Network]\nParent=eth0\nMode=bridge\n[Guard]\nSenders=own\nAddresses=listed\nAllowAddresses=10.9.0.7\n")
    daemon.reload()
    serve(*DHCP)
    found, messages = probe(daemon)
    assert (found["dhcp"], found["gateway"], found["mtu"]) == ("ok", "ok", "ok") and "way back" in messages["mtu", "ok"], messages
    assert not any("dropped" in line for line in daemon.trail()), daemon.trail()


def test_no_dhcp(daemon, serve):
    """The router is there, but nobody gives addresses."""
    serve(*RA_WITHOUT_ADDRESSES)
    found, messages = probe(daemon)
    assert [check for check, result in found.items() if result == "problem"] == ["dhcp"], messages
    assert (found["gateway6"], found["mac"], found["mtu"]) == ("ok", "ok", "ok"), messages


@pytest.mark.long
def test_ipv6_only(daemon, serve):
    """Guests have addresses by autoconfiguration: that is no fault."""
    serve(*RA)
    found, messages = probe(daemon)
    assert (found["dhcp"], found["gateway6"], found["mtu"]) == ("note", "ok", "ok"), messages


def test_no_gateway(daemon, router):
    """Nobody names one, and nobody is heard."""
    router.quiet("eth0")
    found, messages = probe(daemon)
    assert (found["dhcp"], found["gateway"], found["mac"], found["mtu"]) == ("problem", "problem", "unknown", "unknown"), messages
    assert "no frame of any other machine was heard" in messages["gateway", "problem"]


@pytest.mark.long
def test_gateway_is_down(daemon, serve):
    """The DHCP server names a gateway that does not answer."""
    serve(*DHCP, "--dhcp-option=option:router,10.9.0.99")
    found, messages = probe(daemon)
    assert [check for check, result in found.items() if result == "problem"] == ["gateway"], messages
    assert "10.9.0.99, known by DHCP, does not answer, nor does it answer the host" == messages["gateway", "problem"]


def test_answers_to_second_mac_dropped(daemon, serve, router, host):
    """As a vSwitch without promiscuous mode and MAC learning: only broadcasts come back."""
    serve(*DHCP)
    switch(router, f"ether daddr & 01:00:00:00:00:00 == 00:00:00:00:00:00 ether daddr != {host.mac('eth0')}", "egress")
    found, messages = probe(daemon)
    assert [check for check, result in found.items() if result == "problem"] == ["mac"], messages
    assert "arrive only as broadcasts" in messages["mac", "problem"]


def run_beside(daemon, send):
    """Probe while send() goes on sending."""
    running = daemon.host.start(program("macvtapctl"), "--json", "network", "probe", "lan", env=daemon.environment(),
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while True:
        try:
            stdout, stderr = running.communicate(timeout=0.05)
            return judge(running.returncode, stdout, stderr)
        except subprocess.TimeoutExpired:
            send()


def test_second_mac_dropped(daemon, router, host):
    """As port security or a vSwitch without forged transmits: the router answers the host only."""
    switch(router, f"ether saddr != {host.mac('eth0')}")
    with PacketSocket(router, "eth0") as wire:
        link_local = router.run("sh", "-c", "ip -6 -o addr show dev eth0 scope link | sed 's/.*inet6 //;s,/.*,,'").stdout.strip()
        advertisement = router_advertisement(wire.mac, link_local)
        found, messages = run_beside(daemon, lambda: wire.send(advertisement))
    assert [check for check, result in found.items() if result == "problem"] == ["mac"], messages
    assert f"{link_local} answers the host, but not the port's MAC" in messages["mac", "problem"]
    assert (found["gateway6"], found["dhcp"]) == ("unknown", "unknown")


def router_advertisement(mac, address):
    body = bytes.fromhex("86000000400007080000000000000000")
    source, group = ipaddress.ip_address(address).packed, ipaddress.ip_address("ff02::1").packed
    return (mac_bytes("33:33:00:00:00:01") + mac_bytes(mac) + bytes.fromhex("86dd6000000000103aff") + source + group + body)


def test_mtu_black_hole(daemon, serve, router):
    """Packets above 1450 bytes do not come through, as on a way with a tunnel."""
    serve(*DHCP)
    switch(router, "meta length > 1450")
    found, messages = probe(daemon)
    assert [check for check, result in found.items() if result == "problem"] == ["mtu"], messages
    assert "those of 1450 bytes do" in messages["mtu", "problem"]


@pytest.mark.long
def test_contested_gateway(daemon, serve, router, host):
    """Another machine answers for the gateway's address, each time that somebody asks."""
    serve(*DHCP)
    other = "02:00:00:00:00:99"
    with PacketSocket(router, "eth0") as wire:
        def answer():
            for port in daemon.ports():
                wire.send(mac_bytes(port["macAddress"]) + mac_bytes(other) + bytes.fromhex("08060001080006040002") + mac_bytes(other)
                          + socket.inet_aton(ROUTER) + mac_bytes(port["macAddress"]) + bytes(4 + 18))
        found, messages = run_beside(daemon, answer)
    assert found["gateway"] == "problem" and other in messages["gateway", "problem"], messages


def test_hostile_network(daemon, router):
    """Answers to others' questions, and garbage, are no answers."""
    router.quiet("eth0")
    chance = random.Random(1)
    with PacketSocket(router, "eth0") as wire:
        def noise():
            for frame in HEARD.values():
                wire.send(bytes(frame[:6]) + mac_bytes(wire.mac) + bytes(frame[12:]))
            for kind in (0x0800, 0x0806, 0x86DD):
                wire.send(b"\xff" * 6 + mac_bytes(wire.mac) + kind.to_bytes(2, "big") + chance.randbytes(chance.randrange(40, 300)))
        found, messages = run_beside(daemon, noise)
    assert (found["mac"], found["dhcp"], found["gateway6"]) == ("unknown", "note", "problem"), messages


def test_no_carrier(daemon, router):
    router.ip("link", "set", "eth0", "down")
    found, messages = probe(daemon)
    assert found == {"carrier": "problem"}, messages


def test_refusals(daemon):
    done = daemon.ctl("network", "probe", "nosuch", check=False)
    assert done.returncode == 1 and "there is no network 'nosuch'" in done.stderr
    assert daemon.ctl("network", "probe", check=False).returncode == 2


LEASES = f"[Addresses]\nSubnet=10.9.0.0/24\nRange=10.9.0.64/27\nGateway={ROUTER}\n"


def test_network_with_addresses(daemon, router):
    """Gateway= is asked, the port's lease is where the echo comes from, and nobody misses a DHCP server."""
    daemon.network("lan", text=f"[Network]\nParent=eth0\nMode=bridge\n{LEASES}")
    daemon.reload()
    found, messages = probe(daemon)
    assert found == {"carrier": "ok", "mac": "ok", "dhcp": "note", "gateway": "ok", "gateway6": "note", "mtu": "ok"}, messages
    assert f"{ROUTER}, known by Gateway=, answers" in messages["gateway", "ok"] and "and back" in messages["mtu", "ok"]


def test_port_that_answers_dhcp(daemon, router):
    """What the port says itself proves nothing of the network."""
    daemon.network("lan", text=f"[Network]\nParent=eth0\nMode=bridge\n{LEASES}Serve=dhcp\n")
    daemon.reload()
    found, messages = probe(daemon)
    assert found == {"carrier": "ok", "mac": "ok", "dhcp": "ok", "gateway": "ok", "gateway6": "note", "mtu": "ok"}, messages
    assert messages["dhcp", "ok"].startswith("the port itself offers 10.9.0.")
    router.ip("addr", "flush", "dev", "eth0")
    router.quiet("eth0")
    found, messages = probe(daemon)
    assert (found["mac"], found["dhcp"], found["gateway"]) == ("unknown", "ok", "problem"), messages


@pytest.mark.long
def test_user_sees_the_host_reach_its_gateway(daemon, router, host):
    """Without root, the host's ARP table says that the gateway answers the host."""
    daemon.network("lan", text=f"[Network]\nParent=eth0\nMode=bridge\n{LEASES}[Access]\nAllowUsers=nobody\n")
    daemon.reload()
    host.address("eth0", "10.9.0.2/24")
    switch(router, f"ether saddr != {host.mac('eth0')}")
    host.run("busybox", "ping", "-c", "1", ROUTER)
    found, messages = probe(daemon, user="nobody")
    assert [check for check, result in found.items() if result == "problem"] == ["mac"], messages


def test_user_with_a_gateway_that_died(daemon, router, host):
    """That the host still has the MAC in its ARP table is no answer: nothing between here and there drops a second MAC."""
    daemon.network("lan", text=f"[Network]\nParent=eth0\nMode=bridge\n{LEASES}[Access]\nAllowUsers=nobody\n")
    daemon.reload()
    host.address("eth0", "10.9.0.2/24")
    host.run("busybox", "ping", "-c", "1", ROUTER)
    router.run("ip", "addr", "flush", "dev", "eth0")
    router.quiet("eth0")
    for state in "stale", "permanent":
        host.ip("neigh", "change", ROUTER, "lladdr", router.mac("eth0"), "dev", "eth0", "nud", state)
        found, messages = probe(daemon, user="nobody")
        assert (found["mac"], found["gateway"]) == ("unknown", "problem"), messages


ON_HOST = f"[Network]\nParent=eth0\nMode=bridge\n{LEASES.replace(ROUTER, '10.9.0.1')}[Access]\nAllowUsers=nobody\n"


def check_only_the_host_answers(daemon, user):
    found, messages = probe(daemon, user=user)
    assert (found["mac"], found["gateway"]) == ("unknown", "ok"), messages
    assert "only machines on this host answered" in messages["mac", "unknown"]


@pytest.mark.parametrize("user", [None, pytest.param("nobody", marks=pytest.mark.long)])
def test_only_the_host_link_answers(daemon, station, host, user):
    """The gateway's address is the host's own, behind the host link: nothing has come over the wire."""
    station.quiet("eth0")
    host.address("eth0", "10.9.0.1/24")
    daemon.network("lan", text=f"{ON_HOST}[Host]\nAccess=yes\n")
    daemon.reload()
    check_only_the_host_answers(daemon, user)


@pytest.mark.long
def test_only_a_macvlan_of_the_host_answers(daemon, station, host):
    station.quiet("eth0")
    host.ip("link", "add", "hostlan", "link", "eth0", "type", "macvlan", "mode", "bridge")
    host.address("hostlan", "10.9.0.1/24")
    host.ip("link", "set", "hostlan", "up")
    daemon.network("lan", text=ON_HOST)
    daemon.reload()
    check_only_the_host_answers(daemon, None)


def test_only_a_guest_of_another_user_answers(daemon, station):
    """A router in a guest of root's, whose port the user does not see."""
    station.quiet("eth0")
    daemon.network("lan", text=ON_HOST)
    daemon.reload()
    with daemon.connect() as connection:
        port = connection.ports("CreatePort", network="lan", vhost="off")["port"]
        (fd,) = connection.take_descriptors()
    guest = StackGuest(fd, port["macAddress"])
    try:
        guest.address("10.9.0.1/24")
        check_only_the_host_answers(daemon, "nobody")
    finally:
        guest.close()
