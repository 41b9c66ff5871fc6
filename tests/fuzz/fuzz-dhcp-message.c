/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A port that answers DHCP, and what its guest sends and gets. The input is a byte of flags, for a
 * checksum that is asked for two more, and a frame.
 */
#include "fuzz-target.h"

#include "dhcp-rows.h"
#include "guard-native.h"

enum { GOT = 1, TAGGED = 2, UNFINISHED = 4, GATEWAY = 8, HEAD = 3 };

/* A DHCP message without tag, told from its bytes alone, without the rules' own code. */
static gboolean
is_message(const guint8 *bytes, gsize length, gboolean got)
{
    guint16 from, to;

    if (length < 42 || bytes[12] != 0x08 || bytes[13] != 0 || bytes[14] != 0x45 ||
        bytes[23] != 17 || (bytes[20] & 0x1f) != 0 || bytes[21] != 0)
        return FALSE;
    from = (guint16)(bytes[34] << 8 | bytes[35]);
    to = (guint16)(bytes[36] << 8 | bytes[37]);
    return got ? from == 67 || to == 68 : from == 68 || to == 67;
}

/* An answer goes to the guest alone, and says nothing that the port's entry does not. */
static void
check_answer(const Frame *frame, const struct dhcp_port *port)
{
    const guint8 *bytes = frame->bytes;

    g_assert_true(bytes[0] == 0xff || memcmp(bytes, port->mac, 6) == 0);
    g_assert_cmpmem(bytes + 6, 6, port->server_mac, 6);
    if (bytes[13] == 0x06) {
        g_assert_true(port->answers_arp && bytes[21] == 2);
        return;
    }
    g_assert_cmpuint(frame->length, ==, 590);
    g_assert_cmpmem(bytes + 12, 4, "\x08\0\x45\0", 4);
    g_assert_cmpmem(bytes + 26, 4, &port->server, 4);
    g_assert_cmpmem(bytes + 34, 4, "\0\x43\0\x44", 4);
    g_assert_cmpmem(bytes + 42, 4, "\2\1\6\0", 4);
    g_assert_true(memcmp(bytes + 58, &port->address, 4) == 0 ||
                  memcmp(bytes + 58, "\0\0\0", 4) == 0);
    g_assert_cmpmem(bytes + 278, 6, "\x63\x82\x53\x63\x35\x01", 6);
    g_assert_true(bytes[284] == 2 || bytes[284] == 5 || bytes[284] == 6);
}

static void
take_frame(Frame *frame, const GByteArray *before, guint8 flags)
{
    gboolean got = (flags & GOT) != 0;
    int result = got ? dhcp_to_guest(frame) : dhcp_from_guest(frame);

    g_assert_true(result >= DHCP_SWALLOWED && result < GUARD_REASON_COUNT);
    if (result == DHCP_ANSWERED) {
        g_assert_false(got);
        check_answer(frame, frame->dhcp);
        return;
    }
    if (result == GUARD_PASS) {
        g_assert_false(is_message(before->data, before->len, got));
        g_assert_cmpmem(frame->bytes, frame->length, before->data, before->len);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GByteArray) before = g_byte_array_new(), bytes = g_byte_array_new();
    Frame frame = {.array = bytes};
    struct dhcp_port port;

    if (size < HEAD)
        return 0;
    dhcp_rows_port((data[0] & GATEWAY) != 0, &port);
    g_byte_array_append(before, data + HEAD, (guint)(size - HEAD));
    g_byte_array_append(bytes, data + HEAD, (guint)(size - HEAD));
    frame.bytes = bytes->data;
    frame.length = bytes->len;
    frame.tagged = (data[0] & TAGGED) != 0;
    frame.unfinished = (data[0] & UNFINISHED) != 0;
    frame.start = data[1];
    frame.offset = data[2];
    frame.dhcp = &port;
    take_frame(&frame, before, data[0]);
    return 0;
}
