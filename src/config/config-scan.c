/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-scan.h"

#include "port-error.h"

#include <string.h>

gboolean
config_refuse(GError **error, const char *file_name, guint line, const char *format, ...)
{
    g_autofree char *what = NULL;
    va_list arguments;

    va_start(arguments, format);
    what = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    return port_error_set(error, PORT_ERROR_NETWORK_INVALID, "%s:%u: %s", file_name, line, what);
}

static void
config_entry_free(gpointer data)
{
    ConfigEntry *entry = data;

    g_free(entry->section);
    g_free(entry->key);
    g_free(entry);
}

static const ConfigEntry *
add_entry(GPtrArray *entries, const char *section, char *take_key, guint line)
{
    ConfigEntry *entry = g_new0(ConfigEntry, 1);

    *entry = (ConfigEntry){.section = g_strdup(section), .key = take_key, .line = line};
    g_ptr_array_add(entries, entry);
    return entry;
}

const ConfigEntry *
config_find_head(const GPtrArray *entries, const char *section)
{
    for (guint i = 0; i < entries->len; i++) {
        const ConfigEntry *entry = g_ptr_array_index(entries, i);

        if (!entry->key && g_str_equal(entry->section, section))
            return entry;
    }
    return NULL;
}

const ConfigEntry *
config_find_key(const GPtrArray *entries, const char *key, gsize key_length)
{
    for (guint i = 0; i < entries->len; i++) {
        const ConfigEntry *entry = g_ptr_array_index(entries, i);

        if (entry->key && strlen(entry->key) == key_length &&
            strncmp(entry->key, key, key_length) == 0)
            return entry;
    }
    return NULL;
}

typedef struct Scan {
    const char *file_name;
    GPtrArray *entries;
    GHashTable *seen;    /* "SECTION" and "SECTION\nKEY" -> line */
    const char *section; /* borrowed from its entry; NULL before the first */
} Scan;

/* The line in which text (taken) stood before, or 0; from now on it is seen in line. */
static guint
seen_before(Scan *scan, char *take_text, guint line)
{
    guint before = GPOINTER_TO_UINT(g_hash_table_lookup(scan->seen, take_text));

    g_hash_table_replace(scan->seen, take_text, GUINT_TO_POINTER(line));
    return before;
}

static gboolean
scan_head(Scan *scan, const char *text, guint line, GError **error)
{
    gsize length = strlen(text);
    g_autofree char *shown = g_strescape(text, NULL);
    g_autofree char *section = NULL;
    guint before;

    if (length < 3 || text[length - 1] != ']')
        return config_refuse(error, scan->file_name, line,
                             "'%.64s' is not a section header such as [Network]", shown);
    section = g_strndup(text + 1, length - 2);
    before = seen_before(scan, g_strdup(section), line);
    if (before > 0)
        return config_refuse(error, scan->file_name, line,
                             "section %.64s is given twice, first in line %u", shown, before);
    scan->section = add_entry(scan->entries, section, NULL, line)->section;
    return TRUE;
}

static gboolean
scan_key(Scan *scan, const char *text, guint line, GError **error)
{
    const char *equals = strchr(text, '=');
    g_autofree char *shown = g_strescape(text, NULL);
    g_autofree char *key = NULL;
    g_autofree char *shown_key = NULL;
    g_autofree char *shown_section = scan->section ? g_strescape(scan->section, NULL) : NULL;
    guint before;

    if (!equals || equals == text)
        return config_refuse(error, scan->file_name, line,
                             "'%.64s' is neither KEY=VALUE, a [section] nor a # comment", shown);
    key = g_strchomp(g_strndup(text, (gsize)(equals - text)));
    shown_key = g_strescape(key, NULL);
    if (!scan->section)
        return config_refuse(error, scan->file_name, line,
                             "key '%.64s' stands before any [section]", shown_key);
    before = seen_before(scan, g_strconcat(scan->section, "\n", key, NULL), line);
    if (before > 0)
        return config_refuse(error, scan->file_name, line,
                             "key '%.64s' in section [%.64s] is given twice, first in line %u",
                             shown_key, shown_section, before);
    add_entry(scan->entries, scan->section, g_steal_pointer(&key), line);
    return TRUE;
}

static gboolean
scan_line(Scan *scan, const char *text, guint line, GError **error)
{
    if (text[0] == '\0' || text[0] == '#')
        return TRUE;
    return text[0] == '[' ? scan_head(scan, text, line, error) : scan_key(scan, text, line, error);
}

static guint
line_at(const char *text, const char *position)
{
    guint line = 1;

    for (const char *c = text; c < position; c++)
        line += *c == '\n';
    return line;
}

static gboolean
check_bytes(const char *file_name, const char *text, gsize length, GError **error)
{
    const char *bad = length > 0 ? memchr(text, '\0', length) : NULL;

    if (length > CONFIG_FILE_MAX)
        return config_refuse(error, file_name, 1, "the file is larger than %d KiB",
                             CONFIG_FILE_MAX / 1024);
    if (bad)
        return config_refuse(error, file_name, line_at(text, bad), "the line has a NUL byte");
    if (length > 0 && !g_utf8_validate_len(text, length, &bad))
        return config_refuse(error, file_name, line_at(text, bad), "the line is not UTF-8");
    for (const char *c = text; c < text + length; c++) {
        if (g_ascii_iscntrl(*c) && !strchr("\t\n\r", *c))
            return config_refuse(error, file_name, line_at(text, c),
                                 "the line has a control character (\\%03o)", (guint)*c);
    }
    return TRUE;
}

GPtrArray *
config_scan(const char *file_name, const char *text, gsize length, char **ret_clean, GError **error)
{
    g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func(config_entry_free);
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    Scan scan = {.file_name = file_name, .entries = entries, .seen = seen};
    g_autofree char *copy = NULL;
    g_auto(GStrv) lines = NULL;

    if (!check_bytes(file_name, text, length, error))
        return NULL;
    copy = g_strndup(text ? text : "", length);
    lines = g_strsplit(copy, "\n", -1);
    for (guint i = 0; lines[i]; i++) {
        if (!scan_line(&scan, g_strstrip(lines[i]), i + 1, error))
            return NULL;
    }
    *ret_clean = g_strjoinv("\n", lines);
    return g_steal_pointer(&entries);
}
