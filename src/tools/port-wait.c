/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation: macvtapd reports the creation of a port also to watchers in the network
 * namespace that holds it. The watch starts before the port is looked for, so nothing is missed,
 * and each try in vain, of which macvtapd's log has a line, follows an event.
 *
 * A user has a limited number of watches, which many containers may share. Without one, this tries
 * once a second.
 */
#include "port-wait.h"

#define MILLISECOND (G_USEC_PER_SEC / 1000)

/* A client that watches, or NULL. */
static MacvtapClient *
start_watch(const char *socket)
{
    g_autoptr(MacvtapRequest) request = macvtap_request_new(MACVTAP_METHOD_WATCH_PORTS);
    g_autoptr(MacvtapClient) watcher = ask_connect_within(socket, ASK_TIME, NULL);

    return watcher && ask(watcher, request, NULL) ? g_steal_pointer(&watcher) : NULL;
}

static gboolean
is_about(const MacvtapEvent *event, const char *name)
{
    const MacvtapPort *port = macvtap_event_get_port(event);

    return macvtap_event_get_type(event) == MACVTAP_EVENT_CREATED && port &&
           g_strcmp0(macvtap_port_get_holder_interface(port), name) == 0;
}

static gboolean
take_events(MacvtapClient *watcher, const char *name)
{
    gboolean found = FALSE;
    MacvtapEvent *event;

    while ((event = macvtap_client_next_event(watcher))) {
        found |= is_about(event, name);
        macvtap_event_free(event);
    }
    return found;
}

/* Returns when it is worth another try; FALSE: the time (of g_get_monotonic_time()) is over. */
static gboolean
wait_created(MacvtapClient *client, MacvtapClient **watcher, const char *name, gint64 end)
{
    gint64 now;

    while ((now = g_get_monotonic_time()) < end) {
        int left = (int)((end - now + MILLISECOND - 1) / MILLISECOND);

        if (!*watcher) {
            macvtap_client_wait(client, MIN(left, 1000));
            return TRUE;
        }
        macvtap_client_wait(*watcher, left);
        if (take_events(*watcher, name))
            return TRUE;
        if (!macvtap_client_is_connected(*watcher))
            g_clear_pointer(watcher, macvtap_client_free);
    }
    return FALSE;
}

MacvtapPort *
port_wait_open(MacvtapClient *client, const char *socket, const char *port, guint queues,
               GError **error)
{
    gboolean in_container = macvtap_client_get_peer_pid(client) == 0;
    gint64 end = g_get_monotonic_time() + PORT_WAIT_SECONDS * G_USEC_PER_SEC;
    g_autoptr(MacvtapClient) watcher = in_container ? start_watch(socket) : NULL;
    g_autoptr(GError) cause = NULL;
    MacvtapPort *opened;

    while (!(opened = ask_open(client, port, queues, &cause)) && in_container &&
           macvtap_client_get_refusal(client) == MACVTAP_REFUSAL_PORT_NOT_FOUND) {
        if (!wait_created(client, &watcher, port, end)) {
            g_prefix_error(&cause, "waited %d s for the container's port: ", PORT_WAIT_SECONDS);
            break;
        }
        g_clear_error(&cause);
    }
    if (cause)
        g_propagate_error(error, g_steal_pointer(&cause));
    return opened;
}
