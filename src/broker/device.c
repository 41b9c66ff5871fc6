/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker-private.h"

#include "error.h"
#include "port-error.h"

#include <errno.h>
#include <net/if.h>

gboolean
device_is_of(const LinkInfo *link, const Port *port)
{
    const char *id = port_alias_id(link->alias);

    if (!g_str_equal(link->kind, "macvtap"))
        return FALSE;
    if (id)
        return g_str_equal(id, port->id);
    /* Until a device gets its alias it has only the chosen index, name and MAC. Others may
     * overwrite the alias later; a device with our index, name and MAC is still ours. */
    return link->index == port->interface_index && g_str_equal(link->name, port->interface_name) &&
           (port->state == PORT_STATE_CREATING ? link->alias[0] == '\0'
                                               : mac_address_equal(&link->mac, &port->mac));
}

gboolean
broker_find_device(Broker *broker, const Port *port, LinkInfo *ret_device, GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (broker->kernel->ops->link_by_index(broker->kernel, port->interface_index, ret_device,
                                           &cause) &&
        device_is_of(ret_device, port))
        return TRUE;
    if (cause && !error_is_errno(cause, ENODEV))
        return port_error_set(error, PORT_ERROR_SYSTEM, "port %s: %s", port->name, cause->message);
    return port_error_set(error, PORT_ERROR_DEVICE_GONE,
                          "the device %s of port %s has been removed", port->interface_name,
                          port->name);
}

const LinkInfo *
broker_find_moved(Broker *broker, const Port *port, GArray **links, GError **error)
{
    if (!*links)
        *links = broker->kernel->ops->link_list_moved(broker->kernel, "macvtap", error);
    for (guint i = 0; *links && i < (*links)->len; i++) {
        const LinkInfo *link = &g_array_index(*links, LinkInfo, i);

        if (g_strcmp0(port_alias_id(link->alias), port->id) == 0)
            return link;
    }
    return NULL;
}

gboolean
device_note_moved(Port *port, const LinkInfo *link)
{
    if (port->is_moved && port->moved_netns == link->moved_netns &&
        port->moved_index == link->moved_index)
        return FALSE;
    port->is_moved = TRUE;
    port->moved_netns = link->moved_netns;
    port->moved_index = link->moved_index;
    return TRUE;
}

gboolean
broker_remove_moved(Broker *broker, const Port *port, GError **error)
{
    g_autofree char *alias = port_alias(port);
    g_autoptr(GError) cause = NULL;

    if (!port->is_moved || broker->kernel->ops->link_delete_moved(broker->kernel, port->moved_netns,
                                                                  port->moved_index, alias, &cause))
        return TRUE;
    return port_error_set(error, PORT_ERROR_SYSTEM,
                          "port %s: its device is in another network namespace: %s", port->name,
                          cause->message);
}

/* A passthru device that is up keeps its setting: when its IFF_ALLMULTI changes, the kernel
 * miscounts its parent's multicast users (see src/kernel/link-create.c). */
static gboolean
prescribes_multicast(const Port *port, const Network *network)
{
    return network && (port->mode != MACVTAP_MODE_PASSTHRU || port->state == PORT_STATE_CREATING);
}

void
device_want(Broker *broker, const Port *port, const Network *network, DeviceState *ret_state)
{
    DeviceState state = {.fields = DEVICE_MODE | DEVICE_ALIAS | DEVICE_SILENCE, .mode = port->mode};

    if (prescribes_multicast(port, network)) {
        state.fields |= DEVICE_MULTICAST;
        state.all_multicast = network->multicast == MULTICAST_ALL;
    }
    features_want(&broker->host, port, network, &state);
    *ret_state = state;
}

/* A list may contain a source twice, which the kernel stores once. */
static guint64
digest_sources(const GArray *sources)
{
    const MacAddress *macs = (const MacAddress *)sources->data;
    guint64 digest = 0;

    for (guint i = 0; i < sources->len; i++) {
        guint before = 0;

        while (!mac_address_equal(&macs[before], &macs[i]))
            before++;
        if (before == i)
            digest += link_sources_digest(&macs[i], 1);
    }
    return digest;
}

static gboolean
has_other_queues(const DeviceState *wanted, const LinkInfo *device)
{
    return (wanted->tx_queue_length && wanted->tx_queue_length != device->tx_queue_length) ||
           (wanted->broadcast_queue_length &&
            wanted->broadcast_queue_length != device->broadcast_queue_length);
}

static guint
compare_prescribed(const Port *port, const DeviceState *wanted, const LinkInfo *device)
{
    const char *id = port_alias_id(device->alias);
    guint fields = 0;

    if (device->mode != wanted->mode)
        fields |= DEVICE_MODE;
    if (device->mtu != wanted->mtu)
        fields |= DEVICE_MTU;
    if (wanted->fields & DEVICE_SOURCES &&
        device->sources_digest != digest_sources(wanted->sources))
        fields |= DEVICE_SOURCES;
    if (((device->flags & IFF_ALLMULTI) != 0) != wanted->all_multicast)
        fields |= DEVICE_MULTICAST;
    if (has_other_queues(wanted, device))
        fields |= DEVICE_QUEUES;
    if (device->nopromisc != wanted->nopromisc)
        fields |= DEVICE_PROMISC;
    if (g_strcmp0(id, port->id) != 0)
        fields |= DEVICE_ALIAS;
    if (device->host_ipv6 || !(device->flags & IFF_NOARP))
        fields |= DEVICE_SILENCE;
    return fields & wanted->fields;
}

guint
device_compare(const Port *port, const DeviceState *wanted, const LinkInfo *device)
{
    guint fields = compare_prescribed(port, wanted, device);

    if (!mac_address_equal(&device->mac, &port->mac))
        fields |= DEVICE_MAC;
    if (device->mtu != port->mtu)
        fields |= DEVICE_MTU;
    if (((device->flags & IFF_UP) != 0) != port->link_up)
        fields |= DEVICE_UP;
    if (!g_str_equal(device->name, port->interface_name))
        fields |= DEVICE_NAME;
    if (port->is_unsaved)
        fields |= DEVICE_RECORD;
    return fields;
}

static gboolean
repair_link(Broker *broker, const Port *port, const DeviceState *wanted, guint fields,
            GError **error)
{
    g_autofree char *alias = port_alias(port);
    const LinkChange change = {
        .mtu = fields & DEVICE_MTU ? wanted->mtu : 0,
        .alias = fields & DEVICE_ALIAS ? alias : NULL,
        .all_multicast = (fields & DEVICE_MULTICAST) && wanted->all_multicast,
        .no_all_multicast = (fields & DEVICE_MULTICAST) && !wanted->all_multicast,
        /* A larger MTU may make the host use IPv6 on the device. */
        .silence = (fields & (DEVICE_SILENCE | DEVICE_MTU)) != 0,
    };

    return broker->kernel->ops->link_change(broker->kernel, port->interface_index, &change, error);
}

gboolean
device_repair(Broker *broker, Port *port, const DeviceState *wanted, const LinkInfo *device,
              guint fields, GError **error)
{
    const guint of_link = DEVICE_MTU | DEVICE_ALIAS | DEVICE_MULTICAST | DEVICE_SILENCE;
    Kernel *kernel = broker->kernel;
    gboolean good = TRUE;

    if (fields & DEVICE_RECORD)
        good = registry_update(broker->registry, port, error);
    if (good)
        port->is_unsaved = FALSE;
    if (fields & DEVICE_MODE)
        good &=
            kernel->ops->macvtap_set_mode(kernel, device->index, wanted->mode, good ? error : NULL);
    if (fields & of_link & wanted->fields)
        good &= repair_link(broker, port, wanted, fields & wanted->fields, good ? error : NULL);
    return features_repair(&broker->host, port, wanted, fields, good ? error : NULL) && good;
}

/* The MAC of a passthru device is its parent's, which may refuse to change: a bond with
 * fail_over_mac=active has its active slave's. */
static char *
describe_mac(const Port *port, const LinkInfo *device, const GError *cause)
{
    char wanted[MAC_ADDRESS_TEXT_SIZE], now[MAC_ADDRESS_TEXT_SIZE];

    mac_address_format(&port->mac, wanted);
    mac_address_format(&device->mac, now);
    if (cause)
        return g_strdup_printf("its MAC %s could not be restored, it is %s: %s", wanted, now,
                               cause->message);
    if (port->mode == MACVTAP_MODE_PASSTHRU)
        return g_strdup_printf("its MAC %s could not be restored: its parent %s keeps %s", wanted,
                               port->parent, now);
    return g_strdup_printf("its MAC %s could not be restored: it is %s again", wanted, now);
}

static char *
describe_name(const LinkInfo *device)
{
    g_autofree char *shown = g_strescape(device->name, NULL);

    return g_strdup_printf("its device was renamed to '%s', which macvtapd cannot follow: give it "
                           "an unused name of printable ASCII",
                           shown);
}

char *
device_describe(const Port *port, const DeviceState *wanted, const LinkInfo *device, guint fields,
                const GError *cause)
{
    const char *why = cause ? cause->message : "another program keeps changing it";

    if (fields & DEVICE_GUARD)
        return g_strdup_printf("its guest is not guarded: %s", why);
    if (fields & DEVICE_PACE)
        return g_strdup_printf("its guest may send faster than its limit: %s", why);
    if (fields & DEVICE_MAC)
        return describe_mac(port, device, cause);
    if (fields & DEVICE_MODE)
        return g_strdup_printf("its device is in mode %s instead of %s, so its neighbours on %s "
                               "may not reach the guest: %s",
                               macvtap_mode_name(device->mode), macvtap_mode_name(wanted->mode),
                               port->parent, why);
    if (fields & DEVICE_MTU)
        return g_strdup_printf("its MTU is %u instead of %u: %s", device->mtu, wanted->mtu, why);
    if (fields & DEVICE_SOURCES)
        return g_strdup_printf("its sources could not be set: %s", why);
    if (fields & DEVICE_SILENCE)
        return g_strdup_printf("the host speaks IPv6 or ARP on its device: %s", why);
    if (fields & DEVICE_QUEUES)
        return g_strdup_printf("its queue lengths could not be set: %s", why);
    if (fields & DEVICE_PROMISC)
        return g_strdup_printf("its parent's promiscuity could not be set: %s", why);
    if (fields & DEVICE_NAME)
        return describe_name(device);
    if (fields & DEVICE_RECORD)
        return g_strdup_printf("its record could not be written: %s", why);
    return g_strdup_printf("its device's alias or multicast could not be set: %s", why);
}

const Network *
broker_network_of(Broker *broker, const Port *port)
{
    const Network *network = networks_find(broker->networks, port->network);

    return network && !network->problem ? network : NULL;
}

static gboolean
lists_are_equal(const GStrv a, const GStrv b)
{
    return a == b || (a && b && g_strv_equal((const char *const *)a, (const char *const *)b));
}

/* NULL: none. */
static GStrv
list_outdated(Broker *broker, const Port *port)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    GStrv keys;

    networks_list_outdated(broker->networks, port, builder);
    features_list_outdated(&broker->host, port, builder);
    keys = g_strv_builder_end(builder);
    if (!keys[0])
        g_clear_pointer(&keys, g_strfreev);
    return keys;
}

gboolean
broker_note_network(Broker *broker, Port *port)
{
    gboolean removed = networks_have_removed(broker->networks, port);
    g_auto(GStrv) outdated = list_outdated(broker, port);

    if (port->network_removed == removed && lists_are_equal(port->outdated, outdated))
        return FALSE;
    port->network_removed = removed;
    g_strfreev(port->outdated);
    port->outdated = g_steal_pointer(&outdated);
    return TRUE;
}
