/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * org.macvtapd.Ports on a socket pair: the client sends, the main loop answers, the client reads
 * what is there. No thread, and nobody waits.
 */
#pragma once

#include "unit.h"

#include "api.h"
#include "test-broker.h"
#include "varlink-client.h"

#define API_INTERFACE "org.macvtapd.Ports."

/* The tests' user may use the network "lan". */
typedef struct ApiFixture {
    TestBroker *test;
    VarlinkServer *server;
    Api *api;
    VarlinkClient *client;
    guint reloads;            /* how many there were */
    const char *reload_error; /* of the next ones; NULL: they succeed */
} ApiFixture;

int api_set_up(void **state);
int api_tear_down(void **state);
#define API_TEST(function) cmocka_unit_test_setup_teardown(function, api_set_up, api_tear_down)

/* A further client, with the effective user ID that the process has now. */
VarlinkClient *api_connect(ApiFixture *fixture);

/* parameters: JSON, with ' for ". The answer is there when this returns. */
void api_send(VarlinkClient *client, const char *method, const char *parameters,
              VarlinkCallFlags flags);
void api_receive(VarlinkClient *client, VarlinkReply *ret_reply);

/* Both, on the fixture's client. The second fails the test when the reply is an error. */
void api_call(ApiFixture *fixture, const char *method, const char *parameters,
              VarlinkReply *ret_reply);
void api_call_well(ApiFixture *fixture, const char *method, const char *parameters,
                   VarlinkReply *ret_reply);

/* The call must be answered by this error of ours, and text be in its message. */
void api_expect_error(ApiFixture *fixture, const char *method, const char *parameters,
                      const char *name, const char *text);

const char *api_text_of(json_t *object, const char *field);

/* Whether the object has exactly the fields of the interface's type of this name. */
gboolean api_check_struct(json_t *object, const char *name);
