/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook-fixture.h"

#include "descriptor.h"
#include "qemu-process.h"

#include <glib/gstdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

guint
fake_index(const char *name)
{
    if (g_str_equal(name, "null"))
        return 7;
    return g_str_equal(name, "zero") ? 8 : 0;
}

int
hook_set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    fixture->hook.state_folder = -1;
    fixture->folder = g_dir_make_tmp("macvtapd-test-XXXXXX", NULL);
    fixture->socket = g_build_filename(fixture->folder, "socket", NULL);
    g_strlcpy(address.sun_path, fixture->socket, sizeof(address.sun_path));
    fixture->listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fixture->listening, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fixture->listening, 1), 0);
    fixture->calls = g_ptr_array_new_with_free_func(g_free);
    *state = fixture;
    return 0;
}

int
hook_tear_down(void **state)
{
    Fixture *fixture = *state;

    hook_clear(&fixture->hook);
    g_ptr_array_unref(fixture->calls);
    descriptor_clear(&fixture->listening);
    g_unlink(fixture->socket);
    assert_int_equal(g_rmdir(fixture->folder), 0);
    g_free(fixture->socket);
    g_free(fixture->folder);
    g_free(fixture);
    return 0;
}

/* The next call with ' for ", or NULL at the end. */
static char *
read_call(int fd)
{
    GString *text = g_string_new(NULL);
    char byte;

    while (read(fd, &byte, 1) == 1) {
        if (byte == '\0')
            return g_strdelimit(g_string_free(text, FALSE), "\"", '\'');
        g_string_append_c(text, byte);
    }
    g_string_free(text, TRUE);
    return NULL;
}

gpointer
serve(gpointer data)
{
    Fixture *fixture = data;
    AUTO_FD int fd = accept4(fixture->listening, NULL, NULL, SOCK_CLOEXEC);
    char *call;

    for (const char *const *answer = fixture->answers; (call = read_call(fd)); answer++) {
        g_autofree char *json = NULL;

        g_ptr_array_add(fixture->calls, call);
        if (!*answer)
            break;
        json = g_strdelimit(g_strdup(*answer), "'", '"');
        if (write(fd, json, strlen(json) + 1) < 0)
            break;
    }
    return NULL;
}

void
make_hook(Fixture *fixture, const char *text)
{
    g_autoptr(GError) error = NULL;
    DomainXml *domain = domain_xml_parse(text, strlen(text), &error);

    assert_no_error(error);
    hook_clear(&fixture->hook);
    fixture->hook = (Hook){
        .domain = domain,
        .socket = fixture->socket,
        .libvirt_pid = 4711,
        .state_folder = -1,
        .run_folders = g_strsplit(fixture->folder, "\n", -1),
        .proc_folder = "/proc",
        .device_folder = fixture->folder,
        .sysfs_folder = fixture->folder,
        .interface_index = fake_index,
        .notes = g_ptr_array_new_with_free_func(g_free),
    };
}

void
make_node(const Fixture *fixture, const char *name, const char *target)
{
    g_autofree char *path = g_build_filename(fixture->folder, name, NULL);

    assert_int_equal(symlink(target, path), 0);
}

void
remove_file(const Fixture *fixture, const char *name)
{
    g_autofree char *path = g_build_filename(fixture->folder, name, NULL);

    assert_int_equal(g_unlink(path), 0);
}

void
remove_folder(const Fixture *fixture, const char *name)
{
    g_autofree char *path = g_build_filename(fixture->folder, name, NULL);

    assert_int_equal(g_rmdir(path), 0);
}

gboolean
run_against(Fixture *fixture, const char *operation, const char *const *answers, GError **error)
{
    gboolean good;

    g_ptr_array_set_size(fixture->calls, 0);
    fixture->answers = answers;
    fixture->thread = g_thread_new("macvtapd", serve, fixture);
    good = hook_operation_find(operation)->run(&fixture->hook, error);
    g_thread_join(fixture->thread);
    return good;
}

void
assert_call(const Fixture *fixture, guint index, const char *method, const char *text)
{
    const char *call = index < fixture->calls->len ? fixture->calls->pdata[index] : "(none)";

    if (!strstr(call, method) || !strstr(call, text))
        fail_msg("call %u is %s, not %s with %s", index, call, method, text);
}

/* A folder with what /proc and libvirt tell of the domain's QEMU. */
void
make_qemu(Fixture *fixture)
{
    static const char words[] = "qemu\0-uuid\0" UUID;
    g_autofree char *process = g_build_filename(fixture->folder, "4711", NULL);
    g_autofree char *words_file = g_build_filename(process, "cmdline", NULL);
    g_autofree char *pid_file = g_build_filename(fixture->folder, "vm1.pid", NULL);

    fixture->hook.proc_folder = fixture->folder;
    assert_int_equal(g_mkdir(process, 0700), 0);
    assert_true(g_file_set_contents(pid_file, "4711", -1, NULL));
    assert_true(g_file_set_contents(words_file, words, sizeof words, NULL));
}

void
remove_qemu(Fixture *fixture)
{
    remove_file(fixture, "vm1.pid");
    remove_file(fixture, "4711/cmdline");
    remove_folder(fixture, "4711");
}
