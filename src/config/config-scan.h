/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Private to the config module: where in a file's text things stand, which GKeyFile does not tell.
 */
#pragma once

#include <glib.h>

/* The most bytes that a network file may have. */
#define CONFIG_FILE_MAX 65536

/* A section's head (key is NULL) or a key, with its line, counted from 1. */
typedef struct ConfigEntry {
    char *section;
    char *key;
    guint line;
} ConfigEntry;

/*
 * All heads and keys of text in the order of the file: a GPtrArray of ConfigEntry that owns them
 * (free with g_ptr_array_unref). Refuses, with "FILE:LINE:", what GKeyFile would take silently or
 * without a line: lines that are nothing, keys before any section, sections and keys that come
 * twice, control characters, bytes that are not UTF-8, and more than CONFIG_FILE_MAX bytes.
 * *ret_clean is the text with each line stripped (free with g_free), so that what GKeyFile then
 * reads are the lines that were scanned: the two do not agree on white space.
 */
GPtrArray *config_scan(const char *file_name, const char *text, gsize length, char **ret_clean,
                       GError **error);

/* The entry of a section's head (key NULL) or of a key in any section; NULL when there is none. */
const ConfigEntry *config_find_head(const GPtrArray *entries, const char *section);
const ConfigEntry *config_find_key(const GPtrArray *entries, const char *key, gsize key_length);

/* Sets *error to PORT_ERROR_NETWORK_INVALID "FILE:LINE: <format…>"; always returns FALSE. */
gboolean config_refuse(GError **error, const char *file_name, guint line, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
