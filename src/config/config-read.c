/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "config-scan.h"
#include "descriptor.h"
#include "error.h"
#include "file.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#define SUFFIX ".network"
#define DAEMON_FILE "macvtapd.conf"

/* The network of a file, broken if need be. */
static Network *
read_network(int folder_fd, const char *file_name, const ConfigLookup *lookup)
{
    g_autofree char *name = g_strndup(file_name, strlen(file_name) - strlen(SUFFIX));
    g_autofree char *shown = g_strescape(file_name, NULL);
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    Network *network = NULL;
    gsize length;

    if (!network_name_is_valid(name)) {
        g_autofree char *escaped = g_strescape(name, NULL);
        g_autofree char *problem = g_strdup_printf(
            "the file's name '%s' has no network name before " SUFFIX
            ": 1 to %d of letters, digits, '-', '_' and '.', not starting with '.' or '-'",
            shown, NETWORK_NAME_MAX);

        return network_new_broken(escaped, problem);
    }
    if (file_read_at(folder_fd, file_name, CONFIG_FILE_MAX, &text, &length, &error))
        network = config_parse_network(name, file_name, text, length, lookup, &error);
    return network ? network : network_new_broken(name, error->message);
}

static GHashTable *
read_folder(DIR *folder, const char *path, const ConfigLookup *lookup, GError **error)
{
    g_autoptr(GHashTable) networks =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)network_unref);

    for (;;) {
        struct dirent *entry;
        Network *network;

        errno = 0;
        entry = readdir(folder);
        if (!entry)
            break;
        if (entry->d_name[0] == '.' || !g_str_has_suffix(entry->d_name, SUFFIX))
            continue;
        network = read_network(dirfd(folder), entry->d_name, lookup);
        g_hash_table_replace(networks, network->name, network);
    }
    if (errno != 0) {
        error_set_errno(error, errno, "cannot read folder %s", path);
        return NULL;
    }
    return g_steal_pointer(&networks);
}

GHashTable *
config_read_networks(const char *path, const ConfigLookup *lookup, GError **error)
{
    g_autofree char *folder_path = g_build_filename(path, "networks.d", NULL);
    g_autoptr(GError) reason = NULL;
    GHashTable *networks;
    DIR *folder;
    int fd;

    fd = folder_open(folder_path, &reason);
    if (fd < 0 && error_is_errno(reason, ENOENT))
        return g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)network_unref);
    if (fd < 0) {
        g_propagate_error(error, g_steal_pointer(&reason));
        return NULL;
    }
    folder = fdopendir(fd);
    if (!folder) {
        error_set_errno(error, errno, "cannot read folder %s", folder_path);
        descriptor_clear(&fd);
        return NULL;
    }
    networks = read_folder(folder, folder_path, lookup, error);
    closedir(folder);
    return networks;
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
