# SPDX-License-Identifier: LGPL-2.1-or-later
"""Machines of the systemd tier. Each module may have one of its own; the ordinary tests share one, which is booted once."""
import pytest

from debian import Debian
from privileges import is_sanitized


@pytest.fixture(scope="session")
def built():
    if is_sanitized():
        pytest.skip("cannot run with sanitizers, whose libraries a Debian host does not have")


@pytest.fixture(scope="session")
def machine(built):
    """A host that has booted with macvtapd's units enabled, and a station with a DHCP server on its wire."""
    debian = Debian()
    yield debian.wait_booted()
    debian.close()


@pytest.fixture(scope="module")
def machines(built):
    """machines(…) boots one for this module."""
    made = []

    def make(**options):
        made.append(Debian(**options))
        return made[-1].wait_booted()

    yield make
    for debian in made:
        debian.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Debian):
                report.sections.append(("journal", value.last_words()))
