/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The interface org.macvtapd.Ports: the broker's use cases as Varlink methods. */
#pragma once

#include "broker.h"
#include "varlink-server.h"

#include <glib.h>

typedef struct Api Api;

/* The interface's text, as GetInterfaceDescription returns it. */
const char *api_description(void);

/* Serves the broker's use cases on server; both must outlive the Api. */
Api *api_new(VarlinkServer *server, Broker *broker, GError **error);
void api_free(Api *api);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Api, api_free)
