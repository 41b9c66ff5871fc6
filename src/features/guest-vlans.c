/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Feature: the 802.1Q tags that guests add themselves (GuestVLANs=).
 *
 * Theory of operation
 *
 * A NIC with a VLAN filter drops every frame whose tag is not in the filter. The kernel adds the
 * tag of each VLAN device to the filter of the NIC below; but a VLAN device takes the frames with
 * its tag away from the macvtap below it, and one on the parent takes them away from all macvtaps
 * there. A VLAN device on a separate macvtap, which no guest uses, takes nothing from the others:
 * that macvtap passes the tag down to the parent's filter, and the frames that the NIC accepts go
 * to the ports by their destination. So a parent gets one such macvtap, the filter device, with a
 * VLAN device for each tag. All of them are down and never see a frame.
 *
 * (A promiscuous parent would accept all tags, but also everyone's frames. Most drivers do not
 * allow turning the filter off.)
 *
 * There are no records. A filter device is identified by its alias or, after a crash before that
 * was set, by its name, which contains its parent's ifindex. The kernel removes the VLAN devices
 * together with it. The networks of a parent's ports determine the tags it needs; while one of
 * these networks is undefined, tags are only added. A filter device whose parent was moved into
 * another network namespace is removed, and one is made again when the parent is back.
 *
 * On a VLAN device that macvtapd created (VLAN=) the NIC filters by that device's tag only and
 * ignores the guest's inner tag.
 */
#include "feature.h"

#include "error.h"
#include "port-error.h"

#include <errno.h>
#include <stdio.h>

#define FILTER_ALIAS "macvtapd:guest-vlans"

/* A parent's filter device. */
typedef struct Filter {
    int index;
    VlanTags tags;
} Filter;

/* The feature's state. */
typedef struct Filters {
    FeatureHost *host;
    GHashTable *by_parent; /* the parent's ifindex -> Filter, for the known ones */
    gboolean is_known;     /* by_parent is complete */
    GHashTable *problems;  /* likewise -> text: the last failure, which was logged */
} Filters;

static Filters *
state_of(FeatureHost *host)
{
    return feature_state(host, &feature_guest_vlans);
}

static gboolean
guest_vlans_start(FeatureHost *host, gpointer *ret_state, GError **error)
{
    Filters *filters = g_new0(Filters, 1);

    filters->host = host;
    filters->by_parent = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    filters->problems = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    *ret_state = filters;
    return TRUE;
}

static void
guest_vlans_stop(gpointer state)
{
    Filters *filters = state;

    if (!filters)
        return;
    g_hash_table_unref(filters->by_parent);
    g_hash_table_unref(filters->problems);
    g_free(filters);
}

static Filter *
find_filter(const Filters *filters, int parent_index)
{
    return g_hash_table_lookup(filters->by_parent, GINT_TO_POINTER(parent_index));
}

/* ---- The present devices ---- */

/* At most 15 characters with "." and a tag. */
static void
name_filter(int parent_index, char name[static INTERFACE_NAME_MAX + 1])
{
    snprintf(name, INTERFACE_NAME_MAX + 1, "mg%x", (guint)parent_index);
}

static gboolean
has_name(const LinkInfo *link)
{
    char name[INTERFACE_NAME_MAX + 1];

    name_filter(link->lower_index, name);
    return g_str_equal(link->name, name);
}

static gboolean
is_filter(const LinkInfo *link)
{
    return g_str_equal(link->kind, "macvtap") &&
           (g_str_equal(link->alias, FILTER_ALIAS) || (link->alias[0] == '\0' && has_name(link)));
}

/* Its parent was moved into another network namespace, and perhaps has another ifindex now. */
static gboolean
is_stale(const LinkInfo *filter)
{
    return filter->lower_is_elsewhere || (filter->lower_index != 0 && !has_name(filter));
}

static gboolean
remove_link(Filters *filters, int index)
{
    Kernel *kernel = filters->host->kernel;
    g_autoptr(GError) error = NULL;

    if (kernel->ops->link_delete(kernel, &index, 1, &error))
        return TRUE;
    g_warning("%s", error->message);
    return FALSE;
}

static void
add_filter(Filters *filters, int parent_index, int index)
{
    Filter *filter = g_new0(Filter, 1);

    filter->index = index;
    g_hash_table_insert(filters->by_parent, GINT_TO_POINTER(parent_index), filter);
}

static Filter *
find_by_index(const Filters *filters, int index)
{
    GHashTableIter iter;
    gpointer filter;

    g_hash_table_iter_init(&iter, filters->by_parent);
    while (g_hash_table_iter_next(&iter, NULL, &filter)) {
        if (((const Filter *)filter)->index == index)
            return filter;
    }
    return NULL;
}

static gboolean
read_filters(Filters *filters, GError **error)
{
    Kernel *kernel = filters->host->kernel;
    g_autoptr(GArray) links = kernel->ops->link_list(kernel, error);

    if (!links)
        return FALSE;
    g_hash_table_remove_all(filters->by_parent);
    for (guint i = 0; i < links->len; i++) {
        const LinkInfo *link = &g_array_index(links, LinkInfo, i);

        if (is_filter(link) && is_stale(link))
            remove_link(filters, link->index);
        else if (is_filter(link) && link->lower_index != 0)
            add_filter(filters, link->lower_index, link->index);
    }
    for (guint i = 0; i < links->len; i++) {
        const LinkInfo *link = &g_array_index(links, LinkInfo, i);
        Filter *filter = g_str_equal(link->kind, "vlan") && !link->vlan_is_outer
                             ? find_by_index(filters, link->lower_index)
                             : NULL;

        if (filter)
            vlan_tags_set(&filter->tags, link->vlan_id, TRUE);
    }
    filters->is_known = TRUE;
    return TRUE;
}

/* ---- The required devices ---- */

static gboolean
make_filter(Filters *filters, int parent_index, GError **error)
{
    Kernel *kernel = filters->host->kernel;
    char name[INTERFACE_NAME_MAX + 1];
    const MacvtapSpec spec = {
        .name = name,
        .parent_index = parent_index,
        .mode = MACVTAP_MODE_PRIVATE,
        .down = TRUE,
        .alias = FILTER_ALIAS,
    };
    LinkInfo link;

    name_filter(parent_index, name);
    if (!kernel->ops->macvtap_create(kernel, &spec, &link, error))
        return FALSE;
    add_filter(filters, parent_index, link.index);
    return TRUE;
}

static gboolean
add_tag(Filters *filters, int parent_index, Filter *filter, guint tag, GError **error)
{
    Kernel *kernel = filters->host->kernel;
    char parent_name[INTERFACE_NAME_MAX + 1];
    g_autofree char *name = NULL;
    VlanSpec spec = {.parent_index = filter->index, .id = (guint16)tag, .alias = FILTER_ALIAS};
    LinkInfo link;

    name_filter(parent_index, parent_name);
    spec.name = name = g_strdup_printf("%s.%u", parent_name, tag);
    if (!kernel->ops->vlan_create(kernel, &spec, &link, error))
        return FALSE;
    vlan_tags_set(&filter->tags, tag, TRUE);
    return TRUE;
}

static gboolean
add_missing(Filters *filters, int parent_index, const VlanTags *tags, GError **error)
{
    Filter *filter;

    if (!find_filter(filters, parent_index) && !make_filter(filters, parent_index, error))
        return FALSE;
    filter = find_filter(filters, parent_index);
    for (guint tag = 1; tag <= VLAN_ID_MAX; tag++) {
        if (vlan_tags_has(tags, tag) && !vlan_tags_has(&filter->tags, tag) &&
            !add_tag(filters, parent_index, filter, tag, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
has_all(const Filter *filter, const VlanTags *tags)
{
    for (guint i = 0; filter && i < G_N_ELEMENTS(tags->bits); i++) {
        if (tags->bits[i] & ~filter->tags.bits[i])
            return FALSE;
    }
    return filter != NULL;
}

/* Makes the parent's filter accept at least these tags. PORT_ERROR. */
static gboolean
ensure_tags(Filters *filters, int parent_index, const VlanTags *tags, GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (vlan_tags_are_none(tags) || has_all(find_filter(filters, parent_index), tags))
        return TRUE;
    if ((filters->is_known || read_filters(filters, &cause)) &&
        add_missing(filters, parent_index, tags, &cause))
        return TRUE;
    /* The known state may be wrong. */
    filters->is_known = FALSE;
    if (error_is_errno(cause, ENOPKG))
        return port_error_set(
            error, PORT_ERROR_SYSTEM,
            "GuestVLANs= needs the kernel module 8021q: make sure that 'modprobe 8021q' succeeds");
    return port_error_set(error, PORT_ERROR_SYSTEM,
                          "cannot add the tags of GuestVLANs= to the parent's VLAN filter: %s",
                          cause->message);
}

/* The tags that the ports of each parent need. */
typedef struct Needs {
    FeatureHost *host;
    GHashTable *by_parent; /* its ifindex -> VlanTags */
    GHashTable *unsure;    /* a set of ifindexes: what a port there needs is unknown */
} Needs;

/* FALSE: unknown, as the port's network is currently undefined, or does not match the port. */
static gboolean
tags_of(FeatureHost *host, const Port *port, VlanTags *ret_tags)
{
    const Network *network = host->ops->network(host, port);

    *ret_tags = (VlanTags){{0}};
    if (port->vlan || port->mode == MACVTAP_MODE_PASSTHRU || network_spec_is_adhoc(port->network))
        return TRUE;
    if (!network || network->mode == MACVTAP_MODE_PASSTHRU)
        return FALSE;
    network_guest_vlans(network, ret_tags);
    return TRUE;
}

static void
add_needs(Port *port, gpointer user_data)
{
    Needs *needs = user_data;
    gpointer key = GINT_TO_POINTER(port->parent_index);
    VlanTags tags, *all = g_hash_table_lookup(needs->by_parent, key);

    if (!tags_of(needs->host, port, &tags))
        g_hash_table_add(needs->unsure, key);
    if (vlan_tags_are_none(&tags))
        return;
    if (!all)
        g_hash_table_insert(needs->by_parent, key, all = g_new0(VlanTags, 1));
    for (guint i = 0; i < G_N_ELEMENTS(tags.bits); i++)
        all->bits[i] |= tags.bits[i];
}

static void
find_needs(FeatureHost *host, Needs *needs)
{
    needs->host = host;
    needs->by_parent = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    needs->unsure = g_hash_table_new(NULL, NULL);
    port_table_foreach(host->ports, add_needs, needs);
}

static void
clear_needs(Needs *needs)
{
    g_clear_pointer(&needs->by_parent, g_hash_table_unref);
    g_clear_pointer(&needs->unsure, g_hash_table_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Needs, clear_needs)

/* ---- Removal of unused devices ---- */

static void
remove_tag(Filters *filters, int parent_index, Filter *filter, guint tag)
{
    Kernel *kernel = filters->host->kernel;
    char parent_name[INTERFACE_NAME_MAX + 1];
    g_autofree char *name = NULL;
    LinkInfo link;

    name_filter(parent_index, parent_name);
    name = g_strdup_printf("%s.%u", parent_name, tag);
    if (!kernel->ops->link_by_name(kernel, name, &link, NULL) ||
        link.lower_index != filter->index || remove_link(filters, link.index))
        vlan_tags_set(&filter->tags, tag, FALSE);
}

/* needed: NULL if no port needs a tag. TRUE if the filter device was removed. */
static gboolean
reduce_filter(Filters *filters, int parent_index, Filter *filter, const VlanTags *needed)
{
    if (!needed)
        return remove_link(filters, filter->index);
    for (guint tag = 1; tag <= VLAN_ID_MAX; tag++) {
        if (vlan_tags_has(&filter->tags, tag) && !vlan_tags_has(needed, tag))
            remove_tag(filters, parent_index, filter, tag);
    }
    return FALSE;
}

static void
guest_vlans_sweep(FeatureHost *host)
{
    Filters *filters = state_of(host);
    g_autoptr(GError) error = NULL;
    g_auto(Needs) needs = {0};
    GHashTableIter iter;
    gpointer key, filter;

    if (!filters->is_known && !read_filters(filters, &error)) {
        g_warning("%s", error->message);
        return;
    }
    if (g_hash_table_size(filters->by_parent) == 0)
        return;
    find_needs(host, &needs);
    g_hash_table_iter_init(&iter, filters->by_parent);
    while (g_hash_table_iter_next(&iter, &key, &filter)) {
        if (!g_hash_table_contains(needs.unsure, key) &&
            reduce_filter(filters, GPOINTER_TO_INT(key), filter,
                          g_hash_table_lookup(needs.by_parent, key)))
            g_hash_table_iter_remove(&iter);
    }
}

/* ---- The life of a port ---- */

static gboolean
guest_vlans_attach(FeatureHost *host, NewPort *new, const LinkInfo *device, GError **error)
{
    VlanTags tags;

    tags_of(host, new->port, &tags);
    return ensure_tags(state_of(host), new->port->parent_index, &tags, error);
}

static gboolean
guest_vlans_adopt(FeatureHost *host, Port *port, const LinkInfo *device, GError **error)
{
    VlanTags tags;

    tags_of(host, port, &tags);
    return port->parent_index == 0 || ensure_tags(state_of(host), port->parent_index, &tags, error);
}

/* A failure is logged once. */
static void
restore_tags(FeatureHost *host, const LinkInfo *parent, const VlanTags *tags)
{
    Filters *filters = state_of(host);
    gpointer key = GINT_TO_POINTER(parent->index);
    g_autoptr(GError) error = NULL;

    if (ensure_tags(filters, parent->index, tags, &error)) {
        g_hash_table_remove(filters->problems, key);
        return;
    }
    if (g_strcmp0(error->message, g_hash_table_lookup(filters->problems, key)) == 0)
        return;
    g_warning("guests on %s: %s", parent->name, error->message);
    g_hash_table_insert(filters->problems, key, g_strdup(error->message));
}

static const char *
guest_vlans_outdated(FeatureHost *host, const Port *port)
{
    const Filter *filter = find_filter(state_of(host), port->parent_index);
    VlanTags tags;

    tags_of(host, port, &tags);
    return port->state != PORT_STATE_ACTIVE || port->parent_index == 0 ||
                   vlan_tags_are_none(&tags) || has_all(filter, &tags)
               ? NULL
               : "GuestVLANs";
}

static gboolean
is_told(const Port *port)
{
    return port->outdated && g_strv_contains((const char *const *)port->outdated, "GuestVLANs");
}

static gboolean
guest_vlans_on_parent(FeatureHost *host, Port *port, const LinkInfo *parent)
{
    const Network *network = host->ops->network(host, port);
    VlanTags tags;

    /* The parent has an event for each port that is created, and one update covers all ports. */
    if (network && !network->guest_vlans[0] && !is_told(port))
        return FALSE;
    tags_of(host, port, &tags);
    restore_tags(host, parent, &tags);
    return is_told(port) != (guest_vlans_outdated(host, port) != NULL);
}

static void
guest_vlans_on_new_parent(FeatureHost *host, Port *port, int before)
{
    Filters *filters = state_of(host);

    g_hash_table_remove(filters->by_parent, GINT_TO_POINTER(before));
    filters->is_known = FALSE;
}

/* The parent's ifindex if the link was a filter device, or may have been on one; else 0. */
static int
find_parent(const Filters *filters, const LinkInfo *link)
{
    GHashTableIter iter;
    gpointer key, filter;

    g_hash_table_iter_init(&iter, filters->by_parent);
    while (g_hash_table_iter_next(&iter, &key, &filter)) {
        char name[INTERFACE_NAME_MAX + 1];

        name_filter(GPOINTER_TO_INT(key), name);
        if (((const Filter *)filter)->index == link->index || g_str_has_prefix(link->name, name))
            return GPOINTER_TO_INT(key);
    }
    return 0;
}

/* The kernel removed some of its devices, perhaps together with the parent. */
static void
restore_filter(FeatureHost *host, int parent_index)
{
    Kernel *kernel = host->kernel;
    gpointer key = GINT_TO_POINTER(parent_index);
    g_auto(Needs) needs = {0};
    const VlanTags *tags;
    LinkInfo parent;

    g_hash_table_remove(state_of(host)->by_parent, key);
    find_needs(host, &needs);
    tags = g_hash_table_lookup(needs.by_parent, key);
    if (tags && kernel->ops->link_by_index(kernel, parent_index, &parent, NULL))
        restore_tags(host, &parent, tags);
}

static void
guest_vlans_on_removed(FeatureHost *host, const LinkInfo *link)
{
    Filters *filters = state_of(host);
    int parent_index = link ? find_parent(filters, link) : 0;

    if (!link)
        g_hash_table_remove_all(filters->by_parent);
    else if (parent_index == 0)
        return;
    filters->is_known = FALSE;
    if (parent_index != 0)
        restore_filter(host, parent_index);
}

const PortFeature feature_guest_vlans = {
    .name = "guest VLANs",
    .start = guest_vlans_start,
    .stop = guest_vlans_stop,
    .attach = guest_vlans_attach,
    .adopt = guest_vlans_adopt,
    .on_parent = guest_vlans_on_parent,
    .on_new_parent = guest_vlans_on_new_parent,
    .outdated = guest_vlans_outdated,
    .on_removed = guest_vlans_on_removed,
    .sweep = guest_vlans_sweep,
};
