/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * For system calls that may drop the last reference to another process's file: closing a socket
 * that holds descriptors, or reading past them. Dropping it waits for the file's release, and the
 * file's owner controls how long that takes: a TCP connection waits for its peer for the time in
 * SO_LINGER (tcp_close(), net/ipv4/tcp.c). A signal ends such a wait (sk_stream_wait_close()).
 */
#pragma once

#include "privileges.h"

extern const Privileges bounded_close_privileges;

/* Until bounded_close_end() no such wait lasts longer than a few milliseconds, as SIGALRM arrives
 * repeatedly. Must not be nested. For single-threaded programs that do not use SIGALRM or
 * ITIMER_REAL otherwise. */
void bounded_close_begin(void);
void bounded_close_end(void);

/* descriptor_clear() between the two. */
void bounded_close(int *fd);
