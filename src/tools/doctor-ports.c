/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks: ports and their devices. */
#include "doctor.h"

#include "queue-users.h"

#include "mac-address.h"

#include <string.h>

static gboolean
is_active(const MacvtapPort *port)
{
    return macvtap_port_get_state(port) == MACVTAP_PORT_STATE_ACTIVE;
}

static gboolean
field_is(const MacvtapPort *port, const char *field, const char *text)
{
    const char *value = port_text(port, field);

    return g_str_equal(value, text);
}

/* The kernel removes a port's device together with its parent. */
static const char *
describe_loss(const MacvtapPort *port)
{
    return macvtap_port_get_state(port) == MACVTAP_PORT_STATE_PARENT_GONE
               ? "its parent was removed, and the device with it"
               : "another program removed its device";
}

void
doctor_check_devices(Doctor *doctor)
{
    for (guint i = 0; i < doctor->ports->len; i++) {
        const MacvtapPort *port = doctor->ports->pdata[i];
        const char *problem = port_text(port, "problem");
        g_autofree char *remedy =
            g_strdup_printf("stop its guest, remove what is left (macvtapctl port delete %s), and"
                            " start the guest again",
                            macvtap_port_get_name(port));

        if (!is_active(port))
            doctor_problem(doctor, "port", macvtap_port_get_name(port), remedy, "%s",
                           problem[0] ? problem : describe_loss(port));
    }
}

/* Problems of the device that macvtapd could not repair. */
void
doctor_check_repairs(Doctor *doctor)
{
    for (guint i = 0; i < doctor->ports->len; i++) {
        const MacvtapPort *port = doctor->ports->pdata[i];
        const char *problem = port_text(port, "problem");
        g_autofree char *remedy = NULL;

        if (!is_active(port) || !problem[0])
            continue;
        remedy = g_strdup_printf("see what macvtapd has tried: macvtapctl log --port %s",
                                 macvtap_port_get_name(port));
        doctor_problem(doctor, "port", macvtap_port_get_name(port), remedy, "%s", problem);
    }
}

void
doctor_check_links(Doctor *doctor)
{
    for (guint i = 0; i < doctor->ports->len; i++) {
        const MacvtapPort *port = doctor->ports->pdata[i];
        g_autofree char *remedy = NULL;

        if (!is_active(port) || !field_is(port, "linkUp", "no"))
            continue;
        remedy = g_strdup_printf("macvtapctl port set %s --link up", macvtap_port_get_name(port));
        doctor_problem(doctor, "port", macvtap_port_get_name(port), remedy,
                       "its link is down, so its guest sends and receives nothing");
    }
}

/* Whether the network lists any; an ad-hoc network never does. */
static gboolean
network_has_sources(const Doctor *doctor, const char *name)
{
    for (guint i = 0; i < doctor->networks->len; i++) {
        const MacvtapNetwork *network = doctor->networks->pdata[i];
        const char *sources = network_text(network, "sources");

        if (sources[0] && g_str_equal(macvtap_network_get_name(network), name))
            return TRUE;
    }
    return FALSE;
}

static void
note_networks_without_sources(Doctor *doctor)
{
    for (guint i = 0; i < doctor->networks->len; i++) {
        const MacvtapNetwork *network = doctor->networks->pdata[i];
        const char *name = macvtap_network_get_name(network);

        if (macvtap_network_get_mode(network) == MACVTAP_PORT_MODE_SOURCE &&
            macvtap_network_get_port_count(network) == 0 && !network_has_sources(doctor, name))
            doctor_note(doctor, "network", name,
                        "list the senders in Sources=, then macvtapctl reload",
                        "it is in source mode without Sources=: a port on it receives nothing "
                        "until it has sources of its own");
    }
}

/* In source mode a port only accepts frames from listed senders: the network's list, or its own. */
void
doctor_check_sources(Doctor *doctor)
{
    note_networks_without_sources(doctor);
    for (guint i = 0; i < doctor->ports->len; i++) {
        const MacvtapPort *port = doctor->ports->pdata[i];
        const char *own = port_text(port, "sources");
        g_autofree char *remedy = NULL;

        if (!is_active(port) || macvtap_port_get_mode(port) != MACVTAP_PORT_MODE_SOURCE || own[0] ||
            network_has_sources(doctor, macvtap_port_get_network(port)))
            continue;
        remedy = g_strdup_printf("list the senders in Sources= of the network, or for this port:"
                                 " macvtapctl port set %s --sources MAC[,MAC...]",
                                 macvtap_port_get_name(port));
        doctor_problem(doctor, "port", macvtap_port_get_name(port), remedy,
                       "it is in source mode and no source is listed: its guest receives nothing");
    }
}

/* "Parent, VLAN": the keys of the network's file whose values the port does not have. */
void
doctor_check_outdated(Doctor *doctor)
{
    for (guint i = 0; i < doctor->ports->len; i++) {
        const MacvtapPort *port = doctor->ports->pdata[i];
        const char *keys = port_text(port, "outdated");

        if (is_active(port) && keys[0])
            doctor_note(doctor, "port", macvtap_port_get_name(port),
                        "restart its guest when convenient (for a port created by hand: delete it "
                        "and create it again)",
                        "network %s has changed since the port was created, and the port still has "
                        "the old values of: %s",
                        macvtap_port_get_network(port), keys);
    }
}

void
doctor_check_mtu(Doctor *doctor)
{
    for (guint i = 0; i < doctor->ports->len; i++) {
        const MacvtapPort *port = doctor->ports->pdata[i];
        const char *text = port_text(port, "wantedMtu");
        guint64 wanted = g_ascii_strtoull(text, NULL, 10);
        g_autofree char *remedy = NULL;

        if (!is_active(port) || macvtap_port_get_mtu(port) >= wanted)
            continue;
        remedy = g_strdup_printf("ip link set dev %s mtu %s, and the port's follows",
                                 macvtap_port_get_parent(port), text);
        doctor_problem(doctor, "port", macvtap_port_get_name(port), remedy,
                       "its MTU dropped from %s to %u with its parent's, and its guest may still "
                       "send larger frames",
                       text, macvtap_port_get_mtu(port));
    }
}

/* Frames for that MAC go to the host. In passthru both have the same MAC. */
void
doctor_check_macs(Doctor *doctor)
{
    for (guint i = 0; i < doctor->ports->len; i++) {
        const MacvtapPort *port = doctor->ports->pdata[i];
        const char *name = macvtap_port_get_parent(port);
        const LinkInfo *parent = doctor_find_link(doctor, name);
        char mac[MAC_ADDRESS_TEXT_SIZE];
        g_autofree char *remedy = NULL;

        if (!parent || macvtap_port_get_mode(port) == MACVTAP_PORT_MODE_PASSTHRU ||
            !g_str_equal(mac_address_format(&parent->mac, mac), macvtap_port_get_mac_address(port)))
            continue;
        remedy =
            g_strdup_printf("give %s another MAC (ip link set dev %s address MAC)", name, name);
        doctor_problem(
            doctor, "port", macvtap_port_get_name(port), remedy,
            "its parent %s now has the port's MAC %s: frames for the guest may go to the host",
            name, mac);
    }
}

/* Some process has an open queue, and root can see it unless it is in another PID namespace. */
void
doctor_check_users(Doctor *doctor)
{
    g_autoptr(GHashTable) users = queue_users_list();

    for (guint i = 0; i < doctor->ports->len; i++) {
        const MacvtapPort *port = doctor->ports->pdata[i];
        const char *open = port_text(port, "openQueues");
        g_autofree char *remedy = NULL;

        if (!open[0] || g_str_equal(open, "0") ||
            g_hash_table_contains(users, macvtap_port_get_id(port)))
            continue;
        remedy = g_strdup_printf("if no guest uses it, macvtapctl port delete %s",
                                 macvtap_port_get_name(port));
        doctor_problem(
            doctor, "port", macvtap_port_get_name(port), remedy,
            "it has %s open queue%s, but no visible process has one: its VMM is in a container's "
            "PID namespace that cannot be seen from here, or the descriptors are stuck in a socket",
            open, g_str_equal(open, "1") ? "" : "s");
    }
}

/* libvirt starts QEMU with -uuid. A domain that is just starting may not have a QEMU yet. */
void
doctor_check_domains(Doctor *doctor)
{
    for (guint i = 0; i < doctor->ports->len; i++) {
        const MacvtapPort *port = doctor->ports->pdata[i];
        const char *uuid = port_text(port, "holder.domain");
        g_autofree char *remedy = NULL;

        if (!uuid[0] || !field_is(port, "holder.pid", "") ||
            host_has_argument(doctor->root, doctor->processes, uuid))
            continue;
        remedy = g_strdup_printf(
            "if the domain is not running (virsh list --uuid), macvtapctl port delete %s",
            macvtap_port_get_name(port));
        doctor_problem(doctor, "port", macvtap_port_get_name(port), remedy,
                       "libvirt's domain %s holds it, but no process of that domain can be found",
                       uuid);
    }
}
