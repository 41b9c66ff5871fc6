/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QEMU's pid file and command line, in folders of the test's own. */
#include "unit.h"

#include "error.h"
#include "qemu-process.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define UUID "5c1ab1ff-1d4f-4b4b-8f0e-2f1d1f0a7c11"

typedef struct Fixture {
    char *folder, *pid_file, *process, *command_line;
} Fixture;

static int
set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->folder = g_dir_make_tmp("macvtapd-test-XXXXXX", NULL);
    fixture->pid_file = g_build_filename(fixture->folder, "vm1.pid", NULL);
    fixture->process = g_build_filename(fixture->folder, "4711", NULL);
    fixture->command_line = g_build_filename(fixture->process, "cmdline", NULL);
    assert_int_equal(g_mkdir(fixture->process, 0700), 0);
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    Fixture *fixture = *state;

    g_unlink(fixture->command_line);
    g_rmdir(fixture->process);
    g_unlink(fixture->pid_file);
    g_rmdir(fixture->folder);
    g_free(fixture->command_line);
    g_free(fixture->process);
    g_free(fixture->pid_file);
    g_free(fixture->folder);
    g_free(fixture);
    return 0;
}

static void
write_file(const char *path, const char *bytes, gssize length)
{
    assert_true(g_file_set_contents(path, bytes, length, NULL));
}

static gboolean
find(const Fixture *fixture, const char *name, pid_t *ret_pid, GError **error)
{
    const char *const folders[] = {fixture->folder, NULL};

    return qemu_process_find(folders, fixture->folder, name, UUID, ret_pid, error);
}

/* The name is the one that libvirt gave QEMU, of which QEMU would take a comma for the end. */
static void
test_name(void **state)
{
    static const char *const rows[][2] = {
        {"guest=vm1,debug-threads=on", "vm1"},
        {"guest=a,,b", "a,b"},
        {"vm1", "vm1"},
    };
    const Fixture *fixture = *state;
    g_autofree char *none = qemu_process_get_name(fixture->folder, 4711);

    assert_null(none);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GString) words = g_string_new("qemu");
        g_autofree char *name = NULL;

        g_string_append_len(words, "\0-name", strlen("-name") + 1);
        g_string_append_c(words, '\0');
        g_string_append(words, rows[i][0]);
        write_file(fixture->command_line, words->str, (gssize)words->len + 1);
        name = qemu_process_get_name(fixture->folder, 4711);
        assert_string_equal(name, rows[i][1]);
    }
    write_file(fixture->command_line, "sleep\0", 6);
    none = qemu_process_get_name(fixture->folder, 4711);
    assert_null(none);
}

static void
test_found(void **state)
{
    static const char words[] = "qemu\0-name\0guest=vm1\0-uuid\0" UUID "\0-nodefaults";
    const Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    pid_t pid = 0;

    write_file(fixture->pid_file, "4711\n", -1);
    write_file(fixture->command_line, words, sizeof words);
    find(fixture, "vm1", &pid, &error);
    assert_no_error(error);
    assert_int_equal(pid, 4711);
}

/* The file's name is as libvirt 9.0 writes it for this domain. */
static void
test_name_with_xml_in_it(void **state)
{
    static const char words[] = "qemu\0-uuid\0" UUID;
    const Fixture *fixture = *state;
    g_autofree char *path =
        g_build_filename(fixture->folder, "R&amp;D &apos;&quot;&lt;1&gt;.pid", NULL);
    g_autoptr(GError) error = NULL;
    pid_t pid = 0;

    write_file(path, "4711\n", -1);
    write_file(fixture->command_line, words, sizeof words);
    find(fixture, "R&D '\"<1>", &pid, &error);
    assert_no_error(error);
    assert_int_equal(pid, 4711);
    assert_int_equal(g_unlink(path), 0);
}

static void
test_another_process(void **state)
{
    static const char *const commands[] = {"qemu\0-uuid\0x\0", "qemu\0-name\0" UUID "\0\0\0\0",
                                           "sh\0-c\0-uuid " UUID};
    const Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    pid_t pid = -7;

    write_file(fixture->pid_file, "4711", -1);
    for (guint i = 0; i < G_N_ELEMENTS(commands); i++) {
        write_file(fixture->command_line, commands[i], 12);
        assert_false(find(fixture, "vm1", &pid, &error));
        assert_error_cleared(&error, ERRNO_ERROR, ESRCH, "is not domain " UUID "'s QEMU");
    }
    write_file(fixture->command_line, "", 0);
    assert_false(find(fixture, "vm1", &pid, &error));
    assert_error_cleared(&error, ERRNO_ERROR, ESRCH, "is not domain");
    assert_int_equal(pid, -7);
}

static void
test_no_process(void **state)
{
    static const char *const numbers[] = {"", "0", "-1", "4711 4712", "99999999999", "qemu"};
    const Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;
    pid_t pid = -7;

    assert_false(find(fixture, "vm1", &pid, &error));
    assert_error_cleared(&error, ERRNO_ERROR, ENOENT, "vm1.pid");
    assert_false(find(fixture, "../vm1", &pid, &error));
    assert_error_cleared(&error, ERRNO_ERROR, EINVAL, "cannot contain '/'");
    for (guint i = 0; i < G_N_ELEMENTS(numbers); i++) {
        write_file(fixture->pid_file, numbers[i], -1);
        assert_false(find(fixture, "vm1", &pid, &error));
        assert_error_cleared(&error, ERRNO_ERROR, EPROTO, "is no process ID");
    }
    write_file(fixture->pid_file, "2147483647", -1);
    assert_false(find(fixture, "vm1", &pid, &error));
    assert_error_cleared(&error, ERRNO_ERROR, ENOENT, "2147483647");
    assert_int_equal(pid, -7);
}

/* /proc does not show another user's process, depending on how it is mounted. */
static void
test_hidden_process(void **state)
{
    const Fixture *fixture = *state;
    g_autofree char *text = g_strdup_printf("%d\n", (int)getpid());
    g_autoptr(GError) error = NULL;
    pid_t pid = 0;

    write_file(fixture->pid_file, text, -1);
    find(fixture, "vm1", &pid, &error);
    assert_no_error(error);
    assert_int_equal(pid, getpid());
    /* A file of another user's proves nothing. */
    if (geteuid() == 0 && chown(fixture->pid_file, 65534, 65534) == 0) {
        assert_false(find(fixture, "vm1", &pid, &error));
        assert_error_cleared(&error, ERRNO_ERROR, ENOENT, "cannot open folder");
    }
}

static void
test_folders(void **state)
{
    g_auto(GStrv) root = qemu_process_run_folders(0), user = qemu_process_run_folders(1000);

    assert_string_equal(root[0], "/run/libvirt/qemu");
    assert_null(root[1]);
    assert_string_equal(user[0], "/run/user/1000/libvirt/qemu/run");
    assert_string_equal(user[1], "/dev/null/cache/libvirt/qemu/run");
    assert_null(user[2]);
}

/* A session's libvirtd that was started without XDG_RUNTIME_DIR keeps the file elsewhere. What is
 * wrong is told of the folder that has a file. */
static void
test_second_folder(void **state)
{
    static const char words[] = "qemu\0-uuid\0" UUID;
    const Fixture *fixture = *state;
    const char *const folders[] = {"/nonexistent", fixture->process, fixture->folder, NULL};
    g_autoptr(GError) error = NULL;
    pid_t pid = 0;

    assert_false(qemu_process_find(folders, fixture->folder, "vm1", UUID, &pid, &error));
    assert_error_cleared(&error, ERRNO_ERROR, ENOENT, "/nonexistent");
    write_file(fixture->pid_file, "none", -1);
    assert_false(qemu_process_find(folders, fixture->folder, "vm1", UUID, &pid, &error));
    assert_error_cleared(&error, ERRNO_ERROR, EPROTO, fixture->folder);
    write_file(fixture->pid_file, "4711", -1);
    write_file(fixture->command_line, words, sizeof words);
    qemu_process_find(folders, fixture->folder, "vm1", UUID, &pid, &error);
    assert_no_error(error);
    assert_int_equal(pid, 4711);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_name_with_xml_in_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_another_process, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_process, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hidden_process, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_second_folder, set_up, tear_down),
        cmocka_unit_test(test_folders),
    };

    g_unsetenv("XDG_RUNTIME_DIR");
    g_setenv("XDG_CACHE_HOME", "/dev/null/cache", TRUE);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
