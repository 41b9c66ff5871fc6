/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-broker.h"

#include "error.h"
#include "file.h"
#include "record.h"

#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static gboolean
open_vhost(guint n, DescriptorArray *descriptors, gpointer user_data, GError **error)
{
    const TestBroker *test = user_data;

    if (test->vhost_errnum)
        return error_set_errno(error, test->vhost_errnum, "cannot open vhost-net");
    for (guint i = 0; i < n; i++)
        descriptor_array_take(descriptors, open("/dev/null", O_RDWR | O_CLOEXEC));
    return TRUE;
}

static void
on_event(PortEvent event, const Port *port, const PortEnd *end, gpointer user_data)
{
    static const char *const names[] = {"created", "changed", "deleted"};
    TestBroker *test = user_data;

    g_string_append_printf(test->events, "%s %s\n", names[event], port->name);
}

static GHashTable *
network_table(TestBroker *test)
{
    GHashTable *table =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)network_unref);

    for (guint i = 0; i < test->networks->len; i++) {
        Network *network = test->networks->pdata[i];

        g_hash_table_insert(table, network->name, network_ref(network));
    }
    return table;
}

gboolean
test_broker_try_start(TestBroker *test, GError **error)
{
    BrokerSetup setup = {
        .kernel = test->kernel,
        .state_fd = folder_open(test->state, error),
        .mac_seed = "seed",
        .open_vhost = open_vhost,
        .vhost_data = test,
        .repair_delays = test->repair_delays,
    };

    g_assert_cmpint(setup.state_fd, >=, 0);
    test->broker = broker_new(&setup, error);
    if (!test->broker)
        return FALSE;
    broker_set_networks(test->broker, network_table(test));
    g_clear_pointer(&test->messages, g_ptr_array_unref);
    broker_watch(test->broker, on_event, test);
    return broker_reconcile(test->broker, &test->messages, error);
}

void
test_broker_start(TestBroker *test)
{
    g_autoptr(GError) error = NULL;

    test_broker_try_start(test, &error);
    g_assert_no_error(error);
}

void
test_broker_kill(TestBroker *test)
{
    g_clear_pointer(&test->broker, broker_free);
    kernel_fake_end_watchers(test->kernel);
}

int
test_broker_add_parent(TestBroker *test, const char *name)
{
    LinkInfo link = {
        .mac = {{0x02, 0, 0, 0, 0, (guint8)++test->n_parents}},
        .mtu = 1500,
        .flags = IFF_UP,
        .carrier = TRUE,
    };

    g_strlcpy(link.name, name, sizeof(link.name));
    return kernel_fake_add_link(test->kernel, &link);
}

Network *
test_broker_add_network(TestBroker *test, const char *name, const char *parents, MacvtapMode mode)
{
    g_autoptr(GError) error = NULL;
    Network *network = network_new(name);

    g_strfreev(network->parents);
    network->parents = g_strsplit(parents, ",", -1);
    network->mode = mode;
    network_finish(network, FALSE, &error);
    g_assert_no_error(error);
    g_ptr_array_add(test->networks, network);
    if (test->broker)
        broker_set_networks(test->broker, network_table(test));
    return network;
}

Network *
test_broker_network(TestBroker *test, const char *name)
{
    for (guint i = 0; i < test->networks->len; i++) {
        Network *network = test->networks->pdata[i];

        if (g_str_equal(network->name, name))
            return network;
    }
    g_error("no network %s", name);
}

TestBroker *
test_broker_new(void)
{
    g_autoptr(GError) error = NULL;
    TestBroker *test = g_new0(TestBroker, 1);

    test->state = g_dir_make_tmp("macvtapd-test-XXXXXX", &error);
    g_assert_no_error(error);
    test->kernel = kernel_fake_new();
    test->networks = g_ptr_array_new_with_free_func((GDestroyNotify)network_unref);
    test->events = g_string_new(NULL);
    test_broker_add_parent(test, "eth0");
    test_broker_add_network(test, "lan", "eth0", MACVTAP_MODE_BRIDGE);
    test_broker_start(test);
    return test;
}

static GPtrArray *
list_records(TestBroker *test)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *path = g_build_filename(test->state, "ports", NULL);
    g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
    const char *name;

    while (folder && (name = g_dir_read_name(folder)))
        g_ptr_array_add(names, g_strdup(name));
    return names;
}

void
test_remove_folder(const char *path)
{
    g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
    const char *name;

    while (folder && (name = g_dir_read_name(folder))) {
        g_autofree char *inner = g_build_filename(path, name, NULL);

        if (remove(inner) < 0)
            test_remove_folder(inner);
    }
    rmdir(path);
}

void
test_broker_free(TestBroker *test)
{
    broker_free(test->broker);
    kernel_free(test->kernel);
    test_remove_folder(test->state);
    g_ptr_array_unref(test->networks);
    g_clear_pointer(&test->messages, g_ptr_array_unref);
    g_string_free(test->events, TRUE);
    g_free(test->state);
    g_free(test);
}

void
test_settle(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

Caller
test_caller(uid_t uid)
{
    return (Caller){.uid = uid, .gid = uid, .pid = getpid(), .pidfd = -1};
}

const Port *
test_broker_create(TestBroker *test, uid_t uid, const char *network, const char *name)
{
    const Caller caller = test_caller(uid);
    const PortRequest request = {
        .network = (char *)network, .name = (char *)name, .no_descriptors = TRUE};
    g_autoptr(GError) error = NULL;
    g_auto(PortGrant) grant = {0};

    broker_create_port(test->broker, &caller, &request, &grant, &error);
    g_assert_no_error(error);
    return grant.port;
}

/* What is told of a removal. */
typedef struct Removed {
    gboolean done;
    guint n_ports;
    GError *error;
} Removed;

static void
on_removed(guint n_ports, const GError *error, gpointer user_data)
{
    Removed *removed = user_data;

    g_assert_false(removed->done);
    removed->done = TRUE;
    removed->n_ports = n_ports;
    removed->error = error ? g_error_copy(error) : NULL;
}

static gboolean
wait_removed(Removed *removed, GError **error)
{
    while (!removed->done)
        g_main_context_iteration(NULL, TRUE);
    if (!removed->error)
        return TRUE;
    g_propagate_error(error, removed->error);
    return FALSE;
}

gboolean
test_broker_delete(TestBroker *test, const Caller *caller, const char *port, GError **error)
{
    Removed removed = {0};

    return broker_delete_port(test->broker, caller, port, NULL, on_removed, &removed, error) &&
           wait_removed(&removed, error);
}

gboolean
test_broker_end_domain(TestBroker *test, const Caller *caller, const char *domain, guint *ret_ports,
                       GError **error)
{
    Removed removed = {0};

    broker_end_domain(test->broker, caller, domain, NULL, on_removed, &removed);
    if (!wait_removed(&removed, error))
        return FALSE;
    *ret_ports = removed.n_ports;
    return TRUE;
}

void
test_broker_refuse(TestBroker *test, const Caller *caller, const PortRequest *request,
                   PortError code, const char *text)
{
    g_autofree char *records = test_broker_records(test), *after = NULL;
    guint n_links = kernel_fake_link_count(test->kernel), n_descriptors;
    PortGrant grant = {0};
    g_autoptr(GError) error = NULL;

    test->kernel->ops->queue_catch_up(
        test->kernel); /* of closed queues the fake keeps its own ends until then */
    n_descriptors = test_count_descriptors();
    g_assert_false(broker_create_port(test->broker, caller, request, &grant, &error));
    g_assert_error(error, PORT_ERROR, (int)code);
    if (!strstr(error->message, text))
        g_error("'%s' is not in '%s'", text, error->message);
    g_assert_null(grant.port);
    g_assert_null(grant.taps);
    g_assert_cmpuint(kernel_fake_link_count(test->kernel), ==, n_links);
    g_assert_cmpuint(test_count_descriptors(), ==, n_descriptors);
    after = test_broker_records(test);
    g_assert_cmpstr(after, ==, records);
}

char *
test_broker_take_events(TestBroker *test)
{
    char *events = g_strdup(test->events->str);

    g_string_truncate(test->events, 0);
    return events;
}

static gint
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char *
test_broker_records(TestBroker *test)
{
    g_autoptr(GPtrArray) names = list_records(test);

    g_ptr_array_sort(names, compare_names);
    g_ptr_array_add(names, NULL);
    return g_strjoinv(" ", (GStrv)names->pdata);
}

void
test_broker_write_record(TestBroker *test, const Port *port, const char *file)
{
    g_autofree char *path = g_build_filename(test->state, "ports", file ? file : port->id, NULL);
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    gsize length = 0;

    text = record_format(port, &length, NULL);
    g_file_set_contents(path, text, (gssize)length, &error);
    g_assert_no_error(error);
}

Port *
test_port_new(guint number)
{
    Port *port = port_new();

    port->id = g_strdup_printf("p%012x", number);
    port->name = g_strdup_printf("vm%u", number);
    port->network = g_strdup("lan");
    port->parent = g_strdup("eth0");
    g_snprintf(port->interface_name, sizeof(port->interface_name), "tap%u", number);
    port->interface_index = (int)(1 << 20) + (int)number;
    port->mac = (MacAddress){{0x52, 0x54, 0, 0, 1, (guint8)number}};
    port->mtu = 1500;
    port->queues = 1;
    port->state = PORT_STATE_ACTIVE;
    return port;
}

gboolean
test_broker_find_link(TestBroker *test, const char *name, LinkInfo *ret_link)
{
    return test->kernel->ops->link_by_name(test->kernel, name, ret_link, NULL);
}

guint
test_count_descriptors(void)
{
    g_autoptr(GDir) folder = g_dir_open("/proc/self/fd", 0, NULL);
    guint count = 0;

    g_assert_nonnull(folder);
    while (g_dir_read_name(folder))
        count++;
    return count;
}

TestChild
test_child_new(void)
{
    pid_t parent = getpid();
    TestChild child;
    int ends[2];
    char byte;

    g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
    child.pid = fork();
    g_assert_cmpint(child.pid, >=, 0);
    if (child.pid > 0) {
        close(ends[1]);
        g_assert_cmpint(read(ends[0], &byte, 1), ==, 0);
        close(ends[0]);
        return child;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* Among them the lock of a state folder, and the pipe, whose end tells that they are closed. */
    close_range(3, ~0U, 0);
    while (getppid() == parent)
        pause();
    _exit(0);
}

void
test_child_end_as_zombie(const TestChild *child)
{
    siginfo_t info;

    g_assert_cmpint(kill(child->pid, SIGKILL), ==, 0);
    g_assert_cmpint(waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOWAIT), ==, 0);
}

void
test_child_end(const TestChild *child)
{
    test_child_end_as_zombie(child);
    g_assert_cmpint(waitpid(child->pid, NULL, 0), ==, child->pid);
}

static gpointer
tell_id_and_wait(gpointer data)
{
    const TestThread *thread = data;
    pid_t id = (pid_t)syscall(SYS_gettid);
    char byte;

    g_assert_cmpint(write(thread->ends[1], &id, sizeof id), ==, sizeof id);
    g_assert_cmpint(read(thread->ends[1], &byte, 1), ==, 0);
    return NULL;
}

void
test_thread_begin(TestThread *thread)
{
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, thread->ends), ==, 0);
    thread->thread = g_thread_new("waiting", tell_id_and_wait, thread);
    g_assert_cmpint(read(thread->ends[0], &thread->id, sizeof thread->id), ==, sizeof thread->id);
}

void
test_thread_end(TestThread *thread)
{
    close(thread->ends[0]);
    g_thread_join(thread->thread);
    close(thread->ends[1]);
}
