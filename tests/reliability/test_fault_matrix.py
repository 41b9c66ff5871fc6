# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each system call of each operation fails with each errno: see tests/support/library/fault_injection.py."""
import json

import pytest

from fault_injection import ALL, FaultMatrix
from operations import operation

SAMPLE_EVERY = 40
SAMPLED = ["create: for a domain, with a node", "delete: bridge", "a device is renamed", "SIGHUP: keys are changed"]


@pytest.fixture(scope="module")
def matrix(tmp_path_factory):
    matrix = FaultMatrix(tmp_path_factory.mktemp("faults"))
    yield matrix
    matrix.close()


@pytest.mark.parametrize("name", SAMPLED)
def test_sample(matrix, name):
    matrix.run(operation(name, ALL), SAMPLE_EVERY, SAMPLED.index(name))


@pytest.mark.long
@pytest.mark.parametrize("name, part, parts", FaultMatrix.parameters())
def test_every_system_call(matrix, name, part, parts, record_property):
    record_property(matrix.FIGURES, json.dumps(matrix.run(operation(name, ALL), parts, part)))
