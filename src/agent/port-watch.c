/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The ports are listed once macvtapd has said that the watch is ready, and events are left in the
 * client until the list is there: some may be older than the list, but the last of each port is
 * not.
 *
 * A macvtapd that is gone is tried again after FIRST_DELAY milliseconds, twice as many, and so on
 * up to LAST_DELAY; then only when port_watch_try() is called. One that is there, but refuses the
 * watch, because the user has too many, is tried again and again; the ports are listed each time.
 */
#include "agent-private.h"

#include "daemon-call.h"

#include "source.h"

#define FIRST_DELAY 50
#define LAST_DELAY (FIRST_DELAY << 12) /* 3.4 minutes; 7 in all */
#define FIRST_DELAY_IF_REFUSED (FIRST_DELAY << 6)

struct PortWatch {
    char *socket;
    PortWatchHandlers handlers;
    gpointer user_data;
    MacvtapClient *client;
    MacvtapRequest *request;
    GSource *source, *timer;
    guint delay;         /* the last; 0: none since it was connected */
    guint n_listing;     /* lists that were asked for and have not come */
    gboolean is_ready;   /* macvtapd has accepted the watch */
    gboolean is_listed;  /* since then */
    gboolean is_refused; /* the last try was */
};

static void start(PortWatch *watch);

static gboolean
on_delay(gpointer user_data)
{
    PortWatch *watch = user_data;

    source_clear(&watch->timer);
    start(watch);
    return G_SOURCE_REMOVE;
}

static void
disconnect(PortWatch *watch)
{
    source_clear(&watch->source);
    g_clear_pointer(&watch->request, macvtap_request_free);
    g_clear_pointer(&watch->client, macvtap_client_free);
}

static void
try_later(PortWatch *watch, guint first_delay)
{
    watch->delay = watch->delay ? MIN(watch->delay * 2, LAST_DELAY) : first_delay;
    watch->timer = source_add_timeout(watch->delay, on_delay, watch, "macvtapd again");
}

static void
start_again(PortWatch *watch, const char *why)
{
    if (watch->is_refused)
        watch->delay = 0;
    watch->is_refused = FALSE;
    if (watch->delay == 0)
        g_message("lost macvtapd: %s", why);
    if (watch->delay < LAST_DELAY)
        try_later(watch, FIRST_DELAY);
    else
        g_warning("macvtapd has not come back: the guest's links do not follow their parents now");
    disconnect(watch);
}

static void
take_event(PortWatch *watch, MacvtapEvent *event)
{
    const MacvtapPort *port = macvtap_event_get_port(event);

    if (!port)
        return;
    if (macvtap_event_get_type(event) == MACVTAP_EVENT_DELETED)
        watch->handlers.deleted(port, watch->user_data);
    else
        watch->handlers.changed(macvtap_event_take_port(event), watch->user_data);
}

static void
take_events(PortWatch *watch)
{
    MacvtapEvent *event;

    while (watch->is_listed && watch->client &&
           (event = macvtap_client_next_event(watch->client))) {
        take_event(watch, event);
        macvtap_event_free(event);
    }
}

static void
on_list(MacvtapRequest *request, const GError *error, gpointer user_data)
{
    PortWatch *watch = user_data;
    g_autoptr(GPtrArray) ports = NULL;

    if (--watch->n_listing > 0 || (!watch->client && !watch->is_refused))
        return;
    if (error) {
        if (watch->is_ready)
            start_again(watch, error->message);
        return;
    }
    ports = g_ptr_array_new_with_free_func((GDestroyNotify)macvtap_port_free);
    for (gsize i = 0; i < macvtap_request_get_n_ports(request); i++)
        g_ptr_array_add(ports, macvtap_request_take_port(request, i));
    if (watch->is_ready)
        watch->delay = 0;
    watch->is_listed = watch->is_ready;
    watch->handlers.listed(ports, watch->user_data);
    take_events(watch);
}

static void
list(PortWatch *watch)
{
    watch->n_listing++;
    daemon_call(watch->socket, macvtap_request_new(MACVTAP_METHOD_LIST_PORTS), on_list, watch);
}

static void
go_without(PortWatch *watch)
{
    if (!watch->is_refused) {
        watch->delay = 0;
        g_warning("the guest's links follow their parents only every few minutes, as macvtapd "
                  "refuses to report changes: %s",
                  macvtap_request_get_message(watch->request));
    }
    watch->is_refused = TRUE;
    list(watch);
    try_later(watch, FIRST_DELAY_IF_REFUSED);
    disconnect(watch);
}

static void
on_answer(PortWatch *watch)
{
    if (macvtap_request_get_result(watch->request) >= 0) {
        watch->is_ready = TRUE;
        if (watch->is_refused)
            g_message("macvtapd reports changes of the ports again");
        watch->is_refused = FALSE;
        list(watch);
    } else if (macvtap_request_get_refusal(watch->request) != MACVTAP_REFUSAL_NONE) {
        go_without(watch);
    } else {
        start_again(watch, macvtap_request_get_message(watch->request));
    }
}

static gboolean
on_input(int fd, GIOCondition condition, gpointer user_data)
{
    PortWatch *watch = user_data;
    int result = macvtap_client_dispatch(watch->client);

    if (macvtap_client_next_completed(watch->client))
        on_answer(watch);
    take_events(watch);
    if (result < 0 && watch->client)
        start_again(watch, macvtap_client_get_message(watch->client));
    return G_SOURCE_CONTINUE;
}

static void
start(PortWatch *watch)
{
    watch->client = macvtap_client_new();
    watch->request = macvtap_request_new(MACVTAP_METHOD_WATCH_PORTS);
    watch->is_ready = FALSE;
    watch->is_listed = FALSE;
    if (macvtap_client_connect(watch->client, watch->socket) < 0 ||
        macvtap_client_submit(watch->client, watch->request, NULL, NULL) < 0) {
        start_again(watch, macvtap_client_get_message(watch->client));
        return;
    }
    watch->source = source_add_fd(macvtap_client_get_fd(watch->client), G_IO_IN, on_input, watch,
                                  "macvtapd's events");
}

PortWatch *
port_watch_new(const char *socket, const PortWatchHandlers *handlers, gpointer user_data)
{
    PortWatch *watch = g_new0(PortWatch, 1);

    watch->socket = g_strdup(socket);
    watch->handlers = *handlers;
    watch->user_data = user_data;
    start(watch);
    return watch;
}

void
port_watch_free(PortWatch *watch)
{
    if (!watch)
        return;
    source_clear(&watch->timer);
    disconnect(watch);
    g_free(watch->socket);
    g_free(watch);
}

void
port_watch_try(PortWatch *watch)
{
    if (watch->client || watch->timer)
        return;
    watch->delay = 0;
    start(watch);
}
