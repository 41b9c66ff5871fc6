/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.varlink.service, which every server answers (varlink.org/Service); for varlink-server.c. */
#pragma once

#include "varlink-server.h"

extern const char varlink_service_description[];
extern const VarlinkMethod varlink_service_methods[];

/* What the service tells about; the user_data of its methods. */
typedef struct VarlinkService {
    char *vendor, *product, *version, *url;
    GPtrArray *interfaces;    /* the names, char *; borrowed */
    GHashTable *descriptions; /* name → text; borrowed */
} VarlinkService;

void varlink_service_init(VarlinkService *service, const VarlinkServiceInfo *info);
void varlink_service_clear(VarlinkService *service);

/* Both must outlive the service. */
void varlink_service_add(VarlinkService *service, const char *name, const char *description);
