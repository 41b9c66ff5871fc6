/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation: an access rule that a typo hides would open or close a network silently, so
 * nothing in a file is skipped. The scan finds every head and key with its line and refuses what is
 * neither; each of them must be one that config-keys.c knows; only then does GKeyFile give the
 * values. What spans several keys is checked last, by the model.
 */
#include "config.h"

#include "config-keys.h"
#include "config-scan.h"

#include <string.h>

static gboolean
check_known(const char *file_name, const GPtrArray *entries, const Field *fields, GError **error)
{
    for (guint i = 0; i < entries->len; i++) {
        const ConfigEntry *entry = g_ptr_array_index(entries, i);
        g_autofree char *shown = g_strescape(entry->key ? entry->key : entry->section, NULL);

        if (!config_section_exists(fields, entry->section))
            return config_refuse(error, file_name, entry->line, "unknown section [%.64s]", shown);
        if (entry->key && !config_key_find(fields, entry->section, entry->key))
            return config_refuse(error, file_name, entry->line,
                                 "unknown key '%.64s' in section [%s]", shown, entry->section);
    }
    return TRUE;
}

static gboolean
set_value(const char *file_name, GKeyFile *file, const ConfigEntry *entry, const Field *fields,
          ConfigTarget *target, GError **error)
{
    g_autoptr(GError) reason = NULL;
    g_autofree char *value = g_key_file_get_string(file, entry->section, entry->key, &reason);

    /* A bad escape gives both a value and an error. */
    if (!value || reason)
        return config_refuse(error, file_name, entry->line,
                             "%s= has a '\\' that is not part of \\s, \\n, \\t, \\r or \\\\",
                             entry->key);
    g_strstrip(value);
    if (value[0] == '\0')
        return TRUE;
    if (!config_key_set(config_key_find(fields, entry->section, entry->key), target, value,
                        &reason))
        return config_refuse(error, file_name, entry->line, "%s%s", reason->message,
                             strchr(value, '#') ? " (a comment needs a line of its own)" : "");
    return TRUE;
}

static gboolean
set_values(const char *file_name, const char *clean, const GPtrArray *entries, const Field *fields,
           ConfigTarget *target, GError **error)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    gsize length = strlen(clean);

    /* After the scan there is nothing left that it could refuse. */
    if (length > 0 && !g_key_file_load_from_data(file, clean, length, G_KEY_FILE_NONE, NULL))
        return config_refuse(error, file_name, 1, "this is not a key file");
    for (guint i = 0; i < entries->len; i++) {
        const ConfigEntry *entry = g_ptr_array_index(entries, i);

        if (entry->key && !set_value(file_name, file, entry, fields, target, error))
            return FALSE;
    }
    return TRUE;
}

/* Sets what the text says and returns its heads and keys; NULL with *error. */
static GPtrArray *
parse_text(const char *file_name, const char *text, gsize length, const Field *fields,
           ConfigTarget *target, GError **error)
{
    g_autofree char *clean = NULL;
    g_autoptr(GPtrArray) entries = config_scan(file_name, text, length, &clean, error);

    if (!entries || !check_known(file_name, entries, fields, error) ||
        !set_values(file_name, clean, entries, fields, target, error))
        return NULL;
    return g_steal_pointer(&entries);
}

gboolean
config_parse_daemon(const char *file_name, const char *text, gsize length,
                    DaemonSettings *ret_settings, GError **error)
{
    g_auto(DaemonSettings) settings = {0};
    ConfigTarget target = {.settings = &settings};
    g_autoptr(GPtrArray) entries =
        parse_text(file_name, text, length, config_daemon_fields, &target, error);

    if (!entries)
        return FALSE;
    *ret_settings = settings;
    settings = (DaemonSettings){0};
    return TRUE;
}

void
daemon_settings_clear(DaemonSettings *settings)
{
    g_clear_pointer(&settings->seed, g_free);
}

/* The line to show for a message that starts with "KEY=": the key's, else [Network]'s. */
static guint
line_of_message(const GPtrArray *entries, const char *message)
{
    const ConfigEntry *entry = config_find_key(entries, message, strcspn(message, "="));

    if (!entry)
        entry = config_find_head(entries, "Network");
    return entry ? entry->line : 1;
}

Network *
config_parse_network(const char *name, const char *file_name, const char *text, gsize length,
                     const ConfigLookup *lookup, GError **error)
{
    g_autoptr(Network) network = network_new(name);
    ConfigTarget target = {.network = network, .lookup = lookup};
    g_autoptr(GPtrArray) entries =
        parse_text(file_name, text, length, network_fields, &target, error);
    g_autoptr(GError) reason = NULL;

    if (!entries)
        return NULL;
    if (!target.has_mode) {
        config_refuse(error, file_name, line_of_message(entries, "Mode="), "Mode= is missing");
        return NULL;
    }
    if (!network_finish(network, target.has_mac, &reason)) {
        config_refuse(error, file_name, line_of_message(entries, reason->message), "%s",
                      reason->message);
        return NULL;
    }
    return g_steal_pointer(&network);
}
