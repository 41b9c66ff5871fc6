/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A broker on the fake kernel with a state folder of its own, for the tests of the modules from the
 * broker up. Everything here ends the program with a message when it fails.
 */
#pragma once

#include "broker.h"
#include "fake.h"
#include "port-error.h"

typedef struct TestBroker {
    char *state; /* the state folder's path */
    Kernel *kernel;
    Broker *broker;
    GPtrArray *networks;    /* of Network */
    GPtrArray *messages;    /* of the last reconciliation */
    GString *events;        /* "created NAME\n"… since the last test_broker_take_events() */
    guint repair_delays[5]; /* milliseconds; 0 until a test writes others */
    int vhost_errnum;       /* what opening vhost-net fails with; 0: it gives descriptors */
    guint n_parents;
} TestBroker;

/* With a parent eth0 (up, carrier, MTU 1500, MAC 02:00:00:00:00:01) and a network "lan" on it in
 * bridge mode. */
TestBroker *test_broker_new(void);
void test_broker_free(TestBroker *test);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TestBroker, test_broker_free)

/* A further NIC like eth0, with the next MAC; returns its ifindex. */
int test_broker_add_parent(TestBroker *test, const char *name);

/* parents: joined by ','. The network may be changed until the first request. */
Network *test_broker_add_network(TestBroker *test, const char *name, const char *parents,
                                 MacvtapMode mode);
Network *test_broker_network(TestBroker *test, const char *name);

/* The end of the broker as by SIGKILL, and the next one's start up to its reconciliation; the
 * kernel's links stay. Between the two halves a test may change records and links. */
void test_broker_kill(TestBroker *test);
void test_broker_start(TestBroker *test);

/* The start when it may fail; then there may be half a broker for test_broker_kill() to end. */
gboolean test_broker_try_start(TestBroker *test, GError **error);

/* Runs the main loop until it has nothing to do. */
void test_settle(void);

/* This process as a caller of this uid. */
Caller test_caller(uid_t uid);

/* Makes a port without descriptors that nothing holds. */
const Port *test_broker_create(TestBroker *test, uid_t uid, const char *network, const char *name);

/* What broker_delete_port() and broker_end_domain() do, to its end. */
gboolean test_broker_delete(TestBroker *test, const Caller *caller, const char *port,
                            GError **error);
gboolean test_broker_end_domain(TestBroker *test, const Caller *caller, const char *domain,
                                guint *ret_ports, GError **error);

/* The request must be refused with PORT_ERROR code and text in the message, and leave neither link,
 * record nor descriptor behind. */
void test_broker_refuse(TestBroker *test, const Caller *caller, const PortRequest *request,
                        PortError code, const char *text);

/* What broker_watch() told, "" for nothing; free with g_free(). */
char *test_broker_take_events(TestBroker *test);

/* The names in the records' folder, sorted, joined by blanks; free with g_free(). */
char *test_broker_records(TestBroker *test);

/* Writes a record as a broker before us would have left it: file NULL is the port's id. */
void test_broker_write_record(TestBroker *test, const Port *port, const char *file);

/* A whole port on eth0 for records: id "p00000000000" with number in the end; free it. */
Port *test_port_new(guint number);

/* The link of this name; FALSE when there is none. */
gboolean test_broker_find_link(TestBroker *test, const char *name, LinkInfo *ret_link);

guint test_count_descriptors(void);

/* Removes the folder and what is in it. */
void test_remove_folder(const char *path);

/* A child process that lives until it is told to end. */
typedef struct TestChild {
    pid_t pid;
} TestChild;

TestChild test_child_new(void);

/* Returns when it has ended: reaped, or (zombie) not yet. */
void test_child_end(const TestChild *child);
void test_child_end_as_zombie(const TestChild *child);

/* A thread of this process that lives until its end, and its ID, which is no process's. */
typedef struct TestThread {
    pid_t id;
    GThread *thread;
    int ends[2];
} TestThread;

void test_thread_begin(TestThread *thread);
void test_thread_end(TestThread *thread);
