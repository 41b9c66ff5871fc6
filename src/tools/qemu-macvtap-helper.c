/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The helper of -netdev tap,helper= and -netdev bridge,helper= (QEMU's net/tap.c,
 * net_bridge_run_helper): QEMU makes a socket pair, starts us with one end as --fd=N, and waits for
 * one byte with one descriptor and exit status 0. The port lives as long as QEMU keeps that
 * descriptor open. The guest sends from the MAC of its -device, and a macvtap accepts frames only
 * for its own MAC: so the port gets that MAC, from --mac or, if it is certain, from the command
 * line of the QEMU that made the pair. The socket's peer credentials identify that QEMU, even if it
 * starts us through a shell.
 */
#include "ask.h"
#include "qemu-command-line.h"
#include "queue-users.h"

#include "arguments.h"
#include "descriptor.h"
#include "privileges.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The Ethernet MTU, which a guest assumes unless it is told otherwise (RFC 894). */
#define DEFAULT_MTU 1500

typedef struct Options {
    char *network, *bridge, *port, *mac, *socket;
    gboolean mac_is_found; /* on QEMU's command line, rather than given with --mac */
    gboolean incoming;
    int fd;
} Options;

static void
options_clear(Options *options)
{
    g_free(options->network);
    g_free(options->bridge);
    g_free(options->port);
    g_free(options->mac);
    g_free(options->socket);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

static gboolean
parse(Options *options, int argc, char **argv, GError **error)
{
    gboolean use_vnet =
        FALSE; /* our queues always have the vnet header; QEMU asks the descriptor */
    const GOptionEntry entries[] = {
        {"network", 0, 0, G_OPTION_ARG_STRING, &options->network, "The network", "NET"},
        {"port", 0, 0, G_OPTION_ARG_STRING, &options->port,
         "An existing port, in place of a network", "PORT"},
        {"mac", 0, 0, G_OPTION_ARG_STRING, &options->mac,
         "The guest's MAC; the default is the one in QEMU's -device", "MAC"},
        {"incoming", 0, 0, G_OPTION_ARG_NONE, &options->incoming,
         "The guest is migrating in from another host", NULL},
        {"socket", 0, 0, G_OPTION_ARG_FILENAME, &options->socket, "macvtapd's socket", "PATH"},
        {"fd", 0, 0, G_OPTION_ARG_INT, &options->fd, "QEMU's socket", "N"},
        {"use-vnet", 0, 0, G_OPTION_ARG_NONE, &use_vnet, "Sent by QEMU", NULL},
        {"br", 0, 0, G_OPTION_ARG_STRING, &options->bridge,
         "Sent by QEMU: the network, unless --network names it", "NET"},
        {NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);

    g_option_context_set_summary(context,
                                 "Give a QEMU a port: -netdev tap,id=ID,helper='qemu-macvtap-helper"
                                 " --network=NET'");
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, error))
        return FALSE;
    if (argc > 1)
        return arguments_refuse(error, "unknown argument '%s'", argv[1]);
    if (options->fd < 0)
        return arguments_refuse(error,
                                "--fd=N is missing: QEMU passes it when it starts this program");
    if (options->port && (options->network || options->incoming))
        return arguments_refuse(error,
                                "--port=PORT names an existing port, so --%s cannot go with it",
                                options->network ? "network" : "incoming");
    if (!options->network && !options->bridge && !options->port)
        return arguments_refuse(error, "no network given; add --network=NET");
    return TRUE;
}

static gboolean
find_qemu(int fd, pid_t *ret_pid, GError **error)
{
    struct ucred peer;
    socklen_t length = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
        return arguments_refuse(error, "--fd=%d is not QEMU's socket: %s", fd, g_strerror(errno));
    if (peer.pid <= 0)
        return arguments_refuse(error, "the QEMU at --fd=%d is not visible from here", fd);
    *ret_pid = peer.pid;
    return TRUE;
}

/* QEMU's command line from /proc. */
typedef struct CommandLine {
    char *text;
    gsize length;
} CommandLine;

static void
command_line_clear(CommandLine *line)
{
    g_free(line->text);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CommandLine, command_line_clear)

/* Without --mac it must be readable. */
static gboolean
find_mac(Options *options, pid_t qemu, CommandLine *line, GError **error)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/cmdline", (int)qemu);
    const char *which = options->port      ? options->port
                        : options->network ? options->network
                                           : options->bridge;

    if (!g_file_get_contents(path, &line->text, &line->length, options->mac ? NULL : error))
        return options->mac != NULL;
    if (options->mac)
        return TRUE;
    options->mac = qemu_command_line_mac(line->text, line->length, which, error);
    options->mac_is_found = options->mac != NULL;
    return options->mac_is_found;
}

/* QEMU passes --br=br0 if no bridge was given: a network with that name would be a coincidence, and
 * a user who forgot --network should learn that first. */
static gboolean
check_bridge(const Options *options, MacvtapClient *client, GError **error)
{
    g_autoptr(GPtrArray) networks = NULL;

    if (options->network || options->port || strchr(options->bridge, '='))
        return TRUE;
    networks = ask_networks(client, error);
    if (!networks)
        return FALSE;
    for (guint i = 0; i < networks->len; i++) {
        if (g_str_equal(macvtap_network_get_name(networks->pdata[i]), options->bridge))
            return TRUE;
    }
    return arguments_refuse(
        error,
        "no network given, and there is no network '%s' that you may use, as QEMU's br="
        " says; add --network=NET",
        options->bridge);
}

static MacvtapPort *
create_port(const Options *options, MacvtapClient *client, GError **error)
{
    g_autoptr(MacvtapRequest) request = macvtap_request_new(MACVTAP_METHOD_CREATE_PORT);
    g_autoptr(GError) cause = NULL;
    MacvtapPort *port;
    gboolean is_conflict;

    macvtap_request_set_network(request, options->network ? options->network : options->bridge);
    macvtap_request_set_mac_address(request, options->mac);
    macvtap_request_set_queues(request, 1);
    macvtap_request_set_incoming(request, options->incoming);
    port = ask_take_port(client, request, &cause);
    is_conflict = macvtap_client_get_refusal(client) == MACVTAP_REFUSAL_MAC_CONFLICT;
    if (!port)
        queue_users_explain(client, NULL, options->mac, &cause);
    /* The user did not choose this MAC: it is the device's default, or belongs to another device.
     * */
    if (!port && options->mac_is_found && is_conflict)
        arguments_refuse(error,
                         "%s; give QEMU's device a mac= of its own, or name its MAC with --mac=MAC",
                         cause->message);
    else if (!port)
        g_propagate_error(error, g_steal_pointer(&cause));
    return port;
}

static gboolean
send_descriptor(int socket_fd, int fd, GError **error)
{
    char byte = 0;
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    struct msghdr message = {
        .msg_iov = &data,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof(control.bytes),
    };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    ssize_t n;

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof(int));
    do
        n = sendmsg(socket_fd, &message, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n == 1 ||
           arguments_refuse(error, "cannot hand the descriptor to QEMU: %s", g_strerror(errno));
}

/* An existing port's MAC cannot change: QEMU's device must have the same. */
static MacvtapPort *
open_port(const Options *options, MacvtapClient *client, GError **error)
{
    g_autoptr(MacvtapPort) port = ask_open(client, options->port, 1, error);

    if (!port || g_ascii_strcasecmp(g_strdelimit(options->mac, "-", ':'),
                                    macvtap_port_get_mac_address(port)) == 0)
        return g_steal_pointer(&port);
    arguments_refuse(error, "port %s has the MAC %s, and QEMU's device %s: give the device mac=%s",
                     options->port, macvtap_port_get_mac_address(port), options->mac,
                     macvtap_port_get_mac_address(port));
    return NULL;
}

/* QEMU tells its guest an MTU only through an option of its device. */
static void
warn_of_mtu(const MacvtapPort *port, const CommandLine *line)
{
    guint mtu = macvtap_port_get_mtu(port);

    if (mtu == DEFAULT_MTU ||
        (line->text && qemu_command_line_host_mtu(line->text, line->length,
                                                  macvtap_port_get_mac_address(port)) == mtu))
        return;
    g_printerr("qemu-macvtap-helper: the MTU of network %s is %u, and QEMU does not tell the guest:"
               " give its virtio device host_mtu=%u\n",
               macvtap_port_get_network(port), mtu, mtu);
}

static gboolean
serve(Options *options, GError **error)
{
    g_autoptr(MacvtapClient) client = NULL;
    g_autoptr(MacvtapPort) port = NULL;
    g_auto(CommandLine) line = {0};
    AUTO_FD int tap = -1;
    pid_t qemu = 0;

    if (!find_qemu(options->fd, &qemu, error))
        return FALSE;
    client = ask_connect_within(options->socket, ASK_TIME, error);
    if (!client || !check_bridge(options, client, error) || !find_mac(options, qemu, &line, error))
        return FALSE;
    port = options->port ? open_port(options, client, error) : create_port(options, client, error);
    if (!port)
        return FALSE;
    tap = macvtap_port_take_tap(port, 0);
    if (!send_descriptor(options->fd, tap, error))
        return FALSE;
    warn_of_mtu(port, &line);
    return TRUE;
}

static int
run(int argc, char **argv, GError **error)
{
    g_auto(Options) options = {.fd = -1};

    if (!parse(&options, argc, argv, error))
        return 2;
    /* It needs no privileges, whichever user's QEMU has started it. */
    return capabilities_keep(0, error) && serve(&options, error) ? 0 : 1;
}

int
main(int argc, char **argv)
{
    return arguments_main(argc, argv, "qemu-macvtap-helper", run);
}
