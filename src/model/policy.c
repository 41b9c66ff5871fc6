/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who may use a network, and for how many ports; which MAC a port gets: policy-mac.c. */
#include "policy.h"

#include "interface-name.h"
#include "port-error.h"

#include <string.h>

gboolean
policy_may_use(const Network *network, const Caller *caller)
{
    if (caller_is_root(caller))
        return TRUE;
    if (network->adhoc)
        return FALSE;
    for (guint i = 0; i < network->allow_uids->len; i++) {
        if (g_array_index(network->allow_uids, uid_t, i) == caller->uid)
            return TRUE;
    }
    for (guint i = 0; i < network->allow_gids->len; i++) {
        gid_t gid = g_array_index(network->allow_gids, gid_t, i);

        if (gid == caller->gid)
            return TRUE;
        for (gsize j = 0; j < caller->n_groups; j++) {
            if (gid == caller->groups[j])
                return TRUE;
        }
    }
    return FALSE;
}

static gboolean
check_interface_name(const Caller *caller, const char *name, GError **error)
{
    g_autoptr(GError) reason = NULL;

    if (!interface_name_check_chosen(name, &reason))
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST, "%s", reason->message);
    return caller_is_root(caller) || interface_name_is_users(name) ||
           port_error_set(error, PORT_ERROR_ACCESS_DENIED,
                          "only root may choose the interface name '%s'; user %u may choose one "
                          "that begins with " INTERFACE_NAME_USERS,
                          name, (guint)caller->uid);
}

static gboolean
check_guest_name(const char *name, GError **error)
{
    gsize length = name ? strlen(name) : 0;

    if (length > GUEST_NAME_MAX)
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                              "a guest's name can have at most %d bytes, not %" G_GSIZE_FORMAT,
                              GUEST_NAME_MAX, length);
    for (const char *c = name; c && *c; c = g_utf8_next_char(c)) {
        if (g_unichar_iscntrl(g_utf8_get_char(c)))
            return port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                                  "a guest's name cannot contain control characters");
    }
    return TRUE;
}

static gboolean
check_names(const Caller *caller, const PortRequest *request, GError **error)
{
    g_autofree char *shown = g_strescape(request->name ? request->name : "", NULL);

    G_STATIC_ASSERT(PORT_NAME_MAX == NETWORK_NAME_MAX);
    if (request->name && !network_name_is_valid(request->name))
        return port_error_set(
            error, PORT_ERROR_INVALID_REQUEST,
            "'%.80s' cannot be a port's name: 1 to %d of letters, digits, '-', '_' "
            "and '.', not starting with '.' or '-'",
            shown, PORT_NAME_MAX);
    if (request->name && port_id_is_valid(request->name))
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                              "'%s' cannot be a port's name: it looks like a port ID", shown);
    return (!request->interface_name ||
            check_interface_name(caller, request->interface_name, error)) &&
           check_guest_name(request->guest_name, error);
}

const char *
policy_port_name(const PortRequest *request)
{
    const char *guest = request->guest_name;

    if (request->name)
        return request->name;
    return guest && network_name_is_valid(guest) && !port_id_is_valid(guest) ? guest : NULL;
}

static gboolean
check_holder(const PortRequest *request, GError **error)
{
    return !request->no_descriptors || request->holder.type != HOLDER_DESCRIPTORS ||
           port_error_set(
               error, PORT_ERROR_INVALID_REQUEST,
               "a port without descriptors needs a different holder: a process, a domain, or none");
}

static gboolean
check_queues(const Network *network, guint queues, GError **error)
{
    if (queues < 1 || queues > NETWORK_QUEUES_MAX)
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST, "queues must be 1 to %d, not %u",
                              NETWORK_QUEUES_MAX, queues);
    if (queues > network->max_queues)
        return port_error_set(error, PORT_ERROR_LIMIT_REACHED,
                              "network '%s' allows a port at most %u queue%s, not %u",
                              network->name, network->max_queues,
                              network->max_queues == 1 ? "" : "s", queues);
    return TRUE;
}

VhostPolicy
policy_vhost(const Network *network, VhostPolicy asked)
{
    return network->vhost == VHOST_POLICY_AUTO ? asked : network->vhost;
}

static gboolean
decide_vhost(const Network *network, VhostPolicy asked, VhostPolicy *ret_vhost, GError **error)
{
    if (network->vhost == VHOST_POLICY_OFF && asked == VHOST_POLICY_REQUIRE)
        return port_error_set(error, PORT_ERROR_VHOST_UNAVAILABLE,
                              "network '%s' has vhost-net switched off (Vhost=off), "
                              "so it cannot be required",
                              network->name);
    if (network->vhost == VHOST_POLICY_REQUIRE && asked == VHOST_POLICY_OFF)
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                              "network '%s' requires vhost-net (Vhost=require), "
                              "so it cannot be switched off",
                              network->name);
    *ret_vhost = policy_vhost(network, asked);
    return TRUE;
}

gboolean
policy_mac_is_allowed(const Network *network, const MacAddress *mac)
{
    for (guint i = 0; i < network->allow_macs->len; i++) {
        if (mac_range_contains(&g_array_index(network->allow_macs, MacRange, i), mac))
            return TRUE;
    }
    return FALSE;
}

/* "52:54:00:00:00:00/24, 02:…/48"; free with g_free(). */
static char *
format_allow_macs(const Network *network)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < network->allow_macs->len; i++) {
        g_autofree char *range = mac_range_format(&g_array_index(network->allow_macs, MacRange, i));

        g_string_append_printf(text, "%s%s", i > 0 ? ", " : "", range);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static gboolean
check_mac(const Network *network, const MacAddress *mac, GError **error)
{
    char text[MAC_ADDRESS_TEXT_SIZE];
    g_autofree char *ranges = NULL;

    mac_address_format(mac, text);
    if (mac_address_is_multicast(mac))
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                              "MAC %s is a multicast address; a port needs a unicast one", text);
    if (mac_address_is_zero(mac))
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                              "MAC %s is not an address; a port needs a unicast one", text);
    /* With inherit the broker compares it with the parent's. */
    if (network->mac == MAC_POLICY_ANY || network->mac == MAC_POLICY_INHERIT)
        return TRUE;
    if (policy_mac_is_allowed(network, mac))
        return TRUE;
    ranges = format_allow_macs(network);
    return port_error_set(error, PORT_ERROR_MAC_NOT_ALLOWED,
                          "network '%s' does not allow MAC %s, only %s", network->name, text,
                          ranges);
}

static gboolean
check_mtu(const Network *network, guint32 mtu, GError **error)
{
    if (mtu < NETWORK_MTU_MIN || mtu > NETWORK_MTU_MAX)
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST, "MTU must be %d to %d, not %u",
                              NETWORK_MTU_MIN, NETWORK_MTU_MAX, mtu);
    if (network->mtu > 0 && mtu > network->mtu)
        return port_error_set(error, PORT_ERROR_MTU_TOO_LARGE,
                              "MTU %u is above %u, the MTU= of network '%s'", mtu, network->mtu,
                              network->name);
    return TRUE;
}

gboolean
policy_check_guard(const Network *network, const Caller *caller, const GuardOwn *own,
                   GError **error)
{
    const GuardPlace place = network_guard_place(network, TRUE);
    g_auto(GuardSettings) settings = {0};

    if (!own->is_given)
        return TRUE;
    if (!caller_is_root(caller))
        return port_error_set(
            error, PORT_ERROR_ACCESS_DENIED,
            "only root may give a port its own guard; network '%s' has the one in its file",
            network->name);
    return guard_check_own(&network->guard, own, error) &&
           guard_resolve(&network->guard, own, &place, &settings, error);
}

guint
policy_user_share(const Network *network, const Caller *caller)
{
    if (network->max_ports_per_user != 0 || caller_is_root(caller))
        return network->max_ports_per_user;
    return addresses_user_share(&network->addresses);
}

/* Whether the port can have both addresses. */
static gboolean
check_pair(const Network *network, const PortAddress *one, const PortAddress *other, GError **error)
{
    AddressFamily family = address_family(&one->address);
    char text[IP_ADDRESS_TEXT_SIZE], others[IP_ADDRESS_TEXT_SIZE];

    ip_address_format(&one->address, text);
    ip_address_format(&other->address, others);
    if (ip_address_equal(&one->address, &other->address))
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST, "address %s is given twice", text);
    if (!network->addresses.is_given || family != address_family(&other->address))
        return TRUE;
    return port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                          "a port of network %s has one %s address, not both %s and %s",
                          network->name, address_family_name(family), text, others);
}

static gboolean
check_address(const Network *network, const Caller *caller, PortAddress *address, GError **error)
{
    if (network->addresses.is_given)
        return addresses_check(&network->addresses, network->name, caller_is_root(caller), address,
                               error);
    return addresses_check_foreign(address, error);
}

GArray *
policy_asked_addresses(const Network *network, const Caller *caller, const PortRequest *request,
                       GError **error)
{
    g_autoptr(GArray) addresses = request->addresses
                                      ? g_array_copy(request->addresses)
                                      : g_array_new(FALSE, FALSE, sizeof(PortAddress));

    if (addresses->len > 0 && !network->addresses.is_given && !caller_is_root(caller)) {
        port_error_set(error, PORT_ERROR_ACCESS_DENIED,
                       "network %s gives no addresses (its file has no [Addresses]); only root may "
                       "hand one in",
                       network->name);
        return NULL;
    }
    for (guint i = 0; i < addresses->len; i++) {
        PortAddress *address = &g_array_index(addresses, PortAddress, i);

        if (!check_address(network, caller, address, error))
            return NULL;
        for (guint j = 0; j < i; j++) {
            if (!check_pair(network, &g_array_index(addresses, PortAddress, j), address, error))
                return NULL;
        }
    }
    return g_steal_pointer(&addresses);
}

static gboolean
check_addresses(const Network *network, const Caller *caller, const PortRequest *request,
                GError **error)
{
    g_autoptr(GArray) addresses = policy_asked_addresses(network, caller, request, error);

    return addresses != NULL;
}

gboolean
policy_check_request(const Network *network, const Caller *caller, const PortRequest *request,
                     guint *ret_queues, VhostPolicy *ret_vhost, GError **error)
{
    guint queues = request->has_queues ? request->queues : 1;
    VhostPolicy asked = request->has_vhost ? request->vhost : VHOST_POLICY_AUTO;
    VhostPolicy vhost = VHOST_POLICY_AUTO;

    if (network->problem)
        return port_error_set(error, PORT_ERROR_NETWORK_INVALID, "network '%s' cannot be used: %s",
                              network->name, network->problem);
    if (!check_names(caller, request, error) || !check_holder(request, error) ||
        !check_queues(network, queues, error) || !decide_vhost(network, asked, &vhost, error))
        return FALSE;
    if (request->has_mac && !check_mac(network, &request->mac, error))
        return FALSE;
    if (request->mtu != 0 && !check_mtu(network, request->mtu, error))
        return FALSE;
    if (!policy_check_guard(network, caller, &request->guard, error) ||
        !check_addresses(network, caller, request, error))
        return FALSE;
    *ret_queues = queues;
    *ret_vhost = vhost;
    return TRUE;
}
