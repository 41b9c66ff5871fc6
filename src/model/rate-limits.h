/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How fast a port may send and receive: SendLimit=, ReceiveLimit= and BroadcastLimit= of [Guard],
 * and what root has set for a port instead. Pure: src/features/limits.c puts them in force.
 */
#pragma once

#include <glib.h>

/* The limits of a rate in bits per second, and of a burst in bytes. */
#define RATE_MIN G_GUINT64_CONSTANT(64000)
#define RATE_MAX G_GUINT64_CONSTANT(100000000000)
#define RATE_BURST_MIN 2048
#define RATE_BURST_MAX (64 * 1024 * 1024)

/* The most frames per second of BroadcastLimit=. */
#define LIMIT_BROADCASTS_MAX 1000000

typedef struct Rate {
    guint64 bits;  /* per second, of whole Ethernet frames; 0: no limit */
    guint32 burst; /* bytes; 0: the default for the rate */
} Rate;

/* A text such as "100M" or "100M/64K", or "none". K, M and G are thousands in a rate, and K and M
 * multiples of 1024 in a burst. PORT_ERROR_INVALID_REQUEST. */
gboolean rate_parse(const char *text, Rate *ret_rate, GError **error);

/* The same text; free with g_free(). */
char *rate_format(const Rate *rate);

/* The limits of a network, or those in force at a port. */
typedef struct Limits {
    Rate send, receive;
    guint broadcasts; /* frames per second, multicast included; 0: no limit */
} Limits;

/* What root has set for one port, in place of its network's. */
typedef struct LimitsOwn {
    gboolean is_given; /* any of these, including "as in the network" */
    gboolean has_send, has_receive, has_broadcasts;
    Limits limits;
} LimitsOwn;

/* own may be NULL. */
Limits limits_resolve(const Limits *network, const LimitsOwn *own);

gboolean limits_equal(const Limits *a, const Limits *b);
gboolean limits_are_none(const Limits *limits);

/* The burst in bytes of a rate that has none of its own. For what a guest sends: what the rate
 * allows in 5 ms, at least 32 KiB. For what it receives: in 250 ms, because a TCP sender that lost
 * all of its last frames is silent for 200 ms (TCP_RTO_MIN of Linux), and the allowance of that
 * time must not be lost. Measured at 10, 100 and 1,000 Mbit/s: with 100 ms a stream gets 50 to 55 %
 * of its limit, with 250 ms 95 %. Random early drops do not replace the burst (100 ms: 46 to 59 %):
 * a sender nearby exceeds the limit with its least window, so only its silences slow it down. */
guint64 limits_send_burst(const Rate *rate);
guint64 limits_receive_burst(const Rate *rate);

/* What limits have cost a port. */
typedef enum LimitCost {
    LIMIT_SENT_DELAYED, /* frames */
    LIMIT_SENT_DROPPED, /* likewise: more waited than its queue holds */
    LIMIT_RECEIVED_DROPPED,
    LIMIT_RECEIVED_BYTES_DROPPED,
    LIMIT_BROADCASTS_DROPPED,
    LIMIT_COST_COUNT,
} LimitCost;

/* "sent-delayed" etc. */
const char *limit_cost_name(guint cost);
