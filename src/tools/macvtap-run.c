/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * macvtap-run asks for its ports, keeps their descriptors open across execve(2) and becomes the
 * VMM: the same process, with nothing in between. If anything fails it exits, and its ports end
 * with it. A VM must not start with a different network than the requested one, and a guest whose
 * MAC is not the port's is as good as unplugged: so the command is checked before a port is
 * created, and again when the port's MAC is known. Unlike our other programs it gives up no
 * privileges, as the VMM must have those of the user.
 */
#include "agent-start.h"
#include "ask.h"
#include "network-option.h"
#include "port-wait.h"
#include "qemu-options.h"
#include "queue-users.h"
#include "vmm-arguments.h"
#include "vmm-start.h"

#include "arguments.h"
#include "output.h"

#include <unistd.h>

#define EXIT_OURS 125

typedef struct Run {
    char *socket;
    GStrv command;
    GArray *options;     /* of NetworkOption */
    GPtrArray *ports;    /* of MacvtapPort */
    GPtrArray *networks; /* of MacvtapNetwork: vmm_start_look_up() of the ports */
    gboolean replace, agent, dry_run, verbose, version;
} Run;

static void
run_clear(Run *run)
{
    g_free(run->socket);
    g_strfreev(run->command);
    g_clear_pointer(&run->options, g_array_unref);
    g_ptr_array_unref(run->ports);
    g_clear_pointer(&run->networks, g_ptr_array_unref);
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
fail(const GError *error, int status)
{
    g_printerr("macvtap-run: %s\n", error->message);
    return status;
}

/* A --network or --port: positions in tokens follow their order. */
static gboolean
take_port_option(const char *name, const char *value, gpointer data, GError **error)
{
    Run *run = data;
    NetworkOption option;
    gboolean parsed = g_str_equal(name, "--port") || g_str_equal(name, "-p")
                          ? port_option_parse(value, &option, error)
                          : network_option_parse(value, &option, error);

    g_array_append_val(run->options, option);
    return parsed;
}

static const char summary[] = "Start a VMM with ports on the physical network.";
static const char description[] =
    "In CMD's arguments {netdev}, {device}, {fd}, {fds} (3:4), {fds,} (3,4), {fd:N}, {vhostfd}\n"
    "and so on, {mac}, {mtu} and {ifname} are replaced, with several networks as {fd:NET} or\n"
    "{fd:0}; and from the port's lease {address}, {prefix}, {gateway}, {dns} and {ip=}, the\n"
    "kernel's parameter. If CMD has only these or none, -netdev and -device are appended to\n"
    "the QEMU in CMD, also behind nice, taskset, env, timeout and the like.\n\n"
    "Keys of --network: name, ifname, mac, address, queues, mtu, vhost=auto|require|off; model\n"
    "and bus of QEMU's -device; seed=DIR, a folder that becomes the guest's disk for cloud-init;\n"
    "incoming=yes for a guest that is migrating in; check-mac=no when the guest gets its MAC from\n"
    "elsewhere; agent=yes is --agent. Keys of --port: queues, model, bus, seed, check-mac.\n\n"
    "Exit status: CMD's; 125 when macvtap-run fails, 126 when CMD cannot be executed, 127 when it\n"
    "is not found.";

static gboolean
parse_options(Run *run, int argc, char **argv, GError **error)
{
    const GOptionEntry entries[] = {
        {"socket", 0, 0, G_OPTION_ARG_FILENAME, &run->socket, "macvtapd's socket", "PATH"},
        {"network", 'n', 0, G_OPTION_ARG_CALLBACK, take_port_option, "A new port on NET",
         "NET[,KEY=VALUE…]"},
        {"port", 'p', 0, G_OPTION_ARG_CALLBACK, take_port_option, "An existing port",
         "PORT[,KEY=VALUE…]"},
        {"replace", 0, 0, G_OPTION_ARG_NONE, &run->replace,
         "Delete your ports that have the name= of one of the --networks first", NULL},
        {"agent", 0, 0, G_OPTION_ARG_NONE, &run->agent,
         "Start macvtap-agent, to attach ports while QEMU runs", NULL},
        {"dry-run", 0, 0, G_OPTION_ARG_NONE, &run->dry_run,
         "Create no port, but print the command; unknown values are in capitals", NULL},
        {"verbose", 'v', 0, G_OPTION_ARG_NONE, &run->verbose,
         "Print the ports and the command that is executed", NULL},
        {"version", 0, 0, G_OPTION_ARG_NONE, &run->version, "Show the version", NULL},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &run->command, NULL,
         "-- CMD [ARG…]"},
        {NULL},
    };
    const ArgumentsSyntax syntax = {
        .own = entries,
        .data = run,
        .summary = summary,
        .description = description,
        .max = -1,
        .stop_at_argument = TRUE,
    };
    g_autofree char **words = arguments_copy(argc, argv);

    argv = words;
    return arguments_parse(&syntax, &argc, &argv, error);
}

static gboolean
check_options(const Run *run, GError **error)
{
    gboolean named = FALSE;

    if (!run->command)
        return arguments_refuse(error, "no command given; add -- CMD [ARG...]");
    if (run->options->len == 0 && !run->agent)
        return arguments_refuse(error, "no network given; add --network=NET or --port=PORT");
    for (guint i = 0; i < run->options->len; i++)
        named |= g_array_index(run->options, NetworkOption, i).name != NULL;
    return !run->replace || named ||
           arguments_refuse(error, "--replace needs a port's name: --network=NET,name=NAME");
}

/* The port may have ended on its own meanwhile. */
static gboolean
delete_port(MacvtapClient *client, const char *id, GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (ask_delete(client, id, &cause) ||
        macvtap_client_get_refusal(client) == MACVTAP_REFUSAL_PORT_NOT_FOUND)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&cause));
    return FALSE;
}

/* Root sees all users' ports: another user's port is left alone, and the name is refused later. */
static gboolean
delete_namesake(MacvtapClient *client, const char *name, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autoptr(MacvtapPort) port = ask_port(client, name, FALSE, &cause);

    if (port)
        return !g_str_equal(macvtap_port_get_name(port), name) ||
               macvtap_port_get_owner(port) != geteuid() ||
               delete_port(client, macvtap_port_get_id(port), error);
    if (macvtap_client_get_refusal(client) == MACVTAP_REFUSAL_PORT_NOT_FOUND)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&cause));
    return FALSE;
}

static MacvtapRequest *
new_request(const NetworkOption *option, const char *guest_name, GError **error)
{
    g_autoptr(MacvtapRequest) request = macvtap_request_new(MACVTAP_METHOD_CREATE_PORT);

    macvtap_request_set_network(request, option->network);
    macvtap_request_set_name(request, option->name);
    macvtap_request_set_guest_name(request, guest_name);
    macvtap_request_set_interface_name(request, option->interface_name);
    macvtap_request_set_mac_address(request, option->mac);
    macvtap_request_set_mtu(request, option->mtu);
    macvtap_request_set_queues(request, option->queues);
    macvtap_request_set_incoming(request, option->incoming);
    return ask_set_text(request, "addresses", option->addresses, error) &&
                   ask_set_text(request, "vhost", option->vhost, error)
               ? g_steal_pointer(&request)
               : NULL;
}

static gboolean
is_of_old_port(MacvtapRefusal refusal)
{
    return refusal == MACVTAP_REFUSAL_MAC_CONFLICT || refusal == MACVTAP_REFUSAL_NAME_TAKEN ||
           refusal == MACVTAP_REFUSAL_PARENT_BUSY || refusal == MACVTAP_REFUSAL_LIMIT_REACHED;
}

/* If the request would be refused anyway, the old port's VM must not lose its network: so try it
 * first, ignoring conflicts with the old port. */
static gboolean
check_replacement(MacvtapClient *client, const NetworkOption *option, const char *guest_name,
                  GError **error)
{
    g_autoptr(MacvtapRequest) probe = new_request(option, guest_name, error);
    g_autoptr(GError) cause = NULL;

    if (!probe)
        return FALSE;
    macvtap_request_set_name(probe, NULL);
    macvtap_request_set_check_only(probe, true);
    if (ask(client, probe, &cause))
        return TRUE;
    if (!is_of_old_port(macvtap_client_get_refusal(client))) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    if (macvtap_client_get_refusal(client) != MACVTAP_REFUSAL_LIMIT_REACHED)
        return TRUE;
    macvtap_request_set_queues(probe, 1);
    ask(client, probe, NULL);
    if (macvtap_client_get_refusal(client) == MACVTAP_REFUSAL_LIMIT_REACHED)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&cause)); /* one queue is not too many */
    return FALSE;
}

static MacvtapPort *
make_port(const Run *run, MacvtapClient *client, const NetworkOption *option,
          const char *guest_name, GError **error)
{
    g_autoptr(MacvtapRequest) request = NULL;
    MacvtapPort *port;

    if (option->port)
        return port_wait_open(client, run->socket, option->port, option->queues, error);
    request = new_request(option, guest_name, error);
    if (!request)
        return NULL;
    if (run->replace && option->name &&
        (!check_replacement(client, option, guest_name, error) ||
         !delete_namesake(client, option->name, error)))
        return NULL;
    port = ask_take_port(client, request, error);
    if (!port)
        queue_users_explain(client, option->name, option->mac, error);
    return port;
}

static gboolean
is_own_port(const Run *run, const char *id)
{
    for (guint i = 0; i < run->ports->len; i++) {
        if (g_str_equal(macvtap_port_get_id(run->ports->pdata[i]), id))
            return TRUE;
    }
    return FALSE;
}

/* A second guest with the same -name on the network gets another MAC, which it keeps only while the
 * first one runs. A user who started one VM twice should know. */
static void
note_namesake(const Run *run, MacvtapClient *client, const MacvtapPort *port,
              const char *guest_name)
{
    g_autoptr(MacvtapPort) first = NULL;
    g_autofree char *users = NULL;

    if (g_str_equal(macvtap_port_get_name(port), guest_name))
        return;
    first = ask_port(client, guest_name, FALSE, NULL);
    if (!first || is_own_port(run, macvtap_port_get_id(first)) ||
        !g_str_equal(macvtap_port_get_network(first), macvtap_port_get_network(port)))
        return;
    users = queue_users_describe(macvtap_port_get_id(first));
    g_printerr("macvtap-run: note: port %s on network %s (MAC %s%s%s) belongs to a guest with the "
               "same -name; this guest gets port %s, MAC %s\n",
               macvtap_port_get_name(first), macvtap_port_get_network(first),
               macvtap_port_get_mac_address(first), users[0] ? ", open in " : "", users,
               macvtap_port_get_name(port), macvtap_port_get_mac_address(port));
}

/* From QEMU's -name, so that a guest keeps its MAC; NULL: unknown. */
static char *
find_guest_name(const char *const *command)
{
    const char *closer;
    int qemu = vmm_command_find_qemu(command, &closer);

    return qemu >= 0 ? qemu_options_guest_name(command + qemu) : NULL;
}

static gboolean
make_ports(Run *run, GError **error)
{
    g_autofree char *guest_name = find_guest_name((const char *const *)run->command);
    g_autoptr(MacvtapClient) client = ask_connect(run->socket, error);

    if (!client)
        return FALSE;
    for (guint i = 0; i < run->options->len; i++) {
        const NetworkOption *option = &g_array_index(run->options, NetworkOption, i);
        MacvtapPort *port = make_port(run, client, option, guest_name, error);

        if (!port)
            return FALSE;
        g_ptr_array_add(run->ports, port);
        if (guest_name && !option->port && !option->name)
            note_namesake(run, client, port, guest_name);
    }
    return vmm_start_look_up(client, run->ports, &run->networks, error);
}

static gboolean
print_plan(GStrv planned, GError **error)
{
    g_autofree char *text = vmm_arguments_quote((const char *const *)planned);

    g_print("%s\n", text);
    return output_finish(error);
}

static gboolean
wants_agent(const Run *run)
{
    gboolean wanted = run->agent;

    for (guint i = 0; i < run->options->len; i++)
        wanted |= g_array_index(run->options, NetworkOption, i).agent;
    return wanted;
}

/* The command with what makes QEMU talk to an agent on descriptor fd, given as text. */
static GStrv
add_agent(const Run *run, const char *fd, GError **error)
{
    const char *const *command = (const char *const *)run->command;
    g_autoptr(GPtrArray) arguments = g_ptr_array_new_with_free_func(g_free);
    const char *closer;
    int qemu = vmm_command_find_qemu(command, &closer);

    if (qemu < 0 && !closer) {
        arguments_refuse(error, "--agent needs a QEMU in the command");
        return NULL;
    }
    for (guint i = 0; command[i]; i++)
        g_ptr_array_add(arguments, g_strdup(command[i]));
    if (qemu >= 0)
        agent_start_add_arguments(arguments, command + qemu, fd);
    g_ptr_array_add(arguments, NULL);
    return (GStrv)g_ptr_array_free(g_steal_pointer(&arguments), FALSE);
}

/* Starts the agent for the ports that there are now. */
static GStrv
start_agent(const Run *run, GError **error)
{
    g_autofree char *guest_name = find_guest_name((const char *const *)run->command);
    g_autofree const char **port_ids = g_new0(const char *, run->ports->len + 1);
    g_autofree char *number = NULL;
    int fd;

    for (guint i = 0; i < run->ports->len; i++)
        port_ids[i] = macvtap_port_get_id(run->ports->pdata[i]);
    fd = agent_start(run->socket, guest_name, port_ids, error);
    if (fd < 0)
        return NULL;
    number = g_strdup_printf("%d", fd);
    return add_agent(run, number, error);
}

static int
start(Run *run, GError **error)
{
    VmmStart vmm = {.options = run->options,
                    .command = (const char *const *)run->command,
                    .ports = run->ports,
                    .verbose = run->verbose};
    gboolean with_agent = wants_agent(run);
    g_autofree char *program = NULL;
    g_auto(GStrv) planned = NULL;
    g_auto(GStrv) command = NULL;
    int status = vmm_start_find_program(run->command[0], &program, error);

    if (status != 0)
        return status;
    if (with_agent) {
        command = add_agent(run, "AGENTFD", error);
        if (!command)
            return EXIT_OURS;
        vmm.command = (const char *const *)command;
    }
    planned = vmm_start_plan(&vmm, error);
    if (!planned)
        return EXIT_OURS;
    if (run->dry_run)
        return print_plan(planned, error) ? 0 : EXIT_OURS;
    if (!make_ports(run, error))
        return EXIT_OURS;
    if (with_agent) {
        g_strfreev(command);
        command = start_agent(run, error);
        if (!command)
            return EXIT_OURS;
        vmm.command = (const char *const *)command;
    }
    vmm.networks = run->networks;
    return vmm_start_become(&vmm, program, EXIT_OURS, error);
}

static int
show_version(GError **error)
{
    g_print("macvtap-run %s\n", MACVTAPD_VERSION);
    return output_finish(error) ? 0 : EXIT_OURS;
}

int
main(int argc, char **argv)
{
    g_auto(Run) run = {.ports = g_ptr_array_new_with_free_func(free_port),
                       .options = g_array_new(FALSE, TRUE, sizeof(NetworkOption))};
    g_autoptr(GError) error = NULL;
    int status;

    g_array_set_clear_func(run.options, clear_option);
    if (!output_start_program())
        return EXIT_OURS;
    if (!parse_options(&run, argc, argv, &error))
        return fail(error, EXIT_OURS);
    if (run.version)
        status = show_version(&error);
    else
        status = check_options(&run, &error) ? start(&run, &error) : EXIT_OURS;
    return error ? fail(error, status) : status;
}
