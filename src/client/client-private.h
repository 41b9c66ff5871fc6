/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the library's files share; none of it is exported. */
#pragma once

#include "macvtap.h"
#include "varlink-client.h"

#include <glib.h>
#include <jansson.h>

/* An object of the API's, and the texts that were made of it, which live as long as it does. */
typedef struct ClientObject {
    json_t *json;
    GHashTable *texts; /* of what is asked for by text: the field -> its text */
} ClientObject;

/* Takes a reference to json. */
void client_object_init(ClientObject *object, json_t *json);
void client_object_clear(ClientObject *object);
const char *client_object_string(const ClientObject *object, const char *field);
gint64 client_object_integer(const ClientObject *object, const char *field);
gboolean client_object_truth(const ClientObject *object, const char *field);
gsize client_object_count(const ClientObject *object, const char *list);
const char *client_object_item(const ClientObject *object, const char *list, gsize index);

/* As macvtap_port_get_text(), macvtap_port_get_number() and macvtap_port_to_json(). */
const char *client_object_text(const ClientObject *object, const char *field);
int client_object_number(const ClientObject *object, const char *field, int64_t *ret_number);
const char *client_object_line(const ClientObject *object);

/* The value of an enum by its word on the wire, 0 for NULL and what is not known. */
MacvtapPortMode client_mode_parse(const char *word);
MacvtapPortState client_state_parse(const char *word);
MacvtapVhost client_vhost_parse(const char *word);
MacvtapHolder client_holder_parse(const char *word);
MacvtapEventType client_event_parse(const char *word);

/* The refusal of an error's name on the wire, qualified or not, and its errno. */
#define CLIENT_INTERFACE "org.macvtapd.Ports."
MacvtapRefusal client_refusal_parse(const char *error);
int client_refusal_errno(MacvtapRefusal refusal);

/* Makes a port of the API's Port and, unless they are NULL, the reply's descriptors (a reference is
 * taken) and index lists. NULL: *ret_missing is what is missing or wrong. */
MacvtapPort *client_port_new(json_t *json, DescriptorArray *descriptors, json_t *taps,
                             json_t *vhosts, const char **ret_missing);
MacvtapNetwork *client_network_new(json_t *json, const char **ret_missing);

/* NULL when it is no event. */
MacvtapEvent *client_event_new(const VarlinkReply *reply);

/* What came of a request. */
typedef struct ClientAnswer {
    int result;
    MacvtapRefusal refusal;
    char *error_name, *message;
    GPtrArray *ports, *networks, *faults, *failures; /* NULL: none */
    json_t *file_changes;
    guint64 count;
} ClientAnswer;

struct MacvtapRequest {
    MacvtapMethod method;
    json_t *parameters;
    GPtrArray *names; /* the ports to delete, and how many of them have been asked for */
    guint names_sent;
    MacvtapClient *client; /* with which it is pending, or NULL */
    gboolean is_called;    /* macvtap_client_call() waits for it */
    MacvtapCompleted *completed;
    void *user_data;
    ClientAnswer answer;
};

void client_answer_clear(ClientAnswer *answer);

/* Sets result and message, which is taken. */
void client_answer_fail(ClientAnswer *answer, int errnum, char *message);

/* Takes a reply to the request. FALSE: the next part of it must be sent. */
gboolean client_answer_read(MacvtapRequest *request, const VarlinkReply *reply);

/* What to send next. */
const char *client_request_method(const MacvtapRequest *request);
json_t *client_request_parameters(MacvtapRequest *request);

/* In client.c: the request is no longer the client's to answer. */
void client_forget_request(MacvtapClient *client, MacvtapRequest *request);
