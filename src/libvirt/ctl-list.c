/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-look.h"
#include "table.h"

#include <jansson.h>
#include <stdlib.h>

static json_t *
describe(const CtlLookWith *with, const CtlLook *look)
{
    const DomainNic *nic = look->nic;

    return json_pack("{s:s, s:b, s:s*, s:s*, s:s*, s:i, s:s, s:s*}", "domain", with->domain->name,
                     "running", with->running, "target", nic->target, "network", look->network,
                     "macAddress", nic->mac, "queues", nic->port ? (int)nic->port->queues : 1,
                     "state", look->state, "problem", look->problem);
}

/* Appends the domain's ports; a domain whose XML cannot be read has none. */
static void
add_domain(json_t *list, CtlLookWith with, virDomain *domain)
{
    g_autoptr(DomainXml) xml = ctl_read_domain(domain, 0, NULL);
    g_autoptr(GPtrArray) nics = xml ? ctl_list_nics(xml) : NULL;
    g_autoptr(GPtrArray) looks = NULL;

    if (!xml)
        return;
    with.domain = xml;
    with.running = virDomainIsActive(domain) == 1;
    with.pid = with.running && nics->len > 0 ? ctl_find_process(with.ctl, xml) : 0;
    looks = ctl_look(&with, nics);
    for (guint i = 0; i < looks->len; i++)
        json_array_append_new(list, describe(&with, looks->pdata[i]));
}

static gboolean
read_domains(Ctl *ctl, json_t *list, GError **error)
{
    g_autoptr(MacvtapClient) client = NULL;
    g_autoptr(GPtrArray) made = NULL;
    g_autoptr(GHashTable) devices = NULL, macs = NULL;
    virConnect *connection = ctl_connect_libvirt(ctl, error);
    CtlLookWith with = {.ctl = ctl};
    virDomain **domains;
    int n;

    if (!connection)
        return FALSE;
    client = ctl_connect(ctl, error);
    made = client ? ask_ports(client, NULL, FALSE, error) : NULL;
    if (!made || !ctl_collect_owners(ctl, &devices, &macs, error))
        return FALSE;
    with.client = client;
    with.there = made;
    with.devices = devices;
    with.macs = macs;
    n = virConnectListAllDomains(connection, &domains, 0);
    if (n < 0)
        return ctl_fail_libvirt(error, "cannot list the domains");
    for (int i = 0; i < n; i++) {
        add_domain(list, with, domains[i]);
        virDomainFree(domains[i]);
    }
    free(domains);
    return TRUE;
}

static char *
text_of(const json_t *object, const char *field)
{
    return g_strdup(json_string_value(json_object_get(object, field)));
}

static void
print_ports(const json_t *list)
{
    static const char *const headings[] = {"DOMAIN", "RUNNING", "TARGET",  "NETWORK",
                                           "MAC",    "STATE",   "PROBLEM", NULL};
    Table *table = table_new(headings);
    json_t *port;
    gsize i;

    json_array_foreach (list, i, port) {
        gboolean running = json_is_true(json_object_get(port, "running"));

        table_add(table, text_of(port, "domain"), g_strdup(running ? "yes" : "no"),
                  text_of(port, "target"), text_of(port, "network"), text_of(port, "macAddress"),
                  text_of(port, "state"), text_of(port, "problem"));
    }
    table_print(table);
}

int
ctl_list(Ctl *ctl, int argc, char **argv, GError **error)
{
    json_t *list;
    gboolean good;

    if (!ctl_parse(ctl, NULL, &argc, &argv, 0, 0, "", error))
        return 2;
    list = json_array();
    good = read_domains(ctl, list, error);
    if (good && ctl->json)
        output_json(json_pack("{s:O}", "ports", list));
    else if (good)
        print_ports(list);
    json_decref(list);
    return good ? 0 : 1;
}
