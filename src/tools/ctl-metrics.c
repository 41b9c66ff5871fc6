/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* macvtapctl metrics: macvtapd's numbers for Prometheus, printed, or as the answer to one scrape.
 */
#include "macvtapctl.h"

#include "error.h"
#include "metrics-text.h"
#include "output.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

/* How long a scraper may take for its request, in milliseconds. */
#define REQUEST_TIME 10000

static json_t *
get_statistics(const Ctl *ctl, GError **error)
{
    g_autoptr(MacvtapRequest) request = macvtap_request_new(MACVTAP_METHOD_GET_STATISTICS);
    g_autoptr(MacvtapClient) client = ctl_connect(ctl, error);
    json_t *statistics;

    if (!client || !ask(client, request, error))
        return NULL;
    statistics = json_loads(macvtap_request_get_statistics_json(request), 0, NULL);
    if (!statistics)
        ctl_fail(error, "macvtapd sent a malformed answer");
    return statistics;
}

static char *
get_text(const Ctl *ctl, MetricsFormat format, GError **error)
{
    json_t *statistics = get_statistics(ctl, error);
    char *text = statistics ? metrics_text_format(statistics, format) : NULL;

    json_decref(statistics);
    return text;
}

/* Reads standard input up to the end of a request's head. A client that says nothing in time, or
 * closes the connection, gets no answer: FALSE. */
static gboolean
read_request(MetricsRequest *ret_request, GError **error)
{
    g_autofree char *text = g_malloc(METRICS_REQUEST_MAX);
    gint64 end = g_get_monotonic_time() + REQUEST_TIME * G_GINT64_CONSTANT(1000);
    gsize length = 0;

    for (;;) {
        struct pollfd input = {STDIN_FILENO, POLLIN};
        gint64 left = (end - g_get_monotonic_time() + 999) / 1000;
        ssize_t n;

        if (left <= 0 || poll(&input, 1, (int)left) == 0)
            return ctl_fail(error, "the client did not send a complete request within %d s",
                            REQUEST_TIME / 1000);
        n = RETRY_EINTR(read(STDIN_FILENO, text + length, METRICS_REQUEST_MAX - length));
        if (n < 0)
            return error_set_errno(error, errno, "cannot read the request");
        if (n == 0)
            return ctl_fail(error, "the client did not send a complete request");
        length += (gsize)n;
        *ret_request = metrics_request_parse(text, length);
        if (ret_request->status != 0)
            return TRUE;
    }
}

/* The request is answered on standard output: systemd makes both the connection. */
static int
serve_one(const Ctl *ctl, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autofree char *body = NULL, *response = NULL;
    MetricsRequest request;

    if (!read_request(&request, error))
        return 1;
    if (request.status == 200) {
        body = get_text(ctl, request.format, &cause);
        if (!body) {
            request.status = 503;
            body = g_strdup_printf("%s\n", cause->message);
        }
    }
    response = metrics_response_format(&request, body);
    g_print("%s", response);
    if (!cause)
        return output_finish(error) ? 0 : 1;
    g_propagate_error(error, g_steal_pointer(&cause));
    return 1;
}

int
ctl_metrics(Ctl *ctl, int argc, char **argv, GError **error)
{
    gboolean classic = FALSE, http = FALSE;
    const GOptionEntry entries[] = {
        {"classic", 0, 0, G_OPTION_ARG_NONE, &classic,
         "Prometheus' own text format (0.0.4), for node_exporter's textfile collector", NULL},
        {"http", 0, 0, G_OPTION_ARG_NONE, &http,
         "Answer one HTTP request on standard input, for a socket unit with Accept=yes", NULL},
        {NULL},
    };
    g_autofree char *text = NULL;

    if (!ctl_parse(ctl, entries, &argc, &argv, 0, 0, "", error))
        return 2;
    if (ctl->json && (classic || http)) {
        arguments_refuse(error, "--json cannot be combined with --classic or --http");
        return 2;
    }
    if (http)
        return serve_one(ctl, error);
    if (ctl->json) {
        json_t *statistics = get_statistics(ctl, error);

        if (statistics)
            output_json(statistics);
        return statistics ? 0 : 1;
    }
    text = get_text(ctl, classic ? METRICS_CLASSIC : METRICS_OPENMETRICS, error);
    if (text)
        g_print("%s", text);
    return text ? 0 : 1;
}
