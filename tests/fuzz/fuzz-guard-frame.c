/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guard's rules on what a guest sends and gets. The input is five bytes of settings (senders,
 * addresses, allow, allow, prefixes), then frames: their flags, their length / 2, and their bytes.
 */
#include "fuzz-target.h"

#include "guard-native.h"
#include "guard-rows.h"

enum { HEAD = 5, GOT = 1, TAGGED = 2, UNFINISHED = 4 };

/* What must hold of a frame that passed, told from its bytes alone, without the rules' own code. */
static void
check_passed(const Frame *frame, const struct guard_settings *settings)
{
    const guint8 *bytes = frame->bytes;
    gboolean is_own = settings->senders == GUARD_SENDERS_OWN;

    g_assert_true(frame->length >= 14);
    if (is_own)
        g_assert_cmpmem(bytes + 6, 6, settings->mac, 6);
    if (!(settings->allow & GUARD_ALLOW_VLAN))
        g_assert_false(frame->tagged || (bytes[12] == 0x81 && bytes[13] == 0));
    if (bytes[12] == 0x08 && bytes[13] == 0x06) {
        g_assert_true(frame->length >= 42 && !frame->unfinished);
        g_assert_cmpmem(bytes + 14, 7, "\0\1\x08\0\6\4\0", 7);
        if (is_own)
            g_assert_cmpmem(bytes + 22, 6, settings->mac, 6);
    }
    if (bytes[12] == 0x86 && bytes[13] == 0xdd && bytes[20] == 58)
        g_assert_true(frame->length > 54 &&
                      (bytes[54] != 134 || (settings->allow & GUARD_ALLOW_ROUTER)));
    if (frame->unfinished)
        g_assert_cmpuint(frame->start + frame->offset, >=, 34 + 6);
}

static void
take_frame(Frame *frame, const struct guard_settings *settings, guint8 flags)
{
    gboolean is_on = settings->senders == GUARD_SENDERS_OWN ||
                     settings->addresses != GUARD_ADDRESSES_ANY || settings->allow != 255;
    int why;

    native_clock += 1 + (flags >> 4) * 600 * GUARD_SECOND;
    if (flags & GOT) {
        native_to_guest(frame, settings);
        return;
    }
    why = native_from_guest(frame, settings);
    g_assert_true(why >= GUARD_PASS && why < GUARD_REASON_COUNT);
    if (!is_on)
        g_assert_cmpint(why, ==, GUARD_PASS);
    else if (why == GUARD_PASS)
        check_passed(frame, settings);
}

static void
take_frames(const guint8 *data, gsize size, const struct guard_settings *settings)
{
    struct guard_state state = {0};

    while (size >= 2) {
        guint8 flags = data[0];
        gsize length = MIN((gsize)data[1] * 2, size - 2);
        g_autofree guint8 *bytes = g_memdup2(data + 2, length);
        Frame frame = {.bytes = bytes,
                       .length = length,
                       .tagged = (flags & TAGGED) != 0,
                       .unfinished = (flags & UNFINISHED) != 0 && length > 2,
                       .state = &state};

        if (frame.unfinished) {
            frame.start = bytes[length - 1];
            frame.offset = bytes[length - 2];
        }
        take_frame(&frame, settings, flags);
        g_assert_cmpuint(state.lock, ==, 0);
        data += 2 + length;
        size -= 2 + length;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct guard_settings settings;

    if (size < HEAD)
        return 0;
    native_clock = 1;
    guard_rows_settings(&settings);
    settings.senders = data[0] % 2 ? GUARD_SENDERS_OWN : GUARD_SENDERS_ANY;
    settings.addresses = data[1] % 3;
    settings.allow = (__u16)(data[2] | (data[3] % 2) << 8);
    settings.n_prefixes = data[4] % (GUARD_PREFIXES + 1);
    take_frames(data + HEAD, size - HEAD, &settings);
    return 0;
}
