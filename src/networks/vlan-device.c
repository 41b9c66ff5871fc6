/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "networks-private.h"

#include "error.h"
#include "port-error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Identifies a VLAN. */
typedef struct Tag {
    guint16 id;
    gboolean is_outer;
} Tag;

/*
 * "eth0.100", the usual name, if that may be a name and is free; else "mv" with the trunk's ifindex
 * in hex, which fits into 15 characters and is unique to the trunk. 'a' distinguishes 802.1ad from
 * 802.1Q on the same trunk.
 */
static gboolean
name_device(const LinkInfo *trunk, const Tag *tag, guint attempt, char *name, gsize size)
{
    int n = attempt == 1 ? snprintf(name, size, "%s.%u", trunk->name, tag->id)
                         : snprintf(name, size, "m%s%x.%u", tag->is_outer ? "a" : "v",
                                    (guint)trunk->index, tag->id);

    return n < (int)size && interface_name_check(name, NULL);
}

static void
vlan_choose_name(Kernel *kernel, const LinkInfo *trunk, gconstpointer what, guint attempt,
                 char *name, gsize size)
{
    const Tag *tag = what;
    LinkInfo other;

    if (attempt == 1 && name_device(trunk, tag, 1, name, size) &&
        !kernel->ops->link_by_name(kernel, name, &other, NULL))
        return;
    name_device(trunk, tag, 2, name, size);
}

static gboolean
vlan_create(Kernel *kernel, const OwnedDevice *device, gconstpointer what, LinkInfo *ret_device,
            GError **error)
{
    const Tag *tag = what;
    const VlanSpec spec = {
        .name = device->name,
        .index = device->index,
        .parent_index = device->lower_index,
        .id = tag->id,
        .is_outer = tag->is_outer,
        .alias = owned_vlan.alias,
    };

    return kernel->ops->vlan_create(kernel, &spec, ret_device, error);
}

const OwnedKind owned_vlan = {
    .title = "VLAN device",
    .folder = "vlans",
    .lower_name = "trunk",
    .lower_index = "trunkIndex",
    .link_kind = "vlan",
    .alias = "macvtapd:vlan",
    .choose_name = vlan_choose_name,
    .create = vlan_create,
};

static gboolean
is_wanted(const LinkInfo *link, const LinkInfo *trunk, const Tag *tag)
{
    return g_str_equal(link->kind, "vlan") && link->lower_index == trunk->index &&
           link->vlan_id == tag->id && link->vlan_is_outer == tag->is_outer;
}

/* Tries the usual names first: all links are searched only for a device with another name. */
static gboolean
find_by_name(Kernel *kernel, const LinkInfo *trunk, const Tag *tag, LinkInfo *ret_device)
{
    for (guint attempt = 1; attempt <= 2; attempt++) {
        char name[INTERFACE_NAME_MAX + 1];

        if (name_device(trunk, tag, attempt, name, sizeof(name)) &&
            kernel->ops->link_by_name(kernel, name, ret_device, NULL) &&
            is_wanted(ret_device, trunk, tag))
            return TRUE;
    }
    return FALSE;
}

/* Finds an existing VLAN device by parent and tag; one of ours may lack its alias after a crash. */
static gboolean
find_existing(Kernel *kernel, const LinkInfo *trunk, const Tag *tag, LinkInfo *ret_device,
              GError **error)
{
    g_autoptr(GArray) links = NULL;

    if (find_by_name(kernel, trunk, tag, ret_device))
        return TRUE;
    links = kernel->ops->link_list(kernel, error);
    for (guint i = 0; links && i < links->len; i++) {
        const LinkInfo *link = &g_array_index(links, LinkInfo, i);

        if (is_wanted(link, trunk, tag)) {
            *ret_device = *link;
            return TRUE;
        }
    }
    return FALSE;
}

static gboolean
acquire_tag(OwnedDevices *devices, Kernel *kernel, const LinkInfo *trunk, const Tag *tag,
            LinkInfo *ret_device, GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (find_existing(kernel, trunk, tag, ret_device, &cause))
        return TRUE;
    if (cause)
        return port_error_set(error, PORT_ERROR_SYSTEM, "%s", cause->message);
    if (owned_make(devices, &owned_vlan, trunk, tag, ret_device, &cause))
        return TRUE;
    if (error_is_errno(cause, ENOPKG))
        return port_error_set(
            error, PORT_ERROR_SYSTEM,
            "VLAN= needs the kernel module 8021q: make sure that 'modprobe 8021q' succeeds");
    return port_error_set(error, PORT_ERROR_SYSTEM, "cannot make VLAN %u on %s: %s", tag->id,
                          trunk->name, cause->message);
}

static gboolean
find_tag(Kernel *kernel, const LinkInfo *trunk, const Tag *tag, LinkInfo *ret_device)
{
    LinkInfo device = *trunk;

    if (trunk->index != 0 && find_existing(kernel, trunk, tag, ret_device, NULL))
        return TRUE;
    device.index = device.master_index = 0;
    device.lower_index = trunk->index;
    if (!name_device(trunk, tag, 1, device.name, sizeof(device.name)))
        name_device(trunk, tag, 2, device.name, sizeof(device.name));
    g_strlcpy(device.kind, "vlan", sizeof(device.kind));
    *ret_device = device;
    return FALSE;
}

/* "100" is one tag, "200.100" two; returns the number of tags. */
static guint
parse_tags(const char *vlan, Tag tags[2])
{
    const char *dot = strchr(vlan, '.');

    tags[0] = (Tag){.id = (guint16)g_ascii_strtoull(vlan, NULL, 10), .is_outer = dot != NULL};
    if (!dot)
        return 1;
    tags[1] = (Tag){.id = (guint16)g_ascii_strtoull(dot + 1, NULL, 10)};
    return 2;
}

gboolean
vlan_device_find(Kernel *kernel, const LinkInfo *trunk, const char *vlan, LinkInfo *ret_device)
{
    LinkInfo outer;
    Tag tags[2];

    if (parse_tags(vlan, tags) == 1)
        return find_tag(kernel, trunk, &tags[0], ret_device);
    find_tag(kernel, trunk, &tags[0], &outer);
    return find_tag(kernel, &outer, &tags[1], ret_device);
}

gboolean
vlan_device_acquire(OwnedDevices *devices, Kernel *kernel, const LinkInfo *trunk, const char *vlan,
                    LinkInfo *ret_device, GError **error)
{
    LinkInfo outer;
    Tag tags[2];

    if (parse_tags(vlan, tags) == 1)
        return acquire_tag(devices, kernel, trunk, &tags[0], ret_device, error);
    return acquire_tag(devices, kernel, trunk, &tags[0], &outer, error) &&
           acquire_tag(devices, kernel, &outer, &tags[1], ret_device, error);
}
