/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The record of a device is written before the device is created, with its future ifindex, and
 * removed after the device. So after a crash a record may have no device, or a device that does not
 * have its alias yet; a device with our alias but no record means that the state folder was lost.
 * Devices that we did not create are used as they are and never changed: they have neither a record
 * nor our alias.
 *
 * Others may rename a device and reuse its old name. So only the ifindex identifies a device, and
 * its record's file is named after it; the name in the record is the original one. (Earlier
 * versions named the file after the device. Such records are still read, and kept.)
 *
 * A device that root moves into another network namespace is forgotten like one that is gone. When
 * it is back, only its alias tells that it is ours: it has become an orphan, as has one whose
 * record was lost. The next sweep finds it.
 *
 * When a device is removed, the kernel also removes everything on top of it. So all links are
 * checked before a removal: only our own devices may be there. Another program may still add one at
 * that moment; the kernel has no "remove if unused".
 */
#include "owned-devices.h"

#include "host-link.h"

#include "descriptor.h"
#include "error.h"
#include "file.h"
#include "random.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORD_MAX 1024
#define INDEX_MIN (1 << 20)
#define INDEX_MAX (1 << 30)
#define ATTEMPTS 8

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)

static const OwnedKind *const kinds[] = {&owned_vlan, &owned_host_link};

struct OwnedDevices {
    int folder_fds[G_N_ELEMENTS(kinds)];
    Kernel *kernel;
    GHashTable *table; /* ifindex -> OwnedDevice */
    gboolean may_have_orphans;
};

static int
folder_of(const OwnedDevices *devices, const OwnedKind *kind)
{
    guint number = 0;

    while (kinds[number] != kind)
        number++;
    return devices->folder_fds[number];
}

static int
open_folder(int state_fd, const char *name, GError **error)
{
    int fd;

    if (mkdirat(state_fd, name, 0700) < 0 && errno != EEXIST) {
        error_set_errno(error, errno, "cannot make the folder '%s' in the state folder", name);
        return -1;
    }
    fd = RETRY_EINTR(openat(state_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    if (fd < 0)
        error_set_errno(error, errno, "cannot open the folder '%s' in the state folder", name);
    return fd;
}

OwnedDevices *
owned_new(int state_fd, Kernel *kernel, GError **error)
{
    g_autoptr(OwnedDevices) devices = g_new0(OwnedDevices, 1);

    devices->kernel = kernel;
    devices->table = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++)
        devices->folder_fds[i] = -1;
    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
        devices->folder_fds[i] = open_folder(state_fd, kinds[i]->folder, error);
        if (devices->folder_fds[i] < 0)
            return NULL;
    }
    return g_steal_pointer(&devices);
}

void
owned_free(OwnedDevices *devices)
{
    if (!devices)
        return;
    g_hash_table_unref(devices->table);
    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++)
        descriptor_clear(&devices->folder_fds[i]);
    g_free(devices);
}

static gboolean
is_known(const OwnedDevices *devices, int index)
{
    return g_hash_table_contains(devices->table, GINT_TO_POINTER(index));
}

static void
take(OwnedDevices *devices, OwnedDevice *device)
{
    g_hash_table_insert(devices->table, GINT_TO_POINTER(device->index), device);
}

static void
name_file(int index, char *file, gsize size)
{
    snprintf(file, size, "%d", index);
}

static gboolean
write_record(OwnedDevices *devices, const OwnedDevice *device, GError **error)
{
    const OwnedKind *kind = device->kind;
    char lower[INTERFACE_NAME_TEXT_SIZE]; /* it may have any name */
    g_autoptr(json_t) object =
        json_pack("{s:i, s:s, s:i, s:s, s:i}", "version", 1, "name", device->name, "index",
                  device->index, kind->lower_name, interface_name_format(device->lower, lower),
                  kind->lower_index, device->lower_index);
    char text[RECORD_MAX];
    gsize length = json_dumpb(object, text, sizeof(text), JSON_COMPACT);

    return file_write_at(folder_of(devices, kind), device->file, text, length, error);
}

static gboolean
is_file_of(const char *file, const char *name, int index)
{
    char by_index[INTERFACE_NAME_MAX + 1];

    name_file(index, by_index, sizeof(by_index));
    return g_str_equal(file, by_index) || g_str_equal(file, name);
}

static OwnedDevice *
parse_record(const OwnedKind *kind, const char *file, const char *text, gsize length)
{
    g_autoptr(json_t) object = NULL;
    const char *name, *lower_text;
    char lower[INTERFACE_NAME_MAX + 1];
    int version, index, lower_index;
    OwnedDevice *device;

    object = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
    if (!object ||
        json_unpack(object, "{s:i, s:s, s:i, s:s, s:i}", "version", &version, "name", &name,
                    "index", &index, kind->lower_name, &lower_text, kind->lower_index,
                    &lower_index) < 0 ||
        version != 1 || !interface_name_check(name, NULL) || !is_file_of(file, name, index) ||
        !interface_name_parse(lower_text, lower) || index <= 0 || lower_index <= 0)
        return NULL;
    device = g_new0(OwnedDevice, 1);
    device->kind = kind;
    device->index = index;
    device->lower_index = lower_index;
    g_strlcpy(device->file, file, sizeof(device->file));
    g_strlcpy(device->name, name, sizeof(device->name));
    g_strlcpy(device->lower, lower, sizeof(device->lower));
    return device;
}

/* *ret_device is NULL if the file is not a record. FALSE: it cannot be read now. */
static gboolean
read_record(OwnedDevices *devices, const OwnedKind *kind, const char *file,
            OwnedDevice **ret_device, GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) cause = NULL;
    gsize length;

    *ret_device = NULL;
    if (file_read_at(folder_of(devices, kind), file, RECORD_MAX, &text, &length, &cause)) {
        *ret_device = parse_record(kind, file, text, length);
        return TRUE;
    }
    if (file_error_is_lasting(cause))
        return TRUE;
    g_propagate_prefixed_error(error, g_steal_pointer(&cause), "record of a %s: ", kind->title);
    return FALSE;
}

static gboolean
is_device_of(const LinkInfo *link, const OwnedDevice *device)
{
    return link->index == device->index && g_str_equal(link->kind, device->kind->link_kind) &&
           (g_str_equal(link->alias, device->kind->alias) ||
            (link->alias[0] == '\0' && g_str_equal(link->name, device->name)));
}

static const LinkInfo *
find_link(const GArray *links, const OwnedDevice *device)
{
    for (guint i = 0; i < links->len; i++) {
        const LinkInfo *link = &g_array_index(links, LinkInfo, i);

        if (is_device_of(link, device))
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

static gboolean
is_orphan(const OwnedDevices *devices, const OwnedKind *kind, const LinkInfo *link)
{
    return g_str_equal(link->kind, kind->link_kind) && g_str_equal(link->alias, kind->alias) &&
           !is_known(devices, link->index);
}

static void
note_orphans(OwnedDevices *devices, const OwnedKind *kind, const GArray *links)
{
    for (guint i = 0; i < links->len; i++) {
        const LinkInfo *link = &g_array_index(links, LinkInfo, i);
        OwnedDevice *device;

        if (!is_orphan(devices, kind, link))
            continue;
        device = g_new0(OwnedDevice, 1);
        device->kind = kind;
        device->index = link->index;
        device->lower_index = link->lower_index;
        g_strlcpy(device->name, link->name, sizeof(device->name));
        g_strlcpy(device->lower, name_of(links, link->lower_index), sizeof(device->lower));
        take(devices, device);
    }
}

/* Loads a file of the folder: keeps the record of an existing device, removes any other file. */
static gboolean
load_record(OwnedDevices *devices, const OwnedKind *kind, const char *file, const GArray *links,
            GError **error)
{
    OwnedDevice *device;

    if (!read_record(devices, kind, file, &device, error))
        return FALSE;
    if (device && !is_known(devices, device->index) && find_link(links, device)) {
        take(devices, device);
        return TRUE;
    }
    g_free(device);
    unlinkat(folder_of(devices, kind), file, 0);
    return TRUE;
}

static gboolean
load_kind(OwnedDevices *devices, const OwnedKind *kind, const GArray *links, GError **error)
{
    g_autofree char *what = g_strdup_printf("cannot read the records of %ss", kind->title);
    g_autoptr(GPtrArray) files = folder_list(folder_of(devices, kind), what, error);

    if (!files)
        return FALSE;
    for (guint i = 0; i < files->len; i++) {
        if (!load_record(devices, kind, files->pdata[i], links, error))
            return FALSE;
    }
    note_orphans(devices, kind, links);
    return TRUE;
}

gboolean
owned_load(OwnedDevices *devices, const GArray *links, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (!load_kind(devices, kinds[i], links, error))
            return FALSE;
    }
    return TRUE;
}

static int
choose_index(const OwnedDevices *devices)
{
    int index;

    do
        index = random_in_range(INDEX_MIN, INDEX_MAX);
    while (is_known(devices, index));
    return index;
}

static OwnedDevice *
plan_device(OwnedDevices *devices, const OwnedKind *kind, const LinkInfo *lower, gconstpointer what,
            guint attempt)
{
    OwnedDevice *device = g_new0(OwnedDevice, 1);

    device->kind = kind;
    kind->choose_name(devices->kernel, lower, what, attempt, device->name, sizeof(device->name));
    device->index = choose_index(devices);
    name_file(device->index, device->file, sizeof(device->file));
    device->lower_index = lower->index;
    g_strlcpy(device->lower, lower->name, sizeof(device->lower));
    return device;
}

gboolean
owned_make(OwnedDevices *devices, const OwnedKind *kind, const LinkInfo *lower, gconstpointer what,
           LinkInfo *ret_device, GError **error)
{
    for (guint attempt = 1;; attempt++) {
        g_autofree OwnedDevice *device = plan_device(devices, kind, lower, what, attempt);
        g_autoptr(GError) cause = NULL;

        if (!write_record(devices, device, error))
            return FALSE;
        if (kind->create(devices->kernel, device, what, ret_device, &cause)) {
            take(devices, g_steal_pointer(&device));
            return TRUE;
        }
        unlinkat(folder_of(devices, kind), device->file, 0);
        if (attempt < ATTEMPTS && (error_is_errno(cause, EEXIST) || error_is_errno(cause, EBUSY)))
            continue;
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
}

/* Its lower link may have been moved into another network namespace and back, and have another
 * ifindex than in the record. */
static gboolean
is_on(const OwnedDevices *devices, OwnedDevice *device, int lower_index)
{
    LinkInfo link;

    if (devices->kernel->ops->link_by_index(devices->kernel, device->index, &link, NULL) &&
        is_device_of(&link, device))
        device->lower_index = link.lower_index;
    return device->lower_index == lower_index;
}

const OwnedDevice *
owned_find(OwnedDevices *devices, const OwnedKind *kind, int lower_index)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, devices->table);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        OwnedDevice *device = value;

        if (device->kind != kind || !is_on(devices, device, lower_index))
            continue;
        if (!device->file[0]) {
            name_file(device->index, device->file, sizeof(device->file));
            if (!write_record(devices, device, NULL))
                device->file[0] = '\0';
        }
        return device;
    }
    return NULL;
}

void
owned_forget(OwnedDevices *devices, int index)
{
    const OwnedDevice *device = g_hash_table_lookup(devices->table, GINT_TO_POINTER(index));

    if (!device)
        return;
    if (device->file[0])
        unlinkat(folder_of(devices, device->kind), device->file, 0);
    g_hash_table_remove(devices->table, GINT_TO_POINTER(index));
}

void
owned_on_link(OwnedDevices *devices, LinkEventType type, const LinkInfo *link)
{
    if (type == LINK_EVENT_LOST)
        devices->may_have_orphans = TRUE;
    for (guint i = 0; type == LINK_EVENT_CHANGED && i < G_N_ELEMENTS(kinds); i++)
        devices->may_have_orphans |= is_orphan(devices, kinds[i], link);
}

/* Which devices there are, and on which links: one below may have been moved away and back, and
 * have another ifindex. */
static void
follow_links(OwnedDevices *devices, const GArray *links)
{
    devices->may_have_orphans = FALSE;
    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++)
        note_orphans(devices, kinds[i], links);
    for (guint i = 0; i < links->len; i++) {
        const LinkInfo *link = &g_array_index(links, LinkInfo, i);
        OwnedDevice *device = g_hash_table_lookup(devices->table, GINT_TO_POINTER(link->index));

        if (device && is_device_of(link, device) && link->lower_index != 0)
            device->lower_index = link->lower_index;
    }
}

static gboolean
carries_another(OwnedDevices *devices, const OwnedDevice *device)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, devices->table);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        if (((const OwnedDevice *)value)->lower_index == device->index)
            return TRUE;
    }
    return FALSE;
}

/* A link that would disappear with device, or a bridge that would lose it; or NULL. Our own devices
 * do not count. */
static const LinkInfo *
find_user(const OwnedDevices *devices, const GArray *links, const LinkInfo *device)
{
    for (guint i = 0; i < links->len; i++) {
        const LinkInfo *link = &g_array_index(links, LinkInfo, i);

        if (link->index == device->master_index ||
            (link->lower_index == device->index && !is_known(devices, link->index)))
            return link;
    }
    return NULL;
}

static gboolean
is_free(const OwnedDevices *devices, const GArray *links, OwnedDevice *device)
{
    const LinkInfo *link = find_link(links, device);
    const LinkInfo *user = link ? find_user(devices, links, link) : NULL;

    if (user && !device->is_in_use)
        g_message("keeping unused %s %s: %s still uses it", device->kind->title, link->name,
                  user->name);
    device->is_in_use = user != NULL;
    return !user;
}

/* A device that nothing needs and, if links are given, that no other link uses; or NULL. */
static OwnedDevice *
find_unneeded(OwnedDevices *devices, const GArray *links, OwnedNeeded needed, gpointer user_data)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, devices->table);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        if (!needed(value, user_data) && !carries_another(devices, value) &&
            (!links || is_free(devices, links, value)))
            return value;
    }
    return NULL;
}

static gboolean
remove_device(OwnedDevices *devices, const GArray *links, const OwnedDevice *device, GError **error)
{
    const OwnedKind *kind = device->kind;

    if (find_link(links, device) &&
        !devices->kernel->ops->link_delete(devices->kernel, &device->index, 1, error))
        return FALSE;
    if (device->file[0] && unlinkat(folder_of(devices, kind), device->file, 0) < 0 &&
        errno != ENOENT)
        return error_set_errno(error, errno, "cannot remove the record of %s %s", kind->title,
                               device->name);
    g_hash_table_remove(devices->table, GINT_TO_POINTER(device->index));
    return TRUE;
}

gboolean
owned_sweep(OwnedDevices *devices, OwnedNeeded needed, gpointer user_data, GError **error)
{
    /* Each removal changes what is on top of the other devices. */
    while (devices->may_have_orphans || find_unneeded(devices, NULL, needed, user_data)) {
        g_autoptr(GArray) links = devices->kernel->ops->link_list(devices->kernel, error);
        OwnedDevice *device;

        if (!links)
            return FALSE;
        follow_links(devices, links);
        device = find_unneeded(devices, links, needed, user_data);
        if (!device)
            return TRUE;
        if (!remove_device(devices, links, device, error))
            return FALSE;
    }
    return TRUE;
}
