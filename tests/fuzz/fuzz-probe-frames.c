/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A frame of the network, as network probe reads it. The station that has asked is one of zeros, so
 * that mutations of an answer stay answers. */
#include "fuzz-target.h"

#include "probe-frames.h"

#include <string.h>

/* What must hold of an answer, told from the frame's bytes alone. */
static void
check_answer(const uint8_t *data, size_t size, const ProbeAnswer *answer)
{
    g_assert_cmpuint(size, >=, 42);
    g_assert_true(answer->is_for_us || data[0] & 1);
    if (answer->kind == PROBE_OFFER)
        g_assert_cmpuint(size, >=, 14 + 28 + 240 + 3);
    if (answer->kind == PROBE_ECHO)
        g_assert_true(answer->size <= size - 14);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const ProbeStation station;
    ProbeAnswer answer;

    if (!probe_read(&station, data, size, &answer))
        g_assert_cmpuint(size, <, 14);
    else if (answer.kind != PROBE_NOTHING)
        check_answer(data, size, &answer);
    return 0;
}
