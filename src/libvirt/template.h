/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files of xml-templates/, which are compiled in, and their expansion. */
#pragma once

#include <glib.h>

/* A token of the templates, as {mac}, and its text; value NULL: lines with the token are left out.
 * With each (NULL-terminated, not empty) in place of value such a line is there once for every
 * text; of one line, only one token may have it. */
typedef struct TemplateValue {
    const char *token;
    const char *value;
    const char *const *each;
} TemplateValue;

/* The names of the templates, sorted; free with g_strfreev(). */
GStrv template_list(void);

/* The template NAME (NAME.xml) with the values (ended by a NULL token) in place of its tokens, made
 * fit for XML. NULL when there is no such template; free with g_free(). */
char *template_expand(const char *name, const TemplateValue *values);

/* The same for a given text; tokens without a value stay. */
char *template_expand_text(const char *text, const TemplateValue *values);
