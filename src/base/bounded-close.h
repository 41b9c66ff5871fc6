/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * For system calls that may drop the last reference to somebody else's file: closing a socket in
 * which descriptors lie, or reading past them. Whoever drops it waits for the file's end, and for
 * how long is its owner's to say: a TCP connection waits for its peer as long as SO_LINGER says
 * (tcp_close(), net/ipv4/tcp.c). Such waits end at a signal (sk_stream_wait_close()).
 */
#pragma once

#include "privileges.h"

extern const Privileges bounded_close_privileges;

/* From here to bounded_close_end() no such wait lasts longer than some milliseconds: SIGALRM comes
 * again and again. Not to be nested. For one thread; no other use of SIGALRM or ITIMER_REAL beside
 * it. */
void bounded_close_begin(void);
void bounded_close_end(void);

/* descriptor_clear() between these two. */
void bounded_close(int *fd);
