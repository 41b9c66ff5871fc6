/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * What a guest was seen to use is a claim: with a route for every claim, a guest that claims the
 * gateway or a server of the LAN gets what the host sends them. So a seen address gets a route only
 * if it lies in a prefix that the host has on the parent, and nobody else has it: neither the host
 * nor a next hop, another port, or a station that the host knows as a neighbour, that answers when
 * asked, or that is heard later. If another station turns out to have it, the route is removed,
 * because the other may be the rightful owner, and the conflict is reported. Leased and listed
 * addresses come from the network and need no proof.
 *
 * host_claim_decide() says which port's guest the host reaches by an address; everything that could
 * change its answer leads to it, and apply() brings the kernel and the filter there.
 */
#include "host-link-private.h"

#include "error.h"

#include <errno.h>
#include <string.h>

void
host_claim_free(gpointer data)
{
    HostClaim *claim = data;

    g_ptr_array_unref(claim->ports);
    g_free(claim->conflict);
    g_free(claim);
}

/* ---- what an address is ---- */

static gboolean
is_at_the_edge(const LinkAddress *prefix, const IpAddress *address)
{
    gboolean zeroes = TRUE, ones = TRUE;

    if (!ip_address_is_ipv4(address) || prefix->bits >= 127)
        return FALSE;
    for (guint bit = prefix->bits; bit < 128; bit++) {
        gboolean is_set = (address->bytes[bit / 8] >> (7 - bit % 8) & 1) != 0;

        zeroes &= !is_set;
        ones &= is_set;
    }
    return zeroes || ones;
}

static gboolean
have_same_prefix(const LinkAddress *prefix, const IpAddress *address)
{
    guint whole = prefix->bits / 8, rest = prefix->bits % 8;

    return ip_address_is_ipv4(&prefix->address) == ip_address_is_ipv4(address) &&
           memcmp(prefix->address.bytes, address->bytes, whole) == 0 &&
           (rest == 0 || (prefix->address.bytes[whole] ^ address->bytes[whole]) >> (8 - rest) == 0);
}

const LinkAddress *
host_link_find_prefix(const HostLink *link, const IpAddress *address)
{
    for (guint i = 0; i < link->addresses->len; i++) {
        const LinkAddress *prefix = &g_array_index(link->addresses, LinkAddress, i);

        if (prefix->bits < 128 && !prefix->is_temporary && have_same_prefix(prefix, address) &&
            !is_at_the_edge(prefix, address))
            return prefix;
    }
    return NULL;
}

/* The host's address that it uses towards a guest with this one; NULL: it has none of the family.
 */
static const IpAddress *
choose_source(const HostLink *link, const IpAddress *address)
{
    const LinkAddress *prefix = host_link_find_prefix(link, address);

    for (guint i = 0; !prefix && i < link->addresses->len; i++) {
        const LinkAddress *any = &g_array_index(link->addresses, LinkAddress, i);

        if (!any->is_temporary && ip_address_is_ipv4(&any->address) == ip_address_is_ipv4(address))
            prefix = any;
    }
    return prefix ? &prefix->address : NULL;
}

static gboolean
is_own(const HostLink *link, const IpAddress *address)
{
    const GArray *own = link->links->own;

    for (guint i = 0; i < own->len; i++) {
        if (ip_address_equal(&g_array_index(own, LinkAddress, i).address, address))
            return TRUE;
    }
    return FALSE;
}

static gboolean
is_in(const GArray *list, const IpAddress *address)
{
    for (guint i = 0; list && i < list->len; i++) {
        if (ip_address_equal(&g_array_index(list, IpAddress, i), address))
            return TRUE;
    }
    return FALSE;
}

/* What the port's network says of the address; NULL: nothing. */
static const char *
find_role(const HostPort *port, const IpAddress *address)
{
    const AddressSettings *settings = &port->network->addresses;

    if (is_in(settings->gateways, address))
        return "it is the gateway's (Gateway=)";
    if (is_in(settings->dns, address))
        return "it is a DNS server's (DNS=)";
    for (guint i = 0; settings->reserved && i < settings->reserved->len; i++) {
        if (ip_range_contains(&g_array_index(settings->reserved, IpRange, i), address))
            return "it is reserved (Reserve=)";
    }
    return NULL;
}

static gboolean
is_given(const HostPort *port, const IpAddress *address)
{
    for (guint i = 0; i < port->addresses->len; i++) {
        const HostPortAddress *each = &g_array_index(port->addresses, HostPortAddress, i);

        if (ip_address_equal(&each->address, address))
            return each->is_given;
    }
    return FALSE;
}

/* ---- the decision ---- */

/* Asks the LAN; the answer leads to another review of the claim. */
static void on_station(int index, const IpAddress *address, const MacAddress *mac,
                       gpointer user_data);

static void
ask_stations(HostLink *link, HostClaim *claim)
{
    HostLinks *links = link->links;
    g_autoptr(GError) error = NULL;

    if (claim->is_asking)
        return;
    claim->is_asking = links->kernel->ops->station_probe(
        links->kernel, &link->parent, &claim->address, on_station, links, &error);
    if (claim->is_asking)
        return;
    link->unfinished |= HOST_LOOK_PATHS;
    g_warning("host link %s: %s", link->name, error->message);
}

static void
look_at_neighbours(HostLink *link, HostClaim *claim)
{
    HostLinks *links = link->links;
    const HostPort *port = claim->ports->pdata[0];
    MacAddress mac;

    if (claim->is_known)
        return;
    claim->is_known = links->kernel->ops->neighbour_look(links->kernel, link->parent.index,
                                                         &claim->address, &mac, NULL);
    if (!claim->is_known)
        link->unfinished |= HOST_LOOK_PATHS;
    if (!claim->is_known || mac_address_is_zero(&mac) || mac_address_equal(&mac, &port->mac))
        return;
    claim->station = mac;
    claim->is_asked = FALSE;
}

static char *
say_station(const HostClaim *claim)
{
    char mac[MAC_ADDRESS_TEXT_SIZE];

    return g_strdup_printf("the station %s has it too", mac_address_format(&claim->station, mac));
}

/* Whether a seen address is its port's alone; *ret_conflict says what is in the way, if anything
 * is. */
static gboolean
is_undisputed(HostLink *link, HostClaim *claim, char **ret_conflict)
{
    const char *role = find_role(claim->ports->pdata[0], &claim->address);

    if (!host_link_find_prefix(link, &claim->address))
        return FALSE;
    if (is_own(link, &claim->address)) {
        *ret_conflict = g_strdup("it is the host's own");
        return FALSE;
    }
    if (is_in(link->gateways, &claim->address))
        role = "it is a gateway's";
    if (role) {
        *ret_conflict = g_strdup(role);
        return FALSE;
    }
    look_at_neighbours(link, claim);
    if (!mac_address_is_zero(&claim->station)) {
        *ret_conflict = say_station(claim);
        return FALSE;
    }
    if (!claim->is_asked)
        ask_stations(link, claim);
    return claim->is_known && claim->is_asked;
}

/* The only one of these that the claim's ports are, given or not; NULL: none, or several. */
static HostPort *
find_only(const HostClaim *claim, gboolean given, guint *ret_n)
{
    HostPort *only = NULL;

    *ret_n = 0;
    for (guint i = 0; i < claim->ports->len; i++) {
        if (is_given(claim->ports->pdata[i], &claim->address) != given)
            continue;
        only = claim->ports->pdata[i];
        ++*ret_n;
    }
    return *ret_n == 1 ? only : NULL;
}

static char *
say_ports(const HostClaim *claim)
{
    const char *first = ((const HostPort *)claim->ports->pdata[0])->name;
    const char *second = ((const HostPort *)claim->ports->pdata[1])->name;
    gboolean is_sorted = strcmp(first, second) < 0;

    return g_strdup_printf("ports %s and %s both have it", is_sorted ? first : second,
                           is_sorted ? second : first);
}

/* The port whose guest the host reaches by this address; NULL: none, with *ret_conflict if that is
 * because someone else has it, too. */
static HostPort *
host_claim_decide(HostLink *link, HostClaim *claim, char **ret_conflict)
{
    guint n_given, n_seen;
    HostPort *given = find_only(claim, TRUE, &n_given), *seen = find_only(claim, FALSE, &n_seen);

    if (n_given > 1 || (n_given == 0 && n_seen > 1)) {
        *ret_conflict = say_ports(claim);
        return NULL;
    }
    if (given) {
        if (n_seen > 0)
            *ret_conflict = g_strdup_printf("it belongs to port %s", given->name);
        return is_own(link, &claim->address) ? NULL : given;
    }
    return seen && is_undisputed(link, claim, ret_conflict) ? seen : NULL;
}

/* ---- bringing it about ---- */

static void
tell_conflict(HostLink *link, HostClaim *claim, char *take_conflict)
{
    char text[IP_ADDRESS_TEXT_SIZE];
    gboolean is_news = g_strcmp0(claim->conflict, take_conflict) != 0;

    g_free(claim->conflict);
    claim->conflict = take_conflict;
    if (!is_news || !take_conflict)
        return;
    for (guint i = 0; i < claim->ports->len; i++) {
        HostPort *port = claim->ports->pdata[i];
        gboolean has_path = claim->path.index && mac_address_equal(&claim->path.mac, &port->mac);

        if (has_path || port->n_told++ >= HOST_MESSAGES_MAX)
            continue;
        g_warning("port %s: its guest uses %s, but %s: the host has no route to it by that address",
                  port->name, ip_address_format(&claim->address, text), take_conflict);
    }
}

static gboolean
equals_path(const HostPath *a, const HostPath *b)
{
    return a->index == b->index && ip_address_equal(&a->address, &b->address) &&
           ip_address_equal(&a->source, &b->source) && mac_address_equal(&a->mac, &b->mac);
}

/* Writes the port's entry: it may speak from the addresses to which there is a path. */
static void
permit_port(HostLink *link, HostPort *port)
{
    HostFilter *filter = link->links->filter;
    IpAddress addresses[HOST_PORT_ADDRESSES];
    g_autoptr(GError) error = NULL;
    gsize n = 0;

    for (guint i = 0; i < port->addresses->len; i++) {
        const IpAddress *address = &g_array_index(port->addresses, HostPortAddress, i).address;
        const HostClaim *claim = g_hash_table_lookup(link->claims, address);

        if (claim && claim->path.index && mac_address_equal(&claim->path.mac, &port->mac))
            addresses[n++] = *address;
    }
    if (link->index &&
        !filter->ops->set_port(filter, link->index, &port->mac, addresses, n, &error) &&
        port->n_told++ < HOST_MESSAGES_MAX)
        g_warning("port %s: %s", port->name, error->message);
}

/* A route that is right stays while its neighbour entry is put right: without it, packets would go
 * to the parent. */
static void
set_path(HostLink *link, HostClaim *claim, const HostPath *wanted)
{
    Kernel *kernel = link->links->kernel;
    gboolean has_route = claim->path.index && claim->path.index == wanted->index &&
                         ip_address_equal(&claim->path.source, &wanted->source);
    g_autoptr(GError) error = NULL;

    if (claim->path.index && !has_route)
        kernel->ops->path_remove(kernel, &claim->path, 1, NULL);
    claim->path = (HostPath){0};
    if (wanted->index == 0)
        return;
    if (kernel->ops->path_add(kernel, wanted, 1, &error) ||
        (has_route && error_is_errno(error, EEXIST))) {
        claim->path = *wanted;
        return;
    }
    kernel->ops->path_remove(kernel, wanted, 1, NULL);
    link->unfinished |= HOST_LOOK_PATHS;
    g_warning("host link %s: %s", link->name, error->message);
}

static void
apply(HostLink *link, HostClaim *claim)
{
    HostPath wanted = {0};
    char *conflict = NULL;
    const HostPort *port = claim->ports->len > 0 ? host_claim_decide(link, claim, &conflict) : NULL;
    const IpAddress *source = port ? choose_source(link, &claim->address) : NULL;

    if (link->index && source) {
        wanted = (HostPath){
            .index = link->index, .address = claim->address, .source = *source, .mac = port->mac};
    }
    if (!equals_path(&wanted, &claim->path) && (wanted.index || claim->path.index)) {
        set_path(link, claim, &wanted);
        for (guint i = 0; i < claim->ports->len; i++)
            permit_port(link, claim->ports->pdata[i]);
    }
    tell_conflict(link, claim, conflict);
}

/* ---- a port's addresses ---- */

/* A path that an earlier daemon made proves that it found no other station with the address. */
static void
take_found(HostLink *link, HostClaim *claim, const HostPort *port)
{
    const HostPath *found = g_hash_table_lookup(link->found, &claim->address);

    if (!found || !mac_address_equal(&found->mac, &port->mac))
        return;
    claim->is_asked = TRUE;
    claim->path = *found;
    g_hash_table_remove(link->found, &claim->address);
}

static HostClaim *
ensure_claim(HostLink *link, const IpAddress *address, HostPort *port)
{
    HostFilter *filter = link->links->filter;
    HostClaim *claim = g_hash_table_lookup(link->claims, address);
    g_autoptr(GError) error = NULL;

    if (claim)
        return claim;
    claim = g_new0(HostClaim, 1);
    claim->address = *address;
    claim->ports = g_ptr_array_new();
    g_hash_table_insert(link->claims, &claim->address, claim);
    take_found(link, claim, port);
    if (link->index && !filter->ops->set_claim(filter, link->index, address, &error) &&
        port->n_told++ < HOST_MESSAGES_MAX)
        g_warning("host link %s: %s", link->name, error->message);
    return claim;
}

static void
leave_claim(HostLink *link, HostPort *port, const IpAddress *address)
{
    HostFilter *filter = link->links->filter;
    HostClaim *claim = g_hash_table_lookup(link->claims, address);

    if (!claim)
        return;
    g_ptr_array_remove(claim->ports, port);
    apply(link, claim);
    if (claim->ports->len > 0)
        return;
    if (link->index)
        filter->ops->forget_claim(filter, link->index, address);
    g_hash_table_remove(link->claims, address);
}

static gboolean
has(const GArray *addresses, const IpAddress *address)
{
    for (guint i = 0; addresses && i < addresses->len; i++) {
        if (ip_address_equal(&g_array_index(addresses, HostPortAddress, i).address, address))
            return TRUE;
    }
    return FALSE;
}

/* Replaces the port's addresses by these (of HostPortAddress), which are taken. */
void
host_claims_set(HostLink *link, HostPort *port, GArray *addresses)
{
    g_autoptr(GArray) before = port->addresses;

    port->addresses = addresses;
    for (guint i = 0; before && i < before->len; i++) {
        const IpAddress *address = &g_array_index(before, HostPortAddress, i).address;

        if (!has(addresses, address))
            leave_claim(link, port, address);
    }
    for (guint i = 0; i < addresses->len; i++) {
        const IpAddress *address = &g_array_index(addresses, HostPortAddress, i).address;
        HostClaim *claim = ensure_claim(link, address, port);

        if (!g_ptr_array_find(claim->ports, port, NULL))
            g_ptr_array_add(claim->ports, port);
        apply(link, claim);
    }
    permit_port(link, port);
}

void
host_claims_review(HostLink *link)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, link->claims);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        apply(link, value);
}

/* ---- stations ---- */

/* Meanwhile no station could answer or be heard. A route stays until one answers. */
void
host_claims_ask_again(HostLink *link)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, link->claims);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        if (((HostClaim *)value)->is_asked)
            ask_stations(link, value);
    }
}

static gboolean
is_of_a_port(const HostLink *link, const MacAddress *mac)
{
    GHashTableIter iter;
    gpointer port;

    g_hash_table_iter_init(&iter, link->ports);
    while (g_hash_table_iter_next(&iter, NULL, &port)) {
        if (mac_address_equal(&((const HostPort *)port)->mac, mac))
            return TRUE;
    }
    return FALSE;
}

/* FALSE: it is the guest of a port. */
static gboolean
note_station(HostLink *link, HostClaim *claim, const MacAddress *mac)
{
    if (is_of_a_port(link, mac))
        return FALSE;
    claim->station = *mac;
    claim->is_asked = FALSE;
    apply(link, claim);
    return TRUE;
}

/* StationHandler */
static void
on_station(int index, const IpAddress *address, const MacAddress *mac, gpointer user_data)
{
    HostLinks *links = user_data;
    HostLink *link = g_hash_table_lookup(links->table, GINT_TO_POINTER(index));
    HostClaim *claim = link ? g_hash_table_lookup(link->claims, address) : NULL;

    if (!claim)
        return;
    claim->is_asking = FALSE;
    claim->is_asked = mac_address_is_zero(&claim->station); /* one may have been heard meanwhile */
    if (!mac || !note_station(link, claim, mac))
        apply(link, claim);
}

/* Has the filter tell of the next station that has the address. */
static void
listen_again(const HostLink *link, const HostClaim *claim)
{
    HostFilter *filter = link->links->filter;

    if (link->index)
        filter->ops->set_claim(filter, link->index, &claim->address, NULL);
}

void
host_claims_on_heard(HostLink *link, const IpAddress *address, const MacAddress *mac)
{
    HostClaim *claim = g_hash_table_lookup(link->claims, address);

    if (claim && !note_station(link, claim, mac))
        listen_again(link, claim);
}

/* The next decision asks the stations again. */
static void
forget_station(HostLink *link, HostClaim *claim)
{
    claim->station = (MacAddress){{0}};
    listen_again(link, claim);
}

/* The host has come to know the neighbour on the parent, or to know it no longer: then the stations
 * are asked again. */
void
host_claims_on_neighbour(HostLink *link, const RoutingChange *change)
{
    HostClaim *claim = g_hash_table_lookup(link->claims, &change->address);

    if (!claim)
        return;
    if (!mac_address_is_zero(&change->mac)) {
        note_station(link, claim, &change->mac);
    } else if (!mac_address_is_zero(&claim->station)) {
        forget_station(link, claim);
        apply(link, claim);
    }
}

/* A route stays meanwhile: no station has answered a probe, and the filter tells of any that is
 * heard. */
void
host_claims_on_loss(HostLink *link)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, link->claims);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        HostClaim *claim = value;

        claim->is_known = FALSE;
        if (!mac_address_is_zero(&claim->station))
            forget_station(link, claim);
    }
}

void
host_claims_on_new_parent(HostLink *link)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, link->claims);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        ((HostClaim *)value)->is_asking = FALSE;
    host_claims_on_loss(link);
    host_claims_ask_again(link);
}
