# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine with libvirtd, our hook and macvtapd, and what domains have left on it."""
import contextlib
import os
import signal

from domain import Console
from libvirt import Libvirt, LibvirtDaemon
from isolated_host import IsolatedHost
from namespaces import Host


class LibvirtHost:
    """machine has the parents that the subclass's _wire() connects to station, and the networks that its _networks()
    writes; libvirtd and macvtapd run."""

    def __init__(self):
        self._stack = contextlib.ExitStack()
        try:
            self.machine = self._closing(IsolatedHost("machine"))
            self.station = self._closing(Host("station"))
            self._wire()
            self.daemon = self._closing(LibvirtDaemon(self.machine))
            self._networks()
            self.daemon.start()
            self.libvirt = self._closing(Libvirt(self.machine))
            self.libvirt.start()
            self._before = self._state()
        except BaseException:
            self.close()
            raise

    def _wire(self):
        raise NotImplementedError

    def _networks(self):
        raise NotImplementedError

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


def check_afterwards(request, site):
    """The body of a fixture of one test: it fails when anything is left after its domains have gone."""
    request.node.macvtapd_daemons = [site.daemon, site.libvirt]
    yield site
    site.clear()
    left = site.left()
    if left:
        for port in site.daemon.ports():
            site.daemon.ctl("port", "delete", port["id"], check=False)
    assert not left or getattr(request.node, "macvtapd_failed", False), \
        f"left behind: {left}\n{site.daemon.messages()}"
