/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Another CNI plugin that gives the addresses ("ipam"), as host-local and static do. It gets the
 * environment and the configuration that this one has got. */
#pragma once

#include "cni-request.h"

/* Runs the plugin for command ("ADD", …) with the configuration on its standard input. path:
 * CNI_PATH. Returns what it printed, a JSON object (for ADD and VERSION; else NULL is success, too:
 * look at *error). Its own error is passed on with its code. A plugin that does not know CNI 1.1.0
 * is asked again in the words of 1.0.0, which mean the same to it. CNI_ERROR. */
gboolean cni_ipam_call(const CniRequest *request, const char *path, const char *command,
                       json_t **ret_answer, GError **error);

/* DEL of another attachment than the request's. */
gboolean cni_ipam_release(const CniRequest *request, const char *path, const char *container,
                          const char *interface, GError **error);

/* Whether the plugin speaks version 1.1.0, and so knows GC and STATUS: others answer them with
 * errors that mean nothing. */
gboolean cni_ipam_knows_all(const CniRequest *request, const char *path);
