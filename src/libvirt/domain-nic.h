/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Matches a domain's interfaces with its metadata, even if the two do not agree, as after
 * virt-clone, `virsh edit`, attach-device or detach-interface, and makes them agree in the
 * document. No I/O.
 */
#pragma once

#include "domain-xml.h"
#include "port-options.h"

typedef enum DomainNicKind {
    DOMAIN_NIC_PORT,      /* both name the same device */
    DOMAIN_NIC_UNNAMED,   /* libvirt does not manage the device; its network is unknown */
    DOMAIN_NIC_UNPLUGGED, /* the metadata names it, but there is no such interface */
    DOMAIN_NIC_FOREIGN,   /* libvirt manages it: type='direct', 'network', … */
} DomainNicKind;

typedef struct DomainNic {
    DomainNicKind kind;
    xmlNode *interface; /* the document's; NULL if there is none */
    DomainPort *port; /* the domain's; NULL if the metadata has none. For an unnamed interface, the
                         port that it must have had: see domain_nic_list() */
    char *type, *target, *mac; /* the interface's, as written; NULL if it has none */
} DomainNic;

/*
 * The domain's interfaces in their order, then what only the metadata names; g_ptr_array_unref() it
 * before the domain is freed. Unnamed interfaces and ports without an interface are put together in
 * their order if there are as many of both, as after a clone or a change of device names; otherwise
 * those without any device name, on the same condition. An unnamed one whose device is there
 * (interface_index: if_nametoindex()) is left alone: its user may have made it.
 */
GPtrArray *domain_nic_list(const DomainXml *domain, guint (*interface_index)(const char *name));

/* The first with this device or MAC; NULL if there is none. */
DomainNic *domain_nic_find(const GPtrArray *nics, const char *wanted);

/* A name for the user: its target, else its MAC. It belongs to the nic. */
const char *domain_nic_name(const DomainNic *nic);

/* What the interface asks for, in the texts of PortOptions: its queues and MTU, and the limits of
 * its <bandwidth>; those that this does not name are as the metadata has them. */
void domain_nic_read_options(const DomainNic *nic, PortOptions *options);

/* The source of a type='direct' interface; FALSE if it is of another type. Free both with g_free().
 * */
gboolean domain_nic_get_source(const DomainNic *nic, char **ret_parent, char **ret_mode);

/* Why the limits of a port cannot say what the interface's <bandwidth> does; NULL: they can, or it
 * has none. Borrowed. */
const char *domain_nic_bandwidth_problem(const DomainNic *nic);

/* Writes the options into what the metadata says of the port. What they do not say stays as it is.
 */
void domain_nic_describe(DomainPort *port, const PortOptions *options);

/* Makes it a port with these options, which must include network, target and mac, in the interface
 * and in the metadata. The rest of the interface stays: its model, PCI address, boot order. */
void domain_nic_make_port(DomainXml *domain, DomainNic *nic, const PortOptions *options);

/* Turns it into libvirt's own macvtap interface; mode: libvirt's name. */
void domain_nic_make_direct(DomainXml *domain, DomainNic *nic, const char *parent,
                            const char *mode);

/* Removes it from both. */
void domain_nic_remove(DomainXml *domain, DomainNic *nic);

/* The interface's XML for libvirt, to attach or detach the device; free with g_free(). */
char *domain_nic_format(const DomainNic *nic);
