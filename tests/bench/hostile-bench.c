/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hostile-bench --macvtapd=PROGRAM [--rounds=N] [--kinds=KIND,…] [--realtime] writes JSON to
 * stdout; tests/bench/hostile calls it and explains.
 *
 * Theory of operation. The good client has one connection, and times each of its calls. It does so
 * alone and then beside hostile clients, block by block in turns, because the machine's noise comes
 * and goes within seconds. Hostile clients are started for a block and killed after it.
 */
#include "bench.h"
#include "hostile-clients.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PORTS_PER_BLOCK = 30, LISTS_PER_BLOCK = 500, ECHOES_PER_BLOCK = 500 };

typedef struct Side {
    GArray *port, *list,
        *echo; /* samples of CreatePort with DeletePort, of ListPorts, of an echo */
} Side;

typedef struct Bench {
    char *macvtapd, *kinds;
    int rounds;
    gboolean realtime;
    Service *service;
    MacvtapClient *client;
    Echo *echo;
} Bench;

static void
time_port(Bench *bench, GArray *samples)
{
    g_autoptr(GError) error = NULL;
    gint64 begin = bench_now();
    g_autoptr(MacvtapRequest) request = macvtap_request_new(MACVTAP_METHOD_CREATE_PORT);
    g_autoptr(MacvtapPort) port = NULL;
    double us;

    macvtap_request_set_network(request, BENCH_NETWORK);
    port = ask_take_port(bench->client, request, &error);
    if (!port || !ask_delete(bench->client, macvtap_port_get_id(port), &error))
        bench_die(error->message, 0);
    us = bench_since(begin);
    g_array_append_val(samples, us);
}

static void
time_list(Bench *bench, GArray *samples)
{
    g_autoptr(GError) error = NULL;
    gint64 begin = bench_now();
    g_autoptr(GPtrArray) ports = ask_ports(bench->client, NULL, FALSE, &error);
    double us = bench_since(begin);

    if (!ports)
        bench_die(error->message, 0);
    g_array_append_val(samples, us);
}

static void
time_block(Bench *bench, Side *side)
{
    for (guint i = 0; i < PORTS_PER_BLOCK; i++)
        time_port(bench, side->port);
    for (guint i = 0; i < LISTS_PER_BLOCK; i++)
        time_list(bench, side->list);
    for (guint i = 0; i < ECHOES_PER_BLOCK; i++) {
        double us = echo_time(bench->echo);

        g_array_append_val(side->echo, us);
    }
}

static void
side_print(const char *name, Side *side, const char *end)
{
    printf("\"%s\": {", name);
    samples_print("port_us", side->port, ", ");
    samples_print("list_us", side->list, ", ");
    samples_print("echo_us", side->echo, "}");
    printf("%s", end);
    g_array_unref(side->port);
    g_array_unref(side->list);
    g_array_unref(side->echo);
}

/* name NULL: all kinds at once. */
static void
time_kind(Bench *bench, const char *name)
{
    Side alone = {samples_new(), samples_new(), samples_new()};
    Side beside = {samples_new(), samples_new(), samples_new()};

    for (int round = 0; round < bench->rounds; round++) {
        HostileCrowd *crowd;

        time_block(bench, &alone);
        crowd = hostile_crowd_start(name, service_socket(bench->service));
        time_block(bench, &beside);
        hostile_crowd_end(crowd);
    }
    printf("\"%s\": {", name ? name : "everything");
    side_print("alone", &alone, ", ");
    side_print("beside", &beside, "}");
    fflush(stdout);
}

static gboolean
is_wanted(const Bench *bench, const char *name)
{
    g_auto(GStrv) kinds = g_strsplit(bench->kinds ? bench->kinds : name, ",", -1);

    return g_strv_contains((const char *const *)kinds, name);
}

static void
measure(Bench *bench)
{
    printf("{");
    for (const HostileKind *kind = hostile_kinds; kind->name; kind++) {
        if (!is_wanted(bench, kind->name))
            continue;
        time_kind(bench, kind->name);
        printf(",\n ");
    }
    if (is_wanted(bench, "everything")) {
        time_kind(bench, NULL);
        printf(",\n ");
    }
    printf("\"resident_kib\": %ld}\n", service_resident_kib(bench->service));
}

static void
parse(Bench *bench, int argc, char **argv)
{
    const GOptionEntry entries[] = {
        {"macvtapd", 0, 0, G_OPTION_ARG_FILENAME, &bench->macvtapd, "The daemon", "PROGRAM"},
        {"rounds", 0, 0, G_OPTION_ARG_INT, &bench->rounds, "Blocks of each side", "N"},
        {"kinds", 0, 0, G_OPTION_ARG_STRING, &bench->kinds, "Only these", "KIND,…"},
        {"realtime", 0, 0, G_OPTION_ARG_NONE, &bench->realtime, "SCHED_FIFO for the others", NULL},
        {NULL},
    };

    bench_parse(entries, argc, argv);
    if (!bench->macvtapd || bench->rounds < 1)
        bench_die("--macvtapd, and --rounds of at least 1", EINVAL);
}

int
main(int argc, char **argv)
{
    const struct sched_param first = {.sched_priority = 1};
    Bench bench = {.rounds = 10};
    g_autoptr(GError) error = NULL;

    parse(&bench, argc, argv);
    bench_enter_processes();
    bench_enter_namespaces();
    if (bench.realtime && sched_setscheduler(0, SCHED_FIFO, &first) < 0)
        bench_die("SCHED_FIFO", errno);
    bench.echo = echo_start();
    bench.service = service_start(bench.macvtapd, BENCH_FOLDER);
    bench.client = ask_connect(service_socket(bench.service), &error);
    if (!bench.client)
        bench_die(error->message, 0);
    measure(&bench);
    macvtap_client_free(bench.client);
    echo_free(bench.echo);
    service_free(bench.service);
    g_free(bench.macvtapd);
    g_free(bench.kinds);
    return 0;
}
