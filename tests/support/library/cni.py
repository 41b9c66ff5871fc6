# SPDX-License-Identifier: LGPL-2.1-or-later
"""macvtapd-cni, called as container runtimes call it: by hand (Runtime) and through libcni, Debian's Go package (Libcni)."""
import json
import os
import shutil
import subprocess

import pytest

from programs import BUILD, INSIDE_BUILD, SOURCE, program

CONTAINER = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
PLUGINS = "/usr/lib/cni"  # Debian's
GO_PACKAGES = "/usr/share/gocode"
VALID = "cni.dev/valid-attachments"


def needs_plugins():
    if not os.access(f"{PLUGINS}/host-local", os.X_OK):
        pytest.skip("no host-local (Debian package containernetworking-plugins)")


class Runtime:
    """A container runtime's part, for one container: parameters in the environment, a configuration on standard input.

    folder: its IPAM plugins, and where containers are noted."""

    def __init__(self, daemon, box, folder):
        self.daemon = daemon
        self.box = box
        self.folder = folder
        self.path = f"{folder}:{PLUGINS}"
        self.config = {"cniVersion": "1.0.0", "name": "pods", "type": "macvtapd-cni", "network": "lan",
                       "socket": str(daemon.socket), "dataDir": str(folder / "notes")}

    def environment(self, command, interface="eth0", arguments="", netns=None, container=CONTAINER):
        return {"CNI_COMMAND": command, "CNI_CONTAINERID": container, "CNI_IFNAME": interface, "CNI_ARGS": arguments,
                "CNI_NETNS": netns or f"/proc/{self.box.pid}/ns/net", "CNI_PATH": self.path}

    def run(self, command, interface="eth0", arguments="", netns=None, container=CONTAINER, wrapper=(), **config):
        """The process that was, behind the words of wrapper."""
        return self.daemon.host.run(*wrapper, program("macvtapd-cni"), check=False, stdin=None,
                                    input=json.dumps({**self.config, **config}),
                                    env=self.environment(command, interface, arguments, netns, container))

    def call(self, command, **options):
        """Returns the result, or the error that was printed."""
        return answer_of(self.run(command, **options))


def answer_of(done):
    answer = json.loads(done.stdout) if done.stdout else None
    assert (done.returncode != 0) == (answer is not None and "msg" in answer), done
    return answer


def libcni_caller():
    """The path of tests/interop/libcni-caller inside a host; built anew when it has changed."""
    if not shutil.which("go") or not os.path.isdir(f"{GO_PACKAGES}/src/github.com/containernetworking/cni/libcni"):
        pytest.skip("no Go, or no libcni (Debian packages golang-go, golang-github-appc-cni-dev)")
    made = BUILD / "tests/interop/libcni-caller"
    subprocess.run(["go", "build", "-o", made, SOURCE / "tests/interop/libcni-caller.go"], check=True,
                   env={**os.environ, "GO111MODULE": "off", "GOPATH": GO_PACKAGES, "GOCACHE": str(BUILD / "tests/interop/go-cache"),
                        "GOFLAGS": ""})
    return f"{INSIDE_BUILD}/tests/interop/libcni-caller"


def plugins_of(conflist):
    """The types of the plugins in a list, as libcni reads it."""
    caller = libcni_caller().replace(INSIDE_BUILD, str(BUILD))
    done = subprocess.run([caller, "parse"], input=json.dumps(conflist), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


class Libcni:
    """A container runtime that uses libcni, for one list of plugins."""

    def __init__(self, runtime, plugin, version="1.0.0"):
        self.runtime = runtime
        self._caller = libcni_caller()
        self.plugin = {**runtime.config, "capabilities": {"ips": True, "mac": True}, **plugin}
        self._list = {"cniVersion": version, "name": "pods",
                      "plugins": [{key: value for key, value in self.plugin.items() if key not in ("cniVersion", "name")}]}

    def call(self, command, interface="eth0", netns=None, container=CONTAINER, capabilities=None, args=()):
        """Returns the result of add, else None; or the plugin's error."""
        runtime = self.runtime
        what = {"container": container, "interface": interface, "netns": netns or f"/proc/{runtime.box.pid}/ns/net",
                "cache": str(runtime.folder / "cache"), "capabilities": capabilities or {}, "args": args}
        path = f"{os.path.dirname(program('macvtapd-cni'))}:{PLUGINS}"
        done = runtime.daemon.host.run("env", f"CNI_PATH={path}", self._caller, command, json.dumps(what), check=False, stdin=None,
                                       input=json.dumps(self._list))
        return answer_of(done)

    def by_hand(self, command, container=CONTAINER, netns=None, **config):
        """Without the library, which knows no GC and STATUS before version 1.2; with the same configuration, in version 1.1.0."""
        return self.runtime.call(command, container=container, netns=netns, **{**self.plugin, "cniVersion": "1.1.0", **config})
