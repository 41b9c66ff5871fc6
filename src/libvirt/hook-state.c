/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hook-state.h"

#include "descriptor.h"
#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SECONDS_GOOD 60

GStrv
user_folders(uid_t uid)
{
    g_autofree char *login = g_strdup_printf("/run/user/%u", (guint)uid);
    const char *const candidates[] = {login, g_get_user_runtime_dir(), g_get_user_cache_dir()};
    GPtrArray *folders = g_ptr_array_new();

    for (guint i = 0; i < G_N_ELEMENTS(candidates); i++) {
        if (!g_ptr_array_find_with_equal_func(folders, candidates[i], g_str_equal, NULL))
            g_ptr_array_add(folders, g_strdup(candidates[i]));
    }
    g_ptr_array_add(folders, NULL);
    return (GStrv)g_ptr_array_free(folders, FALSE);
}

GStrv
hook_state_folders(uid_t uid)
{
    g_autoptr(GStrvBuilder) folders = g_strv_builder_new();
    g_auto(GStrv) bases = user_folders(uid);

    if (uid == 0)
        g_strv_builder_add(folders, MACVTAPD_HOOK_STATE);
    for (char **base = bases; uid != 0 && *base; base++) {
        g_autofree char *folder = g_build_filename(*base, "macvtapd-hook", NULL);

        g_strv_builder_add(folders, folder);
    }
    return g_strv_builder_end(folders);
}

int
hook_state_open(const char *path)
{
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return -1;
    return (int)RETRY_EINTR(open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

void
hook_state_stamp(int folder)
{
    AUTO_FD int fd = -1;

    if (folder < 0)
        return;
    fd = (int)RETRY_EINTR(
        openat(folder, "called", O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (fd >= 0)
        futimens(fd, NULL);
}

char *
hook_state_file(const char *uuid, const char *word)
{
    return g_strdup_printf("%s.%s", uuid, word);
}

void
hook_state_mark(int folder, const char *uuid, const char *word)
{
    g_autofree char *name = hook_state_file(uuid, word);
    AUTO_FD int fd = -1;

    if (folder < 0)
        return;
    /* The time of a file that is already there would count. */
    unlinkat(folder, name, 0);
    fd = (int)RETRY_EINTR(
        openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
}

void
hook_state_clear(int folder, const char *uuid, const char *word)
{
    g_autofree char *name = hook_state_file(uuid, word);

    if (folder >= 0)
        unlinkat(folder, name, 0);
}

gboolean
hook_state_has(int folder, const char *uuid, const char *word)
{
    g_autofree char *name = hook_state_file(uuid, word);
    struct stat status;

    if (folder < 0 || fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return FALSE;
    return time(NULL) - status.st_mtime <= SECONDS_GOOD;
}
