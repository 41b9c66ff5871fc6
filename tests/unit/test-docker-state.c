/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "docker-state.h"

#include <glib/gstdio.h>

typedef struct Folders {
    char *networks, *endpoints;
    DockerState *state;
} Folders;

static int
set_up(void **state)
{
    Folders *folders = g_new(Folders, 1);
    g_autoptr(GError) error = NULL;

    folders->networks = g_dir_make_tmp("docker-XXXXXX", NULL);
    folders->endpoints = g_dir_make_tmp("docker-XXXXXX", NULL);
    folders->state = docker_state_new(folders->networks, folders->endpoints, &error);
    assert_no_error(error);
    *state = folders;
    return 0;
}

static void
remove_folder(char *folder, const char *file)
{
    g_autofree char *path = g_build_filename(folder, file, NULL);

    g_unlink(path);
    assert_int_equal(g_rmdir(folder), 0);
    g_free(folder);
}

static int
tear_down(void **state)
{
    Folders *folders = *state;

    docker_state_free(folders->state);
    remove_folder(folders->networks, "0a");
    remove_folder(folders->endpoints, "bad");
    g_free(folders);
    return 0;
}

static void
test_networks(void **state)
{
    Folders *folders = *state;
    const DockerNetwork written = {(char *)"lan", NULL};
    g_autoptr(DockerNetwork) network = NULL;
    g_autoptr(GError) error = NULL;

    assert_true(docker_state_put_network(folders->state, "0a", &written, &error));
    network = docker_state_get_network(folders->state, "0a", &error);
    assert_string_equal(network->network, "lan");
    assert_null(network->port);
    assert_true(docker_state_remove_network(folders->state, "0a", &error));
    assert_true(docker_state_remove_network(folders->state, "0a", &error));
    assert_null(docker_state_get_network(folders->state, "0a", &error));
    assert_error_cleared(&error, DOCKER_ERROR, 0, "create it again");
}

static void
put(const Folders *folders, const DockerEndpoint *endpoint)
{
    g_autoptr(GError) error = NULL;

    assert_true(docker_state_put_endpoint(folders->state, endpoint, &error));
}

static void
test_endpoints(void **state)
{
    Folders *folders = *state;
    g_autofree char *bad = g_build_filename(folders->endpoints, "bad", NULL);
    DockerEndpoint written = {.id = (char *)"2c",
                              .network_id = (char *)"0a",
                              .network = (char *)"lan",
                              .mac = (char *)"52:54:00:00:00:01",
                              .addresses = {(char *)"10.0.0.3/24"}};
    g_autoptr(GPtrArray) endpoints = NULL;
    g_autoptr(GError) error = NULL;
    const DockerEndpoint *read;

    put(folders, &written);
    written.sandbox = (char *)"/run/docker/netns/1";
    written.port = (char *)"eth0";
    written.is_deleted = TRUE;
    put(folders, &written);
    assert_true(g_file_set_contents(bad, "{", -1, NULL));
    g_test_expect_message(G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "*endpoint bad: *damaged*");
    endpoints = docker_state_list_endpoints(folders->state, &error);
    g_test_assert_expected_messages();
    assert_int_equal(endpoints->len, 1);
    read = endpoints->pdata[0];
    assert_string_equal(read->id, "2c");
    assert_string_equal(read->network_id, "0a");
    assert_string_equal(read->network, "lan");
    assert_string_equal(read->port, "eth0");
    assert_string_equal(read->mac, "52:54:00:00:00:01");
    assert_string_equal(read->addresses[0], "10.0.0.3/24");
    assert_null(read->addresses[1]);
    assert_string_equal(read->sandbox, "/run/docker/netns/1");
    assert_true(read->is_deleted);
    assert_false(read->is_settled);
    assert_true(docker_state_remove_endpoint(folders->state, "2c", &error));
}

static void
test_no_folder(void **state)
{
    g_autoptr(GError) error = NULL;

    assert_null(docker_state_new("/nosuch", "/nosuch", &error));
    assert_non_null(strstr(error->message, "/nosuch"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_networks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_endpoints, set_up, tear_down),
        cmocka_unit_test(test_no_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
