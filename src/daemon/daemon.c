/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon.h"

#include "activation.h"
#include "api.h"
#include "broker.h"
#include "config.h"
#include "descriptor.h"
#include "error.h"
#include "file.h"
#include "linux.h"
#include "trail.h"
#include "varlink-server.h"
#include "vhost-net.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define READER_GROUP "macvtapd-metrics"

struct Daemon {
    char *config;
    char *machine_id;
    guint n_networks;
    GPtrArray *socket_paths; /* paths of the socket files to remove at the end, NULL-terminated */
    int dev_fd;
    Kernel *kernel;
    Datapath *datapath; /* NULL: ports are unguarded, */
    char *unguarded;    /* and the reason */
    char *pins;
    Broker *broker;
    VarlinkServer *server;
    Api *api;
};

static gboolean
open_vhost(guint n, DescriptorArray *descriptors, gpointer user_data, GError **error)
{
    Daemon *daemon = user_data;

    return vhost_net_open(daemon->dev_fd, n, descriptors, error);
}

static GStrv
list_changes(GHashTable *networks, gpointer user_data)
{
    const Daemon *daemon = user_data;

    return config_list_changes(daemon->config, networks);
}

static void
list_faults(GPtrArray *faults, gpointer user_data)
{
    const Daemon *daemon = user_data;

    config_list_faults(daemon->config, faults);
}

/* The seed that makes generated MACs specific to this machine (machine-id(5)); "" if there is none.
 * A read error must not give every port another MAC, so it is fatal. */
static char *
read_machine_id(GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) cause = NULL;

    if (g_file_get_contents("/etc/machine-id", &text, NULL, &cause))
        return g_strdup(g_strstrip(text));
    if (g_error_matches(cause, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        return g_strdup("");
    g_propagate_error(error, g_steal_pointer(&cause));
    return NULL;
}

static gboolean
open_kernel(Daemon *daemon, GError **error)
{
    AUTO_FD int sysfs_fd = folder_open("/sys", error);
    int dev_fd;

    if (sysfs_fd < 0)
        return FALSE;
    daemon->dev_fd = folder_open("/dev", error);
    if (daemon->dev_fd < 0)
        return FALSE;
    dev_fd = folder_open("/dev", error);
    if (dev_fd < 0)
        return FALSE;
    daemon->kernel = kernel_linux_new(g_steal_fd(&sysfs_fd), dev_fd, error);
    return daemon->kernel != NULL;
}

/* Users must be able to reach the socket in it. */
static gboolean
make_folder(const char *path, const char *what, GError **error)
{
    mode_t before = umask(022);
    int r = g_mkdir_with_parents(path, 0755);

    umask(before);
    return r == 0 || error_set_errno(error, errno, "cannot make the %s folder %s", what, path);
}

static gboolean
open_broker(Daemon *daemon, const char *state, GError **error)
{
    BrokerSetup setup = {
        .kernel = daemon->kernel,
        .datapath = daemon->datapath,
        .unguarded = daemon->unguarded,
        .mac_seed = daemon->machine_id,
        .open_vhost = open_vhost,
        .vhost_data = daemon,
        .list_changes = list_changes,
        .list_faults = list_faults,
        .changes_data = daemon,
    };

    if (!make_folder(state, "state", error))
        return FALSE;
    setup.state_fd = folder_open(state, error);
    if (setup.state_fd < 0)
        return FALSE;
    daemon->broker = broker_new(&setup, error);
    if (!daemon->broker)
        g_prefix_error(error, "state folder %s: ", state);
    return daemon->broker != NULL;
}

static gboolean
load_settings(Daemon *daemon, GError **error)
{
    g_auto(DaemonSettings) settings = {0};

    if (!config_read_daemon(daemon->config, &settings, error))
        return FALSE;
    broker_set_mac_seed(daemon->broker, settings.seed ?: daemon->machine_id);
    return TRUE;
}

/* Who may read the numbers of all ports (GetStatistics). The group may come with a package after
 * the daemon has started. */
static void
find_reader_group(Daemon *daemon)
{
    gid_t group = 0;
    gboolean found = config_lookup_system.group(READER_GROUP, &group);

    api_set_reader_group(daemon->api, found, group);
}

static void
say_taken_vlans(Daemon *daemon, const Network *network)
{
    g_auto(GStrv) taken = broker_taken_vlans(daemon->broker, network);

    for (guint i = 0; taken && taken[i]; i++)
        g_message("network %s: %s", network->name, taken[i]);
}

/* *ret_changes: GPtrArray of NetworkChange, owned. */
static gboolean
load_networks(Daemon *daemon, GPtrArray **ret_changes, GError **error)
{
    GHashTable *networks = config_read_networks(daemon->config, &config_lookup_system, error);
    GHashTableIter iter;
    gpointer value;

    if (!networks)
        return FALSE;
    if (!g_file_test(daemon->config, G_FILE_TEST_IS_DIR))
        g_warning("folder %s does not exist, so there are no networks", daemon->config);
    g_hash_table_iter_init(&iter, networks);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Network *network = value;

        if (network->problem)
            g_warning("network %s cannot be used: %s", network->name, network->problem);
    }
    daemon->n_networks = g_hash_table_size(networks);
    *ret_changes = broker_reload_networks(daemon->broker, networks);
    g_hash_table_iter_init(&iter, networks);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        say_taken_vlans(daemon, value);
    return TRUE;
}

static gboolean
reconcile(Daemon *daemon, GError **error)
{
    g_autoptr(GPtrArray) messages = NULL;

    if (!broker_reconcile(daemon->broker, &messages, error))
        return FALSE;
    for (guint i = 0; i < messages->len; i++)
        g_message("%s", (const char *)messages->pdata[i]);
    return TRUE;
}

/* A connection takes two descriptors, its socket and its peer's pidfd. Half of the limit is
 * reserved for ports, and a single user gets at most a quarter of the rest. */
static VarlinkLimits
limit_connections(void)
{
    VarlinkLimits limits = {.connections = 4096, .connections_per_uid = 512};
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        limits.connections = (guint)MIN(limits.connections, files.rlim_cur / 4);
        limits.connections_per_uid = MIN(limits.connections_per_uid, limits.connections / 4);
    }
    return limits;
}

/* Creates a socket file in place of a socket that was not passed. */
static gboolean
listen_at(Daemon *daemon, const char *path, VarlinkRoot root, GError **error)
{
    int fd = activation_listen(path, error);

    if (fd < 0)
        return FALSE;
    g_ptr_array_insert(daemon->socket_paths, 0, g_strdup(path));
    return varlink_server_listen(daemon->server, fd, root, error);
}

/* The folder stays when the daemon ends, so a container that has it mounted finds the next daemon's
 * socket there. A container with write access (the mount should be read-only) can block the socket;
 * that must not cost the host its own socket. */
static void
listen_for_containers(Daemon *daemon, const char *path)
{
    g_autofree char *folder = path ? g_path_get_dirname(path) : NULL;
    g_autoptr(GError) error = NULL;

    if (path && !(make_folder(folder, "container socket's", &error) &&
                  listen_at(daemon, path, VARLINK_NOBODY_IS_ROOT, &error)))
        g_warning("cannot open the container socket: %s", error->message);
}

/* A service manager that passes only the main socket was configured to have no other. */
static gboolean
listen_on_all(Daemon *daemon, const Options *options, GError **error)
{
    int fds[DAEMON_SOCKETS];

    if (!activation_take(fds, error))
        return FALSE;
    if (fds[SOCKET_MAIN] < 0) {
        if (!listen_at(daemon, options->socket, VARLINK_ROOT_IS_ROOT, error))
            return FALSE;
        listen_for_containers(daemon, options->container_socket);
        return TRUE;
    }
    return varlink_server_listen(daemon->server, fds[SOCKET_MAIN], VARLINK_ROOT_IS_ROOT, error) &&
           (fds[SOCKET_CONTAINERS] < 0 ||
            varlink_server_listen(daemon->server, fds[SOCKET_CONTAINERS], VARLINK_NOBODY_IS_ROOT,
                                  error));
}

/* ApiReload */
static gboolean
on_reload(const Caller *caller, guint *ret_networks, gpointer user_data, GError **error)
{
    return daemon_reload(user_data, caller, ret_networks, error);
}

static gboolean
serve(Daemon *daemon, const Options *options, GError **error)
{
    const VarlinkServiceInfo info = {
        .vendor = "macvtapd",
        .product = "macvtapd",
        .version = MACVTAPD_VERSION,
        .url = "https://github.com/macvtapd/macvtapd",
    };
    const VarlinkLimits limits = limit_connections();

    daemon->server = varlink_server_new(&info, &limits, error);
    if (!daemon->server)
        return FALSE;
    daemon->api = api_new(daemon->server, daemon->broker, on_reload, daemon);
    find_reader_group(daemon);
    return listen_on_all(daemon, options, error);
}

static gboolean
lock_namespace(Daemon *daemon, GError **error)
{
    g_autoptr(GError) cause = NULL;
    int lock = namespace_lock(&cause);

    if (lock >= 0)
        return varlink_server_turn_away(daemon->server, lock, error);
    /* Another program's use of the name is no reason to refuse service. */
    if (!error_is_errno(cause, EADDRINUSE)) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    g_warning("%s", cause->message);
    return TRUE;
}

Datapath *
daemon_open_datapath(const Options *options, GError **error)
{
    g_autofree char *name = datapath_name(options->state);

    return datapath_open(name, error);
}

static void
take_datapath(Daemon *daemon, const Options *options, Datapath *datapath, const GError *unguarded)
{
    g_autofree char *name = datapath_name(options->state);

    daemon->datapath = datapath;
    if (datapath) {
        daemon->pins = datapath_folder(name);
        return;
    }
    daemon->unguarded = g_strdup(unguarded->message);
    g_warning("ports are not guarded: %s", unguarded->message);
}

/* The order matters: another macvtapd in the same namespace must be detected before anything is
 * reconciled, because its ports look like orphans. */
Daemon *
daemon_new(const Options *options, Datapath *datapath, const GError *unguarded, GError **error)
{
    g_autoptr(Daemon) daemon = g_new0(Daemon, 1);
    g_autoptr(GPtrArray) changes = NULL; /* before there were none, so all are new */

    daemon->dev_fd = -1;
    take_datapath(daemon, options, datapath, unguarded);
    daemon->socket_paths = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(daemon->socket_paths, NULL);
    daemon->config = g_strdup(options->config);
    daemon->machine_id = read_machine_id(error);
    if (!daemon->machine_id || !open_kernel(daemon, error) ||
        !open_broker(daemon, options->state, error) || !load_settings(daemon, error) ||
        !load_networks(daemon, &changes, error) || !serve(daemon, options, error) ||
        !lock_namespace(daemon, error) || !reconcile(daemon, error))
        return NULL;
    return g_steal_pointer(&daemon);
}

void
daemon_free(Daemon *daemon)
{
    if (!daemon)
        return;
    for (const char *const *path = daemon_socket_paths(daemon); *path; path++)
        unlink(*path);
    if (daemon->broker)
        broker_stop(daemon->broker);
    varlink_server_free(daemon->server);
    api_free(daemon->api);
    broker_free(daemon->broker);
    datapath_free(daemon->datapath);
    g_free(daemon->unguarded);
    g_free(daemon->pins);
    kernel_free(daemon->kernel);
    descriptor_clear(&daemon->dev_fd);
    g_ptr_array_unref(daemon->socket_paths);
    g_free(daemon->config);
    g_free(daemon->machine_id);
    g_free(daemon);
}

const char *const *
daemon_socket_paths(const Daemon *daemon)
{
    return (const char *const *)daemon->socket_paths->pdata;
}

const char *
daemon_pins_folder(const Daemon *daemon)
{
    return daemon->pins;
}

void
daemon_say_started(Daemon *daemon)
{
    trail_started(daemon->n_networks, broker_count_ports(daemon->broker, NULL));
}

static void
say_reloaded(Daemon *daemon, GPtrArray *changes, const Caller *caller)
{
    for (guint i = 0; i < changes->len; i++)
        trail_network_changed(changes->pdata[i]);
    trail_reloaded(daemon->n_networks, caller);
}

/* Each part separately: an error in the settings does not stop the networks from being read. */
static gboolean
read_again(Daemon *daemon, const Caller *caller, GError **error)
{
    g_autoptr(GError) settings = NULL, networks = NULL;
    g_autoptr(GPtrArray) changes = NULL;

    find_reader_group(daemon);
    if (!load_settings(daemon, &settings))
        g_prefix_error(&settings, "keeping the previous daemon settings: ");
    if (load_networks(daemon, &changes, &networks))
        say_reloaded(daemon, changes, caller);
    else
        g_prefix_error(&networks, "keeping the previous networks: ");
    if (!settings && !networks)
        return TRUE;
    if (settings && networks)
        g_prefix_error(&settings, "%s; ", networks->message);
    g_propagate_error(error, settings ? g_steal_pointer(&settings) : g_steal_pointer(&networks));
    return FALSE;
}

gboolean
daemon_reload(Daemon *daemon, const Caller *caller, guint *ret_networks, GError **error)
{
    g_autoptr(GError) cause = NULL;
    gboolean done;

    activation_notify("RELOADING=1", NULL);
    done = read_again(daemon, caller, &cause);
    if (done)
        *ret_networks = daemon->n_networks;
    else
        g_warning("%s", cause->message);
    activation_notify("READY=1", NULL);
    if (!done)
        g_propagate_error(error, g_steal_pointer(&cause));
    return done;
}
