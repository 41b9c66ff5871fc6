/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes the frames with which a port answers DHCP: what dhcp-rules.h only has to fill in. */
#include "datapath.h"

#include <string.h>

/* Offsets in a frame. */
enum {
    IP = 14,
    UDP = 34,
    YOUR_ADDRESS = DHCP_BOOTP + 16,
    CLIENT_MAC = DHCP_BOOTP + 28,
    IP_SIZE = 20,
};

enum {
    OPTION_LEASE_TIME = 51,
    OPTION_TYPE = 53,
    OPTION_SERVER = 54,
    OPTION_MESSAGE = 56,
    OPTION_END = 255,
};

/* Locally administered; the rest spells DHCP. Only the port's own guest ever sees it. */
static const guint8 server_mac[6] = {0x02, 'D', 'H', 'C', 'P', 0};

/* Room for type, server identifier, lease time, End and the client identifier. */
G_STATIC_ASSERT(DHCP_OPTIONS_AT + 3 + 6 + 6 + DHCP_ANSWER_OPTIONS_MAX + 1 + 2 + DHCP_ID_MAX <=
                DHCP_FRAME);

static void
put16(guint8 *at, guint number)
{
    at[0] = (guint8)(number >> 8);
    at[1] = (guint8)number;
}

static guint32
sum_of(const guint8 *bytes, gsize length)
{
    guint32 sum = 0;

    for (gsize i = 0; i + 1 < length; i += 2)
        sum += (guint32)(bytes[i] << 8 | bytes[i + 1]);
    return sum;
}

static void
append(struct dhcp_frame *frame, guint8 code, gconstpointer content, gsize length)
{
    frame->bytes[frame->end++] = code;
    frame->bytes[frame->end++] = (guint8)length;
    memcpy(frame->bytes + frame->end, content, length);
    frame->end += (guint32)length;
}

/* Everything up to the options, and the two that every answer has. */
static void
begin_frame(struct dhcp_frame *frame, const struct dhcp_port *port)
{
    static const guint8 cookie[] = {0x63, 0x82, 0x53, 0x63}, no_type = 0;
    guint8 *bytes = frame->bytes;

    memcpy(bytes, port->mac, 6);
    memcpy(bytes + 6, port->server_mac, 6);
    put16(bytes + 12, 0x0800);
    bytes[IP] = 0x45;
    put16(bytes + IP + 2, DHCP_FRAME - IP);
    bytes[IP + 8] = 64; /* hops */
    bytes[IP + 9] = 17; /* UDP */
    memcpy(bytes + IP + 12, &port->server, 4);
    put16(bytes + UDP, 67);
    put16(bytes + UDP + 2, 68);
    put16(bytes + UDP + 4, DHCP_FRAME - UDP);
    bytes[DHCP_BOOTP] = 2;     /* a reply, */
    bytes[DHCP_BOOTP + 1] = 1; /* Ethernet, */
    bytes[DHCP_BOOTP + 2] = 6; /* with six bytes of address */
    memcpy(bytes + CLIENT_MAC, port->mac, 6);
    memcpy(bytes + DHCP_COOKIE, cookie, sizeof cookie);
    frame->end = DHCP_OPTIONS_AT;
    append(frame, OPTION_TYPE, &no_type, 1);
    append(frame, OPTION_SERVER, &port->server, 4);
}

static void
end_frame(struct dhcp_frame *frame)
{
    frame->bytes[frame->end] = OPTION_END;
}

static void
make_grant(struct dhcp_port *port, const DhcpAnswer *answer, const GByteArray *options)
{
    struct dhcp_frame *frame = &port->frames[DHCP_GRANT];
    const guint32 seconds = GUINT32_TO_BE(answer->lease_time);

    begin_frame(frame, port);
    memcpy(frame->bytes + YOUR_ADDRESS, &port->address, 4);
    append(frame, OPTION_LEASE_TIME, &seconds, sizeof seconds);
    memcpy(frame->bytes + frame->end, options->data, options->len);
    frame->end += options->len;
    end_frame(frame);
}

static void
make_information(struct dhcp_port *port, const GByteArray *options)
{
    struct dhcp_frame *frame = &port->frames[DHCP_TELL];

    begin_frame(frame, port);
    memcpy(frame->bytes + frame->end, options->data, options->len);
    frame->end += options->len;
    end_frame(frame);
}

static void
make_refusal(struct dhcp_port *port)
{
    static const char message[] = "not the address of this port";
    struct dhcp_frame *frame = &port->frames[DHCP_NAK];

    begin_frame(frame, port);
    append(frame, OPTION_MESSAGE, message, strlen(message));
    end_frame(frame);
}

gboolean
datapath_fill_dhcp(const DatapathPort *port, struct dhcp_port *ret_port, GError **error)
{
    g_autoptr(GByteArray) options = dhcp_answer_options(port->dhcp, error);
    const IpAddress server = dhcp_answer_server(port->dhcp);
    const guint8 *bytes = ret_port->frames[DHCP_GRANT].bytes;

    if (!options)
        return FALSE;
    memset(ret_port, 0, sizeof *ret_port);
    memcpy(ret_port->mac, port->mac.octets, sizeof ret_port->mac);
    memcpy(ret_port->server_mac, server_mac, sizeof server_mac);
    memcpy(&ret_port->address, port->dhcp->address.bytes + 12, 4);
    memcpy(&ret_port->server, server.bytes + 12, 4);
    ret_port->answers_arp = !port->dhcp->gateway;
    make_grant(ret_port, port->dhcp, options);
    make_information(ret_port, options);
    make_refusal(ret_port);
    ret_port->ip_sum = sum_of(bytes + IP, IP_SIZE);
    ret_port->udp_sum = sum_of(bytes + IP + 12, 4) + 17 + DHCP_FRAME - UDP;
    return TRUE;
}

/* No sum covers the MAC. */
void
datapath_change_dhcp_mac(struct dhcp_port *port, const MacAddress *mac)
{
    memcpy(port->mac, mac->octets, sizeof port->mac);
    for (guint i = 0; i < DHCP_TEMPLATES; i++) {
        guint8 *bytes = port->frames[i].bytes;

        memcpy(bytes, port->mac, sizeof port->mac);
        memcpy(bytes + CLIENT_MAC, port->mac, sizeof port->mac);
    }
}
