/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bounded-close.h"

#include "descriptor.h"

#include <errno.h>
#include <glib.h>
#include <signal.h>
#include <sys/time.h>

/* The longest wait; closing descriptors does not legitimately take longer. */
#define MICROSECONDS 2000

const Privileges bounded_close_privileges = {
    .part = "closing files of other processes",
    .system_calls =
        SYSTEM_CALLS({"setitimer"}, {"rt_sigaction"}, {"rt_sigprocmask"}, {"rt_sigreturn"}),
};

static void
on_alarm(int number)
{
}

static void
set_timer(suseconds_t microseconds)
{
    const struct itimerval timer = {{0, microseconds}, {0, microseconds}};
    int errnum = errno;

    setitimer(ITIMER_REAL, &timer, NULL);
    errno = errnum;
}

/* The parent process may have blocked the signal. */
static void
take_alarms(void)
{
    const struct sigaction action = {.sa_handler = on_alarm};
    sigset_t alarms;

    sigaction(SIGALRM, &action, NULL);
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    sigprocmask(SIG_UNBLOCK, &alarms, NULL);
}

void
bounded_close_begin(void)
{
    static gboolean ready;

    if (!ready)
        take_alarms();
    ready = TRUE;
    set_timer(MICROSECONDS);
}

void
bounded_close_end(void)
{
    set_timer(0);
}

void
bounded_close(int *fd)
{
    if (*fd < 0)
        return;
    bounded_close_begin();
    descriptor_clear(fd);
    bounded_close_end();
}
