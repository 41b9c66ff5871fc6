/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * root owns nearly all files, so giving up capabilities hardly limits where it can write. Landlock
 * (landlock(7)) does: files can be written, created and removed only below the folders listed here.
 * Reading is not limited. Landlock covers only the contents and names of files: owners, modes and
 * access lists are left to the system call filter.
 */
#include "sandbox.h"

#include "call-filter.h"
#include "descriptor.h"
#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than Debian 12's headers; include/uapi/linux/landlock.h */
#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

#define WRITE LANDLOCK_ACCESS_FS_WRITE_FILE
#define REMOVE LANDLOCK_ACCESS_FS_REMOVE_FILE
#define ALL                                                                                        \
    (WRITE | REMOVE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_MAKE_CHAR |               \
     LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |    \
     LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)

/* The accesses that this kernel can restrict. */
static guint64
handled_access(int abi)
{
    guint64 handled = ALL;

    if (abi >= 2)
        handled |= LANDLOCK_ACCESS_FS_REFER;
    if (abi >= 3)
        handled |= LANDLOCK_ACCESS_FS_TRUNCATE;
    return handled;
}

/* Nothing can be written in a missing folder. */
static gboolean
allow(int ruleset, const char *path, guint64 access)
{
    AUTO_FD int folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    const struct landlock_path_beneath_attr rule = {.allowed_access = access, .parent_fd = folder};

    if (folder < 0)
        return errno == ENOENT;
    return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
}

static gboolean
allow_sockets(int ruleset, const char *const *paths)
{
    for (; *paths; paths++) {
        g_autofree char *folder = g_path_get_dirname(*paths);

        if (!allow(ruleset, folder, REMOVE))
            return FALSE;
    }
    return TRUE;
}

/* The daemon removes the folder when it ends if it is empty. */
static gboolean
allow_pins(int ruleset, const char *pins)
{
    g_autofree char *parent = pins ? g_path_get_dirname(pins) : NULL;

    return !pins || (allow(ruleset, pins, REMOVE | LANDLOCK_ACCESS_FS_MAKE_REG) &&
                     allow(ruleset, parent, LANDLOCK_ACCESS_FS_REMOVE_DIR));
}

static gboolean
allow_all(int ruleset, guint64 truncate, const char *state, const char *const *socket_paths,
          const char *pins)
{
    return allow(ruleset, state, WRITE | truncate | REMOVE | LANDLOCK_ACCESS_FS_MAKE_REG) &&
           /* queues, vhost-net, and our own nodes */
           allow(ruleset, "/dev",
                 WRITE | REMOVE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |
                     LANDLOCK_ACCESS_FS_REMOVE_DIR) &&
           allow(ruleset, "/proc/sys/net/ipv6/conf", WRITE) &&
           allow_sockets(ruleset, socket_paths) && allow_pins(ruleset, pins);
}

gboolean
sandbox_confine_writes(const char *state, const char *const *socket_paths, const char *pins,
                       GError **error)
{
    struct landlock_ruleset_attr attributes;
    AUTO_FD int ruleset = -1;
    int abi;

#ifdef SANDBOX_WITHOUT_LANDLOCK
    return TRUE;
#endif
    if (RUNNING_ON_VALGRIND)
        return TRUE;
    abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1)
        return TRUE;
    attributes = (struct landlock_ruleset_attr){.handled_access_fs = handled_access(abi)};
    ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
    if (ruleset >= 0 &&
        allow_all(ruleset, attributes.handled_access_fs & LANDLOCK_ACCESS_FS_TRUNCATE, state,
                  socket_paths, pins) &&
        syscall(SYS_landlock_restrict_self, ruleset, 0) == 0)
        return TRUE;
    return error_set_errno(error, errno, "cannot limit what is written");
}
