/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-domain.h"
#include "network.h"

#include <string.h>
#include <unistd.h>

/* How many MACs to ask for: enough to find the last free one of a small range. */
#define MAC_ATTEMPTS 64

static gboolean
refuse_unknown(const GPtrArray *networks, const char *name, GError **error)
{
    g_autofree const char **known = g_new0(const char *, networks->len + 1);
    g_autofree char *text = NULL;

    for (guint i = 0; i < networks->len; i++)
        known[i] = macvtap_network_get_name(networks->pdata[i]);
    text = network_unknown_text(name, known);
    return ctl_fail(error, "%s", text);
}

gboolean
ctl_find_network(MacvtapClient *client, const char *name, MacvtapNetwork **ret_network,
                 GError **error)
{
    g_autoptr(GPtrArray) networks = NULL;

    *ret_network = NULL;
    if (network_spec_is_adhoc(name))
        return TRUE;
    networks = ask_networks(client, error);
    if (!networks)
        return FALSE;
    for (guint i = 0; i < networks->len; i++) {
        MacvtapNetwork *network = networks->pdata[i];
        const char *problem = macvtap_network_get_problem(network);

        if (!g_str_equal(macvtap_network_get_name(network), name))
            continue;
        if (problem)
            return ctl_fail(error, "network %s cannot be used: %s", name, problem);
        *ret_network = g_ptr_array_steal_index(networks, i);
        return TRUE;
    }
    return refuse_unknown(networks, name, error);
}

static MacvtapPort *
check_port(MacvtapClient *client, const PortOptions *options, const char *guest_name,
           gboolean with_queues, GError **error)
{
    g_autoptr(MacvtapRequest) request = port_options_request(options);

    macvtap_request_set_guest_name(request, guest_name);
    if (!with_queues)
        macvtap_request_set_queues(request, 0);
    macvtap_request_set_holder(request, MACVTAP_HOLDER_NONE);
    macvtap_request_set_check_only(request, true);
    return ask_take_port(client, request, error);
}

gboolean
ctl_gives_parents_mac(MacvtapClient *client, const char *name)
{
    g_autoptr(Network) adhoc = network_spec_is_adhoc(name) ? network_parse_adhoc(name, NULL) : NULL;
    g_autoptr(MacvtapNetwork) network = NULL;

    if (adhoc || !ctl_find_network(client, name, &network, NULL) || !network)
        return adhoc && adhoc->mac == MAC_POLICY_INHERIT;
    return g_str_equal(network_text(network, "macPolicy"), "inherit");
}

char *
ctl_ask_mac(MacvtapClient *client, const PortOptions *options, GHashTable *taken, GError **error)
{
    for (guint attempt = 0; attempt < MAC_ATTEMPTS; attempt++) {
        g_autofree char *guest_name = g_strdup_printf("%s %u", options->target, attempt);
        g_autoptr(MacvtapPort) port = check_port(client, options, guest_name, TRUE, error);
        const char *mac = port ? macvtap_port_get_mac_address(port) : NULL;

        if (!mac || !taken || !g_hash_table_contains(taken, mac) || options->mac ||
            (attempt == 0 && ctl_gives_parents_mac(client, options->network)))
            return g_strdup(mac);
    }
    ctl_fail(
        error,
        "every MAC that network %s offers belongs to another interface: choose one with --mac MAC",
        options->network);
    return NULL;
}

gboolean
ctl_refusal_is_users(const Ctl *ctl, MacvtapClient *client)
{
    return !ctl_hook_is_users(ctl) &&
           macvtap_client_get_refusal(client) == MACVTAP_REFUSAL_ACCESS_DENIED;
}

gboolean
ctl_refusal_may_pass(MacvtapClient *client, const PortOptions *options, const GError *refusal)
{
    g_autoptr(MacvtapPort) port = NULL;
    g_autoptr(GError) error = NULL;

    switch (macvtap_client_get_refusal(client)) {
    case MACVTAP_REFUSAL_PARENT_NOT_FOUND:
    case MACVTAP_REFUSAL_PARENT_UNUSABLE:
    case MACVTAP_REFUSAL_PARENT_BUSY:
    case MACVTAP_REFUSAL_NAME_TAKEN:
    case MACVTAP_REFUSAL_MAC_CONFLICT:
        return TRUE;
    case MACVTAP_REFUSAL_LIMIT_REACHED: /* of queues, or of ports */
        port = check_port(client, options, NULL, FALSE, &error);
        return error && g_str_equal(error->message, refusal->message);
    default:
        return FALSE;
    }
}

const char *
ctl_libvirt_mode(const char *mode)
{
    if (g_str_equal(mode, "source"))
        return NULL;
    return g_str_equal(mode, "passthru") ? "passthrough" : mode;
}

static gboolean
read_adhoc(const char *name, char **ret_parent, char **ret_mode, char **ret_vlan, GError **error)
{
    g_autoptr(Network) network = network_parse_adhoc(name, error);

    if (!network)
        return FALSE;
    *ret_parent = g_strdup(network->parents[0]);
    *ret_mode = g_strdup(macvtap_mode_name(network->mode));
    *ret_vlan = g_strdup(network->vlan);
    return TRUE;
}

static gboolean
read_network(Ctl *ctl, const char *name, char **ret_parent, char **ret_mode, char **ret_vlan,
             GError **error)
{
    g_autoptr(MacvtapClient) client = NULL;
    g_autoptr(MacvtapNetwork) network = NULL;
    const char *parents;

    if (network_spec_is_adhoc(name))
        return read_adhoc(name, ret_parent, ret_mode, ret_vlan, error);
    client = ctl_connect(ctl, error);
    if (!client || !ctl_find_network(client, name, &network, error))
        return FALSE;
    parents = network_text(network, "parents");
    *ret_parent = g_strndup(parents, strcspn(parents, " "));
    *ret_mode = g_strdup(network_text(network, "mode"));
    *ret_vlan = g_strdup(network_text(network, "vlan"));
    return TRUE;
}

gboolean
ctl_find_source(Ctl *ctl, const char *network, char **ret_parent, char **ret_mode, GError **error)
{
    g_autofree char *parent = NULL, *mode = NULL, *vlan = NULL;

    if (!read_network(ctl, network, &parent, &mode, &vlan, error))
        return FALSE;
    if (!ctl_libvirt_mode(mode))
        return ctl_fail(error, "libvirt has no interface like one on network %s", network);
    if (vlan && vlan[0])
        return ctl_fail(error,
                        "libvirt's own macvtap interface cannot tag, and network %s has VLAN %s",
                        network, vlan);
    *ret_parent = g_steal_pointer(&parent);
    *ret_mode = g_strdup(ctl_libvirt_mode(mode));
    return TRUE;
}

static gboolean
is_like(const MacvtapNetwork *network, const char *parent, const char *mode)
{
    const char *has = macvtap_network_get_text(network, "mode");
    const char *parents = network_text(network, "parents");
    const char *vlan = network_text(network, "vlan");

    return has && !vlan[0] && g_str_equal(parents, parent) &&
           g_strcmp0(ctl_libvirt_mode(has), mode) == 0;
}

char *
ctl_find_network_like(Ctl *ctl, const char *parent, const char *mode, GError **error)
{
    g_autoptr(MacvtapClient) client = ctl_connect(ctl, error);
    g_autoptr(GPtrArray) networks = client ? ask_networks(client, error) : NULL;
    const char *found = NULL;
    guint n = 0;

    if (!networks)
        return NULL;
    for (guint i = 0; i < networks->len; i++) {
        if (!is_like(networks->pdata[i], parent, mode))
            continue;
        found = macvtap_network_get_name(networks->pdata[i]);
        n++;
    }
    if (n == 1)
        return g_strdup(found);
    ctl_fail(error, "%s network has the parent %s and mode %s: choose one with --network NET",
             n == 0 ? "no" : "more than one", parent, mode);
    return NULL;
}
