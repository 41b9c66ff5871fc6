# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whatever ends a passthru port, and in whatever order things die: its parent gets back what it had.

Theory of operation: the VMM is a stand-in that holds the descriptors (macvtap-run becomes it). In an `assign` network
it changes the MAC once more, as a guest may. Then things are killed, and the parent, its bond's slaves or the
device under its VLAN must be as they were before, MAC and promiscuity included."""
import os

import pytest

from frames import set_mac
from tracing import take_descriptor
from programs import program

PARENTS = ("nic", "bond", "own-vlan")
POLICIES = ("inherit", "assign")
SAMPLE = [("nic", "inherit"), ("bond", "assign")]
GUESTS_OWN = "52:54:00:00:77:01"


class Vmm:
    """A VMM with a port of the network; it has its descriptors until it ends."""

    def __init__(self, daemon, network):
        self.process = daemon.host.start(program("macvtap-run"), "--network", network, "--", "sh", "-c",
                                         "echo $1; exec cat", "vmm", "{fd}", "{mac}", env=daemon.environment(),
                                         stdin=-1, stdout=-1)
        self._tap = int(self.process.stdout.readline())

    def change_mac(self, mac):
        with os.fdopen(take_descriptor(self.process.pid, self._tap), "rb", buffering=0) as tap:
            set_mac(tap.fileno(), mac)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def normal_end(daemon, vmm):
    vmm.end()
    assert daemon.settle() == []


def vmm_killed(daemon, vmm):
    vmm.kill()
    assert daemon.settle() == []


def daemon_killed(daemon, vmm):
    (before,) = daemon.ports()
    daemon.kill()
    daemon.start()
    (after,) = daemon.ports()
    assert (after["id"], after["macAddress"], after["state"]) == (before["id"], before["macAddress"], "active")
    vmm.kill()
    assert daemon.settle() == []


def vmm_then_daemon(daemon, vmm):
    vmm.process.kill()
    daemon.kill()
    vmm.process.wait()
    daemon.start()
    assert daemon.leftovers() == []


def daemon_then_vmm(daemon, vmm):
    daemon.kill()
    vmm.kill()
    daemon.start()
    assert daemon.leftovers() == []


def daemon_never_back(daemon, vmm):
    """What is left to an administrator without us is `ip link del`."""
    daemon.kill()
    vmm.kill()
    (name,) = daemon.host.macvtaps()
    daemon.host.ip("link", "del", name)


ENDS = (normal_end, vmm_killed, daemon_killed, vmm_then_daemon, daemon_then_vmm, daemon_never_back)


@pytest.fixture
def site(sites, kind):
    site = sites(kind)
    for policy in POLICIES:
        site.daemon.network(policy, text=site.network("passthru", Mac=policy))
    return site


def cells():
    """Each end once, the kinds by turns: the whole is long."""
    taken = [(*SAMPLE[number % len(SAMPLE)], end) for number, end in enumerate(ENDS)]
    return sorted(taken, key=lambda cell: cell[:2])  # a site is made for each change of the kind


def one_round(site, policy, end):
    daemon = site.daemon
    if not daemon.running:
        daemon.start()
    before = site.state()
    vmm = Vmm(daemon, policy)
    (port,) = daemon.ports()
    parent = port["parent"]
    if policy == "assign":
        assert port["macAddress"] != before[parent]["address"]
        assert site.host.mac(parent) == port["macAddress"]
        vmm.change_mac(GUESTS_OWN)
        assert site.host.mac(parent) == GUESTS_OWN
    else:
        assert port["macAddress"] == before[parent]["address"] == site.host.mac(parent)
    assert site.host.link(parent)["promiscuity"] == before[parent]["promiscuity"] + 1
    end(daemon, vmm)
    assert site.state() == before


@pytest.mark.parametrize("kind, policy, end", cells(), ids=lambda value: getattr(value, "__name__", value))
def test_parent_has_what_it_had(site, policy, end):
    one_round(site, policy, end)


@pytest.mark.long
@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("kind", PARENTS)
def test_parent_has_what_it_had_20_times(site, policy, end):
    for _ in range(20):
        one_round(site, policy, end)
