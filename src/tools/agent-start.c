/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The agent must not be QEMU's child, which would have to wait for it, nor keep a port's
 * descriptor. So a child forks it and exits, and it closes every descriptor but its own
 * before it becomes macvtap-agent. Its standard error is a pipe to us until it is ready: it writes
 * there only why it cannot start.
 */
#include "agent-start.h"

#include "hot-plug.h"
#include "qemu-options.h"

#include "descriptor.h"
#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* The agent's number for its end of the socket pair. */
#define AGENT_FD 3
#define AGENT_FD_TEXT "3"

/* How many devices can be attached while the guest runs: functions of one PCI slot, which is high
 * enough that no other device gets another address for it. */
#define N_SLOTS 4
#define SLOT 0x18
#define CHASSIS 240

void
agent_start_add_arguments(GPtrArray *arguments, const char *const *command, const char *fd)
{
    g_ptr_array_add(arguments, g_strdup("-chardev"));
    g_ptr_array_add(arguments, g_strdup_printf("socket,id=" AGENT_MONITOR ",fd=%s", fd));
    g_ptr_array_add(arguments, g_strdup("-mon"));
    g_ptr_array_add(arguments, g_strdup("chardev=" AGENT_MONITOR ",mode=control"));
    for (guint i = 0; qemu_options_need_root_ports(command) && i < N_SLOTS; i++) {
        g_ptr_array_add(arguments, g_strdup("-device"));
        g_ptr_array_add(arguments,
                        g_strdup_printf("pcie-root-port,id=" HOT_PLUG_SLOT "%u,bus=pcie.0,"
                                        "addr=0x%x.%u,multifunction=on,chassis=%u",
                                        i, SLOT, i, CHASSIS + i));
    }
}

static char *
find_program(void)
{
    const char *folder = g_getenv("MACVTAPD_LIBEXEC");

    return g_build_filename(folder && folder[0] ? folder : MACVTAPD_LIBEXECDIR, "macvtap-agent",
                            NULL);
}

static GPtrArray *
list_arguments(const char *socket, const char *guest_name, const char *const *port_ids)
{
    GPtrArray *arguments = g_ptr_array_new_with_free_func(g_free);

    g_ptr_array_add(arguments, find_program());
    g_ptr_array_add(arguments, g_strdup("--qmp-fd=" AGENT_FD_TEXT));
    if (socket)
        g_ptr_array_add(arguments, g_strconcat("--socket=", socket, NULL));
    if (guest_name)
        g_ptr_array_add(arguments, g_strconcat("--name=", guest_name, NULL));
    g_ptr_array_add(arguments, g_strdup("--"));
    for (; *port_ids; port_ids++)
        g_ptr_array_add(arguments, g_strdup(*port_ids));
    g_ptr_array_add(arguments, NULL);
    return arguments;
}

/* In the child: calls only what is safe after fork(2). */
static void G_GNUC_NORETURN
become_agent(char **arguments, int monitor, int messages)
{
    static const char problem[] = "cannot be executed";
    int null;

    if (fork() != 0)
        _exit(0);
    setsid();
    null = open("/dev/null", O_RDWR);
    /* Clear of the numbers that they shall have. */
    monitor = fcntl(monitor, F_DUPFD, AGENT_FD + 1);
    messages = fcntl(messages, F_DUPFD, AGENT_FD + 1);
    if (chdir("/") == 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(null, STDOUT_FILENO) >= 0 &&
        dup2(messages, STDERR_FILENO) >= 0 && dup2(monitor, AGENT_FD) >= 0 &&
        close_range(AGENT_FD + 1, ~0U, 0) == 0)
        execv(arguments[0], arguments);
    if (write(STDERR_FILENO, problem, strlen(problem)) < 0)
        _exit(1);
    _exit(0);
}

static gboolean
fork_agent(char **arguments, int monitor, int messages, GError **error)
{
    pid_t child = fork();

    if (child < 0)
        return error_set_errno(error, errno, "cannot start %s", arguments[0]);
    if (child == 0)
        become_agent(arguments, monitor, messages);
    RETRY_EINTR(waitpid(child, NULL, 0));
    return TRUE;
}

/* Until the agent is ready or has ended. */
static gboolean
wait_ready(const char *program, int messages, GError **error)
{
    char text[1024] = "";
    gsize length = 0;
    gssize size;

    while (length < sizeof(text) - 1 &&
           (size = RETRY_EINTR(read(messages, text + length, sizeof(text) - 1 - length))) > 0)
        length += (gsize)size;
    if (length == 0)
        return TRUE;
    text[strcspn(text, "\n")] = '\0';
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "%s: %s", program, text);
    return FALSE;
}

int
agent_start(const char *socket, const char *guest_name, const char *const *port_ids, GError **error)
{
    g_autoptr(GPtrArray) arguments = list_arguments(socket, guest_name, port_ids);
    int pair[2], pipes[2] = {-1, -1};
    gboolean started = FALSE;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        error_set_errno(error, errno, "cannot make a socket pair for the agent");
        return -1;
    }
    /* From the first message on, the agent shall know who sent it. */
    setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &(int){1}, sizeof(int));
    if (pipe2(pipes, O_CLOEXEC) != 0)
        error_set_errno(error, errno, "cannot make a pipe for the agent");
    else
        started = fork_agent((char **)arguments->pdata, pair[0], pipes[1], error);
    descriptor_clear(&pair[0]);
    descriptor_clear(&pipes[1]);
    started = started && wait_ready(arguments->pdata[0], pipes[0], error);
    descriptor_clear(&pipes[0]);
    if (started && fcntl(pair[1], F_SETFD, 0) == 0)
        return pair[1];
    descriptor_clear(&pair[1]);
    return -1;
}
