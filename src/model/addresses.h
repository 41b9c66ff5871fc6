/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The addresses that a network gives to its ports ([Addresses] of its file), and the choice among
 * them: pure decisions on the arguments.
 *
 * Each family has its pool: the addresses in Range= (without it, in Subnet=) that a port may get by
 * itself. The network and broadcast addresses, and those of gateways, DNS servers and Reserve=, are
 * not in it. A port gets one address of each family that the network has.
 */
#pragma once

#include "ip-address.h"

#include <glib.h>

/* The most entries of each list. */
#define ADDRESS_RANGES_MAX 64
#define ADDRESS_RESERVED_MAX 256
#define ADDRESS_DNS_MAX 8
#define ADDRESS_SEARCH_MAX 8

/* A domain name's length in text (RFC 1035, 3.1). */
#define ADDRESS_SEARCH_LENGTH_MAX 253

/* In seconds: the shortest lease that a network can have, the default, and one without end (RFC
 * 2131, 3.3). */
#define ADDRESS_LEASE_TIME_MIN 60
#define ADDRESS_LEASE_TIME_DEFAULT 3600
#define ADDRESS_LEASE_TIME_INFINITE G_MAXUINT32

/* Who tells the guest its address. */
typedef enum AddressServe {
    ADDRESS_SERVE_NONE, /* not macvtapd */
    ADDRESS_SERVE_DHCP, /* the port answers DHCP itself */
} AddressServe;
#define ADDRESS_SERVE_COUNT (ADDRESS_SERVE_DHCP + 1)

const char *address_serve_name(AddressServe serve);

typedef enum AddressFamily {
    ADDRESS_IPV4,
    ADDRESS_IPV6,
} AddressFamily;
#define ADDRESS_FAMILIES 2

const char *address_family_name(AddressFamily family); /* "IPv4" */
AddressFamily address_family(const IpAddress *address);

/* [Addresses] of a network; without subnets it has no addresses, and is_given is FALSE. */
typedef struct AddressSettings {
    gboolean is_given;
    GArray *subnets;  /* of IpPrefix: at most one of each family */
    GArray *ranges;   /* of IpRange, in the subnets */
    GArray *reserved; /* likewise */
    GArray *gateways; /* of IpAddress: at most one of each family */
    GArray *dns;      /* likewise, any number up to ADDRESS_DNS_MAX */
    GStrv search;
    AddressServe serve;
    guint lease_time; /* seconds */

    /* From the above by addresses_finish(): of IpRange, sorted, disjoint and not empty; NULL: the
     * network has no subnet of the family. */
    GArray *pools[ADDRESS_FAMILIES];
} AddressSettings;

/* Empty lists and the defaults. */
void addresses_init(AddressSettings *settings);
void addresses_clear(AddressSettings *settings);

/* Checks what the keys mean together and fills the pools. Fails with PORT_ERROR_NETWORK_INVALID;
 * the message starts with the key at fault. Call once. */
gboolean addresses_finish(AddressSettings *settings, GError **error);

/* The network's subnet, gateway (NULL: none) of a family. */
const IpPrefix *addresses_subnet(const AddressSettings *settings, AddressFamily family);
const IpAddress *addresses_gateway(const AddressSettings *settings, AddressFamily family);

/* How many addresses the pool of a family has, at most G_MAXINT64; and whether this one is in it.
 */
guint64 addresses_pool_size(const AddressSettings *settings, AddressFamily family);
gboolean addresses_pool_has(const AddressSettings *settings, const IpAddress *address);

/* How many ports a user other than root may have unless MaxPortsPerUser= says otherwise: a quarter
 * of the smaller pool, at least 1; 0: the network has no addresses, and no such limit. */
guint addresses_user_share(const AddressSettings *settings);

/* An address of a port. */
typedef struct PortAddress {
    IpAddress address;
    guint bits; /* the length of its subnet, as people write it (24), or 32 or 128 if that is
                   unknown; in a request 0: not given */
} PortAddress;

/* The most addresses of a port: outside allocators may hand in several. */
#define PORT_ADDRESSES_MAX 16

#define PORT_ADDRESS_TEXT_SIZE (IP_ADDRESS_TEXT_SIZE + 4)

/* "ADDRESS" or "ADDRESS/BITS" with bits of the address set behind the prefix. Fails with
 * PORT_ERROR_INVALID_REQUEST. */
gboolean port_address_parse(const char *text, PortAddress *ret_address, GError **error);

/* Writes "ADDRESS/BITS" (without bits: "ADDRESS") into text, and returns text. */
char *port_address_format(const PortAddress *address, char text[static PORT_ADDRESS_TEXT_SIZE]);

/* The port's address of this family in a list of PortAddress (NULL: an empty one), or NULL. */
const PortAddress *port_addresses_find(const GArray *addresses, AddressFamily family);

gboolean port_addresses_have(const GArray *addresses, const IpAddress *address);

/*
 * Whether the network may give a port the address, even if another port has it: it lies in the
 * subnet and is not the network's, the broadcast, the gateway's or a reserved address; for users
 * other than root it is also in the pool. Sets the bits if they are not given. Fails with
 * PORT_ERROR_ADDRESS_NOT_ALLOWED, or PORT_ERROR_INVALID_REQUEST for an address that no port can
 * have, on any network.
 */
gboolean addresses_check(const AddressSettings *settings, const char *network, gboolean is_root,
                         PortAddress *address, GError **error);

/* The same for a network without [Addresses], whose addresses an outside allocator hands in: a
 * unicast address. */
gboolean addresses_check_foreign(PortAddress *address, GError **error);

/* What addresses.c and addresses-check.c share: the subnet that has the address (NULL: none);
 * whether a list of IpAddress, or of IpRange, has it; whether no host has such an address; and what
 * it is in its subnet other than a host's ("broadcast address"; NULL: a host's). */
const IpPrefix *addresses_subnet_of(const AddressSettings *settings, const IpAddress *address);
gboolean addresses_list_has(const GArray *addresses, const IpAddress *address);
gboolean addresses_ranges_have(const GArray *ranges, const IpAddress *address);
gboolean addresses_is_special(const IpAddress *address);
const char *addresses_find_role(const IpPrefix *subnet, const IpAddress *address);

/* Whether an address is taken. */
typedef gboolean (*AddressTaken)(const IpAddress *address, gpointer user_data);

/* What the choice derives from, all borrowed: as a generated MAC does (MacOrigin in policy.h). */
struct MacOrigin;

/*
 * Chooses an address of the pool that is not taken: the first of candidates that derive from the
 * origin and the network's name, so that the same port gets the same address each time if it is
 * free. n_taken is an upper limit of how many addresses of the pool are taken: as many looks and
 * a few more always find a free one, however large the pool is. FALSE: all are taken, with
 * PORT_ERROR_LIMIT_REACHED.
 */
gboolean addresses_choose(const AddressSettings *settings, const char *network,
                          AddressFamily family, const struct MacOrigin *origin, guint n_taken,
                          AddressTaken taken, gpointer user_data, IpAddress *ret_address,
                          GError **error);

/* Says so: sets PORT_ERROR_LIMIT_REACHED and returns FALSE. */
gboolean addresses_say_full(const AddressSettings *settings, const char *network,
                            AddressFamily family, GError **error);

/* Whether the network itself would give each of the addresses. */
gboolean addresses_are_in_pool(const AddressSettings *settings, const GArray *addresses);

/* The addresses of a port and its network's file: gives them the lengths of its subnets (TRUE: one
 * has changed), and the key that they do not agree with; NULL: they do. is_leased: the network gave
 * them; is_in_range: from its Range=. */
gboolean addresses_follow(const AddressSettings *settings, GArray *addresses);
const char *addresses_outdated_key(const AddressSettings *settings, const GArray *addresses,
                                   gboolean is_leased, gboolean is_in_range);
