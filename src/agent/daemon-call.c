/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon-call.h"

#include "source.h"

typedef struct Call {
    MacvtapClient *client;
    MacvtapRequest *request;
    GSource *source;
    DaemonCallDone done;
    gpointer user_data;
} Call;

G_DEFINE_QUARK(macvtapd - daemon - call - error, daemon_call_error)

static void
finish(Call *call)
{
    g_autoptr(GError) error = NULL;
    const char *message = macvtap_request_get_message(call->request);

    source_clear(&call->source);
    if (macvtap_request_get_result(call->request) < 0)
        error =
            g_error_new_literal(DAEMON_CALL_ERROR, (int)macvtap_request_get_refusal(call->request),
                                message ?: macvtap_client_get_message(call->client));
    call->done(call->request, error, call->user_data);
    macvtap_request_free(call->request);
    macvtap_client_free(call->client);
    g_free(call);
}

static gboolean
on_ready(int fd, GIOCondition condition, gpointer user_data)
{
    Call *call = user_data;

    macvtap_client_dispatch(call->client);
    if (macvtap_client_next_completed(call->client))
        finish(call);
    return G_SOURCE_CONTINUE;
}

static gboolean
on_no_connection(gpointer user_data)
{
    Call *call = user_data;
    g_autoptr(GError) error =
        g_error_new_literal(DAEMON_CALL_ERROR, 0, macvtap_client_get_message(call->client));

    source_clear(&call->source);
    call->done(call->request, error, call->user_data);
    macvtap_request_free(call->request);
    macvtap_client_free(call->client);
    g_free(call);
    return G_SOURCE_REMOVE;
}

void
daemon_call(const char *socket, MacvtapRequest *request, DaemonCallDone done, gpointer user_data)
{
    Call *call = g_new0(Call, 1);

    *call = (Call){macvtap_client_new(), request, NULL, done, user_data};
    if (macvtap_client_connect(call->client, socket) < 0 ||
        macvtap_client_submit(call->client, request, NULL, NULL) < 0)
        call->source = source_add_idle(on_no_connection, call, "macvtapd's absence");
    else
        call->source = source_add_fd(macvtap_client_get_fd(call->client), G_IO_IN, on_ready, call,
                                     "macvtapd's answer");
}
