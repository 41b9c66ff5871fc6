/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation: libvirt looks for hooks when it starts or is told to reload, not when it
 * calls one (virHookInitialize), so a hook that is the first of its kind is ignored until then. The
 * hook leaves a stamp whenever it is called. A stamp that is newer than the program shows that
 * libvirt knows it; without one the daemon's start is compared with the program's installation.
 * Only root can see the stamp.
 */
#include "ctl-domain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *const pid_files[] = {"/run/libvirtd.pid", "/run/virtqemud.pid",
                                        "/run/libvirt/libvirtd.pid", "/run/libvirt/virtqemud.pid"};

/* When the machine was started, in microseconds of wall time. */
static gint64
read_boot_time(void)
{
    struct timespec since_boot;

    clock_gettime(CLOCK_BOOTTIME, &since_boot);
    return g_get_real_time() - since_boot.tv_sec * G_USEC_PER_SEC - since_boot.tv_nsec / 1000;
}

static gint64
to_microseconds(struct timespec time)
{
    return time.tv_sec * G_USEC_PER_SEC + time.tv_nsec / 1000;
}

/* The end of the tick in which the process began, as above: the 22nd word of /proc/PID/stat, in
 * ticks since the machine's start; the 2nd may hold blanks. */
static gboolean
read_start_time(gint64 pid, gint64 *ret_time)
{
    g_autofree char *path = g_strdup_printf("/proc/%" G_GINT64_FORMAT "/stat", pid);
    g_autofree char *text = NULL;
    unsigned long long ticks;
    const char *rest;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return FALSE;
    rest = strrchr(text, ')');
    if (!rest || sscanf(rest + 1,
                        " %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s"
                        " %*s %llu",
                        &ticks) != 1)
        return FALSE;
    *ret_time = read_boot_time() + (gint64)(ticks + 1) * (G_USEC_PER_SEC / sysconf(_SC_CLK_TCK));
    return TRUE;
}

/* libvirt's daemon for QEMU, and since when it runs. */
static gboolean
find_libvirt(gint64 *ret_pid, gint64 *ret_time)
{
    for (gsize i = 0; i < G_N_ELEMENTS(pid_files); i++) {
        g_autofree char *text = NULL;
        gint64 pid;

        if (!g_file_get_contents(pid_files[i], &text, NULL, NULL))
            continue;
        pid = g_ascii_strtoll(text, NULL, 10);
        if (pid <= 0 || !read_start_time(pid, ret_time))
            continue;
        *ret_pid = pid;
        return TRUE;
    }
    return FALSE;
}

guint
ctl_report_hook(void)
{
    gint64 pid, started;
    struct stat hook, stamp;

    if (stat(MACVTAPD_HOOK_PROGRAM, &hook) < 0 || access(MACVTAPD_HOOK_PROGRAM, X_OK) != 0)
        return ctl_report(FALSE, "macvtapd's hook for libvirt is not installed: there is no"
                                 " program " MACVTAPD_HOOK_PROGRAM);
    if (!find_libvirt(&pid, &started))
        return ctl_report(TRUE, "libvirt does not run; it will find macvtapd's hook at its start");
    if (started >= to_microseconds(hook.st_ctim))
        return ctl_report(TRUE, "libvirt knows macvtapd's hook");
    if (stat(MACVTAPD_HOOK_STATE "/called", &stamp) == 0) {
        if (to_microseconds(stamp.st_mtim) >= to_microseconds(hook.st_ctim))
            return ctl_report(TRUE, "libvirt knows macvtapd's hook");
    } else if (errno == EACCES) {
        return ctl_report(TRUE, "only root can see whether libvirt has called macvtapd's hook since"
                                " the hook was installed");
    }
    return ctl_report(FALSE,
                      "libvirt (process %" G_GINT64_FORMAT
                      ") was started before macvtapd's hook was"
                      " installed and has not called it since: reload it (systemctl reload"
                      " libvirtd), unless you have",
                      pid);
}

int
ctl_hook(Ctl *ctl, int argc, char **argv, GError **error)
{
    if (!ctl_parse(NULL, &argc, &argv, 0, "", error))
        return 2;
    return ctl_report_hook() > 0;
}
