/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Identifies the process at the other end of an AF_UNIX socket as the kernel reports it (unix(7)),
 * never as the peer claims. */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct VarlinkPeer {
    uid_t uid;
    gboolean
        rootless; /* it came through a socket on which nobody is root (VARLINK_NOBODY_IS_ROOT) */
    gid_t gid;
    pid_t pid;      /* SO_PEERCRED; 0: not visible in our pid namespace */
    int pidfd;      /* SO_PEERPIDFD (Linux 6.5); -1 where the kernel has none. Owned by the peer */
    GArray *groups; /* of gid_t: SO_PEERGROUPS, the supplementary groups. Owned by the peer */
    int socket_fd;  /* the connection, borrowed */
    guint64 namespace_cookie; /* see network-namespace.h */
} VarlinkPeer;

/* Reads the peer of socket_fd. On success free with varlink_peer_clear(). */
gboolean varlink_peer_read(int socket_fd, VarlinkPeer *ret_peer, GError **error);
void varlink_peer_clear(VarlinkPeer *peer);

/* Whether it is root or the service's own user, which have higher limits. */
gboolean varlink_peer_is_trusted(const VarlinkPeer *peer);

/* The user whose limits it counts against: its uid. Where nobody is root, root and the service's
 * own user together count as the separate user (uid_t)-1; otherwise they could use up what is
 * reserved for the host's root. */
uid_t varlink_peer_account(const VarlinkPeer *peer);
