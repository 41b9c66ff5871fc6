/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "feature.h"

#include "holders.h"

#include "descriptor.h"

/* The feature that can end a port comes first: the others ignore a port that is ending. */
/* clang-format off */
static const PortFeature *const features[] = {
    &feature_lifetime,
    &feature_namespace,
    &feature_node,
    &feature_sources,
    &feature_mac,
    &feature_mtu,
    &feature_promiscuity,
    &feature_queue_lengths,
    &feature_migration,
    &feature_withheld,
    &feature_host_address,
    &feature_guest_vlans,
    &feature_lease,
    &feature_guest_link,
    &feature_captures,
    &feature_guard,
    &feature_dhcp,
    &feature_limits,
};
/* clang-format on */

#define FOR_EACH(feature)                                                                          \
    for (const PortFeature *const *row = features, *feature;                                       \
         row < features + G_N_ELEMENTS(features) && (feature = *row, TRUE); row++)

const Privileges *const features_privileges[] = {
    &holders_privileges,
    &captures_privileges,
    NULL,
};

void
new_port_init(NewPort *new, const Caller *caller, const PortRequest *request)
{
    *new = (NewPort){.caller = caller, .request = request, .holder = {.pidfd = -1}};
}

void
new_port_clear(NewPort *new)
{
    descriptor_clear(&new->holder.pidfd);
}

const Network *
feature_network(FeatureHost *host, const Port *port, const char *thing, GError **error)
{
    const Network *network = host->ops->network(host, port);

    if (!network && port->network_removed)
        port_error_set(error, PORT_ERROR_NETWORK_NOT_FOUND,
                       "port %s: its network was removed, so %s nothing to follow", port->name,
                       thing);
    else if (!network)
        port_error_set(error, PORT_ERROR_NETWORK_INVALID,
                       "port %s: its network %s cannot be used, so %s nothing to follow "
                       "('macvtapctl network show %s' says why)",
                       port->name, port->network, thing, port->network);
    return network;
}

gpointer
feature_state(FeatureHost *host, const PortFeature *feature)
{
    guint number = 0;

    while (features[number] != feature)
        number++;
    return host->states[number];
}

gboolean
features_start(FeatureHost *host, GError **error)
{
    host->states = g_new0(gpointer, G_N_ELEMENTS(features));
    FOR_EACH(feature)
    {
        if (feature->start && !feature->start(host, &host->states[row - features], error))
            return FALSE;
    }
    return TRUE;
}

void
features_stop(FeatureHost *host)
{
    if (!host->states)
        return;
    FOR_EACH(feature)
    {
        if (feature->stop)
            feature->stop(g_steal_pointer(&host->states[row - features]));
    }
    g_clear_pointer(&host->states, g_free);
}

gboolean
features_load(FeatureHost *host, GError **error)
{
    FOR_EACH(feature)
    {
        if (feature->load && !feature->load(host, error))
            return FALSE;
    }
    return TRUE;
}

void
features_loaded(FeatureHost *host)
{
    FOR_EACH(feature)
    {
        if (feature->loaded)
            feature->loaded(host);
    }
}

gboolean
features_check(FeatureHost *host, const NewPort *new, GError **error)
{
    FOR_EACH(feature)
    {
        if (feature->check && !feature->check(host, new, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
features_prepare(FeatureHost *host, NewPort *new, GError **error)
{
    FOR_EACH(feature)
    {
        if (feature->prepare && !feature->prepare(host, new, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
features_choose(FeatureHost *host, NewPort *new, const LinkInfo *parent, GError **error)
{
    FOR_EACH(feature)
    {
        if (feature->choose && !feature->choose(host, new, parent, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
features_before_up(FeatureHost *host, const NewPort *new, int index, GError **error)
{
    FOR_EACH(feature)
    {
        if (feature->before_up && !feature->before_up(host, new, index, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
features_make(FeatureHost *host, NewPort *new, const LinkInfo *device, GError **error)
{
    FOR_EACH(feature)
    {
        if (feature->make && !feature->make(host, new, device, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
features_attach(FeatureHost *host, NewPort *new, const LinkInfo *device, GError **error)
{
    FOR_EACH(feature)
    {
        if (feature->attach && !feature->attach(host, new, device, error))
            return FALSE;
    }
    return TRUE;
}

void
features_opened(FeatureHost *host, Port *port)
{
    FOR_EACH(feature)
    {
        if (feature->opened)
            feature->opened(host, port);
    }
}

gboolean
features_lives(FeatureHost *host, Port *port, gboolean *ret_lives, GError **error)
{
    *ret_lives = TRUE;
    FOR_EACH(feature)
    {
        if (feature->lives && !feature->lives(host, port, ret_lives, error))
            return FALSE;
    }
    return TRUE;
}

void
features_adopt(FeatureHost *host, Port *port, const LinkInfo *device,
               void (*say)(const char *message, gpointer user_data), gpointer user_data)
{
    FOR_EACH(feature)
    {
        g_autoptr(GError) error = NULL;

        if (feature->adopt && !feature->adopt(host, port, device, &error))
            say(error->message, user_data);
    }
}

void
features_want(FeatureHost *host, const Port *port, const Network *network, DeviceState *state)
{
    FOR_EACH(feature)
    {
        if (feature->want)
            feature->want(host, port, network, state);
    }
}

guint
features_compare(FeatureHost *host, const Port *port)
{
    guint fields = 0;

    FOR_EACH(feature)
    {
        if (feature->compare)
            fields |= feature->compare(host, port);
    }
    return fields;
}

gboolean
features_follow(FeatureHost *host, Port *port, const LinkInfo *device, gboolean by_parent)
{
    gboolean changed = FALSE;

    FOR_EACH(feature)
    {
        if (feature->follow)
            changed |= feature->follow(host, port, device, by_parent);
    }
    return changed;
}

gboolean
features_drift(FeatureHost *host, Port *port, guint fields)
{
    gboolean changed = FALSE;

    FOR_EACH(feature)
    {
        if (feature->drift)
            changed |= feature->drift(host, port, fields);
    }
    return changed;
}

gboolean
features_repair(FeatureHost *host, Port *port, const DeviceState *wanted, guint fields,
                GError **error)
{
    gboolean good = TRUE;

    FOR_EACH(feature)
    {
        if (feature->repair)
            good &= feature->repair(host, port, wanted, fields, good ? error : NULL);
    }
    return good;
}

void
features_repaired(FeatureHost *host, Port *port, const LinkInfo *before, guint fields,
                  gboolean by_parent)
{
    FOR_EACH(feature)
    {
        if (feature->repaired)
            feature->repaired(host, port, before, fields, by_parent);
    }
}

gboolean
features_on_parent(FeatureHost *host, Port *port, const LinkInfo *parent)
{
    gboolean changed = FALSE;

    FOR_EACH(feature)
    {
        if (feature->on_parent)
            changed |= feature->on_parent(host, port, parent);
    }
    return changed;
}

void
features_on_removed(FeatureHost *host, const LinkInfo *link)
{
    FOR_EACH(feature)
    {
        if (feature->on_removed)
            feature->on_removed(host, link);
    }
}

void
features_sweep(FeatureHost *host)
{
    FOR_EACH(feature)
    {
        if (feature->sweep)
            feature->sweep(host);
    }
}

void
features_on_new_parent(FeatureHost *host, Port *port, int before)
{
    FOR_EACH(feature)
    {
        if (feature->on_new_parent)
            feature->on_new_parent(host, port, before);
    }
}

gboolean
features_on_network(FeatureHost *host, Port *port, const Network *network)
{
    gboolean changed = FALSE;

    FOR_EACH(feature)
    {
        if (feature->on_network)
            changed |= feature->on_network(host, port, network);
    }
    return changed;
}

void
features_list_outdated(FeatureHost *host, const Port *port, GStrvBuilder *keys)
{
    FOR_EACH(feature)
    {
        const char *key = feature->outdated ? feature->outdated(host, port) : NULL;

        if (key)
            g_strv_builder_add(keys, key);
    }
}

void
features_observe(FeatureHost *host, Port *port)
{
    FOR_EACH(feature)
    {
        if (feature->observe)
            feature->observe(host, port);
    }
}

void
features_list_faults(FeatureHost *host, GPtrArray *faults)
{
    FOR_EACH(feature)
    {
        if (feature->list_faults)
            feature->list_faults(host, faults);
    }
}

gboolean
features_check_change(FeatureHost *host, const Caller *caller, const Port *port,
                      const PortChange *change, GError **error)
{
    FOR_EACH(feature)
    {
        if (feature->check_change && !feature->check_change(host, caller, port, change, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
features_change(FeatureHost *host, const Caller *caller, Port *port, const PortChange *change,
                GError **error)
{
    FOR_EACH(feature)
    {
        if (feature->change && !feature->change(host, caller, port, change, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
features_capture(FeatureHost *host, const Caller *caller, const Port *port, const CaptureWish *wish,
                 int *ret_fd, GError **error)
{
    FOR_EACH(feature)
    {
        if (feature->capture)
            return feature->capture(host, caller, port, wish, ret_fd, error);
    }
    g_assert_not_reached();
}

gboolean
features_release(FeatureHost *host, const Port *port, GError **error)
{
    for (guint i = G_N_ELEMENTS(features); i-- > 0;) {
        if (features[i]->release && !features[i]->release(host, port, error))
            return FALSE;
    }
    return TRUE;
}

void
features_release_or_warn(FeatureHost *host, const Port *port)
{
    g_autoptr(GError) error = NULL;

    if (!features_release(host, port, &error))
        g_warning("%s", error->message);
}

void
features_orphan(FeatureHost *host, const LinkInfo *device)
{
    FOR_EACH(feature)
    {
        if (feature->orphan)
            feature->orphan(host, device);
    }
}

void
features_detach(FeatureHost *host, const Port *port)
{
    for (guint i = G_N_ELEMENTS(features); i-- > 0;) {
        if (features[i]->detach)
            features[i]->detach(host, port);
    }
}
