#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes libmacvtap as a later version may be: one more field in requests, and one in ports.
Usage: grow.py FOLDER-OF-THE-LIBRARY OUTPUT-FOLDER

The fields are members at the front of the structures, where they move all the others."""
import pathlib
import sys

source, output = map(pathlib.Path, sys.argv[1:])

SETTER = """
void
macvtap_request_set_shade(MacvtapRequest *request, const char *shade)
{
    g_free(request->shade);
    request->shade = g_strdup(shade);
    set_string(request, "shade", request->shade);
}
"""
GETTER = """
const char *
macvtap_port_get_shade(const MacvtapPort *port)
{
    return port->shade;
}
"""

# File -> what is put behind which of its lines.
CHANGES = {
    "client-private.h": [("struct MacvtapRequest {\n", "    char *shade;\n")],
    "request.c": [("    json_decref(request->parameters);\n", "    g_free(request->shade);\n"),
                  (None, SETTER)],
    "port.c": [("struct MacvtapPort {\n", "    const char *shade;\n"),
               ("    client_object_init(&port->object, json);\n",
                "    port->shade = client_object_string(&port->object, \"shade\");\n"), (None, GETTER)],
    "macvtap.h": [("void macvtap_request_set_name(MacvtapRequest *request, const char *name);\n",
                   "void macvtap_request_set_shade(MacvtapRequest *request, const char *shade);\n"),
                  ("const char *macvtap_port_get_name(const MacvtapPort *port);\n",
                   "const char *macvtap_port_get_shade(const MacvtapPort *port);\n")],
    "libmacvtap.map": [(None, "\nLIBMACVTAP_1.1 {\nglobal:\n    macvtap_port_get_shade;\n    macvtap_request_set_shade;\n"
                              "} LIBMACVTAP_1.0;\n")],
}

for path in sorted(source.iterdir()):
    if path.suffix not in (".c", ".h", ".map"):
        continue
    text = path.read_text(encoding="utf-8")
    for line, more in CHANGES.pop(path.name, []):
        if line is None:
            text += more
        elif text.count(line) == 1:
            text = text.replace(line, line + more)
        else:
            sys.exit(f"{path.name} has not one line {line!r} any more")
    (output / path.name).write_text(text, encoding="utf-8")
if CHANGES:
    sys.exit(f"the library has no {' and no '.join(CHANGES)} any more")
