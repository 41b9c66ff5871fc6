/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Each question is sent again at its interval until it is answered or its time is over; a question
 * begins when what it needs is known (the gateway's address, then its MAC). All of them run side by
 * side, and the whole ends when none runs. The DHCP question is a DISCOVER only, so no address is
 * taken; ARP for the gateway is a probe without an address (RFC 5227), which leaves nothing in the
 * gateway's table; only the echo needs an entry there. The echo needs a source address: the port's
 * own, or the one a server has just offered if nobody answers a probe for it, or IPv6's link-local
 * one. Every second DISCOVER asks for a broadcast answer, and the same ARP question goes out with
 * the parent's own MAC: the differences show what happens to frames of a second MAC.
 */
#include "probe-report.h"

#include "random.h"

#include "error.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

/* A router may wait this long with its answer, unless it has just answered (RFC 4861, 6.2.6). */
#define ROUTER_MS 2000

/* How long a second answer (of another server, of another MAC) is waited for after the first. */
#define SECOND_ANSWER_MS 200

/* After this many frames the clock is looked at. */
#define FRAMES_AT_ONCE 64

typedef enum Subject {
    ASK_DHCP,
    ASK_ROUTER,
    ASK_GATEWAY,
    ASK_GATEWAY6,
    ASK_OFFERED, /* whether a station uses the address that a server has offered */
    ASK_ECHO,
    ASK_ECHO6,
    ASK_PADDED,
    N_SUBJECTS,
} Subject;

typedef struct Question {
    gboolean started;
    gint64 next, end; /* of g_get_monotonic_time(), in ms */
    guint sent;
} Question;

typedef struct Probe {
    const ProbeSockets *sockets;
    ProbeFacts *facts;
    ProbeStation port, host;
    Question questions[N_SUBJECTS];
    gint64 begin, now;
    int fds[2];      /* the tap's and the host's; -1: it is not read, or no longer */
    guint vnet_size; /* bytes of the header in front of each frame */
    guint8 vnet[64];
    guint8 frame[PROBE_FRAME_MAX];
} Probe;

static gint64
clock_ms(void)
{
    return g_get_monotonic_time() / 1000;
}

/* -- questions -------------------------------------------------------------------------------- */

/* What is lost is asked again. */
static void
send_frame(Probe *probe, gsize length)
{
    struct iovec parts[] = {{probe->vnet, probe->vnet_size}, {probe->frame, length}};

    memset(probe->vnet, 0, sizeof probe->vnet);
    (void)RETRY_EINTR(writev(probe->sockets->tap_fd, parts, 2));
}

static void
send_from_host(Probe *probe, gsize length)
{
    (void)RETRY_EINTR(write(probe->sockets->host_fd, probe->frame, length));
}

static const IpAddress *
own_address(const Probe *probe)
{
    const ProbeFacts *facts = probe->facts;

    if (probe_has_address(&probe->sockets->address))
        return &probe->sockets->address;
    if (facts->n_offers > 0 && !facts->is_taken && !facts->is_limited &&
        probe->questions[ASK_OFFERED].started && probe->questions[ASK_OFFERED].end <= probe->now)
        return &facts->offers[0].offered;
    return NULL;
}

static void
ask_gateway(Probe *probe)
{
    const IpAddress *target = &probe->facts->gateways[PROBE_IPV4].address;

    send_frame(probe, probe_write_arp(&probe->port, NULL, target, 0, probe->frame));
    if (probe->sockets->host_fd >= 0)
        send_from_host(probe, probe_write_arp(&probe->host, NULL, target, 0, probe->frame));
}

static void
ask_gateway6(Probe *probe)
{
    const IpAddress *target = &probe->facts->gateways[PROBE_IPV6].address;

    send_frame(probe, probe_write_neighbour_question(&probe->port, target, probe->frame));
    if (probe->sockets->host_fd >= 0)
        send_from_host(probe, probe_write_neighbour_question(&probe->host, target, probe->frame));
}

/* Packets of usual sizes, and of the whole MTU: the largest one answered shows what the path
 * carries. */
static void
ask_echo(Probe *probe, ProbeFamily family)
{
    static const guint sizes[] = {100, 576, 1280, 1400, 1450, 1480, 1492, 1500, 4000, 8000, 9000};
    const ProbeGateway *gateway = &probe->facts->gateways[family];
    const IpAddress *source = family == PROBE_IPV4 ? own_address(probe) : NULL;
    gsize all = MIN(probe->facts->mtu, PROBE_FRAME_MAX - 14);

    if (source) /* so that the gateway knows where to answer */
        send_frame(probe,
                   probe_write_arp(&probe->port, source, &gateway->address, 0, probe->frame));
    for (guint i = 0; i < G_N_ELEMENTS(sizes) && sizes[i] < all; i++)
        send_frame(probe, probe_write_echo(&probe->port, source, &gateway->address, &gateway->mac,
                                           sizes[i], probe->frame));
    if (all >= PROBE_ECHO_MIN)
        send_frame(probe, probe_write_echo(&probe->port, source, &gateway->address, &gateway->mac,
                                           all, probe->frame));
}

static void
ask(Probe *probe, Subject subject)
{
    const ProbeFacts *facts = probe->facts;
    guint sent = probe->questions[subject].sent;

    switch (subject) {
    case ASK_DHCP:
        send_frame(probe, probe_write_discover(&probe->port, sent % 2, probe->frame));
        break;
    case ASK_ROUTER:
        send_frame(probe, probe_write_router_question(&probe->port, probe->frame));
        break;
    case ASK_GATEWAY:
        ask_gateway(probe);
        break;
    case ASK_GATEWAY6:
        ask_gateway6(probe);
        break;
    case ASK_OFFERED:
        send_frame(probe,
                   probe_write_arp(&probe->port, NULL, &facts->offers[0].offered, 0, probe->frame));
        break;
    case ASK_ECHO:
        ask_echo(probe, PROBE_IPV4);
        break;
    case ASK_ECHO6:
        ask_echo(probe, PROBE_IPV6);
        break;
    case ASK_PADDED:
        send_frame(probe, probe_write_arp(&probe->port, NULL, &facts->gateways[PROBE_IPV4].address,
                                          facts->mtu, probe->frame));
        break;
    case N_SUBJECTS:
        break;
    }
    probe->questions[subject].sent = sent + 1;
}

/* -- answers ---------------------------------------------------------------------------------- */

static gboolean
is_own(const Probe *probe, const MacAddress *mac)
{
    const GArray *own = probe->sockets->own_macs;

    for (guint i = 0; i < own->len; i++) {
        if (mac_address_equal(&g_array_index(own, MacAddress, i), mac))
            return TRUE;
    }
    return FALSE;
}

/* After the first answer only a second one is still waited for. */
static void
shorten(Probe *probe, Subject subject)
{
    Question *question = &probe->questions[subject];

    question->end = MIN(question->end, probe->now + SECOND_ANSWER_MS);
    question->next = question->end;
}

static gboolean
note_gateway(Probe *probe, ProbeFamily family, const ProbeAnswer *answer)
{
    ProbeGateway *gateway = &probe->facts->gateways[family];

    if (!probe_has_address(&gateway->address) ||
        !ip_address_equal(&gateway->address, &answer->address))
        return FALSE;
    if (gateway->answers && !mac_address_equal(&gateway->mac, &answer->mac)) {
        gateway->is_contested = TRUE;
        gateway->other_mac = answer->mac;
    }
    if (!gateway->answers) {
        gateway->answers = TRUE;
        gateway->mac = answer->mac;
        if (gateway->host == PROBE_YES || probe->sockets->host_fd < 0)
            shorten(probe, family == PROBE_IPV4 ? ASK_GATEWAY : ASK_GATEWAY6);
    }
    return TRUE;
}

static gboolean
note_arp(Probe *probe, const ProbeAnswer *answer)
{
    ProbeFacts *facts = probe->facts;
    gboolean is_gateway = note_gateway(probe, PROBE_IPV4, answer);

    if (is_gateway && probe->questions[ASK_PADDED].started && !facts->padded_answered &&
        probe->questions[ASK_GATEWAY].end <= probe->now)
        facts->padded_answered = TRUE;
    if (facts->n_offers == 0 || !ip_address_equal(&facts->offers[0].offered, &answer->address))
        return is_gateway;
    facts->is_taken = TRUE;
    facts->taken_by = answer->mac;
    return TRUE;
}

static gboolean
note_offer(Probe *probe, const ProbeAnswer *answer)
{
    ProbeFacts *facts = probe->facts;
    ProbeGateway *gateway = &facts->gateways[PROBE_IPV4];

    for (guint i = 0; i < facts->n_offers; i++) {
        if (ip_address_equal(&facts->offers[i].address, &answer->address))
            return TRUE;
    }
    if (facts->n_offers == PROBE_OFFERS_MAX)
        return TRUE;
    if (facts->n_offers == 0)
        shorten(probe, ASK_DHCP);
    facts->offers[facts->n_offers++] = *answer;
    if (!probe_has_address(&gateway->address) && probe_has_address(&answer->gateway)) {
        gateway->address = answer->gateway;
        gateway->origin = "by DHCP";
    }
    return TRUE;
}

static void
note_router(Probe *probe, const ProbeAnswer *answer)
{
    ProbeFacts *facts = probe->facts;
    ProbeGateway *gateway = &facts->gateways[PROBE_IPV6];

    if (facts->router.kind != PROBE_ROUTER) {
        facts->router = *answer;
        shorten(probe, ASK_ROUTER);
    }
    if (!probe_has_address(&gateway->address) && answer->seconds > 0) {
        gateway->address = answer->address;
        gateway->origin = "by its advertisement";
    }
}

/* Whether it answers one of our questions. A router's advertisement may come on its own. */
static gboolean
note_answer(Probe *probe, const ProbeAnswer *answer)
{
    switch (answer->kind) {
    case PROBE_ARP:
        return note_arp(probe, answer);
    case PROBE_NEIGHBOUR:
        return note_gateway(probe, PROBE_IPV6, answer) && answer->is_for_us;
    case PROBE_OFFER:
        return note_offer(probe, answer) && !probe->facts->serves_dhcp;
    case PROBE_ROUTER:
        note_router(probe, answer);
        return answer->is_for_us;
    case PROBE_ECHO:
        probe->facts->echo_size = MAX(probe->facts->echo_size, answer->size);
        return TRUE;
    case PROBE_NOTHING:
        break;
    }
    return FALSE;
}

static void
note_frame(Probe *probe, gsize length)
{
    ProbeFacts *facts = probe->facts;
    ProbeAnswer answer;

    if (!probe_read(&probe->port, probe->frame, length, &answer))
        return;
    if (note_answer(probe, &answer) && !is_own(probe, &answer.from)) {
        if (answer.is_for_us)
            facts->answers++;
        else
            facts->group_answers++;
    }
    facts->heard +=
        !is_own(probe, &answer.from) && !(answer.kind == PROBE_OFFER && facts->serves_dhcp);
}

static void
note_frame_of_host(Probe *probe, gsize length)
{
    ProbeAnswer answer;

    if (!probe_read(&probe->host, probe->frame, length, &answer))
        return;
    for (guint i = 0; i < PROBE_FAMILIES; i++) {
        ProbeGateway *gateway = &probe->facts->gateways[i];

        if ((answer.kind != PROBE_ARP && answer.kind != PROBE_NEIGHBOUR) || !answer.is_for_us ||
            !ip_address_equal(&gateway->address, &answer.address))
            continue;
        gateway->host = PROBE_YES;
        if (gateway->answers)
            shorten(probe, i == PROBE_IPV4 ? ASK_GATEWAY : ASK_GATEWAY6);
    }
}

/* -- the course of a probe -------------------------------------------------------------------- */

/* Whether more may come. */
static gboolean
read_frames(Probe *probe, int fd, gsize header, void (*note)(Probe *probe, gsize length))
{
    struct iovec parts[] = {{probe->vnet, header}, {probe->frame, PROBE_FRAME_MAX}};

    for (guint i = 0; i < FRAMES_AT_ONCE; i++) {
        gssize n = RETRY_EINTR(readv(fd, parts, 2));

        if (n < 0)
            return errno == EAGAIN || errno == ENETDOWN;
        if (n > (gssize)header)
            note(probe, (gsize)n - header);
    }
    return TRUE;
}

/* Whether what the question needs is known. */
static gboolean
can_start(const Probe *probe, Subject subject)
{
    const ProbeFacts *facts = probe->facts;
    const ProbeGateway *gateways = facts->gateways;

    switch (subject) {
    case ASK_DHCP:
    case ASK_ROUTER:
        return TRUE;
    case ASK_GATEWAY:
        return probe_has_address(&gateways[PROBE_IPV4].address);
    case ASK_GATEWAY6:
        return probe_has_address(&gateways[PROBE_IPV6].address);
    case ASK_OFFERED:
        return facts->n_offers > 0 && !facts->serves_dhcp;
    case ASK_ECHO:
        return gateways[PROBE_IPV4].answers && own_address(probe);
    case ASK_ECHO6:
        return gateways[PROBE_IPV6].answers;
    case ASK_PADDED:
        /* Its answers look like those for the short question, which must be over. */
        return gateways[PROBE_IPV4].answers && probe->questions[ASK_GATEWAY].end <= probe->now;
    case N_SUBJECTS:
        break;
    }
    return FALSE;
}

static gboolean
is_answered(const Probe *probe, Subject subject)
{
    const ProbeFacts *facts = probe->facts;

    switch (subject) {
    case ASK_ROUTER:
        return facts->n_offers > 0 && probe->now >= probe->begin + ROUTER_MS;
    case ASK_OFFERED:
        return facts->is_taken;
    case ASK_ECHO:
    case ASK_ECHO6:
        return facts->echo_size >= facts->mtu;
    case ASK_PADDED:
        return facts->padded_answered;
    default:
        return FALSE;
    }
}

static void
start_question(Probe *probe, Subject subject)
{
    static const guint lengths[N_SUBJECTS] = {
        [ASK_DHCP] = PROBE_LEARN_MS, [ASK_ROUTER] = PROBE_LEARN_MS,
        [ASK_GATEWAY] = 500,         [ASK_GATEWAY6] = 500,
        [ASK_OFFERED] = 400,         [ASK_ECHO] = 500,
        [ASK_ECHO6] = 500,           [ASK_PADDED] = 400,
    };
    gint64 last = probe->begin + PROBE_ALL_MS;

    probe->questions[subject] =
        (Question){TRUE, probe->now, MIN(probe->now + lengths[subject], last), 0};
    if (subject == ASK_PADDED)
        probe->facts->padded_asked = TRUE;
}

/* Starts, repeats and ends questions; returns when to look again, or -1 if none is left. */
static gint64
go_on(Probe *probe)
{
    static const guint intervals[N_SUBJECTS] = {
        [ASK_DHCP] = 1000,   [ASK_ROUTER] = 1200, [ASK_GATEWAY] = 150, [ASK_GATEWAY6] = 150,
        [ASK_OFFERED] = 150, [ASK_ECHO] = 200,    [ASK_ECHO6] = 200,   [ASK_PADDED] = 150,
    };
    gint64 wake = -1;

    for (Subject subject = 0; subject < N_SUBJECTS; subject++) {
        Question *question = &probe->questions[subject];

        if (!question->started && can_start(probe, subject))
            start_question(probe, subject);
        if (!question->started)
            continue;
        if (is_answered(probe, subject))
            question->end = MIN(question->end, probe->now);
        if (probe->now >= question->end)
            continue;
        if (probe->now >= question->next) {
            ask(probe, subject);
            question->next = probe->now + intervals[subject];
        }
        question->next = MIN(question->next, question->end);
        wake = wake < 0 ? question->next : MIN(wake, question->next);
    }
    return wake;
}

static void
wait_for_frames(Probe *probe, gint64 wake)
{
    struct pollfd polled[] = {{probe->fds[0], POLLIN, 0}, {probe->fds[1], POLLIN, 0}};

    poll(polled, G_N_ELEMENTS(polled), (int)MAX(wake - probe->now, 0));
    probe->now = clock_ms();
    if (polled[0].revents && !read_frames(probe, probe->fds[0], probe->vnet_size, note_frame))
        probe->fds[0] = -1;
    if (polled[1].revents && !read_frames(probe, probe->fds[1], 0, note_frame_of_host))
        probe->fds[1] = -1;
}

static ProbeStation
new_station(const MacAddress *mac)
{
    guint32 numbers[] = {random_number(), random_number(), random_number(), random_number()};
    ProbeStation station = {.mac = *mac, .transaction = numbers[0], .echo = (guint16)numbers[1]};

    memcpy(station.token, numbers + 2, sizeof station.token);
    return station;
}

static Probe *
new_probe(const ProbeSockets *sockets, ProbeFacts *facts)
{
    Probe *probe = g_new0(Probe, 1);
    int size;

    probe->sockets = sockets;
    probe->facts = facts;
    probe->port = new_station(&facts->mac);
    probe->host = new_station(&sockets->host);
    if (ioctl(sockets->tap_fd, TUNGETVNETHDRSZ, &size) < 0)
        size = 10;
    probe->vnet_size = MIN((guint)size, sizeof probe->vnet);
    probe->fds[0] = sockets->tap_fd;
    probe->fds[1] = sockets->host_fd;
    return probe;
}

void
probe_ask(const ProbeSockets *sockets, ProbeFacts *facts)
{
    g_autofree Probe *probe = new_probe(sockets, facts);
    gint64 wake;

    probe->begin = probe->now = clock_ms();
    /* Twice: what has just ended may start another question. */
    while ((wake = go_on(probe)) >= 0 || (wake = go_on(probe)) >= 0)
        wait_for_frames(probe, wake);
    for (guint i = 0; i < PROBE_FAMILIES; i++) {
        if (probe_has_address(&facts->gateways[i].address) && sockets->host_fd >= 0 &&
            facts->gateways[i].host != PROBE_YES)
            facts->gateways[i].host = PROBE_NO;
    }
    facts->seconds = (double)(probe->now - probe->begin) / 1000;
}
