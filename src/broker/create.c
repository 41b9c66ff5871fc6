/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Use case: a new port. The order is what makes it safe:
 *   1. decide everything that can be decided (who, what, where, which MAC, which ifindex) and open
 * what has no effect outside (the holder's pidfd, vhost-net);
 *   2. write the record (ID.creating), which names the device that is to be;
 *   3. make the device, open and verify its queues;
 *   4. make the record final, and only then tell the caller.
 * A failure in 3 or 4 undoes backwards; a crash anywhere leaves a record that broker_reconcile()
 * finds.
 */
#include "broker-private.h"
#include "parent.h"

#include "error.h"
#include "policy.h"
#include "port-error.h"
#include "port-fields.h"
#include "random.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* Chosen ifindexes start above what the kernel counts up to, so that a /dev/tapN of another
 * namespace, where the kernel counted, is never in our way. */
#define INDEX_MIN (1 << 20)
#define INDEX_MAX (1 << 30)
#define ATTEMPTS 8

/* A creation under way. */
typedef struct Creation {
    Broker *broker;
    const Caller *caller;
    const PortRequest *request;
    Network *network; /* a reference */
    LinkInfo parent, trunk;
    MacAddress wanted_mac; /* see free_wanted_mac() */
    NewPort new;
    Port *port; /* ours until it is committed */
    DescriptorArray *taps, *vhosts;
    GArray *others; /* of LinkInfo, once a generated MAC was found in use by a device that is not
                       ours */
    gboolean check_only; /* nothing is made */
    gboolean is_stuck;   /* the device could not be removed: see hand_over() */
} Creation;

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

static gboolean
resolve_network(Creation *creation, GError **error)
{
    const char *name = creation->request->network;
    Network *network;

    if (network_spec_is_adhoc(name)) {
        if (!caller_is_root(creation->caller))
            return port_error_set(error, PORT_ERROR_ACCESS_DENIED,
                                  "only root may name an ad-hoc network%s (%s)",
                                  creation->caller->from_container ? ", and not over the container"
                                                                     " socket"
                                                                   : "",
                                  name);
        creation->network = network_parse_adhoc(name, error);
        return creation->network != NULL;
    }
    network = networks_find(creation->broker->networks, name);
    if (!network)
        return port_error_set(error, PORT_ERROR_NETWORK_NOT_FOUND, "there is no network '%s'",
                              name);
    if (network->problem)
        return port_error_set(
            error, PORT_ERROR_NETWORK_INVALID, "network %s cannot be used: %s", name,
            caller_is_root(creation->caller) ? network->problem : "its file has an error");
    if (!policy_may_use(network, creation->caller))
        return port_error_set(
            error, PORT_ERROR_ACCESS_DENIED,
            "user %u may not use network %s (see its AllowUsers= and AllowGroups=)",
            (guint)creation->caller->uid, name);
    creation->network = network_ref(network);
    return TRUE;
}

typedef struct NetworkLoad {
    const char *network;
    uid_t account;
    guint n_ports, n_owned;
} NetworkLoad;

static void
count_in_network(Port *port, gpointer user_data)
{
    NetworkLoad *load = user_data;

    if (!g_str_equal(port->network, load->network))
        return;
    load->n_ports++;
    load->n_owned += port_account(port) == load->account;
}

static gboolean
check_network_limits(Creation *creation, GError **error)
{
    const Network *network = creation->network;
    NetworkLoad load = {.network = network->name, .account = caller_account(creation->caller)};

    if (network->max_ports == 0 && network->max_ports_per_user == 0)
        return TRUE;
    port_table_foreach(creation->broker->ports, count_in_network, &load);
    if (network->max_ports != 0 && load.n_ports >= network->max_ports)
        return port_error_set(error, PORT_ERROR_LIMIT_REACHED,
                              "network %s has its %u ports (MaxPorts=)", network->name,
                              network->max_ports);
    if (network->max_ports_per_user != 0 && load.n_owned >= network->max_ports_per_user)
        return port_error_set(error, PORT_ERROR_LIMIT_REACHED,
                              "user %u has its %u ports on network %s (MaxPortsPerUser=)",
                              (guint)creation->caller->uid, network->max_ports_per_user,
                              network->name);
    return TRUE;
}

static gboolean
check_limits(Creation *creation, GError **error)
{
    const PortTable *ports = creation->broker->ports;
    const Caller *caller = creation->caller;

    if (port_table_count(ports) >= PORTS_MAX)
        return port_error_set(error, PORT_ERROR_LIMIT_REACHED, "this daemon has its %d ports",
                              PORTS_MAX);
    if (!caller_is_root(caller) &&
        port_table_count_account(ports, caller_account(caller)) >= PORTS_PER_USER_MAX)
        return port_error_set(error, PORT_ERROR_LIMIT_REACHED, "user %u has its %d ports",
                              (guint)caller->uid, PORTS_PER_USER_MAX);
    return check_network_limits(creation, error);
}

/* Whether the port counts where the caller has reached a limit, whichever that is. */
static gboolean
counts_as_well(const Port *port, gpointer user_data)
{
    const Creation *creation = user_data;

    return port_account(port) == caller_account(creation->caller) ||
           g_str_equal(port->network, creation->network->name) ||
           port_table_count(creation->broker->ports) >= PORTS_MAX;
}

static MacOrigin
mac_origin(const Creation *creation)
{
    return (MacOrigin){
        .seed = creation->broker->mac_seed,
        .name = creation->request->name,
        .uid = caller_account(creation->caller),
        .guest_name = creation->request->guest_name,
    };
}

/* Whether a port of the network has the MAC, on whatever parent: those of a pool are one network to
 * the guests. A port that is ending counts if ending_too. */
static gboolean
network_has_mac(const Creation *creation, const MacAddress *mac, gboolean ending_too)
{
    const GSList *ports = port_table_find_mac(creation->broker->ports, mac);

    for (; ports; ports = ports->next) {
        const Port *port = ports->data;

        if (g_str_equal(port->network, creation->network->name) && (ending_too || !port->is_ending))
            return TRUE;
    }
    return FALSE;
}

static gboolean
mac_is_kept(const MacAddress *mac, gpointer user_data)
{
    return network_has_mac(user_data, mac, FALSE);
}

static gboolean
was_callers(const Port *port, gpointer user_data)
{
    const Creation *creation = user_data;

    return port_account(port) == caller_account(creation->caller) &&
           g_str_equal(port->network, creation->network->name);
}

static gboolean
has_wanted_mac(const Port *port, gpointer user_data)
{
    const Creation *creation = user_data;

    return mac_address_equal(&port->mac, &creation->wanted_mac);
}

/* A guest that is started anew at once gets the MAC that it had, so the port that it had goes
 * first; and others of the same user with it, for they may all be started anew. */
static void
free_wanted_mac(Creation *creation)
{
    Removals *removals = creation->broker->removals;
    const MacOrigin origin = mac_origin(creation);

    if (!removals_pending(removals) || creation->request->name || creation->request->has_mac ||
        creation->network->mac == MAC_POLICY_INHERIT ||
        !policy_generate_mac(creation->network, &origin, mac_is_kept, creation,
                             &creation->wanted_mac, NULL))
        return;
    if (network_has_mac(creation, &creation->wanted_mac, TRUE))
        removals_hurry(removals, was_callers, creation);
    if (network_has_mac(creation, &creation->wanted_mac, TRUE))
        removals_hurry(removals, has_wanted_mac, creation);
}

static gboolean
is_named(const Port *port, const char *text)
{
    return text && (g_str_equal(port->id, text) || g_str_equal(port->name, text) ||
                    g_str_equal(port->interface_name, text));
}

static gboolean
is_in_the_way(const Port *port, gpointer user_data)
{
    const Creation *creation = user_data;
    const PortRequest *request = creation->request;
    const Network *network = creation->network;

    if (is_named(port, policy_port_name(request)) || is_named(port, request->interface_name) ||
        (request->has_mac && mac_address_equal(&port->mac, &request->mac)))
        return TRUE;
    /* Passthru excludes all others from a parent. */
    return (port->mode == MACVTAP_MODE_PASSTHRU || network->mode == MACVTAP_MODE_PASSTHRU) &&
           (g_strv_contains((const char *const *)network->parents, port->parent) ||
            (port->trunk && g_strv_contains((const char *const *)network->parents, port->trunk)));
}

/* Ports that are ending keep nobody out: what has the names, the MAC or the parent that are asked
 * for goes first. They count until they have gone, though: else who makes and drops ports faster
 * than the kernel removes them could have any number. */
static gboolean
make_room(Creation *creation, GError **error)
{
    Removals *removals = creation->broker->removals;

    while (removals_hurry(removals, is_in_the_way, creation))
        ;
    free_wanted_mac(creation);
    for (;;) {
        GError *cause = NULL;

        if (check_limits(creation, &cause))
            return TRUE;
        if (!removals_hurry(removals, counts_as_well, creation)) {
            g_propagate_error(error, cause);
            return FALSE;
        }
        g_error_free(cause);
    }
}

static gboolean
mac_is_taken(const MacAddress *mac, gpointer user_data)
{
    Creation *creation = user_data;

    for (guint i = 0; creation->others && i < creation->others->len; i++) {
        if (mac_address_equal(&g_array_index(creation->others, LinkInfo, i).mac, mac))
            return TRUE;
    }
    return parent_has_mac(creation->broker->networks, &creation->parent, mac) ||
           (!creation->request->name && network_has_mac(creation, mac, TRUE));
}

static gboolean
choose_inherited(Creation *creation, GError **error)
{
    const PortRequest *request = creation->request;
    char wanted[MAC_ADDRESS_TEXT_SIZE], own[MAC_ADDRESS_TEXT_SIZE];

    creation->port->mac = creation->parent.mac;
    if (!request->has_mac || mac_address_equal(&request->mac, &creation->parent.mac))
        return TRUE;
    return port_error_set(
        error, PORT_ERROR_MAC_NOT_ALLOWED,
        "network %s gives the guest the MAC of %s, %s, not %s; ask for that MAC, or set"
        " Mac=assign in the network",
        creation->network->name, creation->parent.name,
        mac_address_format(&creation->parent.mac, own), mac_address_format(&request->mac, wanted));
}

static gboolean
choose_mac(Creation *creation, GError **error)
{
    const PortRequest *request = creation->request;
    const MacOrigin origin = mac_origin(creation);
    gboolean passthru = creation->network->mode == MACVTAP_MODE_PASSTHRU;

    if (creation->network->mac == MAC_POLICY_INHERIT)
        return choose_inherited(creation, error);
    if (request->has_mac) {
        creation->port->mac = request->mac;
        /* In passthru the parent's own MAC is what the port has anyway. */
        return passthru || parent_check_mac(creation->broker->networks, &creation->parent,
                                            &request->mac, error);
    }
    return policy_generate_mac(creation->network, &origin, mac_is_taken, creation,
                               &creation->port->mac, error);
}

static gboolean
choose_mtu(Creation *creation, GError **error)
{
    guint32 mtu = creation->request->mtu ? creation->request->mtu : creation->network->mtu;

    if (mtu > creation->parent.mtu)
        return port_error_set(error, PORT_ERROR_MTU_TOO_LARGE, "MTU %u is above %s's %u", mtu,
                              creation->parent.name, creation->parent.mtu);
    creation->port->mtu = mtu ? mtu : creation->parent.mtu;
    creation->port->wanted_mtu = creation->port->mtu;
    creation->port->parent_mtu = creation->parent.mtu;
    return TRUE;
}

static void
choose_index(Creation *creation)
{
    do
        creation->port->interface_index = random_in_range(INDEX_MIN, INDEX_MAX);
    while (port_table_find_index(creation->broker->ports, creation->port->interface_index));
}

/* A port keeps its interface's name when somebody else has removed the device. Nor may it be
 * another's port name: who names a port by either must mean one. */
static gboolean
check_interface_name(Creation *creation, GError **error)
{
    const char *name = creation->request->interface_name;
    const Port *other = port_table_find(creation->broker->ports, name);

    return !other || port_error_set(error, PORT_ERROR_NAME_TAKEN,
                                    "interface name %s is taken by port %s", name, other->name);
}

/* The ID, and the names that nobody asked for. A guest's name is only a wish. */
static gboolean
draw_names(Creation *creation, GError **error)
{
    const PortRequest *request = creation->request;
    const PortTable *ports = creation->broker->ports;
    const char *name = policy_port_name(request);
    Port *port = creation->port;

    if (!request->name && name && port_table_find(ports, name))
        name = NULL;
    for (guint attempt = 1; attempt <= ATTEMPTS; attempt++) {
        g_free(port->id);
        port->id = g_strdup_printf("p%08x%04x", random_number(), random_number() & 0xffff);
        snprintf(port->interface_name, sizeof(port->interface_name), "mvt%.12s", port->id + 1);
        if (port_table_find(ports, port->id) || port_table_find(ports, port->interface_name))
            continue;
        g_free(port->name);
        port->name = g_strdup(name ? name : port->id);
        if (request->interface_name)
            g_strlcpy(port->interface_name, request->interface_name, sizeof(port->interface_name));
        return TRUE;
    }
    return port_error_set(error, PORT_ERROR_NAME_TAKEN, "every name drawn, as %s, is taken",
                          port->interface_name);
}

static gboolean
choose_names(Creation *creation, GError **error)
{
    const PortRequest *request = creation->request;
    const PortTable *ports = creation->broker->ports;

    if (request->name && port_table_find(ports, request->name))
        return port_error_set(error, PORT_ERROR_NAME_TAKEN, "there is a port '%s' already",
                              request->name);
    if (request->interface_name && !check_interface_name(creation, error))
        return FALSE;
    return draw_names(creation, error);
}

static void
name_parents(Creation *creation)
{
    Port *port = creation->port;

    port->parent = g_strdup(creation->parent.name);
    port->parent_index = creation->parent.index;
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
    /* Whoever opens the device opens vhost-net himself, but it must be there. */
    trial = descriptor_array_new();
    return broker_open_vhosts(creation->broker, port->vhost, 1, trial, error);
}

static gboolean
choose_parent(Creation *creation, GError **error)
{
    return (creation->check_only ? parent_choose_only : parent_choose)(
        creation->broker->networks, creation->network, &creation->parent, &creation->trunk, error);
}

static void
note_network(Creation *creation)
{
    Port *port = creation->port;

    creation->new.network = creation->network;
    port->network = g_strdup(creation->network->name);
    port->mode = creation->network->mode;
    port->mac_policy = creation->network->mac;
    port->nopromisc = creation->network->nopromisc;
    port->owner = creation->caller->uid;
    port->from_container = creation->caller->from_container;
}

/* Step 1 of the theory. */
static gboolean
decide(Creation *creation, GError **error)
{
    Port *port = creation->port = port_new();

    port->state = PORT_STATE_CREATING;
    creation->new.port = port;
    if (!resolve_network(creation, error) ||
        !features_check(&creation->broker->host, &creation->new, error) ||
        !policy_check_request(creation->network, creation->caller, creation->request, &port->queues,
                              &port->vhost, error) ||
        !make_room(creation, error))
        return FALSE;
    note_network(creation);
    if (!features_prepare(&creation->broker->host, &creation->new, error) ||
        !choose_names(creation, error) || !choose_parent(creation, error) ||
        !choose_mtu(creation, error) || !choose_mac(creation, error))
        return FALSE;
    choose_index(creation);
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
    g_warning("device %s of a port that was not made could not be removed, which will be tried"
              " again: %s",
              port->interface_name, error->message);
}

static void
drop_record(Creation *creation)
{
    if (!creation->is_stuck)
        registry_abort(creation->broker->registry, creation->port->id);
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
        .nopromisc = port->nopromisc,
        .set_mac = port->mode != MACVTAP_MODE_PASSTHRU,
        .mac = wanted.mac,
        /* A macvlan has an MTU of its own, and the device lies on what is below it. */
        .mtu = port->mtu == creation->parent.mtu && !creation->parent.is_macvlan ? 0 : port->mtu,
        .tx_queue_length = network->tx_queue_length,
        .broadcast_queue_length = network->broadcast_queue_length,
        .sources = wanted.sources ? (const MacAddress *)wanted.sources->data : NULL,
        .n_sources = wanted.sources ? wanted.sources->len : 0,
        .all_multicast = wanted.all_multicast,
        .down = creation->request->link_down,
        .alias = alias,
    };

    /* The kernel would say so only when the device goes up, and that is too late for a VMM. */
    if (spec.down && spec.set_mac &&
        parent_has_child(creation->broker->networks, &creation->parent, &port->mac))
        return error_set_errno(error, EADDRINUSE, "cannot make macvtap %s", spec.name);
    if (!kernel->ops->macvtap_create(kernel, &spec, ret_link, error))
        return FALSE;
    if (features_make(&creation->broker->host, &creation->new, ret_link, error))
        return TRUE;
    remove_device(creation);
    return FALSE;
}

/* A device that is not ours has the MAC that we generated: look at all of them and take another. */
static gboolean
choose_mac_again(Creation *creation)
{
    if (creation->others || creation->request->has_mac ||
        creation->port->mode == MACVTAP_MODE_PASSTHRU)
        return FALSE;
    creation->others = creation->broker->kernel->ops->link_list(creation->broker->kernel, NULL);
    return creation->others && choose_mac(creation, NULL);
}

/* A device that is not ours has the interface name that we drew. */
static gboolean
draw_names_again(Creation *creation)
{
    if (creation->request->interface_name)
        return FALSE;
    registry_abort(creation->broker->registry, creation->port->id);
    return draw_names(creation, NULL);
}

/* What was chosen and is in the way of the kernel's making the device is chosen anew. */
static gboolean
choose_again(Creation *creation, const GError *cause)
{
    if (error_is_errno(cause, EBUSY)) {
        choose_index(creation);
        return TRUE;
    }
    if (error_is_errno(cause, EEXIST))
        return draw_names_again(creation);
    return error_is_errno(cause, EADDRINUSE) && choose_mac_again(creation);
}

/* Instead of steps 2 and 3: what making the device would meet. */
static gboolean
foresee(Creation *creation, GError **error)
{
    for (guint attempt = 1;; attempt++) {
        GError *cause = NULL;
        int errnum = parent_foresee(creation->broker->networks, &creation->parent, creation->port);

        if (errnum == 0)
            return TRUE;
        error_set_errno(&cause, errnum, "cannot make macvtap %s", creation->port->interface_name);
        if (attempt == ATTEMPTS || !choose_again(creation, cause)) {
            parent_explain(creation->broker->networks, &creation->parent, creation->port, cause,
                           error);
            return FALSE;
        }
        g_error_free(cause);
    }
}

/* What is drawn is drawn anew when the port is made. */
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

/* Steps 2 and the first half of 3; on success the record and the device are there. */
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
        if (attempt == ATTEMPTS || creation->is_stuck || !choose_again(creation, cause))
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

/* A device that could not be removed keeps the port's names, its MAC and its record: from now on it
 * is removed like that of a port whose holder has ended. */
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

/* A VLAN device that was made for this port has no use any more. */
static void
clean_up_after_failure(Creation *creation)
{
    g_autoptr(GError) error = NULL;

    if (creation->is_stuck)
        hand_over(creation);
    if (creation->network && creation->network->vlan &&
        !networks_sweep_devices(creation->broker->networks, &error))
        g_warning("%s", error->message);
}

gboolean
broker_create_port(Broker *broker, const Caller *caller, const PortRequest *request,
                   PortGrant *ret_grant, GError **error)
{
    g_auto(Creation) creation = {
        .broker = broker,
        .caller = caller,
        .request = request,
        .taps = descriptor_array_new(),
        .vhosts = descriptor_array_new(),
    };
    LinkInfo link;

    new_port_init(&creation.new, caller, request);
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
    g_auto(Creation) creation = {
        .broker = broker,
        .caller = caller,
        .request = request,
        .check_only = TRUE,
        .taps = descriptor_array_new(),
        .vhosts = descriptor_array_new(),
    };

    new_port_init(&creation.new, caller, request);
    removals_retry(broker->removals);
    if (!decide(&creation, error) || !foresee(&creation, error))
        return NULL;
    forget_what_was_drawn(&creation);
    creation.port->link_up = !request->link_down;
    creation.port->carrier = creation.parent.carrier;
    return g_steal_pointer(&creation.port);
}
