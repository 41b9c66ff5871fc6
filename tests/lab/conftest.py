# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tests that need what only Debian's stock kernel has: bonds, VLANs, vhost-net, real NICs, Wi-Fi."""
import os

import pytest

from daemon import Daemon
from parent_kinds import Site


def pytest_runtest_setup(item):
    if os.environ.get("MACVTAPD_LAB") != "1":
        pytest.skip("runs on Debian's stock kernel only: `tests/run lab`")


@pytest.fixture(scope="module")
def sites():
    """sites(kind) gives the site of this kind, made anew when another was in use: the NICs are there once."""
    current = {}

    def take(kind):
        if kind not in current:
            give_back()
            site = current[kind] = Site(kind)
            site.daemon = Daemon(site.host)
        return current[kind]

    def give_back():
        for site in current.values():
            site.daemon.close()
            site.close()
        current.clear()

    yield take
    give_back()
