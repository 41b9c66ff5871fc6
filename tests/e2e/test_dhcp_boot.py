# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest that boots from the network: the boot ROM that QEMU has for its NICs (iPXE) takes its lease from the port."""
import pytest

from dhcp_lan import GATEWAY, MODES, Wire, is_dhcp, network_text
from frames import PacketSocket
from guest import Guest
from programs import program
from sample import sampled

GUEST = "52:54:00:00:00:01"
MODELS = ["virtio", "e1000"]


# graphics=off: the BIOS gives its console, and with it the ROM's, to the serial port. macvtap-run adds the NIC.
BOOT = ["qemu-system-x86_64", "-accel", "tcg", "-M", "pc,graphics=off", "-m", "64", "-nodefaults", "-no-user-config",
        "-display", "none", "-serial", "stdio", "-no-reboot", "-boot", "n"]


@pytest.mark.parametrize("mode, model", sampled([(mode, model) for mode in MODES for model in MODELS],
                                                 [("vepa", "virtio")]))
def test_a_boot_rom_gets_the_lease(daemons, host, station, guests, mode, model):
    daemon = daemons(host)
    if mode == "passthru":
        host.ip("link", "set", "eth0", "address", GUEST)
    daemon.network("lan", text=network_text(mode, source=station.mac("eth0")))
    daemon.start()
    wire, sender = Wire(station), PacketSocket(host, "eth0")
    mac = "" if mode == "passthru" else f",mac={GUEST}"
    line = [program("macvtap-run"), "--network", f"lan,model={model}{mac}", "--", *BOOT]
    guest = guests(Guest, host, line, env=daemon.environment())
    (address,) = guest.wait_line(rf"net0: (10\.9\.0\.\d+)/255\.255\.255\.0 gw {GATEWAY}").groups()
    guest.wait_line("Nothing to boot")
    (port,) = daemon.ports()
    assert port["addresses"] == [f"{address}/24"]
    assert "dhcp-unanswered" not in {reason for reason, count in port.get("dropped", {}).items() if count}
    came = wire.frames_until_marker(sender.send, sender.mac)
    wire.close()
    sender.close()
    assert [data.hex() for data in came if is_dhcp(data)] == []
