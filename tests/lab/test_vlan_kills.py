# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon is killed at every system call while it makes and removes VLAN devices and filter devices, and nothing of it is left."""
import pytest

from fault_injection import KillMatrix
from operations import VLAN_OPERATIONS

SAMPLE_EVERY = 120


@pytest.fixture
def matrix(tmp_path):
    matrix = KillMatrix(tmp_path)
    yield matrix
    matrix.close()


@pytest.mark.parametrize("operation", VLAN_OPERATIONS, ids=lambda operation: operation.name)
def test_sample(matrix, operation):
    matrix.run(operation, SAMPLE_EVERY)


@pytest.mark.long
@pytest.mark.parametrize("operation", VLAN_OPERATIONS, ids=lambda operation: operation.name)
def test_every_system_call(matrix, operation):
    print(matrix.run(operation))
