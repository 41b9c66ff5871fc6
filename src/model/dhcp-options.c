/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dhcp-options.h"

#include "error.h"

#include <errno.h>
#include <string.h>

/* RFC 2132, 3397 and 3442. */
enum {
    OPTION_MASK = 1,
    OPTION_ROUTER = 3,
    OPTION_DNS = 6,
    OPTION_DOMAIN = 15,
    OPTION_MTU = 26,
    OPTION_SEARCH = 119,
    OPTION_ROUTES = 121,

    OPTION_MAX = 255, /* bytes of content */
    LABEL_MAX = 63,
    MTU_MIN = 68, /* in option 26 */
};

/* Of 169.254.255.0/24, which RFC 3927, 2.1 reserves; 67 is a DHCP server's port. */
static const guint8 nobody[] = {169, 254, 255, 67};

/* The four bytes of an IPv4 address. */
static const guint8 *
ipv4_bytes(const IpAddress *address)
{
    return address->bytes + 12;
}

IpAddress
dhcp_answer_server(const DhcpAnswer *answer)
{
    return answer->gateway ? *answer->gateway : ip_address_from_ipv4(nobody);
}

static void
append_byte(GByteArray *bytes, guint8 byte)
{
    g_byte_array_append(bytes, &byte, 1);
}

static void
append_address(GByteArray *bytes, const IpAddress *address)
{
    g_byte_array_append(bytes, ipv4_bytes(address), 4);
}

static void
append_option(GByteArray *options, guint8 code, const GByteArray *content)
{
    if (content->len == 0)
        return;
    append_byte(options, code);
    append_byte(options, (guint8)content->len);
    g_byte_array_append(options, content->data, content->len);
}

static void
append_mask(GByteArray *options, guint bits)
{
    guint32 mask = GUINT32_TO_BE(bits == 0 ? 0 : G_MAXUINT32 << (32 - bits));

    append_byte(options, OPTION_MASK);
    append_byte(options, sizeof mask);
    g_byte_array_append(options, (const guint8 *)&mask, sizeof mask);
}

static void
append_mtu(GByteArray *options, guint32 mtu)
{
    guint16 number = GUINT16_TO_BE((guint16)MIN(mtu, G_MAXUINT16));

    if (mtu < MTU_MIN)
        return;
    append_byte(options, OPTION_MTU);
    append_byte(options, sizeof number);
    g_byte_array_append(options, (const guint8 *)&number, sizeof number);
}

/* The same, with the administrator's own list; what: its name. */
static gboolean
append_long_option(GByteArray *options, guint8 code, const GByteArray *content, const char *what,
                   GError **error)
{
    if (content->len > OPTION_MAX) {
        g_set_error(error, ERRNO_ERROR, EINVAL, "more %s than a DHCP answer has room for", what);
        return FALSE;
    }
    append_option(options, code, content);
    return TRUE;
}

static gboolean
append_dns(GByteArray *options, const GArray *servers, GError **error)
{
    g_autoptr(GByteArray) content = g_byte_array_new();

    for (guint i = 0; servers && i < servers->len; i++) {
        const IpAddress *server = &g_array_index(servers, IpAddress, i);

        if (ip_address_is_ipv4(server))
            append_address(content, server);
    }
    return append_long_option(options, OPTION_DNS, content, "DNS servers", error);
}

/* ---- search domains ---- */

/* The name without a last dot, as on the wire: labels with their length (RFC 1035, 3.1). */
static gboolean
append_name(GByteArray *content, const char *name, GError **error)
{
    const gsize length = strlen(name);
    g_auto(GStrv) labels = NULL;
    g_autofree char *text = g_strndup(name, length - g_str_has_suffix(name, "."));

    labels = g_strsplit(text, ".", -1);
    for (char **label = labels; *label || label == labels; label++) {
        const gsize size = *label ? strlen(*label) : 0;

        if (size == 0 || size > LABEL_MAX || length > OPTION_MAX) {
            g_set_error(error, ERRNO_ERROR, EINVAL, "'%s' is not a domain", name);
            return FALSE;
        }
        append_byte(content, (guint8)size);
        g_byte_array_append(content, (const guint8 *)*label, (guint)size);
    }
    append_byte(content, 0);
    return TRUE;
}

/* The first is also the guest's own domain, which older clients take instead. */
static gboolean
append_search(GByteArray *options, const char *const *domains, GError **error)
{
    g_autoptr(GByteArray) content = g_byte_array_new(), first = g_byte_array_new();

    for (const char *const *domain = domains; domain && *domain; domain++) {
        if (!append_name(content, *domain, error))
            return FALSE;
    }
    if (content->len > 0)
        g_byte_array_append(first, (const guint8 *)domains[0], (guint)strlen(domains[0]));
    append_option(options, OPTION_DOMAIN, first);
    return append_long_option(options, OPTION_SEARCH, content, "search domains", error);
}

/* ---- routes ---- */

static gboolean
is_in_subnet(const DhcpAnswer *answer, const IpAddress *address)
{
    IpPrefix subnet = {.address = answer->address, .prefix_bits = 96 + answer->bits};

    for (guint bit = subnet.prefix_bits; bit < 128; bit++)
        subnet.address.bytes[bit / 8] &= (guint8) ~(0x80 >> bit % 8);
    return ip_prefix_contains(&subnet, address);
}

/* A host on the link, without a router before it. */
static void
append_host_route(GByteArray *content, const IpAddress *host)
{
    append_byte(content, 32);
    append_address(content, host);
    for (int i = 0; i < 4; i++)
        append_byte(content, 0);
}

/* Without an option 121 a client takes the router of option 3 alone, which its subnet must have. */
static void
append_routes(GByteArray *options, const DhcpAnswer *answer)
{
    const IpAddress server = dhcp_answer_server(answer);
    g_autoptr(GByteArray) content = g_byte_array_new();

    if (answer->gateway && is_in_subnet(answer, answer->gateway))
        return;
    append_host_route(content, &server);
    if (answer->gateway) {
        append_byte(content, 0);
        append_address(content, answer->gateway);
    }
    append_option(options, OPTION_ROUTES, content);
}

GByteArray *
dhcp_answer_options(const DhcpAnswer *answer, GError **error)
{
    g_autoptr(GByteArray) options = g_byte_array_new();

    append_mask(options, answer->bits);
    if (answer->gateway) {
        append_byte(options, OPTION_ROUTER);
        append_byte(options, 4);
        append_address(options, answer->gateway);
    }
    append_mtu(options, answer->mtu);
    append_routes(options, answer);
    if (!append_dns(options, answer->dns, error) || !append_search(options, answer->search, error))
        return NULL;
    if (options->len > DHCP_ANSWER_OPTIONS_MAX) {
        g_set_error(error, ERRNO_ERROR, EINVAL,
                    "DNS servers and search domains take %u bytes more than a DHCP answer has",
                    options->len - DHCP_ANSWER_OPTIONS_MAX);
        return NULL;
    }
    return g_steal_pointer(&options);
}
