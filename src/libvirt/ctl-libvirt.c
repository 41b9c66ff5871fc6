/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-domain.h"
#include "hook-state.h"
#include "qemu-process.h"

#include <libxml/uri.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The ports are made on this machine, so the domain must be here, too. */
static gboolean
check_uri(virConnect *connection, GError **error)
{
    char *uri = virConnectGetURI(connection);
    g_autofree char *host = NULL, *scheme = NULL;
    gboolean good = TRUE;

    if (uri &&
        g_uri_split(uri, G_URI_FLAGS_NONE, &scheme, NULL, &host, NULL, NULL, NULL, NULL, NULL))
        good = g_str_has_prefix(scheme, "qemu") && (!host || !host[0]);
    if (!good)
        ctl_fail(error, "%s is not this machine's QEMU", uri);
    free(uri);
    return good;
}

virConnect *
ctl_connect_libvirt(Ctl *ctl, GError **error)
{
    if (ctl->connection)
        return ctl->connection;
    ctl->connection = virConnectOpen(ctl->uri);
    if (!ctl->connection) {
        ctl_fail_libvirt(error, "cannot connect to libvirt");
        return NULL;
    }
    return check_uri(ctl->connection, error) ? ctl->connection : NULL;
}

virDomain *
ctl_find_domain(Ctl *ctl, const char *name, GError **error)
{
    virConnect *connection = ctl_connect_libvirt(ctl, error);
    virDomain *domain = NULL;

    if (!connection)
        return NULL;
    domain = virDomainLookupByName(connection, name);
    if (!domain && g_uuid_string_is_valid(name))
        domain = virDomainLookupByUUIDString(connection, name);
    if (!domain)
        ctl_fail_libvirt(error, "libvirt");
    return domain;
}

DomainXml *
ctl_read_domain(virDomain *domain, guint flags, GError **error)
{
    char *text = virDomainGetXMLDesc(domain, flags);
    DomainXml *xml = NULL;

    if (text)
        xml = domain_xml_parse(text, strlen(text), error);
    else
        ctl_fail_libvirt(error, "cannot read the domain");
    free(text);
    return xml;
}

typedef void (*AddOwner)(const DomainXml *domain, GHashTable *owners);

/* Each of the n functions adds what it finds to the table beside it. */
static gboolean
collect_all(Ctl *ctl, const AddOwner *adds, GHashTable *const *owners, guint n, GError **error)
{
    virDomain **domains;
    int n_domains = virConnectListAllDomains(ctl->connection, &domains, 0);

    if (n_domains < 0)
        return ctl_fail_libvirt(error, "cannot list the domains");
    for (int i = 0; i < n_domains; i++) {
        g_autoptr(DomainXml) now = ctl_read_domain(domains[i], 0, NULL);
        g_autoptr(DomainXml) later = ctl_read_domain(domains[i], VIR_DOMAIN_XML_INACTIVE, NULL);

        for (guint k = 0; k < n; k++) {
            if (now)
                adds[k](now, owners[k]);
            if (later)
                adds[k](later, owners[k]);
        }
        virDomainFree(domains[i]);
    }
    free(domains);
    return TRUE;
}

GHashTable *
ctl_collect(Ctl *ctl, void (*add)(const DomainXml *domain, GHashTable *owners), GError **error)
{
    g_autoptr(GHashTable) owners = domain_xml_owners_new();

    return collect_all(ctl, &add, &owners, 1, error) ? g_steal_pointer(&owners) : NULL;
}

gboolean
ctl_collect_owners(Ctl *ctl, GHashTable **ret_devices, GHashTable **ret_macs, GError **error)
{
    static const AddOwner adds[] = {domain_xml_add_devices, domain_xml_add_macs};
    g_autoptr(GHashTable) devices = domain_xml_owners_new();
    g_autoptr(GHashTable) macs = domain_xml_owners_new();
    GHashTable *const owners[] = {devices, macs};

    if (!collect_all(ctl, adds, owners, G_N_ELEMENTS(adds), error))
        return FALSE;
    *ret_devices = g_steal_pointer(&devices);
    *ret_macs = g_steal_pointer(&macs);
    return TRUE;
}

gboolean
ctl_write_ports(virDomain *domain, const GPtrArray *ports, guint flags, GError **error)
{
    g_autofree char *text = ports->len > 0 ? domain_xml_format_ports(ports) : NULL;

    return virDomainSetMetadata(domain, VIR_DOMAIN_METADATA_ELEMENT, text, "macvtapd",
                                DOMAIN_XML_NAMESPACE, flags) == 0 ||
           ctl_fail_libvirt(error, "cannot write the domain's metadata");
}

gboolean
ctl_define(Ctl *ctl, const DomainXml *domain, GError **error)
{
    g_autofree char *text = domain_xml_format(domain);
    virDomain *defined = virDomainDefineXML(ctl->connection, text);

    if (!defined)
        return ctl_fail_libvirt(error, "libvirt does not accept the changed domain");
    virDomainFree(defined);
    return TRUE;
}

int
ctl_lock(GError **error)
{
    g_auto(GStrv) folders = hook_state_folders(geteuid());

    return change_lock_take((const char *const *)folders, error);
}

gboolean
ctl_hook_is_users(const Ctl *ctl)
{
    return geteuid() == 0 || ctl_is_session(ctl);
}

/* The ports of running domains in the system's libvirt belong to root, even if other users may
 * control it. */
static gboolean
check_live(const Ctl *ctl, virDomain *domain, GError **error)
{
    return ctl_hook_is_users(ctl) ||
           ctl_fail(error,
                    "the ports of %s belong to root, as it runs in the system's libvirt: only root "
                    "may change them live",
                    virDomainGetName(domain));
}

gboolean
ctl_choose_scope(const Ctl *ctl, virDomain *domain, gboolean live, gboolean config,
                 guint *ret_flags, GError **error)
{
    gboolean active = virDomainIsActive(domain) == 1;

    if (live && !active)
        return ctl_fail(error, "domain %s is not running: omit --live", virDomainGetName(domain));
    if (config && virDomainIsPersistent(domain) != 1)
        return ctl_fail(error, "domain %s has no configuration: omit --config",
                        virDomainGetName(domain));
    if (!live && !config)
        live = active, config = !active;
    if (live && !check_live(ctl, domain, error))
        return FALSE;
    *ret_flags = (live ? VIR_DOMAIN_AFFECT_LIVE : 0) | (config ? VIR_DOMAIN_AFFECT_CONFIG : 0);
    return TRUE;
}

gboolean
ctl_is_session(const Ctl *ctl)
{
    char *connected = ctl->connection ? virConnectGetURI(ctl->connection) : NULL;
    const char *text = connected ? connected : ctl->uri;
    xmlURI *uri = text ? xmlParseURI(text) : NULL;
    gboolean session = uri && g_strcmp0(uri->path, "/session") == 0;

    if (uri)
        xmlFreeURI(uri);
    free(connected);
    return session;
}

int
ctl_find_process(Ctl *ctl, const DomainXml *domain)
{
    g_auto(GStrv) folders = qemu_process_run_folders(ctl_is_session(ctl) ? geteuid() : 0);
    pid_t pid = 0;

    if (!qemu_process_find((const char *const *)folders, "/proc", domain->name, domain->uuid, &pid,
                           NULL))
        return 0;
    return (int)pid;
}

char *
ctl_describe_holder(Ctl *ctl, const MacvtapPort *port)
{
    const char *uuid = macvtap_port_get_holder_domain(port);
    g_autoptr(virDomain) domain = uuid ? virDomainLookupByUUIDString(ctl->connection, uuid) : NULL;

    return domain ? g_strdup_printf("domain %s", virDomainGetName(domain)) : port_holder_text(port);
}
