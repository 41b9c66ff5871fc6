/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* macvtapctl port capture: prints or writes copies of a port's frames. */
#include "macvtapctl.h"

#include "capture-stream.h"
#include "captured-frame.h"
#include "descriptor.h"
#include "error.h"
#include "output.h"
#include "privileges.h"
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct Settings {
    gboolean dropped, only_dropped;
    char *path; /* NULL: print lines */
    int count;  /* 0: no limit */
    int snap_length;
    char *filter; /* NULL: none */
} Settings;

/* A capture while it runs. */
typedef struct Capture {
    const Settings *settings;
    CaptureFilter *filter; /* or NULL */
    GMainLoop *loop;
    MacvtapRequest *request; /* macvtapd's answer, with the reasons */
    int fd, file;
    GByteArray *blocks; /* not yet written to the file */
    GString *lines;     /* not yet printed */
    guint8 *message;
    guint64 n_frames, lost, told_lost, time; /* time: of the last record */
    gboolean is_over;
    GError *error;
} Capture;

static void
settings_clear(Settings *settings)
{
    g_free(settings->path);
    g_free(settings->filter);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Settings, settings_clear)

static void
capture_clear(Capture *capture)
{
    capture_filter_free(capture->filter);
    macvtap_request_free(capture->request);
    g_clear_pointer(&capture->loop, g_main_loop_unref);
    descriptor_clear(&capture->fd);
    descriptor_clear(&capture->file);
    g_byte_array_unref(capture->blocks);
    g_string_free(capture->lines, TRUE);
    g_free(capture->message);
    g_clear_error(&capture->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Capture, capture_clear)

/* Ends the capture; error: why it ended by itself, taken; NULL: as the user wanted. */
static void
capture_stop(Capture *capture, GError *error)
{
    if (capture->is_over)
        g_clear_error(&error);
    else
        capture->error = error;
    capture->is_over = TRUE;
    g_main_loop_quit(capture->loop);
}

/* ---- output ---- */

static gboolean
write_blocks(Capture *capture)
{
    GByteArray *blocks = capture->blocks;
    gsize done = 0;
    GError *error = NULL;

    while (done < blocks->len) {
        ssize_t n = RETRY_EINTR(write(capture->file, blocks->data + done, blocks->len - done));

        if (n < 0) {
            error_set_errno(&error, errno, "cannot write %s", capture->settings->path);
            capture_stop(capture, error);
            return FALSE;
        }
        done += (gsize)n;
    }
    g_byte_array_set_size(blocks, 0);
    return TRUE;
}

static gboolean
flush(Capture *capture)
{
    GError *error = NULL;

    if (capture->file >= 0)
        return write_blocks(capture);
    if (capture->lines->len > 0)
        g_print("%s", capture->lines->str);
    g_string_truncate(capture->lines, 0);
    if (output_finish(&error))
        return TRUE;
    capture_stop(capture, error);
    return FALSE;
}

/* "other-mac"; NULL: there is no reason. */
static const char *
reason_of(const Capture *capture, const CaptureHeader *header)
{
    if (header->reason == 0)
        return NULL;
    return macvtap_request_get_reason(capture->request, header->reason - 1u) ?: "unknown-reason";
}

static const char *
direction_of(const CaptureHeader *header)
{
    return header->type == CAPTURE_TYPE_SENT       ? "sent"
           : header->type == CAPTURE_TYPE_RECEIVED ? "received"
                                                   : "dropped";
}

/* With the guard's verdict "count" a frame has a reason, and passes. */
static void
append_line(Capture *capture, const CaptureRecord *record)
{
    const CaptureHeader *header = &record->header;
    const guint64 microseconds = header->time / 1000;
    g_autoptr(GDateTime) time =
        g_date_time_new_from_unix_local((gint64)(microseconds / G_USEC_PER_SEC));
    g_autofree char *clock = time ? g_date_time_format(time, "%H:%M:%S") : g_strdup("?");
    const char *reason = reason_of(capture, header);

    g_string_append_printf(capture->lines, "%s.%06u  %-8s  ", clock,
                           (guint)(microseconds % G_USEC_PER_SEC), direction_of(header));
    if (capture->settings->dropped || capture->settings->only_dropped)
        g_string_append_printf(capture->lines, "%-20s  ", reason ?: "-");
    capture_text_append(capture->lines, record->bytes, header->n_bytes, header->length);
    g_string_append_c(capture->lines, '\n');
}

static void
append_block(Capture *capture, const CaptureRecord *record)
{
    const char *reason = reason_of(capture, &record->header);
    g_autofree char *comment = NULL;

    if (reason)
        comment = g_strdup_printf(
            "%s by the port's guard: %s",
            record->header.type == CAPTURE_TYPE_DROPPED ? "dropped" : "would be dropped", reason);
    capture_file_add(capture->blocks, record, capture->lost - capture->told_lost, comment);
    capture->told_lost = capture->lost;
}

/* ---- input ---- */

static void
take_frame(Capture *capture, const CaptureRecord *record)
{
    if (capture->filter && !capture_filter_matches(capture->filter, record->bytes,
                                                   record->header.n_bytes, record->header.length))
        return;
    capture->n_frames++;
    if (capture->file >= 0)
        append_block(capture, record);
    else
        append_line(capture, record);
    if (capture->settings->count > 0 && capture->n_frames == (guint64)capture->settings->count)
        capture_stop(capture, NULL);
}

static void
take_end(Capture *capture, const CaptureRecord *record)
{
    g_autofree char *why = g_strndup((const char *)record->bytes, record->header.n_bytes);
    GError *error = NULL;

    ctl_fail(&error, "the capture has ended: %s", why);
    capture_stop(capture, error);
}

static void
take_message(Capture *capture, gsize length)
{
    CaptureRecord record;
    gsize at = 0;

    while (!capture->is_over && capture_stream_next(capture->message, length, &at, &record)) {
        capture->lost = record.header.lost;
        capture->time = record.header.time;
        if (record.header.type == CAPTURE_TYPE_END)
            take_end(capture, &record);
        else if (record.header.type <= CAPTURE_TYPE_DROPPED)
            take_frame(capture, &record);
    }
    flush(capture);
}

static gboolean
on_message(gint fd, GIOCondition condition, gpointer user_data)
{
    Capture *capture = user_data;
    ssize_t n = RETRY_EINTR(recv(fd, capture->message, CAPTURE_MESSAGE_MAX, MSG_DONTWAIT));
    GError *error = NULL;

    if (n > 0) {
        take_message(capture, (gsize)n);
        return G_SOURCE_CONTINUE;
    }
    if (n < 0 && errno == EAGAIN)
        return G_SOURCE_CONTINUE;
    ctl_fail(&error, "the capture has ended: macvtapd was killed or has crashed");
    capture_stop(capture, error);
    return G_SOURCE_REMOVE;
}

static gboolean
on_signal(gpointer user_data)
{
    capture_stop(user_data, NULL);
    return G_SOURCE_CONTINUE;
}

/* ---- the command ---- */

static gboolean
open_file(Capture *capture, GError **error)
{
    const char *path = capture->settings->path;

    if (!path)
        return TRUE;
    /* A guest's traffic is not for everybody. */
    capture->file = g_str_equal(path, "-")
                        ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
                        : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    return capture->file >= 0 || error_set_errno(error, errno, "cannot write %s", path);
}

static MacvtapRequest *
make_request(const Settings *settings, const char *port)
{
    MacvtapRequest *request = macvtap_request_new(MACVTAP_METHOD_CAPTURE_PORT);

    macvtap_request_set_port(request, port);
    macvtap_request_set_frames(request, settings->only_dropped ? MACVTAP_FRAMES_DROPPED
                                        : settings->dropped    ? MACVTAP_FRAMES_ALL
                                                               : MACVTAP_FRAMES_PASSED);
    macvtap_request_set_snap_length(request, (guint)settings->snap_length);
    return request;
}

static gboolean
begin_file(Capture *capture, const MacvtapPort *port)
{
    g_autofree char *program = g_strdup_printf("macvtapctl %s", macvtap_version());
    g_autofree char *description =
        g_strdup_printf("port %s on network %s, from its guest's view", macvtap_port_get_name(port),
                        macvtap_port_get_network(port));
    const CaptureFileHead head = {
        .program = program,
        .interface = macvtap_port_get_interface_name(port),
        .description = description,
        .filter = capture->settings->filter,
        .snap_length = (guint32)capture->settings->snap_length,
    };

    if (capture->file < 0)
        return TRUE;
    capture_file_begin(capture->blocks, &head);
    return flush(capture);
}

static gboolean
begin_capture(Capture *capture, const Ctl *ctl, const char *name, GError **error)
{
    g_autoptr(MacvtapClient) client = ctl_connect(ctl, error);
    g_autoptr(MacvtapPort) port = NULL;

    capture->request = make_request(capture->settings, name);
    port = client ? ask_take_port(client, capture->request, error) : NULL;
    if (!port)
        return FALSE;
    capture->fd = macvtap_request_take_capture(capture->request);
    /* What the guest sent is read without the capabilities that opening the file may need. */
    if (!open_file(capture, error) || !capabilities_keep(0, error))
        return FALSE;
    /* stderr, as -w - needs the other. Who reads it knows that no frame from now on is missing. */
    g_printerr("capturing port %s (%s on network %s); Ctrl-C ends it\n",
               macvtap_port_get_name(port), macvtap_port_get_interface_name(port),
               macvtap_port_get_network(port));
    return begin_file(capture, port);
}

static void
run_capture(Capture *capture)
{
    GSource *source = source_add_fd(capture->fd, G_IO_IN, on_message, capture, "capture");
    guint on_int = g_unix_signal_add(SIGINT, on_signal, capture);
    guint on_term = g_unix_signal_add(SIGTERM, on_signal, capture);

    while (!capture->is_over)
        g_main_loop_run(capture->loop);
    source_clear(&source);
    g_source_remove(on_int);
    g_source_remove(on_term);
}

static void
end_capture(Capture *capture)
{
    if (capture->file >= 0) {
        capture_file_end(capture->blocks, capture->time, capture->n_frames, capture->lost);
        write_blocks(capture);
    }
    g_printerr("%" G_GUINT64_FORMAT " frame%s", capture->n_frames,
               capture->n_frames == 1 ? "" : "s");
    if (capture->lost > 0)
        g_printerr(", and %" G_GUINT64_FORMAT " lost because they were not read fast enough",
                   capture->lost);
    g_printerr("\n");
}

static int
capture_port(Ctl *ctl, const Settings *settings, const char *name, GError **error)
{
    g_auto(Capture) capture = {
        .settings = settings,
        .loop = g_main_loop_new(NULL, FALSE),
        .fd = -1,
        .file = -1,
        .blocks = g_byte_array_new(),
        .lines = g_string_new(NULL),
        .message = g_malloc(CAPTURE_MESSAGE_MAX),
    };

    if (settings->filter) {
        capture.filter = capture_filter_new(settings->filter, settings->snap_length, error);
        if (!capture.filter)
            return 2;
    }
    if (!begin_capture(&capture, ctl, name, error))
        return 1;
    run_capture(&capture);
    end_capture(&capture);
    if (!capture.error)
        return 0;
    g_propagate_error(error, g_steal_pointer(&capture.error));
    return 1;
}

static gboolean
check_settings(const Ctl *ctl, const Settings *settings, GError **error)
{
    if (ctl->json)
        return arguments_refuse(error, "a capture has no JSON: -w - writes pcapng to stdout");
    if (settings->count < 0)
        return arguments_refuse(error, "--count must be 1 or more frames, not %d", settings->count);
    if (settings->snap_length < 1 || settings->snap_length > CAPTURE_LENGTH_MAX)
        return arguments_refuse(error, "--snap-length must be 1 to %d bytes, not %d",
                                CAPTURE_LENGTH_MAX, settings->snap_length);
    if (settings->path && g_str_equal(settings->path, "-") && isatty(STDOUT_FILENO))
        return arguments_refuse(error, "-w - writes pcapng: give it a file or a pipe");
    return TRUE;
}

int
ctl_port_capture(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_auto(Settings) settings = {.snap_length = CAPTURE_LENGTH_MAX};
    const GOptionEntry entries[] = {
        {"dropped", 0, 0, G_OPTION_ARG_NONE, &settings.dropped,
         "Also what the port's guard drops, and why", NULL},
        {"only-dropped", 0, 0, G_OPTION_ARG_NONE, &settings.only_dropped,
         "Only what the port's guard drops", NULL},
        {"write", 'w', 0, G_OPTION_ARG_FILENAME, &settings.path,
         "Write pcapng instead of lines; -: to stdout", "FILE"},
        {"count", 'c', 0, G_OPTION_ARG_INT, &settings.count, "End after N frames", "N"},
        {"snap-length", 's', 0, G_OPTION_ARG_INT, &settings.snap_length,
         "The most bytes of each frame", "BYTES"},
        {NULL},
    };

    if (!ctl_parse(ctl, entries, &argc, &argv, 1, -1, "PORT [FILTER...]", error) ||
        !check_settings(ctl, &settings, error))
        return 2;
    if (argc > 2)
        settings.filter = g_strjoinv(" ", argv + 2);
    return capture_port(ctl, &settings, argv[1], error);
}
