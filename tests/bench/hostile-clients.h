/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clients that do what no client should, each in processes and as a user of its own. */
#pragma once

#include <glib.h>

typedef struct HostileKind {
    const char *name;
    guint n_processes; /* each as another user, with each kind's users its own */
    void (*body)(const char *socket_path, int ready_fd);
} HostileKind;

/* Ended by a NULL name. */
extern const HostileKind hostile_kinds[];

/* Kinds at work. */
typedef struct HostileCrowd HostileCrowd;

/* Starts one kind, or all of them for NULL, with ordinary priority, and waits until each is at
 * work. */
HostileCrowd *hostile_crowd_start(const char *name, const char *socket_path);

/* Ends them, and waits for it. */
void hostile_crowd_end(HostileCrowd *crowd);
