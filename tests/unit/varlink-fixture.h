/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A server of the interface org.example.test with one connection, for the tests of the server. */
#pragma once

#include "varlink-test.h"

#include "varlink-server.h"

#include <sys/socket.h>
#include <sys/un.h>

typedef struct Fixture {
    VarlinkServer *server;
    int client;   /* the far end of the first connection */
    int near;     /* its near end: the server's, not to be closed here */
    guint before; /* descriptors held before all */
    guint held;   /* … with the first connection, its peer's pidfd included */
    VarlinkCall *kept;
    guint calls, gone;
} Fixture;

extern const VarlinkServiceInfo fixture_info;

void fixture_init(Fixture *fixture);
void fixture_init_with(Fixture *fixture, const VarlinkLimits *limits);

/* Fails the test unless all descriptors are closed that were opened since fixture_init(). */
void fixture_clear(Fixture *fixture);

/* One more connection: returns its far end. */
int connect_client(Fixture *fixture);

/* Sends text on the first connection and lets the server work. */
void ask(Fixture *fixture, const char *text);

/* ask(), after which exactly reply must be there. */
void expect_answer(Fixture *fixture, const char *call, const char *reply);

/* The first of several that are there. */
void expect_first_text(Fixture *fixture, const char *text);

/* The server has closed the first connection and has no other. */
void expect_dropped(Fixture *fixture);

/* A listening socket with a name that the kernel chooses, and a connection to it. */
int make_listener(struct sockaddr_un *address, socklen_t *length);
int dial(const struct sockaddr_un *address, socklen_t length);
