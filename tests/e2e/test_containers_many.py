# SPDX-License-Identifier: LGPL-2.1-or-later
"""Many containers at once, each a VM with a leased address, as root and as nobody, with default and with hardened options, with
and without a user namespace: they reach the gateway and each other, and leave nothing when all are killed at once."""
import contextlib
import ipaddress
import itertools

import pytest

from clock import Deadline
from containers import ENGINES, GATEWAY, QUICK, SUBORDINATE
from refusal import REFUSED, check_refused
from sample import sampled

NOBODY = 65534
FIRST = ipaddress.IPv4Address("192.168.1.32")
SOCKET = "-v /run/macvtapd-containers:/run/macvtapd-containers:ro"
HARDENED = f"--user {NOBODY}:{NOBODY} --cap-drop all --security-opt no-new-privileges --read-only --tmpfs /tmp"
# (options, has a user namespace, who that is on the host)
KINDS = [(HARDENED, False, NOBODY), ("", True, SUBORDINATE), ("", False, 0), (HARDENED, True, SUBORDINATE + NOBODY)]
MAPPED = {("podman", True): f"--uidmap 0:{SUBORDINATE}:65536", ("docker", False): "--userns=host"}
# A guest takes seconds of a processor to start, and they share two.
PATIENCE = 60


@pytest.fixture
def engine(request, engine_hosts):
    return engine_hosts.get(request.param, maps_users=request.param == "docker")


def network(count):
    """As many addresses as there are VMs."""
    users = " ".join(str(owner) for _, _, owner in KINDS)
    return (f"[Network]\nParent=eth0\nMode=bridge\n[Addresses]\nSubnet=192.168.1.0/24\nGateway={GATEWAY}\n"
            f"Range={FIRST}-{FIRST + count - 1}\nServe=dhcp\n[Access]\nAllowUsers={users}\nMaxPortsPerUser={count}\n")


@pytest.mark.parametrize("engine, count", sampled(itertools.product(ENGINES, [2, 20]), [("podman", 2)]), indirect=["engine"])
def test_many_at_once(engine, engine_daemon, count):
    daemon = engine_daemon
    daemon.network("lan", text=network(count))
    daemon.start()
    addresses = [str(FIRST + number) for number in range(count)]
    every_second = "ip=dhcp", "{ip=}"  # by DHCP, or told by macvtap-run
    deadline = Deadline(PATIENCE * (2 + count))
    with contextlib.ExitStack() as stack:
        consoles = []
        for number in range(count):
            options, is_mapped, _ = KINDS[number % len(KINDS)]
            words = f"{QUICK} {every_second[number // len(KINDS) % 2]} guest.ping={','.join(addresses)} guest.tries=100000"
            consoles.append(engine.console(
                f"{engine.engine} run --rm --name vm{number} --network none {options} {MAPPED.get((engine.engine, is_mapped), '')}"
                f" -e 'KERNEL_WORDS={words}' -e MEMORY=96 {SOCKET} vm"))
            stack.callback(consoles[-1].close)
        for console in consoles:
            for address in (GATEWAY, *addresses):
                console.wait_line(rf"GUEST PING {address} ok", deadline)
        ports = daemon.ports()
        assert sorted(port["addresses"][0] for port in ports) == sorted(f"{address}/24" for address in addresses)
        assert sorted(port["owner"] for port in ports) == sorted(KINDS[number % len(KINDS)][2] for number in range(count))
        full = daemon.ctl("port", "create", "--network=lan", check=False)
        check_refused(full, REFUSED, "no free IPv4 address")
        engine.shell(f"{engine.engine} kill {' '.join(f'vm{number}' for number in range(count))}")
        assert daemon.settle() == []
        for console in consoles:
            console.process.wait()
    for address in addresses:
        daemon.ctl("port", "create", "--network=lan", f"--address={address}")
    daemon.ctl("port", "delete", "--all")
