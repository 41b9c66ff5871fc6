# SPDX-License-Identifier: LGPL-2.1-or-later
"""README's quick start, each line as it stands, on this machine's own processor: clone, build, install, first port, first ping.
(systemd/test_documents.py does it on a Debian host of its own, with systemd, where the compiler is emulated.)

Theory of operation: /usr, /etc and /var of the host under test are overlays. The first line would install packages: unit/check-documents.py
says that they are the ones that this machine has. What systemd would start by the fourth is started here. disk.qcow2 is empty: the
qemu-system-x86_64 that is found first adds the kernel of the test's guest, and has tcg for kvm.
"""
import os
import re
import subprocess

import pytest

from clock import Deadline
from documents import block
from guest import KERNEL_WORDS
from programs import SOURCE, image
from privileges import is_sanitized

pytestmark = pytest.mark.long

OVERLAYS = """
mkdir -p /run/over && mount -t tmpfs -o mode=755 over /run/over
for name in usr etc var; do
    mkdir -p /run/over/$name/upper /run/over/$name/work
    mount -t overlay -o lowerdir=/$name,upperdir=/run/over/$name/upper,workdir=/run/over/$name/work over /$name
done
mount -t tmpfs -o mode=755 local /usr/local && mkdir -p /usr/local/sbin /run/over/root && rm -rf /etc/macvtapd
cp -r "$0" /run/over/root/source && cd /run/over/root/source && rm -rf build build-* .git && git init -q && git add -A
git -c user.name=test -c user.email=test@localhost commit -qm all
"""
QEMU = """#!/bin/bash
exec /usr/bin/qemu-system-x86_64 "${{@/#kvm/tcg}}" -kernel {kernel} -initrd {initrd} -append '{words}' -no-reboot
"""
HOME = "/run/over/root"


@pytest.fixture
def bare(host, station):
    """run(line): a line of README's on a host without macvtapd."""
    if is_sanitized():
        pytest.skip("cannot run with sanitizers: it builds without them")
    host.run("bash", "-ec", OVERLAYS, SOURCE)
    words = f"{KERNEL_WORDS} guest.name=web guest.ip=10.0.0.2/24 guest.ping=10.0.0.254"
    shim = QEMU.format(kernel=image("kernel"), initrd=image("guest"), words=words)
    host.run("sh", "-c", "cat >/usr/local/sbin/qemu-system-x86_64 && chmod 755 /usr/local/sbin/qemu-system-x86_64", stdin=None, input=shim)
    environment = {"HOME": HOME, "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
                   "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_VALUE_0": "https://github.com/macvtapd/macvtapd",
                   "GIT_CONFIG_KEY_0": f"url.{HOME}/source.insteadOf"}

    def run(line, start=False, **options):
        words = ["bash", "-c", f"cd {HOME}; {line}"]
        return host.start(*words, env=environment, **options) if start else host.run(*words, env=environment, timeout=600, **options)

    run("qemu-img create -q -f qcow2 disk.qcow2 1M")
    run.host = host
    return run


def start_service(run, line):
    """What `systemctl enable --now UNIT…` does, of which the service is one."""
    units = re.fullmatch(r"systemctl enable --now (.*)", line).group(1).split()
    run(f"cd /usr/lib/systemd/system && ls {' '.join(units)}")
    (service,) = [unit for unit in units if unit.endswith(".service")]
    start = run(f"sed -n s/^ExecStart=//p /usr/lib/systemd/system/{service}").stdout
    daemon = run(f"exec {start}", start=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = Deadline()
    while run("macvtapctl network list", check=False).returncode != 0:
        assert daemon.poll() is None and deadline.left()
    return daemon


def test_first_ping(bare):
    _, *build, service, start = block("README.md", "From a bare Debian 12 to the first ping", 0).splitlines()
    assert len(build) == 2
    bare("! command -v macvtapd")
    for line in build:
        bare(line)
    daemon = start_service(bare, service)
    running = bare(f"exec {start}", start=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace")
    try:
        assert any("GUEST web PING 10.0.0.254 ok" in line for line in running.stdout)
        assert "web" in bare("macvtapctl port list").stdout
    finally:
        running.kill()
        running.wait()
    deadline = Deadline()
    while bare.host.macvtaps():
        assert deadline.left()
    daemon.terminate()
    assert daemon.wait() == 0
    assert not os.path.exists("/usr/local/sbin/qemu-system-x86_64")
