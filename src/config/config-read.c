/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "descriptor.h"
#include "error.h"
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define SUFFIX ".network"
#define DAEMON_FILE "macvtapd.conf"

static gboolean
is_network_file(const char *file_name)
{
    return file_name[0] != '.' && g_str_has_suffix(file_name, SUFFIX);
}

/* The name of the file's network, or of what would be one; free with g_free(). */
static char *
name_network(const char *file_name)
{
    g_autofree char *name = g_strndup(file_name, strlen(file_name) - strlen(SUFFIX));

    return network_name_is_valid(name) ? g_steal_pointer(&name) : g_strescape(name, NULL);
}

/* The file's present version; it changes with the contents. */
static NetworkFile
look_at_file(int folder_fd, const char *file_name)
{
    struct stat status;

    if (fstatat(folder_fd, file_name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return (NetworkFile){0};
    return (NetworkFile){
        .inode = status.st_ino,
        .size = (guint64)status.st_size,
        .seconds = (guint64)status.st_mtim.tv_sec,
        .nanoseconds = (guint64)status.st_mtim.tv_nsec,
    };
}

static Network *
parse_file(int folder_fd, const char *file_name, const ConfigLookup *lookup)
{
    g_autofree char *name = name_network(file_name);
    g_autofree char *shown = g_strescape(file_name, NULL);
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    Network *network = NULL;
    gsize length;

    if (!network_name_is_valid(name)) {
        g_autofree char *problem = g_strdup_printf(
            "the file's name '%s' does not have a valid network name before " SUFFIX
            ": 1 to %d letters, digits, '-', '_' and '.', not starting with '.' or '-'",
            shown, NETWORK_NAME_MAX);

        return network_new_broken(name, problem);
    }
    if (file_read_at(folder_fd, file_name, CONFIG_FILE_MAX, &text, &length, &error))
        network = config_parse_network(name, file_name, text, length, lookup, &error);
    return network ? network : network_new_broken(name, error->message);
}

/* The network in a file; a broken one if the file cannot be used. */
static Network *
read_network(int folder_fd, const char *file_name, const ConfigLookup *lookup)
{
    /* Take the version before reading: a change in between then shows later. */
    NetworkFile file = look_at_file(folder_fd, file_name);
    Network *network = parse_file(folder_fd, file_name, lookup);

    network->file = file;
    return network;
}

GHashTable *
config_read_networks(const char *path, const ConfigLookup *lookup, GError **error)
{
    g_autofree char *folder_path = g_build_filename(path, "networks.d", NULL);
    g_autoptr(GHashTable) networks =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)network_unref);
    g_autoptr(GError) reason = NULL;
    AUTO_FD int folder = folder_open(folder_path, &reason);
    g_autofree char *what = g_strdup_printf("cannot read folder %s", folder_path);
    g_autoptr(GPtrArray) files = folder < 0 ? NULL : folder_list(folder, what, &reason);

    if (folder < 0 && error_is_errno(reason, ENOENT))
        return g_steal_pointer(&networks);
    if (!files) {
        g_propagate_error(error, g_steal_pointer(&reason));
        return NULL;
    }
    for (guint i = 0; i < files->len; i++) {
        Network *network;

        if (!is_network_file(files->pdata[i]))
            continue;
        network = read_network(folder, files->pdata[i], lookup);
        g_hash_table_replace(networks, network->name, network);
    }
    return g_steal_pointer(&networks);
}

gboolean
config_read_daemon(const char *path, DaemonSettings *ret_settings, GError **error)
{
    g_autoptr(GError) reason = NULL;
    g_autofree char *text = NULL;
    AUTO_FD int folder_fd = folder_open(path, &reason);
    gsize length;

    if (folder_fd >= 0 &&
        file_read_at(folder_fd, DAEMON_FILE, CONFIG_FILE_MAX, &text, &length, &reason))
        return config_parse_daemon(DAEMON_FILE, text, length, ret_settings, error);
    if (!error_is_errno(reason, ENOENT)) {
        g_propagate_error(error, g_steal_pointer(&reason));
        return FALSE;
    }
    *ret_settings = (DaemonSettings){0};
    return TRUE;
}

/* The files that exist now: name of the network -> NetworkFile. */
static GHashTable *
look_at_folder(const char *path)
{
    g_autoptr(GHashTable) looks = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autofree char *folder_path = g_build_filename(path, "networks.d", NULL);
    g_autoptr(GError) reason = NULL;
    AUTO_FD int folder = folder_open(folder_path, &reason);
    g_autoptr(GPtrArray) files = folder < 0 ? NULL : folder_list(folder, "", NULL);

    if (!files)
        return error_is_errno(reason, ENOENT) ? g_steal_pointer(&looks) : NULL;
    for (guint i = 0; i < files->len; i++) {
        NetworkFile file;

        if (!is_network_file(files->pdata[i]))
            continue;
        file = look_at_file(folder, files->pdata[i]);
        g_hash_table_replace(looks, name_network(files->pdata[i]), g_memdup2(&file, sizeof file));
    }
    return g_steal_pointer(&looks);
}

static gint
compare_lines(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
add_lines(GPtrArray *lines, GHashTable *files, GHashTable *networks)
{
    GHashTableIter iter;
    gpointer name, value;

    g_hash_table_iter_init(&iter, files);
    while (g_hash_table_iter_next(&iter, &name, &value)) {
        const Network *network = g_hash_table_lookup(networks, name);

        if (!network)
            g_ptr_array_add(lines, g_strdup_printf("network %s: its file is new", (char *)name));
        else if (memcmp(&network->file, value, sizeof(NetworkFile)) != 0)
            g_ptr_array_add(lines,
                            g_strdup_printf("network %s: its file has changed", (char *)name));
    }
    g_hash_table_iter_init(&iter, networks);
    while (g_hash_table_iter_next(&iter, &name, NULL)) {
        if (!g_hash_table_contains(files, name))
            g_ptr_array_add(lines,
                            g_strdup_printf("network %s: its file was removed", (char *)name));
    }
}

GStrv
config_list_changes(const char *path, GHashTable *networks)
{
    g_autoptr(GHashTable) files = look_at_folder(path);
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);

    if (files)
        add_lines(lines, files, networks);
    if (lines->len == 0)
        return NULL;
    g_ptr_array_sort(lines, compare_lines);
    g_ptr_array_add(lines, NULL);
    return (GStrv)g_ptr_array_steal(lines, NULL);
}

/* ---- faults ---- */

static void
add_settings_fault(const char *path, GPtrArray *faults)
{
    g_auto(DaemonSettings) settings = {0};
    g_autoptr(GError) error = NULL;

    if (config_read_daemon(path, &settings, &error))
        return;
    g_ptr_array_add(
        faults,
        fault_new("settings-invalid", g_strdup("settings"),
                  g_strdup_printf(
                      "%s: macvtapd is still using its earlier settings, but would not start again",
                      error->message),
                  g_strdup_printf("correct %s/" DAEMON_FILE ", then macvtapctl reload", path)));
}

/* "lan.network.bak", "lan.network~": a backup copy, which nobody expects to be read. */
static gboolean
is_copy(const char *file_name)
{
    const char *suffix = strstr(file_name, SUFFIX);

    return suffix && strchr("~.-,", suffix[strlen(SUFFIX)]);
}

static gboolean
is_misnamed(const char *file_name)
{
    return file_name[0] != '.' && !is_network_file(file_name) && !is_copy(file_name);
}

static void
add_file_fault(const char *folder, const char *file_name, GPtrArray *faults)
{
    g_autofree char *shown = g_strescape(file_name, NULL);
    const char *dot = strrchr(shown, '.');
    int stem = dot && dot > shown ? (int)(dot - shown) : (int)strlen(shown);

    g_ptr_array_add(
        faults,
        fault_new("file-ignored", g_strdup_printf("%s/%s", folder, shown),
                  g_strdup("it is ignored: the name of a network's file must end in " SUFFIX),
                  g_strdup_printf("if it is a network's file, rename it to %.*s" SUFFIX
                                  ", then macvtapctl reload; otherwise move it elsewhere",
                                  stem, shown)));
}

void
config_list_faults(const char *path, GPtrArray *faults)
{
    g_autofree char *folder_path = g_build_filename(path, "networks.d", NULL);
    AUTO_FD int folder = folder_open(folder_path, NULL);
    g_autoptr(GPtrArray) names = folder < 0 ? NULL : folder_list(folder, "", NULL);

    add_settings_fault(path, faults);
    for (guint i = 0; names && i < names->len; i++) {
        if (is_misnamed(names->pdata[i]))
            add_file_fault(folder_path, names->pdata[i], faults);
    }
}
