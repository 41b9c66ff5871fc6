/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu-process.h"

#include "error.h"
#include "file.h"
#include "hook-state.h"

#include "descriptor.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The maximum length read of a command line: -uuid is near the beginning, so it need not be read
 * completely. */
#define COMMAND_LINE_MAX (2 * 1024 * 1024)

static gboolean
read_small(const char *folder, const char *name, gsize max_bytes, char **ret_text,
           gsize *ret_length, GError **error)
{
    AUTO_FD int folder_fd = folder_open(folder, error);

    return folder_fd >= 0 && file_read_at(folder_fd, name, max_bytes, ret_text, ret_length, error);
}

/* Whether the words of a /proc/PID/cmdline have "-uuid UUID". */
static gboolean
has_uuid(const char *words, gsize length, const char *uuid)
{
    const char *end = words + length;
    gboolean next = FALSE;

    for (const char *word = words; word < end; word += strlen(word) + 1) {
        if (next && g_ascii_strcasecmp(word, uuid) == 0)
            return TRUE;
        next = g_str_equal(word, "-uuid");
    }
    return FALSE;
}

/* libvirt writes the name as it would in XML: R&amp;D.pid (virPidFileBuildPath() in its
 * src/util/virpidfile.c). */
static char *
pid_file_name(const char *name)
{
    static const struct {
        char character;
        const char *text;
    } escapes[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&apos;"}};
    GString *file = g_string_new(NULL);

    for (const char *p = name; *p; p++) {
        gsize i = 0;

        while (i < G_N_ELEMENTS(escapes) && escapes[i].character != *p)
            i++;
        if (i < G_N_ELEMENTS(escapes))
            g_string_append(file, escapes[i].text);
        else
            g_string_append_c(file, *p);
    }
    g_string_append(file, ".pid");
    return g_string_free(file, FALSE);
}

/* /proc with hidepid= hides or locks what belongs to other users, also from root without
 * CAP_SYS_PTRACE. If the process lives, the pid file is believed then, provided that this user
 * wrote it: nobody but libvirt does, which wrote it when it started QEMU. */
static gboolean
is_hidden(const char *run_folder, const char *file, guint64 pid, const GError *cause)
{
    g_autofree char *path = g_build_filename(run_folder, file, NULL);
    AUTO_FD int pidfd = -1;
    struct stat status;

    if (!error_is_errno(cause, ENOENT) && !error_is_errno(cause, EPERM) &&
        !error_is_errno(cause, EACCES))
        return FALSE;
    pidfd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
    return pidfd >= 0 && lstat(path, &status) == 0 && status.st_uid == geteuid();
}

/* Finds it by the pid file in one of the folders. */
static gboolean
find_in(const char *run_folder, const char *proc_folder, const char *file, const char *uuid,
        pid_t *ret_pid, GError **error)
{
    g_autofree char *text = NULL, *folder = NULL, *words = NULL;
    g_autoptr(GError) cause = NULL;
    guint64 pid;
    gsize length = 0;

    if (!read_small(run_folder, file, 64, &text, NULL, error))
        return FALSE;
    if (!g_ascii_string_to_unsigned(g_strstrip(text), 10, 1, G_MAXINT, &pid, NULL))
        return error_set_errno(error, EPROTO, "%s/%s is no process ID", run_folder, file);
    folder = g_strdup_printf("%s/%" G_GUINT64_FORMAT, proc_folder, pid);
    if (!read_small(folder, "cmdline", COMMAND_LINE_MAX, &words, &length, &cause) &&
        !is_hidden(run_folder, file, pid, cause)) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    if (words && !has_uuid(words, length, uuid))
        return error_set_errno(error, ESRCH,
                               "process %" G_GUINT64_FORMAT " of %s/%s is not domain %s's QEMU",
                               pid, run_folder, file, uuid);
    *ret_pid = (pid_t)pid;
    return TRUE;
}

gboolean
qemu_process_find(const char *const *run_folders, const char *proc_folder, const char *name,
                  const char *uuid, pid_t *ret_pid, GError **error)
{
    g_autofree char *file = pid_file_name(name);
    g_autoptr(GError) first = NULL;

    if (strchr(name, '/'))
        return error_set_errno(error, EINVAL, "a domain's name cannot contain '/'");
    for (; *run_folders; run_folders++) {
        g_autoptr(GError) cause = NULL;

        if (find_in(*run_folders, proc_folder, file, uuid, ret_pid, &cause))
            return TRUE;
        /* A wrong file is more informative than a missing one. */
        if (error_is_errno(first, ENOENT) && !error_is_errno(cause, ENOENT))
            g_clear_error(&first);
        if (!first)
            first = g_steal_pointer(&cause);
    }
    g_propagate_error(error, g_steal_pointer(&first));
    return FALSE;
}

/* The value of guest= in "guest=NAME,debug-threads=on", in which QEMU doubles each comma. */
static char *
read_guest_name(const char *option)
{
    const char *text = g_str_has_prefix(option, "guest=") ? option + strlen("guest=") : option;
    GString *name = g_string_new(NULL);

    for (; *text && (text[0] != ',' || text[1] == ','); text++) {
        g_string_append_c(name, *text);
        if (*text == ',')
            text++;
    }
    return g_string_free(name, FALSE);
}

char *
qemu_process_get_name(const char *proc_folder, pid_t pid)
{
    g_autofree char *folder = g_strdup_printf("%s/%d", proc_folder, (int)pid), *words = NULL;
    gboolean next = FALSE;
    gsize length;

    if (!read_small(folder, "cmdline", COMMAND_LINE_MAX, &words, &length, NULL))
        return NULL;
    for (const char *word = words; word < words + length; word += strlen(word) + 1) {
        if (next)
            return read_guest_name(word);
        next = g_str_equal(word, "-name");
    }
    return NULL;
}

GStrv
qemu_process_run_folders(uid_t uid)
{
    g_autoptr(GStrvBuilder) folders = g_strv_builder_new();
    g_auto(GStrv) bases = user_folders(uid);

    if (uid == 0)
        g_strv_builder_add(folders, "/run/libvirt/qemu");
    for (char **base = bases; uid != 0 && *base; base++) {
        g_autofree char *folder = g_build_filename(*base, "libvirt", "qemu", "run", NULL);

        g_strv_builder_add(folders, folder);
    }
    return g_strv_builder_end(folders);
}
