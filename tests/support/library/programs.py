# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where the programs and images under test are. MACVTAPD_BUILD names the build folder."""
import functools
import os
import pathlib
import subprocess

import memcheck

SOURCE = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("MACVTAPD_BUILD", SOURCE / "build")).resolve()
_FOLDERS = {"macvtapd": "src/daemon", "macvtapctl": "src/tools", "macvtap-run": "src/tools", "macvtap-agent": "src/tools",
          "qemu-macvtap-helper": "src/tools", "macvtapd-cni": "src/cni", "macvtapd-docker": "src/docker", "hook": "hooks"}
_FILES = {"hook": "macvtapd"}


# A command for macvtap-run that takes a port as a VMM does, and ends at once.
VMM = ("true", "{netdev}", "{device}")

# Hosts show the two folders here, because an unprivileged user may not reach them at their own paths.
INSIDE_BUILD = "/run/build"
INSIDE_IMAGES = "/run/images"


def built(name):
    """The path of a program of ours in the build folder; FileNotFoundError if it is not built."""
    path = BUILD / _FOLDERS[name] / _FILES.get(name, name)
    if not path.exists():
        raise FileNotFoundError(f"{path} is not built (MACVTAPD_BUILD names the build folder)")
    return str(path)


def program(name):
    """The path of a program of ours inside a Host."""
    built(name)
    if memcheck.enabled():
        return f"{INSIDE_BUILD}/{memcheck.FOLDER}/{name}"
    return _inside(name)


def _inside(name):
    return f"{INSIDE_BUILD}/{_FOLDERS[name]}/{_FILES.get(name, name)}"


def prepare_memcheck():
    """Make what program() gives where MACVTAPD_MEMCHECK is 1: it runs the program under valgrind."""
    memcheck.prepare(BUILD, INSIDE_BUILD, {name: _inside(name) for name in _FOLDERS})


@functools.cache
def images(*more):
    """Paths by name: kernel, modules, version, guest, lab; with "arm64" also arm64_kernel, arm64_guest. Made when they
    are missing."""
    done = subprocess.run([SOURCE / "tests/support/guest/images", *more], stdout=subprocess.PIPE, text=True, check=True)
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


def image_folder():
    return os.path.dirname(images()["guest"])


def image(name):
    """The path of an image inside a Host."""
    made = images("arm64") if name.startswith("arm64_") else images()
    return f"{INSIDE_IMAGES}/{os.path.relpath(made[name], image_folder())}"
