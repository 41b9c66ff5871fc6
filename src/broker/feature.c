/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "feature.h"

/* What ends a port comes first: a port that ends is nothing to the others. */
static const PortFeature *const features[] = {
    &feature_lifetime, &feature_node,      &feature_sources,      &feature_mac,
    &feature_mtu,      &feature_migration, &feature_host_address,
};

#define FOR_EACH(feature)                                                                          \
    for (const PortFeature *const *row = features, *feature;                                       \
         row < features + G_N_ELEMENTS(features) && (feature = *row, TRUE); row++)

guint
features_count(void)
{
    return G_N_ELEMENTS(features);
}

guint
feature_number(const PortFeature *feature)
{
    guint number = 0;

    while (features[number] != feature)
        number++;
    return number;
}

gboolean
features_start(Broker *broker, gpointer *states, GError **error)
{
    FOR_EACH(feature)
    {
        if (feature->start && !feature->start(broker, &states[row - features], error))
            return FALSE;
    }
    return TRUE;
}

void
features_stop(gpointer *states)
{
    FOR_EACH(feature)
    {
        if (feature->stop)
            feature->stop(g_steal_pointer(&states[row - features]));
    }
}

gboolean
features_load(Broker *broker, GError **error)
{
    FOR_EACH(feature)
    {
        if (feature->load && !feature->load(broker, error))
            return FALSE;
    }
    return TRUE;
}

void
features_loaded(Broker *broker)
{
    FOR_EACH(feature)
    {
        if (feature->loaded)
            feature->loaded(broker);
    }
}

gboolean
features_check(Broker *broker, const NewPort *new, GError **error)
{
    FOR_EACH(feature)
    {
        if (feature->check && !feature->check(broker, new, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
features_prepare(Broker *broker, NewPort *new, GError **error)
{
    FOR_EACH(feature)
    {
        if (feature->prepare && !feature->prepare(broker, new, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
features_make(Broker *broker, NewPort *new, const LinkInfo *device, GError **error)
{
    FOR_EACH(feature)
    {
        if (feature->make && !feature->make(broker, new, device, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
features_attach(Broker *broker, NewPort *new, const LinkInfo *device, GError **error)
{
    FOR_EACH(feature)
    {
        if (feature->attach && !feature->attach(broker, new, device, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
features_lives(Broker *broker, Port *port, gboolean *ret_lives, GError **error)
{
    *ret_lives = TRUE;
    FOR_EACH(feature)
    {
        if (feature->lives && !feature->lives(broker, port, ret_lives, error))
            return FALSE;
    }
    return TRUE;
}

void
features_adopt(Broker *broker, Port *port, const LinkInfo *device,
               void (*say)(const char *message, gpointer user_data), gpointer user_data)
{
    FOR_EACH(feature)
    {
        g_autoptr(GError) error = NULL;

        if (feature->adopt && !feature->adopt(broker, port, device, &error))
            say(error->message, user_data);
    }
}

void
features_want(Broker *broker, const Port *port, const Network *network, DeviceState *state)
{
    FOR_EACH(feature)
    {
        if (feature->want)
            feature->want(broker, port, network, state);
    }
}

gboolean
features_follow(Broker *broker, Port *port, const LinkInfo *device, gboolean by_parent)
{
    gboolean changed = FALSE;

    FOR_EACH(feature)
    {
        if (feature->follow)
            changed |= feature->follow(broker, port, device, by_parent);
    }
    return changed;
}

gboolean
features_drift(Broker *broker, Port *port, guint fields)
{
    gboolean changed = FALSE;

    FOR_EACH(feature)
    {
        if (feature->drift)
            changed |= feature->drift(broker, port, fields);
    }
    return changed;
}

gboolean
features_repair(Broker *broker, Port *port, const DeviceState *wanted, guint fields, GError **error)
{
    gboolean good = TRUE;

    FOR_EACH(feature)
    {
        if (feature->repair)
            good &= feature->repair(broker, port, wanted, fields, good ? error : NULL);
    }
    return good;
}

void
features_repaired(Broker *broker, Port *port, const LinkInfo *before, guint fields,
                  gboolean by_parent)
{
    FOR_EACH(feature)
    {
        if (feature->repaired)
            feature->repaired(broker, port, before, fields, by_parent);
    }
}

gboolean
features_on_parent(Broker *broker, Port *port, const LinkInfo *parent)
{
    gboolean changed = FALSE;

    FOR_EACH(feature)
    {
        if (feature->on_parent)
            changed |= feature->on_parent(broker, port, parent);
    }
    return changed;
}

gboolean
features_check_change(Broker *broker, const Caller *caller, const Port *port,
                      const PortChange *change, GError **error)
{
    FOR_EACH(feature)
    {
        if (feature->check_change && !feature->check_change(broker, caller, port, change, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
features_change(Broker *broker, const Caller *caller, Port *port, const PortChange *change,
                GError **error)
{
    FOR_EACH(feature)
    {
        if (feature->change && !feature->change(broker, caller, port, change, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
features_release(Broker *broker, const Port *port, GError **error)
{
    for (guint i = G_N_ELEMENTS(features); i-- > 0;) {
        if (features[i]->release && !features[i]->release(broker, port, error))
            return FALSE;
    }
    return TRUE;
}

void
features_release_or_warn(Broker *broker, const Port *port)
{
    g_autoptr(GError) error = NULL;

    if (!features_release(broker, port, &error))
        g_warning("%s", error->message);
}

void
features_orphan(Broker *broker, const LinkInfo *device)
{
    FOR_EACH(feature)
    {
        if (feature->orphan)
            feature->orphan(broker, device);
    }
}

void
features_detach(Broker *broker, const Port *port)
{
    for (guint i = G_N_ELEMENTS(features); i-- > 0;) {
        if (features[i]->detach)
            features[i]->detach(broker, port);
    }
}
