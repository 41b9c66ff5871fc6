/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The datapath of a build without BPF (meson option bpf). */
#include "datapath.h"

#include "error.h"

#include <errno.h>

const Privileges datapath_privileges = {
    .part = "datapath",
    .system_calls = (const SystemCall[]){{NULL}},
};

const Privileges datapath_start_privileges = {
    .part = "start",
    .system_calls = (const SystemCall[]){{NULL}},
};

Datapath *
datapath_open(const char *name, GError **error)
{
    g_set_error(error, ERRNO_ERROR, ENOSYS, "macvtapd was built without BPF");
    return NULL;
}
