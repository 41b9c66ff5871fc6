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
#pragma once

#include "cni-request.h"

/* The attachment that the request is about. Adding one that is there is no error. CNI_ERROR. */
gboolean cni_note_add(const CniRequest *request, GError **error);

/* Of the attachment of a container and an interface; it may be gone already. CNI_ERROR. */
gboolean cni_note_remove(const CniRequest *request, const char *container, const char *interface,
                         GError **error);

/* Called with each attachment of the configuration that is noted. */
typedef gboolean (*CniNoteFunc)(const char *container, const char *interface, gpointer data,
                                GError **error);

/* Goes on over failures of what it calls, and reports the first. CNI_ERROR. */
gboolean cni_notes_foreach(const CniRequest *request, CniNoteFunc function, gpointer data,
                           GError **error);
