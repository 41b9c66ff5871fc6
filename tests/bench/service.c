/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bench.h"
#include "test-namespace.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

struct Service {
    pid_t pid;
    char *socket;
};

static int
open_notify_socket(const char *path)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        bench_die(path, errno);
    return fd;
}

/* Waits for READY=1, or for the end of the process. */
static void
wait_ready(int notify, pid_t pid)
{
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd items[] = {{notify, POLLIN}, {pidfd, POLLIN}};
    char text[256];
    ssize_t n;

    do {
        if (poll(items, G_N_ELEMENTS(items), -1) < 0)
            bench_die("poll", errno);
        if (!(items[0].revents & POLLIN))
            bench_die("macvtapd ended before it was ready", 0);
        n = recv(notify, text, sizeof text - 1, 0);
        text[n > 0 ? n : 0] = '\0';
    } while (!strstr(text, "READY=1"));
    close(pidfd);
}

static void
write_network(const char *config)
{
    g_autofree char *folder = g_build_filename(config, "networks.d", NULL);
    g_autofree char *path = g_build_filename(folder, BENCH_NETWORK ".network", NULL);

    if (g_mkdir_with_parents(folder, 0755) < 0)
        bench_die(folder, errno);
    bench_write_file(path, "[Network]\nParent=" BENCH_PARENT "\nMode=bridge\n");
}

static void
enter_apart(ServiceBpf bpf)
{
    if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 || mount("sysfs", "/sys", "sysfs", 0, NULL) < 0 ||
        (bpf == SERVICE_WITH_BPF && mount("bpf", "/sys/fs/bpf", "bpf", 0, "mode=700") < 0))
        bench_die("namespaces of another macvtapd", errno);
    test_link_set_up("lo", TRUE);
    test_veth_add(BENCH_PARENT, "up1");
}

/* The namespaces are the child's alone: nobody looks into them but the daemon that it becomes. */
static pid_t
spawn_apart(char *const *argv, char *const *envp, ServiceBpf bpf)
{
    pid_t pid = fork();

    if (pid < 0)
        bench_die("fork", errno);
    if (pid > 0)
        return pid;
    enter_apart(bpf);
    execve(argv[0], argv, envp);
    bench_die(argv[0], errno);
}

typedef enum ServicePlace { SERVICE_HERE, SERVICE_APART } ServicePlace;

static Service *
start_in(ServicePlace place, ServiceBpf bpf, const char *program, const char *folder)
{
    g_autofree char *config = g_build_filename(folder, "config", NULL);
    g_autofree char *state = g_build_filename(folder, "state", NULL);
    g_autofree char *notify_path = g_build_filename(folder, "notify", NULL);
    g_autofree char *notify = g_strconcat("NOTIFY_SOCKET=", notify_path, NULL);
    Service *service = g_new0(Service, 1);
    char *envp[] = {notify, "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    char *argv[] = {(char *)program, "--config", config, "--state", state, "--socket", NULL, NULL};
    int fd;

    service->socket = argv[G_N_ELEMENTS(argv) - 2] = g_build_filename(folder, "socket", NULL);
    write_network(config);
    fd = open_notify_socket(notify_path);
    service->pid =
        place == SERVICE_APART ? spawn_apart(argv, envp, bpf) : bench_spawn(argv, envp, NULL, 0);
    wait_ready(fd, service->pid);
    close(fd);
    return service;
}

Service *
service_start(const char *program, const char *folder)
{
    return start_in(SERVICE_HERE, SERVICE_WITH_BPF, program, folder);
}

Service *
service_start_apart(const char *program, const char *folder, ServiceBpf bpf)
{
    return start_in(SERVICE_APART, bpf, program, folder);
}

const char *
service_socket(const Service *service)
{
    return service->socket;
}

long
service_resident_kib(const Service *service)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)service->pid);
    g_autofree char *text = NULL;
    const char *line;

    if (!g_file_get_contents(path, &text, NULL, NULL) || !(line = strstr(text, "\nVmRSS:")))
        bench_die(path, EIO);
    return atol(line + strlen("\nVmRSS:"));
}

/* Its ports' nodes, which wait for the next macvtapd in its namespace. */
static char *
nodes_folder(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/ns/net", (int)pid);
    struct stat status;

    if (stat(path, &status) < 0)
        bench_die(path, errno);
    return g_strdup_printf("/dev/macvtapd-%llu", (unsigned long long)status.st_ino);
}

static void
remove_folder(const char *folder)
{
    GDir *entries = g_dir_open(folder, 0, NULL);

    for (const char *name = NULL; entries && (name = g_dir_read_name(entries));) {
        g_autofree char *path = g_build_filename(folder, name, NULL);

        unlink(path);
    }
    g_clear_pointer(&entries, g_dir_close);
    rmdir(folder);
}

void
service_free(Service *service)
{
    g_autofree char *nodes = nodes_folder(service->pid);

    kill(service->pid, SIGTERM);
    bench_wait(service->pid, "macvtapd");
    remove_folder(nodes);
    g_free(service->socket);
    g_free(service);
}
