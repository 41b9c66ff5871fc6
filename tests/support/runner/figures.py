# SPDX-License-Identifier: LGPL-2.1-or-later
"""The figures of docs/reliability.md, which the tests write themselves.

Each section of figures lies between two comments of the page and is replaced as a whole. `tests/run long` names the page
in MACVTAPD_FIGURES; without it the figures are only printed."""
import datetime
import fcntl
import os
import platform


def _machine():
    day = datetime.date.today().isoformat()
    return f"Measured on {day}: Linux {platform.release()}, {os.cpu_count()} processors."


def replace_section(page, name, text):
    """The page with text as its section name; ValueError if it has no such section."""
    begin, end = f"<!-- figures {name}: begin -->\n", f"<!-- figures {name}: end -->"
    head, found, rest = page.partition(begin)
    _, ended, tail = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"the page has no section of figures named {name}")
    return f"{head}{begin}{text.rstrip()}\n{end}{tail}"


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def write(name, text):
    """Make text (Markdown) the section name of the page."""
    text = f"{text.rstrip()}\n\n{_machine()}"
    print(f"\n[figures: {name}]\n{text}")
    path = os.environ.get("MACVTAPD_FIGURES")
    if path:
        with open(path, "r+", encoding="utf-8") as page:
            fcntl.flock(page, fcntl.LOCK_EX)  # tiers that run side by side write to it
            content = replace_section(page.read(), name, text)
            page.seek(0)
            page.write(content)
            page.truncate()
