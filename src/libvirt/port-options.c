/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "port-options.h"

#include "arguments.h"
#include "field-options.h"
#include "network.h"

#include <string.h>
#include <unistd.h>

/* PortOptions consists of texts only, so that none of them can be forgotten here. */
#define N_TEXTS (sizeof(PortOptions) / sizeof(char *))

void
port_options_clear(PortOptions *options)
{
    char **texts = (char **)options;

    for (gsize i = 0; i < N_TEXTS; i++)
        g_clear_pointer(&texts[i], g_free);
}

void
port_options_copy(const PortOptions *from, PortOptions *to)
{
    char *const *texts = (char *const *)from;
    char **copies = (char **)to;

    for (gsize i = 0; i < N_TEXTS; i++)
        copies[i] = g_strdup(texts[i]);
}

/* The number is written back, so that "007" does not come into a domain. */
static gboolean
check_number(char **text, const char *field, GError **error)
{
    guint number;

    if (!*text)
        return TRUE;
    if (!field_option_number(field, *text, &number, error))
        return FALSE;
    g_free(*text);
    *text = g_strdup_printf("%u", number);
    return TRUE;
}

static gboolean
check_network(const char *network, GError **error)
{
    g_autoptr(GError) cause = NULL;

    return !network || network_spec_check(network, &cause) ||
           arguments_refuse(error, "%s", cause->message);
}

gboolean
port_options_check(PortOptions *options, GError **error)
{
    return check_network(options->network, error) &&
           (!options->mac || field_option_check("macAddress", options->mac, error)) &&
           check_number(&options->queues, "queues", error) &&
           check_number(&options->mtu, "mtu", error);
}

/* Once checked; 0: not given. */
static guint
number_of(const char *text)
{
    return text ? (guint)g_ascii_strtoull(text, NULL, 10) : 0;
}

MacvtapRequest *
port_options_request(const PortOptions *options)
{
    MacvtapRequest *request = macvtap_request_new(MACVTAP_METHOD_CREATE_PORT);

    macvtap_request_set_network(request, options->network);
    macvtap_request_set_interface_name(request, options->target);
    macvtap_request_set_mac_address(request, options->mac);
    macvtap_request_set_mtu(request, number_of(options->mtu));
    macvtap_request_set_queues(request, number_of(options->queues));
    macvtap_request_set_text(request, "limits", options->limits);
    macvtap_request_set_open_descriptors(request, false);
    macvtap_request_set_device_node(request, geteuid(), getegid());
    return request;
}
