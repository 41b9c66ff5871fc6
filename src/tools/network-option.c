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

/* What QEMU would read as the end of the value has no place in a driver's or a bus's name. */
static gboolean
set_word(char **field, const char *key, const char *value, GError **error)
{
    g_autofree char *shown = g_strescape(value, NULL);

    if (!value[0] || value[strspn(value, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_.-")])
        return refuse(error, "'%s' cannot be a %s", shown, key);
    return set_text(field, key, value, error);
}

static gboolean
parse_yes(gboolean *field, gboolean *given, const char *key, const char *value, GError **error)
{
    if (*given)
        return refuse(error, "'%s' is given twice", key);
    if (!g_str_equal(value, "yes") && !g_str_equal(value, "no"))
        return refuse(error, "%s must be yes or no, not '%s'", key, value);
    *field = g_str_equal(value, "yes");
    *given = TRUE;
    return TRUE;
}

/* The keys of both options. *ret_taken: it is one of them. */
static gboolean
take_common_pair(NetworkOption *option, const char *key, const char *value, gboolean *ret_taken,
                 GError **error)
{
    gboolean check = !option->other_mac;

    *ret_taken = TRUE;
    if (g_str_equal(key, "model"))
        return set_word(&option->model, key, value, error);
    if (g_str_equal(key, "bus"))
        return set_word(&option->bus, key, value, error);
    if (g_str_equal(key, "check-mac")) {
        if (!parse_yes(&check, &option->has_check_mac, key, value, error))
            return FALSE;
        option->other_mac = !check;
        return TRUE;
    }
    if (g_str_equal(key, "queues"))
        return option->queues ? refuse(error, "'%s' is given twice", key)
                              : option_parse_queues(value, &option->queues, error);
    *ret_taken = FALSE;
    return TRUE;
}

static gboolean
take_pair(NetworkOption *option, GString *adhoc, const char *key, const char *value, GError **error)
{
    gboolean taken;

    if (!take_common_pair(option, key, value, &taken, error))
        return FALSE;
    if (taken)
        return TRUE;
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
    if (g_str_equal(key, "incoming"))
        return parse_yes(&option->incoming, &option->has_incoming, key, value, error);
    if (g_str_equal(key, "mtu"))
        return option->mtu ? refuse(error, "'%s' is given twice", key)
                           : option_parse_mtu(value, &option->mtu, error);
    return refuse(error,
                  "unknown key '%s' (there are parent, mode, vlan, name, ifname, mac, queues,"
                  " mtu, vhost, model, bus, incoming, check-mac)",
                  key);
}

/* Splits "KEY=VALUE" in place. */
static gboolean
split_pair(char *word, const char *option, const char *text, char **ret_value, GError **error)
{
    char *equals = strchr(word, '=');

    if (!equals)
        return refuse(error, "'%s' in --%s=%s is not key=value", word, option, text);
    *equals = '\0';
    *ret_value = equals + 1;
    return TRUE;
}

gboolean
network_option_parse(const char *text, NetworkOption *ret_option, GError **error)
{
    g_auto(GStrv) words = g_strsplit(text, ",", -1);
    g_autoptr(GString) adhoc = g_string_new(NULL);

    memset(ret_option, 0, sizeof(*ret_option));
    for (guint i = 0; words[i]; i++) {
        char *value = NULL;

        if (i == 0 && !strchr(words[i], '=')) {
            ret_option->network = g_strdup(words[i]);
            continue;
        }
        if (!split_pair(words[i], "network", text, &value, error) ||
            !take_pair(ret_option, adhoc, words[i], value, error))
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

gboolean
port_option_parse(const char *text, NetworkOption *ret_option, GError **error)
{
    g_auto(GStrv) words = g_strsplit(text, ",", -1);

    memset(ret_option, 0, sizeof(*ret_option));
    if (!words[0] || !words[0][0])
        return refuse(error, "--port=%s names no port", text);
    ret_option->port = g_strdup(words[0]);
    for (guint i = 1; words[i]; i++) {
        gboolean taken;
        char *value = NULL;

        if (!split_pair(words[i], "port", text, &value, error) ||
            !take_common_pair(ret_option, words[i], value, &taken, error))
            return FALSE;
        if (!taken)
            return refuse(error, "unknown key '%s' (--port has queues, model, bus and check-mac)",
                          words[i]);
    }
    return TRUE;
}

const char *
network_option_label(const NetworkOption *option)
{
    return option->port ? option->port : option->network;
}

void
network_option_clear(NetworkOption *option)
{
    g_free(option->network);
    g_free(option->port);
    g_free(option->name);
    g_free(option->interface_name);
    g_free(option->mac);
    g_free(option->vhost);
    g_free(option->model);
    g_free(option->bus);
    memset(option, 0, sizeof(*option));
}
