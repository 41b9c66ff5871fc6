/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A network driver for dockerd: a container on a network of its driver "macvtapd" gets a port that
 * the container's network namespace holds. The container gets no interface, as its root could
 * change the host's parent with it; a VMM in it opens the port over the container socket, by the
 * name that Docker would give the interface ("macvtap-run --port eth0").
 *
 * dockerd calls CreateEndpoint and Join before the runtime makes the container's network namespace,
 * and mounts it at Join's SandboxKey just before the container's program starts. So CreateEndpoint
 * has macvtapd check all that could be refused, for "docker run" to report it, and the port is made
 * when the mount appears: the driver enters the namespace to connect, as macvtapd reads from the
 * connection which one it is. (A later "docker network connect", and a dockerd that has the
 * namespace at Join, get an error from Join itself.)
 *
 * dockerd tells each thing once, and restarts of dockerd, macvtapd and this driver come at any
 * time. So whatever it has told is in a file before it is answered: a network's options where they
 * last as long as dockerd's own state, an endpoint where it lasts as long as the machine is up.
 * Ports' names follow from endpoints' IDs. An endpoint that has joined must have a port, another
 * must not: one function looks and does what is missing, after a request, a mount, a start, and
 * each second while macvtapd cannot be reached. Leave and DeleteEndpoint succeed even then: dockerd
 * does not repeat them and would keep the address for ever.
 *
 * All is done in one thread, a request after the other: dockerd has few, and setns(2) is of a
 * thread.
 */
#include "docker-driver.h"

#include "arguments.h"

#include "descriptor.h"
#include "privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#define NETWORKS_DEFAULT "/var/lib/macvtapd-docker"
#define ENDPOINTS_DEFAULT "/run/macvtapd-docker"

/* The first descriptor that a service manager passes (SD_LISTEN_FDS_START). */
#define FIRST_HANDED_IN 3

static const char summary[] =
    "Docker's network driver for macvtapd: macvtapd-docker.socket starts it.";

typedef struct Options {
    char *socket, *networks, *endpoints;
} Options;

static void
options_clear(Options *options)
{
    g_free(options->socket);
    g_free(options->networks);
    g_free(options->endpoints);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

/* The listening socket from the service manager (sd_listen_fds(3)); -1 if there is none. */
static int
take_socket(GError **error)
{
    const char *pid = g_getenv("LISTEN_PID"), *fds = g_getenv("LISTEN_FDS");
    int listening = 0;
    socklen_t size = sizeof(listening);

    if (g_strcmp0(fds, "1") != 0 || !pid || g_ascii_strtoull(pid, NULL, 10) != (guint64)getpid() ||
        getsockopt(FIRST_HANDED_IN, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0 ||
        !listening) {
        docker_refuse(error, "no listening socket was handed in: start macvtapd-docker.socket"
                             " instead");
        return -1;
    }
    fcntl(FIRST_HANDED_IN, F_SETFD, FD_CLOEXEC);
    fcntl(FIRST_HANDED_IN, F_SETFL, O_NONBLOCK);
    return FIRST_HANDED_IN;
}

static gboolean
on_signal(gpointer loop)
{
    g_main_loop_quit(loop);
    return G_SOURCE_CONTINUE;
}

static gboolean
run_driver(const Options *options, GError **error)
{
    AUTO_FD int fd = take_socket(error);
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    g_autoptr(DockerDriver) driver = NULL;
    g_autoptr(DockerHttp) http = NULL;
    DockerState *state;

    if (fd < 0)
        return FALSE;
    state = docker_state_new(options->networks ?: NETWORKS_DEFAULT,
                             options->endpoints ?: ENDPOINTS_DEFAULT, error);
    driver = state ? docker_driver_new(options->socket, state, error) : NULL;
    http = driver ? docker_http_new(g_steal_fd(&fd), driver, error) : NULL;
    if (!http)
        return FALSE;
    g_unix_signal_add(SIGTERM, on_signal, loop);
    g_unix_signal_add(SIGINT, on_signal, loop);
    g_main_loop_run(loop);
    return TRUE;
}

static int
run(int argc, char **argv, GError **error)
{
    g_auto(Options) options = {0};
    const GOptionEntry entries[] = {
        {"socket", 0, 0, G_OPTION_ARG_FILENAME, &options.socket, "macvtapd's socket", "PATH"},
        {"networks", 0, 0, G_OPTION_ARG_FILENAME, &options.networks,
         "State of Docker's networks (default: " NETWORKS_DEFAULT ")", "DIR"},
        {"endpoints", 0, 0, G_OPTION_ARG_FILENAME, &options.endpoints,
         "State of its endpoints (default: " ENDPOINTS_DEFAULT ")", "DIR"},
        {"version", 0, G_OPTION_FLAG_NO_ARG, G_OPTION_ARG_CALLBACK, arguments_show_version,
         "Show the version", NULL},
        {NULL},
    };
    const ArgumentsSyntax syntax = {.own = entries, .summary = summary};

    /* It runs as root; entering network namespaces is all that it needs. */
    if (!capabilities_keep(CAPABILITY(CAP_SYS_ADMIN), error))
        return 1;
    if (!arguments_parse(&syntax, &argc, &argv, error))
        return 2;
    return run_driver(&options, error) ? 0 : 1;
}

int
main(int argc, char **argv)
{
    return arguments_main(argc, argv, "macvtapd-docker", run);
}
