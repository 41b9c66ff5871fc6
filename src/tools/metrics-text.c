/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "metrics-text.h"

#include <string.h>

typedef enum MetricType {
    METRIC_COUNTER,
    METRIC_GAUGE,
    METRIC_INFO,
} MetricType;

typedef struct Metric {
    MetricType type;
    const char *name; /* without "macvtapd_" and "_total" */
    const char *unit; /* the end of the name; NULL: none */
    const char *help;
} Metric;

typedef struct Output {
    GString *text;
    MetricsFormat format;
    const Metric *metric; /* the one being written */
} Output;

/* ---- the formats ---- */

/* What samples have behind the metric's name. In the classic format the metric is called so, too.
 */
static const char *
suffix_of(const Metric *metric)
{
    return metric->type == METRIC_COUNTER ? "_total" : metric->type == METRIC_INFO ? "_info" : "";
}

static const char *
type_name(const Output *output)
{
    switch (output->metric->type) {
    case METRIC_COUNTER:
        return "counter";
    case METRIC_INFO:
        return output->format == METRICS_OPENMETRICS ? "info" : "gauge";
    default:
        return "gauge";
    }
}

static void
begin_metric(Output *output, const Metric *metric)
{
    const char *suffix = output->format == METRICS_CLASSIC ? suffix_of(metric) : "";

    output->metric = metric;
    g_string_append_printf(output->text, "# TYPE macvtapd_%s%s %s\n", metric->name, suffix,
                           type_name(output));
    if (metric->unit && output->format == METRICS_OPENMETRICS)
        g_string_append_printf(output->text, "# UNIT macvtapd_%s %s\n", metric->name, metric->unit);
    g_string_append_printf(output->text, "# HELP macvtapd_%s%s %s\n", metric->name, suffix,
                           metric->help);
}

/* Begins a sample. */
static void
add_name(Output *output)
{
    g_string_append_printf(output->text, "macvtapd_%s%s", output->metric->name,
                           suffix_of(output->metric));
}

/* value NULL: "". Both formats escape the same characters. */
static void
add_label(Output *output, const char *name, const char *value)
{
    gboolean is_first = output->text->str[output->text->len - 1] != '"';

    g_string_append_printf(output->text, "%c%s=\"", is_first ? '{' : ',', name);
    for (; value && *value; value++) {
        if (*value == '\n')
            g_string_append(output->text, "\\n");
        else if (*value == '\\' || *value == '"')
            g_string_append_printf(output->text, "\\%c", *value);
        else
            g_string_append_c(output->text, *value);
    }
    g_string_append_c(output->text, '"');
}

static void
add_value(Output *output, gint64 value)
{
    gboolean has_labels = output->text->str[output->text->len - 1] == '"';

    g_string_append_printf(output->text, "%s %" G_GINT64_FORMAT "\n", has_labels ? "}" : "", value);
}

static void
add_only(Output *output, const Metric *metric, gint64 value)
{
    begin_metric(output, metric);
    add_name(output);
    add_value(output, value);
}

/* ---- ports ---- */

static const char *
text_of(json_t *object, const char *member)
{
    return json_string_value(json_object_get(object, member));
}

static void
add_port(Output *output, json_t *port)
{
    add_name(output);
    add_label(output, "name", text_of(port, "name"));
    add_label(output, "network", text_of(port, "network"));
    add_label(output, "device", text_of(port, "interfaceName"));
}

/* A metric of a port, and the member of its statistics. */
static const struct {
    Metric metric;
    const char *member;
} traffic[] = {
    {{METRIC_COUNTER, "network_receive_bytes", "bytes", "Bytes that the guest received."},
     "receivedBytes"},
    {{METRIC_COUNTER, "network_receive_packets", NULL, "Frames that the guest received."},
     "receivedPackets"},
    {{METRIC_COUNTER, "network_receive_drop", NULL,
      "Frames for the guest that were lost, because it did not take them in time."},
     "receivedDropped"},
    {{METRIC_COUNTER, "network_transmit_bytes", "bytes", "Bytes that the guest sent."},
     "sentBytes"},
    {{METRIC_COUNTER, "network_transmit_packets", NULL, "Frames that the guest sent."},
     "sentPackets"},
    {{METRIC_COUNTER, "network_transmit_drop", NULL,
      "Frames of the guest that were lost; those that its guard dropped are not among them."},
     "sentDropped"},
};

static void
add_traffic(Output *output, json_t *ports)
{
    for (gsize i = 0; i < G_N_ELEMENTS(traffic); i++) {
        json_t *port;
        gsize at;

        begin_metric(output, &traffic[i].metric);
        json_array_foreach (ports, at, port) {
            json_t *value = json_object_get(json_object_get(port, "statistics"), traffic[i].member);

            if (!json_is_integer(value)) /* it has no device now */
                continue;
            add_port(output, port);
            add_value(output, json_integer_value(value));
        }
    }
}

static void
add_drops(Output *output, json_t *ports)
{
    static const Metric metric = {
        METRIC_COUNTER, "guard_drop", NULL,
        "Frames of the guest that the port's guard dropped, or with Verdict=count would have."};
    json_t *port, *count;
    const char *reason;
    gsize at;

    begin_metric(output, &metric);
    json_array_foreach (ports, at, port) {
        json_object_foreach (json_object_get(port, "dropped"), reason, count) {
            add_port(output, port);
            add_label(output, "reason", reason);
            add_value(output, json_integer_value(count));
        }
    }
}

/* Frames that limits have cost the guest. */
static void
add_limits(Output *output, json_t *ports)
{
    static const Metric metric = {METRIC_COUNTER, "limit_drop", NULL,
                                  "Frames to or from the guest that a limit of the port dropped."};
    static const struct {
        const char *member, *limit;
    } drops[] = {
        {"sent-dropped", "send"},
        {"received-dropped", "receive"},
        {"broadcasts-dropped", "broadcast"},
    };
    json_t *port;
    gsize at;

    begin_metric(output, &metric);
    json_array_foreach (ports, at, port) {
        json_t *limited = json_object_get(port, "limited");

        for (gsize i = 0; i < G_N_ELEMENTS(drops); i++) {
            json_t *count = json_object_get(limited, drops[i].member);

            if (!count)
                continue;
            add_port(output, port);
            add_label(output, "limit", drops[i].limit);
            add_value(output, json_integer_value(count));
        }
    }
}

/* A number of a port, or its state. */
static const struct {
    Metric metric;
    const char *member;
} numbers[] = {
    {{METRIC_GAUGE, "port_link_up", NULL, "Whether the port's device is up."}, "linkUp"},
    {{METRIC_GAUGE, "port_carrier", NULL, "Whether the port's parent has a carrier."}, "carrier"},
    {{METRIC_GAUGE, "port_open_queues", NULL, "Queues of the port that are open."}, "openQueues"},
    {{METRIC_GAUGE, "port_leases", NULL, "Addresses that the network gives the port."}, "leases"},
};

static void
add_numbers(Output *output, json_t *ports)
{
    for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++) {
        json_t *port;
        gsize at;

        begin_metric(output, &numbers[i].metric);
        json_array_foreach (ports, at, port) {
            json_t *value = json_object_get(port, numbers[i].member);

            if (!value)
                continue;
            add_port(output, port);
            add_value(output,
                      json_is_integer(value) ? json_integer_value(value) : json_is_true(value));
        }
    }
}

/* How many ports there are of each network and state: JSON network -> state -> number. */
static json_t *
count_states(json_t *ports)
{
    json_t *counts = json_object(), *port;
    gsize at;

    json_array_foreach (ports, at, port) {
        const char *network = text_of(port, "network"), *state = text_of(port, "state");
        json_t *of_network = json_object_get(counts, network ?: "");

        if (!of_network) {
            of_network = json_object();
            json_object_set_new(counts, network ?: "", of_network);
        }
        json_object_set_new(
            of_network, state ?: "",
            json_integer(json_integer_value(json_object_get(of_network, state ?: "")) + 1));
    }
    return counts;
}

static void
add_states(Output *output, json_t *ports)
{
    static const Metric metric = {METRIC_GAUGE, "ports", NULL, "Ports, by network and state."};
    json_t *counts = count_states(ports), *states, *n;
    const char *network, *state;

    begin_metric(output, &metric);
    json_object_foreach (counts, network, states) {
        json_object_foreach (states, state, n) {
            add_name(output);
            add_label(output, "network", network);
            add_label(output, "state", state);
            add_value(output, json_integer_value(n));
        }
    }
    json_decref(counts);
}

/* ---- networks ---- */

static const struct {
    Metric metric;
    const char *member;
} of_networks[] = {
    {{METRIC_GAUGE, "network_usable", NULL,
      "1 if the network's file is valid, 0 if it has an error."},
     "usable"},
    {{METRIC_GAUGE, "network_ports_max", NULL, "How many ports the network may have."}, "maxPorts"},
    {{METRIC_GAUGE, "network_addresses_leased", NULL, "Addresses that ports have."}, "leased"},
    {{METRIC_GAUGE, "network_addresses_free", NULL, "Addresses that ports can still get."}, "free"},
};

/* value: a number or a truth, or an object of numbers by address family. */
static void
add_network(Output *output, const char *name, json_t *value)
{
    const char *family;
    json_t *number;

    if (!json_is_object(value)) {
        add_name(output);
        add_label(output, "network", name);
        add_value(output, json_is_integer(value) ? json_integer_value(value) : json_is_true(value));
        return;
    }
    json_object_foreach (value, family, number) {
        add_name(output);
        add_label(output, "network", name);
        add_label(output, "family", family);
        add_value(output, json_integer_value(number));
    }
}

static void
add_networks(Output *output, json_t *networks)
{
    for (gsize i = 0; i < G_N_ELEMENTS(of_networks); i++) {
        json_t *network;
        gsize at;

        begin_metric(output, &of_networks[i].metric);
        json_array_foreach (networks, at, network) {
            json_t *value = json_object_get(network, of_networks[i].member);

            if (value)
                add_network(output, text_of(network, "name"), value);
        }
    }
}

/* ---- the daemon ---- */

static const struct {
    Metric metric;
    const char *member;
    const char *label; /* the member is an object of numbers: what its keys are; NULL: a number */
} of_daemon[] = {
    {{METRIC_GAUGE, "start_time_seconds", "seconds", "When macvtapd started, since 1970."},
     "started",
     NULL},
    {{METRIC_GAUGE, "connections", NULL, "Clients that are connected."}, "connections", NULL},
    {{METRIC_GAUGE, "watches", NULL, "Clients that watch ports."}, "watches", NULL},
    {{METRIC_COUNTER, "requests", NULL, "Requests since macvtapd started."}, "requests", NULL},
    {{METRIC_COUNTER, "refusals", NULL, "Requests that were refused, by error."},
     "refused",
     "error"},
    {{METRIC_COUNTER, "ports_created", NULL, "Ports that were made."}, "created", NULL},
    {{METRIC_COUNTER, "ports_ended", NULL, "Ports that were removed, by reason."},
     "ended",
     "reason"},
};

static void
add_daemon(Output *output, json_t *daemon)
{
    static const Metric build = {METRIC_INFO, "build", NULL, "macvtapd's version."};

    begin_metric(output, &build);
    add_name(output);
    add_label(output, "version", text_of(daemon, "version"));
    add_value(output, 1);
    for (gsize i = 0; i < G_N_ELEMENTS(of_daemon); i++) {
        json_t *value = json_object_get(daemon, of_daemon[i].member), *number;
        const char *key;

        if (!of_daemon[i].label) {
            add_only(output, &of_daemon[i].metric, json_integer_value(value));
            continue;
        }
        begin_metric(output, &of_daemon[i].metric);
        json_object_foreach (value, key, number) {
            add_name(output);
            add_label(output, of_daemon[i].label, key);
            add_value(output, json_integer_value(number));
        }
    }
}

char *
metrics_text_format(json_t *statistics, MetricsFormat format)
{
    Output output = {.text = g_string_new(NULL), .format = format};
    json_t *ports = json_object_get(statistics, "ports");
    json_t *daemon = json_object_get(statistics, "daemon");

    add_traffic(&output, ports);
    add_drops(&output, ports);
    add_limits(&output, ports);
    add_numbers(&output, ports);
    add_states(&output, ports);
    add_networks(&output, json_object_get(statistics, "networks"));
    if (daemon)
        add_daemon(&output, daemon);
    if (format == METRICS_OPENMETRICS)
        g_string_append(output.text, "# EOF\n");
    return g_string_free(output.text, FALSE);
}

/* ---- HTTP ---- */

/* The end of the head, an empty line; NULL: it has not come yet. Lone line feeds are accepted. */
static const char *
find_end(const char *text, gsize length)
{
    const char *crlf = memmem(text, length, "\r\n\r\n", 4), *lf = memmem(text, length, "\n\n", 2);

    return crlf && lf ? MIN(crlf, lf) : crlf ? crlf : lf;
}

/* Whether the head asks for OpenMetrics in an Accept: line. The format's parameters, and what the
 * client likes better, do not matter: it understands both. */
static gboolean
accepts_openmetrics(const char *head)
{
    g_auto(GStrv) lines = g_strsplit(head, "\n", -1);

    for (char **line = lines; *line; line++) {
        g_autofree char *lower = g_ascii_strdown(*line, -1);

        if (g_str_has_prefix(lower, "accept:") && strstr(lower, "application/openmetrics-text"))
            return TRUE;
    }
    return FALSE;
}

static guint
status_of(const char *method, const char *target, const char *version)
{
    g_autofree char *path = g_strndup(target, strcspn(target, "?"));

    if (!g_str_has_prefix(version, "HTTP/1."))
        return 400;
    if (!g_str_equal(path, "/metrics"))
        return 404;
    return g_str_equal(method, "GET") || g_str_equal(method, "HEAD") ? 200 : 405;
}

MetricsRequest
metrics_request_parse(const char *text, gsize length)
{
    const char *end = find_end(text, length);
    MetricsRequest request = {.has_body = TRUE, .format = METRICS_CLASSIC};
    g_autofree char *head = NULL, *first = NULL;
    g_auto(GStrv) words = NULL;

    if (!end) {
        request.status = length < METRICS_REQUEST_MAX ? 0 : 431;
        return request;
    }
    if (memchr(text, '\0', (gsize)(end - text))) {
        request.status = 400;
        return request;
    }
    head = g_strndup(text, (gsize)(end - text));
    first = g_strndup(head, strcspn(head, "\r\n"));
    words = g_strsplit(first, " ", -1);
    request.status = g_strv_length(words) == 3 ? status_of(words[0], words[1], words[2]) : 400;
    request.has_body = !g_str_has_prefix(first, "HEAD ");
    if (accepts_openmetrics(head))
        request.format = METRICS_OPENMETRICS;
    return request;
}

static const char *
reason_phrase(guint status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 431:
        return "Request Header Fields Too Large";
    default:
        return "Service Unavailable";
    }
}

char *
metrics_response_format(const MetricsRequest *request, const char *body)
{
    const char *type = request->status != 200 ? "text/plain; charset=utf-8"
                       : request->format == METRICS_OPENMETRICS
                           ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                           : "text/plain; version=0.0.4; charset=utf-8";
    g_autofree char *made = NULL;

    if (request->status != 200 && !body)
        body = made = g_strdup_printf("%s\n", reason_phrase(request->status));
    return g_strdup_printf("HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s"
                           "Connection: close\r\n\r\n%s",
                           request->status, reason_phrase(request->status), type, strlen(body),
                           request->status == 405 ? "Allow: GET, HEAD\r\n" : "",
                           request->has_body ? body : "");
}
