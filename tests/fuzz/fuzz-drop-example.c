/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A frame that a guard has dropped, and what the log says of it: the first byte is the reason, the
 * rest the guest's. It is one printable line, whatever that was. */
#include "fuzz-target.h"

#include "guard.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const MacAddress mac = {{0x52, 0x54, 0, 0, 0, 1}};
    g_autofree char *text = NULL;

    if (size == 0)
        return 0;
    text = guard_describe_drop(data[0], data + 1, size - 1, &mac);
    g_assert_true(g_str_is_ascii(text));
    for (const char *c = text; *c; c++)
        g_assert_true(g_ascii_isprint(*c));
    return 0;
}
