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
 *
 * --replace: a port cannot be made beside the one with its name, and the old VM must not lose its
 * network for a new one that does not start. So everything that can fail comes before the first
 * deletion: the ports that replace none are made; macvtapd says what the others would be if the old
 * ones did not exist (CreatePort with checkOnly and replaces); and the command and the seed are
 * checked with all of them. If something fails nevertheless, the message says which ports have
 * ended.
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
    GPtrArray *ports;    /* of MacvtapPort: one for each option, NULL until it is made */
    GPtrArray *old;      /* of MacvtapPort: likewise those that --replace deletes, or NULL */
    GString *ended;      /* the names of those that it has deleted */
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
    g_ptr_array_unref(run->old);
    g_string_free(run->ended, TRUE);
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

/* macvtapd sees such a conflict only when the second port is made. */
static gboolean
check_pair(const NetworkOption *one, const NetworkOption *other, GError **error)
{
    if (one->name && g_strcmp0(one->name, other->name) == 0)
        return arguments_refuse(error, "two ports cannot both have name=%s", one->name);
    if (one->interface_name && g_strcmp0(one->interface_name, other->interface_name) == 0)
        return arguments_refuse(error, "two ports cannot both have ifname=%s", one->interface_name);
    return !one->mac || !other->mac || g_ascii_strcasecmp(one->mac, other->mac) != 0 ||
           g_strcmp0(one->network, other->network) != 0 ||
           arguments_refuse(error, "two ports on network %s cannot both have mac=%s", one->network,
                            one->mac);
}

static gboolean
check_pairs(const Run *run, GError **error)
{
    for (guint i = 0; i < run->options->len; i++) {
        for (guint j = 0; j < i; j++) {
            if (!check_pair(&g_array_index(run->options, NetworkOption, j),
                            &g_array_index(run->options, NetworkOption, i), error))
                return FALSE;
        }
    }
    return TRUE;
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
    if (run->replace && !named)
        return arguments_refuse(error, "--replace needs a port's name: --network=NET,name=NAME");
    return check_pairs(run, error);
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
    port = ask_take_port(client, request, error);
    if (!port)
        queue_users_explain(client, option->name, option->mac, error);
    return port;
}

static gboolean
is_own_port(const Run *run, const char *id)
{
    for (guint i = 0; i < run->ports->len; i++) {
        if (run->ports->pdata[i] && g_str_equal(macvtap_port_get_id(run->ports->pdata[i]), id))
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

/* Makes those that there are not yet; those whose name an old port has come later. */
static gboolean
make_missing(Run *run, MacvtapClient *client, const char *guest_name, GError **error)
{
    gboolean is_later = run->ended->len == 0;

    for (guint i = 0; i < run->options->len; i++) {
        const NetworkOption *option = &g_array_index(run->options, NetworkOption, i);

        if (run->ports->pdata[i] || (is_later && run->old->pdata[i]))
            continue;
        run->ports->pdata[i] = make_port(run, client, option, guest_name, error);
        if (!run->ports->pdata[i])
            return FALSE;
        if (guest_name && !option->port && !option->name)
            note_namesake(run, client, run->ports->pdata[i], guest_name);
    }
    return TRUE;
}

/* Root sees all users' ports: another user's port is left alone, and the name is refused later. */
static gboolean
find_old_port(MacvtapClient *client, const char *name, MacvtapPort **ret_port, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autoptr(MacvtapPort) port = ask_port(client, name, FALSE, &cause);

    if (!port && macvtap_client_get_refusal(client) != MACVTAP_REFUSAL_PORT_NOT_FOUND) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    if (port && g_str_equal(macvtap_port_get_name(port), name) &&
        macvtap_port_get_owner(port) == geteuid())
        *ret_port = g_steal_pointer(&port);
    return TRUE;
}

static gboolean
find_old_ports(Run *run, MacvtapClient *client, GError **error)
{
    for (guint i = 0; run->replace && i < run->options->len; i++) {
        const char *name = g_array_index(run->options, NetworkOption, i).name;

        if (name && !find_old_port(client, name, (MacvtapPort **)&run->old->pdata[i], error))
            return FALSE;
    }
    return TRUE;
}

/* "ID,ID" of the old ports; free with g_free(). */
static char *
list_old_ports(const Run *run)
{
    g_autoptr(GString) list = g_string_new(NULL);

    for (guint i = 0; i < run->old->len; i++) {
        if (run->old->pdata[i])
            g_string_append_printf(list, "%s%s", list->len > 0 ? "," : "",
                                   macvtap_port_get_id(run->old->pdata[i]));
    }
    return g_string_free(g_steal_pointer(&list), FALSE);
}

static MacvtapPort *
ask_what_if(const Run *run, MacvtapClient *client, const NetworkOption *option,
            const char *guest_name, const char *vhost, GError **error)
{
    g_autoptr(MacvtapRequest) request = new_request(option, guest_name, error);
    g_autofree char *old = list_old_ports(run);

    if (!request || !ask_set_text(request, "replaces", old, error) ||
        !ask_set_text(request, "vhost", vhost, error))
        return NULL;
    macvtap_request_set_check_only(request, true);
    return ask_take_port(client, request, error);
}

/* Whether the host has vhost-net shows when it is required. */
static MacvtapPort *
foresee_port(const Run *run, MacvtapClient *client, const NetworkOption *option,
             const char *guest_name, GError **error)
{
    gboolean is_auto = !option->vhost || g_str_equal(option->vhost, "auto");
    g_autoptr(GError) cause = NULL;
    MacvtapPort *port =
        ask_what_if(run, client, option, guest_name, is_auto ? "require" : option->vhost, &cause);

    if (!port && is_auto && macvtap_client_get_refusal(client) == MACVTAP_REFUSAL_VHOST_UNAVAILABLE)
        return ask_what_if(run, client, option, guest_name, option->vhost, error);
    if (!port)
        g_propagate_error(error, g_steal_pointer(&cause));
    return port;
}

/* vmm with the ports as they will be. */
static gboolean
check_replacement(Run *run, MacvtapClient *client, const VmmStart *vmm, const char *guest_name,
                  GError **error)
{
    g_autoptr(GPtrArray) foreseen = g_ptr_array_new_with_free_func(free_port);
    g_autoptr(GPtrArray) ports = g_ptr_array_new();
    g_autoptr(GPtrArray) networks = NULL;
    VmmStart checked = *vmm;

    for (guint i = 0; i < run->options->len; i++) {
        MacvtapPort *port = run->ports->pdata[i];

        if (run->old->pdata[i]) {
            port = foresee_port(run, client, &g_array_index(run->options, NetworkOption, i),
                                guest_name, error);
            if (!port)
                return FALSE;
            g_ptr_array_add(foreseen, port);
        }
        g_ptr_array_add(ports, port);
    }
    if (!vmm_start_look_up(client, ports, &networks, error))
        return FALSE;
    checked.ports = ports;
    checked.networks = networks;
    return vmm_start_check(&checked, error);
}

/* A port that this command makes or opens must not be one that it then deletes. */
static gboolean
check_old_ports(const Run *run, GError **error)
{
    for (guint i = 0; i < run->old->len; i++) {
        const MacvtapPort *old = run->old->pdata[i];

        if (old && is_own_port(run, macvtap_port_get_id(old)))
            return arguments_refuse(error, "port %s cannot be both replaced and used with --port",
                                    macvtap_port_get_name(old));
    }
    return TRUE;
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

static gboolean
delete_old_ports(Run *run, MacvtapClient *client, GError **error)
{
    for (guint i = 0; i < run->old->len; i++) {
        const MacvtapPort *old = run->old->pdata[i];

        if (!old)
            continue;
        if (!delete_port(client, macvtap_port_get_id(old), error))
            return FALSE;
        g_string_append_printf(run->ended, "%s%s", run->ended->len > 0 ? ", " : "",
                               macvtap_port_get_name(old));
    }
    return TRUE;
}

static gboolean
replace_ports(Run *run, MacvtapClient *client, const VmmStart *vmm, const char *guest_name,
              GError **error)
{
    g_autofree char *old = list_old_ports(run);

    if (!old[0])
        return TRUE;
    if (!check_old_ports(run, error) || !check_replacement(run, client, vmm, guest_name, error) ||
        !delete_old_ports(run, client, error))
        return FALSE;
    return make_missing(run, client, guest_name, error);
}

static gboolean
make_ports(Run *run, const VmmStart *vmm, GError **error)
{
    g_autofree char *guest_name = find_guest_name((const char *const *)run->command);
    g_autoptr(MacvtapClient) client = ask_connect_within(run->socket, ASK_TIME, error);

    g_ptr_array_set_size(run->old, (gint)run->options->len);
    g_ptr_array_set_size(run->ports, (gint)run->options->len);
    return client && find_old_ports(run, client, error) &&
           make_missing(run, client, guest_name, error) &&
           replace_ports(run, client, vmm, guest_name, error) &&
           vmm_start_look_up(client, run->ports, &run->networks, error);
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
    if (!make_ports(run, &vmm, error))
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

/* The user must know that the old VM has lost its network, though no new one starts. */
static void
add_ended_ports(const Run *run, GError **error)
{
    GError *cause = *error;

    if (!cause || run->ended->len == 0)
        return;
    *error = g_error_new(cause->domain, cause->code, "%s; --replace has already ended port %s",
                         cause->message, run->ended->str);
    g_error_free(cause);
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
                       .old = g_ptr_array_new_with_free_func(free_port),
                       .ended = g_string_new(NULL),
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
    add_ended_ports(&run, &error);
    return error ? fail(error, status) : status;
}
