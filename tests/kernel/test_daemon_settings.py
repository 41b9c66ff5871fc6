# SPDX-License-Identifier: LGPL-2.1-or-later
"""macvtapd.conf: what generated MACs derive from, at the start and after a reload; an error in it is never passed over."""
import pytest

from daemon import Ended


def draw(daemon):
    """The MAC that a port of this name gets."""
    port = daemon.ctl_json("port", "create", "--network=lan", "--name=web", "--holder=none")
    daemon.ctl("port", "delete", "web")
    return port["macAddress"]


def configure(daemon, text):
    (daemon.config / "macvtapd.conf").write_text(text, encoding="utf-8")


def test_hosts_of_one_machine_id_differ_by_their_seed(daemon):
    macs = [draw(daemon)]
    for seed in ("host-1", "host-2"):
        configure(daemon, f"[Daemon]\nSeed={seed}\n")
        daemon.restart()
        macs.append(draw(daemon))
    assert len(set(macs)) == 3
    # A port that is there keeps its MAC when the seed changes under it; the machine's own seed comes back with the file.
    daemon.ctl("port", "create", "--network=lan", "--name=web", "--holder=none")
    (daemon.config / "macvtapd.conf").unlink()
    daemon.reload()
    assert [port["macAddress"] for port in daemon.ports()] == macs[2:]
    daemon.ctl("port", "delete", "web")
    assert draw(daemon) == macs[0]
    configure(daemon, "[Daemon]\nSeed=host-1\n")
    daemon.reload()
    assert draw(daemon) == macs[1]


def test_an_error_keeps_the_daemon_from_starting(daemon):
    daemon.stop()
    configure(daemon, "[Daemon]\nSead=host-1\n")
    with pytest.raises(Ended) as ended:
        daemon.start()
    assert ended.value.status == 1
    assert "macvtapd: macvtapd.conf:2: unknown key 'Sead' in section [Daemon]" in ended.value.text
    configure(daemon, "")
    daemon.start()


def test_a_reload_with_an_error_keeps_the_seed(daemon):
    configure(daemon, "[Daemon]\nSeed=host-1\n")
    daemon.reload()
    mac = draw(daemon)
    configure(daemon, "[Deamon]\nSeed=host-2\n")
    daemon.network("new", "eth0")
    daemon.reload()
    assert "keeping the previous daemon settings: macvtapd.conf:1: unknown section [Deamon]" in daemon.messages()
    assert draw(daemon) == mac
    # The networks are another matter.
    assert {network["name"] for network in daemon.ctl_json("network", "list")["networks"]} == {"lan", "new"}


def test_only_root_starts_it(daemon):
    daemon.stop()
    with pytest.raises(Ended) as ended:
        daemon.start(wrapper=["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"])
    # Where coverage is measured, that has something to say, too.
    said = [line for line in ended.value.text.splitlines() if line.startswith("macvtapd: ")]
    assert ended.value.status == 1 and said[-1] == "macvtapd: must be started as root"
    daemon.start()
