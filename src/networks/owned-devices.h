/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The devices that macvtapd creates besides ports. Each has a record in the state folder from
 * before its creation until after its removal, and exists while it is needed. The kinds are rows of
 * a table (owned-devices.c), and each has its own file.
 */
#pragma once

#include "ops.h"

#include <glib.h>

typedef struct OwnedDevices OwnedDevices;
typedef struct OwnedKind OwnedKind;

/* A device that macvtapd created. */
typedef struct OwnedDevice {
    const OwnedKind *kind;
    char file[INTERFACE_NAME_MAX + 1]; /* as in its record; "": no record */
    char name[INTERFACE_NAME_MAX + 1]; /* at its creation */
    int index;
    char lower[INTERFACE_NAME_MAX + 1]; /* the link below it: its name at that time */
    int lower_index;
    gboolean is_in_use; /* another program's link uses it, which was logged */
} OwnedDevice;

struct OwnedKind {
    const char *title;      /* for messages */
    const char *folder;     /* of the records, in the state folder */
    const char *lower_name; /* the key of the link below in a record, */
    const char *lower_index;
    const char *link_kind; /* LinkInfo's */
    const char *alias;     /* the devices' ifalias */

    /* Returns a name for a new device on lower; what: see owned_make(). attempt counts from 1. */
    void (*choose_name)(Kernel *kernel, const LinkInfo *lower, gconstpointer what, guint attempt,
                        char *name, gsize size);

    /* Creates the device with its name, index and alias. ERRNO_ERROR; on EEXIST and EBUSY the
     * caller tries another name and index. */
    gboolean (*create)(Kernel *kernel, const OwnedDevice *device, gconstpointer what,
                       LinkInfo *ret_device, GError **error);
};

extern const OwnedKind owned_vlan;

/* Opens or creates the folders of all kinds in state_fd (borrowed). kernel is borrowed. */
OwnedDevices *owned_new(int state_fd, Kernel *kernel, GError **error);
void owned_free(OwnedDevices *devices);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(OwnedDevices, owned_free)

/*
 * The ifindex identifies a device, as administrators rename devices.
 *
 * Reads the records and compares them with all existing links (of LinkInfo): missing devices are
 * forgotten, and a device of macvtapd's without a record is noted for owned_sweep(). Damaged
 * records are removed, as their devices have our alias.
 */
gboolean owned_load(OwnedDevices *devices, const GArray *links, GError **error);

/* Records and creates a device on lower. what: passed to the kind's functions. Fails with
 * ERRNO_ERROR and leaves nothing behind. */
gboolean owned_make(OwnedDevices *devices, const OwnedKind *kind, const LinkInfo *lower,
                    gconstpointer what, LinkInfo *ret_device, GError **error);

/* The device of this kind on the link with this index, or NULL; borrowed. One without a record (the
 * state folder was lost) gets it again. */
const OwnedDevice *owned_find(OwnedDevices *devices, const OwnedKind *kind, int lower_index);

/* Forgets a device that is gone, with its record. */
void owned_forget(OwnedDevices *devices, int index);

/* What others do to a device, such as moving it away and back, is followed by the next sweep. */
void owned_on_link(OwnedDevices *devices, LinkEventType type, const LinkInfo *link);

/* Whether anything other than macvtapd's own devices needs it. */
typedef gboolean (*OwnedNeeded)(const OwnedDevice *device, gpointer user_data);

/*
 * Removes each device that nothing needs, upper ones first. A device that has another program's
 * link on top, or is a port of a bridge, stays until a later sweep finds it unused; that is logged
 * once. Links in other network namespaces are not seen.
 */
gboolean owned_sweep(OwnedDevices *devices, OwnedNeeded needed, gpointer user_data, GError **error);
