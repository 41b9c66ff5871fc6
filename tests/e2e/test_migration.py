# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/recipes.md: QEMU moves a guest from one host to another, without libvirt. A host is a network namespace with a
daemon of its own, a switch joins them, and neighbours of the guest ping it all along."""
import re

import pytest

import guest
from namespaces import Switch
from pinger import Pinger
from programs import SOURCE
from qmp import Qmp

GUEST, STATION = "10.0.0.1", "10.0.0.254"
LOST_MAX = 2  # pings, at 5 per second, on either host and on the wire


def recipe():
    """The --networks of the recipe's two commands (source, destination), and where the destination listens."""
    text = (SOURCE / "docs/recipes.md").read_text(encoding="utf-8").partition("## Move a guest")[2].partition("\n## ")[0]
    networks = re.findall(r"^    macvtap-run -n (\S+) -- qemu", text, re.M)
    (port,) = re.findall(r"-incoming tcp:0:(\d+)", text)
    assert len(networks) == 2 and f"migrate tcp:HOST2:{port}" in text.replace("-d ", "")
    return networks, port


@pytest.fixture
def racks(hosts, daemons):
    """Two daemons on hosts of their own, each with a neighbour of its ports on the same parent; and all neighbours."""
    switch = Switch(hosts("switch"))
    station = hosts("station")
    switch.plug(station, "eth0")
    station.address("eth0", f"{STATION}/24")
    made, neighbours = [], {"station": station}
    for number in (1, 2):
        host = hosts(f"host{number}")
        switch.plug(host, "eth0")
        host.quiet("eth0")
        daemon = daemons(host)
        daemon.network("lan", "eth0")
        made.append(daemon.start())
        neighbour = neighbours[f"host{number}"] = hosts(f"neighbour{number}")
        host.ip("link", "add", "link", "eth0", "name", "next", "netns", str(neighbour.pid), "type", "macvlan", "mode", "bridge")
        neighbour.ip("link", "set", "next", "up")
        neighbour.address("next", f"10.0.0.{10 + number}/24")
    made[0].host.connect("wire", made[1].host, "wire")
    for number, daemon in enumerate(made):
        daemon.host.address("wire", f"10.0.9.{number + 1}/24")
    return made, neighbours


def test_recipe(racks, guests):
    (source, destination), neighbours = racks
    networks, port = recipe()
    path = source.folder / "qmp"
    first = guests(guest.run_with_macvtap_run, source, [networks[0]], f"{GUEST}/24", [STATION], name="web",
                   extra=["-name", "web", "-qmp", f"unix:{path},server=on,wait=off"], keep=STATION)
    first.wait_ping(STATION)
    second = guests(guest.run_with_macvtap_run, destination, [networks[1]], f"{GUEST}/24", [STATION], name="web",
                    extra=["-name", "web", "-incoming", f"tcp:0:{port}"], keep=STATION)
    with destination.connect() as watcher:
        watcher.send({"method": "org.macvtapd.Ports.WatchPorts", "more": True})
        while not destination.ports():
            watcher.reply()
        (waiting,) = destination.ports()
        assert waiting["incoming"] and waiting["macAddress"] == source.ports()[0]["macAddress"]
        pings = {name: Pinger(host, GUEST) for name, host in neighbours.items()}
        try:
            for one in pings.values():
                one.wait_answers(2)
            monitor = Qmp(path)
            monitor.call("migrate-set-capabilities", capabilities=[{"capability": "events", "state": True}])
            monitor.call("migrate", uri=f"tcp:10.0.9.2:{port}")
            monitor.wait_migration()
            monitor.close()
            second.wait_reply()
            # The source's QEMU is still there, stopped, with its port.
            for one in pings.values():
                one.wait_answers(3)
            first.kill()
            assert source.settle() == []
            for one in pings.values():
                one.wait_answers(3)
            lost = {name: one.stop() for name, one in pings.items()}
        finally:
            for one in pings.values():
                one.close()
        assert max(len(numbers) for numbers in lost.values()) <= LOST_MAX, lost
    (now,) = destination.ports()
    assert not now["incoming"] and now["name"] == "web"
    assert not any(" READY " in line for line in second.lines), "it booted anew"
