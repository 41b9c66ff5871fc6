/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * storm-bench --macvtapd=PROGRAM [--holders=N] [--ports=N] [--storms=N] [--workers=N] [--alone=N]
 * writes JSON to stdout; tests/bench/storm calls it and explains.
 *
 * Theory of operation
 *
 * The holders are processes of one group, each with a descriptor of every port it has, as a VMM
 * would have it. One signal kills them all; the kernel's own messages tell when their devices are
 * gone, and an answer of the daemon that it is done with the records.
 *
 * The workers live through the storm. Each makes a device by itself (the floor) and by the daemon
 * in turn, so that both are asked for equally often and meet the same load. Between the two it
 * rests for a random time: an answer of the daemon comes between two removals, and what began right
 * after it would never meet one.
 */
#include "bench.h"
#include "test-namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORK "domain:" DOMAIN
#define DOMAIN "11111111-2222-4333-8444-555555555555"
#define SAMPLES_MAX 4096           /* of each kind and worker */
#define REST_US 20000.0            /* mean */
#define QUIET_SAMPLES 40           /* of each kind and worker, without a storm */
#define BUFFER (256 * 1024 * 1024) /* bytes: thousands of links that go at once */

enum { FLOOR, CREATE, N_WAYS };

static const char *const way_names[] = {[FLOOR] = "floor_us", [CREATE] = "create_us"};
G_STATIC_ASSERT(G_N_ELEMENTS(way_names) == N_WAYS);

/* What a worker has measured; shared memory. */
typedef struct Samples {
    guint n[N_WAYS];
    double us[N_WAYS][SAMPLES_MAX];
} Samples;

typedef struct Shared {
    gint stop;   /* atomic */
    guint limit; /* samples of each kind, then a worker stops by itself */
} Shared;

typedef struct Bench {
    char *macvtapd;
    int n_holders, n_ports, n_storms, n_workers, n_alone;
    Service *service;
    Shared *shared;
    Samples *samples; /* of each worker */
    int go[2];        /* a pipe: the workers begin when its writing end is closed */
} Bench;

static void *
share(gsize size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        bench_die("mmap", errno);
    return memory;
}

static MacvtapClient *
connect_client(Bench *bench)
{
    g_autoptr(GError) error = NULL;
    MacvtapClient *client = ask_connect(service_socket(bench->service), &error);

    if (!client)
        bench_die(error->message, 0);
    return client;
}

/* Its descriptor, or -1 (no_descriptors). */
static int
create(MacvtapClient *client, const char *holder, gboolean no_descriptors)
{
    g_autoptr(MacvtapRequest) request = macvtap_request_new(MACVTAP_METHOD_CREATE_PORT);
    g_autoptr(GError) error = NULL;
    g_autoptr(MacvtapPort) port = NULL;

    macvtap_request_set_network(request, BENCH_NETWORK);
    macvtap_request_set_text(request, "holder", holder);
    macvtap_request_set_open_descriptors(request, !no_descriptors);
    port = ask_take_port(client, request, &error);
    if (!port)
        bench_die(error->message, 0);
    return no_descriptors ? -1 : macvtap_port_take_tap(port, 0);
}

/* A child that says one byte when it is ready; the parent waits for that. */
static pid_t
fork_ready(void (*run)(Bench *bench, guint number, int ready), Bench *bench, guint number)
{
    int ends[2];
    char byte;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0 || (pid = fork()) < 0)
        bench_die("fork", errno);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ends[0]);
        run(bench, number, ends[1]);
        _exit(0);
    }
    close(ends[1]);
    if (read(ends[0], &byte, 1) != 1)
        bench_die("a process of the bench has failed", 0);
    close(ends[0]);
    return pid;
}

static void
say_ready(int ready)
{
    if (write(ready, "", 1) != 1)
        bench_die("pipe", errno);
    close(ready);
}

/* The first one leads the group. */
static void
hold(Bench *bench, guint number, int ready)
{
    MacvtapClient *client = connect_client(bench);

    for (int i = 0; i < bench->n_ports; i++)
        create(client, NULL, bench->n_ports > 1);
    macvtap_client_free(client);
    say_ready(ready);
    for (;;)
        pause();
}

static void
rest(void)
{
    double us = -log(1 - g_random_double()) * REST_US;
    const struct timespec time = {.tv_nsec = (long)(MIN(us, 900000.0) * 1000)};

    nanosleep(&time, NULL);
}

static void
work(Bench *bench, guint number, int ready)
{
    MacvtapClient *client = connect_client(bench);
    Samples *samples = &bench->samples[number];
    double us;
    char byte;

    g_random_set_seed((guint32)getpid() * 2654435761u + (guint32)bench_now());
    close(bare_attach(bench_next_index(), FALSE, &us));
    create(client, WORK, TRUE);
    close(bench->go[1]);
    say_ready(ready);
    while (read(bench->go[0], &byte, 1) < 0 && errno == EINTR)
        ;
    for (guint i = 0; i < bench->shared->limit && !g_atomic_int_get(&bench->shared->stop); i++) {
        gint64 begin;

        rest();
        bare_attach(bench_next_index(), FALSE, &samples->us[FLOOR][i]);
        samples->n[FLOOR]++;
        if (g_atomic_int_get(&bench->shared->stop))
            break;
        rest();
        begin = bench_now();
        create(client, WORK, FALSE);
        samples->us[CREATE][i] = bench_since(begin);
        samples->n[CREATE]++;
    }
    macvtap_client_free(client);
}

static void
start_workers(Bench *bench, pid_t *workers, guint limit)
{
    memset(bench->samples, 0, (gsize)bench->n_workers * sizeof *bench->samples);
    bench->shared->limit = limit;
    g_atomic_int_set(&bench->shared->stop, 0);
    if (pipe2(bench->go, O_CLOEXEC) < 0)
        bench_die("pipe", errno);
    for (int i = 0; i < bench->n_workers; i++)
        workers[i] = fork_ready(work, bench, (guint)i);
    close(bench->go[0]);
}

static void
finish_workers(Bench *bench, const pid_t *workers)
{
    for (int i = 0; i < bench->n_workers; i++)
        bench_wait(workers[i], "a worker of the bench");
}

static guint
count_records(void)
{
    g_autoptr(GDir) folder = g_dir_open(BENCH_FOLDER "/state/ports", 0, NULL);
    guint n = 0;

    while (folder && g_dir_read_name(folder))
        n++;
    return n;
}

/* What the workers have made. */
static void
remove_all(Bench *bench)
{
    MacvtapClient *client = connect_client(bench);

    if (!ask_end_domain(client, DOMAIN, NULL))
        bench_die("the workers' ports cannot be removed", 0);
    macvtap_client_free(client);
    bare_delete_group();
}

static int
open_monitor(void)
{
    int fd = test_link_monitor_open(), size = BUFFER;

    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
        bench_die("SO_RCVBUFFORCE", errno);
    return fd;
}

/* Whether the message says that a device of the daemon's is gone. */
static gboolean
is_removal(const struct nlmsghdr *message)
{
    const struct ifinfomsg *link = NLMSG_DATA(message);
    const struct rtattr *attribute = IFLA_RTA(link);
    int length = (int)IFLA_PAYLOAD(message);

    if (message->nlmsg_type != RTM_DELLINK || link->ifi_family != AF_UNSPEC)
        return FALSE;
    for (; RTA_OK(attribute, length); attribute = RTA_NEXT(attribute, length)) {
        if (attribute->rta_type == IFLA_IFNAME)
            return g_str_has_prefix(RTA_DATA(attribute), "mvt");
    }
    return FALSE;
}

static void
wait_removals(int monitor, guint n)
{
    static char buffer[65536];

    while (n > 0) {
        const struct nlmsghdr *message = (const struct nlmsghdr *)buffer;
        ssize_t length = recv(monitor, buffer, sizeof buffer, 0);

        if (length < 0)
            bench_die("the kernel's link messages", errno);
        for (; NLMSG_OK(message, (guint32)length); message = NLMSG_NEXT(message, length))
            n -= is_removal(message);
    }
}

static gint
compare(gconstpointer a, gconstpointer b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void
add_samples(Bench *bench, GArray *const *all)
{
    for (int i = 0; i < bench->n_workers; i++) {
        for (guint way = 0; way < N_WAYS; way++)
            g_array_append_vals(all[way], bench->samples[i].us[way], bench->samples[i].n[way]);
    }
}

static double
quantile(GArray *samples, double q)
{
    return samples->len ? g_array_index(samples, double, (guint)(samples->len * q)) : 0;
}

static void
print_samples(GArray *const *all)
{
    for (guint way = 0; way < N_WAYS; way++) {
        g_array_sort(all[way], compare);
        printf("%s\"%s\": {\"n\": %u, \"p50\": %.1f, \"p99\": %.1f, \"max\": %.1f}",
               way ? ", " : "", way_names[way], all[way]->len, quantile(all[way], 0.5),
               quantile(all[way], 0.99), quantile(all[way], 1 - 1e-9));
        g_array_set_size(all[way], 0);
    }
}

static void
quiet(Bench *bench, GArray *const *all)
{
    g_autofree pid_t *workers = g_new(pid_t, bench->n_workers);

    start_workers(bench, workers, QUIET_SAMPLES);
    close(bench->go[1]);
    finish_workers(bench, workers);
    add_samples(bench, all);
    remove_all(bench);
}

static double
storm(Bench *bench, GArray *const *all)
{
    g_autofree pid_t *workers = g_new(pid_t, bench->n_workers);
    g_autofree pid_t *holders = g_new(pid_t, bench->n_holders);
    MacvtapClient *client;
    int monitor;
    gint64 begin;
    guint before;
    double us;

    for (int i = 0; i < bench->n_holders; i++) {
        holders[i] = fork_ready(hold, bench, (guint)i);
        if (setpgid(holders[i], holders[0]) < 0)
            bench_die("setpgid", errno);
    }
    start_workers(bench, workers, SAMPLES_MAX);
    client = connect_client(bench);
    before = count_records() - (guint)(bench->n_holders * bench->n_ports);
    monitor = open_monitor();
    begin = bench_now();
    close(bench->go[1]);
    if (kill(-holders[0], SIGKILL) < 0)
        bench_die("kill", errno);
    wait_removals(monitor, (guint)(bench->n_holders * bench->n_ports));
    g_ptr_array_unref(ask_networks(client, NULL));
    us = bench_since(begin);
    g_atomic_int_set(&bench->shared->stop, 1);
    close(monitor);
    macvtap_client_free(client);
    finish_workers(bench, workers);
    for (int i = 0; i < bench->n_holders; i++)
        waitpid(holders[i], NULL, 0);
    add_samples(bench, all);
    for (int i = 0; i < bench->n_workers; i++)
        before += bench->samples[i].n[CREATE];
    if (count_records() != before)
        bench_die("records are left", 0);
    remove_all(bench);
    return us;
}

/* As `ip link del` of each, without a process for each. */
static double
one_by_one(int n)
{
    g_autofree int *indexes = g_new(int, n);
    gint64 begin;
    double us;

    for (int i = 0; i < n; i++) {
        indexes[i] = bench_next_index();
        close(bare_attach(indexes[i], FALSE, &us));
    }
    begin = bench_now();
    for (int i = 0; i < n; i++)
        bare_delete(indexes[i]);
    return bench_since(begin);
}

/* The names of n ports that nothing holds. */
static GStrv
make_ports(MacvtapClient *client, int n)
{
    g_autoptr(MacvtapRequest) request = macvtap_request_new(MACVTAP_METHOD_CREATE_PORT);
    GStrv names = g_new0(char *, n + 1);

    macvtap_request_set_network(request, BENCH_NETWORK);
    macvtap_request_set_holder(request, MACVTAP_HOLDER_NONE);
    macvtap_request_set_open_descriptors(request, false);
    for (int i = 0; i < n; i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(MacvtapPort) port = ask_take_port(client, request, &error);

        if (!port)
            bench_die(error->message, 0);
        names[i] = g_strdup(macvtap_port_get_id(port));
    }
    return names;
}

static gboolean
delete_together(MacvtapClient *client, GStrv names)
{
    g_autoptr(MacvtapRequest) request = macvtap_request_new(MACVTAP_METHOD_DELETE_PORT);

    for (char **name = names; *name; name++)
        macvtap_request_add_port(request, *name);
    return ask(client, request, NULL) && macvtap_request_get_n_failures(request) == 0;
}

/* As `macvtapctl port delete` of all names together, or as one command for each. */
static double
delete_ports(Bench *bench, int n, gboolean together)
{
    MacvtapClient *client = connect_client(bench);
    g_auto(GStrv) names = make_ports(client, n);
    gint64 begin = bench_now();
    gboolean good = TRUE;
    double us;

    if (together)
        good = delete_together(client, names);
    for (int i = 0; !together && good && i < n; i++)
        good = ask_delete(client, names[i], NULL);
    us = bench_since(begin);
    if (!good)
        bench_die("ports cannot be deleted", 0);
    macvtap_client_free(client);
    return us;
}

static void
measure(Bench *bench)
{
    GArray *all[N_WAYS], *sum[N_WAYS];

    for (guint way = 0; way < N_WAYS; way++) {
        all[way] = g_array_new(FALSE, FALSE, sizeof(double));
        sum[way] = g_array_new(FALSE, FALSE, sizeof(double));
    }
    quiet(bench, all);
    printf("{\"holders\": %d, \"ports\": %d, \"workers\": %d, \"quiet\": {", bench->n_holders,
           bench->n_ports, bench->n_workers);
    print_samples(all);
    printf("},\n \"storms\": [");
    for (int i = 0; i < bench->n_storms; i++) {
        double us = storm(bench, all);

        for (guint way = 0; way < N_WAYS; way++)
            g_array_append_vals(sum[way], all[way]->data, all[way]->len);
        printf("%s{\"ms\": %.1f, ", i ? ",\n  " : "", us / 1000);
        print_samples(all);
        printf("}");
    }
    printf("],\n \"storm\": {");
    print_samples(sum);
    printf("},\n \"alone\": %d, \"alone_ms\": %.1f,\n", bench->n_alone,
           one_by_one(bench->n_alone) / 1000);
    printf(" \"delete_ms\": {\"together\": %.1f,",
           delete_ports(bench, bench->n_alone, TRUE) / 1000);
    printf(" \"singly\": %.1f}}\n", delete_ports(bench, bench->n_alone, FALSE) / 1000);
}

static void
parse(Bench *bench, int argc, char **argv)
{
    const GOptionEntry entries[] = {
        {"macvtapd", 0, 0, G_OPTION_ARG_FILENAME, &bench->macvtapd, "The daemon", "PROGRAM"},
        {"holders", 0, 0, G_OPTION_ARG_INT, &bench->n_holders, "Processes with ports", "N"},
        {"ports", 0, 0, G_OPTION_ARG_INT, &bench->n_ports, "Ports of each", "N"},
        {"storms", 0, 0, G_OPTION_ARG_INT, &bench->n_storms, "Storms", "N"},
        {"workers", 0, 0, G_OPTION_ARG_INT, &bench->n_workers, "Who creates meanwhile", "N"},
        {"alone", 0, 0, G_OPTION_ARG_INT, &bench->n_alone, "Devices to remove singly", "N"},
        {NULL},
    };

    bench_parse(entries, argc, argv);
    if (!bench->macvtapd || bench->n_holders < 1 || bench->n_ports < 1 || bench->n_storms < 1 ||
        bench->n_workers < 1 || bench->n_alone < 1)
        bench_die("--macvtapd, and numbers of at least 1", EINVAL);
}

int
main(int argc, char **argv)
{
    Bench bench = {
        .n_holders = 1000, .n_ports = 1, .n_storms = 3, .n_workers = 16, .n_alone = 1000};

    parse(&bench, argc, argv);
    bench_enter_processes();
    bench_enter_namespaces();
    bench.shared = share(sizeof *bench.shared);
    bench.samples = share((gsize)bench.n_workers * sizeof *bench.samples);
    bench.service = service_start(bench.macvtapd, BENCH_FOLDER);
    measure(&bench);
    service_free(bench.service);
    return 0;
}
