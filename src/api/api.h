/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The interface org.macvtapd.Ports: the broker's use cases as Varlink methods. */
#pragma once

#include "broker.h"
#include "varlink-server.h"

#include <glib.h>

typedef struct Api Api;

/* The interface's text, as GetInterfaceDescription returns it. */
const char *api_description(void);

/* Reads the files again, for the caller; *ret_networks: the number of networks afterwards. The
 * error is for people. */
typedef gboolean (*ApiReload)(const Caller *caller, guint *ret_networks, gpointer user_data,
                              GError **error);

/* Serves the broker's use cases and reload on server; all must outlive the Api. */
Api *api_new(VarlinkServer *server, Broker *broker, ApiReload reload, gpointer reload_data);
void api_free(Api *api);

/* Members of this group get the statistics of all ports; has_group FALSE: only root does. */
void api_set_reader_group(Api *api, gboolean has_group, gid_t group);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Api, api_free)
