/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tests of the broker's use cases share: a TestBroker as their state, and the steps that
 * several of them take. Each fails the test when it does not succeed. */
#pragma once

#include "unit.h"

#include "test-broker.h"

int broker_set_up(void **state);
int broker_tear_down(void **state);
#define BROKER_TEST(function)                                                                      \
    cmocka_unit_test_setup_teardown(function, broker_set_up, broker_tear_down)

/* The same, and what the broker logs meanwhile is in said, a line each. */
extern GString *said;
void said_begin(void);
void said_end(void);
int broker_set_up_said(void **state);
int broker_tear_down_said(void **state);
#define BROKER_TEST_SAID(function)                                                                 \
    cmocka_unit_test_setup_teardown(function, broker_set_up_said, broker_tear_down_said)

guint count_said(const char *text);

/* Makes a port and closes its descriptors. */
const Port *create_port(TestBroker *test, const Caller *caller, const PortRequest *request);

/* As root, up to the port's end. */
void delete_port(TestBroker *test, const char *name);

/* The port of this name, or NULL. */
const Port *find_port(TestBroker *test, const char *name);

/* There must be but one. */
const Port *only_port(TestBroker *test);

gboolean has_link(TestBroker *test, const char *name);

/* The links that are no parents. */
guint count_devices(TestBroker *test);

/* No link but the parents, and no VLAN device on record. */
void expect_no_vlans(TestBroker *test);
guint count_vlan_records(TestBroker *test);

/* Another broker on this state folder and kernel does not start, for a reason with this text, and
 * leaves no descriptor. */
void expect_no_start(TestBroker *test, const char *text);

/* A broker that was killed, and the next. */
void restart(TestBroker *test);

LinkInfo link_at(TestBroker *test, int index);
LinkInfo link_named(TestBroker *test, const char *name);

/* Somebody else gives the link this MAC, 02:ad:00:00:00:last. */
void set_link_mac(TestBroker *test, int index, guint8 last);

/* A broker that was killed, and one that hears of no link, until it hears that events were lost, or
 * of this link as it is now. */
void restart_without_events(TestBroker *test);
void lose_events(void);
void tell_link(TestBroker *test, int index);

/* What is refused is refused by a check as well, in the same words. */
void expect_refused_as(TestBroker *test, const Caller *caller, const PortRequest *request,
                       PortError code, const char *text);
void expect_refused(TestBroker *test, const PortRequest *request, PortError code, const char *text);

/* What watchers were told since the last look, when the main loop has nothing to do any more; or,
 * to wait for what does not come of the loop alone, as much as is expected. */
void expect_events(TestBroker *test, const char *expected);
void await_events(TestBroker *test, const char *expected);
