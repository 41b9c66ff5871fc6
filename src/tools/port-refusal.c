/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "port-refusal.h"

#include "queue-users.h"

static gboolean
is_of_another_port(MacvtapClient *client)
{
    const char *refusal = macvtap_client_get_refusal(client);

    return g_strcmp0(refusal, "NameTaken") == 0 || g_strcmp0(refusal, "MacConflict") == 0;
}

static gboolean
has_what_was_asked_for(const MacvtapPort *port, const char *name, const char *mac)
{
    return (name && g_str_equal(macvtap_port_get_name(port), name)) ||
           (mac && g_ascii_strcasecmp(macvtap_port_get_mac_address(port), mac) == 0);
}

void
port_refusal_name_users(MacvtapClient *client, const char *name, const char *mac, GError **error)
{
    g_autoptr(GPtrArray) ports = NULL;

    if (!is_of_another_port(client))
        return;
    ports = macvtap_client_list_ports(client, NULL, NULL);
    for (guint i = 0; ports && i < ports->len; i++) {
        g_autofree char *users = NULL;
        g_autofree char *message = NULL;

        if (!has_what_was_asked_for(ports->pdata[i], name, mac))
            continue;
        users = queue_users_describe(macvtap_port_get_id(ports->pdata[i]));
        if (!users[0])
            continue;
        message = g_strdup_printf("%s; its queues are open in %s", (*error)->message, users);
        g_free((*error)->message);
        (*error)->message = g_steal_pointer(&message);
        return;
    }
}
