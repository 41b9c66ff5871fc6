# SPDX-License-Identifier: LGPL-2.1-or-later
"""macvtapd is killed at every system call that ADD and DEL of macvtapd-cni make of it, and the plugin at every one of its own. Once GC
has run, no port and no address is left."""
import pytest

import figures
from cni_kills import CNI_OPERATIONS, PluginKillMatrix
from fault_injection import KillMatrix
from operations import operation

NAMES = [operation.name for operation in CNI_OPERATIONS]
SAMPLE_EVERY = 16
KILLED = {"macvtapd": KillMatrix, "the plugin": PluginKillMatrix}
TEXT = """ADD and DEL of `macvtapd-cni`, with host-local and with the network's own leases. macvtapd, or the plugin, is killed as it enters each of \
its system calls; then macvtapd is started again if need be, and the runtime, which knows of no container, calls GC. What ADD and DEL said was done \
had been done. Ports, addresses, notes, links or records left after GC: 0.

"""


@pytest.fixture(scope="module")
def matrices(tmp_path_factory):
    made = {what: matrix(tmp_path_factory.mktemp("kills")) for what, matrix in KILLED.items()}
    yield made
    for matrix in made.values():
        matrix.close()


@pytest.fixture(scope="module")
def rows(request):
    """Of the whole matrix: what was killed, and its row."""
    found = []
    yield found
    if len(found) == len(KILLED) * len(NAMES) and not request.session.testsfailed:
        head = ["killed", "operation", "system calls", "killed at", "port was there before GC"]
        figures.write("cni-kills", TEXT + figures.table(head, found))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("what", KILLED)
def test_sample(matrices, what, name):
    matrices[what].run(operation(name, CNI_OPERATIONS), SAMPLE_EVERY, NAMES.index(name))


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("what", KILLED)
def test_every_system_call(matrices, rows, what, name):
    rows.append((what, *matrices[what].run(operation(name, CNI_OPERATIONS))))
