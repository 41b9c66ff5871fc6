# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirtd in a machine of the test's own, with our hook, and virsh towards it."""
import os
import pathlib
import socket
import subprocess
import tempfile
import uuid

from clock import Deadline, FolderWatch
from daemon import Daemon
from programs import INSIDE_BUILD, built, program

SYSTEM = "qemu:///system"
_CONF = """
user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = [ ]
namespaces = [ ]
stdio_handler = "file"
"""
HOOKS = "/etc/libvirt/hooks/qemu.d"


class LibvirtDaemon(Daemon):
    """macvtapd in a machine, at the socket where libvirt's hook looks for it, which gets no environment."""

    def __init__(self, machine, **options):
        super().__init__(machine, **options)
        machine.run("ln", "-sfn", self.folder, "/run/macvtapd")

    def environment(self):
        return {**super().environment(), "MACVTAPD_LIBEXEC": f"{INSIDE_BUILD}/src/libvirt"}

    def domain(self, *arguments, **options):
        """macvtapctl domain …"""
        return self.ctl("domain", "--connect", SYSTEM, *arguments, **options)

    def domain_start(self, *arguments):
        """Start macvtapctl domain …, and do not wait."""
        return self.host.start(program("macvtapctl"), "domain", "--connect", SYSTEM, *arguments,
                               env=self.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


class Libvirt:
    """libvirtd, from start() to stop() or kill(); its folders live as long as the machine. user: its session instead.
    listen: one that others migrate to, at an address of the machine's."""

    def __init__(self, machine, user=None, hook=True, listen=None):
        self.machine = machine
        self.user = user
        self._options = []
        if listen:
            self.remote_uri = f"qemu+tcp://{listen}/system"
            self._options.append("--listen")
            with open(machine.path("/etc/libvirt/libvirtd.conf"), "a", encoding="utf-8") as stream:
                stream.write(f'listen_tls = 0\nlisten_tcp = 1\nauth_tcp = "none"\nhost_uuid = "{uuid.uuid4()}"\n')
        self.uri = SYSTEM if user is None else "qemu:///session"
        self.process = None
        self._folder = pathlib.Path(tempfile.mkdtemp(prefix="mvtl-"))
        self._folder.chmod(0o777)
        self.log = self._folder / "libvirtd"
        if hook:
            built("hook")
            machine.run("mkdir", "-p", HOOKS)
            machine.run("ln", "-sfn", f"{INSIDE_BUILD}/hooks/macvtapd", f"{HOOKS}/macvtapd")
        if user is None:
            with open(machine.path("/etc/libvirt/qemu.conf"), "a", encoding="utf-8") as stream:
                stream.write(_CONF)
            # Whom the socket's permissions let in needs no polkit, which is not there.
            with open(machine.path("/etc/libvirt/libvirtd.conf"), "a", encoding="utf-8") as stream:
                stream.write('auth_unix_rw = "none"\n')
        machine.run("mkdir", "-p", "/run/guests")

    # -- process ---------------------------------------------------------------------------------------------

    def environment(self):
        # A translation would change what virsh says.
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/root"}

    def start(self):
        """Start it and wait until it says READY=1."""
        path = self._folder / "notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(path))
            path.chmod(0o777)
            with open(self.log, "ab") as log:
                self.process = self.machine.start("libvirtd", *self._options, user=self.user,
                                                  stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**self.environment(), "NOTIFY_SOCKET": str(path)})
            ended = os.pidfd_open(self.process.pid)
            try:
                self._wait_ready(notify, ended)
            finally:
                os.close(ended)
                path.unlink()
        return self

    def start_and_find(self):
        """Start it, and wait until it has called the hooks of a domain that it has found running."""
        with LastHook(self.machine, "reconnect") as hook:
            self.start()
            hook.wait()

    def _wait_ready(self, notify, ended):
        deadline = Deadline(60)
        while notify.fileno() in deadline.wait_readable(notify, ended):
            if b"READY=1" in notify.recv(4096).splitlines():
                return
        raise AssertionError(f"libvirtd ended with {self.process.wait()}:\n{self.messages()}")

    def messages(self):
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        self.process.kill()
        self.process.wait(Deadline().left())

    def stop(self):
        self.process.terminate()
        return self.process.wait(Deadline(60).left())

    def close(self):
        if self.running:
            self.kill()
        for path in self._folder.iterdir():
            path.unlink()
        self._folder.rmdir()

    # -- virsh -----------------------------------------------------------------------------------------------

    def virsh_command(self, *words):
        return ["virsh", "-q", "-c", self.uri, *words]

    def virsh(self, *words, check=True, **options):
        """Run virsh to its end."""
        return self.machine.run(*self.virsh_command(*words), user=self.user, check=check, env=self.environment(),
                                **options)

    def virsh_start(self, *words):
        """Start virsh, its output piped, and do not wait."""
        return self.machine.start(*self.virsh_command(*words), user=self.user, env=self.environment(),
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def define(self, xml, check=True):
        return self.virsh("define", self._file(xml), check=check)

    def create(self, xml, check=True):
        return self.virsh("create", self._file(xml), check=check)

    def _file(self, xml):
        # Not a pipe: the user of a session may not open that again by its path.
        path = self._folder / "domain.xml"
        path.write_text(xml, encoding="utf-8")
        path.chmod(0o644)
        return path

    def domains(self, *words):
        return [name for name in self.virsh("list", "--name", *words).stdout.splitlines() if name]

    def state(self, name):
        return self.virsh("domstate", name).stdout.strip()

    def qemu(self, name):
        """QEMU's process ID of a running domain, in the machine."""
        return int(self.machine.file(f"/run/libvirt/qemu/{name}.pid"))

    def wait_gone(self, *names):
        """Wait until libvirt has let go of the domains, by the state files that it removes."""
        watch = FolderWatch(self.machine.path("/run/libvirt/qemu"))
        try:
            deadline = Deadline(60)
            while set(names) & set(self.domains()):
                deadline.wait_readable(watch.fileno())
                watch.drain()
        except TimeoutError:
            raise AssertionError(f"of {names} there still run {self.domains()}:\n{self.messages()}") from None
        finally:
            watch.close()

    def clear(self):
        """End and forget all domains."""
        for name in self.domains():
            self.virsh("destroy", name, check=False)
        for name in self.domains("--all"):
            self.virsh("undefine", name, "--managed-save", "--snapshots-metadata", check=False)


class LastHook:
    """A hook that libvirt calls after ours: it tells of one operation, and with stay=True does not return from it."""

    _TEXT = """#!/bin/sh
[ "$2" = "{operation}" ] || exit 0
echo here >/run/guests/hook
[ -z "{stay}" ] || exec sleep 2147483647
"""

    def __init__(self, machine, operation, stay=False):
        self._paths = [f"{HOOKS}/zz-last", "/run/guests/hook"]
        self._machine = machine
        hook, fifo = self._paths
        machine.run("mkfifo", fifo)
        self._fifo = os.open(machine.path(fifo), os.O_RDONLY | os.O_NONBLOCK)
        with open(machine.path(hook), "w", encoding="ascii") as stream:
            stream.write(self._TEXT.format(operation=operation, stay="stay" if stay else ""))
        machine.run("chmod", "755", hook)

    def wait(self):
        """Wait until libvirt has called it, once."""
        Deadline(60).wait_readable(self._fifo)
        assert os.read(self._fifo, 5) == b"here\n"

    def close(self):
        os.close(self._fifo)
        self._machine.run("rm", "-f", *self._paths)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def with_input(text):
    """Options of run() that give the program this text to read."""
    return {"stdin": None, "input": text}
