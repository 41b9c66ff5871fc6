/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "file.h"
#include "registry.h"
#include "test-broker.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* A folder, and the registry in it. */
typedef struct Fixture {
    char *folder;
    Registry *registry;
    PortTable *ports; /* the registry's */
} Fixture;

static void
open_registry(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;

    fixture->registry = registry_new(folder_open(fixture->folder, NULL), &error);
    assert_no_error(error);
    fixture->ports = registry_ports(fixture->registry);
}

static int
set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->folder = g_dir_make_tmp("macvtapd-test-XXXXXX", NULL);
    open_registry(fixture);
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    Fixture *fixture = *state;

    registry_free(fixture->registry);
    test_remove_folder(fixture->folder);
    g_free(fixture->folder);
    g_free(fixture);
    return 0;
}

static Port *
commit(Fixture *fixture, guint number, uid_t owner)
{
    g_autoptr(GError) error = NULL;
    Port *port = test_port_new(number);

    port->owner = owner;
    port->state = PORT_STATE_CREATING;
    registry_begin(fixture->registry, port, &error);
    assert_no_error(error);
    registry_commit(fixture->registry, port, &error);
    assert_no_error(error);
    return port;
}

static void
load(Fixture *fixture, guint n_unfinished, guint n_problems)
{
    g_autoptr(GPtrArray) unfinished = NULL, problems = NULL;

    registry_free(fixture->registry);
    open_registry(fixture);
    assert_int_equal(port_table_count(fixture->ports), 0);
    assert_true(registry_load(fixture->registry, &unfinished, &problems, NULL));
    assert_int_equal(unfinished->len, n_unfinished);
    assert_int_equal(problems->len, n_problems);
    for (guint i = 0; i < n_unfinished; i++)
        assert_int_equal(((Port *)unfinished->pdata[i])->state, PORT_STATE_CREATING);
}

/* A removal that fails is taken back; one that a crash stops is found. */
static void
test_removal_of_a_record(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GPtrArray) unfinished = NULL, problems = NULL;
    g_autofree char *id = NULL;
    Port *port = commit(fixture, 1, 0);

    id = g_strdup(port->id);
    assert_true(registry_retire(fixture->registry, port, NULL));
    registry_restore(fixture->registry, port);
    load(fixture, 0, 0);
    port = port_table_find(fixture->ports, id);
    assert_non_null(port);
    assert_true(registry_retire(fixture->registry, port, NULL));
    registry_free(fixture->registry);
    open_registry(fixture);
    assert_true(registry_load(fixture->registry, &unfinished, &problems, NULL));
    assert_int_equal(unfinished->len, 1);
    assert_int_equal(((Port *)unfinished->pdata[0])->state, PORT_STATE_ACTIVE);
    assert_null(port_table_find(fixture->ports, id));
    registry_abort(fixture->registry, id);
    load(fixture, 0, 0);
    port = commit(fixture, 1, 0);
    assert_true(registry_retire(fixture->registry, port, NULL));
    assert_true(registry_forget(fixture->registry, port, NULL));
    load(fixture, 0, 0);
}

static void
test_life_of_a_record(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(Port) begun = test_port_new(1);
    g_autoptr(GError) error = NULL;
    Port *port;

    assert_true(registry_begin(fixture->registry, begun, &error));
    assert_null(port_table_find(fixture->ports, begun->id));
    load(fixture, 1, 0);
    assert_null(port_table_find(fixture->ports, begun->id));
    registry_abort(fixture->registry, begun->id);
    load(fixture, 0, 0);
    port = commit(fixture, 1, 0);
    assert_int_equal(port->state, PORT_STATE_ACTIVE);
    assert_ptr_equal(port_table_find(fixture->ports, begun->id), port);
    load(fixture, 0, 0);
    port = port_table_find(fixture->ports, begun->id);
    assert_non_null(port);
    port->mtu = 1234;
    assert_true(registry_update(fixture->registry, port, &error));
    load(fixture, 0, 0);
    port = port_table_find(fixture->ports, begun->id);
    assert_int_equal(port->mtu, 1234);
    assert_true(registry_forget(fixture->registry, port, &error));
    assert_null(port_table_find(fixture->ports, begun->id));
    load(fixture, 0, 0);
    assert_int_equal(port_table_count(fixture->ports), 0);
}

static void
test_modes_of_the_files(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *folder = g_build_filename(fixture->folder, "ports", NULL);
    g_autofree char *file = g_build_filename(folder, commit(fixture, 1, 0)->id, NULL);
    struct stat status;

    assert_int_equal(stat(folder, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    assert_int_equal(stat(file, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
}

static void
test_tables(void **state)
{
    Fixture *fixture = *state;
    Port *one = commit(fixture, 1, 1000), *two = commit(fixture, 2, 1000),
         *three = commit(fixture, 3, 0);
    g_autoptr(GPtrArray) list = port_table_list(fixture->ports);

    assert_ptr_equal(port_table_find(fixture->ports, "p000000000002"), two);
    assert_ptr_equal(port_table_find(fixture->ports, "vm2"), two);
    assert_ptr_equal(port_table_find(fixture->ports, "tap2"), two);
    assert_ptr_equal(port_table_find_index(fixture->ports, two->interface_index), two);
    assert_null(port_table_find(fixture->ports, "tap4"));
    assert_null(port_table_find(fixture->ports, ""));
    assert_null(port_table_find_index(fixture->ports, 0));
    assert_int_equal(list->len, 3);
    assert_ptr_equal(list->pdata[0], one);
    assert_ptr_equal(list->pdata[2], three);
    assert_int_equal(port_table_count_account(fixture->ports, 1000), 2);
    assert_int_equal(port_table_count_account(fixture->ports, 0), 1);
    assert_int_equal(port_table_count_account(fixture->ports, 1), 0);
    assert_true(registry_forget(fixture->registry, one, NULL));
    assert_int_equal(port_table_count_account(fixture->ports, 1000), 1);
    assert_true(registry_forget(fixture->registry, two, NULL));
    assert_int_equal(port_table_count_account(fixture->ports, 1000), 0);
    assert_int_equal(port_table_count(fixture->ports), 1);
    assert_null(port_table_find(fixture->ports, "vm2"));
    assert_null(port_table_find(fixture->ports, "tap2"));
}

static void
count(Port *port, gpointer user_data)
{
    *(guint *)user_data += 1;
}

static void
test_foreach(void **state)
{
    Fixture *fixture = *state;
    guint counted = 0;

    port_table_foreach(fixture->ports, count, &counted);
    assert_int_equal(counted, 0);
    commit(fixture, 1, 0);
    commit(fixture, 2, 0);
    port_table_foreach(fixture->ports, count, &counted);
    assert_int_equal(counted, 2);
}

static guint
count_macs(Fixture *fixture, guint8 last)
{
    return g_slist_length(
        (GSList *)port_table_find_mac(fixture->ports, &(MacAddress){{2, 0, 0, 0, 0, last}}));
}

static void
test_ports_by_mac(void **state)
{
    Fixture *fixture = *state;
    Port *ports[3];

    for (guint i = 0; i < 3; i++) {
        ports[i] = commit(fixture, i, 0);
        port_table_set_mac(fixture->ports, ports[i], &(MacAddress){{2, 0, 0, 0, 0, 1}});
    }
    assert_int_equal(count_macs(fixture, 1), 3);
    port_table_set_mac(fixture->ports, ports[2], &(MacAddress){{2, 0, 0, 0, 0, 2}});
    assert_int_equal(count_macs(fixture, 1), 2);
    assert_ptr_equal(port_table_find_mac(fixture->ports, &ports[2]->mac)->data, ports[2]);
    assert_true(registry_forget(fixture->registry, ports[1], NULL));
    assert_int_equal(count_macs(fixture, 1), 1);
    assert_true(registry_forget(fixture->registry, ports[0], NULL));
    assert_int_equal(count_macs(fixture, 1), 0);
    assert_int_equal(count_macs(fixture, 2), 1);
}

static void
test_failures_change_nothing(void **state)
{
    Fixture *fixture = *state;
    Port *port = commit(fixture, 1, 0);
    g_autoptr(Port) other = test_port_new(2);
    g_autofree char *file = g_build_filename(fixture->folder, "ports", port->id, NULL);
    g_autoptr(GError) error = NULL;

    other->state = PORT_STATE_CREATING;
    assert_false(registry_commit(fixture->registry, other, &error));
    assert_non_null(strstr(error->message, "p000000000002"));
    g_clear_error(&error);
    assert_int_equal(other->state, PORT_STATE_CREATING);
    assert_int_equal(port_table_count(fixture->ports), 1);
    /* A folder in a record's place cannot be unlinked. */
    assert_int_equal(unlink(file), 0);
    assert_int_equal(mkdir(file, 0700), 0);
    assert_false(registry_forget(fixture->registry, port, &error));
    assert_non_null(strstr(error->message, "cannot remove the record"));
    assert_ptr_equal(port_table_find(fixture->ports, "vm1"), port);
    /* One that is gone already is what was asked for. */
    assert_int_equal(rmdir(file), 0);
    assert_true(registry_forget(fixture->registry, port, NULL));
}

static void
test_files_that_are_no_records(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *ports = g_build_filename(fixture->folder, "ports", NULL);
    static const struct {
        const char *name;
        guint n_problems;
        gboolean stays;
    } rows[] = {{".p000000000001.new", 0, FALSE},
                {".keep", 0, TRUE},
                {"p000000000001.damaged", 0, TRUE},
                {"core", 1, FALSE}};

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_build_filename(ports, rows[i].name, NULL);

        assert_true(g_file_set_contents(path, "{}", 2, NULL));
        load(fixture, 0, rows[i].n_problems);
        assert_int_equal(g_file_test(path, G_FILE_TEST_EXISTS), rows[i].stays);
    }
    {
        g_autofree char *fifo = g_build_filename(ports, "fifo", NULL);
        g_autofree char *link = g_build_filename(ports, "link", NULL);

        assert_int_equal(mkfifo(fifo, 0600), 0);
        assert_int_equal(symlink("/etc/passwd", link), 0);
        load(fixture, 0, 2);
    }
}

static void
test_record_that_is_too_large(void **state)
{
    Fixture *fixture = *state;
    Port *port = commit(fixture, 1, 0);
    g_autofree char *file = g_build_filename(fixture->folder, "ports", port->id, NULL);
    g_autofree char *text = NULL, *blanks = g_strnfill(RECORD_SIZE_MAX, ' '), *large = NULL;

    assert_true(g_file_get_contents(file, &text, NULL, NULL));
    large = g_strconcat(text, blanks, NULL);
    assert_true(g_file_set_contents(file, large, -1, NULL));
    load(fixture, 0, 1);
    assert_int_equal(port_table_count(fixture->ports), 0);
}

static void
test_lock(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    Registry *second;

    assert_null(registry_new(folder_open(fixture->folder, NULL), &error));
    assert_error_cleared(&error, PORT_ERROR, PORT_ERROR_SYSTEM, "another macvtapd");
    g_clear_pointer(&fixture->registry, registry_free);
    second = registry_new(folder_open(fixture->folder, NULL), &error);
    assert_non_null(second);
    fixture->registry = second;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_life_of_a_record),
        TEST(test_removal_of_a_record),
        TEST(test_modes_of_the_files),
        TEST(test_tables),
        TEST(test_foreach),
        TEST(test_ports_by_mac),
        TEST(test_failures_change_nothing),
        TEST(test_files_that_are_no_records),
        TEST(test_record_that_is_too_large),
        TEST(test_lock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
