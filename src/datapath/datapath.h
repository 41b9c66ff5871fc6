/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What happens to a frame on a port: BPF programs, loaded once, and for each port's device an entry
 * in their maps. egress sees what the guest sends, ingress what it gets. Attaching the programs to
 * a device is the kernel module's (filters_attach of ops.h).
 *
 * Theory of operation: datapath_open() loads programs and maps while the process has what that
 * takes (datapath_start_privileges); from then on descriptors are all that is needed, and programs
 * and maps can no longer be created. What a device's programs do is in the maps and in the kernel:
 * it stays in force whatever becomes of the daemon. The maps are pinned below /sys/fs/bpf while
 * there is any entry in them, and the next daemon with the same GUARD_MAP_VERSION finds them by
 * that, with what they have counted and learned. Without pins, or of another version, it begins
 * with empty maps, writes the settings again from the records, and replaces the programs at each
 * device in one step: until then the old ones work with the old maps.
 *
 * There are two implementations: this module's, and the tests'
 * (tests/support/fixtures/fake-datapath.h).
 */
#pragma once

#include "guard-map.h"
#include "guard.h"
#include "mac-address.h"
#include "privileges.h"

#include <glib.h>

extern const Privileges datapath_privileges;

/* What datapath_open() takes besides; of system calls whatever libbpf makes. */
extern const Privileges datapath_start_privileges;

typedef struct Datapath Datapath;

/* What a port's programs are to do; borrowed. */
typedef struct DatapathPort {
    int index; /* its device's */
    const char *port_id;
    MacAddress mac;
    const GuardSettings *guard; /* in force: senders is not AUTO */
} DatapathPort;

/* A loaded program: a descriptor, the datapath's, and the kernel's ID of it. */
typedef struct DatapathProgram {
    int fd;
    guint32 id;
} DatapathProgram;

typedef struct DatapathPrograms {
    DatapathProgram egress, ingress;
} DatapathPrograms;

typedef void (*DatapathEventHandler)(const struct guard_event *event, gpointer user_data);

/* Whether a device is a port's. */
typedef gboolean (*DatapathIsWanted)(int index, gpointer user_data);

typedef struct DatapathOps {
    /* Borrowed; the same for ever. */
    const DatapathPrograms *(*programs)(Datapath *datapath);

    /* Writes a port's settings; one that has them already costs nothing. is_new: nothing was
     * counted or learned of it yet. Not there before, or a frame may pass with nothing to hold it
     * to: a device gets its programs after this. ERRNO_ERROR. */
    gboolean (*set)(Datapath *datapath, const DatapathPort *port, gboolean is_new, GError **error);

    /* The port's entries go; there need not be any, and those of another port with this index
     * stay. */
    void (*forget)(Datapath *datapath, int index, const char *port_id);

    /* The entries that no port has, left by an earlier daemon, go. */
    void (*sweep)(Datapath *datapath, DatapathIsWanted is_wanted, gpointer user_data);

    /* What the programs have counted and seen of a device; either may be NULL. ENOENT: it has no
     * entries. */
    gboolean (*read)(Datapath *datapath, int index, struct guard_counters *ret_counters,
                     struct guard_state *ret_state, GError **error);

    /* Calls handler from the thread-default main context for each event of the programs. Once for
     * each datapath. */
    gboolean (*watch)(Datapath *datapath, DatapathEventHandler handler, gpointer user_data,
                      GError **error);

    void (*free)(Datapath *datapath);
} DatapathOps;

/* The first member of each implementation. */
struct Datapath {
    const DatapathOps *ops;
};

/*
 * NULL and why, in words for the user: "this kernel refuses BPF programs: …". name: of the folder
 * below /sys/fs/bpf, which no other daemon uses (see datapath_name()).
 */
Datapath *datapath_open(const char *name, GError **error);

/* The name for a daemon with this state folder; free with g_free(). */
char *datapath_name(const char *state_folder);

/* Where the pins are, "/sys/fs/bpf/NAME"; free with g_free(). */
char *datapath_folder(const char *name);

/* Leaves everything in force. Takes NULL. */
static inline void
datapath_free(Datapath *datapath)
{
    if (datapath)
        datapath->ops->free(datapath);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Datapath, datapath_free)

/* What a port's settings are in the maps. */
void datapath_fill_settings(const DatapathPort *port, struct guard_settings *ret_settings);
