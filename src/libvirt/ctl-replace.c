/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation: attach --replace turns an interface of the domain into a port. That repairs
 * what virsh, virt-clone and others have broken, and moves a type='direct' interface to macvtapd.
 * The interface keeps everything that need not change: its MAC unless another domain has it, its
 * model, its PCI address. In the configuration the whole domain is defined again, so that it
 * changes completely or not at all.
 *
 * A running guest keeps an interface whose port is right; then only wrong metadata is rewritten.
 * Otherwise the guest has to release the device and gets it back, as libvirt opens a port only when
 * it plugs one. macvtapd is asked first whether it would refuse.
 */
#include "ctl-look.h"
#include "descriptor.h"
#include "domain-port.h"

#include "interface-name.h"

#include <net/if.h>
#include <string.h>

typedef struct Replace {
    CtlLookWith with;
    virDomain *domain;
    const char *wanted;
    const PortOptions *options;
    DomainXml *xml;
    GPtrArray *nics, *looks;
    MacvtapClient *client;
    GPtrArray *there;
    GHashTable *devices, *macs;
} Replace;

static void
replace_clear(Replace *replace)
{
    g_clear_pointer(&replace->looks, g_ptr_array_unref);
    g_clear_pointer(&replace->nics, g_ptr_array_unref);
    g_clear_pointer(&replace->there, g_ptr_array_unref);
    g_clear_pointer(&replace->devices, g_hash_table_unref);
    g_clear_pointer(&replace->macs, g_hash_table_unref);
    macvtap_client_free(replace->client);
    domain_xml_free(replace->xml);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Replace, replace_clear)

/* xml_flags: VIR_DOMAIN_XML_…. */
static gboolean
replace_look(Replace *replace, guint xml_flags, GError **error)
{
    CtlLookWith *with = &replace->with;

    replace->xml = ctl_read_domain(replace->domain, xml_flags, error);
    if (!replace->xml || !domain_xml_check_whole(replace->xml, error))
        return FALSE;
    replace->client = ctl_connect(with->ctl, error);
    replace->there = replace->client ? ask_ports(replace->client, NULL, FALSE, error) : NULL;
    if (!replace->there || !ctl_collect_owners(with->ctl, &replace->devices, &replace->macs, error))
        return FALSE;
    with->client = replace->client;
    with->domain = replace->xml;
    with->there = replace->there;
    with->devices = replace->devices;
    with->macs = replace->macs;
    with->pid = with->running ? ctl_find_process(with->ctl, replace->xml) : 0;
    replace->nics = ctl_list_nics(replace->xml);
    replace->looks = ctl_look(with, replace->nics);
    return TRUE;
}

static GPtrArray *
list_broken(const Replace *replace)
{
    GPtrArray *broken = g_ptr_array_new();

    for (guint i = 0; i < replace->looks->len; i++) {
        const CtlLook *one = replace->looks->pdata[i];

        if (one->problem)
            g_ptr_array_add(broken, one->nic);
    }
    return broken;
}

static gboolean
is_candidate(const DomainNic *nic)
{
    return nic->kind != DOMAIN_NIC_FOREIGN || g_strcmp0(nic->type, "direct") == 0;
}

static GPtrArray *
list_candidates(const Replace *replace)
{
    GPtrArray *candidates = g_ptr_array_new();

    for (guint i = 0; i < replace->nics->len; i++) {
        if (is_candidate(replace->nics->pdata[i]))
            g_ptr_array_add(candidates, replace->nics->pdata[i]);
    }
    return candidates;
}

static char *
describe_nics(const GPtrArray *nics)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < nics->len; i++)
        g_string_append_printf(text, "%s%s", i > 0 ? ", " : "", domain_nic_name(nics->pdata[i]));
    return g_string_free(text, FALSE);
}

/* The interfaces to replace, an array of DomainNic that belong to the domain: the one that the user
 * names, the broken ones, or the only candidate. */
static GPtrArray *
choose_nics(const Replace *replace, GError **error)
{
    g_autoptr(GPtrArray) chosen = g_ptr_array_new();
    g_autofree char *names = NULL;
    gboolean one = replace->options->mac || replace->options->target;
    DomainNic *wanted = replace->wanted ? domain_nic_find(replace->nics, replace->wanted) : NULL;

    if (wanted)
        g_ptr_array_add(chosen, wanted);
    if (wanted || replace->wanted)
        return wanted ? g_steal_pointer(&chosen)
                      : (ctl_fail(error, "domain %s has no interface %s", replace->xml->name,
                                  replace->wanted),
                         NULL);
    g_ptr_array_unref(chosen);
    chosen = list_broken(replace);
    if (chosen->len == 0) {
        g_ptr_array_unref(chosen);
        chosen = list_candidates(replace);
        one = TRUE;
    }
    names = describe_nics(chosen);
    if (chosen->len == 1 || (chosen->len > 1 && !one))
        return g_steal_pointer(&chosen);
    if (chosen->len == 0)
        ctl_fail(error, "domain %s has no interface that could become a port: omit --replace",
                 replace->xml->name);
    else
        ctl_fail(error, "which interface of domain %s? Say one of %s", replace->xml->name, names);
    return NULL;
}

static const MacvtapPort *
find_held(const Replace *replace, const DomainNic *nic)
{
    const MacvtapPort *port = nic->target ? domain_port_find(replace->there, nic->target) : NULL;

    return port && domain_port_is_held(port, replace->xml->uuid) ? port : NULL;
}

/* From the user, else from the metadata, the existing port, or libvirt's interface. */
static gboolean
decide_network(const Replace *replace, const DomainNic *nic, PortOptions *options, GError **error)
{
    const MacvtapPort *held = find_held(replace, nic);
    g_autofree char *parent = NULL, *mode = NULL;

    if (options->network)
        return TRUE;
    if (nic->port)
        options->network = g_strdup(nic->port->network);
    else if (held)
        options->network = g_strdup(macvtap_port_get_network(held));
    else if (domain_nic_get_source(nic, &parent, &mode))
        options->network = ctl_find_network_like(replace->with.ctl, parent, mode, error);
    else
        ctl_fail(error, "which network should interface %s be on? Give --network NET",
                 domain_nic_name(nic));
    return options->network != NULL;
}

/* In the form of the metadata; NULL: it has its network's. */
static char *
read_own_limits(const MacvtapPort *port)
{
    static const char *const names[] = {"send", "receive", "broadcasts"};
    GString *text = g_string_new(NULL);
    gboolean none;

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *field = g_strconcat("ownLimits.", names[i], NULL);
        const char *value = macvtap_port_get_text(port, field);

        if (value)
            g_string_append_printf(text, "%s%s=%s", text->len > 0 ? "," : "", names[i], value);
    }
    none = text->len == 0;
    return g_string_free(text, none);
}

/* FALSE if an earlier interface has the same device. */
static gboolean
is_first(const Replace *replace, const DomainNic *nic)
{
    return domain_nic_find(replace->nics, nic->target) == nic;
}

/* Not if the device or port belongs to another domain. */
static gboolean
may_keep_target(const Replace *replace, const DomainNic *nic)
{
    return find_held(replace, nic) ||
           (nic->kind != DOMAIN_NIC_FOREIGN && nic->target && is_first(replace, nic) &&
            interface_name_check_chosen(nic->target, NULL) &&
            !domain_xml_find_owner(replace->devices, nic->target, replace->xml->name) &&
            if_nametoindex(nic->target) == 0);
}

/* While the domain runs, its configuration gets the device that the guest has with this MAC. */
static const char *
find_running_target(const Replace *replace, const DomainNic *nic)
{
    for (guint i = 0; i < replace->there->len; i++) {
        const MacvtapPort *port = replace->there->pdata[i];
        const char *target = macvtap_port_get_interface_name(port);

        if (domain_port_is_held(port, replace->xml->uuid) &&
            domain_port_same_mac(macvtap_port_get_mac_address(port), nic->mac) &&
            !domain_xml_has_interface(replace->xml, target))
            return target;
    }
    return NULL;
}

static gboolean
may_keep_mac(const Replace *replace, const DomainNic *nic, const char *network)
{
    g_autofree char *mac = nic->mac ? g_ascii_strdown(nic->mac, -1) : NULL;

    return mac && (replace->with.running ||
                   !domain_xml_find_owner(replace->macs, mac, replace->xml->name) ||
                   ctl_gives_parents_mac(replace->client, network));
}

static gboolean
decide_options(const Replace *replace, const DomainNic *nic, PortOptions *options, GError **error)
{
    port_options_copy(replace->options, options);
    if (!decide_network(replace, nic, options, error))
        return FALSE;
    if (!options->target && may_keep_target(replace, nic))
        options->target = g_strdup(nic->target);
    if (!options->target)
        options->target = g_strdup(find_running_target(replace, nic));
    if (!options->target)
        options->target =
            ctl_choose_target(replace->with.ctl, replace->domain, replace->xml, error);
    if (!options->mac && may_keep_mac(replace, nic, options->network))
        options->mac = g_strdup(nic->mac);
    domain_nic_read_options(nic, options);
    if (!options->limits && !nic->port && find_held(replace, nic))
        options->limits = read_own_limits(find_held(replace, nic));
    return options->target && interface_name_check_chosen(options->target, error);
}

/* Libvirt's limits that a port cannot have go. */
static void
note_bandwidth(const DomainNic *nic)
{
    const char *problem = domain_nic_bandwidth_problem(nic);

    if (problem)
        ctl_note("interface %s no longer has its <bandwidth>: %s", domain_nic_name(nic), problem);
}

/* Collected, and printed once all interfaces are done. */
static void
tell_port(GString *text, const PortOptions *options)
{
    g_string_append_printf(text, "port %s on network %s, MAC %s\n", options->target,
                           options->network, options->mac);
}

/* While the domain runs, its present ports conflict with its future ones. */
static gboolean
ask_for_port(const Replace *replace, gboolean running, PortOptions *options, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autofree char *mac = NULL;

    if (!running)
        return ctl_ask_macvtapd(replace->with.ctl, replace->client, options, replace->xml, error);
    mac = ctl_ask_mac(replace->client, options, replace->macs, &cause);
    if (!mac && !(options->mac && (ctl_refusal_is_users(replace->with.ctl, replace->client) ||
                                   ctl_refusal_may_pass(replace->client, options, cause)))) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    if (mac && !options->mac)
        options->mac = g_steal_pointer(&mac);
    return TRUE;
}

static gboolean
replace_nic_config(Replace *replace, DomainNic *nic, gboolean running, GString *done,
                   GError **error)
{
    g_auto(PortOptions) options = {0};

    if (nic->kind == DOMAIN_NIC_UNPLUGGED) {
        g_string_append_printf(done, "the metadata no longer names a port %s\n", nic->target);
        domain_nic_remove(replace->xml, nic);
        return TRUE;
    }
    if (!decide_options(replace, nic, &options, error))
        return FALSE;
    if (!ask_for_port(replace, running, &options, error)) {
        g_prefix_error(error, "interface %s: ", domain_nic_name(nic));
        return FALSE;
    }
    note_bandwidth(nic);
    domain_nic_make_port(replace->xml, nic, &options);
    tell_port(done, &options);
    return TRUE;
}

static gboolean
replace_config(Ctl *ctl, virDomain *domain, const char *wanted, const PortOptions *options,
               GError **error)
{
    g_auto(Replace)
        replace = {.with.ctl = ctl, .domain = domain, .wanted = wanted, .options = options};
    g_autoptr(GPtrArray) chosen = NULL;
    g_autoptr(GString) done = g_string_new(NULL);
    AUTO_FD int lock = ctl_lock(error);
    gboolean running = virDomainIsActive(domain) == 1;

    if (lock < 0 || !replace_look(&replace, CTL_XML_TO_DEFINE, error))
        return FALSE;
    chosen = choose_nics(&replace, error);
    for (guint i = 0; chosen && i < chosen->len; i++) {
        if (!replace_nic_config(&replace, chosen->pdata[i], running, done, error))
            return FALSE;
    }
    if (!chosen || !ctl_define(ctl, replace.xml, error))
        return FALSE;
    g_print("%s", done->str);
    return TRUE;
}

/* Whether the guest already has what the options ask for, so that nothing need be plugged. */
static gboolean
is_right(const Replace *replace, const DomainNic *nic, const PortOptions *options)
{
    const MacvtapPort *held = find_held(replace, nic);
    DomainNic wanted = *nic;
    DomainPort port = {.network = options->network, .target = options->target};
    g_autoptr(GPtrArray) one = g_ptr_array_new();
    g_autoptr(GPtrArray) looks = NULL;

    if (!held || !nic->interface || (nic->port && nic->port->problem) ||
        !g_str_equal(options->target, nic->target) ||
        !domain_port_same_mac(options->mac, nic->mac) || options->model || replace->options->queues)
        return FALSE;
    wanted.kind = DOMAIN_NIC_PORT;
    wanted.port = &port;
    g_ptr_array_add(one, &wanted);
    looks = ctl_look(&replace->with, one);
    return !g_str_equal(((const CtlLook *)looks->pdata[0])->state, "mismatch");
}

static gboolean
write_network(Replace *replace, const DomainNic *nic, const PortOptions *options, GError **error)
{
    AUTO_FD int lock = ctl_lock(error);
    g_autoptr(DomainXml) now = lock >= 0 ? ctl_read_domain(replace->domain, 0, error) : NULL;
    DomainPort *port;

    if (!now || !domain_xml_check_whole(now, error))
        return FALSE;
    port = domain_xml_find_port(now, nic->target);
    if (!port) {
        port = g_new0(DomainPort, 1);
        g_ptr_array_add(now->ports, port);
    }
    domain_nic_describe(port, options);
    return ctl_write_ports(replace->domain, now->ports, VIR_DOMAIN_AFFECT_LIVE, error);
}

static gboolean
plug_again(Replace *replace, DomainNic *nic, PortOptions *options, GError **error)
{
    g_autofree char *target = g_strdup(nic->target), *text = NULL;

    if (!ask_for_port(replace, TRUE, options, error))
        return FALSE;
    note_bandwidth(nic);
    domain_nic_make_port(replace->xml, nic, options);
    text = domain_nic_format(nic);
    if (!ctl_unplug(replace->with.ctl, replace->domain, target, CTL_UNPLUG_SECONDS, error))
        return FALSE;
    if (virDomainIsActive(replace->domain) != 1)
        return TRUE;
    if (ctl_plug(replace->with.ctl, replace->domain, options, text, error))
        return TRUE;
    g_prefix_error(error, "the guest has released %s and cannot get it back: ", target);
    return FALSE;
}

static gboolean
replace_nic_live(Replace *replace, DomainNic *nic, GError **error)
{
    g_auto(PortOptions) options = {0};

    if (nic->kind == DOMAIN_NIC_UNPLUGGED)
        return ctl_unplug(replace->with.ctl, replace->domain, nic->target, 0, error);
    if (!decide_options(replace, nic, &options, error))
        return FALSE;
    if (!is_right(replace, nic, &options))
        return plug_again(replace, nic, &options, error);
    if (!write_network(replace, nic, &options, error))
        return FALSE;
    g_print("port %s on network %s, MAC %s\n", options.target, options.network, options.mac);
    return TRUE;
}

static gboolean
replace_live(Ctl *ctl, virDomain *domain, const char *wanted, const PortOptions *options,
             GError **error)
{
    g_auto(Replace) replace = {.with = {.ctl = ctl, .running = TRUE},
                               .domain = domain,
                               .wanted = wanted,
                               .options = options};
    g_autoptr(GPtrArray) chosen = NULL;

    if (!replace_look(&replace, 0, error))
        return FALSE;
    chosen = choose_nics(&replace, error);
    for (guint i = 0; chosen && i < chosen->len; i++) {
        if (!replace_nic_live(&replace, chosen->pdata[i], error))
            return FALSE;
    }
    return chosen != NULL;
}

gboolean
ctl_replace(Ctl *ctl, virDomain *domain, guint flags, const char *wanted,
            const PortOptions *options, GError **error)
{
    return (!(flags & VIR_DOMAIN_AFFECT_LIVE) ||
            replace_live(ctl, domain, wanted, options, error)) &&
           (!(flags & VIR_DOMAIN_AFFECT_CONFIG) ||
            replace_config(ctl, domain, wanted, options, error));
}
