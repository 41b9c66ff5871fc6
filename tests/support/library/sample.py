# SPDX-License-Identifier: LGPL-2.1-or-later
"""What of a test's many parameters `tests/run` takes, and `tests/run long` the rest of."""
import pytest


def sampled(parameters, sample):
    """For parametrize(): all run in `tests/run long`, and those of the sample otherwise as well."""
    return [pytest.param(*(one if isinstance(one, tuple) else (one,)), marks=[] if one in sample else [pytest.mark.long])
            for one in parameters]
