/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rate-limits.h"

#include "port-error.h"

#include <string.h>

#define SEND_BURST_MIN (32 * 1024)

static gboolean
refuse_rate(const char *text, GError **error)
{
    g_autofree char *shown = g_strescape(text, NULL);

    return port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                          "'%.64s' is not a rate from 64K to 100G bits per second, optionally with "
                          "a burst from 2K to 64M bytes (example: 100M/64K), or none",
                          shown);
}

/* A whole number and one of these units, each of which is so many times the one before. */
static gboolean
parse_amount(const char *text, const char *units, guint64 step, guint64 max, guint64 *ret_amount)
{
    gsize length = strlen(text);
    const char *unit = length > 0 ? strchr(units, text[length - 1]) : NULL;
    g_autofree char *digits = g_strndup(text, length - (unit != NULL));
    guint64 amount;

    if (length == 0 || !g_ascii_string_to_unsigned(digits, 10, 1, max, &amount, NULL))
        return FALSE;
    for (const char *smaller = units; unit && smaller <= unit; smaller++) {
        if (amount > max / step)
            return FALSE;
        amount *= step;
    }
    *ret_amount = amount;
    return amount <= max;
}

gboolean
rate_parse(const char *text, Rate *ret_rate, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(text, "/", 3);
    guint64 bits, burst = 0;

    if (g_str_equal(text, "none")) {
        *ret_rate = (Rate){0};
        return TRUE;
    }
    if (!parts[0] || !parse_amount(parts[0], "KMG", 1000, RATE_MAX, &bits) || bits < RATE_MIN)
        return refuse_rate(text, error);
    if (parts[1] && (parts[2] || !parse_amount(parts[1], "KM", 1024, RATE_BURST_MAX, &burst) ||
                     burst < RATE_BURST_MIN))
        return refuse_rate(text, error);
    *ret_rate = (Rate){bits, (guint32)burst};
    return TRUE;
}

static void
append_amount(GString *text, guint64 amount, const char *units, guint64 step)
{
    char unit[2] = "";

    for (; *units && amount % step == 0; units++) {
        amount /= step;
        unit[0] = *units;
    }
    g_string_append_printf(text, "%" G_GUINT64_FORMAT "%s", amount, unit);
}

char *
rate_format(const Rate *rate)
{
    GString *text = g_string_new(rate->bits == 0 ? "none" : NULL);

    if (rate->bits > 0)
        append_amount(text, rate->bits, "KMG", 1000);
    if (rate->burst > 0) {
        g_string_append_c(text, '/');
        append_amount(text, rate->burst, "KM", 1024);
    }
    return g_string_free(text, FALSE);
}

Limits
limits_resolve(const Limits *network, const LimitsOwn *own)
{
    Limits limits = *network;

    if (own && own->has_send)
        limits.send = own->limits.send;
    if (own && own->has_receive)
        limits.receive = own->limits.receive;
    if (own && own->has_broadcasts)
        limits.broadcasts = own->limits.broadcasts;
    return limits;
}

static gboolean
rate_equal(const Rate *a, const Rate *b)
{
    return a->bits == b->bits && a->burst == b->burst;
}

gboolean
limits_equal(const Limits *a, const Limits *b)
{
    return rate_equal(&a->send, &b->send) && rate_equal(&a->receive, &b->receive) &&
           a->broadcasts == b->broadcasts;
}

gboolean
limits_are_none(const Limits *limits)
{
    return limits->send.bits == 0 && limits->receive.bits == 0 && limits->broadcasts == 0;
}

guint64
limits_send_burst(const Rate *rate)
{
    return rate->burst > 0 ? rate->burst : MAX(rate->bits / 8 / 200, (guint64)SEND_BURST_MIN);
}

guint64
limits_receive_burst(const Rate *rate)
{
    return rate->burst > 0 ? rate->burst : rate->bits / 8 / 4;
}

const char *
limit_cost_name(guint cost)
{
    static const char *const names[] = {
        [LIMIT_SENT_DELAYED] = "sent-delayed",
        [LIMIT_SENT_DROPPED] = "sent-dropped",
        [LIMIT_RECEIVED_DROPPED] = "received-dropped",
        [LIMIT_RECEIVED_BYTES_DROPPED] = "received-bytes-dropped",
        [LIMIT_BROADCASTS_DROPPED] = "broadcasts-dropped",
    };

    G_STATIC_ASSERT(G_N_ELEMENTS(names) == LIMIT_COST_COUNT);
    return names[cost];
}
