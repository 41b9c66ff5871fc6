/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The state of a record is in its file's name alone, so that a transition is one rename(2):
 * "ID.creating" is written before the device exists and becomes "ID" when the device is complete,
 * before the caller is answered. After a crash
 *   - a damaged ID.creating means that nothing was created yet (it is written before the device);
 *   - a complete ID.creating means that the device may be partly set up: remove it, then the file;
 *   - ID means that the caller may know of the port.
 * A removal goes the other way: the file becomes "ID.deleting", then the device is removed, then
 * the file.
 */
#include "registry.h"

#include "descriptor.h"
#include "error.h"
#include "file.h"
#include "port-error.h"

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
    PortTable *ports;
};

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
    registry->ports = port_table_new();
    return registry;
}

PortTable *
registry_ports(const Registry *registry)
{
    return registry->ports;
}

void
registry_free(Registry *registry)
{
    if (!registry)
        return;
    port_table_free(registry->ports);
    descriptor_clear(&registry->folder_fd);
    g_free(registry);
}

static void
set_aside(Registry *registry, const char *file, const GError *why, GPtrArray *problems)
{
    g_autofree char *damaged = g_strconcat(file, DAMAGED_SUFFIX, NULL);

    renameat(registry->folder_fd, file, registry->folder_fd, damaged);
    g_ptr_array_add(problems, g_strdup_printf("ignoring invalid record %s (renamed to %s): %s",
                                              file, damaged, why->message));
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
    if (port_table_has_namesake(registry->ports, port)) {
        port_error_set(error, PORT_ERROR_SYSTEM, "another record has the same name or interface");
        return NULL;
    }
    return g_steal_pointer(&port);
}

/* The port, or the reason why the record is invalid. FALSE: it cannot be read now, which says
 * nothing about its validity.
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

/* The file name suffix of an unfinished port, or NULL. */
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
        port_table_add(registry->ports, port);
    else
        set_aside(registry, file, why, problems);
    return TRUE;
}

/* Lists the records, or those that were set aside. */
static GPtrArray *
list_files(Registry *registry, gboolean damaged, GError **error)
{
    /* Without its record a device would look like an orphan: all, or none. */
    g_autoptr(GPtrArray) names = folder_list(registry->folder_fd, "cannot read the records", error);
    GPtrArray *files;

    if (!names)
        return NULL;
    files = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < names->len; i++) {
        const char *name = names->pdata[i];

        /* A daemon was killed before it could rename it. */
        if (!damaged && file_is_temporary(name))
            unlinkat(registry->folder_fd, name, 0);
        if (name[0] != '.' && g_str_has_suffix(name, DAMAGED_SUFFIX) == damaged)
            g_ptr_array_add(files, g_strdup(name));
    }
    return files;
}

static void
free_port(gpointer port)
{
    port_free(port);
}

gboolean
registry_load(Registry *registry, GPtrArray **ret_unfinished, GPtrArray **ret_problems,
              GError **error)
{
    g_autoptr(GPtrArray) files = list_files(registry, FALSE, error);
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
    port_table_add(registry->ports, port);
    return TRUE;
}

void
registry_keep_unfinished(Registry *registry, Port *port)
{
    port_table_add(registry->ports, port);
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

GPtrArray *
registry_list_damaged(Registry *registry)
{
    GPtrArray *files = list_files(registry, TRUE, NULL);

    return files ? files : g_ptr_array_new();
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
    /* It has one of two names: if marking it failed, it still has the original one. */
    if (unlinkat(registry->folder_fd, deleting, 0) < 0 &&
        (errno != ENOENT || unlinkat(registry->folder_fd, port->id, 0) < 0) && errno != ENOENT)
        return error_set_errno(error, errno, "cannot remove the record of port %s", port->id);
    port_table_remove(registry->ports, port);
    return TRUE;
}
