/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How long dockerd waits for the driver while macvtapd is slow or hangs. The ports, and the time
 * that macvtapd takes for each, are the test's. */
#include "unit.h"

#include "docker-driver.h"

#include <glib/gstdio.h>

#define SECOND G_GINT64_CONSTANT(1000000)
#define NO_ANSWER (DOCKER_ANSWER_TIME * G_GINT64_CONSTANT(1000))

typedef struct Test {
    char *networks, *endpoints;
    DockerDriver *driver;
} Test;

static gint64 now;
static gint64 answer_time; /* of one call, in µs */
static guint n_calls;

gint64 __wrap_g_get_monotonic_time(void);

gint64
__wrap_g_get_monotonic_time(void)
{
    return now;
}

/* ---- in place of docker-port.c ---- */

static DockerPortResult
call(GError **error)
{
    n_calls++;
    now += answer_time;
    if (answer_time < NO_ANSWER)
        return DOCKER_PORT_DONE;
    docker_refuse(error, "macvtapd does not answer");
    return DOCKER_PORT_LATER;
}

gboolean
docker_port_check_network(const char *socket, const char *network, GError **error)
{
    return call(error) == DOCKER_PORT_DONE;
}

gboolean
docker_port_check(const char *socket, const DockerEndpoint *endpoint, char **ret_mac,
                  GError **error)
{
    if (call(error) != DOCKER_PORT_DONE)
        return FALSE;
    *ret_mac = g_strdup("52:54:00:00:00:01");
    return TRUE;
}

DockerPortResult
docker_port_make(const char *socket, const DockerEndpoint *endpoint, GError **error)
{
    return call(error);
}

DockerPortResult
docker_port_delete(const char *socket, const DockerEndpoint *endpoint, GError **error)
{
    return call(error);
}

char *
docker_port_name(const DockerEndpoint *endpoint)
{
    return g_strdup(endpoint->id);
}

/* ---- the tests ---- */

static int
set_up(void **state)
{
    Test *test = g_new(Test, 1);
    g_autoptr(GError) error = NULL;

    now = SECOND;
    answer_time = 0;
    test->networks = g_dir_make_tmp("docker-XXXXXX", NULL);
    test->endpoints = g_dir_make_tmp("docker-XXXXXX", NULL);
    test->driver =
        docker_driver_new(NULL, docker_state_new(test->networks, test->endpoints, &error), &error);
    assert_no_error(error);
    *state = test;
    return 0;
}

static guint
count_files(const char *folder)
{
    g_autoptr(GDir) names = g_dir_open(folder, 0, NULL);
    guint n = 0;

    while (g_dir_read_name(names))
        n++;
    return n;
}

static void
remove_folder(char *folder)
{
    g_autoptr(GDir) names = g_dir_open(folder, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(names))) {
        g_autofree char *path = g_build_filename(folder, name, NULL);

        g_unlink(path);
    }
    g_rmdir(folder);
    g_free(folder);
}

static int
tear_down(void **state)
{
    Test *test = *state;

    docker_driver_free(test->driver);
    remove_folder(test->networks);
    remove_folder(test->endpoints);
    g_free(test);
    return 0;
}

/* Of network "0a"; the answer's error, or NULL. Free with g_free(). */
static char *
ask(Test *test, const char *method, const char *endpoint)
{
    g_autofree char *path = g_strdup_printf("/NetworkDriver.%s", method);
    g_autofree char *text = g_strdup_printf(
        "{\"NetworkID\":\"0a\",\"EndpointID\":\"%s\",\"SandboxKey\":\"/run/docker/netns/1\","
        "\"Options\":{\"com.docker.network.generic\":{\"network\":\"lan\"}}}",
        endpoint);
    json_t *answer = docker_driver_call(test->driver, path, text, strlen(text));
    char *refusal = g_strdup(json_string_value(json_object_get(answer, "Err")));

    json_decref(answer);
    return refusal;
}

static void
expect_done(Test *test, const char *method, const char *endpoint)
{
    g_autofree char *refusal = ask(test, method, endpoint);

    if (refusal)
        fail_msg("%s: %s", method, refusal);
}

static void
expect_refusal(Test *test, const char *method, const char *endpoint, const char *text)
{
    g_autofree char *refusal = ask(test, method, endpoint);

    assert_non_null(refusal);
    assert_string_equal(refusal, text);
}

static void
ask_for_each(Test *test, const char *method, guint n)
{
    for (guint i = 0; i < n; i++) {
        g_autofree char *endpoint = g_strdup_printf("%u", i);

        expect_done(test, method, endpoint);
    }
}

/* So many containers have joined the network, and left it while macvtapd hangs. */
static void
leave_ports(Test *test, guint n)
{
    answer_time = 0;
    expect_done(test, "CreateNetwork", "");
    ask_for_each(test, "CreateEndpoint", n);
    ask_for_each(test, "Join", n);
    answer_time = NO_ANSWER;
    ask_for_each(test, "DeleteEndpoint", n);
    n_calls = 0;
}

static void
macvtapd_hangs_while_a_network_goes(void **state)
{
    Test *test = *state;

    leave_ports(test, 5);
    expect_done(test, "DeleteNetwork", "");
    assert_int_equal(n_calls, 1);
    assert_int_equal(count_files(test->networks), 0);
    assert_int_equal(count_files(test->endpoints), 5);
    answer_time = 0;
    expect_done(test, "DeleteNetwork", "");
    assert_int_equal(n_calls, 6);
    assert_int_equal(count_files(test->endpoints), 0);
}

/* A dockerd that crashed has not deleted them. */
static void
endpoints_go_with_their_network(void **state)
{
    Test *test = *state;

    expect_done(test, "CreateNetwork", "");
    expect_done(test, "CreateEndpoint", "1");
    expect_done(test, "CreateEndpoint", "2");
    expect_done(test, "Join", "2");
    n_calls = 0;
    expect_done(test, "DeleteNetwork", "");
    assert_true(n_calls > 0);
    assert_int_equal(count_files(test->endpoints), 0);
}

/* It goes on where it had to end. */
static void
macvtapd_hangs_while_an_endpoint_comes(void **state)
{
    const guint n_waiting[] = {1, 5};
    Test *test = *state;

    for (guint i = 0; i < G_N_ELEMENTS(n_waiting); i++) {
        leave_ports(test, n_waiting[i]);
        expect_refusal(test, "CreateEndpoint", "a", "macvtapd does not answer");
        expect_refusal(test, "Join", "a", "macvtapd does not answer");
        assert_int_equal(n_calls, 2);
        answer_time = 0;
        expect_done(test, "DeleteNetwork", "");
    }
}

/* Each answer comes, and together they take longer than one may. */
static void
macvtapd_is_slow(void **state)
{
    Test *test = *state;

    leave_ports(test, 2);
    answer_time = 6 * SECOND;
    expect_done(test, "CreateEndpoint", "a");
    assert_int_equal(n_calls, 3);
    expect_done(test, "DeleteNetwork", "");
    leave_ports(test, 3);
    answer_time = 6 * SECOND;
    expect_refusal(test, "CreateEndpoint", "a",
                   "macvtapd is still busy with the ports of other containers: try again");
    assert_int_equal(n_calls, 2);
    expect_done(test, "CreateEndpoint", "a");
}

static void
say_nothing(const char *domain, GLogLevelFlags level, const char *text, gpointer user_data)
{
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(macvtapd_hangs_while_a_network_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(endpoints_go_with_their_network, set_up, tear_down),
        cmocka_unit_test_setup_teardown(macvtapd_hangs_while_an_endpoint_comes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(macvtapd_is_slow, set_up, tear_down),
    };

    g_log_set_default_handler(say_nothing, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
