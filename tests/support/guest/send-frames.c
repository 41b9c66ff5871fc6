/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * send-frames INTERFACE [COUNT] <LINES: in a guest, sends a frame for each line "START OFFSET HEX",
 * as it stands, COUNT times. START other than 0: with virtio's request to finish a checksum from
 * there on, OFFSET bytes behind. Ends with 1 if the kernel refuses one. Statically linked: the
 * guest has no libraries.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LARGEST 2048

typedef struct Message {
    struct virtio_net_hdr header;
    unsigned char frame[LARGEST];
} __attribute__((packed)) Message;

static int
open_socket(const char *interface)
{
    struct sockaddr_ll address = {.sll_family = AF_PACKET,
                                  .sll_ifindex = (int)if_nametoindex(interface)};
    int fd = socket(AF_PACKET, SOCK_RAW, 0), on = 1;

    if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) < 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        perror(interface);
        exit(EXIT_FAILURE);
    }
    return fd;
}

/* Returns the number of bytes. */
static size_t
read_hex(const char *hex, unsigned char *bytes)
{
    size_t length = 0;

    for (; length < LARGEST && sscanf(hex, "%2hhx", &bytes[length]) == 1; length++)
        hex += 2;
    return length;
}

static int
send_times(int fd, const Message *message, size_t length, long count)
{
    for (long i = 0; i < count; i++) {
        if (send(fd, message, length, 0) != (ssize_t)length)
            return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
    int fd = open_socket(argc > 1 ? argv[1] : "eth0"), status = EXIT_SUCCESS;
    long count = argc > 2 ? atol(argv[2]) : 1;
    unsigned short start, offset;
    char hex[2 * LARGEST + 1];

    while (scanf("%hu %hu %4096s", &start, &offset, hex) == 3) {
        Message message = {.header = {.csum_start = start, .csum_offset = offset}};
        size_t length = sizeof message.header + read_hex(hex, message.frame);

        if (start != 0)
            message.header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        if (send_times(fd, &message, length, count) != EXIT_SUCCESS) {
            fprintf(stderr, "%s: %s\n", hex, strerror(errno));
            status = EXIT_FAILURE;
        }
    }
    return status;
}
