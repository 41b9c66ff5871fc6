/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation: what keeps a domain from starting macvtapd itself says, who would make its
 * ports: the hook's own code asks for them, and has nothing made. The ports of a domain that runs
 * are there; they are looked at.
 */
#include "ctl-domain.h"
#include "domain-port.h"
#include "hook.h"

#include <net/if.h>

static guint
check_metadata(const DomainXml *domain)
{
    if (domain->problem)
        return ctl_report(FALSE, "%s", domain->problem);
    if (domain->ports->len == 0)
        return ctl_report(FALSE,
                          "the domain has no port of macvtapd: see macvtapctl domain attach");
    return ctl_report(TRUE, "its metadata and its interfaces agree (ports: %u)",
                      domain->ports->len);
}

/* libvirt would say "target managed='no' but specified dev doesn't exist". */
static guint
check_others(const DomainXml *domain)
{
    g_autoptr(GPtrArray) others = domain_xml_list_others(domain);
    guint problems = 0;

    for (guint i = 0; i < others->len; i++) {
        const char *target = others->pdata[i];

        if (if_nametoindex(target) == 0)
            problems += ctl_report(FALSE,
                                   "interface %s has managed='no', but there is no such device, and"
                                   " the metadata names no port %s that macvtapd would make: add"
                                   " it there, or remove the interface",
                                   target, target);
    }
    return problems;
}

/* Ports of an earlier life whose release never came. */
static guint
report_old(const DomainXml *domain, const GPtrArray *there)
{
    guint n = 0;

    for (guint i = 0; i < domain->ports->len; i++) {
        const DomainPort *wanted = domain->ports->pdata[i];
        const MacvtapPort *old = domain_port_find_old(there, domain->uuid, wanted);

        if (!old)
            continue;
        ctl_report(TRUE, "interface %s: a start ends the domain's old port %s first",
                   wanted->target, macvtap_port_get_interface_name(old));
        n++;
    }
    return n;
}

static guint
check_stopped(MacvtapClient *client, DomainXml *domain, const GPtrArray *there)
{
    g_auto(Hook) hook = {.state_folder = -1};
    guint problems, old;

    hook_init(&hook, domain, -1);
    old = report_old(domain, there);
    problems = hook_try(&hook, client, there);
    for (guint i = 0; i < hook.notes->len; i++)
        ctl_report(FALSE, "%s", (const char *)hook.notes->pdata[i]);
    if (problems == 0 && old < domain->ports->len)
        ctl_report(TRUE, "its ports can be made");
    return problems;
}

static guint
check_running_port(Ctl *ctl, const DomainXml *domain, const DomainPort *wanted,
                   const MacvtapPort *port)
{
    g_autofree char *holder = port ? ctl_describe_holder(ctl, port) : NULL;

    if (!port)
        return ctl_report(FALSE, "interface %s: macvtapd has no such port", wanted->target);
    if (!domain_port_is_held(port, domain->uuid))
        return ctl_report(FALSE, "interface %s: its port is held by %s", wanted->target, holder);
    return ctl_report(g_str_equal(macvtap_port_get_state(port), "active"),
                      "interface %s: its port is %s", wanted->target, macvtap_port_get_state(port));
}

static guint
check_running(Ctl *ctl, const DomainXml *domain, const GPtrArray *there)
{
    guint problems = 0;

    for (guint i = 0; i < domain->ports->len; i++) {
        const DomainPort *wanted = domain->ports->pdata[i];

        problems +=
            check_running_port(ctl, domain, wanted, domain_port_find(there, wanted->target));
    }
    return problems;
}

int
ctl_check(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_autoptr(virDomain) domain = NULL;
    g_autoptr(DomainXml) xml = NULL;
    g_autoptr(MacvtapClient) client = NULL;
    g_autoptr(GPtrArray) there = NULL;
    gboolean active;
    guint problems;

    if (!ctl_parse(ctl, NULL, &argc, &argv, 1, "DOMAIN", error))
        return 2;
    domain = ctl_find_domain(ctl, argv[1], error);
    active = domain && virDomainIsActive(domain) == 1;
    xml = domain ? ctl_read_domain(domain, active ? 0 : VIR_DOMAIN_XML_INACTIVE, error) : NULL;
    if (!xml)
        return 1;
    problems = ctl_report_hook(ctl_is_session(ctl)) + check_metadata(xml) + check_others(xml);
    client = macvtap_client_connect(ctl->socket, error);
    there = client ? macvtap_client_list_ports(client, NULL, error) : NULL;
    if (!there)
        return 1;
    if (active)
        problems += check_running(ctl, xml, there);
    else if (!xml->problem && xml->ports->len > 0)
        problems += check_stopped(client, g_steal_pointer(&xml), there);
    return problems == 0 ? 0 : 1;
}
