/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by the files of the methods and by the test that checks them against the interface's text.
 * */
#pragma once

#include "host-link-view.h"

#include "api.h"
#include "port-error.h"
#include "trail.h"

#define API_ENDS 3 /* of PortEndReason */

/* Since the daemon's start. */
typedef struct ApiCounters {
    gint64 started; /* seconds since 1970 */
    guint64 created, ended[API_ENDS];
    guint watch; /* of the broker */
} ApiCounters;

struct Api {
    VarlinkServer *server;
    Broker *broker;
    Trail *trail;
    ApiReload reload;
    gpointer reload_data;
    ApiCounters counters;
    gboolean has_reader_group;
    gid_t reader_group;  /* whose members get everybody's statistics */
    GHashTable *streams; /* caller_account() -> its number of watches; never 0 */
};

/* The caller; valid during the call. */
Caller api_caller(VarlinkCall *call);

/* Answers a request that could not be converted: field is wrong, or error says why. */
void api_refuse(VarlinkCall *call, const char *field, const GError *error);

/* The same for a request that leaves a trail; refusal has no reason yet. */
void api_refuse_grant(Api *api, VarlinkCall *call, TrailRefusal refusal, const char *field,
                      const GError *error);

/* The methods of the interface, terminated by one without a name; each takes the Api. */
extern const VarlinkMethod api_methods[];

/* VarlinkMethodHandler, with the Api: api-delete.c and api-watch.c. */
void api_on_delete_port(VarlinkCall *call, gpointer user_data);
void api_on_end_domain(VarlinkCall *call, gpointer user_data);
void api_on_watch_ports(VarlinkCall *call, gpointer user_data);

/* api-statistics.c */
void api_on_get_statistics(VarlinkCall *call, gpointer user_data);
void api_counters_start(Api *api);
void api_counters_stop(Api *api);

/* api-error.c */

/* The qualified name of the error for code: the only such table in the project. */
const char *api_error_name(PortError code);

/* How many requests this process has refused with this code. */
guint64 api_error_count(PortError code);

/* Answers call with the error's name and its message. */
void api_error_send(VarlinkCall *call, const GError *error);

/* The interface's Failure: the error that a request for this port alone would get. */
json_t *api_error_to_json(const char *port, const GError *error);

/* api-json.c: model objects as the API's JSON. */

/* New references, of the types Port and Network of the interface. */
json_t *api_json_port(const Port *port);
json_t *api_json_statistics(const LinkStatistics *statistics);
/* unguarded: why no port can have a guard; NULL: ports can. */
json_t *api_json_network(const Network *network, guint n_ports, const char *unguarded,
                         const char *const *parent_problems, const char *const *taken_vlans);

/* The interface's Pool of a network's family, and ParentLink. */
json_t *api_json_pool(const Network *network, AddressFamily family, guint n_leased);
json_t *api_json_parent(const ParentState *parent);

/* A list of HostLinkView. Their problems name ports that only root may know of. */
json_t *api_json_host_links(const GPtrArray *links, gboolean is_root);

/* A list of Fault, in the order of the array. */
json_t *api_json_faults(const GPtrArray *faults);

/* A list of strings. */
json_t *api_json_strings(const char *const *strings);

/* The names of all GuardReasons, in their order. */
json_t *api_json_reasons(void);
