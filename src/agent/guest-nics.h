/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The network devices that a running QEMU has, of any kind. */
#pragma once

#include "qmp.h"

typedef struct GuestNic {
    char *path;   /* of the device in QOM, as device_del takes it */
    char *netdev; /* the backend's ID */
    char *mac;    /* "52:54:00:00:00:01", what the guest starts with */
} GuestNic;

/* nics: of GuestNic, those that have a backend; borrowed. */
typedef void (*GuestNicsDone)(GPtrArray *nics, const GError *error, gpointer user_data);
void guest_nics_list(Qmp *qmp, GuestNicsDone done, gpointer user_data);

/* The one with this backend or, if netdev is NULL, the only one with this MAC; borrowed. NULL if
 * there is none. */
const GuestNic *guest_nics_find(GPtrArray *nics, const char *netdev, const char *mac);
