/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * QEMU keeps the descriptors of the last read for the next getfd (tcp_chr_recv() in its
 * chardev/char-socket.c), and reads ahead. With two commands on their way, the first could get the
 * second's descriptor, so there is never more than one. An answer without the current command's id
 * is late, and dropped: its command has timed out.
 *
 * A callback may free the client. Code that calls one holds a reference, and looks at qmp->fd after
 * it, which is -1 from then on.
 */
#include "qmp.h"

#include "descriptor.h"
#include "error.h"
#include "source.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define READ_SIZE 65536

typedef struct Command {
    char *name;
    json_t *arguments;
    int fd;
    guint deadline;
    QmpDone done;
    gpointer user_data;
} Command;

typedef struct Listener {
    QmpEvent event;
    gpointer user_data;
} Listener;

struct Qmp {
    int fd; /* -1: closed */
    guint references;
    gboolean freed, greeted;
    guint greeting; /* milliseconds for it and for the first command; 0: no limit */
    QmpHandlers handlers;
    gpointer user_data;
    QmpLines *lines;
    GSource *input, *output, *timer, *idle;
    GQueue commands; /* the first is on its way if current_id is not 0 */
    guint64 last_id; /* of the last command sent */
    guint64 current_id;
    char *unsent; /* what is left of the current command's text */
    gsize sent;
    GError *failure; /* why it was closed */
    pid_t peer_pid;
    GArray *listeners;
};

static void send_next(Qmp *qmp);

static void
command_free(Command *command)
{
    g_free(command->name);
    json_decref(command->arguments);
    descriptor_clear(&command->fd);
    g_free(command);
}

static void
qmp_unref(Qmp *qmp)
{
    if (--qmp->references > 0)
        return;
    g_queue_clear_full(&qmp->commands, (GDestroyNotify)command_free);
    g_clear_pointer(&qmp->lines, qmp_lines_free);
    g_clear_error(&qmp->failure);
    g_array_unref(qmp->listeners);
    g_free(qmp->unsent);
    g_free(qmp);
}

static Qmp *
qmp_ref(Qmp *qmp)
{
    qmp->references++;
    return qmp;
}

static void
stop_sources(Qmp *qmp)
{
    source_clear(&qmp->input);
    source_clear(&qmp->output);
    source_clear(&qmp->timer);
    source_clear(&qmp->idle);
}

void
qmp_free(Qmp *qmp)
{
    if (!qmp)
        return;
    stop_sources(qmp);
    descriptor_clear(&qmp->fd);
    qmp->freed = TRUE;
    qmp_unref(qmp);
}

/* The current command is over: its id has no meaning left. */
static void
finish_command(Qmp *qmp, json_t *value, const GError *error)
{
    Command *command = g_queue_pop_head(&qmp->commands);

    source_clear(&qmp->timer);
    g_clear_pointer(&qmp->unsent, g_free);
    qmp->current_id = 0;
    command->done(value, error, command->user_data);
    command_free(command);
}

/* For an event, or without a message for the end of the connection. */
static void
tell_listeners(Qmp *qmp, const QmpMessage *message)
{
    g_autofree Listener *listeners =
        g_memdup2(qmp->listeners->data, qmp->listeners->len * sizeof(Listener));
    guint n = qmp->listeners->len;

    for (guint i = 0; i < n && !qmp->freed && (qmp->fd >= 0 || !message); i++)
        listeners[i].event(message ? message->name : NULL, message ? message->value : NULL,
                           listeners[i].user_data);
}

static void
close_with(Qmp *qmp, GError *failure)
{
    Qmp *kept = qmp_ref(qmp);

    stop_sources(qmp);
    descriptor_clear(&qmp->fd);
    error_keep_first(&qmp->failure, failure);
    tell_listeners(qmp, NULL);
    while (!qmp->freed && qmp->commands.length > 0)
        finish_command(qmp, NULL, qmp->failure);
    if (!qmp->freed)
        qmp->handlers.closed(qmp, qmp->failure, qmp->user_data);
    qmp_unref(kept);
}

static void G_GNUC_PRINTF(3, 4) close_because(Qmp *qmp, QmpError code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    close_with(qmp, g_error_new_valist(QMP_ERROR, (int)code, format, arguments));
    va_end(arguments);
}

static gboolean
on_deadline(gpointer user_data)
{
    Qmp *qmp = qmp_ref(user_data);
    const Command *command = g_queue_peek_head(&qmp->commands);
    g_autoptr(GError) error = NULL;

    if (!qmp->greeted) {
        close_because(qmp, QMP_ERROR_TIMED_OUT,
                      "QEMU's monitor does not answer: another program may be using it");
    } else if (qmp->unsent) {
        close_because(qmp, QMP_ERROR_TIMED_OUT, "QEMU does not read its monitor");
    } else {
        error = g_error_new(QMP_ERROR, QMP_ERROR_TIMED_OUT, "QEMU has not answered %s in time",
                            command->name);
        finish_command(qmp, NULL, error);
        if (!qmp->freed)
            send_next(qmp);
    }
    qmp_unref(qmp);
    return G_SOURCE_REMOVE;
}

/* Sends what is left of the current command, with its descriptor if nothing of it was sent. */
static gssize
send_part(Qmp *qmp, int fd)
{
    const char *rest = qmp->unsent + qmp->sent;
    struct iovec data = {(char *)rest, strlen(rest)};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};

    if (fd >= 0 && qmp->sent == 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof(control);
        control.header = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof(int)),
            .cmsg_level = SOL_SOCKET,
            .cmsg_type = SCM_RIGHTS,
        };
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    }
    return RETRY_EINTR(sendmsg(qmp->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL));
}

static gboolean
on_output(int fd, GIOCondition condition, gpointer user_data)
{
    Qmp *qmp = qmp_ref(user_data);

    source_clear(&qmp->output);
    send_next(qmp);
    qmp_unref(qmp);
    return G_SOURCE_REMOVE;
}

static void
send_current(Qmp *qmp)
{
    Command *command = g_queue_peek_head(&qmp->commands);

    while (qmp->unsent[qmp->sent]) {
        gssize size = send_part(qmp, command->fd);

        if (size < 0 && errno == EAGAIN) {
            qmp->output = source_add_fd(qmp->fd, G_IO_OUT, on_output, qmp, "QMP output");
            return;
        }
        if (size < 0) {
            close_because(qmp, QMP_ERROR_CLOSED, "cannot write to QEMU's monitor: %s",
                          g_strerror(errno));
            return;
        }
        qmp->sent += (gsize)size;
    }
    g_clear_pointer(&qmp->unsent, g_free);
    descriptor_clear(&command->fd);
}

static void
send_next(Qmp *qmp)
{
    Command *command = g_queue_peek_head(&qmp->commands);

    if (!command || !qmp->greeted || (qmp->current_id != 0 && !qmp->unsent) || qmp->output)
        return;
    if (!qmp->unsent) {
        qmp->current_id = ++qmp->last_id;
        qmp->unsent = qmp_command_format(command->name, command->arguments, qmp->current_id);
        qmp->sent = 0;
        if (command->deadline > 0)
            qmp->timer = source_add_timeout(command->deadline, on_deadline, qmp, "QMP deadline");
    }
    send_current(qmp);
}

static void
on_capabilities(json_t *value, const GError *error, gpointer user_data)
{
    Qmp *qmp = user_data;

    /* A closed connection tells so by itself. */
    if (error && error->code == QMP_ERROR_CLOSED)
        return;
    if (error) {
        close_with(qmp, g_error_copy(error));
        return;
    }
    qmp->handlers.ready(qmp, qmp->user_data);
}

static Command *
command_new(const char *name, json_t *arguments, int fd, guint deadline, QmpDone done,
            gpointer user_data)
{
    Command *command = g_new(Command, 1);

    *command = (Command){g_strdup(name), arguments, fd, deadline, done, user_data};
    return command;
}

/* Before the greeting QEMU takes no command, and before qmp_capabilities no other. It may greet
 * long before it takes that one: first it makes the machine, and fills its memory. */
static void
take_greeting(Qmp *qmp)
{
    if (qmp->greeted)
        return;
    source_clear(&qmp->timer);
    qmp->greeted = TRUE;
    g_queue_push_head(&qmp->commands, command_new("qmp_capabilities", NULL, -1, qmp->greeting,
                                                  on_capabilities, qmp));
}

static void
take_answer(Qmp *qmp, const QmpMessage *message)
{
    g_autoptr(GError) error = NULL;

    if (!message->has_id || message->id != qmp->current_id || qmp->unsent)
        return;
    if (message->type == QMP_MESSAGE_ERROR)
        error = g_error_new_literal(QMP_ERROR, QMP_ERROR_REFUSED, message->text);
    finish_command(qmp, error ? NULL : message->value, error);
}

static void
take_message(Qmp *qmp, const QmpMessage *message)
{
    if (message->type == QMP_MESSAGE_GREETING)
        take_greeting(qmp);
    else if (message->type == QMP_MESSAGE_EVENT)
        tell_listeners(qmp, message);
    else
        take_answer(qmp, message);
    if (qmp->fd >= 0)
        send_next(qmp);
}

/* QEMU sends no descriptors; one that came all the same is closed. */
static void
take_control(Qmp *qmp, struct msghdr *message)
{
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header;
         header = CMSG_NXTHDR(message, header)) {
        gsize size = header->cmsg_len - CMSG_LEN(0);
        struct ucred peer;

        if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_CREDENTIALS) {
            memcpy(&peer, CMSG_DATA(header), sizeof(peer));
            qmp->peer_pid = peer.pid;
        }
        for (gsize at = 0; header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
                           at + sizeof(int) <= size;
             at += sizeof(int)) {
            int fd;

            memcpy(&fd, CMSG_DATA(header) + at, sizeof(fd));
            close(fd);
        }
    }
}

static gssize
read_some(Qmp *qmp, char *bytes)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    struct iovec data = {bytes, READ_SIZE};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    gssize size = RETRY_EINTR(recvmsg(qmp->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC));

    if (size > 0)
        take_control(qmp, &message);
    return size;
}

static void
take_lines(Qmp *qmp)
{
    const char *line;
    gsize length;

    while (qmp->fd >= 0 && qmp_lines_next(qmp->lines, &line, &length)) {
        g_auto(QmpMessage) message = {0};
        GError *error = NULL;

        if (!qmp_message_parse(line, length, &message, &error))
            close_with(qmp, error);
        else
            take_message(qmp, &message);
    }
}

static gboolean
on_input(int fd, GIOCondition condition, gpointer user_data)
{
    Qmp *qmp = qmp_ref(user_data);
    g_autofree char *bytes = g_malloc(READ_SIZE);
    gssize size = read_some(qmp, bytes);
    GError *error = NULL;

    if (size == 0 || (size < 0 && errno == ECONNRESET))
        close_because(qmp, QMP_ERROR_CLOSED, "QEMU has ended or closed its monitor");
    else if (size < 0 && errno != EAGAIN)
        close_because(qmp, QMP_ERROR_CLOSED, "cannot read QEMU's monitor: %s", g_strerror(errno));
    else if (size > 0 && !qmp_lines_add(qmp->lines, bytes, (gsize)size, &error))
        close_with(qmp, error);
    else
        take_lines(qmp);
    qmp_unref(qmp);
    return G_SOURCE_CONTINUE;
}

Qmp *
qmp_new(int fd, guint greeting, const QmpHandlers *handlers, gpointer user_data)
{
    Qmp *qmp = g_new0(Qmp, 1);

    qmp->fd = fd;
    qmp->references = 1;
    qmp->greeting = greeting;
    qmp->handlers = *handlers;
    qmp->user_data = user_data;
    qmp->lines = qmp_lines_new(QMP_MESSAGE_MAX);
    qmp->listeners = g_array_new(FALSE, FALSE, sizeof(Listener));
    /* From then on the kernel adds the sender to each message. */
    setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &(int){1}, sizeof(int));
    qmp->input = source_add_fd(fd, G_IO_IN, on_input, qmp, "QMP input");
    if (greeting > 0)
        qmp->timer = source_add_timeout(greeting, on_deadline, qmp, "QMP greeting");
    return qmp;
}

Qmp *
qmp_connect(const char *path, guint greeting, const QmpHandlers *handlers, gpointer user_data,
            GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (strlen(path) >= sizeof(address.sun_path)) {
        error_set_errno(error, ENAMETOOLONG, "QEMU's monitor %s", path);
        return NULL;
    }
    strcpy(address.sun_path, path);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &(int){1}, sizeof(int)) != 0 ||
        RETRY_EINTR(connect(fd, (struct sockaddr *)&address, sizeof(address))) != 0) {
        error_set_errno(error, errno, "cannot connect to QEMU's monitor %s", path);
        return NULL;
    }
    return qmp_new(g_steal_fd(&fd), greeting, handlers, user_data);
}

pid_t
qmp_get_peer_pid(const Qmp *qmp)
{
    return qmp->peer_pid;
}

const GError *
qmp_get_failure(const Qmp *qmp)
{
    return qmp->failure;
}

static gboolean
on_idle(gpointer user_data)
{
    Qmp *qmp = qmp_ref(user_data);

    source_clear(&qmp->idle);
    while (!qmp->freed && qmp->fd < 0 && qmp->commands.length > 0)
        finish_command(qmp, NULL, qmp->failure);
    if (qmp->fd >= 0)
        send_next(qmp);
    qmp_unref(qmp);
    return G_SOURCE_REMOVE;
}

void
qmp_call(Qmp *qmp, const char *command, json_t *arguments, int fd, guint deadline, QmpDone done,
         gpointer user_data)
{
    g_queue_push_tail(&qmp->commands,
                      command_new(command, arguments, fd, deadline, done, user_data));
    if (!qmp->idle && !qmp->freed)
        qmp->idle = source_add_idle(on_idle, qmp, "QMP commands");
}

void
qmp_listen(Qmp *qmp, QmpEvent event, gpointer user_data)
{
    const Listener listener = {event, user_data};

    g_array_append_val(qmp->listeners, listener);
}

void
qmp_unlisten(Qmp *qmp, QmpEvent event, gpointer user_data)
{
    for (guint i = 0; i < qmp->listeners->len; i++) {
        const Listener *listener = &g_array_index(qmp->listeners, Listener, i);

        if (listener->event == event && listener->user_data == user_data) {
            g_array_remove_index(qmp->listeners, i);
            return;
        }
    }
}
