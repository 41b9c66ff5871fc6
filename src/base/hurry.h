/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * For system calls that may drop the last reference to somebody else's file: closing a socket in
 * which descriptors lie, or reading past them. Whoever drops it waits for the file's end, and for
 * how long is its owner's to say: a TCP connection waits for its peer as long as SO_LINGER says
 * (tcp_close(), net/ipv4/tcp.c). Such waits end at a signal (sk_stream_wait_close()).
 */
#pragma once

#include "privileges.h"

extern const Privileges hurry_privileges;

/* From here to hurry_end() no such wait lasts longer than some milliseconds: SIGALRM comes again
 * and again. Not to be nested. For one thread; no other use of SIGALRM or ITIMER_REAL beside it. */
void hurry_begin(void);
void hurry_end(void);

/* descriptor_clear() in a hurry. */
void hurry_close(int *fd);
