# SPDX-License-Identifier: LGPL-2.1-or-later
"""Our Varlink module against implementations that nobody here wrote: Debian's varlink-go.

MACVTAPD_BUILD names the build folder.
"""
import os
import pathlib
import re
import shutil
import socket
import subprocess

import pytest

from varlink import Connection

SOURCE = pathlib.Path(__file__).resolve().parents[2]
GO = "varlink-go-certification"
GENERATOR = "varlink-go-interface-generator"


def ours(side):
    if "MACVTAPD_BUILD" not in os.environ:
        pytest.fail("MACVTAPD_BUILD is not set: it must name the build folder")
    program = pathlib.Path(os.environ["MACVTAPD_BUILD"]) / "tests/interop" / f"varlink-certification-{side}"
    assert program.is_file(), f"{program} is not built"
    return str(program)


def needs(program):
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed (Debian package varlink-go)")


@pytest.fixture
def our_server(tmp_path):
    path = str(tmp_path / "socket")
    with subprocess.Popen([ours("server"), path], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout.readline() == "ready\n"
        yield path
        server.terminate()


@pytest.fixture
def go_server(tmp_path):
    """Activated with a socket that listens already (varlink.org/Service-Activation), so that nothing
    has to wait for it."""
    needs(GO)
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def pass_listener():
            if listener.fileno() == 3:
                os.set_inheritable(3, True)
            else:
                os.dup2(listener.fileno(), 3)

        # $$ is the pid that exec keeps.
        shell = f'LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=varlink exec {GO} -varlink "unix:$0"'
        with subprocess.Popen(["sh", "-c", shell, path], close_fds=False, preexec_fn=pass_listener) as server:
            yield path
            server.terminate()


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_go_client_certifies_our_server(our_server):
    needs(GO)
    result = run(GO, "-client", "-varlink", f"unix:{our_server}")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Test09" in result.stdout


def test_our_client_passes_go_server(go_server):
    result = run(ours("client"), go_server)
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith("certified\n")


def test_our_client_certifies_our_server(our_server):
    result = run(ours("client"), our_server)
    assert result.returncode == 0, result.stderr


def declared_methods(text):
    return [line.split()[1].split("(")[0] for line in text.splitlines() if line.startswith("method ")]


def check_with_second_parser(text, folder):
    needs(GENERATOR)
    # varlink-go 0.4.0 takes no capital letter in the interface's name, which the grammar allows and
    # systemd uses. Everything else is as it is.
    text = re.sub(r"^interface \S+$", lambda name: name[0].lower(), text, flags=re.M)
    copy = folder / "text.varlink"
    copy.write_text(text)
    result = run(GENERATOR, str(copy))
    assert result.returncode == 0, result.stdout + result.stderr
    generated = "".join(go.read_text() for go in folder.glob("*.go"))
    assert declared_methods(text)
    for method in declared_methods(text):
        assert method in generated


@pytest.mark.parametrize("path", sorted(SOURCE.glob("src/api/*.varlink")), ids=lambda path: path.name)
def test_second_parser_reads_our_interface(path, tmp_path):
    check_with_second_parser(path.read_text(), tmp_path)


def test_second_parser_reads_the_service_interface(our_server, tmp_path):
    with Connection(our_server) as connection:
        reply = connection.call("org.varlink.service.GetInterfaceDescription", interface="org.varlink.service")
    check_with_second_parser(reply["description"], tmp_path)
