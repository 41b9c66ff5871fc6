/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A queue is an open file description, which any copy of its descriptor keeps open. To detect its
 * end, each queue is opened exactly once, through its own device node in a folder of /dev that only
 * root can enter. inotify(7) reports the end of the description as IN_CLOSE_WRITE of that node,
 * whichever process closed the last copy.
 *
 * A daemon that starts later missed the earlier events. So each queue is locked (an OFD lock,
 * fcntl(2)) before it is handed out, and /proc/locks tells which nodes still have an open queue.
 * The kernel reports the close a moment before it drops the lock (__fput(), fs/file_table.c): a
 * queue that is just closing when the daemon starts looks open and reports nothing more. Hence the
 * daemon checks the locks several times after its start, on a fixed schedule, and likewise after
 * lost events.
 *
 * An O_PATH descriptor of the node opens no queue and keeps none alive. Only root can open the node
 * again, through /proc/PID/fd; the second IN_OPEN reveals that, and from then on only the lock
 * counts for that queue.
 *
 * Nodes are called OWNER.N. The folder's name has the number of the network namespace, in which
 * there is one daemon; the folder is removed with its last node.
 */
#include "queue.h"

#include "queue-folder.h"
#include "queue-locks.h"

#include "descriptor.h"
#include "error.h"
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

const Privileges queue_privileges = {
    .part = "ends of queues",
    .capabilities = CAPABILITY(CAP_MKNOD),
    .system_calls = SYSTEM_CALLS({"mkdirat"}, {"mknodat"}, {"unlinkat"}, {"openat"}, {"newfstatat"},
                                 {"fstat"}, {"read"}, {"close"}, {"fcntl", 2, F_OFD_SETLK},
                                 {"inotify_add_watch"}, {"inotify_rm_watch"}),
};

#define EVENT_BUFFER 16384

/* When to check the locks again, in milliseconds after the previous check. */
static const guint look_delays[] = {0, 100, 1000};

typedef struct Queue {
    char *owner;
    char *name; /* of its node */
    FileKey key;
    int watch;
    gboolean is_reopened; /* another process opened the node, too: the close may be its own */
} Queue;

struct Queues {
    QueueFolder *folder;
    int inotify_fd;
    GHashTable *by_watch; /* inotify watch -> Queue, owned */
    GHashTable *by_owner; /* owner -> GPtrArray of Queue */
    GSource *events;
    GSource *look;
    guint next_look; /* index in look_delays */
    QueueHandler handler;
    gpointer user_data;
};

static void
queue_free(gpointer data)
{
    Queue *queue = data;

    g_free(queue->owner);
    g_free(queue->name);
    g_free(queue);
}

Queues *
queues_new(int dev_fd, GError **error)
{
    Queues *queues = g_new0(Queues, 1);

    queues->by_watch = g_hash_table_new_full(NULL, NULL, NULL, queue_free);
    queues->by_owner =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
    queues->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (queues->inotify_fd < 0)
        error_set_errno(error, errno, "cannot watch queues (inotify)");
    else
        queues->folder = queue_folder_new(dev_fd, error);
    if (queues->folder)
        return queues;
    queues_free(queues);
    return NULL;
}

void
queues_free(Queues *queues)
{
    if (!queues)
        return;
    source_clear(&queues->events);
    source_clear(&queues->look);
    g_hash_table_unref(queues->by_owner);
    g_hash_table_unref(queues->by_watch);
    descriptor_clear(&queues->inotify_fd);
    queue_folder_free(queues->folder);
    g_free(queues);
}

void
queues_clean_up(Queues *queues)
{
    queue_folder_clean_up(queues->folder);
    if (g_hash_table_size(queues->by_watch) == 0)
        queue_folder_drop(queues->folder);
}

void
queues_drop_node(Queues *queues, const char *name)
{
    queue_folder_remove_node(queues->folder, name);
    queues_clean_up(queues);
}

int
queues_open_node(Queues *queues, const char *owner, dev_t device, char **ret_name, GError **error)
{
    int fd = queue_folder_open_node(queues->folder, owner, queues_count(queues, owner), device,
                                    ret_name, error);

    if (fd < 0)
        queues_clean_up(queues);
    return fd;
}

static gboolean
lock_queue(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    return RETRY_EINTR(fcntl(fd, F_OFD_SETLK, &lock)) == 0;
}

/* fd: of the node, whatever it was opened for. inotify's number of a watch on the node; -1 and
 * errno. */
static int
watch_node(Queues *queues, int fd)
{
    char path[sizeof "/proc/self/fd/" + 10];

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return inotify_add_watch(queues->inotify_fd, path, IN_CLOSE_WRITE | IN_OPEN);
}

static GPtrArray *
queues_of(Queues *queues, const char *owner)
{
    GPtrArray *list = g_hash_table_lookup(queues->by_owner, owner);

    if (!list) {
        list = g_ptr_array_new();
        g_hash_table_insert(queues->by_owner, g_strdup(owner), list);
    }
    return list;
}

static Queue *
add_queue(Queues *queues, const char *owner, const char *name, int watch, const struct stat *status)
{
    Queue *queue = g_new0(Queue, 1);

    queue->owner = g_strdup(owner);
    queue->name = g_strdup(name);
    queue->key = (FileKey){.device = status->st_dev, .inode = status->st_ino};
    queue->watch = watch;
    g_hash_table_insert(queues->by_watch, GINT_TO_POINTER(watch), queue);
    g_ptr_array_add(queues_of(queues, owner), queue);
    return queue;
}

gboolean
queues_add(Queues *queues, const char *owner, const char *name, int fd, GError **error)
{
    struct stat status;
    int watch;

    if (fstat(fd, &status) < 0 || !lock_queue(fd))
        return error_set_errno(error, errno, "cannot lock a queue");
    watch = watch_node(queues, fd);
    if (watch < 0 && errno == ENOSPC)
        return error_set_errno(error, errno,
                               "cannot watch another queue; raise fs.inotify.max_user_watches");
    if (watch < 0)
        return error_set_errno(error, errno, "cannot watch a queue");
    add_queue(queues, owner, name, watch, &status);
    return TRUE;
}

/* The queue has ended or was forgotten: removes its node. */
static void
remove_queue(Queues *queues, Queue *queue)
{
    GPtrArray *list = g_hash_table_lookup(queues->by_owner, queue->owner);

    g_ptr_array_remove_fast(list, queue);
    if (list->len == 0)
        g_hash_table_remove(queues->by_owner, queue->owner);
    inotify_rm_watch(queues->inotify_fd, queue->watch);
    queue_folder_remove_node(queues->folder, queue->name);
    g_hash_table_remove(queues->by_watch, GINT_TO_POINTER(queue->watch));
}

/* A set of owners that had a queue end. */
static GHashTable *
owners_new(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

static void
end_queue(Queues *queues, Queue *queue, GHashTable *owners)
{
    g_hash_table_add(owners, g_strdup(queue->owner));
    remove_queue(queues, queue);
}

static void
tell_owners(Queues *queues, GHashTable *owners)
{
    g_autofree gpointer *list = g_hash_table_get_keys_as_array(owners, NULL);

    queues_clean_up(queues);
    if (list[0] && queues->handler)
        queues->handler((const char *const *)list, queues->user_data);
}

/* Ends the queues whose lock is gone. FALSE: the locks cannot be read, so all queues stay. */
static gboolean
end_unlocked(Queues *queues, GHashTable *owners, GError **error)
{
    g_autoptr(GHashTable) locked = file_keys_new();
    g_autoptr(GList) all = NULL;

    if (!locks_read(locked, error))
        return FALSE;
    all = g_hash_table_get_values(queues->by_watch);
    for (GList *link = all; link; link = link->next) {
        Queue *queue = link->data;

        if (!g_hash_table_contains(locked, &queue->key))
            end_queue(queues, queue, owners);
    }
    return TRUE;
}

static gboolean on_look(gpointer user_data);

static void
schedule_look(Queues *queues)
{
    source_clear(&queues->look);
    if (queues->next_look >= G_N_ELEMENTS(look_delays))
        return;
    queues->look =
        source_add_timeout(look_delays[queues->next_look++], on_look, queues, "look at locks");
}

static void
begin_looks(Queues *queues)
{
    queues->next_look = 0;
    schedule_look(queues);
}

static gboolean
on_look(gpointer user_data)
{
    Queues *queues = user_data;
    g_autoptr(GHashTable) owners = owners_new();

    end_unlocked(queues, owners, NULL);
    schedule_look(queues);
    tell_owners(queues, owners);
    return G_SOURCE_REMOVE;
}

/* Another process opened the node, too. One such event is enough, and it could cause any number. */
static void
on_reopened(Queues *queues, Queue *queue)
{
    char path[QUEUE_NODE_PATH_SIZE];

    queue->is_reopened = TRUE;
    queue_folder_node_path(queues->folder, queue->name, path, sizeof path);
    inotify_add_watch(queues->inotify_fd, path, IN_CLOSE_WRITE);
}

static void
handle_event(Queues *queues, const struct inotify_event *event, GHashTable *owners)
{
    Queue *queue = g_hash_table_lookup(queues->by_watch, GINT_TO_POINTER(event->wd));

    if (event->mask & IN_Q_OVERFLOW)
        begin_looks(queues);
    if (!queue)
        return;
    if (event->mask & IN_OPEN)
        on_reopened(queues, queue);
    if (!(event->mask & IN_CLOSE_WRITE))
        return;
    if (queue->is_reopened)
        begin_looks(queues);
    else
        end_queue(queues, queue, owners);
}

/* FALSE: no event was there. */
static gboolean
handle_events(Queues *queues)
{
    char buffer[EVENT_BUFFER] __attribute__((aligned(__alignof__(struct inotify_event))));
    gssize n = RETRY_EINTR(read(queues->inotify_fd, buffer, sizeof buffer));
    g_autoptr(GHashTable) owners = owners_new();

    for (gssize at = 0; at < n;) {
        const struct inotify_event *event = (const struct inotify_event *)(buffer + at);

        handle_event(queues, event, owners);
        at += (gssize)sizeof *event + event->len;
    }
    tell_owners(queues, owners);
    return n > 0;
}

static gboolean
on_events(gint fd, GIOCondition condition, gpointer user_data)
{
    handle_events(user_data);
    return G_SOURCE_CONTINUE;
}

void
queues_catch_up(Queues *queues)
{
    while (handle_events(queues))
        ;
}

/* QueueNodeVisitor */
static gboolean
take_up_node(const char *owner, const char *name, int node_fd, gpointer user_data)
{
    Queues *queues = user_data;
    struct stat status;
    int watch;

    if (fstat(node_fd, &status) < 0)
        return FALSE;
    watch = watch_node(queues, node_fd);
    if (watch >= 0)
        add_queue(queues, owner, name, watch, &status);
    return watch >= 0;
}

/* Adopts the queues that an earlier daemon opened. */
static gboolean
recover(Queues *queues, GError **error)
{
    g_autoptr(GHashTable) owners = owners_new();

    /* The watches are set before the locks are read, so later closes are reported. */
    if (!queue_folder_take_up(queues->folder, take_up_node, queues, error))
        return FALSE;
    if (g_hash_table_size(queues->by_watch) > 0 && !end_unlocked(queues, owners, error))
        return FALSE;
    queues_clean_up(queues);
    if (g_hash_table_size(queues->by_watch) > 0)
        begin_looks(queues);
    return TRUE;
}

gboolean
queues_watch(Queues *queues, QueueHandler handler, gpointer user_data, GError **error)
{
    if (g_hash_table_size(queues->by_watch) == 0 && !recover(queues, error))
        return FALSE;
    queues->handler = handler;
    queues->user_data = user_data;
    queues->events =
        source_add_fd(queues->inotify_fd, G_IO_IN, on_events, queues, "ends of queues");
    return TRUE;
}

guint
queues_count(Queues *queues, const char *owner)
{
    const GPtrArray *list = g_hash_table_lookup(queues->by_owner, owner);

    return list ? list->len : 0;
}

GPtrArray *
queues_owners(Queues *queues)
{
    GPtrArray *owners = g_ptr_array_new_with_free_func(g_free);
    GHashTableIter iter;
    gpointer owner;

    g_hash_table_iter_init(&iter, queues->by_owner);
    while (g_hash_table_iter_next(&iter, &owner, NULL))
        g_ptr_array_add(owners, g_strdup(owner));
    return owners;
}

void
queues_forget_last(Queues *queues, const char *owner, guint n)
{
    GPtrArray *list;

    while (n-- > 0 && (list = g_hash_table_lookup(queues->by_owner, owner)))
        remove_queue(queues, list->pdata[list->len - 1]);
    queues_clean_up(queues);
}

void
queues_forget(Queues *queues, const char *owner)
{
    queues_forget_last(queues, owner, queues_count(queues, owner));
}
