# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs in a container, as its root, and tries what it should not be able to do: inside_container.py ATTACK, which is JSON:
  socket     the path of macvtapd's socket there
  others     names of ports that others have
  networks   networks that are not for this container
  device     [major, minor] of the tap of a VM that runs in another container
  mount      the folder of the container socket
  made       the number of a descriptor, a socket that was made elsewhere and is connected in here; or null
  interface  a file with macvtapd's interface in Varlink
  requests   how many generated requests to send
Prints JSON: {what was tried: "done", or how it was refused}."""
import ctypes
import errno
import json
import os
import socket
import stat
import sys

from badrequests import Caller, Generator, Interface
from varlink import Connection, VarlinkError

NONE = {"type": "none"}
SEED = 4711
_MS_REMOUNT_BIND = 0x20 | 0x1000


def outcome(function):
    try:
        found = function()
    except VarlinkError as error:
        return error.name.rpartition(".")[2]
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done" if found is None else found


def requests(attack):
    """(what it is, method, parameters)"""
    yield "ad-hoc network", "CreatePort", {"network": "parent=eth0,mode=bridge", "holder": NONE}
    for network in attack["networks"]:
        yield f"network {network}", "CreatePort", {"network": network, "holder": NONE}
        yield f"statistics {network}", "ListNetworks", {"network": network}
    yield "interface name", "CreatePort", {"network": "lan", "interfaceName": "eth7", "holder": NONE}
    yield "device node", "CreatePort", {"network": "lan", "holder": NONE, "deviceNode": {"owner": 107, "group": 107}}
    yield "guard", "CreatePort", {"network": "lan", "holder": NONE, "guard": {"senders": "any"}}
    yield "process", "CreatePort", {"network": "lan", "holder": {"type": "process", "pid": 1}}
    for port in attack["others"]:
        for method, more in (("OpenPort", {}), ("GetPort", {}), ("DeletePort", {}), ("CapturePort", {}),
                             ("SetPort", {"linkUp": False})):
            yield f"{method} {port}", method, {"port": port, **more}
    yield "delete all", "DeletePort", {"all": True}
    yield "reload", "Reload", {}


def ask(attack, made):
    """Everything that is one request."""
    found = {}
    with Connection(attack["socket"], made) as connection:
        def call(method, parameters):
            connection.ports(method, **parameters)

        for what, method, parameters in requests(attack):
            found[what] = outcome(lambda m=method, p=parameters: call(m, p))
            for descriptor in connection.take_descriptors():
                found[what] = f"done, with descriptor {descriptor}"
                os.close(descriptor)
        found["listed"] = [port["name"] for port in connection.ports("ListPorts")["ports"]]
        found["networks"] = [network["name"] for network in connection.ports("ListNetworks")["networks"]]
    return found


def open_device(major, minor):
    os.mknod("/tmp/tap", stat.S_IFCHR | 0o600, os.makedev(major, minor))
    os.close(os.open("/tmp/tap", os.O_RDWR))


def remount(folder):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(None, folder.encode(), None, _MS_REMOUNT_BIND, None) != 0:
        raise OSError(ctypes.get_errno(), "mount")


def touch(folder):
    with open(f"{folder}/planted", "w", encoding="ascii"):
        pass


def abstract():
    """The name that keeps two daemons apart is of another network namespace."""
    with open("/proc/net/unix", encoding="ascii") as stream:
        return "seen" if "macvtapd" in stream.read() else "not there"


def on_files(attack):
    folder = attack["mount"]
    return {
        "open the tap": outcome(lambda: open_device(*attack["device"])),
        "state folder": outcome(lambda: os.listdir("/run/macvtapd") and None),
        "queues' nodes": "seen" if [name for name in os.listdir("/dev") if "macvtap" in name or "tap" in name] else "not there",
        "plant a file": outcome(lambda: touch(folder)),
        "take the socket away": outcome(lambda: os.unlink(f"{folder}/socket")),
        "mount it writable": outcome(lambda: remount(folder)),
        "lock": abstract(),
    }


def send_generated(attack):
    with open(attack["interface"], encoding="utf-8") as stream:
        interface = Interface(stream.read())
    generator, caller, counts = Generator(interface, SEED), Caller(attack["socket"], os.geteuid()), {}
    for _ in range(attack["requests"]):
        _, data = next(generator)
        word = caller.outcome(data)
        counts[word] = counts.get(word, 0) + 1
    caller.close()
    with Connection(attack["socket"]) as connection:  # what it made itself
        for port in connection.ports("ListPorts")["ports"]:
            connection.ports("DeletePort", port=port["id"])
    return counts


def main():
    attack = json.loads(sys.argv[1])
    made = socket.socket(fileno=attack["made"]) if attack["made"] is not None else None
    print(json.dumps({"asked": ask(attack, made), "files": on_files(attack), "generated": send_generated(attack)}))


main()
