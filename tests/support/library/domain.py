# SPDX-License-Identifier: LGPL-2.1-or-later
"""Domains for libvirt: their XML, and the console of those that boot the test's guest."""
import ctypes
import itertools
import os
import re
import socket
import uuid
from xml.sax.saxutils import quoteattr

from clock import FACTOR, Deadline
from guest import BOOT, KERNEL_WORDS
from programs import image

NAMESPACE = "https://macvtapd.org/xmlns/domain/1"
_IN_MODIFY, _IN_CREATE = 0x2, 0x100
_serial = itertools.count(1)


def new_mac():
    return "52:54:00:00:4c:%02x" % next(_serial)


class Port:
    """An interface of a domain and the port that is to be behind it."""

    def __init__(self, target, network="lan", mac=None, queues=None, mtu=None, driver=None):
        self.target, self.network, self.queues, self.mtu, self._driver = target, network, queues, mtu, driver
        self.mac = mac or new_mac()

    def interface(self):
        driver = {"name": self._driver, "queues": self.queues}
        words = [f"{key}='{value}'" for key, value in driver.items() if value]
        more = f"<driver {' '.join(words)}/>" if words else ""
        more += f"<mtu size='{self.mtu}'/>" if self.mtu else ""
        return (f"<interface type='ethernet'><mac address='{self.mac}'/>"
                f"<target dev={quoteattr(self.target)} managed='no'/><model type='virtio'/>{more}"
                "<rom enabled='no'/></interface>")

    def metadata(self):
        return f"<macvtapd:port target={quoteattr(self.target)} network={quoteattr(self.network)}/>"


def metadata(ports):
    if not ports:
        return ""
    inside = "".join(port.metadata() for port in ports)
    return f"<metadata><macvtapd:ports xmlns:macvtapd='{NAMESPACE}'>{inside}</macvtapd:ports></metadata>"


def domain_xml(name, ports=(), boot="<boot dev='hd'/>", devices="", memory=64, meta=None, number=None, kind="qemu"):
    """A domain, of QEMU's own processor unless kind is kvm. Without boot= it finds nothing to boot and stays in its
    firmware."""
    interfaces = "".join(port.interface() for port in ports)
    return (f"<domain type='{kind}'><name>{name}</name><uuid>{number or uuid.uuid4()}</uuid>"
            f"<memory unit='MiB'>{memory}</memory><vcpu>1</vcpu>{metadata(ports) if meta is None else meta}"
            f"<os><type arch='x86_64' machine='pc'>hvm</type>{boot}</os>"
            "<features><acpi/></features><on_reboot>restart</on_reboot>"
            f"<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>{devices}"
            "<controller type='usb' model='none'/><memballoon model='none'/>"
            f"{interfaces}</devices></domain>")


def guest_xml(name, ports, addresses, ping=(), devices="", **options):
    """A domain that boots the test's guest, with these addresses (ADDR/BITS) on its interfaces in turn. It pings,
    and then takes commands: see Console."""
    words = f"{KERNEL_WORDS} guest.name={name} guest.ip={','.join(addresses)} guest.ping={','.join(ping)}" \
            f" guest.tries={120 * FACTOR} guest.end=shell"
    boot = f"<kernel>{image('kernel')}</kernel><initrd>{image('guest')}</initrd><cmdline>{words}</cmdline>"
    serial = (f"<serial type='unix'><source mode='bind' path='/run/guests/{name}.socket'/>"
              f"<log file='/run/guests/{name}.log' append='on'/><target port='0'/></serial>")
    return domain_xml(name, ports, boot, serial + devices, memory=128, **options)


class Console:
    """What a domain's guest says on its serial port, on this machine; and what it is told there."""

    def __init__(self, machine, name):
        self._machine, self._name = machine, name
        self._folder = machine.path("/run/guests")
        self._log = f"{self._folder}/{name}.log"

    def lines(self):
        try:
            with open(self._log, encoding="utf-8", errors="replace") as stream:
                # What comes after the last newline is a line that is being written.
                return stream.read().replace("\r", "").split("\n")[:-1]
        except FileNotFoundError:
            return []

    def count(self):
        """How many lines there are: for wait_line(after=)."""
        return len(self.lines())

    def wait_line(self, pattern, after=0, deadline=None):
        """The match of the first line with the pattern, of those that come after so many."""
        deadline = deadline or Deadline(BOOT)
        watch = _watch(self._folder)
        try:
            while True:
                lines = self.lines()
                for line in lines[after:]:
                    match = re.search(pattern, line)
                    if match:
                        return match
                deadline.wait_readable(watch)
                os.read(watch, 65536)
        except TimeoutError:
            raise AssertionError(f"no line {pattern!r} from {self._name} after line {after}:\n"
                                 + "\n".join(lines)) from None
        finally:
            os.close(watch)

    def wait_ping(self, address, after=0):
        result = self.wait_line(rf"GUEST \S+ PING {re.escape(address)} (\w+)", after, Deadline(2 * BOOT)).group(1)
        assert result == "ok", "\n".join(self.lines())

    def tell(self, command, answer=r"GUEST \S+ TOLD"):
        """Give the guest, which is at its prompt, a command, and wait for a line with the answer, that of its end
        by default. Returns the number of lines before it."""
        before = self.count()
        with socket.socket(socket.AF_UNIX) as serial:
            serial.connect(f"{self._folder}/{self._name}.socket")
            serial.sendall(f"{command}; say TOLD\n".encode())
            # QEMU forgets what it has not given the guest when the connection ends.
            self.wait_line(answer, before)
        return before

    def reach(self, address):
        """Have the guest ping until it is answered."""
        self.wait_ping(address, self.tell(f"reach {address}"))

    def wait_booted(self, after=0):
        self.wait_line(r"GUEST \S+ DONE", after, Deadline(2 * BOOT))


def _watch(folder):
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(os.O_CLOEXEC)
    if libc.inotify_add_watch(descriptor, os.fsencode(folder), _IN_MODIFY | _IN_CREATE) < 0:
        os.close(descriptor)
        raise OSError(ctypes.get_errno(), f"inotify {folder}")
    return descriptor
