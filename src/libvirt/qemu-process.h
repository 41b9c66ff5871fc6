/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <sys/types.h>

/*
 * Finds the QEMU of a running libvirt domain by the pid file that libvirt's QEMU driver keeps
 * (FOLDER/NAME.pid; virPidFileBuildPath), and makes sure by its command line's -uuid that the
 * process is still this domain's. run_folders, of which the first that has it counts: see
 * qemu_process_run_folders(); proc_folder: "/proc".
 */
gboolean qemu_process_find(const char *const *run_folders, const char *proc_folder,
                           const char *name, const char *uuid, pid_t *ret_pid, GError **error);

/* The name of the domain whose QEMU the process is, by its -name; NULL: it is not a QEMU. Free with
 * g_free(). */
char *qemu_process_get_name(const char *proc_folder, pid_t pid);

/* Where the QEMU driver of libvirt may keep the pid files: the system's for root, else the user's
 * session's, see user_folders(). NULL-terminated; free with g_strfreev(). */
GStrv qemu_process_run_folders(uid_t uid);
