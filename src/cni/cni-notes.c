/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * An IPAM plugin keeps an address until DEL, and a runtime that has crashed calls none. A port that
 * is left over names its container; an address that is left over is known to nobody but the IPAM
 * plugin, and the usual ones do nothing for GC. So each attachment is noted in a file before it
 * gets an address, and the note is removed after the address has been given back. GC gives back
 * what is noted and no longer valid, wherever the plugin or macvtapd was killed.
 *
 * A note is an empty file "CONTAINER:INTERFACE" in the folder of the configuration's name.
 */
#include "cni.h"

#include "descriptor.h"
#include "error.h"
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define FOLDER_DEFAULT "/var/lib/cni/macvtapd-cni"

/* Free with g_free(). */
static char *
folder_of(const CniRequest *request)
{
    return g_build_filename(request->notes ?: FOLDER_DEFAULT, request->name, NULL);
}

static char *
file_of(const CniRequest *request, const char *container, const char *interface)
{
    g_autofree char *folder = folder_of(request);

    return g_strdup_printf("%s/%s:%s", folder, container, interface);
}

gboolean
cni_note_add(const CniRequest *request, GError **error)
{
    g_autofree char *folder = folder_of(request);
    g_autofree char *file = file_of(request, request->container, request->interface);
    AUTO_FD int fd = -1;

    if (g_mkdir_with_parents(folder, 0700) == 0)
        fd = RETRY_EINTR(open(file, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    return fd >= 0 || cni_refuse(error, CNI_IO, "cannot note the container in %s: %s", folder,
                                 g_strerror(errno));
}

gboolean
cni_note_remove(const CniRequest *request, const char *container, const char *interface,
                GError **error)
{
    g_autofree char *file = file_of(request, container, interface);

    return unlink(file) == 0 || errno == ENOENT || errno == ENAMETOOLONG ||
           cni_refuse(error, CNI_IO, "cannot remove %s: %s", file, g_strerror(errno));
}

gboolean
cni_notes_foreach(const CniRequest *request, CniNoteFunc function, gpointer data, GError **error)
{
    g_autofree char *path = folder_of(request);
    g_autoptr(GError) cause = NULL;
    AUTO_FD int folder = folder_open(path, &cause);
    g_autoptr(GPtrArray) names = NULL;
    gboolean good = TRUE;

    if (folder < 0 && error_is_errno(cause, ENOENT))
        return TRUE;
    if (folder >= 0)
        names = folder_list(folder, path, &cause);
    if (!names)
        return cni_refuse(error, CNI_IO, "%s", cause->message);
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *container = g_strdup(names->pdata[i]);
        char *colon = strrchr(container, ':'); /* which no interface's name contains */

        if (!colon)
            continue;
        *colon = '\0';
        good = function(container, colon + 1, data, good ? error : NULL) && good;
    }
    return good;
}
