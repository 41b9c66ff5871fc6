/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The devices that macvtapd makes besides ports: each has a record in the state folder from before
 * its making until after its removal, and lives while it is needed. What differs between them is a
 * row of the table of kinds (owned-devices.c), whose members are a kind's own file.
 */
#pragma once

#include "ops.h"

#include <glib.h>

typedef struct OwnedDevices OwnedDevices;
typedef struct OwnedKind OwnedKind;

/* A device of ours. */
typedef struct OwnedDevice {
    const OwnedKind *kind;
    char file[INTERFACE_NAME_MAX + 1]; /* its record's; "": it has none */
    char name[INTERFACE_NAME_MAX + 1]; /* when it was made */
    int index;
    char lower[INTERFACE_NAME_MAX + 1]; /* what it lies on: its name then, too */
    int lower_index;
    gboolean is_in_use; /* by somebody else's link, which the log has said */
} OwnedDevice;

struct OwnedKind {
    const char *title;      /* for messages */
    const char *folder;     /* of the records, below the state folder */
    const char *lower_name; /* what a record calls the link below, */
    const char *lower_index;
    const char *link_kind; /* LinkInfo's */
    const char *alias;     /* the devices' ifalias */

    /* The name for a new device on lower; what: as of owned_make(). attempt counts from 1. */
    void (*choose_name)(Kernel *kernel, const LinkInfo *lower, gconstpointer what, guint attempt,
                        char *name, gsize size);

    /* Makes the device with its name, index and alias. ERRNO_ERROR; EEXIST and EBUSY ask for
     * another name and index. */
    gboolean (*create)(Kernel *kernel, const OwnedDevice *device, gconstpointer what,
                       LinkInfo *ret_device, GError **error);
};

extern const OwnedKind owned_vlan;

/* Opens (or makes) the folders of all kinds below state_fd (borrowed). kernel is borrowed. */
OwnedDevices *owned_new(int state_fd, Kernel *kernel, GError **error);
void owned_free(OwnedDevices *devices);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(OwnedDevices, owned_free)

/*
 * Which device is which, its ifindex tells: administrators rename devices.
 *
 * Reads the records and compares them with all links there are (of LinkInfo): what has gone is
 * forgotten, a device of ours without a record is noted for owned_sweep(). Damaged records are
 * removed: their devices have our alias.
 */
gboolean owned_load(OwnedDevices *devices, const GArray *links, GError **error);

/* Records and makes a device on lower. what: the kind's own, for its members. Fails with
 * ERRNO_ERROR and leaves nothing behind. */
gboolean owned_make(OwnedDevices *devices, const OwnedKind *kind, const LinkInfo *lower,
                    gconstpointer what, LinkInfo *ret_device, GError **error);

/* Tells whether anything but another device of ours needs it. */
typedef gboolean (*OwnedNeeded)(const OwnedDevice *device, gpointer user_data);

/*
 * Removes each device that nothing needs, upper ones first. One that somebody else's link lies on,
 * or that is a port of a bridge, stays until a later sweep finds it free; the log says so once.
 * Links in other network namespaces are not seen.
 */
gboolean owned_sweep(OwnedDevices *devices, OwnedNeeded needed, gpointer user_data, GError **error);
