/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The part of a libvirt domain's XML that concerns macvtapd (libvirt.org/formatdomain.html): who
 * the domain is, which of its interfaces are ports, and what these ask for. Text in, no I/O.
 */
#pragma once

#include <glib.h>
#include <libxml/tree.h>

/* The namespace of our element in <metadata>; docs/libvirt.md and xml-templates/macvtapd.rng
 * describe it. */
#define DOMAIN_XML_NAMESPACE "https://macvtapd.org/xmlns/domain/1"

/* A domain's XML of more bytes than this is refused: libvirt's own are some kilobytes. */
#define DOMAIN_XML_BYTES_MAX (1024 * 1024)

#define DOMAIN_XML_ERROR (domain_xml_error_quark())
GQuark domain_xml_error_quark(void);

typedef enum DomainXmlError {
    DOMAIN_XML_ERROR_MALFORMED, /* too long, or not a domain's XML */
    DOMAIN_XML_ERROR_PORTS,     /* what it says of our ports cannot be */
} DomainXmlError;

/* One <macvtapd:port> with what its <interface> says; the rest is unset unless that is known. */
typedef struct DomainPort {
    char *target;              /* the device's name: a valid one */
    char *network;             /* macvtapd's network, or "parent=…,mode=…": printable ASCII */
    char *limits;              /* as for macvtapctl port create --limits, valid; NULL: none */
    char *mac;                 /* as written; NULL if the interface has none */
    guint queues;              /* at least 1 */
    guint mtu;                 /* bytes; 0: not given */
    char *filter;              /* <filterref>: printable ASCII; NULL if there is none */
    GStrv filter_addresses;    /* its parameters IP and IPV6, as written; not NULL with a filter */
    gboolean link_down;        /* the guest is told that its cable is unplugged */
    char *problem;             /* why it is invalid, as in DomainXml */
    xmlNode *port, *interface; /* the document's; interface NULL: the domain has none for it */
} DomainPort;

typedef struct DomainXml {
    xmlDoc *document;
    char *name;
    char *uuid;
    GPtrArray *ports; /* of DomainPort */
    char *problem;    /* why the domain cannot have its ports: one line; NULL: it can */
    gboolean partial; /* the metadata has more than ports could take, see problem */
} DomainXml;

/* Whether text names our namespace at all. Cheap: most domains do not. */
gboolean domain_xml_concerns_us(const char *text, gsize length);

/*
 * Takes text apart; free the result with domain_xml_free(). NULL when it is not a domain's XML with
 * a UUID. A problem of our ports is not an error here, as any domain must be released, whatever its
 * metadata says: see domain_xml_check().
 */
DomainXml *domain_xml_parse(const char *text, gsize length, GError **error);
void domain_xml_free(DomainXml *domain);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DomainXml, domain_xml_free)

/* Fails with DOMAIN_XML_ERROR_PORTS if there is a problem. */
gboolean domain_xml_check(const DomainXml *domain, GError **error);

/* Whether the metadata may be rewritten from ports; fails with DOMAIN_XML_ERROR_PORTS if that would
 * lose some of it. A port without its interface is no reason. */
gboolean domain_xml_check_whole(const DomainXml *domain, GError **error);

/* The port with this target (NULL: none has), or NULL; it belongs to the domain. */
DomainPort *domain_xml_find_port(const DomainXml *domain, const char *target);

/* Whose the devices or MACs are: char * to a GPtrArray with the names of the domains. Unref it. */
GHashTable *domain_xml_owners_new(void);

/* Writes all that the metadata says of the port into its element. */
void domain_xml_write_port(const DomainPort *port);

/* The metadata's element for ports (of DomainPort); free with g_free(). */
char *domain_xml_format_ports(const GPtrArray *ports);

/* Adds the domain as an owner of the device of each of its interfaces. */
void domain_xml_add_devices(const DomainXml *domain, GHashTable *owners);

/* The same, and of those that only its metadata names. */
void domain_xml_add_targets(const DomainXml *domain, GHashTable *owners);

/* Adds the domain as an owner of each interface's MAC, in lower case. */
void domain_xml_add_macs(const DomainXml *domain, GHashTable *owners);

/* An owner that is not the domain with this name; NULL if there is none. It belongs to the table.
 */
const char *domain_xml_find_owner(GHashTable *owners, const char *key, const char *except);

/* Whether an interface of any type has this device, a port or not. */
gboolean domain_xml_has_interface(const DomainXml *domain, const char *target);

/* Gives a port's device another name, in the interface and in the metadata. */
void domain_xml_rename_target(DomainPort *port, const char *target);

/* The document as text; free with g_free(). */
char *domain_xml_format(const DomainXml *domain);

/*
 * domain-bandwidth.c: libvirt's <bandwidth> of an interface
 * (libvirt.org/formatdomain.html#quality-of-service) and the limits of a port. libvirt cannot apply
 * it to a port (docs/libvirt.md), but a port's limits can say the same: the attribute limits='…' of
 * the port in the metadata.
 */

/* The limits that mean the same as the element, in the form of macvtapctl port create --limits;
 * free with g_free(). NULL with *ret_reason (borrowed) if they cannot. */
char *domain_bandwidth_limits(const xmlNode *bandwidth, const char **ret_reason);

/* The limits with those of other (both may be NULL) that they do not name; free with g_free(). */
char *domain_limits_complete(const char *limits, const char *other);

/* Whether text is what macvtapctl port create --limits takes; PORT_ERROR_INVALID_REQUEST. */
gboolean domain_limits_check(const char *text, GError **error);
