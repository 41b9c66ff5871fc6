/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Gets a port from macvtapd and becomes a QEMU that has it.
 *
 *     cc start-qemu.c $(pkg-config --cflags --libs libmacvtap) -o start-qemu
 *     ./start-qemu NETWORK qemu-system-x86_64 -m 1G disk.qcow2
 */
#include <fcntl.h>
#include <macvtap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Asks for a port of one queue. NULL, with a message on stderr, when there is none. */
static MacvtapPort *
create_port(const char *network)
{
    MacvtapClient *client = macvtap_client_new();
    MacvtapRequest *request = macvtap_request_new(MACVTAP_METHOD_CREATE_PORT);
    MacvtapPort *port = NULL;

    macvtap_request_set_network(request, network);
    macvtap_request_set_vhost(request, MACVTAP_VHOST_AUTO);
    if (macvtap_client_connect(client, NULL) < 0 || macvtap_client_call(client, request) < 0)
        fprintf(stderr, "start-qemu: %s\n", macvtap_client_get_message(client));
    else
        port = macvtap_request_take_port(request, 0);
    macvtap_request_free(request);
    macvtap_client_free(client); /* the port needs no connection */
    return port;
}

/* The descriptor is this program's, and stays open in the program that it becomes. */
static int
take_over(int descriptor)
{
    fcntl(descriptor, F_SETFD, 0);
    return descriptor;
}

int
main(int argc, char **argv)
{
    char netdev[96], device[96];
    char **line;
    MacvtapPort *port;
    int length;

    if (argc < 3) {
        fprintf(stderr, "usage: start-qemu NETWORK QEMU [ARG...]\n");
        return 2;
    }
    port = create_port(argv[1]);
    if (!port)
        return 1;
    length = snprintf(netdev, sizeof(netdev), "tap,id=lan,fd=%d",
                      take_over(macvtap_port_take_tap(port, 0)));
    if (macvtap_port_get_n_vhosts(port) > 0)
        snprintf(netdev + length, sizeof(netdev) - (size_t)length, ",vhost=on,vhostfd=%d",
                 take_over(macvtap_port_take_vhost(port, 0)));
    snprintf(device, sizeof(device), "virtio-net-pci,netdev=lan,mac=%s",
             macvtap_port_get_mac_address(port));
    line = calloc((size_t)argc + 3, sizeof(*line));
    if (!line)
        return 1;
    memcpy(line, argv + 2, (size_t)(argc - 2) * sizeof(*line));
    memcpy(line + argc - 2, (char *[]){"-netdev", netdev, "-device", device}, 4 * sizeof(*line));
    execvp(line[0], line);
    perror(line[0]);
    return 1;
}
