/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain-filter.h"

#include "ip-address.h"

#include <string.h>

/* What of [Guard] a filter stands for. */
typedef enum Needs {
    SENDERS = 1 << 0,   /* nothing in the name of another MAC */
    ADDRESSES = 1 << 1, /* nor of another IP address */
    PROTOCOLS = 1 << 2, /* nothing but ARP and IP */
} Needs;

/* Those that libvirt has by itself, by what they take away. What they let pass of the rest is no
 * matter: a guard may be stricter. */
static const struct {
    const char *name;
    guint needs;
    const char *lacks; /* what no guard does; NULL: it can do all of it */
} filters[] = {
    {"clean-traffic", SENDERS | ADDRESSES | PROTOCOLS},
    {"clean-traffic-gateway", 0, "it lets the guest reach its gateway alone"},
    {"no-mac-spoofing", SENDERS},
    {"no-arp-mac-spoofing", SENDERS},
    {"no-arp-ip-spoofing", ADDRESSES},
    {"no-arp-spoofing", SENDERS | ADDRESSES},
    {"no-ip-spoofing", ADDRESSES},
    {"no-ipv6-spoofing", ADDRESSES},
    {"no-other-l2-traffic", PROTOCOLS},
    {"no-other-rarp-traffic", SENDERS},
    {"no-mac-broadcast", 0, "it lets the guest send no broadcasts"},
    {"no-ip-multicast", 0, "it lets the guest send to no multicast group"},
    {"no-ipv6-multicast", 0, "it lets the guest send to no multicast group"},
    {"qemu-announce-self", SENDERS},
    {"qemu-announce-self-rarp", 0},
    {"allow-arp", 0},
    {"allow-dhcp", 0},
    {"allow-dhcp-server", 0},
    {"allow-dhcpv6", 0},
    {"allow-dhcpv6-server", 0},
    {"allow-incoming-ipv4", 0},
    {"allow-incoming-ipv6", 0},
    {"allow-ipv4", 0},
    {"allow-ipv6", 0},
};

static gboolean G_GNUC_PRINTF(3, 4)
    refuse(GError **error, const DomainPort *wanted, const char *format, ...)
{
    g_autofree char *why = NULL;
    va_list arguments;

    va_start(arguments, format);
    why = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error(error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_PORTS, "its filter %s %s", wanted->filter,
                why);
    return FALSE;
}

/* Whether the list, joined by blanks, has the word; the word is then *ret_word. */
static gboolean
has_any(const char *list, const char *const *words, const char **ret_word)
{
    g_auto(GStrv) has = g_strsplit(list, " ", -1);

    for (; *words; words++) {
        *ret_word = *words;
        if (g_strv_contains((const char *const *)has, *words))
            return TRUE;
    }
    return FALSE;
}

static gboolean
check_protocols(const DomainPort *wanted, const MacvtapPort *port, GError **error)
{
    static const char *const words[] = {"vlan",  "lldp",   "lacp",    "stp",
                                        "other", "router", "tunnels", NULL};
    const char *allow = port_text(port, "guard.allow");
    const char *word;

    return !has_any(allow, words, &word) ||
           refuse(error, wanted, "lets less pass than network %s: take %s out of Allow= there%s",
                  wanted->network, word,
                  g_str_equal(word, "vlan") ? " (or the tags out of GuestVLANs=)" : "");
}

/* Whether the filter's parameters name the address. */
static gboolean
is_named(const DomainPort *wanted, const char *allowed)
{
    IpPrefix one, other;

    if (!ip_prefix_parse(allowed, &one, NULL))
        return FALSE;
    for (char **address = wanted->filter_addresses; *address; address++) {
        if (ip_prefix_parse(*address, &other, NULL) && ip_prefix_equal(&one, &other))
            return TRUE;
    }
    return FALSE;
}

/* Without parameters libvirt takes for the guest's what it sends from first, or what DHCP gave it.
 */
static gboolean
check_addresses(const DomainPort *wanted, const MacvtapPort *port, GError **error)
{
    const char *addresses = port_text(port, "guard.addresses");
    const char *list = port_text(port, "guard.allowAddresses");
    g_auto(GStrv) allowed = g_strsplit(list, " ", -1);
    g_autofree char *named = g_strjoinv(" ", wanted->filter_addresses);

    if (!g_str_equal(addresses, "listed") && !g_str_equal(addresses, "dhcp"))
        return refuse(error, wanted, "needs Addresses=listed or Addresses=dhcp in network %s",
                      wanted->network);
    if (!wanted->filter_addresses[0])
        return TRUE;
    if (!g_str_equal(addresses, "listed"))
        return refuse(error, wanted,
                      "lets the guest use %s only, and that needs Addresses=listed in network %s",
                      named, wanted->network);
    for (char **one = allowed; *one; one++) {
        if (!is_named(wanted, *one))
            return refuse(error, wanted,
                          "lets the guest use %s only, and its port may use %s as well"
                          " (AllowAddresses= of network %s)",
                          named, *one, wanted->network);
    }
    return TRUE;
}

static gboolean
check_needs(const DomainPort *wanted, const MacvtapPort *port, guint needs, GError **error)
{
    const char *senders = port_text(port, "guard.senders");
    const char *verdict = port_text(port, "guard.verdict");

    if (needs == 0)
        return TRUE;
    if (!senders[0])
        return refuse(error, wanted,
                      "needs a guard, and its port has none (macvtapctl network show %s)",
                      wanted->network);
    if (needs & SENDERS && !g_str_equal(senders, "own"))
        return refuse(error, wanted, "needs Senders=own in network %s", wanted->network);
    if (needs & ADDRESSES && !check_addresses(wanted, port, error))
        return FALSE;
    if (needs & PROTOCOLS && !check_protocols(wanted, port, error))
        return FALSE;
    return !g_str_equal(verdict, "count") ||
           refuse(error, wanted, "needs Verdict=drop in network %s", wanted->network);
}

gboolean
domain_filter_check(const DomainPort *wanted, const MacvtapPort *port, GError **error)
{
    if (!wanted->filter)
        return TRUE;
    for (gsize i = 0; i < G_N_ELEMENTS(filters); i++) {
        if (!g_str_equal(filters[i].name, wanted->filter))
            continue;
        if (!filters[i].lacks)
            return check_needs(wanted, port, filters[i].needs, error);
        return refuse(error, wanted, "cannot be kept by a guard of macvtapd's: %s",
                      filters[i].lacks);
    }
    return refuse(
        error, wanted,
        "is not one of libvirt's own, and what it promises macvtapd cannot tell: libvirt's"
        " rules never see a macvtap's frames");
}
