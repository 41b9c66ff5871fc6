/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * QEMU has no command that names its network devices with their backends: query-rx-filter knows
 * virtio's only. But each device is an object in one of three folders of QOM, and a network device
 * is what has the property "netdev".
 */
#include "guest-nics.h"

#include <string.h>

/* Of devices with an ID, of those without, and of the machine's own (as from -nic). */
static const char *const folders[] = {"/machine/peripheral", "/machine/peripheral-anon",
                                      "/machine/unattached"};

typedef struct Listing {
    Qmp *qmp;
    guint n_folders; /* already read */
    GQueue paths;    /* of devices that are still to be looked at */
    GuestNic *nic;   /* the one that is being looked at */
    GPtrArray *nics;
    GuestNicsDone done;
    gpointer user_data;
} Listing;

static void look_further(Listing *listing);

static void
guest_nic_free(gpointer data)
{
    GuestNic *nic = data;

    if (!nic)
        return;
    g_free(nic->path);
    g_free(nic->netdev);
    g_free(nic->mac);
    g_free(nic);
}

static void
finish(Listing *listing, const GError *error)
{
    listing->done(listing->nics, error, listing->user_data);
    g_queue_clear_full(&listing->paths, g_free);
    guest_nic_free(listing->nic);
    g_ptr_array_unref(listing->nics);
    g_free(listing);
}

/* QEMU has no such property, or no longer has the device: that is an answer, too. */
static gboolean
is_answer(const GError *error)
{
    return !error || error->code == QMP_ERROR_REFUSED;
}

static void
on_mac(json_t *value, const GError *error, gpointer user_data)
{
    Listing *listing = user_data;

    if (!is_answer(error)) {
        finish(listing, error);
        return;
    }
    listing->nic->mac = g_strdup(value ? json_string_value(value) : NULL);
    g_ptr_array_add(listing->nics, g_steal_pointer(&listing->nic));
    look_further(listing);
}

static void
ask_property(Listing *listing, const char *property, QmpDone done)
{
    qmp_call(listing->qmp, "qom-get",
             json_pack("{s:s, s:s}", "path", listing->nic->path, "property", property), -1,
             QMP_DEADLINE, done, listing);
}

static void
on_netdev(json_t *value, const GError *error, gpointer user_data)
{
    Listing *listing = user_data;
    const char *netdev = value ? json_string_value(value) : NULL;

    if (!is_answer(error)) {
        finish(listing, error);
    } else if (netdev && netdev[0]) {
        listing->nic->netdev = g_strdup(netdev);
        ask_property(listing, "mac", on_mac);
    } else {
        g_clear_pointer(&listing->nic, guest_nic_free);
        look_further(listing);
    }
}

static void
on_folder(json_t *value, const GError *error, gpointer user_data)
{
    Listing *listing = user_data;
    const char *folder = folders[listing->n_folders++];

    if (!is_answer(error)) {
        finish(listing, error);
        return;
    }
    for (gsize i = 0; i < json_array_size(value); i++) {
        const json_t *item = json_array_get(value, i);
        const char *name = json_string_value(json_object_get(item, "name"));
        const char *type = json_string_value(json_object_get(item, "type"));

        if (name && type && g_str_has_prefix(type, "child<"))
            g_queue_push_tail(&listing->paths, g_strdup_printf("%s/%s", folder, name));
    }
    look_further(listing);
}

static void
look_further(Listing *listing)
{
    char *path = g_queue_pop_head(&listing->paths);

    if (path) {
        listing->nic = g_new0(GuestNic, 1);
        listing->nic->path = path;
        ask_property(listing, "netdev", on_netdev);
    } else if (listing->n_folders < G_N_ELEMENTS(folders)) {
        qmp_call(listing->qmp, "qom-list", json_pack("{s:s}", "path", folders[listing->n_folders]),
                 -1, QMP_DEADLINE, on_folder, listing);
    } else {
        finish(listing, NULL);
    }
}

void
guest_nics_list(Qmp *qmp, GuestNicsDone done, gpointer user_data)
{
    Listing *listing = g_new0(Listing, 1);

    listing->qmp = qmp;
    listing->nics = g_ptr_array_new_with_free_func(guest_nic_free);
    listing->done = done;
    listing->user_data = user_data;
    look_further(listing);
}

const GuestNic *
guest_nics_find(GPtrArray *nics, const char *netdev, const char *mac)
{
    const GuestNic *found = NULL;

    for (guint i = 0; i < nics->len; i++) {
        const GuestNic *nic = nics->pdata[i];

        if (netdev && g_str_equal(nic->netdev, netdev))
            return nic;
        if (netdev || !nic->mac || g_ascii_strcasecmp(nic->mac, mac) != 0)
            continue;
        if (found)
            return NULL;
        found = nic;
    }
    return found;
}
