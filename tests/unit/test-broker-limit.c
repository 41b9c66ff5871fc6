/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's own limit of ports; by itself, because it writes so many records. */
#include "unit.h"

#include "test-broker.h"

#define PORTS_MAX 8192

static void
write_records(TestBroker *test, guint n)
{
    for (guint i = 0; i < n; i++) {
        g_autoptr(Port) port = test_port_new(i);

        test_broker_write_record(test, port, NULL);
    }
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
    test_broker_refuse(test, &root, &request, PORT_ERROR_LIMIT_REACHED,
                       "this daemon has its 8192 ports");
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
