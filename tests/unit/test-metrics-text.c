/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "metrics-text.h"

static const char statistics_text[] =
    "{\"networks\":[{\"name\":\"lan\",\"usable\":true,\"ports\":2,\"leased\":{\"IPv4\":1},\"free\":"
    "{\"IPv4\":30}},"
    "{\"name\":\"broken\",\"usable\":false,\"ports\":0}],"
    "\"ports\":[{\"id\":\"1\",\"name\":\"we\\\"b\\\\\\n\",\"network\":\"lan\",\"interfaceName\":"
    "\"mvt0\","
    "\"state\":\"active\",\"linkUp\":true,\"carrier\":false,\"openQueues\":2,\"leases\":1,"
    "\"dropped\":{\"other-mac\":3},\"limited\":{\"received-dropped\":8,\"sent-delayed\":9},"
    "\"statistics\":{\"receivedPackets\":1,\"sentPackets\":2,\"receivedBytes\":9007199254740993,"
    "\"sentBytes\":4,\"receivedDropped\":5,\"sentDropped\":6}},"
    "{\"id\":\"2\",\"name\":\"db\",\"network\":\"lan\",\"interfaceName\":\"mvt1\","
    "\"state\":\"device-gone\",\"linkUp\":false,\"carrier\":false,\"openQueues\":0}],"
    "\"daemon\":{\"version\":\"1.2\",\"started\":1700000000,\"connections\":3,\"requests\":40,"
    "\"watches\":1,\"created\":7,\"ended\":{\"holder\":5},\"refused\":{\"AccessDenied\":2}}}";

static char *
format(const char *text, MetricsFormat format)
{
    json_t *statistics = json_loads(text, 0, NULL);
    char *metrics;

    assert_non_null(statistics);
    metrics = metrics_text_format(statistics, format);
    json_decref(statistics);
    return metrics;
}

static void
expect(const char *text, const char *line)
{
    g_autofree char *whole = g_strdup_printf("\n%s\n", line);

    if (!strstr(text, whole))
        fail_msg("there is no line '%s' in %s", line, text);
}

#define WEB "{name=\"we\\\"b\\\\\\n\",network=\"lan\",device=\"mvt0\""

static void
test_samples(void **state)
{
    static const char *const lines[] = {
        "macvtapd_network_receive_bytes_total" WEB "} 9007199254740993",
        "macvtapd_network_receive_packets_total" WEB "} 1",
        "macvtapd_network_receive_drop_total" WEB "} 5",
        "macvtapd_network_transmit_bytes_total" WEB "} 4",
        "macvtapd_network_transmit_packets_total" WEB "} 2",
        "macvtapd_network_transmit_drop_total" WEB "} 6",
        "macvtapd_guard_drop_total" WEB ",reason=\"other-mac\"} 3",
        "macvtapd_limit_drop_total" WEB ",limit=\"receive\"} 8",
        "macvtapd_port_link_up" WEB "} 1",
        "macvtapd_port_carrier" WEB "} 0",
        "macvtapd_port_open_queues" WEB "} 2",
        "macvtapd_port_leases" WEB "} 1",
        "macvtapd_port_link_up{name=\"db\",network=\"lan\",device=\"mvt1\"} 0",
        "macvtapd_ports{network=\"lan\",state=\"active\"} 1",
        "macvtapd_ports{network=\"lan\",state=\"device-gone\"} 1",
        "macvtapd_network_usable{network=\"lan\"} 1",
        "macvtapd_network_usable{network=\"broken\"} 0",
        "macvtapd_network_addresses_leased{network=\"lan\",family=\"IPv4\"} 1",
        "macvtapd_network_addresses_free{network=\"lan\",family=\"IPv4\"} 30",
        "macvtapd_build_info{version=\"1.2\"} 1",
        "macvtapd_start_time_seconds 1700000000",
        "macvtapd_connections 3",
        "macvtapd_requests_total 40",
        "macvtapd_ports_created_total 7",
        "macvtapd_ports_ended_total{reason=\"holder\"} 5",
        "macvtapd_refusals_total{error=\"AccessDenied\"} 2",
    };

    for (MetricsFormat kind = METRICS_OPENMETRICS; kind <= METRICS_CLASSIC; kind++) {
        g_autofree char *text = format(statistics_text, kind);

        for (gsize i = 0; i < G_N_ELEMENTS(lines); i++)
            expect(text, lines[i]);
        /* What has no device has no traffic. */
        assert_null(strstr(text, "bytes_total{name=\"db\""));
    }
}

static void
test_families(void **state)
{
    g_autofree char *text = format(statistics_text, METRICS_OPENMETRICS);
    g_autofree char *classic = format(statistics_text, METRICS_CLASSIC);

    assert_true(g_str_has_prefix(text, "# TYPE macvtapd_network_receive_bytes counter\n"
                                       "# UNIT macvtapd_network_receive_bytes bytes\n"
                                       "# HELP macvtapd_network_receive_bytes Bytes "));
    assert_true(g_str_has_suffix(text, "\n# EOF\n"));
    expect(text, "# TYPE macvtapd_build info");
    expect(text, "# UNIT macvtapd_start_time_seconds seconds");
    assert_true(g_str_has_prefix(classic, "# TYPE macvtapd_network_receive_bytes_total counter\n"
                                          "# HELP macvtapd_network_receive_bytes_total Bytes "));
    expect(classic, "# TYPE macvtapd_build_info gauge");
    assert_null(strstr(classic, "# EOF"));
    assert_null(strstr(classic, "# UNIT"));
}

/* Another user's answer has no daemon, and perhaps nothing at all. */
static void
test_nothing(void **state)
{
    g_autofree char *text = format("{\"networks\":[],\"ports\":[]}", METRICS_OPENMETRICS);

    assert_null(strstr(text, "macvtapd_requests"));
    expect(text, "# TYPE macvtapd_ports gauge");
    assert_true(g_str_has_suffix(text, "# EOF\n"));
}

static const struct {
    const char *text;
    guint status;
    gboolean has_body;
    MetricsFormat format;
} requests[] = {
    {"", 0, TRUE, METRICS_CLASSIC},
    {"GET /metrics HTTP/1.1\r\nHost: x\r\n", 0, TRUE, METRICS_CLASSIC},
    {"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 200, TRUE, METRICS_CLASSIC},
    {"GET /metrics HTTP/1.0\n\n", 200, TRUE, METRICS_CLASSIC},
    {"GET /metrics?name=x HTTP/1.1\r\n\r\n", 200, TRUE, METRICS_CLASSIC},
    {"HEAD /metrics HTTP/1.1\r\n\r\n", 200, FALSE, METRICS_CLASSIC},
    {"GET /metrics HTTP/1.1\r\nAccept: "
     "application/openmetrics-text;version=1.0.0,text/plain\r\n\r\n",
     200, TRUE, METRICS_OPENMETRICS},
    {"GET /metrics HTTP/1.1\r\nACCEPT: text/html, Application/OpenMetrics-Text\r\n\r\n", 200, TRUE,
     METRICS_OPENMETRICS},
    {"GET /metrics HTTP/1.1\r\nX: application/openmetrics-text\r\n\r\n", 200, TRUE,
     METRICS_CLASSIC},
    {"GET / HTTP/1.1\r\n\r\n", 404, TRUE, METRICS_CLASSIC},
    {"GET /metrics/ HTTP/1.1\r\n\r\n", 404, TRUE, METRICS_CLASSIC},
    {"POST /metrics HTTP/1.1\r\n\r\n", 405, TRUE, METRICS_CLASSIC},
    {"GET /metrics\r\n\r\n", 400, TRUE, METRICS_CLASSIC},
    {"GET /metrics HTTP/2\r\n\r\n", 400, TRUE, METRICS_CLASSIC},
    {"GET  /metrics HTTP/1.1\r\n\r\n", 400, TRUE, METRICS_CLASSIC},
    {"\r\n\r\n", 400, TRUE, METRICS_CLASSIC},
};

static void
test_requests(void **state)
{
    char longest[METRICS_REQUEST_MAX];

    for (gsize i = 0; i < G_N_ELEMENTS(requests); i++) {
        MetricsRequest request = metrics_request_parse(requests[i].text, strlen(requests[i].text));

        assert_int_equal(request.status, requests[i].status);
        assert_int_equal(request.has_body, requests[i].has_body);
        assert_int_equal(request.format, requests[i].format);
    }
    memset(longest, 'x', sizeof longest);
    assert_int_equal(metrics_request_parse(longest, sizeof longest - 1).status, 0);
    assert_int_equal(metrics_request_parse(longest, sizeof longest).status, 431);
    assert_int_equal(metrics_request_parse("GET /metrics\0 HTTP/1.1\r\n\r\n", 26).status, 400);
}

static void
test_responses(void **state)
{
    MetricsRequest request = {.status = 200, .has_body = TRUE, .format = METRICS_OPENMETRICS};
    g_autofree char *good = metrics_response_format(&request, "body\n"), *head = NULL,
                    *wrong = NULL;

    assert_string_equal(good, "HTTP/1.1 200 OK\r\nContent-Type: application/openmetrics-text; "
                              "version=1.0.0; charset=utf-8\r\nContent-Length: 5\r\n"
                              "Connection: close\r\n\r\nbody\n");
    request = (MetricsRequest){.status = 200, .format = METRICS_CLASSIC};
    head = metrics_response_format(&request, "body\n");
    assert_string_equal(head, "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; "
                              "charset=utf-8\r\nContent-Length: 5\r\nConnection: close\r\n\r\n");
    request = (MetricsRequest){.status = 405, .has_body = TRUE};
    wrong = metrics_response_format(&request, NULL);
    assert_string_equal(wrong, "HTTP/1.1 405 Method Not Allowed\r\n"
                               "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 19\r\n"
                               "Allow: GET, HEAD\r\nConnection: close\r\n\r\nMethod Not Allowed\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples),   cmocka_unit_test(test_families),
        cmocka_unit_test(test_nothing),   cmocka_unit_test(test_requests),
        cmocka_unit_test(test_responses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
