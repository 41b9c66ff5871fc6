/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* HTTP on a listening AF_UNIX socket, by libmicrohttpd, from GLib's main loop. */
#pragma once

#include "docker-driver.h"

typedef struct DockerHttp DockerHttp;

/* Takes the listening socket fd, also on failure; driver must outlive it. Only root's requests are
 * served. */
DockerHttp *docker_http_new(int fd, DockerDriver *driver, GError **error);
void docker_http_free(DockerHttp *http);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DockerHttp, docker_http_free)
