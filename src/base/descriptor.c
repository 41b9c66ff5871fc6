/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void
descriptor_clear(int *fd)
{
    int saved = errno;

    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    errno = saved;
}

gboolean
descriptor_fill_standard(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        /* open(2) returns the lowest free number, and those below are open. */
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)
            return FALSE;
    }
    return TRUE;
}

static void
descriptor_clear_element(gpointer data)
{
    descriptor_clear(data);
}

DescriptorArray *
descriptor_array_new(void)
{
    GArray *array = g_array_new(FALSE, FALSE, sizeof(int));

    g_array_set_clear_func(array, descriptor_clear_element);
    return array;
}

void
descriptor_array_take(DescriptorArray *array, int fd)
{
    g_array_append_val(array, fd);
}

int
descriptor_array_get(const DescriptorArray *array, guint index)
{
    g_return_val_if_fail(index < array->len, -1);
    return g_array_index(array, int, index);
}

int
descriptor_array_steal(DescriptorArray *array, guint index)
{
    g_return_val_if_fail(index < array->len, -1);
    return g_steal_fd(&g_array_index(array, int, index));
}
