/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The text comes from libvirt, but users write much of it: descriptions, metadata, names. So
 * libxml2 gets no network, no DTD (a document type of its own has nothing to do in a domain, and
 * entities are how XML is made to explode) and a limited length, and what is taken out of it is
 * checked here before anybody uses it: a target must be an interface's name and a network printable
 * ASCII, so that neither can be a path, a second line, or a terminal's command.
 */
#include "domain-xml.h"

#include "error.h"
#include "interface-name.h"

#include <libxml/parser.h>
#include <string.h>

G_DEFINE_QUARK(macvtapd - domain - xml - error, domain_xml_error)

#define malformed(error, ...)                                                                      \
    error_set(error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_MALFORMED, __VA_ARGS__)

/* Keeps only the first problem. Always FALSE. */
static gboolean G_GNUC_PRINTF(2, 3) problem(DomainXml *domain, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    if (!domain->problem)
        domain->problem = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    return FALSE;
}

/* The same for one port. Always FALSE. */
static gboolean G_GNUC_PRINTF(3, 4)
    port_problem(DomainXml *domain, DomainPort *port, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    port->problem = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    return problem(domain, "%s", port->problem);
}

/* Text from a document, fit for a message. */
static char *
show(const char *text)
{
    g_autofree char *start = g_strndup(text, 64);

    return g_strescape(start, NULL);
}

/* What the metadata says of a port, all of which a change of the domain must keep. */
static const struct {
    const char *name;
    gsize offset; /* of the text in DomainPort */
} attributes[] = {
    {"target", offsetof(DomainPort, target)},
    {"network", offsetof(DomainPort, network)},
    {"limits", offsetof(DomainPort, limits)},
};

static gboolean
is_attribute(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(attributes); i++) {
        if (g_str_equal(name, attributes[i].name))
            return TRUE;
    }
    return FALSE;
}

static void
free_port(gpointer data)
{
    DomainPort *port = data;

    g_free(port->target);
    g_free(port->network);
    g_free(port->limits);
    g_free(port->mac);
    g_free(port->filter);
    g_strfreev(port->filter_addresses);
    g_free(port->problem);
    g_free(port);
}

void
domain_xml_free(DomainXml *domain)
{
    if (!domain)
        return;
    g_clear_pointer(&domain->document, xmlFreeDoc);
    g_clear_pointer(&domain->ports, g_ptr_array_unref);
    g_free(domain->name);
    g_free(domain->uuid);
    g_free(domain->problem);
    g_free(domain);
}

/* namespace NULL: an element without one. */
static gboolean
is_element(const xmlNode *node, const char *name, const char *namespace)
{
    const char *has = node->ns ? (const char *)node->ns->href : NULL;

    return node->type == XML_ELEMENT_NODE && g_str_equal((const char *)node->name, name) &&
           g_strcmp0(has, namespace) == 0;
}

static xmlNode *
next_element(xmlNode *from, const char *name, const char *namespace)
{
    while (from && !is_element(from, name, namespace))
        from = from->next;
    return from;
}

static xmlNode *
child(const xmlNode *parent, const char *name)
{
    return parent ? next_element(parent->children, name, NULL) : NULL;
}

/* A copy; NULL if it is absent. */
static char *
attribute(const xmlNode *node, const char *name)
{
    xmlChar *value = node ? xmlGetNoNsProp(node, BAD_CAST name) : NULL;
    char *copy = g_strdup((const char *)value);

    xmlFree(value);
    return copy;
}

static char *
text_of(const xmlNode *node)
{
    xmlChar *value = node ? xmlNodeGetContent(node) : NULL;
    char *copy = value ? g_strstrip(g_strdup((const char *)value)) : NULL;

    xmlFree(value);
    return copy;
}

DomainPort *
domain_xml_find_port(const DomainXml *domain, const char *target)
{
    for (guint i = 0; target && i < domain->ports->len; i++) {
        DomainPort *port = domain->ports->pdata[i];

        if (g_str_equal(port->target, target))
            return port;
    }
    return NULL;
}

static gboolean
network_is_valid(const char *network)
{
    for (const char *c = network; *c; c++) {
        if (!g_ascii_isgraph(*c))
            return FALSE;
    }
    return network[0] != '\0';
}

static gboolean
check_port_attributes(DomainXml *domain, const xmlNode *node)
{
    for (const xmlAttr *one = node->properties; one; one = one->next) {
        const char *name = (const char *)one->name;
        g_autofree char *shown = show(name);

        if (one->ns || !is_attribute(name))
            return problem(
                domain, "metadata: a port has the attributes target, network and limits, not '%s'",
                shown);
    }
    return TRUE;
}

static gboolean
check_port_texts(DomainXml *domain, const DomainPort *port)
{
    g_autofree char *target = show(port->target ? port->target : "");
    g_autofree char *network = show(port->network ? port->network : "");
    g_autoptr(GError) reason = NULL;

    if (!port->target || !port->network)
        return problem(domain, "metadata: a port has no attribute %s",
                       port->target ? "network" : "target");
    if (!interface_name_check(port->target, &reason))
        return problem(domain, "metadata: target '%s': %s", target, reason->message);
    if (!network_is_valid(port->network))
        return problem(domain, "metadata: port %s: '%s' cannot be a network's name", target,
                       network);
    if (port->limits && !domain_limits_check(port->limits, &reason))
        return problem(domain, "metadata: port %s: limits: %s", target, reason->message);
    return !domain_xml_find_port(domain, port->target) ||
           problem(domain, "metadata: two ports have the target '%s'", target);
}

static gboolean
read_port(DomainXml *domain, xmlNode *node)
{
    DomainPort *port = g_new0(DomainPort, 1);

    port->port = node;
    port->queues = 1;
    for (gsize i = 0; i < G_N_ELEMENTS(attributes); i++)
        G_STRUCT_MEMBER(char *, port, attributes[i].offset) = attribute(node, attributes[i].name);
    if (check_port_attributes(domain, node) && check_port_texts(domain, port)) {
        g_ptr_array_add(domain->ports, port);
        return TRUE;
    }
    free_port(port);
    return FALSE;
}

static void
read_metadata(DomainXml *domain, const xmlNode *root)
{
    const xmlNode *metadata = child(root, "metadata");
    xmlNode *ports =
        metadata ? next_element(metadata->children, "ports", DOMAIN_XML_NAMESPACE) : NULL;

    if (!ports)
        return;
    if (next_element(ports->next, "ports", DOMAIN_XML_NAMESPACE))
        problem(domain, "metadata: macvtapd's element 'ports' occurs twice");
    for (xmlNode *node = ports->children; node; node = node->next) {
        g_autofree char *shown = node->type == XML_ELEMENT_NODE ? show((char *)node->name) : NULL;

        if (is_element(node, "port", DOMAIN_XML_NAMESPACE))
            read_port(domain, node);
        else if (shown)
            problem(domain,
                    "metadata: macvtapd's element 'ports' can only have elements 'port', not '%s'",
                    shown);
    }
}

/* The element with this name in each <interface> whose device it is; *ret_again if it is another's,
 * too. */
static xmlNode *
find_interface(const xmlNode *root, const char *target, gboolean *ret_again)
{
    const xmlNode *devices = child(root, "devices");
    xmlNode *found = NULL;

    *ret_again = FALSE;
    for (xmlNode *node = child(devices, "interface"); node;
         node = next_element(node->next, "interface", NULL)) {
        g_autofree char *dev = attribute(child(node, "target"), "dev");

        if (g_strcmp0(dev, target) != 0)
            continue;
        *ret_again |= found != NULL;
        found = found ? found : node;
    }
    return found;
}

static gboolean
check_type(DomainXml *domain, DomainPort *port, const xmlNode *interface)
{
    g_autofree char *type = attribute(interface, "type");
    g_autofree char *managed = attribute(child(interface, "target"), "managed");
    g_autofree char *shown = show(type ? type : "");

    if (g_strcmp0(type, "ethernet") != 0)
        return port_problem(domain, port,
                            "interface %s is type='%s'; a port of macvtapd is type='ethernet'",
                            port->target, shown);
    if (g_strcmp0(managed, "no") != 0)
        return port_problem(domain, port,
                            "interface %s is a port of macvtapd: its target must say managed='no'",
                            port->target);
    return TRUE;
}

/* What libvirt would do for the interface, and takes without a word, has another effect on a
 * macvtap: see docs/libvirt.md. */
static gboolean
check_rules(DomainXml *domain, DomainPort *port, const xmlNode *interface)
{
    const xmlNode *bandwidth = child(interface, "bandwidth");
    g_autofree char *limits = NULL;
    const char *reason;

    if (!bandwidth)
        return TRUE;
    limits = domain_bandwidth_limits(bandwidth, &reason);
    return port_problem(domain, port,
                        "interface %s has a <bandwidth>, and libvirt would limit the other"
                        " direction, as a macvtap's are not a tap's: remove it%s%s%s",
                        port->target,
                        limits ? ", and give its port in the metadata limits='" : "; ",
                        limits ? limits : reason, limits ? "'" : "");
}

/* The values of the filter's parameters of these names, which may be there again and again. */
static GStrv
read_parameters(const xmlNode *filter, const char *const *names)
{
    g_autoptr(GStrvBuilder) values = g_strv_builder_new();

    for (const xmlNode *node = child(filter, "parameter"); node;
         node = next_element(node->next, "parameter", NULL)) {
        g_autofree char *name = attribute(node, "name"), *value = attribute(node, "value");
        g_autofree char *shown = show(value ? value : "");

        if (name && g_strv_contains(names, name))
            g_strv_builder_add(values, shown);
    }
    return g_strv_builder_end(values);
}

/* Whether the port's guard keeps what the filter promises is looked at where the port is known:
 * domain_filter_check(). */
static void
read_filter(DomainPort *port, const xmlNode *interface)
{
    static const char *const names[] = {"IP", "IPV6", NULL};
    const xmlNode *filter = child(interface, "filterref");
    g_autofree char *name = attribute(filter, "filter");

    if (!filter)
        return;
    port->filter = show(name ? name : "");
    port->filter_addresses = read_parameters(filter, names);
}

static gboolean
read_number(DomainXml *domain, DomainPort *port, const xmlNode *node, const char *name,
            guint *ret_number)
{
    g_autofree char *text = attribute(node, name);
    g_autofree char *shown = show(text ? text : "");
    guint64 number;

    if (!text)
        return TRUE;
    if (!g_ascii_string_to_unsigned(text, 10, 1, G_MAXUINT16, &number, NULL))
        return port_problem(domain, port, "interface %s: %s='%s' is not a number from 1 to 65535",
                            port->target, name, shown);
    *ret_number = (guint)number;
    return TRUE;
}

/* virt-clone leaves the interface without a device's name, and the metadata as it was. */
static gboolean
fail_no_interface(DomainXml *domain, DomainPort *port, const xmlNode *root)
{
    for (xmlNode *node = child(child(root, "devices"), "interface"); node;
         node = next_element(node->next, "interface", NULL)) {
        g_autofree char *managed = attribute(child(node, "target"), "managed");
        g_autofree char *dev = attribute(child(node, "target"), "dev");
        g_autofree char *mac = attribute(child(node, "mac"), "address");
        g_autofree char *shown = show(mac ? mac : "?");

        if (g_strcmp0(managed, "no") == 0 && !dev)
            return port_problem(domain, port,
                                "interface %s has no device's name, as in a clone (its metadata"
                                " still says %s): macvtapctl domain attach %s --replace gives it a"
                                " port",
                                shown, port->target, domain->name);
    }
    return port_problem(domain, port,
                        "metadata names a port %s, but no interface has <target dev='%s' "
                        "managed='no'/>",
                        port->target, port->target);
}

static gboolean
read_interface(DomainXml *domain, DomainPort *port, const xmlNode *root)
{
    gboolean again;
    xmlNode *interface = find_interface(root, port->target, &again);
    g_autofree char *link = NULL;

    if (!interface)
        return fail_no_interface(domain, port, root);
    if (again)
        return port_problem(domain, port, "two interfaces have the target '%s'", port->target);
    if (!check_type(domain, port, interface))
        return FALSE;
    port->interface = interface;
    port->mac = attribute(child(interface, "mac"), "address");
    link = attribute(child(interface, "link"), "state");
    port->link_down = g_strcmp0(link, "down") == 0;
    read_filter(port, interface);
    return check_rules(domain, port, interface) &&
           read_number(domain, port, child(interface, "driver"), "queues", &port->queues) &&
           read_number(domain, port, child(interface, "mtu"), "size", &port->mtu);
}

static gboolean
read_identity(DomainXml *domain, const xmlNode *root, GError **error)
{
    domain->name = text_of(child(root, "name"));
    domain->uuid = text_of(child(root, "uuid"));
    if (!domain->name || !domain->name[0])
        return malformed(error, "the domain's XML has no name");
    if (!domain->uuid || !g_uuid_string_is_valid(domain->uuid))
        return malformed(error, "the domain's XML has no valid UUID");
    return TRUE;
}

static xmlDoc *
read_document(const char *text, gsize length, GError **error)
{
    g_autofree char *cause = NULL;
    xmlParserCtxt *context;
    xmlDoc *document;
    int line;

    if (length > DOMAIN_XML_BYTES_MAX) {
        malformed(error, "the domain's XML has %" G_GSIZE_FORMAT " bytes, at most %d are read",
                  length, DOMAIN_XML_BYTES_MAX);
        return NULL;
    }
    if (memchr(text, '\0', length)) {
        malformed(error, "the domain's XML has a NUL byte in it");
        return NULL;
    }
    context = xmlNewParserCtxt();
    document = xmlCtxtReadMemory(context, text, (int)length, NULL, NULL,
                                 XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    line = context->lastError.line;
    cause = g_strstrip(g_strdup(context->lastError.message ? context->lastError.message : "?"));
    xmlFreeParserCtxt(context);
    if (!document)
        malformed(error, "the domain's XML, line %d: %s", line, cause);
    return document;
}

gboolean
domain_xml_concerns_us(const char *text, gsize length)
{
    return memmem(text, length, DOMAIN_XML_NAMESPACE, strlen(DOMAIN_XML_NAMESPACE)) != NULL;
}

DomainXml *
domain_xml_parse(const char *text, gsize length, GError **error)
{
    g_autoptr(DomainXml) domain = g_new0(DomainXml, 1);
    const xmlNode *root;

    domain->ports = g_ptr_array_new_with_free_func(free_port);
    domain->document = read_document(text, length, error);
    if (!domain->document)
        return NULL;
    root = xmlDocGetRootElement(domain->document);
    if (domain->document->intSubset || !root || !is_element(root, "domain", NULL)) {
        malformed(error, "this is not a domain's XML");
        return NULL;
    }
    if (!read_identity(domain, root, error))
        return NULL;
    read_metadata(domain, root);
    domain->partial = domain->problem != NULL;
    for (guint i = 0; i < domain->ports->len; i++)
        read_interface(domain, domain->ports->pdata[i], root);
    return g_steal_pointer(&domain);
}

gboolean
domain_xml_check(const DomainXml *domain, GError **error)
{
    if (!domain->problem)
        return TRUE;
    g_set_error_literal(error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_PORTS, domain->problem);
    return FALSE;
}

gboolean
domain_xml_check_whole(const DomainXml *domain, GError **error)
{
    return !domain->partial || domain_xml_check(domain, error);
}

static xmlNode *
first_interface(const DomainXml *domain)
{
    return child(child(xmlDocGetRootElement(domain->document), "devices"), "interface");
}

GHashTable *
domain_xml_owners_new(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                 (GDestroyNotify)g_ptr_array_unref);
}

/* key is taken. */
static void
add_owner(GHashTable *owners, char *key, const char *name)
{
    GPtrArray *names = g_hash_table_lookup(owners, key);

    if (!names) {
        names = g_ptr_array_new_with_free_func(g_free);
        g_hash_table_insert(owners, key, names);
    } else {
        g_free(key);
    }
    if (!g_ptr_array_find_with_equal_func(names, name, g_str_equal, NULL))
        g_ptr_array_add(names, g_strdup(name));
}

const char *
domain_xml_find_owner(GHashTable *owners, const char *key, const char *except)
{
    const GPtrArray *names = g_hash_table_lookup(owners, key);

    for (guint i = 0; names && i < names->len; i++) {
        if (!g_str_equal(names->pdata[i], except))
            return names->pdata[i];
    }
    return NULL;
}

void
domain_xml_add_devices(const DomainXml *domain, GHashTable *owners)
{
    for (xmlNode *node = first_interface(domain); node;
         node = next_element(node->next, "interface", NULL)) {
        char *dev = attribute(child(node, "target"), "dev");

        if (dev)
            add_owner(owners, dev, domain->name);
    }
}

void
domain_xml_add_targets(const DomainXml *domain, GHashTable *owners)
{
    domain_xml_add_devices(domain, owners);
    for (guint i = 0; i < domain->ports->len; i++) {
        const DomainPort *port = domain->ports->pdata[i];

        add_owner(owners, g_strdup(port->target), domain->name);
    }
}

void
domain_xml_add_macs(const DomainXml *domain, GHashTable *owners)
{
    for (xmlNode *node = first_interface(domain); node;
         node = next_element(node->next, "interface", NULL)) {
        g_autofree char *mac = attribute(child(node, "mac"), "address");

        if (mac)
            add_owner(owners, g_ascii_strdown(mac, -1), domain->name);
    }
}

gboolean
domain_xml_has_interface(const DomainXml *domain, const char *target)
{
    gboolean again;

    return find_interface(xmlDocGetRootElement(domain->document), target, &again) != NULL;
}

void
domain_xml_rename_target(DomainPort *port, const char *target)
{
    xmlNode *element = port->interface ? child(port->interface, "target") : NULL;

    g_free(port->target);
    port->target = g_strdup(target);
    xmlSetProp(port->port, BAD_CAST "target", BAD_CAST target);
    if (element)
        xmlSetProp(element, BAD_CAST "dev", BAD_CAST target);
}

void
domain_xml_write_port(const DomainPort *port)
{
    for (gsize i = 0; i < G_N_ELEMENTS(attributes); i++) {
        const char *text = G_STRUCT_MEMBER(const char *, port, attributes[i].offset);

        if (text)
            xmlSetProp(port->port, BAD_CAST attributes[i].name, BAD_CAST text);
        else
            xmlUnsetProp(port->port, BAD_CAST attributes[i].name);
    }
}

static void
format_port(GString *text, const DomainPort *port)
{
    g_string_append(text, "<port");
    for (gsize i = 0; i < G_N_ELEMENTS(attributes); i++) {
        const char *value = G_STRUCT_MEMBER(const char *, port, attributes[i].offset);
        g_autofree char *escaped = value ? g_markup_escape_text(value, -1) : NULL;

        if (escaped)
            g_string_append_printf(text, " %s='%s'", attributes[i].name, escaped);
    }
    g_string_append(text, "/>");
}

char *
domain_xml_format_ports(const GPtrArray *ports)
{
    GString *text = g_string_new("<ports>");

    for (guint i = 0; i < ports->len; i++)
        format_port(text, ports->pdata[i]);
    g_string_append(text, "</ports>");
    return g_string_free(text, FALSE);
}

char *
domain_xml_format(const DomainXml *domain)
{
    xmlChar *text = NULL;
    char *copy;
    int length = 0;

    xmlDocDumpMemory(domain->document, &text, &length);
    copy = g_strndup((const char *)text, (gsize)length);
    xmlFree(text);
    return copy;
}
