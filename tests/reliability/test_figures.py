# SPDX-License-Identifier: LGPL-2.1-or-later
"""The page of figures has the sections that the tests write."""
import json
import pathlib

import pytest

import figures
from fault_injection import FaultMatrix, KillMatrix

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


@pytest.mark.parametrize("matrix", [KillMatrix, FaultMatrix])
def test_matrix_is_written_when_all_its_parts_are_there(matrix, monkeypatch):
    written = {}
    monkeypatch.setattr(figures, "write", written.__setitem__)
    parts = [parameter.values[0] for parameter in matrix.parameters()]
    rows = [json.dumps([name, 3, 2, 1]) for name in parts]
    matrix.write({matrix.FIGURES: rows[1:]}.get)
    matrix.write({matrix.FIGURES: rows[:-1]}.get)
    assert not written
    matrix.write({matrix.FIGURES: rows}.get)
    text = written[matrix.FIGURES]
    assert f"| start | {3 * matrix.START_PARTS} | {2 * matrix.START_PARTS} | {matrix.START_PARTS} |" in text
    assert f"| all | {3 * len(parts)} | {2 * len(parts)} | {len(parts)} |" in text
    assert text.startswith(matrix.TEXT)
