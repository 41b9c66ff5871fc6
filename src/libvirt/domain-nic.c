/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain-nic.h"

#include "domain-xml.h"

#include "domain-port.h"

#include <string.h>

static xmlNode *
find_child(const xmlNode *parent, const char *name)
{
    for (xmlNode *node = parent ? parent->children : NULL; node; node = node->next) {
        if (node->type == XML_ELEMENT_NODE && !node->ns &&
            g_str_equal((const char *)node->name, name))
            return node;
    }
    return NULL;
}

static xmlNode *
ensure_child(xmlNode *parent, const char *name)
{
    xmlNode *found = find_child(parent, name);

    return found ? found : xmlNewChild(parent, NULL, BAD_CAST name, NULL);
}

static void
remove_node(xmlNode *node)
{
    if (!node)
        return;
    xmlUnlinkNode(node);
    xmlFreeNode(node);
}

static char *
get_attribute(const xmlNode *node, const char *name)
{
    xmlChar *value = node ? xmlGetNoNsProp(node, BAD_CAST name) : NULL;
    char *copy = g_strdup((const char *)value);

    xmlFree(value);
    return copy;
}

static void
set_attribute(xmlNode *node, const char *name, const char *value)
{
    xmlSetProp(node, BAD_CAST name, BAD_CAST value);
}

static void
free_nic(gpointer data)
{
    DomainNic *nic = data;

    g_free(nic->type);
    g_free(nic->target);
    g_free(nic->mac);
    g_free(nic);
}

static gboolean
has_interface(const GPtrArray *nics, const DomainPort *port)
{
    for (guint i = 0; i < nics->len; i++) {
        if (((const DomainNic *)nics->pdata[i])->port == port)
            return TRUE;
    }
    return FALSE;
}

static DomainNic *
read_nic(const DomainXml *domain, const GPtrArray *nics, xmlNode *interface)
{
    DomainNic *nic = g_new0(DomainNic, 1);
    g_autofree char *managed = get_attribute(find_child(interface, "target"), "managed");

    nic->interface = interface;
    nic->type = get_attribute(interface, "type");
    nic->target = get_attribute(find_child(interface, "target"), "dev");
    nic->mac = get_attribute(find_child(interface, "mac"), "address");
    nic->port = domain_xml_find_port(domain, nic->target);
    /* Each port belongs to one interface: the first that has the device. */
    if (nic->port && has_interface(nics, nic->port))
        nic->port = NULL;
    if (nic->port)
        nic->kind = DOMAIN_NIC_PORT;
    else if (g_strcmp0(nic->type, "ethernet") == 0 && g_strcmp0(managed, "no") == 0)
        nic->kind = DOMAIN_NIC_UNNAMED;
    else
        nic->kind = DOMAIN_NIC_FOREIGN;
    return nic;
}

/* Pairs them in order if there are as many of both. */
static gboolean
pair(const GPtrArray *unnamed, GPtrArray *unplugged)
{
    if (unnamed->len != unplugged->len)
        return FALSE;
    for (guint i = 0; i < unnamed->len; i++)
        ((DomainNic *)unnamed->pdata[i])->port = unplugged->pdata[i];
    g_ptr_array_set_size(unplugged, 0);
    return TRUE;
}

static void
pair_all(const GPtrArray *nics, GPtrArray *unplugged, guint (*interface_index)(const char *name))
{
    g_autoptr(GPtrArray) unnamed = g_ptr_array_new();
    g_autoptr(GPtrArray) nameless = g_ptr_array_new();

    for (guint i = 0; i < nics->len; i++) {
        DomainNic *nic = nics->pdata[i];

        if (nic->kind == DOMAIN_NIC_UNNAMED && (!nic->target || interface_index(nic->target) == 0))
            g_ptr_array_add(unnamed, nic);
        if (nic->kind == DOMAIN_NIC_UNNAMED && !nic->target)
            g_ptr_array_add(nameless, nic);
    }
    if (!pair(unnamed, unplugged))
        pair(nameless, unplugged);
}

GPtrArray *
domain_nic_list(const DomainXml *domain, guint (*interface_index)(const char *name))
{
    GPtrArray *nics = g_ptr_array_new_with_free_func(free_nic);
    g_autoptr(GPtrArray) unplugged = g_ptr_array_new();
    const xmlNode *devices = find_child(xmlDocGetRootElement(domain->document), "devices");

    for (xmlNode *node = devices ? devices->children : NULL; node; node = node->next) {
        if (node->type == XML_ELEMENT_NODE && g_str_equal((const char *)node->name, "interface"))
            g_ptr_array_add(nics, read_nic(domain, nics, node));
    }
    for (guint i = 0; i < domain->ports->len; i++) {
        if (!has_interface(nics, domain->ports->pdata[i]))
            g_ptr_array_add(unplugged, domain->ports->pdata[i]);
    }
    pair_all(nics, unplugged, interface_index);
    for (guint i = 0; i < unplugged->len; i++) {
        DomainNic *nic = g_new0(DomainNic, 1);

        nic->kind = DOMAIN_NIC_UNPLUGGED;
        nic->port = unplugged->pdata[i];
        nic->target = g_strdup(nic->port->target);
        g_ptr_array_add(nics, nic);
    }
    return nics;
}

DomainNic *
domain_nic_find(const GPtrArray *nics, const char *wanted)
{
    for (guint i = 0; i < nics->len; i++) {
        DomainNic *nic = nics->pdata[i];
        const char *old = nic->port ? nic->port->target : NULL;

        if (g_strcmp0(nic->target, wanted) == 0 || domain_port_same_mac(nic->mac, wanted) ||
            g_strcmp0(old, wanted) == 0)
            return nic;
    }
    return NULL;
}

const char *
domain_nic_name(const DomainNic *nic)
{
    if (nic->target)
        return nic->target;
    return nic->mac ? nic->mac : "without a MAC";
}

/* NULL with *ret_reason, which is NULL if it has no <bandwidth>. */
static char *
read_bandwidth(const DomainNic *nic, const char **ret_reason)
{
    const xmlNode *bandwidth = find_child(nic->interface, "bandwidth");

    *ret_reason = NULL;
    return bandwidth ? domain_bandwidth_limits(bandwidth, ret_reason) : NULL;
}

const char *
domain_nic_bandwidth_problem(const DomainNic *nic)
{
    const char *reason;

    g_free(read_bandwidth(nic, &reason));
    return reason;
}

static char *
read_limits(const DomainNic *nic)
{
    const char *reason;
    g_autofree char *limits = read_bandwidth(nic, &reason);

    return domain_limits_complete(limits, nic->port ? nic->port->limits : NULL);
}

void
domain_nic_read_options(const DomainNic *nic, PortOptions *options)
{
    if (!options->queues)
        options->queues = get_attribute(find_child(nic->interface, "driver"), "queues");
    if (!options->mtu)
        options->mtu = get_attribute(find_child(nic->interface, "mtu"), "size");
    if (!options->limits)
        options->limits = read_limits(nic);
}

static void
set_text(char **text, const char *value)
{
    if (!value)
        return;
    g_free(*text);
    *text = g_strdup(value);
}

void
domain_nic_describe(DomainPort *port, const PortOptions *options)
{
    set_text(&port->target, options->target);
    set_text(&port->network, options->network);
    set_text(&port->limits, options->limits);
}

gboolean
domain_nic_get_source(const DomainNic *nic, char **ret_parent, char **ret_mode)
{
    const xmlNode *source = find_child(nic->interface, "source");
    g_autofree char *parent = get_attribute(source, "dev");

    if (g_strcmp0(nic->type, "direct") != 0 || !parent)
        return FALSE;
    *ret_parent = g_steal_pointer(&parent);
    *ret_mode = get_attribute(source, "mode");
    if (!*ret_mode)
        *ret_mode = g_strdup("vepa"); /* libvirt's default */
    return TRUE;
}

/* Elements that only libvirt's other types have, or that have no effect on a macvtap created by
 * others. */
static void
remove_source(xmlNode *interface)
{
    static const char *const names[] = {"source", "virtualport", "vlan", "filterref",  "bandwidth",
                                        "script", "backend",     "port", "downscript", NULL};

    for (const char *const *name = names; *name; name++)
        remove_node(find_child(interface, *name));
    xmlUnsetProp(interface, BAD_CAST "trustGuestRxFilters");
}

static xmlNode *
ensure_ports(DomainXml *domain)
{
    xmlNode *metadata = ensure_child(xmlDocGetRootElement(domain->document), "metadata");
    xmlNode *ports;

    for (xmlNode *node = metadata->children; node; node = node->next) {
        if (node->type == XML_ELEMENT_NODE && g_str_equal((const char *)node->name, "ports") &&
            node->ns && g_str_equal((const char *)node->ns->href, DOMAIN_XML_NAMESPACE))
            return node;
    }
    ports = xmlNewChild(metadata, NULL, BAD_CAST "ports", NULL);
    xmlSetNs(ports, xmlNewNs(ports, BAD_CAST DOMAIN_XML_NAMESPACE, BAD_CAST "macvtapd"));
    return ports;
}

/* Also removes the element's leftover whitespace, if nothing else is in it. */
static void
remove_if_empty(xmlNode *node)
{
    for (const xmlNode *child = node->children; child; child = child->next) {
        if (child->type != XML_TEXT_NODE)
            return;
    }
    remove_node(node);
}

/* Removes what the metadata says about it from the document and from the domain. */
static void
forget_port(DomainXml *domain, DomainNic *nic)
{
    xmlNode *ports, *metadata;

    if (!nic->port)
        return;
    ports = nic->port->port->parent;
    metadata = ports->parent;
    remove_node(nic->port->port);
    remove_if_empty(ports);
    remove_if_empty(metadata);
    g_ptr_array_remove(domain->ports, nic->port);
    nic->port = NULL;
}

static DomainPort *
add_port(DomainXml *domain)
{
    DomainPort *port = g_new0(DomainPort, 1);

    port->port = xmlNewChild(ensure_ports(domain), NULL, BAD_CAST "port", NULL);
    xmlSetNs(port->port, port->port->parent->ns);
    g_ptr_array_add(domain->ports, port);
    return port;
}

static void
set_number(xmlNode *interface, const char *element, const char *name, const char *value)
{
    if (value)
        set_attribute(ensure_child(interface, element), name, value);
}

void
domain_nic_make_port(DomainXml *domain, DomainNic *nic, const PortOptions *options)
{
    xmlNode *interface = nic->interface, *target = ensure_child(interface, "target");

    remove_source(interface);
    set_attribute(interface, "type", "ethernet");
    set_attribute(target, "dev", options->target);
    set_attribute(target, "managed", "no");
    set_attribute(ensure_child(interface, "mac"), "address", options->mac);
    set_number(interface, "model", "type", options->model);
    set_number(interface, "driver", "queues", options->queues);
    set_number(interface, "mtu", "size", options->mtu);
    if (!nic->port)
        nic->port = add_port(domain);
    domain_nic_describe(nic->port, options);
    domain_xml_write_port(nic->port);
}

void
domain_nic_make_direct(DomainXml *domain, DomainNic *nic, const char *parent, const char *mode)
{
    xmlNode *interface = nic->interface, *source;

    remove_source(interface);
    remove_node(find_child(interface, "target"));
    /* libvirt refuses one for a macvtap that it creates itself. */
    remove_node(find_child(interface, "mtu"));
    set_attribute(interface, "type", "direct");
    source = xmlNewChild(interface, NULL, BAD_CAST "source", NULL);
    set_attribute(source, "dev", parent);
    set_attribute(source, "mode", mode);
    forget_port(domain, nic);
}

void
domain_nic_remove(DomainXml *domain, DomainNic *nic)
{
    remove_node(nic->interface);
    nic->interface = NULL;
    forget_port(domain, nic);
}

char *
domain_nic_format(const DomainNic *nic)
{
    xmlNode *copy = xmlCopyNode(nic->interface, 1);
    g_autofree char *alias = get_attribute(find_child(copy, "alias"), "name");
    xmlBuffer *buffer = xmlBufferCreate();
    char *text;

    /* A name that libvirt chose may go to another interface next time. */
    if (alias && !g_str_has_prefix(alias, "ua-"))
        remove_node(find_child(copy, "alias"));
    xmlNodeDump(buffer, copy->doc, copy, 0, 0);
    text = g_strdup((const char *)xmlBufferContent(buffer));
    xmlBufferFree(buffer);
    xmlFreeNode(copy);
    return text;
}
