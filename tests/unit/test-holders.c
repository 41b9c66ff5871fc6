/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "descriptor.h"
#include "holders.h"
#include "test-broker.h"

#include <fcntl.h>

/* The ids that were told, in one text; how often. */
typedef struct Told {
    GString *ids;
    guint times;
} Told;

static void
on_ended(const char *const *port_ids, gpointer user_data)
{
    Told *told = user_data;

    told->times++;
    for (; *port_ids; port_ids++)
        g_string_append_printf(told->ids, "%s ", *port_ids);
}

typedef struct Fixture {
    Holders *holders;
    Told told;
    guint descriptors;
} Fixture;

static int
set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->descriptors = test_count_descriptors();
    fixture->told.ids = g_string_new(NULL);
    fixture->holders = holders_new(on_ended, &fixture->told, NULL);
    *state = fixture;
    return fixture->holders ? 0 : -1;
}

static int
tear_down(void **state)
{
    Fixture *fixture = *state;

    holders_free(fixture->holders);
    g_string_free(fixture->told.ids, TRUE);
    /* The main context keeps an eventfd of its own from its first poll on. */
    g_assert_cmpuint(test_count_descriptors(), <=, fixture->descriptors + 1);
    g_free(fixture);
    return 0;
}

static void
add(Fixture *fixture, const char *port, pid_t pid)
{
    Process process = {.pidfd = -1};
    g_autoptr(GError) error = NULL;

    process_open(pid, &process, &error);
    assert_no_error(error);
    holders_add(fixture->holders, port, &process, &error);
    assert_no_error(error);
    assert_int_equal(process.pidfd, -1);
}

static void
wait_until_told(Fixture *fixture)
{
    while (fixture->told.times == 0)
        g_main_context_iteration(NULL, TRUE);
}

static void
test_end_is_told(void **state)
{
    Fixture *fixture = *state;
    TestChild child = test_child_new();

    add(fixture, "one", child.pid);
    test_settle();
    assert_int_equal(fixture->told.times, 0);
    test_child_end(&child);
    wait_until_told(fixture);
    assert_string_equal(fixture->told.ids->str, "one ");
    test_settle();
    assert_int_equal(fixture->told.times, 1);
}

static void
test_zombie_has_ended(void **state)
{
    Fixture *fixture = *state;
    TestChild child = test_child_new();

    add(fixture, "one", child.pid);
    test_child_end_as_zombie(&child);
    wait_until_told(fixture);
    test_child_end(&child);
}

static void
test_several_ports_on_one_process(void **state)
{
    Fixture *fixture = *state;
    TestChild child = test_child_new();
    guint descriptors;

    add(fixture, "one", child.pid);
    descriptors = test_count_descriptors();
    add(fixture, "two", child.pid);
    add(fixture, "three", child.pid);
    assert_int_equal(test_count_descriptors(), descriptors);
    holders_remove(fixture->holders, "two");
    holders_remove(fixture->holders, "unknown");
    test_child_end(&child);
    wait_until_told(fixture);
    assert_string_equal(fixture->told.ids->str, "one three ");
}

/* A port has one holder: the last that it was tied to. */
static void
test_tied_to_another(void **state)
{
    Fixture *fixture = *state;
    TestChild first = test_child_new(), second = test_child_new();

    add(fixture, "one", first.pid);
    add(fixture, "two", first.pid);
    add(fixture, "one", second.pid);
    add(fixture, "one", second.pid);
    test_child_end(&first);
    wait_until_told(fixture);
    assert_string_equal(fixture->told.ids->str, "two ");
    fixture->told.times = 0;
    test_child_end(&second);
    wait_until_told(fixture);
    assert_string_equal(fixture->told.ids->str, "two one ");
}

/* Found as long as it lives and holds something: after its end its pid may be another's. */
static void
test_find(void **state)
{
    Fixture *fixture = *state;
    TestChild child = test_child_new(), other = test_child_new();
    Process process = {.pidfd = -1};
    guint64 start_time = 0;

    add(fixture, "one", child.pid);
    assert_true(process_open(child.pid, &process, NULL));
    assert_true(holders_find(fixture->holders, child.pid, &start_time));
    assert_true(start_time == process.start_time);
    assert_false(holders_find(fixture->holders, other.pid, &start_time));
    descriptor_clear(&process.pidfd);
    process.pidfd = -1;
    assert_true(holders_add(fixture->holders, "two", &process, NULL));
    holders_remove(fixture->holders, "two");
    test_child_end_as_zombie(&child);
    assert_false(holders_find(fixture->holders, child.pid, &start_time));
    wait_until_told(fixture);
    assert_false(holders_find(fixture->holders, child.pid, &start_time));
    test_child_end(&child);
    add(fixture, "one", other.pid);
    holders_remove(fixture->holders, "one");
    assert_false(holders_find(fixture->holders, other.pid, &start_time));
    test_child_end(&other);
}

static void
test_several_processes_at_once(void **state)
{
    Fixture *fixture = *state;
    TestChild first = test_child_new(), second = test_child_new(), third = test_child_new();

    add(fixture, "one", first.pid);
    add(fixture, "two", second.pid);
    add(fixture, "three", third.pid);
    test_child_end(&first);
    test_child_end(&second);
    wait_until_told(fixture);
    assert_int_equal(fixture->told.times, 1);
    assert_non_null(strstr(fixture->told.ids->str, "one "));
    assert_non_null(strstr(fixture->told.ids->str, "two "));
    assert_null(strstr(fixture->told.ids->str, "three "));
    test_child_end(&third);
}

static void
test_removed_is_not_told(void **state)
{
    Fixture *fixture = *state;
    TestChild child = test_child_new();
    guint descriptors = test_count_descriptors();

    add(fixture, "one", child.pid);
    holders_remove(fixture->holders, "one");
    assert_int_equal(test_count_descriptors(), descriptors);
    test_child_end(&child);
    test_settle();
    assert_int_equal(fixture->told.times, 0);
}

/* A connection's peer pidfd is duplicated for its port, and lives on when the port has gone. */
static void
test_duplicate_that_stays_open(void **state)
{
    Fixture *fixture = *state;
    TestChild child = test_child_new();
    Process peer = {.pidfd = -1}, process = {.pidfd = -1};
    g_autoptr(GError) error = NULL;

    assert_true(process_open(child.pid, &peer, NULL));
    for (guint i = 0; i < 2; i++) {
        process_open_pidfd(peer.pidfd, child.pid, &process, &error);
        assert_no_error(error);
        holders_add(fixture->holders, "one", &process, &error);
        assert_no_error(error);
        holders_remove(fixture->holders, "one");
    }
    test_child_end(&child);
    test_settle();
    assert_int_equal(fixture->told.times, 0);
    descriptor_clear(&peer.pidfd);
}

static void
test_duplicate_that_stays_open_after_the_end(void **state)
{
    Fixture *fixture = *state;
    TestChild child = test_child_new();
    Process peer = {.pidfd = -1}, process = {.pidfd = -1};

    assert_true(process_open(child.pid, &peer, NULL));
    assert_true(process_open_pidfd(peer.pidfd, child.pid, &process, NULL));
    assert_true(holders_add(fixture->holders, "one", &process, NULL));
    test_child_end(&child);
    wait_until_told(fixture);
    test_settle();
    assert_int_equal(fixture->told.times, 1);
    descriptor_clear(&peer.pidfd);
}

static void
test_what_cannot_be_watched(void **state)
{
    Fixture *fixture = *state;
    Process process = {.pidfd = open("/dev/null", O_RDONLY | O_CLOEXEC), .pid = 1};
    g_autoptr(GError) error = NULL;

    assert_false(holders_add(fixture->holders, "one", &process, &error));
    assert_non_null(error);
    assert_int_equal(process.pidfd, -1);
    holders_remove(fixture->holders, "one");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_end_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_zombie_has_ended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_several_ports_on_one_process, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tied_to_another, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_find, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_several_processes_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_removed_is_not_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_duplicate_that_stays_open, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_duplicate_that_stays_open_after_the_end, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_watched, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
