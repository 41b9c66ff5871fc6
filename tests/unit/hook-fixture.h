/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt's hook against a scripted macvtapd: a thread that answers the calls of one connection
 * from a list and keeps what it was asked. */
#pragma once

#include "unit.h"

#include "hook.h"

#define UUID "5c1ab1ff-1d4f-4b4b-8f0e-2f1d1f0a7c11"
#define OTHER "5c1ab1ff-1d4f-4b4b-8f0e-2f1d1f0a7c12"
#define HEAD                                                                                       \
    "<domain><name>vm1</name><uuid>" UUID "</uuid><metadata>"                                      \
    "<m:ports xmlns:m='https://macvtapd.org/xmlns/domain/1'>"
#define MIDDLE "</m:ports></metadata><devices>"
#define TAIL "</devices></domain>"
#define INTERFACE(target, mac, more)                                                               \
    "<interface type='ethernet'><mac address='" mac "'/><target dev='" target                      \
    "' managed='no'/>" more "</interface>"
#define ONE                                                                                        \
    HEAD "<m:port target='null' network='lan'/>" MIDDLE INTERFACE("null", "52:54:00:00:00:0A", "") \
        TAIL
#define TWO                                                                                        \
    HEAD "<m:port target='null' network='lan'/><m:port target='zero' network='dmz'/>" MIDDLE       \
        INTERFACE("null", "52:54:00:00:00:0a", "")                                                 \
            INTERFACE("zero", "52:54:00:00:00:0b", "<driver queues='4'/><mtu size='9000'/>") TAIL

#define HELD_PORT(name, index, mac, domain) TIED_PORT(name, index, mac, domain, "")
#define TIED_PORT(name, index, mac, domain, pid)                                                   \
    "{'id':'p" index "','name':'" name                                                             \
    "','network':'lan','parent':'eth0','mode':'bridge','interfaceName':'" name                     \
    "','interfaceIndex':" index ",'macAddress':'" mac "','mtu':9000,'queues':1,'vhost':'auto',"    \
    "'holder':{'type':'domain'" pid ",'domain':'" domain                                           \
    "'},'owner':0,'state':'active','carrier':true,"                                                \
    "'macChanges':0}"
#define PORT(name, index, mac)                                                                     \
    "{'parameters':{'port':" HELD_PORT(                                                            \
        name, index, mac, UUID) ",'tapFileDescriptors':[],'vhostFileDescriptors':[]}}"
/* The answer to SetPort; of the port nothing is read. */
#define TIED PORT("null", "7", "52:54:00:00:00:0a")
#define LIST(port) "{'parameters':{'ports':[" port "]}}"
#define ENDED "{'parameters':{'ports':0}}"
#define REFUSED(name, message)                                                                     \
    "{'error':'org.macvtapd.Ports." name "','parameters':{'message':'" message "'}}"

typedef struct Fixture {
    char *folder, *socket;
    int listening;
    const char *const *answers;
    GPtrArray *calls; /* of char * */
    GThread *thread;
    Hook hook;
} Fixture;

int hook_set_up(void **state);
int hook_tear_down(void **state);
#define HOOK_TEST(function) cmocka_unit_test_setup_teardown(function, hook_set_up, hook_tear_down)

/* The devices of this machine: the names that the tests' XML have, and what is taken. */
guint fake_index(const char *name);

/* The device nodes are those of /dev that every machine has: null and zero are character devices,
 * and links to them are what /dev/tapN would be. */
void make_hook(Fixture *fixture, const char *text);
void make_node(const Fixture *fixture, const char *name, const char *target);
void remove_file(const Fixture *fixture, const char *name);
void remove_folder(const Fixture *fixture, const char *name);

void make_qemu(Fixture *fixture);
void remove_qemu(Fixture *fixture);

/* The thread: accepts one connection and answers its calls. */
gpointer serve(gpointer data);

/* Runs the operation with a macvtapd that gives these answers. */
gboolean run_against(Fixture *fixture, const char *operation, const char *const *answers,
                     GError **error);
void assert_call(const Fixture *fixture, guint index, const char *method, const char *text);
