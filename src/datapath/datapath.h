/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Filters the frames of ports: BPF programs, loaded once, and an entry in their maps for each
 * port's device. egress sees what the guest sends, ingress what it receives. Attaching the programs
 * to a device is the kernel module's (filters_attach of ops.h).
 *
 * Theory of operation: datapath_open() loads programs and maps while the process still has the
 * privileges (datapath_start_privileges). After that it needs only their descriptors, and can no
 * longer create programs or maps. Everything that a device's programs need is in the kernel, so
 * they keep working when the daemon stops or crashes. The maps are pinned below /sys/fs/bpf while
 * they have any entries, so that the next daemon with the same GUARD_MAP_VERSION finds them, with
 * their counters and learned addresses. If there are no pins, or their version differs, it begins
 * with empty maps, writes the settings again from the records, and replaces each device's programs
 * in one step: until then the old programs work with the old maps.
 *
 * There are two implementations: the one in this module and a fake for tests
 * (tests/support/fixtures/fake-datapath.h).
 */
#pragma once

#include "dhcp-map.h"
#include "dhcp-options.h"
#include "guard-map.h"
#include "guard.h"
#include "host-filter.h"
#include "limit-map.h"
#include "mac-address.h"
#include "privileges.h"
#include "rate-limits.h"

#include <glib.h>

extern const Privileges datapath_privileges;

/* The privileges that only datapath_open() needs, in addition to libbpf's system calls. */
extern const Privileges datapath_start_privileges;

typedef struct Datapath Datapath;

/* What a port's programs must enforce; borrowed. */
typedef struct DatapathPort {
    int index; /* its device's */
    const char *port_id;
    int link; /* the ifindex by which the addresses of its LAN are kept: its parent's */
    MacAddress mac;
    const GuardSettings *guard; /* as resolved: senders is not AUTO */
    const DhcpAnswer *dhcp;     /* what it answers to its guest's DHCP client; NULL: nothing */
    gboolean keeps_dhcp;        /* dhcp is unknown: keep the answers in force, but to mac */
    const Limits *limits;       /* NULL: none; what the guest sends is limited elsewhere */
} DatapathPort;

/* An address on a link that ports have as their parent. */
typedef struct DatapathAddress {
    int link; /* ifindex */
    IpAddress address;
} DatapathAddress;

/* A loaded program: its descriptor, owned by the datapath, and its kernel ID. */
typedef struct DatapathProgram {
    int fd;
    guint32 id;
} DatapathProgram;

typedef struct DatapathPrograms {
    DatapathProgram egress, ingress;
} DatapathPrograms;

typedef void (*DatapathEventHandler)(const struct guard_event *event, gpointer user_data);

/* What a captured frame is, from the guest's view; values are bits. */
typedef enum DatapathFrameKind {
    DATAPATH_FRAME_SENT = 1 << 0, /* and passed by the guard */
    DATAPATH_FRAME_RECEIVED = 1 << 1,
    DATAPATH_FRAME_DROPPED = 1 << 2, /* sent, and dropped by the guard */
} DatapathFrameKind;

#define DATAPATH_CAPTURE_MOST 65536 /* bytes of a frame that are copied */

/* What to copy of a port's frames. */
typedef struct DatapathCapture {
    int index;
    guint kinds;        /* of DatapathFrameKind; 0: end it */
    guint most;         /* bytes of each frame */
    gboolean is_paused; /* count frames as lost instead, which costs the guest hardly anything */
} DatapathCapture;

/* A copy of a frame, valid during the call that passes it. */
typedef struct DatapathFrame {
    int index;
    DatapathFrameKind kind;
    gboolean has_reason;
    guint reason;   /* GuardReason: why it was dropped, or would have been */
    guint64 time;   /* ns of CLOCK_BOOTTIME */
    guint64 lost;   /* frames of this port that were not copied since its capture began */
    guint32 length; /* of the whole frame */
    const guint8 *bytes;
    gsize n_bytes;
} DatapathFrame;

typedef struct DatapathFrameHandler {
    void (*frame)(const DatapathFrame *frame, gpointer user_data);
    void (*turn_over)(gpointer user_data); /* other sources of the loop come next */
} DatapathFrameHandler;

/* Returns whether the device belongs to a port. */
typedef gboolean (*DatapathIsWanted)(int index, gpointer user_data);

typedef struct DatapathOps {
    /* Borrowed; it never changes. */
    const DatapathPrograms *(*programs)(Datapath *datapath);

    /* Writes a port's settings; does nothing if they are unchanged. is_new: discard counters and
     * learned addresses that an earlier device with this index left. Attach the programs to a
     * device only after this, so that they never run without settings. ERRNO_ERROR. */
    gboolean (*set)(Datapath *datapath, const DatapathPort *port, gboolean is_new, GError **error);

    /* Removes the port's entries, if any; leaves those of another port with this index alone. */
    void (*forget)(Datapath *datapath, int index, const char *port_id);

    /* Removes the entries of an earlier daemon that no port has claimed. */
    void (*sweep)(Datapath *datapath, DatapathIsWanted is_wanted, gpointer user_data);

    /* Withholds these addresses, in addition to those that are: no port of the link may learn one
     * (Addresses=dhcp), and one that has learned it may no longer use it. is_all: releases all
     * others. This holds, as the settings do, until a next daemon changes it. ERRNO_ERROR, E2BIG:
     * there is only room for the first of them; with is_all they get it from the others. */
    gboolean (*withhold)(Datapath *datapath, const DatapathAddress *addresses, guint n,
                         gboolean is_all, GError **error);

    /* Reads a device's counters and state; either may be NULL. ENOENT: it has no entries. */
    gboolean (*read)(Datapath *datapath, int index, struct guard_counters *ret_counters,
                     struct guard_state *ret_state, GError **error);

    /* What a device's limits have cost. ENOENT: it has none here. */
    gboolean (*read_limits)(Datapath *datapath, int index, struct limit_state *ret_state,
                            GError **error);

    /* Calls handler from the thread-default main context for each event of the programs. Call it
     * once for each datapath. */
    gboolean (*watch)(Datapath *datapath, DatapathEventHandler handler, gpointer user_data,
                      GError **error);

    /* Calls handler (borrowed) from the thread-default main context, at a low priority and in
     * short turns, for captured frames. Call it once for each datapath. */
    gboolean (*watch_frames)(Datapath *datapath, const DatapathFrameHandler *handler,
                             gpointer user_data, GError **error);

    /* Begins, changes or ends the capture of a port. ENOSPC: too many ports are captured. */
    gboolean (*capture)(Datapath *datapath, const DatapathCapture *wanted, GError **error);

    /* How many frames were not copied since the port's capture began. */
    guint64 (*capture_lost)(Datapath *datapath, int index);

    void (*free)(Datapath *datapath);
} DatapathOps;

/* The first member of each implementation. */
struct Datapath {
    const DatapathOps *ops;
    HostFilter *host_filter; /* for host links */
};

/*
 * On failure returns NULL and an error worded for users: "this kernel refuses BPF programs: …".
 * name: the folder below /sys/fs/bpf, which no other daemon may use (see datapath_name()).
 */
Datapath *datapath_open(const char *name, GError **error);

/* The name for a daemon with this state folder; free with g_free(). */
char *datapath_name(const char *state_folder);

/* The path of the pins, "/sys/fs/bpf/NAME"; free with g_free(). */
char *datapath_folder(const char *name);

/* Frees the descriptors only: attached programs stay in force. Accepts NULL. */
static inline void
datapath_free(Datapath *datapath)
{
    if (datapath)
        datapath->ops->free(datapath);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Datapath, datapath_free)

/* Converts a port's settings to the form they have in the maps. */
void datapath_fill_settings(const DatapathPort *port, struct guard_settings *ret_settings);

/* The same for what it answers: port->dhcp, which is not NULL. ERRNO_ERROR EINVAL. */
gboolean datapath_fill_dhcp(const DatapathPort *port, struct dhcp_port *ret_port, GError **error);

/* The guest has another MAC: answers that one. */
void datapath_change_dhcp_mac(struct dhcp_port *port, const MacAddress *mac);

/* The same for its limits; FALSE if it has none. */
gboolean datapath_fill_limits(const DatapathPort *port, struct limit_settings *ret_settings);
