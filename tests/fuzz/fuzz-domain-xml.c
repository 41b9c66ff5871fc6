/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A libvirt domain's XML, as the hook reads it. */
#include "fuzz-target.h"

#include "domain-nic.h"

#include "interface-name.h"

#include <string.h>

static void
check_port(DomainPort *port)
{
    g_assert_true(interface_name_check(port->target, NULL));
    g_assert_true(port->network[0]);
    for (const char *c = port->network; *c; c++)
        g_assert_true(g_ascii_isgraph(*c));
    g_assert_cmpuint(port->queues, >=, 1);
    domain_xml_rename_target(port, "renamed");
}

static guint
no_index(const char *name)
{
    return 0;
}

/* Each port is one interface's or none's, and one of them can be made of whatever has an interface.
 */
static void
check_nics(const char *text, gsize length)
{
    g_autoptr(DomainXml) domain = domain_xml_parse(text, length, NULL);
    g_autoptr(GPtrArray) nics = domain_nic_list(domain, no_index);
    const PortOptions options = {
        .network = (char *)"lan", .target = (char *)"other", .mac = (char *)"52:54:00:00:00:01"};
    g_autofree char *changed = NULL;
    guint n = 0;

    for (guint i = 0; i < nics->len; i++)
        n += ((const DomainNic *)nics->pdata[i])->port != NULL;
    g_assert_cmpuint(n, >=, domain->ports->len);
    for (guint i = 0; i < nics->len; i++) {
        DomainNic *nic = nics->pdata[i];
        g_autofree char *device = nic->interface ? domain_nic_format(nic) : NULL;

        g_assert_nonnull(domain_nic_name(nic));
        if (nic->interface)
            domain_nic_make_port(domain, nic, &options);
        else
            domain_nic_remove(domain, nic);
    }
    changed = domain_xml_format(domain);
    g_assert_true(changed[0]);
}

static void
check_targets(const DomainXml *domain)
{
    g_autoptr(GHashTable) targets = domain_xml_owners_new();

    domain_xml_add_targets(domain, targets);
    for (guint i = 0; i < domain->ports->len; i++)
        g_assert_true(
            g_hash_table_contains(targets, ((const DomainPort *)domain->ports->pdata[i])->target));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DomainXml) domain = domain_xml_parse((const char *)data, size, &error);
    g_autofree char *text = NULL;

    if (!domain) {
        g_assert_error(error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_MALFORMED);
        return 0;
    }
    g_assert_true(g_uuid_string_is_valid(domain->uuid));
    g_assert_true(domain->name[0]);
    if (domain->problem)
        g_assert_null(strchr(domain->problem, '\n'));
    check_targets(domain);
    check_nics((const char *)data, size);
    for (guint i = 0; i < domain->ports->len; i++)
        check_port(domain->ports->pdata[i]);
    text = domain_xml_format(domain);
    g_assert_true(text[0]);
    return 0;
}
