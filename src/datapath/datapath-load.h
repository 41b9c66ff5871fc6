/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The embedded object, loaded: the one place that makes programs and maps. For datapath.c alone. */
#pragma once

#include "datapath.h"

typedef enum DatapathMap {
    DATAPATH_SETTINGS,
    DATAPATH_COUNTERS,
    DATAPATH_STATE,
    DATAPATH_EVENTS,
    DATAPATH_MAPS,
} DatapathMap;

typedef struct DatapathObject {
    struct bpf_object *object;
    int maps[DATAPATH_MAPS]; /* descriptors, the object's */
    DatapathPrograms programs;
} DatapathObject;

/* "settings"…, as in the object; a pin is v1-NAME. */
const char *datapath_map_name(DatapathMap map);

/* The path of a map's pin in the folder; free with g_free(). */
char *datapath_pin_path(const char *folder, DatapathMap map);

/* Loads the object with the maps that are pinned in the folder and fit, and new ones else. */
gboolean datapath_load(const char *folder, DatapathObject *ret_object, GError **error);

void datapath_unload(DatapathObject *object);

/* guard-object.c, made by the build. */
extern const unsigned char guard_object[];
extern const gsize guard_object_size;
