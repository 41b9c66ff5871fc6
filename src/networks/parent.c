/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "parent.h"
#include "networks-private.h"

#include "error.h"
#include "port-error.h"

#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>

/* The kind of the datapath's device and of a bridge's internal interfaces, and the datapath
 * device's name in ovs-vswitchd. */
#define OPEN_VSWITCH "openvswitch"
#define OVS_SYSTEM "ovs-system"

/* The name of the link with this index, for messages; free with g_free(). */
static char *
link_name(Networks *networks, int index)
{
    LinkInfo link;

    if (networks->kernel->ops->link_by_index(networks->kernel, index, &link, NULL))
        return g_strdup(link.name);
    return g_strdup_printf("interface %d", index);
}

/* The internal interface of an Open vSwitch bridge, if there is only one. The kernel does not show
 * which bridge a NIC belongs to: all have the same master. */
static gboolean
find_switch_interface(Networks *networks, LinkInfo *ret_link)
{
    g_autoptr(GArray) links = networks->kernel->ops->link_list(networks->kernel, NULL);
    guint n_found = 0;

    for (guint i = 0; links && i < links->len; i++) {
        const LinkInfo *link = &g_array_index(links, LinkInfo, i);

        if (!g_str_equal(link->kind, OPEN_VSWITCH) || g_str_equal(link->name, OVS_SYSTEM))
            continue;
        *ret_link = *link;
        n_found++;
    }
    return n_found == 1;
}

/* what: the link's relation to Open vSwitch. */
static gboolean
refuse_switched(Networks *networks, const LinkInfo *link, const char *what, GError **error)
{
    LinkInfo inner;

    if (find_switch_interface(networks, &inner))
        return port_error_set(error, PORT_ERROR_PARENT_UNUSABLE,
                              "%s %s; use %s, an internal interface of its bridge, as the parent",
                              link->name, what, inner.name);
    return port_error_set(
        error, PORT_ERROR_PARENT_UNUSABLE,
        "%s %s; use an internal interface of its bridge as the parent (one has the bridge's name)",
        link->name, what);
}

static gboolean
refuse_slave(Networks *networks, const LinkInfo *link, GError **error)
{
    g_autofree char *master = link_name(networks, link->master_index);

    if (g_str_equal(link->master_kind, OPEN_VSWITCH) && g_str_equal(master, OVS_SYSTEM))
        return refuse_switched(networks, link, "belongs to Open vSwitch", error);
    return port_error_set(error, PORT_ERROR_PARENT_UNUSABLE,
                          "%s is a port of %s %s; use %s as the parent", link->name,
                          link->master_kind[0] ? link->master_kind : "master", master, master);
}

static gboolean
has_slave(Networks *networks, const LinkInfo *bond)
{
    g_autoptr(GArray) links = networks->kernel->ops->link_list(networks->kernel, NULL);

    for (guint i = 0; links && i < links->len; i++) {
        if (g_array_index(links, LinkInfo, i).master_index == bond->index)
            return TRUE;
    }
    return FALSE;
}

static gboolean
refuse_macvtap(Networks *networks, const LinkInfo *link, GError **error)
{
    LinkInfo lower;

    if (networks->kernel->ops->link_by_index(networks->kernel, link->lower_index, &lower, NULL))
        return port_error_set(
            error, PORT_ERROR_PARENT_UNUSABLE,
            "%s is a macvtap itself; use %s, the interface below it, as the parent", link->name,
            lower.name);
    return port_error_set(
        error, PORT_ERROR_PARENT_UNUSABLE,
        "%s is a macvtap itself, and the interface below it is in another network namespace",
        link->name);
}

/*
 * The kernel puts a macvtap that is created on a macvlan beside it, on the link below
 * (macvlan_common_newlink()). So that link is the parent; but if it is in another network
 * namespace, as in a container, the macvlan stands in for it.
 */
static gboolean
find_below_macvlan(Networks *networks, LinkInfo *link, GError **error)
{
    LinkInfo lower;

    if (!link->is_macvlan)
        return TRUE;
    if (!g_str_equal(link->kind, "macvlan"))
        return refuse_macvtap(networks, link, error);
    if (link->mode == MACVTAP_MODE_PASSTHRU)
        return port_error_set(
            error, PORT_ERROR_PARENT_UNUSABLE,
            "%s is a macvlan in passthru mode, which has the interface below to itself",
            link->name);
    if (link->lower_index == 0)
        return TRUE;
    if (!networks->kernel->ops->link_by_index(networks->kernel, link->lower_index, &lower, NULL))
        return port_error_set(error, PORT_ERROR_PARENT_NOT_FOUND, "%s has just been removed",
                              link->name);
    *link = lower;
    return TRUE;
}

/* A macvlan receives frames for its own MAC only, tagged or not: a port with its own MAC on a VLAN
 * device above it would receive nothing. */
static gboolean
check_below_vlan(Networks *networks, const LinkInfo *link, GError **error)
{
    LinkInfo lower = *link;

    while (g_str_equal(lower.kind, "vlan") && lower.lower_index != 0) {
        if (!networks->kernel->ops->link_by_index(networks->kernel, lower.lower_index, &lower,
                                                  NULL))
            return TRUE;
    }
    return lower.index == link->index || !g_str_equal(lower.kind, "macvlan") ||
           lower.mode == MACVTAP_MODE_PASSTHRU ||
           port_error_set(error, PORT_ERROR_PARENT_UNUSABLE,
                          "%s is on macvlan %s, which receives frames for its own MAC only",
                          link->name, lower.name);
}

/* Whether macvtaps, or a VLAN device for them, can be created on link. */
static gboolean
check_link(Networks *networks, const LinkInfo *link, GError **error)
{
    if (link->hardware_type != ARPHRD_ETHER)
        return port_error_set(error, PORT_ERROR_PARENT_UNUSABLE, "%s is not an Ethernet interface",
                              link->name);
    if (g_str_equal(link->kind, OPEN_VSWITCH) && g_str_equal(link->name, OVS_SYSTEM))
        return refuse_switched(networks, link, "is Open vSwitch's own device and carries no frames",
                               error);
    if (link->master_index != 0 && !g_str_equal(link->master_kind, "vrf"))
        return refuse_slave(networks, link, error);
    if (networks->kernel->ops->link_is_wireless(networks->kernel, link))
        return port_error_set(error, PORT_ERROR_PARENT_UNUSABLE,
                              "%s is a Wi-Fi interface: 802.11 accepts frames from its own MAC "
                              "only, so no mode of macvtap works on it, not even passthru",
                              link->name);
    if (!(link->flags & IFF_UP))
        return port_error_set(error, PORT_ERROR_PARENT_UNUSABLE, "parent %s is down", link->name);
    if (g_str_equal(link->kind, "bond") && !link->carrier && !has_slave(networks, link))
        return port_error_set(error, PORT_ERROR_PARENT_UNUSABLE, "bond %s has no slaves",
                              link->name);
    return check_below_vlan(networks, link, error);
}

/* Collects facts about a parent while its ports are counted. */
typedef struct Load {
    int index;
    const char *but;      /* a network whose ports do not count, or NULL */
    guint n_ports;        /* on it, or on one of its VLANs */
    const Port *passthru; /* the port that has it to itself */
    const Port *any;
} Load;

static gboolean
is_there(const Port *port)
{
    return port->state == PORT_STATE_ACTIVE || port->state == PORT_STATE_CREATING;
}

static void
count_port(Port *port, gpointer user_data)
{
    Load *load = user_data;
    gboolean on_it = port->parent_index == load->index;

    if (!is_there(port) || (!on_it && port->trunk_index != load->index) ||
        g_strcmp0(port->network, load->but) == 0)
        return;
    load->n_ports++;
    if (!on_it)
        return;
    load->any = port;
    if (port->mode == MACVTAP_MODE_PASSTHRU)
        load->passthru = port;
}

gboolean
parent_is_aside(Networks *networks, const LinkInfo *link)
{
    const GSList *aside = port_table_aside(networks->ports);

    while (aside && ((const Port *)aside->data)->interface_index != link->index)
        aside = aside->next;
    return aside != NULL;
}

gboolean
parent_find_child(Networks *networks, const LinkInfo *parent, int but, const MacAddress *mac,
                  LinkInfo *ret_child)
{
    g_autoptr(GArray) links = NULL;

    if (parent->index == 0) /* a VLAN device to be; a lower_index of 0: in another namespace */
        return FALSE;
    links = networks->kernel->ops->link_list(networks->kernel, NULL);
    for (guint i = 0; links && i < links->len; i++) {
        const LinkInfo *link = &g_array_index(links, LinkInfo, i);

        if (link->is_macvlan && link->lower_index == parent->index && link->index != but &&
            !parent_is_aside(networks, link) && (!mac || mac_address_equal(&link->mac, mac))) {
            *ret_child = *link;
            return TRUE;
        }
    }
    return FALSE;
}

gboolean
parent_check_child(const LinkInfo *parent, const LinkInfo *child, MacvtapMode mode, GError **error)
{
    if (child->mode == MACVTAP_MODE_PASSTHRU)
        return port_error_set(error, PORT_ERROR_PARENT_BUSY, "passthru device %s holds %s",
                              child->name, parent->name);
    return mode != MACVTAP_MODE_PASSTHRU ||
           port_error_set(error, PORT_ERROR_PARENT_BUSY,
                          "passthru needs %s to itself, but %s %s is on it", parent->name,
                          child->kind, child->name);
}

/* Passthru excludes all others from a parent. */
static gboolean
check_ports(Networks *networks, const Network *network, const LinkInfo *device, const char *but,
            GError **error)
{
    Load load = {.index = device->index, .but = but};

    port_table_foreach(networks->ports, count_port, &load);
    if (load.passthru)
        return port_error_set(error, PORT_ERROR_PARENT_BUSY, "passthru port %s holds %s",
                              load.passthru->name, device->name);
    return network->mode != MACVTAP_MODE_PASSTHRU || !load.any ||
           port_error_set(error, PORT_ERROR_PARENT_BUSY,
                          "passthru needs %s to itself, but port %s is on it", device->name,
                          load.any->name);
}

/* Whether the device can have a port in the network's mode. */
static gboolean
check_free(Networks *networks, const Network *network, const LinkInfo *device, GError **error)
{
    LinkInfo child;

    if (!check_ports(networks, network, device, NULL, error))
        return FALSE;
    /* Another program's device: the kernel would refuse the port, but a pool has other members to
     * try. */
    return network->mode != MACVTAP_MODE_PASSTHRU ||
           !parent_find_child(networks, device, 0, NULL, &child) ||
           parent_check_child(device, &child, network->mode, error);
}

/* Settings of the network that do not work on a macvlan that stands in for the parent. */
static gboolean
check_macvlan(const Network *network, const LinkInfo *link, GError **error)
{
    if (!link->is_macvlan)
        return TRUE;
    if (network->guest_vlans[0])
        return port_error_set(error, PORT_ERROR_PARENT_UNUSABLE,
                              "GuestVLANs= does not work on %s, a macvlan whose lower interface is "
                              "in another network namespace: create the VLAN devices there",
                              link->name);
    if (network->mode == MACVTAP_MODE_PASSTHRU)
        return port_error_set(error, PORT_ERROR_PARENT_UNUSABLE,
                              "passthru needs an interface to itself, but %s is a macvlan, which "
                              "shares one in another network namespace",
                              link->name);
    return !network->vlan ||
           port_error_set(error, PORT_ERROR_PARENT_UNUSABLE,
                          "VLAN=%s does not work on %s, a macvlan, which receives frames for its "
                          "own MAC only: create the macvlan on a VLAN device",
                          network->vlan, link->name);
}

/* Collects what the kernel says about one link. */
typedef enum LookUp {
    LOOK_UP_NOW,
    LOOK_UP_KNOWN, /* its carrier may be that of a second ago: see link_recall() */
} LookUp;

static gboolean
look_up(Networks *networks, const char *name, LookUp how, LinkInfo *ret_link, GError **error)
{
    const KernelOps *ops = networks->kernel->ops;
    g_autoptr(GError) cause = NULL;

    if ((how == LOOK_UP_KNOWN ? ops->link_recall : ops->link_by_name)(networks->kernel, name,
                                                                      ret_link, &cause))
        return TRUE;
    if (error_is_errno(cause, ENODEV))
        return port_error_set(error, PORT_ERROR_PARENT_NOT_FOUND, "there is no interface %s", name);
    return port_error_set(error, PORT_ERROR_SYSTEM, "cannot look up %s: %s", name, cause->message);
}

/* The parent named by a member of the network's pool. */
static gboolean
find_parent(Networks *networks, const Network *network, const char *name, LookUp how,
            LinkInfo *ret_link, GError **error)
{
    return look_up(networks, name, how, ret_link, error) &&
           find_below_macvlan(networks, ret_link, error) &&
           check_macvlan(network, ret_link, error) && check_link(networks, ret_link, error);
}

gboolean
parent_look_up(Networks *networks, const char *name, LinkInfo *ret_link)
{
    return look_up(networks, name, LOOK_UP_NOW, ret_link, NULL) &&
           find_below_macvlan(networks, ret_link, NULL);
}

/* A usable member of the network's pool. */
typedef struct Candidate {
    LinkInfo link;
    guint n_ports;
} Candidate;

/* Members with carrier first, then the least loaded; ties are broken by the order in the file. */
static gint
compare_candidates(gconstpointer a, gconstpointer b)
{
    const Candidate *p = a, *q = b;

    if (p->link.carrier != q->link.carrier)
        return p->link.carrier ? -1 : 1;
    return (gint)p->n_ports - (gint)q->n_ports;
}

/* Adds a member's error; the first decides the code, the message names them all. */
static void
add_problem(GError **all, GError *problem)
{
    if (!*all) {
        *all = problem;
        return;
    }
    g_prefix_error(all, "%s; ", problem->message);
    g_error_free(problem);
}

static gboolean
check_mtu(const Network *network, const LinkInfo *link, GError **error)
{
    return network->mtu <= link->mtu ||
           port_error_set(error, PORT_ERROR_MTU_TOO_LARGE, "MTU %u is above %s's %u", network->mtu,
                          link->name, link->mtu);
}

GStrv
parent_problems(Networks *networks, const Network *network)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    gboolean any = FALSE;

    for (guint i = 0; network->parents[i]; i++) {
        g_autoptr(GError) problem = NULL;
        LinkInfo link;

        if (find_parent(networks, network, network->parents[i], LOOK_UP_NOW, &link, &problem) &&
            check_mtu(network, &link, &problem) &&
            (network->vlan || check_ports(networks, network, &link, network->name, &problem)))
            continue;
        g_strv_builder_add(builder, problem->message);
        any = TRUE;
    }
    return any ? g_strv_builder_end(builder) : NULL;
}

static GArray *
list_candidates(Networks *networks, const Network *network, LookUp how, GError **problems)
{
    GArray *candidates = g_array_new(FALSE, FALSE, sizeof(Candidate));

    for (guint i = 0; network->parents[i]; i++) {
        GError *problem = NULL;
        Candidate candidate;

        if (find_parent(networks, network, network->parents[i], how, &candidate.link, &problem)) {
            Load load = {.index = candidate.link.index};

            if (network->parents[1]) /* only needed to choose among several */
                port_table_foreach(networks->ports, count_port, &load);
            candidate.n_ports = load.n_ports;
            g_array_append_val(candidates, candidate);
        } else {
            add_problem(problems, problem);
        }
    }
    g_array_sort(candidates, compare_candidates);
    return candidates;
}

/* Like take_device(). */
static gboolean
look_at_device(Networks *networks, const Network *network, const LinkInfo *link,
               LinkInfo *ret_parent, GError **error)
{
    *ret_parent = *link;
    if (network->vlan && !vlan_device_find(networks->kernel, link, network->vlan, ret_parent))
        return TRUE;
    return (!network->vlan || check_link(networks, ret_parent, error)) &&
           check_free(networks, network, ret_parent, error);
}

typedef gboolean (*TakeDevice)(Networks *networks, const Network *network, const LinkInfo *link,
                               LinkInfo *ret_parent, GError **error);

static gboolean
take_device(Networks *networks, const Network *network, const LinkInfo *link, LinkInfo *ret_parent,
            GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (!network->vlan) {
        *ret_parent = *link;
        return check_free(networks, network, link, error);
    }
    if (!vlan_device_acquire(networks->devices, networks->kernel, link, network->vlan, ret_parent,
                             &cause)) {
        port_error_set(error, PORT_ERROR_SYSTEM, "%s", cause->message);
        return FALSE;
    }
    return check_link(networks, ret_parent, error) &&
           check_free(networks, network, ret_parent, error);
}

static gboolean
choose(Networks *networks, const Network *network, TakeDevice take, LookUp how,
       LinkInfo *ret_parent, LinkInfo *ret_trunk, GError **error)
{
    g_autoptr(GError) problems = NULL;
    g_autoptr(GArray) candidates = list_candidates(networks, network, how, &problems);

    for (guint i = 0; i < candidates->len; i++) {
        const LinkInfo *link = &g_array_index(candidates, Candidate, i).link;
        GError *problem = NULL;

        if (take(networks, network, link, ret_parent, &problem)) {
            *ret_trunk = *link;
            return TRUE;
        }
        add_problem(&problems, problem);
    }
    g_propagate_prefixed_error(error, g_steal_pointer(&problems), "network %s: ", network->name);
    return FALSE;
}

gboolean
parent_choose(Networks *networks, const Network *network, LinkInfo *ret_parent, LinkInfo *ret_trunk,
              GError **error)
{
    /* The carrier decides among the members of a pool. */
    return choose(networks, network, take_device,
                  network->parents[0] && !network->parents[1] ? LOOK_UP_KNOWN : LOOK_UP_NOW,
                  ret_parent, ret_trunk, error);
}

gboolean
parent_choose_only(Networks *networks, const Network *network, LinkInfo *ret_parent,
                   LinkInfo *ret_trunk, GError **error)
{
    return choose(networks, network, look_at_device, LOOK_UP_NOW, ret_parent, ret_trunk, error);
}

int
parent_bond(Networks *networks, const LinkInfo *parent, char *active_slave, gsize size)
{
    LinkInfo bond = *parent, slave;

    /* A VLAN device, or one on another, depends on its lowest link. */
    while (g_str_equal(bond.kind, "vlan") && bond.lower_index != 0) {
        if (!networks->kernel->ops->link_by_index(networks->kernel, bond.lower_index, &bond, NULL))
            return 0;
    }
    active_slave[0] = '\0';
    if (!g_str_equal(bond.kind, "bond"))
        return 0;
    if (bond.active_slave_index != 0 &&
        networks->kernel->ops->link_by_index(networks->kernel, bond.active_slave_index, &slave,
                                             NULL))
        g_strlcpy(active_slave, slave.name, size);
    return bond.index;
}

static const Port *
find_port_with_mac(Networks *networks, const LinkInfo *parent, const MacAddress *mac)
{
    const GSList *ports = port_table_find_mac(networks->ports, mac);

    for (; ports && parent->index != 0; ports = ports->next) { /* 0: a VLAN device to be */
        const Port *port = ports->data;

        if (is_there(port) && port->parent_index == parent->index)
            return port;
    }
    return NULL;
}

gboolean
parent_has_mac(Networks *networks, const LinkInfo *parent, const MacAddress *mac)
{
    return mac_address_equal(&parent->mac, mac) || find_port_with_mac(networks, parent, mac);
}

gboolean
parent_has_child(Networks *networks, const LinkInfo *parent, const MacAddress *mac)
{
    LinkInfo child;

    return parent_find_child(networks, parent, 0, mac, &child);
}

gboolean
parent_check_mac(Networks *networks, const LinkInfo *parent, const MacAddress *mac, GError **error)
{
    const Port *port = find_port_with_mac(networks, parent, mac);
    char text[MAC_ADDRESS_TEXT_SIZE];

    mac_address_format(mac, text);
    if (mac_address_equal(&parent->mac, mac))
        return port_error_set(error, PORT_ERROR_MAC_CONFLICT, "MAC %s is the parent's own (%s)",
                              text, parent->name);
    if (port)
        return port_error_set(error, PORT_ERROR_MAC_CONFLICT, "MAC %s belongs to port %s on %s",
                              text, port->name, parent->name);
    return TRUE;
}
