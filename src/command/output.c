/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "output.h"

#include "descriptor.h"
#include "error.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>

/* The errno of the first write to stdout that failed; g_print() has no other place for it. */
static int first_failure;

static void
print(const char *text)
{
    if ((fputs(text, stdout) == EOF || fflush(stdout) == EOF) && first_failure == 0)
        first_failure = errno;
}

/* A failure here cannot be reported anywhere. */
static void
print_error(const char *text)
{
    fputs(text, stderr);
    fflush(stderr);
}

void
output_start(void)
{
    g_set_print_handler(print);
    g_set_printerr_handler(print_error);
}

gboolean
output_start_program(void)
{
    if (!descriptor_fill_standard())
        return FALSE;
    setlocale(LC_ALL, "");
    output_start();
    return TRUE;
}

gboolean
output_finish(GError **error)
{
    return first_failure == 0 || error_set_errno(error, first_failure, "cannot write the output");
}

void
output_json(json_t *json)
{
    g_autofree char *text = json_dumps(json, JSON_COMPACT); /* jansson allocates with malloc(3) */

    g_print("%s\n", text);
    json_decref(json);
}

void
output_json_list(const char *name, GPtrArray *texts)
{
    g_autofree char *joined = NULL;

    g_ptr_array_add(texts, NULL);
    joined = g_strjoinv(",", (GStrv)texts->pdata);
    g_print("{\"%s\":[%s]}\n", name, joined);
    g_ptr_array_unref(texts);
}

guint
output_finding(gboolean good, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_print("%-8s %s\n", good ? "ok" : "PROBLEM", text);
    return !good;
}
