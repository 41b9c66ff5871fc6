# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest with a network stack and real DHCP clients, at a port that answers them (Serve=dhcp), and the wire behind it.

The guest is a host with a tap device; a thread carries frames between that and the port's descriptor, as a VMM does. What
the guest gets and what comes to the wire is kept."""
import fcntl
import os
import select
import socket
import struct
import subprocess
import tempfile
import threading

from clock import Deadline, FolderWatch
from frames import IFF_NO_PI, IFF_TAP, TUNSETIFF, PacketSocket, Tap, frame, mac_bytes

LEASE, GATEWAY, DNS = "10.9.0.41", "10.9.0.254", "10.9.0.53"
NOBODY = "169.254.255.67"  # the server identifier where there is no gateway
MODES = ["bridge", "vepa", "private", "passthru", "source"]
ADDRESSES = (f"[Addresses]\nSubnet=10.9.0.0/24\nGateway={GATEWAY}\nDNS={DNS}\nSearch=lab.example\nServe=dhcp\n"
             "LeaseTime=3600\n")
COOKIE = bytes.fromhex("63825363")
DISCOVER, OFFER, REQUEST, ACK, NAK = 1, 2, 3, 5, 6
# The parameters that a client usually asks for, and what it is.
PARAMETERS = bytes.fromhex("37080103060c0f1a7921") + b"\x3c\x0cudhcp 1.35.0"


def network_text(mode="bridge", addresses=ADDRESSES, guard="Allow=other\n", source=None):
    """source: a station that may send to guests in source mode."""
    sources = f"Sources={source}\n" if mode == "source" else ""
    return f"[Network]\nParent=eth0\nMode={mode}\n{sources}{addresses}[Guard]\n{guard}"


# ---- messages -----------------------------------------------------------------------------------------------------

def bootp(mac, options, xid=b"\x12\x34\x56\x78", ciaddr="0.0.0.0", flags=0, operation=1):
    head = struct.pack("!BBBB4sHH4s12s", operation, 1, 6, 0, xid, 0, flags, socket.inet_aton(ciaddr), bytes(12))
    return head + mac_bytes(mac).ljust(16, b"\0") + bytes(192) + COOKIE + options


def udp(ports, payload):
    return struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ipv4(source, destination, payload, options=b"", fragment=0):
    head = struct.pack("!BBHHHBBH4s4s", 0x45 + len(options) // 4, 0, 20 + len(options) + len(payload), 0x1234, fragment,
                       64, 17, 0, socket.inet_aton(source), socket.inet_aton(destination)) + options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def ethernet(source, payload, destination="ff:ff:ff:ff:ff:ff", ethertype=b"\x08\0"):
    return mac_bytes(destination) + mac_bytes(source) + ethertype + payload


def question(mac, kind, options=b"", **fields):
    """A DHCP client's message to all."""
    message = bootp(mac, bytes((53, 1, kind)) + options + b"\xff", **fields)
    return ethernet(mac, ipv4("0.0.0.0", "255.255.255.255", udp((68, 67), message)))


def requested(address):
    return b"\x32\x04" + socket.inet_aton(address)


def server(address):
    return b"\x36\x04" + socket.inet_aton(address)


def is_dhcp(data):
    """Whether a frame has something of DHCP, in whatever form; not an ICMP error about an answer, which a guest may send
    whose client has just closed its socket."""
    ports = [data[at:at + 4] for at in range(34, 54, 4)]
    if data[12:14] == b"\x08\0" and data[23] == 1:
        return False
    return COOKIE in data or any(pair in (b"\0\x43\0\x44", b"\0\x44\0\x43") for pair in ports)


class Answer:
    """A DHCP server's message to the guest."""

    def __init__(self, data):
        self.destination_mac, self.source_mac = data[:6].hex(":"), data[6:12].hex(":")
        self.source, self.destination = socket.inet_ntoa(data[26:30]), socket.inet_ntoa(data[30:34])
        self.address = socket.inet_ntoa(data[58:62])
        self.good_checksum = checksum(data[14:34]) == 0
        self.options = {}
        at = 282
        while data[at] != 255:
            self.options[data[at]] = data[at + 2:at + 2 + data[at + 1]]
            at += 2 + data[at + 1]
        self.kind = self.options[53][0]
        self.server = socket.inet_ntoa(self.options[54])


def receive_answer(tap):
    """The next DHCP message that a tap gets."""
    while True:
        data = tap.receive(ethertype=0x0800)
        if data[23] == 17 and data[34:38] == b"\0\x43\0\x44":
            return Answer(data)


class Wire:
    """What comes to the wire behind the host's eth0."""

    def __init__(self, station):
        self.socket = PacketSocket(station, "eth0", promiscuous=True)
        self._markers = 0

    def frames_until_marker(self, send, mac):
        """What has come to the wire of all that was sent so far: the marker comes after it."""
        self._markers += 1
        payload = b"marker %d" % self._markers
        send(frame("ff:ff:ff:ff:ff:ff", mac, payload))
        before = []
        while True:
            data = self.socket.receive(ethertype=None)
            if data[14:14 + len(payload)] == payload:
                return before
            before.append(data)

    def close(self):
        self.socket.close()


# ---- a guest -----------------------------------------------------------------------------------------------------

def _open_tap_device():
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("=16sH22x", b"eth0", IFF_TAP | IFF_NO_PI))
    return descriptor


class StackGuest:
    """A host whose eth0 is at the port's descriptor (taken over)."""

    def __init__(self, host, descriptor, mac):
        self.host, self.mac = host, mac
        self.port = Tap(descriptor)
        self.got = []
        self._device = host.call(_open_tap_device)
        self._stop, self._stopped = os.pipe()
        host.quiet("eth0")
        host.ip("link", "set", "eth0", "address", mac)
        host.ip("link", "set", "eth0", "up")
        self._thread = threading.Thread(target=self._carry)
        self._thread.start()

    def _carry(self):
        poller = select.poll()
        for descriptor in (self.port.fileno(), self._device, self._stop):
            poller.register(descriptor, select.POLLIN)
        while True:
            ready = [descriptor for descriptor, _ in poller.poll()]
            if self._stop in ready:
                return
            if self._device in ready:
                self.port.send(os.read(self._device, 65536))
            if self.port.fileno() in ready:
                data = os.read(self.port.fileno(), 65536)[self.port.header:]
                self.got.append(data)
                os.write(self._device, data)

    def answers(self):
        """The DHCP messages that it has got so far."""
        return [Answer(data) for data in list(self.got) if data[12:14] == b"\x08\0" and is_dhcp(data)]

    def close(self):
        os.close(self._stopped)
        self._thread.join()
        os.close(self._stop)
        os.close(self._device)
        self.port.close()


class Site:
    """The daemon's network with Serve=dhcp, one port of it, and the wire."""

    def __init__(self, daemon, station, mode="bridge", addresses=ADDRESSES, guard="Allow=other\n", mac=None):
        self.daemon, self.mode = daemon, mode
        daemon.network("lan", text=network_text(mode, addresses, guard, station.mac("eth0")))
        daemon.start()
        self.connection = daemon.connect()
        asked = {"macAddress": mac} if mac and mode != "passthru" else {}
        self.port = self.connection.ports("CreatePort", network="lan", vhost="off", addresses=[LEASE], **asked)["port"]
        (self.descriptor,) = self.connection.take_descriptors()
        self.mac = self.port["macAddress"]
        self.wire = Wire(station)

    def dhcp_on_the_wire(self, send):
        """The frames with something of DHCP that have come to the wire from the port so far."""
        return [data.hex() for data in self.wire.frames_until_marker(send, self.mac) if is_dhcp(data)]

    def dropped(self):
        (port,) = [port for port in self.daemon.ports() if port["id"] == self.port["id"]]
        return {reason: count for reason, count in port.get("dropped", {}).items() if count}

    def close(self):
        self.connection.close()
        self.wire.close()


# ---- clients -------------------------------------------------------------------------------------------------------

class Client:
    """A DHCP client of Debian's in a guest. Its script writes a line of its own form for each event to a pipe."""

    SCRIPT = ""

    def __init__(self, guest):
        self.guest = guest
        self.folder = tempfile.mkdtemp(prefix="macvtapd-dhcp-")
        self.pipe_path = f"{self.folder}/events"
        os.mkfifo(self.pipe_path)
        self._pipe = os.open(self.pipe_path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._rest = b""
        self.script = f"{self.folder}/script"
        with open(self.script, "w", encoding="ascii") as stream:
            stream.write(f"#!/bin/sh\n{self.SCRIPT.replace('PIPE', self.pipe_path)}")
        os.chmod(self.script, 0o755)
        self.process = self.start()

    def start(self):
        raise NotImplementedError

    def run(self, *line):
        with open(f"{self.folder}/log", "ab") as log:
            return self.guest.host.start(*line, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def log(self):
        with open(f"{self.folder}/log", encoding="utf-8", errors="replace") as stream:
            return stream.read()

    def wait_event(self, *names, deadline=None):
        """The words of the next event with one of these names."""
        deadline = deadline or Deadline()
        while True:
            while b"\n" in self._rest:
                line, self._rest = self._rest.split(b"\n", 1)
                name, *words = line.decode().split("|")
                if name in names:
                    return words
            try:
                deadline.wait_readable(self._pipe)
            except TimeoutError:
                raise AssertionError(f"no event {names}:\n{self.log()}") from None
            self._rest += os.read(self._pipe, 65536)

    def wait_lease(self):
        """(address, mask, router, DNS server, MTU, lease time) as the client has them."""
        raise NotImplementedError

    def renew(self):
        """Have it renew its lease, and wait until it has."""
        raise NotImplementedError

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._pipe)
        subprocess.run(["rm", "-r", self.folder], check=True)


class Udhcpc(Client):
    SCRIPT = """[ "$1" = bound ] && ip addr replace "$ip/$mask" dev eth0
[ "$1" = bound ] && [ -n "$router" ] && ip route replace default via "$router"
[ "$1" = bound ] && [ -n "$staticroutes" ] && ip route replace "${staticroutes%% *}" dev eth0
echo "$1|$ip|$subnet|$router|$dns|$mtu|$lease|$search|$staticroutes" >PIPE
"""

    def start(self):
        return self.run("busybox", "udhcpc", "-f", "-i", "eth0", "-s", self.script, "-T", "1", "-t", "3", "-A", "1",
                        "-O", "mtu", "-O", "search", "-O", "121")

    def wait_lease(self):
        return self.wait_event("bound")[:6]

    def renew(self):
        self.process.send_signal(10)  # SIGUSR1
        return self.wait_event("renew")[:6]


class Dhclient(Client):
    SCRIPT = """case $reason in
BOUND|REBOOT) ip addr replace "$new_ip_address/24" dev eth0; ip route replace default via "$new_routers";;
esac
echo "$reason|$new_ip_address|$new_subnet_mask|$new_routers|$new_domain_name_servers|$new_interface_mtu|""" \
        """$new_dhcp_lease_time" >PIPE
"""

    def start(self):
        with open(f"{self.folder}/conf", "w", encoding="ascii") as stream:
            stream.write("request subnet-mask, routers, domain-name-servers, interface-mtu, domain-search;\n")
        return self.run("dhclient", "-4", "-d", "-v", "-sf", self.script, "-lf", f"{self.folder}/leases", "-pf",
                        f"{self.folder}/pid", "-cf", f"{self.folder}/conf", "eth0")

    def wait_lease(self):
        return self.wait_event("BOUND")

    def renew(self):
        """It has no way to be told: it starts again with the lease that it has on disk."""
        self.process.kill()
        self.process.wait()
        self.process = self.start()
        return self.wait_event("REBOOT")


class Dhcpcd(Client):
    SCRIPT = """echo "$reason|$new_ip_address|$new_subnet_mask|$new_routers|$new_domain_name_servers|""" \
        """$new_interface_mtu|$new_dhcp_lease_time" >PIPE
"""

    def start(self):
        self.guest.host.run("mount", "-t", "tmpfs", "tmpfs", "/var/lib/dhcpcd")
        with open(f"{self.folder}/conf", "w", encoding="ascii") as stream:
            stream.write("option interface_mtu, domain_search, classless_static_routes, domain_name_servers, routers\n")
        return self.run("dhcpcd", "-4", "-B", "-d", "-A", "-L", "-f", f"{self.folder}/conf", "-c", self.script, "eth0")

    def wait_lease(self):
        return self.wait_event("BOUND")

    def renew(self):
        self.guest.host.run("dhcpcd", "-4", "-N", "-f", f"{self.folder}/conf", "eth0")
        return self.wait_event("RENEW")


class Networkd(Client):
    """systemd-networkd has no script: it tells by the file of its lease. Without a bus nobody can have it renew that, so
    it starts again."""

    FOLDER = "/run/systemd/netif/leases"

    def start(self):
        host = self.guest.host
        host.run("mkdir", "-p", self.FOLDER, "/run/systemd/network")
        host.run("chown", "-R", "systemd-network:systemd-network", "/run/systemd/netif")
        with open(host.path("/run/systemd/network/10-eth0.network"), "w", encoding="ascii") as stream:
            stream.write("[Match]\nName=eth0\n[Network]\nDHCP=ipv4\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
                         "[DHCPv4]\nUseMTU=yes\nUseDomains=yes\nRequestBroadcast=yes\n")
        self.watch = FolderWatch(host.path(self.FOLDER), contents=True)
        # What udev would tell of a link it takes as told where /sys is read-only, as in a container.
        host.run("mount", "-o", "remount,ro,bind", "/sys")
        return self.run("env", "SYSTEMD_LOG_LEVEL=debug", "/usr/lib/systemd/systemd-networkd")

    def wait_lease(self):
        deadline = Deadline()
        path = self.guest.host.path(f"{self.FOLDER}/{self.guest.host.interface_index('eth0')}")
        words = ("ADDRESS", "NETMASK", "ROUTER", "DNS", "MTU", "LIFETIME")
        while True:
            try:
                with open(path, encoding="ascii") as stream:
                    lease = dict(line.rstrip("\n").split("=", 1) for line in stream if "=" in line)
                if all(word in lease for word in words):
                    return [lease[word] for word in words]
            except FileNotFoundError:
                pass
            try:
                deadline.wait_readable(self.watch)
            except TimeoutError:
                raise AssertionError(self.log()) from None
            self.watch.drain()

    def renew(self):
        self.process.kill()
        self.process.wait()
        self.watch.close()
        self.guest.host.run("rm", "-r", self.FOLDER)
        self.process = self.start()
        return self.wait_lease()

    def close(self):
        super().close()
        self.watch.close()


CLIENTS = {"udhcpc": Udhcpc, "dhclient": Dhclient, "dhcpcd": Dhcpcd, "networkd": Networkd}
