/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Varlink messages, with descriptors, over one connected AF_UNIX stream socket. Nothing here waits
 * unless flags say so: 0 waits if the socket is blocking, MSG_DONTWAIT never waits.
 */
#pragma once

#include "varlink-frame.h"

#include "descriptor.h"

#include <glib.h>

/* As many as one sendmsg() takes: SCM_MAX_FD in the kernel. */
#define VARLINK_DESCRIPTORS_MAX 253

/* What a queued descriptor counts as in unsent_bytes: a process may have far fewer descriptors than
 * bytes. */
#define VARLINK_DESCRIPTOR_BYTES 16384

/* The fields are private, except for fd, which may be polled. */
typedef struct VarlinkTransport {
    int fd;
    VarlinkFrame frame;
    gboolean takes_descriptors;
    gboolean bounded_close;               /* the socket may hold descriptors: see bounded-close.h */
    DescriptorArray *received;            /* or NULL */
    guint64 received_begin, received_end; /* the stream offsets of the read that brought them */
    GQueue unsent;                        /* of messages; the first may be partly sent */
    gsize unsent_bytes;
} VarlinkTransport;

typedef enum VarlinkProgress {
    VARLINK_PROGRESS_DONE,
    VARLINK_PROGRESS_WAIT,   /* would block */
    VARLINK_PROGRESS_END,    /* reading: the peer has shut down its side */
    VARLINK_PROGRESS_FAILED, /* error is set */
} VarlinkProgress;

/* Takes fd. Without takes_descriptors, incoming descriptors are an error. */
void varlink_transport_init(VarlinkTransport *transport, int fd, gsize message_bytes,
                            gboolean takes_descriptors);

/* Closes the socket and all queued descriptors. */
void varlink_transport_clear(VarlinkTransport *transport);

/* Queues a message: text (freed with free()) with its NUL, and descriptors (or NULL), both taken.
 */
void varlink_transport_queue(VarlinkTransport *transport, char *text, DescriptorArray *descriptors);

/* Sends what is queued. DONE: nothing is left. */
VarlinkProgress varlink_transport_write(VarlinkTransport *transport, int flags, GError **error);

/* One recvmsg(). Only after varlink_transport_next() said WAIT. DONE: some bytes came. */
VarlinkProgress varlink_transport_read(VarlinkTransport *transport, int flags, GError **error);

/* The next whole message (valid until the next read) and its descriptors, never NULL, empty if
 * none; if ret_descriptors is NULL they are closed. WAIT: read first. */
VarlinkProgress varlink_transport_next(VarlinkTransport *transport,
                                       VarlinkFrameMessage *ret_message,
                                       DescriptorArray **ret_descriptors, GError **error);
