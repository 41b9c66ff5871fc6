# SPDX-License-Identifier: LGPL-2.1-or-later
"""Requests that no client should send, and some that one may: made from the interface's own text and a seed.

Theory of operation. Half of the requests follow the grammar: each field of a method is left out, or has a value of its
type from a list of usual and unusual ones, or one of another type; fields are added, doubled and nested. How much of one
request is odd is drawn first, so that many are odd in one thing only. The others are the bytes of such a message with a
few changes. Each is one message and has one NUL, at its end."""
import contextlib
import json
import os
import random
import re

from varlink import Closed, Connection

PORTS = "org.macvtapd.Ports"
SERVICE = "org.varlink.service"
UUID = "123e4567-e89b-12d3-a456-426614174000"

STRINGS = [
    "", " ", "a", "lan", "LAN", "lan\n", "lan ", "x" * 15, "x" * 16, "x" * 255, "x" * 3000, "vm7", "mvt-1", "eth0", "eth1", "lo",
    "..", ".", "/", "../../etc/passwd", "/dev/tap4", "a/b", "%s%n%x", "vm%d", "$(reboot)", "`id`", ";reboot", "|id", "&", "'", '"',
    "\\", "*", "~", "-rf", "--help", "#", "=", "parent=eth0", "parent=eth0,mode=bridge", "parent=eth0,mode=source",
    "parent=eth0,mode=bridge,vlan=4095", "parent=,mode=", "mode=vepa,parent=eth0,parent=eth0", ",,,", "parent=lo,mode=private",
    "parent=nosuch0,mode=bridge", "\t", "\r\n", "\x01", "\x1b[2J", "\x7f", "\u00a0", "\u202e", "\u2028", "\ufeff", "\ufffd", "é", "ñ",
    "日本", "🐧", "e\u0301", "null", "true", "0", "-1", "1e9", "0x10", "NaN", "p0123456789ab", "auto", "require", "off",
    "AUTO", "maybe", "process", "domain", "none", "vm", UUID, UUID.upper(), UUID[:-1], UUID + "0", UUID.replace("-", ""),
    "52:54:00:00:00:01", "52:54:00:AA:BB:CC", "52-54-00-00-00-01", "525400000001", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00",
    "01:00:5e:00:00:01", "52:54:00:00:00", "52:54:00:00:00:01:02", "52:54:00:00:00:0g", "0:0:0:0:0:0", "02:00:00:00:00:01",
    "created", "ready", "org.macvtapd.Ports", "org.varlink.service", "org.example.nothing",
]
# What may well be taken; the ports roots and nobodys are the test's to keep there.
USUAL = {
    "network": ["lan", "lan", "a", "auto", "parent=eth0,mode=bridge", "parent=eth0,mode=source"],
    "port": ["roots", "nobodys"],
    "interface": [PORTS, SERVICE],
    "domain": [UUID, UUID.upper(), UUID.replace("1", "9")],
    "vhost": ["auto", "off"],
}
INTEGERS = [0, 1, 2, 3, 7, 8, 9, 67, 68, 69, 255, 256, 257, 1280, 1499, 1500, 1501, 9000, 65535, 65536, -1, -2, -1500,
            (1 << 31) - 1, 1 << 31, -(1 << 31), (1 << 32) - 2, (1 << 32) - 1, 1 << 32, (1 << 63) - 1, -(1 << 63), 65534, 99999]
# What Python's json would not write.
NUMBERS = ["9223372036854775808", "-9223372036854775809", "99999999999999999999999", "1" + "0" * 400, "1.5", "1e3", "-0", "1E400",
           "1e-400", "0.0", "00", "+1", "0x1", "1.", ".5", "NaN", "Infinity", "-"]
OTHERS = ["null", "true", "false", "[]", "{}", "[[]]", "[1]", '[""]', '{"type":"none"}', '{"a":{"a":{"a":{}}}}', "[null]",
          "[" * 60 + "]" * 60, '{"type":"process"}', '{"owner":0,"group":0}', '"\\u0000"', '"\\ud800"', '"\\udc00\\ud800"', '"\\x"',
          "'a'", "undefined", "", "/**/1", '["52:54:00:00:00:01"]', "[" + ",".join(["0"] * 600) + "]"]


class Interface:
    """What the text declares: methods and types as {name: {field: type}}, and the names of its errors."""

    def __init__(self, text):
        text = re.sub(r"#.*", "", text)
        self.errors = re.findall(r"\berror (\w+)", text)
        self.types = {name: self._fields(body) for name, body in re.findall(r"\btype (\w+) \((.*?)\n\)", text, re.S)}
        self.methods = {name: self._fields(body) for name, body in re.findall(r"\bmethod (\w+)\((.*?)\) ->", text, re.S)}

    @staticmethod
    def _fields(body):
        return dict(re.findall(r"(\w+): (\??(?:\[\])?(?:\w+|\([^)]*\)))", body))


class Generator:
    """Endless distinct requests: next() gives (method, bytes), the method as far as it was meant to be one."""

    def __init__(self, interface, seed):
        self._interface = interface
        self._random = random.Random(seed)
        self._seen = set()
        self._odd = 0
        self._methods = {f"{PORTS}.{name}": fields for name, fields in interface.methods.items()}
        self._methods[f"{SERVICE}.GetInfo"] = {}
        self._methods[f"{SERVICE}.GetInterfaceDescription"] = {"interface": "string"}
        self._weights = [2 + len(fields) for fields in self._methods.values()]

    def __next__(self):
        while True:
            method = self._random.choices(list(self._methods), self._weights)[0]
            data = self._message(method)
            if self._random.random() < 0.5:
                method, data = f"{method}, bytes changed", self._change(data)
            data = data.replace(b"\0", b"?") + b"\0"
            if data not in self._seen:
                self._seen.add(data)
                return method, data

    # -- by the grammar --------------------------------------------------------------------------------------

    def _message(self, method):
        self._odd = self._pick([0, 0, 0.05, 0.2, 1])
        members = [f'"method":{self._method_name(method)}']
        if self._methods[method] or self._rarely(4):
            members.append(f'"parameters":{self._parameters(self._methods[method])}')
        for flag in ("more", "oneway", "upgrade"):
            if self._oddly(25) or (flag == "more" and method.endswith("WatchPorts")):
                members.append(f'"{flag}":{self._pick(["true", "false", "null", "1"]) if self._oddly(2) else "true"}')
        if self._oddly(40):
            members.append(f"{self._string()}:{self._value('object')}")
        if self._rarely(20):
            self._random.shuffle(members)
        return ("{" + ",".join(members) + "}").encode("utf-8", "surrogatepass")

    def _method_name(self, method):
        if not self._oddly(30):
            return json.dumps(method)
        return self._pick([json.dumps(method.lower()), json.dumps(method + "x"), json.dumps(method + "."), '"."', '""', "null", "1",
                           json.dumps(method.rpartition(".")[2]), self._string()])

    def _parameters(self, fields):
        members = [f'"{name}":{self._field(name, kind)}' for name, kind in fields.items() if self._is_given(kind)]
        if self._oddly(15):
            members.append(f"{self._string()}:{self._value('string')}")
        if members and self._oddly(30):
            members.append(self._pick(members))
        return "{" + ",".join(members) + "}"

    def _is_given(self, kind):
        return self._random.random() < (0.3 if kind.startswith("?") else 1 - self._odd / 8)

    def _field(self, name, kind):
        if self._oddly(8):
            return self._value(self._pick(["string", "int", "bool", "object", "number"]))
        if self._random.random() >= self._odd:
            return self._usual(name, kind.lstrip("?"))
        return self._value(kind.lstrip("?"))

    def _usual(self, name, kind):
        number = self._random.randrange(1 << 16)
        made = {"name": f"n{number}", "interfaceName": f"vm{number}", "queues": 1 + number % 8, "mtu": 1280 + number % 221,
                "macAddress": f"52:54:00:00:{number >> 8:02x}:{number & 255:02x}", "type": "none", "pid": os.getpid(),
                "holderPid": os.getpid(), "owner": number, "group": number}
        if name in USUAL:
            return json.dumps(self._pick(USUAL[name]))
        if name == "holder":
            return self._pick(['{"type":"none"}', f'{{"type":"domain","domain":"{UUID}"}}', f'{{"type":"process","pid":{os.getpid()}}}'])
        return json.dumps(made[name]) if name in made else self._value(kind)

    def _value(self, kind):
        if kind.startswith("[]"):
            return "[" + ",".join(self._value(kind[2:]) for _ in range(self._random.randrange(4))) + "]"
        if kind.startswith("(") and not self._oddly(4):
            return json.dumps(self._pick(kind.strip("()").split(", ")))
        if kind in self._interface.types:
            return self._parameters(self._interface.types[kind])
        if kind == "int":
            return str(self._pick(INTEGERS) if self._rarely(2) else self._random.randrange(-3, 1600))
        if kind == "bool":
            return self._pick(["true", "false"])
        if kind == "number":
            return self._pick(NUMBERS)
        return self._pick(OTHERS) if kind == "object" else self._string()

    def _string(self):
        text = self._pick(STRINGS)
        if self._rarely(4):
            text += self._pick(STRINGS)
        return json.dumps(text, ensure_ascii=self._rarely(2))

    # -- by bytes --------------------------------------------------------------------------------------------

    def _change(self, data):
        data = bytearray(data)
        for _ in range(self._pick([1, 1, 1, 2, 4])):
            # Rather behind the method's name: an unknown method is not looked at further.
            at = max(self._random.randrange(len(data) + 1) for _ in range(self._random.randrange(1, 4)))
            length = self._random.randrange(1, 9)
            what = self._random.randrange(6)
            if what == 0 and at < len(data):
                data[at] ^= 1 << self._random.randrange(8)
            elif what == 5 and at < len(data):  # a letter or a digit for another, which JSON does not mind
                data[at] = self._pick(b"aZ09") if chr(data[at]).isalnum() else data[at]
            elif what == 1:
                data[at:at] = self._random.randbytes(length)
            elif what == 2:
                del data[at:at + length]
            elif what == 3:
                data[at:at] = data[at:at + length]
            else:
                data[at:at] = self._pick([b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"e9"])
        return bytes(data)

    def _pick(self, values):
        return self._random.choice(values)

    def _rarely(self, one_in):
        return self._random.randrange(one_in) == 0

    def _oddly(self, one_in):
        """Not in a request that is to have nothing odd."""
        return self._odd > 0 and self._rarely(one_in)


@contextlib.contextmanager
def effective_user(uid):
    """Whom the kernel names as the peer of a socket that is connected meanwhile."""
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)


_SENTINEL = {"method": f"{SERVICE}.GetInfo"}


class Caller:
    """Sends messages one by one, on connections of one user."""

    def __init__(self, path, uid):
        self._path = path
        self._uid = uid
        self._connection = None

    def _connect(self):
        with effective_user(self._uid):
            self._connection = Connection(self._path)

    def outcome(self, data):
        """What came of one message: "done", "closed", "no reply", or an error's name."""
        if self._connection is None:
            self._connect()
        try:
            self._connection.send_raw(data)
            # One that asks for no reply is over when the next one has its own.
            if b"oneway" in data:
                self._connection.send(_SENTINEL)
            reply = self._connection.receive()
            if "continues" not in reply and b"oneway" in data:
                return self._after_sentinel(reply)
        except (Closed, BrokenPipeError, ConnectionResetError):
            self.close()
            return "closed"
        finally:
            if self._connection:
                for descriptor in self._connection.take_descriptors():
                    os.close(descriptor)
        if reply.get("continues"):
            self.close()
        return reply.get("error", "done")

    def _after_sentinel(self, reply):
        if reply.get("parameters", {}).get("product") == "macvtapd":
            # Ours, or the sentinel's: the connection may have another one.
            self.close()
            return "no reply"
        self._connection.receive()
        return reply.get("error", "done")

    def close(self):
        if self._connection:
            self._connection.close()
        self._connection = None
