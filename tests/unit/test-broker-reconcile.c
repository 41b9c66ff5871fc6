/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every row of the table in reconcile.c, and records that are not what they should be. */
#include "broker-fixture.h"

#include "file.h"
#include "process.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* The device of a port, as a crashed broker left it. */
static void
add_device(TestBroker *test, const Port *port, const char *alias)
{
    LinkInfo link = {
        .index = port->interface_index,
        .kind = "macvtap",
        .mac = port->mac,
        .is_macvlan = TRUE,
        .lower_index = 1,
        .mode = port->mode,
    };

    g_strlcpy(link.name, port->interface_name, sizeof(link.name));
    g_strlcpy(link.alias, alias, sizeof(link.alias));
    kernel_fake_add_link(test->kernel, &link);
}

static void
add_own_device(TestBroker *test, const Port *port)
{
    g_autofree char *alias = port_alias(port);

    add_device(test, port, alias);
}

static void
expect_records(TestBroker *test, const char *expected)
{
    g_autofree char *records = test_broker_records(test);

    assert_string_equal(records, expected);
}

/* The message number i of so many has text in it. */
static void
expect_message(TestBroker *test, guint i, guint n, const char *text)
{
    if (test->messages->len != n)
        fail_msg("%u messages, the first: %s", test->messages->len,
                 test->messages->len ? (const char *)test->messages->pdata[0] : "-");
    if (i < n && !strstr(test->messages->pdata[i], text))
        fail_msg("'%s' is not in '%s'", text, (const char *)test->messages->pdata[i]);
}

static void
set_holder(Port *port, pid_t pid)
{
    Process process = {.pidfd = -1};

    assert_true(process_open(pid, &process, NULL));
    port->holder =
        (Holder){.type = HOLDER_PROCESS, .pid = process.pid, .start_time = process.start_time};
    descriptor_clear(&process.pidfd);
}

static void
test_nothing(void **state)
{
    TestBroker *test = *state;

    expect_message(test, 0, 0, "");
    restart(test);
    expect_message(test, 0, 0, "");
    expect_records(test, "");
}

static void
test_interrupted_before_the_device(void **state)
{
    TestBroker *test = *state;
    g_autoptr(Port) port = test_port_new(1);

    test_broker_write_record(test, port, "p000000000001.creating");
    restart(test);
    expect_message(test, 0, 1, "creation of port vm1 was interrupted: it had no device yet");
    expect_records(test, "");
    assert_null(find_port(test, "vm1"));
}

/* Between the device and its alias there is nothing but name and index to know it by. */
static void
test_interrupted_after_the_device(void **state)
{
    static const char *const aliases[] = {"", "macvtapd:p000000000001"};
    TestBroker *test = *state;
    g_autoptr(Port) port = test_port_new(1);

    for (guint i = 0; i < 2; i++) {
        test_broker_write_record(test, port, "p000000000001.creating");
        add_device(test, port, aliases[i]);
        restart(test);
        expect_message(test, 0, 1, "creation of port vm1 was interrupted: its device is removed");
        expect_records(test, "");
        assert_int_equal(count_devices(test), 0);
    }
}

static void
test_interrupted_with_a_strangers_device(void **state)
{
    TestBroker *test = *state;
    g_autoptr(Port) port = test_port_new(1), other = test_port_new(1);

    test_broker_write_record(test, port, "p000000000001.creating");
    g_strlcpy(other->interface_name, "stranger", sizeof(other->interface_name));
    add_device(test, other, "");
    restart(test);
    expect_message(test, 0, 1, "it had no device yet");
    assert_int_equal(count_devices(test), 1);
}

static void
test_living_holders_are_adopted(void **state)
{
    TestBroker *test = *state;
    TestChild child = test_child_new();
    g_autoptr(Port) held = test_port_new(1), domain = test_port_new(2), none = test_port_new(3);
    Port *const ports[] = {held, domain, none};

    set_holder(held, child.pid);
    domain->holder.type = HOLDER_DOMAIN;
    g_strlcpy(domain->holder.domain, "123e4567-e89b-12d3-a456-426614174000", UUID_TEXT_SIZE);
    for (guint i = 0; i < 3; i++) {
        test_broker_write_record(test, ports[i], NULL);
        add_own_device(test, ports[i]);
    }
    restart(test);
    expect_message(test, 0, 0, "");
    assert_int_equal(count_devices(test), 3);
    for (guint i = 0; i < 3; i++) {
        const Port *port = find_port(test, ports[i]->name);

        assert_non_null(port);
        assert_int_equal(port->state, PORT_STATE_ACTIVE);
        assert_int_equal(port->holder.type, ports[i]->holder.type);
        assert_true(mac_address_equal(&port->mac, &ports[i]->mac));
    }
    /* And are watched from now on. */
    test_child_end(&child);
    while (test->events->len == 0)
        g_main_context_iteration(NULL, TRUE);
    assert_string_equal(test->events->str, "deleted vm1\n");
    assert_int_equal(count_devices(test), 2);
}

/* The way from creation to adoption in one. */
static void
test_real_ports_survive(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    const PortRequest request = {
        .network = (char *)"lan", .name = (char *)"web", .holder = {.type = HOLDER_PROCESS}};
    g_autofree char *id = NULL;
    int index;

    {
        g_auto(PortGrant) grant = {0};

        assert_true(broker_create_port(test->broker, &root, &request, &grant, NULL));
        id = g_strdup(grant.port->id);
        index = grant.port->interface_index;
    }
    restart(test);
    expect_records(test, id);
    assert_non_null(find_port(test, "web"));
    assert_int_equal(find_port(test, "web")->interface_index, index);
    {
        g_auto(PortGrant) grant = {0};

        assert_true(broker_open_port(test->broker, &root, "web", 0, &grant, NULL));
        assert_int_equal(grant.taps->len, 1);
    }
    assert_true(test_broker_delete(test, &root, id, NULL));
    assert_int_equal(count_devices(test), 0);
}

static void
test_ended_holders(void **state)
{
    TestBroker *test = *state;
    TestChild child = test_child_new();
    g_autoptr(Port) with = test_port_new(1), without = test_port_new(2);
    g_autofree char *events = NULL;

    set_holder(with, child.pid);
    set_holder(without, child.pid);
    test_child_end(&child);
    test_broker_write_record(test, with, NULL);
    add_own_device(test, with);
    test_broker_write_record(test, without, NULL);
    restart(test);
    assert_int_equal(test->messages->len, 0);
    events = test_broker_take_events(test);
    assert_string_equal(events, "deleted vm1\ndeleted vm2\n");
    expect_records(test, "");
    assert_int_equal(count_devices(test), 0);
    assert_null(find_port(test, "vm1"));
}

/* The pid lives, but it is another process by now. */
static void
test_reused_pid(void **state)
{
    TestBroker *test = *state;
    g_autoptr(Port) port = test_port_new(1);
    g_autofree char *events = NULL;

    set_holder(port, getpid());
    port->holder.start_time--;
    test_broker_write_record(test, port, NULL);
    add_own_device(test, port);
    restart(test);
    events = test_broker_take_events(test);
    assert_string_equal(events, "deleted vm1\n");
    expect_records(test, "");
    assert_int_equal(count_devices(test), 0);
}

/* Not to be able to look at a holder is no word of its end, nor would its end be seen: nothing is
 * served then, and nothing has changed. */
static void
test_holder_that_cannot_be_watched(void **state)
{
    TestBroker *test = *state;
    struct rlimit before, few;
    g_autoptr(Port) port = test_port_new(1);
    g_autoptr(GPtrArray) messages = NULL;
    g_autoptr(GError) error = NULL;
    int fd = dup(0);

    set_holder(port, getpid());
    test_broker_write_record(test, port, NULL);
    add_own_device(test, port);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    /* One more: a pidfd is had, and /proc cannot be read. */
    few = before;
    few.rlim_cur = (rlim_t)fd + 1;
    close(fd);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    assert_false(broker_reconcile(test->broker, &messages, &error));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_SYSTEM, "holder of port vm1");
    restart(test);
    expect_message(test, 0, 0, NULL);
    assert_int_equal(count_devices(test), 1);
    assert_non_null(find_port(test, "vm1"));
}

static void
test_missing_device(void **state)
{
    TestBroker *test = *state;
    const Caller root = test_caller(0);
    TestChild child = test_child_new();
    g_autoptr(Port) held = test_port_new(1), none = test_port_new(2);

    held->parent_index = none->parent_index = link_named(test, "eth0").index;
    set_holder(held, child.pid);
    test_broker_write_record(test, held, NULL);
    test_broker_write_record(test, none, NULL);
    restart(test);
    expect_message(test, 0, 2, "device tap1 of port vm1 is gone");
    assert_int_equal(find_port(test, "vm1")->state, PORT_STATE_DEVICE_GONE);
    assert_int_equal(find_port(test, "vm2")->state, PORT_STATE_DEVICE_GONE);
    assert_true(test_broker_delete(test, &root, "vm2", NULL));
    test_child_end(&child);
    while (find_port(test, "vm1"))
        g_main_context_iteration(NULL, TRUE);
    test_settle();
    expect_records(test, "");
}

/* A record's name and index are nothing against the alias. */
static void
test_strangers_device_is_not_adopted(void **state)
{
    static const char *const aliases[] = {"", "mine", "macvtapd:", "macvtapd:p0"};
    TestBroker *test = *state;
    g_autoptr(Port) port = test_port_new(1), stranger = test_port_new(1);

    port->parent_index = link_named(test, "eth0").index;
    test_broker_write_record(test, port, NULL);
    stranger->mac.octets[5] ^= 1;
    for (guint i = 0; i < G_N_ELEMENTS(aliases); i++) {
        LinkInfo link;

        add_device(test, stranger, aliases[i]);
        restart(test);
        assert_int_equal(find_port(test, "vm1")->state, PORT_STATE_DEVICE_GONE);
        assert_int_equal(count_devices(test), 1);
        assert_true(test_broker_find_link(test, "tap1", &link));
        kernel_fake_remove_link(test->kernel, link.index);
    }
}

/* What has our index, name and MAC is ours, whatever alias somebody gave it. */
static void
test_other_alias(void **state)
{
    static const char *const aliases[] = {"", "mine", "macvtapd:p0"};
    const Caller root = test_caller(0);
    TestBroker *test = *state;
    g_autoptr(Port) port = test_port_new(1);

    for (guint i = 0; i < G_N_ELEMENTS(aliases); i++) {
        test_broker_write_record(test, port, NULL);
        add_device(test, port, aliases[i]);
        restart(test);
        assert_int_equal(find_port(test, "vm1")->state, PORT_STATE_ACTIVE);
        assert_true(test_broker_delete(test, &root, "vm1", NULL));
        assert_int_equal(count_devices(test), 0);
    }
}

static void
test_interrupted_removal(void **state)
{
    TestBroker *test = *state;
    g_autoptr(Port) port = test_port_new(1);
    g_autofree char *file = g_strconcat(port->id, ".deleting", NULL);

    test_broker_write_record(test, port, file);
    add_own_device(test, port);
    restart(test);
    expect_message(test, 0, 1, "removal of port vm1 was interrupted: its device is removed");
    assert_int_equal(count_devices(test), 0);
    expect_records(test, "");
    test_broker_write_record(test, port, file);
    restart(test);
    expect_message(test, 0, 1, "removal of port vm1 was interrupted: only its record was left");
    expect_records(test, "");
}

/* Whose record cannot be read may have a guest on it. */
static void
test_device_of_a_damaged_record(void **state)
{
    TestBroker *test = *state;
    g_autoptr(Port) port = test_port_new(1);
    g_autofree char *path = g_build_filename(test->state, "ports", port->id, NULL);

    assert_true(g_file_set_contents(path, "{\"version\": 2}", -1, NULL));
    add_own_device(test, port);
    restart(test);
    expect_message(test, 0, 2, "ignoring invalid record");
    expect_message(test, 1, 2, "keeping device tap1 because its record is damaged");
    assert_int_equal(count_devices(test), 1);
}

/* For the host's root alone, however long ago it was. */
static void
test_faults_of_records(void **state)
{
    const Caller root = {.uid = 0, .pidfd = -1}, user = {.uid = 1000, .pidfd = -1};
    const Caller of_container = {.uid = 0, .from_container = TRUE, .pidfd = -1};
    TestBroker *test = *state;
    g_autoptr(Port) port = test_port_new(1);
    g_autofree char *path = g_build_filename(test->state, "ports", port->id, NULL);
    g_autoptr(GPtrArray) before = broker_list_faults(test->broker, &root), faults = NULL;
    g_autoptr(GPtrArray) of_user = NULL, of_others = NULL;
    const Fault *fault;

    assert_int_equal(before->len, 0);
    assert_true(g_file_set_contents(path, "{\"version\": 2}", -1, NULL));
    restart(test);
    restart(test);
    faults = broker_list_faults(test->broker, &root);
    assert_int_equal(faults->len, 1);
    fault = faults->pdata[0];
    assert_string_equal(fault->code, "record-set-aside");
    assert_string_equal(fault->subject, "record p000000000001.damaged");
    assert_non_null(strstr(fault->remedy, "macvtapctl log"));
    of_user = broker_list_faults(test->broker, &user);
    of_others = broker_list_faults(test->broker, &of_container);
    assert_int_equal(of_user->len + of_others->len, 0);
}

static void
test_orphans(void **state)
{
    TestBroker *test = *state;
    g_autoptr(Port) orphan = test_port_new(1);
    LinkInfo other = {.name = "veth0", .kind = "veth", .alias = "macvtapd:p000000000009"};

    add_own_device(test, orphan);
    kernel_fake_add_link(test->kernel, &other);
    restart(test);
    expect_message(test, 0, 1, "removing orphaned device tap1");
    assert_int_equal(count_devices(test), 1);
    assert_true(test_broker_find_link(test, "veth0", &other));
}

static void
write_file(TestBroker *test, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(test->state, "ports", name, NULL);

    assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void
test_records_that_are_set_aside(void **state)
{
    static const struct {
        const char *file, *text, *message;
    } rows[] = {
        {"p000000000001", "", "p000000000001.damaged"},
        {"p000000000001", "{\"version\":1", "p000000000001.damaged"},
        {"p000000000001", "{\"version\":2}", "version 2"},
        {"README", "who put this here?", "README.damaged"},
    };
    TestBroker *test = *state;

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *damaged = g_strconcat(rows[i].file, ".damaged", NULL);
        g_autofree char *path = g_build_filename(test->state, "ports", damaged, NULL);

        write_file(test, rows[i].file, rows[i].text);
        restart(test);
        expect_message(test, 0, 1, rows[i].message);
        expect_records(test, damaged);
        /* They stay there, and are not read again. */
        restart(test);
        expect_message(test, 0, 0, "");
        expect_records(test, damaged);
        assert_int_equal(unlink(path), 0);
    }
}

static void
test_foreign_and_duplicate_records(void **state)
{
    TestBroker *test = *state;
    g_autoptr(Port) one = test_port_new(1), two = test_port_new(2);

    test_broker_write_record(test, one, NULL);
    test_broker_write_record(test, one, "p00000000000f");
    restart(test);
    expect_message(test, 0, 2, "p00000000000f.damaged): it is the record of p000000000001");
    expect_records(test, "p000000000001 p00000000000f.damaged");
    g_free(two->name);
    two->name = g_strdup("vm1");
    test_broker_write_record(test, two, NULL);
    restart(test);
    expect_message(test, 0, 2, "another record has the same name or interface");
    assert_non_null(find_port(test, "vm1"));
}

static void
test_duplicate_interfaces(void **state)
{
    TestBroker *test = *state;

    for (guint i = 0; i < 2; i++) {
        g_autoptr(Port) one = test_port_new(1), two = test_port_new(2);
        g_autofree char *path =
            g_build_filename(test->state, "ports", "p000000000002.damaged", NULL);

        if (i == 0)
            two->interface_index = one->interface_index;
        else
            g_strlcpy(two->interface_name, "tap1", sizeof(two->interface_name));
        test_broker_write_record(test, one, NULL);
        test_broker_write_record(test, two, NULL);
        restart(test);
        expect_message(test, 0, 2, "p000000000002.damaged");
        assert_int_equal(unlink(path), 0);
    }
}

/* Written before the device exists: a damaged one means that there is none. */
static void
test_damaged_creating(void **state)
{
    TestBroker *test = *state;

    write_file(test, "p000000000001.creating", "{\"version\":1,");
    restart(test);
    expect_message(test, 0, 0, "");
    expect_records(test, "");
}

/* ID.creating of a port that is there as ID as well must not take its device. */
static void
test_creating_beside_final(void **state)
{
    TestBroker *test = *state;
    g_autoptr(Port) port = test_port_new(1);

    add_own_device(test, port);
    test_broker_write_record(test, port, NULL);
    test_broker_write_record(test, port, "p000000000001.creating");
    restart(test);
    expect_records(test, "p000000000001");
    assert_int_equal(count_devices(test), 1);
    assert_int_equal(find_port(test, "vm1")->state, PORT_STATE_ACTIVE);
}

static void
test_second_broker(void **state)
{
    TestBroker *test = *state;

    expect_no_start(test, "another macvtapd uses");
    restart(test);
}

static void
test_state_folder_that_cannot_be_used(void **state)
{
    TestBroker *test = *state;
    g_autofree char *ports = g_build_filename(test->state, "ports", NULL);

    g_clear_pointer(&test->broker, broker_free);
    assert_int_equal(rmdir(ports), 0);
    assert_int_equal(symlink("/", ports), 0);
    expect_no_start(test, "cannot open the folder 'ports'");
    assert_int_equal(unlink(ports), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BROKER_TEST(test_nothing),
        BROKER_TEST(test_interrupted_before_the_device),
        BROKER_TEST(test_interrupted_after_the_device),
        BROKER_TEST(test_interrupted_with_a_strangers_device),
        BROKER_TEST(test_living_holders_are_adopted),
        BROKER_TEST(test_real_ports_survive),
        BROKER_TEST(test_ended_holders),
        BROKER_TEST(test_reused_pid),
        BROKER_TEST(test_holder_that_cannot_be_watched),
        BROKER_TEST(test_missing_device),
        BROKER_TEST(test_strangers_device_is_not_adopted),
        BROKER_TEST(test_other_alias),
        BROKER_TEST(test_interrupted_removal),
        BROKER_TEST(test_device_of_a_damaged_record),
        BROKER_TEST(test_faults_of_records),
        BROKER_TEST(test_orphans),
        BROKER_TEST(test_records_that_are_set_aside),
        BROKER_TEST(test_foreign_and_duplicate_records),
        BROKER_TEST(test_duplicate_interfaces),
        BROKER_TEST(test_damaged_creating),
        BROKER_TEST(test_creating_beside_final),
        BROKER_TEST(test_second_broker),
        BROKER_TEST(test_state_folder_that_cannot_be_used),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
