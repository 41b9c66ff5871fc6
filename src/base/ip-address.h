/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * IPv4 and IPv6 addresses in one format of 16 bytes, in network byte order: IPv4 as ::ffff:a.b.c.d
 * (RFC 4291, 2.5.5.2), so that one comparison and one kind of prefix work for both.
 */
#pragma once

#include <glib.h>

typedef struct IpAddress {
    guint8 bytes[16];
} IpAddress;

/* The addresses whose first prefix_bits bits match address; the rest of address is 0. */
typedef struct IpPrefix {
    IpAddress address;
    guint prefix_bits; /* of the 128: 96 and more for IPv4, whose /24 is 120 here */
} IpPrefix;

/* The addresses from first to last, both included and of one family; first is not above last. */
typedef struct IpRange {
    IpAddress first, last;
} IpRange;

/* prefix_bits of one address alone. */
#define IP_PREFIX_BITS_MAX 128

/* Room for any address, prefix or range, and its NUL. */
#define IP_ADDRESS_TEXT_SIZE 46
#define IP_PREFIX_TEXT_SIZE 50
#define IP_RANGE_TEXT_SIZE 92

/* "192.168.1.5" or "fd00::5", as accepted by inet_pton(3); neither a zone ("fe80::1%eth0") nor an
 * IPv4-mapped IPv6 address, which never occurs in a frame. *ret_address is untouched on FALSE. */
gboolean ip_address_parse(const char *text, IpAddress *ret_address);

/* The four bytes of an IPv4 address, in network byte order. */
IpAddress ip_address_from_ipv4(const guint8 bytes[static 4]);

/* Writes address into text as RFC 5952 specifies (lower case, the longest run of zeros as "::"),
 * and returns text. */
char *ip_address_format(const IpAddress *address, char text[static IP_ADDRESS_TEXT_SIZE]);

gboolean ip_address_equal(const IpAddress *a, const IpAddress *b);

/* For hash tables with IpAddress as key. */
guint ip_address_hash(gconstpointer address);
gboolean ip_address_is_same(gconstpointer a, gconstpointer b);
gboolean ip_address_is_ipv4(const IpAddress *address);

/*
 * "ADDRESS/BITS", or "ADDRESS" alone for just that one. Fails with ERRNO_ERROR EINVAL, whose
 * message names text and what is wrong with it: bits set behind the prefix are an error, because it
 * is unclear whether the address or the length is wrong.
 */
gboolean ip_prefix_parse(const char *text, IpPrefix *ret_prefix, GError **error);

/* Writes prefix into text, without "/32" and "/128", and returns text. */
char *ip_prefix_format(const IpPrefix *prefix, char text[static IP_PREFIX_TEXT_SIZE]);

gboolean ip_prefix_equal(const IpPrefix *a, const IpPrefix *b);

/* ::/0 includes every IPv6 address, but no IPv4 address. */
gboolean ip_prefix_contains(const IpPrefix *prefix, const IpAddress *address);

/* The number of bits as people write it: 24 for 120 of an IPv4 prefix. */
guint ip_prefix_length(const IpPrefix *prefix);

/* The first and the last address of the prefix. */
IpRange ip_prefix_range(const IpPrefix *prefix);

/* Orders addresses as numbers, each family by itself; the result is like memcmp(3)'s. */
int ip_address_compare(const IpAddress *a, const IpAddress *b);

/*
 * "FIRST-LAST", "ADDRESS/BITS", or "ADDRESS" alone for just that one. Fails with ERRNO_ERROR
 * EINVAL, whose message names text and what is wrong with it.
 */
gboolean ip_range_parse(const char *text, IpRange *ret_range, GError **error);

/* Writes range into text, as ADDRESS/BITS or ADDRESS if it is one, and returns text. */
char *ip_range_format(const IpRange *range, char text[static IP_RANGE_TEXT_SIZE]);

gboolean ip_range_contains(const IpRange *range, const IpAddress *address);

/* The bits of byte i that lie within the first prefix_bits bits of an IP or MAC address. */
guint8 prefix_mask(guint prefix_bits, guint i);
