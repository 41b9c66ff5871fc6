/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each field of each method: there, missing, null, of a wrong type, of a value that cannot be. */
#include "unit.h"

#include "api-request.h"
#include "port-error.h"

static json_t *
parse(const char *text)
{
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

    if (!json)
        fail_msg("the test's own JSON is wrong: %s", text);
    return json;
}

typedef struct Outcome {
    const char *parameters;
    const char *field; /* told as the wrong one */
    const char *text;  /* in the message of INVALID_REQUEST */
} Outcome;

static void
expect_outcome(const Outcome *row)
{
    json_t *parameters = parse(row->parameters);
    g_auto(PortRequest) request = {0};
    g_autoptr(GError) error = NULL;
    const char *field = NULL;
    gboolean taken = api_request_create(parameters, &request, &field, &error);

    if (taken != (!row->field && !row->text))
        fail_msg("%s is %s", row->parameters, taken ? "taken" : "refused");
    if (row->field && (!field || !g_str_equal(field, row->field)))
        fail_msg("%s: field %s", row->parameters, field ? field : "(none)");
    if (row->field)
        assert_no_error(error);
    if (row->text) {
        assert_null(field);
        assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_INVALID_REQUEST, row->text);
    }
    json_decref(parameters);
}

static void
test_create_takes_everything(void **state)
{
    json_t *parameters = parse(
        "{\"network\":\"lan\",\"name\":\"web\",\"guestName\":\"Web 1\","
        "\"interfaceName\":\"tap0\","
        "\"macAddress\":\"52:54:00:AA:bb:cc\",\"mtu\":1400,\"queues\":4,"
        "\"vhost\":\"require\",\"openDescriptors\":false,"
        "\"incoming\":true,\"linkUp\":false,\"deviceNode\":{\"owner\":7,\"group\":4294967294},"
        "\"holder\":{\"type\":\"process\",\"pid\":42}}");
    const MacAddress mac = {{0x52, 0x54, 0, 0xaa, 0xbb, 0xcc}};
    g_auto(PortRequest) request = {0};
    const char *field = NULL;

    assert_true(api_request_create(parameters, &request, &field, NULL));
    json_decref(parameters);
    assert_string_equal(request.network, "lan");
    assert_string_equal(request.name, "web");
    assert_string_equal(request.guest_name, "Web 1");
    assert_string_equal(request.interface_name, "tap0");
    assert_true(request.has_mac && mac_address_equal(&request.mac, &mac));
    assert_int_equal(request.mtu, 1400);
    assert_true(request.has_queues && request.queues == 4);
    assert_true(request.has_vhost && request.vhost == VHOST_POLICY_REQUIRE);
    assert_true(request.no_descriptors);
    assert_true(request.link_down);
    assert_true(request.incoming);
    assert_true(request.has_node);
    assert_int_equal(request.node_owner, 7);
    assert_int_equal(request.node_group, 4294967294);
    assert_int_equal(request.holder.type, HOLDER_PROCESS);
    assert_int_equal(request.holder.pid, 42);
}

static void
test_create_defaults(void **state)
{
    static const char *const texts[] = {
        "{\"network\":\"lan\"}",
        ("{\"network\":\"lan\",\"name\":null,\"interfaceName\":null,\"macAddress\":null,"
         "\"mtu\":null,\"queues\":null,\"vhost\":null,\"openDescriptors\":null,\"holder\":null,"
         "\"linkUp\":null,\"deviceNode\":null}"),
        "{\"network\":\"lan\",\"openDescriptors\":true,\"linkUp\":true,\"holder\":{\"type\":"
        "\"process\"}}",
        "{\"network\":\"lan\",\"holder\":{\"type\":\"process\",\"pid\":null,\"domain\":null}}",
    };

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        json_t *parameters = parse(texts[i]);
        g_auto(PortRequest) request = {0};
        const char *field = NULL;

        assert_true(api_request_create(parameters, &request, &field, NULL));
        json_decref(parameters);
        assert_null(request.name);
        assert_null(request.guest_name);
        assert_null(request.interface_name);
        assert_false(request.has_mac || request.has_queues || request.has_vhost);
        assert_false(request.no_descriptors || request.link_down || request.has_node ||
                     request.incoming);
        assert_int_equal(request.mtu, 0);
        /* The process without a pid is the caller itself. */
        assert_int_equal(request.holder.type, i < 2 ? HOLDER_DESCRIPTORS : HOLDER_PROCESS);
        assert_int_equal(request.holder.pid, 0);
    }
}

static void
test_create_fields(void **state)
{
    static const Outcome rows[] = {
        {"{}", "network"},
        {"{\"network\":null}", "network"},
        {"{\"network\":1}", "network"},
        {"{\"network\":\"lan\",\"unknown\":null}", "unknown"},
        {"{\"network\":\"lan\",\"Network\":\"lan\"}", "Network"},
        {"{\"network\":\"lan\",\"\":1}", ""},
        {"{\"network\":\"lan\",\"name\":1}", "name"},
        {"{\"network\":\"lan\",\"guestName\":1}", "guestName"},
        {"{\"network\":\"lan\",\"interfaceName\":[]}", "interfaceName"},
        {"{\"network\":\"lan\",\"macAddress\":{}}", "macAddress"},
        {"{\"network\":\"lan\",\"mtu\":\"1500\"}", "mtu"},
        {"{\"network\":\"lan\",\"mtu\":1500.0}", "mtu"},
        {"{\"network\":\"lan\",\"queues\":true}", "queues"},
        {"{\"network\":\"lan\",\"queues\":1.0}", "queues"},
        {"{\"network\":\"lan\",\"vhost\":false}", "vhost"},
        {"{\"network\":\"lan\",\"openDescriptors\":0}", "openDescriptors"},
        {"{\"network\":\"lan\",\"openDescriptors\":\"no\"}", "openDescriptors"},
        {"{\"network\":\"lan\",\"linkUp\":1}", "linkUp"},
        {"{\"network\":\"lan\",\"incoming\":1}", "incoming"},
        {"{\"network\":\"lan\",\"deviceNode\":true}", "deviceNode"},
        {"{\"network\":\"lan\",\"deviceNode\":{}}", "owner"},
        {"{\"network\":\"lan\",\"deviceNode\":{\"owner\":0}}", "group"},
        {"{\"network\":\"lan\",\"deviceNode\":{\"owner\":0,\"group\":null}}", "group"},
        {"{\"network\":\"lan\",\"deviceNode\":{\"owner\":\"root\",\"group\":0}}", "owner"},
        {"{\"network\":\"lan\",\"deviceNode\":{\"owner\":0,\"group\":0,\"mode\":6}}", "mode"},
        {"{\"network\":\"lan\",\"holder\":\"none\"}", "holder"},
        {"{\"network\":\"lan\",\"holder\":[]}", "holder"},
        {"{\"network\":\"lan\",\"holder\":{}}", "type"},
        {"{\"network\":\"lan\",\"holder\":{\"type\":null}}", "type"},
        {"{\"network\":\"lan\",\"holder\":{\"type\":0}}", "type"},
        {"{\"network\":\"lan\",\"holder\":{\"type\":\"none\",\"uid\":0}}", "uid"},
        {"{\"network\":\"lan\",\"holder\":{\"type\":\"process\",\"pid\":\"1\"}}", "pid"},
        {"{\"network\":\"lan\",\"holder\":{\"type\":\"domain\",\"domain\":1}}", "domain"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        expect_outcome(&rows[i]);
}

static void
test_create_values(void **state)
{
    static const Outcome rows[] = {
        {"{\"network\":\"lan\",\"macAddress\":\"\"}", NULL, "is not a MAC address"},
        {"{\"network\":\"lan\",\"macAddress\":\"52:54:00:00:00\"}", NULL, "52:54:00:00:00"},
        {"{\"network\":\"lan\",\"mtu\":67}", NULL, "68 to 65535"},
        {"{\"network\":\"lan\",\"mtu\":0}", NULL, "not 0"},
        {"{\"network\":\"lan\",\"mtu\":65536}", NULL, "65536"},
        {"{\"network\":\"lan\",\"mtu\":-1}", NULL, "-1"},
        {"{\"network\":\"lan\",\"mtu\":4294968796}", NULL, "4294968796"},
        {"{\"network\":\"lan\",\"mtu\":68}"},
        {"{\"network\":\"lan\",\"mtu\":65535}"},
        {"{\"network\":\"lan\",\"queues\":0}", NULL, "1 to 256, not 0"},
        {"{\"network\":\"lan\",\"queues\":-1}", NULL, "-1"},
        {"{\"network\":\"lan\",\"queues\":257}", NULL, "257"},
        {"{\"network\":\"lan\",\"queues\":4294967297}", NULL, "4294967297"},
        {"{\"network\":\"lan\",\"queues\":256}"},
        {"{\"network\":\"lan\",\"vhost\":\"\"}", NULL, "auto, require or off"},
        {"{\"network\":\"lan\",\"vhost\":\"on\"}", NULL, "'on'"},
        {"{\"network\":\"lan\",\"vhost\":\"auto\"}"},
        {"{\"network\":\"lan\",\"vhost\":\"off\"}"},
        {"{\"network\":\"lan\",\"holder\":{\"type\":\"\"}}", NULL, "not ''"},
        {"{\"network\":\"lan\",\"holder\":{\"type\":\"vm\"}}", NULL, "'vm'"},
        {"{\"network\":\"lan\",\"holder\":{\"type\":\"none\"}}"},
        {"{\"network\":\"lan\",\"holder\":{\"type\":\"none\",\"pid\":1}}", NULL, "pid"},
        {"{\"network\":\"lan\",\"holder\":{\"type\":\"descriptors\"}}"},
        {"{\"network\":\"lan\",\"holder\":{\"type\":\"descriptors\",\"pid\":1}}", NULL, "pid"},
        {"{\"network\":\"lan\",\"holder\":{\"type\":\"domain\"}}", NULL, "UUID"},
        {"{\"network\":\"lan\",\"holder\":{\"type\":\"domain\",\"domain\":\"vm7\"}}", NULL,
         "'vm7'"},
        {"{\"network\":\"lan\",\"holder\":{\"type\":\"domain\",\"pid\":1,"
         "\"domain\":\"123e4567-e89b-12d3-a456-426614174000\"}}"},
        {"{\"network\":\"lan\",\"holder\":{\"type\":\"domain\",\"pid\":0,"
         "\"domain\":\"123e4567-e89b-12d3-a456-426614174000\"}}",
         NULL, "not 0"},
        {"{\"network\":\"lan\",\"holder\":{\"type\":\"domain\",\"pid\":1}}", NULL, "UUID"},
        {"{\"network\":\"lan\",\"deviceNode\":{\"owner\":-1,\"group\":0}}", NULL,
         "a device node's "},
        {"{\"network\":\"lan\",\"deviceNode\":{\"owner\":0,\"group\":4294967295}}", NULL,
         "a device node's "},
        {"{\"network\":\"lan\",\"deviceNode\":{\"owner\":0,\"group\":4294967294}}"},
        {"{\"network\":\"lan\",\"holder\":{\"type\":\"process\","
         "\"domain\":\"123e4567-e89b-12d3-a456-426614174000\"}}",
         NULL, "UUID"},
        {"{\"network\":\"lan\",\"holder\":{\"type\":\"process\",\"pid\":0}}", NULL, "not 0"},
        {"{\"network\":\"lan\",\"holder\":{\"type\":\"process\",\"pid\":-1}}", NULL, "-1"},
        {"{\"network\":\"lan\",\"holder\":{\"type\":\"process\",\"pid\":4294967297}}", NULL,
         "4294967297"},
        {"{\"network\":\"lan\",\"holder\":{\"type\":\"process\",\"pid\":2147483647}}"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        expect_outcome(&rows[i]);
}

static void
test_domain_is_kept_in_lower_case(void **state)
{
    json_t *parameters = parse("{\"network\":\"lan\",\"holder\":{\"type\":\"domain\","
                               "\"domain\":\"123E4567-E89B-12D3-A456-426614174000\"}}");
    g_auto(PortRequest) request = {0};
    const char *field = NULL;

    assert_true(api_request_create(parameters, &request, &field, NULL));
    assert_string_equal(request.holder.domain, "123e4567-e89b-12d3-a456-426614174000");
    json_decref(parameters);
}

typedef gboolean (*SimpleParser)(json_t *parameters, SimpleRequest *ret_request,
                                 const char **ret_field);

static gboolean
open_without_error(json_t *parameters, SimpleRequest *ret_request, const char **ret_field)
{
    return api_request_open(parameters, ret_request, ret_field, NULL);
}

static gboolean
nothing(json_t *parameters, SimpleRequest *ret_request, const char **ret_field)
{
    return api_request_nothing(parameters, ret_field);
}

static gboolean
delete_without_error(json_t *parameters, SimpleRequest *ret_request, const char **ret_field)
{
    return api_request_delete(parameters, ret_request, ret_field, NULL);
}

static void
test_simple_requests(void **state)
{
    static const struct {
        SimpleParser parser;
        const char *parameters, *field;
    } rows[] = {
        {open_without_error, "{\"port\":\"web\"}", NULL},
        {open_without_error, "{\"port\":\"web\",\"queues\":null}", NULL},
        {open_without_error, "{\"port\":\"web\",\"queues\":256}", NULL},
        {open_without_error, "{}", "port"},
        {open_without_error, "{\"port\":null}", "port"},
        {open_without_error, "{\"port\":1}", "port"},
        {open_without_error, "{\"port\":\"web\",\"queues\":\"1\"}", "queues"},
        {open_without_error, "{\"port\":\"web\",\"network\":\"lan\"}", "network"},
        {delete_without_error, "{\"port\":\"web\"}", NULL},
        {delete_without_error, "{\"port\":[\"web\"]}", "port"},
        {delete_without_error, "{\"ports\":[\"web\",\"db\"]}", NULL},
        {delete_without_error, "{\"ports\":\"web\"}", "ports"},
        {delete_without_error, "{\"ports\":[\"web\",null]}", "ports"},
        {delete_without_error, "{\"network\":\"lan\"}", NULL},
        {delete_without_error, "{\"all\":true}", NULL},
        {delete_without_error, "{\"all\":\"yes\"}", "all"},
        {api_request_get, "{\"port\":\"web\",\"statistics\":true}", NULL},
        {api_request_get, "{}", "port"},
        {delete_without_error, "{\"port\":\"web\",\"queues\":1}", "queues"},
        {api_request_list, "{}", NULL},
        {api_request_list, "{\"network\":null}", NULL},
        {api_request_list, "{\"network\":\"lan\"}", NULL},
        {api_request_list, "{\"network\":7}", "network"},
        {api_request_list, "{\"port\":\"web\"}", "port"},
        {nothing, "{}", NULL},
        {nothing, "{\"network\":null}", "network"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        json_t *parameters = parse(rows[i].parameters);
        g_auto(SimpleRequest) request = {0};
        const char *field = NULL;

        if (rows[i].parser(parameters, &request, &field) != !rows[i].field)
            fail_msg("%s", rows[i].parameters);
        if (rows[i].field)
            assert_string_equal(field, rows[i].field);
        json_decref(parameters);
    }
}

static void
test_open_queues(void **state)
{
    static const char *const bad[] = {"{\"port\":\"web\",\"queues\":0}",
                                      "{\"port\":\"web\",\"queues\":257}",
                                      "{\"port\":\"web\",\"queues\":4294967297}"};
    json_t *good = parse("{\"port\":\"web\",\"queues\":3}");
    g_auto(SimpleRequest) request = {0};
    const char *field = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        json_t *parameters = parse(bad[i]);
        g_autoptr(GError) error = NULL;

        assert_false(api_request_open(parameters, &request, &field, &error));
        assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_INVALID_REQUEST, "1 to 256");
        json_decref(parameters);
    }
    assert_true(api_request_open(good, &request, &field, NULL));
    assert_string_equal(request.port, "web");
    assert_true(request.has_queues);
    assert_int_equal(request.queues, 3);
    json_decref(good);
}

static void
test_change(void **state)
{
    const MacAddress mac = {{0x52, 0x54, 0, 0, 0, 1}};
    json_t *all = parse("{\"port\":\"web\",\"holderPid\":42,\"linkUp\":false,"
                        "\"sources\":[\"52:54:00:00:00:01\"]}");
    json_t *one = parse("{\"port\":\"web\",\"holderPid\":null,\"linkUp\":true,\"sources\":null}");
    json_t *none = parse("{\"port\":\"web\",\"sources\":[]}");
    g_auto(PortChange) change = {0}, up = {0}, nothing = {0};
    const char *field = NULL;

    assert_true(api_request_change(all, &change, &field, NULL));
    assert_string_equal(change.port, "web");
    assert_int_equal(change.holder_pid, 42);
    assert_true(change.has_link_up && !change.link_up);
    assert_int_equal(change.sources->len, 1);
    assert_true(mac_address_equal(&g_array_index(change.sources, MacAddress, 0), &mac));
    assert_true(api_request_change(one, &up, &field, NULL));
    assert_true(up.has_link_up && up.link_up && up.holder_pid == 0 && !up.sources);
    assert_true(api_request_change(none, &nothing, &field, NULL));
    assert_true(!nothing.has_link_up && nothing.sources && nothing.sources->len == 0);
    json_decref(all);
    json_decref(one);
    json_decref(none);
}

static void
test_bad_changes(void **state)
{
    static const Outcome rows[] = {
        {"{}", "port"},
        {"{\"linkUp\":true}", "port"},
        {"{\"port\":\"web\"}", NULL, "nothing to change"},
        {"{\"port\":\"web\",\"linkUp\":null}", NULL, "nothing to change"},
        {"{\"port\":\"web\",\"linkUp\":1}", "linkUp"},
        {"{\"port\":\"web\",\"up\":true}", "up"},
        {"{\"port\":\"web\",\"holderPid\":\"1\"}", "holderPid"},
        {"{\"port\":\"web\",\"holderPid\":0}", NULL, "a process ID must be 1 to 2147483647, not 0"},
        {"{\"port\":\"web\",\"holderPid\":-1}", NULL, "-1"},
        {"{\"port\":\"web\",\"holderPid\":4294967297}", NULL, "4294967297"},
        {"{\"port\":\"web\",\"sources\":\"52:54:00:00:00:01\"}", "sources"},
        {"{\"port\":\"web\",\"description\":1}", "description"},
        {"{\"port\":\"web\",\"description\":\"a\\nb\"}", NULL, "one line"},
        {"{\"port\":\"web\",\"sources\":[1]}", NULL, "(no text)"},
        {"{\"port\":\"web\",\"sources\":[\"01:00:5e:00:00:01\"]}", NULL, "01:00:5e"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        json_t *parameters = parse(rows[i].parameters);
        g_auto(PortChange) change = {0};
        g_autoptr(GError) error = NULL;
        const char *field = NULL;

        if (api_request_change(parameters, &change, &field, &error))
            fail_msg("taken: %s", rows[i].parameters);
        if (rows[i].field)
            assert_string_equal(field, rows[i].field);
        else
            assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_INVALID_REQUEST, rows[i].text);
        json_decref(parameters);
    }
}

static void
test_end_domain(void **state)
{
    static const Outcome rows[] = {
        {"{}", "domain"},
        {"{\"domain\":7}", "domain"},
        {"{\"domain\":\"vm7\"}", NULL, "'vm7'"},
    };
    json_t *good = parse("{\"domain\":\"123E4567-E89B-12D3-A456-426614174000\"}");
    char domain[UUID_TEXT_SIZE] = "";
    const char *field = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        json_t *parameters = parse(rows[i].parameters);
        g_autoptr(GError) error = NULL;

        field = NULL;
        assert_false(api_request_end_domain(parameters, domain, &field, &error));
        if (rows[i].field)
            assert_string_equal(field, rows[i].field);
        else
            assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_INVALID_REQUEST, rows[i].text);
        json_decref(parameters);
    }
    assert_string_equal(domain, "");
    assert_true(api_request_end_domain(good, domain, &field, NULL));
    assert_string_equal(domain, "123e4567-e89b-12d3-a456-426614174000");
    json_decref(good);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create_takes_everything),
        cmocka_unit_test(test_create_defaults),
        cmocka_unit_test(test_create_fields),
        cmocka_unit_test(test_create_values),
        cmocka_unit_test(test_domain_is_kept_in_lower_case),
        cmocka_unit_test(test_simple_requests),
        cmocka_unit_test(test_open_queues),
        cmocka_unit_test(test_change),
        cmocka_unit_test(test_bad_changes),
        cmocka_unit_test(test_end_domain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
