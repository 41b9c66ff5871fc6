/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Use case: a new port. The order makes it safe: 1. decide everything that can be decided (who,
 * what, where, which MAC, which ifindex) and open what has no outside effect (the holder's pidfd,
 * vhost-net);
 *   2. write the record (ID.creating), which names the future device;
 *   3. create the device, open and verify its queues; 4. make the record final, and only then
 * answer the caller. A failure in 3 or 4 is undone in reverse order; a crash anywhere leaves a
 * record that broker_reconcile() finds.
 */
#include "creation.h"
#include "parent.h"

#include "error.h"
#include "field.h"
#include "policy.h"
#include "port-error.h"

#include <errno.h>

static Creation
creation_begin(Broker *broker, const Caller *caller, const PortRequest *request)
{
    Creation creation = {
        .broker = broker,
        .caller = caller,
        .request = request,
        .taps = descriptor_array_new(),
        .vhosts = descriptor_array_new(),
    };

    new_port_init(&creation.new, caller, request);
    return creation;
}

static void
creation_clear(Creation *creation)
{
    g_clear_pointer(&creation->network, network_unref);
    new_port_clear(&creation->new);
    g_clear_pointer(&creation->port, port_free);
    g_clear_pointer(&creation->taps, g_array_unref);
    g_clear_pointer(&creation->vhosts, g_array_unref);
    g_clear_pointer(&creation->others, g_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Creation, creation_clear)

static void
name_parents(Creation *creation)
{
    Port *port = creation->port;

    port->parent = g_strdup(creation->parent.name);
    port->parent_index = creation->parent.index;
    port->parent_stands_in = creation->parent.is_macvlan;
    if (!creation->network->vlan)
        return;
    port->vlan = g_strdup(creation->network->vlan);
    port->trunk = g_strdup(creation->trunk.name);
    port->trunk_index = creation->trunk.index;
}

static gboolean
open_vhosts(Creation *creation, GError **error)
{
    const Port *port = creation->port;
    g_autoptr(DescriptorArray) trial = NULL;

    if (!creation->request->no_descriptors)
        return broker_open_vhosts(creation->broker, port->vhost, port->queues, creation->vhosts,
                                  error) &&
               broker_check_grant(port->queues, creation->vhosts, error);
    if (port->vhost != VHOST_POLICY_REQUIRE)
        return TRUE;
    /* The program that opens the device also opens vhost-net, but that must exist. */
    trial = descriptor_array_new();
    return broker_open_vhosts(creation->broker, port->vhost, 1, trial, error);
}

void
creation_set_aside(Creation *creation)
{
    PortTable *ports = creation->broker->ports;

    for (char **text = creation->request->replaces; text && *text; text++) {
        Port *port = port_table_find(ports, *text);

        if (port && !port->is_ending && broker_may_change(creation->caller, port))
            port_table_set_aside(ports, port);
    }
}

/* A passthru port may have given the parent a MAC, which goes with it; the parent's own is not
 * known. */
static void
forget_given_mac(Creation *creation)
{
    const GSList *aside = port_table_aside(creation->broker->ports);

    for (; aside; aside = aside->next) {
        const Port *port = aside->data;

        if (port->mode == MACVTAP_MODE_PASSTHRU && port->mac_policy != MAC_POLICY_INHERIT &&
            port->parent_index == creation->parent.index)
            creation->parent.mac = (MacAddress){{0}};
    }
}

static gboolean
choose_parent(Creation *creation, GError **error)
{
    if (!(creation->check_only ? parent_choose_only
                               : parent_choose)(creation->broker->networks, creation->network,
                                                &creation->parent, &creation->trunk, error))
        return FALSE;
    forget_given_mac(creation);
    return TRUE;
}

static void
note_network(Creation *creation)
{
    Port *port = creation->port;

    creation->new.network = creation->network;
    creation->new.origin = creation_mac_origin(creation);
    port->network = g_strdup(creation->network->name);
    port->mode = creation->network->mode;
    port->mac_policy = creation->network->mac;
    port->nopromisc = creation->network->nopromisc;
    port->has_asked = TRUE;
    port->asked_vhost = creation->request->has_vhost ? creation->request->vhost : VHOST_POLICY_AUTO;
    port->owner = creation->caller->uid;
    port->from_container = creation->caller->from_container;
}

/* Step 1 above. */
static gboolean
decide(Creation *creation, GError **error)
{
    Port *port = creation->port = port_new();

    port->state = PORT_STATE_CREATING;
    creation->new.port = port;
    if (!creation_find_network(creation, error) ||
        !features_check(&creation->broker->host, &creation->new, error) ||
        !policy_check_request(creation->network, creation->caller, creation->request, &port->queues,
                              &port->vhost, error) ||
        !creation_make_room(creation, error))
        return FALSE;
    creation_set_aside(creation);
    note_network(creation);
    if (!features_prepare(&creation->broker->host, &creation->new, error) ||
        !creation_choose_names(creation, error) || !choose_parent(creation, error) ||
        !features_choose(&creation->broker->host, &creation->new, &creation->parent, error) ||
        !creation_choose_mac(creation, error))
        return FALSE;
    creation_choose_index(creation);
    fields_keep(port_fields, FIELD_USE_REQUEST, creation->request, port);
    name_parents(creation);
    return open_vhosts(creation, error);
}

static void
remove_device(Creation *creation)
{
    Kernel *kernel = creation->broker->kernel;
    const Port *port = creation->port;
    g_autoptr(GError) error = NULL;

    features_release_or_warn(&creation->broker->host, port);
    if (kernel->ops->link_delete(kernel, &port->interface_index, 1, &error))
        return;
    creation->is_stuck = TRUE;
    g_warning("failed to remove device %s after a failed creation, will retry: %s",
              port->interface_name, error->message);
}

static void
drop_record(Creation *creation)
{
    if (!creation->is_stuck)
        registry_abort(creation->broker->registry, creation->port->id);
}

/* MacvtapSpec.before_up */
static gboolean
before_up(int index, gpointer user_data, GError **error)
{
    const Creation *creation = user_data;

    return features_before_up(&creation->broker->host, &creation->new, index, error);
}

static gboolean
make_device(Creation *creation, LinkInfo *ret_link, GError **error)
{
    Kernel *kernel = creation->broker->kernel;
    const Network *network = creation->network;
    Port *port = creation->port;
    g_autofree char *alias = port_alias(port);
    DeviceState wanted;
    MacvtapSpec spec;

    device_want(creation->broker, port, network, &wanted);
    spec = (MacvtapSpec){
        .name = port->interface_name,
        .index = port->interface_index,
        .parent_index = creation->parent.index,
        .mode = wanted.mode,
        .nopromisc = wanted.nopromisc,
        .set_mac = port->mode != MACVTAP_MODE_PASSTHRU,
        .mac = wanted.mac,
        /* A macvlan has its own MTU, but the device is on the link below it. */
        .mtu = port->mtu == creation->parent.mtu && !creation->parent.is_macvlan ? 0 : port->mtu,
        .tx_queue_length = wanted.tx_queue_length,
        .broadcast_queue_length = wanted.broadcast_queue_length,
        .sources = wanted.sources ? (const MacAddress *)wanted.sources->data : NULL,
        .n_sources = wanted.sources ? wanted.sources->len : 0,
        .all_multicast = wanted.all_multicast,
        .down = creation->request->link_down,
        .alias = alias,
        .before_up = before_up,
        .before_up_data = creation,
    };

    /* The kernel reports it only when the device goes up, which is too late for a VMM. */
    if (spec.down && spec.set_mac &&
        parent_has_child(creation->broker->networks, &creation->parent, &port->mac))
        return error_set_errno(error, EADDRINUSE, "cannot make macvtap %s", spec.name);
    if (!kernel->ops->macvtap_create(kernel, &spec, ret_link, error)) {
        features_detach(&creation->broker->host, port);
        return FALSE;
    }
    if (features_make(&creation->broker->host, &creation->new, ret_link, error))
        return TRUE;
    remove_device(creation);
    features_detach(&creation->broker->host, port);
    return FALSE;
}

/* Instead of steps 2 and 3: predicts the kernel's refusal. */
static gboolean
foresee(Creation *creation, GError **error)
{
    for (guint attempt = 1;; attempt++) {
        GError *cause = NULL;
        int errnum = parent_foresee(creation->broker->networks, &creation->parent, creation->port);

        if (errnum == 0)
            return TRUE;
        error_set_errno(&cause, errnum, "cannot make macvtap %s", creation->port->interface_name);
        if (attempt == CREATION_ATTEMPTS || !creation_choose_again(creation, cause)) {
            parent_explain(creation->broker->networks, &creation->parent, creation->port, cause,
                           error);
            return FALSE;
        }
        g_error_free(cause);
    }
}

/* Clears random choices, which are made again when the port is created. */
static void
forget_what_was_drawn(Creation *creation)
{
    Port *port = creation->port;

    if (g_str_equal(port->name, port->id))
        port->name[0] = '\0';
    port->id[0] = '\0';
    port->interface_index = 0;
    if (!creation->request->interface_name)
        port->interface_name[0] = '\0';
}

/* Step 2 and the first half of 3; on success the record and the device exist. */
static gboolean
record_and_make(Creation *creation, LinkInfo *ret_link, GError **error)
{
    Registry *registry = creation->broker->registry;
    GError *cause = NULL;

    for (guint attempt = 1;; attempt++) {
        g_autoptr(GError) record = NULL;

        if (!registry_begin(registry, creation->port, &record)) {
            g_clear_error(&cause);
            registry_abort(registry, creation->port->id);
            return port_error_set(error, PORT_ERROR_SYSTEM, "cannot record the port: %s",
                                  record->message);
        }
        g_clear_error(&cause);
        if (make_device(creation, ret_link, &cause))
            return TRUE;
        if (attempt == CREATION_ATTEMPTS || creation->is_stuck ||
            !creation_choose_again(creation, cause))
            break;
    }
    drop_record(creation);
    parent_explain(creation->broker->networks, &creation->parent, creation->port, cause, error);
    return FALSE;
}

static void
undo(Creation *creation)
{
    Broker *broker = creation->broker;

    g_array_set_size(creation->taps, 0);
    features_detach(&broker->host, creation->port);
    remove_device(creation);
    drop_record(creation);
}

/* The second half of step 3, and step 4. */
static gboolean
finish(Creation *creation, const LinkInfo *link, GError **error)
{
    Broker *broker = creation->broker;
    g_autoptr(GError) cause = NULL;

    if (!creation->request->no_descriptors &&
        !broker_open_descriptors(broker, creation->port, link, creation->port->queues,
                                 creation->taps, error))
        return FALSE;
    if (!features_attach(&broker->host, &creation->new, link, error))
        return FALSE;
    if (!registry_commit(broker->registry, creation->port, &cause))
        return port_error_set(error, PORT_ERROR_SYSTEM, "%s", cause->message);
    return TRUE;
}

/* A device that cannot be removed keeps the port's names, MAC and record: from now on it is treated
 * like the port of a holder that has ended. */
static void
hand_over(Creation *creation)
{
    Broker *broker = creation->broker;
    const char *ids[] = {creation->port->id, NULL};

    creation->port->is_ending = TRUE;
    registry_keep_unfinished(broker->registry, creation->port);
    removals_begin_ended(broker->removals, ids);
    creation->port = NULL;
}

/* A VLAN device that was created for this port is no longer needed. */
static void
clean_up_after_failure(Creation *creation)
{
    if (creation->is_stuck)
        hand_over(creation);
    if (creation->network && creation->network->vlan)
        broker_sweep_leftovers(creation->broker);
    else
        features_sweep(&creation->broker->host);
}

gboolean
broker_create_port(Broker *broker, const Caller *caller, const PortRequest *request,
                   PortGrant *ret_grant, GError **error)
{
    g_auto(Creation) creation = creation_begin(broker, caller, request);
    LinkInfo link;

    broker->kernel->ops->queue_catch_up(broker->kernel);
    removals_retry(broker->removals);
    if (!decide(&creation, error) || !record_and_make(&creation, &link, error)) {
        clean_up_after_failure(&creation);
        return FALSE;
    }
    broker_observe(broker, creation.port, &link, &creation.parent);
    creation.port->is_new = TRUE;
    if (!finish(&creation, &link, error)) {
        undo(&creation);
        clean_up_after_failure(&creation);
        return FALSE;
    }
    ret_grant->port = g_steal_pointer(&creation.port);
    ret_grant->taps = g_steal_pointer(&creation.taps);
    ret_grant->vhosts = g_steal_pointer(&creation.vhosts);
    broker_emit(broker, PORT_EVENT_CREATED, ret_grant->port);
    return TRUE;
}

Port *
broker_check_port(Broker *broker, const Caller *caller, const PortRequest *request, GError **error)
{
    g_auto(Creation) creation = creation_begin(broker, caller, request);
    gboolean good;

    creation.check_only = TRUE;
    removals_retry(broker->removals);
    good = decide(&creation, error) && foresee(&creation, error);
    port_table_restore(broker->ports);
    if (!good)
        return NULL;
    forget_what_was_drawn(&creation);
    creation.port->link_up = !request->link_down;
    creation.port->carrier = creation.parent.carrier;
    return g_steal_pointer(&creation.port);
}
