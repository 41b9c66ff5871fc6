/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A captured frame of any guest as a line. */
#include "fuzz-target.h"

#include "captured-frame.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    GString *line = g_string_new(NULL);

    capture_text_append(line, data, size, (guint32)size);
    g_assert_cmpuint(line->len, <, 300);
    for (gsize i = 0; i < line->len; i++)
        g_assert_true(g_ascii_isprint(line->str[i]));
    g_string_free(line, TRUE);
    return 0;
}
