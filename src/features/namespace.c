/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Feature: a port whose holder is a network namespace, as a container's: it ends with the
 * namespace, whatever became of the processes in it. The device stays in the daemon's namespace.
 *
 * The namespace is the one in which the caller's connection was made. No descriptor of it is kept,
 * which would keep it alive: it gets a number in the daemon's own namespace, and the kernel reports
 * the end of a number's namespace. The number alone could be given to another namespace later if
 * the end was missed, so the cookie, which is never used again, says which one is meant: a caller
 * from a namespace that has the number of a port and another cookie proves that the port's has
 * ended. After a start, and when events were lost, a number that no longer exists is the end.
 *
 * The daemon's own namespace never ends before the daemon, and every local user is in it: it cannot
 * hold a port.
 */
#include "feature.h"

#include "network-namespace.h"
#include "port-error.h"

typedef struct Namespaces {
    guint64 own_cookie; /* of the daemon's own; 0: the kernel has no cookies */
    GArray *numbers;    /* of int: those there were when the records were read; NULL afterwards */
} Namespaces;

static Namespaces *
namespaces_of(FeatureHost *host)
{
    return feature_state(host, &feature_namespace);
}

static void
end_those(FeatureHost *host, gboolean (*has_ended)(const Port *port, gconstpointer data),
          gconstpointer data)
{
    g_autoptr(GPtrArray) ports = port_table_list(host->ports);
    g_autoptr(GPtrArray) ended = g_ptr_array_new();

    for (guint i = 0; i < ports->len; i++) {
        Port *port = ports->pdata[i];

        if (port->holder.type == HOLDER_NAMESPACE && !port->is_ending && has_ended(port, data))
            g_ptr_array_add(ended, port->id);
    }
    g_ptr_array_add(ended, NULL);
    host->ops->end_ports(host, (const char *const *)ended->pdata);
}

static gboolean
has_number(const Port *port, gconstpointer data)
{
    return port->holder.namespace_number == *(const int *)data;
}

/* The number now belongs to the namespace of data, a Holder. */
static gboolean
has_lost_number(const Port *port, gconstpointer data)
{
    const Holder *holder = data;

    return port->holder.namespace_number == holder->namespace_number &&
           port->holder.namespace_cookie != holder->namespace_cookie;
}

static gboolean
is_missing(const Port *port, gconstpointer data)
{
    const GArray *numbers = data;

    for (guint i = 0; i < numbers->len; i++) {
        if (g_array_index(numbers, int, i) == port->holder.namespace_number)
            return FALSE;
    }
    return TRUE;
}

/* NamespaceHandler */
static void
on_end(int number, gpointer user_data)
{
    FeatureHost *host = user_data;
    g_autoptr(GArray) numbers = NULL;
    g_autoptr(GError) error = NULL;

    if (number >= 0) {
        end_those(host, has_number, &number);
        return;
    }
    numbers = host->kernel->ops->namespace_list(host->kernel, &error);
    if (numbers)
        end_those(host, is_missing, numbers);
    else
        g_warning("events of network namespaces were lost: %s; a port whose namespace has ended"
                  " may stay until the next start",
                  error->message);
}

static gboolean
namespace_start(FeatureHost *host, gpointer *ret_state, GError **error)
{
    Namespaces *namespaces = g_new0(Namespaces, 1);

    namespaces->own_cookie = network_namespace_own_cookie();
    *ret_state = namespaces;
    return host->kernel->ops->watch_namespaces(host->kernel, on_end, host, error);
}

static void
namespace_stop(gpointer state)
{
    Namespaces *namespaces = state;

    if (!namespaces)
        return;
    g_clear_pointer(&namespaces->numbers, g_array_unref);
    g_free(namespaces);
}

static gboolean
namespace_load(FeatureHost *host, GError **error)
{
    Namespaces *namespaces = namespaces_of(host);

    namespaces->numbers = host->kernel->ops->namespace_list(host->kernel, error);
    return namespaces->numbers != NULL;
}

static void
namespace_loaded(FeatureHost *host)
{
    g_clear_pointer(&namespaces_of(host)->numbers, g_array_unref);
}

static gboolean
namespace_check(FeatureHost *host, const NewPort *new, GError **error)
{
    guint64 cookie = new->caller->namespace_cookie;
    g_autoptr(GError) cause = NULL;

    if (new->request->holder.type != HOLDER_NAMESPACE)
        return TRUE;
    if (!interface_name_check_chosen(new->request->holder.interface, &cause))
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST, "holder: %s", cause->message);
    if (cookie == 0)
        return port_error_set(error, PORT_ERROR_HOLDER_INVALID,
                              "holder: this kernel does not say which network namespace a caller"
                              " is in (Linux 5.14 does)");
    return cookie != namespaces_of(host)->own_cookie ||
           port_error_set(error, PORT_ERROR_HOLDER_INVALID,
                          "holder: the caller is in macvtapd's own network namespace, which cannot"
                          " hold a port; connect from the container's");
}

static gboolean
is_taken(FeatureHost *host, const Caller *caller, const char *interface)
{
    g_autoptr(GPtrArray) ports = port_table_list(host->ports);

    for (guint i = 0; i < ports->len; i++) {
        const Port *port = ports->pdata[i];

        if (!port->is_ending && caller_is_beside(caller, port, interface))
            return TRUE;
    }
    return FALSE;
}

static gboolean
namespace_prepare(FeatureHost *host, NewPort *new, GError **error)
{
    Holder *holder = &new->port->holder;
    g_autoptr(GError) cause = NULL;

    if (holder->type != HOLDER_NAMESPACE)
        return TRUE;
    if (is_taken(host, new->caller, holder->interface))
        return port_error_set(error, PORT_ERROR_NAME_TAKEN,
                              "the caller's network namespace already has a port %s",
                              holder->interface);
    if (!host->kernel->ops->namespace_number(host->kernel, new->caller->socket_fd,
                                             &holder->namespace_number, &cause))
        return port_error_set(error, PORT_ERROR_SYSTEM, "holder: %s", cause->message);
    holder->namespace_cookie = new->caller->namespace_cookie;
    end_those(host, has_lost_number, holder);
    return TRUE;
}

static gboolean
namespace_lives(FeatureHost *host, Port *port, gboolean *ret_lives, GError **error)
{
    const Namespaces *namespaces = namespaces_of(host);

    if (port->holder.type == HOLDER_NAMESPACE && is_missing(port, namespaces->numbers))
        *ret_lives = FALSE;
    return TRUE;
}

const PortFeature feature_namespace = {
    .name = "namespace",
    .start = namespace_start,
    .stop = namespace_stop,
    .load = namespace_load,
    .loaded = namespace_loaded,
    .check = namespace_check,
    .prepare = namespace_prepare,
    .lives = namespace_lives,
};
