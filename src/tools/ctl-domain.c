/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "macvtapctl.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Exists if libvirt is installed. */
#define LIBVIRT_FOLDER "/etc/libvirt"

/* The program that knows libvirt; MACVTAPD_LIBEXEC names its folder if it is not installed. */
static char *
find_program(void)
{
    const char *folder = g_getenv("MACVTAPD_LIBEXEC");

    return g_build_filename(folder && folder[0] ? folder : MACVTAPD_LIBEXECDIR, "macvtapctl-domain",
                            NULL);
}

int
ctl_domain(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_autofree char *path = find_program();
    g_autoptr(GPtrArray) words = g_ptr_array_new();

    g_ptr_array_add(words, path);
    if (ctl->socket) {
        g_ptr_array_add(words, (char *)"--socket");
        g_ptr_array_add(words, ctl->socket);
    }
    if (ctl->json)
        g_ptr_array_add(words, (char *)"--json");
    for (int i = 1; i < argc; i++)
        g_ptr_array_add(words, argv[i]);
    g_ptr_array_add(words, NULL);
    execv(path, (char **)words->pdata);
    return !ctl_fail(error, "cannot run %s: %s%s", path, g_strerror(errno),
                     errno == ENOENT ? " (macvtapd's libvirt part is not installed)" : "");
}

/* A line of macvtapctl-domain's: "ok       TEXT" or "PROBLEM  TEXT". */
static void
take_line(Doctor *doctor, const char *line)
{
    if (g_str_has_prefix(line, "ok "))
        doctor_good(doctor, "%s", line + 3 + strspn(line + 3, " "));
    else if (g_str_has_prefix(line, "PROBLEM "))
        doctor_problem(doctor, "libvirt", NULL,
                       strstr(line, "not installed")
                           ? "install macvtapd with its libvirt part, then reload libvirt"
                           : "macvtapctl domain hook looks again, once a domain was started after"
                             " the reload",
                       "%s", line + 8 + strspn(line + 8, " "));
}

void
ctl_check_libvirt(Doctor *doctor)
{
    g_autofree char *path = find_program(), *text = NULL;
    const char *const words[] = {path, "hook", NULL};
    g_auto(GStrv) lines = NULL;

    if (access(LIBVIRT_FOLDER, F_OK) != 0 || access(path, X_OK) != 0)
        return;
    if (!g_spawn_sync(NULL, (char **)words, NULL, G_SPAWN_CHILD_INHERITS_STDIN, NULL, NULL, &text,
                      NULL, NULL, NULL))
        return;
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++)
        take_line(doctor, *line);
}
