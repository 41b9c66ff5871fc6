/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by the library's files; none of it is exported. */
#pragma once

#include "macvtap.h"
#include "varlink-client.h"

#include <glib.h>
#include <jansson.h>

/* An object of the API, and the texts made from it, which live as long as it does. */
typedef struct ClientObject {
    json_t *json;
    GHashTable *texts; /* the texts requested so far: field -> text */
} ClientObject;

/* Takes a reference to json. */
void client_object_init(ClientObject *object, json_t *json);
void client_object_clear(ClientObject *object);
const char *client_object_string(const ClientObject *object, const char *field);
gint64 client_object_integer(const ClientObject *object, const char *field);
gboolean client_object_truth(const ClientObject *object, const char *field);
gsize client_object_count(const ClientObject *object, const char *list);
const char *client_object_item(const ClientObject *object, const char *list, gsize index);

/* As macvtap_port_get_text(), macvtap_port_get_number() and macvtap_port_get_json(). */
const char *client_object_text(const ClientObject *object, const char *field);
int client_object_number(const ClientObject *object, const char *field, int64_t *ret_number);
const char *client_object_line(const ClientObject *object);

/* The method's name on the wire; NULL: there is no such method. */
const char *client_method_name(MacvtapMethod method);

/* The enum value for a word on the wire; 0 for NULL and unknown words. */
MacvtapPortMode client_mode_parse(const char *word);
MacvtapPortState client_state_parse(const char *word);
MacvtapVhost client_vhost_parse(const char *word);
MacvtapHolder client_holder_parse(const char *word);
MacvtapEventType client_event_parse(const char *word);

/* The refusal for an error's name on the wire, qualified or not, and its errno. */
#define CLIENT_INTERFACE "org.macvtapd.Ports."
MacvtapRefusal client_refusal_parse(const char *error);
int client_refusal_errno(MacvtapRefusal refusal);

/* Makes a port of the API's Port and, unless they are NULL, the reply's descriptors (a reference is
 * taken) and index lists. NULL: *ret_missing is what is missing or wrong. */
MacvtapPort *client_port_new(json_t *json, DescriptorArray *descriptors, json_t *taps,
                             json_t *vhosts, const char **ret_missing);
MacvtapNetwork *client_network_new(json_t *json, const char **ret_missing);

/* NULL if it is not an event. */
MacvtapEvent *client_event_new(const VarlinkReply *reply);

/* The result of a request. */
typedef struct ClientAnswer {
    int result;
    MacvtapRefusal refusal;
    char *error_name, *message;
    GPtrArray *ports, *networks, *faults, *failures; /* NULL: none */
    json_t *file_changes;
    DescriptorArray *descriptors; /* of a capture; NULL: none */
    json_t *reasons;              /* of dropped frames */
    char *statistics;             /* JSON, of malloc(3); NULL: none */
    gsize count;
} ClientAnswer;

struct MacvtapRequest {
    MacvtapMethod method;
    json_t *parameters;
    GPtrArray *names; /* the ports to delete, and how many of them have been requested so far */
    guint names_sent;
    MacvtapClient *client; /* the client it is pending with, or NULL */
    gboolean is_called;    /* macvtap_client_call() waits for it */
    MacvtapCompleted *completed;
    void *user_data;
    ClientAnswer answer;
};

void client_answer_clear(ClientAnswer *answer);

/* Sets result and message, which is taken. */
void client_answer_fail(ClientAnswer *answer, int errnum, char *message);

/* Handles a reply to the request. FALSE: the next part of the request must be sent. */
gboolean client_answer_read(MacvtapRequest *request, const VarlinkReply *reply);

/* The parameters of the message to send next. */
json_t *client_request_parameters(MacvtapRequest *request);

/* In client.c: the client drops the request without answering it. */
void client_forget_request(MacvtapClient *client, MacvtapRequest *request);

/*
 * client-poll.c: the one descriptor that a client's user polls: an epoll instance with the
 * connection, an eventfd that is readable while there is something to take, and a timer for the
 * time limit. Nothing is created until it is asked for, so that a client whose calls block costs
 * one descriptor.
 */
typedef struct ClientPoll {
    int epoll, wake, timer; /* -1 until asked for */
    int watched;            /* the connection in it, or -1 */
    guint32 watched_events;
    gboolean is_awake;
    gint64 limit;
} ClientPoll;

#define CLIENT_POLL_INIT                                                                           \
    {                                                                                              \
        .epoll = -1, .wake = -1, .timer = -1, .watched = -1, .limit = -1                           \
    }

/* The conditions that the descriptor signals. */
typedef struct ClientPollState {
    int connection; /* -1: no connection */
    gboolean has_unsent;
    gboolean has_something; /* there is something to take or to report */
    gint64 limit;           /* deadline on g_get_monotonic_time()'s clock; -1: none */
} ClientPollState;

/* Creates the descriptor, which then signals this state; -1 and errno on failure. */
int client_poll_open(ClientPoll *poll, const ClientPollState *state);

/* FALSE and errno: the kernel does not watch the connection, of which the descriptor would never
 * tell. Cannot fail without a connection. */
gboolean client_poll_update(ClientPoll *poll, const ClientPollState *state);

/* Before the connection is closed: a copy of it in a forked process would keep it in the epoll
 * instance. */
void client_poll_forget(ClientPoll *poll);

/* Closes everything; the epoll instance, which a forked process may share, stays as it is. */
void client_poll_clear(ClientPoll *poll);
