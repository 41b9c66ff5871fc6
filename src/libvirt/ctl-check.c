/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation: what keeps a domain from starting shows best by doing what its start would
 * do: the hook's own code makes the ports and compares them, and takes them away again. A domain
 * that runs keeps its ports; they are looked at.
 */
#include "ctl-domain.h"
#include "hook.h"

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

static guint
check_stopped(MacvtapClient *client, DomainXml *domain)
{
    g_auto(Hook) hook = {.state_folder = -1};
    guint problems;

    hook_init(&hook, domain, -1);
    problems = hook_try(&hook, client);
    for (guint i = 0; i < hook.notes->len; i++)
        ctl_report(FALSE, "%s", (const char *)hook.notes->pdata[i]);
    if (problems == 0)
        ctl_report(TRUE, "its ports can be made");
    return problems;
}

static const MacvtapPort *
find_port(const GPtrArray *ports, const char *target)
{
    for (guint i = 0; i < ports->len; i++) {
        if (g_str_equal(macvtap_port_get_interface_name(ports->pdata[i]), target))
            return ports->pdata[i];
    }
    return NULL;
}

static guint
check_running_port(const DomainXml *domain, const DomainPort *wanted, const MacvtapPort *port)
{
    g_autofree char *holder = port ? macvtap_port_get_holder(port) : NULL;
    g_autofree char *expected = g_strdup_printf("domain:%s", domain->uuid);

    if (!port)
        return ctl_report(FALSE, "interface %s: macvtapd has no such port", wanted->target);
    if (g_strcmp0(holder, expected) != 0)
        return ctl_report(FALSE, "interface %s: its port is held by %s", wanted->target, holder);
    return ctl_report(g_str_equal(macvtap_port_get_state(port), "active"),
                      "interface %s: its port is %s", wanted->target, macvtap_port_get_state(port));
}

static gboolean
check_running(MacvtapClient *client, const DomainXml *domain, guint *problems, GError **error)
{
    g_autoptr(GPtrArray) ports = macvtap_client_list_ports(client, NULL, error);

    for (guint i = 0; ports && i < domain->ports->len; i++) {
        const DomainPort *wanted = domain->ports->pdata[i];

        *problems += check_running_port(domain, wanted, find_port(ports, wanted->target));
    }
    return ports != NULL;
}

int
ctl_check(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_autoptr(virDomain) domain = NULL;
    g_autoptr(DomainXml) xml = NULL;
    g_autoptr(MacvtapClient) client = NULL;
    gboolean active, good = TRUE;
    guint problems;

    if (!ctl_parse(NULL, &argc, &argv, 1, "DOMAIN", error))
        return 2;
    domain = ctl_find_domain(ctl, argv[1], error);
    active = domain && virDomainIsActive(domain) == 1;
    xml = domain ? ctl_read_domain(domain, active ? 0 : VIR_DOMAIN_XML_INACTIVE, error) : NULL;
    if (!xml)
        return 1;
    problems = ctl_report_hook() + check_metadata(xml);
    client = macvtap_client_connect(ctl->socket, error);
    if (!client)
        return 1;
    if (active)
        good = check_running(client, xml, &problems, error);
    else if (!xml->problem)
        problems += check_stopped(client, g_steal_pointer(&xml));
    return good && problems == 0 ? 0 : 1;
}
