/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A Varlink client, blocking or not, on one AF_UNIX stream connection, one call in flight at a
 * time, so that descriptors cannot be attributed to the wrong message (systemd issue 43823).
 */
#pragma once

#include "descriptor.h"
#include "varlink-transport.h"

#include <glib.h>
#include <jansson.h>

typedef struct VarlinkClient VarlinkClient;

/* One reply; clear with varlink_reply_clear(). */
typedef struct VarlinkReply {
    char *error;                  /* the qualified error name, or NULL */
    json_t *parameters;           /* always an object */
    DescriptorArray *descriptors; /* never NULL; may be empty */
    gboolean continues;           /* more replies of this call follow */
} VarlinkReply;

void varlink_reply_clear(VarlinkReply *reply);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VarlinkReply, varlink_reply_clear)

/* path: a socket's path, or "@name" for an abstract socket; either may have the prefix "unix:". */
VarlinkClient *varlink_client_connect(const char *path, GError **error);

/* The same, but waits at most this many milliseconds for a place in the listener's queue; 0: not at
 * all, -1: no limit. On failure errno is also set: EAGAIN if the time is over. */
VarlinkClient *varlink_client_connect_within(const char *path, int milliseconds, GError **error);

/* Takes a connected stream socket. */
VarlinkClient *varlink_client_new_from_fd(int fd);
void varlink_client_free(VarlinkClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VarlinkClient, varlink_client_free)

/* The connection, for poll(); still the client's. One read may bring several replies, so it need
 * not be readable while there is one. A connection that is given up stays open until
 * varlink_client_free(), so that it can be removed from an epoll instance first. */
int varlink_client_get_fd(const VarlinkClient *client);

/* How long a single wait for the server may take in milliseconds; -1 (the default): no limit. After
 * that the call fails with VARLINK_ERROR_TIMED_OUT and the connection is given up. */
void varlink_client_set_timeout(VarlinkClient *client, int milliseconds);

typedef enum VarlinkCallFlags {
    VARLINK_CALL_PLAIN = 0,
    VARLINK_CALL_MORE = 1 << 0,
    VARLINK_CALL_ONEWAY = 1 << 1,
    VARLINK_CALL_UPGRADE = 1 << 2,
} VarlinkCallFlags;

/*
 * Sends a call; parameters (or NULL) are taken. Fails with VARLINK_ERROR_BUSY while replies to the
 * previous call are outstanding, and with VARLINK_ERROR_CLOSED after any failure of the connection.
 */
gboolean varlink_client_send(VarlinkClient *client, const char *method, json_t *parameters,
                             VarlinkCallFlags flags, GError **error);

/* Like varlink_client_send() but without waiting: what the socket does not accept at once is sent
 * by varlink_client_step(). */
gboolean varlink_client_start(VarlinkClient *client, const char *method, json_t *parameters,
                              VarlinkCallFlags flags, GError **error);

/*
 * Sends and reads as far as possible without waiting. DONE: *ret_reply is the next reply; call
 * again, as there may be more. WAIT: poll the connection for input, and for output if
 * varlink_client_has_unsent(). FAILED: the connection is given up. It also fails without a call in
 * flight, once the service has closed the connection.
 */
VarlinkProgress varlink_client_step(VarlinkClient *client, VarlinkReply *ret_reply, GError **error);
gboolean varlink_client_has_unsent(const VarlinkClient *client);

/* Waits for the next reply. An error sent by the service is a reply, not a failure: see
 * reply.error. */
gboolean varlink_client_receive(VarlinkClient *client, VarlinkReply *ret_reply, GError **error);

/* varlink_client_send() without flags, then varlink_client_receive(). */
gboolean varlink_client_call(VarlinkClient *client, const char *method, json_t *parameters,
                             VarlinkReply *ret_reply, GError **error);
