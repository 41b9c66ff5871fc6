/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Varlink messages, with descriptors, over one connected AF_UNIX stream socket. Nothing here waits
 * unless told to by flags: 0 to wait where the socket is a blocking one, MSG_DONTWAIT never to.
 */
#pragma once

#include "varlink-frame.h"

#include "descriptor.h"

#include <glib.h>

/* As many as one sendmsg() takes: SCM_MAX_FD in the kernel. */
#define VARLINK_DESCRIPTORS_MAX 253

/* What a descriptor that waits to be sent counts as, in unsent_bytes: a process may have far fewer
 * of them than bytes. */
#define VARLINK_DESCRIPTOR_BYTES 16384

/* The fields are the transport's own, but for fd, which may be polled. */
typedef struct VarlinkTransport {
    int fd;
    VarlinkFrame frame;
    gboolean takes_descriptors;
    gboolean bounded_close;    /* descriptors may lie in the socket, and are not to be waited for
                                  (bounded-close.h) */
    DescriptorArray *received; /* or NULL */
    guint64 received_begin, received_end; /* the stream's part whose read brought them */
    GQueue unsent;                        /* of messages, the first one perhaps sent in part */
    gsize unsent_bytes;
} VarlinkTransport;

typedef enum VarlinkProgress {
    VARLINK_PROGRESS_DONE,
    VARLINK_PROGRESS_WAIT,   /* would block */
    VARLINK_PROGRESS_END,    /* reading: the peer has shut down its side */
    VARLINK_PROGRESS_FAILED, /* error is set */
} VarlinkProgress;

/* Takes fd. Without takes_descriptors, ones that come are refused. */
void varlink_transport_init(VarlinkTransport *transport, int fd, gsize message_bytes,
                            gboolean takes_descriptors);

/* Closes the socket and whatever descriptors are queued. */
void varlink_transport_clear(VarlinkTransport *transport);

/* Queues a message: text (freed with free()) with its NUL, and descriptors (or NULL), both taken.
 */
void varlink_transport_queue(VarlinkTransport *transport, char *text, DescriptorArray *descriptors);

/* Sends what is queued. DONE: nothing is left. */
VarlinkProgress varlink_transport_write(VarlinkTransport *transport, int flags, GError **error);

/* One recvmsg(). Only after varlink_transport_next() said WAIT. DONE: some bytes came. */
VarlinkProgress varlink_transport_read(VarlinkTransport *transport, int flags, GError **error);

/* The next whole message (valid until the next read) and its descriptors, never NULL, empty if
 * none; with NULL for ret_descriptors they are closed. WAIT: read first. */
VarlinkProgress varlink_transport_next(VarlinkTransport *transport,
                                       VarlinkFrameMessage *ret_message,
                                       DescriptorArray **ret_descriptors, GError **error);
