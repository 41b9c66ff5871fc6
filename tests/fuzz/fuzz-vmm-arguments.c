/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One argument of a VMM with two ports. Without a brace in it, it stays as it is. */
#include "fuzz-target.h"

#include "vmm-arguments.h"

#include <string.h>

static GArray *
numbers(int first, guint n)
{
    GArray *array = g_array_new(FALSE, FALSE, sizeof(int));

    for (guint i = 0; i < n; i++, first++)
        g_array_append_val(array, first);
    return array;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    const char *const argv[] = {"vmm", text, NULL};
    const VmmPort ports[] = {
        {"lan", "52:54:00:00:00:01", "tap0", 1500, numbers(3, 1), numbers(4, 1)},
        {"parent=eth0,mode=vepa", "52:54:00:00:00:02", "tap1", 9000, numbers(5, 2), numbers(0, 0)},
    };

    for (guint n = 0; n <= G_N_ELEMENTS(ports); n++) {
        g_autoptr(GError) error = NULL;
        g_auto(GStrv) expanded = vmm_arguments_expand(argv, ports, n, &error);

        if (!expanded) {
            g_assert_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE);
            continue;
        }
        g_assert_cmpuint(g_strv_length(expanded), ==, 2);
        if (!strchr(text, '{'))
            g_assert_cmpstr(expanded[1], ==, text);
    }
    for (guint i = 0; i < G_N_ELEMENTS(ports); i++) {
        g_array_unref(ports[i].taps);
        g_array_unref(ports[i].vhosts);
    }
    return 0;
}
