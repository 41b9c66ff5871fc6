# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each system call of each operation fails with each errno: see tests/support/library/fault_injection.py."""
import pytest

from fault_injection import FaultMatrix
from operations import OPERATIONS, operation
from outside import OUTSIDE_OPERATIONS

ALL = [*OPERATIONS, *OUTSIDE_OPERATIONS]
NAMES = [operation.name for operation in ALL]
SAMPLE_EVERY = 40
SAMPLED = ["create: for a domain, with a node", "delete: bridge", "a device is renamed", "SIGHUP: keys are changed"]


@pytest.fixture(scope="module")
def matrix(request, tmp_path_factory):
    matrix = FaultMatrix(tmp_path_factory.mktemp("faults"))
    yield matrix
    matrix.close()
    if len(matrix.rows) == len(NAMES) and not request.session.testsfailed:
        matrix.write()


@pytest.mark.parametrize("name", SAMPLED)
def test_sample(matrix, name):
    matrix.run(operation(name, ALL), SAMPLE_EVERY, SAMPLED.index(name))


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_every_system_call(matrix, name):
    matrix.run(operation(name, ALL))
