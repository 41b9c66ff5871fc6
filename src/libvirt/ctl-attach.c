/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation: no hook runs when a device is plugged, so for a running domain the port is
 * created first, with the domain and QEMU's process as its holder; then the metadata is written, so
 * that the hook knows the port at the domain's next stop; then libvirt opens the port. A failure is
 * undone in reverse order. For the configuration only the two texts are written: the hook creates
 * the port at the next start.
 *
 * All of it happens under the user's lock, as libvirt replaces the metadata of a domain as a whole,
 * and as a chosen target is free only until another program chooses it.
 */
#include "ctl-domain.h"
#include "descriptor.h"
#include "domain-nic.h"
#include "domain-port.h"
#include "hook.h"
#include "interface-name.h"
#include "port-options.h"
#include "template.h"

#include <net/if.h>
#include <string.h>
#include <unistd.h>

typedef struct Attach {
    PortOptions options;
    gboolean live, config, replace;
    const char *text; /* the interface's XML; NULL: generated from the options */
    Ctl *ctl;
    MacvtapClient *client;
    virDomain *domain;
    guint flags;            /* VIR_DOMAIN_AFFECT_… */
    DomainXml *now, *later; /* the ones that will change */
    char *made;             /* the port's ID; NULL if there is none */
} Attach;

static void
attach_clear(Attach *attach)
{
    port_options_clear(&attach->options);
    g_free(attach->made);
    macvtap_client_free(attach->client);
    g_clear_pointer(&attach->domain, virDomainFree);
    domain_xml_free(attach->now);
    domain_xml_free(attach->later);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Attach, attach_clear)

static gboolean
parse(Attach *attach, int *argc, char ***argv, GError **error)
{
    PortOptions *options = &attach->options;
    const GOptionEntry entries[] = {
        {"network", 'n', 0, G_OPTION_ARG_STRING, &options->network, "macvtapd's network", "NET"},
        {"mac", 0, 0, G_OPTION_ARG_STRING, &options->mac, "The guest's MAC", "MAC"},
        {"target", 0, 0, G_OPTION_ARG_STRING, &options->target, "The device's name", "IFNAME"},
        {"model", 0, 0, G_OPTION_ARG_STRING, &options->model, "virtio unless given", "MODEL"},
        {"queues", 0, 0, G_OPTION_ARG_STRING, &options->queues, "1 to 256", "N"},
        {"mtu", 0, 0, G_OPTION_ARG_STRING, &options->mtu, "What the guest is told", "BYTES"},
        {"live", 0, 0, G_OPTION_ARG_NONE, &attach->live, "Change the running domain", NULL},
        {"config", 0, 0, G_OPTION_ARG_NONE, &attach->config, "Change its configuration", NULL},
        {"replace", 0, 0, G_OPTION_ARG_NONE, &attach->replace,
         "Turn an interface of the domain into a port: the given one, or those that are broken",
         NULL},
        {NULL},
    };

    if (!ctl_parse(attach->ctl, entries, argc, argv, 1, 2,
                   "DOMAIN --network NET, or DOMAIN [TARGET|MAC] --replace", error))
        return FALSE;
    if (*argc > 2 && !attach->replace)
        return arguments_refuse(
            error, "'%s' names an interface, which requires --replace (see --target, --mac)",
            (*argv)[2]);
    if (!options->network && !attach->replace)
        return arguments_refuse(error, "--network NET is missing");
    return port_options_check(options, error);
}

static gboolean
find_domain(Attach *attach, const char *name, GError **error)
{
    attach->domain = ctl_find_domain(attach->ctl, name, error);
    return attach->domain && ctl_choose_scope(attach->ctl, attach->domain, attach->live,
                                              attach->config, &attach->flags, error);
}

/* When an interface is put back, problems of other interfaces do not count. */
static gboolean
check_domain(const Attach *attach, const DomainXml *domain, GError **error)
{
    return attach->text ? domain_xml_check_whole(domain, error) : domain_xml_check(domain, error);
}

static gboolean
read_domain(Attach *attach, GError **error)
{
    if (attach->flags & VIR_DOMAIN_AFFECT_LIVE) {
        attach->now = ctl_read_domain(attach->domain, 0, error);
        if (!attach->now || !check_domain(attach, attach->now, error))
            return FALSE;
    }
    if (attach->flags & VIR_DOMAIN_AFFECT_CONFIG) {
        attach->later = ctl_read_domain(attach->domain, VIR_DOMAIN_XML_INACTIVE, error);
        if (!attach->later || !check_domain(attach, attach->later, error))
            return FALSE;
    }
    return TRUE;
}

/* libvirt would accept a second interface with the device, and the domain would not start. */
static gboolean
check_target(const DomainXml *domain, const char *target, GError **error)
{
    if (domain && domain_xml_find_port(domain, target))
        return ctl_fail(error, "the domain already has a port %s", target);
    return !domain || !domain_xml_has_interface(domain, target) ||
           ctl_fail(error,
                    "the domain already has an interface %s, which is not a port of macvtapd",
                    target);
}

/* A device in another domain's configuration does not exist before that domain runs. */
char *
ctl_choose_target(Ctl *ctl, virDomain *domain, const DomainXml *changed, GError **error)
{
    g_autoptr(GHashTable) taken = ctl_collect(ctl, domain_xml_add_targets, error);

    if (taken && changed)
        domain_xml_add_targets(changed, taken);
    return taken
               ? target_name_choose(virDomainGetName(domain), geteuid() != 0, taken, if_nametoindex)
               : NULL;
}

/* For a stopped domain, whose port is created at its start: macvtapd refuses now what it would
 * refuse then. */
gboolean
ctl_ask_macvtapd(Ctl *ctl, MacvtapClient *client, PortOptions *options, const DomainXml *changed,
                 GError **error)
{
    g_autoptr(GHashTable) taken = ctl_collect(ctl, domain_xml_add_macs, error);
    g_autoptr(GError) cause = NULL;
    gboolean users;
    char *mac;

    if (!taken)
        return FALSE;
    if (changed)
        domain_xml_add_macs(changed, taken);
    mac = ctl_ask_mac(client, options, taken, &cause);
    if (mac) {
        g_free(options->mac);
        options->mac = mac;
        return TRUE;
    }
    users = ctl_refusal_is_users(ctl, client);
    if (!users && !ctl_refusal_may_pass(client, options, cause)) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    if (!options->mac)
        return ctl_fail(error, "%s (to attach it for a later start, choose a MAC with --mac MAC)",
                        cause->message);
    ctl_note(users ? "only root can check whether the domain would start: %s"
                   : "as it is now, the domain would not start: %s",
             cause->message);
    return TRUE;
}

static gboolean
decide(Attach *attach, GError **error)
{
    if (!attach->options.target)
        attach->options.target = ctl_choose_target(attach->ctl, attach->domain, NULL, error);
    if (!attach->options.target || !interface_name_check_chosen(attach->options.target, error))
        return FALSE;
    if (!check_target(attach->now, attach->options.target, error) ||
        !check_target(attach->later, attach->options.target, error))
        return FALSE;
    attach->client = ctl_connect(attach->ctl, error);
    /* For a running domain the port itself is created. */
    return attach->client && (attach->now || ctl_ask_macvtapd(attach->ctl, attach->client,
                                                              &attach->options, NULL, error));
}

static gboolean
make_port(Attach *attach, GError **error)
{
    g_autoptr(MacvtapRequest) request = port_options_request(&attach->options);
    g_autoptr(MacvtapPort) port = NULL;
    int pid = ctl_find_process(attach->ctl, attach->now);

    macvtap_request_set_name(request, hook_port_name(attach->options.target));
    macvtap_request_set_holder_domain(request, attach->now->uuid);
    port = ask_take_port(attach->client, request, error);
    if (!port) {
        const DomainPort wanted = {.target = attach->options.target, .mac = attach->options.mac};

        domain_port_explain(attach->client, attach->now->uuid, &wanted, "/proc", error);
        return FALSE;
    }
    attach->made = g_strdup(macvtap_port_get_id(port));
    g_free(attach->options.mac);
    attach->options.mac = g_strdup(macvtap_port_get_mac_address(port));
    return pid == 0 || ask_set_holder_pid(attach->client, attach->made, pid, error);
}

static gboolean
write_metadata(Attach *attach, DomainXml *domain, guint flags, GError **error)
{
    DomainPort *port;

    if (!domain)
        return TRUE;
    port = g_new0(DomainPort, 1);
    domain_nic_describe(port, &attach->options);
    g_ptr_array_add(domain->ports, port);
    if (ctl_write_ports(attach->domain, domain->ports, flags, error))
        return TRUE;
    g_ptr_array_set_size(domain->ports, (int)domain->ports->len - 1);
    return FALSE;
}

static gboolean
plug(Attach *attach, GError **error)
{
    const PortOptions *options = &attach->options;
    const TemplateValue values[] = {
        {"mac", options->mac},
        {"target", options->target},
        {"model", options->model ? options->model : "virtio"},
        {"queues", g_strcmp0(options->queues, "1") == 0 ? NULL : options->queues},
        {"mtu", options->mtu},
        {NULL},
    };
    g_autofree char *text = template_expand("interface", values);

    return virDomainAttachDeviceFlags(attach->domain, attach->text ? attach->text : text,
                                      attach->flags) == 0 ||
           ctl_fail_libvirt(error, "libvirt");
}

static gboolean
change(Attach *attach, GError **error)
{
    return (!attach->now || make_port(attach, error)) &&
           write_metadata(attach, attach->now, VIR_DOMAIN_AFFECT_LIVE, error) &&
           write_metadata(attach, attach->later, VIR_DOMAIN_AFFECT_CONFIG, error) &&
           plug(attach, error);
}

static void
undo_metadata(Attach *attach, DomainXml *domain, guint flags)
{
    if (!domain || !domain_xml_find_port(domain, attach->options.target))
        return;
    g_ptr_array_set_size(domain->ports, (int)domain->ports->len - 1);
    ctl_write_ports(attach->domain, domain->ports, flags, NULL);
}

static void
undo(Attach *attach)
{
    undo_metadata(attach, attach->later, VIR_DOMAIN_AFFECT_CONFIG);
    undo_metadata(attach, attach->now, VIR_DOMAIN_AFFECT_LIVE);
    if (attach->made)
        ask_delete(attach->client, attach->made, NULL);
}

/* Among stopped domains, too, which macvtapd does not know. */
static void
note_owner(const Attach *attach, GHashTable *owners, const char *key, const char *what)
{
    const char *owner = domain_xml_find_owner(owners, key, virDomainGetName(attach->domain));

    if (owner)
        ctl_note("domain %s also has the %s %s: only one of the two can run", owner, what, key);
}

/* Notes a choice of the user that another domain also has. */
static void
note_owners(const Attach *attach)
{
    const PortOptions *options = &attach->options;
    g_autofree char *mac = g_ascii_strdown(options->mac, -1);
    g_autoptr(GHashTable) devices = NULL, macs = NULL;

    if (!ctl_collect_owners(attach->ctl, &devices, &macs, NULL))
        return;
    note_owner(attach, devices, options->target, "device");
    if (!ctl_gives_parents_mac(attach->client, options->network))
        note_owner(attach, macs, mac, "MAC");
}

static gboolean
attach_port(Attach *attach, GError **error)
{
    AUTO_FD int lock = ctl_lock(error);

    if (lock < 0 || !read_domain(attach, error) || !decide(attach, error))
        return FALSE;
    if (!change(attach, error)) {
        undo(attach);
        return FALSE;
    }
    g_print("port %s on network %s, MAC %s\n", attach->options.target, attach->options.network,
            attach->options.mac);
    note_owners(attach);
    return TRUE;
}

gboolean
ctl_plug(Ctl *ctl, virDomain *domain, PortOptions *options, const char *text, GError **error)
{
    g_auto(Attach) attach = {.ctl = ctl, .text = text, .flags = VIR_DOMAIN_AFFECT_LIVE};
    gboolean good;

    attach.domain = domain;
    virDomainRef(domain);
    attach.options = *options;
    good = attach_port(&attach, error);
    *options = attach.options;
    memset(&attach.options, 0, sizeof attach.options);
    return good;
}

int
ctl_attach(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_auto(Attach) attach = {.ctl = ctl};
    gboolean good;

    if (!parse(&attach, &argc, &argv, error))
        return 2;
    if (!find_domain(&attach, argv[1], error))
        return 1;
    if (attach.replace)
        good = ctl_replace(ctl, attach.domain, attach.flags, argc > 2 ? argv[2] : NULL,
                           &attach.options, error);
    else
        good = attach_port(&attach, error);
    return good ? 0 : 1;
}
