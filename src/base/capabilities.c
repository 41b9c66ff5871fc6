/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The permitted and effective sets are reduced to the wanted capabilities, and the inheritable and
 * ambient sets are emptied. Before that the bounding set is reduced, too, which takes CAP_SETPCAP:
 * under the service manager we do not have it, but there the bounding set is already narrow.
 * no_new_privs makes execve(2) grant nothing in any case; seccomp filters and Landlock require it.
 */
#include "privileges.h"

#include "error.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static guint64
join(guint32 low, guint32 high)
{
    return low | (guint64)high << 32;
}

static void
narrow_bounding_set(guint64 wanted)
{
    for (int i = 0; prctl(PR_CAPBSET_READ, i) >= 0; i++) {
        if (!(wanted & CAPABILITY(i)))
            prctl(PR_CAPBSET_DROP, i);
    }
}

/* The service manager's filter may block capset(2), which is fine: the sets are right then. */
static gboolean
is_as_wanted(const struct __user_cap_data_struct data[2], guint64 wanted)
{
    return join(data[0].permitted, data[1].permitted) == wanted &&
           join(data[0].effective, data[1].effective) == wanted &&
           join(data[0].inheritable, data[1].inheritable) == 0;
}

static gboolean
narrow_sets(guint64 wanted)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0}; /* valgrind supports only the first */

    if (syscall(SYS_capget, &header, data) < 0)
        return FALSE;
    wanted &= join(data[0].permitted, data[1].permitted);
    if (is_as_wanted(data, wanted))
        return TRUE;
    for (guint i = 0; i < 2; i++) {
        guint32 part = (guint32)(wanted >> (32 * i));

        data[i] = (struct __user_cap_data_struct){.effective = part, .permitted = part};
    }
    return syscall(SYS_capset, &header, data) == 0;
}

gboolean
capabilities_keep(guint64 wanted, GError **error)
{
    narrow_bounding_set(wanted);
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (!narrow_sets(wanted) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return error_set_errno(error, errno, "cannot give up capabilities");
    return TRUE;
}

gboolean
capabilities_are_held(guint64 wanted)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};

    return syscall(SYS_capget, &header, data) == 0 &&
           (join(data[0].permitted, data[1].permitted) & wanted) == wanted;
}
