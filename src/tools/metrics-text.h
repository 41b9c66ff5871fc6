/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* macvtapd's numbers in the formats of Prometheus, and what little HTTP a scraper needs. Pure. */
#pragma once

#include <glib.h>
#include <jansson.h>

typedef enum MetricsFormat {
    METRICS_OPENMETRICS, /* OpenMetrics 1.0 */
    METRICS_CLASSIC,     /* Prometheus' text format 0.0.4 */
} MetricsFormat;

/* statistics: the answer to GetStatistics. Names and directions are the guest's: received is what
 * it got. Free with g_free(). */
char *metrics_text_format(json_t *statistics, MetricsFormat format);

/* A request on a connection, as far as it was read. */
typedef struct MetricsRequest {
    guint status;         /* of the answer: 200, or 400, 404, 405, 431; 0: it is not complete yet */
    gboolean has_body;    /* the answer has: it is not HEAD */
    MetricsFormat format; /* that the client prefers */
} MetricsRequest;

/* The longest request head that is read. */
#define METRICS_REQUEST_MAX 8192

/* Parses a request head (RFC 9112); GET and HEAD of /metrics are served. */
MetricsRequest metrics_request_parse(const char *text, gsize length);

/* The whole answer, after which the connection is closed. body: the text for status 200; else it is
 * made. Free with g_free(). */
char *metrics_response_format(const MetricsRequest *request, const char *body);
