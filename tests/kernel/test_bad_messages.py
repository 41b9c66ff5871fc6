# SPDX-License-Identifier: LGPL-2.1-or-later
"""Messages that no client should send: an error by name, or the end of the connection, and nothing left."""
import contextlib
import json
import os

import pytest

from clock import Deadline
from refusal import NothingLeft
from varlink import VarlinkError

pytestmark = pytest.mark.shared
PORTS = "org.macvtapd.Ports"
SERVICE = "org.varlink.service"
CREATE = {"method": f"{PORTS}.CreatePort", "parameters": {"network": "lan"}}
MESSAGE_LIMIT = 65536


@pytest.fixture
def connection(daemon):
    """A connection; after the test another one is served, and nothing has been left."""
    with NothingLeft(daemon):
        with daemon.connect() as connection:
            yield connection
        with daemon.connect() as another:
            assert another.ports("ListPorts") == {"ports": []}
        assert daemon.running
        assert daemon.complaints() == ""


def whole(message):
    return json.dumps(message).encode() + b"\0"


CLOSING = {
    "empty": b"\0",
    "no-json": b"hello\0",
    "half-an-object": b'{"method":\0',
    "array": b"[]\0",
    "number": b"7\0",
    "no-method": b"{}\0",
    "method-null": b'{"method":null}\0',
    "method-number": b'{"method":1}\0',
    "parameters-array": whole({"method": f"{PORTS}.ListPorts", "parameters": []}),
    "parameters-text": whole({"method": f"{PORTS}.ListPorts", "parameters": "x"}),
    "more-number": whole({"method": f"{PORTS}.ListPorts", "more": 1}),
    "more-and-oneway": whole({**CREATE, "more": True, "oneway": True}),
    "unknown-word": whole({**CREATE, "extra": 1}),
    "method-twice": b'{"method":"%b.ListPorts","method":"%b.CreatePort"}\0' % (PORTS.encode(), PORTS.encode()),
    "two-objects": whole(CREATE)[:-1] + whole(CREATE),
    "not-utf-8": b'{"method":"\xff"}\0',
    "nul-in-text": b'{"method":"a\\u0000b"}\0',
    "deep": b'{"method":"x","parameters":' + b"[" * 20000 + b"]" * 20000 + b"}\0",
    "huge-number": b'{"method":"%b.OpenPort","parameters":{"port":"x","queues":1%b}}\0' % (PORTS.encode(), b"0" * 40),
    "oversized": whole({"method": "x" * MESSAGE_LIMIT}),
    "oversized-without-end": b"x" * (MESSAGE_LIMIT + 1),
    "http": b"GET / HTTP/1.1\r\n\r\n\0",
}


@pytest.mark.parametrize("name", CLOSING)
def test_message_that_ends_the_connection(connection, name):
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.send_raw(CLOSING[name])
    assert connection.wait_closed() == []


@pytest.mark.parametrize("cut", [1, 20, len(whole(CREATE)) - 1])
def test_truncated_message(connection, cut):
    connection.send_raw(whole(CREATE)[:cut])
    connection.socket.shutdown(1)
    assert connection.wait_closed() == []


def test_truncated_message_keeps_nobody_waiting(daemon, connection):
    connection.send_raw(whole(CREATE)[:-1])
    with daemon.connect() as another:
        assert another.ports("ListPorts") == {"ports": []}


def test_caller_who_does_not_wait_for_his_port(daemon, host):
    """The port's holder is the caller: it ends with it, whether the reply was read or not."""
    script = ("import socket, sys\n"
              "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall(bytes.fromhex(sys.argv[2]))\n")
    host.run("/usr/bin/python3", "-c", script, str(daemon.socket), whole(CREATE).hex())
    assert daemon.settle() == []
    assert daemon.running


@pytest.mark.parametrize("method, error, parameters", [
    ("NoDots", f"{SERVICE}.InvalidParameter", {"parameter": "method"}),
    ("org.example.Nothing", f"{SERVICE}.InterfaceNotFound", {"interface": "org.example"}),
    ("org.macvtapd.ports.ListPorts", f"{SERVICE}.InterfaceNotFound", {"interface": "org.macvtapd.ports"}),
    (f"{PORTS}.Nothing", f"{SERVICE}.MethodNotFound", {"method": f"{PORTS}.Nothing"}),
    (f"{PORTS}.createPort", f"{SERVICE}.MethodNotFound", {"method": f"{PORTS}.createPort"}),
    (f"{SERVICE}.Nothing", f"{SERVICE}.MethodNotFound", {"method": f"{SERVICE}.Nothing"}),
    (f"{PORTS}.WatchPorts", f"{SERVICE}.ExpectedMore", {}),
])
def test_unknown_method(connection, method, error, parameters):
    with pytest.raises(VarlinkError) as caught:
        connection.call(method)
    assert (caught.value.name, caught.value.parameters) == (error, parameters)


@pytest.mark.parametrize("method, field, parameters", [
    ("CreatePort", "network", {}),
    ("CreatePort", "network", {"network": None}),
    ("CreatePort", "network", {"network": 1}),
    ("CreatePort", "network", {"network": ["lan"]}),
    ("CreatePort", "name", {"network": "lan", "name": 1}),
    ("CreatePort", "interfaceName", {"network": "lan", "interfaceName": True}),
    ("CreatePort", "macAddress", {"network": "lan", "macAddress": 1}),
    ("CreatePort", "mtu", {"network": "lan", "mtu": "1500"}),
    ("CreatePort", "queues", {"network": "lan", "queues": "abc"}),
    ("CreatePort", "queues", {"network": "lan", "queues": 1.5}),
    ("CreatePort", "vhost", {"network": "lan", "vhost": False}),
    ("CreatePort", "holder", {"network": "lan", "holder": "none"}),
    ("CreatePort", "openDescriptors", {"network": "lan", "openDescriptors": 0}),
    ("CreatePort", "colour", {"network": "lan", "colour": "red"}),
    ("CreatePort", "type", {"network": "lan", "holder": {}}),
    ("CreatePort", "pid", {"network": "lan", "holder": {"type": "process", "pid": "1"}}),
    ("CreatePort", "colour", {"network": "lan", "holder": {"type": "none", "colour": "red"}}),
    ("OpenPort", "port", {}),
    ("OpenPort", "queues", {"port": "x", "queues": "1"}),
    ("DeletePort", "port", {"port": 1}),
    ("DeletePort", "force", {"port": "x", "force": True}),
    ("ListPorts", "network", {"network": 1}),
    ("ListNetworks", "networks", {"networks": "lan"}),
])
def test_wrong_types_and_unknown_parameters(connection, method, field, parameters):
    with pytest.raises(VarlinkError) as caught:
        connection.ports(method, **parameters)
    assert caught.value.name == f"{SERVICE}.InvalidParameter"
    assert caught.value.parameters == {"parameter": field}


@pytest.mark.parametrize("holder", [
    {"type": "process", "pid": 0}, {"type": "process", "pid": -1}, {"type": "process", "pid": 1 << 40},
    {"type": "process", "domain": "123e4567-e89b-12d3-a456-426614174000"}, {"type": "domain"},
    {"type": "domain", "domain": "../../etc"}, {"type": "domain", "pid": 1}, {"type": "none", "pid": 1}, {"type": "vm"},
])
def test_holder_that_cannot_be(connection, holder):
    with pytest.raises(VarlinkError) as caught:
        connection.ports("CreatePort", network="lan", holder=holder)
    assert caught.value.name == f"{PORTS}.InvalidRequest"


@pytest.mark.parametrize("split", [False, True])
def test_descriptors_that_nobody_asked_for(connection, split):
    """They are closed, and the call is not carried out. (A kernel with SO_PASSRIGHTS lets the sender see it.)"""
    reading, writing = os.pipe()
    message = whole(CREATE)
    try:
        if split:
            connection.send_raw(message[:10])
        try:
            connection.send_raw(message[10 if split else 0:], [writing])
            assert connection.wait_closed() == []
        except PermissionError:
            pass  # the kernel did not take it from us
        os.close(writing)
        writing = -1
        Deadline().wait_readable(reading)
        assert os.read(reading, 1) == b"", "the daemon holds the pipe open"
    finally:
        os.close(reading)
        if writing >= 0:
            os.close(writing)


def test_calls_after_a_refused_one_go_on(connection):
    """A refusal ends the call, not the connection."""
    for _ in range(3):
        with pytest.raises(VarlinkError):
            connection.ports("CreatePort", network="nosuch")
    port = connection.ports("CreatePort", network="lan", holder={"type": "none"})["port"]
    connection.ports("DeletePort", port=port["id"])


def test_every_error_is_declared(connection):
    """The interface text is served, and the errors that other tests see are in it."""
    text = connection.call(f"{SERVICE}.GetInterfaceDescription", interface=PORTS)["description"]
    for name in ("NetworkNotFound", "NetworkInvalid", "AccessDenied", "LimitReached", "PortNotFound", "ParentNotFound",
                 "ParentUnusable", "ParentBusy", "NameTaken", "MacConflict", "MacNotAllowed", "MtuTooLarge",
                 "HolderInvalid", "InvalidRequest", "SystemError", "DeviceGone"):
        assert f"error {name} (" in text or f"error {name}(" in text
