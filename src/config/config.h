/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * DIR/macvtapd.conf and DIR/networks.d/NAME.network: key files (systemd's manner: '#'
 * comments, lists separated by spaces, empty = default).
 */
#pragma once

#include "network.h"
#include "port-error.h"
#include "privileges.h"

#include <glib.h>

extern const Privileges config_privileges;

/* The maximum size of a file in bytes. */
#define CONFIG_FILE_MAX 65536

/* Resolves a user's or group's name or number to its ID. FALSE if there is none. */
typedef struct ConfigLookup {
    gboolean (*user)(const char *name, uid_t *ret_uid);
    gboolean (*group)(const char *name, gid_t *ret_gid);
} ConfigLookup;

/* The system's own: getpwnam_r, getgrnam_r, and plain numbers. */
extern const ConfigLookup config_lookup_system;

/*
 * Parses one file's text (length bytes, at most 64 KiB). file_name is for messages only, and every
 * message has "FILE:LINE:" and the key: unknown sections and keys, keys given twice, values that do
 * not parse, missing Parent= or Mode=. Fails with PORT_ERROR_NETWORK_INVALID.
 */
Network *config_parse_network(const char *name, const char *file_name, const char *text,
                              gsize length, const ConfigLookup *lookup, GError **error);

/*
 * Reads path/networks.d/NAME.network into a table name -> Network (free with g_hash_table_unref). A
 * file that cannot be read or parsed becomes a broken network whose problem says why. Without the
 * folder the table is empty.
 */
GHashTable *config_read_networks(const char *path, const ConfigLookup *lookup, GError **error);

/* The daemon's own settings, from macvtapd.conf. */
typedef struct DaemonSettings {
    char *seed; /* what generated MACs derive from; NULL: not given */
} DaemonSettings;

void daemon_settings_clear(DaemonSettings *settings);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DaemonSettings, daemon_settings_clear)

/* Parses the text of macvtapd.conf, as config_parse_network() does; clear the result. */
gboolean config_parse_daemon(const char *file_name, const char *text, gsize length,
                             DaemonSettings *ret_settings, GError **error);

/* Reads path/macvtapd.conf; without the file nothing is given. */
gboolean config_read_daemon(const char *path, DaemonSettings *ret_settings, GError **error);

/* The changes in that folder since these networks were read from it: a line for each file, in the
 * order of their names. NULL: none, or unknown. Free with g_strfreev(). */
GStrv config_list_changes(const char *path, GHashTable *networks);

/* Adds a Fault for path/macvtapd.conf if it has an error as it is now ("settings-invalid"), and one
 * for each file in networks.d that is not read because of its name ("file-ignored"), in the order
 * of their names. Hidden files, and what is a copy of a network's file (lan.network.bak) are no
 * fault. */
void config_list_faults(const char *path, GPtrArray *faults);
