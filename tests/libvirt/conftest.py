# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine with libvirtd, our hook and macvtapd, per module; after each test nothing may be left on it."""
import contextlib
import os
import signal

import pytest

from domain import Console
from libvirt import Libvirt, LibvirtDaemon
from machine import Machine
from namespaces import Host

STATION = "10.0.0.254"


class Site:
    """machine has two parents, each cabled to station: eth0 of the network `lan` (bridge), and eth1 of the networks
    `own` (passthru that assigns the guest's MAC) and `inherit` (passthru with the parent's)."""

    PARENTS = ("eth0", "eth1")

    def __init__(self):
        self._stack = contextlib.ExitStack()
        try:
            self.machine = self._closing(Machine("machine"))
            self.station = self._closing(Host("station"))
            for number, parent in enumerate(self.PARENTS):
                self.machine.connect(parent, self.station, parent)
                self.machine.quiet(parent)
                self.station.quiet(parent)
                self.station.address(parent, f"10.0.{number}.254/24")
            self.daemon = self._closing(LibvirtDaemon(self.machine))
            self.daemon.network("lan", "eth0")
            self.daemon.network("own", text="[Network]\nParent=eth1\nMode=passthru\n[Port]\nMac=assign\n")
            self.daemon.network("inherit", "eth1", "passthru")
            self.daemon.start()
            self.libvirt = self._closing(Libvirt(self.machine))
            self.libvirt.start()
            self._before = self._state()
        except BaseException:
            self.close()
            raise

    def _closing(self, thing):
        self._stack.callback(thing.close)
        return thing

    def console(self, name):
        return Console(self.machine, name)

    # -- what is left ----------------------------------------------------------------------------------------

    def _state(self):
        return {name: (link["address"], link["mtu"], sorted({"UP", "PROMISC", "ALLMULTI"} & set(link["flags"])))
                for name, link in self.machine.links().items()}

    def nodes(self):
        return sorted(name for name in os.listdir(self.machine.path("/dev")) if name.startswith("tap"))

    def left(self):
        """What there is, after its domains, that was not there before; waits for the daemon to take it away."""
        left = self.daemon.settle()
        left += [f"node {name}" for name in self.nodes()]
        now = self._state()
        left += [f"{name} is {now.get(name)}, was {was}" for name, was in self._before.items() if now.get(name) != was]
        left += [f"link {name}" for name in now if name not in self._before]
        return left

    def clear(self):
        """End what a test that failed has left, so that the next one begins afresh."""
        if self.daemon.running:
            self.daemon.process.send_signal(signal.SIGCONT)
        else:
            self.daemon.start()
        if not self.libvirt.running:
            self.libvirt.start()
        self.libvirt.clear()
        for pid in self.machine.processes("qemu-system-x86_64"):
            self.machine.kill(pid)
        self.machine.run("find", "/run/guests", "-mindepth", "1", "-delete")

    def close(self):
        self._stack.close()


@pytest.fixture(scope="module")
def module_site():
    site = Site()
    yield site
    site.close()


@pytest.fixture
def site(request, module_site):
    """The module's Site; the test fails when anything is left after its domains have gone."""
    request.node.macvtapd_daemons = [module_site.daemon, module_site.libvirt]
    yield module_site
    module_site.clear()
    left = module_site.left()
    if left:
        for port in module_site.daemon.ports():
            module_site.daemon.ctl("port", "delete", port["id"], check=False)
    assert not left or getattr(request.node, "macvtapd_failed", False), \
        f"left behind: {left}\n{module_site.daemon.messages()}"
