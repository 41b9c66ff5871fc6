/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain-port.h"

#include "error.h"
#include "ip-address.h"

#include <string.h>

/* The part of [Guard] that a filter corresponds to. */
typedef enum Needs {
    SENDERS = 1 << 0,   /* no frames from another MAC */
    ADDRESSES = 1 << 1, /* nor from another IP address */
    PROTOCOLS = 1 << 2, /* only ARP and IP */
} Needs;

/* libvirt's own filters, by what they forbid. A guard may be stricter, so it does not matter what
 * else they allow. */
static const struct {
    const char *name;
    guint needs;
    const char *lacks; /* what a guard cannot do; NULL: it can do all of it */
} filters[] = {
    {"clean-traffic", SENDERS | ADDRESSES | PROTOCOLS},
    {"clean-traffic-gateway", 0, "it lets the guest reach only its gateway"},
    {"no-mac-spoofing", SENDERS},
    {"no-arp-mac-spoofing", SENDERS},
    {"no-arp-ip-spoofing", ADDRESSES},
    {"no-arp-spoofing", SENDERS | ADDRESSES},
    {"no-ip-spoofing", ADDRESSES},
    {"no-ipv6-spoofing", ADDRESSES},
    {"no-other-l2-traffic", PROTOCOLS},
    {"no-other-rarp-traffic", SENDERS},
    {"no-mac-broadcast", 0, "it does not let the guest send broadcasts"},
    {"no-ip-multicast", 0, "it does not let the guest send multicasts"},
    {"no-ipv6-multicast", 0, "it does not let the guest send multicasts"},
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

#define refuse(error, wanted, format, ...)                                                         \
    error_set(error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_PORTS, "its filter %s " format,            \
              (wanted)->filter, ##__VA_ARGS__)

/* Whether the list, separated by blanks, contains the word; *ret_word is then the word. */
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
           refuse(error, wanted, "is stricter than network %s: remove %s from its Allow=%s",
                  wanted->network, word,
                  g_str_equal(word, "vlan") ? " (or the tags from its GuestVLANs=)" : "");
}

/* Whether one of the filter's parameters is the address. */
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

/* Without parameters libvirt uses the first address that the guest sends from, or the one from
 * DHCP. */
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
                      "lets the guest use only %s, which needs Addresses=listed in network %s",
                      named, wanted->network);
    for (char **one = allowed; *one; one++) {
        if (!is_named(wanted, *one))
            return refuse(error, wanted,
                          "lets the guest use only %s, but its port may also use %s "
                          "(AllowAddresses= of network %s)",
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
                      "needs a guard, but its port has none (macvtapctl network show %s)",
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
        return refuse(error, wanted, "cannot be enforced by macvtapd's guard: %s",
                      filters[i].lacks);
    }
    return refuse(error, wanted,
                  "is not one of libvirt's own filters, so macvtapd does not know what it "
                  "promises; libvirt's rules have no effect on a macvtap's frames");
}
