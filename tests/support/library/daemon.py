# SPDX-License-Identifier: LGPL-2.1-or-later
"""A macvtapd of the test's own: started in a host, with its own configuration, state and socket."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile

import varlink
from clock import Deadline, FolderWatch
from namespaces import LinkMonitor
from programs import program


# The lines that each start, reload, grant, refusal and end leaves.
TRAIL = re.compile(r"macvtapd: (started: |reloaded|refused "
                   r"|port \S+ (created on|opened by|captured by|ended on) |port \S+: (would have )?dropped )")


def hand_in(listener):
    """The words of a command line that make a listening socket, which the child inherits, the third descriptor of the program
    that follows (sd_listen_fds(3))."""
    number = listener.fileno()
    return ["bash", "-c", f'exec 3<&{number}; [ {number} = 3 ] || exec {number}<&-;'
                          ' export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"', "bash"]


GUARD = "[Guard]\nAllow=other\n"  # which lets frames.frame() pass


class Ended(AssertionError):
    """macvtapd ended before it said that it is ready; status is its exit status, text what it said."""

    def __init__(self, status, text):
        super().__init__(f"macvtapd ended with {status}:\n{text}")
        self.status, self.text = status, text


class Daemon:
    """macvtapd in a host. The folders exist from the start, the process from start() to stop() or kill().

    folder/config/networks.d, folder/state and folder/socket are its; folder is short enough for a socket's path
    and open to every user."""

    def __init__(self, host, arguments=(), wrapper=()):
        self.host = host
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mvtd-"))
        self.folder.chmod(0o755)
        self.config = self.folder / "config"
        self.state = self.folder / "state"
        self.socket = self.folder / "socket"
        self.container_socket = self.folder / "containers" / "socket"  # see open_to_containers()
        self.log = self.folder / "stderr"
        (self.config / "networks.d").mkdir(parents=True)
        self.state.mkdir()
        self.process = None
        self.program = None  # inside the host, where it is not the one under test
        self.listener = None  # a listening socket that is handed in, as a service manager does
        self._arguments = list(arguments)
        self._wrapper = list(wrapper)

    # -- networks --------------------------------------------------------------------------------------------

    def network(self, name, parent=None, mode="bridge", text=None, **access):
        """Write a network file: of its text, or Parent=, Mode= and e.g. AllowUsers="nobody" for [Access].

        Its guard lets the EtherType of frames.frame() pass, unless the text has a guard of its own."""
        if text is None:
            text = f"[Network]\nParent={parent}\nMode={mode}\n"
            if access:
                text += "[Access]\n" + "".join(f"{key}={value}\n" for key, value in access.items())
        path = self.config / "networks.d" / f"{name}.network"
        if "[Guard]" not in text:
            text = text.rstrip("\n") + "\n" + GUARD
        path.write_text(text, encoding="utf-8")
        return path

    def open_to_containers(self):
        """Have the next start listen at container_socket, too."""
        self._arguments += ["--container-socket", self.container_socket]
        return self

    # -- process ---------------------------------------------------------------------------------------------

    def start(self, wrapper=(), **options):
        """Start it, behind the words of wrapper, and wait until it says READY=1. Raises Ended."""
        with self.notifications() as notify:
            with open(self.log, "ab") as log:
                self.process = self.host.start(
                    *self._hand_in(), *self._wrapper, *wrapper, self.program or program("macvtapd"), "--config",
                    self.config, "--state", self.state, "--socket", self.socket, *self._arguments,
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    pass_fds=[*options.pop("pass_fds", []), *([self.listener.fileno()] if self.listener else [])],
                    env={**os.environ, "NOTIFY_SOCKET": str(self._notify_path)}, **options)
            self._wait_notified(notify, "READY=1")
        return self

    def _hand_in(self):
        return [] if self.listener is None else hand_in(self.listener)

    def listen(self):
        """Listen at the daemon's socket for it, from now on and whether it runs or not."""
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(self.socket))
        self.socket.chmod(0o666)
        self.listener.listen()

    def reload(self):
        """SIGHUP, and wait until it has read the networks again."""
        with self.notifications() as notify:
            self.process.send_signal(signal.SIGHUP)
            self._wait_notified(notify, "READY=1")

    @property
    def _notify_path(self):
        return self.folder / "notify"

    @contextlib.contextmanager
    def notifications(self):
        """The socket to which the daemon tells its state (sd_notify)."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(self._notify_path))
            try:
                yield notify
            finally:
                self._notify_path.unlink()

    def _wait_notified(self, notify, word):
        ended = os.pidfd_open(self.process.pid)
        deadline = Deadline()
        try:
            while True:
                if notify.fileno() not in deadline.wait_readable(notify, ended):
                    raise Ended(self.process.wait(), self.messages())
                if word in notify.recv(4096).decode().splitlines():
                    return
        except TimeoutError:
            raise AssertionError(f"macvtapd did not say {word}:\n{self.messages()}") from None
        finally:
            os.close(ended)

    def messages(self):
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def forget_messages(self):
        """What it has said so far is not in messages() any more. It appends to the file."""
        os.truncate(self.log, 0)

    def trail(self):
        """The lines of the trail, without the daemon's name."""
        return [line.removeprefix("macvtapd: ") for line in self.messages().splitlines() if TRAIL.match(line)]

    def wait_trail(self, words):
        """Wait until a line of the trail has these words."""
        deadline, watch = Deadline(), FolderWatch(self.log.parent, contents=True)
        try:
            while not any(words in line for line in self.trail()):
                deadline.wait_readable(watch.fileno())
                watch.drain()
        except TimeoutError:
            raise AssertionError(f"macvtapd did not say {words}:\n{self.messages()}") from None
        finally:
            watch.close()

    def complaints(self):
        """What it has said besides."""
        return "".join(line for line in self.messages().splitlines(keepends=True) if not TRAIL.match(line))

    def stop(self):
        """SIGTERM; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self._wait_ended()

    def kill(self):
        self.process.kill()
        return self._wait_ended()

    def _wait_ended(self):
        if self.process.poll() is not None:
            return self.process.returncode
        ended = os.pidfd_open(self.process.pid)  # Popen.wait() with a limit sleeps for up to 50 ms at a time
        try:
            Deadline().wait_readable(ended)
        except TimeoutError:
            self.process.kill()
            raise AssertionError(f"macvtapd did not end:\n{self.messages()}") from None
        finally:
            os.close(ended)
            self.process.wait()
        return self.process.returncode

    def restart(self):
        self.stop()
        return self.start()

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    # -- callers ---------------------------------------------------------------------------------------------

    def environment(self):
        return {**os.environ, "MACVTAPD_SOCKET": str(self.socket)}

    def tool(self, name, *arguments, user=None, check=True, **options):
        """Run one of our programs to its end in the host, as another user if one is named."""
        return self.host.run(program(name), *arguments, user=user, check=check, env=self.environment(), **options)

    def ctl(self, *arguments, **options):
        return self.tool("macvtapctl", *arguments, **options)

    def ctl_json(self, *arguments, **options):
        return json.loads(self.ctl("--json", *arguments, **options).stdout)

    def ports(self):
        """The ports as the API lists them."""
        with self.connect() as connection:
            return connection.ports("ListPorts")["ports"]

    def connect(self):
        """A raw Varlink connection, as root."""
        return varlink.Connection(self.socket)

    def connect_from_container(self):
        """The same over the container socket, where nobody is root."""
        return varlink.Connection(self.container_socket)

    # -- what is left ----------------------------------------------------------------------------------------

    def records(self):
        """The names of the records, also of those half made."""
        folder = self.state / "ports"
        return sorted(os.listdir(folder)) if folder.is_dir() else []

    def host_links(self):
        """The names of the host links of [Host] Access=yes."""
        return [name for name, link in self.host.links().items() if link.get("ifalias") == "macvtapd:host"]

    def leftovers(self):
        """What must not be there when no port is: devices, records, nodes of queues, pins of the guard's maps. The maps
        have no entry when they have no pin, and programs go with the devices."""
        return [f"device {name}" for name in [*self.host.macvtaps(), *self.host_links()]] + [f"record {name}" for name in self.records()] + \
               [f"node {name}" for name in self.host.queue_nodes()] + [f"pin {name}" for name in self.host.pins()]

    def settle(self, deadline=None):
        """Wait until nothing is left, by the kernel's and the folder's own messages. Returns what is left if the
        deadline passes, or at once if no daemon runs that could still remove it."""
        deadline = deadline or Deadline()
        records = self.state / "ports"
        watches = [LinkMonitor(self.host), FolderWatch(records if records.is_dir() else self.state)]
        with contextlib.suppress(FileNotFoundError):
            watches.append(FolderWatch(self.host.queue_folder))
        watches += [FolderWatch(folder) for folder in self.host.pin_folders()]
        try:
            while self.running and self.leftovers():
                deadline.wait_readable(*(watch.fileno() for watch in watches))
                for watch in watches:
                    watch.drain()
        except TimeoutError:
            pass
        finally:
            for watch in watches:
                watch.close()
        return self.leftovers()

    def close(self):
        """End it as an administrator would, so that what watches it (a sanitizer, valgrind) has its say at the end."""
        try:
            if self.running:
                self.process.send_signal(signal.SIGCONT)
                assert self.stop() == 0, f"macvtapd ended with {self.process.returncode}:\n{self.messages()}"
        finally:
            if self.listener:
                self.listener.close()
            shutil.rmtree(self.folder, ignore_errors=True)
