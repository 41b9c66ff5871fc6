#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds the product's messages, comments and documents against the style of docs/contributing.md (prints TAP).

No phrase of PHRASES, each with what to write instead. A message of one line has no full stop at its end. What a message
quotes stands between ' and ', not between backticks or double quotes."""
import pathlib
import re
import sys

PHRASES = {
    r"any more": "no longer",
    r"as of (?!Linux|version|\d)": "as in, see, or from",
    r"astray": "misplaced",
    r"by now": "already, or leave it out",
    r"can(?:not|'t) be (?:had|told)": "is unavailable, is unknown",
    r"comes by migration": "is migrating in",
    r"(?:anew(?!:)|mend(?:s|ed|ing)?)": "again; repair",
    r"for (?:it|he|they) has": "as it has",
    r"in a hurry": "quickly, with a limit",
    r"lies on": "is on; the link below it",
    r"nobody can tell": "is unknown",
    r"so that it may": "so that it can",
    r"the same of": "the same for",
    r"usurper": "the conflicting port",
    r"who is not root": "users other than root",
    r"who(?:so)?ever has": "a process that has",
    r"whosoever": "anyone",
}
# The names of JSON members are quoted as JSON has them, and C code of the kernel's as C.
OWN_QUOTES = {"src/varlink/varlink-message.c"}
CALL = re.compile(r"\b\w*(?:error|fail|refuse|warning|critical|problem|finding|note|explain)\w*\s*\(")
ITEM = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.S)
UDEV = re.compile(r'==?\\"[^"]*\\"')
LITERAL = re.compile(r'"((?:\\.|[^"\\\n])*)"')

root = pathlib.Path(sys.argv[1])


def files(*patterns):
    return sorted(path for pattern in patterns for path in root.glob(pattern))


SOURCES = files("src/**/*.[ch]", "hooks/*.[ch]", "vhost/*.[ch]")
TEXTS = files("docs/*.md", "docs/man/*.scd", "docs/packaging/*.md", "README.md", "src/api/*.varlink")


def place(path, text, position):
    return f"{path.relative_to(root)}:{text.count(chr(10), 0, position) + 1}"


def prose(path):
    """(position, words) of each comment and string of a source, or of the whole of a text; without the line breaks."""
    text = path.read_text(encoding="utf-8")
    if path not in SOURCES:
        yield text, 0, text
        return
    for match in re.finditer(rf'(?:{ITEM.pattern})(?:\s*"(?:\\.|[^"\\\n])*")*', text, re.S):
        found = match.group(0)
        if found.startswith('"'):
            yield text, match.start(), "".join(LITERAL.findall(found))
        else:
            yield text, match.start(), re.sub(r"\s*\n\s*\* ?", " ", found)


def check_phrases():
    patterns = [(re.compile(rf"\b{phrase}\b" if phrase[-1] != ")" or "?!" not in phrase else rf"\b{phrase}", re.I), better)
                for phrase, better in PHRASES.items()]
    for path in SOURCES + TEXTS:
        for text, start, words in prose(path):
            flat = re.sub(r"\s+", " ", words) if path in SOURCES else words
            for pattern, better in patterns:
                for match in pattern.finditer(flat):
                    position = start + match.start() if path in TEXTS else start
                    yield f"{place(path, text, position)}: '{match.group(0)}' (write: {better})"


def messages():
    """The literals of each call that says what is wrong."""
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        for call in CALL.finditer(text):
            end = re.compile(r";|\n\{").search(text, call.end()).start()
            for found in re.finditer(r'"(?:\\.|[^"\\\n])*"(?:\s*"(?:\\.|[^"\\\n])*")*', text[call.end():end]):
                yield path, place(path, text, call.end() + found.start()), "".join(LITERAL.findall(found.group(0)))


def check_full_stops():
    for _, where, message in messages():
        if re.search(r"\w[\w)'\"]\.(\\n)?$", message) and " " in message and not message.endswith("..."):
            yield f"{where}: full stop at the end of '{message}'"


def check_quotes():
    for path, where, message in messages():
        if str(path.relative_to(root)) not in OWN_QUOTES and " " in message and re.search(r'`|\\"', UDEV.sub("", message)):
            yield f"{where}: quotes other than '…' in '{message}'"


def report(number, title, problems):
    problems = sorted(set(problems))
    for problem in problems:
        print(f"# {problem}")
    print(f'{"not " if problems else ""}ok {number} - {title}')


print("1..3")
report(1, "no phrase that reads like a translation", check_phrases())
report(2, "messages of one line end without a full stop", check_full_stops())
report(3, "messages quote in one way", check_quotes())
