/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "template.h"

#include <gio/gio.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER "/org/macvtapd/xml-templates"

/* The value whose token stands at text, in braces; *ret_length is its length with these. */
static const TemplateValue *
token_at(const char *text, const TemplateValue *values, gsize *ret_length)
{
    for (; text[0] == '{' && values->token; values++) {
        gsize length = strlen(values->token);

        if (strncmp(text + 1, values->token, length) != 0 || text[length + 1] != '}')
            continue;
        *ret_length = length + 2;
        return values;
    }
    return NULL;
}

/* Appends the line unless a token in it has no value; of a token with several texts, the one with
 * this number is taken. Returns whether there is one more. */
static gboolean
expand_line(GString *result, const char *line, const TemplateValue *values, guint number)
{
    gsize start = result->len, length;
    gboolean more = FALSE;

    while (*line) {
        const TemplateValue *value = token_at(line, values, &length);
        g_autofree char *escaped = NULL;
        const char *with;

        if (!value) {
            g_string_append_c(result, *line++);
            continue;
        }
        with = value->each ? value->each[number] : value->value;
        if (!with) {
            g_string_truncate(result, start);
            return FALSE;
        }
        more |= value->each && value->each[number + 1];
        escaped = g_markup_escape_text(with, -1);
        g_string_append(result, escaped);
        line += length;
    }
    g_string_append_c(result, '\n');
    return more;
}

char *
template_expand_text(const char *text, const TemplateValue *values)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    GString *result = g_string_new(NULL);

    for (char **line = lines; *line; line++) {
        guint number = 0;

        while ((line[0][0] || line[1]) && expand_line(result, *line, values, number))
            number++;
    }
    return g_string_free(result, FALSE);
}

static int
compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

GStrv
template_list(void)
{
    g_auto(GStrv) files = g_resources_enumerate_children(FOLDER, 0, NULL);
    g_autoptr(GStrvBuilder) names = g_strv_builder_new();
    GStrv list;

    for (char **file = files; file && *file; file++) {
        g_autofree char *name = g_strndup(*file, strcspn(*file, "."));

        g_strv_builder_add(names, name);
    }
    list = g_strv_builder_end(names);
    qsort(list, g_strv_length(list), sizeof(char *), compare_names);
    return list;
}

/* XML, or words for a command. */
static GBytes *
find_template(const char *name)
{
    g_autofree char *xml = g_strdup_printf(FOLDER "/%s.xml", name);
    g_autofree char *words = g_strdup_printf(FOLDER "/%s.txt", name);
    GBytes *bytes = g_resources_lookup_data(xml, 0, NULL);

    return bytes ? bytes : g_resources_lookup_data(words, 0, NULL);
}

char *
template_expand(const char *name, const TemplateValue *values)
{
    g_autoptr(GBytes) bytes = find_template(name);
    g_autofree char *text = NULL;

    if (!bytes)
        return NULL;
    text = g_strndup(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
    return template_expand_text(text, values);
}
