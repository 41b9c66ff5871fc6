# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fixtures of the kernel, interop, e2e and libvirt tiers, and the rule about skips.

MACVTAPD_REQUIRE=1: a test that skips has failed, unless its reason begins as one in results.ALLOWED_SKIPS."""
import collections
import os
import time

import pytest

import memcheck
import programs
from daemon import Daemon
from namespaces import Host, LinkMonitor, Switch
from results import ALLOWED_SKIPS
from stage import Shelf, connect_station, start_with_lan


def _refuse_skip(report):
    if not os.environ.get("MACVTAPD_REQUIRE") or not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if not reason.removeprefix("Skipped: ").startswith(ALLOWED_SKIPS):
        report.outcome = "failed"
        report.longrepr = f"MACVTAPD_REQUIRE is set, and this did not run: {reason}"


def pytest_addoption(parser):
    parser.addoption("--sample", type=int, default=1, metavar="N", help="run each Nth of the tests of a file only")


def _sample(items, step):
    """Each file's first test, and each Nth after it."""
    counts = collections.Counter()
    kept = []
    for item in items:
        if counts[item.path] % step == 0:
            kept.append(item)
        counts[item.path] += 1
    return kept


def _largest_first(items):
    """So that of the processes which take a file at a time none has a long one left at the end. What is marked as
    slowest comes before all."""
    counts = collections.Counter(item.path for item in items)
    return sorted(items, key=lambda item: (item.get_closest_marker("slowest") is None, -counts[item.path]))


@pytest.hookimpl(trylast=True)  # after -m has had its say
def pytest_collection_modifyitems(config, items):
    """Under valgrind, what cannot pass there is skipped."""
    kept = _sample(items, config.getoption("--sample"))
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = _largest_first(kept) if hasattr(config, "workerinput") else kept  # what xdist gives its processes
    for item in items if memcheck.enabled() else []:
        for mark in item.iter_markers("native"):
            item.add_marker(pytest.mark.skip(reason=f"{memcheck.CANNOT_RUN}: {mark.args[0]}"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """A file at a time, but of the long matrices an operation at a time; all files of containers are one, for the images
    and the engines' hosts that they share."""
    # pylint: disable=import-outside-toplevel
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid):
            file = super()._split_scope(nodeid)
            if "_matrix.py::test_every_system_call[" in nodeid:
                return nodeid
            return "containers" if "/test_containers" in file else file

    return Scheduling(config, log)


def pytest_runtest_setup(item):
    item.macvtapd_began = time.time_ns()


def _excuse(item, report):
    reason = memcheck.why_not(programs.BUILD, item.macvtapd_began)
    if reason:
        report.outcome = "skipped"
        report.longrepr = (str(item.path), item.location[1], f"Skipped: {reason}")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if memcheck.enabled() and report.when in ("setup", "call") and report.failed:
        _excuse(item, report)
    _refuse_skip(report)
    if report.when == "call" and not report.passed:
        item.macvtapd_failed = True  # or it has skipped, and there is no saying how far it came
        for daemon in getattr(item, "macvtapd_daemons", []):
            report.sections.append(("macvtapd", daemon.messages()))


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector):
    outcome = yield
    _refuse_skip(outcome.get_result())


def pytest_configure(config):
    if os.geteuid() != 0:
        raise pytest.UsageError("these tests make network namespaces and devices: run them as root")


@pytest.fixture
def hosts():
    """hosts(name) makes a Host; all are gone after the test."""
    made = []

    def make(name="host"):
        made.append(Host(name))
        return made[-1]

    yield make
    for host in reversed(made):
        host.close()


@pytest.fixture(scope="module")
def shelf():
    made = Shelf()
    yield made
    made.close()


@pytest.fixture
def stages(request, shelf):
    """stages(prepare) gives a Stage that prepare(stage) has made ready, perhaps for an earlier test of this file."""
    taken = {}

    def take(prepare):
        if prepare not in taken:
            taken[prepare] = shelf.take(prepare)
            request.node.macvtapd_daemons = [stage.daemon for stage in taken.values()]
        return taken[prepare]

    yield take
    failed = getattr(request.node, "macvtapd_failed", False)
    left = [] if failed else [left for stage in taken.values() for left in stage.daemon.settle()]
    messages = "".join(stage.daemon.messages() for stage in taken.values())
    for prepare, stage in taken.items():
        shelf.put(prepare, stage, usable=not failed and not left)
    assert not left, f"left behind: {left}\n{messages}"


@pytest.fixture
def stage(request):
    """The stage of a test that is marked `shared` and starts no daemons itself; None for others."""
    if request.node.get_closest_marker("shared") is None or "daemons" in request.fixturenames:
        return None
    return request.getfixturevalue("stages")(start_with_lan)


@pytest.fixture
def host(stage, hosts):
    """The host under test: `eth0` is its parent device, cabled to `station`'s eth0. Both have no IPv6 on it."""
    return stage.host if stage else hosts("host")


@pytest.fixture
def station(stage, hosts, host):
    """A machine on the wire behind the host's eth0, 10.0.0.254/24."""
    if stage:
        return stage.station
    other = hosts("station")
    connect_station(host, other)
    return other


@pytest.fixture
def box(hosts):
    """A container's network namespace."""
    return hosts("box")


@pytest.fixture
def switch(hosts):
    return Switch(hosts("switch"))


@pytest.fixture
def daemons(request, hosts):
    """daemons(host, …) makes a Daemon (not started). After a test that passed, the ports of its guests must go by
    themselves: a device or a record that stays fails the test."""
    made = request.node.macvtapd_daemons = []

    def make(host, **options):
        made.append(Daemon(host, **options))
        return made[-1]

    yield make
    failed = getattr(request.node, "macvtapd_failed", False)
    try:
        left = [] if failed else [left for daemon in made for left in daemon.settle()]
        messages = "".join(daemon.messages() for daemon in made)
    finally:
        for daemon in made:
            daemon.close()
    assert not left, f"left behind: {left}\n{messages}"


@pytest.fixture
def daemon(request, stage):
    """A running macvtapd in `host` whose network `lan` is eth0 in bridge mode, open to the user nobody."""
    if stage:
        return stage.daemon
    host, _ = request.getfixturevalue("host"), request.getfixturevalue("station")
    made = request.getfixturevalue("daemons")(host)
    made.network("lan", "eth0", AllowUsers="nobody")
    return made.start()


@pytest.fixture
def monitor():
    """monitor(host) listens to the host's link messages from then on."""
    made = []

    def make(host):
        made.append(LinkMonitor(host))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def guests():
    """guests(function, …) starts a guest that ends with the test at the latest."""
    made = []

    def make(function, *arguments, **options):
        made.append(function(*arguments, **options))
        return made[-1]

    yield make
    for guest in made:
        guest.close()
