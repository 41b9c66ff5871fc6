/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* macvtap-run --agent starts it beside QEMU: src/agent/agent.h has its work. */
#include "agent.h"

#include "arguments.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char summary[] =
    "Look after the ports of a running QEMU: macvtap-run --agent starts it.";

/* The program that started it waits for the end of its standard error, and the guest's user may
 * have no terminal: what there is to say from now on goes to the journal. */
static void
on_ready(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    g_log_set_writer_func(g_log_writer_journald, NULL, NULL);
    if (null >= 0 && dup2(null, STDERR_FILENO) >= 0)
        close(null);
}

static gboolean
take_monitor(int fd, GError **error)
{
    int type = 0;
    socklen_t size = sizeof(type);

    if (fd <= STDERR_FILENO || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 ||
        type != SOCK_STREAM)
        return arguments_refuse(error, "--qmp-fd must be the number of an open stream socket");
    return fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

static int
run(int argc, char **argv, GError **error)
{
    g_autofree char *socket = NULL, *name = NULL;
    int fd = -1;
    const GOptionEntry entries[] = {
        {"qmp-fd", 0, 0, G_OPTION_ARG_INT, &fd, "The open socket to QEMU's monitor (QMP)", "N"},
        {"name", 0, 0, G_OPTION_ARG_STRING, &name, "The VM's name (default: QEMU's process ID)",
         "NAME"},
        {"socket", 0, 0, G_OPTION_ARG_FILENAME, &socket, "macvtapd's socket", "PATH"},
        {"version", 0, G_OPTION_FLAG_NO_ARG, G_OPTION_ARG_CALLBACK, arguments_show_version,
         "Show the version", NULL},
        {NULL},
    };
    const ArgumentsSyntax syntax = {
        .own = entries, .arguments = "[PORT-ID...]", .summary = summary, .max = -1};
    AgentOptions options = {0};

    if (!arguments_parse(&syntax, &argc, &argv, error) || !take_monitor(fd, error))
        return 2;
    options = (AgentOptions){fd, socket, name, (const char *const *)argv + 1};
    return agent_run(&options, on_ready, error) ? 0 : 1;
}

int
main(int argc, char **argv)
{
    return arguments_main(argc, argv, NULL, run);
}
