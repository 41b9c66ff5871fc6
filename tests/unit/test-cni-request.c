/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "cni.h"

#define CONFIG(members)                                                                            \
    "{\"cniVersion\":\"1.1.0\",\"name\":\"pods\",\"network\":\"lan\"" members "}"

static const CniEnvironment usual = {
    .container = "c0ffee", .netns = "/run/netns/c0ffee", .interface = "eth0"};

static gboolean
read_request(const char *command, const char *config, const char *arguments,
             CniRequest *ret_request, GError **error)
{
    CniEnvironment environment = usual;

    environment.command = command;
    environment.arguments = arguments;
    return cni_request_read(&environment, config, strlen(config), ret_request, error);
}

static void
refused(const char *command, const char *config, const char *arguments, int code, const char *words)
{
    g_auto(CniRequest) request = {0};
    g_autoptr(GError) error = NULL;

    assert_false(read_request(command, config, arguments, &request, &error));
    assert_null(request.config);
    assert_null(strchr(error->message, '\n'));
    assert_error_cleared(&error, CNI_ERROR, code, words);
}

static void
refused_config(const char *config, const char *words)
{
    refused("ADD", config, NULL, CNI_INVALID_CONFIG, words);
}

static void
test_everything(void **state)
{
    g_auto(CniRequest) request = {0};
    g_autoptr(GError) error = NULL;

    assert_true(read_request("ADD",
                             CONFIG(",\"socket\":\"/s\",\"dataDir\":\"/d\",\"queues\":256,"
                                    "\"ipam\":{\"type\":\"static\"},\"runtimeConfig\":{\"mac\":"
                                    "\"52:54:00:00:00:01\",\"ips\":[\"10.0.0.3/24\","
                                    "{\"address\":\"fd00::3/64\"}]}"),
                             "MAC=52:54:00:00:00:02;IP=10.0.0.4", &request, &error));
    assert_string_equal(request.version, "1.1.0");
    assert_string_equal(request.name, "pods");
    assert_string_equal(request.network, "lan");
    assert_string_equal(request.socket, "/s");
    assert_string_equal(request.notes, "/d");
    assert_string_equal(request.ipam, "static");
    assert_int_equal(request.queues, 256);
    assert_string_equal(request.mac, "52:54:00:00:00:01");
    assert_int_equal(g_strv_length(request.addresses), 2);
    assert_string_equal(request.addresses[0], "10.0.0.3/24");
    assert_string_equal(request.addresses[1], "fd00::3/64");
}

/* Runtimes write null and "" for what they have not got, and "ipam": {} means none. */
static void
test_nothing(void **state)
{
    g_auto(CniRequest) request = {0};
    g_autoptr(GError) error = NULL;

    assert_true(read_request("ADD",
                             CONFIG(",\"socket\":\"\",\"dataDir\":null,\"queues\":null,\"ipam\":{},"
                                    "\"runtimeConfig\":{\"mac\":\"\",\"ips\":null},\"args\":{"
                                    "\"cni\":null},\"prevResult\":null"),
                             "MAC=;IP=", &request, &error));
    assert_null(request.socket);
    assert_null(request.notes);
    assert_null(request.ipam);
    assert_null(request.mac);
    assert_int_equal(request.queues, 0);
    assert_int_equal(g_strv_length(request.addresses), 0);
}

static void
test_wrong_types(void **state)
{
    refused("ADD", "[]", NULL, CNI_DECODE, "not a JSON object");
    refused("ADD", CONFIG(",\"queues\":99999999999999999999"), NULL, CNI_DECODE, "too big integer");
    refused("ADD", CONFIG(",\n\"queues\":\n\"a\nb\""), NULL, CNI_DECODE, "cannot be read");
    refused("ADD", CONFIG(",\"socket\":\"\xff\""), NULL, CNI_DECODE, "cannot be read");
    refused_config("{\"cniVersion\":1.0}", "'cniVersion' must be a string");
    refused_config("{\"cniVersion\":\"1.0.0\",\"name\":5}", "'name' must be a string");
    refused_config("{\"cniVersion\":\"1.0.0\",\"name\":\"a b\"}", "'name' must");
    refused_config("{\"cniVersion\":\"1.0.0\",\"name\":\"a\",\"network\":[\"lan\"]}",
                   "'network' must be a string");
    refused_config(CONFIG(",\"socket\":true"), "'socket' must be a string");
    refused_config(CONFIG(",\"dataDir\":{}"), "'dataDir' must be a string");
    refused_config(CONFIG(",\"ipam\":\"host-local\""), "'ipam' must be an object");
    refused_config(CONFIG(",\"ipam\":{\"type\":5}"), "'ipam.type' must be a string");
    refused_config(CONFIG(",\"prevResult\":5"), "'prevResult' must be an object");
    refused("CHECK", CONFIG(",\"prevResult\":5"), NULL, CNI_INVALID_CONFIG, "'prevResult' must");
    refused_config(CONFIG(",\"prevResult\":{}"), "cannot be chained");
    refused_config(CONFIG(",\"runtimeConfig\":[]"), "'runtimeConfig' must be an object");
    refused_config(CONFIG(",\"runtimeConfig\":{\"mac\":5}"), "'runtimeConfig.mac' must be a");
    refused_config(CONFIG(",\"args\":\"x\""), "'args' must be an object");
    refused_config(CONFIG(",\"args\":{\"cni\":1}"), "'args.cni' must be an object");
    refused_config(CONFIG(",\"args\":{\"cni\":{\"mac\":[]}}"), "'args.cni.mac' must be a string");
}

static void
test_addresses(void **state)
{
    refused_config(CONFIG(",\"runtimeConfig\":{\"ips\":\"10.0.0.3\"}"), "'runtimeConfig.ips' must");
    refused_config(CONFIG(",\"runtimeConfig\":{\"ips\":[\"10.0.0.3\",5]}"), "'runtimeConfig.ips'");
    refused_config(CONFIG(",\"runtimeConfig\":{\"ips\":[{}]}"), "'runtimeConfig.ips'");
    refused_config(CONFIG(",\"args\":{\"cni\":{\"ips\":[\"\"]}}"), "'args.cni.ips'");
}

static void
test_queues(void **state)
{
    static const char *const wrong[] = {"\"4\"", "3.5",        "0",  "-1",
                                        "257",   "4294967297", "[]", "true"};

    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autofree char *config = g_strdup_printf(CONFIG(",\"queues\":%s"), wrong[i]);

        refused_config(config, "'queues' must be a whole number from 1 to 256");
    }
}

/* A configuration that was made wrong since ADD keeps nobody from DEL. */
static void
test_del_reads_what_it_needs(void **state)
{
    g_auto(CniRequest) request = {0};

    assert_true(read_request("DEL",
                             CONFIG(",\"queues\":\"4\",\"prevResult\":5,\"runtimeConfig\":[],"
                                    "\"args\":5"),
                             "MAC=\xff", &request, NULL));
}

static void
test_paths(void **state)
{
    g_autofree char *longer = g_strdup_printf(CONFIG(",\"socket\":\"/%0108d\""), 0);

    refused_config(CONFIG(",\"socket\":\"run/socket\""), "'socket' must be an absolute path");
    refused_config(CONFIG(",\"dataDir\":\"notes\""), "'dataDir' must be an absolute path");
    refused_config(longer, "'socket' must be an absolute path of at most 107 bytes");
}

static void
test_environment(void **state)
{
    CniEnvironment environment = usual;
    g_auto(CniRequest) request = {0};
    g_autoptr(GError) error = NULL;

    environment.command = "ADD";
    environment.netns = "/run/netns/\xff";
    assert_false(cni_request_read(&environment, CONFIG(), strlen(CONFIG()), &request, &error));
    assert_error_cleared(&error, CNI_ERROR, CNI_INVALID_ENVIRONMENT, "CNI_NETNS is not UTF-8");
    environment.netns = "";
    assert_false(cni_request_read(&environment, CONFIG(), strlen(CONFIG()), &request, &error));
    assert_error_cleared(&error, CNI_ERROR, CNI_INVALID_ENVIRONMENT, "CNI_NETNS is not set");
    environment.command = "DEL";
    assert_true(cni_request_read(&environment, CONFIG(), strlen(CONFIG()), &request, &error));
    refused("ADD", CONFIG(), "MAC=\xff", CNI_INVALID_ENVIRONMENT, "CNI_ARGS: MAC is not UTF-8");
    refused("ADD", CONFIG(), "IP=\xff", CNI_INVALID_ENVIRONMENT, "CNI_ARGS: IP is not UTF-8");
}

/* What is not among them is removed: a list that cannot be read must not be taken for none. */
static void
test_valid_attachments(void **state)
{
    static const char *const wrong[] = {"{}",
                                        "\"\"",
                                        "[5]",
                                        "[{}]",
                                        "[{\"containerID\":\"a\"}]",
                                        "[{\"containerID\":\"a\",\"ifname\":1}]"};
    static const char *const right[] = {"null", "[]",
                                        "[{\"containerID\":\"a\",\"ifname\":\"eth0\"}]"};

    refused("GC", CONFIG(), NULL, CNI_INVALID_CONFIG, "'cni.dev/valid-attachments'");
    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autofree char *config =
            g_strdup_printf(CONFIG(",\"cni.dev/valid-attachments\":%s"), wrong[i]);

        refused("GC", config, NULL, CNI_INVALID_CONFIG, "'cni.dev/valid-attachments'");
    }
    for (guint i = 0; i < G_N_ELEMENTS(right); i++) {
        g_autofree char *config =
            g_strdup_printf(CONFIG(",\"cni.dev/valid-attachments\":%s"), right[i]);
        g_auto(CniRequest) request = {0};

        assert_true(read_request("GC", config, NULL, &request, NULL));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_wrong_types),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_queues),
        cmocka_unit_test(test_del_reads_what_it_needs),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_valid_attachments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
