/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks: networks, their files and their parents. */
#include "doctor.h"

#include "interface-name.h"

#include <net/if.h>
#include <string.h>

#define CORRECT_FILE "correct the file, then macvtapctl reload"

void
doctor_check_networks(Doctor *doctor)
{
    for (guint i = 0; i < doctor->networks->len; i++) {
        const MacvtapNetwork *network = doctor->networks->pdata[i];
        const char *problem = macvtap_network_get_problem(network);

        if (problem)
            doctor_problem(doctor, "network", macvtap_network_get_name(network), CORRECT_FILE, "%s",
                           problem);
    }
    if (doctor->networks->len == 0)
        doctor_note(doctor, "networks", NULL,
                    doctor->is_root
                        ? "define one in /etc/macvtapd/networks.d (man macvtapd.network), then"
                          " macvtapctl reload"
                        : "ask the administrator to name you in AllowUsers= or AllowGroups=",
                    "there is no network that you may use");
}

/* The remedy for a line of the network's parentProblems. Free with g_free(). */
static char *
parent_remedy(const char *problem)
{
    char name[INTERFACE_NAME_MAX + 1];
    unsigned mtu;
    int end = 0;

    if (sscanf(problem, "parent %15s is down%n", name, &end) == 1 && end > 0)
        return g_strdup_printf("ip link set dev %s up, and have the host's network configuration"
                               " set it up at boot",
                               name);
    if (g_str_has_prefix(problem, "there is no interface "))
        return g_strdup("list the host's interfaces (ip link), and correct Parent= in the "
                        "network's file if it is wrong");
    if (sscanf(problem, "MTU %u is above %15[^']", &mtu, name) == 2)
        return g_strdup_printf("ip link set dev %s mtu %u, or lower MTU= in the network's file",
                               name, mtu);
    return g_strdup("give the network another Parent=, then macvtapctl reload");
}

/* A pool can use its other parents. */
static void
check_parents_of(Doctor *doctor, const MacvtapNetwork *network)
{
    const char *parents = network_text(network, "parents");
    g_auto(GStrv) names = g_strsplit(parents, " ", -1);
    const char *name = macvtap_network_get_name(network);
    gsize n = macvtap_network_get_n_parent_problems(network);
    gsize n_ports = macvtap_network_get_port_count(network);
    gboolean others = n < g_strv_length(names);

    for (gsize i = 0; i < n; i++) {
        const char *problem = macvtap_network_get_parent_problem(network, i);
        g_autofree char *remedy = parent_remedy(problem);

        doctor_problem(doctor, "network", name, remedy, "%s%s", problem,
                       others ? " (its other parents are used)" : "");
    }
    if (n == 0)
        doctor_good(doctor, "network %s: %s, %zu port%s", name, network_text(network, "mode"),
                    n_ports, n_ports == 1 ? "" : "s");
}

void
doctor_check_parents(Doctor *doctor)
{
    for (guint i = 0; i < doctor->networks->len; i++) {
        const MacvtapNetwork *network = doctor->networks->pdata[i];

        if (!macvtap_network_get_problem(network))
            check_parents_of(doctor, network);
    }
}

/* Whether the network's guests may use that tag: it is listed, or the network does not list any. */
static gboolean
uses_tag(const Doctor *doctor, const char *network, guint tag)
{
    const char *tags = NULL;
    g_auto(GStrv) words = NULL;

    for (guint i = 0; i < doctor->networks->len && !tags; i++) {
        if (g_str_equal(macvtap_network_get_name(doctor->networks->pdata[i]), network))
            tags = network_text(doctor->networks->pdata[i], "guestVlans");
    }
    if (!tags || !tags[0])
        return TRUE;
    words = g_strsplit(tags, " ", -1);
    for (char **word = words; *word; word++) {
        guint first, last;
        int n = sscanf(*word, "%u-%u", &first, &last);

        if (n > 0 && tag >= first && tag <= (n > 1 ? last : first))
            return TRUE;
    }
    return FALSE;
}

/* The kernel gives frames to a VLAN device with their tag, whether ours or the host's, before any
 * port on the trunk sees them. */
static void
note_taken_vlans(Doctor *doctor, const char *network, const LinkInfo *trunk)
{
    for (guint i = 0; i < doctor->links->len; i++) {
        const LinkInfo *link = &g_array_index(doctor->links, LinkInfo, i);
        char name[INTERFACE_NAME_TEXT_SIZE], trunk_name[INTERFACE_NAME_TEXT_SIZE];

        if (!g_str_equal(link->kind, "vlan") || link->lower_index != trunk->index ||
            !uses_tag(doctor, network, link->vlan_id))
            continue;
        doctor_note(doctor, "network", network,
                    "nothing, unless guests of this network use that tag themselves: then move "
                    "them or the VLAN device to another parent",
                    "its guests do not get the frames of %s %u on %s: the VLAN device %s takes"
                    " them",
                    link->vlan_is_outer ? "802.1ad VLAN" : "VLAN", link->vlan_id,
                    interface_name_format(trunk->name, trunk_name),
                    interface_name_format(link->name, name));
    }
}

/* Only for networks with guests. It may be intended: on a trunk whose guests use no tags nothing is
 * lost. */
void
doctor_check_taken_vlans(Doctor *doctor)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; i < doctor->ports->len; i++) {
        const MacvtapPort *port = doctor->ports->pdata[i];
        const char *network = macvtap_port_get_network(port);
        const LinkInfo *trunk = doctor_find_link(doctor, macvtap_port_get_parent(port));

        if (trunk && g_hash_table_add(seen, g_strdup_printf("%s\n%s", network, trunk->name)))
            note_taken_vlans(doctor, network, trunk);
    }
}

static void
add_parent(const Doctor *doctor, const char *name, GHashTable *set)
{
    const LinkInfo *link = doctor_find_parent(doctor, name);

    if (link)
        g_hash_table_add(set, GINT_TO_POINTER(link->index));
}

/* The indexes of all parents, of networks and of ports, as a set; g_hash_table_unref() it. */
static GHashTable *
list_parents(const Doctor *doctor)
{
    GHashTable *set = g_hash_table_new(NULL, NULL);

    for (guint i = 0; i < doctor->networks->len; i++) {
        const char *parents = network_text(doctor->networks->pdata[i], "parents");
        g_auto(GStrv) names = g_strsplit(parents, " ", -1);

        for (char **name = names; *name; name++)
            add_parent(doctor, *name, set);
    }
    for (guint i = 0; i < doctor->ports->len; i++) {
        const char *trunk = port_text(doctor->ports->pdata[i], "trunk");

        add_parent(doctor, trunk[0] ? trunk : macvtap_port_get_parent(doctor->ports->pdata[i]),
                   set);
    }
    return set;
}

/* A parent that is down is reported as a problem of its networks. */
void
doctor_check_carrier(Doctor *doctor)
{
    g_autoptr(GHashTable) parents = list_parents(doctor);

    for (guint i = 0; i < doctor->links->len; i++) {
        const LinkInfo *link = &g_array_index(doctor->links, LinkInfo, i);
        char name[INTERFACE_NAME_TEXT_SIZE];

        if (!(link->flags & IFF_UP) || link->carrier ||
            !g_hash_table_contains(parents, GINT_TO_POINTER(link->index)))
            continue;
        doctor_problem(doctor, "parent", interface_name_format(link->name, name),
                       "check its cable and the switch's port",
                       "it has no carrier: no guest on it reaches the network");
    }
}

/* An address of this interface by which others can reach the host, or NULL. */
static const char *
find_address(const Doctor *doctor, const char *interface)
{
    for (guint i = 0; doctor->addresses && i < doctor->addresses->len; i++) {
        const HostAddress *address = &g_array_index(doctor->addresses, HostAddress, i);

        if (!address->is_link_local && g_str_equal(address->interface, interface))
            return address->text;
    }
    return NULL;
}

/* A device on a VLAN does not affect the host's untagged frames on the trunk. parent NULL: there is
 * none. */
static void
check_host_on(Doctor *doctor, const char *kind, const char *name, const LinkInfo *parent)
{
    const char *address = parent ? find_address(doctor, parent->name) : NULL;
    gboolean route = parent && host_has_default_route(doctor->root, parent->name);
    char parent_name[INTERFACE_NAME_TEXT_SIZE];
    g_autofree char *what =
        address ? g_strdup_printf("address %s%s", address, route ? " and default route are" : " is")
                : g_strdup("default route is");

    if (address || route)
        doctor_problem(doctor, kind, name,
                       "choose a parent that the host does not use, or a mode other than passthru",
                       "its guest gets every frame that %s receives, and the host's %s on it: the"
                       " host is cut off while the guest runs",
                       interface_name_format(parent->name, parent_name), what);
}

void
doctor_check_passthru(Doctor *doctor)
{
    for (guint i = 0; i < doctor->networks->len; i++) {
        const MacvtapNetwork *network = doctor->networks->pdata[i];
        const char *parents = network_text(network, "parents");
        const char *vlan = network_text(network, "vlan");
        g_auto(GStrv) names = g_strsplit(parents, " ", -1);

        if (macvtap_network_get_mode(network) != MACVTAP_PORT_MODE_PASSTHRU || vlan[0])
            continue;
        for (char **parent = names; *parent; parent++)
            check_host_on(doctor, "network", macvtap_network_get_name(network),
                          doctor_find_parent(doctor, *parent));
    }
    for (guint i = 0; i < doctor->ports->len; i++) {
        const MacvtapPort *port = doctor->ports->pdata[i];

        /* For an ad-hoc network, which is not in the list. */
        if (macvtap_port_get_mode(port) == MACVTAP_PORT_MODE_PASSTHRU &&
            strchr(macvtap_port_get_network(port), '='))
            check_host_on(doctor, "port", macvtap_port_get_name(port),
                          doctor_find_link(doctor, macvtap_port_get_parent(port)));
    }
}

/* "network lan: its file has changed": edits by the administrator that macvtapd has not read yet.
 * */
void
doctor_check_files(Doctor *doctor)
{
    for (gsize i = 0; i < macvtap_request_get_n_file_changes(doctor->answer); i++) {
        const char *change = macvtap_request_get_file_change(doctor->answer, i);
        const char *rest = strstr(change, ": ");
        g_autofree char *subject = rest ? g_strndup(change, (gsize)(rest - change)) : NULL;

        doctor_problem(doctor, subject ? subject : "networks", NULL, "macvtapctl reload",
                       "%s since macvtapd read the networks", rest ? rest + 2 : change);
    }
}
