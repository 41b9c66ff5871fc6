/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * What a host link must be follows from the ports, the host's addresses and its next hops. Whatever
 * may change that marks what is due (HostLook), and a look from the main loop compares it with the
 * kernel and repairs it. Looks are paced, as a router's tables may change all the time. Only the
 * ports' own changes are followed at once: a port is not made or gone before its routes are.
 *
 * A look takes time in proportion to the ports, so a port's arrival must not lead to one. The
 * kernel reports the parent as changed whenever a device comes onto it; what counts is whether
 * anything that a look reads of it has changed. Only after a failure any event of the parent will
 * do.
 */
#include "host-link-private.h"

#include "error.h"
#include "source.h"

#include <errno.h>
#include <net/if.h>

#define PACE 100 /* ms between two looks at a link */

/* ---- what the host has ---- */

static gboolean
is_link_local(const IpAddress *address)
{
    return !ip_address_is_ipv4(address) && address->bytes[0] == 0xfe &&
           (address->bytes[1] & 0xc0) == 0x80;
}

static gboolean
read_own(HostLinks *links, GError **error)
{
    GArray *own = links->kernel->ops->address_list(links->kernel, error);

    if (!own)
        return FALSE;
    g_array_unref(links->own);
    links->own = own;
    return TRUE;
}

static void
pick_addresses(HostLink *link)
{
    const GArray *own = link->links->own;

    g_array_set_size(link->addresses, 0);
    for (guint i = 0; i < own->len; i++) {
        const LinkAddress *address = &g_array_index(own, LinkAddress, i);

        if (address->index == link->parent.index && !is_link_local(&address->address))
            g_array_append_vals(link->addresses, address, 1);
    }
}

static gboolean
read_gateways(HostLink *link, GError **error)
{
    Kernel *kernel = link->links->kernel;
    GArray *gateways = kernel->ops->gateway_list(kernel, link->parent.index, error);

    if (!gateways)
        return FALSE;
    g_array_unref(link->gateways);
    link->gateways = gateways;
    return TRUE;
}

/* ---- looks ---- */

/* Removes what fill_filter() and host_device_set_addresses() have entered for the device. */
static void
empty_filter(const HostLink *link)
{
    HostFilter *filter = link->links->filter;
    GHashTableIter iter;
    gpointer value;

    filter->ops->forget_link(filter, link->index);
    g_hash_table_iter_init(&iter, link->ports);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        filter->ops->forget_port(filter, link->index, &((HostPort *)value)->mac);
    g_hash_table_iter_init(&iter, link->claims);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        filter->ops->forget_claim(filter, link->index, &((HostClaim *)value)->address);
}

static void
forget_device(HostLink *link)
{
    GHashTableIter iter;
    gpointer value;

    if (link->index) {
        empty_filter(link);
        owned_forget(link->links->devices, link->index);
    }
    link->index = 0;
    g_hash_table_iter_init(&iter, link->claims);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        ((HostClaim *)value)->path = (HostPath){0}; /* gone with the device */
}

/* Enters all ports and claims for a new device. */
static void
fill_filter(HostLink *link)
{
    HostFilter *filter = link->links->filter;
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, link->ports);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        filter->ops->set_port(filter, link->index, &((HostPort *)value)->mac, NULL, 0, NULL);
    g_hash_table_iter_init(&iter, link->claims);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        filter->ops->set_claim(filter, link->index, &((HostClaim *)value)->address, NULL);
}

static gboolean
reaches_lan(const LinkInfo *parent)
{
    return parent->carrier && parent->flags & IFF_UP;
}

static gboolean
look_at_parent(HostLink *link, GError **error)
{
    Kernel *kernel = link->links->kernel;
    gboolean reached_lan = reaches_lan(&link->parent);

    if (!kernel->ops->link_by_index(kernel, link->parent.index, &link->parent, error))
        return FALSE;
    if (!reached_lan && reaches_lan(&link->parent))
        host_claims_ask_again(link);
    return TRUE;
}

/* The device may have been removed by root. */
static gboolean
look_at_device(HostLink *link, GError **error)
{
    g_autoptr(GError) cause = NULL;
    gboolean is_whole;

    if (!look_at_parent(link, error))
        return FALSE;
    if (link->index && host_device_repair(link, &cause))
        return TRUE;
    if (cause && !error_is_errno(cause, ENODEV)) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    forget_device(link);
    is_whole = host_device_ensure(link, error);
    if (link->index) /* it exists even if it is not whole, and a later look only repairs it */
        fill_filter(link);
    return is_whole;
}

/* Reads the paths back from the kernel. */
static gboolean
look_at_paths(HostLink *link, GError **error)
{
    Kernel *kernel = link->links->kernel;
    g_autoptr(GArray) paths = kernel->ops->path_list(kernel, link->index, error);
    GHashTableIter iter;
    gpointer value;

    if (!paths)
        return FALSE;
    g_hash_table_iter_init(&iter, link->claims);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        ((HostClaim *)value)->path = (HostPath){0};
    for (guint i = 0; i < paths->len; i++) {
        const HostPath *path = &g_array_index(paths, HostPath, i);
        HostClaim *claim = g_hash_table_lookup(link->claims, &path->address);

        if (claim)
            claim->path = *path;
        else
            kernel->ops->path_remove(kernel, path, 1, NULL);
    }
    return TRUE;
}

static void on_routing(const RoutingChange *change, gpointer user_data);

/* What is read before it is watched may have changed meanwhile. */
static gboolean
watch_routing(HostLinks *links, GError **error)
{
    if (!links->is_watching)
        links->is_watching =
            links->kernel->ops->watch_routing(links->kernel, on_routing, links, error);
    return links->is_watching;
}

static gboolean
look_at_parts(HostLink *link, guint looks, GError **error)
{
    if (!watch_routing(link->links, error) ||
        (looks & HOST_LOOK_ADDRESSES && !read_own(link->links, error)))
        return FALSE;
    pick_addresses(link);
    if (((looks & HOST_LOOK_DEVICE) || !link->index) && !look_at_device(link, error))
        return FALSE;
    return (!(looks & HOST_LOOK_ADDRESSES) || host_device_set_addresses(link, error)) &&
           (!(looks & HOST_LOOK_GATEWAYS) || read_gateways(link, error)) &&
           (!(looks & HOST_LOOK_PATHS) || look_at_paths(link, error));
}

/* Logs a failure of these looks once; the next event of the link or its parent repeats them. */
static void
note_problem(HostLink *link, guint looks, const GError *error)
{
    const char *message = error ? error->message : NULL;

    if (message && g_strcmp0(link->problem, message) != 0)
        g_warning("the host does not reach the guests on %s: %s", link->parent.name, message);
    g_free(link->problem);
    link->problem = g_strdup(message);
    if (message)
        link->unfinished |= looks;
}

void
host_link_look(HostLink *link, guint looks)
{
    HostLinks *links = link->links;
    int parent_index = link->parent.index;
    g_autoptr(GError) error = NULL;

    looks |= link->unfinished;
    link->looks = 0;
    link->unfinished = 0;
    link->looked = g_get_monotonic_time();
    look_at_parts(link, looks, &error);
    note_problem(link, looks, error);
    if (looks & HOST_LOOK_ADDRESSES) /* which seen addresses count depends on the prefixes */
        links->visit(parent_index, links->user_data);
    if (host_links_find(links, parent_index) == link) /* it had a port that has access no longer */
        host_claims_review(link);
}

static gboolean
on_look_due(gpointer user_data)
{
    HostLink *link = user_data;

    source_clear(&link->look_source);
    host_link_look(link, link->looks);
    return G_SOURCE_REMOVE;
}

void
host_link_look_later(HostLink *link, guint looks)
{
    gint64 due = link->looked + PACE * 1000, now = g_get_monotonic_time();

    link->looks |= looks;
    if (link->look_source)
        return;
    link->look_source = due <= now ? source_add_idle(on_look_due, link, "host link")
                                   : source_add_timeout((guint)((due - now) / 1000) + 1,
                                                        on_look_due, link, "host link");
}

static void
look_at_all_later(HostLinks *links, guint looks)
{
    GHashTableIter iter;
    gpointer link;

    g_hash_table_iter_init(&iter, links->table);
    while (g_hash_table_iter_next(&iter, NULL, &link))
        host_link_look_later(link, looks);
}

/* ---- events ---- */

static void
on_routing_lost(HostLinks *links)
{
    GHashTableIter iter;
    gpointer link;

    g_hash_table_iter_init(&iter, links->table);
    while (g_hash_table_iter_next(&iter, NULL, &link))
        host_claims_on_loss(link);
    look_at_all_later(links, HOST_LOOK_ALL);
}

/* RoutingHandler */
static void
on_routing(const RoutingChange *change, gpointer user_data)
{
    HostLinks *links = user_data;
    HostLink *of_parent = host_links_find(links, change->index), *of_device;

    switch (change->type) {
    case ROUTING_ADDRESS:
        look_at_all_later(links, HOST_LOOK_ADDRESSES | HOST_LOOK_PATHS);
        return;
    case ROUTING_PATH_LOST:
        of_device = host_links_find_device(links, change->index);
        if (of_device && g_hash_table_contains(of_device->claims, &change->address))
            host_link_look_later(of_device, HOST_LOOK_PATHS);
        return;
    case ROUTING_GATEWAY:
        if (of_parent)
            host_link_look_later(of_parent, HOST_LOOK_GATEWAYS);
        return;
    case ROUTING_NEIGHBOUR:
        if (of_parent)
            host_claims_on_neighbour(of_parent, change);
        return;
    case ROUTING_LOST:
        on_routing_lost(links);
        return;
    }
}

/* FilterHandler */
static void
on_filter(int index, guint32 program, gpointer user_data)
{
    HostLinks *links = user_data;
    const HostPrograms *programs = links->filter->ops->programs(links->filter);
    HostLink *link = host_links_find_device(links, index);

    if (index == 0)
        look_at_all_later(links, HOST_LOOK_DEVICE);
    else if (link &&
             (program == 0 || (program != programs->egress_id && program != programs->ingress_id)))
        host_link_look_later(link, HOST_LOOK_DEVICE);
}

/* HostHeardHandler */
static void
on_heard(int index, const IpAddress *address, const MacAddress *mac, gpointer user_data)
{
    HostLink *link = host_links_find_device(user_data, index);

    if (link)
        host_claims_on_heard(link, address, mac);
}

void
host_link_look_first(HostLink *link)
{
    const guint looks = HOST_LOOK_ADDRESSES | HOST_LOOK_GATEWAYS;
    g_autoptr(GError) error = NULL;

    look_at_parts(link, looks, &error);
    link->looked = g_get_monotonic_time();
    note_problem(link, looks, error);
}

gboolean
host_links_watch_filters(HostLinks *links, GError **error)
{
    return links->filter->ops->watch(links->filter, on_heard, links, error) &&
           links->kernel->ops->watch_filters(links->kernel, on_filter, links, error);
}

/* Whether an event of the parent calls for a look. */
static gboolean
is_news(const HostLink *link, const LinkInfo *parent)
{
    const LinkInfo *known = &link->parent;

    return link->unfinished || known->mtu != parent->mtu || known->flags != parent->flags ||
           known->carrier != parent->carrier || known->master_index != parent->master_index ||
           !g_str_equal(known->master_kind, parent->master_kind) ||
           !g_str_equal(known->name, parent->name) || !mac_address_equal(&known->mac, &parent->mac);
}

void
host_links_on_link(HostLinks *links, LinkEventType type, const LinkInfo *link)
{
    HostLink *of_parent = host_links_find(links, link->index), *of_device;

    if (g_hash_table_size(links->table) == 0)
        return;
    if (type == LINK_EVENT_LOST) {
        look_at_all_later(links, HOST_LOOK_ALL);
        return;
    }
    of_device = host_links_find_device(links, link->index);
    if (of_device && type == LINK_EVENT_REMOVED)
        host_link_look_later(of_device, HOST_LOOK_ALL);
    else if (of_device || (of_parent && type == LINK_EVENT_CHANGED && is_news(of_parent, link)))
        host_link_look_later(of_device ? of_device : of_parent, HOST_LOOK_DEVICE);
}
