/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation: libvirt waits for its hooks without a limit and holds the domain's lock
 * meanwhile, so a hook that hangs hangs virsh list, too. Here a timer's signal ends the process,
 * whether in connect(), in read() or in a loop. The handler uses async-signal-safe calls only, on
 * what was prepared before.
 */
#include "hook.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static struct {
    const char *message, *mark;
    size_t length;
    int status, folder;
} deadline;

static void
on_deadline(int signal_number)
{
    if (deadline.mark)
        (void)openat(deadline.folder, deadline.mark, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
                     0600);
    if (write(STDERR_FILENO, deadline.message, deadline.length) < 0) {
        /* nobody is there to read it */
    }
    _exit(deadline.status);
}

static void
set_timer(guint milliseconds)
{
    struct itimerval timer = {
        .it_value = {.tv_sec = milliseconds / 1000, .tv_usec = milliseconds % 1000 * 1000}};

    setitimer(ITIMER_REAL, &timer, NULL);
}

void
deadline_start(guint milliseconds, int status, const char *message)
{
    struct sigaction action = {.sa_handler = on_deadline};
    sigset_t signals;

    deadline.status = status;
    deadline.message = message;
    deadline.length = strlen(message);
    deadline.mark = NULL;
    sigaction(SIGALRM, &action, NULL);
    sigemptyset(&signals);
    sigaddset(&signals, SIGALRM);
    sigprocmask(SIG_UNBLOCK, &signals, NULL);
    set_timer(milliseconds);
}

void
deadline_shorten(guint milliseconds)
{
    struct itimerval left;

    getitimer(ITIMER_REAL, &left);
    if (left.it_value.tv_sec * 1000 + left.it_value.tv_usec / 1000 > (long)milliseconds)
        set_timer(milliseconds);
}

void
deadline_set_mark(int folder, const char *name)
{
    deadline.folder = folder;
    deadline.mark = folder >= 0 ? name : NULL;
}
