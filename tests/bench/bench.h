/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ways to a tap descriptor that attach-bench.c times against each other. All in microseconds.
 * Everything here ends the program with a message when it fails: a bench has nothing to go on with.
 */
#pragma once

#include "ask.h"

#include <glib.h>
#include <sys/types.h>

#define BENCH_PARENT "up0"
#define BENCH_BRIDGE "br0"
#define BENCH_NETWORK "lan"
#define BENCH_FOLDER "/run/bench"

/* Links of the floor and of the shell carry this group, so that they go away together. */
#define BENCH_GROUP 77

/* bench.c */
void bench_parse(const GOptionEntry *entries, int argc, char **argv);
gint64 bench_now(void); /* nanoseconds */
double bench_since(gint64 begin);
G_NORETURN void bench_die(const char *what, int errnum);
void bench_write_file(const char *path, const char *text);
/* An ifindex, and with it a /dev/tapN, that no other namespace of this machine is likely to use. */
int bench_next_index(void);
pid_t bench_spawn(char *const *argv, char *const *envp, const int *fds, guint n_fds);
/* Waits for the process; ends the program unless it exited with 0. */
void bench_wait(pid_t pid, const char *what);

/* bench-namespace.c: everything after this runs under an init of its own: however the program ends,
 * nothing that it started outlives it. */
void bench_enter_processes(void);
/* Namespaces with BENCH_PARENT, an empty /run with BENCH_FOLDER, and room for many descriptors. */
void bench_enter_namespaces(void);

/* Times in microseconds. */
GArray *samples_new(void);
void samples_print(const char *name, GArray *samples, const char *end);

/* bare-netlink.c: what the kernel itself takes, for a link with this index, also with a program on
 * each of its two hooks; the end of one link, and of all of BENCH_GROUP. */
int bare_attach(int index, gboolean has_programs, double *ret_us);
void bare_delete(int index);
void bare_delete_group(void);

/* shell.c: a shell that is running already. */
typedef struct Shell Shell;
Shell *shell_start(void);
void shell_attach(Shell *shell, double *ret_us);
void shell_free(Shell *shell);

/* service.c: a macvtapd of our own. service_start_apart(): in another network namespace, where it
 * has a BENCH_PARENT of its own, and without a BPF file system guards nothing. */
typedef struct Service Service;
typedef enum ServiceBpf { SERVICE_WITH_BPF, SERVICE_WITHOUT_BPF } ServiceBpf;
Service *service_start(const char *program, const char *folder);
Service *service_start_apart(const char *program, const char *folder, ServiceBpf bpf);
const char *service_socket(const Service *service);
long service_resident_kib(const Service *service);
void service_free(Service *service);

/* echo.c: another process, which sends back what it gets and does nothing else. */
typedef struct Echo Echo;
Echo *echo_start(void);
double echo_time(Echo *echo);
void echo_free(Echo *echo);

/* helper.c: what QEMU does with helper=, to the end of the process. Returns the descriptor. */
int helper_attach(char *const *argv, double *ret_us);
