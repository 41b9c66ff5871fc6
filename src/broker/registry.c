/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A record has two lives, told by its file's name alone, so that going from one to the other is one
 * rename(2): "ID.creating" is written before the device exists and becomes "ID" when the device is
 * whole and before the caller hears of it. After a crash
 *   - a damaged ID.creating means that nothing was made yet (it is written before the device);
 *   - a whole ID.creating means that the device may exist in part: remove it, then the file;
 *   - ID means that the caller may know of the port.
 * Removing goes the other way: the file becomes "ID.deleting", then the device goes, the file last.
 */
#include "registry.h"

#include "descriptor.h"
#include "error.h"
#include "file.h"
#include "port-error.h"
#include "record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define CREATING_SUFFIX ".creating"
#define DELETING_SUFFIX ".deleting"
#define DAMAGED_SUFFIX ".damaged"

/* On top of file_privileges. */
const Privileges registry_privileges = {
    .part = "records",
    .system_calls = SYSTEM_CALLS({"renameat"}, {"renameat2"}, {"unlinkat"}),
};

struct Registry {
    int folder_fd;
    GQueue *ports;     /* of Port, owned, in the order of making */
    GHashTable *by_id; /* each: text -> its link in ports */
    GHashTable *by_name;
    GHashTable *by_interface;
    GHashTable *by_index; /* ifindex -> link */
    GHashTable *by_mac;   /* MAC -> GSList of Port */
    GHashTable *accounts; /* port_account() -> number of ports */
};

static guint
mac_hash(gconstpointer key)
{
    guint32 low;

    /* Of the six octets the last four differ, where any do. */
    memcpy(&low, ((const MacAddress *)key)->octets + 2, sizeof(low));
    return low;
}

static gboolean
mac_equal(gconstpointer a, gconstpointer b)
{
    return mac_address_equal(a, b);
}

/* A list's key is its first port's MAC, so the list goes in anew when that port changes. */
static void
add_mac(Registry *registry, Port *port)
{
    GSList *ports = g_hash_table_lookup(registry->by_mac, &port->mac);

    g_hash_table_replace(registry->by_mac, &port->mac, g_slist_prepend(ports, port));
}

static void
remove_mac(Registry *registry, Port *port)
{
    GSList *ports = g_hash_table_lookup(registry->by_mac, &port->mac);

    ports = g_slist_remove(ports, port);
    if (ports)
        g_hash_table_replace(registry->by_mac, &((Port *)ports->data)->mac, ports);
    else
        g_hash_table_remove(registry->by_mac, &port->mac);
}

static void
tables_add(Registry *registry, Port *port)
{
    GList *link;
    gpointer account = GUINT_TO_POINTER(port_account(port));
    guint owned = GPOINTER_TO_UINT(g_hash_table_lookup(registry->accounts, account));

    g_queue_push_tail(registry->ports, port);
    link = g_queue_peek_tail_link(registry->ports);
    g_hash_table_insert(registry->by_id, port->id, link);
    g_hash_table_insert(registry->by_name, port->name, link);
    g_hash_table_insert(registry->by_interface, port->interface_name, link);
    g_hash_table_insert(registry->by_index, GINT_TO_POINTER(port->interface_index), link);
    add_mac(registry, port);
    g_hash_table_insert(registry->accounts, account, GUINT_TO_POINTER(owned + 1));
}

static void
tables_remove(Registry *registry, Port *port)
{
    GList *link = g_hash_table_lookup(registry->by_id, port->id);
    gpointer account = GUINT_TO_POINTER(port_account(port));
    guint owned = GPOINTER_TO_UINT(g_hash_table_lookup(registry->accounts, account));

    g_hash_table_remove(registry->by_id, port->id);
    g_hash_table_remove(registry->by_name, port->name);
    g_hash_table_remove(registry->by_interface, port->interface_name);
    g_hash_table_remove(registry->by_index, GINT_TO_POINTER(port->interface_index));
    remove_mac(registry, port);
    if (owned > 1)
        g_hash_table_insert(registry->accounts, account, GUINT_TO_POINTER(owned - 1));
    else
        g_hash_table_remove(registry->accounts, account);
    g_queue_delete_link(registry->ports, link);
    port_free(port);
}

static int
open_locked_folder(int state_fd, GError **error)
{
    AUTO_FD int fd = -1;

    if (mkdirat(state_fd, "ports", 0700) < 0 && errno != EEXIST) {
        error_set_errno(error, errno, "cannot make the folder 'ports' in the state folder");
        return -1;
    }
    fd = RETRY_EINTR(openat(state_fd, "ports", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    if (fd < 0) {
        error_set_errno(error, errno, "cannot open the folder 'ports' in the state folder");
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK)
            port_error_set(error, PORT_ERROR_SYSTEM, "another macvtapd uses this state folder");
        else
            error_set_errno(error, errno, "cannot lock the state folder");
        return -1;
    }
    return g_steal_fd(&fd);
}

Registry *
registry_new(int state_fd, GError **error)
{
    AUTO_FD int state = state_fd;
    int folder_fd = open_locked_folder(state, error);
    Registry *registry;

    if (folder_fd < 0)
        return NULL;
    registry = g_new0(Registry, 1);
    registry->folder_fd = folder_fd;
    registry->ports = g_queue_new();
    registry->by_id = g_hash_table_new(g_str_hash, g_str_equal);
    registry->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    registry->by_interface = g_hash_table_new(g_str_hash, g_str_equal);
    registry->by_index = g_hash_table_new(NULL, NULL);
    registry->by_mac = g_hash_table_new(mac_hash, mac_equal);
    registry->accounts = g_hash_table_new(NULL, NULL);
    return registry;
}

static void
free_port(gpointer port)
{
    port_free(port);
}

static void
free_list(gpointer key, gpointer list, gpointer user_data)
{
    g_slist_free(list);
}

void
registry_free(Registry *registry)
{
    if (!registry)
        return;
    g_hash_table_unref(registry->by_id);
    g_hash_table_unref(registry->by_name);
    g_hash_table_unref(registry->by_interface);
    g_hash_table_unref(registry->by_index);
    g_hash_table_foreach(registry->by_mac, free_list, NULL);
    g_hash_table_unref(registry->by_mac);
    g_hash_table_unref(registry->accounts);
    g_queue_free_full(registry->ports, free_port);
    descriptor_clear(&registry->folder_fd);
    g_free(registry);
}

static void
set_aside(Registry *registry, const char *file, const GError *why, GPtrArray *problems)
{
    g_autofree char *damaged = g_strconcat(file, DAMAGED_SUFFIX, NULL);

    renameat(registry->folder_fd, file, registry->folder_fd, damaged);
    g_ptr_array_add(
        problems, g_strdup_printf("record %s is set aside as %s: %s", file, damaged, why->message));
}

static Port *
take_record(Registry *registry, const char *text, gsize length, const char *id, GError **error)
{
    g_autoptr(Port) port = NULL;

    port = record_parse(text, length, error);
    if (!port)
        return NULL;
    if (!g_str_equal(port->id, id)) {
        port_error_set(error, PORT_ERROR_SYSTEM, "it is the record of %s", port->id);
        return NULL;
    }
    if (registry_find(registry, port->id) || g_hash_table_contains(registry->by_name, port->name) ||
        g_hash_table_contains(registry->by_interface, port->interface_name) ||
        g_hash_table_contains(registry->by_index, GINT_TO_POINTER(port->interface_index))) {
        port_error_set(error, PORT_ERROR_SYSTEM, "another record has the same name or interface");
        return NULL;
    }
    return g_steal_pointer(&port);
}

/* The port, or why it is none. FALSE: it could not be read now, which says nothing of the record.
 */
static gboolean
read_record(Registry *registry, const char *file, const char *id, Port **ret_port, GError **ret_why,
            GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) cause = NULL;
    gsize length = 0;

    *ret_port = NULL;
    if (file_read_at(registry->folder_fd, file, RECORD_SIZE_MAX, &text, &length, &cause)) {
        *ret_port = take_record(registry, text, length, id, ret_why);
        return TRUE;
    }
    if (file_error_is_lasting(cause)) {
        g_propagate_error(ret_why, g_steal_pointer(&cause));
        return TRUE;
    }
    g_propagate_prefixed_error(error, g_steal_pointer(&cause), "record of a port: ");
    return FALSE;
}

/* How the file of a port that was not whole ends, or NULL. */
static const char *
unfinished_suffix(const char *file)
{
    if (g_str_has_suffix(file, CREATING_SUFFIX))
        return CREATING_SUFFIX;
    return g_str_has_suffix(file, DELETING_SUFFIX) ? DELETING_SUFFIX : NULL;
}

static gboolean
load_unfinished(Registry *registry, const char *file, const char *suffix, GPtrArray *unfinished,
                GError **error)
{
    g_autofree char *id = g_strndup(file, strlen(file) - strlen(suffix));
    Port *port;

    if (!read_record(registry, file, id, &port, NULL, error))
        return FALSE;
    if (port) {
        if (g_str_equal(suffix, CREATING_SUFFIX))
            port->state = PORT_STATE_CREATING;
        g_ptr_array_add(unfinished, port);
    } else {
        unlinkat(registry->folder_fd, file, 0);
    }
    return TRUE;
}

static gboolean
load_final(Registry *registry, const char *file, GPtrArray *problems, GError **error)
{
    g_autoptr(GError) why = NULL;
    Port *port;

    if (!read_record(registry, file, file, &port, &why, error))
        return FALSE;
    if (port)
        tables_add(registry, port);
    else
        set_aside(registry, file, why, problems);
    return TRUE;
}

static gint
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static GPtrArray *
list_files(Registry *registry, GError **error)
{
    g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
    int fd = RETRY_EINTR(openat(registry->folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    int errnum;

    if (!folder) {
        error_set_errno(error, errno, "cannot read the records");
        descriptor_clear(&fd);
        return NULL;
    }
    while (errno = 0, (entry = readdir(folder))) {
        if (file_is_temporary(entry->d_name)) /* a daemon was killed before it could rename it */
            unlinkat(registry->folder_fd, entry->d_name, 0);
        if (entry->d_name[0] == '.' || g_str_has_suffix(entry->d_name, DAMAGED_SUFFIX))
            continue;
        g_ptr_array_add(files, g_strdup(entry->d_name));
    }
    errnum = errno;
    closedir(folder);
    if (errnum != 0) { /* without its record a device would look like an orphan */
        error_set_errno(error, errnum, "cannot read the records");
        return NULL;
    }
    g_ptr_array_sort(files, compare_names);
    return g_steal_pointer(&files);
}

gboolean
registry_load(Registry *registry, GPtrArray **ret_unfinished, GPtrArray **ret_problems,
              GError **error)
{
    g_autoptr(GPtrArray) files = list_files(registry, error);
    g_autoptr(GPtrArray) unfinished = g_ptr_array_new_with_free_func(free_port);
    g_autoptr(GPtrArray) problems = g_ptr_array_new_with_free_func(g_free);

    if (!files)
        return FALSE;
    for (guint i = 0; i < files->len; i++) {
        if (!unfinished_suffix(files->pdata[i]) &&
            !load_final(registry, files->pdata[i], problems, error))
            return FALSE;
    }
    for (guint i = 0; i < files->len; i++) {
        const char *suffix = unfinished_suffix(files->pdata[i]);

        if (suffix && !load_unfinished(registry, files->pdata[i], suffix, unfinished, error))
            return FALSE;
    }
    *ret_unfinished = g_steal_pointer(&unfinished);
    *ret_problems = g_steal_pointer(&problems);
    return TRUE;
}

static char *
creating_name(const char *id)
{
    return g_strconcat(id, CREATING_SUFFIX, NULL);
}

static char *
deleting_name(const char *id)
{
    return g_strconcat(id, DELETING_SUFFIX, NULL);
}

gboolean
registry_begin(Registry *registry, const Port *port, GError **error)
{
    g_autofree char *file = creating_name(port->id);
    g_autofree char *text = NULL;
    gsize length;

    text = record_format(port, &length, error);
    return text && file_write_at(registry->folder_fd, file, text, length, error);
}

gboolean
registry_commit(Registry *registry, Port *port, GError **error)
{
    g_autofree char *file = creating_name(port->id);

    if (renameat(registry->folder_fd, file, registry->folder_fd, port->id) < 0)
        return error_set_errno(error, errno, "cannot make the record of port %s final", port->id);
    port->state = PORT_STATE_ACTIVE;
    tables_add(registry, port);
    return TRUE;
}

void
registry_keep_unfinished(Registry *registry, Port *port)
{
    tables_add(registry, port);
}

void
registry_abort(Registry *registry, const char *id)
{
    g_autofree char *creating = creating_name(id);
    g_autofree char *deleting = deleting_name(id);

    unlinkat(registry->folder_fd, creating, 0);
    unlinkat(registry->folder_fd, deleting, 0);
}

gboolean
registry_retire(Registry *registry, const Port *port, GError **error)
{
    g_autofree char *file = deleting_name(port->id);

    if (renameat(registry->folder_fd, port->id, registry->folder_fd, file) < 0 && errno != ENOENT)
        return error_set_errno(error, errno, "cannot mark the record of port %s", port->id);
    return TRUE;
}

void
registry_restore(Registry *registry, const Port *port)
{
    g_autofree char *file = deleting_name(port->id);

    renameat(registry->folder_fd, file, registry->folder_fd, port->id);
}

gboolean
registry_has_damaged(Registry *registry, const char *id)
{
    g_autofree char *file = g_strconcat(id, DAMAGED_SUFFIX, NULL);
    struct stat status;

    return fstatat(registry->folder_fd, file, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

gboolean
registry_update(Registry *registry, const Port *port, GError **error)
{
    g_autofree char *text = NULL;
    gsize length;

    text = record_format(port, &length, error);
    return text && file_replace_at(registry->folder_fd, port->id, text, length, error);
}

gboolean
registry_forget(Registry *registry, Port *port, GError **error)
{
    g_autofree char *deleting = deleting_name(port->id);
    g_autofree char *creating = creating_name(port->id);

    if (port->state == PORT_STATE_CREATING && unlinkat(registry->folder_fd, creating, 0) < 0 &&
        errno != ENOENT)
        return error_set_errno(error, errno, "cannot remove the record of port %s", port->id);
    /* It has one of the two names; a port whose marking failed has its own still. */
    if (unlinkat(registry->folder_fd, deleting, 0) < 0 &&
        (errno != ENOENT || unlinkat(registry->folder_fd, port->id, 0) < 0) && errno != ENOENT)
        return error_set_errno(error, errno, "cannot remove the record of port %s", port->id);
    tables_remove(registry, port);
    return TRUE;
}

Port *
registry_find(Registry *registry, const char *text)
{
    GList *link = g_hash_table_lookup(registry->by_id, text);

    if (!link)
        link = g_hash_table_lookup(registry->by_name, text);
    if (!link)
        link = g_hash_table_lookup(registry->by_interface, text);
    return link ? link->data : NULL;
}

Port *
registry_find_index(Registry *registry, int interface_index)
{
    GList *link = g_hash_table_lookup(registry->by_index, GINT_TO_POINTER(interface_index));

    return link ? link->data : NULL;
}

void
registry_set_mac(Registry *registry, Port *port, const MacAddress *mac)
{
    remove_mac(registry, port);
    port->mac = *mac;
    add_mac(registry, port);
}

gboolean
registry_rename_interface(Registry *registry, Port *port, const char *name)
{
    GList *link = g_hash_table_lookup(registry->by_interface, port->interface_name);
    const Port *other = registry_find(registry, name);

    if (!interface_name_check(name, NULL) || (other && other != port))
        return FALSE;
    g_hash_table_remove(registry->by_interface, port->interface_name);
    g_strlcpy(port->interface_name, name, sizeof(port->interface_name));
    g_hash_table_insert(registry->by_interface, port->interface_name, link);
    return TRUE;
}

const GSList *
registry_find_mac(Registry *registry, const MacAddress *mac)
{
    return g_hash_table_lookup(registry->by_mac, mac);
}

GPtrArray *
registry_list(Registry *registry)
{
    GPtrArray *list = g_ptr_array_sized_new(registry->ports->length);

    for (GList *link = registry->ports->head; link; link = link->next)
        g_ptr_array_add(list, link->data);
    return list;
}

void
registry_foreach(Registry *registry, void (*visit)(Port *port, gpointer user_data),
                 gpointer user_data)
{
    for (GList *link = registry->ports->head; link; link = link->next)
        visit(link->data, user_data);
}

guint
registry_count(const Registry *registry)
{
    return registry->ports->length;
}

guint
registry_count_account(const Registry *registry, uid_t account)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(registry->accounts, GUINT_TO_POINTER(account)));
}
