/* SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-only */
/*
 * A port that answers its guest's DHCP client (Serve=dhcp). docs/dhcp.md says what is answered.
 *
 * Theory of operation. dhcp_from_guest() looks at each frame that the guest sends, before the
 * guard's rules. It recognizes a DHCP client's message in whatever form a receiver would accept it,
 * tagged, with IP options or in fragments. If the port has an entry in the map `dhcp`, then a
 * message in plain form is turned into its answer in place and goes back to the guest, and every
 * other is dropped: none reaches the LAN. dhcp_to_guest() drops what comes from other DHCP servers.
 * It knows the port's own answers by their mark, which no frame from the wire has.
 *
 * The guest writes every byte that is read here. Nothing is read outside the frame, and an option
 * not outside its field; a message that is not exactly in order is not answered.
 *
 * It accesses a frame through the functions of guard-frame.h, and through these, which either side
 * defines too:
 *
 *   frame_load_head()  the first DHCP_HEAD bytes; negative, if the frame is shorter
 *   frame_resize()     sets the frame's length; negative: impossible
 *   frame_store()      writes bytes at an offset; negative: impossible
 *   frame_before_answer()  the question is seen here for the last time: it becomes the answer
 *   frame_dhcp()       the entry of the frame's port; NULL if it has none
 */
#pragma once

#include "dhcp-map.h"
#include "guard-rules.h"

enum {
    DHCP_HEAD = 38,         /* up to UDP's ports, in a plain frame */
    DHCP_UDP = 34,          /* the offset of UDP's header, likewise */
    DHCP_OPTIONS = 128,     /* the most options to read, pads included, in each field */
    DHCP_MARK = 0x44484350, /* of an answer on its way back to the guest */
    DHCP_PORT_SERVER = 67,
    DHCP_PORT_CLIENT = 68,

    DHCP_DISCOVER = 1,
    DHCP_OFFER = 2,
    DHCP_REQUEST = 3,
    DHCP_DECLINE = 4,
    DHCP_ACK = 5,
    DHCP_NAKS = 6,
    DHCP_RELEASE = 7,
    DHCP_INFORM = 8,

    DHCP_OPTION_PAD = 0,
    DHCP_OPTION_REQUESTED = 50,
    DHCP_OPTION_OVERLOAD = 52,
    DHCP_OPTION_TYPE = 53,
    DHCP_OPTION_SERVER = 54,
    DHCP_OPTION_CLIENT = 61,
    DHCP_OPTION_RELAY = 82,
    DHCP_OPTION_END = 255,
};

/* What becomes of a frame, besides GUARD_PASS and the GuardReasons for which it is dropped. */
enum {
    DHCP_ANSWERED = -2,  /* it has become the answer: send it back */
    DHCP_SWALLOWED = -3, /* drop it; it needs no answer */
};

/* What a frame is, as far as a port that answers DHCP is concerned. */
enum dhcp_kind {
    DHCP_OTHER,
    DHCP_ARP,
    DHCP_PLAIN, /* a DHCP message: UDP without tag, IP options and fragments */
    DHCP_ODD,   /* one in another form, or a part of one */
};

enum dhcp_next {
    DHCP_BAD,
    DHCP_MORE, /* another option may follow */
    DHCP_END,
};

/* What a client's message says. Offsets are in the frame. */
struct dhcp_question {
    __u8 head[32];                  /* BOOTP's, up to the client's MAC and two bytes of that */
    __u32 next, field_end;          /* of the options that are being read */
    __u32 end;                      /* of the message */
    __u32 type;                     /* 0: none */
    __u32 overload;                 /* 1: options also in `file`; 2: in `sname`; 3: in both */
    __u32 has_requested, requested; /* addresses in network byte order */
    __u32 has_server, server;
    __u32 relayed;
    __u32 id_at, id_length; /* of the client identifier; length 0: none */
    __u32 checksum;         /* the host is asked to finish UDP's checksum */
};

GUARD_INLINE int frame_load_head(Frame *frame, __u8 *buffer);
GUARD_INLINE int frame_resize(Frame *frame, __u32 length);
GUARD_INLINE int frame_store(Frame *frame, __u32 offset, const void *bytes, __u32 length);
GUARD_INLINE void frame_before_answer(Frame *frame);
GUARD_INLINE const struct dhcp_port *frame_dhcp(Frame *frame);

/* ---- which frames ---- */

GUARD_INLINE int
dhcp_are_ports(const __u8 *ports, int to_guest)
{
    __u16 source = guard_get16(ports), destination = guard_get16(ports + 2);

    if (to_guest)
        return source == DHCP_PORT_SERVER || destination == DHCP_PORT_CLIENT;
    return source == DHCP_PORT_CLIENT || destination == DHCP_PORT_SERVER;
}

/* A later fragment of a message to all stations, or of one from a guest without an address. Without
 * its first fragment, which has the ports, any other is useless to a receiver. */
GUARD_INLINE int
dhcp_is_later_part(const __u8 *ip, int to_guest)
{
    return !to_guest && (guard_get32(ip + 12) == 0 || guard_get32(ip + 16) == 0xffffffff);
}

/* A frame that may be a DHCP message, with its tags: enum dhcp_kind. */
GUARD_PART int
dhcp_classify(Frame *frame, int to_guest)
{
    __u8 type[2], ip[GUARD_IPV4], ports[4];
    __u32 l3 = GUARD_ETH, header, fragment;
    int tagged = frame_is_tagged(frame);

    if (frame_load(frame, l3 - 2, type, sizeof(type)) < 0)
        return DHCP_OTHER;
    for (int i = 0; i < 2 && guard_is_tag(guard_get16(type)); i++) {
        l3 += GUARD_TAG;
        tagged = 1;
        if (frame_load(frame, l3 - 2, type, sizeof(type)) < 0)
            return DHCP_OTHER;
    }
    if (guard_get16(type) != GUARD_ETH_IPV4 || frame_load(frame, l3, ip, sizeof(ip)) < 0)
        return DHCP_OTHER;
    header = (ip[0] & 15) * 4;
    if (ip[0] >> 4 != 4 || header < GUARD_IPV4 || ip[9] != GUARD_IP_UDP)
        return DHCP_OTHER;
    fragment = guard_get16(ip + 6);
    if ((fragment & 0x1fff) != 0)
        return dhcp_is_later_part(ip, to_guest) ? DHCP_ODD : DHCP_OTHER;
    if (frame_load(frame, l3 + header, ports, sizeof(ports)) < 0 ||
        !dhcp_are_ports(ports, to_guest))
        return DHCP_OTHER;
    return tagged || header != GUARD_IPV4 || (fragment & 0x2000) != 0 ? DHCP_ODD : DHCP_PLAIN;
}

/* enum dhcp_kind; cheap, as the answer is nearly always DHCP_OTHER. */
GUARD_INLINE int
dhcp_kind(Frame *frame, int to_guest)
{
    __u8 head[DHCP_HEAD];
    __u16 type;

    if (frame_load_head(frame, head) < 0)
        return DHCP_OTHER;
    type = guard_get16(head + 2 * GUARD_MAC);
    if (type == GUARD_ETH_ARP)
        return to_guest || frame_is_tagged(frame) ? DHCP_OTHER : DHCP_ARP;
    if (type == GUARD_ETH_IPV4) {
        if (head[GUARD_ETH + 9] != GUARD_IP_UDP)
            return DHCP_OTHER;
        if (head[GUARD_ETH] == 0x45 && (guard_get16(head + GUARD_ETH + 6) & 0x1fff) == 0 &&
            !dhcp_are_ports(head + DHCP_UDP, to_guest))
            return DHCP_OTHER;
    } else if (!guard_is_tag(type)) {
        return DHCP_OTHER;
    }
    return dhcp_classify(frame, to_guest);
}

/* ---- a client's message ---- */

/* Addresses stay in network byte order. */
GUARD_INLINE __u32
dhcp_get_address(const __u8 *at)
{
    __u32 address;

    __builtin_memcpy(&address, at, sizeof(address));
    return address;
}

/* An address that may be given only once. */
GUARD_INLINE int
dhcp_read_address(Frame *frame, __u32 at, __u32 length, __u32 *ret_has, __u32 *ret_address)
{
    __u8 bytes[4];

    if (length != sizeof(bytes) || *ret_has || frame_load(frame, at, bytes, sizeof(bytes)) < 0)
        return 0;
    *ret_has = 1;
    *ret_address = dhcp_get_address(bytes);
    return 1;
}

/* A number of one byte from 1 to most, that may be given only once. */
GUARD_INLINE int
dhcp_read_number(Frame *frame, __u32 at, __u32 length, __u32 most, __u32 *ret_number)
{
    __u8 number;

    if (length != 1 || *ret_number != 0 || frame_load(frame, at, &number, 1) < 0)
        return 0;
    *ret_number = number;
    return number >= 1 && number <= most;
}

/* Takes the option whose content is at `at`. Returns whether it is in order. */
GUARD_INLINE int
dhcp_take_option(Frame *frame, __u8 code, __u32 at, __u32 length, struct dhcp_question *question)
{
    switch (code) {
    case DHCP_OPTION_TYPE:
        return dhcp_read_number(frame, at, length, 255, &question->type);
    case DHCP_OPTION_OVERLOAD:
        return dhcp_read_number(frame, at, length, 3, &question->overload);
    case DHCP_OPTION_REQUESTED:
        return dhcp_read_address(frame, at, length, &question->has_requested, &question->requested);
    case DHCP_OPTION_SERVER:
        return dhcp_read_address(frame, at, length, &question->has_server, &question->server);
    case DHCP_OPTION_CLIENT:
        if (length == 0 || question->id_length != 0)
            return 0;
        question->id_at = at;
        question->id_length = length;
        return 1;
    case DHCP_OPTION_RELAY:
        question->relayed = 1;
        return 1;
    default:
        return 1;
    }
}

/* Reads the next option. enum dhcp_next. */
GUARD_PART int
dhcp_read_option(Frame *frame, struct dhcp_question *question)
{
    __u8 code, length;
    __u32 at, end;

    if (!question)
        return DHCP_BAD;
    at = question->next;
    end = question->field_end;
    if (at >= end)
        return DHCP_END; /* without an End option, which is forgiven */
    if (frame_load(frame, at, &code, 1) < 0)
        return DHCP_BAD;
    if (code == DHCP_OPTION_END)
        return DHCP_END;
    at++;
    question->next = at;
    if (code == DHCP_OPTION_PAD)
        return DHCP_MORE;
    if (at >= end || frame_load(frame, at, &length, 1) < 0)
        return DHCP_BAD;
    at++;
    question->next = at + length;
    if (length > end - at || !dhcp_take_option(frame, code, at, length, question))
        return DHCP_BAD;
    return DHCP_MORE;
}

/* Reads a field of options. Returns whether it is in order. */
GUARD_PART int
dhcp_read_options(Frame *frame, __u32 at, __u32 end, struct dhcp_question *question)
{
    int read = DHCP_MORE;

    if (!question)
        return 0;
    question->next = at;
    question->field_end = end;
    for (int i = 0; i < DHCP_OPTIONS && read == DHCP_MORE; i++)
        read = dhcp_read_option(frame, question);
    return read == DHCP_END;
}

/* The options, then those in `file` and in `sname` (RFC 2131, 4.1). */
GUARD_INLINE int
dhcp_read_fields(Frame *frame, struct dhcp_question *question)
{
    const __u32 sname = DHCP_BOOTP + 44, file = sname + 64;

    if (!dhcp_read_options(frame, DHCP_OPTIONS_AT, question->end, question))
        return 0;
    if ((question->overload & 1) && !dhcp_read_options(frame, file, file + 128, question))
        return 0;
    return !(question->overload & 2) || dhcp_read_options(frame, sname, sname + 64, question);
}

/* Whether the lengths of IP and UDP fit the frame and each other; and where the message ends. */
GUARD_INLINE int
dhcp_read_lengths(Frame *frame, __u32 *ret_end)
{
    __u8 length[2];
    __u32 ip, udp;

    if (frame_load(frame, GUARD_ETH + 2, length, sizeof(length)) < 0)
        return 0;
    ip = guard_get16(length);
    if (frame_load(frame, DHCP_UDP + 4, length, sizeof(length)) < 0)
        return 0;
    udp = guard_get16(length);
    *ret_end = DHCP_UDP + udp;
    return GUARD_ETH + ip <= frame_length(frame) && *ret_end <= GUARD_ETH + ip &&
           *ret_end >= DHCP_OPTIONS_AT;
}

/* The checksum that the host is asked to finish, if any, must be UDP's. */
GUARD_INLINE int
dhcp_read_checksum(Frame *frame, __u32 *ret_asked)
{
    __u32 start, offset;

    *ret_asked = frame_unfinished(frame, &start, &offset) != 0;
    return !*ret_asked || (start == DHCP_UDP && offset == GUARD_UDP_CHECKSUM);
}

/* Whether the frame is from the guest, and no relay has had it in its hands. */
GUARD_INLINE int
dhcp_is_own(Frame *frame, const struct dhcp_port *port, const struct dhcp_question *question)
{
    const __u8 *bootp = question->head;
    __u8 eth[GUARD_ETH], mac[GUARD_MAC];

    /* op, htype, hlen, hops; giaddr */
    if (guard_get32(bootp) != 0x01010600 || guard_get32(bootp + 24) != 0)
        return 0;
    if (frame_load_eth(frame, eth) < 0 || !guard_same_mac(eth + GUARD_MAC, port->mac))
        return 0;
    return frame_load(frame, DHCP_BOOTP + 28, mac, sizeof(mac)) == 0 &&
           guard_same_mac(mac, port->mac);
}

/* Reads a client's message. Returns whether it is in order, and the guest's own. */
GUARD_PART int
dhcp_read(Frame *frame, const struct dhcp_port *port, struct dhcp_question *question)
{
    __u8 ports[4], cookie[4];

    if (!port || !question || frame_load(frame, DHCP_UDP, ports, sizeof(ports)) < 0)
        return 0;
    if (guard_get16(ports) != DHCP_PORT_CLIENT || guard_get16(ports + 2) != DHCP_PORT_SERVER)
        return 0;
    if (!dhcp_read_lengths(frame, &question->end) ||
        !dhcp_read_checksum(frame, &question->checksum) ||
        frame_load(frame, DHCP_BOOTP, question->head, sizeof(question->head)) < 0 ||
        frame_load(frame, DHCP_COOKIE, cookie, sizeof(cookie)) < 0)
        return 0;
    return guard_get32(cookie) == 0x63825363 && dhcp_is_own(frame, port, question) &&
           dhcp_read_fields(frame, question) && !question->relayed;
}

/* ---- the answer ---- */

/* Completes a checksum with the destination address, and returns it in network byte order, but not
 * inverted. */
GUARD_INLINE __u32
dhcp_fold(__u32 sum, __u32 address)
{
    __u8 bytes[4];

    __builtin_memcpy(bytes, &address, sizeof(bytes));
    sum += guard_get16(bytes);
    sum += guard_get16(bytes + 2);
    sum = (sum & 0xffff) + (sum >> 16);
    return (sum & 0xffff) + (sum >> 16);
}

GUARD_INLINE int
dhcp_store16(Frame *frame, __u32 offset, __u32 number)
{
    __u8 bytes[2] = {(__u8)(number >> 8), (__u8)number};

    return frame_store(frame, offset, bytes, sizeof(bytes));
}

/* The answer's destination: the address that the client has, or is to get, unless it cannot take
 * frames to that yet (RFC 2131, 4.1). */
GUARD_PART int
dhcp_address_answer(Frame *frame, const struct dhcp_port *port,
                    const struct dhcp_question *question, __u32 template)
{
    static const __u8 all[GUARD_MAC] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    __u32 destination;

    if (!port || !question)
        return -1;
    destination = dhcp_get_address(question->head + 12);
    if (template == DHCP_NAK || (destination == 0 && (question->head[10] & 0x80)) ||
        (destination == 0 && template == DHCP_TELL)) {
        destination = 0xffffffff;
        if (frame_store(frame, 0, all, sizeof(all)) < 0)
            return -1;
    } else if (destination == 0) {
        destination = port->address;
    }
    if (question->checksum) /* the pseudo header's sum: the rest is added later */
        dhcp_store16(frame, DHCP_UDP + GUARD_UDP_CHECKSUM, dhcp_fold(port->udp_sum, destination));
    dhcp_store16(frame, GUARD_ETH + 10, ~dhcp_fold(port->ip_sum, destination));
    return frame_store(frame, GUARD_ETH + 16, &destination, sizeof(destination));
}

/* The length, if it is from 1 to DHCP_ID_MAX; in a form in which the verifier of Linux 6.1 sees
 * that it is: the compiler must not. */
GUARD_INLINE __u32
dhcp_id_length(const struct dhcp_question *question)
{
    __u32 before = question->id_length - 1;

    asm volatile("" : "+r"(before));
    return (before & (DHCP_ID_MAX - 1)) + 1;
}

/* The client identifier goes back to the client as it came (RFC 6842). id: what its option had. */
GUARD_INLINE int
dhcp_store_id(Frame *frame, __u32 end, const __u8 *id, __u32 length)
{
    __u8 head[2] = {DHCP_OPTION_CLIENT, (__u8)length}, last = DHCP_OPTION_END;

    if (frame_store(frame, end, head, sizeof(head)) < 0 ||
        frame_store(frame, end + sizeof(head), id, length) < 0)
        return -1;
    return frame_store(frame, end + sizeof(head) + length, &last, 1);
}

/* Turns the frame into the answer: a template, and what it takes from the question. */
GUARD_PART int
dhcp_write(Frame *frame, const struct dhcp_port *port, const struct dhcp_question *question,
           __u32 template, __u32 type)
{
    __u8 id[DHCP_ID_MAX] = {0}, kind = (__u8)type;
    __u32 length, end;
    int has_id;

    if (!port || !question || template >= DHCP_TEMPLATES)
        return -1;
    has_id = question->id_length > 0 && question->id_length <= DHCP_ID_MAX;
    length = dhcp_id_length(question);
    if (has_id && frame_load(frame, question->id_at, id, length) < 0)
        return -1;
    end = port->frames[template].end;
    if (frame_resize(frame, DHCP_FRAME) < 0 ||
        frame_store(frame, 0, port->frames[template].bytes, DHCP_FRAME) < 0 ||
        frame_store(frame, DHCP_OPTIONS_AT + 2, &kind, 1) < 0 ||
        frame_store(frame, DHCP_BOOTP + 4, question->head + 4, 4) < 0 || /* xid */
        frame_store(frame, DHCP_BOOTP + 10, question->head + 10, 2) < 0) /* flags */
        return -1;
    if (kind == DHCP_ACK && frame_store(frame, DHCP_BOOTP + 12, question->head + 12, 4) < 0)
        return -1;
    if (has_id && dhcp_store_id(frame, end, id, length) < 0)
        return -1;
    return dhcp_address_answer(frame, port, question, template);
}

/* What a REQUEST is answered with; 0: nothing. */
GUARD_INLINE __u32
dhcp_judge_request(const struct dhcp_port *port, const struct dhcp_question *question)
{
    __u32 wanted = dhcp_get_address(question->head + 12); /* a client that renews has it there */

    if (question->has_server && question->server != port->server)
        return 0;
    if (question->has_requested)
        wanted = question->requested;
    if (wanted == 0)
        return 0;
    return wanted == port->address ? DHCP_ACK : DHCP_NAKS;
}

/* A message to another server's address is not for this one. */
GUARD_INLINE int
dhcp_is_for_us(Frame *frame, const struct dhcp_port *port)
{
    __u8 destination[4];
    __u32 address;

    if (frame_load(frame, GUARD_ETH + 16, destination, sizeof(destination)) < 0)
        return 0;
    address = dhcp_get_address(destination);
    return address == 0xffffffff || address == port->server;
}

GUARD_INLINE int
dhcp_answer(Frame *frame, const struct dhcp_port *port, const struct dhcp_question *question)
{
    __u32 template = DHCP_GRANT, type;

    switch (question->type) {
    case DHCP_DISCOVER:
        type = DHCP_OFFER;
        break;
    case DHCP_REQUEST:
        type = dhcp_judge_request(port, question);
        if (type == DHCP_NAKS)
            template = DHCP_NAK;
        break;
    case DHCP_INFORM:
        type = DHCP_ACK;
        template = DHCP_TELL;
        break;
    case DHCP_RELEASE:
        return DHCP_SWALLOWED;
    case DHCP_DECLINE:
        return GUARD_DHCP_DECLINED;
    default:
        type = 0;
    }
    if (type == 0)
        return GUARD_DHCP_UNANSWERED;
    frame_before_answer(frame); /* not in dhcp_write(), whose stack is large */
    return dhcp_write(frame, port, question, template, type) < 0 ? GUARD_DHCP_UNANSWERED
                                                                 : DHCP_ANSWERED;
}

GUARD_PART int
dhcp_take_message(Frame *frame, const struct dhcp_port *port)
{
    struct dhcp_question question = {0};

    if (!port || !dhcp_is_for_us(frame, port) || !dhcp_read(frame, port, &question))
        return GUARD_DHCP_UNANSWERED;
    return dhcp_answer(frame, port, &question);
}

/* ---- ARP for the server identifier ---- */

/* A client that renews its lease sends to the server's MAC. */
GUARD_PART int
dhcp_take_arp(Frame *frame, const struct dhcp_port *port)
{
    __u8 eth[GUARD_ETH], arp[GUARD_ARP];
    __u32 start, offset;

    if (!port || !port->answers_arp || frame_load_eth(frame, eth) < 0 ||
        frame_load(frame, GUARD_ETH, arp, sizeof(arp)) < 0)
        return GUARD_PASS;
    if (!guard_is_arp_form(arp, 0) || guard_get16(arp + 6) != 1 ||
        dhcp_get_address(arp + 24) != port->server || !guard_same_mac(eth + GUARD_MAC, port->mac) ||
        !guard_same_mac(arp + 8, port->mac) || frame_unfinished(frame, &start, &offset))
        return GUARD_PASS;
    __builtin_memcpy(eth, port->mac, GUARD_MAC);
    __builtin_memcpy(eth + GUARD_MAC, port->server_mac, GUARD_MAC);
    arp[7] = 2;
    __builtin_memcpy(arp + 18, arp + 8, 10); /* the asker */
    __builtin_memcpy(arp + 8, port->server_mac, GUARD_MAC);
    __builtin_memcpy(arp + 14, &port->server, 4);
    frame_before_answer(frame);
    if (frame_store(frame, 0, eth, sizeof(eth)) < 0 ||
        frame_store(frame, GUARD_ETH, arp, sizeof(arp)) < 0)
        return GUARD_DHCP_UNANSWERED;
    return DHCP_ANSWERED;
}

/* ---- a frame ---- */

/* A frame that the guest sends: GUARD_PASS, DHCP_ANSWERED, DHCP_SWALLOWED or a GuardReason. */
GUARD_INLINE int
dhcp_from_guest(Frame *frame)
{
    const struct dhcp_port *port;
    int kind = dhcp_kind(frame, 0);

    if (kind == DHCP_OTHER)
        return GUARD_PASS;
    port = frame_dhcp(frame);
    if (!port)
        return GUARD_PASS;
    if (kind == DHCP_ARP)
        return dhcp_take_arp(frame, port);
    return kind == DHCP_PLAIN ? dhcp_take_message(frame, port) : GUARD_DHCP_UNANSWERED;
}

/* A frame to the guest that is not an answer of its port: GUARD_PASS or a GuardReason. */
GUARD_INLINE int
dhcp_to_guest(Frame *frame)
{
    if (dhcp_kind(frame, 1) == DHCP_OTHER || !frame_dhcp(frame))
        return GUARD_PASS;
    return GUARD_DHCP_OTHER_SERVER;
}
