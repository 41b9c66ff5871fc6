/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Gets a port from macvtapd and watches it, all in one poll() loop that never blocks elsewhere, and
 * goes on when macvtapd restarts. Ends with the port, or with its standard input.
 *
 *     cc watch-port.c $(pkg-config --cflags --libs libmacvtap) -o watch-port
 *     ./watch-port NETWORK
 *
 * A client that watches takes no other request, so there are two. Whatever has changed between the
 * answer to a request and the next event is not missed, because the watch begins first: what is
 * done without events begins in on_watch().
 */
#include <errno.h>
#include <macvtap.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* How long to wait for macvtapd before the next try. */
enum { MILLISECONDS_AGAIN = 200 };

typedef struct Vmm {
    const char *network;
    MacvtapClient *watcher, *client;
    MacvtapPort *port; /* NULL: not made yet */
    int tap;
    bool has_failed, has_ended;
} Vmm;

static void
say(const char *what, const char *details)
{
    printf("%s%s%s\n", what, details ? ": " : "", details ? details : "");
    fflush(stdout);
}

/* A request that macvtapd refuses ends the program; one whose connection was lost is made again. */
static void
fail(Vmm *vmm, const MacvtapRequest *request)
{
    if (macvtap_request_get_refusal(request) == MACVTAP_REFUSAL_NONE)
        return;
    fprintf(stderr, "watch-port: %s\n", macvtap_request_get_message(request));
    vmm->has_failed = true;
}

/* If the answer was lost on its way, macvtapd has removed the port again. */
static void
on_create(MacvtapRequest *request, void *data)
{
    Vmm *vmm = data;

    if (macvtap_request_get_result(request) < 0) {
        fail(vmm, request);
    } else {
        vmm->port = macvtap_request_take_port(request, 0);
        vmm->tap = macvtap_port_take_tap(vmm->port, 0); /* it goes to the guest */
        say("port", macvtap_port_get_mac_address(vmm->port));
    }
    macvtap_request_free(request);
}

/* Whether the port has gone while nobody told of events. */
static void
on_look(MacvtapRequest *request, void *data)
{
    Vmm *vmm = data;

    if (macvtap_request_get_refusal(request) == MACVTAP_REFUSAL_PORT_NOT_FOUND)
        vmm->has_ended = true;
    else if (macvtap_request_get_result(request) < 0)
        fail(vmm, request);
    else
        say("still there",
            macvtap_port_state_name(macvtap_port_get_state(macvtap_request_get_port(request, 0))));
    macvtap_request_free(request);
}

static void
on_watch(MacvtapRequest *request, void *data)
{
    Vmm *vmm = data;
    MacvtapRequest *next;

    if (macvtap_request_get_result(request) < 0) {
        fail(vmm, request);
    } else if (vmm->port) {
        next = macvtap_request_new(MACVTAP_METHOD_GET_PORT);
        macvtap_request_set_port(next, macvtap_port_get_id(vmm->port));
        if (macvtap_client_submit(vmm->client, next, on_look, vmm) < 0)
            macvtap_request_free(next);
    } else {
        next = macvtap_request_new(MACVTAP_METHOD_CREATE_PORT);
        macvtap_request_set_network(next, vmm->network);
        if (macvtap_client_submit(vmm->client, next, on_create, vmm) < 0)
            macvtap_request_free(next);
    }
    macvtap_request_free(request);
}

/* Both or neither: after either was lost, all begins again with the watch. */
static bool
connect_to_macvtapd(Vmm *vmm)
{
    MacvtapRequest *watch;

    if (macvtap_client_is_connected(vmm->watcher) && macvtap_client_is_connected(vmm->client))
        return true;
    if (macvtap_client_try_connect(vmm->client, NULL) < 0 ||
        macvtap_client_try_connect(vmm->watcher, NULL) < 0)
        return false;
    watch = macvtap_request_new(MACVTAP_METHOD_WATCH_PORTS);
    if (macvtap_client_submit(vmm->watcher, watch, on_watch, vmm) < 0)
        macvtap_request_free(watch);
    return true;
}

static void
take_events(Vmm *vmm)
{
    MacvtapEvent *event;

    while ((event = macvtap_client_next_event(vmm->watcher))) {
        const char *id = macvtap_port_get_id(macvtap_event_get_port(event));
        MacvtapEventType type = macvtap_event_get_type(event);

        if (vmm->port && strcmp(id, macvtap_port_get_id(vmm->port)) == 0 &&
            type != MACVTAP_EVENT_CREATED) { /* the request's answer has told of that */
            say("event", macvtap_event_type_name(type));
            vmm->has_ended |= type == MACVTAP_EVENT_DELETED;
        }
        macvtap_event_free(event);
    }
}

static void
dispatch(MacvtapClient *client)
{
    int result = macvtap_client_dispatch(client);

    if (result < 0 && result != -ENOTCONN)
        say("lost", macvtap_client_get_message(client));
}

static int
run(Vmm *vmm)
{
    struct pollfd items[] = {
        {macvtap_client_get_fd(vmm->watcher), POLLIN, 0},
        {macvtap_client_get_fd(vmm->client), POLLIN, 0},
        {STDIN_FILENO, POLLIN, 0}, /* in a VMM: its other descriptors */
    };
    char byte;

    while (!vmm->has_failed && !vmm->has_ended) {
        int timeout = connect_to_macvtapd(vmm) ? -1 : MILLISECONDS_AGAIN;

        if (poll(items, 3, timeout) < 0 && errno != EINTR)
            return 1;
        if (items[0].revents)
            dispatch(vmm->watcher);
        if (items[1].revents)
            dispatch(vmm->client);
        take_events(vmm);
        if (items[2].revents && read(STDIN_FILENO, &byte, 1) <= 0)
            return 0;
    }
    if (vmm->has_ended)
        say("the port has ended", NULL);
    return vmm->has_failed ? 1 : 0;
}

int
main(int argc, char **argv)
{
    Vmm vmm = {.tap = -1};
    int status;

    if (argc != 2) {
        fprintf(stderr, "usage: watch-port NETWORK\n");
        return 2;
    }
    vmm.network = argv[1];
    vmm.watcher = macvtap_client_new();
    vmm.client = macvtap_client_new();
    status = run(&vmm);
    macvtap_client_free(vmm.watcher);
    macvtap_client_free(vmm.client);
    macvtap_port_free(vmm.port);
    if (vmm.tap >= 0)
        close(vmm.tap);
    return status;
}
