/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Compares a domain's interfaces with the existing ports, and with other domains' interfaces. */
#pragma once

#include "ctl-domain.h"
#include "domain-nic.h"

typedef struct CtlLookWith {
    Ctl *ctl;
    MacvtapClient *client;
    const DomainXml *domain;
    gboolean running;
    int pid;                /* QEMU's; 0: unknown */
    const GPtrArray *there; /* macvtapd's ports */
    GHashTable *devices,
        *macs; /* of all domains, see domain_xml_add_…(); NULL: not to be compared */
} CtlLookWith;

/* domain_nic_list() with the devices of this machine. */
GPtrArray *ctl_list_nics(const DomainXml *domain);

typedef struct CtlLook {
    DomainNic *nic;
    char *network;     /* from the metadata; NULL: none */
    const char *state; /* the port's, or what keeps it from being that: see docs/libvirt.md */
    char *problem;     /* one line that names the interface; NULL if there is none */
} CtlLook;

/* One for each of the nics (domain_nic_list()) that concerns macvtapd; g_ptr_array_unref() it
 * before the nics. */
GPtrArray *ctl_look(const CtlLookWith *with, const GPtrArray *nics);
