/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation: descriptors.
 *
 * Sending follows sd-varlink: all descriptors of a message go with its first byte, and each message
 * has its own sendmsg(). The descriptors are closed here as soon as the kernel has them.
 *
 * Receiving: the kernel joins segments in one recvmsg(), but stops after one that carries
 * descriptors (unix_stream_read_generic()). So descriptors belong to the message that holds the
 * last byte of the read that brought them, and that message must begin in the same read.
 *
 * A side that accepts none gives recvmsg() no control buffer. The kernel then drops the descriptors
 * without ever installing them in our table and sets MSG_CTRUNC, which is treated as an error. This
 * may drop the last reference to a file, hence the bounded close (bounded-close.h). From Linux 6.16
 * on SO_PASSRIGHTS makes the sender's sendmsg() fail with EPERM instead.
 */
#include "varlink-transport.h"

#include "bounded-close.h"
#include "error.h"
#include "varlink-message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

typedef struct Outgoing {
    char *text;
    gsize length, sent;
    DescriptorArray *descriptors; /* NULL once the kernel has them */
} Outgoing;

typedef union Control {
    char bytes[CMSG_SPACE(VARLINK_DESCRIPTORS_MAX * sizeof(int))];
    struct cmsghdr align;
} Control;

static void
outgoing_free(Outgoing *outgoing)
{
    free(outgoing->text);
    g_clear_pointer(&outgoing->descriptors, g_array_unref);
    g_free(outgoing);
}

/* An accepted socket inherits its listener's setting at the time of the connect; older kernels do
 * not have the option. */
static gboolean
may_have_descriptors(int fd)
{
    int passes = 1;
    socklen_t bytes = sizeof passes;

    return getsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &passes, &bytes) < 0 || passes;
}

void
varlink_transport_init(VarlinkTransport *transport, int fd, gsize message_bytes,
                       gboolean takes_descriptors)
{
    const int off = 0;

    *transport = (VarlinkTransport){.fd = fd, .takes_descriptors = takes_descriptors};
    g_queue_init(&transport->unsent);
    varlink_frame_init(&transport->frame, message_bytes);
    /* Older kernels do not have this option, so reading also checks for descriptors. */
    transport->bounded_close = !takes_descriptors && may_have_descriptors(fd);
    if (!takes_descriptors)
        (void)setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof off);
}

void
varlink_transport_clear(VarlinkTransport *transport)
{
    if (transport->bounded_close)
        bounded_close(&transport->fd);
    else
        descriptor_clear(&transport->fd);
    varlink_frame_clear(&transport->frame);
    g_clear_pointer(&transport->received, g_array_unref);
    g_queue_clear_full(&transport->unsent, (GDestroyNotify)outgoing_free);
    transport->unsent_bytes = 0;
}

static gsize
outgoing_descriptor_bytes(const Outgoing *outgoing)
{
    return outgoing->descriptors ? outgoing->descriptors->len * VARLINK_DESCRIPTOR_BYTES : 0;
}

void
varlink_transport_queue(VarlinkTransport *transport, char *text, DescriptorArray *descriptors)
{
    Outgoing *outgoing = g_new(Outgoing, 1);

    *outgoing = (Outgoing){.text = text, .length = strlen(text) + 1, .descriptors = descriptors};
    transport->unsent_bytes += outgoing->length + outgoing_descriptor_bytes(outgoing);
    g_queue_push_tail(&transport->unsent, outgoing);
}

static void
attach_descriptors(struct msghdr *header, Control *control, const DescriptorArray *descriptors)
{
    gsize bytes = descriptors->len * sizeof(int);
    struct cmsghdr *rights;

    memset(control, 0, sizeof *control);
    header->msg_control = control;
    header->msg_controllen = CMSG_SPACE(bytes);
    rights = CMSG_FIRSTHDR(header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(bytes);
    memcpy(CMSG_DATA(rights), descriptors->data, bytes);
}

/* Sends the rest of the message with one sendmsg(); -1 and errno on failure. */
static gssize
outgoing_send(Outgoing *outgoing, int fd, int flags)
{
    struct iovec part = {outgoing->text + outgoing->sent, outgoing->length - outgoing->sent};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    Control control;

    if (outgoing->descriptors && outgoing->descriptors->len > VARLINK_DESCRIPTORS_MAX) {
        errno = EMSGSIZE;
        return -1;
    }
    if (outgoing->descriptors && outgoing->descriptors->len > 0)
        attach_descriptors(&header, &control, outgoing->descriptors);
    return RETRY_EINTR(sendmsg(fd, &header, flags | MSG_NOSIGNAL));
}

static VarlinkProgress
fail_socket(GError **error, const char *what)
{
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return VARLINK_PROGRESS_WAIT;
    if (errno == EPIPE || errno == ECONNRESET)
        g_set_error(error, VARLINK_ERROR, VARLINK_ERROR_CLOSED, "the peer closed the connection");
    else
        error_set_errno(error, errno, "%s", what);
    return VARLINK_PROGRESS_FAILED;
}

VarlinkProgress
varlink_transport_write(VarlinkTransport *transport, int flags, GError **error)
{
    Outgoing *outgoing;

    while ((outgoing = g_queue_peek_head(&transport->unsent))) {
        gssize sent = outgoing_send(outgoing, transport->fd, flags);

        if (sent < 0)
            return fail_socket(error, "cannot send");
        outgoing->sent += sent;
        transport->unsent_bytes -= (gsize)sent + outgoing_descriptor_bytes(outgoing);
        g_clear_pointer(&outgoing->descriptors, g_array_unref);
        if (outgoing->sent == outgoing->length)
            outgoing_free(g_queue_pop_head(&transport->unsent));
    }
    return VARLINK_PROGRESS_DONE;
}

static DescriptorArray *
take_descriptors(struct msghdr *header)
{
    DescriptorArray *descriptors = descriptor_array_new();

    for (struct cmsghdr *item = CMSG_FIRSTHDR(header); item; item = CMSG_NXTHDR(header, item))
        if (item->cmsg_level == SOL_SOCKET && item->cmsg_type == SCM_RIGHTS)
            g_array_append_vals(descriptors, CMSG_DATA(item),
                                (item->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    return descriptors;
}

static VarlinkProgress
fail_protocol(GError **error, const char *what)
{
    g_set_error(error, VARLINK_ERROR, VARLINK_ERROR_PROTOCOL, "%s", what);
    return VARLINK_PROGRESS_FAILED;
}

static gssize
transport_receive(VarlinkTransport *transport, struct msghdr *header, int flags)
{
    gssize received;

    if (transport->bounded_close)
        bounded_close_begin();
    received = RETRY_EINTR(recvmsg(transport->fd, header, flags | MSG_CMSG_CLOEXEC));
    if (transport->bounded_close)
        bounded_close_end();
    return received;
}

/* begin, end: the read's offsets in the stream. */
static VarlinkProgress
keep_descriptors(VarlinkTransport *transport, struct msghdr *header, guint64 begin, guint64 end,
                 GError **error)
{
    g_autoptr(GArray) descriptors = take_descriptors(header);

    if (header->msg_flags & MSG_CTRUNC)
        return fail_protocol(error, transport->takes_descriptors
                                        ? "descriptors were lost in transit"
                                        : "unexpected descriptors arrived");
    if (descriptors->len == 0)
        return VARLINK_PROGRESS_DONE;
    if (transport->received)
        return fail_protocol(error, "descriptors arrived after a message's first byte");
    transport->received = g_steal_pointer(&descriptors);
    transport->received_begin = begin;
    transport->received_end = end;
    return VARLINK_PROGRESS_DONE;
}

VarlinkProgress
varlink_transport_read(VarlinkTransport *transport, int flags, GError **error)
{
    guint64 begin = varlink_frame_position(&transport->frame);
    Control control;
    struct iovec part = {0};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    gssize received;

    if (transport->takes_descriptors) {
        header.msg_control = &control;
        header.msg_controllen = sizeof control;
    }
    part.iov_base = varlink_frame_reserve(&transport->frame, &part.iov_len);
    received = transport_receive(transport, &header, flags);
    if (received < 0)
        return fail_socket(error, "cannot receive");
    if (received == 0)
        return VARLINK_PROGRESS_END;
    varlink_frame_commit(&transport->frame, received);
    return keep_descriptors(transport, &header, begin, begin + received, error);
}

VarlinkProgress
varlink_transport_next(VarlinkTransport *transport, VarlinkFrameMessage *ret_message,
                       DescriptorArray **ret_descriptors, GError **error)
{
    g_autoptr(GArray) descriptors = NULL;

    switch (varlink_frame_next(&transport->frame, ret_message)) {
    case VARLINK_FRAME_NEEDS_MORE:
        return VARLINK_PROGRESS_WAIT;
    case VARLINK_FRAME_TOO_LARGE:
        g_set_error(error, VARLINK_ERROR, VARLINK_ERROR_TOO_LARGE,
                    "a message is larger than %" G_GSIZE_FORMAT " bytes", transport->frame.limit);
        return VARLINK_PROGRESS_FAILED;
    case VARLINK_FRAME_MESSAGE:
        break;
    }
    if (transport->received && transport->received_end <= ret_message->end) {
        descriptors = g_steal_pointer(&transport->received);
        if (transport->received_begin > ret_message->begin)
            return fail_protocol(error, "descriptors arrived after a message's first byte");
    }
    if (ret_descriptors)
        *ret_descriptors = descriptors ? g_steal_pointer(&descriptors) : descriptor_array_new();
    return VARLINK_PROGRESS_DONE;
}
