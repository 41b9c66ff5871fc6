/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* VLAN devices when the kernel or the disk refuses a step, and what the next start makes of it. */
#include "broker-fixture.h"

#include "file.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define TAGGED "parent=eth0,mode=bridge,vlan=100"
#define TWICE_TAGGED "parent=eth0,mode=bridge,vlan=200.100"

static char *
folder_path(TestBroker *test)
{
    return g_build_filename(test->state, "vlans", NULL);
}

typedef struct Failure {
    const char *network;
    const char *operation;
    guint nth;
    int errnum;
    const char *text;
} Failure;

static void
test_step_fails(void **state)
{
    static const Failure rows[] = {
        {TAGGED, "link_list", 1, ENOBUFS, "link_list fails"},
        {TAGGED, "vlan_create", 1, EOPNOTSUPP, "cannot make VLAN 100 on eth0: "},
        {TAGGED, "vlan_create", 1, ENOPKG, "'modprobe 8021q' succeeds"},
        {TWICE_TAGGED, "vlan_create", 1, EPERM, "cannot make VLAN 200 on eth0: "},
        {TWICE_TAGGED, "vlan_create", 2, EPERM, "cannot make VLAN 100 on eth0.200: "},
        {TWICE_TAGGED, "macvtap_create", 1, EPERM, "cannot create a macvtap on eth0.200.100"},
        {TWICE_TAGGED, "tap_open", 1, EIO, "tap_open fails"},
    };
    TestBroker *test = *state;
    const Caller root = test_caller(0);

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        const PortRequest request = {.network = (char *)rows[i].network};

        kernel_fake_fail(test->kernel, rows[i].operation, rows[i].nth, rows[i].errnum);
        test_broker_refuse(test, &root, &request, PORT_ERROR_SYSTEM, rows[i].text);
        expect_no_vlans(test);
    }
    assert_string_equal(said->str, "");
}

/* The kernel says EEXIST of a name and EBUSY of an index. */
static void
test_name_or_index_is_taken_meanwhile(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = {.network = (char *)TAGGED};

    kernel_fake_fail(test->kernel, "vlan_create", 1, EEXIST);
    assert_string_equal(test_broker_create(test, 0, TAGGED, "p1")->parent, "mv1.100");
    assert_int_equal(count_vlan_records(test), 1);
    delete_port(test, "p1");
    expect_no_vlans(test);
    for (guint i = 1; i <= 100; i++)
        kernel_fake_fail(test->kernel, "vlan_create", i, EBUSY);
    test_broker_refuse(test, &root, &request, PORT_ERROR_SYSTEM, "cannot make VLAN 100 on eth0: ");
    expect_no_vlans(test);
}

static void
test_name_of_somebody_elses(void **state)
{
    TestBroker *test = *state;

    test_broker_add_parent(test, "eth0.100");
    assert_string_equal(test_broker_create(test, 0, TAGGED, "p1")->parent, "mv1.100");
    assert_string_equal(test_broker_create(test, 0, TWICE_TAGGED, "p2")->parent, "eth0.200.100");
}

static void
test_record_cannot_be_written(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = {.network = (char *)TAGGED};
    g_autofree char *path = folder_path(test);

    assert_int_equal(rmdir(path), 0);
    test_broker_refuse(test, &root, &request, PORT_ERROR_SYSTEM, "cannot create ");
}

/* The port has gone all the same, and the device follows by itself. */
static void
test_device_cannot_be_removed(void **state)
{
    TestBroker *test = *state;

    test_broker_create(test, 0, TAGGED, "p1");
    /* The first is for the macvtap. */
    kernel_fake_fail(test->kernel, "link_delete", 2, ENOBUFS);
    delete_port(test, "p1");
    assert_non_null(strstr(said->str, "link_delete fails"));
    while (has_link(test, "eth0.100"))
        g_main_context_iteration(NULL, TRUE);
    expect_no_vlans(test);
}

/* After a creation that failed the caller gets that one's error. */
static void
test_device_stays_after_a_failed_creation(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = {.network = (char *)TAGGED};
    g_autoptr(GError) error = NULL;
    PortGrant grant = {0};

    kernel_fake_fail(test->kernel, "macvtap_create", 1, EPERM);
    kernel_fake_fail(test->kernel, "link_delete", 1, ENOBUFS);
    assert_false(broker_create_port(test->broker, &root, &request, &grant, &error));
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_SYSTEM,
                         "cannot create a macvtap on eth0.100");
    assert_non_null(strstr(said->str, "link_delete fails"));
    assert_true(has_link(test, "eth0.100"));
    test_settle();
    expect_no_vlans(test);
}

static void
put_record(TestBroker *test, const char *file, const char *text)
{
    g_autofree char *path = g_build_filename(test->state, "vlans", file, NULL);
    g_autoptr(GError) error = NULL;

    g_file_set_contents(path, text, -1, &error);
    assert_no_error(error);
}

/* Damaged, of a device that has gone, of somebody else's with the index: none is kept. */
static void
test_records_of_nothing(void **state)
{
    TestBroker *test = *state;
    g_autofree char *folder = g_build_filename(test->state, "vlans", "5", NULL);

    test_broker_kill(test);
    put_record(test, "1", "{");
    put_record(test, "2",
               "{\"version\":2,\"name\":\"a\",\"index\":2,\"trunk\":\"eth0\",\"trunkIndex\":1}");
    put_record(test, "3",
               "{\"version\":1,\"name\":\"a\",\"index\":3,\"trunk\":\"eth0\",\"trunkIndex\":1}");
    put_record(test, "4",
               "{\"version\":1,\"name\":\"a\",\"index\":3,\"trunk\":\"eth0\",\"trunkIndex\":1}");
    assert_int_equal(mkdir(folder, 0700), 0);
    test_broker_start(test);
    assert_int_equal(rmdir(folder), 0);
    expect_no_vlans(test);
}

/* Its alias alone tells whose it is. */
static void
test_device_without_record(void **state)
{
    TestBroker *test = *state;
    g_autofree char *path = NULL;

    path = g_strdup_printf("%s/vlans/%d", test->state,
                           test_broker_create(test, 0, TAGGED, "p1")->parent_index);
    test_broker_kill(test);
    assert_int_equal(unlink(path), 0);
    test_broker_start(test);
    assert_true(has_link(test, "eth0.100"));
    delete_port(test, "p1");
    expect_no_vlans(test);
}

static void
test_folder_cannot_be_had(void **state)
{
    TestBroker *test = *state;
    g_autofree char *path = folder_path(test);

    g_clear_pointer(&test->broker, broker_free);
    assert_int_equal(rmdir(path), 0);
    assert_true(g_file_set_contents(path, "", 0, NULL));
    expect_no_start(test, "cannot open the folder 'vlans'");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST_SAID(test_step_fails),
        BROKER_TEST_SAID(test_name_or_index_is_taken_meanwhile),
        BROKER_TEST_SAID(test_name_of_somebody_elses),
        BROKER_TEST_SAID(test_record_cannot_be_written),
        BROKER_TEST_SAID(test_device_cannot_be_removed),
        BROKER_TEST_SAID(test_device_stays_after_a_failed_creation),
        BROKER_TEST_SAID(test_records_of_nothing),
        BROKER_TEST_SAID(test_device_without_record),
        BROKER_TEST_SAID(test_folder_cannot_be_had),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
