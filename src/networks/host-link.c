/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The kernel never passes a frame between a parent and the macvtaps on it: the host does not reach
 * its own guests. A host link is a macvlan of the host's own on the parent, which has no address;
 * the host and the guests meet there by the addresses that the host has on the parent:
 *   - the host answers ARP for its addresses on any link, and by proxy entries also neighbour
 *     solicitations (src/kernel/host-link.c);
 *   - a route for each address of a guest leads over the link, with a permanent neighbour entry
 *     (src/kernel/host-path.c); host-claim.c decides which addresses get one;
 *   - filters (host-link-rules.h) let in what a port's guest sends to an address of the host on the
 *     parent, and out what is for a port's guest.
 * So nothing of the host's own is changed, and all of this is gone with the device.
 *
 * There is one host link for a parent, from its first port of a network with Access=yes until its
 * last. The device is recorded like a VLAN device (owned-devices.c).
 */
#include "host-link-private.h"

#include "source.h"

#include <string.h>

#define RECENT 600 /* s: since when a guest uses all these addresses at once */

/* ---- from birth to death ---- */

static void
host_port_free(gpointer data)
{
    HostPort *port = data;

    g_free(port->id);
    g_free(port->name);
    network_unref(port->network);
    g_clear_pointer(&port->addresses, g_array_unref);
    g_free(port);
}

static void
host_link_free(gpointer data)
{
    HostLink *link = data;

    source_clear(&link->look_source);
    g_hash_table_unref(link->claims);
    g_hash_table_unref(link->ports);
    g_hash_table_unref(link->found);
    g_array_unref(link->addresses);
    g_array_unref(link->gateways);
    g_free(link->asked_name);
    g_free(link->problem);
    g_free(link);
}

void
host_links_free(HostLinks *links)
{
    if (!links)
        return;
    if (links->is_watching)
        links->kernel->ops->station_forget(links->kernel, 0);
    source_clear(&links->sweep_source);
    g_hash_table_unref(links->of_port);
    g_hash_table_unref(links->table);
    g_array_unref(links->own);
    g_free(links);
}

HostLink *
host_links_find(const HostLinks *links, int parent_index)
{
    return g_hash_table_lookup(links->table, GINT_TO_POINTER(parent_index));
}

HostLink *
host_links_find_device(const HostLinks *links, int index)
{
    GHashTableIter iter;
    gpointer link;

    g_hash_table_iter_init(&iter, links->table);
    while (index != 0 && g_hash_table_iter_next(&iter, NULL, &link)) {
        if (((HostLink *)link)->index == index)
            return link;
    }
    return NULL;
}

HostLinks *
host_links_new(Kernel *kernel, OwnedDevices *devices, HostFilter *filter, HostLinksSweep sweep,
               HostLinksVisit visit, gpointer user_data, GError **error)
{
    g_autoptr(HostLinks) links = g_new0(HostLinks, 1);

    links->kernel = kernel;
    links->devices = devices;
    links->filter = filter;
    links->sweep = sweep;
    links->visit = visit;
    links->user_data = user_data;
    links->table = g_hash_table_new_full(NULL, NULL, NULL, host_link_free);
    links->of_port = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    links->own = g_array_new(FALSE, FALSE, sizeof(LinkAddress));
    /* Not later: both take a privilege that the daemon gives up. */
    if (filter && !host_links_watch_filters(links, error))
        return NULL;
    return g_steal_pointer(&links);
}

/* ---- ports ---- */

static HostLink *
host_link_new(HostLinks *links, const LinkInfo *parent, const Network *network)
{
    HostLink *link = g_new0(HostLink, 1);

    link->links = links;
    link->parent = *parent;
    link->asked_name = g_strdup(network->host_interface);
    link->addresses = g_array_new(FALSE, FALSE, sizeof(LinkAddress));
    link->gateways = g_array_new(FALSE, FALSE, sizeof(IpAddress));
    link->ports = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, host_port_free);
    link->claims =
        g_hash_table_new_full(ip_address_hash, ip_address_is_same, NULL, host_claim_free);
    link->found = g_hash_table_new_full(ip_address_hash, ip_address_is_same, NULL, g_free);
    g_hash_table_insert(links->table, GINT_TO_POINTER(parent->index), link);
    return link;
}

/* Makes the link of a parent, and its device if possible. NULL: there is no such parent. */
static HostLink *
ensure_link(HostLinks *links, int parent_index, const Network *network)
{
    HostLink *link = host_links_find(links, parent_index);
    LinkInfo parent;

    if (link || !links->kernel->ops->link_by_index(links->kernel, parent_index, &parent, NULL))
        return link;
    link = host_link_new(links, &parent, network);
    host_link_look_first(link);
    return link;
}

static gboolean
on_sweep(gpointer user_data)
{
    HostLinks *links = user_data;

    source_clear(&links->sweep_source);
    links->sweep(links->user_data);
    return G_SOURCE_REMOVE;
}

static void
remove_link(HostLink *link)
{
    HostLinks *links = link->links;

    links->kernel->ops->station_forget(links->kernel, link->parent.index);
    if (link->index) {
        links->filter->ops->forget_link(links->filter, link->index);
        links->has_idle = TRUE;
        if (!links->sweep_source)
            links->sweep_source = source_add_idle(on_sweep, links, "host link");
    }
    g_hash_table_remove(links->table, GINT_TO_POINTER(link->parent.index));
}

void
host_links_forget_port(HostLinks *links, const char *port_id)
{
    HostLink *link = g_hash_table_lookup(links->of_port, port_id);
    HostPort *port = link ? g_hash_table_lookup(link->ports, port_id) : NULL;

    if (!port)
        return;
    host_claims_set(link, port, g_array_new(FALSE, FALSE, sizeof(HostPortAddress)));
    if (link->index)
        links->filter->ops->forget_port(links->filter, link->index, &port->mac);
    g_hash_table_remove(links->of_port, port_id);
    g_hash_table_remove(link->ports, port_id);
    if (g_hash_table_size(link->ports) == 0 && links->is_settled)
        remove_link(link);
}

/* A port whose guest may use another's MAC has no host access: routes lead to MACs. */
static gboolean
has_access(const Port *port, const Network *network)
{
    return network && network->host_access && port->state == PORT_STATE_ACTIVE &&
           port->parent_index != 0 && !port->is_ending && !port->incoming &&
           port->mode == MACVTAP_MODE_BRIDGE && port->has_guard &&
           port->guard.senders == GUARD_SENDERS_OWN && port->guard.verdict == GUARD_VERDICT_DROP;
}

static gint
compare_recency(gconstpointer a, gconstpointer b)
{
    const SeenAddress *p = *(const SeenAddress *const *)a, *q = *(const SeenAddress *const *)b;

    return (p->age > q->age) - (p->age < q->age);
}

static void
add_address(GArray *addresses, const IpAddress *address, gboolean is_given)
{
    const HostPortAddress added = {*address, is_given};

    for (guint i = 0; i < addresses->len; i++) {
        if (ip_address_equal(&g_array_index(addresses, HostPortAddress, i).address, address))
            return;
    }
    if (addresses->len < HOST_PORT_ADDRESSES)
        g_array_append_val(addresses, added);
}

/* Its leases, and what root has listed for it alone. */
static void
add_given(const Port *port, GArray *addresses)
{
    const GArray *listed = port->own_guard.settings.prefixes;

    for (guint i = 0; port->addresses && i < port->addresses->len; i++)
        add_address(addresses, &g_array_index(port->addresses, PortAddress, i).address, TRUE);
    if (port->guard.addresses == GUARD_ADDRESSES_ANY)
        return;
    for (guint i = 0; listed && i < listed->len; i++) {
        const IpPrefix *prefix = &g_array_index(listed, IpPrefix, i);

        if (prefix->prefix_bits == 128)
            add_address(addresses, &prefix->address, TRUE);
    }
}

/* The latest of the seen addresses that lie in a prefix of the parent; but none of a guest that
 * claims more than a port can have at once. */
static void
add_seen(const HostLink *link, const Port *port, GArray *addresses)
{
    g_autoptr(GPtrArray) seen = g_ptr_array_new();
    guint n_recent = 0;

    for (guint i = 0; port->seen && i < port->seen->len; i++) {
        SeenAddress *each = &g_array_index(port->seen, SeenAddress, i);

        if (!host_link_find_prefix(link, &each->address))
            continue;
        g_ptr_array_add(seen, each);
        n_recent += each->age < RECENT;
    }
    if (n_recent > HOST_PORT_ADDRESSES)
        return;
    g_ptr_array_sort(seen, compare_recency);
    for (guint i = 0; i < seen->len; i++)
        add_address(addresses, &((const SeenAddress *)seen->pdata[i])->address, FALSE);
}

static GArray *
collect_addresses(const HostLink *link, const Port *port)
{
    GArray *addresses = g_array_new(FALSE, FALSE, sizeof(HostPortAddress));

    add_given(port, addresses);
    add_seen(link, port, addresses);
    return addresses;
}

static void
take_network(HostPort *port, const Network *network)
{
    Network *before = port->network;

    port->network = network_ref((Network *)network);
    network_unref(before);
}

static HostPort *
ensure_port(HostLink *link, const Port *port, const Network *network)
{
    HostPort *present = g_hash_table_lookup(link->ports, port->id);

    if (present) {
        take_network(present, network);
        return present;
    }
    present = g_new0(HostPort, 1);
    present->id = g_strdup(port->id);
    present->name = g_strdup(port->name);
    present->mac = port->mac;
    take_network(present, network);
    g_hash_table_insert(link->ports, present->id, present);
    g_hash_table_insert(link->links->of_port, g_strdup(port->id), link);
    return present;
}

/* The parent was moved into another network namespace and back before anyone looked, and has
 * another ifindex now: the device is still on it. */
static void
follow_parent(HostLink *link, int parent_index)
{
    HostLinks *links = link->links;
    Kernel *kernel = links->kernel;
    LinkInfo device, parent;

    if (!link->index || host_links_find(links, parent_index) ||
        !kernel->ops->link_by_index(kernel, link->index, &device, NULL) ||
        device.lower_index != parent_index ||
        !kernel->ops->link_by_index(kernel, parent_index, &parent, NULL))
        return;
    kernel->ops->station_forget(kernel, link->parent.index);
    g_hash_table_steal(links->table, GINT_TO_POINTER(link->parent.index));
    link->parent = parent;
    g_hash_table_insert(links->table, GINT_TO_POINTER(parent_index), link);
    host_claims_on_new_parent(link);
    host_link_look_later(link, HOST_LOOK_ALL);
}

void
host_links_follow_port(HostLinks *links, const Port *port, const Network *network)
{
    HostLink *before = g_hash_table_lookup(links->of_port, port->id), *link;
    const HostPort *known = before ? g_hash_table_lookup(before->ports, port->id) : NULL;

    if (!links->filter)
        return;
    if (!has_access(port, network)) {
        host_links_forget_port(links, port->id);
        return;
    }
    if (known && before->parent.index != port->parent_index)
        follow_parent(before, port->parent_index);
    if (known &&
        (before->parent.index != port->parent_index || !mac_address_equal(&known->mac, &port->mac)))
        host_links_forget_port(links, port->id);
    link = ensure_link(links, port->parent_index, network);
    if (link)
        host_claims_set(link, ensure_port(link, port, network), collect_addresses(link, port));
}

void
host_links_settle(HostLinks *links)
{
    g_autoptr(GList) all = g_hash_table_get_values(links->table);

    links->is_settled = TRUE;
    for (GList *each = all; each; each = each->next) {
        HostLink *link = each->data;

        g_hash_table_remove_all(link->found);
        if (g_hash_table_size(link->ports) == 0)
            remove_link(link);
        else if (link->index)
            host_link_look(link, HOST_LOOK_DEVICE | HOST_LOOK_PATHS);
    }
}

gboolean
host_links_need(const HostLinks *links, int index)
{
    return host_links_find_device(links, index) != NULL;
}

gboolean
host_links_are_there(const HostLinks *links)
{
    return g_hash_table_size(links->table) > 0;
}

void
host_links_swept(HostLinks *links)
{
    links->has_idle = FALSE;
    source_clear(&links->sweep_source);
}

gboolean
host_links_have_idle(const HostLinks *links)
{
    return links->has_idle;
}

/* ---- for display ---- */

static gboolean
serves(HostLink *link, const char *network)
{
    GHashTableIter iter;
    gpointer port;

    g_hash_table_iter_init(&iter, link->ports);
    while (g_hash_table_iter_next(&iter, NULL, &port)) {
        if (g_str_equal(((const HostPort *)port)->network->name, network))
            return TRUE;
    }
    return FALSE;
}

static GStrv
list_addresses(const HostLink *link)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();

    for (guint i = 0; i < link->addresses->len; i++) {
        char text[IP_ADDRESS_TEXT_SIZE];

        ip_address_format(&g_array_index(link->addresses, LinkAddress, i).address, text);
        g_strv_builder_add(builder, text);
    }
    return g_strv_builder_end(builder);
}

static gint
compare_texts(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
view_claims(const HostLink *link, HostLinkView *view)
{
    g_autoptr(GPtrArray) problems = g_ptr_array_new();
    GHashTableIter iter;
    gpointer value;

    if (link->problem)
        g_ptr_array_add(problems, g_strdup(link->problem));
    else if (link->addresses->len == 0)
        g_ptr_array_add(problems, g_strdup_printf("the host has no address on %s, by which guests "
                                                  "could reach it",
                                                  link->parent.name));
    g_hash_table_iter_init(&iter, link->claims);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const HostClaim *claim = value;
        char text[IP_ADDRESS_TEXT_SIZE];

        view->n_routes += claim->path.index != 0;
        if (claim->conflict)
            g_ptr_array_add(problems,
                            g_strdup_printf("the guest of port %s uses %s, but %s",
                                            ((const HostPort *)claim->ports->pdata[0])->name,
                                            ip_address_format(&claim->address, text),
                                            claim->conflict));
    }
    g_ptr_array_sort(problems, compare_texts);
    g_ptr_array_add(problems, NULL);
    view->problems = (GStrv)g_ptr_array_steal(problems, NULL);
}

static gint
compare_views(gconstpointer a, gconstpointer b)
{
    return strcmp((*(const HostLinkView *const *)a)->parent,
                  (*(const HostLinkView *const *)b)->parent);
}

GPtrArray *
host_links_list(const HostLinks *links, const char *network)
{
    GPtrArray *views = g_ptr_array_new_with_free_func(host_link_view_free);
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, links->table);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        HostLink *link = value;
        HostLinkView *view;

        if (!serves(link, network))
            continue;
        view = g_new0(HostLinkView, 1);
        if (link->index)
            g_strlcpy(view->interface, link->name, sizeof(view->interface));
        g_strlcpy(view->parent, link->parent.name, sizeof(view->parent));
        view->addresses = list_addresses(link);
        view_claims(link, view);
        g_ptr_array_add(views, view);
    }
    g_ptr_array_sort(views, compare_views);
    return views;
}
