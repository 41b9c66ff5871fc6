# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/packaging/debian as a packager uses it: built, installed on a bare Debian 12, used, removed, purged."""
import shutil
import subprocess

import pytest

from programs import SOURCE

pytestmark = pytest.mark.long

# Everything but what dpkg, apt and ldconfig keep of any package that was ever there, sorted.
LIST = ("find / -xdev ( -path /proc -o -path /sys -o -path /dev -o -path /tmp -o -path /var/cache -o -path /var/log"
        " -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path /etc/ld.so.cache ) -prune -o -print")


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          **options)
    assert done.returncode == 0, done.stdout
    return done.stdout


class Root:
    def __init__(self, folder):
        self.folder = folder

    def __call__(self, *command):
        return run("unshare", "--mount", "--pid", "--fork", f"--mount-proc={self.folder}/proc", "chroot", self.folder, *command)


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("package")
    tree = folder / "tree"
    tree.mkdir()
    names = run("git", "-c", f"safe.directory={SOURCE}", "-C", SOURCE, "ls-files").splitlines()
    run("cp", "--parents", "-t", tree, *names, cwd=SOURCE)
    shutil.copytree(SOURCE / "docs/packaging/debian", tree / "debian")
    log = run("dpkg-buildpackage", "-b", "-uc", "-us", cwd=tree)
    assert "dh_missing: warning" not in log
    found = {path.name.split("_")[0]: path for path in folder.glob("*.deb") if "-dbgsym" not in path.name}
    yield found
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def root(packages, tmp_path_factory):
    """A bare Debian with nothing but what the packages depend on; root(COMMAND…) runs a command in it."""
    folder = tmp_path_factory.mktemp("root") / "root"
    sources = run("apt-get", "indextargets", "--format", "deb $(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages",
                  "Origin: Debian", "Codename: bookworm")
    depends = set()
    for path in packages.values():
        field = run("dpkg-deb", "--field", path, "Depends").strip()
        depends |= {entry.split()[0] for entry in field.split(", ")} - set(packages)
    run("mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", f"--include={','.join(sorted(depends))}", "bookworm",
        folder, "-", input="\n".join(sorted(set(sources.splitlines()))) + "\n")
    yield Root(folder)
    shutil.rmtree(folder)


def test_hardening(packages, tmp_path):
    run("dpkg-deb", "--extract", packages["macvtapd"], tmp_path)
    dynamic = run("readelf", "--dynamic", "--wide", tmp_path / "usr/sbin/macvtapd")
    assert "BIND_NOW" in dynamic and "PIE" in dynamic
    symbols = run("readelf", "--dyn-syms", "--wide", tmp_path / "usr/sbin/macvtapd")
    assert "__stack_chk_fail" in symbols and "_chk@GLIBC" in symbols


def test_daemon_needs_no_libvirt(packages):
    depends = run("dpkg-deb", "--field", packages["macvtapd"], "Depends")
    assert "libvirt" not in depends and "libxml2" not in depends


def test_build_without_libvirt(tmp_path):
    run("meson", "setup", tmp_path / "build", SOURCE, "-Dlibvirt=disabled", "-Dtests=disabled")
    compiled = run("ninja", "-v", "-C", tmp_path / "build")
    assert "libxml2" not in compiled and "gio-2.0" not in compiled and "-lvirt" not in compiled
    run("meson", "install", "-C", tmp_path / "build", "--destdir", tmp_path / "root")
    installed = {path.name for path in (tmp_path / "root").rglob("*") if path.is_file()}
    assert {"macvtapd", "macvtapctl", "macvtap-run", "macvtapd.service"} <= installed
    assert not {"macvtapctl-domain", "macvtapd.rng"} & installed and not (tmp_path / "root/etc/libvirt").exists()


def test_install_use_purge(packages, root):
    before = root(*LIST.split())
    inside = [f"/tmp/{path.name}" for path in packages.values()]
    for path in packages.values():
        shutil.copy(path, root.folder / "tmp")
    root("dpkg", "--install", *inside)
    assert root("macvtapd", "--version").startswith("macvtapd ")
    assert "port create" in root("macvtapctl", "--help")
    root("test", "-d", "/etc/macvtapd/networks.d")
    assert "macvtapd.socket" in root("ls", "/etc/systemd/system/sockets.target.wants")
    root("sh", "-c", "printf '[Network]\\nParent=eth0\\n' > /etc/macvtapd/networks.d/lan.network")
    root("dpkg", "--remove", *packages)
    root("test", "-e", "/etc/macvtapd/networks.d/lan.network")
    root("dpkg", "--purge", *packages)
    assert root(*LIST.split()) == before
