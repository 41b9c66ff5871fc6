/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The words of limits (src/model/rate-limits.c), and their arithmetic at a port
 * (src/datapath/limit.h) with a clock of the test's own. */
#include "unit.h"

#include "limit.h"
#include "rate-limits.h"

static void
test_rates(void **state)
{
    static const struct {
        const char *text;
        guint64 bits;
        guint32 burst;
        const char *shown;
    } rows[] = {
        {"100M", 100000000, 0, "100M"},
        {"100M/64K", 100000000, 65536, "100M/64K"},
        {"64000", 64000, 0, "64K"},
        {"64K/2048", 64000, 2048, "64K/2K"},
        {"1500K", 1500000, 0, "1500K"},
        {"2500M/1M", 2500000000, 1 << 20, "2500M/1M"},
        {"100G/64M", 100000000000, 64 << 20, "100G/64M"},
        {"100001/3000", 100001, 3000, "100001/3000"},
        {"none", 0, 0, "none"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *shown = NULL;
        Rate rate;

        assert_true(rate_parse(rows[i].text, &rate, NULL));
        assert_true(rate.bits == rows[i].bits);
        assert_int_equal(rate.burst, rows[i].burst);
        shown = rate_format(&rate);
        assert_string_equal(shown, rows[i].shown);
    }
}

static void
test_what_is_no_rate(void **state)
{
    static const char *const texts[] = {"",
                                        "M",
                                        "0",
                                        "63999",
                                        "101G",
                                        "-1M",
                                        "1.5M",
                                        "10m",
                                        "10 M",
                                        "10M/",
                                        "10M/1K",
                                        "10M/65M",
                                        "10M/1G",
                                        "10M/64K/",
                                        "/64K",
                                        "+10M",
                                        "10MM",
                                        "10M bit",
                                        "0x10M",
                                        "none/64K",
                                        "10T",
                                        "18446744073709551615G",
                                        "99999999999999999999",
                                        "10M/4294967296",
                                        "10M/0"};

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;
        Rate rate = {7, 7};

        if (rate_parse(texts[i], &rate, &error))
            fail_msg("'%s' is a rate", texts[i]);
        assert_true(rate.bits == 7);
        assert_non_null(strstr(error->message, "is not a rate"));
    }
}

static void
test_own_limits_take_the_place_of_the_networks(void **state)
{
    const Limits network = {{1000000, 0}, {2000000, 4096}, 50};
    LimitsOwn own = {.is_given = TRUE};
    Limits limits = limits_resolve(&network, &own);

    assert_true(limits_equal(&limits, &network));
    own.has_receive = TRUE; /* none */
    own.has_broadcasts = TRUE;
    own.limits.broadcasts = 7;
    limits = limits_resolve(&network, &own);
    assert_true(limits.send.bits == 1000000);
    assert_true(limits.receive.bits == 0);
    assert_int_equal(limits.broadcasts, 7);
    assert_false(limits_are_none(&limits));
}

/* How many of the frames of this cost pass that come at this interval during so many seconds. */
static guint64
flood(const struct limit_rate *rate, __u64 *until, guint64 begin, guint64 interval, guint64 seconds,
      guint64 cost)
{
    guint64 n = 0;

    for (guint64 now = begin; now < begin + seconds * LIMIT_SECOND; now += interval)
        n += limit_take(rate, until, now, cost) != 0;
    return n;
}

static void
test_flood_gets_the_rate(void **state)
{
    static const guint64 rates[] = {8000, 1250000, 12500000, 125000000};

    for (guint i = 0; i < G_N_ELEMENTS(rates); i++) {
        const struct limit_rate rate = {rates[i], LIMIT_SECOND / 10};
        guint64 first, then;
        __u64 until = 0;

        /* After a pause the burst comes on top. */
        first = flood(&rate, &until, 1000 * LIMIT_SECOND, 4000, 2, 1514) * 1514;
        assert_in_range(first, rates[i] * 2, rates[i] * 21 / 10 + 2 * 1514);
        then = flood(&rate, &until, 1002 * LIMIT_SECOND, 4000, 2, 1514) * 1514;
        assert_in_range(then, rates[i] * 2 - 2 * 1514, rates[i] * 2 + 2 * 1514);
    }
}

/* 64 KiB at once against a burst of 12,500 bytes. */
static void
test_large_frames_are_not_starved(void **state)
{
    const struct limit_rate rate = {125000, LIMIT_SECOND / 10};
    guint64 cost = limit_cost(65226, 45), n;
    __u64 until = 0;

    assert_int_equal(cost, 65226 + 44 * 66);
    assert_int_equal(limit_cost(1514, 0), 1514);
    assert_int_equal(limit_cost(1514, 1), 1514);
    n = flood(&rate, &until, 1000 * LIMIT_SECOND, LIMIT_SECOND / 1000, 20, cost);
    assert_in_range(n * cost, 125000 * 20 - cost, 125000 * 20 + 12500 + cost);
}

static void
test_rate_that_is_raised_counts_at_once(void **state)
{
    const struct limit_rate slow = {8000, LIMIT_SECOND / 10}, fast = {12500000, LIMIT_SECOND / 10};
    guint64 now = 1000 * LIMIT_SECOND;
    __u64 until = 0;

    assert_true(limit_take(&slow, &until, now, 65536));
    assert_false(limit_take(&slow, &until, now + 7 * LIMIT_SECOND, 60));
    assert_true(limit_take(&fast, &until, now + 1, 60));
}

static void
test_no_rate_is_no_limit(void **state)
{
    const struct limit_rate rate = {0};
    __u64 until = 0;

    assert_int_equal(flood(&rate, &until, 5, LIMIT_SECOND / 100, 1, 1 << 20), 100);
    assert_true(until == 0);
}

/* Soon after the machine's start, when a burst would begin before it. */
static void
test_clock_that_has_just_begun(void **state)
{
    const struct limit_rate rate = {10, LIMIT_SECOND};
    __u64 until = 0;

    assert_in_range(flood(&rate, &until, 1, LIMIT_SECOND / 1000, 1, 1), 10, 11);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rates),
        cmocka_unit_test(test_what_is_no_rate),
        cmocka_unit_test(test_own_limits_take_the_place_of_the_networks),
        cmocka_unit_test(test_flood_gets_the_rate),
        cmocka_unit_test(test_large_frames_are_not_starved),
        cmocka_unit_test(test_rate_that_is_raised_counts_at_once),
        cmocka_unit_test(test_no_rate_is_no_limit),
        cmocka_unit_test(test_clock_that_has_just_begun),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
