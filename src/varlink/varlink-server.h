/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A Varlink service on AF_UNIX stream sockets, driven by the thread-default GMainContext.
 * It implements org.varlink.service itself. The calls of a connection are handled one after the
 * other: the next message is not read before the current call is answered.
 */
#pragma once

#include "descriptor.h"
#include "privileges.h"

#include <glib.h>
#include <jansson.h>
#include <sys/types.h>

extern const Privileges varlink_server_privileges;

/* The process at the other end of an AF_UNIX socket as the kernel reports it (unix(7)), never as
 * the peer claims. */
typedef struct VarlinkPeer {
    uid_t uid;
    gboolean
        rootless; /* it came through a socket on which nobody is root (VARLINK_NOBODY_IS_ROOT) */
    gid_t gid;
    pid_t pid;      /* SO_PEERCRED; 0: not visible in our pid namespace */
    int pidfd;      /* SO_PEERPIDFD (Linux 6.5); -1 if the kernel has none. Owned by the peer */
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

typedef struct VarlinkServer VarlinkServer;

/* One call, from its arrival to its last reply. It is reference-counted: the server holds one
 * reference while the handler runs, and a handler that answers later takes its own. */
typedef struct VarlinkCall VarlinkCall;

/* Handles one call. It must answer, now or later, with varlink_call_reply() or
 * varlink_call_error(). */
typedef void (*VarlinkMethodHandler)(VarlinkCall *call, gpointer user_data);

typedef struct VarlinkMethod {
    const char *name; /* within the interface: "CreatePort" */
    VarlinkMethodHandler handler;
    gboolean needs_more; /* a call without "more" gets org.varlink.service.ExpectedMore */
} VarlinkMethod;

/* The answer to org.varlink.service.GetInfo; the strings are copied. */
typedef struct VarlinkServiceInfo {
    const char *vendor, *product, *version, *url;
} VarlinkServiceInfo;

/* 0 in a field means the default, given in the comment. */
typedef struct VarlinkLimits {
    /* In total: 4096. The last quarter is reserved for users who have few connections, at most an
     * eighth of their own limit. Root and the service's own user have 64 more, one for each 64 of
     * these. */
    guint connections;
    /* 512; root is not exempt, but has its own share like any uid. */
    guint connections_per_uid;
    gsize message_bytes;           /* one message, NUL included: 65536 */
    gsize message_bytes_of_others; /* from a caller other than root and the service's own user: 4096
                                    */
    guint values;                  /* approximate number of JSON values in one message: 512 */
    /* A queued descriptor counts as 16 KiB. */
    gsize unsent_bytes; /* queued for one connection before it is dropped: 262144. A single reply
                           may be larger, as nothing is queued behind it */
    gsize unsent_bytes_per_uid; /* 16 MiB; a connection whose reply exceeds it is dropped */
    gsize unsent_bytes_in_all;  /* 128 MiB; likewise */
} VarlinkLimits;

VarlinkServer *varlink_server_new(const VarlinkServiceInfo *info, const VarlinkLimits *limits,
                                  GError **error);

/* Closes every connection and listening socket; may be called from a handler. NULL is fine. */
void varlink_server_free(VarlinkServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VarlinkServer, varlink_server_free)

/* Serves an interface: its name, its text in the Varlink grammar (varlink.org/Interface-Definition)
 * and its methods, ended by a NULL name. All of them must outlive the server. */
void varlink_server_add_interface(VarlinkServer *server, const char *name, const char *description,
                                  const VarlinkMethod *methods, gpointer user_data);

/* What uid 0 means for a socket's peers. */
typedef enum VarlinkRoot {
    VARLINK_ROOT_IS_ROOT,
    VARLINK_NOBODY_IS_ROOT, /* see VarlinkPeer */
} VarlinkRoot;

/* Accepts on a listening AF_UNIX stream socket, whose ownership is taken. */
gboolean varlink_server_listen(VarlinkServer *server, int listen_fd, VarlinkRoot root,
                               GError **error);

/* Accepts on it as well, but closes each connection at once: for clients that only check who
 * listens (SO_PEERCRED, unix(7)). The socket is taken. */
gboolean varlink_server_turn_away(VarlinkServer *server, int listen_fd, GError **error);

/* Serves one connected AF_UNIX stream socket, which is taken, for tests and fuzzers with a
 * socketpair. */
gboolean varlink_server_add_connection(VarlinkServer *server, int fd, VarlinkRoot root,
                                       GError **error);

guint varlink_server_connection_count(const VarlinkServer *server);

/* How many calls it has received, valid or not. */
guint64 varlink_server_call_count(const VarlinkServer *server);

/* The call's parameters: always an object, borrowed until the call ends. */
json_t *varlink_call_parameters(VarlinkCall *call);
const VarlinkPeer *varlink_call_peer(VarlinkCall *call);

/* Where the service may keep its notes on the peer, which are freed with free_note once the
 * connection is closed. NULL at first. */
gpointer *varlink_call_note(VarlinkCall *call, GDestroyNotify free_note);
gboolean varlink_call_wants_more(VarlinkCall *call);

/*
 * The last reply. parameters (an object or NULL for {}) and descriptors (or NULL) are taken; the
 * descriptors go with the sendmsg() that holds the message's first byte (sd-varlink's rule) and are
 * closed here as soon as the kernel has them. The call must not be answered again afterwards.
 */
void varlink_call_reply(VarlinkCall *call, json_t *parameters, DescriptorArray *descriptors);

/* Called for a reply that did not reach its caller. */
typedef void (*VarlinkLost)(gpointer user_data);

/*
 * The same, with a notification of failure: lost is called once if the connection ends before the
 * whole reply was sent, perhaps before this function returns. Data in the peer's socket buffer
 * counts as sent. A oneway call wants no reply, so none is lost. free_data (or NULL) is called with
 * user_data at the end in either case.
 */
void varlink_call_reply_or(VarlinkCall *call, json_t *parameters, DescriptorArray *descriptors,
                           VarlinkLost lost, gpointer user_data, GDestroyNotify free_data);

/* One reply of several ("continues": true), for calls with "more" only. parameters are taken. FALSE
 * when the connection is gone: stop sending. */
gboolean varlink_call_reply_more(VarlinkCall *call, json_t *parameters);

/* error is the qualified name; parameters (or NULL) are taken. */
void varlink_call_error(VarlinkCall *call, const char *error, json_t *parameters);

/* Replies with org.varlink.service.InvalidParameter and the field's name. */
void varlink_call_invalid_parameter(VarlinkCall *call, const char *field);

/* Calls callback once if the connection ends before the last reply (for streams): from the main
 * loop or varlink_server_free(), never from inside a reply. Set it before the handler returns; a
 * NULL callback removes it at any time. */
void varlink_call_on_gone(VarlinkCall *call,
                          void (*callback)(VarlinkCall *call, gpointer user_data),
                          gpointer user_data);

VarlinkCall *varlink_call_ref(VarlinkCall *call);
void varlink_call_unref(VarlinkCall *call);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VarlinkCall, varlink_call_unref)
