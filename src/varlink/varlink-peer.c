/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "varlink-server.h"

#include "descriptor.h"
#include "error.h"
#include "network-namespace.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/* Newer than Debian 12's headers; include/uapi/asm-generic/socket.h */
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

enum { FEW_GROUPS = 64 };

static gboolean
peer_read_groups(int socket_fd, GArray **ret_groups, GError **error)
{
    g_autoptr(GArray) groups = g_array_new(FALSE, FALSE, sizeof(gid_t));
    socklen_t bytes = FEW_GROUPS * sizeof(gid_t);

    for (;;) {
        g_array_set_size(groups, bytes / sizeof(gid_t));
        if (getsockopt(socket_fd, SOL_SOCKET, SO_PEERGROUPS, groups->data, &bytes) == 0)
            break;
        if (errno == ENODATA || errno == ENOPROTOOPT) {
            bytes = 0;
            break;
        }
        /* ERANGE: bytes now holds the required size. */
        if (errno != ERANGE || bytes <= groups->len * sizeof(gid_t))
            return error_set_errno(error, errno, "cannot read the peer's groups");
    }
    g_array_set_size(groups, bytes / sizeof(gid_t));
    *ret_groups = g_steal_pointer(&groups);
    return TRUE;
}

/* Leaves -1 when the kernel has no pidfd to return: before Linux 6.5, or for a peer that was
 * reaped. */
static gboolean
peer_read_pidfd(int socket_fd, int *ret_pidfd, GError **error)
{
    int pidfd = -1;
    socklen_t bytes = sizeof pidfd;

    if (getsockopt(socket_fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &bytes) < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
            return error_set_errno(error, errno, "cannot open the peer's pidfd");
        pidfd = -1;
    }
    *ret_pidfd = pidfd;
    return TRUE;
}

gboolean
varlink_peer_read(int socket_fd, VarlinkPeer *ret_peer, GError **error)
{
    struct ucred credentials = {0};
    socklen_t bytes = sizeof credentials;
    VarlinkPeer peer = {.pidfd = -1};

    if (getsockopt(socket_fd, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes) < 0)
        return error_set_errno(error, errno, "cannot read the peer's credentials");
    /* The kernel's answer when there is no peer, for example on a socket that is not AF_UNIX. */
    if (credentials.uid == (uid_t)-1)
        return error_set_errno(error, ENOTCONN, "cannot read the peer's credentials");
    if (!peer_read_groups(socket_fd, &peer.groups, error))
        return FALSE;
    if (!peer_read_pidfd(socket_fd, &peer.pidfd, error)) {
        varlink_peer_clear(&peer);
        return FALSE;
    }
    peer.uid = credentials.uid;
    peer.gid = credentials.gid;
    peer.pid = credentials.pid;
    peer.socket_fd = socket_fd;
    peer.namespace_cookie = network_namespace_cookie(socket_fd);
    *ret_peer = peer;
    return TRUE;
}

void
varlink_peer_clear(VarlinkPeer *peer)
{
    descriptor_clear(&peer->pidfd);
    g_clear_pointer(&peer->groups, g_array_unref);
}

static gboolean
is_root_or_us(const VarlinkPeer *peer)
{
    return peer->uid == 0 || peer->uid == geteuid();
}

gboolean
varlink_peer_is_trusted(const VarlinkPeer *peer)
{
    return is_root_or_us(peer) && !peer->rootless;
}

uid_t
varlink_peer_account(const VarlinkPeer *peer)
{
    return is_root_or_us(peer) && peer->rootless ? (uid_t)-1 : peer->uid;
}
