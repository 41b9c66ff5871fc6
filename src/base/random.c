/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "random.h"

#include <errno.h>
#include <sys/random.h>

const Privileges random_privileges = {
    .part = "random numbers",
    .system_calls = SYSTEM_CALLS({"getrandom"}),
};

guint32
random_number(void)
{
    guint32 number;

    /* This few bytes are returned completely or, after a signal, not at all. */
    while (getrandom(&number, sizeof number, 0) != sizeof number) {
        if (errno != EINTR && errno != EAGAIN)
            g_error("cannot draw a random number: %s", g_strerror(errno));
    }
    return number;
}

int
random_in_range(int begin, int end)
{
    return begin + (int)(random_number() % (guint32)(end - begin));
}
