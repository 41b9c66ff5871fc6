/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * macvtap-run asks for its ports with itself as their holder, lets the descriptors through
 * execve(2) and becomes the VMM: same process, so the pidfd that macvtapd watches is the VMM's, and
 * nothing stays in between. If anything fails it exits, and its ports end with it. It gives up none
 * of its caller's power, unlike our other programs: the VMM is to have what the user has.
 */
#include "macvtap.h"
#include "network-option.h"
#include "vmm-arguments.h"

#include "descriptor.h"
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <string.h>
#include <unistd.h>

/* As env(1) and the shell: our own failure, cannot be executed, not found. */
#define EXIT_OURS 125
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127

typedef struct Run {
    char *socket;
    GStrv networks;
    GStrv command;
    GArray *options;  /* of NetworkOption */
    GPtrArray *ports; /* of MacvtapPort */
} Run;

static void
run_clear(Run *run)
{
    g_free(run->socket);
    g_strfreev(run->networks);
    g_strfreev(run->command);
    g_clear_pointer(&run->options, g_array_unref);
    g_ptr_array_unref(run->ports);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Run, run_clear)

static void
clear_option(gpointer option)
{
    network_option_clear(option);
}

static void
free_port(gpointer port)
{
    macvtap_port_free(port);
}

static int
fail(const GError *error)
{
    g_printerr("macvtap-run: %s\n", error->message);
    return EXIT_OURS;
}

static gboolean
parse(Run *run, int argc, char **argv, GError **error)
{
    gboolean version = FALSE;
    const GOptionEntry entries[] = {
        {"socket", 0, 0, G_OPTION_ARG_FILENAME, &run->socket, "macvtapd's socket", "PATH"},
        {"network", 'n', 0, G_OPTION_ARG_STRING_ARRAY, &run->networks,
         "A port on NET; keys: name, ifname, mac, queues, mtu, vhost", "NET[,KEY=VALUE…]"},
        {"version", 0, 0, G_OPTION_ARG_NONE, &version, "Show the version", NULL},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &run->command, NULL,
         "-- CMD [ARG…]"},
        {NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);

    g_option_context_set_summary(context, "Start a VMM with ports on the physical network.");
    g_option_context_set_description(context, "In CMD's arguments {netdev}, {device}, {fd}, {fds}, "
                                              "{vhostfd}, {vhostfds}, {mac}, {mtu} and {ifname}\n"
                                              "are replaced, with several networks as {fd:NET} or "
                                              "{fd:0}. If none is there and CMD is a QEMU,\n"
                                              "-netdev and -device are appended. Exit status: "
                                              "CMD's; 125 when macvtap-run fails, 126 when CMD\n"
                                              "cannot be executed, 127 when it is not found.");
    g_option_context_set_strict_posix(context, TRUE);
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, error))
        return FALSE;
    if (version) {
        g_print("macvtap-run %s\n", MACVTAPD_VERSION);
        if (!output_finish(error))
            return FALSE;
        _exit(0);
    }
    if (run->networks && run->command)
        return TRUE;
    g_set_error_literal(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                        run->command ? "which network? Give --network=NET"
                                     : "which command? Give -- CMD [ARG…]");
    return FALSE;
}

static gboolean
parse_networks(Run *run, GError **error)
{
    run->options = g_array_new(FALSE, TRUE, sizeof(NetworkOption));
    g_array_set_clear_func(run->options, clear_option);
    for (guint i = 0; run->networks[i]; i++) {
        NetworkOption option;
        gboolean parsed = network_option_parse(run->networks[i], &option, error);

        g_array_append_val(run->options, option);
        if (!parsed)
            return FALSE;
    }
    return TRUE;
}

static gboolean
create_ports(Run *run, GError **error)
{
    g_autoptr(MacvtapClient) client = macvtap_client_connect(run->socket, error);

    if (!client)
        return FALSE;
    for (guint i = 0; i < run->options->len; i++) {
        const NetworkOption *option = &g_array_index(run->options, NetworkOption, i);
        MacvtapRequest request = {
            .network = option->network,
            .name = option->name,
            .interface_name = option->interface_name,
            .mac_address = option->mac,
            .mtu = option->mtu,
            .queues = option->queues,
            .vhost = option->vhost,
        };
        MacvtapPort *port = macvtap_client_create(client, &request, error);

        if (!port)
            return FALSE;
        g_ptr_array_add(run->ports, port);
    }
    return TRUE;
}

/* Lets a descriptor through execve(2). */
static gboolean
pass_on(int fd, GArray *numbers, GError **error)
{
    g_array_append_val(numbers, fd);
    if (fd >= 0 && fcntl(fd, F_SETFD, 0) == 0)
        return TRUE;
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "descriptor %d: %s", fd,
                g_strerror(errno));
    return FALSE;
}

static gboolean
describe_port(const Run *run, guint i, VmmPort *vmm_port, GError **error)
{
    MacvtapPort *port = run->ports->pdata[i];

    *vmm_port = (VmmPort){
        .network = g_array_index(run->options, NetworkOption, i).network,
        .mac = macvtap_port_get_mac_address(port),
        .interface_name = macvtap_port_get_interface_name(port),
        .mtu = macvtap_port_get_mtu(port),
        .taps = descriptor_array_new(),
        .vhosts = descriptor_array_new(),
    };
    for (guint j = 0; j < macvtap_port_get_n_taps(port); j++) {
        if (!pass_on(macvtap_port_steal_tap(port, j), vmm_port->taps, error))
            return FALSE;
    }
    for (guint j = 0; j < macvtap_port_get_n_vhosts(port); j++) {
        if (!pass_on(macvtap_port_steal_vhost(port, j), vmm_port->vhosts, error))
            return FALSE;
    }
    return TRUE;
}

static void
clear_vmm_port(gpointer data)
{
    VmmPort *port = data;

    g_clear_pointer(&port->taps, g_array_unref);
    g_clear_pointer(&port->vhosts, g_array_unref);
}

static int
become_vmm(const Run *run, const char *program)
{
    g_autoptr(GArray) described = g_array_new(FALSE, TRUE, sizeof(VmmPort));
    VmmPort *ports;
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) arguments = NULL;

    g_array_set_clear_func(described, clear_vmm_port);
    g_array_set_size(described, run->ports->len);
    ports = (VmmPort *)described->data;
    for (guint i = 0; i < run->ports->len; i++) {
        if (!describe_port(run, i, &ports[i], &error))
            return fail(error);
    }
    arguments =
        vmm_arguments_expand((const char *const *)run->command, ports, run->ports->len, &error);
    if (!arguments)
        return fail(error);
    execv(program, arguments);
    g_printerr("macvtap-run: cannot execute %s: %s\n", program, g_strerror(errno));
    return errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

/* Before anything is made: is there a program at all? */
static int
find_program(const char *command, char **ret_program)
{
    *ret_program = g_find_program_in_path(command);
    if (*ret_program)
        return 0;
    if (strchr(command, '/') && g_file_test(command, G_FILE_TEST_EXISTS)) {
        g_printerr("macvtap-run: %s cannot be executed\n", command);
        return EXIT_NOT_EXECUTABLE;
    }
    g_printerr("macvtap-run: there is no program %s\n", command);
    return EXIT_NOT_FOUND;
}

int
main(int argc, char **argv)
{
    g_auto(Run) run = {.ports = g_ptr_array_new_with_free_func(free_port)};
    g_autoptr(GError) error = NULL;
    g_autofree char *program = NULL;
    int status;

    if (!descriptor_fill_standard())
        return EXIT_OURS;
    setlocale(LC_ALL, "");
    output_start();
    if (!parse(&run, argc, argv, &error) || !parse_networks(&run, &error))
        return fail(error);
    status = find_program(run.command[0], &program);
    if (status != 0)
        return status;
    if (!create_ports(&run, &error))
        return fail(error);
    return become_vmm(&run, program);
}
