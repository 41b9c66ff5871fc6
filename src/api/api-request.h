/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Parameters -> typed requests, by a table of fields. If a field is unknown, missing or has the
 * wrong JSON type, *ret_field is its name (a static text or one of the parameters' keys); invalid
 * values fail with a PORT_ERROR.
 */
#pragma once

#include "broker.h"
#include "port.h"

#include <glib.h>
#include <jansson.h>

/* TRUE, or FALSE with either *ret_field or *error set. Clear the request in any case. */
gboolean api_request_create(json_t *parameters, PortRequest *request, const char **ret_field,
                            GError **error);

gboolean api_request_change(json_t *parameters, PortChange *change, const char **ret_field,
                            GError **error);

/* The parameters of OpenPort, GetPort, DeletePort, ListPorts and ListNetworks; zeroed before, and
 * cleared in any case. */
typedef struct SimpleRequest {
    char *port;
    GStrv ports; /* or NULL */
    char *network;
    gboolean all;
    guint queues;
    gboolean has_queues;
    gboolean statistics;
} SimpleRequest;

void simple_request_clear(SimpleRequest *request);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SimpleRequest, simple_request_clear)

gboolean api_request_open(json_t *parameters, SimpleRequest *request, const char **ret_field,
                          GError **error);
gboolean api_request_get(json_t *parameters, SimpleRequest *request, const char **ret_field);
gboolean api_request_delete(json_t *parameters, SimpleRequest *request, const char **ret_field,
                            GError **error);
gboolean api_request_list(json_t *parameters, SimpleRequest *request, const char **ret_field);
gboolean api_request_networks(json_t *parameters, SimpleRequest *request, const char **ret_field);

/* A UUID, which is converted to lower case. */
gboolean api_request_end_domain(json_t *parameters, char ret_domain[UUID_TEXT_SIZE],
                                const char **ret_field, GError **error);

/* For methods without parameters. */
gboolean api_request_nothing(json_t *parameters, const char **ret_field);

/* Clear the request in any case. */
gboolean api_request_capture(json_t *parameters, CaptureRequest *request, const char **ret_field,
                             GError **error);
