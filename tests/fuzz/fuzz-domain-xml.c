/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A libvirt domain's XML, as the hook reads it. */
#include "fuzz-target.h"

#include "domain-xml.h"

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

/* What is none of ours is a device of the domain's, and no port's. */
static void
check_targets(const DomainXml *domain)
{
    g_autoptr(GHashTable) targets = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GPtrArray) others = domain_xml_list_others(domain);

    domain_xml_add_targets(domain, targets);
    for (guint i = 0; i < others->len; i++)
        g_assert_true(g_hash_table_contains(targets, others->pdata[i]));
    for (guint i = 0; i < domain->ports->len; i++) {
        const DomainPort *port = domain->ports->pdata[i];

        g_assert_true(g_hash_table_contains(targets, port->target));
        g_assert_false(g_ptr_array_find_with_equal_func(others, port->target, g_str_equal, NULL));
    }
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
    for (guint i = 0; i < domain->ports->len; i++)
        check_port(domain->ports->pdata[i]);
    text = domain_xml_format(domain);
    g_assert_true(text[0]);
    return 0;
}
