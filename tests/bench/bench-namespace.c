/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bench.h"
#include "test-namespace.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SKIP 77

static G_NORETURN void
skip(const char *reason)
{
    fprintf(stderr, "bench: %s\n", reason);
    exit(SKIP);
}

void
bench_enter_processes(void)
{
    int status = 0;
    pid_t pid;

    if (unshare(CLONE_NEWPID) < 0)
        skip("needs root for namespaces of its own");
    pid = fork();
    if (pid < 0)
        bench_die("fork", errno);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        return;
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    exit(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE);
}

void
bench_enter_namespaces(void)
{
    const char *reason = test_namespace_enter();
    struct rlimit files;

    if (reason)
        skip(reason);
    if (mount("proc", "/proc", "proc", 0, NULL) < 0 ||
        mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") < 0 ||
        mkdir(BENCH_FOLDER, 0755) < 0)
        bench_die("a private /proc and /run", errno);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    if (files.rlim_max < 2048 || setrlimit(RLIMIT_NOFILE, &files) < 0)
        bench_die("room for 2048 descriptors (ulimit -Hn)", errno);
    test_veth_add(BENCH_PARENT, "up1");
}
