/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "port-options.h"

#include "interface-name.h"

#include <string.h>

/* What is left of a domain's name, so that a number finds room. */
#define START_MAX 9

static GString *
make_start(const char *domain, gboolean users)
{
    GString *start = g_string_new(NULL);

    for (const char *c = domain; *c && start->len < START_MAX; c++) {
        if (g_ascii_isalnum(*c))
            g_string_append_c(start, *c);
    }
    if (start->len == 0)
        g_string_append(start, "vm");
    if (users && !interface_name_is_users(start->str))
        g_string_prepend(start, "vm");
    return start;
}

char *
target_name_choose(const char *domain, gboolean users, GHashTable *taken,
                   guint (*interface_index)(const char *name))
{
    g_autoptr(GString) start = make_start(domain, users);

    for (guint i = 0;;) {
        char *name = g_strdup_printf("%s-net%u", start->str, i);

        if (strlen(name) > INTERFACE_NAME_MAX)
            g_string_truncate(start, start->len - 1);
        else if ((!taken || !g_hash_table_contains(taken, name)) && interface_index(name) == 0)
            return name;
        else
            i++;
        g_free(name);
    }
}
