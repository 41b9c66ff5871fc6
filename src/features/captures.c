/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Feature: copies of a port's frames for those who ask for them (CapturePort). The datapath's
 * programs copy frames into a ring while somebody captures the port; the daemon passes them on to
 * each reader through a socket pair, one end of which the reader gets.
 *
 * The reader gets no packet socket, although that would keep the daemon out of it: anybody who
 * holds one can bind it to another interface, make that promiscuous, and send from it, all without
 * a capability. Nor does he get a map of the kernel, which could not be taken from him when the
 * port goes to another user. From his end of the pair he can only read: it is shut down for
 * writing.
 *
 * Nothing waits for a reader. What does not fit into the socket stays in `batch`, further frames
 * are counted as lost, and once every reader of a port waits, the programs are told not to copy:
 * then the capture costs the guest two comparisons and a counter for each frame. The daemon reads
 * the ring at a low priority and in short turns, so a captured flood slows down captures only.
 *
 * A capture ends with a last record that says why, for which a slow reader's capture stays until
 * there is room; or with the reader's end, or with the daemon, and then without a record.
 */
#include "feature.h"

#include "capture-stream.h"
#include "descriptor.h"
#include "error.h"
#include "port-error.h"
#include "source.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define CAPTURES_PER_USER 4 /* for each user but root */
#define CAPTURES_OTHERS 12  /* of all users but root */

/* A message is sent when it is this long, or at the end of a turn. */
#define BATCH_BYTES (64 * 1024)

/* What the kernel may hold for a reader, so that it can be busy for a moment. */
#define SOCKET_BYTES (1024 * 1024)

G_STATIC_ASSERT(CAPTURE_LENGTH_MAX == DATAPATH_CAPTURE_MOST);
G_STATIC_ASSERT(BATCH_BYTES + CAPTURE_LENGTH_MAX + 4096 < CAPTURE_MESSAGE_MAX);
G_STATIC_ASSERT(CAPTURE_MESSAGE_MAX < SOCKET_BYTES);

const Privileges captures_privileges = {
    .part = "captures",
    .system_calls = SYSTEM_CALLS({"socketpair", 1, AF_UNIX}, {"poll"}, {"setsockopt"}, {"shutdown"},
                                 {"sendto"}),
};

typedef struct Captures {
    Datapath *datapath; /* or NULL */
    GPtrArray *list;    /* of Capture */
} Captures;

typedef struct Capture {
    Captures *captures;
    char *port_id;
    int index;
    uid_t account;
    gboolean of_root;
    guint kinds; /* of DatapathFrameKind */
    guint most;
    int fd;
    GSource *source;
    GByteArray *batch;  /* records to be sent */
    gboolean is_full;   /* the socket is, and the batch waits for it */
    gboolean is_ending; /* the batch has the last record */
    guint64 lost;       /* frames, in all */
    guint64 port_lost;  /* how many of those the port's counter reported */
} Capture;

static Captures *
captures_of(FeatureHost *host)
{
    return feature_state(host, &feature_captures);
}

static void
capture_free(gpointer data)
{
    Capture *capture = data;

    source_clear(&capture->source);
    descriptor_clear(&capture->fd);
    g_byte_array_unref(capture->batch);
    g_free(capture->port_id);
    g_free(capture);
}

/* ---- what the datapath must copy ---- */

/* Tells the datapath what the readers of this port want together. */
static gboolean
update_port(Captures *captures, int index, GError **error)
{
    DatapathCapture wanted = {.index = index, .is_paused = TRUE};

    for (guint i = 0; i < captures->list->len; i++) {
        const Capture *capture = captures->list->pdata[i];

        if (capture->index != index || capture->is_ending)
            continue;
        wanted.kinds |= capture->kinds;
        wanted.most = MAX(wanted.most, capture->most);
        wanted.is_paused = wanted.is_paused && capture->is_full;
    }
    return captures->datapath->ops->capture(captures->datapath, &wanted, error);
}

static void
remove_capture(Capture *capture)
{
    Captures *captures = capture->captures;
    int index = capture->index;

    g_ptr_array_remove(captures->list, capture); /* frees it */
    update_port(captures, index, NULL);
}

/* ---- to the reader ---- */

static void capture_poll(Capture *capture, GIOCondition condition);

/* FALSE: the capture is over, and was freed. */
static gboolean
capture_flush(Capture *capture)
{
    const GByteArray *batch = capture->batch;
    gboolean was_full = capture->is_full;

    if (batch->len > 0 &&
        sendto(capture->fd, batch->data, batch->len, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0) < 0) {
        if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS && errno != ENOMEM) {
            remove_capture(capture);
            return FALSE;
        }
        capture->is_full = TRUE;
    } else {
        capture->is_full = FALSE;
        g_byte_array_set_size(capture->batch, 0);
        if (capture->is_ending) {
            remove_capture(capture);
            return FALSE;
        }
    }
    if (capture->is_full != was_full) {
        capture_poll(capture, capture->is_full ? G_IO_OUT : 0);
        update_port(capture->captures, capture->index, NULL);
    }
    return TRUE;
}

/* The reader is gone, or has made room. */
static gboolean
on_reader(gint fd, GIOCondition condition, gpointer user_data)
{
    Capture *capture = user_data;

    if (condition & (G_IO_HUP | G_IO_ERR))
        remove_capture(capture);
    else
        capture_flush(capture);
    return G_SOURCE_CONTINUE; /* even of a source that was just destroyed */
}

/* Waits for this, and for the reader's end in any case. */
static void
capture_poll(Capture *capture, GIOCondition condition)
{
    source_clear(&capture->source);
    capture->source =
        source_add_fd(capture->fd, condition | G_IO_HUP | G_IO_ERR, on_reader, capture, "capture");
    g_source_set_priority(capture->source, G_PRIORITY_LOW);
}

static gint64
nanoseconds_of(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return now.tv_sec * G_GINT64_CONSTANT(1000000000) + now.tv_nsec;
}

static CaptureType
type_of(DatapathFrameKind kind)
{
    return kind == DATAPATH_FRAME_SENT       ? CAPTURE_TYPE_SENT
           : kind == DATAPATH_FRAME_RECEIVED ? CAPTURE_TYPE_RECEIVED
                                             : CAPTURE_TYPE_DROPPED;
}

static void
capture_take(Capture *capture, const DatapathFrame *frame, gint64 boot)
{
    CaptureHeader header = {
        .type = (guint16)type_of(frame->kind),
        .reason = frame->has_reason ? (guint16)(frame->reason + 1) : 0,
        .length = frame->length,
        .n_bytes = (guint32)MIN(frame->n_bytes, capture->most),
        .time = frame->time + (guint64)boot,
    };

    capture->lost += frame->lost - capture->port_lost;
    capture->port_lost = frame->lost;
    if (!(capture->kinds & frame->kind))
        return;
    if (capture->is_full) {
        capture->lost++;
        return;
    }
    header.lost = capture->lost;
    capture_stream_append(capture->batch, &header, frame->bytes);
    if (capture->batch->len >= BATCH_BYTES)
        capture_flush(capture);
}

/* DatapathFrameHandler.frame */
static void
on_frame(const DatapathFrame *frame, gpointer user_data)
{
    Captures *captures = user_data;
    gint64 boot = nanoseconds_of(CLOCK_REALTIME) - nanoseconds_of(CLOCK_BOOTTIME);

    for (guint i = captures->list->len; i-- > 0;) { /* a capture may remove itself */
        Capture *capture = captures->list->pdata[i];

        if (capture->index == frame->index && !capture->is_ending)
            capture_take(capture, frame, boot);
    }
}

/* DatapathFrameHandler.turn_over */
static void
on_turn_over(gpointer user_data)
{
    Captures *captures = user_data;

    for (guint i = captures->list->len; i-- > 0;) {
        Capture *capture = captures->list->pdata[i];

        if (!capture->is_full && capture->batch->len > 0)
            capture_flush(capture);
    }
}

static const DatapathFrameHandler frame_handler = {.frame = on_frame, .turn_over = on_turn_over};

/* ---- end ---- */

/* Whatever frames are still in the ring, this record is the last. */
static void
capture_end(Capture *capture, const char *why)
{
    Captures *captures = capture->captures;
    CaptureHeader header = {
        .type = CAPTURE_TYPE_END,
        .length = (guint32)strlen(why),
        .n_bytes = (guint32)strlen(why),
        .time = (guint64)nanoseconds_of(CLOCK_REALTIME),
    };

    capture->lost += captures->datapath->ops->capture_lost(captures->datapath, capture->index) -
                     capture->port_lost;
    header.lost = capture->lost;
    capture->is_ending = TRUE;
    capture_stream_append(capture->batch, &header, (const guint8 *)why);
    capture_flush(capture);
}

static void
end_captures_of(FeatureHost *host, const Port *port, const char *why)
{
    Captures *captures = captures_of(host);

    for (guint i = captures->list->len; i-- > 0;) {
        Capture *capture = captures->list->pdata[i];

        if (!capture->is_ending && g_str_equal(capture->port_id, port->id))
            capture_end(capture, why);
    }
    if (captures->datapath)
        update_port(captures, port->interface_index, NULL);
}

/* ---- begin ---- */

/* A reader that has just closed its end must not count: the loop may not have told us yet. */
static void
remove_ended(Captures *captures)
{
    for (guint i = captures->list->len; i-- > 0;) {
        Capture *capture = captures->list->pdata[i];
        struct pollfd reader = {.fd = capture->fd};

        if (poll(&reader, 1, 0) > 0 && (reader.revents & (POLLHUP | POLLERR)))
            remove_capture(capture);
    }
}

static gboolean
check_limits(const Captures *captures, const Caller *caller, GError **error)
{
    guint of_user = 0, of_others = 0;

    if (caller_is_root(caller))
        return TRUE;
    for (guint i = 0; i < captures->list->len; i++) {
        const Capture *capture = captures->list->pdata[i];

        of_user += !capture->of_root && capture->account == caller_account(caller);
        of_others += !capture->of_root;
    }
    if (of_user >= CAPTURES_PER_USER)
        return port_error_set(error, PORT_ERROR_LIMIT_REACHED, "you already have %d captures",
                              CAPTURES_PER_USER);
    return of_others < CAPTURES_OTHERS ||
           port_error_set(error, PORT_ERROR_LIMIT_REACHED,
                          "users other than root already have %d captures", CAPTURES_OTHERS);
}

/* The reader's end of the pair can only be read. */
static gboolean
open_pair(int *ret_ours, int *ret_readers, GError **error)
{
    const int size = SOCKET_BYTES;
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return port_error_set(error, PORT_ERROR_SYSTEM, "cannot make a socket pair: %s",
                              g_strerror(errno));
    if (shutdown(ends[0], SHUT_RD) < 0 ||
        setsockopt(ends[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0) {
        port_error_set(error, PORT_ERROR_SYSTEM, "cannot set up a socket pair: %s",
                       g_strerror(errno));
        descriptor_clear(&ends[0]);
        descriptor_clear(&ends[1]);
        return FALSE;
    }
    *ret_ours = ends[0];
    *ret_readers = ends[1];
    return TRUE;
}

static Capture *
capture_new(Captures *captures, const Caller *caller, const Port *port, const CaptureWish *wish,
            int fd)
{
    Capture *capture = g_new0(Capture, 1);

    capture->captures = captures;
    capture->port_id = g_strdup(port->id);
    capture->index = port->interface_index;
    capture->account = caller_account(caller);
    capture->of_root = caller_is_root(caller);
    if (wish->frames != CAPTURE_FRAMES_DROPPED)
        capture->kinds |= DATAPATH_FRAME_SENT | DATAPATH_FRAME_RECEIVED;
    if (wish->frames != CAPTURE_FRAMES_PASSED)
        capture->kinds |= DATAPATH_FRAME_DROPPED;
    capture->most = wish->snap_length ? wish->snap_length : CAPTURE_LENGTH_MAX;
    capture->fd = fd;
    capture->batch = g_byte_array_new();
    capture->port_lost =
        captures->datapath->ops->capture_lost(captures->datapath, port->interface_index);
    g_ptr_array_add(captures->list, capture);
    capture_poll(capture, 0);
    return capture;
}

static gboolean
captures_begin(FeatureHost *host, const Caller *caller, const Port *port, const CaptureWish *wish,
               int *ret_fd, GError **error)
{
    Captures *captures = captures_of(host);
    g_autoptr(GError) cause = NULL;
    AUTO_FD int readers = -1;
    Capture *capture;
    int ours = -1;

    if (!captures->datapath)
        return port_error_set(error, PORT_ERROR_SYSTEM, "macvtapd cannot capture: %s",
                              host->unguarded ? host->unguarded
                                              : "it was started without a datapath");
    if (features_compare(host, port) & DEVICE_GUARD)
        return port_error_set(error, PORT_ERROR_SYSTEM,
                              "cannot capture port %s: macvtapd's programs could not be attached "
                              "to its device",
                              port->name);
    remove_ended(captures);
    if (!check_limits(captures, caller, error) || !open_pair(&ours, &readers, error))
        return FALSE;
    capture = capture_new(captures, caller, port, wish, ours);
    if (!update_port(captures, port->interface_index, &cause)) {
        remove_capture(capture);
        return port_error_set(error, PORT_ERROR_LIMIT_REACHED, "%s", cause->message);
    }
    *ret_fd = g_steal_fd(&readers);
    return TRUE;
}

/* ---- the feature ---- */

static gboolean
captures_start(FeatureHost *host, gpointer *ret_state, GError **error)
{
    Captures *captures = g_new0(Captures, 1);

    captures->datapath = host->datapath;
    captures->list = g_ptr_array_new_with_free_func(capture_free);
    *ret_state = captures;
    return !host->datapath ||
           host->datapath->ops->watch_frames(host->datapath, &frame_handler, captures, error);
}

static void
captures_stop(gpointer state)
{
    Captures *captures = state;

    if (!captures)
        return;
    for (guint i = captures->list->len; i-- > 0;) {
        Capture *capture = captures->list->pdata[i];
        int index = capture->index;

        if (!capture->is_ending)
            capture_end(capture, "macvtapd is stopping");
        update_port(captures, index, NULL); /* the programs stay, and have nothing to copy for */
    }
    g_ptr_array_unref(captures->list);
    g_free(captures);
}

/* The device is about to be removed, or is gone. */
static gboolean
captures_release(FeatureHost *host, const Port *port, GError **error)
{
    g_autofree char *why = port->is_ending
                               ? g_strdup_printf("port %s has ended", port->name)
                               : g_strdup_printf("the device of port %s is gone", port->name);

    end_captures_of(host, port, why);
    return TRUE;
}

const PortFeature feature_captures = {
    .name = "captures",
    .start = captures_start,
    .stop = captures_stop,
    .capture = captures_begin,
    .release = captures_release,
};
