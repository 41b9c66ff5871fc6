/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * attach-bench --macvtapd=PROGRAM --macvtap-helper=PROGRAM [--bridge-helper=PROGRAM]
 * [--against=PROGRAM | --unguarded] [--rounds=N] writes JSON to stdout; tests/bench/attach calls it
 * and explains.
 *
 * Theory of operation
 *
 * The machine's noise comes and goes within seconds, and a process that follows a fork finds cold
 * caches; macvtapd, too, is busy with the kernel's events of whatever was made just before. So it
 * has read them before each sample, whatever that is of, the ways take turns within each round, and
 * their orders take turns between the rounds. Removal takes RCU grace periods: it comes after a
 * batch of rounds, outside of the timed part; up to BATCH rounds' devices are thus there in
 * addition to the ports "present".
 *
 * Another macvtapd (--against) is compared with one more of ours: each has a network namespace of
 * its own with as many ports and nothing else in it, and one follows the other, in turn. With
 * --unguarded the other is the same program where there is no BPF file system.
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
#define CHUNK 50 /* ports that one request removes */

enum { FLOOR, CREATE, SHELL, ECHO, GUARDED_FLOOR, N_TURNS, APART = N_TURNS, AGAINST, N_WAYS };

/* One macvtapd. */
typedef struct Daemon {
    Service *service;
    MacvtapClient *client;
    GPtrArray *present; /* of MacvtapPort, that stay */
    GPtrArray *made;    /* of MacvtapPort, of the batch */
} Daemon;

typedef struct Bench {
    char *macvtapd, *macvtap_helper, *bridge_helper, *against;
    gboolean unguarded;
    gboolean is_guarded; /* our macvtapd guards its ports */
    int rounds;
    Daemon ours;
    Daemon apart, other; /* only if there is something to compare with */
    Shell *shell;
    Echo *echo;
    GArray *open; /* descriptors of the batch */
} Bench;

static const char *const way_names[] = {[FLOOR] = "floor_us",
                                        [CREATE] = "create_us",
                                        [SHELL] = "shell_us",
                                        [ECHO] = "echo_us",
                                        [GUARDED_FLOOR] = "guarded_floor_us",
                                        [APART] = "apart_us",
                                        [AGAINST] = "against_us"};
G_STATIC_ASSERT(G_N_ELEMENTS(way_names) == N_WAYS);

/* Within a round each way follows each other one as often as any. */
static const guint8 orders[][N_TURNS] = {
    {0, 1, 4, 2, 3}, {1, 2, 0, 3, 4}, {2, 3, 1, 4, 0}, {3, 4, 2, 0, 1}, {4, 0, 3, 1, 2},
    {3, 2, 4, 1, 0}, {4, 3, 0, 2, 1}, {0, 4, 1, 3, 2}, {1, 0, 2, 4, 3}, {2, 1, 3, 0, 4},
};

static MacvtapPort *
create_port(const Daemon *daemon, double *ret_us)
{
    g_autoptr(GError) error = NULL;
    gint64 begin = bench_now();
    g_autoptr(MacvtapRequest) request = macvtap_request_new(MACVTAP_METHOD_CREATE_PORT);
    MacvtapPort *port;

    macvtap_request_set_network(request, BENCH_NETWORK);
    port = ask_take_port(daemon->client, request, &error);
    *ret_us = bench_since(begin);
    if (!port)
        bench_die(error->message, 0);
    return port;
}

static void
attach(Bench *bench, guint way, double *ret_us)
{
    int fd = -1;

    if (way == FLOOR || way == GUARDED_FLOOR)
        fd = bare_attach(bench_next_index(), way == GUARDED_FLOOR, ret_us);
    else if (way == CREATE)
        g_ptr_array_add(bench->ours.made, create_port(&bench->ours, ret_us));
    else if (way == APART)
        g_ptr_array_add(bench->apart.made, create_port(&bench->apart, ret_us));
    else if (way == AGAINST)
        g_ptr_array_add(bench->other.made, create_port(&bench->other, ret_us));
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
delete_port(const Daemon *daemon, const MacvtapPort *port)
{
    g_autoptr(GError) error = NULL;

    if (!ask_delete(daemon->client, macvtap_port_get_id(port), &error))
        bench_die(error->message, 0);
}

/* The answer to a further request tells that the daemon has the removals behind it. */
static void
daemon_settle(const Daemon *daemon)
{
    g_autoptr(GPtrArray) networks = NULL;

    if (!daemon->client)
        return;
    networks = ask_networks(daemon->client, NULL);
    if (!networks)
        bench_die("the daemon is gone", 0);
}

static void
settle(const Bench *bench)
{
    daemon_settle(&bench->other);
    daemon_settle(&bench->apart);
    daemon_settle(&bench->ours);
}

static void
delete_made(const Daemon *daemon)
{
    for (guint i = 0; i < daemon->made->len; i++)
        delete_port(daemon, daemon->made->pdata[i]);
    g_ptr_array_set_size(daemon->made, 0);
}

static void
remove_batch(Bench *bench)
{
    delete_made(&bench->ours);
    delete_made(&bench->apart);
    delete_made(&bench->other);
    close_open(bench);
    bare_delete_group();
    settle(bench);
}

static void
time_way(Bench *bench, guint way, GArray **samples)
{
    double us;

    settle(bench);
    attach(bench, way, &us);
    g_array_append_val(samples[way], us);
}

static void
time_round(Bench *bench, int round, GArray **samples)
{
    const guint8 *order = orders[round % G_N_ELEMENTS(orders)];
    gboolean is_even = round % 2 == 0;

    for (guint i = 0; i < N_TURNS; i++) {
        if (order[i] != GUARDED_FLOOR || bench->is_guarded)
            time_way(bench, order[i], samples);
    }
    if (!bench->other.client)
        return;
    time_way(bench, is_even ? APART : AGAINST, samples);
    time_way(bench, is_even ? AGAINST : APART, samples);
}

static void
make_present(Bench *bench, guint n)
{
    Daemon *daemons[] = {&bench->ours, &bench->apart, &bench->other};
    double us;

    for (guint i = 0; i < G_N_ELEMENTS(daemons); i++) {
        while (daemons[i]->client && daemons[i]->present->len < n)
            g_ptr_array_add(daemons[i]->present, create_port(daemons[i], &us));
    }
    settle(bench);
}

static void
time_level(Bench *bench, guint n_present)
{
    GArray *samples[N_WAYS];

    for (guint i = 0; i < N_WAYS; i++)
        samples[i] = samples_new();
    make_present(bench, n_present);
    bench->is_guarded = macvtap_port_get_text(bench->ours.present->pdata[0], "guard") != NULL;
    for (int round = 0; round < bench->rounds; round++) {
        time_round(bench, round, samples);
        if ((round + 1) % BATCH == 0 || round + 1 == bench->rounds)
            remove_batch(bench);
    }
    printf("\"%u\": {\"is_guarded\": %s", n_present, bench->is_guarded ? "true" : "false");
    for (guint i = 0; i < N_WAYS; i++) {
        if (samples[i]->len == 0)
            continue;
        printf(", ");
        samples_print(way_names[i], samples[i], "");
    }
    printf("},\n ");
    for (guint i = 0; i < N_WAYS; i++)
        g_array_unref(samples[i]);
}

/* What the helpers made: all that is not to stay. */
static void
remove_helper_ports(Bench *bench)
{
    g_autoptr(GPtrArray) ports = ask_ports(bench->ours.client, NULL, FALSE, NULL);

    if (!ports)
        bench_die("cannot list the ports", 0);
    for (guint i = bench->ours.present->len; i < ports->len; i++)
        delete_port(&bench->ours, ports->pdata[i]);
    close_open(bench);
    settle(bench);
}

static void
helper_round(Bench *bench, gboolean bridge, int round, GArray *samples)
{
    g_autofree char *mac = g_strdup_printf("--mac=52:54:00:be:%02x:%02x", round >> 8, round & 255);
    g_autofree char *socket = g_strconcat("--socket=", service_socket(bench->ours.service), NULL);
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
        {"against", 0, 0, G_OPTION_ARG_FILENAME, &bench->against, "Another daemon", "PROGRAM"},
        {"unguarded", 0, 0, G_OPTION_ARG_NONE, &bench->unguarded, "The same without BPF", NULL},
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

/* Removes the last ports of those that were to stay, in one request. */
static double
delete_chunk(Daemon *daemon)
{
    g_autoptr(MacvtapRequest) request = macvtap_request_new(MACVTAP_METHOD_DELETE_PORT);
    GPtrArray *present = daemon->present;
    guint first = present->len - CHUNK;
    gint64 begin;
    double us;

    for (guint i = first; i < present->len; i++)
        macvtap_request_add_port(request, macvtap_port_get_id(present->pdata[i]));
    begin = bench_now();
    if (macvtap_client_call(daemon->client, request) < 0 ||
        macvtap_request_get_count(request) != CHUNK)
        bench_die("cannot delete ports", 0);
    daemon_settle(daemon);
    us = bench_since(begin);
    g_ptr_array_set_size(present, (gint)first);
    return us;
}

/* With the guard and without, in turns, until no port is left. */
static void
time_teardown(Bench *bench)
{
    g_autoptr(GArray) apart = samples_new();
    g_autoptr(GArray) other = samples_new();

    for (guint turn = 0; bench->apart.present->len >= CHUNK; turn++) {
        for (guint i = 0; i < 2; i++) {
            gboolean is_apart = (turn + i) % 2 == 0;
            double us = delete_chunk(is_apart ? &bench->apart : &bench->other) / CHUNK;

            g_array_append_val(is_apart ? apart : other, us);
        }
    }
    printf("\"teardown_us\": {");
    samples_print("apart_us", apart, ", ");
    samples_print("against_us", other, "},\n ");
}

static void
measure(Bench *bench)
{
    const guint n_many = 1000;
    long idle = service_resident_kib(bench->ours.service), full;

    printf("{");
    time_level(bench, 1);
    time_helpers(bench);
    time_level(bench, 100);
    make_present(bench, n_many);
    full = service_resident_kib(bench->ours.service);
    time_level(bench, n_many);
    if (bench->other.client)
        time_teardown(bench);
    printf("\"memory_kib\": {\"idle\": %ld, \"per_port\": %.2f}}\n", idle,
           (double)(full - idle) / n_many);
}

static void
daemon_begin(Daemon *daemon, Service *service)
{
    g_autoptr(GError) error = NULL;

    daemon->service = service;
    daemon->client = ask_connect(service_socket(service), &error);
    if (!daemon->client)
        bench_die(error->message, 0);
}

static void
daemon_init(Daemon *daemon)
{
    daemon->present = g_ptr_array_new_with_free_func(free_port);
    daemon->made = g_ptr_array_new_with_free_func(free_port);
}

static void
daemon_end(Daemon *daemon)
{
    if (!daemon->client)
        return;
    macvtap_client_free(daemon->client);
    service_free(daemon->service);
}

int
main(int argc, char **argv)
{
    Bench bench = {.rounds = 200};

    parse(&bench, argc, argv);
    bench_enter_processes();
    make_ground();
    daemon_init(&bench.ours);
    daemon_init(&bench.apart);
    daemon_init(&bench.other);
    if (bench.against || bench.unguarded) {
        const char *other = bench.unguarded ? bench.macvtapd : bench.against;

        daemon_begin(&bench.apart,
                     service_start_apart(bench.macvtapd, BENCH_FOLDER "/apart", SERVICE_WITH_BPF));
        daemon_begin(&bench.other,
                     service_start_apart(other, BENCH_FOLDER "/other",
                                         bench.unguarded ? SERVICE_WITHOUT_BPF : SERVICE_WITH_BPF));
    }
    /* The kernel walks through the hooks of all network namespaces: no guard but the one that is
     * timed. */
    if (bench.unguarded && umount2("/sys/fs/bpf", MNT_DETACH) < 0 && errno != EINVAL)
        bench_die("/sys/fs/bpf", errno);
    daemon_begin(&bench.ours, service_start(bench.macvtapd, BENCH_FOLDER));
    bench.shell = shell_start();
    bench.echo = echo_start();
    bench.open = g_array_new(FALSE, FALSE, sizeof(int));
    measure(&bench);
    echo_free(bench.echo);
    shell_free(bench.shell);
    daemon_end(&bench.ours);
    daemon_end(&bench.apart);
    daemon_end(&bench.other);
    return 0;
}
