/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "parent.h"

#include "error.h"
#include "port-error.h"

#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>

/* The name of the link with this index, for messages; free with g_free(). */
static char *
link_name(Broker *broker, int index)
{
    LinkInfo link;

    if (broker->kernel->ops->link_by_index(broker->kernel, index, &link, NULL))
        return g_strdup(link.name);
    return g_strdup_printf("interface %d", index);
}

static gboolean
refuse_slave(Broker *broker, const LinkInfo *link, GError **error)
{
    g_autofree char *master = link_name(broker, link->master_index);

    if (g_str_equal(link->master_kind, "bridge"))
        return port_error_set(error, PORT_ERROR_PARENT_UNUSABLE, "%s is a port of bridge %s",
                              link->name, master);
    return port_error_set(error, PORT_ERROR_PARENT_UNUSABLE,
                          "%s is a port of %s %s; use %s as the parent", link->name,
                          link->master_kind[0] ? link->master_kind : "master", master, master);
}

static gboolean
check_link(Broker *broker, const LinkInfo *link, GError **error)
{
    if (link->hardware_type != ARPHRD_ETHER)
        return port_error_set(error, PORT_ERROR_PARENT_UNUSABLE, "%s is not an Ethernet interface",
                              link->name);
    if (link->is_macvlan)
        return port_error_set(error, PORT_ERROR_PARENT_UNUSABLE,
                              "%s is a %s itself and cannot be a parent", link->name, link->kind);
    if (link->master_index != 0 && !g_str_equal(link->master_kind, "vrf"))
        return refuse_slave(broker, link, error);
    if (!(link->flags & IFF_UP))
        return port_error_set(error, PORT_ERROR_PARENT_UNUSABLE, "parent %s is down", link->name);
    return TRUE;
}

/* What is known of a parent while ours on it are counted. */
typedef struct Load {
    const char *parent;
    guint n_ports;
    const Port *passthru; /* the port that has it for itself */
    const Port *any;
} Load;

static void
count_port(Port *port, gpointer user_data)
{
    Load *load = user_data;

    if (!g_str_equal(port->parent, load->parent))
        return;
    load->n_ports++;
    load->any = port;
    if (port->mode == MACVTAP_MODE_PASSTHRU)
        load->passthru = port;
}

static gboolean
check_free(Broker *broker, const Network *network, const LinkInfo *link, guint *ret_n_ports,
           GError **error)
{
    Load load = {.parent = link->name};

    registry_foreach(broker->registry, count_port, &load);
    if (load.passthru)
        return port_error_set(error, PORT_ERROR_PARENT_BUSY, "passthru port %s holds %s",
                              load.passthru->name, link->name);
    if (network->mode == MACVTAP_MODE_PASSTHRU && load.any)
        return port_error_set(error, PORT_ERROR_PARENT_BUSY,
                              "passthru needs %s for itself, and port %s is on it", link->name,
                              load.any->name);
    *ret_n_ports = load.n_ports;
    return TRUE;
}

static gboolean
look_up(Broker *broker, const char *name, LinkInfo *ret_link, GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (broker->kernel->ops->link_by_name(broker->kernel, name, ret_link, &cause))
        return TRUE;
    if (error_is_errno(cause, ENODEV))
        return port_error_set(error, PORT_ERROR_PARENT_NOT_FOUND, "there is no interface %s", name);
    return port_error_set(error, PORT_ERROR_SYSTEM, "cannot look at %s: %s", name, cause->message);
}

gboolean
parent_choose(Broker *broker, const Network *network, LinkInfo *ret_parent, GError **error)
{
    g_autoptr(GError) first = NULL;
    gboolean found = FALSE;
    guint least = 0;

    for (guint i = 0; network->parents[i]; i++) {
        LinkInfo link;
        guint n_ports = 0;

        if (!look_up(broker, network->parents[i], &link, first ? NULL : &first) ||
            !check_link(broker, &link, first ? NULL : &first) ||
            !check_free(broker, network, &link, &n_ports, first ? NULL : &first))
            continue;
        /* A parent with carrier before one without, then the one with the fewest ports. */
        if (found && (ret_parent->carrier > link.carrier ||
                      (ret_parent->carrier == link.carrier && least <= n_ports)))
            continue;
        *ret_parent = link;
        least = n_ports;
        found = TRUE;
    }
    if (!found)
        g_propagate_prefixed_error(error, g_steal_pointer(&first), "network %s: ", network->name);
    return found;
}

typedef struct MacSearch {
    const char *parent;
    const MacAddress *mac;
    const Port *found;
} MacSearch;

static void
match_mac(Port *port, gpointer user_data)
{
    MacSearch *search = user_data;

    if (mac_address_equal(&port->mac, search->mac) && g_str_equal(port->parent, search->parent))
        search->found = port;
}

gboolean
parent_has_mac(Broker *broker, const LinkInfo *parent, const MacAddress *mac)
{
    MacSearch search = {.parent = parent->name, .mac = mac};

    if (mac_address_equal(&parent->mac, mac))
        return TRUE;
    registry_foreach(broker->registry, match_mac, &search);
    return search.found != NULL;
}

gboolean
parent_check_mac(Broker *broker, const LinkInfo *parent, const MacAddress *mac, GError **error)
{
    MacSearch search = {.parent = parent->name, .mac = mac};
    char text[MAC_ADDRESS_TEXT_SIZE];

    mac_address_format(mac, text);
    if (mac_address_equal(&parent->mac, mac))
        return port_error_set(error, PORT_ERROR_MAC_CONFLICT, "MAC %s is the parent %s's own", text,
                              parent->name);
    registry_foreach(broker->registry, match_mac, &search);
    if (search.found)
        return port_error_set(error, PORT_ERROR_MAC_CONFLICT, "MAC %s is port %s's on %s", text,
                              search.found->name, parent->name);
    return TRUE;
}

/* The first macvlan or macvtap on the parent, with this MAC unless mac is NULL. */
static gboolean
find_child(Broker *broker, const LinkInfo *parent, const MacAddress *mac, LinkInfo *ret_child)
{
    g_autoptr(GArray) links = broker->kernel->ops->link_list(broker->kernel, NULL);

    for (guint i = 0; links && i < links->len; i++) {
        const LinkInfo *link = &g_array_index(links, LinkInfo, i);

        if (link->is_macvlan && link->lower_index == parent->index &&
            (!mac || mac_address_equal(&link->mac, mac))) {
            *ret_child = *link;
            return TRUE;
        }
    }
    return FALSE;
}

static gboolean
explain_invalid(Broker *broker, const LinkInfo *parent, const Port *port, GError **error)
{
    LinkInfo child;

    if (!find_child(broker, parent, NULL, &child))
        return FALSE;
    if (child.mode == MACVTAP_MODE_PASSTHRU)
        port_error_set(error, PORT_ERROR_PARENT_BUSY, "passthru device %s holds %s", child.name,
                       parent->name);
    else if (port->mode == MACVTAP_MODE_PASSTHRU)
        port_error_set(error, PORT_ERROR_PARENT_BUSY,
                       "passthru needs %s for itself, and %s %s is on it", parent->name, child.kind,
                       child.name);
    else
        return FALSE;
    return TRUE;
}

static void
explain_address(Broker *broker, const LinkInfo *parent, const Port *port, GError **error)
{
    char text[MAC_ADDRESS_TEXT_SIZE];
    LinkInfo child;

    mac_address_format(&port->mac, text);
    if (find_child(broker, parent, &port->mac, &child))
        port_error_set(error, PORT_ERROR_MAC_CONFLICT, "MAC %s is %s's on %s", text, child.name,
                       parent->name);
    else
        port_error_set(error, PORT_ERROR_MAC_CONFLICT, "MAC %s is already in use on %s", text,
                       parent->name);
}

void
parent_explain(Broker *broker, const LinkInfo *parent, const Port *port, GError *cause,
               GError **error)
{
    g_autoptr(GError) owned = cause;

    if (error_is_errno(cause, EEXIST)) {
        port_error_set(error, PORT_ERROR_NAME_TAKEN, "interface name %s is taken",
                       port->interface_name);
    } else if (error_is_errno(cause, EADDRINUSE)) {
        explain_address(broker, parent, port, error);
    } else if (error_is_errno(cause, ENODEV)) {
        port_error_set(error, PORT_ERROR_PARENT_NOT_FOUND, "interface %s has just been removed",
                       parent->name);
    } else if (error_is_errno(cause, EBUSY)) {
        port_error_set(error, PORT_ERROR_PARENT_BUSY,
                       "%s is in use in a way that excludes macvtap: %s", parent->name,
                       cause->message);
    } else if (!error_is_errno(cause, EINVAL) || !explain_invalid(broker, parent, port, error)) {
        port_error_set(error, PORT_ERROR_SYSTEM, "cannot create a macvtap on %s: %s", parent->name,
                       cause->message);
    }
}
