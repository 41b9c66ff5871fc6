/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The record of a VLAN device is written before the device is made, with the ifindex that it will
 * have, and removed after the device is. So after a crash a record may stand for no device, or for
 * one without its alias yet; a device with our alias and no record can only come from a lost state
 * folder. Devices that we did not make are used as they are and never touched: they have no record
 * and not our alias.
 */
#include "vlans.h"

#include "descriptor.h"
#include "error.h"
#include "file.h"
#include "port-error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VLAN_ALIAS "macvtapd:vlan"
#define VLAN_RECORD_MAX 1024
#define INDEX_MIN (1 << 20)
#define INDEX_MAX (1 << 30)
#define ATTEMPTS 8

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)

/* A VLAN device of ours. */
typedef struct Vlan {
    char name[INTERFACE_NAME_MAX + 1];
    int index;
    char trunk[INTERFACE_NAME_MAX + 1];
    int trunk_index;
} Vlan;

struct Vlans {
    int folder_fd;
    Kernel *kernel;
    GHashTable *devices; /* name -> Vlan */
};

Vlans *
vlans_new(int state_fd, Kernel *kernel, GError **error)
{
    AUTO_FD int fd = -1;
    Vlans *vlans;

    if (mkdirat(state_fd, "vlans", 0700) < 0 && errno != EEXIST) {
        error_set_errno(error, errno, "cannot make the folder 'vlans' in the state folder");
        return NULL;
    }
    fd = RETRY_EINTR(openat(state_fd, "vlans", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    if (fd < 0) {
        error_set_errno(error, errno, "cannot open the folder 'vlans' in the state folder");
        return NULL;
    }
    vlans = g_new0(Vlans, 1);
    vlans->folder_fd = g_steal_fd(&fd);
    vlans->kernel = kernel;
    vlans->devices = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
    return vlans;
}

void
vlans_free(Vlans *vlans)
{
    if (!vlans)
        return;
    g_hash_table_unref(vlans->devices);
    descriptor_clear(&vlans->folder_fd);
    g_free(vlans);
}

static gboolean
write_record(Vlans *vlans, const Vlan *vlan, GError **error)
{
    g_autoptr(json_t) object =
        json_pack("{s:i, s:s, s:i, s:s, s:i}", "version", 1, "name", vlan->name, "index",
                  vlan->index, "trunk", vlan->trunk, "trunkIndex", vlan->trunk_index);
    char text[VLAN_RECORD_MAX];
    gsize length = json_dumpb(object, text, sizeof(text), JSON_COMPACT);

    return file_write_at(vlans->folder_fd, vlan->name, text, length, error);
}

static Vlan *
read_record(Vlans *vlans, const char *file)
{
    g_autofree char *text = NULL;
    g_autoptr(json_t) object = NULL;
    const char *name, *trunk;
    int version, index, trunk_index;
    gsize length;
    Vlan *vlan;

    if (!file_read_at(vlans->folder_fd, file, VLAN_RECORD_MAX, &text, &length, NULL))
        return NULL;
    object = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
    if (!object ||
        json_unpack(object, "{s:i, s:s, s:i, s:s, s:i}", "version", &version, "name", &name,
                    "index", &index, "trunk", &trunk, "trunkIndex", &trunk_index) < 0 ||
        version != 1 || !g_str_equal(name, file) || !interface_name_check(name, NULL) ||
        !interface_name_check(trunk, NULL) || index <= 0 || trunk_index <= 0)
        return NULL;
    vlan = g_new0(Vlan, 1);
    vlan->index = index;
    vlan->trunk_index = trunk_index;
    g_strlcpy(vlan->name, name, sizeof(vlan->name));
    g_strlcpy(vlan->trunk, trunk, sizeof(vlan->trunk));
    return vlan;
}

static gboolean
is_device_of(const LinkInfo *link, const Vlan *vlan)
{
    return link->index == vlan->index && g_str_equal(link->kind, "vlan") &&
           (g_str_equal(link->alias, VLAN_ALIAS) ||
            (link->alias[0] == '\0' && g_str_equal(link->name, vlan->name)));
}

static const LinkInfo *
find_device(const GArray *links, const Vlan *vlan)
{
    for (guint i = 0; i < links->len; i++) {
        const LinkInfo *link = &g_array_index(links, LinkInfo, i);

        if (is_device_of(link, vlan))
            return link;
    }
    return NULL;
}

/* The name of the link with this index, or "". */
static const char *
name_of(const GArray *links, int index)
{
    for (guint i = 0; i < links->len; i++) {
        if (g_array_index(links, LinkInfo, i).index == index)
            return g_array_index(links, LinkInfo, i).name;
    }
    return "";
}

static void
note_orphans(Vlans *vlans, const GArray *links)
{
    for (guint i = 0; i < links->len; i++) {
        const LinkInfo *link = &g_array_index(links, LinkInfo, i);
        Vlan *vlan;

        if (!g_str_equal(link->kind, "vlan") || !g_str_equal(link->alias, VLAN_ALIAS) ||
            g_hash_table_contains(vlans->devices, link->name))
            continue;
        vlan = g_new0(Vlan, 1);
        vlan->index = link->index;
        vlan->trunk_index = link->lower_index;
        g_strlcpy(vlan->name, link->name, sizeof(vlan->name));
        g_strlcpy(vlan->trunk, name_of(links, link->lower_index), sizeof(vlan->trunk));
        g_hash_table_insert(vlans->devices, vlan->name, vlan);
    }
}

gboolean
vlans_load(Vlans *vlans, const GArray *links, GError **error)
{
    int fd = RETRY_EINTR(openat(vlans->folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    if (!folder) {
        error_set_errno(error, errno, "cannot read the records of VLAN devices");
        descriptor_clear(&fd);
        return FALSE;
    }
    while ((entry = readdir(folder))) {
        Vlan *vlan;

        if (g_str_equal(entry->d_name, ".") || g_str_equal(entry->d_name, ".."))
            continue;
        vlan = read_record(vlans, entry->d_name);
        if (vlan && find_device(links, vlan)) {
            g_hash_table_insert(vlans->devices, vlan->name, vlan);
            continue;
        }
        g_free(vlan);
        unlinkat(vlans->folder_fd, entry->d_name, 0);
    }
    closedir(folder);
    note_orphans(vlans, links);
    return TRUE;
}

/* A VLAN device that is there, by parent and tag; ours may have lost its alias to a crash. */
static gboolean
find_existing(Vlans *vlans, const VlanSpec *spec, LinkInfo *ret_device, GError **error)
{
    g_autoptr(GArray) links = vlans->kernel->ops->link_list(vlans->kernel, error);

    for (guint i = 0; links && i < links->len; i++) {
        const LinkInfo *link = &g_array_index(links, LinkInfo, i);

        if (g_str_equal(link->kind, "vlan") && link->lower_index == spec->parent_index &&
            link->vlan_id == spec->id && link->vlan_is_outer == spec->is_outer) {
            *ret_device = *link;
            return TRUE;
        }
    }
    return FALSE;
}

/*
 * "eth0.100" where that fits and is free, as administrators call theirs; else "mv" with the trunk's
 * ifindex in hex, which takes 15 characters at most and no two trunks share. 'a' tells 802.1ad from
 * 802.1Q on the same trunk.
 */
static void
choose_name(Vlans *vlans, const LinkInfo *trunk, const VlanSpec *spec, guint attempt, char *name,
            gsize size)
{
    int n = snprintf(name, size, "%s.%u", trunk->name, spec->id);
    LinkInfo other;

    if (attempt == 1 && n < (int)size &&
        !vlans->kernel->ops->link_by_name(vlans->kernel, name, &other, NULL))
        return;
    snprintf(name, size, "m%s%x.%u", spec->is_outer ? "a" : "v", (guint)trunk->index, spec->id);
}

static gboolean
make_device(Vlans *vlans, const LinkInfo *trunk, VlanSpec *spec, LinkInfo *ret_device,
            GError **error)
{
    for (guint attempt = 1;; attempt++) {
        g_autofree Vlan *vlan = g_new0(Vlan, 1);
        g_autoptr(GError) cause = NULL;

        choose_name(vlans, trunk, spec, attempt, vlan->name, sizeof(vlan->name));
        vlan->index = g_random_int_range(INDEX_MIN, INDEX_MAX);
        vlan->trunk_index = trunk->index;
        g_strlcpy(vlan->trunk, trunk->name, sizeof(vlan->trunk));
        spec->name = vlan->name;
        spec->index = vlan->index;
        if (!write_record(vlans, vlan, error))
            return FALSE;
        if (vlans->kernel->ops->vlan_create(vlans->kernel, spec, ret_device, &cause)) {
            char *key = vlan->name;

            g_hash_table_replace(vlans->devices, key, g_steal_pointer(&vlan));
            return TRUE;
        }
        unlinkat(vlans->folder_fd, vlan->name, 0);
        if (attempt < ATTEMPTS && (error_is_errno(cause, EEXIST) || error_is_errno(cause, EBUSY)))
            continue;
        return port_error_set(error, PORT_ERROR_SYSTEM, "cannot make VLAN %u on %s: %s", spec->id,
                              trunk->name, cause->message);
    }
}

static gboolean
acquire_tag(Vlans *vlans, const LinkInfo *trunk, guint16 id, gboolean is_outer,
            LinkInfo *ret_device, GError **error)
{
    VlanSpec spec = {
        .parent_index = trunk->index,
        .id = id,
        .is_outer = is_outer,
        .alias = VLAN_ALIAS,
    };
    g_autoptr(GError) cause = NULL;

    if (find_existing(vlans, &spec, ret_device, &cause))
        return TRUE;
    if (cause)
        return port_error_set(error, PORT_ERROR_SYSTEM, "%s", cause->message);
    return make_device(vlans, trunk, &spec, ret_device, error);
}

gboolean
vlans_acquire(Vlans *vlans, const LinkInfo *trunk, const char *vlan, LinkInfo *ret_device,
              GError **error)
{
    const char *dot = strchr(vlan, '.');
    guint16 first = (guint16)g_ascii_strtoull(vlan, NULL, 10);
    LinkInfo outer;

    if (!dot)
        return acquire_tag(vlans, trunk, first, FALSE, ret_device, error);
    return acquire_tag(vlans, trunk, first, TRUE, &outer, error) &&
           acquire_tag(vlans, &outer, (guint16)g_ascii_strtoull(dot + 1, NULL, 10), FALSE,
                       ret_device, error);
}

static gboolean
carries_another(Vlans *vlans, const Vlan *vlan)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, vlans->devices);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        if (((const Vlan *)value)->trunk_index == vlan->index)
            return TRUE;
    }
    return FALSE;
}

/* A device of ours that nothing needs, or NULL. */
static Vlan *
find_unneeded(Vlans *vlans, VlanNeeded needed, gpointer user_data)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, vlans->devices);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        if (!needed(((const Vlan *)value)->name, user_data) && !carries_another(vlans, value))
            return value;
    }
    return NULL;
}

gboolean
vlans_sweep(Vlans *vlans, VlanNeeded needed, gpointer user_data, GError **error)
{
    Vlan *vlan;

    while ((vlan = find_unneeded(vlans, needed, user_data))) {
        LinkInfo link;

        if (vlans->kernel->ops->link_by_index(vlans->kernel, vlan->index, &link, NULL) &&
            is_device_of(&link, vlan) &&
            !vlans->kernel->ops->link_delete(vlans->kernel, &link.index, 1, error))
            return FALSE;
        if (unlinkat(vlans->folder_fd, vlan->name, 0) < 0 && errno != ENOENT)
            return error_set_errno(error, errno, "cannot remove the record of VLAN device %s",
                                   vlan->name);
        g_hash_table_remove(vlans->devices, vlan->name);
    }
    return TRUE;
}
