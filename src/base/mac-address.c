/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mac-address.h"

#include "ip-address.h"

#include <string.h>

gboolean
mac_address_parse(const char *text, MacAddress *ret_mac)
{
    MacAddress mac;

    if (strlen(text) != MAC_ADDRESS_TEXT_SIZE - 1)
        return FALSE;
    for (int i = 0; i < 6; i++) {
        int high = g_ascii_xdigit_value(text[i * 3]);
        int low = g_ascii_xdigit_value(text[i * 3 + 1]);

        if (high < 0 || low < 0 || (i < 5 && text[i * 3 + 2] != ':'))
            return FALSE;
        mac.octets[i] = (guint8)(high << 4 | low);
    }
    *ret_mac = mac;
    return TRUE;
}

char *
mac_address_format(const MacAddress *mac, char text[static MAC_ADDRESS_TEXT_SIZE])
{
    /* By hand: each creation formats three, and printf takes 25 times as long. */
    static const char digits[] = "0123456789abcdef";
    char *end = text;

    for (guint i = 0; i < G_N_ELEMENTS(mac->octets); i++) {
        *end++ = digits[mac->octets[i] >> 4];
        *end++ = digits[mac->octets[i] & 15];
        *end++ = ':';
    }
    end[-1] = '\0';
    return text;
}

gboolean
mac_address_equal(const MacAddress *a, const MacAddress *b)
{
    return memcmp(a->octets, b->octets, sizeof(a->octets)) == 0;
}

gboolean
mac_address_is_zero(const MacAddress *mac)
{
    static const MacAddress zero;

    return mac_address_equal(mac, &zero);
}

gboolean
mac_address_is_multicast(const MacAddress *mac)
{
    return mac->octets[0] & 1;
}

gboolean
mac_range_parse(const char *text, MacRange *ret_range)
{
    const char *slash = strchr(text, '/');
    g_autofree char *address = slash ? g_strndup(text, (gsize)(slash - text)) : g_strdup(text);
    MacRange range = {.prefix_bits = 48};
    guint64 bits;

    if (!mac_address_parse(address, &range.base))
        return FALSE;
    if (slash) {
        if (!g_ascii_string_to_unsigned(slash + 1, 10, 0, 48, &bits, NULL))
            return FALSE;
        range.prefix_bits = (guint)bits;
    }
    for (guint i = 0; i < 6; i++) {
        if (range.base.octets[i] & ~prefix_mask(range.prefix_bits, i))
            return FALSE;
    }
    *ret_range = range;
    return TRUE;
}

gboolean
mac_range_contains(const MacRange *range, const MacAddress *mac)
{
    for (guint i = 0; i < 6; i++) {
        if ((range->base.octets[i] ^ mac->octets[i]) & prefix_mask(range->prefix_bits, i))
            return FALSE;
    }
    return TRUE;
}

char *
mac_range_format(const MacRange *range)
{
    char text[MAC_ADDRESS_TEXT_SIZE];

    return g_strdup_printf("%s/%u", mac_address_format(&range->base, text), range->prefix_bits);
}
