/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "varlink-server.h"

#include "varlink-connection.h"
#include "varlink-error.h"
#include "varlink-interface.h"
#include "varlink-listener.h"
#include "varlink-service.h"

#include <string.h>

typedef struct Served {
    char *name;
    const VarlinkMethod *methods;
    gpointer user_data;
} Served;

struct VarlinkServer {
    VarlinkLimits limits;
    VarlinkService service;
    GHashTable *interfaces;          /* name → Served */
    GPtrArray *listeners;            /* of VarlinkListener */
    GHashTable *connections;         /* a set, holding a reference to each */
    GHashTable *connections_per_uid; /* uid → how many; none with 0 */
};

static void
served_free(Served *served)
{
    g_free(served->name);
    g_free(served);
}

static gboolean
fail_interface(GError **error, const char *name, const char *what, const char *detail)
{
    g_set_error(error, VARLINK_ERROR, VARLINK_ERROR_INTERFACE, "interface %s: %s%s", name, what,
                detail);
    return FALSE;
}

static const VarlinkMethod *
find_method(const VarlinkMethod *methods, const char *name)
{
    for (; methods->name; methods++)
        if (g_str_equal(methods->name, name))
            return methods;
    return NULL;
}

static gboolean
check_methods(const VarlinkInterface *interface, const VarlinkMethod *methods, GError **error)
{
    g_autofree const char **declared = varlink_interface_list(interface, VARLINK_MEMBER_METHOD);
    const char *name = varlink_interface_get_name(interface);

    for (const char **method = declared; *method; method++)
        if (!find_method(methods, *method))
            return fail_interface(error, name, "nothing handles method ", *method);
    for (; methods->name; methods++)
        if (!varlink_interface_has_method(interface, methods->name))
            return fail_interface(error, name, "its text does not declare method ", methods->name);
    return TRUE;
}

gboolean
varlink_server_add_interface(VarlinkServer *server, const char *description,
                             const VarlinkMethod *methods, gpointer user_data, GError **error)
{
    g_autoptr(VarlinkInterface) interface = varlink_interface_parse(description, -1, error);
    const char *name;
    Served *served;

    if (!interface || !check_methods(interface, methods, error))
        return FALSE;
    name = varlink_interface_get_name(interface);
    if (g_hash_table_contains(server->interfaces, name))
        return fail_interface(error, name, "it is served already", "");
    served = g_new(Served, 1);
    *served = (Served){g_strdup(name), methods, user_data};
    g_hash_table_insert(server->interfaces, served->name, served);
    varlink_service_add(&server->service, served->name, description);
    return TRUE;
}

static void
refuse_method(VarlinkCall *call, const char *error)
{
    varlink_call_error(call, error, json_pack("{s:s}", "method", varlink_call_method(call)));
}

/* VarlinkConnectionEvents.call */
static void
server_call(VarlinkCall *call, gpointer user_data)
{
    VarlinkServer *server = user_data;
    const char *name = varlink_call_method(call);
    const char *dot = strrchr(name, '.');
    g_autofree char *interface = dot ? g_strndup(name, dot - name) : NULL;
    const Served *served = dot ? g_hash_table_lookup(server->interfaces, interface) : NULL;
    const VarlinkMethod *method = served ? find_method(served->methods, dot + 1) : NULL;

    if (!dot)
        varlink_call_invalid_parameter(call, "method");
    else if (!served)
        varlink_call_error(call, "org.varlink.service.InterfaceNotFound",
                           json_pack("{s:s}", "interface", interface));
    else if (!method)
        refuse_method(call, "org.varlink.service.MethodNotFound");
    else if (varlink_call_wants_upgrade(call))
        refuse_method(call, "org.varlink.service.MethodNotImplemented");
    else if (method->needs_more && !varlink_call_wants_more(call))
        varlink_call_error(call, "org.varlink.service.ExpectedMore", NULL);
    else
        method->handler(call, served->user_data);
}

static guint
count_of_uid(const VarlinkServer *server, uid_t uid)
{
    return GPOINTER_TO_UINT(
        g_hash_table_lookup(server->connections_per_uid, GUINT_TO_POINTER(uid)));
}

static void
set_count_of_uid(VarlinkServer *server, uid_t uid, guint count)
{
    if (count > 0)
        g_hash_table_insert(server->connections_per_uid, GUINT_TO_POINTER(uid),
                            GUINT_TO_POINTER(count));
    else
        g_hash_table_remove(server->connections_per_uid, GUINT_TO_POINTER(uid));
}

/* VarlinkConnectionEvents.closed */
static void
server_closed(VarlinkConnection *connection, gpointer user_data)
{
    VarlinkServer *server = user_data;
    uid_t uid = varlink_connection_peer(connection)->uid;

    set_count_of_uid(server, uid, count_of_uid(server, uid) - 1);
    g_hash_table_remove(server->connections, connection);
}

static const VarlinkConnectionEvents server_events = {server_call, server_closed};

static gboolean
check_limits(const VarlinkServer *server, uid_t uid, GError **error)
{
    const VarlinkLimits *limits = &server->limits;

    if (varlink_server_connection_count(server) >= limits->connections) {
        g_set_error(error, VARLINK_ERROR, VARLINK_ERROR_BUSY, "%u connections are open already",
                    limits->connections);
        return FALSE;
    }
    if (count_of_uid(server, uid) >= limits->connections_per_uid) {
        g_set_error(error, VARLINK_ERROR, VARLINK_ERROR_BUSY,
                    "%u connections of uid %u are open already", limits->connections_per_uid, uid);
        return FALSE;
    }
    return TRUE;
}

gboolean
varlink_server_add_connection(VarlinkServer *server, int fd, GError **error)
{
    AUTO_FD int socket_fd = fd;
    VarlinkPeer peer;

    if (!varlink_peer_read(socket_fd, &peer, error))
        return FALSE;
    if (!check_limits(server, peer.uid, error)) {
        varlink_peer_clear(&peer);
        return FALSE;
    }
    set_count_of_uid(server, peer.uid, count_of_uid(server, peer.uid) + 1);
    g_hash_table_add(server->connections,
                     varlink_connection_new(g_steal_fd(&socket_fd), &peer, &server->limits,
                                            &server_events, server));
    return TRUE;
}

/* VarlinkAcceptFunc. A refused caller sees its connection closed, which is all that can be said. */
static void
server_accepted(int fd, gpointer user_data)
{
    (void)varlink_server_add_connection(user_data, fd, NULL);
}

gboolean
varlink_server_listen(VarlinkServer *server, int listen_fd, GError **error)
{
    VarlinkListener *listener = varlink_listener_new(listen_fd, server_accepted, server, error);

    if (!listener)
        return FALSE;
    g_ptr_array_add(server->listeners, listener);
    return TRUE;
}

VarlinkServer *
varlink_server_new(const VarlinkServiceInfo *info, const VarlinkLimits *limits)
{
    VarlinkServer *server = g_new0(VarlinkServer, 1);
    static const VarlinkLimits defaults = {4096, 512, 65536, 262144};
    gboolean added;

    if (limits)
        server->limits = *limits;
    if (server->limits.connections == 0)
        server->limits.connections = defaults.connections;
    if (server->limits.connections_per_uid == 0)
        server->limits.connections_per_uid = defaults.connections_per_uid;
    if (server->limits.message_bytes == 0)
        server->limits.message_bytes = defaults.message_bytes;
    if (server->limits.unsent_bytes == 0)
        server->limits.unsent_bytes = defaults.unsent_bytes;
    varlink_service_init(&server->service, info);
    server->interfaces =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)served_free);
    server->listeners = g_ptr_array_new_with_free_func((GDestroyNotify)varlink_listener_free);
    server->connections =
        g_hash_table_new_full(NULL, NULL, (GDestroyNotify)varlink_connection_unref, NULL);
    server->connections_per_uid = g_hash_table_new(NULL, NULL);
    added = varlink_server_add_interface(server, varlink_service_description,
                                         varlink_service_methods, &server->service, NULL);
    g_assert(added);
    return server;
}

void
varlink_server_free(VarlinkServer *server)
{
    g_autoptr(GList) connections = NULL;

    if (!server)
        return;
    /* Closing calls back to those who wait for their callers' end; none may find a stale table. */
    connections = g_hash_table_get_keys(server->connections);
    g_hash_table_steal_all(server->connections);
    g_ptr_array_unref(server->listeners);
    for (GList *item = connections; item; item = item->next) {
        varlink_connection_close(item->data);
        varlink_connection_unref(item->data);
    }
    g_hash_table_unref(server->connections);
    g_hash_table_unref(server->connections_per_uid);
    g_hash_table_unref(server->interfaces);
    varlink_service_clear(&server->service);
    g_free(server);
}

guint
varlink_server_connection_count(const VarlinkServer *server)
{
    return g_hash_table_size(server->connections);
}
