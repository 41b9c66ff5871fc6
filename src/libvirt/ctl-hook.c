/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation: libvirt looks for hooks when it starts or is told to reload, not when it
 * calls one (virHookInitialize), so a hook that is the first of its kind is ignored until then. The
 * hook leaves a stamp whenever it is called. A stamp that is newer than libvirt's process shows
 * that this process knows it, also if the program has been installed again since; without one the
 * process's start is compared with the program's installation. A reload leaves no trace.
 * Only root can see the stamp of the system's libvirt. A user's session has all of this in the
 * user's folders.
 */
#include "ctl-domain.h"
#include "hook-state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Its daemon for QEMU. */
typedef struct Libvirt {
    const char *name;
    gint64 pid, started;
} Libvirt;

/* Where libvirt's daemons may keep their pid files; free with g_strfreev(). */
static GStrv
list_pid_folders(gboolean session)
{
    static const char *const system[] = {"/run", "/run/libvirt", NULL};
    GStrv folders = session ? user_folders(geteuid()) : g_strdupv((GStrv)system);

    for (char **folder = folders; session && *folder; folder++) {
        char *base = *folder;

        *folder = g_build_filename(base, "libvirt", NULL);
        g_free(base);
    }
    return folders;
}

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

static gboolean
read_libvirt(const char *folder, Libvirt *libvirt)
{
    static const char *const names[] = {"libvirtd", "virtqemud"};

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_strdup_printf("%s/%s.pid", folder, names[i]);
        g_autofree char *text = NULL;

        if (!g_file_get_contents(path, &text, NULL, NULL))
            continue;
        libvirt->name = names[i];
        libvirt->pid = g_ascii_strtoll(text, NULL, 10);
        if (libvirt->pid > 0 && read_start_time(libvirt->pid, &libvirt->started))
            return TRUE;
    }
    return FALSE;
}

static gboolean
find_libvirt(gboolean session, Libvirt *libvirt)
{
    g_auto(GStrv) folders = list_pid_folders(session);

    for (char **folder = folders; *folder; folder++) {
        if (read_libvirt(*folder, libvirt))
            return TRUE;
    }
    return FALSE;
}

/* When the hook was last called: 0, or the errno of the failure to find out. */
static int
read_stamp(gboolean session, gint64 *ret_time)
{
    g_auto(GStrv) folders = hook_state_folders(session ? geteuid() : 0);
    int problem = ENOENT;

    for (char **folder = folders; *folder; folder++) {
        g_autofree char *path = g_build_filename(*folder, "called", NULL);
        struct stat stamp;

        if (stat(path, &stamp) == 0) {
            *ret_time = to_microseconds(stamp.st_mtim);
            return 0;
        }
        problem = errno;
    }
    return problem;
}

static guint
report_unknown(gboolean session, const Libvirt *libvirt)
{
    g_autofree char *reload = session ? g_strdup_printf("kill -HUP %" G_GINT64_FORMAT, libvirt->pid)
                                      : g_strdup_printf("systemctl reload %s", libvirt->name);

    return output_finding(FALSE,
                          "libvirt (process %" G_GINT64_FORMAT
                          ") was started before macvtapd's hook was installed and has not called"
                          " it since: reload it (%s), unless you have; whether it knows the hook"
                          " then shows at the next start of a domain",
                          libvirt->pid, reload);
}

guint
ctl_report_hook(gboolean session)
{
    Libvirt libvirt;
    gint64 called = 0;
    struct stat hook;
    int problem;

    if (stat(MACVTAPD_HOOK_PROGRAM, &hook) < 0 || access(MACVTAPD_HOOK_PROGRAM, X_OK) != 0)
        return output_finding(FALSE, "macvtapd's hook for libvirt is not installed: there is no"
                                     " program " MACVTAPD_HOOK_PROGRAM);
    if (!find_libvirt(session, &libvirt))
        return output_finding(
            TRUE, "libvirt is not running; it will find macvtapd's hook when it starts");
    if (libvirt.started >= to_microseconds(hook.st_ctim))
        return output_finding(TRUE, "libvirt knows macvtapd's hook");
    problem = read_stamp(session, &called);
    if (problem == 0 && called >= libvirt.started)
        return output_finding(TRUE, "libvirt knows macvtapd's hook");
    if (problem == EACCES)
        return output_finding(TRUE,
                              "only root can see whether libvirt has called macvtapd's hook since"
                              " the hook was installed");
    return report_unknown(session, &libvirt);
}

int
ctl_hook(Ctl *ctl, int argc, char **argv, GError **error)
{
    if (!ctl_parse(ctl, NULL, &argc, &argv, 0, 0, "", error))
        return 2;
    return ctl_report_hook(ctl_is_session(ctl)) > 0;
}
