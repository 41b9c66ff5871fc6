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

/* A member of the object for people: "" if there is none, lists joined by blanks, an object as
 * "name value, …", and of objects in a list the first member. field: "a.b" for one within another.
 * Free with g_free(). */
char *client_json_field(json_t *object, const char *field);

/* The strings of a list; none for NULL. Free with g_strfreev(). */
char **client_json_lines(json_t *array);

MacvtapNetwork *macvtap_network_new(json_t *json, GError **error);
