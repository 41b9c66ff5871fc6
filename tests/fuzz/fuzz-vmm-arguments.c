/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One argument of a VMM with two ports, and then the words of a whole command. Without a brace in
 * it, an argument stays as it is. */
#include "fuzz-target.h"

#include "hand-over.h"
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

static void
check_argument(const char *text, const VmmPort *ports, guint n)
{
    const char *const command[] = {"nice", "qemu-kvm", text, "{ifname:0}", NULL};
    g_autoptr(GError) error = NULL;
    VmmUse uses[2];
    g_auto(GStrv) expanded = vmm_arguments_expand(command, ports, n, uses, &error);

    if (!expanded) {
        g_assert_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE);
        return;
    }
    g_assert_cmpuint(g_strv_length(expanded), ==, 4);
    if (!strchr(text, '{'))
        g_assert_cmpstr(expanded[2], ==, text);
}

/* A token, or a QEMU with a pair for each port, or a refusal. */
static void
check_command(const char *text, const VmmPort *ports, guint n)
{
    g_auto(GStrv) command = g_strsplit(text, " ", 64);
    g_autoptr(GError) error = NULL;
    VmmUse uses[2];
    g_auto(GStrv) expanded =
        vmm_arguments_expand((const char *const *)command, ports, n, uses, &error);
    g_autofree char *quoted = NULL;
    g_auto(GStrv) back = NULL;

    if (!expanded || !vmm_arguments_check((const char *const *)expanded, ports, n, uses, &error)) {
        g_assert_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE);
        return;
    }
    quoted = vmm_arguments_quote((const char *const *)expanded);
    g_assert_true(g_shell_parse_argv(quoted, NULL, &back, NULL));
    g_assert_true(g_strv_equal((const char *const *)back, (const char *const *)expanded));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    char *addresses[] = {(char *)"10.0.0.5/24", NULL}, *none[] = {NULL};
    const HandOver lease = {.port = (char *)"web",
                            .network = (char *)"lan",
                            .addresses = addresses,
                            .gateways = none,
                            .dns = none,
                            .search = none};
    const VmmPort ports[] = {
        {.label = "lan",
         .mac = "52:54:00:00:00:01",
         .interface_name = "tap0",
         .mtu = 1500,
         .hand_over = &lease,
         .taps = numbers(3, 1),
         .vhosts = numbers(4, 1)},
        {.label = "parent=eth0,mode=vepa",
         .is_plan = TRUE,
         .taps = numbers(5, 2),
         .vhosts = numbers(0, 0)},
    };

    for (guint n = 1; n <= G_N_ELEMENTS(ports); n++) {
        check_argument(text, ports, n);
        check_command(text, ports, n);
    }
    for (guint i = 0; i < G_N_ELEMENTS(ports); i++) {
        g_array_unref(ports[i].taps);
        g_array_unref(ports[i].vhosts);
    }
    return 0;
}
