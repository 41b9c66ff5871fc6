/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The record of a VLAN device is written before the device is made, with the ifindex that it will
 * have, and removed after the device is. So after a crash a record may stand for no device, or for
 * one without its alias yet; a device with our alias and no record can only come from a lost state
 * folder. Devices that we did not make are used as they are and never touched: they have no record
 * and not our alias.
 *
 * A device may be renamed under its ports, and its old name be given to another. So a device is
 * known by its ifindex alone, and its record's file is called by that; the name in the record is
 * the one that it was made with. (Once the file was called by the name. Such records are read and
 * stay what they are.)
 *
 * The kernel removes with a device all that lies on it. So before we remove one we look at all
 * links: only VLAN devices of ours may be there. Nothing keeps somebody from adding one just then;
 * the kernel has no "remove if free".
 */
#include "vlans.h"

#include "descriptor.h"
#include "error.h"
#include "file.h"
#include "port-error.h"
#include "random.h"

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
    char file[INTERFACE_NAME_MAX + 1]; /* its record's; "": it has none */
    char name[INTERFACE_NAME_MAX + 1]; /* when it was made */
    int index;
    char trunk[INTERFACE_NAME_MAX + 1]; /* then, too */
    int trunk_index;
    gboolean is_in_use; /* by somebody else's link, which the log has said */
} Vlan;

struct Vlans {
    int folder_fd;
    Kernel *kernel;
    GHashTable *devices; /* ifindex -> Vlan */
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
    vlans->devices = g_hash_table_new_full(NULL, NULL, NULL, g_free);
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
is_known(const Vlans *vlans, int index)
{
    return g_hash_table_contains(vlans->devices, GINT_TO_POINTER(index));
}

static void
take(Vlans *vlans, Vlan *vlan)
{
    g_hash_table_insert(vlans->devices, GINT_TO_POINTER(vlan->index), vlan);
}

static void
name_file(int index, char *file, gsize size)
{
    snprintf(file, size, "%d", index);
}

static gboolean
write_record(Vlans *vlans, const Vlan *vlan, GError **error)
{
    g_autoptr(json_t) object =
        json_pack("{s:i, s:s, s:i, s:s, s:i}", "version", 1, "name", vlan->name, "index",
                  vlan->index, "trunk", vlan->trunk, "trunkIndex", vlan->trunk_index);
    char text[VLAN_RECORD_MAX];
    gsize length = json_dumpb(object, text, sizeof(text), JSON_COMPACT);

    return file_write_at(vlans->folder_fd, vlan->file, text, length, error);
}

static gboolean
is_file_of(const char *file, const char *name, int index)
{
    char by_index[INTERFACE_NAME_MAX + 1];

    name_file(index, by_index, sizeof(by_index));
    return g_str_equal(file, by_index) || g_str_equal(file, name);
}

static Vlan *
parse_record(const char *file, const char *text, gsize length)
{
    g_autoptr(json_t) object = NULL;
    const char *name, *trunk;
    int version, index, trunk_index;
    Vlan *vlan;

    object = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
    if (!object ||
        json_unpack(object, "{s:i, s:s, s:i, s:s, s:i}", "version", &version, "name", &name,
                    "index", &index, "trunk", &trunk, "trunkIndex", &trunk_index) < 0 ||
        version != 1 || !interface_name_check(name, NULL) || !is_file_of(file, name, index) ||
        !interface_name_check(trunk, NULL) || index <= 0 || trunk_index <= 0)
        return NULL;
    vlan = g_new0(Vlan, 1);
    vlan->index = index;
    vlan->trunk_index = trunk_index;
    g_strlcpy(vlan->file, file, sizeof(vlan->file));
    g_strlcpy(vlan->name, name, sizeof(vlan->name));
    g_strlcpy(vlan->trunk, trunk, sizeof(vlan->trunk));
    return vlan;
}

/* *ret_vlan is NULL when the file is no record. FALSE: it could not be read now. */
static gboolean
read_record(Vlans *vlans, const char *file, Vlan **ret_vlan, GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) cause = NULL;
    gsize length;

    *ret_vlan = NULL;
    if (file_read_at(vlans->folder_fd, file, VLAN_RECORD_MAX, &text, &length, &cause))
        *ret_vlan = parse_record(file, text, length);
    else if (!file_error_is_lasting(cause))
        return port_error_set(error, PORT_ERROR_SYSTEM, "record of a VLAN device: %s",
                              cause->message);
    return TRUE;
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
            is_known(vlans, link->index))
            continue;
        vlan = g_new0(Vlan, 1);
        vlan->index = link->index;
        vlan->trunk_index = link->lower_index;
        g_strlcpy(vlan->name, link->name, sizeof(vlan->name));
        g_strlcpy(vlan->trunk, name_of(links, link->lower_index), sizeof(vlan->trunk));
        take(vlans, vlan);
    }
}

/* Of one file of the folder: a record of a device that is there is taken, any other file goes. */
static gboolean
load_record(Vlans *vlans, const char *file, const GArray *links, GError **error)
{
    Vlan *vlan;

    if (!read_record(vlans, file, &vlan, error))
        return FALSE;
    if (vlan && !is_known(vlans, vlan->index) && find_device(links, vlan)) {
        take(vlans, vlan);
        return TRUE;
    }
    g_free(vlan);
    unlinkat(vlans->folder_fd, file, 0);
    return TRUE;
}

static gboolean
load_records(Vlans *vlans, DIR *folder, const GArray *links, GError **error)
{
    struct dirent *entry;

    while (errno = 0, (entry = readdir(folder))) {
        if (g_str_equal(entry->d_name, ".") || g_str_equal(entry->d_name, ".."))
            continue;
        if (!load_record(vlans, entry->d_name, links, error))
            return FALSE;
    }
    return errno == 0 || error_set_errno(error, errno, "cannot read the records of VLAN devices");
}

gboolean
vlans_load(Vlans *vlans, const GArray *links, GError **error)
{
    int fd = RETRY_EINTR(openat(vlans->folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    gboolean good;

    if (!folder) {
        error_set_errno(error, errno, "cannot read the records of VLAN devices");
        descriptor_clear(&fd);
        return FALSE;
    }
    good = load_records(vlans, folder, links, error);
    closedir(folder);
    if (good)
        note_orphans(vlans, links);
    return good;
}

/*
 * "eth0.100" where that fits and is free, as administrators call theirs; else "mv" with the trunk's
 * ifindex in hex, which takes 15 characters at most and no two trunks share. 'a' tells 802.1ad from
 * 802.1Q on the same trunk.
 */
static gboolean
name_device(const LinkInfo *trunk, const VlanSpec *spec, guint attempt, char *name, gsize size)
{
    int n = attempt == 1 ? snprintf(name, size, "%s.%u", trunk->name, spec->id)
                         : snprintf(name, size, "m%s%x.%u", spec->is_outer ? "a" : "v",
                                    (guint)trunk->index, spec->id);

    return n < (int)size;
}

static void
choose_name(Vlans *vlans, const LinkInfo *trunk, const VlanSpec *spec, guint attempt, char *name,
            gsize size)
{
    LinkInfo other;

    if (attempt == 1 && name_device(trunk, spec, 1, name, size) &&
        !vlans->kernel->ops->link_by_name(vlans->kernel, name, &other, NULL))
        return;
    name_device(trunk, spec, 2, name, size);
}

static gboolean
is_wanted(const LinkInfo *link, const VlanSpec *spec)
{
    return g_str_equal(link->kind, "vlan") && link->lower_index == spec->parent_index &&
           link->vlan_id == spec->id && link->vlan_is_outer == spec->is_outer;
}

/* By the names that we, and most administrators, give it: all links are looked at only for one that
 * was called otherwise. */
static gboolean
find_by_name(Vlans *vlans, const LinkInfo *trunk, const VlanSpec *spec, LinkInfo *ret_device)
{
    for (guint attempt = 1; attempt <= 2; attempt++) {
        char name[INTERFACE_NAME_MAX + 1];

        if (name_device(trunk, spec, attempt, name, sizeof(name)) &&
            vlans->kernel->ops->link_by_name(vlans->kernel, name, ret_device, NULL) &&
            is_wanted(ret_device, spec))
            return TRUE;
    }
    return FALSE;
}

/* A VLAN device that is there, by parent and tag; ours may have lost its alias to a crash. */
static gboolean
find_existing(Vlans *vlans, const LinkInfo *trunk, const VlanSpec *spec, LinkInfo *ret_device,
              GError **error)
{
    g_autoptr(GArray) links = NULL;

    if (find_by_name(vlans, trunk, spec, ret_device))
        return TRUE;
    links = vlans->kernel->ops->link_list(vlans->kernel, error);
    for (guint i = 0; links && i < links->len; i++) {
        const LinkInfo *link = &g_array_index(links, LinkInfo, i);

        if (is_wanted(link, spec)) {
            *ret_device = *link;
            return TRUE;
        }
    }
    return FALSE;
}

static int
choose_index(const Vlans *vlans)
{
    int index;

    do
        index = random_in_range(INDEX_MIN, INDEX_MAX);
    while (is_known(vlans, index));
    return index;
}

static gboolean
make_device(Vlans *vlans, const LinkInfo *trunk, VlanSpec *spec, LinkInfo *ret_device,
            GError **error)
{
    for (guint attempt = 1;; attempt++) {
        g_autofree Vlan *vlan = g_new0(Vlan, 1);
        g_autoptr(GError) cause = NULL;

        choose_name(vlans, trunk, spec, attempt, vlan->name, sizeof(vlan->name));
        vlan->index = choose_index(vlans);
        name_file(vlan->index, vlan->file, sizeof(vlan->file));
        vlan->trunk_index = trunk->index;
        g_strlcpy(vlan->trunk, trunk->name, sizeof(vlan->trunk));
        spec->name = vlan->name;
        spec->index = vlan->index;
        if (!write_record(vlans, vlan, error))
            return FALSE;
        if (vlans->kernel->ops->vlan_create(vlans->kernel, spec, ret_device, &cause)) {
            take(vlans, g_steal_pointer(&vlan));
            return TRUE;
        }
        unlinkat(vlans->folder_fd, vlan->file, 0);
        if (attempt < ATTEMPTS && (error_is_errno(cause, EEXIST) || error_is_errno(cause, EBUSY)))
            continue;
        if (error_is_errno(cause, ENOPKG))
            return port_error_set(error, PORT_ERROR_SYSTEM,
                                  "VLAN= needs the kernel's module 8021q: see that `modprobe"
                                  " 8021q` succeeds");
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

    if (find_existing(vlans, trunk, &spec, ret_device, &cause))
        return TRUE;
    if (cause)
        return port_error_set(error, PORT_ERROR_SYSTEM, "%s", cause->message);
    return make_device(vlans, trunk, &spec, ret_device, error);
}

static gboolean
find_tag(Vlans *vlans, const LinkInfo *trunk, guint16 id, gboolean is_outer, LinkInfo *ret_device)
{
    const VlanSpec spec = {.parent_index = trunk->index, .id = id, .is_outer = is_outer};
    LinkInfo device = *trunk;

    if (trunk->index != 0 && find_existing(vlans, trunk, &spec, ret_device, NULL))
        return TRUE;
    device.index = device.master_index = 0;
    device.lower_index = trunk->index;
    if (!name_device(trunk, &spec, 1, device.name, sizeof(device.name)))
        name_device(trunk, &spec, 2, device.name, sizeof(device.name));
    g_strlcpy(device.kind, "vlan", sizeof(device.kind));
    *ret_device = device;
    return FALSE;
}

gboolean
vlans_find(Vlans *vlans, const LinkInfo *trunk, const char *vlan, LinkInfo *ret_device)
{
    const char *dot = strchr(vlan, '.');
    guint16 first = (guint16)g_ascii_strtoull(vlan, NULL, 10);
    LinkInfo outer;

    if (!dot)
        return find_tag(vlans, trunk, first, FALSE, ret_device);
    find_tag(vlans, trunk, first, TRUE, &outer);
    return find_tag(vlans, &outer, (guint16)g_ascii_strtoull(dot + 1, NULL, 10), FALSE, ret_device);
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

/* A link that the removal of device would take away, or a bridge that would lose it; or NULL.
 * Devices of ours are asked for themselves. */
static const LinkInfo *
find_user(const Vlans *vlans, const GArray *links, const LinkInfo *device)
{
    for (guint i = 0; i < links->len; i++) {
        const LinkInfo *link = &g_array_index(links, LinkInfo, i);

        if (link->index == device->master_index ||
            (link->lower_index == device->index && !is_known(vlans, link->index)))
            return link;
    }
    return NULL;
}

static gboolean
is_free(const Vlans *vlans, const GArray *links, Vlan *vlan)
{
    const LinkInfo *device = find_device(links, vlan);
    const LinkInfo *user = device ? find_user(vlans, links, device) : NULL;

    if (user && !vlan->is_in_use)
        g_message("VLAN device %s stays, though no port needs it: %s is on it", device->name,
                  user->name);
    vlan->is_in_use = user != NULL;
    return !user;
}

/* A device of ours that nothing needs and, with links, that nobody else uses; or NULL. */
static Vlan *
find_unneeded(Vlans *vlans, const GArray *links, VlanNeeded needed, gpointer user_data)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, vlans->devices);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        if (!needed(((const Vlan *)value)->index, user_data) && !carries_another(vlans, value) &&
            (!links || is_free(vlans, links, value)))
            return value;
    }
    return NULL;
}

static gboolean
remove_vlan(Vlans *vlans, const GArray *links, const Vlan *vlan, GError **error)
{
    if (find_device(links, vlan) &&
        !vlans->kernel->ops->link_delete(vlans->kernel, &vlan->index, 1, error))
        return FALSE;
    if (vlan->file[0] && unlinkat(vlans->folder_fd, vlan->file, 0) < 0 && errno != ENOENT)
        return error_set_errno(error, errno, "cannot remove the record of VLAN device %s",
                               vlan->name);
    g_hash_table_remove(vlans->devices, GINT_TO_POINTER(vlan->index));
    return TRUE;
}

gboolean
vlans_sweep(Vlans *vlans, VlanNeeded needed, gpointer user_data, GError **error)
{
    /* What is on a device changes with each that is removed. */
    while (find_unneeded(vlans, NULL, needed, user_data)) {
        g_autoptr(GArray) links = vlans->kernel->ops->link_list(vlans->kernel, error);
        Vlan *vlan = links ? find_unneeded(vlans, links, needed, user_data) : NULL;

        if (!vlan)
            return links != NULL;
        if (!remove_vlan(vlans, links, vlan, error))
            return FALSE;
    }
    return TRUE;
}
