/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guard's BPF programs and its native build are of one mind: the same verdict, reason and
 * addresses for a hundred thousand frames, made from the frame table. Usage: test-guard-bpf
 * GUARD.BPF.O
 *
 * Frames come in episodes. Each has settings of its own and begins with a port that nothing is
 * known of; what its frames teach decides about those after them. BPF_PROG_TEST_RUN gives the
 * programs neither a checksum to be finished nor a tag beside the frame: test_guard_frames.py sends
 * those for real.
 */
#include "cmocka-all.h"
#include "guard-native.h"
#include "guard-rows.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>
#include <stdio.h>

enum {
    EPISODES = 9000,
    FRAMES = 16,
    CHANGES_MAX = 3,
    SEED = 20261,
    TC_PASSES = -1, /* TC_ACT_UNSPEC */
    TC_DROPS = 2,   /* TC_ACT_SHOT */
    VERIFIED_MAX = 60000,
};

typedef struct Programs {
    int from_guest, to_guest; /* descriptors, the object's */
    int settings, counters, state;
    guint32 port; /* the ifindex that a test run has */
} Programs;

static const char *object_path;
static Programs programs;

static int
find_map(struct bpf_object *object, const char *name)
{
    int fd = bpf_object__find_map_fd_by_name(object, name);

    assert_true(fd >= 0);
    return fd;
}

static int
find_program(struct bpf_object *object, const char *name)
{
    struct bpf_program *program = bpf_object__find_program_by_name(object, name);

    assert_non_null(program);
    return bpf_program__fd(program);
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
        .settings = find_map(object, "settings"),
        .counters = find_map(object, "counters"),
        .state = find_map(object, "state"),
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

static void
write_entry(int map, const void *value)
{
    assert_int_equal(bpf_map_update_elem(map, &programs.port, value, BPF_ANY), 0);
}

static void
read_entry(int map, void *ret_value)
{
    assert_int_equal(bpf_map_lookup_elem(map, &programs.port, ret_value), 0);
}

static int
run_program(int program, const guint8 *bytes, gsize length)
{
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = bytes, .data_size_in = (guint32)length);

    assert_int_equal(bpf_prog_test_run_opts(program, &options), 0);
    return (int)options.retval;
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
    static const guint8 bytes[] = {0,    1,    2,    4,    5,    6,    8,    17,   41,   43,   44,
                                   50,   51,   53,   58,   59,   60,   67,   68,   103,  128,  130,
                                   133,  134,  135,  136,  137,  143,  151,  0xaa, 0x42, 0x81, 0x88,
                                   0x86, 0xdd, 0xcc, 0xfe, 0xff, 0x20, 0x08, 0x35, 0x22, 0x23};

    return below(random, 4) ? bytes[below(random, G_N_ELEMENTS(bytes))]
                            : (guint8)below(random, 256);
}

static void
insert_tag(GRand *random, GByteArray *frame)
{
    static const guint8 tags[][2] = {{0x81, 0}, {0x88, 0xa8}, {0x91, 0}};
    guint8 tag[4] = {0};

    memcpy(tag, tags[below(random, G_N_ELEMENTS(tags))], 2);
    g_byte_array_set_size(frame, frame->len + 4);
    memmove(frame->data + 16, frame->data + 12, frame->len - 16);
    memcpy(frame->data + 12, tag, sizeof(tag));
}

static void
change_frame(GRand *random, GByteArray *frame)
{
    guint at = below(random, frame->len);

    switch (below(random, 8)) {
    case 0:
        g_byte_array_set_size(frame, MAX(at, 15));
        break;
    case 1:
        insert_tag(random, frame);
        break;
    case 2:
        frame->data[at] ^= (guint8)(1 << below(random, 8));
        break;
    case 3:
        frame->data[below(random, MIN(frame->len, 14))] = telling_byte(random);
        break;
    case 4: /* addresses, or close to them */
        frame->data[frame->len > 34 ? 20 + below(random, 14) : at] = telling_byte(random);
        break;
    default:
        frame->data[at] = telling_byte(random);
    }
}

/* BPF_PROG_TEST_RUN refuses a frame whose IP header is cut off. */
static void
mend_header(GByteArray *frame)
{
    gboolean v4 = frame->data[12] == 0x08 && frame->data[13] == 0x00;
    gboolean v6 = frame->data[12] == 0x86 && frame->data[13] == 0xdd;
    guint length = frame->len, least = v4 ? 34 : v6 ? 54 : 15;

    if (length >= least)
        return;
    g_byte_array_set_size(frame, least);
    memset(frame->data + length, 0, least - length);
}

static GByteArray *
make_frame(GRand *random, const GuardRow *rows, guint count)
{
    GByteArray *frame = guard_row_frame(&rows[below(random, count)]);

    for (guint left = below(random, CHANGES_MAX + 1); left > 0; left--)
        change_frame(random, frame);
    mend_header(frame);
    return frame;
}

static void
make_settings(GRand *random, struct guard_settings *ret_settings)
{
    guard_rows_settings(ret_settings);
    ret_settings->senders = below(random, 5) ? GUARD_SENDERS_OWN : GUARD_SENDERS_ANY;
    ret_settings->verdict = below(random, 5) ? GUARD_VERDICT_DROP : GUARD_VERDICT_COUNT;
    ret_settings->addresses = (guint8)below(random, 3);
    ret_settings->allow = below(random, 2) ? 0 : (guint16)below(random, 512);
    for (guint i = below(random, 4) ? 0 : GUARD_PREFIXES; ret_settings->n_prefixes < i;) {
        struct guard_prefix *prefix = &ret_settings->prefixes[ret_settings->n_prefixes++];

        for (guint byte = 0; byte < 16; byte++)
            prefix->address.bytes[byte] = telling_byte(random);
        prefix->length = (guint8)below(random, 129);
    }
}

/* ---- both builds ---- */

static int
counted_reason(void)
{
    struct guard_counters counters;
    int reason = GUARD_PASS;

    read_entry(programs.counters, &counters);
    for (int i = 0; i < GUARD_REASONS; i++) {
        if (counters.dropped[i] == 0)
            continue;
        assert_int_equal(counters.dropped[i], 1);
        assert_int_equal(reason, GUARD_PASS);
        reason = i;
    }
    if (reason != GUARD_PASS) {
        assert_true(counters.last > 0);
        memset(counters.dropped, 0, sizeof(counters.dropped));
        write_entry(programs.counters, &counters);
    }
    return reason;
}

static void
assert_same_addresses(struct guard_state *native)
{
    struct guard_state bpf;

    read_entry(programs.state, &bpf);
    for (guint i = 0; i < GUARD_SEEN; i++) {
        assert_memory_equal(&native->seen[i].address, &bpf.seen[i].address, 16);
        assert_int_equal(native->seen[i].how, bpf.seen[i].how);
    }
    for (guint i = 0; i < GUARD_LEARNED; i++) {
        assert_memory_equal(&native->learned[i].address, &bpf.learned[i].address, 16);
        assert_int_equal(native->learned[i].contested, bpf.learned[i].contested);
    }
    for (guint i = 0; i < GUARD_ANNOUNCED; i++)
        assert_memory_equal(&native->announced[i].address, &bpf.announced[i].address, 16);
    for (guint i = 0; i < GUARD_ROUTERS; i++)
        assert_memory_equal(&native->routers[i].address, &bpf.routers[i].address, 16);
    assert_memory_equal(native->asked, bpf.asked, sizeof(bpf.asked));
}

static void
print_frame(const Frame *frame)
{
    printf("# ");
    for (gsize i = 0; i < frame->length; i++)
        printf("%02x", frame->bytes[i]);
    printf("\n");
}

/* Returns the reason, or GUARD_PASS. */
static int
send_to_both(Frame *frame, const struct guard_settings *settings)
{
    int native = native_from_guest(frame, settings);
    int action = run_program(programs.from_guest, frame->bytes, frame->length);
    int bpf = counted_reason();
    int expected =
        native == GUARD_PASS || settings->verdict == GUARD_VERDICT_COUNT ? TC_PASSES : TC_DROPS;

    if (native != bpf || action != expected) {
        print_frame(frame);
        fail_msg("native '%s', BPF '%s', which returns %d", guard_row_reason(native),
                 guard_row_reason(bpf), action);
    }
    return native;
}

static void
receive_by_both(Frame *frame, const struct guard_settings *settings)
{
    native_to_guest(frame, settings);
    assert_int_equal(run_program(programs.to_guest, frame->bytes, frame->length), TC_PASSES);
}

typedef struct Tally {
    guint sent, by_reason[GUARD_REASON_COUNT];
} Tally;

static void
run_frame(GRand *random, struct guard_state *state, const struct guard_settings *settings,
          Tally *tally)
{
    gboolean is_received = below(random, 4) == 0;
    guint count;
    const GuardRow *rows = is_received        ? guard_rows_received(&count)
                           : below(random, 4) ? guard_rows(&count)
                                              : guard_rows_edges(&count);
    g_autoptr(GByteArray) bytes = make_frame(random, rows, count);
    Frame frame = {.bytes = bytes->data, .length = bytes->len, .state = state};
    int reason;

    native_clock++;
    if (is_received) {
        receive_by_both(&frame, settings);
        return;
    }
    reason = send_to_both(&frame, settings);
    tally->sent++;
    if (reason != GUARD_PASS)
        tally->by_reason[reason]++;
}

static void
run_episode(GRand *random, Tally *tally)
{
    static const struct guard_counters no_counters;
    struct guard_state state = {0};
    struct guard_settings settings;

    make_settings(random, &settings);
    write_entry(programs.settings, &settings);
    write_entry(programs.counters, &no_counters);
    write_entry(programs.state, &state);
    native_clock = GUARD_SECOND;
    for (guint i = 0; i < FRAMES; i++)
        run_frame(random, &state, &settings, tally);
    assert_same_addresses(&state);
}

static void
test_both_builds_judge_alike(void **state)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(SEED);
    Tally tally = {0};

    for (guint i = 0; i < EPISODES; i++)
        run_episode(random, &tally);
    printf("# %u frames sent\n", tally.sent);
    for (int i = 0; i < GUARD_DHCP_UNANSWERED; i++) {
        printf("# %6u %s\n", tally.by_reason[i], guard_row_reason(i));
        /* A checksum cannot be asked for here; the rest must be there, or little was compared. */
        if (i != GUARD_CHECKSUM && i != GUARD_TOO_MANY_ADDRESSES)
            assert_true(tally.by_reason[i] >= 10);
    }
    assert_true(tally.sent >= 100000);
}

/* 16 addresses by DAD, and one more. */
static void
test_both_builds_refuse_the_seventeenth_address(void **state)
{
    guint count, n_received;
    const GuardRow *rows = guard_rows(&count), *received = guard_rows_received(&n_received);
    static const struct guard_counters no_counters;
    struct guard_state native = {0};
    struct guard_settings settings;
    g_autoptr(GByteArray) advertisement = guard_row_frame(&received[0]);
    Frame heard = {.bytes = advertisement->data, .length = advertisement->len, .state = &native};

    guard_rows_settings(&settings);
    settings.addresses = GUARD_ADDRESSES_DHCP;
    write_entry(programs.settings, &settings);
    write_entry(programs.counters, &no_counters);
    write_entry(programs.state, &native);
    receive_by_both(&heard, &settings);
    for (guint i = 0; i < count; i++) {
        gboolean asks = g_str_equal(rows[i].name, "DAD: NS from ::");

        for (guint8 host = 0x10; host < 0x10 + GUARD_LEARNED + 1; host++) {
            g_autoptr(GByteArray) bytes = guard_row_frame(&rows[i]);
            Frame frame = {.bytes = bytes->data, .length = bytes->len, .state = &native};

            if (!asks && !g_str_equal(rows[i].name, "NA for its own target"))
                continue;
            bytes->data[63] = 0x11;
            bytes->data[77] = host;
            native_clock++;
            send_to_both(&frame, &settings);
        }
    }
    assert_same_addresses(&native);
}

/* A port without settings sends nothing, and gets everything. */
static void
test_a_port_without_settings(void **state)
{
    guint count;
    const GuardRow *rows = guard_rows(&count);
    g_autoptr(GByteArray) bytes = guard_row_frame(&rows[0]);

    bpf_map_delete_elem(programs.settings, &programs.port);
    assert_int_equal(run_program(programs.from_guest, bytes->data, bytes->len), TC_DROPS);
    assert_int_equal(run_program(programs.to_guest, bytes->data, bytes->len), TC_PASSES);
}

static guint32
verified_instructions(int program)
{
    struct bpf_prog_info info = {0};
    guint32 size = sizeof info;

    assert_int_equal(bpf_obj_get_info_by_fd(program, &info, &size), 0);
    return info.verified_insns;
}

/* The verifier follows each way through a program, at each start of the daemon: about a microsecond
 * for an instruction. */
static void
test_verifying_is_quick(void **state)
{
    guint32 verified =
        verified_instructions(programs.from_guest) + verified_instructions(programs.to_guest);

    printf("# %u instructions verified\n", verified);
    assert_in_range(verified, 1, VERIFIED_MAX);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_builds_judge_alike),
        cmocka_unit_test(test_both_builds_refuse_the_seventeenth_address),
        cmocka_unit_test(test_a_port_without_settings),
        cmocka_unit_test(test_verifying_is_quick),
    };

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc != 2) {
        printf("Bail out! usage: PROGRAM GUARD.BPF.O\n");
        return 1;
    }
    object_path = argv[1];
    return cmocka_run_group_tests(tests, load_programs, unload_programs);
}
