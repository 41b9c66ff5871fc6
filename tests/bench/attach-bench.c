/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * attach-bench --macvtapd=PROGRAM --macvtap-helper=PROGRAM [--bridge-helper=PROGRAM] [--rounds=N]
 * writes JSON to stdout; tests/bench/attach calls it and explains.
 *
 * Theory of operation
 *
 * The machine's noise comes and goes within seconds, and a process that follows a fork finds cold
 * caches; macvtapd, too, is busy with the kernel's events of whatever was made just before. So it
 * has read them before each sample, whatever that is of, the ways take turns within each round, and
 * their orders take turns between the rounds. Removal takes RCU grace periods: it comes after a
 * batch of rounds, outside of the timed part; up to BATCH rounds' devices are thus there in
 * addition to the ports "present".
 */
#include "bench.h"
#include "test-namespace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define BATCH 12

enum { FLOOR, CREATE, SHELL, ECHO, N_WAYS };

typedef struct Bench {
    char *macvtapd, *macvtap_helper, *bridge_helper;
    int rounds;
    Service *service;
    MacvtapClient *client;
    Shell *shell;
    Echo *echo;
    GPtrArray *present; /* of MacvtapPort, that stay */
    GArray *open;       /* descriptors of the batch */
    GPtrArray *made;    /* of MacvtapPort, of the batch */
} Bench;

static const char *const way_names[] = {
    [FLOOR] = "floor_us", [CREATE] = "create_us", [SHELL] = "shell_us", [ECHO] = "echo_us"};
G_STATIC_ASSERT(G_N_ELEMENTS(way_names) == N_WAYS);

/* Each way follows each other one as often as any. */
static const guint8 orders[][N_WAYS] = {{0, 1, 3, 2}, {1, 2, 0, 3}, {2, 3, 1, 0}, {3, 0, 2, 1}};

static MacvtapPort *
create_port(Bench *bench, double *ret_us)
{
    MacvtapRequest request = {.network = BENCH_NETWORK};
    g_autoptr(GError) error = NULL;
    gint64 begin = bench_now();
    MacvtapPort *port = macvtap_client_create(bench->client, &request, &error);

    *ret_us = bench_since(begin);
    if (!port)
        bench_die(error->message, 0);
    return port;
}

static void
attach(Bench *bench, guint way, double *ret_us)
{
    int fd = -1;

    if (way == FLOOR)
        fd = bare_attach(bench_next_index(), ret_us);
    else if (way == CREATE)
        g_ptr_array_add(bench->made, create_port(bench, ret_us));
    else if (way == SHELL)
        shell_attach(bench->shell, ret_us);
    else
        *ret_us = echo_time(bench->echo);
    if (fd >= 0)
        g_array_append_val(bench->open, fd);
}

static void
close_open(Bench *bench)
{
    for (guint i = 0; i < bench->open->len; i++)
        close(g_array_index(bench->open, int, i));
    g_array_set_size(bench->open, 0);
}

static void
delete_port(Bench *bench, const MacvtapPort *port)
{
    g_autoptr(GError) error = NULL;

    if (!macvtap_client_delete(bench->client, macvtap_port_get_id(port), &error))
        bench_die(error->message, 0);
}

/* The answer to a further request tells that the daemon has the removals behind it. */
static void
settle(Bench *bench)
{
    g_autoptr(GPtrArray) networks = macvtap_client_list_networks(bench->client, NULL);

    if (!networks)
        bench_die("the daemon is gone", 0);
}

static void
remove_batch(Bench *bench)
{
    for (guint i = 0; i < bench->made->len; i++)
        delete_port(bench, bench->made->pdata[i]);
    g_ptr_array_set_size(bench->made, 0);
    close_open(bench);
    bare_delete_group();
    settle(bench);
}

static void
time_level(Bench *bench, guint n_present)
{
    GArray *samples[N_WAYS] = {samples_new(), samples_new(), samples_new(), samples_new()};
    double us;

    while (bench->present->len < n_present)
        g_ptr_array_add(bench->present, create_port(bench, &us));
    settle(bench);
    for (int round = 0; round < bench->rounds; round++) {
        const guint8 *order = orders[round % G_N_ELEMENTS(orders)];

        for (guint i = 0; i < N_WAYS; i++) {
            settle(bench);
            attach(bench, order[i], &us);
            g_array_append_val(samples[order[i]], us);
        }
        if ((round + 1) % BATCH == 0 || round + 1 == bench->rounds)
            remove_batch(bench);
    }
    printf("\"%u\": {", n_present);
    for (guint i = 0; i < N_WAYS; i++) {
        samples_print(way_names[i], samples[i], i + 1 < N_WAYS ? ", " : "},\n ");
        g_array_unref(samples[i]);
    }
}

/* What the helpers made: all that is not to stay. */
static void
remove_helper_ports(Bench *bench)
{
    g_autoptr(GPtrArray) ports = macvtap_client_list_ports(bench->client, NULL, NULL);

    if (!ports)
        bench_die("cannot list the ports", 0);
    for (guint i = bench->present->len; i < ports->len; i++)
        delete_port(bench, ports->pdata[i]);
    close_open(bench);
    settle(bench);
}

static void
helper_round(Bench *bench, gboolean bridge, int round, GArray *samples)
{
    g_autofree char *mac = g_strdup_printf("--mac=52:54:00:be:%02x:%02x", round >> 8, round & 255);
    g_autofree char *socket = g_strconcat("--socket=", service_socket(bench->service), NULL);
    char *ours[] = {bench->macvtap_helper, socket,   "--network=" BENCH_NETWORK, mac,
                    "--use-vnet",          "--fd=3", "--br=" BENCH_BRIDGE,       NULL};
    char *theirs[] = {bench->bridge_helper, "--use-vnet", "--fd=3", "--br=" BENCH_BRIDGE, NULL};
    double us;
    int fd = helper_attach(bridge ? theirs : ours, &us);

    g_array_append_val(bench->open, fd);
    g_array_append_val(samples, us);
}

static void
time_helpers(Bench *bench)
{
    g_autoptr(GArray) macvtap = samples_new();
    g_autoptr(GArray) bridge = samples_new();

    for (int round = 0; round < bench->rounds; round++) {
        gboolean first = bench->bridge_helper && round % 2 == 0;

        if (first)
            helper_round(bench, TRUE, round, bridge);
        helper_round(bench, FALSE, round, macvtap);
        if (bench->bridge_helper && !first)
            helper_round(bench, TRUE, round, bridge);
        if ((round + 1) % BATCH == 0 || round + 1 == bench->rounds)
            remove_helper_ports(bench);
    }
    printf("\"helper_us\": {");
    samples_print("macvtap", macvtap, bench->bridge_helper ? ", " : "},\n ");
    if (bench->bridge_helper)
        samples_print("bridge", bridge, "},\n ");
}

/* /etc/qemu may not be there to mount on: /etc as a whole gets a writable layer of our own. */
static void
allow_bridge(void)
{
    const char *options =
        "lowerdir=/etc,upperdir=" BENCH_FOLDER "/etc,workdir=" BENCH_FOLDER "/work";

    if (mkdir(BENCH_FOLDER "/etc", 0755) < 0 || mkdir(BENCH_FOLDER "/work", 0755) < 0)
        bench_die(BENCH_FOLDER "/etc", errno);
    if (mount("overlay", "/etc", "overlay", 0, options) < 0)
        bench_die("a private /etc", errno);
    if (mkdir("/etc/qemu", 0755) < 0 && errno != EEXIST)
        bench_die("/etc/qemu", errno);
    bench_write_file("/etc/qemu/bridge.conf", "allow " BENCH_BRIDGE "\n");
}

static void
make_ground(void)
{
    bench_enter_namespaces();
    allow_bridge();
    test_bridge_add(BENCH_BRIDGE);
}

static void
parse(Bench *bench, int argc, char **argv)
{
    const GOptionEntry entries[] = {
        {"macvtapd", 0, 0, G_OPTION_ARG_FILENAME, &bench->macvtapd, "The daemon", "PROGRAM"},
        {"macvtap-helper", 0, 0, G_OPTION_ARG_FILENAME, &bench->macvtap_helper, "Ours", "PROGRAM"},
        {"bridge-helper", 0, 0, G_OPTION_ARG_FILENAME, &bench->bridge_helper, "QEMU's", "PROGRAM"},
        {"rounds", 0, 0, G_OPTION_ARG_INT, &bench->rounds, "Samples of each way", "N"},
        {NULL},
    };

    bench_parse(entries, argc, argv);
    if (!bench->macvtapd || !bench->macvtap_helper || bench->rounds < 1)
        bench_die("--macvtapd, --macvtap-helper and --rounds of at least 1", EINVAL);
}

static void
free_port(gpointer port)
{
    macvtap_port_free(port);
}

static void
measure(Bench *bench)
{
    const guint n_many = 1000;
    long idle = service_resident_kib(bench->service), full;
    double us;

    printf("{");
    time_level(bench, 1);
    time_helpers(bench);
    time_level(bench, 100);
    while (bench->present->len < n_many)
        g_ptr_array_add(bench->present, create_port(bench, &us));
    settle(bench);
    full = service_resident_kib(bench->service);
    time_level(bench, n_many);
    printf("\"memory_kib\": {\"idle\": %ld, \"per_port\": %.2f}}\n", idle,
           (double)(full - idle) / n_many);
}

int
main(int argc, char **argv)
{
    Bench bench = {.rounds = 200};
    g_autoptr(GError) error = NULL;

    parse(&bench, argc, argv);
    bench_enter_processes();
    make_ground();
    bench.service = service_start(bench.macvtapd, BENCH_FOLDER);
    bench.client = macvtap_client_connect(service_socket(bench.service), &error);
    if (!bench.client)
        bench_die(error->message, 0);
    bench.shell = shell_start();
    bench.echo = echo_start();
    bench.present = g_ptr_array_new_with_free_func(free_port);
    bench.made = g_ptr_array_new_with_free_func(free_port);
    bench.open = g_array_new(FALSE, FALSE, sizeof(int));
    measure(&bench);
    echo_free(bench.echo);
    shell_free(bench.shell);
    macvtap_client_free(bench.client);
    service_free(bench.service);
    return 0;
}
