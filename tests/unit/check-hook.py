#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the libvirt hook as libvirt does, with a macvtapd that is absent or hangs (prints TAP). Usage: check-hook.py HOOK

It runs again in a mount namespace of its own, where /run is empty: the hook keeps its state there."""
import os
import socket
import subprocess
import sys
import tempfile

HOOK = sys.argv[1]
UUID = "5c1ab1ff-1d4f-4b4b-8f0e-2f1d1f0a7c11"
PORT = "<m:ports xmlns:m='https://macvtapd.org/xmlns/domain/1'><m:port target='{}' network='lan'/></m:ports>"
INTERFACE = ("<interface type='ethernet'><mac address='52:54:00:00:00:01'/><target dev='{}' managed='no'/>"
             "</interface>")


def domain(metadata="", interface="", more=""):
    return (f"<domain><name>vm1</name><uuid>{UUID}</uuid><metadata>{metadata}</metadata>"
            f"<devices>{interface}</devices>{more}</domain>")


OURS = domain(PORT.format("vm1net0"), INTERFACE.format("vm1net0"))
# The name of a device that every namespace has.
TAKEN = domain(PORT.format("lo"), INTERFACE.format("lo"))
CUT = OURS[:-20]
# The XML declaration is what keeps libxml2 from writing other characters as references.
FOREIGN = ('<?xml version="1.0" encoding="UTF-8"?>'
           + TAKEN.replace("<metadata>", "<title>B\u00fcro \u5bb6</title><metadata>"))
BIG = "<!--" + "x" * 10 * 1024 * 1024 + "-->"


def call(operation, text, path="/nobody", stdout=subprocess.PIPE):
    """Exit status, stdout, stderr."""
    done = subprocess.run([HOOK, "vm1", operation, "begin", "-"], input=text.encode(), stdout=stdout,
                          stderr=subprocess.PIPE, env={"PATH": "/usr/bin", "LC_ALL": "C", "MACVTAPD_SOCKET": path}, check=False)
    return done.returncode, (done.stdout or b"").decode(), done.stderr.decode()


def fails(text):
    """A check: exit status 1, and one line on stderr that has the text."""
    return lambda status, out, err: (status == 1 and out == "" and err.startswith("macvtapd: ") and text in err
                                     and err.count("\n") == 1)


def tells(text):
    """A check: a line on stderr, but exit status 0."""
    return lambda status, out, err: status == 0 and out == "" and text in err and err.count("\n") == 1


def silent(status, out, err):
    return (status, out, err) == (0, "", "")


def renames(status, out, err):
    return status == 0 and err == "" and out.count("lo-") == 2 and "'lo'" not in out and '"lo"' not in out


def renames_foreign(status, out, err):
    return renames(status, out, err) and "<title>B\u00fcro \u5bb6</title>" in out


OPERATIONS = ("prepare", "start", "started", "stopped", "release", "reconnect", "migrate", "restore", "attach", "new")
CASES = [(f"another's domain: {operation}", operation, domain(), silent) for operation in OPERATIONS]
CASES += [(f"another's big domain: {operation}", operation, domain(more=BIG), silent) for operation in ("prepare", "release")]
CASES += [(f"nothing: {operation}", operation, "", silent) for operation in ("prepare", "reconnect")]
CASES += [(f"not for us: {operation}", operation, CUT, silent) for operation in ("start", "attach", "new")]
CASES += [(f"macvtapd is absent: {operation}", operation, OURS, fails("is it running?"))
          for operation in ("prepare", "started")]
CASES += [(f"macvtapd is absent: {operation}", operation, OURS, tells("is it running?"))
          for operation in ("stopped", "release", "reconnect")]
CASES += [(f"cut: {operation}", operation, CUT, fails("line 1")) for operation in ("prepare", "migrate", "restore")]
CASES += [(f"cut: {operation}", operation, CUT, tells("line 1")) for operation in ("stopped", "release", "reconnect")]
CASES += [("too big", "prepare", domain(PORT.format("a"), more=BIG), fails("at most 1048576 are read")),
          ("no interface", "prepare", domain(PORT.format("a")), fails("no interface has <target dev='a'")),
          ("line breaks in a name", "prepare", domain(PORT.format("a&#10;b")), fails("target 'a\\nb'")),
          ("a free name stays", "migrate", OURS, silent), ("a taken name", "restore", TAKEN, renames),
          ("a taken name", "migrate", TAKEN, renames), ("a foreign title stays", "migrate", FOREIGN, renames_foreign)]


def hang(results):
    """A macvtapd that listens and never reads: a start that fails, then the end of a domain."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listening:
        path = os.path.join(folder, "socket")
        listening.bind(path)
        listening.listen(8)
        mark = f"/run/macvtapd-hook/{UUID}.slow"
        results.append(("it hangs: prepare fails", fails("did not answer within")(*call("prepare", OURS, path))))
        results.append(("it hangs: that is remembered", os.path.exists(mark)))
        results.append(("it hangs: stopped does not ask", silent(*call("stopped", OURS, path))))
        results.append(("it hangs: release goes on", tells("did not answer within")(*call("release", OURS, path))))
        results.append(("it hangs: no mark is left", not os.path.exists(mark)))
        results.append(("it hangs: the guest lives", tells("did not answer within")(*call("reconnect", OURS, path))))
        # What was sent waits for a macvtapd that reads again.
        listening.accept()[0].close()
        with listening.accept()[0] as connection:
            results.append(("it hangs: EndDomain is sent", b"EndDomain" in connection.recv(4096)))


def main():
    results = []
    for name, operation, text, good in CASES:
        outcome = call(operation, text)
        results.append((f"{name} ({operation})", good(*outcome)))
        if not results[-1][1]:
            print(f"# {outcome}")
    with open("/dev/full", "wb") as full:
        for operation in ("migrate", "restore"):
            outcome = call(operation, TAKEN, stdout=full)
            results.append((f"the disk is full ({operation})", fails("cannot write the output: No space")(*outcome)))
    hang(results)
    print(f"1..{len(results)}")
    for number, (name, good) in enumerate(results, 1):
        print(f"{'' if good else 'not '}ok {number} - {name}")
    sys.exit(not all(good for _, good in results))


if __name__ == "__main__":
    if os.environ.get("CHECK_HOOK_INSIDE"):
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
        main()
    os.environ["CHECK_HOOK_INSIDE"] = "1"
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", *user, sys.executable, *sys.argv])
