/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a running QEMU takes another network device. */
#pragma once

#include "qmp.h"

/* The name of the root ports that macvtap-run adds begins with this. */
#define HOT_PLUG_SLOT "macvtap-slot"

/* A place for a device. Clear with hot_plug_clear(). */
typedef struct HotPlug {
    char *driver; /* of device_add: virtio-net on the machine's bus */
    char *bus;    /* NULL: QEMU's choice */
} HotPlug;

void hot_plug_clear(HotPlug *place);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(HotPlug, hot_plug_clear)

/* From what query-target and query-pci returned. QMP_ERROR_REFUSED: there is no place, with what to
 * do about it. */
gboolean hot_plug_choose(json_t *target, json_t *buses, HotPlug *ret_place, GError **error);

/* Asks QEMU first. place is borrowed, NULL with an error. */
typedef void (*HotPlugDone)(const HotPlug *place, const GError *error, gpointer user_data);
void hot_plug_find(Qmp *qmp, HotPlugDone done, gpointer user_data);
