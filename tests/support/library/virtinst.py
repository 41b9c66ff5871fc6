# SPDX-License-Identifier: LGPL-2.1-or-later
"""virt-install and virt-clone in a test's machine."""
from libvirt import SYSTEM

# It keeps its log and what it knows of operating systems where the user's cache is.
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/run", "XDG_CACHE_HOME": "/run/cache",
               "XDG_DATA_HOME": "/run/cache"}


def clone(site, old, new):
    site.machine.run("virt-clone", "--connect", SYSTEM, "-o", old, "-n", new, "--auto-clone", env=ENVIRONMENT)


def install(site, name, *words):
    """Install a domain without a disk of its own, on QEMU's own processor."""
    return site.machine.run("virt-install", "--connect", SYSTEM, "--name", name, "--memory", "128", "--disk", "none",
                            "--osinfo", "require=off", "--virt-type", "qemu", "--graphics", "none", "--noautoconsole",
                            *words, env=ENVIRONMENT)
