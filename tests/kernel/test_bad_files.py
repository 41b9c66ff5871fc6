# SPDX-License-Identifier: LGPL-2.1-or-later
"""Network files with an error: such a network is never open, the others are, and the line names file, line and key."""
import os

import pytest

from programs import VMM
from refusal import REFUSED, RUN_OURS, NothingLeft, check_refused

GOOD = "[Network]\nParent=eth0\nMode=bridge\n"


def text(content):
    return lambda path: path.write_bytes(content if isinstance(content, bytes) else content.encode())


# name: (how the file is made, words of the line that root sees)
FILES = {
    "unknown-key": (text(GOOD + "[Port]\nMaxQueue=2\n"), ["bad.network:5", "unknown key 'MaxQueue'", "[Port]"]),
    "unknown-key-of-access": (text(GOOD + "[Access]\nAllowUser=nobody\n"), ["bad.network:5", "'AllowUser'"]),
    "key-of-another-section": (text(GOOD + "MaxPorts=2\n"), ["bad.network:4", "unknown key 'MaxPorts'", "[Network]"]),
    "key-in-another-case": (text(GOOD + "[Access]\nallowusers=nobody\n"), ["bad.network:5", "'allowusers'"]),
    "unknown-section": (text(GOOD + "[Acces]\nAllowUsers=nobody\n"), ["bad.network:4", "unknown section [Acces]"]),
    "key-twice": (text(GOOD + "Mode=vepa\n"), ["bad.network:4", "'Mode'", "line 3"]),
    "no-section": (text("Parent=eth0\n"), ["bad.network:1", "'Parent'", "before any [section]"]),
    "no-equals-sign": (text(GOOD + "NoPromisc\n"), ["bad.network:4"]),
    "no-parent": (text("[Network]\nMode=bridge\n"), ["bad.network:1", "Parent= is missing"]),
    "no-mode": (text("[Network]\nParent=eth0\n"), ["bad.network:1", "Mode= is missing"]),
    "empty": (text(""), ["bad.network:1", "Mode= is missing"]),
    "bad-mode": (text("[Network]\nParent=eth0\nMode=Bridge\n"), ["bad.network:3", "'Bridge'"]),
    "bad-parent": (text("[Network]\nParent=../eth0\nMode=bridge\n"), ["bad.network:2", "'../eth0'"]),
    "bad-user": (text(GOOD + "[Access]\nAllowUsers=root nosuchuser\n"), ["bad.network:5", "'nosuchuser'"]),
    "bad-group": (text(GOOD + "[Access]\nAllowGroups=nosuchgroup\n"), ["bad.network:5", "'nosuchgroup'"]),
    "bad-number": (text(GOOD + "[Access]\nMaxPorts=-1\n"), ["bad.network:5", "'-1'"]),
    "sources-in-bridge-mode": (text(GOOD + "Sources=52:54:00:00:00:01\n"), ["bad.network:4", "Sources="]),
    "not-utf-8": (text(GOOD.encode() + b"# caf\xe9\n"), ["bad.network:4", "not UTF-8"]),
    "nul": (text(GOOD.encode() + b"#\0\n"), ["bad.network:4", "NUL"]),
    "too-large": (text(GOOD + "#" * (1 << 20)), ["bad.network", "arge"]),
    "folder": (lambda path: path.mkdir(), ["bad.network is not a regular file"]),
    "fifo": (os.mkfifo, ["bad.network is not a regular file"]),
    "link": (lambda path: path.symlink_to("good.network"), ["bad.network is a symbolic link"]),
    "dangling-link": (lambda path: path.symlink_to("nosuch"), ["bad.network is a symbolic link"]),
}


def make_daemon(daemons, host):
    daemon = daemons(host)
    daemon.network("good", "eth0", AllowUsers="nobody")
    return daemon


def check_only_good_is_usable(daemon, words):
    with NothingLeft(daemon):
        done = daemon.ctl("port", "create", "--network=bad", check=False)
        line = check_refused(done, REFUSED, "network bad cannot be used", *words)
        done = daemon.tool("macvtap-run", "--network=bad", "--", *VMM, check=False)
        check_refused(done, RUN_OURS, *words)
        # What stands in the file is the administrator's business.
        done = daemon.ctl("port", "create", "--network=bad", user="nobody", check=False)
        assert "its file has an error" in check_refused(done, REFUSED) != line
    networks = {network["name"]: network for network in daemon.ctl_json("network", "list")["networks"]}
    assert set(networks) == {"good", "bad"}
    assert all(word in networks["bad"]["problem"] for word in words)
    assert "problem" not in networks["good"]
    daemon.ctl("port", "create", "--network=good", "--name=vm", user="nobody")
    daemon.ctl("port", "delete", "vm", user="nobody")


@pytest.mark.parametrize("name", FILES)
def test_network_file(daemons, host, station, name):
    make, words = FILES[name]
    daemon = make_daemon(daemons, host)
    make(daemon.config / "networks.d" / "bad.network")
    daemon.start()
    (warning,) = daemon.complaints().splitlines()
    assert warning.startswith("macvtapd: warning: network bad cannot be used: ")
    assert all(word in warning for word in words), warning
    check_only_good_is_usable(daemon, words)


def test_unreadable_file(daemons, host, station):
    daemon = make_daemon(daemons, host)
    # Root reads everything unless it is without the rights that let it.
    without = "-dac_override,-dac_read_search"
    daemon._wrapper = ["setpriv", f"--bounding-set={without}", f"--inh-caps={without}", "--"]
    daemon.network("bad", "eth0").chmod(0)
    daemon.start()
    check_only_good_is_usable(daemon, ["cannot open bad.network", "Permission denied"])


def test_name_that_is_no_network(daemons, host, station):
    daemon = make_daemon(daemons, host)
    daemon.network("a b", "eth0")
    daemon.network("-x", "eth0")
    daemon.start()
    assert len(daemon.complaints().splitlines()) == 2
    with NothingLeft(daemon):
        for name in ("a b", "-x"):
            done = daemon.ctl("port", "create", f"--network={name}", check=False)
            check_refused(done, REFUSED, f"network {name} cannot be used", "does not have a valid network name")


def test_files_that_are_no_network_files_are_left_alone(daemons, host, station):
    daemon = make_daemon(daemons, host)
    for name in ("good.network~", ".hidden.network", "README"):
        (daemon.config / "networks.d" / name).write_text("nonsense", encoding="utf-8")
    daemon.start()
    assert daemon.complaints() == ""
    assert [network["name"] for network in daemon.ctl_json("network", "list")["networks"]] == ["good"]


def test_no_folder_is_no_network(daemons, host, station):
    daemon = daemons(host)
    (daemon.config / "networks.d").rmdir()
    daemon.config.rmdir()
    daemon.start()
    assert daemon.ctl_json("network", "list") == {"networks": []}
