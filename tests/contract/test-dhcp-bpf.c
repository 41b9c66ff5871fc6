/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The BPF programs answer DHCP as the native build does: the same verdict, reason and answer, byte
 * by byte, for a hundred thousand frames made from the table of DHCP frames. Usage: test-dhcp-bpf
 * GUARD.BPF.O
 */
#include "cmocka-all.h"
#include "dhcp-rows.h"
#include "guard-native.h"
#include "guard-rows.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>
#include <stdio.h>

enum {
    FRAMES = 100000,
    CHANGES_MAX = 3,
    SEED = 20262,
    TC_PASSES = -1,   /* TC_ACT_UNSPEC */
    TC_DROPS = 2,     /* TC_ACT_SHOT */
    TC_REDIRECTS = 7, /* TC_ACT_REDIRECT */
};

typedef struct Programs {
    int from_guest, to_guest; /* descriptors, the object's */
    int settings, counters, state, dhcp;
    guint32 port; /* the ifindex that a test run has */
} Programs;

/* How often each result came, and how many frames there were. */
typedef struct Tally {
    guint frames, answered, swallowed, passed, by_reason[GUARD_REASON_COUNT];
} Tally;

static const char *object_path;
static Programs programs;

static int
find_program(struct bpf_object *object, const char *name)
{
    struct bpf_program *program = bpf_object__find_program_by_name(object, name);

    assert_non_null(program);
    return bpf_program__fd(program);
}

static void
write_entry(int map, const void *value)
{
    assert_int_equal(bpf_map_update_elem(map, &programs.port, value, BPF_ANY), 0);
}

static void
clear_counters(void)
{
    static const struct guard_counters no_counters;

    write_entry(programs.counters, &no_counters);
}

static void
write_port(gboolean has_gateway)
{
    static const struct guard_state no_state;
    struct guard_settings settings;
    struct dhcp_port port;

    guard_rows_settings(&settings);
    settings.senders = GUARD_SENDERS_ANY; /* so that the guard itself passes everything */
    settings.addresses = GUARD_ADDRESSES_ANY;
    settings.allow = 2 * GUARD_ALLOW_OTHER - 1;
    settings.answers_dhcp = 1;
    dhcp_rows_port(has_gateway, &port);
    write_entry(programs.settings, &settings);
    write_entry(programs.state, &no_state);
    write_entry(programs.dhcp, &port);
    clear_counters();
}

static int
load_programs(void **state)
{
    struct bpf_object *object = bpf_object__open_file(object_path, NULL);

    assert_non_null(object);
    assert_int_equal(bpf_object__load(object), 0);
    programs = (Programs){
        .from_guest = find_program(object, "from_guest"),
        .to_guest = find_program(object, "to_guest"),
        .settings = bpf_object__find_map_fd_by_name(object, "settings"),
        .counters = bpf_object__find_map_fd_by_name(object, "counters"),
        .state = bpf_object__find_map_fd_by_name(object, "state"),
        .dhcp = bpf_object__find_map_fd_by_name(object, "dhcp"),
        .port = if_nametoindex("lo"),
    };
    *state = object;
    return 0;
}

static int
unload_programs(void **state)
{
    bpf_object__close(*state);
    return 0;
}

/* ---- frames ---- */

static guint
below(GRand *random, guint limit)
{
    return (guint)g_rand_int_range(random, 0, (gint32)limit);
}

/* Values that some rule knows, at any place. */
static guint8
telling_byte(GRand *random)
{
    static const guint8 bytes[] = {0,  1,  2,    3,    4,    5,    6,    7,   8,   12,
                                   17, 50, 51,   52,   53,   54,   55,   61,  67,  68,
                                   82, 99, 0x40, 0x45, 0x46, 0x20, 0x81, 127, 128, 255};

    return below(random, 4) ? bytes[below(random, G_N_ELEMENTS(bytes))]
                            : (guint8)below(random, 256);
}

/* Of a frame, at least IP's header must stay: BPF_PROG_TEST_RUN refuses less. */
static void
change_frame(GRand *random, GByteArray *frame)
{
    const guint options = 282, bootp = 42;
    guint at = below(random, frame->len);

    switch (below(random, 8)) {
    case 0:
        g_byte_array_set_size(frame, MAX(at, 54));
        break;
    case 1:
        frame->data[at] ^= (guint8)(1 << below(random, 8));
        break;
    case 2: /* Ethernet, IP and UDP */
        frame->data[below(random, MIN(frame->len, bootp))] = telling_byte(random);
        break;
    case 3: /* BOOTP's fields with a meaning */
        at = bootp + below(random, 34);
        frame->data[MIN(at, frame->len - 1)] = telling_byte(random);
        break;
    case 4: {
        guint8 more = telling_byte(random);

        g_byte_array_append(frame, &more, 1);
        break;
    }
    default:
        if (frame->len > options)
            at = options + below(random, frame->len - options);
        frame->data[at] = telling_byte(random);
    }
}

static GByteArray *
make_frame(GRand *random, const DhcpRow *row)
{
    GByteArray *frame = dhcp_row_frame(row);

    for (guint left = below(random, CHANGES_MAX + 1); left > 0; left--)
        change_frame(random, frame);
    if (frame->len < 54)
        g_byte_array_set_size(frame, 54);
    return frame;
}

/* ---- both builds ---- */

static void
print_frame(const GByteArray *frame)
{
    printf("# ");
    for (guint i = 0; i < frame->len; i++)
        printf("%02x", frame->data[i]);
    printf("\n");
}

static int
counted_reason(void)
{
    struct guard_counters counters;
    int reason = GUARD_PASS;

    assert_int_equal(bpf_map_lookup_elem(programs.counters, &programs.port, &counters), 0);
    for (int i = 0; i < GUARD_REASONS; i++) {
        if (counters.dropped[i] == 0)
            continue;
        assert_int_equal(counters.dropped[i], 1);
        assert_int_equal(reason, GUARD_PASS);
        reason = i;
    }
    if (reason != GUARD_PASS)
        clear_counters();
    return reason;
}

static int
action_of(int result)
{
    return result == GUARD_PASS ? TC_PASSES : result == DHCP_ANSWERED ? TC_REDIRECTS : TC_DROPS;
}

static void
run_both(const GByteArray *question, const struct dhcp_port *port, gboolean to_guest, Tally *tally)
{
    static guint8 answer[65536];
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = question->data,
                .data_size_in = question->len, .data_out = answer, .data_size_out = sizeof answer);
    Frame frame = {.array = bytes, .dhcp = port};
    int native, counted, wanted;

    g_byte_array_append(bytes, question->data, question->len);
    frame.bytes = bytes->data;
    frame.length = bytes->len;
    native = to_guest ? dhcp_to_guest(&frame) : dhcp_from_guest(&frame);
    assert_int_equal(
        bpf_prog_test_run_opts(to_guest ? programs.to_guest : programs.from_guest, &options), 0);
    counted = counted_reason();
    wanted = native >= 0 ? native : GUARD_PASS;
    if (counted != wanted || (int)options.retval != action_of(native) ||
        (native == DHCP_ANSWERED &&
         (options.data_size_out != bytes->len || memcmp(answer, bytes->data, bytes->len) != 0))) {
        print_frame(question);
        print_frame(bytes);
        fail_msg("native %d; BPF returns %d and counts %d", native, (int)options.retval, counted);
    }
    tally->frames++;
    tally->answered += native == DHCP_ANSWERED;
    tally->swallowed += native == DHCP_SWALLOWED;
    tally->passed += native == GUARD_PASS;
    if (native >= 0)
        tally->by_reason[native]++;
}

typedef struct Table {
    const DhcpRow *rows;
    guint count;
    gboolean to_guest, has_gateway;
} Table;

static void
run_table(GRand *random, const Table *table, guint frames, Tally *tally)
{
    struct dhcp_port port;

    write_port(table->has_gateway);
    dhcp_rows_port(table->has_gateway, &port);
    for (guint i = 0; i < frames; i++) {
        g_autoptr(GByteArray) frame = make_frame(random, &table->rows[i % table->count]);

        run_both(frame, &port, table->to_guest, tally);
    }
}

static void
test_both_builds_answer_alike(void **state)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(SEED);
    Table asked = {.has_gateway = TRUE}, received = {.to_guest = TRUE}, arp = {0};
    Tally tally = {0};

    asked.rows = dhcp_rows(&asked.count);
    received.rows = dhcp_rows_received(&received.count);
    arp.rows = dhcp_rows_arp(&arp.count);
    run_table(random, &asked, FRAMES * 8 / 10, &tally);
    run_table(random, &received, FRAMES / 10, &tally);
    run_table(random, &arp, FRAMES / 10, &tally);
    printf("# %u frames: %u answered, %u swallowed, %u passed, %u not answered, %u declined, %u of "
           "another server\n",
           tally.frames, tally.answered, tally.swallowed, tally.passed,
           tally.by_reason[GUARD_DHCP_UNANSWERED], tally.by_reason[GUARD_DHCP_DECLINED],
           tally.by_reason[GUARD_DHCP_OTHER_SERVER]);
    assert_true(tally.answered > 10000 && tally.swallowed > 300 && tally.passed > 10000);
    assert_true(tally.by_reason[GUARD_DHCP_UNANSWERED] > 30000);
    assert_true(tally.by_reason[GUARD_DHCP_OTHER_SERVER] > 3000);
    assert_true(tally.by_reason[GUARD_DHCP_DECLINED] > 300);
}

/* The mark by which the port knows its own answers. */
static void
test_an_answer_reaches_the_guest(void **state)
{
    guint count;
    const DhcpRow *rows = dhcp_rows_received(&count);
    g_autoptr(GByteArray) bytes = dhcp_row_frame(&rows[0]);
    struct __sk_buff context = {.mark = DHCP_MARK};
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = bytes->data, .data_size_in = bytes->len,
                .ctx_in = &context, .ctx_size_in = sizeof context, .ctx_out = &context,
                .ctx_size_out = sizeof context);

    write_port(TRUE);
    assert_int_equal(bpf_prog_test_run_opts(programs.to_guest, &options), 0);
    assert_int_equal((int)options.retval, TC_PASSES);
    assert_int_equal(context.mark, 0);
    assert_int_equal(counted_reason(), GUARD_PASS);
}

/* With Verdict=count what the guard would drop passes, but no DHCP message. */
static void
test_counting_lets_no_message_pass(void **state)
{
    guint count;
    const DhcpRow *rows = dhcp_rows(&count);
    struct guard_settings settings;

    write_port(TRUE);
    guard_rows_settings(&settings);
    settings.answers_dhcp = 1;
    settings.verdict = GUARD_VERDICT_COUNT;
    write_entry(programs.settings, &settings);
    for (guint i = 0; i < count; i++) {
        g_autoptr(GByteArray) bytes = dhcp_row_frame(&rows[i]);
        LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = bytes->data, .data_size_in = bytes->len);

        if (rows[i].result < 0)
            continue;
        assert_int_equal(bpf_prog_test_run_opts(programs.from_guest, &options), 0);
        assert_int_equal((int)options.retval, TC_DROPS);
        assert_int_equal(counted_reason(), rows[i].result);
    }
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_builds_answer_alike),
        cmocka_unit_test(test_an_answer_reaches_the_guest),
        cmocka_unit_test(test_counting_lets_no_message_pass),
    };

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc != 2) {
        printf("Bail out! usage: PROGRAM GUARD.BPF.O\n");
        return 1;
    }
    object_path = argv[1];
    return cmocka_run_group_tests(tests, load_programs, unload_programs);
}
