# SPDX-License-Identifier: LGPL-2.1-or-later
"""The page of figures has the sections that the tests write."""
import pathlib

import pytest

import figures

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
SECTIONS = ["kill-matrix", "cni-kills", "fault-matrix", "descriptor-restarts", "storm", "soak", "hostile", "bad-input", "fuzz", "memory", "coverage"]


@pytest.mark.parametrize("name", SECTIONS)
def test_section_is_replaced_and_nothing_else(name):
    page = PAGE.read_text(encoding="utf-8")
    once = figures.replace_section(page, name, "1 of 2\n")
    assert f"-->\n1 of 2\n<!-- figures {name}: end -->" in once
    assert figures.replace_section(once, name, "1 of 2") == once
    assert [line for line in page.splitlines() if line.startswith("#")] == \
        [line for line in once.splitlines() if line.startswith("#")]


def test_each_section_is_there_once():
    marks = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("<!-- figures ")]
    assert marks == [f"<!-- figures {name}: {end} -->" for name in SECTIONS for end in ("begin", "end")]


def test_unknown_section():
    with pytest.raises(ValueError, match="no section of figures named weather"):
        figures.replace_section(PAGE.read_text(encoding="utf-8"), "weather", "")
