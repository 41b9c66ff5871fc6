/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's own limit of ports; by itself, because it writes so many records. */
#include "unit.h"

#include "test-broker.h"

#include <time.h>

#define PORTS_MAX 8192

static void
write_records(TestBroker *test, guint n)
{
    for (guint i = 0; i < n; i++) {
        g_autoptr(Port) port = test_port_new(i);

        test_broker_write_record(test, port, NULL);
    }
}

/* Processor time of a list, in seconds: the least of a few. */
static double
time_list(TestBroker *test, const Caller *caller, guint expected)
{
    double least = G_MAXDOUBLE;

    for (guint i = 0; i < 9; i++) {
        struct timespec begin, end;
        g_autoptr(GPtrArray) ports = NULL;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
        ports = broker_list_ports(test->broker, caller, NULL);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
        assert_int_equal(ports->len, expected);
        least = MIN(least, (double)(end.tv_sec - begin.tv_sec) +
                               (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
    }
    return least;
}

/* A list of what one may not see costs no more than one of all; dropped one by one from the front,
 * as many took twenty times as long. */
static void
expect_cheap_list(TestBroker *test, guint n)
{
    const Caller root = test_caller(0), user = test_caller(12345);
    double all = time_list(test, &root, n), nothing = time_list(test, &user, 0);

    if (nothing > all * 4)
        fail_msg("a list of nothing takes %.1f times as long as one of all", nothing / all);
}

/* Root has no limit of its own. */
static void
test_limit_of_the_daemon(void **state)
{
    g_autoptr(TestBroker) test = test_broker_new();
    const PortRequest request = {.network = (char *)"lan"};
    const Caller root = test_caller(0);

    test_broker_kill(test);
    write_records(test, PORTS_MAX - 1);
    test_broker_start(test);
    test_broker_create(test, 0, "lan", "last");
    expect_cheap_list(test, PORTS_MAX);
    test_broker_refuse(test, &root, &request, PORT_ERROR_LIMIT_REACHED,
                       "macvtapd already has its maximum of 8192 ports");
    assert_true(test_broker_delete(test, &root, "vm1", NULL));
    test_broker_create(test, 0, "lan", "next");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limit_of_the_daemon),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
