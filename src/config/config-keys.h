/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private to the config room: the keys of each kind of file and what their values may be. */
#pragma once

#include "config.h"
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

typedef struct ConfigKey ConfigKey;

/* The keys of a NAME.network, and those of macvtapd.conf. */
extern const ConfigKey *const config_network_keys, *const config_daemon_keys;

gboolean config_section_exists(const ConfigKey *keys, const char *section);

/* The key of that name in section, or NULL. */
const ConfigKey *config_key_find(const ConfigKey *keys, const char *section, const char *name);

/*
 * Sets what key stands for to value, which is stripped and not empty. Fails with
 * PORT_ERROR_NETWORK_INVALID; the message starts with "KEY=" and has no file or line.
 */
gboolean config_key_set(const ConfigKey *key, ConfigTarget *target, const char *value,
                        GError **error);
