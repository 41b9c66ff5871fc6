/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "macvtapctl.h"
#include "network-option.h"
#include "port-refusal.h"
#include "queue-users.h"
#include "table.h"

#include "output.h"

#include <string.h>

const char *
ctl_port_state(const MacvtapPort *port)
{
    const char *state = macvtap_port_get_state(port);
    g_autofree char *carrier = macvtap_port_get_text(port, "carrier");

    return g_str_equal(state, "active") && g_str_equal(carrier, "no") ? "no-carrier" : state;
}

static void
print_ports(GPtrArray *ports)
{
    static const char *const headings[] = {"NAME", "NETWORK", "PARENT", "MODE",  "INTERFACE",
                                           "MAC",  "QUEUES",  "HOLDER", "STATE", NULL};
    Table *table = table_new(headings);
    g_autofree char *text = NULL;

    for (guint i = 0; i < ports->len; i++) {
        const MacvtapPort *port = ports->pdata[i];

        table_add(table, g_strdup(macvtap_port_get_name(port)),
                  g_strdup(macvtap_port_get_network(port)), g_strdup(macvtap_port_get_parent(port)),
                  g_strdup(macvtap_port_get_mode(port)),
                  g_strdup(macvtap_port_get_interface_name(port)),
                  g_strdup(macvtap_port_get_mac_address(port)),
                  g_strdup_printf("%u", macvtap_port_get_queues(port)),
                  macvtap_port_get_holder(port), g_strdup(ctl_port_state(port)));
    }
    text = table_finish(table);
    g_print("%s", text);
}

/* A field that is not there, or a count of 0, is not worth a line. */
static void
print_field(const MacvtapPort *port, const char *label, const char *field)
{
    g_autofree char *text = macvtap_port_get_text(port, field);

    if (text[0] && !g_str_equal(text, "0"))
        g_print("%-10s %s\n", label, text);
}

/* The processes are looked for only here: it takes a look at every process's descriptors. */
static void
print_open_queues(const MacvtapPort *port)
{
    g_autofree char *open = macvtap_port_get_text(port, "openQueues");
    g_autofree char *users = NULL;

    if (!open[0] || g_str_equal(open, "0"))
        return;
    users = queue_users_describe(macvtap_port_get_id(port));
    g_print("open       %s queue%s%s%s\n", open, g_str_equal(open, "1") ? "" : "s",
            users[0] ? ", in " : "", users);
}

static void
print_port(const MacvtapPort *port)
{
    g_autofree char *holder = macvtap_port_get_holder(port);
    g_autofree char *up = macvtap_port_get_text(port, "linkUp");
    g_autofree char *incoming = macvtap_port_get_text(port, "incoming");

    g_print("port       %s (%s)\n", macvtap_port_get_name(port), macvtap_port_get_id(port));
    g_print("network    %s\n", macvtap_port_get_network(port));
    g_print("parent     %s, mode %s\n", macvtap_port_get_parent(port), macvtap_port_get_mode(port));
    g_print("interface  %s (index %d), MTU %u, queues %u\n", macvtap_port_get_interface_name(port),
            macvtap_port_get_interface_index(port), macvtap_port_get_mtu(port),
            macvtap_port_get_queues(port));
    g_print("MAC        %s\n", macvtap_port_get_mac_address(port));
    g_print("holder     %s, owner %u\n", holder, macvtap_port_get_owner(port));
    if (g_str_has_prefix(holder, "domain:"))
        print_field(port, "process", "holder.pid");
    print_open_queues(port);
    g_print("state      %s\n", macvtap_port_get_state(port));
    g_print("link       %s\n", g_str_equal(up, "no") ? "down" : "up");
    print_field(port, "carrier", "carrier");
    if (g_str_equal(incoming, "yes"))
        g_print("guest      on another host (migration)\n");
    print_field(port, "VLAN", "vlan");
    print_field(port, "trunk", "trunk");
    print_field(port, "slave", "activeSlave");
    print_field(port, "sources", "sources");
    print_field(port, "node", "deviceNode");
    print_field(port, "received", "statistics.receivedPackets");
    print_field(port, "sent", "statistics.sentPackets");
    print_field(port, "put back", "macChanges");
}

static void
print_json(const MacvtapPort *port)
{
    g_autofree char *text = macvtap_port_to_json(port);

    g_print("%s\n", text);
}

static void
print_json_ports(GPtrArray *ports)
{
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < ports->len; i++)
        g_ptr_array_add(texts, macvtap_port_to_json(ports->pdata[i]));
    ctl_print_json_list("ports", texts);
}

int
ctl_port_list(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_autofree char *network = NULL;
    const GOptionEntry entries[] = {
        {"network", 0, 0, G_OPTION_ARG_STRING, &network, "Only of this network", "NET"},
        {NULL},
    };
    g_autoptr(MacvtapClient) client = NULL;
    g_autoptr(GPtrArray) ports = NULL;

    if (!ctl_parse(ctl, entries, &argc, &argv, 0, 0, "[--network NET]", error))
        return 2;
    client = ctl_connect(ctl, error);
    ports = client ? macvtap_client_list_ports_full(client, network, ctl->json, error) : NULL;
    if (!ports)
        return 1;
    if (ctl->json)
        print_json_ports(ports);
    else
        print_ports(ports);
    return 0;
}

int
ctl_port_show(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_autoptr(MacvtapClient) client = NULL;
    g_autoptr(MacvtapPort) port = NULL;

    if (!ctl_parse(ctl, NULL, &argc, &argv, 1, 1, "PORT", error))
        return 2;
    client = ctl_connect(ctl, error);
    port = client ? macvtap_client_get_port(client, argv[1], TRUE, error) : NULL;
    if (!port)
        return 1;
    if (ctl->json)
        print_json(port);
    else
        print_port(port);
    return 0;
}

static gboolean
check_link(const char *link, GError **error)
{
    if (!link || g_str_equal(link, "up") || g_str_equal(link, "down"))
        return TRUE;
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                "a link is set up or down, not '%s'", link);
    return FALSE;
}

typedef struct CreateOptions {
    char *network, *name, *interface, *mac, *mtu, *queues, *vhost, *holder, *link;
    gboolean incoming;
} CreateOptions;

static void
create_options_clear(CreateOptions *options)
{
    g_free(options->network);
    g_free(options->name);
    g_free(options->interface);
    g_free(options->mac);
    g_free(options->mtu);
    g_free(options->queues);
    g_free(options->vhost);
    g_free(options->holder);
    g_free(options->link);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CreateOptions, create_options_clear)

int
ctl_port_create(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_auto(CreateOptions) options = {0};
    const GOptionEntry entries[] = {
        {"network", 0, 0, G_OPTION_ARG_STRING, &options.network, "The network", "NET"},
        {"name", 0, 0, G_OPTION_ARG_STRING, &options.name, "The port's name", "NAME"},
        {"interface", 0, 0, G_OPTION_ARG_STRING, &options.interface, "The device's name", "IFNAME"},
        {"mac", 0, 0, G_OPTION_ARG_STRING, &options.mac, "The guest's MAC", "MAC"},
        {"mtu", 0, 0, G_OPTION_ARG_STRING, &options.mtu, "The MTU", "BYTES"},
        {"queues", 0, 0, G_OPTION_ARG_STRING, &options.queues, "1 to 256", "N"},
        {"vhost", 0, 0, G_OPTION_ARG_STRING, &options.vhost, "auto, require or off", "WHEN"},
        {"holder", 0, 0, G_OPTION_ARG_STRING, &options.holder,
         "none (default), pid:N or domain:UUID", "HOLDER"},
        {"link", 0, 0, G_OPTION_ARG_STRING, &options.link, "The device's link (default: up)",
         "up|down"},
        {"incoming", 0, 0, G_OPTION_ARG_NONE, &options.incoming,
         "The guest comes by migration from another host", NULL},
        {NULL},
    };
    MacvtapRequest request = {.no_descriptors = TRUE};
    g_autoptr(MacvtapClient) client = NULL;
    g_autoptr(MacvtapPort) port = NULL;

    if (!ctl_parse(ctl, entries, &argc, &argv, 0, 0, "", error))
        return 2;
    if (!options.network) {
        g_set_error_literal(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                            "which network? Give --network NET");
        return 2;
    }
    if ((options.mtu && !option_parse_mtu(options.mtu, &request.mtu, error)) ||
        (options.queues && !option_parse_queues(options.queues, &request.queues, error)) ||
        !check_link(options.link, error))
        return 2;
    request.network = options.network;
    request.name = options.name;
    request.interface_name = options.interface;
    request.mac_address = options.mac;
    request.vhost = options.vhost;
    request.holder = options.holder ? options.holder : "none";
    request.link_down = g_strcmp0(options.link, "down") == 0;
    request.incoming = options.incoming;
    client = ctl_connect(ctl, error);
    port = client ? macvtap_client_create(client, &request, error) : NULL;
    if (client && !port)
        port_refusal_name_users(client, options.name, options.mac, error);
    if (!port)
        return 1;
    if (ctl->json)
        print_json(port);
    else
        print_port(port);
    return 0;
}

typedef struct SetOptions {
    char *sources, *link;
} SetOptions;

static void
set_options_clear(SetOptions *options)
{
    g_free(options->sources);
    g_free(options->link);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SetOptions, set_options_clear)

static gboolean
check_set_options(const SetOptions *options, GError **error)
{
    if (!options->sources && !options->link)
        g_set_error_literal(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                            "change what? Give --sources MAC[,MAC...] or --link up|down");
    else
        return check_link(options->link, error);
    return FALSE;
}

static gboolean
set_sources(MacvtapClient *client, const char *port, const char *sources, GError **error)
{
    g_auto(GStrv) list = sources[0] ? g_strsplit(sources, ",", -1) : g_new0(char *, 1);

    return macvtap_client_set_sources(client, port, (const char *const *)list, error);
}

int
ctl_port_set(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_auto(SetOptions) options = {0};
    const GOptionEntry entries[] = {
        {"sources", 0, 0, G_OPTION_ARG_STRING, &options.sources, "What source mode lets through",
         "MAC[,MAC...]"},
        {"link", 0, 0, G_OPTION_ARG_STRING, &options.link, "Set the device up or down", "up|down"},
        {NULL},
    };
    g_autoptr(MacvtapClient) client = NULL;

    if (!ctl_parse(ctl, entries, &argc, &argv, 1, 1, "PORT", error) ||
        !check_set_options(&options, error))
        return 2;
    client = ctl_connect(ctl, error);
    if (!client || (options.sources && !set_sources(client, argv[1], options.sources, error)) ||
        (options.link &&
         !macvtap_client_set_link(client, argv[1], g_str_equal(options.link, "up"), error)))
        return 1;
    return 0;
}

/* MacvtapDeleteFailed */
static void
report_failure(const char *port, const char *message, gpointer user_data)
{
    gboolean *failed = user_data;

    *failed = TRUE;
    if (strstr(message, port))
        g_printerr("macvtapctl: %s\n", message);
    else
        g_printerr("macvtapctl: port %s: %s\n", port, message);
}

static gboolean
check_delete_options(gboolean any_name, const char *network, gboolean all, GError **error)
{
    if (any_name + (network != NULL) + all == 1)
        return TRUE;
    g_set_error_literal(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                        "delete takes PORT..., --network NET or --all, and only one of these");
    return FALSE;
}

int
ctl_port_delete(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_autofree char *network = NULL;
    gboolean all = FALSE, failed = FALSE, good;
    const GOptionEntry entries[] = {
        {"network", 0, 0, G_OPTION_ARG_STRING, &network, "Those of this network", "NET"},
        {"all", 0, 0, G_OPTION_ARG_NONE, &all, "All of yours (root: everybody's)", NULL},
        {NULL},
    };
    g_autoptr(MacvtapClient) client = NULL;

    if (!ctl_parse(ctl, entries, &argc, &argv, 0, -1, "PORT... | --network NET | --all", error) ||
        !check_delete_options(argc > 1, network, all, error))
        return 2;
    client = ctl_connect(ctl, error);
    if (!client)
        return 1;
    argv[argc] = NULL; /* GOptionContext leaves there what it has taken out */
    good = argc > 1
               ? macvtap_client_delete_ports(client, (const char *const *)argv + 1, report_failure,
                                             &failed, error)
               : macvtap_client_delete_network(client, network, report_failure, &failed, error);
    return !good || failed;
}

static void
print_event(const char *event, const MacvtapPort *port)
{
    g_autofree char *carrier = macvtap_port_get_text(port, "carrier");
    g_autofree char *slave = macvtap_port_get_text(port, "activeSlave");

    g_print("%-8s %s  %s on %s  %s  %s%s%s%s\n", event, macvtap_port_get_name(port),
            macvtap_port_get_interface_name(port), macvtap_port_get_parent(port),
            macvtap_port_get_mac_address(port), macvtap_port_get_state(port),
            g_str_equal(carrier, "no") ? ", no carrier" : "", slave[0] ? ", through " : "", slave);
}

int
ctl_monitor(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_autoptr(MacvtapClient) client = NULL;

    if (!ctl_parse(ctl, NULL, &argc, &argv, 0, 0, "", error))
        return 2;
    client = ctl_connect(ctl, error);
    if (!client || !macvtap_client_watch(client, error))
        return 1;
    for (;;) {
        g_autoptr(MacvtapPort) port = NULL;
        g_autofree char *json = NULL;
        const char *event;

        if (!macvtap_client_next_event(client, &event, &port, error))
            return 1;
        json = macvtap_port_to_json(port);
        if (ctl->json)
            g_print("{\"event\":\"%s\",\"port\":%s}\n", event, json);
        else
            print_event(event, port);
        if (!output_finish(error))
            return 1;
    }
}
