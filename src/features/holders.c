/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "holders.h"

#include "descriptor.h"
#include "error.h"
#include "source.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

const Privileges holders_privileges = {
    .part = "holders",
    .system_calls = SYSTEM_CALLS({"epoll_ctl"}, {"epoll_wait"}, {"epoll_pwait"}, {"close"}),
};

/* How many ended processes one wakeup handles; if there are more, another wakeup follows at once.
 * */
#define EVENTS_PER_WAKEUP 256

/* A process, which may hold any number of ports. */
typedef struct Watched {
    Process process;
    GPtrArray *port_ids;
    int epoll_fd; /* the table that it is in, owned by Holders */
} Watched;

struct Holders {
    int epoll_fd;
    GSource *source;
    GHashTable *processes; /* of Watched, by pid and start time */
    GHashTable *by_pid;    /* pid -> Watched, the newest */
    GHashTable *by_port;   /* port id -> Watched */
    HoldersEnded ended;
    gpointer user_data;
};

static guint
watched_hash(gconstpointer data)
{
    const Watched *watched = data;

    return (guint)watched->process.pid ^ (guint)watched->process.start_time;
}

static gboolean
watched_equal(gconstpointer a, gconstpointer b)
{
    const Process *p = &((const Watched *)a)->process;
    const Process *q = &((const Watched *)b)->process;

    return p->pid == q->pid && p->start_time == q->start_time;
}

static void
watched_free(gpointer data)
{
    Watched *watched = data;

    /* Closing the pidfd does not remove it from the epoll set while the caller's connection has the
     * descriptor it was duplicated from, and the set would then return a freed Watched. */
    epoll_ctl(watched->epoll_fd, EPOLL_CTL_DEL, watched->process.pidfd, NULL);
    descriptor_clear(&watched->process.pidfd);
    g_ptr_array_unref(watched->port_ids);
    g_free(watched);
}

static void
forget(Holders *holders, Watched *watched)
{
    gpointer pid = GINT_TO_POINTER(watched->process.pid);

    if (g_hash_table_lookup(holders->by_pid, pid) == watched)
        g_hash_table_remove(holders->by_pid, pid);
    g_hash_table_remove(holders->processes, watched);
}

static gboolean
on_ready(int fd, GIOCondition condition, gpointer user_data)
{
    Holders *holders = user_data;
    struct epoll_event events[EVENTS_PER_WAKEUP];
    g_autoptr(GPtrArray) ids = g_ptr_array_new_with_free_func(g_free);
    int n = epoll_wait(holders->epoll_fd, events, EVENTS_PER_WAKEUP, 0);

    for (int i = 0; i < n; i++) {
        Watched *watched = events[i].data.ptr;

        for (guint j = 0; j < watched->port_ids->len; j++) {
            g_hash_table_remove(holders->by_port, watched->port_ids->pdata[j]);
            g_ptr_array_add(ids, g_strdup(watched->port_ids->pdata[j]));
        }
        forget(holders, watched);
    }
    if (ids->len > 0) {
        g_ptr_array_add(ids, NULL);
        holders->ended((const char *const *)ids->pdata, holders->user_data);
    }
    return G_SOURCE_CONTINUE;
}

Holders *
holders_new(HoldersEnded ended, gpointer user_data, GError **error)
{
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    Holders *holders;

    if (epoll_fd < 0) {
        error_set_errno(error, errno, "cannot watch processes");
        return NULL;
    }
    holders = g_new0(Holders, 1);
    holders->epoll_fd = epoll_fd;
    holders->processes = g_hash_table_new_full(watched_hash, watched_equal, watched_free, NULL);
    holders->by_pid = g_hash_table_new(NULL, NULL);
    holders->by_port = g_hash_table_new(g_str_hash, g_str_equal);
    holders->ended = ended;
    holders->user_data = user_data;
    holders->source = source_add_fd(epoll_fd, G_IO_IN, on_ready, holders, "holders");
    return holders;
}

void
holders_free(Holders *holders)
{
    if (!holders)
        return;
    source_clear(&holders->source);
    g_hash_table_unref(holders->by_port);
    g_hash_table_unref(holders->by_pid);
    g_hash_table_unref(holders->processes);
    descriptor_clear(&holders->epoll_fd);
    g_free(holders);
}

static Watched *
watch_process(Holders *holders, Process *process, GError **error)
{
    Watched *watched = g_new0(Watched, 1);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = watched};

    watched->process = *process;
    watched->epoll_fd = holders->epoll_fd;
    process->pidfd = -1;
    watched->port_ids = g_ptr_array_new_with_free_func(g_free);
    if (epoll_ctl(holders->epoll_fd, EPOLL_CTL_ADD, watched->process.pidfd, &event) < 0) {
        error_set_errno(error, errno, "cannot watch process %d", (int)watched->process.pid);
        watched_free(watched);
        return NULL;
    }
    g_hash_table_add(holders->processes, watched);
    g_hash_table_insert(holders->by_pid, GINT_TO_POINTER(watched->process.pid), watched);
    return watched;
}

gboolean
holders_add(Holders *holders, const char *port_id, Process *process, GError **error)
{
    Watched key = {.process = *process};
    Watched *watched = g_hash_table_lookup(holders->processes, &key);
    const Watched *before = g_hash_table_lookup(holders->by_port, port_id);
    char *id;

    if (!watched)
        watched = watch_process(holders, process, error);
    descriptor_clear(&process->pidfd);
    if (!watched)
        return FALSE;
    if (watched == before)
        return TRUE;
    holders_remove(holders, port_id);
    id = g_strdup(port_id);
    g_ptr_array_add(watched->port_ids, id);
    g_hash_table_insert(holders->by_port, id, watched);
    return TRUE;
}

gboolean
holders_find(Holders *holders, pid_t pid, guint64 *ret_start_time)
{
    const Watched *watched = g_hash_table_lookup(holders->by_pid, GINT_TO_POINTER(pid));

    if (!watched || process_has_ended(watched->process.pidfd))
        return FALSE;
    *ret_start_time = watched->process.start_time;
    return TRUE;
}

void
holders_remove(Holders *holders, const char *port_id)
{
    Watched *watched = g_hash_table_lookup(holders->by_port, port_id);
    guint index;

    if (!watched)
        return;
    g_hash_table_remove(holders->by_port, port_id);
    if (g_ptr_array_find_with_equal_func(watched->port_ids, port_id, g_str_equal, &index))
        g_ptr_array_remove_index_fast(watched->port_ids, index);
    if (watched->port_ids->len == 0)
        forget(holders, watched);
}
