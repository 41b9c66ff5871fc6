/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation: a running guest releases a device when its operating system agrees, which
 * libvirt reports by an event. The port must not be removed earlier, as the guest would lose its
 * network while it still has the device; so this waits for the event, and a guest that does not
 * agree keeps its port. The configuration is changed afterwards, so that the whole command can be
 * repeated; a part that is already done is skipped. With --direct, libvirt's own interface takes
 * the port's place.
 *
 * The metadata is read and written under the user's lock, which is not held during the wait for the
 * guest; afterwards it is read again.
 */
#include "ctl-look.h"
#include "domain-port.h"

#include "descriptor.h"

#include <libvirt/virterror.h>
#include <string.h>

#define SECONDS_MAX (G_MAXINT / 1000) /* libvirt's timers count milliseconds */

typedef struct Detach {
    virDomain *domain;
    gboolean live, config, direct;
    gboolean any; /* also an interface that is no port */
    int seconds;
    const char *wanted; /* a target or a MAC */
    gboolean told;      /* by libvirt that a device is gone, or the domain */
    gboolean over;      /* the time */
} Detach;

static void
on_removed(virConnectPtr connection, virDomainPtr domain, const char *alias, void *user_data)
{
    ((Detach *)user_data)->told = TRUE;
}

static int
on_lifecycle(virConnectPtr connection, virDomainPtr domain, int event, int detail, void *user_data)
{
    ((Detach *)user_data)->told = TRUE;
    return 0;
}

static void
on_timeout(int timer, void *user_data)
{
    ((Detach *)user_data)->over = TRUE;
}

/* An unnamed interface, as in a clone, is ours; a named one may be a device that the user created.
 * */
static DomainNic *
find_nic(const Detach *detach, const GPtrArray *nics)
{
    DomainNic *nic = domain_nic_find(nics, detach->wanted);

    return nic && (detach->any || nic->port || (nic->kind == DOMAIN_NIC_UNNAMED && !nic->target))
               ? nic
               : NULL;
}

static gboolean
fail_no_port(const DomainXml *domain, const char *where, const char *wanted, GError **error)
{
    return ctl_fail(
        error, "%s has no port %s of macvtapd%s", where, wanted,
        domain_xml_has_interface(domain, wanted)
            ? ", only an interface of libvirt's own: detach it with virsh detach-interface"
            : "");
}

/* FALSE if libvirt does not answer. */
static gboolean
has_ended(const Detach *detach)
{
    int active = virDomainIsActive(detach->domain);

    return active == 0 || (active < 0 && virGetLastErrorCode() == VIR_ERR_NO_DOMAIN);
}

/* Whether the domain has an interface with the device at this moment; also TRUE if it cannot be
 * read. For a domain that has ended, libvirt would show the configuration. */
static gboolean
is_plugged(const Detach *detach, const char *target)
{
    g_autoptr(DomainXml) now = has_ended(detach) ? NULL : ctl_read_domain(detach->domain, 0, NULL);

    return now ? domain_xml_has_interface(now, target) : virDomainIsActive(detach->domain) == 1;
}

static gboolean
wait_unplugged(Detach *detach, const char *target, GError **error)
{
    int timer = virEventAddTimeout(detach->seconds * 1000, on_timeout, detach, NULL);
    gboolean gone;

    /* Reading the domain's XML is also an event of the connection, so it is not done in every
     * round. */
    while ((gone = !is_plugged(detach, target)) == FALSE && !detach->over) {
        detach->told = FALSE;
        while (!detach->told && !detach->over && virEventRunDefaultImpl() == 0)
            ;
    }
    virEventRemoveTimeout(timer);
    return gone ||
           ctl_fail(error, "the guest has not released %s within %d seconds: it keeps the port",
                    target, detach->seconds);
}

/* An interface that stays without its metadata would keep the domain from starting. */
static gboolean
check_nic(const Detach *detach, const DomainXml *domain, const DomainNic *nic, GError **error)
{
    return detach->any || nic->kind != DOMAIN_NIC_PORT || nic->port->interface ||
           ctl_fail(error,
                    "interface %s cannot have a port (macvtapctl domain check %s says why): correct"
                    " it with virsh edit %s first",
                    nic->target, domain->name, domain->name);
}

/* text: the interface's; NULL if there is none. */
static gboolean
unplug(const Detach *detach, const char *text, guint flags, GError **error)
{
    return !text || virDomainDetachDeviceFlags(detach->domain, text, flags) == 0 ||
           ctl_fail_libvirt(error, "libvirt");
}

/* libvirt's metadata is replaced as a whole, so all of it must have been understood. */
static gboolean
check_whole(const DomainXml *domain, guint flags, GError **error)
{
    g_autoptr(GError) reason = NULL;

    return domain_xml_check_whole(domain, &reason) ||
           ctl_fail(error, "%s: correct it with virsh %s %s first", reason->message,
                    flags & VIR_DOMAIN_AFFECT_LIVE
                        ? "metadata --live --edit --key macvtapd --uri " DOMAIN_XML_NAMESPACE
                        : "edit",
                    domain->name);
}

/* The other traces of the port are found through the metadata, so it is changed last, except for
 * the port itself. The port may already be missing in it. */
static gboolean
forget_port(Detach *detach, DomainXml *domain, const char *target, guint flags, GError **error)
{
    DomainPort *port = domain_xml_find_port(domain, target);

    if (!check_whole(domain, flags, error))
        return FALSE;
    if (port)
        g_ptr_array_remove(domain->ports, port);
    return !port || ctl_write_ports(detach->domain, domain->ports, flags, error);
}

/* Turns the interface, which must have a port in the metadata, into libvirt's own. */
static gboolean
make_direct(Ctl *ctl, DomainXml *domain, DomainNic *nic, GError **error)
{
    g_autofree char *parent = NULL, *mode = NULL;

    if (!ctl_find_source(ctl, nic->port->network, &parent, &mode, error))
        return FALSE;
    if (nic->port->limits)
        ctl_note("interface %s no longer has its port's limits (%s): virsh domiftune sets some",
                 domain_nic_name(nic), nic->port->limits);
    domain_nic_make_direct(domain, nic, parent, mode);
    return TRUE;
}

/* For an interface that libvirt cannot identify, or that changes: defines the whole domain again.
 */
static gboolean
redefine(Ctl *ctl, Detach *detach, DomainXml *domain, DomainNic *nic, GError **error)
{
    if (!detach->direct)
        domain_nic_remove(domain, nic);
    else if (!nic->interface || !nic->port)
        return ctl_fail(error, "interface %s has no port to move from: omit --direct",
                        domain_nic_name(nic));
    else if (!make_direct(ctl, domain, nic, error))
        return FALSE;
    return ctl_define(ctl, domain, error);
}

static gboolean
detach_config(Ctl *ctl, Detach *detach, GError **error)
{
    AUTO_FD int lock = ctl_lock(error);
    g_autoptr(DomainXml) domain =
        lock >= 0 ? ctl_read_domain(detach->domain, CTL_XML_TO_DEFINE, error) : NULL;
    g_autoptr(GPtrArray) nics = domain ? ctl_list_nics(domain) : NULL;
    DomainNic *nic = domain ? find_nic(detach, nics) : NULL;
    g_autofree char *target = nic ? g_strdup(nic->target) : NULL;
    g_autofree char *text = nic && nic->interface ? domain_nic_format(nic) : NULL;

    if (!domain)
        return FALSE;
    if (!nic)
        return fail_no_port(domain, "the domain's configuration", detach->wanted, error);
    if (!check_whole(domain, VIR_DOMAIN_AFFECT_CONFIG, error) ||
        !check_nic(detach, domain, nic, error))
        return FALSE;
    if (detach->direct || nic->kind == DOMAIN_NIC_UNNAMED)
        return redefine(ctl, detach, domain, nic, error);
    return unplug(detach, text, VIR_DOMAIN_AFFECT_CONFIG, error) &&
           forget_port(detach, domain, target, VIR_DOMAIN_AFFECT_CONFIG, error);
}

/* The metadata may name a device that is another domain's port, which must stay. Deletes by ID, as
 * the name may already belong to a new port. */
static gboolean
delete_port(Ctl *ctl, const DomainXml *domain, const char *target, GError **error)
{
    g_autoptr(MacvtapClient) client = ctl_connect(ctl, error);
    g_autoptr(MacvtapPort) port = NULL;
    g_autoptr(GError) cause = NULL;

    if (!client || !domain_port_get(client, target, &port, error))
        return FALSE;
    if (!port)
        return TRUE;
    if (!domain_port_is_held(port, domain->uuid)) {
        g_autofree char *holder = ctl_describe_holder(ctl, port);

        ctl_note("port %s stays: it is held by %s, not by domain %s", target, holder, domain->name);
        return TRUE;
    }
    if (ask_delete(client, macvtap_port_get_id(port), &cause) ||
        macvtap_client_get_refusal(client) == MACVTAP_REFUSAL_PORT_NOT_FOUND)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&cause));
    return FALSE;
}

/* The guest has released it. */
static gboolean
remove_live(Ctl *ctl, Detach *detach, const char *target, GError **error)
{
    AUTO_FD int lock = ctl_lock(error);
    g_autoptr(DomainXml) domain = lock >= 0 ? ctl_read_domain(detach->domain, 0, error) : NULL;

    return domain && forget_port(detach, domain, target, VIR_DOMAIN_AFFECT_LIVE, error) &&
           delete_port(ctl, domain, target, error);
}

/* The replacement for the interface; *ret_text NULL: none. */
static gboolean
describe_direct(Ctl *ctl, const Detach *detach, DomainXml *domain, DomainNic *nic, char **ret_text,
                GError **error)
{
    if (!detach->direct || !nic->interface || !nic->port)
        return TRUE;
    if (!make_direct(ctl, domain, nic, error))
        return FALSE;
    *ret_text = domain_nic_format(nic);
    return TRUE;
}

static gboolean
plug_direct(const Detach *detach, const char *text, GError **error)
{
    return !text || virDomainAttachDeviceFlags(detach->domain, text, VIR_DOMAIN_AFFECT_LIVE) == 0 ||
           ctl_fail_libvirt(error, "the port is gone, and libvirt cannot plug its own interface");
}

static gboolean
unplug_nic(Ctl *ctl, Detach *detach, DomainXml *domain, DomainNic *nic, GError **error)
{
    g_autofree char *target = g_strdup(nic->target), *direct = NULL;
    g_autofree char *text = nic->interface ? domain_nic_format(nic) : NULL;

    return check_whole(domain, VIR_DOMAIN_AFFECT_LIVE, error) &&
           check_nic(detach, domain, nic, error) &&
           describe_direct(ctl, detach, domain, nic, &direct, error) &&
           unplug(detach, text, VIR_DOMAIN_AFFECT_LIVE, error) &&
           wait_unplugged(detach, target, error) &&
           (has_ended(detach) ||
            (remove_live(ctl, detach, target, error) && plug_direct(detach, direct, error)));
}

static gboolean
unplug_live(Ctl *ctl, Detach *detach, GError **error)
{
    g_autoptr(DomainXml) domain = ctl_read_domain(detach->domain, 0, error);
    g_autoptr(GPtrArray) nics = domain ? ctl_list_nics(domain) : NULL;
    DomainNic *nic = domain ? find_nic(detach, nics) : NULL;

    if (!domain)
        return FALSE;
    return nic ? unplug_nic(ctl, detach, domain, nic, error)
               : fail_no_port(domain, "the domain", detach->wanted, error);
}

/* If the domain ends meanwhile, the hook removes its ports. */
static gboolean
detach_live(Ctl *ctl, Detach *detach, GError **error)
{
    g_autoptr(GError) cause = NULL;
    gboolean good = unplug_live(ctl, detach, &cause);

    if (has_ended(detach)) {
        ctl_note("domain %s no longer runs: its ports ended with it",
                 virDomainGetName(detach->domain));
        return TRUE;
    }
    if (!good)
        g_propagate_error(error, g_steal_pointer(&cause));
    return good;
}

static gboolean
watch_and_detach_live(Ctl *ctl, Detach *detach, GError **error)
{
    int removed = virConnectDomainEventRegisterAny(
        ctl->connection, detach->domain, VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED,
        VIR_DOMAIN_EVENT_CALLBACK(on_removed), detach, NULL);
    int lifecycle = virConnectDomainEventRegisterAny(
        ctl->connection, detach->domain, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
        VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), detach, NULL);
    gboolean good = removed >= 0 && lifecycle >= 0;

    if (good)
        good = detach_live(ctl, detach, error);
    else
        ctl_fail_libvirt(error, "libvirt does not report events");
    if (removed >= 0)
        virConnectDomainEventDeregisterAny(ctl->connection, removed);
    if (lifecycle >= 0)
        virConnectDomainEventDeregisterAny(ctl->connection, lifecycle);
    return good;
}

/* flags: VIR_DOMAIN_XML_…. Also TRUE if it cannot be read, so that it is read again. */
static gboolean
has_port(const Detach *detach, guint flags)
{
    g_autoptr(DomainXml) domain = ctl_read_domain(detach->domain, flags, NULL);
    g_autoptr(GPtrArray) nics = domain ? ctl_list_nics(domain) : NULL;

    return !domain || find_nic(detach, nics);
}

static gboolean
run(Ctl *ctl, Detach *detach, guint flags, GError **error)
{
    gboolean live = flags & VIR_DOMAIN_AFFECT_LIVE, config = flags & VIR_DOMAIN_AFFECT_CONFIG;

    if (live && config) {
        config = has_port(detach, VIR_DOMAIN_XML_INACTIVE);
        live = !config || has_port(detach, 0);
    }
    return (!live || watch_and_detach_live(ctl, detach, error)) &&
           (!config || detach_config(ctl, detach, error));
}

gboolean
ctl_unplug(Ctl *ctl, virDomain *domain, const char *target, int seconds, GError **error)
{
    Detach detach = {.domain = domain, .any = TRUE, .seconds = seconds, .wanted = target};

    return watch_and_detach_live(ctl, &detach, error);
}

int
ctl_detach(Ctl *ctl, int argc, char **argv, GError **error)
{
    Detach detach = {.seconds = CTL_UNPLUG_SECONDS};
    const GOptionEntry entries[] = {
        {"live", 0, 0, G_OPTION_ARG_NONE, &detach.live, "Change the running domain", NULL},
        {"config", 0, 0, G_OPTION_ARG_NONE, &detach.config, "Change its configuration", NULL},
        {"timeout", 0, 0, G_OPTION_ARG_INT, &detach.seconds,
         "How long to wait for the guest to release the device (10)", "SECONDS"},
        {"direct", 0, 0, G_OPTION_ARG_NONE, &detach.direct,
         "Leave libvirt's own interface (type='direct') in its place", NULL},
        {NULL},
    };
    g_autoptr(virDomain) domain = NULL;
    guint flags;

    if (!ctl_parse(ctl, entries, &argc, &argv, 2, 2, "DOMAIN TARGET|MAC", error))
        return 2;
    if (detach.seconds < 0 || detach.seconds > SECONDS_MAX) {
        arguments_refuse(error, "the timeout is 0 to %d seconds, not %d", SECONDS_MAX,
                         detach.seconds);
        return 2;
    }
    detach.wanted = argv[2];
    detach.domain = domain = ctl_find_domain(ctl, argv[1], error);
    if (!domain || !ctl_choose_scope(ctl, domain, detach.live, detach.config, &flags, error) ||
        !run(ctl, &detach, flags, error))
        return 1;
    return 0;
}
