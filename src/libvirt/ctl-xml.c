/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-domain.h"
#include "port-options.h"
#include "template.h"

#include "interface-name.h"
#include "mode.h"
#include "network.h"

#include <net/if.h>
#include <string.h>
#include <unistd.h>

typedef struct XmlOptions {
    PortOptions port;
    char *template, *domain;
    char *mode, *vlan; /* of the network; mode NULL: libvirt does not have it */
    GStrv parents;     /* NULL: what the network is like is unknown */
    gboolean list, unchecked;
} XmlOptions;

static void
xml_options_clear(XmlOptions *options)
{
    port_options_clear(&options->port);
    g_free(options->template);
    g_free(options->domain);
    g_free(options->mode);
    g_free(options->vlan);
    g_strfreev(options->parents);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(XmlOptions, xml_options_clear)

static gboolean
parse(Ctl *ctl, XmlOptions *options, int argc, char **argv, GError **error)
{
    const GOptionEntry entries[] = {
        {"network", 'n', 0, G_OPTION_ARG_STRING, &options->port.network, "macvtapd's network",
         "NET"},
        {"template", 0, 0, G_OPTION_ARG_STRING, &options->template,
         "Which one; interface and metadata unless given", "NAME"},
        {"domain", 0, 0, G_OPTION_ARG_STRING, &options->domain, "The domain's name (vm1)", "NAME"},
        {"mac", 0, 0, G_OPTION_ARG_STRING, &options->port.mac, "The guest's MAC", "MAC"},
        {"target", 0, 0, G_OPTION_ARG_STRING, &options->port.target,
         "The device's name (default: from the domain's name)", "IFNAME"},
        {"model", 0, 0, G_OPTION_ARG_STRING, &options->port.model, "virtio unless given", "MODEL"},
        {"queues", 0, 0, G_OPTION_ARG_STRING, &options->port.queues, "1 to 256", "N"},
        {"mtu", 0, 0, G_OPTION_ARG_STRING, &options->port.mtu, "What the guest is told", "BYTES"},
        {"unchecked", 0, 0, G_OPTION_ARG_NONE, &options->unchecked,
         "Also for a network that macvtapd does not have yet", NULL},
        {"list", 0, 0, G_OPTION_ARG_NONE, &options->list, "Print the templates' names", NULL},
        {NULL},
    };

    if (!ctl_parse(ctl, entries, &argc, &argv, 0, 0, "--network NET", error))
        return FALSE;
    if (!options->list && !options->port.network)
        return arguments_refuse(error, "--network NET is missing");
    return port_options_check(&options->port, error);
}

static int
print_list(void)
{
    g_auto(GStrv) names = template_list();

    for (char **name = names; *name; name++)
        g_print("%s\n", *name);
    return 0;
}

static void
take_network(XmlOptions *options, const MacvtapNetwork *network)
{
    const char *parents = network_text(network, "parents");

    options->parents = g_strsplit(parents, " ", -1);
    options->vlan = g_strdup(network_text(network, "vlan"));
    options->mode = g_strdup(ctl_libvirt_mode(network_text(network, "mode")));
}

/* A network described in place says it all itself. */
static void
take_adhoc(XmlOptions *options)
{
    g_autoptr(Network) network = network_parse_adhoc(options->port.network, NULL);

    if (!network)
        return;
    options->parents = g_strdupv(network->parents);
    options->vlan = g_strdup(network->vlan ? network->vlan : "");
    options->mode = g_strdup(ctl_libvirt_mode(macvtap_mode_name(network->mode)));
}

/* Without macvtapd, lines that need its answer are omitted: libvirt makes up a MAC. XML that
 * macvtapd would refuse at each start is not printed unless requested. */
static gboolean
ask_macvtapd(const Ctl *ctl, XmlOptions *options, GHashTable *macs, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autoptr(MacvtapClient) client = ctl_connect(ctl, &cause);
    g_autoptr(MacvtapNetwork) network = NULL;

    if (network_spec_is_adhoc(options->port.network))
        take_adhoc(options);
    if (client && ctl_find_network(client, options->port.network, &network, &cause) && network)
        take_network(options, network);
    if (client && !cause && !options->port.mac)
        options->port.mac = ctl_ask_mac(client, &options->port, macs, &cause);
    if (client && cause && !options->unchecked &&
        !ctl_refusal_may_pass(client, &options->port, cause)) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    if (cause)
        ctl_note("%s", cause->message);
    return TRUE;
}

static gboolean
print_template(const char *name, const TemplateValue *values, GError **error)
{
    g_autofree char *text = template_expand(name, values);

    if (!text)
        return ctl_fail(error, "there is no template '%s' (see macvtapctl domain xml --list)",
                        name);
    g_print("%s", text);
    return TRUE;
}

static gboolean
check_libvirt_network(const XmlOptions *options, GError **error)
{
    if (!options->parents)
        return ctl_fail(error,
                        "the parent and mode of network %s are unknown, and the template"
                        " libvirt-network needs them",
                        options->port.network);
    if (!options->mode)
        return ctl_fail(error, "libvirt has no network type like %s", options->port.network);
    for (char **parent = options->parents; parent && *parent; parent++) {
        if (strlen(*parent) > IF_NAMESIZE - 1)
            return ctl_fail(error,
                            "libvirt accepts no alternative interface name of more than 15 "
                            "characters: use the interface's own name instead of %s in Parent=",
                            *parent);
    }
    if (options->vlan[0])
        return ctl_fail(error,
                        "libvirt's own macvtap network cannot tag, and %s has VLAN %s: create that "
                        "VLAN's device and give its name to libvirt as <interface dev='…'/>, or "
                        "use a port of macvtapd (no --template)",
                        options->port.network, options->vlan);
    return TRUE;
}

/* The text is split into words by a shell, and into options by virt-install. */
static gboolean
check_words(const XmlOptions *options, GError **error)
{
    const char *network = options->port.network;

    for (const char *c = network; *c; c++) {
        if (!g_ascii_isalnum(*c) && !strchr("-_.", *c))
            return ctl_fail(
                error,
                "virt-install has no option that could name network %s: define one whose name has"
                " only letters, digits, '-', '_' and '.'",
                network);
    }
    return TRUE;
}

static gboolean
is_template(const XmlOptions *options, const char *name)
{
    return g_strcmp0(options->template, name) == 0;
}

static int
print(const XmlOptions *options, GError **error)
{
    const PortOptions *port = &options->port;
    const TemplateValue values[] = {
        {"network", port->network},
        {"target", port->target},
        {"mac", port->mac},
        {"model", port->model ? port->model : "virtio"},
        {"domain", options->domain},
        {"type", access("/dev/kvm", F_OK) == 0 ? "kvm" : "qemu"},
        {"parent", NULL, (const char *const *)options->parents},
        {"libvirt-mode", options->mode},
        {"queues", g_strcmp0(port->queues, "1") == 0 ? NULL : port->queues},
        {"mtu", port->mtu},
        {NULL},
    };

    if (is_template(options, "libvirt-network") && !check_libvirt_network(options, error))
        return 1;
    if (is_template(options, "virt-install") && !check_words(options, error))
        return 1;
    if (options->template)
        return !print_template(options->template, values, error);
    return !(print_template("metadata", values, error) &&
             print_template("interface", values, error));
}

/* A new domain must not get what other domains have; without libvirt that is unknown. */
static void
collect_taken(Ctl *ctl, const XmlOptions *options, GHashTable **ret_targets, GHashTable **ret_macs)
{
    if (!is_template(options, "virt-install") || !ctl_connect_libvirt(ctl, NULL))
        return;
    *ret_targets = ctl_collect(ctl, domain_xml_add_targets, NULL);
    *ret_macs = ctl_collect(ctl, domain_xml_add_macs, NULL);
}

int
ctl_xml(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_auto(XmlOptions) options = {0};
    g_autoptr(GHashTable) targets = NULL, macs = NULL;

    if (!parse(ctl, &options, argc, argv, error))
        return 2;
    if (options.list)
        return print_list();
    if (!options.domain)
        options.domain = g_strdup("vm1");
    collect_taken(ctl, &options, &targets, &macs);
    if (!options.port.target)
        options.port.target =
            target_name_choose(options.domain, geteuid() != 0, targets, if_nametoindex);
    if (!interface_name_check_chosen(options.port.target, error) ||
        !ask_macvtapd(ctl, &options, macs, error))
        return 1;
    return print(&options, error);
}
