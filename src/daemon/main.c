/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "activation.h"
#include "call-filter.h"
#include "daemon.h"
#include "descriptor.h"
#include "log.h"
#include "output.h"
#include "privileges.h"
#include "sandbox.h"

#include <glib-unix.h>
#include <linux/capability.h>
#include <malloc.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

/* The data of the signal handler. */
typedef struct Running {
    GMainLoop *loop;
    Daemon *daemon;
} Running;

static gboolean
on_signal(int fd, GIOCondition condition, gpointer user_data)
{
    Running *running = user_data;
    struct signalfd_siginfo signal_info;
    guint n_networks;

    if (read(fd, &signal_info, sizeof(signal_info)) != sizeof(signal_info))
        return G_SOURCE_CONTINUE;
    if (signal_info.ssi_signo != SIGHUP) {
        g_main_loop_quit(running->loop);
        return G_SOURCE_CONTINUE;
    }
    daemon_reload(running->daemon, NULL, &n_networks, NULL);
    return G_SOURCE_CONTINUE;
}

/* A descriptor that becomes readable on SIGTERM, SIGINT or SIGHUP. */
static int
open_signals(void)
{
    sigset_t signals;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Each connection and each holder costs descriptors: raise the limit to the maximum. */
static void
raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* Memory that hundreds of connections needed for a while, for example for half-sent messages,
 * returns to the kernel with them: a block of this size (bytes) gets its own mapping instead of a
 * part of the heap.
 */
static void
return_large_blocks(void)
{
    mallopt(M_MMAP_THRESHOLD, 32 * 1024);
}

/* Gives up all undeclared capabilities at once, and those needed only to start before the first
 * call is handled. */
static Daemon *
start(const Options *options, GError **error)
{
    const guint64 at_first = sandbox_start_capabilities() | CAPABILITY(CAP_SETPCAP);
    g_autoptr(Daemon) daemon = NULL;
    g_autoptr(GError) unguarded = NULL;
    g_autoptr(GPtrArray) parts = sandbox_list_privileges();
    Datapath *datapath;

    /* Later failures for lack of privileges would not say so. */
    if (geteuid() != 0 && !capabilities_are_held(sandbox_capabilities())) {
        g_set_error_literal(error, G_FILE_ERROR, G_FILE_ERROR_PERM, "must be started as root");
        return NULL;
    }
    /* CAP_SETPCAP: to narrow the bounding set once more. */
    if (!capabilities_keep(sandbox_capabilities() | at_first, error))
        return NULL;
    datapath = daemon_open_datapath(options, &unguarded);
    if (!capabilities_keep(sandbox_capabilities(), error)) {
        datapath_free(datapath);
        return NULL;
    }
    daemon = daemon_new(options, datapath, unguarded, error);
    if (!daemon ||
        !sandbox_confine_writes(options->state, daemon_socket_paths(daemon),
                                daemon_pins_folder(daemon), error) ||
        !call_filter_install(parts, error))
        return NULL;
    return g_steal_pointer(&daemon);
}

static int
show(const Options *options)
{
    g_autofree char *text = options->version ? g_strdup("macvtapd " MACVTAPD_VERSION "\n")
                                             : sandbox_format_privileges();
    g_autoptr(GError) error = NULL;

    g_print("%s", text);
    if (output_finish(&error))
        return 0;
    g_printerr("macvtapd: %s\n", error->message);
    return 1;
}

int
main(int argc, char **argv)
{
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    g_autoptr(Daemon) daemon = NULL;
    g_autoptr(GError) error = NULL;
    g_auto(Options) options = {0};
    AUTO_FD int signals = -1;
    Running running;

    if (!output_start_program())
        return 1;
    umask(077);
    if (!options_parse(&options, argc, argv, &error)) {
        g_printerr("macvtapd: %s\n", error->message);
        return 2;
    }
    if (options.version || options.privileges)
        return show(&options);
    log_start();
    signals = open_signals();
    if (signals < 0) {
        log_failure("cannot wait for signals");
        return 1;
    }
    raise_descriptor_limit();
    return_large_blocks();
    daemon = start(&options, &error);
    if (!daemon) {
        log_failure(error->message);
        return 1;
    }
    daemon_say_started(daemon);
    running = (Running){.loop = loop, .daemon = daemon};
    g_unix_fd_add(signals, G_IO_IN, on_signal, &running);
    if (!activation_notify("READY=1", &error)) {
        log_failure(error->message);
        return 1;
    }
    g_main_loop_run(loop);
    activation_notify("STOPPING=1", NULL);
    return 0;
}
