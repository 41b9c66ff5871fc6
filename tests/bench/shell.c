/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The idiom that guides teach. The shell runs already: its own start is not timed, nor is the close
 * of the queue (an RCU grace period).
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

struct Shell {
    pid_t pid;
    int commands, answers;
};

Shell *
shell_start(void)
{
    char *argv[] = {"/bin/sh", NULL};
    int commands[2], answers[2];
    Shell *shell = g_new0(Shell, 1);

    if (pipe2(commands, O_CLOEXEC) < 0 || pipe2(answers, O_CLOEXEC) < 0)
        bench_die("pipe", errno);
    shell->pid = bench_spawn(argv, environ, (int[]){commands[0], answers[1]}, 2);
    close(commands[0]);
    close(answers[1]);
    shell->commands = commands[1];
    shell->answers = answers[0];
    return shell;
}

/* The shell reads the line byte by byte; it is in its memory before anything of it runs. */
static void
say(Shell *shell, const char *line)
{
    char answer;
    gsize length = strlen(line);

    if (write(shell->commands, line, length) != (ssize_t)length)
        bench_die("the shell", errno);
    if (read(shell->answers, &answer, 1) != 1 || answer != '.')
        bench_die("the shell could not do it", 0);
}

void
shell_attach(Shell *shell, double *ret_us)
{
    int index = bench_next_index();
    char name[16];
    g_autofree char *line = NULL;
    gint64 begin;

    snprintf(name, sizeof name, "s%d", index);
    line = g_strdup_printf("ip link add link " BENCH_PARENT " name %s index %d group %d"
                           " type macvtap mode bridge && ip link set %s up &&"
                           " exec 3<>/dev/tap$(cat /sys/class/net/%s/ifindex) && printf .\n",
                           name, index, BENCH_GROUP, name, name);
    begin = bench_now();
    say(shell, line);
    *ret_us = bench_since(begin);
    say(shell, "exec 3>&-; printf .\n");
}

void
shell_free(Shell *shell)
{
    close(shell->commands);
    close(shell->answers);
    bench_wait(shell->pid, "the shell");
    g_free(shell);
}
