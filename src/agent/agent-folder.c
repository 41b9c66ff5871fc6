/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A socket whose agent was killed refuses connections, and is removed by the next program that
 * looks. A lock on the folder keeps two of them from taking each other's new socket for a dead one.
 *
 * Root looks into the folders of other users, too, but changes nothing there: what it takes for a
 * folder may be a link to anything.
 */
#include "agent-folder.h"

#include "descriptor.h"
#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define FOLDER "macvtap-agent"
#define NAME_MAX_BYTES 48

static gboolean
set_address(struct sockaddr_un *address, const char *path, GError **error)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address->sun_path))
        return error_set_errno(error, ENAMETOOLONG, "%s", path);
    strcpy(address->sun_path, path);
    return TRUE;
}

char *
agent_folder_path(GError **error)
{
    const char *own = g_getenv("MACVTAP_AGENT_DIR"), *runtime = g_getenv("XDG_RUNTIME_DIR");
    g_autofree char *users = g_strdup_printf("/run/user/%u", (guint)geteuid());

    if (own && own[0])
        return g_strdup(own);
    if (geteuid() == 0)
        return g_strdup("/run/" FOLDER);
    if (!runtime || !runtime[0])
        runtime = users;
    if (access(runtime, W_OK) == 0)
        return g_build_filename(runtime, FOLDER, NULL);
    error_set_errno(error, errno,
                    "no folder for the agent's socket (MACVTAP_AGENT_DIR can name one): %s",
                    runtime);
    return NULL;
}

gboolean
agent_folder_make(const char *folder, GError **error)
{
    struct stat status;

    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return error_set_errno(error, errno, "cannot make %s", folder);
    if (lstat(folder, &status) != 0)
        return error_set_errno(error, errno, "%s", folder);
    if (!S_ISDIR(status.st_mode) || status.st_uid != geteuid() || (status.st_mode & 022) != 0)
        return error_set_errno(
            error, EPERM,
            "%s must be a folder that belongs to this user and that nobody else can write to",
            folder);
    return TRUE;
}

/* The folder, locked until it is closed. */
static int
lock_folder(const char *folder, GError **error)
{
    AUTO_FD int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd >= 0 && RETRY_EINTR(flock(fd, LOCK_EX)) == 0)
        return g_steal_fd(&fd);
    error_set_errno(error, errno, "cannot lock %s", folder);
    return -1;
}

/* Whether nobody listens there: an agent that is only slow is not dead. */
static gboolean
is_dead(const char *path)
{
    struct sockaddr_un address;
    AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    return fd >= 0 && set_address(&address, path, NULL) &&
           connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 && errno == ECONNREFUSED;
}

static int
listen_at(const char *path, GError **error)
{
    struct sockaddr_un address;
    AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (!set_address(&address, path, error))
        return -1;
    if (is_dead(path))
        unlink(path);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
        listen(fd, SOMAXCONN) == 0)
        return g_steal_fd(&fd);
    error_set_errno(error, errno, "cannot listen at %s", path);
    return -1;
}

char *
agent_folder_name(const char *name)
{
    gsize length = strnlen(name, NAME_MAX_BYTES);
    char *word;

    while (name[length] && ((guchar)name[length] & 0xc0) == 0x80)
        length--; /* not within a character of UTF-8 */
    word = g_strndup(name, length);
    for (char *c = word; *c; c++) {
        if (*c == '/' || (guchar)*c <= ' ' || *c == 0x7f || (*c == '.' && c == word))
            *c = '_';
    }
    return word;
}

int
agent_folder_listen(const char *folder, const char *name, int pid, char **ret_name, GError **error)
{
    g_autofree char *word = agent_folder_name(name);
    g_autofree char *longer = g_strdup_printf("%s.%d", word, pid);
    g_autofree char *path = g_build_filename(folder, word, NULL);
    g_autofree char *longer_path = g_build_filename(folder, longer, NULL);
    AUTO_FD int lock = lock_folder(folder, error);
    g_autoptr(GError) cause = NULL;
    int fd;

    if (lock < 0)
        return -1;
    fd = listen_at(path, &cause);
    if (fd >= 0) {
        *ret_name = g_steal_pointer(&word);
    } else if (error_is_errno(cause, EADDRINUSE)) {
        fd = listen_at(longer_path, error);
        *ret_name = fd >= 0 ? g_steal_pointer(&longer) : NULL;
    } else {
        g_propagate_error(error, g_steal_pointer(&cause));
    }
    return fd;
}

static void
agent_place_free(gpointer data)
{
    AgentPlace *place = data;

    g_free(place->name);
    g_free(place->path);
    g_free(place);
}

static void
add_place(GPtrArray *places, const char *folder, const char *name, gboolean is_own)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    AgentPlace *place;
    struct stat status;

    if (lstat(path, &status) != 0 || !S_ISSOCK(status.st_mode))
        return;
    if (is_dead(path)) {
        if (is_own)
            unlink(path);
        return;
    }
    place = g_new(AgentPlace, 1);
    *place = (AgentPlace){g_strdup(name), g_steal_pointer(&path)};
    g_ptr_array_add(places, place);
}

/* Without the folder there are no agents. */
static void
add_places(GPtrArray *places, const char *folder, gboolean is_own)
{
    AUTO_FD int lock = is_own ? lock_folder(folder, NULL) : -1;
    g_autoptr(GDir) names = is_own && lock < 0 ? NULL : g_dir_open(folder, 0, NULL);
    const char *name;

    while (names && (name = g_dir_read_name(names)))
        add_place(places, folder, name, is_own);
}

static void
add_places_of_users(GPtrArray *places)
{
    g_autoptr(GDir) users = g_dir_open("/run/user", 0, NULL);
    const char *user;

    while (users && (user = g_dir_read_name(users))) {
        g_autofree char *folder = g_build_filename("/run/user", user, FOLDER, NULL);

        add_places(places, folder, FALSE);
    }
}

static int
compare_places(gconstpointer a, gconstpointer b)
{
    return strcmp((*(AgentPlace *const *)a)->name, (*(AgentPlace *const *)b)->name);
}

GPtrArray *
agent_folder_list(GError **error)
{
    g_autofree char *folder = agent_folder_path(error);
    GPtrArray *places;

    if (!folder)
        return NULL;
    places = g_ptr_array_new_with_free_func(agent_place_free);
    add_places(places, folder, TRUE);
    if (geteuid() == 0)
        add_places_of_users(places);
    g_ptr_array_sort(places, compare_places);
    return places;
}
