# SPDX-License-Identifier: LGPL-2.1-or-later
"""libmacvtap as others build against it: installed, found by pkg-config and nothing else, and its examples with a macvtapd
that lives, refuses and restarts."""
import json
import os
import re
import shutil
import signal
import subprocess

import pytest

from programs import BUILD, SOURCE

EXAMPLES = SOURCE / "docs/examples"
STRICT = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic"]

# Names that the library's own modules have, too: with the static library they must not meet.
COLLISIONS = r"""
int error_set_errno(void);
int mac_address_parse(void);
int varlink_client_connect(void);
int error_set_errno(void) { return 1; }
int mac_address_parse(void) { return 2; }
int varlink_client_connect(void) { return 3; }
"""

# Watches, reads one byte when all has happened, and counts: for one poll() one dispatch and one event.
BURST = r"""
#include <macvtap.h>
#include <poll.h>
#include <stdio.h>

int
main(void)
{
    MacvtapClient *client = macvtap_client_new();
    MacvtapRequest *request = macvtap_request_new(MACVTAP_METHOD_WATCH_PORTS);
    struct pollfd item = {macvtap_client_get_fd(client), POLLIN, 0};
    MacvtapEvent *event;
    int n = 0;

    if (macvtap_client_connect(client, NULL) < 0 || macvtap_client_call(client, request) < 0)
        return 1;
    printf("ready\n");
    fflush(stdout);
    getchar();
    while (n < 500 && poll(&item, 1, -1) == 1 && macvtap_client_dispatch(client) == 0) {
        event = macvtap_client_next_event(client);
        n += event != NULL;
        macvtap_event_free(event);
    }
    printf("%d\n", n);
    macvtap_request_free(request);
    macvtap_client_free(client);
    return 0;
}
"""


LOST = "lost: macvtapd closed the connection: it has stopped, or you have too many connections to it open\n"


def sanitizers():
    options = json.loads((BUILD / "meson-info/intro-buildoptions.json").read_text(encoding="utf-8"))
    value = {option["name"]: option["value"] for option in options}["b_sanitize"]
    return [] if value == "none" else [f"-fsanitize={value}"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """The folder that stands for / of an installation."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", folder], check=True,
                   stdout=subprocess.DEVNULL)
    return folder


@pytest.fixture(scope="module")
def installed(root):
    """The folder that stands for the prefix of an installation, and that of the description in it."""
    (description,) = root.rglob("libmacvtap.pc")
    prefix = description.read_text(encoding="utf-8").splitlines()[0].removeprefix("prefix=")
    moved = root / prefix.lstrip("/")
    description.write_text(description.read_text(encoding="utf-8").replace(f"prefix={prefix}", f"prefix={moved}", 1),
                           encoding="utf-8")
    return moved, description.parent


def describe(installed, *options, name="libmacvtap"):
    """What pkg-config says of the installed library."""
    return subprocess.run(["pkg-config", *options, name], check=True, text=True, stdout=subprocess.PIPE,
                          env={**os.environ, "PKG_CONFIG_PATH": str(installed[1])}).stdout.split()


@pytest.fixture(scope="module")
def build(installed, tmp_path_factory):
    """Builds a program against the installed library, as the examples say: a path, or a text."""
    folder = tmp_path_factory.mktemp("programs")

    def compile_program(source, name=None, libraries=None):
        if isinstance(source, str):
            text, source = source, folder / f"{name}.c"
            source.write_text(text, encoding="utf-8")
        binary = folder / (name or source.stem)
        subprocess.run(["cc", *STRICT, *sanitizers(), source, *describe(installed, "--cflags"),
                        *(libraries or describe(installed, "--libs")), f"-Wl,-rpath,{installed[1].parent}", "-o", binary],
                       check=True)
        return binary
    return compile_program


def start(daemon, host, program, *arguments):
    return host.start(program, *arguments, env=daemon.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                      stderr=subprocess.PIPE, text=True)


def finish(process):
    """Ends its standard input; what it still said."""
    rest, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    return rest.splitlines()


def await_end(process):
    """Its status, and what it has said, while its standard input stays open."""
    said, errors = process.stdout.read(), process.stderr.read()
    return process.wait(), said.splitlines(), errors.splitlines()


def test_program_that_blocks(daemon, host, build):
    process = start(daemon, host, build(EXAMPLES / "create-port.c"), "lan", "2")
    first, *queues = [process.stdout.readline() for _ in range(3)]
    (port,) = daemon.ports()
    assert first == f"port {port['name']} mac {port['macAddress']} mtu {port['mtu']}\n"
    assert (port["holder"], port["openQueues"]) == ({"type": "descriptors"}, 2)
    for number, line in enumerate(queues):
        tap = re.match(rf"queue {number}: tap (\d+)", line).group(1)
        assert os.readlink(f"/proc/{process.pid}/fd/{tap}").startswith("/dev/")
    assert finish(process) == []
    assert daemon.settle() == []


def test_refusal(daemon, host, build):
    program = build(EXAMPLES / "create-port.c")
    done = host.run(program, "nosuch", env=daemon.environment(), check=False)
    assert (done.returncode, done.stderr) == (1, "create-port: there is no network 'nosuch'; you may use lan\n"
                                                 "create-port: 'macvtapctl network list' shows the networks\n")
    done = host.run(program, "lan", env={**os.environ, "MACVTAPD_SOCKET": "/nonexistent"}, check=False)
    assert done.returncode == 1 and "is it running?" in done.stderr
    assert daemon.leftovers() == []


def test_program_that_polls_survives_a_restart(daemon, host, build):
    process = start(daemon, host, build(EXAMPLES / "watch-port.c"), "lan")
    assert process.stdout.readline().startswith("port: 52:54:00:")
    (port,) = daemon.ports()
    daemon.ctl("port", "set", port["id"], "--link", "down")
    assert process.stdout.readline() == "event: changed\n"
    daemon.kill()
    assert process.stdout.readline() == LOST
    daemon.start()
    # A socket of the one that is dying takes connections as long as it is open.
    assert next(line for line in process.stdout if line != LOST) == "still there: active\n"
    daemon.ctl("port", "delete", port["id"])
    assert await_end(process) == (0, ["event: deleted", "the port has ended"], [])
    assert daemon.settle() == []


def test_port_that_ends_while_macvtapd_is_away(daemon, host, build):
    process = start(daemon, host, build(EXAMPLES / "watch-port.c"), "lan")
    assert process.stdout.readline().startswith("port: ")
    (port,) = daemon.ports()
    process.send_signal(signal.SIGSTOP)  # it sees nothing of what follows
    daemon.ctl("port", "delete", port["id"])
    daemon.kill()
    daemon.start()
    process.send_signal(signal.SIGCONT)
    status, lines, errors = await_end(process)
    assert (status, lines[-1], errors) == (0, "the port has ended", [])


def test_program_that_polls_waits_for_macvtapd(daemon, host, build):
    daemon.stop()
    process = start(daemon, host, build(EXAMPLES / "watch-port.c"), "lan")
    daemon.start()
    assert process.stdout.readline().startswith("port: ")
    assert finish(process) == []
    assert daemon.settle() == []
    process = start(daemon, host, build(EXAMPLES / "watch-port.c"), "nosuch")
    assert await_end(process) == (1, [], ["watch-port: there is no network 'nosuch'; you may use lan"])


def test_burst_of_500_events(daemon, host, build):
    process = start(daemon, host, build(BURST, "burst"))
    assert process.stdout.readline() == "ready\n"
    with daemon.connect() as connection:
        for _ in range(250):
            connection.ports("CreatePort", network="lan", openDescriptors=False, holder={"type": "none"})
        connection.ports("DeletePort", all=True)
    assert process.communicate("\n") == ("500\n", "")


def test_static_library(daemon, host, build, installed):
    """Its modules' names are nobody's business."""
    archive = installed[1].parent / "libmacvtap.a"
    coverage = ["-lgcov"] if "MACVTAPD_COVERAGE" in os.environ else []
    program = build((EXAMPLES / "create-port.c").read_text(encoding="utf-8") + COLLISIONS, "static",
                    [archive, *coverage, *describe(installed, "--libs", name="glib-2.0"),
                     *describe(installed, "--libs", name="jansson")])
    assert "libmacvtap" not in subprocess.run(["ldd", program], check=True, text=True, stdout=subprocess.PIPE).stdout
    process = start(daemon, host, program, "lan")
    assert process.stdout.readline().startswith("port ")
    process.communicate()
    assert daemon.settle() == []


def test_later_library_under_a_program_of_this_one(daemon, host, build):
    """It has a field more in requests and one in replies, which this macvtapd does not know and the program does not ask for."""
    later = BUILD / "tests/growth"
    program = build(EXAMPLES / "create-port.c")
    environment = {**daemon.environment(), "LD_LIBRARY_PATH": str(later)}
    linked = subprocess.run(["ldd", program], check=True, text=True, stdout=subprocess.PIPE, env=environment).stdout
    assert f"{later}/libmacvtap.so.1" in linked
    process = host.start(program, "lan", "2", env=environment, stdin=-1, stdout=-1, text=True)
    assert process.stdout.readline().startswith("port ")
    process.communicate()
    assert daemon.settle() == []


def test_environment_of_a_program_with_more_privileges(daemon, host, build):
    """The caller of a setuid program must not choose the daemon that it talks to."""
    program = daemon.folder / "create-port"
    shutil.copy(build(EXAMPLES / "create-port.c"), program)
    assert "cannot reach" not in host.run(program, "lan", user="nobody", env=daemon.environment(), check=False).stderr
    program.chmod(0o4755)
    done = host.run(program, "lan", user="nobody", env=daemon.environment(), check=False)
    assert done.returncode == 1 and "/run/macvtapd/socket" in done.stderr


def test_pkg_config(installed):
    assert describe(installed, "--print-requires") == []
    assert describe(installed, "--print-requires-private") == []
    assert describe(installed, "--modversion") == ["1.0.0"]
    assert describe(installed, "--libs") == [f"-L{installed[1].parent}", "-lmacvtap"]
    assert "-lglib-2.0" in describe(installed, "--libs", "--static")


def test_what_is_installed(installed):
    prefix, _ = installed
    names = {path.name for path in prefix.rglob("*") if not path.is_dir()}
    assert {"macvtapctl", "macvtap-run", "qemu-macvtap-helper", "macvtapd", "macvtap.h", "libmacvtap.pc", "libmacvtap.a",
            "libmacvtap.so", "libmacvtap.so.1"} <= names
    assert [name for name in names if name.endswith(".a")] == ["libmacvtap.a"]


def test_folder_of_the_networks_is_there(root):
    folder = root / "etc/macvtapd/networks.d"
    assert list(folder.iterdir()) == [] and folder.stat().st_mode & 0o7777 == 0o755
