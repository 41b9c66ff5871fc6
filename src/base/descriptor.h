/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * File descriptors with one owner each: close-on-exec from birth, -1 until set, closed with the
 * scope, and moved with g_steal_fd().
 */
#pragma once

#include <glib.h>

/* Closes *fd unless it is -1 and sets it to -1. errno is kept. */
void descriptor_clear(int *fd);

/*
 * Opens /dev/null as each of descriptors 0, 1 and 2 that is closed: what is opened later would take
 * the number, and be read or written as standard input, output or error, by us or by what we
 * become. To be called before anything else is opened. FALSE: it cannot be done, errno says why.
 */
gboolean descriptor_fill_standard(void);

/* Declares a variable that is closed at the end of its scope: AUTO_FD int fd = -1; */
#define AUTO_FD __attribute__((cleanup(descriptor_clear)))

/*
 * A GArray of int that owns its descriptors: each is closed when it is removed or when the last
 * reference goes. g_array_steal() takes the descriptors out without closing them.
 */
typedef GArray DescriptorArray;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DescriptorArray, g_array_unref)

/* Returns a new, empty array; free it with g_array_unref(). */
DescriptorArray *descriptor_array_new(void);

/* Appends fd and takes its ownership. */
void descriptor_array_take(DescriptorArray *array, int fd);

/* The descriptor at index; still owned by the array. */
int descriptor_array_get(const DescriptorArray *array, guint index);

/* Takes the descriptor at index out of the array (which keeps -1 there) and returns it, owned. */
int descriptor_array_steal(DescriptorArray *array, guint index);
