/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation: an access rule that a typo hides would open or close a network silently, so
 * nothing in a file is skipped. Each line is empty, a comment, the head of a section or a key, and
 * sections and keys are those that config-keys.c knows, once each. What spans several keys is
 * checked last, by the model. The escapes are those of GKeyFile.
 */
#include "config.h"

#include "config-keys.h"

#include "port-error.h"
#include "suggestion.h"

#include <string.h>

typedef struct Parser {
    const char *file_name;
    const Field *fields;
    ConfigTarget *target;
    guint line;       /* counted from 1 */
    char *section;    /* NULL before the first */
    GHashTable *seen; /* "SECTION" and "SECTION\nKEY" -> line */
} Parser;

#define parser_refuse(parser, error, format, ...)                                                  \
    port_error_set(error, PORT_ERROR_NETWORK_INVALID, "%s:%u: " format, (parser)->file_name,       \
                   (parser)->line, ##__VA_ARGS__)

/* The line in which text (taken) was seen before, or 0; from now on it counts as seen in this one.
 * */
static guint
seen_before(Parser *parser, char *take_text)
{
    guint before = GPOINTER_TO_UINT(g_hash_table_lookup(parser->seen, take_text));

    g_hash_table_replace(parser->seen, take_text, GUINT_TO_POINTER(parser->line));
    return before;
}

/* A suggestion for an unknown section, for an error; free with g_free(). */
static char *
suggest_section(const Field *fields, const char *section)
{
    const char *best = NULL;
    guint least = G_MAXUINT;

    for (; fields->name; fields++) {
        guint distance =
            fields->section ? suggestion_distance(section, fields->section) : G_MAXUINT;

        if (distance < least) {
            best = fields->section;
            least = distance;
        }
    }
    return best && suggestion_is_near(section, least)
               ? g_strdup_printf("; did you mean [%s]?", best)
               : g_strdup("");
}

/* A suggestion for an unknown key and its section, for an error; free with g_free(). */
static char *
suggest_key(const Field *fields, const char *section, const char *key)
{
    const Field *best = NULL;
    guint least = G_MAXUINT;

    for (; fields->name; fields++) {
        guint distance = fields->key ? suggestion_distance(key, fields->key) : G_MAXUINT;

        /* If two keys are equally close, prefer the one in this section. */
        if (distance < least ||
            (best && distance == least && g_strcmp0(fields->section, section) == 0)) {
            best = fields;
            least = distance;
        }
    }
    if (!best || !suggestion_is_near(key, least))
        return g_strdup("");
    if (g_str_equal(best->key, key))
        return g_strdup_printf("; it belongs in section [%s]", best->section);
    if (g_strcmp0(best->section, section) == 0)
        return g_strdup_printf("; did you mean '%s'?", best->key);
    return g_strdup_printf("; did you mean '%s' in section [%s]?", best->key, best->section);
}

static gboolean
parse_head(Parser *parser, const char *text, GError **error)
{
    gsize length = strlen(text);
    g_autofree char *shown = g_strescape(text, NULL);
    guint before;

    if (length < 3 || text[length - 1] != ']')
        return parser_refuse(parser, error, "'%.64s' is not a section header such as [Network]",
                             shown);
    g_free(parser->section);
    parser->section = g_strndup(text + 1, length - 2);
    if (!config_section_exists(parser->fields, parser->section)) {
        g_autofree char *name = g_strescape(parser->section, NULL);
        g_autofree char *hint = suggest_section(parser->fields, parser->section);

        return parser_refuse(parser, error, "unknown section [%.64s]%s", name, hint);
    }
    before = seen_before(parser, g_strdup(parser->section));
    return before == 0 ||
           parser_refuse(parser, error, "section %s is given twice, first in line %u", text,
                         before);
}

/* Replaces the escapes in value; FALSE: it has another '\'. */
static gboolean
unescape(char *value)
{
    static const char escapes[] = "sntr\\", meanings[] = " \n\t\r\\";
    char *end = value;

    for (const char *c = value; *c; c++) {
        const char *escape = c[0] == '\\' && c[1] ? strchr(escapes, c[1]) : NULL;

        if (c[0] == '\\' && !escape)
            return FALSE;
        *end++ = escape ? meanings[escape - escapes] : *c;
        c += escape != NULL;
    }
    *end = '\0';
    return TRUE;
}

static gboolean
parse_value(Parser *parser, const Field *field, const char *text, GError **error)
{
    g_autofree char *value = g_strdup(text);
    g_autoptr(GError) reason = NULL;

    if (!unescape(value))
        return parser_refuse(parser, error,
                             "%s= has a '\\' that is not part of \\s, \\n, \\t, \\r or \\\\",
                             field->key);
    g_strstrip(value);
    if (value[0] == '\0' || config_key_set(field, parser->target, value, &reason))
        return TRUE;
    return parser_refuse(parser, error, "%s%s", reason->message,
                         strchr(value, '#') ? " (a comment needs a line of its own)" : "");
}

static gboolean
parse_key(Parser *parser, const char *text, GError **error)
{
    const char *equals = strchr(text, '=');
    g_autofree char *shown = g_strescape(text, NULL);
    g_autofree char *key = equals ? g_strchomp(g_strndup(text, (gsize)(equals - text))) : NULL;
    g_autofree char *shown_key = g_strescape(key ? key : "", NULL);
    const Field *field;
    guint before;

    if (!equals || equals == text)
        return parser_refuse(parser, error,
                             "'%.64s' is neither KEY=VALUE, a [section] nor a # comment", shown);
    if (!parser->section)
        return parser_refuse(parser, error, "key '%.64s' comes before any [section]", shown_key);
    field = config_key_find(parser->fields, parser->section, key);
    if (!field) {
        g_autofree char *hint = suggest_key(parser->fields, parser->section, key);

        return parser_refuse(parser, error, "unknown key '%.64s' in section [%s]%s", shown_key,
                             parser->section, hint);
    }
    before = seen_before(parser, g_strconcat(parser->section, "\n", key, NULL));
    if (before > 0)
        return parser_refuse(parser, error,
                             "key '%s' in section [%s] is given twice, first in line %u", key,
                             parser->section, before);
    return parse_value(parser, field, equals + 1, error);
}

static gboolean
parse_line(Parser *parser, const char *text, GError **error)
{
    parser->line++;
    if (text[0] == '\0' || text[0] == '#')
        return TRUE;
    return text[0] == '[' ? parse_head(parser, text, error) : parse_key(parser, text, error);
}

static gboolean
refuse_byte(Parser *parser, const char *text, const char *at, const char *what, GError **error)
{
    parser->line = 1;
    for (const char *c = text; c < at; c++)
        parser->line += *c == '\n';
    return parser_refuse(parser, error, "the line %s", what);
}

static gboolean
check_bytes(Parser *parser, const char *text, gsize length, GError **error)
{
    const char *bad = length > 0 ? memchr(text, '\0', length) : NULL;

    parser->line = 1;
    if (length > CONFIG_FILE_MAX)
        return parser_refuse(parser, error, "the file is larger than %d KiB",
                             CONFIG_FILE_MAX / 1024);
    if (bad)
        return refuse_byte(parser, text, bad, "has a NUL byte", error);
    if (length > 0 && !g_utf8_validate_len(text, length, &bad))
        return refuse_byte(parser, text, bad, "is not UTF-8", error);
    for (const char *c = text; c < text + length; c++) {
        if (g_ascii_iscntrl(*c) && !strchr("\t\n\r", *c)) {
            g_autofree char *what = g_strdup_printf("has a control character (\\%03o)", (guint)*c);

            return refuse_byte(parser, text, c, what, error);
        }
    }
    parser->line = 0;
    return TRUE;
}

static gboolean
parse_text(Parser *parser, const char *text, gsize length, GError **error)
{
    g_autofree char *copy = NULL;
    g_auto(GStrv) lines = NULL;

    if (!check_bytes(parser, text, length, error))
        return FALSE;
    copy = g_strndup(text ? text : "", length);
    lines = g_strsplit(copy, "\n", -1);
    for (char **line = lines; *line; line++) {
        if (!parse_line(parser, g_strstrip(*line), error))
            return FALSE;
    }
    return TRUE;
}

static Parser
parser_new(const char *file_name, const Field *fields, ConfigTarget *target)
{
    GHashTable *seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    return (Parser){.file_name = file_name, .fields = fields, .target = target, .seen = seen};
}

static void
parser_clear(Parser *parser)
{
    g_hash_table_unref(parser->seen);
    g_free(parser->section);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Parser, parser_clear)

gboolean
config_parse_daemon(const char *file_name, const char *text, gsize length,
                    DaemonSettings *ret_settings, GError **error)
{
    g_auto(DaemonSettings) settings = {0};
    ConfigTarget target = {.settings = &settings};
    g_auto(Parser) parser = parser_new(file_name, config_daemon_fields, &target);

    if (!parse_text(&parser, text, length, error))
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

/* The line of the key that message starts with ("KEY="), or 0. No two sections have a key of the
 * same name. */
static guint
line_of_message(const Parser *parser, const char *message)
{
    g_autofree char *key = g_strndup(message, strcspn(message, "="));
    g_autofree char *end = g_strconcat("\n", key, NULL);
    GHashTableIter entries;
    gpointer entry, line;

    g_hash_table_iter_init(&entries, parser->seen);
    while (g_hash_table_iter_next(&entries, &entry, &line)) {
        if (g_str_has_suffix(entry, end))
            return GPOINTER_TO_UINT(line);
    }
    return 0;
}

/* An error about several keys is reported for the line of the key that it names, or for that of
 * [Network]. */
static gboolean
refuse_network(Parser *parser, const char *message, GError **error)
{
    guint head = GPOINTER_TO_UINT(g_hash_table_lookup(parser->seen, "Network"));

    parser->line = line_of_message(parser, message);
    if (parser->line == 0)
        parser->line = MAX(head, 1);
    return parser_refuse(parser, error, "%s", message);
}

Network *
config_parse_network(const char *name, const char *file_name, const char *text, gsize length,
                     const ConfigLookup *lookup, GError **error)
{
    g_autoptr(Network) network = network_new(name);
    ConfigTarget target = {.network = network, .lookup = lookup};
    g_auto(Parser) parser = parser_new(file_name, network_fields, &target);
    g_autoptr(GError) reason = NULL;

    if (!parse_text(&parser, text, length, error))
        return NULL;
    if (!target.has_mode)
        refuse_network(&parser, "Mode= is missing", error);
    else if (!network_finish(network, target.has_mac, &reason))
        refuse_network(&parser, reason->message, error);
    else
        return g_steal_pointer(&network);
    return NULL;
}
