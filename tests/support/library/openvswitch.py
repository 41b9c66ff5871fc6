# SPDX-License-Identifier: LGPL-2.1-or-later
"""An Open vSwitch datapath as ovs-vswitchd makes it, of the kernel's generic netlink alone (linux/openvswitch.h)."""
import itertools
import os
import socket
import struct

from frames import ETHERTYPE

_NETLINK_GENERIC = 16
_NLM_F_REQUEST, _NLM_F_ACK, _NLMSG_ERROR = 1, 4, 2
_CTRL_FAMILY, _CTRL_CMD_GETFAMILY, _CTRL_ATTR_FAMILY_ID, _CTRL_ATTR_FAMILY_NAME = 16, 3, 1, 2
_CMD_NEW = 1
_DP_NAME, _DP_UPCALL_PID = 1, 2
_VPORT_NO, _VPORT_TYPE, _VPORT_NAME, _VPORT_UPCALL_PID = 1, 2, 3, 5
NETDEV, INTERNAL = 1, 2
_FLOW_KEY, _FLOW_ACTIONS, _FLOW_MASK = 1, 2, 7
_KEY_IN_PORT, _KEY_ETHERNET, _KEY_ETHERTYPE = 3, 4, 6
_ACTION_OUTPUT = 1


def _attribute(kind, value):
    return struct.pack("=HH", len(value) + 4, kind) + value + bytes(-len(value) % 4)


def _number(kind, value):
    return _attribute(kind, struct.pack("=I", value))


def _text(kind, value):
    return _attribute(kind, value.encode() + b"\0")


class Datapath:
    """ovs-system in a host, with ports by name; it ends with the host."""

    def __init__(self, host, name="ovs-system"):
        self._host = host
        self._socket = host.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_GENERIC)
        self._serial = itertools.count(1)
        self._ports = {}
        self._index = 0
        self._new("ovs_datapath", 2, _text(_DP_NAME, name) + _number(_DP_UPCALL_PID, 0))
        self._index = host.interface_index(name)

    def add(self, name, kind):
        """A port: an interface of the host (NETDEV), or one of the switch's own (INTERNAL)."""
        number = self._ports[name] = len(self._ports) + 1
        self._new("ovs_vport", 1, _number(_VPORT_NO, number) + _number(_VPORT_TYPE, kind) + _text(_VPORT_NAME, name)
                  + _number(_VPORT_UPCALL_PID, 0))

    def join(self, one, other):
        """What comes in at one goes out at the other, and back: frames of our EtherType."""
        for source, target in ((one, other), (other, one)):
            key, mask = (
                _number(_KEY_IN_PORT, port) + _attribute(_KEY_ETHERNET, bytes(12))
                + _attribute(_KEY_ETHERTYPE, struct.pack("!H", ethertype))
                for port, ethertype in ((self._ports[source], ETHERTYPE), (0xFFFFFFFF, 0xFFFF)))
            self._new("ovs_flow", 1, _attribute(_FLOW_KEY, key) + _attribute(_FLOW_MASK, mask)
                      + _attribute(_FLOW_ACTIONS, _number(_ACTION_OUTPUT, self._ports[target])))

    def close(self):
        self._socket.close()

    def _new(self, family, version, attributes):
        self._ask(self._family(family), _CMD_NEW, version, struct.pack("=i", self._index) + attributes)

    def _family(self, name):
        answer = self._ask(_CTRL_FAMILY, _CTRL_CMD_GETFAMILY, 1, _text(_CTRL_ATTR_FAMILY_NAME, name))
        attributes = answer[20:]
        while attributes:
            length, kind = struct.unpack_from("=HH", attributes)
            if kind == _CTRL_ATTR_FAMILY_ID:
                return struct.unpack_from("=H", attributes, 4)[0]
            attributes = attributes[(length + 3) & ~3:]
        raise AssertionError(f"generic netlink family {name} has no number")

    def _ask(self, family, command, version, body):
        """Send a message; returns the answer that came before its acknowledgement, if one did."""
        payload = struct.pack("=BBH", command, version, 0) + body
        self._socket.send(struct.pack("=IHHII", 16 + len(payload), family, _NLM_F_REQUEST | _NLM_F_ACK,
                                      next(self._serial), 0) + payload)
        answer = b""
        while True:
            data = self._socket.recv(65536)
            while data:
                length, kind = struct.unpack_from("=IH", data)
                if kind == _NLMSG_ERROR:
                    (number,) = struct.unpack_from("=i", data, 16)
                    if number:
                        raise OSError(-number, os.strerror(-number), f"family {family}, command {command}")
                    return answer
                answer, data = data[:length], data[(length + 3) & ~3:]
