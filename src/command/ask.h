/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Requests from our programs to macvtapd, through the public libmacvtap, with its results as
 * GErrors and its lists as arrays.
 */
#pragma once

#include "macvtap.h"

#include <glib.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(MacvtapClient, macvtap_client_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MacvtapRequest, macvtap_request_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MacvtapPort, macvtap_port_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MacvtapNetwork, macvtap_network_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MacvtapEvent, macvtap_event_free)

#define ASK_ERROR (ask_error_quark())
GQuark ask_error_quark(void); /* its code is 0: macvtap_client_get_refusal() tells more */

/* How long a program that may run unattended lets macvtapd take for an answer, in milliseconds: far
 * longer than it takes when very many ask at once. */
#define ASK_TIME 60000

/* socket: NULL for the default. milliseconds: how long the connection and each request may take. */
MacvtapClient *ask_connect_within(const char *socket, int milliseconds, GError **error);

/* Without a time limit: a user at a terminal can interrupt the program, and the hook has a deadline
 * of its own. */
MacvtapClient *ask_connect(const char *socket, GError **error);

/* macvtap_request_set_text(), for the user's input. */
gboolean ask_set_text(MacvtapRequest *request, const char *field, const char *text, GError **error);

/* Calls the request; *error has the client's message. */
gboolean ask(MacvtapClient *client, MacvtapRequest *request, GError **error);

/* The same; returns the port in the answer. */
MacvtapPort *ask_take_port(MacvtapClient *client, MacvtapRequest *request, GError **error);

/* Requests about one port, by its name, ID or interface name. */
MacvtapPort *ask_port(MacvtapClient *client, const char *port, gboolean statistics, GError **error);
MacvtapPort *ask_open(MacvtapClient *client, const char *port, guint queues, GError **error);
gboolean ask_delete(MacvtapClient *client, const char *port, GError **error);
gboolean ask_set_holder_pid(MacvtapClient *client, const char *port, int pid, GError **error);

/* Ends the ports of the domain with this UUID; there may be none. */
gboolean ask_end_domain(MacvtapClient *client, const char *uuid, GError **error);

/* Arrays of MacvtapPort (network NULL: of all) and MacvtapNetwork; g_ptr_array_unref() them. */
GPtrArray *ask_ports(MacvtapClient *client, const char *network, gboolean statistics,
                     GError **error);
GPtrArray *ask_networks(MacvtapClient *client, GError **error);
/* One, with its members and its parents' state. */
MacvtapNetwork *ask_network(MacvtapClient *client, const char *name, GError **error);
GPtrArray *ask_take_networks(MacvtapRequest *request); /* from an answer */

/* Waits for the next event of a client that watches. */
gboolean ask_event(MacvtapClient *client, MacvtapEvent **ret_event, GError **error);

/* Like macvtap_port_get_text() and macvtap_network_get_text(), but "" for absent fields. */
const char *port_text(const MacvtapPort *port, const char *field);
const char *network_text(const MacvtapNetwork *network, const char *field);

/* "descriptors", "pid:N", "domain:UUID" or "none"; free with g_free(). */
char *port_holder_text(const MacvtapPort *port);
