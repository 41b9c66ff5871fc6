/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private to the config module: the keys of each kind of file, which are those of the fields that
 * have one, and how a value is read. */
#pragma once

#include "config.h"
#include "field.h"
#include "network.h"

#include <glib.h>

/* What is filled in, key by key. */
typedef struct ConfigTarget {
    Network *network;           /* borrowed; of network keys */
    const ConfigLookup *lookup; /* borrowed; of network keys */
    DaemonSettings *settings;   /* borrowed; of daemon keys */
    gboolean has_mode;
    gboolean has_mac;
} ConfigTarget;

/* The fields of macvtapd.conf; those of a NAME.network are network_fields. */
extern const Field config_daemon_fields[];

gboolean config_section_exists(const Field *fields, const char *section);

/* The field with that key in section, or NULL. */
const Field *config_key_find(const Field *fields, const char *section, const char *name);

/*
 * Sets the field to value, which is stripped and not empty. Fails with
 * PORT_ERROR_NETWORK_INVALID; the message starts with "KEY=" and has no file or line.
 */
gboolean config_key_set(const Field *field, ConfigTarget *target, const char *value,
                        GError **error);
