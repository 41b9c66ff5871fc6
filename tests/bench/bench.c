/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void
bench_parse(const GOptionEntry *entries, int argc, char **argv)
{
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error))
        bench_die(error->message, 0);
}

gint64
bench_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * G_GINT64_CONSTANT(1000000000) + now.tv_nsec;
}

double
bench_since(gint64 begin)
{
    return (double)(bench_now() - begin) / 1000.0;
}

void
bench_die(const char *what, int errnum)
{
    fprintf(stderr, "bench: %s%s%s\n", what, errnum ? ": " : "", errnum ? strerror(errnum) : "");
    exit(EXIT_FAILURE);
}

void
bench_write_file(const char *path, const char *text)
{
    g_autoptr(GError) error = NULL;

    if (!g_file_set_contents(path, text, -1, &error))
        bench_die(error->message, 0);
}

int
bench_next_index(void)
{
    static int last;

    /* Above all that the kernel counts to and that macvtapd chooses. */
    if (last == 0)
        last = (1 << 30) + g_random_int_range(0, 1 << 29);
    return ++last;
}

pid_t
bench_spawn(char *const *argv, char *const *envp, const int *fds, guint n_fds)
{
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int r;

    posix_spawn_file_actions_init(&actions);
    for (guint i = 0; i < n_fds; i++) {
        if (fds[i] >= 0)
            posix_spawn_file_actions_adddup2(&actions, fds[i], (int)i);
    }
    r = posix_spawn(&pid, argv[0], &actions, NULL, argv, envp);
    if (r != 0)
        bench_die(argv[0], r);
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

void
bench_wait(pid_t pid, const char *what)
{
    int status;

    if (waitpid(pid, &status, 0) != pid)
        bench_die("waitpid", errno);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        bench_die(what, ECHILD);
}

static gint
compare(gconstpointer a, gconstpointer b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

void
samples_print(const char *name, GArray *samples, const char *end)
{
    g_array_sort(samples, compare);
    printf("\"%s\": {\"p10\": %.1f, \"p50\": %.1f, \"p99\": %.1f}%s", name,
           g_array_index(samples, double, samples->len / 10),
           g_array_index(samples, double, samples->len / 2),
           g_array_index(samples, double, samples->len * 99 / 100), end);
}

GArray *
samples_new(void)
{
    return g_array_new(FALSE, FALSE, sizeof(double));
}
