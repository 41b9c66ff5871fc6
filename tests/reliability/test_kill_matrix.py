# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon is killed at every system call of every operation and started again, and nothing of it is left.

What it finds must fit together (a port whose holder lives and whose record is final stays), and once everybody has let
go, everything is as it was before. VLAN devices are in tests/lab."""
import json

import pytest

from fault_injection import ALL, KillMatrix
from operations import operation

SAMPLE_EVERY = 16
SAMPLED = ["create: passthru, assign", "create: with a lease", "create: with host access", "delete: with a node, in a /dev without nodes", "set: holder", "start",
           "a guest is announced from the wire", "a parent regains its MTU", "events are lost"]


@pytest.fixture(scope="module")
def matrix(tmp_path_factory):
    matrix = KillMatrix(tmp_path_factory.mktemp("kills"))
    yield matrix
    matrix.close()


@pytest.mark.parametrize("name", SAMPLED)
def test_sample(matrix, name):
    # Each point of a start costs three starts, which load the guard's programs.
    every = SAMPLE_EVERY * 4 if name == "start" else SAMPLE_EVERY
    matrix.run(operation(name, ALL), every, SAMPLED.index(name))


@pytest.mark.long
@pytest.mark.parametrize("name, part, parts", KillMatrix.parameters())
def test_every_system_call(matrix, name, part, parts, record_property):
    record_property(matrix.FIGURES, json.dumps(matrix.run(operation(name, ALL), parts, part)))
