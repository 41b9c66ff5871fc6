/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Feature: the addresses that a port is given ([Addresses] of its network, or handed in by root).
 * They are chosen with the rest of the port, so they are in its record before there is a device,
 * and free again when the record is: no other state is kept, and a crash leaves none. What a port
 * gets derives from its name, so it gets the same again if that is free (see addresses-choice.c).
 *
 * Stations of the LAN may have addresses of a network's range, too. Those that are heard are
 * reported as faults, and ports without a name do not get them; that holds for at most a quarter of
 * a range, so that a station cannot exhaust it.
 *
 * An address is one port's on its whole link: in its network, whatever the parent of a pool, and in
 * every network on the same parent (and VLAN). Requests are handled one after the other, and a port
 * is in the table before the next is decided, so no two get the same address.
 */
#include "feature.h"

#include "port-error.h"

/* The most stations that are remembered, and for how long, in microseconds. */
#define STATIONS_MAX 4096
#define STATION_AGE_MAX (24 * 3600 * G_TIME_SPAN_SECOND)

/* The most faults that are listed. */
#define FAULTS_MAX 16

/* At most a quarter of a pool is passed over. */
#define PASSED_SHARE 4

/* A station other than our ports that was heard to use an address. */
typedef struct Station {
    int index; /* of the link */
    IpAddress address;
    MacAddress mac;
    gint64 heard; /* g_get_monotonic_time() */
} Station;

/* The state. */
typedef struct Leases {
    GHashTable *stations; /* set of Station, by index and address */
    gboolean is_listening;
} Leases;

/* A new port and the link it will be on. */
typedef struct Place {
    FeatureHost *host;
    const NewPort *new;
    const LinkInfo *parent;
    GArray *own; /* of LinkAddress: the host's; NULL: they could not be read */
    guint n_passed, most_passed;
} Place;

static gboolean
is_on_link(const Port *port, const Place *place)
{
    return g_str_equal(port->network, place->new->network->name) ||
           (port->parent_index != 0 && port->parent_index == place->parent->index);
}

/* The port that has the address there, or NULL. */
static const Port *
find_holder(const Place *place, const IpAddress *address)
{
    const GSList *ports = port_table_find_address(place->host->ports, address);

    while (ports && !is_on_link(ports->data, place))
        ports = ports->next;
    return ports ? ports->data : NULL;
}

static gboolean
is_hosts(const Place *place, const IpAddress *address)
{
    for (guint i = 0; place->own && i < place->own->len; i++) {
        if (ip_address_equal(&g_array_index(place->own, LinkAddress, i).address, address))
            return TRUE;
    }
    return FALSE;
}

static const Station *
find_station(FeatureHost *host, int index, const IpAddress *address)
{
    const Leases *leases = feature_state(host, &feature_lease);
    const Station *station =
        g_hash_table_lookup(leases->stations, &(Station){.index = index, .address = *address});

    return station && g_get_monotonic_time() - station->heard < STATION_AGE_MAX ? station : NULL;
}

/* A port with a name gets its address whatever is said on the wire, where anybody can say it. */
static gboolean
is_passed_over(Place *place, const IpAddress *address)
{
    if (place->new->origin.name || place->n_passed >= place->most_passed ||
        !find_station(place->host, place->parent->index, address))
        return FALSE;
    place->n_passed++;
    return TRUE;
}

/* AddressTaken */
static gboolean
is_taken(const IpAddress *address, gpointer user_data)
{
    Place *place = user_data;

    return find_holder(place, address) || is_hosts(place, address) ||
           is_passed_over(place, address);
}

static gboolean
check_free(const Place *place, const IpAddress *address, GError **error)
{
    const Port *holder = find_holder(place, address);
    char text[IP_ADDRESS_TEXT_SIZE];

    ip_address_format(address, text);
    if (is_hosts(place, address))
        return port_error_set(error, PORT_ERROR_ADDRESS_CONFLICT, "address %s is the host's own",
                              text);
    return !holder || port_error_set(error, PORT_ERROR_ADDRESS_CONFLICT,
                                     "address %s belongs to port %s of network %s", text,
                                     holder->name, holder->network);
}

/* How many addresses of the network's pool stations on the link use; 0 for a port with a name,
 * which does not care. */
static guint
count_stations(const Place *place, AddressFamily family)
{
    const Leases *leases = feature_state(place->host, &feature_lease);
    GHashTableIter iter;
    gpointer key;
    guint n = 0;

    if (place->new->origin.name)
        return 0;
    g_hash_table_iter_init(&iter, leases->stations);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        const Station *station = key;

        n += station->index == place->parent->index &&
             address_family(&station->address) == family &&
             addresses_pool_has(&place->new->network->addresses, &station->address);
    }
    return n;
}

/* If stations claim more than their share, somebody is lying: then some of the addresses are passed
 * over, but never the last ones. */
static gboolean
choose_address(Place *place, AddressFamily family, IpAddress *ret_address, GError **error)
{
    const AddressSettings *settings = &place->new->network->addresses;
    const char *network = place->new->network->name;
    guint n_stations = count_stations(place, family);
    guint share = (guint)MIN(addresses_pool_size(settings, family) / PASSED_SHARE, STATIONS_MAX);
    guint n_taken = port_table_count_addresses(place->host->ports) + n_stations +
                    (place->own ? place->own->len : 0);

    place->n_passed = 0;
    place->most_passed = n_stations <= share ? G_MAXUINT : share;
    if (addresses_choose(settings, network, family, &place->new->origin, n_taken, is_taken, place,
                         ret_address, n_stations <= share ? error : NULL))
        return TRUE;
    place->most_passed = 0;
    return n_stations > share && addresses_choose(settings, network, family, &place->new->origin,
                                                  n_taken, is_taken, place, ret_address, error);
}

/* Adds an address of this family unless the caller has asked for one. */
static gboolean
choose_one(Place *place, AddressFamily family, GArray *addresses, GError **error)
{
    const IpPrefix *subnet = addresses_subnet(&place->new->network->addresses, family);
    PortAddress chosen;

    if (!subnet || port_addresses_find(addresses, family))
        return TRUE;
    if (!choose_address(place, family, &chosen.address, error))
        return FALSE;
    chosen.bits = ip_prefix_length(subnet);
    g_array_append_val(addresses, chosen);
    return TRUE;
}

static gboolean
lease_choose(FeatureHost *host, NewPort *new, const LinkInfo *parent, GError **error)
{
    g_autoptr(GArray) addresses =
        policy_asked_addresses(new->network, new->caller, new->request, error);
    g_autoptr(GArray) own = NULL;
    Place place = {.host = host, .new = new, .parent = parent};

    if (!addresses)
        return FALSE;
    if (addresses->len == 0 && !new->network->addresses.is_given)
        return TRUE;
    place.own = own = host->kernel->ops->address_recall(host->kernel, NULL);
    for (guint i = 0; i < addresses->len; i++) {
        if (!check_free(&place, &g_array_index(addresses, PortAddress, i).address, error))
            return FALSE;
    }
    for (AddressFamily family = 0; family < ADDRESS_FAMILIES; family++) {
        if (!choose_one(&place, family, addresses, error))
            return FALSE;
    }
    new->port->is_leased = new->network->addresses.is_given;
    new->port->is_in_range =
        new->port->is_leased &&addresses_are_in_pool(&new->network->addresses, addresses);
    if (addresses->len > 0)
        new->port->addresses = g_steal_pointer(&addresses);
    return TRUE;
}

/* ---- stations ---- */

static guint
station_hash(gconstpointer key)
{
    const Station *station = key;

    return ip_address_hash(&station->address) ^ (guint)station->index;
}

static gboolean
station_equal(gconstpointer a, gconstpointer b)
{
    const Station *one = a, *other = b;

    return one->index == other->index && ip_address_equal(&one->address, &other->address);
}

static gboolean
is_old(gpointer key, gpointer value, gpointer user_data)
{
    return *(const gint64 *)user_data - ((const Station *)key)->heard >= STATION_AGE_MAX;
}

/* Whether there is room for another one. */
static gboolean
make_room(Leases *leases, gint64 now)
{
    if (g_hash_table_size(leases->stations) >= STATIONS_MAX)
        g_hash_table_foreach_remove(leases->stations, is_old, &now);
    return g_hash_table_size(leases->stations) < STATIONS_MAX;
}

/* The port on the link that has the address, or NULL. */
static const Port *
find_owner(const FeatureHost *host, const Station *station)
{
    const GSList *ports = port_table_find_address(host->ports, &station->address);

    while (ports && ((const Port *)ports->data)->parent_index != station->index)
        ports = ports->next;
    return ports ? ports->data : NULL;
}

static void
warn_of_station(const FeatureHost *host, const Station *station)
{
    const Port *port = find_owner(host, station);
    char address[IP_ADDRESS_TEXT_SIZE], mac[MAC_ADDRESS_TEXT_SIZE];

    if (port)
        g_warning("port %s: a station on %s with MAC %s uses its address %s, too; further frames "
                  "are not logged",
                  port->name, port->parent, mac_address_format(&station->mac, mac),
                  ip_address_format(&station->address, address));
}

/* ClaimHandler. What our own guests say is no news. */
static void
on_claim(int index, const IpAddress *address, const MacAddress *mac, gpointer user_data)
{
    FeatureHost *host = user_data;
    Leases *leases = feature_state(host, &feature_lease);
    Station heard = {index, *address, *mac, g_get_monotonic_time()};
    Station *known = g_hash_table_lookup(leases->stations, &heard);

    if (port_table_find_mac(host->ports, mac))
        return;
    if (known) {
        *known = heard;
    } else if ((host->ops->giver(host, address, index) || find_owner(host, &heard)) &&
               make_room(leases, heard.heard)) {
        g_hash_table_add(leases->stations, g_memdup2(&heard, sizeof heard));
        warn_of_station(host, &heard);
    }
}

/* Without a network that gives addresses nothing is heard. */
static void
lease_sweep(FeatureHost *host)
{
    Leases *leases = feature_state(host, &feature_lease);
    g_autoptr(GError) error = NULL;

    if (leases->is_listening || !host->ops->giver(host, NULL, 0))
        return;
    leases->is_listening = host->kernel->ops->watch_claims(host->kernel, on_claim, host, &error);
    if (!leases->is_listening)
        g_warning("%s", error->message);
}

static Fault *
fault_of(FeatureHost *host, const Station *station)
{
    const Port *port = find_owner(host, station);
    const Network *network = host->ops->giver(host, &station->address, station->index);
    char address[IP_ADDRESS_TEXT_SIZE], mac[MAC_ADDRESS_TEXT_SIZE];

    ip_address_format(&station->address, address);
    mac_address_format(&station->mac, mac);
    if (port)
        return fault_new("address-conflict", g_strdup_printf("port %s", port->name),
                         g_strdup_printf("a station on %s with MAC %s uses its address %s, too",
                                         port->parent, mac, address),
                         g_strdup_printf("give the station another address; or list %s in Reserve= "
                                         "of the network, and create the port again",
                                         address));
    return !network ? NULL
                    : fault_new("address-heard", g_strdup_printf("network %s", network->name),
                                g_strdup_printf("a station with MAC %s uses %s, an address that "
                                                "the network gives; ports without a name do not "
                                                "get it",
                                                mac, address),
                                g_strdup("list it in Reserve= of the network's file"));
}

static void
lease_list_faults(FeatureHost *host, GPtrArray *faults)
{
    const Leases *leases = feature_state(host, &feature_lease);
    GHashTableIter iter;
    gpointer key;
    guint n = 0;

    g_hash_table_iter_init(&iter, leases->stations);
    while (n < FAULTS_MAX && g_hash_table_iter_next(&iter, &key, NULL)) {
        const Station *station = key;
        Fault *fault =
            find_station(host, station->index, &station->address) ? fault_of(host, station) : NULL;

        if (!fault)
            continue;
        g_ptr_array_add(faults, fault);
        n++;
    }
}

static gboolean
lease_start(FeatureHost *host, gpointer *ret_state, GError **error)
{
    Leases *leases = g_new0(Leases, 1);

    leases->stations = g_hash_table_new_full(station_hash, station_equal, g_free, NULL);
    *ret_state = leases;
    return TRUE;
}

static void
lease_stop(gpointer state)
{
    Leases *leases = state;

    if (!leases)
        return;
    g_hash_table_unref(leases->stations);
    g_free(leases);
}

/* The length of the subnet may change; the address is the port's until it is deleted. */
static gboolean
lease_on_network(FeatureHost *host, Port *port, const Network *network)
{
    return port->addresses && addresses_follow(&network->addresses, port->addresses);
}

static const char *
lease_outdated(FeatureHost *host, const Port *port)
{
    const Network *network = host->ops->network(host, port);

    return network ? addresses_outdated_key(&network->addresses, port->addresses, port->is_leased,
                                            port->is_in_range)
                   : NULL;
}

const PortFeature feature_lease = {
    .name = "lease",
    .start = lease_start,
    .stop = lease_stop,
    .choose = lease_choose,
    .on_network = lease_on_network,
    .outdated = lease_outdated,
    .list_faults = lease_list_faults,
    .sweep = lease_sweep,
};
