/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by the files of this module that use libbpf, and private to them. */
#pragma once

#include "datapath.h"

/* guard-object.c and host-link-object.c, which the build generates: the BPF objects of ports and of
 * host links. */
extern const unsigned char guard_object[], host_link_object[];
extern const gsize guard_object_size, host_link_object_size;

/* datapath-load.c: loads a port's object. Only it creates that object's programs and maps. */
typedef enum DatapathMap {
    DATAPATH_SETTINGS,
    DATAPATH_COUNTERS,
    DATAPATH_STATE,
    DATAPATH_DHCP,
    DATAPATH_EVENTS,
    DATAPATH_LIMITS,
    DATAPATH_LIMITED,
    DATAPATH_WITHHELD,
    DATAPATH_LEARNERS,
    DATAPATH_MAPS,
} DatapathMap;

typedef struct DatapathObject {
    struct bpf_object *object;
    int maps[DATAPATH_MAPS];           /* descriptors, owned by the object */
    int capture_table, capture_frames; /* likewise */
    DatapathPrograms programs;
    gboolean is_pinned; /* each map was found pinned as it is */
} DatapathObject;

/* The path of a map's pin in the folder; free with g_free(). */
char *datapath_pin_path(const char *folder, DatapathMap map);

/* Loads the object. Reuses the maps pinned in the folder if they fit, and creates the others; one
 * whose pinned values only lack members at the end, or that only had room for fewer, gets copies of
 * them. */
gboolean datapath_load(const char *folder, DatapathObject *ret_object, GError **error);

void datapath_unload(DatapathObject *object);

/* The program of this name in a loaded object. ERRNO_ERROR. */
gboolean datapath_find_program(struct bpf_object *object, const char *name,
                               DatapathProgram *ret_program, GError **error);

/* datapath-capture.c: the daemon's side of captures (capture-map.h) */
typedef struct DatapathCaptures DatapathCaptures;

/* The maps capture_table and capture_frames; borrowed. */
DatapathCaptures *datapath_captures_new(int table_fd, int ring_fd, GError **error);
void datapath_captures_free(DatapathCaptures *captures);

/* As the functions of DatapathOps. */
gboolean datapath_captures_watch(DatapathCaptures *captures, const DatapathFrameHandler *handler,
                                 gpointer user_data, GError **error);
gboolean datapath_captures_set(DatapathCaptures *captures, const DatapathCapture *wanted,
                               GError **error);
guint64 datapath_captures_lost(DatapathCaptures *captures, int index);

/* datapath-withheld.c: the addresses that no port may learn, and which port has learned which */
typedef struct Withheld Withheld;

/* maps: the object's, borrowed; they may be made later. */
Withheld *withheld_new(const int *maps);
void withheld_free(Withheld *withheld); /* accepts NULL */

/* Reads what an earlier daemon has withheld. */
void withheld_load(Withheld *withheld);

/* The port with this ifindex has learned an address that is withheld from now on. */
typedef void (*DatapathRecheck)(int index, gpointer user_data);

/* DatapathOps.withhold: one system call for all addresses, and one for each to find its learner. */
gboolean withheld_set(Withheld *withheld, const DatapathAddress *addresses, guint n,
                      gboolean is_all, DatapathRecheck recheck, gpointer user_data, GError **error);

/* The port is about to be on this link, where others may not learn its addresses; 0: it ends. They
 * may on the link that its entries name, which are still as they were. What it has learned must be
 * rechecked then. */
void withheld_move_learned(Withheld *withheld, int index, guint32 link);

/* Forgets learners without an entry, which ended while no daemon ran, and those on a link on which
 * the port no longer is. */
void withheld_sweep(Withheld *withheld);
