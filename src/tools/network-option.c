/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network-option.h"

#include <string.h>

static gboolean G_GNUC_PRINTF(2, 3) refuse(GError **error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    if (error)
        *error = g_error_new_valist(G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, format, arguments);
    va_end(arguments);
    return FALSE;
}

static gboolean
parse_number(const char *what, const char *text, guint min, guint max, guint *ret_number,
             GError **error)
{
    guint64 number;

    if (!g_ascii_string_to_unsigned(text, 10, min, max, &number, NULL))
        return refuse(error, "%s must be %u to %u, not '%s'", what, min, max, text);
    *ret_number = (guint)number;
    return TRUE;
}

gboolean
option_parse_queues(const char *text, guint *ret_queues, GError **error)
{
    return parse_number("queues", text, 1, 256, ret_queues, error);
}

gboolean
option_parse_mtu(const char *text, guint *ret_mtu, GError **error)
{
    return parse_number("the MTU", text, 68, 65535, ret_mtu, error);
}

static gboolean
set_text(char **field, const char *key, const char *value, GError **error)
{
    if (*field)
        return refuse(error, "'%s' is given twice", key);
    *field = g_strdup(value);
    return TRUE;
}

static gboolean
take_pair(NetworkOption *option, GString *adhoc, const char *key, const char *value, GError **error)
{
    if (g_str_equal(key, "parent") || g_str_equal(key, "mode") || g_str_equal(key, "vlan")) {
        g_string_append_printf(adhoc, "%s%s=%s", adhoc->len ? "," : "", key, value);
        return TRUE;
    }
    if (g_str_equal(key, "name"))
        return set_text(&option->name, key, value, error);
    if (g_str_equal(key, "ifname"))
        return set_text(&option->interface_name, key, value, error);
    if (g_str_equal(key, "mac"))
        return set_text(&option->mac, key, value, error);
    if (g_str_equal(key, "vhost"))
        return set_text(&option->vhost, key, value, error);
    if ((g_str_equal(key, "queues") && option->queues) || (g_str_equal(key, "mtu") && option->mtu))
        return refuse(error, "'%s' is given twice", key);
    if (g_str_equal(key, "queues"))
        return option_parse_queues(value, &option->queues, error);
    if (g_str_equal(key, "mtu"))
        return option_parse_mtu(value, &option->mtu, error);
    return refuse(error,
                  "unknown key '%s' (there are parent, mode, vlan, name, ifname, mac, queues,"
                  " mtu, vhost)",
                  key);
}

gboolean
network_option_parse(const char *text, NetworkOption *ret_option, GError **error)
{
    g_auto(GStrv) words = g_strsplit(text, ",", -1);
    g_autoptr(GString) adhoc = g_string_new(NULL);

    memset(ret_option, 0, sizeof(*ret_option));
    for (guint i = 0; words[i]; i++) {
        char *equals = strchr(words[i], '=');

        if (!equals && i == 0) {
            ret_option->network = g_strdup(words[i]);
            continue;
        }
        if (!equals)
            return refuse(error, "'%s' in --network=%s is not key=value", words[i], text);
        *equals = '\0';
        if (!take_pair(ret_option, adhoc, words[i], equals + 1, error))
            return FALSE;
    }
    if (ret_option->network && adhoc->len > 0)
        return refuse(error, "--network=%s names a network and a parent at once", text);
    if (!ret_option->network && adhoc->len > 0)
        ret_option->network = g_strdup(adhoc->str);
    if (!ret_option->network || !ret_option->network[0])
        return refuse(error, "--network=%s names no network", text);
    return TRUE;
}

void
network_option_clear(NetworkOption *option)
{
    g_free(option->network);
    g_free(option->name);
    g_free(option->interface_name);
    g_free(option->mac);
    g_free(option->vhost);
    g_free(option->holder);
    memset(option, 0, sizeof(*option));
}
