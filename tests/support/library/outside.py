# SPDX-License-Identifier: LGPL-2.1-or-later
"""What befalls macvtapd's ports from outside: a guest's frames, an administrator's commands, the end of events.

Theory of operation: nobody calls, so nobody is told what failed. Instead the ports must be as they should be in the end,
whatever was missed: that is what each of these operations wants. What the administrator did to the host, he takes back
when the ports have gone (undo); it may not have come so far, and then there is nothing to take back."""
import signal

import link_events
import varlink
from frames import PacketSocket, announcement
from operations import Operation, create, create_for_domain, create_held

_NEW_MAC, _OTHER_SOURCE = "52:54:00:00:77:02", "52:54:00:00:00:02"


# -- guests --------------------------------------------------------------------------------------------------


def _announce_from_wire(world):
    with PacketSocket(world.station, "eth0") as wire:
        wire.send(announcement(world.port["macAddress"]))
    world.hear()


def _send_first_frame(world):
    with world.held_tap() as tap:
        tap.send(announcement(world.port["macAddress"]))
    world.hear()


# -- parents -------------------------------------------------------------------------------------------------


def _do(*commands):
    """An act: what ip(8) does in the host, one after another; {name} is the port's device, {station} its namespace."""
    def act(world):
        for command in commands:
            words = command.format(name=world.port["interfaceName"], station=world.station.pid)
            world.host.ip(*words.split())
        world.hear()
    return act


def _undo(*commands):
    """What puts the host back; a command that has nothing to put back fails, which is all right."""
    def undo(world):
        for command in commands:
            world.host.ip(*command.split(), check=False)
    return undo


def _two_kinds_on_lan(world):
    create_held("lan")(world)
    create_for_domain(world)


def _on_extra(world):
    world.connect_parent("eth2")
    create_held("extra")(world)
    create_for_domain(world, network="extra")


def _lose_and_regain_parent(world):
    world.host.ip("link", "del", "eth2")
    world.connect_parent("eth2")
    world.create("extra")
    world.hear()


def _only_new_ones_are_active(world, ports):
    """What came back is another parent, for all that it has the name."""
    return all(port["state"] == ("active" if port["holder"]["type"] == "process" else "parent-gone") for port in ports)


_LOSE_EXTRA = _undo("link del eth2")


def _all(**wanted):
    """Wants these fields of each port."""
    return lambda world, ports: all(port.get(key) == value for port in ports for key, value in wanted.items())


def _parent_is_theirs(mac=None):
    """Wants each port to have its parent's MAC, and that to be this one (None: not the one that was put there)."""
    def wants(world, ports):
        now = world.links()["eth0"]["address"]
        return all(port["macAddress"] == now for port in ports) and (now == mac if mac else now != _NEW_MAC)
    return wants


def _give_mac_back(world):
    """What the kernel gives a parent back when its passthru port goes is what the administrator gave it last."""
    was = world.links()["eth0"]["address"]
    world.host.ip("link", "set", "eth0", "address", world.clean["links"]["eth0"]["address"])
    return [] if was == _NEW_MAC else [f"the parent's new MAC {_NEW_MAC} became {was}"]


def _sunk(world):
    _two_kinds_on_lan(world)
    _do("link set eth0 mtu 1000")(world)
    assert [port["mtu"] for port in world.daemon.ports()] == [1000, 1000]


# -- devices -------------------------------------------------------------------------------------------------


def _is_told_where(world, ports):
    return all(port["state"] == "device-gone" and "moved into another network namespace" in port.get("problem", "")
               for port in ports) and len(world.moved()) == len(ports)


_MOVE = _do("link set {name} netns {station}")


def _moved(world):
    create("lan")(world)
    _MOVE(world)
    (port,) = world.daemon.ports()
    assert port["state"] == "device-gone", port


def _move_back(world):
    world.station.ip("link", "set", world.port["interfaceName"], "netns", str(world.host.pid))
    world.host.ip("link", "set", world.port["interfaceName"], "up")
    world.hear()


def _delete_port(world):
    world.call("DeletePort", port=world.port["id"])


# -- lost events ---------------------------------------------------------------------------------------------


def _with_small_buffer(world):
    """Of two events the second is lost."""
    _two_kinds_on_lan(world)
    link_events.set_buffer(world.daemon, 1)


def _miss_events(*commands):
    """The daemon does not look while all this happens, and hears of nothing but something else before."""
    def act(world):
        with link_events.unread(world.daemon):
            for command in ("link set eth1 mtu 1400", "link set eth1 mtu 1500", *commands):
                world.host.ip(*command.format(name=world.port["interfaceName"]).split())
        world.hear()
    return act


def _regain_buffer(*commands):
    def undo(world):
        link_events.set_buffer(world.daemon, link_events.BUFFER)
        _undo(*commands)(world)
    return undo


# -- networks and settings -----------------------------------------------------------------------------------


def _networks(world):
    with world.daemon.connect() as connection:
        return {network["name"]: network for network in connection.ports("ListNetworks")["networks"]}


def _reload(name, change, is_done, prepare, wants=lambda world, ports: True):
    """The administrator changes the files and sends SIGHUP; if the log complains of a file, again."""
    def send(world):
        world.daemon.process.send_signal(signal.SIGHUP)
        world.hear()

    def act(world):
        change(world)
        said = len(world.daemon.messages())
        send(world)
        if "warning:" in world.daemon.messages()[said:]:
            send(world)

    return Operation(f"SIGHUP: {name}", act, prepare, undo=_restore_networks,
                     wants=lambda world, ports: is_done(world) and wants(world, ports))


def _restore_networks(world):
    folder = world.daemon.config
    for path in (*folder.glob("networks.d/*"), *folder.glob("macvtapd.conf")):
        path.unlink()
    world.define_networks()
    world.daemon.reload()


def _change_list_of_networks(world):
    (world.daemon.config / "networks.d" / "lan.network").unlink()
    world.daemon.network("new", "eth1")


def _has_other_networks(world):
    return {"new", "lan"} & _networks(world).keys() == {"new"}


def _change_keys(world):
    world.daemon.network("lan", text="[Network]\nParent=eth0\nMode=bridge\n[Port]\nMulticast=filter\n")
    world.daemon.network("source", text=f"[Network]\nParent=eth0\nMode=source\nSources={_OTHER_SOURCE}\n")
    world.daemon.network("assign1", text="[Network]\nParent=eth1\nMode=private\n")


def _has_other_keys(world):
    return _networks(world)["assign1"]["mode"] == "private"


def _one_of_each(world):
    for network in ("source", "lan", "assign1"):
        world.create(network)
    # A new device's carrier is told late, and any event of a device brings a look at it: who asks has it told at once.
    for name in world.macvtaps():
        world.host.ip("link", "show", name)
    world.hear()


def _follows_keys(world, ports):
    """Multicast= and Sources= reach a port that lives; a network that has another mode now has left its port alone."""
    devices = world.macvtaps()
    device = {port["network"]: devices.get(port["interfaceName"]) for port in ports}
    return (all(device.values()) and "ALLMULTI" not in device["lan"]["flags"]
            and device["source"]["linkinfo"]["info_data"]["macaddr_data"] == [_OTHER_SOURCE])


def _generated_mac(world):
    """The seed is told to nobody, but this follows from it."""
    with world.daemon.connect() as connection:
        return connection.ports("CreatePort", network="lan", name="next", holder={"type": "none"}, openDescriptors=False,
                                checkOnly=True)["port"]["macAddress"]


def _note_seed(world):
    create("lan")(world)
    world.noted = _generated_mac(world)


def _set_seed(world):
    (world.daemon.config / "macvtapd.conf").write_text("[Daemon]\nSeed=another\n", encoding="utf-8")


def _has_other_seed(world):
    return _generated_mac(world) != world.noted


# -- many at once --------------------------------------------------------------------------------------------


def _five_of_all_kinds(world):
    create_held("lan", queues=2)(world)
    create_for_domain(world)
    for network in ("source", "lan", "assign1"):
        world.create(network, holder={"type": "none"})


def _delete_many(world):
    """What could not be deleted is told in the answer, which names each."""
    failures = world.call("DeletePort", all=True)["failures"]
    for failure in failures:
        raise varlink.VarlinkError(f"org.macvtapd.Ports.{failure['error']}", failure)


def _take_guard_away(world):
    world.host.run("tc", "qdisc", "del", "dev", world.port["interfaceName"], "clsact")
    world.hear()


_PARENT_RENAMED = "link set uplink name eth0"
_OLD_MTU = "link set eth0 mtu 1500"

OUTSIDE_OPERATIONS = [
    Operation("a guest is announced from the wire", _announce_from_wire, create_held("lan")),
    Operation("the first frame of a guest that came", _send_first_frame, create_held("lan", incoming=True),
              wants=_all(incoming=False)),
    Operation("the guard of a port is taken away", _take_guard_away, create("lan"), may_be_told=True),
    Operation("a parent is renamed", _do("link set eth0 name uplink"), _two_kinds_on_lan, wants=_all(parent="uplink"),
              undo=_undo(_PARENT_RENAMED)),
    Operation("a parent goes", _do("link del eth2"), _on_extra, wants=_all(state="parent-gone"), undo=_LOSE_EXTRA),
    Operation("a parent goes and comes back", _lose_and_regain_parent, _on_extra, wants=_only_new_ones_are_active,
              undo=_LOSE_EXTRA),
    Operation("a parent gets a new MAC: bridge", _do(f"link set eth0 address {_NEW_MAC}"), _two_kinds_on_lan,
              undo=_give_mac_back),
    Operation("a parent gets a new MAC: passthru, inherit", _do(f"link set eth0 address {_NEW_MAC}"), create("inherit"),
              wants=_parent_is_theirs(), undo=_give_mac_back),
    Operation("a parent gets a new MAC: passthru, assign", _do(f"link set eth0 address {_NEW_MAC}"), create("assign"),
              wants=_parent_is_theirs(_NEW_MAC), undo=_give_mac_back),
    Operation("a parent's MTU sinks", _do("link set eth0 mtu 1000"), _two_kinds_on_lan, wants=_all(mtu=1000),
              undo=_undo(_OLD_MTU)),
    Operation("a parent regains its MTU", _do(_OLD_MTU), _sunk, wants=_all(mtu=1500), undo=_undo(_OLD_MTU)),
    Operation("a device is moved into another namespace", _MOVE, create("lan"), wants=_is_told_where),
    Operation("a device is moved into another namespace: passthru, assign", _MOVE, create("assign"),
              wants=_is_told_where),
    Operation("a moved device comes back", _move_back, _moved, wants=_all(state="active", linkUp=True)),
    Operation("delete: a port whose device was moved", _delete_port, _moved),
    Operation("a device is renamed", _do("link set {name} down", "link set {name} name guest7"), create("lan"),
              wants=_all(interfaceName="guest7", linkUp=False)),
    Operation("events are lost", _miss_events("link set eth0 mtu 1000", f"link set {{name}} address {_NEW_MAC}",
                                              "link set {name} type macvtap mode private", "link set {name} up arp on",
                                              "link set eth0 name uplink"),
              _with_small_buffer, wants=_all(parent="uplink", mtu=1000, linkUp=True),
              undo=_regain_buffer(_PARENT_RENAMED, _OLD_MTU)),
    _reload("networks are added and removed", _change_list_of_networks, _has_other_networks, _two_kinds_on_lan),
    _reload("keys are changed", _change_keys, _has_other_keys, _one_of_each, _follows_keys),
    _reload("macvtapd.conf", _set_seed, _has_other_seed, _note_seed),
    Operation("delete: five ports of all kinds at once", _delete_many, _five_of_all_kinds),
]
