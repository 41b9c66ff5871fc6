/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "varlink-server.h"

#include "varlink-message.h"
#include "varlink-private.h"

#include "bounded-close.h"

#include <jansson.h>
#include <string.h>
#include <unistd.h>

/* openat is for a listener's reserve. */
const Privileges varlink_server_privileges = {
    .part = "connections",
    .system_calls =
        SYSTEM_CALLS({"accept4"}, {"getsockopt"}, {"setsockopt"}, {"recvmsg"}, {"sendmsg"},
                     {"openat"}, {"close"}, {"epoll_ctl"}, {"epoll_wait"}, {"epoll_pwait"}),
};

typedef struct Served {
    const char *name, *description;
    const VarlinkMethod *methods;
    gpointer user_data;
} Served;

struct VarlinkServer {
    VarlinkLimits limits;
    json_t *info;            /* GetInfo's answer without the interfaces */
    GArray *interfaces;      /* of Served, in the order in which they were added */
    GPtrArray *listeners;    /* of VarlinkListener */
    GHashTable *connections; /* a set, holding a reference to each */
    VarlinkPoller *poller;
    GHashTable
        *unsent_per_uid; /* varlink_peer_account() → how many bytes are queued; none with 0 */
    gsize unsent_in_all;
    guint64 n_calls;
};

static const Served *
find_interface(const VarlinkServer *server, const char *name)
{
    for (guint i = 0; name && i < server->interfaces->len; i++) {
        const Served *served = &g_array_index(server->interfaces, Served, i);

        if (g_str_equal(served->name, name))
            return served;
    }
    return NULL;
}

static const VarlinkMethod *
find_method(const VarlinkMethod *methods, const char *name)
{
    for (; methods->name; methods++)
        if (g_str_equal(methods->name, name))
            return methods;
    return NULL;
}

void
varlink_server_add_interface(VarlinkServer *server, const char *name, const char *description,
                             const VarlinkMethod *methods, gpointer user_data)
{
    Served served = {name, description, methods, user_data};

    g_return_if_fail(!find_interface(server, name));
    g_array_append_val(server->interfaces, served);
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
    const Served *served = find_interface(server, interface);
    const VarlinkMethod *method = served ? find_method(served->methods, dot + 1) : NULL;

    server->n_calls++;
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

/* VarlinkConnectionEvents.closed */
static void
server_closed(VarlinkConnection *connection, gpointer user_data)
{
    VarlinkServer *server = user_data;

    g_hash_table_remove(server->connections, connection);
}

/* VarlinkConnectionEvents.unsent */
static gboolean
server_unsent(VarlinkConnection *connection, gssize change, gpointer user_data)
{
    VarlinkServer *server = user_data;
    gpointer uid = GUINT_TO_POINTER(varlink_peer_account(varlink_connection_peer(connection)));
    gsize of_uid = GPOINTER_TO_SIZE(g_hash_table_lookup(server->unsent_per_uid, uid)) + change;

    server->unsent_in_all += change;
    if (of_uid > 0)
        g_hash_table_insert(server->unsent_per_uid, uid, GSIZE_TO_POINTER(of_uid));
    else
        g_hash_table_remove(server->unsent_per_uid, uid);
    return change < 0 || (of_uid <= server->limits.unsent_bytes_per_uid &&
                          server->unsent_in_all <= server->limits.unsent_bytes_in_all);
}

static const VarlinkConnectionEvents server_events = {server_call, server_closed, server_unsent};

/* The users of a user namespace count like any others (subuid(5)), and enough of them can use up
 * everything. Some connections are reserved for root, so that the administrator always gets in. */
static gboolean
is_full(const VarlinkServer *server, const VarlinkPeer *peer)
{
    const VarlinkLimits *limits = &server->limits;
    guint in_all = varlink_server_connection_count(server);
    guint of_uid = varlink_poller_count(server->poller, varlink_peer_account(peer));
    guint for_root = varlink_peer_is_trusted(peer) ? limits->connections / 64 : 0;

    if (in_all >= limits->connections + for_root)
        return TRUE;
    /* Several users together cannot lock out the next one, either. */
    return in_all >= limits->connections / 4 * 3 && of_uid > 0 &&
           of_uid >= limits->connections_per_uid / 8;
}

static gboolean
check_limits(const VarlinkServer *server, const VarlinkPeer *peer, GError **error)
{
    const VarlinkLimits *limits = &server->limits;
    guint of_uid = varlink_poller_count(server->poller, varlink_peer_account(peer));

    if (is_full(server, peer)) {
        g_set_error(error, VARLINK_ERROR, VARLINK_ERROR_BUSY, "%u connections are already open",
                    varlink_server_connection_count(server));
        return FALSE;
    }
    if (of_uid >= limits->connections_per_uid) {
        g_set_error(error, VARLINK_ERROR, VARLINK_ERROR_BUSY,
                    "%u connections of uid %u are already open", limits->connections_per_uid,
                    peer->uid);
        return FALSE;
    }
    return TRUE;
}

gboolean
varlink_server_add_connection(VarlinkServer *server, int fd, VarlinkRoot root, GError **error)
{
    VarlinkConnection *connection;
    VarlinkPeer peer = {.pidfd = -1};
    gboolean good = varlink_peer_read(fd, &peer, error);

    peer.rootless = root == VARLINK_NOBODY_IS_ROOT;
    if (!good || !check_limits(server, &peer, error)) {
        varlink_peer_clear(&peer);
        bounded_close(&fd);
        return FALSE;
    }
    connection = varlink_connection_new(server->poller, fd, &peer, &server->limits, &server_events,
                                        server, error);
    return connection && g_hash_table_add(server->connections, connection);
}

/* VarlinkAcceptFunc. A refused caller sees its connection closed; there is no way to tell it more.
 */
static void
server_accepted(int fd, gpointer user_data)
{
    (void)varlink_server_add_connection(user_data, fd, VARLINK_ROOT_IS_ROOT, NULL);
}

/* VarlinkAcceptFunc */
static void
server_accepted_rootless(int fd, gpointer user_data)
{
    (void)varlink_server_add_connection(user_data, fd, VARLINK_NOBODY_IS_ROOT, NULL);
}

/* VarlinkAcceptFunc */
static void
server_turned_away(int fd, gpointer user_data)
{
    bounded_close(&fd);
}

static gboolean
server_add_listener(VarlinkServer *server, int listen_fd, VarlinkAcceptFunc accepted,
                    GError **error)
{
    VarlinkListener *listener =
        varlink_listener_new(server->poller, listen_fd, accepted, server, error);

    if (!listener)
        return FALSE;
    g_ptr_array_add(server->listeners, listener);
    return TRUE;
}

gboolean
varlink_server_listen(VarlinkServer *server, int listen_fd, VarlinkRoot root, GError **error)
{
    return server_add_listener(
        server, listen_fd,
        root == VARLINK_ROOT_IS_ROOT ? server_accepted : server_accepted_rootless, error);
}

gboolean
varlink_server_turn_away(VarlinkServer *server, int listen_fd, GError **error)
{
    return server_add_listener(server, listen_fd, server_turned_away, error);
}

static VarlinkLimits
fill_limits(const VarlinkLimits *given)
{
    VarlinkLimits limits = given ? *given : (VarlinkLimits){0};

    limits.connections = limits.connections ? limits.connections : 4096;
    limits.connections_per_uid = limits.connections_per_uid ? limits.connections_per_uid : 512;
    limits.message_bytes = limits.message_bytes ? limits.message_bytes : 65536;
    limits.message_bytes_of_others =
        limits.message_bytes_of_others ? limits.message_bytes_of_others : 4096;
    limits.values = limits.values ? limits.values : 512;
    limits.unsent_bytes = limits.unsent_bytes ? limits.unsent_bytes : 262144;
    limits.unsent_bytes_per_uid =
        limits.unsent_bytes_per_uid ? limits.unsent_bytes_per_uid : 16 << 20;
    limits.unsent_bytes_in_all =
        limits.unsent_bytes_in_all ? limits.unsent_bytes_in_all : 128 << 20;
    return limits;
}

/* org.varlink.service, which every server answers (varlink.org/Service). */
static const char service_description[] =
    "# Every Varlink service has this interface, which describes the service.\n"
    "interface org.varlink.service\n"
    "\n"
    "# What the service is, and the names of its interfaces.\n"
    "method GetInfo() -> (\n"
    "  vendor: string,\n"
    "  product: string,\n"
    "  version: string,\n"
    "  url: string,\n"
    "  interfaces: []string\n"
    ")\n"
    "\n"
    "# The text of an interface, like this one.\n"
    "method GetInterfaceDescription(interface: string) -> (description: string)\n"
    "\n"
    "# The service does not have this interface.\n"
    "error InterfaceNotFound (interface: string)\n"
    "\n"
    "# The interface does not have this method.\n"
    "error MethodNotFound (method: string)\n"
    "\n"
    "# The interface has the method, but the service does not support it, or not in the requested "
    "form.\n"
    "error MethodNotImplemented (method: string)\n"
    "\n"
    "# The parameter is missing, unknown, or has an invalid value.\n"
    "error InvalidParameter (parameter: string)\n"
    "\n"
    "# The caller may not do this.\n"
    "error PermissionDenied ()\n"
    "\n"
    "# The method can only be called with \"more\".\n"
    "error ExpectedMore ()\n";

/* The first unknown key of the call, or NULL. */
static const char *
find_unknown(VarlinkCall *call, const char *known)
{
    const char *key;
    json_t *value;

    json_object_foreach (varlink_call_parameters(call), key, value) {
        if (!known || !g_str_equal(key, known))
            return key;
    }
    return NULL;
}

static void
service_get_info(VarlinkCall *call, gpointer user_data)
{
    const VarlinkServer *server = user_data;
    const char *unknown = find_unknown(call, NULL);
    json_t *reply, *names;

    if (unknown) {
        varlink_call_invalid_parameter(call, unknown);
        return;
    }
    reply = json_copy(server->info);
    names = json_array();
    for (guint i = 0; i < server->interfaces->len; i++)
        json_array_append_new(names,
                              json_string(g_array_index(server->interfaces, Served, i).name));
    json_object_set_new(reply, "interfaces", names);
    varlink_call_reply(call, reply, NULL);
}

static void
service_get_interface_description(VarlinkCall *call, gpointer user_data)
{
    const char *unknown = find_unknown(call, "interface");
    const char *name =
        json_string_value(json_object_get(varlink_call_parameters(call), "interface"));
    const Served *served = find_interface(user_data, name);

    if (unknown || !name)
        varlink_call_invalid_parameter(call, unknown ? unknown : "interface");
    else if (!served)
        varlink_call_error(call, "org.varlink.service.InterfaceNotFound",
                           json_pack("{s:s}", "interface", name));
    else
        varlink_call_reply(call, json_pack("{s:s}", "description", served->description), NULL);
}

static const VarlinkMethod service_methods[] = {
    {"GetInfo", service_get_info},
    {"GetInterfaceDescription", service_get_interface_description},
    {NULL},
};

static json_t *
info_to_json(const VarlinkServiceInfo *info)
{
    return json_pack("{s:s, s:s, s:s, s:s}", "vendor", info->vendor ? info->vendor : "", "product",
                     info->product ? info->product : "", "version",
                     info->version ? info->version : "", "url", info->url ? info->url : "");
}

VarlinkServer *
varlink_server_new(const VarlinkServiceInfo *info, const VarlinkLimits *limits, GError **error)
{
    VarlinkPoller *poller = varlink_poller_new(error);
    VarlinkServer *server;

    if (!poller)
        return NULL;
    server = g_new0(VarlinkServer, 1);
    server->poller = poller;
    server->unsent_per_uid = g_hash_table_new(NULL, NULL);
    server->limits = fill_limits(limits);
    server->info = info_to_json(info);
    server->interfaces = g_array_new(FALSE, FALSE, sizeof(Served));
    server->listeners = g_ptr_array_new_with_free_func((GDestroyNotify)varlink_listener_free);
    server->connections =
        g_hash_table_new_full(NULL, NULL, (GDestroyNotify)varlink_connection_unref, NULL);
    varlink_server_add_interface(server, "org.varlink.service", service_description,
                                 service_methods, server);
    return server;
}

void
varlink_server_free(VarlinkServer *server)
{
    g_autoptr(GList) connections = NULL;

    if (!server)
        return;
    /* Closing a connection calls those waiting for the end of their caller, which must not see a
     * stale table. */
    connections = g_hash_table_get_keys(server->connections);
    g_hash_table_steal_all(server->connections);
    g_ptr_array_unref(server->listeners);
    for (GList *item = connections; item; item = item->next) {
        varlink_connection_close(item->data);
        varlink_connection_unref(item->data);
    }
    g_hash_table_unref(server->connections);
    varlink_poller_free(server->poller);
    g_hash_table_unref(server->unsent_per_uid);
    g_array_unref(server->interfaces);
    json_decref(server->info);
    g_free(server);
}

guint
varlink_server_connection_count(const VarlinkServer *server)
{
    return g_hash_table_size(server->connections);
}

guint64
varlink_server_call_count(const VarlinkServer *server)
{
    return server->n_calls;
}
