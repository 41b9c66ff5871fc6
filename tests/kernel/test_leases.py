# SPDX-License-Identifier: LGPL-2.1-or-later
"""The addresses that a network gives its ports: who gets which, what is refused and in which words, and how long they last."""
import concurrent.futures
import re
import socket

import pytest

from doctor import examine
from documents import block, commands
from frames import PacketSocket, mac_bytes
from tracing import Trace
from varlink import VarlinkError

LAN = "[Network]\nParent=eth0\nMode=bridge\n[Port]\nVhost=off\n[Addresses]\n{addresses}[Access]\nAllowUsers=nobody\n{access}"
ADDRESSES = {"Subnet": "192.168.1.0/24 fd00::/64", "Range": "192.168.1.32/27", "Reserve": "192.168.1.40",
             "Gateway": "192.168.1.1 fe80::1", "DNS": "192.168.1.45 2001:db8::53", "Search": "example.org"}


def text(access="", **changes):
    keys = {key: value for key, value in {**ADDRESSES, **changes}.items() if value is not None}
    return LAN.format(addresses="".join(f"{key}={value}\n" for key, value in keys.items()), access=access)


@pytest.fixture
def made(daemons, host, station):
    made = daemons(host)
    made.network("lan", text=text())
    yield made.start()
    made.ctl("port", "delete", "--all")


def create(made, *arguments, **options):
    return made.ctl_json("port", "create", "--network=lan", *arguments, **options)


def refusal(made, *arguments, status=1, **options):
    done = made.ctl("port", "create", "--network=lan", *arguments, check=False, **options)
    assert done.returncode == status and done.stderr.count("\n") == 1, done
    return done.stderr.removeprefix("macvtapctl: ").rstrip("\n")


def leases(made):
    return {port["name"]: port["addresses"] for port in made.ports()}


def test_a_port_shows_its_lease(made):
    port = create(made, "--name=web", "--address=192.168.1.50")
    assert port["addresses"][0] == "192.168.1.50/24"
    assert re.fullmatch(r"fd00::[0-9a-f:]+/64", port["addresses"][1])
    (line,) = [line for line in made.ctl("port", "list").stdout.splitlines() if line.startswith("web ")]
    assert " 192.168.1.50 " in line
    assert re.search(r"^lease +192\.168\.1\.50/24 fd00::", made.ctl("port", "show", "web").stdout, re.M)
    assert made.ctl_json("port", "show", "web")["addresses"] == port["addresses"]
    both = create(made, "--name=both", "--address=192.168.1.51", "--address=fd00::51")
    assert both["addresses"] == ["192.168.1.51/24", "fd00::51/64"]


def test_a_name_keeps_its_address(made):
    """Deleted and made again, over a stop, a kill, and a machine that starts anew."""
    first = create(made, "--name=web")["addresses"]
    made.ctl("port", "delete", "web")
    create(made)
    assert create(made, "--name=web")["addresses"] == first
    for end in (made.stop, made.kill):
        before = leases(made)
        end()
        made.start()
        assert leases(made) == before
    made.ctl("port", "delete", "--all")
    assert made.settle() == []
    assert create(made, "--name=web")["addresses"] == first


REFUSED = {
    "reserved": ("192.168.1.40", None, "address 192.168.1.40 is reserved (Reserve= of network lan)"),
    "gateway": ("192.168.1.1", None, "address 192.168.1.1 is the gateway of network lan"),
    "network": ("192.168.1.0", None,
                "address 192.168.1.0 is the network address of 192.168.1.0/24, the subnet of network lan"),
    "broadcast": ("192.168.1.255", None,
                  "address 192.168.1.255 is the broadcast address of 192.168.1.0/24, the subnet of network lan"),
    "routers": ("fd00::", None, "address fd00:: is the address of all routers of fd00::/64, the subnet of network lan"),
    "outside": ("10.0.0.5", None, "address 10.0.0.5 is outside 192.168.1.0/24, the subnet of network lan"),
    "length": ("192.168.1.50/16", None,
               "address 192.168.1.50/16 does not fit network lan, whose subnet is 192.168.1.0/24"),
    "taken": ("192.168.1.33", None, "address 192.168.1.33 belongs to port first of network lan"),
    "range": ("192.168.1.5", "nobody", "address 192.168.1.5 is outside 192.168.1.32/27, the range of network lan; only root may "
              "go beyond it"),
    "dns": ("192.168.1.45", "nobody", "address 192.168.1.45 is a DNS server of network lan"),
}


def test_refusals_name_the_cause(made):
    create(made, "--name=first", "--address=192.168.1.33")
    for address, user, message in REFUSED.values():
        status = 2 if "does not fit" in message else 1
        assert refusal(made, f"--address={address}", user=user, status=status) == message
    assert list(leases(made)) == ["first"]


def test_wrong_family_and_twice(made):
    made.network("lan", text=text(Subnet="192.168.1.0/24", Gateway=None))
    made.reload()
    assert refusal(made, "--address=fd00::5") == "network lan has no IPv6 subnet, so no port can have fd00::5"
    assert refusal(made, "--address=192.168.1.33", "--address=192.168.1.34", status=2) == \
        "a port of network lan has one IPv4 address, not both 192.168.1.33 and 192.168.1.34"
    for words, wrong in ((["--address=web"], "web"), (["--address="], ""), (["--address=192.168.1.33", "--address="], "")):
        done = made.ctl("port", "create", "--network=lan", *words, check=False)
        assert (done.returncode, done.stderr) == (2, f"macvtapctl: '{wrong}' is neither ADDRESS nor ADDRESS/BITS\n")
    assert not made.ports()


def test_a_gateway_that_is_not_known_is_not_left_out(made, tmp_path):
    """A guest that is started without its default route looks healthy."""
    def told(*command, port="web"):
        return made.tool("macvtap-run", "--port", port, "--", *command, user="nobody", check=False)

    create(made, "--name=web", "--address=192.168.1.50", user="nobody")
    assert "ip=192.168.1.50::192.168.1.1:255.255.255.0:web::off:192.168.1.45" in told("echo", "{mac}", "{ip=}", "{fds}").stdout
    made.network("lan", text=text().replace("AllowUsers=nobody\n", ""))
    made.reload()
    shown = made.ctl("port", "cloud-init", "web", user="nobody", check=False)
    assert (shown.returncode, shown.stdout) == (1, "")
    assert "does not show network lan to this user, whom its AllowUsers= and AllowGroups= do not name" in shown.stderr
    made.network("lan", text=text()).unlink()
    made.reload()
    for token in ("{gateway}", "{dns}", "{ip=}"):
        done = told("echo", "{mac}", token, "{fds}")
        assert (done.returncode, done.stdout, done.stderr) == (
            125, "", f"macvtap-run: {token}: the gateway and DNS servers of port web are not known, as network lan has been"
                     " removed\n")
    assert told("echo", "{mac}", "{address}/{prefix}", "{fds}").stdout.split()[1] == "192.168.1.50/24"
    done = told("qemu-system-x86_64", "-M", "q35", port=f"web,seed={tmp_path}/seed")
    assert done.returncode == 125 and "network-config for seed=" in done.stderr and not (tmp_path / "seed").exists()


def test_a_range_ends(made):
    made.network("lan", text=text(Subnet="192.168.1.0/24", Range="192.168.1.50-192.168.1.51", Reserve=None, Gateway=None))
    made.reload()
    given = {create(made)["addresses"][0] for _ in range(2)}
    assert given == {"192.168.1.50/24", "192.168.1.51/24"}
    assert refusal(made) == "network lan has no free IPv4 address left: all 2 of its range are taken"
    assert create(made, "--address=192.168.1.60")["addresses"] == ["192.168.1.60/24"]
    made.ctl("port", "delete", "--network=lan")
    create(made)


def test_users_share_a_range(made):
    made.network("lan", text=text(Range="192.168.1.32/29"))
    made.reload()
    for _ in range(2):
        create(made, user="nobody")
    assert re.fullmatch(r"user \d+ already has 2 ports on network lan, and a user's share of its addresses \(a quarter; "
                        r"MaxPortsPerUser= changes it\) allows no more", refusal(made, user="nobody"))
    made.network("lan", text=text(Range="192.168.1.32/29", access="MaxPortsPerUser=3\n"))
    made.reload()
    create(made, user="nobody")


def ask_for(made, address):
    with made.connect() as connection:
        try:
            reply = connection.ports("CreatePort", network="lan", addresses=[address], holder={"type": "none"},
                                     openDescriptors=False)
            return reply["port"]["addresses"][0]
        except VarlinkError as error:
            return str(error)


def test_two_ask_at_once(made):
    """Eight callers want one address, each on its own connection: one has it, and each of the others is told who."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask_for(made, "192.168.1.33"), range(8)))
    (holder,) = made.ports()
    assert answers.count("192.168.1.33/24") == 1
    assert sum(f"address 192.168.1.33 belongs to port {holder['name']} of network lan" in answer for answer in answers) == 7


def test_what_a_killed_daemon_had_not_finished_is_free(made):
    """A record without a device: the next start forgets it, and its address can be given again."""
    create(made, "--name=web", "--address=192.168.1.33")
    (record,) = made.records()
    made.kill()
    index = made.host.link(next(iter(made.host.macvtaps())))["ifname"]
    made.host.run("ip", "link", "delete", index)
    (made.state / "ports" / record).rename(made.state / "ports" / f"{record}.creating")
    made.start()
    assert made.ports() == [] and made.records() == []
    assert create(made, "--name=db", "--address=192.168.1.33")["addresses"][0] == "192.168.1.33/24"


def test_addresses_from_outside(made):
    """Of a network without addresses: root hands them in, once for each link."""
    made.network("plain", "eth0", AllowUsers="nobody")
    made.reload()
    create(made, "--name=web", "--address=192.168.1.33")

    def plain(address, user=None):
        done = made.ctl("--json", "port", "create", "--network=plain", f"--address={address}", check=False, user=user)
        return done.stdout if done.returncode == 0 else done.stderr.removeprefix("macvtapctl: ").rstrip("\n")

    assert '"addresses": ["10.0.0.5/8"]' in plain("10.0.0.5/8").replace('":[', '": [')
    assert plain("192.168.1.33") == "address 192.168.1.33 belongs to port web of network lan"
    assert plain("127.0.0.1") == "127.0.0.1 cannot be the address of a port"
    assert plain("10.0.0.6", user="nobody") == \
        "network plain gives no addresses (its file has no [Addresses]); only root may hand one in"


def test_a_changed_file_reaches_new_ports(made):
    create(made, "--name=web", "--address=192.168.1.33")
    made.network("lan", text=text(Subnet="10.0.0.0/8 fd00::/64", Range="10.1.0.0/16", Reserve=None, Gateway=None, DNS=None))
    made.reload()
    assert made.ctl_json("port", "show", "web")["outdated"] == ["Subnet"]
    assert made.ctl_json("port", "show", "web")["addresses"][0] == "192.168.1.33/24"
    assert create(made)["addresses"][0].startswith("10.1.")


def test_a_network_shows_what_it_gave(made, host):
    create(made, "--name=web", "--address=192.168.1.33", "--address=fd00::33")
    create(made, "--name=db", "--address=192.168.1.70", user=None)
    shown = made.ctl_json("network", "show", "lan")
    assert shown["subnets"] == ["192.168.1.0/24", "fd00::/64"] and shown["ranges"] == ["192.168.1.32/27"]
    assert (shown["reserved"], shown["gateways"]) == (["192.168.1.40"], ["192.168.1.1", "fe80::1"])
    assert (shown["dns"], shown["search"], shown["serve"]) == (["192.168.1.45", "2001:db8::53"], ["example.org"], "none")
    ipv4, ipv6 = shown["pools"]
    assert ipv4 == {"subnet": "192.168.1.0/24", "size": 30, "leased": 1, "free": 29}  # one is outside the range
    assert (ipv6["leased"], ipv6["free"]) == (2, ipv6["size"] - 2)
    assert {member["name"]: member["addresses"][0] for member in shown["members"]} == \
        {"web": "192.168.1.33/24", "db": "192.168.1.70/24"}
    (parent,) = shown["parentLinks"]
    link = host.link("eth0")
    assert parent == {"name": "eth0", "exists": True, "carrier": True, "mtu": link["mtu"], "macs": 3, "speed": 10000}
    text_shown = made.ctl("network", "show", "lan").stdout
    assert re.search(r"^  leases +192\.168\.1\.0/24: 1 leased, 29 free$", text_shown, re.M)
    assert re.search(r"^  link +eth0: carrier, 10 Gbit/s, MTU 1500, 3 MACs$", text_shown, re.M)
    assert re.search(r"^web +52:54:\S+ +192\.168\.1\.33 +eth0 ", text_shown, re.M)
    assert "members" not in made.ctl_json("network", "list")["networks"][0]
    refused = made.ctl("network", "show", "none", check=False)
    assert refused.stderr == "macvtapctl: there is no network 'none'; you may use lan\n"
    assert [member["name"] for member in made.ctl_json("network", "show", "lan", user="nobody")["members"]] == []


def test_the_document(made):
    made.network("lan", text=block("docs/addresses.md", "The file", 0))
    made.reload()
    for command in commands(block("docs/addresses.md", "Which address a port gets", 0)):
        shown = made.ctl(*command.split()[1:]).stdout
    assert re.search(r"^db .* 192\.168\.1\.51 ", shown, re.M)
    assert made.ctl_json("port", "show", "db")["guard"]["allowAddresses"] == ["192.168.1.51", "fd00:1::51"]


def claim(wire, address, tag=b""):
    """A station says by ARP that it uses the address."""
    ip = socket.inet_aton(address)
    mac = mac_bytes(wire.mac)
    wire.send((b"\xff" * 6 + mac + tag + bytes.fromhex("08060001080006040001") + mac + ip + bytes(6) + ip).ljust(64, b"\0"))


def advertise(wire, address):
    """The same by an unsolicited neighbour advertisement."""
    mac, ip = mac_bytes(wire.mac), socket.inet_pton(socket.AF_INET6, address)
    message = bytes([136, 0, 0, 0, 0x20, 0, 0, 0]) + ip
    header = bytes.fromhex("60000000") + bytes([0, len(message), 58, 255]) + ip + socket.inet_pton(socket.AF_INET6, "ff02::1")
    wire.send(bytes.fromhex("333300000001") + mac + bytes.fromhex("86dd") + header + message)


def test_what_a_station_uses_is_passed_over(made, station):
    """By ports without a name; one with a name keeps its address. doctor names both."""
    unnamed, named = create(made), create(made, "--name=web")
    made.ctl("port", "delete", unnamed["name"], "web")
    with PacketSocket(station, "eth0") as wire:
        for port in (unnamed, named):
            claim(wire, port["addresses"][0].split("/")[0])
            advertise(wire, port["addresses"][1].split("/")[0])
    made.ports()  # answered when what came before has been read
    assert not set(create(made)["addresses"]) & set(unnamed["addresses"])
    assert create(made, "--name=web")["addresses"] == named["addresses"]
    found = examine(made)
    for code, subject, port in (("address-heard", "network lan", unnamed), ("address-conflict", "port web", named)):
        said = " ".join(one["message"] for one in found if (one["code"], one["subject"]) == (code, subject))
        assert all(address.split("/")[0] in said for address in port["addresses"]), found


def test_a_station_of_another_vlan_uses_nothing_of_the_network(made, station):
    """The kernel shows its frames to whoever listens to the parent, without their tag."""
    port = create(made, "--name=web")
    before = len(made.messages())
    with PacketSocket(station, "eth0") as wire:
        claim(wire, port["addresses"][0].split("/")[0], tag=bytes.fromhex("81000064"))
    made.ports()  # answered when what came before has been read
    assert "uses" not in made.messages()[before:]
    assert [one for one in examine(made) if one["code"].startswith("address-")] == []


def test_the_hosts_own_address_is_not_given(made, host):
    host.run("ip", "address", "add", "192.168.1.33/24", "dev", "eth0")
    try:
        assert refusal(made, "--address=192.168.1.33") == "address 192.168.1.33 is the host's own"
    finally:
        host.run("ip", "address", "del", "192.168.1.33/24", "dev", "eth0")


def test_the_hosts_addresses_are_not_listed_for_each_port(made, tmp_path):
    """The kernel visits all links for that. It may take place once more, as an address of the host settles meanwhile."""
    create(made)
    with Trace(made.process.pid, tmp_path / "trace") as trace:
        for _ in range(4):
            create(made)
    requests = [rest for name, rest in trace.calls() if name == "sendmsg"]
    assert sum(bool(re.search(r"nlmsg_type=(RTM_NEWLINK|0x10\b)", rest)) for rest in requests) == 4
    assert sum(bool(re.search(r"nlmsg_type=(RTM_GETADDR|0x16\b)", rest)) for rest in requests) <= 1
