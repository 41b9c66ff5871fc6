/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Model objects as the API's JSON. */
#pragma once

#include "broker.h"

#include <jansson.h>

/* New references, of the types Port and Network of the interface. */
json_t *api_json_port(const Port *port);
json_t *api_json_statistics(const LinkStatistics *statistics);
/* unguarded: why no port can have a guard; NULL: one can. */
json_t *api_json_network(const Network *network, guint n_ports, const char *unguarded,
                         const char *const *parent_problems, const char *const *taken_vlans);

/* A list of Fault, in the order of the array. */
json_t *api_json_faults(const GPtrArray *faults);

/* A list of strings. */
json_t *api_json_strings(const char *const *strings);
