/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ip-address.h"

#include "error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ::ffff:0:0/96 */
static const guint8 ipv4_head[12] = {[10] = 0xff, [11] = 0xff};
#define IPV4_HEAD_BITS 96

IpAddress
ip_address_from_ipv4(const guint8 bytes[static 4])
{
    IpAddress address;

    memcpy(address.bytes, ipv4_head, sizeof(ipv4_head));
    memcpy(address.bytes + sizeof(ipv4_head), bytes, 4);
    return address;
}

gboolean
ip_address_is_ipv4(const IpAddress *address)
{
    return memcmp(address->bytes, ipv4_head, sizeof(ipv4_head)) == 0;
}

gboolean
ip_address_parse(const char *text, IpAddress *ret_address)
{
    guint8 ipv4[4];
    IpAddress ipv6;

    if (inet_pton(AF_INET, text, ipv4) == 1) {
        *ret_address = ip_address_from_ipv4(ipv4);
        return TRUE;
    }
    if (inet_pton(AF_INET6, text, ipv6.bytes) != 1 || ip_address_is_ipv4(&ipv6))
        return FALSE;
    *ret_address = ipv6;
    return TRUE;
}

char *
ip_address_format(const IpAddress *address, char text[static IP_ADDRESS_TEXT_SIZE])
{
    gboolean is_ipv4 = ip_address_is_ipv4(address);

    /* Cannot fail: the family is known, and the buffer is large enough. */
    inet_ntop(is_ipv4 ? AF_INET : AF_INET6, address->bytes + (is_ipv4 ? sizeof(ipv4_head) : 0),
              text, IP_ADDRESS_TEXT_SIZE);
    return text;
}

gboolean
ip_address_equal(const IpAddress *a, const IpAddress *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

guint
ip_address_hash(gconstpointer address)
{
    guint64 halves[2];

    memcpy(halves, ((const IpAddress *)address)->bytes, sizeof(halves));
    /* Addresses of one subnet differ in their last bytes; the multiplier is 2^64 / phi. */
    halves[0] = (halves[0] ^ halves[1]) * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15);
    return (guint)(halves[0] >> 32);
}

gboolean
ip_address_is_same(gconstpointer a, gconstpointer b)
{
    return ip_address_equal(a, b);
}

guint8
prefix_mask(guint prefix_bits, guint i)
{
    if (prefix_bits >= (i + 1) * 8)
        return 0xff;
    if (prefix_bits <= i * 8)
        return 0;
    return (guint8)(0xff << (8 - (prefix_bits - i * 8)));
}

static gboolean
refuse_prefix(GError **error, const char *text, const char *why)
{
    g_autofree char *shown = g_strescape(text, NULL);

    g_set_error(error, ERRNO_ERROR, EINVAL, "'%.64s' %s", shown, why);
    return FALSE;
}

/* Clears the bits after the prefix; FALSE if one was set. */
static gboolean
clear_host_bits(IpPrefix *prefix)
{
    gboolean clean = TRUE;

    for (guint i = 0; i < sizeof(prefix->address.bytes); i++) {
        guint8 mask = prefix_mask(prefix->prefix_bits, i);

        clean &= (prefix->address.bytes[i] & ~mask) == 0;
        prefix->address.bytes[i] &= mask;
    }
    return clean;
}

gboolean
ip_prefix_parse(const char *text, IpPrefix *ret_prefix, GError **error)
{
    const char *slash = strchr(text, '/');
    g_autofree char *address = slash ? g_strndup(text, (gsize)(slash - text)) : g_strdup(text);
    char network[IP_PREFIX_TEXT_SIZE];
    g_autofree char *why = NULL;
    IpPrefix prefix;
    guint64 bits;
    guint head;

    if (!ip_address_parse(address, &prefix.address))
        return refuse_prefix(error, text, "is neither an IP address nor a prefix (ADDRESS/BITS)");
    head = ip_address_is_ipv4(&prefix.address) ? IPV4_HEAD_BITS : 0;
    bits = IP_PREFIX_BITS_MAX - head;
    if (slash &&
        !g_ascii_string_to_unsigned(slash + 1, 10, 0, IP_PREFIX_BITS_MAX - head, &bits, NULL))
        return refuse_prefix(error, text,
                             head > 0 ? "must have a length of 0 to 32 after the '/'"
                                      : "must have a length of 0 to 128 after the '/'");
    prefix.prefix_bits = (guint)bits + head;
    if (!clear_host_bits(&prefix)) {
        why = g_strdup_printf("has bits set after the /%u: write '%s' for one address, or '%s'",
                              (guint)bits, address, ip_prefix_format(&prefix, network));
        return refuse_prefix(error, text, why);
    }
    *ret_prefix = prefix;
    return TRUE;
}

static gboolean
prefix_is_ipv4(const IpPrefix *prefix)
{
    return prefix->prefix_bits >= IPV4_HEAD_BITS && ip_address_is_ipv4(&prefix->address);
}

char *
ip_prefix_format(const IpPrefix *prefix, char text[static IP_PREFIX_TEXT_SIZE])
{
    guint head = prefix_is_ipv4(prefix) ? IPV4_HEAD_BITS : 0;
    char address[IP_ADDRESS_TEXT_SIZE];

    ip_address_format(&prefix->address, address);
    if (prefix->prefix_bits == IP_PREFIX_BITS_MAX)
        snprintf(text, IP_PREFIX_TEXT_SIZE, "%s", address);
    else
        snprintf(text, IP_PREFIX_TEXT_SIZE, "%s/%u", address, prefix->prefix_bits - head);
    return text;
}

gboolean
ip_prefix_equal(const IpPrefix *a, const IpPrefix *b)
{
    return a->prefix_bits == b->prefix_bits && ip_address_equal(&a->address, &b->address);
}

gboolean
ip_prefix_contains(const IpPrefix *prefix, const IpAddress *address)
{
    if (prefix_is_ipv4(prefix) != ip_address_is_ipv4(address))
        return FALSE;
    for (guint i = 0; i < sizeof(address->bytes); i++) {
        if ((prefix->address.bytes[i] ^ address->bytes[i]) & prefix_mask(prefix->prefix_bits, i))
            return FALSE;
    }
    return TRUE;
}

guint
ip_prefix_length(const IpPrefix *prefix)
{
    return prefix->prefix_bits - (prefix_is_ipv4(prefix) ? IPV4_HEAD_BITS : 0);
}

IpRange
ip_prefix_range(const IpPrefix *prefix)
{
    IpRange range = {prefix->address, prefix->address};

    for (guint i = 0; i < sizeof(range.last.bytes); i++)
        range.last.bytes[i] |= (guint8)~prefix_mask(prefix->prefix_bits, i);
    return range;
}

int
ip_address_compare(const IpAddress *a, const IpAddress *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

static gboolean
parse_ends(const char *text, const char *dash, IpRange *range, GError **error)
{
    g_autofree char *first = g_strndup(text, (gsize)(dash - text));

    if (!ip_address_parse(first, &range->first) || !ip_address_parse(dash + 1, &range->last))
        return refuse_prefix(error, text,
                             "is neither an IP address, a prefix (ADDRESS/BITS) nor a range "
                             "(FIRST-LAST)");
    if (ip_address_is_ipv4(&range->first) != ip_address_is_ipv4(&range->last))
        return refuse_prefix(error, text, "begins in one address family and ends in the other");
    return ip_address_compare(&range->first, &range->last) <= 0 ||
           refuse_prefix(error, text, "ends before it begins");
}

gboolean
ip_range_parse(const char *text, IpRange *ret_range, GError **error)
{
    const char *dash = strchr(text, '-');
    IpPrefix prefix;
    IpRange range;

    if (dash) {
        if (!parse_ends(text, dash, &range, error))
            return FALSE;
    } else {
        if (!ip_prefix_parse(text, &prefix, error))
            return FALSE;
        range = ip_prefix_range(&prefix);
    }
    *ret_range = range;
    return TRUE;
}

/* The prefix with exactly the addresses of the range; FALSE if there is none. */
static gboolean
range_is_prefix(const IpRange *range, IpPrefix *ret_prefix)
{
    guint bits = IP_PREFIX_BITS_MAX;
    IpRange whole;

    do {
        *ret_prefix = (IpPrefix){range->first, bits};
        whole = ip_prefix_range(ret_prefix);
        if (ip_address_equal(&whole.last, &range->last))
            return clear_host_bits(ret_prefix);
    } while (bits-- > (ip_address_is_ipv4(&range->first) ? IPV4_HEAD_BITS : 0));
    return FALSE;
}

char *
ip_range_format(const IpRange *range, char text[static IP_RANGE_TEXT_SIZE])
{
    char first[IP_ADDRESS_TEXT_SIZE], last[IP_ADDRESS_TEXT_SIZE];
    IpPrefix prefix;

    if (range_is_prefix(range, &prefix))
        return ip_prefix_format(&prefix, text);
    snprintf(text, IP_RANGE_TEXT_SIZE, "%s-%s", ip_address_format(&range->first, first),
             ip_address_format(&range->last, last));
    return text;
}

gboolean
ip_range_contains(const IpRange *range, const IpAddress *address)
{
    return ip_address_is_ipv4(&range->first) == ip_address_is_ipv4(address) &&
           ip_address_compare(&range->first, address) <= 0 &&
           ip_address_compare(address, &range->last) <= 0;
}
