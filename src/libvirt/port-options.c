/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation: a domain that is off gets its port at its next start, and what macvtapd
 * refuses then nobody sees now. What the network and its parent allow macvtapd is asked about
 * (ctl-network.c); what has one meaning for every network is checked here, as it goes into XML that
 * may be written without a macvtapd.
 */
#include "port-options.h"

#include "domain-xml.h"
#include "interface-name.h"
#include "mac-address.h"

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

void
port_options_clear(PortOptions *options)
{
    g_free(options->network);
    g_free(options->mac);
    g_free(options->target);
    g_free(options->model);
    g_free(options->queues);
    g_free(options->mtu);
    memset(options, 0, sizeof(*options));
}

/* The number is written back, so that "007" does not come into a domain. */
static gboolean
check_number(char **text, const char *what, guint min, guint max, GError **error)
{
    guint64 number;

    if (!*text)
        return TRUE;
    if (!g_ascii_string_to_unsigned(*text, 10, min, max, &number, NULL))
        return refuse(error, "%s must be %u to %u, not '%s'", what, min, max, *text);
    g_free(*text);
    *text = g_strdup_printf("%" G_GUINT64_FORMAT, number);
    return TRUE;
}

static gboolean
check_mac(const char *text, GError **error)
{
    MacAddress mac;

    return !text ||
           (mac_address_parse(text, &mac) && !mac_address_is_multicast(&mac) &&
            !mac_address_is_zero(&mac)) ||
           refuse(error,
                  "'%s' cannot be a guest's MAC: that is like 52:54:00:12:34:56, and unicast",
                  text);
}

/* N or OUTER.INNER. */
static gboolean
vlan_is_valid(const char *text)
{
    g_auto(GStrv) ids = g_strsplit(text, ".", 3);
    guint n = g_strv_length(ids);

    for (guint i = 0; i < n; i++) {
        if (ids[i][0] == '0' || !g_ascii_string_to_unsigned(ids[i], 10, 1, 4094, NULL, NULL))
            return FALSE;
    }
    return n == 1 || n == 2;
}

static gboolean
mode_is_valid(const char *mode)
{
    static const char *const modes[] = {"bridge", "vepa", "private", "passthru", "source", NULL};

    return g_strv_contains(modes, mode);
}

static gboolean
take_word(char **parent, char **mode, char **vlan, const char *word)
{
    const char *value = strchr(word, '=');
    gsize length = value ? (gsize)(value - word) : 0;
    char **field = NULL;

    if (length == strlen("parent") && g_str_has_prefix(word, "parent"))
        field = parent;
    if (length == strlen("mode") && g_str_has_prefix(word, "mode"))
        field = mode;
    if (length == strlen("vlan") && g_str_has_prefix(word, "vlan"))
        field = vlan;
    if (!field || *field)
        return FALSE;
    *field = g_strdup(value + 1);
    return TRUE;
}

static gboolean
check_description(const PortOptions *options, GError **error)
{
    g_auto(GStrv) words = g_strsplit(options->network, ",", -1);
    g_autofree char *parent = NULL, *mode = NULL, *vlan = NULL;
    g_autoptr(GError) reason = NULL;

    for (char **word = words; *word; word++) {
        if (!take_word(&parent, &mode, &vlan, *word))
            return refuse(error, "'%s' in --network=%s: it is parent=IFNAME,mode=MODE[,vlan=N]",
                          *word, options->network);
    }
    if (!parent || !mode)
        return refuse(error, "--network=%s has no %s", options->network,
                      parent ? "mode=" : "parent=");
    if (!interface_name_check_parent(parent, &reason))
        return refuse(error, "--network=%s: %s", options->network, reason->message);
    if (!mode_is_valid(mode))
        return refuse(error, "mode must be bridge, vepa, private, passthru or source, not '%s'",
                      mode);
    return !vlan || vlan_is_valid(vlan) ||
           refuse(error, "vlan '%s' is not N or OUTER.INNER, each 1 to 4094", vlan);
}

static gboolean
check_network(const PortOptions *options, GError **error)
{
    g_autofree char *shown = g_strescape(options->network, NULL);

    if (!domain_xml_network_is_valid(options->network))
        return refuse(error, "'%s' cannot be a network's name", shown);
    return !strchr(options->network, '=') || check_description(options, error);
}

gboolean
port_options_check(PortOptions *options, GError **error)
{
    return (!options->network || check_network(options, error)) && check_mac(options->mac, error) &&
           check_number(&options->queues, "queues", 1, 256, error) &&
           check_number(&options->mtu, "the MTU", 68, 65535, error);
}

guint
port_options_number(const char *text)
{
    return text ? (guint)g_ascii_strtoull(text, NULL, 10) : 0;
}
