/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a port answers DHCP, on the native build: each message of a client, and each malformed kind.
 */
#include "unit.h"

#include "dhcp-rows.h"
#include "guard-native.h"

enum { BOOTP = 42, OPTIONS = BOOTP + 240, FRAME = 14 + 576 };

/* A frame that may become an answer. */
typedef struct Sent {
    GByteArray *bytes;
    Frame frame;
    struct dhcp_port port;
} Sent;

static void
sent_begin(Sent *sent, const DhcpRow *row, gboolean has_gateway)
{
    *sent = (Sent){.bytes = dhcp_row_frame(row)};
    dhcp_rows_port(has_gateway, &sent->port);
    sent->frame = (Frame){.bytes = sent->bytes->data,
                          .length = sent->bytes->len,
                          .dhcp = &sent->port,
                          .array = sent->bytes};
}

static void
sent_end(Sent *sent)
{
    g_byte_array_unref(sent->bytes);
}

static const DhcpRow *
find_row(const char *name)
{
    guint count;
    const DhcpRow *rows = dhcp_rows(&count);

    for (guint i = 0; i < count; i++) {
        if (g_str_equal(rows[i].name, name))
            return &rows[i];
    }
    fail_msg("no row '%s'", name);
    return NULL;
}

/* ---- what an answer says, read without the rules' own code ---- */

static guint
get16(const guint8 *at)
{
    return (guint)(at[0] << 8 | at[1]);
}

static char *
hex(const guint8 *bytes, gsize length)
{
    GString *text = g_string_new(NULL);

    for (gsize i = 0; i < length; i++)
        g_string_append_printf(text, "%02x", bytes[i]);
    return g_string_free(text, FALSE);
}

static void
assert_hex(const guint8 *bytes, gsize length, const char *wanted)
{
    g_autofree char *text = hex(bytes, length);

    assert_string_equal(text, wanted);
}

/* NULL: the answer has no such option. Free with g_free(). */
static char *
option(const GByteArray *frame, guint8 code)
{
    guint at = OPTIONS;

    while (frame->data[at] != 255) {
        guint length = frame->data[at + 1];

        assert_true(at + 2 + length < frame->len);
        if (frame->data[at] == code)
            return hex(frame->data + at + 2, length);
        at += 2 + length;
    }
    return NULL;
}

static void
assert_option(const GByteArray *frame, guint8 code, const char *wanted)
{
    g_autofree char *text = option(frame, code);

    if (g_strcmp0(text, wanted) != 0)
        fail_msg("option %u is %s instead of %s", code, text, wanted);
}

static guint
folded(const guint8 *bytes, gsize length, guint sum)
{
    for (gsize i = 0; i < length; i += 2)
        sum += get16(bytes + i);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static void
assert_headers(const GByteArray *frame, const char *to)
{
    const guint8 *bytes = frame->data;

    assert_int_equal(frame->len, FRAME);
    assert_hex(bytes, 6, g_str_equal(to, "ffffffff") ? "ffffffffffff" : "525400000001");
    assert_int_equal(bytes[6] & 3, 2); /* a MAC that nobody has */
    assert_hex(bytes + 12, 2, "0800");
    assert_int_equal(get16(bytes + 16), FRAME - 14);
    assert_int_equal(folded(bytes + 14, 20, 0), 0xffff);
    assert_hex(bytes + 30, 4, to);
    assert_hex(bytes + 34, 4, "00430044");
    assert_int_equal(get16(bytes + 38), FRAME - 34);
    assert_int_equal(get16(bytes + 40), 0);
    assert_hex(bytes + BOOTP, 8, "0201060012345678");
    assert_hex(bytes + BOOTP + 20, 8, "0000000000000000");
    assert_hex(bytes + BOOTP + 28, 16, "52540000000100000000000000000000");
    assert_hex(bytes + BOOTP + 236, 4, "63825363");
}

static void
assert_answer(const Sent *sent, const DhcpRow *row)
{
    const GByteArray *frame = sent->bytes;
    g_autofree char *type = g_strdup_printf("%02x", row->type);
    gboolean is_inform = g_str_has_prefix(row->name, "INFORM"), is_nak = row->type == DHCP_NAKS;

    assert_headers(frame, row->to);
    assert_option(frame, 53, type);
    assert_option(frame, 54, "0a0900fe");
    assert_hex(frame->data + BOOTP + 16, 4, is_nak || is_inform ? "00000000" : "0a090029");
    assert_option(frame, 51, is_nak || is_inform ? NULL : "00000e10");
    assert_option(frame, 1, is_nak ? NULL : "ffffff00");
    assert_option(frame, 3, is_nak ? NULL : "0a0900fe");
    assert_option(frame, 6, is_nak ? NULL : "0a090035");
    assert_option(frame, 26, is_nak ? NULL : "05dc");
    assert_option(frame, 121, NULL);
}

static void
test_the_table(void **state)
{
    guint count;
    const DhcpRow *rows = dhcp_rows(&count);

    for (guint i = 0; i < count; i++) {
        Sent sent;
        int result;

        sent_begin(&sent, &rows[i], TRUE);
        result = dhcp_from_guest(&sent.frame);
        if (result != rows[i].result)
            fail_msg("%s: %d instead of %d", rows[i].name, result, rows[i].result);
        if (result == DHCP_ANSWERED)
            assert_answer(&sent, &rows[i]);
        sent_end(&sent);
    }
}

/* A message that is not answered is as it was: Verdict=count or not, it is only dropped. */
static void
test_a_port_without_an_entry_touches_nothing(void **state)
{
    guint count;
    const DhcpRow *rows = dhcp_rows(&count);

    for (guint i = 0; i < count; i++) {
        g_autoptr(GByteArray) before = dhcp_row_frame(&rows[i]);
        Sent sent;

        sent_begin(&sent, &rows[i], TRUE);
        sent.frame.dhcp = NULL;
        assert_int_equal(dhcp_from_guest(&sent.frame), GUARD_PASS);
        assert_int_equal(sent.bytes->len, before->len);
        assert_memory_equal(sent.bytes->data, before->data, before->len);
        sent_end(&sent);
    }
}

static void
test_frames_to_the_guest(void **state)
{
    guint count;
    const DhcpRow *rows = dhcp_rows_received(&count);

    for (guint i = 0; i < count; i++) {
        Sent sent;
        int result;

        sent_begin(&sent, &rows[i], TRUE);
        result = dhcp_to_guest(&sent.frame);
        if (result != rows[i].result)
            fail_msg("%s: %d instead of %d", rows[i].name, result, rows[i].result);
        sent.frame.dhcp = NULL;
        assert_int_equal(dhcp_to_guest(&sent.frame), GUARD_PASS);
        sent_end(&sent);
    }
}

static void
test_a_tag_beside_the_frame(void **state)
{
    Sent sent;

    sent_begin(&sent, find_row("DISCOVER"), TRUE);
    sent.frame.tagged = TRUE;
    assert_int_equal(dhcp_from_guest(&sent.frame), GUARD_DHCP_UNANSWERED);
    sent_end(&sent);
}

/* ---- what goes back as it came ---- */

static void
answer_row(Sent *sent, const char *name)
{
    sent_begin(sent, find_row(name), TRUE);
    assert_int_equal(dhcp_from_guest(&sent->frame), DHCP_ANSWERED);
}

static void
test_the_client_identifier_goes_back(void **state)
{
    Sent sent;

    answer_row(&sent, "DISCOVER");
    assert_option(sent.bytes, 61, "01525400000001");
    sent_end(&sent);
    answer_row(&sent, "REQUEST, selecting, of another address");
    assert_option(sent.bytes, 61, "01525400000001");
    sent_end(&sent);
    answer_row(&sent, "DISCOVER of a long client identifier");
    assert_option(sent.bytes, 61,
                  "00000000000000000000000000000000000000000000000000000000000000000000000000000000"
                  "000000000000000000000000000000000000000000000000");
    sent_end(&sent);
    answer_row(&sent, "DISCOVER of a client identifier too long to be sent back");
    assert_option(sent.bytes, 61, NULL);
    sent_end(&sent);
    answer_row(&sent, "REQUEST after a reboot");
    assert_option(sent.bytes, 61, NULL);
    sent_end(&sent);
}

static void
test_flags_and_the_clients_address_go_back(void **state)
{
    Sent sent;

    answer_row(&sent, "DISCOVER to be answered by broadcast");
    assert_hex(sent.bytes->data + BOOTP + 10, 6, "800000000000");
    sent_end(&sent);
    answer_row(&sent, "REQUEST, renewing");
    assert_hex(sent.bytes->data + BOOTP + 10, 6, "00000a090029");
    sent_end(&sent);
    answer_row(&sent, "REQUEST, rebinding another address");
    assert_hex(sent.bytes->data + BOOTP + 10, 6, "000000000000");
    sent_end(&sent);
}

/* Nothing of the question is left in the answer. */
static void
test_the_rest_is_zero(void **state)
{
    guint at = OPTIONS;
    Sent sent;

    answer_row(&sent, "DISCOVER with its type in file");
    for (guint i = BOOTP + 44; i < BOOTP + 236; i++)
        assert_int_equal(sent.bytes->data[i], 0);
    while (sent.bytes->data[at] != 255)
        at += 2 + sent.bytes->data[at + 1];
    for (guint i = at + 1; i < sent.bytes->len; i++)
        assert_int_equal(sent.bytes->data[i], 0);
    sent_end(&sent);
}

/* ---- checksums ---- */

/* The sum over the answer's UDP header with the pseudo header is what the host is left to add. */
static void
test_a_checksum_to_be_finished(void **state)
{
    guint pseudo;
    Sent sent;

    sent_begin(&sent, find_row("REQUEST, renewing"), TRUE);
    sent.frame.unfinished = TRUE;
    sent.frame.start = 34;
    sent.frame.offset = 6;
    assert_int_equal(dhcp_from_guest(&sent.frame), DHCP_ANSWERED);
    pseudo = folded(sent.bytes->data + 26, 8, 17 + FRAME - 34);
    assert_int_equal(get16(sent.bytes->data + 40), pseudo);
    sent_end(&sent);
}

static void
test_another_checksum_to_be_finished(void **state)
{
    static const guint wrong[][2] = {{34, 8}, {14, 10}, {36, 6}, {0, 0}};

    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        Sent sent;

        sent_begin(&sent, find_row("DISCOVER"), TRUE);
        sent.frame.unfinished = TRUE;
        sent.frame.start = wrong[i][0];
        sent.frame.offset = wrong[i][1];
        assert_int_equal(dhcp_from_guest(&sent.frame), GUARD_DHCP_UNANSWERED);
        sent_end(&sent);
    }
}

/* ---- ARP ---- */

static void
test_arp(void **state)
{
    guint count;
    const DhcpRow *rows = dhcp_rows_arp(&count);

    for (guint i = 0; i < count; i++) {
        Sent sent;

        for (int has_gateway = 0; has_gateway < 2; has_gateway++) {
            int result;

            sent_begin(&sent, &rows[i], has_gateway);
            result = dhcp_from_guest(&sent.frame);
            if (result != (has_gateway ? GUARD_PASS : rows[i].result))
                fail_msg("%s: %d", rows[i].name, result);
            sent_end(&sent);
        }
    }
}

static void
test_the_answer_to_arp(void **state)
{
    guint count;
    const DhcpRow *rows = dhcp_rows_arp(&count);
    g_autofree char *text = NULL;
    Sent sent;

    sent_begin(&sent, &rows[0], FALSE);
    assert_int_equal(dhcp_from_guest(&sent.frame), DHCP_ANSWERED);
    text = hex(sent.port.server_mac, 6);
    assert_hex(sent.bytes->data, 6, "525400000001");
    assert_hex(sent.bytes->data + 6, 6, text);
    assert_hex(sent.bytes->data + 12, 10, "08060001080006040002");
    assert_hex(sent.bytes->data + 22, 6, text);
    assert_hex(sent.bytes->data + 28, 4, "a9feff43");
    assert_hex(sent.bytes->data + 32, 6, "525400000001");
    assert_hex(sent.bytes->data + 38, 4, "0a090029");
    sent_end(&sent);
    sent_begin(&sent, &rows[0], FALSE);
    sent.frame.unfinished = TRUE;
    assert_int_equal(dhcp_from_guest(&sent.frame), GUARD_PASS);
    sent_end(&sent);
    sent_begin(&sent, &rows[0], FALSE);
    sent.frame.tagged = TRUE;
    assert_int_equal(dhcp_from_guest(&sent.frame), GUARD_PASS);
    sent_end(&sent);
}

/* A port without a gateway has a route to its server, which it names. */
static void
test_without_a_gateway(void **state)
{
    Sent sent;

    sent_begin(&sent, find_row("DISCOVER"), FALSE);
    assert_int_equal(dhcp_from_guest(&sent.frame), DHCP_ANSWERED);
    assert_option(sent.bytes, 54, "a9feff43");
    assert_option(sent.bytes, 3, NULL);
    assert_option(sent.bytes, 121, "20a9feff4300000000");
    assert_hex(sent.bytes->data + 26, 4, "a9feff43");
    sent_end(&sent);
    sent_begin(&sent, find_row("REQUEST, renewing"), FALSE);
    assert_int_equal(dhcp_from_guest(&sent.frame), GUARD_DHCP_UNANSWERED);
    sent_end(&sent);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_table),
        cmocka_unit_test(test_a_port_without_an_entry_touches_nothing),
        cmocka_unit_test(test_frames_to_the_guest),
        cmocka_unit_test(test_a_tag_beside_the_frame),
        cmocka_unit_test(test_the_client_identifier_goes_back),
        cmocka_unit_test(test_flags_and_the_clients_address_go_back),
        cmocka_unit_test(test_the_rest_is_zero),
        cmocka_unit_test(test_a_checksum_to_be_finished),
        cmocka_unit_test(test_another_checksum_to_be_finished),
        cmocka_unit_test(test_arp),
        cmocka_unit_test(test_the_answer_to_arp),
        cmocka_unit_test(test_without_a_gateway),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
