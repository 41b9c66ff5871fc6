# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the daemon under test declares to need of the kernel (`macvtapd --privileges`)."""
import re
import subprocess

from programs import built


START = "start"  # the part that is given up before anybody is served


def declared():
    """{part: (set of capabilities, set of system calls)}, without their arguments; START is one of them."""
    parts = {}
    for line in subprocess.run([built("macvtapd"), "--privileges"], stdout=subprocess.PIPE, text=True,
                               check=True).stdout.splitlines():
        part, capabilities, calls = line.split("\t")
        parts[part] = set(capabilities.split()), {call.partition("(")[0] for call in calls.split()}
    return parts


def declared_capabilities():
    """What the daemon keeps."""
    return set.union(*(capabilities for part, (capabilities, _) in declared().items() if part != START))


def start_capabilities():
    """What it has until it serves."""
    return declared()[START][0]


def declared_calls():
    return set.union(*(calls for _, calls in declared().values()))


def declared_bpf_commands():
    """The numbers of enum bpf_cmd (linux/bpf.h)."""
    text = subprocess.run([built("macvtapd"), "--privileges"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return {int(number) for number in re.findall(r"\bbpf\(1=(\d+)\)", text)}


def is_sanitized():
    """Whether the build has a sanitizer, and so no filter of system calls."""
    return "libasan" in subprocess.run(["ldd", built("macvtapd")], stdout=subprocess.PIPE, text=True, check=True).stdout
