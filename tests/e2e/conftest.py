# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of containers share: the image of docs/containers.md, and hosts with an engine that has it."""
import pytest

from containers import EngineDaemon, EngineHosts, build_images
from documents import block, commands


@pytest.fixture(scope="session")
def container_images(tmp_path_factory):
    """A file with the images vm and vmhost, built as the document says."""
    made = tmp_path_factory.mktemp("images") / "images.tar"
    build_images(made, commands(block("docs/containers.md", "An image with a VM", 0))
                 + commands(block("docs/containers.md", "macvtapd in a container", 0)))
    return made


@pytest.fixture(scope="session")
def engine_hosts(container_images):
    made = EngineHosts(container_images)
    yield made
    made.close()


@pytest.fixture
def engine_daemon(request, engine):
    """A macvtapd, not started, in a test's fixture `engine`; the port of each container must go by itself."""
    made = EngineDaemon(engine)
    try:
        yield made
        engine.remove_all()
        if not getattr(request.node, "macvtapd_failed", False):
            assert made.settle() == []
    finally:
        engine.remove_all()
        if made.running:  # the next test has the same host
            made.ctl("port", "delete", "--all", check=False)
        made.close()
