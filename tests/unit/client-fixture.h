/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libmacvtap against a scripted daemon: nobody runs it, its answers lie in the socket before the
 * client asks. */
#pragma once

#include "unit.h"

#include "macvtap.h"
#include "varlink-test.h"

typedef struct ClientFixture {
    char *folder, *path;
    int listening, service;  /* the daemon's: where it listens, and its end of the connection */
    MacvtapClient *client;   /* connected */
    MacvtapRequest *request; /* of ask(), until the next one */
} ClientFixture;

int client_set_up(void **state);
int client_tear_down(void **state);
#define CLIENT_TEST(function)                                                                      \
    cmocka_unit_test_setup_teardown(function, client_set_up, client_tear_down)

/* In JSON, with ' for ", as everywhere here. */
#define PORT                                                                                       \
    "{'id':'p000000000001','name':'web','network':'lan','parent':'eth0','mode':'bridge',"          \
    "'interfaceName':'tap0','interfaceIndex':7,'macAddress':'52:54:00:00:00:01','mtu':1500,"       \
    "'queues':2,'vhost':'auto','holder':{'type':'process','pid':42},'owner':1000,"                 \
    "'state':'active','carrier':true,'macChanges':0}"
#define GRANT(port, taps, vhosts)                                                                  \
    "{'parameters':{'port':" port ",'tapFileDescriptors':" taps ",'vhostFileDescriptors':" vhosts  \
    "}}"
#define REFUSAL(name, message)                                                                     \
    "{'error':'org.macvtapd.Ports." name "','parameters':{'message':'" message "'}}"
#define EVENT(type) "{'parameters':{'event':'" type "','port':" PORT "},'continues':true}"
#define READY "{'parameters':{'event':'ready'},'continues':true}"

/* A new connection, taken on by the daemon. */
void client_connect_again(ClientFixture *fixture);

/* Sends an answer, with so many descriptors. */
void answer_with(ClientFixture *fixture, const char *text, guint n_descriptors);
void answer(ClientFixture *fixture, const char *text);

/* Exactly this call has come: a method, and its parameters ("" for none). */
void expect_call(ClientFixture *fixture, const char *method, const char *parameters);

/* A new request with one text set, or none. */
MacvtapRequest *new_request(MacvtapMethod method, const char *field, const char *text);

/* Calls such a request, and keeps it in fixture->request; its result. */
int ask(ClientFixture *fixture, MacvtapMethod method, const char *field, const char *text);

/* The client's last call failed so. */
void expect_failure(ClientFixture *fixture, int result, int errnum, const char *message);

/* The client watches, and the daemon has read the call. */
void start_watch(ClientFixture *fixture);

/* Whether its descriptor is readable now. */
gboolean is_readable(ClientFixture *fixture);
