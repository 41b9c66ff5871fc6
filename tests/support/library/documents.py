# SPDX-License-Identifier: LGPL-2.1-or-later
"""The code blocks of the documents, which tests run as they stand.

Theory of operation: a test names a block by document, heading and number, in a call of block() with literals.
tests/unit/check-documents.py reads the tests' sources for these calls: a block that no test takes, and that NOT_RUN does not excuse,
fails there, and so does a call or an excuse for a block that is not there any more.
"""
import ast
import collections
import pathlib
import re

SOURCE = pathlib.Path(__file__).resolve().parents[3]
DOCUMENTS = ["README.md", "docs/addresses.md", "docs/agent.md", "docs/capture.md", "docs/containers.md", "docs/guests.md", "docs/libvirt.md", "docs/log.md", "docs/metrics.md", "docs/networks.md", "docs/recipes.md", "docs/tutorial.md", "docs/vmm.md"]

_NO_PROGRAM = "Debian 12 has no such program"
_CONTAINER = "an image of the user's own; kernel/test_container_socket.py goes this way"
_OUTPUT = "what a command prints"

# (document, heading, number): why no test runs it.
NOT_RUN = {
    ("README.md", "How it works", 0): "a drawing",
    ("README.md", "Start a VM", 5): _NO_PROGRAM,  # varlinkctl of systemd 258
    ("README.md", "Start a VM", 8): _CONTAINER,
    ("README.md", "Install, uninstall, develop", 1): "what runs this test, and the demo",
    ("docs/capture.md", "Capturing a port's frames", 2): "Wireshark has a window; test_files_that_tcpdump_reads reads the same file",
    ("docs/containers.md", "docker network create", 0): "an image of the user's own; e2e/test_docker.py goes this way",
    ("docs/log.md", "The log", 1): _OUTPUT,
    ("docs/recipes.md", "A cloud image with cloud-init", 0): "downloads 300 MB",
}

Block = collections.namedtuple("Block", "document heading number language text")

def _pieces(lines):
    """What the lines of a document have: ("heading", "", text) and (kind, language, text) of each block."""
    lines = iter([*lines, "end"])
    blank, indented = True, []
    for line in lines:
        if line.startswith("    ") and (indented or blank) or indented and not line:
            indented.append(line[4:])
            continue
        if indented:
            yield "block", "", "\n".join(indented).rstrip() + "\n"
            indented = []
        if line.startswith("```"):
            yield "block", line[3:], "".join(f"{one}\n" for one in iter(lambda: next(lines), "```"))
        elif line.startswith("#"):
            yield "heading", "", line.lstrip("# ")
        blank = not line


def blocks(document):
    """All blocks of a document, in their order."""
    found, heading, counts = [], "", collections.Counter()
    for kind, language, text in _pieces((SOURCE / document).read_text(encoding="utf-8").splitlines()):
        if kind == "heading":
            heading = text
            continue
        found.append(Block(document, heading, counts[heading], language, text))
        counts[heading] += 1
    return found


def block(document, heading, number):
    """The text of one block."""
    (found,) = [one for one in blocks(document) if (one.heading, one.number) == (heading, number)]
    return found.text


def commands(text):
    """The commands of a block: its lines, joined where one ends in a backslash, without comments."""
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip() and not line.startswith("#")]
    return [re.sub(r"\s+# .*", "", line) for line in lines]


def taken():
    """{(document, heading, number): [the tests' files that call block() with them]}"""
    found = collections.defaultdict(list)
    for path in sorted([*(SOURCE / "tests").glob("*/test_*.py"), *(SOURCE / "tests").glob("*/conftest.py")]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "block":
                key = tuple(argument.value for argument in node.args if isinstance(argument, ast.Constant))
                found[key].append(path.name)
    return found
