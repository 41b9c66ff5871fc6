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
 * Opens /dev/null as each of descriptors 0, 1 and 2 that is closed: a file opened later would get
 * that number and be used as standard input, output or error, by us or by a program we execute.
 * Call it before anything else is opened. FALSE on failure, with errno.
 */
gboolean descriptor_fill_standard(void);

/* Declares a variable that is closed at the end of its scope: AUTO_FD int fd = -1; */
#define AUTO_FD __attribute__((cleanup(descriptor_clear)))

/*
 * A GArray of int that owns its descriptors: each is closed when it is removed or when the last
 * reference is dropped. g_array_steal() removes the descriptors without closing them.
 */
typedef GArray DescriptorArray;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DescriptorArray, g_array_unref)

/* Returns a new, empty array; free it with g_array_unref(). */
DescriptorArray *descriptor_array_new(void);

/* Appends fd and takes ownership of it. */
void descriptor_array_take(DescriptorArray *array, int fd);

/* The descriptor at index; still owned by the array. */
int descriptor_array_get(const DescriptorArray *array, guint index);

/* Removes the descriptor at index from the array (leaving -1) and returns it, owned. */
int descriptor_array_steal(DescriptorArray *array, guint index);
