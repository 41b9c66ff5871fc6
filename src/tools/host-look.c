/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-look.h"

#include <linux/if_ether.h>
#include <stdio.h>
#include <string.h>

/* Whether a line of the file ends with text. */
static gboolean
has_line(const char *path, const char *text)
{
    g_autofree char *content = NULL;
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents(path, &content, NULL, NULL))
        return FALSE;
    lines = g_strsplit(content, "\n", -1);
    for (char **line = lines; *line; line++) {
        if (g_str_has_suffix(*line, text))
            return TRUE;
    }
    return FALSE;
}

/* What a module has made when it works, also as a part of the kernel. */
static gboolean
works(const char *root, const char *name)
{
    g_autofree char *devices = g_strdup_printf("%s/proc/devices", root);
    g_autofree char *vlans = g_strdup_printf("%s/proc/net/vlan", root);

    if (g_str_equal(name, "8021q"))
        return g_file_test(vlans, G_FILE_TEST_IS_DIR);
    return has_line(devices, " macvtap");
}

/* modules.dep begins its lines with "PATH/NAME.ko:" or with one that is compressed. */
static gboolean
is_listed(const char *folder, const char *list, const char *name)
{
    g_autofree char *path = g_build_filename(folder, list, NULL);
    g_autofree char *text = g_strdup_printf("/%s.ko", name);
    g_autofree char *content = NULL;
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents(path, &content, NULL, NULL))
        return FALSE;
    lines = g_strsplit(content, "\n", -1);
    for (char **line = lines; *line; line++) {
        (*line)[strcspn(*line, ": ")] = '\0';
        if (strstr(*line, text))
            return TRUE;
    }
    return FALSE;
}

HostModule
host_look_module(const char *root, const char *release, const char *name)
{
    g_autofree char *folder = g_strdup_printf("%s/lib/modules/%s", root, release);

    if (works(root, name) || is_listed(folder, "modules.builtin", name))
        return HOST_MODULE_WORKS;
    if (!g_file_test(folder, G_FILE_TEST_IS_DIR))
        return HOST_MODULE_UNKNOWN;
    return is_listed(folder, "modules.dep", name) ? HOST_MODULE_LOADABLE : HOST_MODULE_MISSING;
}

static gboolean
is_in_namespace(const char *root, const char *pid, const char *own)
{
    g_autofree char *path = g_strdup_printf("%s/proc/%s/ns/net", root, pid);
    g_autofree char *its = g_file_read_link(path, NULL);

    return !its || !own || g_str_equal(its, own);
}

GArray *
host_list_processes(const char *root)
{
    GArray *processes = g_array_new(FALSE, TRUE, sizeof(HostProcess));
    g_autofree char *path = g_strdup_printf("%s/proc", root);
    g_autofree char *own_path = g_strdup_printf("%s/proc/self/ns/net", root);
    g_autofree char *own = g_file_read_link(own_path, NULL);
    g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
    const char *entry;

    while (folder && (entry = g_dir_read_name(folder))) {
        g_autofree char *comm = g_build_filename(path, entry, "comm", NULL);
        g_autofree char *name = NULL;
        HostProcess process = {.pid = (pid_t)g_ascii_strtoll(entry, NULL, 10)};

        if (process.pid <= 0 || !g_file_get_contents(comm, &name, NULL, NULL))
            continue;
        g_strlcpy(process.name, g_strchomp(name), sizeof process.name);
        process.is_here = is_in_namespace(root, entry, own);
        g_array_append_val(processes, process);
    }
    return processes;
}

/* A line of packet_seq_show() (net/packet/af_packet.c). */
static gboolean
parse_socket(const char *line, int index, guint64 *ret_inode)
{
    unsigned protocol;
    int link;

    if (sscanf(line, "%*s %*d %*d %x %d %*d %*u %*u %" G_GUINT64_FORMAT, &protocol, &link,
               ret_inode) != 3)
        return FALSE;
    return link == index &&
           (protocol == ETH_P_ALL || protocol == ETH_P_IP || protocol == ETH_P_ARP);
}

GArray *
host_list_packet_sockets(const char *root, int index)
{
    GArray *inodes = g_array_new(FALSE, FALSE, sizeof(guint64));
    g_autofree char *path = g_strdup_printf("%s/proc/net/packet", root);
    g_autofree char *content = NULL;
    g_auto(GStrv) lines = NULL;
    guint64 inode;

    if (!g_file_get_contents(path, &content, NULL, NULL))
        return inodes;
    lines = g_strsplit(content, "\n", -1);
    for (char **line = lines; *line; line++) {
        if (parse_socket(*line, index, &inode))
            g_array_append_val(inodes, inode);
    }
    return inodes;
}

static gboolean
has_socket(const char *root, const HostProcess *process, const char *socket)
{
    g_autofree char *path = g_strdup_printf("%s/proc/%d/fd", root, (int)process->pid);
    g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
    const char *entry;

    while (folder && (entry = g_dir_read_name(folder))) {
        g_autofree char *link = g_build_filename(path, entry, NULL);
        g_autofree char *target = g_file_read_link(link, NULL);

        if (g_strcmp0(target, socket) == 0)
            return TRUE;
    }
    return FALSE;
}

const HostProcess *
host_find_socket(const char *root, const GArray *processes, guint64 inode)
{
    g_autofree char *socket = g_strdup_printf("socket:[%" G_GUINT64_FORMAT "]", inode);

    for (guint i = 0; i < processes->len; i++) {
        const HostProcess *process = &g_array_index(processes, HostProcess, i);

        if (has_socket(root, process, socket))
            return process;
    }
    return NULL;
}
