/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation: libvirt compares nothing, and virsh can change the interface or the metadata
 * of a domain under its port. So the guest's network, MAC and device are compared here with the
 * existing port. An interface is active only if its port is the one that the domain asks for, QEMU
 * has it open and its link is up.
 *
 * A stopped domain has no ports. Its interfaces are compared with its metadata and with the
 * interfaces of other domains.
 */
#include "ctl-look.h"

#include "domain-port.h"

#include <dirent.h>
#include <limits.h>
#include <net/if.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATE_ABSENT "absent"
#define STATE_MISMATCH "mismatch"
#define STATE_UNPLUGGED "unplugged"
#define STATE_LINK_DOWN "link-down"
#define STATE_NO_CARRIER "no-carrier"

static void
free_look(gpointer data)
{
    CtlLook *look = data;

    g_free(look->problem);
    g_free(look->network);
    g_free(look);
}

/* Only the first problem is reported. */
static void G_GNUC_PRINTF(3, 4)
    look_found(CtlLook *look, const char *state, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    look->state = state;
    if (!look->problem)
        look->problem = g_strdup_printf("interface %s: %s", domain_nic_name(look->nic), text);
}

/* Whether the descriptor was opened as this node: "/dev/tap7", followed by " (deleted)" once the
 * node is gone. */
static gboolean
has_name(int folder, const char *entry, const char *node)
{
    char link[PATH_MAX];
    ssize_t length = readlinkat(folder, entry, link, sizeof link - 1);
    const char *name, *rest;

    if (length < 0)
        return FALSE;
    link[length] = '\0';
    name = strrchr(link, '/');
    rest = name && g_str_has_prefix(name + 1, node) ? name + 1 + strlen(node) : NULL;
    return rest && (rest[0] == '\0' || rest[0] == ' ');
}

/* The number alone is not enough: the kernel reuses the number of a removed device even while a
 * queue of the old one is open. */
static gboolean
has_open(DIR *folder, dev_t device, const char *node)
{
    const struct dirent *entry;
    struct stat status;

    while ((entry = readdir(folder))) {
        if (fstatat(dirfd(folder), entry->d_name, &status, 0) == 0 && S_ISCHR(status.st_mode) &&
            status.st_rdev == device && has_name(dirfd(folder), entry->d_name, node))
            return TRUE;
    }
    return FALSE;
}

/* Whether QEMU has a queue of the port open; also TRUE if that is unknown, as for another user's
 * process. A port that was created under a running guest has the right names but no program behind
 * it. */
static gboolean
is_in_use(int pid, const MacvtapPort *port)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", pid);
    g_autofree char *node = g_strdup_printf("tap%d", macvtap_port_get_interface_index(port));
    DIR *folder;
    dev_t device;
    gboolean found;

    if (pid == 0 || !domain_port_get_device(port, "/sys", &device) || !(folder = opendir(path)))
        return TRUE;
    found = has_open(folder, device, node);
    closedir(folder);
    return found;
}

static void
look_at_link(CtlLook *look, const CtlLookWith *with, const MacvtapPort *port)
{
    const char *up = port_text(port, "linkUp");
    const char *carrier = port_text(port, "carrier");
    const char *target = look->nic->target, *state = port_text(port, "state");

    look->state = state;
    if (!g_str_equal(state, "active"))
        look_found(look, state, "its port is %s", state);
    else if (look->nic->port && look->nic->port->link_down)
        look_found(look, STATE_LINK_DOWN,
                   "the guest is told that its cable is unplugged (virsh domif-setlink %s %s up)",
                   with->domain->name, target);
    else if (g_str_equal(up, "no") || g_str_equal(up, "down"))
        look_found(look, STATE_LINK_DOWN, "its port is set down (macvtapctl port set %s --link up)",
                   target);
    else if (g_str_equal(carrier, "no"))
        look_found(look, STATE_NO_CARRIER, "its parent %s has no carrier",
                   macvtap_port_get_parent(port));
}

static void
look_at_held(CtlLook *look, const CtlLookWith *with, const MacvtapPort *port)
{
    const DomainNic *nic = look->nic;
    const char *mac = macvtap_port_get_mac_address(port);
    const char *network = macvtap_port_get_network(port);
    g_autoptr(GError) filter = NULL;

    if (nic->port && !g_str_equal(nic->port->network, network))
        look_found(
            look, STATE_MISMATCH,
            "the metadata says network %s, but its port is on %s (macvtapctl domain attach %s"
            " --replace [--network NET] puts it on one)",
            nic->port->network, network, with->domain->name);
    else if (!domain_port_same_mac(nic->mac, mac))
        look_found(
            look, STATE_MISMATCH,
            "the guest has MAC %s, but its port has %s and lets nothing else through (macvtapctl"
            " domain attach %s --replace repairs it)",
            nic->mac ? nic->mac : "-", mac, with->domain->name);
    else if (nic->port && !domain_filter_check(nic->port, port, &filter))
        look_found(look, STATE_MISMATCH, "%s", filter->message);
    else if (!is_in_use(with->pid, port))
        look_found(look, STATE_MISMATCH,
                   "QEMU does not have its port open, which was created after the guest started "
                   "(macvtapctl domain"
                   " attach %s --replace repairs it)",
                   with->domain->name);
    else
        look_at_link(look, with, port);
    if (nic->kind == DOMAIN_NIC_UNNAMED)
        look_found(look, look->state,
                   "the metadata does not name its port, on network %s (macvtapctl domain attach %s"
                   " --replace does)",
                   network, with->domain->name);
}

static void
look_at_unplugged(CtlLook *look, const CtlLookWith *with, const MacvtapPort *held)
{
    const char *target = look->nic->target;

    if (held)
        look_found(look, STATE_UNPLUGGED,
                   "the guest has no such interface, but its port is still there (macvtapctl domain"
                   " detach %s %s removes it)",
                   with->domain->name, target);
    else
        look_found(look, STATE_ABSENT,
                   "the metadata names a port %s, but there is no such interface (macvtapctl "
                   "domain detach %s %s removes it from the metadata)",
                   target, with->domain->name, target);
}

static void
look_at_missing(CtlLook *look, const CtlLookWith *with)
{
    const DomainNic *nic = look->nic;

    if (nic->kind == DOMAIN_NIC_PORT)
        look_found(look, STATE_ABSENT,
                   "macvtapd has no such port (macvtapctl domain attach %s --replace creates it)",
                   with->domain->name);
    else if (!nic->target)
        look_found(look, STATE_ABSENT,
                   "it has no name for its device, as after virt-clone (macvtapctl domain attach %s"
                   " --replace gives it a port)",
                   with->domain->name);
    else
        look_found(
            look, STATE_ABSENT,
            "there is no such device, and the metadata names no port %s that macvtapd would make"
            " (macvtapctl domain attach %s --replace%s makes it one)",
            nic->target, with->domain->name, nic->port ? "" : " --network NET");
}

static void
look_at_running(CtlLook *look, const CtlLookWith *with)
{
    const DomainNic *nic = look->nic;
    const MacvtapPort *port = nic->target ? domain_port_find(with->there, nic->target) : NULL;
    gboolean own = port && domain_port_is_held(port, with->domain->uuid);
    g_autofree char *holder = port && !own ? ctl_describe_holder(with->ctl, port) : NULL;

    if (nic->kind == DOMAIN_NIC_UNPLUGGED)
        look_at_unplugged(look, with, own ? port : NULL);
    else if (!port)
        look_at_missing(look, with);
    else if (!own)
        look_found(
            look, STATE_ABSENT,
            "its port is held by %s (macvtapctl domain attach %s --replace gives it its own)",
            holder, with->domain->name);
    else
        look_at_held(look, with, port);
}

/* The other domain with the same device or MAC, and which of the two it is. */
static const char *
find_twin(const CtlLook *look, const CtlLookWith *with, const char **ret_what)
{
    const DomainNic *nic = look->nic;
    g_autofree char *mac = nic->mac ? g_ascii_strdown(nic->mac, -1) : NULL;
    const char *name = with->domain->name;
    const char *device = nic->target && with->devices
                             ? domain_xml_find_owner(with->devices, nic->target, name)
                             : NULL;
    const char *address =
        mac && with->macs && !(look->network && ctl_gives_parents_mac(with->client, look->network))
            ? domain_xml_find_owner(with->macs, mac, name)
            : NULL;

    *ret_what = !address ? "device" : !device ? "MAC" : "device and its MAC";
    if (device && address && !g_str_equal(device, address))
        *ret_what = "device";
    return device ? device : address;
}

static void
look_at_stopped(CtlLook *look, const CtlLookWith *with)
{
    const DomainNic *nic = look->nic;
    const char *what, *twin = nic->kind == DOMAIN_NIC_PORT ? find_twin(look, with, &what) : NULL;

    look->state = STATE_ABSENT;
    if (nic->kind == DOMAIN_NIC_UNPLUGGED)
        look_at_unplugged(look, with, NULL);
    else if (nic->kind == DOMAIN_NIC_UNNAMED)
        look_at_missing(look, with);
    else if (twin)
        look_found(look, STATE_ABSENT,
                   "domain %s also has its %s, so only one of the two can run (macvtapctl domain "
                   "attach %s --replace gives it its own)",
                   twin, what, with->domain->name);
}

/* An interface whose device the user created does not concern macvtapd. */
static gboolean
concerns_us(const DomainNic *nic, const CtlLookWith *with)
{
    if (nic->kind != DOMAIN_NIC_UNNAMED || !nic->target)
        return nic->kind != DOMAIN_NIC_FOREIGN;
    return if_nametoindex(nic->target) == 0 || domain_port_find(with->there, nic->target);
}

static CtlLook *
look_at(DomainNic *nic, const CtlLookWith *with)
{
    CtlLook *look = g_new0(CtlLook, 1);
    const DomainPort *port = nic->port;

    look->nic = nic;
    look->network = g_strdup(port ? port->network : NULL);
    if (nic->kind == DOMAIN_NIC_PORT && port->problem)
        look->problem = g_strdup(port->problem);
    if (with->running)
        look_at_running(look, with);
    else
        look_at_stopped(look, with);
    return look;
}

GPtrArray *
ctl_list_nics(const DomainXml *domain)
{
    return domain_nic_list(domain, if_nametoindex);
}

GPtrArray *
ctl_look(const CtlLookWith *with, const GPtrArray *nics)
{
    GPtrArray *looks = g_ptr_array_new_with_free_func(free_look);

    for (guint i = 0; i < nics->len; i++) {
        if (concerns_us(nics->pdata[i], with))
            g_ptr_array_add(looks, look_at(nics->pdata[i], with));
    }
    return looks;
}
