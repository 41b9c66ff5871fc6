/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation: macvtapd opens each queue through a node /dev/macvtapd-NAMESPACE/ID.N, and
 * /proc/PID/fd shows that path for every copy of the descriptor, whatever /dev the process sees.
 * The daemon itself cannot read these links: it has no privileges over other users' processes.
 */
#include "queue-users.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FOLDER_PREFIX "macvtapd-"
#define PATH_SIZE 64

static gboolean
is_number(const char *text)
{
    return text[0] && text[strspn(text, "0123456789")] == '\0';
}

/* The ID in ".../macvtapd-NAMESPACE/ID.N", or NULL if it is no such path. Free with g_free(). */
static char *
parse_queue(const char *target)
{
    g_autofree char *folder = g_path_get_dirname(target);
    g_autofree char *folder_name = g_path_get_basename(folder);
    const char *name = strrchr(target, '/');
    const char *end = name ? strchr(name, '.') : NULL;

    if (!end || !g_str_has_prefix(folder_name, FOLDER_PREFIX) ||
        !is_number(folder_name + strlen(FOLDER_PREFIX)))
        return NULL;
    return g_strndup(name + 1, (gsize)(end - name - 1));
}

/* Adds the IDs of the ports of which the process has a queue. A file with such a name that is not a
 * device proves nothing: anyone can create one. */
static void
add_queues(const char *pid, GHashTable *ids)
{
    char folder_path[PATH_SIZE];
    g_autoptr(GDir) folder = NULL;
    const char *number;

    snprintf(folder_path, sizeof folder_path, "/proc/%.16s/fd", pid);
    folder = g_dir_open(folder_path, 0, NULL);
    while (folder && (number = g_dir_read_name(folder))) {
        g_autofree char *path = g_build_filename(folder_path, number, NULL);
        g_autofree char *target = g_file_read_link(path, NULL);
        char *id = target ? parse_queue(target) : NULL;
        struct stat status;

        if (id && stat(path, &status) == 0 && S_ISCHR(status.st_mode))
            g_hash_table_add(ids, id);
        else
            g_free(id);
    }
}

static char *
read_command(const char *pid)
{
    char path[PATH_SIZE];
    g_autofree char *text = NULL;

    snprintf(path, sizeof path, "/proc/%.16s/comm", pid);
    if (!g_file_get_contents(path, &text, NULL, NULL))
        return g_strdup("?");
    return g_strescape(g_strchomp(text), NULL);
}

char *
queue_users_describe(const char *port_id)
{
    g_autoptr(GDir) processes = g_dir_open("/proc", 0, NULL);
    g_autoptr(GString) text = g_string_new(NULL);
    const char *pid;

    while (processes && (pid = g_dir_read_name(processes))) {
        g_autoptr(GHashTable) ids = NULL;
        g_autofree char *command = NULL;

        if (!is_number(pid))
            continue;
        ids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        add_queues(pid, ids);
        if (!g_hash_table_contains(ids, port_id))
            continue;
        command = read_command(pid);
        g_string_append_printf(text, "%s%s [%s]", text->len ? ", " : "", command, pid);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

GHashTable *
queue_users_list(void)
{
    GHashTable *ids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GDir) processes = g_dir_open("/proc", 0, NULL);
    const char *pid;

    while (processes && (pid = g_dir_read_name(processes))) {
        if (is_number(pid))
            add_queues(pid, ids);
    }
    return ids;
}

static gboolean
is_of_another_port(MacvtapClient *client)
{
    MacvtapRefusal refusal = macvtap_client_get_refusal(client);

    return refusal == MACVTAP_REFUSAL_NAME_TAKEN || refusal == MACVTAP_REFUSAL_MAC_CONFLICT;
}

static gboolean
has_what_was_asked_for(const MacvtapPort *port, const char *name, const char *mac)
{
    return (name && g_str_equal(macvtap_port_get_name(port), name)) ||
           (mac && g_ascii_strcasecmp(macvtap_port_get_mac_address(port), mac) == 0);
}

void
queue_users_explain(MacvtapClient *client, const char *name, const char *mac, GError **error)
{
    g_autoptr(GPtrArray) ports = NULL;

    if (!is_of_another_port(client))
        return;
    ports = ask_ports(client, NULL, FALSE, NULL);
    for (guint i = 0; ports && i < ports->len; i++) {
        g_autofree char *users = NULL;
        g_autofree char *message = NULL;

        if (!has_what_was_asked_for(ports->pdata[i], name, mac))
            continue;
        users = queue_users_describe(macvtap_port_get_id(ports->pdata[i]));
        if (!users[0])
            continue;
        message = g_strdup_printf("%s; its queues are open in %s", (*error)->message, users);
        g_free((*error)->message);
        (*error)->message = g_steal_pointer(&message);
        return;
    }
}
