/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raw-frames.h"

#include "cmocka-all.h"
#include "error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/ip6.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const guint8 station[6] = {0x02, 0, 0, 0, 0, 0x77}; /* whom the frames come from */

int
frame_open(const char *name)
{
    struct sockaddr_ll address = {.sll_family = AF_PACKET,
                                  .sll_protocol = htons(ETH_P_ALL),
                                  .sll_ifindex = (int)if_nametoindex(name)};
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

void
frame_send(int fd, const void *frame, gsize length)
{
    assert_int_equal(send(fd, frame, length, 0), length);
}

gsize
frame_receive(int fd, guint8 *frame, gsize size)
{
    struct sockaddr_ll sender;
    socklen_t sender_length;
    gssize length;

    do {
        sender_length = sizeof sender;
        length =
            RETRY_EINTR(recvfrom(fd, frame, size, 0, (struct sockaddr *)&sender, &sender_length));
        assert_true(length > 0);
    } while (sender.sll_pkttype == PACKET_OUTGOING);
    return (gsize)length;
}

static guint8 *
put_ethernet(guint8 *frame, const guint8 *to, guint16 type)
{
    memcpy(frame, to, 6);
    memcpy(frame + 6, station, 6);
    frame[12] = type >> 8;
    frame[13] = type & 0xff;
    return frame + ETH_HLEN;
}

gsize
frame_text_frame(guint8 *frame, const MacAddress *to, const char *text)
{
    guint8 *payload;

    memset(frame, 0, 60);
    payload = put_ethernet(frame, to->octets, 0x88b5);
    g_strlcpy((char *)payload, text, 60 - ETH_HLEN);
    return 60;
}

/* RFC 1071, over ICMPv6's pseudo header (RFC 8200, 8.1) and the message. */
static guint16
icmp6_checksum(const struct ip6_hdr *ip, const guint8 *message, gsize length)
{
    guint32 sum = (guint32)length + IPPROTO_ICMPV6;
    const guint8 *addresses = (const guint8 *)&ip->ip6_src;

    for (guint i = 0; i < 32; i += 2)
        sum += (guint32)addresses[i] << 8 | addresses[i + 1];
    for (guint i = 0; i < length; i += 2)
        sum += (guint32)message[i] << 8 | message[i + 1];
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return htons((guint16)~sum);
}

gsize
frame_router_advertisement(guint8 *frame, guint16 prefix)
{
    static const guint8 all_nodes[6] = {0x33, 0x33, 0, 0, 0, 1};
    struct {
        struct nd_router_advert advert;
        struct nd_opt_prefix_info prefix;
    } message = {0};
    struct ip6_hdr ip = {.ip6_plen = htons(sizeof message), .ip6_hlim = 255};
    guint8 *payload = put_ethernet(frame, all_nodes, ETH_P_IPV6);

    ip.ip6_vfc = 0x60;
    ip.ip6_nxt = IPPROTO_ICMPV6;
    inet_pton(AF_INET6, "fe80::77", &ip.ip6_src);
    inet_pton(AF_INET6, "ff02::1", &ip.ip6_dst);
    message.advert.nd_ra_type = ND_ROUTER_ADVERT;
    message.advert.nd_ra_router_lifetime = htons(3600);
    message.prefix.nd_opt_pi_type = ND_OPT_PREFIX_INFORMATION;
    message.prefix.nd_opt_pi_len = sizeof message.prefix / 8;
    message.prefix.nd_opt_pi_prefix_len = 64;
    message.prefix.nd_opt_pi_flags_reserved = ND_OPT_PI_FLAG_ONLINK | ND_OPT_PI_FLAG_AUTO;
    message.prefix.nd_opt_pi_valid_time = htonl(3600);
    message.prefix.nd_opt_pi_preferred_time = htonl(3600);
    inet_pton(AF_INET6, "2001:db8::", &message.prefix.nd_opt_pi_prefix);
    message.prefix.nd_opt_pi_prefix.s6_addr16[2] = htons(prefix);
    message.advert.nd_ra_cksum = icmp6_checksum(&ip, (const guint8 *)&message, sizeof message);
    memcpy(payload, &ip, sizeof ip);
    memcpy(payload + sizeof ip, &message, sizeof message);
    return ETH_HLEN + sizeof ip + sizeof message;
}

gsize
frame_arp_request(guint8 *frame, guint8 last)
{
    static const guint8 everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    guint8 body[28] = {0, 1, 8, 0, 6, 4, 0, 1};

    memcpy(body + 8, station, 6);
    memcpy(body + 14, (guint8[4]){192, 0, 2, 77}, 4);
    memcpy(body + 24, (guint8[4]){192, 0, 2, last}, 4);
    memcpy(put_ethernet(frame, everybody, ETH_P_ARP), body, sizeof body);
    return ETH_HLEN + sizeof body;
}

gsize
frame_announcement(guint8 *frame, const MacAddress *mac)
{
    static const guint8 everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    guint8 body[46] = {0, 1, 8, 0, 6, 4, 0, 3};

    memcpy(body + 8, mac, 6);
    memcpy(body + 18, mac, 6);
    memcpy(put_ethernet(frame, everybody, ETH_P_RARP), body, sizeof body);
    memcpy(frame + 6, mac, 6);
    return ETH_HLEN + sizeof body;
}
