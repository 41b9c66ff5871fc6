/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "docker-request.h"

#define IDS "\"NetworkID\":\"0a1B\",\"EndpointID\":\"2c\""
#define GENERIC(options)                                                                           \
    "{\"NetworkID\":\"0a\",\"Options\":{\"com.docker.network.generic\":" options

static gboolean
read_request(const char *method, const char *text, DockerRequest *ret_request, GError **error)
{
    g_autofree char *path = g_strdup_printf("/NetworkDriver.%s", method);

    return docker_request_read(path, text, strlen(text), ret_request, error);
}

static void
refused(const char *method, const char *text, const char *words)
{
    g_auto(DockerRequest) request = {0};
    g_autoptr(GError) error = NULL;

    assert_false(read_request(method, text, &request, &error));
    assert_null(request.arguments);
    assert_error_cleared(&error, DOCKER_ERROR, 0, words);
}

static void
test_network(void **state)
{
    g_auto(DockerRequest) request = {0};
    g_autoptr(GError) error = NULL;

    assert_true(read_request("CreateNetwork", GENERIC("{\"network\":\"lan\",\"port\":\"vm0\"}}}"),
                             &request, &error));
    assert_int_equal(request.method, DOCKER_CREATE_NETWORK);
    assert_string_equal(request.network_id, "0a");
    assert_string_equal(request.network, "lan");
    assert_string_equal(request.port, "vm0");
    assert_null(request.endpoint_id);
}

static void
test_options_of_a_network(void **state)
{
    refused("CreateNetwork", "{\"NetworkID\":\"0a\"}", "-o network=NAME");
    refused("CreateNetwork", GENERIC("null}}"), "-o network=NAME");
    refused("CreateNetwork", GENERIC("{\"network\":\"\"}}}"), "-o network=NAME");
    refused("CreateNetwork", GENERIC("{\"network\":[]}}}"), "network must be a string");
    refused("CreateNetwork", GENERIC("{\"network\":\"lan\",\"mode\":\"vepa\"}}}"),
            "unknown option 'mode'");
    refused("CreateNetwork", GENERIC("{\"network\":\"lan\",\"port\":\"a b\"}}}"), "-o port=a b");
    refused("CreateNetwork",
            GENERIC("{\"network\":\"lan\"},\"com.docker.network.internal\":true}}"), "--internal");
}

static void
test_endpoint(void **state)
{
    g_auto(DockerRequest) request = {0};
    g_autoptr(GError) error = NULL;

    assert_true(read_request("CreateEndpoint",
                             "{" IDS ",\"Interface\":{\"Address\":\"10.0.0.3/24\",\"AddressIPv6\":"
                             "\"fd00::3/64\",\"MacAddress\":\"\"}}",
                             &request, &error));
    assert_string_equal(request.network_id, "0a1B");
    assert_string_equal(request.endpoint_id, "2c");
    assert_string_equal(request.addresses[0], "10.0.0.3/24");
    assert_string_equal(request.addresses[1], "fd00::3/64");
    assert_null(request.mac);
}

static void
test_endpoint_of_one_family_or_none(void **state)
{
    g_auto(DockerRequest) six = {0}, none = {0};
    g_autoptr(GError) error = NULL;

    assert_true(read_request("CreateEndpoint",
                             "{" IDS ",\"Interface\":{\"AddressIPv6\":\"fd00::3/64\","
                             "\"MacAddress\":\"52:54:00:00:00:01\"}}",
                             &six, &error));
    assert_string_equal(six.addresses[0], "fd00::3/64");
    assert_null(six.addresses[1]);
    assert_string_equal(six.mac, "52:54:00:00:00:01");
    assert_true(read_request("CreateEndpoint", "{" IDS ",\"Interface\":null}", &none, &error));
    assert_null(none.addresses[0]);
    assert_null(none.mac);
    refused("CreateEndpoint", "{" IDS ",\"Interface\":{\"MacAddress\":7}}", "MacAddress");
    refused("CreateEndpoint", "{" IDS ",\"Interface\":\"10.0.0.3/24\"}", "Interface");
}

static void
test_join(void **state)
{
    g_auto(DockerRequest) request = {0};
    g_autoptr(GError) error = NULL;

    assert_true(read_request("Join", "{" IDS ",\"SandboxKey\":\"/var/run/docker/netns/1\"}",
                             &request, &error));
    assert_string_equal(request.sandbox, "/var/run/docker/netns/1");
    refused("Join", "{" IDS "}", "SandboxKey");
    refused("Join", "{" IDS ",\"SandboxKey\":\"netns/1\"}", "absolute");
}

static void
test_ids(void **state)
{
    g_autofree char *longest = g_strnfill(128, 'a'), *longer = g_strnfill(129, 'a');

    assert_true(docker_id_is_valid(longest));
    assert_false(docker_id_is_valid(longer));
    assert_false(docker_id_is_valid(NULL));
    assert_false(docker_id_is_valid(""));
    assert_false(docker_id_is_valid(".."));
    assert_false(docker_id_is_valid("a/b"));
    refused("Leave", "{\"NetworkID\":\"0a\"}", "EndpointID");
    refused("Leave", "{\"NetworkID\":\"../0a\",\"EndpointID\":\"2c\"}", "NetworkID is not an ID");
    refused("DeleteNetwork", "{}", "NetworkID is not an ID");
}

static void
test_what_is_not_a_request(void **state)
{
    refused("AllocateNetwork", "{}", "no method /NetworkDriver.AllocateNetwork");
    refused("Leave", "[]", "not a JSON object");
    refused("Leave", "{" IDS "} {}", "not a JSON object");
    refused("Leave", "{\"NetworkID\":\"0a\",\"NetworkID\":\"0b\"}", "not a JSON object");
    refused("Leave", "", "NetworkID");
}

static void
test_methods_without_arguments(void **state)
{
    g_auto(DockerRequest) activate = {0}, discover = {0};
    g_autoptr(GError) error = NULL;

    assert_true(docker_request_read("/Plugin.Activate", NULL, 0, &activate, &error));
    assert_int_equal(activate.method, DOCKER_ACTIVATE);
    assert_true(read_request("DiscoverNew", "{\"DiscoveryType\":1}", &discover, &error));
    assert_int_equal(discover.method, DOCKER_NOTHING);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_network),
        cmocka_unit_test(test_options_of_a_network),
        cmocka_unit_test(test_endpoint),
        cmocka_unit_test(test_endpoint_of_one_family_or_none),
        cmocka_unit_test(test_join),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_what_is_not_a_request),
        cmocka_unit_test(test_methods_without_arguments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
