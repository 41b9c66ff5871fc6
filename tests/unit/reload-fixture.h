/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Networks that change while their ports live, for the tests of reloads. */
#pragma once

#include "test-broker.h"

/* A network on eth0 that is yet to be loaded. */
Network *define_network(const char *name, MacvtapMode mode);

/* These are the networks from now on; both may be NULL. They are the test's too, for a restart. All
 * events are read before and after. The changes, of NetworkChange. */
GPtrArray *reload_networks(TestBroker *test, Network *first, Network *second);
void reload_network(TestBroker *test, Network *network);

/* keys: joined by ' '; "" for none. */
void expect_outdated(TestBroker *test, const char *name, const char *keys);

/* The changes (taken) as "+added -removed name:Key,Key(ports/outdated ports:Key)". */
void expect_changes(GPtrArray *changes, const char *wanted);
