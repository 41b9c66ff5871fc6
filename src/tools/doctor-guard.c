/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks: the guards of networks and ports. */
#include "doctor.h"

#include <string.h>

#define DROPS_MATTER 3600 /* seconds after the last one */

/* Remedies, by what keeps macvtapd from having a datapath; it only tries at its start. */
static const char *
unguarded_remedy(const char *reason)
{
    if (strstr(reason, "without BPF"))
        return "install a macvtapd that was built with BPF (meson's option bpf)";
    if (strstr(reason, "mount -t bpf"))
        return "mount -t bpf bpf /sys/fs/bpf, then restart macvtapd";
    return "use a kernel that lets macvtapd load BPF programs, then restart macvtapd; or set "
           "Senders=any in the network's file if its guests may send anything";
}

static gboolean
network_has(const MacvtapNetwork *network, const char *field, const char *text)
{
    const char *value = network_text(network, field);

    return g_str_equal(value, text);
}

/* A network whose file explicitly asks for a guard has no ports until there is a datapath. */
static gboolean
asks_for_guard(const MacvtapNetwork *network)
{
    return network_has(network, "guard.senders", "own") ||
           !network_has(network, "guard.addresses", "any");
}

void
doctor_check_unguarded(Doctor *doctor)
{
    for (guint i = 0; i < doctor->networks->len; i++) {
        const MacvtapNetwork *network = doctor->networks->pdata[i];
        const char *name = macvtap_network_get_name(network);
        const char *reason = network_text(network, "unguarded");
        const char *remedy = unguarded_remedy(reason);

        if (!reason[0])
            continue;
        if (asks_for_guard(network))
            doctor_problem(doctor, "network", name, remedy,
                           "its file asks for a guard, so no port can be created: %s", reason);
        else
            doctor_note(doctor, "network", name, remedy,
                        "its guests can spoof any address, because macvtapd guards no ports: %s",
                        reason);
    }
}

/* Created before guards existed, or without a datapath. */
void
doctor_check_unguarded_ports(Doctor *doctor)
{
    for (guint i = 0; i < doctor->ports->len; i++) {
        const MacvtapPort *port = doctor->ports->pdata[i];
        const char *name = macvtap_port_get_network(port);
        const char *senders = port_text(port, "guard.senders");

        for (guint k = 0; k < doctor->networks->len && !senders[0]; k++) {
            const MacvtapNetwork *network = doctor->networks->pdata[k];

            if (g_str_equal(macvtap_network_get_name(network), name) &&
                network_has(network, "guard.senders", "own"))
                doctor_note(
                    doctor, "port", macvtap_port_get_name(port),
                    "stop its guest, delete the port if it still exists, and start the guest again",
                    "it is older than the guard of network %s, so its guest can spoof any address",
                    name);
        }
    }
}

/* The guest's MAC is not the port's: none of its frames get through. */
static void
tell_other_mac(Doctor *doctor, const MacvtapPort *port, const char *example)
{
    g_autofree char *remedy = g_strdup_printf(
        "give the guest's NIC the MAC %s; if the guest may use other MACs (as a bridge or router), "
        "run macvtapctl port set %s --guard senders=any, or set Senders=any in its network's file",
        macvtap_port_get_mac_address(port), macvtap_port_get_name(port));

    doctor_problem(doctor, "port", macvtap_port_get_name(port), remedy, "its guard drops %s",
                   example[0] ? example : "frames from a MAC other than the port's");
}

/* What a guest no longer sends is nothing to act on. */
static gboolean
is_over(const MacvtapPort *port)
{
    return g_ascii_strtoull(port_text(port, "dropAge"), NULL, 10) > DROPS_MATTER;
}

void
doctor_check_drops(Doctor *doctor)
{
    for (guint i = 0; i < doctor->ports->len; i++) {
        const MacvtapPort *port = doctor->ports->pdata[i];
        const char *dropped = port_text(port, "dropped");
        const char *others = port_text(port, "dropped.other-mac");
        const char *verdict = port_text(port, "guard.verdict");
        const char *example = port_text(port, "dropExample");
        gboolean is_mac = strstr(example, "frame from MAC ") != NULL;

        if (!dropped[0] || is_over(port))
            continue;
        if (others[0] && g_str_equal(verdict, "drop"))
            tell_other_mac(doctor, port, is_mac ? example : "");
        else
            doctor_note(
                doctor, "port", macvtap_port_get_name(port),
                "nothing, if its guest has no need to send that (macvtapd.network(5), [Guard])",
                "its guard %s dropped: %s", g_str_equal(verdict, "count") ? "would have" : "has",
                dropped);
    }
}

void
doctor_check_no_address(Doctor *doctor)
{
    for (guint i = 0; i < doctor->ports->len; i++) {
        const MacvtapPort *port = doctor->ports->pdata[i];
        const char *addresses = port_text(port, "guard.addresses");
        const char *list = port_text(port, "guard.allowAddresses");
        g_autofree char *remedy = NULL;

        if (!g_str_equal(addresses, "listed") || list[0])
            continue;
        remedy = g_strdup_printf("macvtapctl port set %s --guard allow-addresses=ADDRESS, or set "
                                 "AllowAddresses= in its network's file",
                                 macvtap_port_get_name(port));
        doctor_problem(doctor, "port", macvtap_port_get_name(port), remedy,
                       "its guard allows only listed addresses, and none is listed");
    }
}
