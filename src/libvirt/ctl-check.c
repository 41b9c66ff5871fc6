/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation: macvtapd, which would create the ports, says itself what keeps a domain from
 * starting: the hook's own code asks for them in a dry run. The ports of a running domain exist;
 * they are compared with its XML (ctl-look.c).
 */
#include "ctl-look.h"
#include "domain-port.h"
#include "hook.h"

static gboolean
is_told(const GPtrArray *looks, const char *problem)
{
    for (guint i = 0; i < looks->len; i++) {
        if (g_strcmp0(((const CtlLook *)looks->pdata[i])->problem, problem) == 0)
            return TRUE;
    }
    return FALSE;
}

static gboolean
disagrees(const GPtrArray *looks)
{
    for (guint i = 0; i < looks->len; i++) {
        if (((const CtlLook *)looks->pdata[i])->nic->kind != DOMAIN_NIC_PORT)
            return TRUE;
    }
    return FALSE;
}

/* A problem of one interface is reported for that interface. */
static guint
check_metadata(const DomainXml *domain, const GPtrArray *looks)
{
    if (disagrees(looks) && !domain->partial)
        return 0;
    if (domain->problem)
        return is_told(looks, domain->problem) ? 0 : output_finding(FALSE, "%s", domain->problem);
    if (domain->ports->len == 0)
        return output_finding(FALSE,
                              "the domain has no port of macvtapd: see macvtapctl domain attach");
    return output_finding(TRUE, "its metadata and its interfaces agree (ports: %u)",
                          domain->ports->len);
}

/* Ports left from an earlier run, whose release never came. */
static guint
report_old(const DomainXml *domain, const GPtrArray *there)
{
    guint n = 0;

    for (guint i = 0; i < domain->ports->len; i++) {
        const DomainPort *wanted = domain->ports->pdata[i];
        const MacvtapPort *old = domain_port_find_old(there, domain->uuid, wanted);

        if (!old)
            continue;
        output_finding(TRUE, "interface %s: a start ends the domain's old port %s first",
                       wanted->target, macvtap_port_get_interface_name(old));
        n++;
    }
    return n;
}

/* For an interface with a known problem, macvtapd's message adds nothing. */
static gboolean
is_news(const char *note, char **told)
{
    for (char **start = told; *start; start++) {
        if (g_str_has_prefix(note, *start))
            return FALSE;
    }
    return TRUE;
}

/* The start's hook is root's, and what this user may not says nothing of it. */
static void
report_users(const GPtrArray *users)
{
    for (guint i = 0; i < users->len; i++)
        output_finding(TRUE,
                       "only root can check whether this port can be made (run it as root): %s",
                       (const char *)users->pdata[i]);
}

/* told: the prefixes of the lines about interfaces with a problem. */
static guint
check_stopped(const CtlLookWith *with, DomainXml *domain, char **told)
{
    g_auto(Hook) hook = {.state_folder = -1};
    g_autoptr(GPtrArray) users = g_ptr_array_new_with_free_func(g_free);
    guint problems, old;

    hook_init(&hook, domain, -1);
    old = report_old(domain, with->there);
    problems =
        hook_try(&hook, with->client, with->there, ctl_hook_is_users(with->ctl) ? NULL : users);
    report_users(users);
    for (guint i = 0; i < hook.notes->len; i++) {
        if (is_news(hook.notes->pdata[i], told))
            output_finding(FALSE, "%s", (const char *)hook.notes->pdata[i]);
    }
    if (problems == 0 && old + users->len < domain->ports->len)
        output_finding(TRUE, "its ports can be made");
    return problems;
}

static GStrv
list_told(const GPtrArray *looks)
{
    g_autoptr(GStrvBuilder) told = g_strv_builder_new();

    for (guint i = 0; i < looks->len; i++) {
        const CtlLook *look = looks->pdata[i];
        g_autofree char *start = g_strdup_printf("interface %s: ", domain_nic_name(look->nic));

        if (look->problem)
            g_strv_builder_add(told, start);
    }
    return g_strv_builder_end(told);
}

/* The first problem is already in the domain's line. */
static guint
report_looks(const CtlLookWith *with, const GPtrArray *looks)
{
    guint problems = 0;

    for (guint i = 0; i < looks->len; i++) {
        const CtlLook *look = looks->pdata[i];

        if (look->problem)
            problems += output_finding(FALSE, "%s", look->problem);
        else if (with->running)
            output_finding(TRUE, "interface %s: its port is %s", domain_nic_name(look->nic),
                           look->state);
    }
    return problems;
}

/* Checks the running domain, or the next start of a stopped one. */
static guint
check_ports(CtlLookWith *with, DomainXml *xml, GError **error)
{
    g_autoptr(DomainXml) domain = xml;
    g_autoptr(GPtrArray) nics = ctl_list_nics(domain);
    g_autoptr(GPtrArray) looks = NULL;
    g_autoptr(GHashTable) devices = NULL, macs = NULL;
    g_auto(GStrv) told = NULL;
    guint problems;

    if (!with->running && !ctl_collect_owners(with->ctl, &devices, &macs, error))
        return 1;
    with->domain = domain;
    with->devices = devices;
    with->macs = macs;
    with->pid = with->running ? ctl_find_process(with->ctl, domain) : 0;
    looks = ctl_look(with, nics);
    problems = check_metadata(domain, looks) + report_looks(with, looks);
    told = list_told(looks);
    g_clear_pointer(&looks, g_ptr_array_unref);
    g_clear_pointer(&nics, g_ptr_array_unref);
    if (!with->running && !domain->problem && domain->ports->len > 0)
        problems += check_stopped(with, g_steal_pointer(&domain), told);
    return problems;
}

int
ctl_check(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_autoptr(virDomain) domain = NULL;
    g_autoptr(DomainXml) xml = NULL;
    g_autoptr(MacvtapClient) client = NULL;
    g_autoptr(GPtrArray) there = NULL;
    CtlLookWith with = {.ctl = ctl};
    guint problems;

    if (!ctl_parse(ctl, NULL, &argc, &argv, 1, 1, "DOMAIN", error))
        return 2;
    domain = ctl_find_domain(ctl, argv[1], error);
    with.running = domain && virDomainIsActive(domain) == 1;
    xml =
        domain ? ctl_read_domain(domain, with.running ? 0 : VIR_DOMAIN_XML_INACTIVE, error) : NULL;
    if (!xml)
        return 1;
    problems = ctl_report_hook(ctl_is_session(ctl));
    client = ctl_connect(ctl, error);
    there = client ? ask_ports(client, NULL, FALSE, error) : NULL;
    if (!there)
        return 1;
    with.client = client;
    with.there = there;
    problems += check_ports(&with, g_steal_pointer(&xml), error);
    return problems == 0 ? 0 : 1;
}
