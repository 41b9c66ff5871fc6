#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Expands every template with macvtapctl-domain and holds the result against libvirt's schemas and ours (prints TAP).
Usage: check-templates.py MACVTAPCTL-DOMAIN XML-TEMPLATES-FOLDER"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

program, folder = sys.argv[1:]
NOBODY = "/dev/null/socket"
NUMBERS = ["--queues", "4", "--mtu", "1400", "--mac", "52:54:00:12:34:56", "--target", "web-net0"]
PORTS = "<m:ports xmlns:m='https://macvtapd.org/xmlns/domain/1'>{}</m:ports>"
WRONG = ["<m:port target='a'/>", "<m:port network='lan'/>", "<m:port target='a' network='lan' x='y'/>",
         "<m:prot target='a' network='lan'/>", "<m:port target='sixteen-bytes-xx' network='lan'/>",
         "<m:port target='a/b' network='lan'/>", "<m:port target='..' network='lan'/>",
         "<m:port target='a' network='l n'/>", "<port target='a' network='lan'/>"]


def expand(name, *options):
    done = subprocess.run([program, "--socket", NOBODY, "xml", "--network", "lan", "--template", name, *options],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=True)
    return done.stdout


def validates(command, text):
    """None, or what the validator says."""
    with tempfile.NamedTemporaryFile("w", suffix=".xml") as stream:
        stream.write(text)
        stream.flush()
        done = subprocess.run([*command, stream.name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
    return None if done.returncode == 0 else done.stdout


def domain_of(metadata, interface):
    """The smallest domain that has the two fragments."""
    return (f"<domain type='qemu'><name>vm1</name><memory>1</memory>{metadata}<os><type>hvm</type></os>"
            f"<devices>{interface}</devices></domain>")


libvirt = ["virt-xml-validate"]
ours = ["xmllint", "--noout", "--relaxng", os.path.join(folder, "macvtapd.rng")]
missing = [name for name in ("virt-xml-validate", "xmllint") if not shutil.which(name)]
if missing:
    print(f"1..0 # SKIP no {' and no '.join(missing)}")
    sys.exit(1 if os.environ.get("MACVTAPD_REQUIRE") else 0)

cases = []
for options in ([], NUMBERS):
    metadata, interface = expand("metadata", *options), expand("interface", *options)
    cases.append(("the fragments", validates(libvirt, domain_of(metadata, interface))))
    cases.append(("the metadata", validates(ours, re.search(r"<macvtapd:ports.*</macvtapd:ports>", metadata, re.S)[0])))
    for name in ("domain", "domain-multiqueue"):
        cases.append((name, validates(libvirt, expand(name, *options))))
with open(os.path.join(folder, "libvirt-network.xml"), encoding="ascii") as template:
    network = template.read().replace("{network}", "lan").replace("{parent}", "eth0")
for mode in ("bridge", "vepa", "private", "passthrough"):
    cases.append((f"libvirt's network of mode {mode}", validates(libvirt, network.replace("{libvirt-mode}", mode))))
good = "<m:port target='a' network='lan'/><m:port target='b' network='parent=eth0,mode=bridge'/>"
cases.append(("two ports", validates(ours, PORTS.format(good))))
cases.append(("no port", validates(ours, PORTS.format(""))))
for text in WRONG:
    cases.append((f"refused: {text}", None if validates(ours, PORTS.format(text)) else "it validates"))

print(f"1..{len(cases)}")
for number, (name, problem) in enumerate(cases, 1):
    for line in (problem or "").splitlines():
        print(f"# {line}")
    print(f"{'not ' if problem else ''}ok {number} - {name}")
sys.exit(any(problem for _, problem in cases))
