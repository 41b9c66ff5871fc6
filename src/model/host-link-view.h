/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is shown of a host link, by which the host reaches the guests on a parent. */
#pragma once

#include "interface-name.h"

#include <glib.h>

typedef struct HostLinkView {
    char interface[INTERFACE_NAME_MAX + 1]; /* "": it could not be made */
    char parent[INTERFACE_NAME_MAX + 1];
    GStrv addresses; /* those by which guests reach the host */
    guint n_routes;  /* to addresses of guests */
    GStrv problems;  /* a line for each */
} HostLinkView;

static inline void
host_link_view_free(gpointer data)
{
    HostLinkView *view = (HostLinkView *)data;

    g_strfreev(view->addresses);
    g_strfreev(view->problems);
    g_free(view);
}
