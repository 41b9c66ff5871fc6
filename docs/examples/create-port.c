/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Gets a port from macvtapd with calls that block, and keeps it until standard input ends: a VMM
 * would run its guest there.
 *
 *     cc create-port.c $(pkg-config --cflags --libs libmacvtap) -o create-port
 *     ./create-port NETWORK [QUEUES]
 */
#include <macvtap.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Asks for the port. NULL, with a message on stderr, when there is none. */
static MacvtapPort *
create_port(MacvtapClient *client, const char *network, unsigned queues)
{
    MacvtapRequest *request = macvtap_request_new(MACVTAP_METHOD_CREATE_PORT);
    MacvtapPort *port = NULL;

    macvtap_request_set_network(request, network);
    macvtap_request_set_queues(request, queues);
    macvtap_request_set_vhost(request, MACVTAP_VHOST_AUTO);
    if (macvtap_client_connect(client, NULL) < 0 || macvtap_client_call(client, request) < 0)
        fprintf(stderr, "create-port: %s\n", macvtap_client_get_message(client));
    else
        port = macvtap_request_take_port(request, 0);
    if (macvtap_client_get_refusal(client) == MACVTAP_REFUSAL_NETWORK_NOT_FOUND)
        fprintf(stderr, "create-port: 'macvtapctl network list' shows the networks\n");
    macvtap_request_free(request);
    return port;
}

/* Prints what a VMM needs. From here on the descriptors are the program's: they keep the port. */
static void
show_port(MacvtapPort *port)
{
    printf("port %s mac %s mtu %u\n", macvtap_port_get_name(port),
           macvtap_port_get_mac_address(port), macvtap_port_get_mtu(port));
    for (size_t i = 0; i < macvtap_port_get_n_taps(port); i++) {
        printf("queue %zu: tap %d", i, macvtap_port_take_tap(port, i));
        if (i < macvtap_port_get_n_vhosts(port))
            printf(" vhost %d", macvtap_port_take_vhost(port, i));
        printf("\n");
    }
    fflush(stdout);
}

int
main(int argc, char **argv)
{
    MacvtapClient *client;
    MacvtapPort *port;

    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: create-port NETWORK [QUEUES]\n");
        return 2;
    }
    client = macvtap_client_new();
    port = create_port(client, argv[1], argc > 2 ? (unsigned)atoi(argv[2]) : 1);
    macvtap_client_free(client); /* the port needs no connection */
    if (!port)
        return 1;
    show_port(port);
    macvtap_port_free(port);
    while (getchar() != EOF)
        ;
    return 0; /* the descriptors close, and the port ends */
}
