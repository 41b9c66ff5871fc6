# SPDX-License-Identifier: LGPL-2.1-or-later
"""A network with several parents."""
import pytest

from namespaces import RTM_NEWLINK, LinkMonitor

MEMBERS = ("eth0", "eth1", "eth2")


@pytest.fixture
def cables(host, hosts):
    """eth0 to eth2 of the host, each to an interface of the same name at the other end."""
    other = hosts("other")
    for name in MEMBERS:
        host.connect(name, other, name)
    return other


@pytest.fixture
def daemon(daemons, host, cables):
    made = daemons(host)
    for mode in ("bridge", "passthru"):
        made.network(mode, text=f"[Network]\nParent={' '.join(MEMBERS)}\nMode={mode}\n")
    made.network("gap", text="[Network]\nParent=missing eth1\nMode=bridge\n")
    made.network("nothing", text="[Network]\nParent=missing gone\nMode=bridge\n")
    return made.start()


@pytest.fixture
def create(daemon):
    """create(network, name) makes a port and names the parent that it got. All are deleted at the end."""
    made = []

    def make(network, name):
        port = daemon.ctl_json("port", "create", "--network", network, "--name", name)
        made.append(port["id"])
        return port["parent"]

    yield make
    daemon.ctl("port", "delete", *({port["id"] for port in daemon.ports()} & set(made)), check=bool(made))


def set_carrier(host, other, name, on):
    monitor = LinkMonitor(host)
    other.ip("link", "set", name, "up" if on else "down")
    while ("LOWER_UP" in host.link(name)["flags"]) != on:
        monitor.wait(RTM_NEWLINK, name)
    monitor.close()


def test_least_loaded(create):
    assert [create("bridge", f"vm{number}") for number in range(6)] == [*MEMBERS, *MEMBERS]


def test_load_is_what_lives(daemon, create):
    for number, name in enumerate(MEMBERS):
        assert create("bridge", f"vm{number}") == name
    daemon.ctl("port", "delete", "vm1")
    assert create("bridge", "vm1") == "eth1"


def test_load_of_other_networks_counts(create):
    assert create("gap", "vm0") == "eth1"
    assert [create("bridge", f"vm{number}") for number in (1, 2)] == ["eth0", "eth2"]


def test_carrier_comes_before_load(host, cables, create):
    set_carrier(host, cables, "eth0", False)
    assert [create("bridge", f"vm{number}") for number in range(4)] == ["eth1", "eth2", "eth1", "eth2"]
    set_carrier(host, cables, "eth0", True)
    assert create("bridge", "vm4") == "eth0"


def test_without_any_carrier_one_is_taken_all_the_same(host, cables, create):
    for name in MEMBERS:
        set_carrier(host, cables, name, False)
    assert [create("bridge", f"vm{number}") for number in range(3)] == [*MEMBERS]


def test_missing_and_unusable_members_are_passed_over(host, create):
    assert create("gap", "vm0") == "eth1"
    host.ip("link", "set", "eth0", "down")
    host.ip("link", "add", "br0", "type", "bridge")
    host.ip("link", "set", "eth2", "master", "br0")
    assert [create("bridge", f"vm{number}") for number in (1, 2)] == ["eth1", "eth1"]


def test_passthru_takes_a_free_one(daemon, create):
    assert [create("passthru", f"vm{number}") for number in range(3)] == [*MEMBERS]
    daemon.ctl("port", "delete", "vm1")
    assert create("passthru", "vm1") == "eth1"


def test_passthru_passes_over_what_others_use(create):
    assert create("gap", "vm0") == "eth1"
    assert [create("passthru", f"vm{number}") for number in (1, 2)] == ["eth0", "eth2"]


def refusal(daemon, network):
    before = daemon.records()
    done = daemon.ctl("port", "create", "--network", network, check=False)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1), done
    assert daemon.records() == before
    return done.stderr


def test_exhausted_passthru_pool_names_each_holder(daemon, create):
    assert [create("passthru", f"vm{number}") for number in (7, 8)] == ["eth0", "eth1"]
    assert create("bridge", "vm9") == "eth2"
    message = refusal(daemon, "passthru")
    for words in ("passthru port vm7 holds eth0", "passthru port vm8 holds eth1", "port vm9 is on it"):
        assert words in message
    with daemon.connect() as connection, pytest.raises(Exception, match="ParentBusy"):
        connection.ports("CreatePort", network="passthru", holder={"type": "none"})


def test_no_member_at_all(daemon):
    message = refusal(daemon, "nothing")
    assert "there is no interface missing" in message and "there is no interface gone" in message
