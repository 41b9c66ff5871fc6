/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macvtap.h"
#include "varlink-client.h"

#include <jansson.h>

struct MacvtapPort {
    json_t *json;                 /* the API's Port, checked */
    DescriptorArray *descriptors; /* of the whole reply */
    GArray *taps, *vhosts;        /* of guint: their indexes in descriptors */
};

/* Makes a port of the API's Port and, unless they are NULL, the reply's descriptors (a reference is
 * taken) and index lists. Fails with MACVTAP_ERROR_PROTOCOL when a field is missing. */
MacvtapPort *macvtap_port_new(json_t *json, DescriptorArray *descriptors, json_t *taps,
                              json_t *vhosts, GError **error);

/* A JSON value for people: "" for NULL, lists joined by blanks. Free with g_free(). */
char *client_json_text(json_t *value);

/* The strings of a list; none for NULL. Free with g_strfreev(). */
char **client_json_lines(json_t *array);

MacvtapNetwork *macvtap_network_new(json_t *json, GError **error);
