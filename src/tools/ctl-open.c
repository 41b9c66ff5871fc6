/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* macvtapctl port open: start a program with the queues of an existing port. */
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

#define ARGUMENTS "PORT[,KEY=VALUE...] -- CMD [ARG...]"

/* Our options end at "--" or at CMD's first word; the rest belongs to CMD. */
static gboolean
parse_open(Ctl *ctl, int argc, char **argv, GArray *options, GStrv *ret_command, GError **error)
{
    const ArgumentsSyntax before_port = {
        .arguments = ARGUMENTS,
        .summary = "Start CMD with the queues of a port; tokens and keys are those of macvtap-run"
                   " --port.",
        .min = 1,
        .max = -1,
        .stop_at_argument = TRUE,
    };
    ArgumentsSyntax before_command = before_port;
    NetworkOption option;
    gboolean parsed;

    before_command.min = 0;
    if (!ctl_parse_syntax(ctl, before_port, &argc, &argv, error))
        return FALSE;
    argv++;
    argc--;
    if (!ctl_parse_syntax(ctl, before_command, &argc, &argv, error))
        return FALSE;
    if (argc < 2)
        return arguments_refuse(error, "missing argument; usage: macvtapctl port open " ARGUMENTS);
    parsed = port_option_parse(argv[0], &option, error);
    g_array_append_val(options, option);
    *ret_command = argv + 1;
    return parsed;
}

/* Exits like macvtapctl, not like macvtap-run: a command that cannot be used is a refusal. */
static int
start(Ctl *ctl, VmmStart *vmm, GError **error)
{
    const NetworkOption *option = &g_array_index(vmm->options, NetworkOption, 0);
    g_autofree char *program = NULL;
    g_auto(GStrv) planned = NULL;
    g_autoptr(MacvtapClient) client = NULL;
    g_autoptr(GPtrArray) networks = NULL;
    MacvtapPort *port;
    int status = vmm_start_find_program(vmm->command[0], &program, error);

    if (status != 0)
        return status;
    planned = vmm_start_plan(vmm, error);
    client = planned ? ctl_connect(ctl, error) : NULL;
    port = client ? ask_open(client, option->port, option->queues, error) : NULL;
    if (!port)
        return 1;
    g_ptr_array_add(vmm->ports, port);
    if (!vmm_start_look_up(client, vmm->ports, &networks, error))
        return 1;
    vmm->networks = networks;
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
    if (!parse_open(ctl, argc, argv, options, &command, error))
        return 2;
    vmm.command = (const char *const *)command;
    return start(ctl, &vmm, error);
}
