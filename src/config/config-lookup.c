/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/socket.h>

/*
 * When networks are read again, names are resolved again by the modules in nsswitch.conf(5). We
 * only allow them to read folders and files, to be mapped, and to ask a service on this machine
 * over an AF_UNIX socket (systemd, sss, nscd). A module that needs more finds no names then.
 */
const Privileges config_privileges = {
    .part = "networks and names",
    .system_calls = SYSTEM_CALLS(
        {"openat"}, {"read"}, {"pread64"}, {"lseek"}, {"close"}, {"newfstatat"}, {"fstat"},
        {"getdents64"}, {"readlinkat"}, {"access"}, {"mmap"}, {"mprotect"}, {"munmap"}, {"futex"},
        {"socket", 1, AF_UNIX}, {"connect"}, {"getsockopt"}, {"setsockopt"}, {"sendto"},
        {"recvfrom"}, {"sendmsg"}, {"recvmsg"}, {"poll"}, {"ppoll"}, {"fcntl"}, {"rt_sigprocmask"},
        {"gettid"}, {"getpid"}, {"getuid"}, {"geteuid"}, {"getegid"},
        {"prctl", 1, PR_CAPBSET_READ}), /* libcap, which some modules bring */
};

/* No entry of a sane system's database is larger (a group's members are in it). */
#define BUFFER_MAX (1024 * 1024)

/* (uid_t)-1 and (gid_t)-1 mean "none" to the kernel. */
static gboolean
parse_id(const char *text, guint32 *ret_id)
{
    guint64 id;

    if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT32 - 1, &id, NULL))
        return FALSE;
    *ret_id = (guint32)id;
    return TRUE;
}

static gboolean
lookup_user(const char *name, uid_t *ret_uid)
{
    if (parse_id(name, ret_uid))
        return TRUE;
    for (gsize size = 1024; size <= BUFFER_MAX; size *= 2) {
        g_autofree char *buffer = g_malloc(size);
        struct passwd entry, *found = NULL;
        int errnum = getpwnam_r(name, &entry, buffer, size, &found);

        if (errnum == ERANGE)
            continue;
        if (!found)
            return FALSE;
        *ret_uid = entry.pw_uid;
        return TRUE;
    }
    return FALSE;
}

static gboolean
lookup_group(const char *name, gid_t *ret_gid)
{
    if (parse_id(name, ret_gid))
        return TRUE;
    for (gsize size = 1024; size <= BUFFER_MAX; size *= 2) {
        g_autofree char *buffer = g_malloc(size);
        struct group entry, *found = NULL;
        int errnum = getgrnam_r(name, &entry, buffer, size, &found);

        if (errnum == ERANGE)
            continue;
        if (!found)
            return FALSE;
        *ret_gid = entry.gr_gid;
        return TRUE;
    }
    return FALSE;
}

const ConfigLookup config_lookup_system = {.user = lookup_user, .group = lookup_group};
