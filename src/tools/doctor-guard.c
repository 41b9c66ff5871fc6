/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks: the guards of networks and ports. */
#include "doctor.h"

#include <string.h>

/* By what keeps macvtapd from having a datapath; it looks once, when it starts. */
static const char *
unguarded_remedy(const char *reason)
{
    if (strstr(reason, "without BPF"))
        return "install a macvtapd that was built with BPF (meson's option bpf)";
    if (strstr(reason, "mount -t bpf"))
        return "mount -t bpf bpf /sys/fs/bpf, then restart macvtapd";
    return "have a kernel that takes BPF programs from macvtapd, then restart macvtapd; or write"
           " Senders=any into the network's file, if its guests may send anything";
}

static gboolean
network_has(const MacvtapNetwork *network, const char *field, const char *text)
{
    const char *value = network_text(network, field);

    return g_str_equal(value, text);
}

/* A file that asks for a guard in so many words has no ports until there is one. */
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
                           "its file asks for a guard, and no port can be made: %s", reason);
        else
            doctor_note(doctor, "network", name, remedy,
                        "its guests may send in anybody's name, because macvtapd guards no ports:"
                        " %s",
                        reason);
    }
}

/* Made before there was a guard, or where there was none. */
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
                doctor_note(doctor, "port", macvtap_port_get_name(port),
                            "stop its guest, delete the port if it is still there, and start the"
                            " guest again",
                            "it is older than the guard of network %s, and its guest may send in"
                            " anybody's name",
                            name);
        }
    }
}

/* The guest has another MAC than its port: nothing of it gets through. */
static void
tell_other_mac(Doctor *doctor, const MacvtapPort *port, const char *example)
{
    g_autofree char *remedy = g_strdup_printf(
        "give the guest's NIC the MAC %s; if it may have others (it is a bridge or a router),"
        " macvtapctl port set %s --guard senders=any, or Senders=any in its network's file",
        macvtap_port_get_mac_address(port), macvtap_port_get_name(port));

    doctor_problem(doctor, "port", macvtap_port_get_name(port), remedy, "its guard drops %s",
                   example[0] ? example : "frames from another MAC than the port's");
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

        if (!dropped[0])
            continue;
        if (others[0] && g_str_equal(verdict, "drop"))
            tell_other_mac(doctor, port, is_mac ? example : "");
        else
            doctor_note(doctor, "port", macvtap_port_get_name(port),
                        "nothing, if its guest has no business with that (macvtapd.network(5),"
                        " [Guard])",
                        "its guard %s dropped: %s",
                        g_str_equal(verdict, "count") ? "would have" : "has", dropped);
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
        remedy = g_strdup_printf("macvtapctl port set %s --guard allow-addresses=ADDRESS, or"
                                 " AllowAddresses= in its network's file",
                                 macvtap_port_get_name(port));
        doctor_problem(doctor, "port", macvtap_port_get_name(port), remedy,
                       "its guard lets its guest use listed addresses only, and lists none");
    }
}
