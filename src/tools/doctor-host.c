/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks: the kernel, vhost-net, and programs on the host that use the devices of ports. */
#include "doctor.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* what: the feature; without: what does not work without it; option: the kernel's. */
static void
check_module(Doctor *doctor, const char *name, const char *option, const char *what,
             const char *without)
{
    g_autofree char *remedy =
        g_strdup_printf("install a kernel that has the module %s (%s)", name, option);
    g_autofree char *try = g_strdup_printf("modprobe %s", name);

    switch (host_look_module(doctor->root, doctor->release, name)) {
    case HOST_MODULE_WORKS:
        doctor_good(doctor, "the kernel has %s", what);
        break;
    case HOST_MODULE_LOADABLE:
        doctor_good(doctor, "the kernel has %s, and loads its module when needed", what);
        break;
    case HOST_MODULE_UNKNOWN:
        doctor_note(doctor, "kernel", doctor->release, try,
                    "cannot find out whether the kernel has %s: the module %s is not loaded, and "
                    "there is no /lib/modules/%s",
                    what, name, doctor->release);
        break;
    case HOST_MODULE_MISSING:
        doctor_problem(doctor, "kernel", doctor->release, remedy, "it has no %s: %s", what,
                       without);
        break;
    }
}

void
doctor_check_macvtap(Doctor *doctor)
{
    check_module(doctor, "macvtap", "CONFIG_MACVTAP", "macvtap", "no port can be created");
}

void
doctor_check_vlans(Doctor *doctor)
{
    for (guint i = 0; i < doctor->networks->len; i++) {
        const MacvtapNetwork *network = doctor->networks->pdata[i];
        const char *vlan = network_text(network, "vlan");
        const char *tags = network_text(network, "guestVlans");
        g_autofree char *without =
            g_strdup_printf("no port can be created on network %s, which has %s%s",
                            macvtap_network_get_name(network),
                            vlan[0] ? "VLAN=" : "GuestVLANs=", vlan[0] ? vlan : tags);

        if (!vlan[0] && !tags[0])
            continue;
        check_module(doctor, "8021q", "CONFIG_VLAN_8021Q", "802.1Q", without);
        return;
    }
}

#define VHOST_MODULE "vhost_net"

static char *
vhost_path(const Doctor *doctor)
{
    return g_strdup_printf("%s/dev/vhost-net", doctor->root);
}

void
doctor_check_vhost(Doctor *doctor)
{
    g_autofree char *path = vhost_path(doctor);
    gboolean required = FALSE;
    const char *remedy =
        host_look_module(doctor->root, doctor->release, VHOST_MODULE) == HOST_MODULE_MISSING
            ? "install a kernel that has the module " VHOST_MODULE " (CONFIG_VHOST_NET)"
            : "modprobe " VHOST_MODULE ", and name it in a file of /etc/modules-load.d";

    if (access(path, F_OK) == 0) {
        doctor_good(doctor, "/dev/vhost-net is there");
        return;
    }
    for (guint i = 0; doctor->networks && i < doctor->networks->len; i++) {
        const MacvtapNetwork *network = doctor->networks->pdata[i];
        const char *vhost = network_text(network, "vhost");

        if (!g_str_equal(vhost, "require"))
            continue;
        required = TRUE;
        doctor_problem(
            doctor, "network", macvtap_network_get_name(network), remedy,
            "it has Vhost=require, but there is no /dev/vhost-net: no port can be created on it");
    }
    if (!required)
        doctor_note(doctor, "vhost-net", NULL, remedy,
                    "there is no /dev/vhost-net: guests run without vhost, which is slower");
}

/* A user other than root; an access list names one. */
static gboolean
has_users(const char *path, const struct stat *status)
{
    return (status->st_mode & 06) == 06 ||
           (status->st_gid != 0 && (status->st_mode & 060) == 060) ||
           getxattr(path, "system.posix_acl_access", NULL, 0) > 0;
}

/* macvtapd opens it for its callers; but with a helper QEMU itself opens it, and so does a user's
 * own libvirt. */
void
doctor_check_vhost_users(Doctor *doctor)
{
    g_autofree char *path = vhost_path(doctor);
    struct stat status;

    if (stat(path, &status) < 0)
        return;
    if (doctor->is_root ? has_users(path, &status) : access(path, R_OK | W_OK) == 0)
        return;
    doctor_note(doctor, "vhost-net", NULL,
                doctor->is_root ? "add a udev rule, KERNEL==\"vhost-net\", GROUP=\"kvm\", "
                                  "MODE=\"0660\", and put the users in that group"
                                : "ask the administrator to put you in the group that may use it "
                                  "(ls -l /dev/vhost-net)",
                "%s /dev/vhost-net: macvtap-run gets it from macvtapd, but a QEMU that starts"
                " qemu-macvtap-helper, and a user's own libvirt, run without vhost",
                doctor->is_root ? "only root may open" : "you may not open");
}

/* Programs that treat every Ethernet device as the host's own, and how to stop that. */
static const struct {
    const char *process; /* as HostProcess has it */
    const char *cure;    /* %s: a pattern that the device's name fits */
} takers[] = {
    {"dhcpcd", "dhcpcd: add the line 'denyinterfaces %s' to /etc/dhcpcd.conf and restart it"},
    {"systemd-network", "systemd-networkd: make sure that macvtapd's file 05-macvtapd.network is "
                        "in /usr/lib/systemd/network, then 'networkctl reload'"},
    {"NetworkManager", "NetworkManager: set 'unmanaged-devices=interface-name:%s' in [keyfile] of"
                       " /etc/NetworkManager/NetworkManager.conf, then 'nmcli general reload'"},
};

/* The prefixes of our device names, and of those that users may choose. */
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

/* process NULL: any of them that runs here. Returns NULL if the process is not among them. */
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

/* The remedy for what was done to the port's device; what names the program. */
static void
report_taken(Doctor *doctor, const MacvtapPort *port, const char *what)
{
    const char *interface = macvtap_port_get_interface_name(port);
    g_autofree char *cure = find_cure(doctor->processes, NULL, interface);
    g_autofree char *remedy = g_strdup_printf(
        "%s. Ports that are created afterwards are not affected",
        cure ? cure : "find the program that did this, and make it leave the device alone");

    doctor_problem(doctor, "port", macvtap_port_get_name(port), remedy,
                   "the host has %s on the guest's device %s", what, interface);
}

void
doctor_check_addresses(Doctor *doctor)
{
    for (guint i = 0; i < doctor->addresses->len; i++) {
        const HostAddress *address = &g_array_index(doctor->addresses, HostAddress, i);
        g_autofree char *what = g_strdup_printf("the address %s", address->text);

        for (guint j = 0; j < doctor->ports->len; j++) {
            const MacvtapPort *port = doctor->ports->pdata[j];

            if (g_str_equal(macvtap_port_get_interface_name(port), address->interface) &&
                doctor_find_device(doctor, port))
                report_taken(doctor, port, what);
        }
    }
}

void
doctor_check_ipv6(Doctor *doctor)
{
    for (guint i = 0; i < doctor->ports->len; i++) {
        const MacvtapPort *port = doctor->ports->pdata[i];
        g_autofree char *path =
            g_strdup_printf("%s/proc/sys/net/ipv6/conf/%s/disable_ipv6", doctor->root,
                            macvtap_port_get_interface_name(port));
        g_autofree char *value = NULL;

        if (doctor_find_device(doctor, port) && g_file_get_contents(path, &value, NULL, NULL) &&
            value[0] == '0')
            report_taken(doctor, port, "IPv6");
    }
}

/* Programs that only watch, including macvtapd itself, which waits for migrating guests. */
static gboolean
may_listen(const char *process)
{
    static const char *const names[] = {"macvtapd", "tcpdump", "dumpcap", "tshark", NULL};

    return g_strv_contains(names, process);
}

static void
report_listener(Doctor *doctor, const MacvtapPort *port, const HostProcess *owner)
{
    const char *interface = macvtap_port_get_interface_name(port);
    g_autofree char *cure = find_cure(doctor->processes, owner ? owner->name : "", interface);
    g_autofree char *name = owner ? g_strescape(owner->name, NULL) : NULL;
    g_autofree char *who = owner ? g_strdup_printf("%s (process %d)", name, (int)owner->pid)
                                 : g_strdup("a program in another PID namespace");

    doctor_problem(doctor, "port", macvtap_port_get_name(port),
                   cure ? cure : "end it, and make it leave the device alone",
                   "%s listens on the guest's device %s, as a DHCP client does", who, interface);
}

static void
check_listeners_of(Doctor *doctor, const MacvtapPort *port)
{
    g_autoptr(GArray) inodes =
        host_list_packet_sockets(doctor->root, macvtap_port_get_interface_index(port));
    const HostProcess *last = NULL;

    for (guint i = 0; i < inodes->len; i++) {
        const HostProcess *owner =
            host_find_socket(doctor->root, doctor->processes, g_array_index(inodes, guint64, i));

        /* Only root sees the owners of sockets. */
        if (owner ? may_listen(owner->name) || owner == last : !doctor->is_root)
            continue;
        report_listener(doctor, port, owner);
        last = owner;
    }
}

void
doctor_check_listeners(Doctor *doctor)
{
    for (guint i = 0; i < doctor->ports->len; i++) {
        if (doctor_find_device(doctor, doctor->ports->pdata[i]))
            check_listeners_of(doctor, doctor->ports->pdata[i]);
    }
}
