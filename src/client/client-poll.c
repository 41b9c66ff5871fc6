/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The descriptor that a program polls. What it waits for: client_has_something() in client.c. */
#include "client-private.h"

#include "descriptor.h"

#include <errno.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

static gboolean
poll_add(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    return fd >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

int
client_poll_open(ClientPoll *poll, const ClientPollState *state)
{
    int errnum;

    if (poll->epoll >= 0)
        return poll->epoll;
    poll->epoll = epoll_create1(EPOLL_CLOEXEC);
    poll->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    poll->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (poll->epoll >= 0 && poll_add(poll->epoll, poll->wake) &&
        poll_add(poll->epoll, poll->timer) && client_poll_update(poll, state))
        return poll->epoll;
    errnum = errno;
    client_poll_clear(poll);
    errno = errnum;
    return -1;
}

void
client_poll_forget(ClientPoll *poll)
{
    if (poll->watched >= 0)
        (void)epoll_ctl(poll->epoll, EPOLL_CTL_DEL, poll->watched, NULL);
    poll->watched = -1;
}

void
client_poll_clear(ClientPoll *poll)
{
    descriptor_clear(&poll->epoll);
    descriptor_clear(&poll->wake);
    descriptor_clear(&poll->timer);
    *poll = (ClientPoll)CLIENT_POLL_INIT;
}

static gboolean
watch_connection(ClientPoll *poll, int connection, gboolean has_unsent)
{
    struct epoll_event event = {.events = EPOLLIN | (has_unsent ? EPOLLOUT : 0),
                                .data.fd = connection};
    gboolean is_new = poll->watched < 0;

    if (connection < 0 || (!is_new && event.events == poll->watched_events))
        return TRUE;
    if (epoll_ctl(poll->epoll, is_new ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, connection, &event) < 0)
        return FALSE;
    poll->watched = connection;
    poll->watched_events = event.events;
    return TRUE;
}

static void
set_awake(ClientPoll *poll, gboolean is_awake)
{
    uint64_t count = 1;

    if (is_awake == poll->is_awake)
        return;
    if ((is_awake ? write(poll->wake, &count, sizeof count)
                  : read(poll->wake, &count, sizeof count)) == sizeof count)
        poll->is_awake = is_awake;
}

/* Setting a timer also clears an earlier expiry. */
static void
set_limit(ClientPoll *poll, gint64 limit)
{
    struct itimerspec when = {0};

    if (limit == poll->limit)
        return;
    if (limit >= 0) {
        when.it_value.tv_sec = limit / G_USEC_PER_SEC;
        when.it_value.tv_nsec = MAX(limit % G_USEC_PER_SEC * 1000, 1);
    }
    if (timerfd_settime(poll->timer, TFD_TIMER_ABSTIME, &when, NULL) == 0)
        poll->limit = limit;
}

gboolean
client_poll_update(ClientPoll *poll, const ClientPollState *state)
{
    if (poll->epoll < 0)
        return TRUE;
    set_awake(poll, state->has_something);
    set_limit(poll, state->limit);
    return watch_connection(poll, state->connection, state->has_unsent);
}
