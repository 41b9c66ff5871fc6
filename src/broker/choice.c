/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chooses a new port's names, MAC and ifindex: as requested or at random, and again when the kernel
 * reports a conflict. */
#include "creation.h"

#include "error.h"
#include "parent.h"
#include "policy.h"
#include "port-error.h"
#include "random.h"

#include <errno.h>
#include <stdio.h>

/* Chosen ifindexes start above those that the kernel assigns, so that a /dev/tapN of another
 * namespace never conflicts with ours. */
#define INDEX_MIN (1 << 20)
#define INDEX_MAX (1 << 30)

MacOrigin
creation_mac_origin(const Creation *creation)
{
    return (MacOrigin){
        .seed = creation->broker->mac_seed,
        .name = creation->request->name,
        .uid = caller_account(creation->caller),
        .guest_name = creation->request->guest_name,
    };
}

/* Whether a port of the network has the MAC, on any parent: for guests the parents of a pool are
 * one network. A port that is ending counts if ending_too. */
gboolean
creation_network_has_mac(const Creation *creation, const MacAddress *mac, gboolean ending_too)
{
    const GSList *ports = port_table_find_mac(creation->broker->ports, mac);

    for (; ports; ports = ports->next) {
        const Port *port = ports->data;

        if (g_str_equal(port->network, creation->network->name) && (ending_too || !port->is_ending))
            return TRUE;
    }
    return FALSE;
}

static gboolean
mac_is_taken(const MacAddress *mac, gpointer user_data)
{
    Creation *creation = user_data;

    for (guint i = 0; creation->others && i < creation->others->len; i++) {
        if (mac_address_equal(&g_array_index(creation->others, LinkInfo, i).mac, mac))
            return TRUE;
    }
    return parent_has_mac(creation->broker->networks, &creation->parent, mac) ||
           (!creation->request->name && creation_network_has_mac(creation, mac, TRUE));
}

static gboolean
choose_inherited(Creation *creation, GError **error)
{
    const PortRequest *request = creation->request;
    char wanted[MAC_ADDRESS_TEXT_SIZE], own[MAC_ADDRESS_TEXT_SIZE];

    creation->port->mac = creation->parent.mac;
    if (!request->has_mac || mac_address_equal(&request->mac, &creation->parent.mac))
        return TRUE;
    return port_error_set(
        error, PORT_ERROR_MAC_NOT_ALLOWED,
        "network %s gives the guest the MAC of %s, %s, not %s; ask for that MAC, or set"
        " Mac=assign in the network",
        creation->network->name, creation->parent.name,
        mac_address_format(&creation->parent.mac, own), mac_address_format(&request->mac, wanted));
}

gboolean
creation_choose_mac(Creation *creation, GError **error)
{
    const PortRequest *request = creation->request;
    const MacOrigin origin = creation_mac_origin(creation);
    gboolean passthru = creation->network->mode == MACVTAP_MODE_PASSTHRU;

    if (creation->network->mac == MAC_POLICY_INHERIT)
        return choose_inherited(creation, error);
    if (request->has_mac) {
        creation->port->mac = request->mac;
        /* In passthru the port has the parent's own MAC anyway. */
        return passthru || parent_check_mac(creation->broker->networks, &creation->parent,
                                            &request->mac, error);
    }
    return policy_generate_mac(creation->network, &origin, mac_is_taken, creation,
                               &creation->port->mac, error);
}

void
creation_choose_index(Creation *creation)
{
    do
        creation->port->interface_index = random_in_range(INDEX_MIN, INDEX_MAX);
    while (port_table_find_index(creation->broker->ports, creation->port->interface_index));
}

/* A port keeps its interface name even if others removed the device. The name must not be another
 * port's name, either, as both kinds of names identify a port. */
static gboolean
check_interface_name(Creation *creation, GError **error)
{
    const char *name = creation->request->interface_name;
    const Port *other = port_table_find(creation->broker->ports, name);

    return !other || port_error_set(error, PORT_ERROR_NAME_TAKEN,
                                    "interface name %s is taken by port %s", name, other->name);
}

/* Draws the ID and the names that were not requested. A guest's name is only a preference. */
static gboolean
draw_names(Creation *creation, GError **error)
{
    const PortRequest *request = creation->request;
    const PortTable *ports = creation->broker->ports;
    const char *name = policy_port_name(request);
    Port *port = creation->port;

    if (!request->name && name && port_table_find(ports, name))
        name = NULL;
    for (guint attempt = 1; attempt <= CREATION_ATTEMPTS; attempt++) {
        g_free(port->id);
        port->id = g_strdup_printf("p%08x%04x", random_number(), random_number() & 0xffff);
        snprintf(port->interface_name, sizeof(port->interface_name), "mvt%.12s", port->id + 1);
        if (port_table_find(ports, port->id) || port_table_find(ports, port->interface_name))
            continue;
        g_free(port->name);
        port->name = g_strdup(name ? name : port->id);
        if (request->interface_name)
            g_strlcpy(port->interface_name, request->interface_name, sizeof(port->interface_name));
        return TRUE;
    }
    return port_error_set(error, PORT_ERROR_NAME_TAKEN,
                          "could not find a free interface name (last tried %s)",
                          port->interface_name);
}

gboolean
creation_choose_names(Creation *creation, GError **error)
{
    const PortRequest *request = creation->request;
    const PortTable *ports = creation->broker->ports;

    if (request->name && port_table_find(ports, request->name))
        return port_error_set(error, PORT_ERROR_NAME_TAKEN, "there is a port '%s' already",
                              request->name);
    if (request->interface_name && !check_interface_name(creation, error))
        return FALSE;
    return draw_names(creation, error);
}

/* Another program's device has the generated MAC: check all devices and take another MAC. */
static gboolean
choose_mac_again(Creation *creation)
{
    if (creation->others || creation->request->has_mac ||
        creation->port->mode == MACVTAP_MODE_PASSTHRU)
        return FALSE;
    creation->others = creation->broker->kernel->ops->link_list(creation->broker->kernel, NULL);
    return creation->others && creation_choose_mac(creation, NULL);
}

/* Another program's device has the random interface name. */
static gboolean
draw_names_again(Creation *creation)
{
    if (creation->request->interface_name)
        return FALSE;
    registry_abort(creation->broker->registry, creation->port->id);
    return draw_names(creation, NULL);
}

/* Replaces a random choice that conflicted when the kernel created the device. */
gboolean
creation_choose_again(Creation *creation, const GError *cause)
{
    if (error_is_errno(cause, EBUSY)) {
        creation_choose_index(creation);
        return TRUE;
    }
    if (error_is_errno(cause, EEXIST))
        return draw_names_again(creation);
    return error_is_errno(cause, EADDRINUSE) && choose_mac_again(creation);
}
