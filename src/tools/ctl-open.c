/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* macvtapctl port open: start a program with the queues of a port that is there. */
#include "macvtapctl.h"
#include "network-option.h"
#include "vmm-arguments.h"
#include "vmm-start.h"

static void
free_port(gpointer port)
{
    macvtap_port_free(port);
}

static void
clear_option(gpointer option)
{
    network_option_clear(option);
}

static gboolean
parse_open(int argc, char **argv, GArray *options, GStrv *ret_command, GError **error)
{
    g_autoptr(GOptionContext) context = g_option_context_new("PORT[,KEY=VALUE…] -- CMD [ARG…]");
    NetworkOption option;
    gboolean parsed;
    int first = 2;

    g_option_context_set_summary(context, "Start CMD with the queues of a port; tokens and keys"
                                          " are those of macvtap-run --port.");
    /* What follows CMD is CMD's. */
    g_option_context_set_strict_posix(context, TRUE);
    if (!g_option_context_parse(context, &argc, &argv, error))
        return FALSE;
    if (argc > 2 && g_str_equal(argv[2], "--"))
        first++;
    if (argc <= first) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                    "open takes PORT[,KEY=VALUE...] -- CMD [ARG...]");
        return FALSE;
    }
    parsed = port_option_parse(argv[1], &option, error);
    g_array_append_val(options, option);
    *ret_command = argv + first;
    return parsed;
}

/* As macvtapctl exits, not as macvtap-run does: a command that cannot be used is a refusal. */
static int
start(Ctl *ctl, const VmmStart *vmm, GError **error)
{
    const NetworkOption *option = &g_array_index(vmm->options, NetworkOption, 0);
    g_autofree char *program = NULL;
    g_auto(GStrv) planned = NULL;
    g_autoptr(MacvtapClient) client = NULL;
    MacvtapPort *port;
    int status = vmm_start_find_program(vmm->command[0], &program, error);

    if (status != 0)
        return status;
    planned = vmm_start_plan(vmm, error);
    client = planned ? ctl_connect(ctl, error) : NULL;
    port = client ? macvtap_client_open(client, option->port, option->queues, error) : NULL;
    if (!port)
        return 1;
    g_ptr_array_add(vmm->ports, port);
    g_clear_pointer(&client, macvtap_client_free);
    return vmm_start_become(vmm, program, 1, error);
}

int
ctl_port_open(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_autoptr(GArray) options = g_array_new(FALSE, TRUE, sizeof(NetworkOption));
    g_autoptr(GPtrArray) ports = g_ptr_array_new_with_free_func(free_port);
    GStrv command = NULL;
    VmmStart vmm = {.options = options, .ports = ports};

    g_array_set_clear_func(options, clear_option);
    if (!parse_open(argc, argv, options, &command, error))
        return 2;
    vmm.command = (const char *const *)command;
    return start(ctl, &vmm, error);
}
