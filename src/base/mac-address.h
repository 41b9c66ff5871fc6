/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ethernet (EUI-48) addresses; octets are in the order of transmission, as the kernel's ETH_ALEN
 * arrays. */
#pragma once

#include <glib.h>

typedef struct MacAddress {
    guint8 octets[6];
} MacAddress;

/* The size of "52:54:00:00:00:01" with its NUL. */
#define MAC_ADDRESS_TEXT_SIZE 18

/* A block of addresses, as "52:54:00:00:00:00/24": those whose first prefix_bits bits are base's.
 */
typedef struct MacRange {
    MacAddress base;
    guint prefix_bits; /* 0 to 48 */
} MacRange;

/* Accepts only six pairs of hex digits joined by ':'. *ret_mac is untouched on FALSE. */
gboolean mac_address_parse(const char *text, MacAddress *ret_mac);

/* Writes mac in lower case into text and returns text. */
char *mac_address_format(const MacAddress *mac, char text[static MAC_ADDRESS_TEXT_SIZE]);

gboolean mac_address_equal(const MacAddress *a, const MacAddress *b);
gboolean mac_address_is_zero(const MacAddress *mac);
gboolean mac_address_is_multicast(const MacAddress *mac); /* broadcast included */

/* "MAC" (one address) or "MAC/BITS"; bits of base below the prefix must be 0. */
gboolean mac_range_parse(const char *text, MacRange *ret_range);
gboolean mac_range_contains(const MacRange *range, const MacAddress *mac);

/* base/bits, in the syntax of mac_range_parse(). Free with g_free(). */
char *mac_range_format(const MacRange *range);
