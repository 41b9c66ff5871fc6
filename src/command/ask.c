/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ask.h"

#include <errno.h>

G_DEFINE_QUARK(macvtapd - ask - error, ask_error)

static gboolean
ask_fail(const MacvtapClient *client, GError **error)
{
    g_set_error_literal(error, ASK_ERROR, 0, macvtap_client_get_message(client));
    return FALSE;
}

MacvtapClient *
ask_connect_within(const char *socket, int milliseconds, GError **error)
{
    g_autoptr(MacvtapClient) client = macvtap_client_new();

    macvtap_client_set_timeout(client, milliseconds);
    if (macvtap_client_connect(client, socket) >= 0)
        return g_steal_pointer(&client);
    ask_fail(client, error);
    return NULL;
}

MacvtapClient *
ask_connect(const char *socket, GError **error)
{
    return ask_connect_within(socket, -1, error);
}

gboolean
ask_set_text(MacvtapRequest *request, const char *field, const char *text, GError **error)
{
    if (macvtap_request_set_text(request, field, text) >= 0)
        return TRUE;
    g_set_error_literal(error, ASK_ERROR, 0, macvtap_request_get_message(request));
    return FALSE;
}

gboolean
ask(MacvtapClient *client, MacvtapRequest *request, GError **error)
{
    return macvtap_client_call(client, request) >= 0 || ask_fail(client, error);
}

MacvtapPort *
ask_take_port(MacvtapClient *client, MacvtapRequest *request, GError **error)
{
    return ask(client, request, error) ? macvtap_request_take_port(request, 0) : NULL;
}

static MacvtapRequest *
request_about(MacvtapMethod method, const char *port)
{
    MacvtapRequest *request = macvtap_request_new(method);

    macvtap_request_set_port(request, port);
    return request;
}

MacvtapPort *
ask_port(MacvtapClient *client, const char *port, gboolean statistics, GError **error)
{
    g_autoptr(MacvtapRequest) request = request_about(MACVTAP_METHOD_GET_PORT, port);

    macvtap_request_set_statistics(request, statistics);
    return ask_take_port(client, request, error);
}

MacvtapPort *
ask_open(MacvtapClient *client, const char *port, guint queues, GError **error)
{
    g_autoptr(MacvtapRequest) request = request_about(MACVTAP_METHOD_OPEN_PORT, port);

    macvtap_request_set_queues(request, queues);
    return ask_take_port(client, request, error);
}

gboolean
ask_delete(MacvtapClient *client, const char *port, GError **error)
{
    g_autoptr(MacvtapRequest) request = request_about(MACVTAP_METHOD_DELETE_PORT, port);

    return ask(client, request, error);
}

gboolean
ask_set_holder_pid(MacvtapClient *client, const char *port, int pid, GError **error)
{
    g_autoptr(MacvtapRequest) request = request_about(MACVTAP_METHOD_SET_PORT, port);

    macvtap_request_set_holder_pid(request, pid);
    return ask(client, request, error);
}

gboolean
ask_end_domain(MacvtapClient *client, const char *uuid, GError **error)
{
    g_autoptr(MacvtapRequest) request = macvtap_request_new(MACVTAP_METHOD_END_DOMAIN);

    macvtap_request_set_domain(request, uuid);
    return ask(client, request, error);
}

GPtrArray *
ask_ports(MacvtapClient *client, const char *network, gboolean statistics, GError **error)
{
    g_autoptr(MacvtapRequest) request = macvtap_request_new(MACVTAP_METHOD_LIST_PORTS);
    GPtrArray *ports;

    macvtap_request_set_network(request, network);
    macvtap_request_set_statistics(request, statistics);
    if (!ask(client, request, error))
        return NULL;
    ports = g_ptr_array_new_with_free_func((GDestroyNotify)macvtap_port_free);
    for (gsize i = 0; i < macvtap_request_get_n_ports(request); i++)
        g_ptr_array_add(ports, macvtap_request_take_port(request, i));
    return ports;
}

GPtrArray *
ask_take_networks(MacvtapRequest *request)
{
    GPtrArray *networks = g_ptr_array_new_with_free_func((GDestroyNotify)macvtap_network_free);

    for (gsize i = 0; i < macvtap_request_get_n_networks(request); i++)
        g_ptr_array_add(networks, macvtap_request_take_network(request, i));
    return networks;
}

GPtrArray *
ask_networks(MacvtapClient *client, GError **error)
{
    g_autoptr(MacvtapRequest) request = macvtap_request_new(MACVTAP_METHOD_LIST_NETWORKS);

    return ask(client, request, error) ? ask_take_networks(request) : NULL;
}

MacvtapNetwork *
ask_network(MacvtapClient *client, const char *name, GError **error)
{
    g_autoptr(MacvtapRequest) request = macvtap_request_new(MACVTAP_METHOD_LIST_NETWORKS);
    MacvtapNetwork *network;

    macvtap_request_set_network(request, name);
    if (!ask(client, request, error))
        return NULL;
    network = macvtap_request_take_network(request, 0);
    if (!network)
        g_set_error(error, ASK_ERROR, 0, "macvtapd sent a malformed answer: no network %s", name);
    return network;
}

gboolean
ask_event(MacvtapClient *client, MacvtapEvent **ret_event, GError **error)
{
    MacvtapEvent *event;
    int r = 0;

    while (!(event = macvtap_client_next_event(client))) {
        if (r < 0 && r != -EINTR)
            return ask_fail(client, error);
        r = macvtap_client_wait(client, -1);
    }
    *ret_event = event;
    return TRUE;
}

const char *
port_text(const MacvtapPort *port, const char *field)
{
    return macvtap_port_get_text(port, field) ?: "";
}

const char *
network_text(const MacvtapNetwork *network, const char *field)
{
    return macvtap_network_get_text(network, field) ?: "";
}

char *
port_holder_text(const MacvtapPort *port)
{
    switch (macvtap_port_get_holder(port)) {
    case MACVTAP_HOLDER_PROCESS:
        return g_strdup_printf("pid:%d", macvtap_port_get_holder_pid(port));
    case MACVTAP_HOLDER_DOMAIN:
        return g_strdup_printf("domain:%s", macvtap_port_get_holder_domain(port));
    case MACVTAP_HOLDER_NAMESPACE:
        return g_strdup_printf("namespace:%s", macvtap_port_get_holder_interface(port));
    default:
        return g_strdup(port_text(port, "holder.type"));
    }
}
