/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the methods share, and the test that holds them against the interface's text.
 */
#pragma once

#include "api.h"
#include "trail.h"

struct Api {
    Broker *broker;
    Trail *trail;
    ApiReload reload;
    gpointer reload_data;
    GHashTable *streams; /* caller_account() → how many it has; none with 0 */
};

/* Who calls; valid as long as the call. */
Caller api_caller(VarlinkCall *call);

/* Answers a request that could not be converted: field is wrong, or error says why. */
void api_refuse(VarlinkCall *call, const char *field, const GError *error);

/* The same of a request for something, which leaves a trail; refusal has no reason yet. */
void api_refuse_grant(Api *api, VarlinkCall *call, TrailRefusal refusal, const char *field,
                      const GError *error);

/* The methods of the interface, ended by one without a name; each takes the Api. */
extern const VarlinkMethod api_methods[];

/* VarlinkMethodHandler, with the Api: api-delete.c and api-watch.c. */
void api_on_delete_port(VarlinkCall *call, gpointer user_data);
void api_on_end_domain(VarlinkCall *call, gpointer user_data);
void api_on_watch_ports(VarlinkCall *call, gpointer user_data);
