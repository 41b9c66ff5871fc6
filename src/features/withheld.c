/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Feature: the addresses that a guest with Addresses=dhcp must not be given, whoever says so: those
 * of the host and of its gateways on the ports' parent, Gateway= of its ports' networks, and the
 * leased and listed addresses of its ports. (What other ports have learned, the programs know.) The
 * datapath withholds them by link and address, for all ports alike: a port's own addresses are
 * listed for it and need not be learned. So nothing depends on whose an address is, and only links
 * with a port that learns addresses have any.
 *
 * A port's settings are written only after what concerns it is withheld: for the first port of a
 * link that learns, everything; for each port, its own addresses. That only adds. A review computes
 * the whole list and releases the rest. It follows, when the loop has nothing else to do, whatever
 * may have taken an address away; until then too many are withheld.
 *
 * A review that cannot read something releases nothing, as it cannot tell what has gone, and is
 * repeated on the schedule of repairs. The gateways of a network whose file is removed or becomes
 * invalid are remembered, as its ports live on. After a restart they are unknown, and nothing is
 * released until the network is back: they are among what the earlier daemon withheld.
 *
 * A guest may keep its connection while its port's parent is not here: moved into another network
 * namespace, or, a container's macvlan, removed. What the port must not learn stays under the
 * ifindex that the parent had last. The next hops there cannot be read, so nothing is released
 * meanwhile.
 *
 * Addresses in Reserve= are not withheld: the LAN's DHCP server may well give them. Neither are
 * listed prefixes of more than one address.
 */
#include "feature.h"

#include "source.h"

#include "error.h"

#include <errno.h>

/* The most next hops on all links. */
#define HOPS_MAX 256

/* The state. */
typedef struct Withholding {
    GHashTable *links;    /* ifindexes of the links with a port that learns */
    GArray *hops;         /* of DatapathAddress: next hops that the host had on these links */
    GHashTable *gateways; /* network -> GArray of IpAddress: when it could last be used */
    GSource *source;      /* a review is due */
    GSource *retry;       /* one failed, as did n_failed in a row */
    guint n_failed;
    GError *failure; /* of the last review; NULL: none */
} Withholding;

/* What to withhold, as far as it is known: the host's and gateways' before those of ports. */
typedef struct Places {
    GArray *list;      /* of DatapathAddress */
    GArray *of_ports;  /* likewise: yet to be appended */
    gboolean is_short; /* of the gateways of a network, or of the next hops of a link */
    GError *error;     /* why there is less than there should be: the first failure; NULL: none */
} Places;

static void
places_init(Places *places)
{
    *places = (Places){
        .list = g_array_new(FALSE, FALSE, sizeof(DatapathAddress)),
        .of_ports = g_array_new(FALSE, FALSE, sizeof(DatapathAddress)),
    };
}

static void
places_clear(Places *places)
{
    g_array_unref(places->list);
    g_array_unref(places->of_ports);
    g_clear_error(&places->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Places, places_clear)

/* Where a failure goes. */
static GError **
error_of(Places *places)
{
    return places->error ? NULL : &places->error;
}

int
withheld_link(const Port *port)
{
    return port->parent_index ? port->parent_index : port->last_parent_index;
}

static gboolean
learns(const Port *port)
{
    return port->has_guard && port->guard.addresses == GUARD_ADDRESSES_DHCP &&
           withheld_link(port) != 0;
}

static void
add(GArray *places, int link, const IpAddress *address)
{
    const DatapathAddress place = {link, *address};

    g_array_append_val(places, place);
}

/* What a port was given, and what is listed for it. */
static void
add_port(GArray *places, int link, const Port *port)
{
    const GArray *listed = port->has_guard && port->guard.addresses != GUARD_ADDRESSES_ANY
                               ? port->guard.prefixes
                               : NULL;

    for (guint i = 0; port->addresses && i < port->addresses->len; i++)
        add(places, link, &g_array_index(port->addresses, PortAddress, i).address);
    for (guint i = 0; listed && i < listed->len; i++) {
        const IpPrefix *prefix = &g_array_index(listed, IpPrefix, i);

        if (prefix->prefix_bits == IP_PREFIX_BITS_MAX)
            add(places, link, &prefix->address);
    }
}

static void
note_gateways(FeatureHost *host, const Port *port)
{
    const Withholding *withholding = feature_state(host, &feature_withheld);
    const Network *network = host->ops->network(host, port);

    if (network)
        g_hash_table_insert(withholding->gateways, g_strdup(port->network),
                            network->addresses.gateways
                                ? g_array_copy(network->addresses.gateways)
                                : g_array_new(FALSE, FALSE, sizeof(IpAddress)));
}

static void
add_gateways(FeatureHost *host, Places *places, int link, const Port *port)
{
    const Withholding *withholding = feature_state(host, &feature_withheld);
    const GArray *gateways;

    note_gateways(host, port);
    gateways = g_hash_table_lookup(withholding->gateways, port->network);
    places->is_short |= gateways == NULL;
    for (guint i = 0; gateways && i < gateways->len; i++)
        add(places->list, link, &g_array_index(gateways, IpAddress, i));
}

/* An address of a network is one port's, whatever the parent of a pool. */
static void
add_ports(FeatureHost *host, Places *places, int link)
{
    g_autoptr(GPtrArray) ports = port_table_list(host->ports);
    g_autoptr(GHashTable) networks = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < ports->len; i++) {
        const Port *port = ports->pdata[i];

        if (withheld_link(port) != link)
            continue;
        places->is_short |= port->parent_index == 0 && port->state == PORT_STATE_ACTIVE;
        if (g_hash_table_add(networks, port->network))
            add_gateways(host, places, link, port);
    }
    for (guint i = 0; i < ports->len; i++) {
        const Port *port = ports->pdata[i];

        if (withheld_link(port) == link || g_hash_table_contains(networks, port->network))
            add_port(places->of_ports, link, port);
    }
}

/* The parent that connects this link's addresses to a LAN: the link itself, or the one below if the
 * link is a macvlan of the host. A link that is gone has no addresses. */
static gboolean
find_parent(FeatureHost *host, int index, int *ret_parent, GError **error)
{
    const Withholding *withholding = feature_state(host, &feature_withheld);
    Kernel *kernel = host->kernel;
    g_autoptr(GError) cause = NULL;
    LinkInfo link;

    *ret_parent = index;
    if (g_hash_table_contains(withholding->links, GINT_TO_POINTER(index)))
        return TRUE;
    if (kernel->ops->link_by_index(kernel, index, &link, &cause)) {
        if (link.is_macvlan)
            *ret_parent = link.lower_index;
    } else if (!error_is_errno(cause, ENODEV)) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    return TRUE;
}

/* What the host has on the links. */
static void
add_own(FeatureHost *host, Places *places)
{
    const Withholding *withholding = feature_state(host, &feature_withheld);
    g_autoptr(GArray) own = host->kernel->ops->address_list(host->kernel, error_of(places));

    for (guint i = 0; own && i < own->len; i++) {
        const LinkAddress *each = &g_array_index(own, LinkAddress, i);
        int link;

        if (find_parent(host, each->index, &link, error_of(places)) &&
            g_hash_table_contains(withholding->links, GINT_TO_POINTER(link)))
            add(places->list, link, &each->address);
    }
}

static gboolean
has_hop(const Withholding *withholding, int link, const IpAddress *address)
{
    for (guint i = 0; i < withholding->hops->len; i++) {
        const DatapathAddress *hop = &g_array_index(withholding->hops, DatapathAddress, i);

        if (hop->link == link && ip_address_equal(&hop->address, address))
            return TRUE;
    }
    return FALSE;
}

/* A next hop stays withheld when its route goes: that may come back, and nothing tells us. */
static void
add_next_hops(FeatureHost *host, Places *places, int link)
{
    const Withholding *withholding = feature_state(host, &feature_withheld);
    Kernel *kernel = host->kernel;
    g_autoptr(GArray) hops = kernel->ops->gateway_list(kernel, link, error_of(places));

    for (guint i = 0; hops && i < hops->len; i++) {
        const IpAddress *hop = &g_array_index(hops, IpAddress, i);

        if (withholding->hops->len < HOPS_MAX && !has_hop(withholding, link, hop))
            add(withholding->hops, link, hop);
    }
    for (guint i = 0; i < withholding->hops->len; i++) {
        const DatapathAddress *hop = &g_array_index(withholding->hops, DatapathAddress, i);

        if (hop->link == link)
            add(places->list, link, &hop->address);
    }
}

/* ---- the review ---- */

static void
note_link(Port *port, gpointer withholding)
{
    if (learns(port))
        g_hash_table_add(((Withholding *)withholding)->links, GINT_TO_POINTER(withheld_link(port)));
}

static void
add_all(FeatureHost *host, Places *places)
{
    const Withholding *withholding = feature_state(host, &feature_withheld);
    GHashTableIter iter;
    gpointer link;

    if (g_hash_table_size(withholding->links) > 0)
        add_own(host, places);
    g_hash_table_iter_init(&iter, withholding->links);
    while (g_hash_table_iter_next(&iter, &link, NULL)) {
        add_next_hops(host, places, GPOINTER_TO_INT(link));
        add_ports(host, places, GPOINTER_TO_INT(link));
    }
}

static gboolean
withhold(FeatureHost *host, Places *places, gboolean is_all, GError **error)
{
    g_array_append_vals(places->list, places->of_ports->data, places->of_ports->len);
    g_array_set_size(places->of_ports, 0);
    return host->datapath->ops->withhold(host->datapath,
                                         (const DatapathAddress *)places->list->data,
                                         places->list->len, is_all, error);
}

/* releases: and releases what no longer needs to be withheld, if all is known that does. On failure
 * what is known is withheld. */
static gboolean
withhold_all(FeatureHost *host, gboolean releases, GError **error)
{
    g_auto(Places) places;

    places_init(&places);
    add_all(host, &places);
    if (!withhold(host, &places, releases && !places.is_short && !places.error, error))
        return FALSE;
    if (!places.error)
        return TRUE;
    g_propagate_prefixed_error(error, g_steal_pointer(&places.error),
                               "cannot find out which addresses to withhold from guests: ");
    return FALSE;
}

static void review(FeatureHost *host);

static gboolean
on_due(gpointer user_data)
{
    review(user_data);
    return G_SOURCE_REMOVE;
}

/* Until then nothing is released, and what is new of the host's may not be withheld. */
static void
review_again(FeatureHost *host, const GError *cause)
{
    Withholding *withholding = feature_state(host, &feature_withheld);

    if (++withholding->n_failed >= host->n_repair_delays) {
        g_warning("%s (tried %u times; reload macvtapd to try again)", cause->message,
                  withholding->n_failed);
        withholding->n_failed = 0;
        return;
    }
    if (withholding->n_failed == 1)
        g_warning("%s", cause->message);
    withholding->retry = source_add_timeout(host->repair_delays[withholding->n_failed], on_due,
                                            host, "withheld addresses again");
}

static void
review(FeatureHost *host)
{
    Withholding *withholding = feature_state(host, &feature_withheld);

    source_clear(&withholding->source);
    source_clear(&withholding->retry);
    g_clear_error(&withholding->failure);
    g_hash_table_remove_all(withholding->links);
    port_table_foreach(host->ports, note_link, withholding);
    if (g_hash_table_size(withholding->links) == 0)
        g_array_set_size(withholding->hops, 0);
    if (withhold_all(host, TRUE, &withholding->failure))
        withholding->n_failed = 0;
    else
        review_again(host, withholding->failure);
}

static void
review_later(FeatureHost *host)
{
    Withholding *withholding = feature_state(host, &feature_withheld);

    if (host->datapath && !withholding->source && g_hash_table_size(withholding->links) > 0)
        withholding->source = source_add_idle(on_due, host, "withheld addresses");
}

/* ---- one port ---- */

static gboolean
follow_port(FeatureHost *host, const Port *port, GError **error)
{
    const Withholding *withholding = feature_state(host, &feature_withheld);
    gpointer link = GINT_TO_POINTER(withheld_link(port));
    g_auto(Places) places;

    places_init(&places);
    if (learns(port) && g_hash_table_add(withholding->links, link) &&
        !withhold_all(host, FALSE, error)) {
        g_hash_table_remove(withholding->links, link);
        return FALSE;
    }
    if (!g_hash_table_contains(withholding->links, link)) {
        note_gateways(host, port); /* for when another port of the link learns */
        return TRUE;
    }
    add_gateways(host, &places, withheld_link(port), port);
    add_port(places.of_ports, withheld_link(port), port);
    return withhold(host, &places, FALSE, error);
}

gboolean
withheld_follow_port(FeatureHost *host, const Port *port, GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (follow_port(host, port, &cause))
        return TRUE;
    if (error_is_errno(cause, E2BIG))
        g_prefix_error(&cause, "too many addresses on %s: ", port->parent);
    g_propagate_error(error, g_steal_pointer(&cause));
    return FALSE;
}

void
withheld_on_address(FeatureHost *host, int index)
{
    const Withholding *withholding = feature_state(host, &feature_withheld);
    int parent;

    if (g_hash_table_size(withholding->links) > 0 &&
        (!find_parent(host, index, &parent, NULL) ||
         g_hash_table_contains(withholding->links, GINT_TO_POINTER(parent))))
        review_later(host);
}

/* Its addresses on the other parents of its network's pool. */
static gboolean
withheld_attach(FeatureHost *host, NewPort *new, const LinkInfo *device, GError **error)
{
    if (new->port->addresses &&new->network->parents &&new->network->parents[0] &&
        new->network->parents[1])
        review_later(host);
    return TRUE;
}

static gboolean
withheld_change(FeatureHost *host, const Caller *caller, Port *port, const PortChange *change,
                GError **error)
{
    if (change->guard.is_given)
        review_later(host);
    return TRUE;
}

static gboolean
withheld_on_network(FeatureHost *host, Port *port, const Network *network)
{
    review_later(host);
    return FALSE;
}

static gboolean
withheld_on_parent(FeatureHost *host, Port *port, const LinkInfo *parent)
{
    review_later(host);
    return FALSE;
}

static void
withheld_on_new_parent(FeatureHost *host, Port *port, int before)
{
    review_later(host);
}

static void
withheld_detach(FeatureHost *host, const Port *port)
{
    review_later(host);
}

/* ---- from start to end ---- */

static gboolean
withheld_start(FeatureHost *host, gpointer *ret_state, GError **error)
{
    Withholding *withholding = g_new0(Withholding, 1);

    withholding->links = g_hash_table_new(NULL, NULL);
    withholding->hops = g_array_new(FALSE, FALSE, sizeof(DatapathAddress));
    withholding->gateways =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_array_unref);
    *ret_state = withholding;
    return TRUE;
}

static void
withheld_stop(gpointer state)
{
    Withholding *withholding = state;

    if (!withholding)
        return;
    source_clear(&withholding->source);
    source_clear(&withholding->retry);
    g_clear_error(&withholding->failure);
    g_hash_table_unref(withholding->gateways);
    g_hash_table_unref(withholding->links);
    g_array_unref(withholding->hops);
    g_free(withholding);
}

static void
withheld_list_faults(FeatureHost *host, GPtrArray *faults)
{
    const Withholding *withholding = feature_state(host, &feature_withheld);
    const GError *failure = withholding->failure;

    if (!failure)
        return;
    g_ptr_array_add(
        faults, fault_new("address-not-withheld", g_strdup("macvtapd"),
                          g_strdup_printf("%s; guests on networks with Addresses=dhcp may get "
                                          "addresses of the host, of gateways or of other ports",
                                          failure->message),
                          g_strdup(error_is_errno(failure, E2BIG)
                                       ? "give the host and the ports on the parents of these "
                                         "networks fewer addresses"
                                       : "if this stays, remove its cause and reload macvtapd")));
}

static void
withheld_loaded(FeatureHost *host)
{
    if (host->datapath)
        review(host);
}

const PortFeature feature_withheld = {
    .name = "withheld addresses",
    .start = withheld_start,
    .stop = withheld_stop,
    .loaded = withheld_loaded,
    .attach = withheld_attach,
    .on_network = withheld_on_network,
    .on_parent = withheld_on_parent,
    .on_new_parent = withheld_on_new_parent,
    .change = withheld_change,
    .detach = withheld_detach,
    .list_faults = withheld_list_faults,
};
