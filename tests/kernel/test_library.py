# SPDX-License-Identifier: LGPL-2.1-or-later
"""libmacvtap as others build against it: installed, found by pkg-config, linked to a small program."""
import json
import os
import subprocess

import pytest

from programs import BUILD

PROGRAM = r"""
#include <macvtap.h>
#include <stdio.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MacvtapClient) client = macvtap_client_connect(argc > 2 ? argv[2] : NULL, &error);
    MacvtapRequest request = {.network = argv[1], .queues = 2, .vhost = "off"};
    g_autoptr(MacvtapPort) port = client ? macvtap_client_create(client, &request, &error) : NULL;
    g_autoptr(GPtrArray) ports = NULL;
    g_autofree char *json = NULL;
    int fd;

    if (!port) {
        fprintf(stderr, "%s: %s\n", client ? macvtap_client_get_refusal(client) : "none", error->message);
        return 1;
    }
    ports = macvtap_client_list_ports(client, NULL, &error);
    fd = macvtap_port_steal_tap(port, 0);
    json = macvtap_port_to_json(port);
    printf("{\"taps\":%u,\"listed\":%u,\"fd\":%d,\"port\":%s}\n", macvtap_port_get_n_taps(port), ports->len, fd,
           json);
    fflush(stdout);
    return getchar() == EOF ? 0 : 2;
}
"""


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


@pytest.fixture(scope="module")
def example(installed):
    _, descriptions = installed
    source, binary = descriptions / "example.c", descriptions / "example"
    source.write_text(PROGRAM, encoding="utf-8")
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libmacvtap"], check=True, text=True,
                           stdout=subprocess.PIPE, env={**os.environ, "PKG_CONFIG_PATH": str(descriptions)}).stdout
    subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", *sanitizers(), "-o", binary, source, *flags.split(),
                    f"-Wl,-rpath,{descriptions.parent}"], check=True)
    return binary


def test_program_gets_a_port(daemon, host, example):
    process = host.start(example, "lan", env=daemon.environment(), stdin=-1, stdout=-1)
    told = json.loads(process.stdout.readline())
    (port,) = daemon.ports()
    assert (told["taps"], told["listed"], told["port"]) == (2, 1, port)
    assert (port["holder"], port["openQueues"]) == ({"type": "descriptors"}, 2)
    assert os.readlink(f"/proc/{process.pid}/fd/{told['fd']}").startswith("/dev/")
    process.stdin.close()
    assert process.wait() == 0
    assert daemon.settle() == []


def test_refusal_has_a_name_and_a_message(daemon, host, example):
    done = host.run(example, "nosuch", env=daemon.environment(), check=False)
    assert (done.returncode, done.stderr) == (1, "NetworkNotFound: there is no network 'nosuch'\n")
    done = host.run(example, "lan", "/nonexistent", check=False)
    assert done.returncode == 1 and "is it running?" in done.stderr
    assert daemon.leftovers() == []


def test_what_is_installed(installed):
    prefix, _ = installed
    names = {path.name for path in prefix.rglob("*") if not path.is_dir()}
    assert {"macvtapctl", "macvtap-run", "qemu-macvtap-helper", "macvtapd", "macvtap.h", "libmacvtap.pc",
            "libmacvtap.so", "libmacvtap.so.0"} <= names


def test_folder_of_the_networks_is_there(root):
    folder = root / "etc/macvtapd/networks.d"
    assert list(folder.iterdir()) == [] and folder.stat().st_mode & 0o7777 == 0o755


def test_only_its_own_symbols_are_exported(installed):
    (library,) = [path for path in installed[0].rglob("libmacvtap.so.0.*")]
    symbols = subprocess.run(["nm", "-D", "--defined-only", library], check=True, text=True,
                             stdout=subprocess.PIPE).stdout.split("\n")
    names = {line.split()[-1].split("@")[0] for line in symbols if line}
    assert names and all(name.lower().startswith(("macvtap_", "libmacvtap")) for name in names), names
