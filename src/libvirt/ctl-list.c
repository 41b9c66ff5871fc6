/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-domain.h"
#include "domain-port.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* A port in a domain, and macvtapd's if it is there: another domain's is not this one's, even if it
 * has the name. */
static json_t *
describe(const DomainXml *domain, gboolean active, const DomainPort *port, const GPtrArray *made)
{
    const MacvtapPort *found = domain_port_find(made, port->target);
    gboolean own = found && domain_port_is_held(found, domain->uuid);

    return json_pack("{s:s, s:b, s:s, s:s, s:s*, s:i, s:s}", "domain", domain->name, "running",
                     active, "target", port->target, "network", port->network, "macAddress",
                     port->mac, "queues", (int)port->queues, "state",
                     own ? macvtap_port_get_state(found) : "absent");
}

/* Appends the domain's ports; a domain whose XML cannot be read has none of ours. */
static void
add_domain(json_t *list, virDomain *domain, const GPtrArray *made)
{
    gboolean active = virDomainIsActive(domain) == 1;
    char *text = virDomainGetXMLDesc(domain, 0);
    g_autoptr(DomainXml) xml = NULL;

    if (text && domain_xml_concerns_us(text, strlen(text)))
        xml = domain_xml_parse(text, strlen(text), NULL);
    free(text);
    for (guint i = 0; xml && i < xml->ports->len; i++)
        json_array_append_new(list, describe(xml, active, xml->ports->pdata[i], made));
}

static gboolean
read_domains(Ctl *ctl, json_t *list, GError **error)
{
    g_autoptr(MacvtapClient) client = NULL;
    g_autoptr(GPtrArray) made = NULL;
    virConnect *connection = ctl_connect(ctl, error);
    virDomain **domains;
    int n;

    if (!connection)
        return FALSE;
    client = macvtap_client_connect(ctl->socket, error);
    made = client ? macvtap_client_list_ports(client, NULL, error) : NULL;
    if (!made)
        return FALSE;
    n = virConnectListAllDomains(connection, &domains, 0);
    if (n < 0)
        return ctl_fail_libvirt(error, "cannot list the domains");
    for (int i = 0; i < n; i++) {
        add_domain(list, domains[i], made);
        virDomainFree(domains[i]);
    }
    free(domains);
    return TRUE;
}

static const char *
text_of(const json_t *object, const char *field)
{
    const char *text = json_string_value(json_object_get(object, field));

    return text ? text : "-";
}

static void
print_ports(const json_t *list)
{
    json_t *port;
    gsize i;

    g_print("%-20s %-9s %-15s %-16s %-17s %s\n", "DOMAIN", "RUNNING", "TARGET", "NETWORK", "MAC",
            "STATE");
    json_array_foreach (list, i, port) {
        g_print("%-20s %-9s %-15s %-16s %-17s %s\n", text_of(port, "domain"),
                json_is_true(json_object_get(port, "running")) ? "yes" : "no",
                text_of(port, "target"), text_of(port, "network"), text_of(port, "macAddress"),
                text_of(port, "state"));
    }
}

int
ctl_list(Ctl *ctl, int argc, char **argv, GError **error)
{
    json_t *list;
    gboolean good;

    if (!ctl_parse(ctl, NULL, &argc, &argv, 0, "", error))
        return 2;
    list = json_array();
    good = read_domains(ctl, list, error);
    if (good && ctl->json) {
        char *text = json_dumps(list, JSON_COMPACT);

        g_print("{\"ports\":%s}\n", text);
        free(text);
    } else if (good) {
        print_ports(list);
    }
    json_decref(list);
    return good ? 0 : 1;
}
