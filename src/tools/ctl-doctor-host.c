/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-doctor.h"

#include "host-look.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static guint
check_module(const char *name, const char *what, const char *who)
{
    struct utsname machine = {0};

    uname(&machine);
    switch (host_look_module("", machine.release, name)) {
    case HOST_MODULE_WORKS:
        return doctor_report(TRUE, "the kernel has %s", what);
    case HOST_MODULE_LOADABLE:
        return doctor_report(TRUE, "the kernel has %s, and loads its module when it is needed",
                             what);
    case HOST_MODULE_UNKNOWN:
        g_print("%-8s cannot tell whether the kernel has %s: the module %s is not loaded, and"
                " there is no /lib/modules/%s\n",
                "note", what, name, machine.release);
        return 0;
    default:
        return doctor_report(FALSE, "%s: kernel %s has no %s: install one that has the module %s",
                             who, machine.release, what, name);
    }
}

guint
doctor_check_kernel(const GPtrArray *networks)
{
    guint problems = check_module("macvtap", "macvtap", "no port can be made");

    for (guint i = 0; i < networks->len; i++) {
        g_autofree char *vlan = macvtap_network_get_text(networks->pdata[i], "vlan");
        g_autofree char *who = g_strdup_printf("network %s has VLAN=%s",
                                               macvtap_network_get_name(networks->pdata[i]), vlan);

        if (vlan[0])
            return problems + check_module("8021q", "802.1Q", who);
    }
    return problems;
}

/* Programs that take every Ethernet device for the host's own, and how they are told not to. */
static const struct {
    const char *process; /* as HostProcess has it */
    const char *cure;    /* %s: a pattern that the device's name fits */
} takers[] = {
    {"dhcpcd", "dhcpcd: add the line `denyinterfaces %s` to /etc/dhcpcd.conf and restart it"},
    {"systemd-network", "systemd-networkd: see that macvtapd's file 05-macvtapd.network is in"
                        " /usr/lib/systemd/network, then `networkctl reload`"},
    {"NetworkManager", "NetworkManager: set `unmanaged-devices=interface-name:%s` in [keyfile] of"
                       " /etc/NetworkManager/NetworkManager.conf, then `nmcli general reload`"},
};

/* What ours are called, and what users may call theirs. */
static char *
name_pattern(const char *interface)
{
    if (g_str_has_prefix(interface, "mvt"))
        return g_strdup("mvt*");
    return g_str_has_prefix(interface, "vm") ? g_strdup("vm*") : g_strdup(interface);
}

static gboolean
is_running(const GArray *processes, const char *name)
{
    for (guint i = 0; i < processes->len; i++) {
        const HostProcess *process = &g_array_index(processes, HostProcess, i);

        if (process->is_here && g_str_equal(process->name, name))
            return TRUE;
    }
    return FALSE;
}

/* process NULL: whichever of them runs here. NULL: it is none of them. */
static char *
find_cure(const GArray *processes, const char *process, const char *interface)
{
    g_autofree char *pattern = name_pattern(interface);
    g_autoptr(GPtrArray) cures = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < G_N_ELEMENTS(takers); i++) {
        g_auto(GStrv) parts = g_strsplit(takers[i].cure, "%s", -1);

        if (process ? g_str_equal(process, takers[i].process)
                    : is_running(processes, takers[i].process))
            g_ptr_array_add(cures, g_strjoinv(pattern, parts));
    }
    if (cures->len == 0)
        return NULL;
    g_ptr_array_add(cures, NULL);
    return g_strjoinv("; ", (char **)cures->pdata);
}

/* A problem of what was done to the port's device; what names it. */
static guint
report_taken(const GArray *processes, const MacvtapPort *port, const char *what)
{
    const char *interface = macvtap_port_get_interface_name(port);
    g_autofree char *cure = find_cure(processes, NULL, interface);

    return doctor_report(
        FALSE,
        "port %s: the host has %s on the guest's device %s; %s. A port that is made after that is"
        " free of it",
        macvtap_port_get_name(port), what, interface,
        cure ? cure : "find the program that has put it there, and have it leave the device alone");
}

static guint
check_addresses(const GArray *processes, const struct ifaddrs *addresses, const MacvtapPort *port)
{
    const char *interface = macvtap_port_get_interface_name(port);
    guint problems = 0;

    for (const struct ifaddrs *a = addresses; a; a = a->ifa_next) {
        int family = a->ifa_addr ? a->ifa_addr->sa_family : AF_UNSPEC;
        char text[INET6_ADDRSTRLEN];
        g_autofree char *what = NULL;

        if ((family != AF_INET && family != AF_INET6) || !g_str_equal(a->ifa_name, interface))
            continue;
        inet_ntop(family,
                  family == AF_INET ? (void *)&((struct sockaddr_in *)a->ifa_addr)->sin_addr
                                    : (void *)&((struct sockaddr_in6 *)a->ifa_addr)->sin6_addr,
                  text, sizeof text);
        what = g_strdup_printf("the address %s", text);
        problems += report_taken(processes, port, what);
    }
    return problems;
}

static guint
check_ipv6(const GArray *processes, const MacvtapPort *port)
{
    g_autofree char *path = g_strdup_printf("/proc/sys/net/ipv6/conf/%s/disable_ipv6",
                                            macvtap_port_get_interface_name(port));
    g_autofree char *value = NULL;

    if (!g_file_get_contents(path, &value, NULL, NULL) || value[0] != '0')
        return 0;
    return report_taken(processes, port, "IPv6");
}

/* Those who only look, and macvtapd, which waits for a guest to arrive by migration. */
static gboolean
may_listen(const char *process)
{
    static const char *const names[] = {"macvtapd", "tcpdump", "dumpcap", "tshark", NULL};

    return g_strv_contains(names, process);
}

static guint
report_listener(const GArray *processes, const MacvtapPort *port, const HostProcess *owner)
{
    const char *interface = macvtap_port_get_interface_name(port);
    g_autofree char *cure = find_cure(processes, owner ? owner->name : "", interface);
    g_autofree char *who = owner ? g_strdup_printf("%s (process %d)", owner->name, (int)owner->pid)
                                 : g_strdup("a program of another PID namespace");

    return doctor_report(FALSE,
                         "port %s: %s listens on the guest's device %s, as a DHCP client does; %s",
                         macvtap_port_get_name(port), who, interface,
                         cure ? cure : "end it, and have it leave the device alone");
}

static guint
check_listeners(const GArray *processes, const MacvtapPort *port)
{
    g_autoptr(GArray) inodes = host_list_packet_sockets("", macvtap_port_get_interface_index(port));
    const HostProcess *last = NULL;
    guint problems = 0;

    for (guint i = 0; i < inodes->len; i++) {
        const HostProcess *owner =
            host_find_socket("", processes, g_array_index(inodes, guint64, i));

        /* Only root sees whose sockets they are. */
        if (owner ? may_listen(owner->name) || owner == last : geteuid() != 0)
            continue;
        problems += report_listener(processes, port, owner);
        last = owner;
    }
    return problems;
}

guint
doctor_check_host(const GPtrArray *ports)
{
    g_autoptr(GArray) processes = host_list_processes("");
    struct ifaddrs *addresses = NULL;
    guint problems = 0;

    if (getifaddrs(&addresses) < 0)
        addresses = NULL;
    for (guint i = 0; i < ports->len; i++) {
        const MacvtapPort *port = ports->pdata[i];

        /* In another network namespace than macvtapd's the name could be another link's. */
        if (if_nametoindex(macvtap_port_get_interface_name(port)) !=
            (guint)macvtap_port_get_interface_index(port))
            continue;
        problems += check_addresses(processes, addresses, port) + check_ipv6(processes, port) +
                    check_listeners(processes, port);
    }
    if (addresses)
        freeifaddrs(addresses);
    return problems;
}
