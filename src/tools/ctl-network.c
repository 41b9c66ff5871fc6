/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "macvtapctl.h"
#include "table.h"

int
ctl_network_list(Ctl *ctl, int argc, char **argv, GError **error)
{
    static const char *const headings[] = {"NAME",  "MODE",    "PARENT", "VLAN",
                                           "PORTS", "PROBLEM", NULL};
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(MacvtapClient) client = NULL;
    g_autoptr(GPtrArray) networks = NULL;
    g_autofree char *text = NULL;
    Table *table;

    if (!ctl_parse(ctl, NULL, &argc, &argv, 0, 0, "", error))
        return 2;
    client = ctl_connect(ctl, error);
    networks = client ? macvtap_client_list_networks(client, error) : NULL;
    if (!networks)
        return 1;
    table = table_new(headings);
    for (guint i = 0; i < networks->len; i++) {
        const MacvtapNetwork *network = networks->pdata[i];

        g_ptr_array_add(texts, macvtap_network_to_json(network));
        table_add(table, g_strdup(macvtap_network_get_name(network)),
                  g_strdup(macvtap_network_get_mode(network)),
                  macvtap_network_get_text(network, "parents"),
                  macvtap_network_get_text(network, "vlan"),
                  g_strdup_printf("%u", macvtap_network_get_n_ports(network)),
                  g_strdup(macvtap_network_get_problem(network)));
    }
    text = table_finish(table);
    if (ctl->json)
        ctl_print_json_list("networks", texts);
    else
        g_print("%s", text);
    return 0;
}

static void
print_field(const MacvtapNetwork *network, const char *label, const char *field)
{
    g_autofree char *text = macvtap_network_get_text(network, field);

    if (text[0])
        g_print("%-12s %s\n", label, text);
}

static void
print_parent_problems(const MacvtapNetwork *network)
{
    g_auto(GStrv) problems = macvtap_network_get_parent_problems(network);

    for (char **problem = problems; *problem; problem++)
        g_print("%-12s %s\n", "  unusable", *problem);
}

static void
print_network(const MacvtapNetwork *network)
{
    print_field(network, "network", "name");
    print_field(network, "problem", "problem");
    print_field(network, "parent", "parents");
    print_parent_problems(network);
    print_field(network, "VLAN", "vlan");
    print_field(network, "mode", "mode");
    print_field(network, "MTU", "mtu");
    print_field(network, "sources", "sources");
    print_field(network, "MAC", "macPolicy");
    print_field(network, "allowed MACs", "allowMacs");
    print_field(network, "multicast", "multicast");
    print_field(network, "max queues", "maxQueues");
    print_field(network, "vhost", "vhost");
    print_field(network, "max ports", "maxPorts");
    print_field(network, "  per user", "maxPortsPerUser");
    print_field(network, "ports", "ports");
}

static int
print_members(MacvtapClient *client, const char *name, GError **error)
{
    static const char *const headings[] = {"PORT",  "MAC",      "PARENT", "INTERFACE",
                                           "STATE", "RECEIVED", "SENT",   NULL};
    g_autoptr(GPtrArray) ports = macvtap_client_list_ports_full(client, name, TRUE, error);
    g_autofree char *text = NULL;
    Table *table;

    if (!ports)
        return 1;
    if (ports->len == 0)
        return 0;
    table = table_new(headings);
    for (guint i = 0; i < ports->len; i++) {
        const MacvtapPort *port = ports->pdata[i];

        table_add(table, g_strdup(macvtap_port_get_name(port)),
                  g_strdup(macvtap_port_get_mac_address(port)),
                  g_strdup(macvtap_port_get_parent(port)),
                  g_strdup(macvtap_port_get_interface_name(port)), g_strdup(ctl_port_state(port)),
                  macvtap_port_get_text(port, "statistics.receivedPackets"),
                  macvtap_port_get_text(port, "statistics.sentPackets"));
    }
    text = table_finish(table);
    g_print("\n%s", text);
    return 0;
}

int
ctl_network_show(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_autoptr(MacvtapClient) client = NULL;
    g_autoptr(GPtrArray) networks = NULL;

    if (!ctl_parse(ctl, NULL, &argc, &argv, 1, 1, "NET", error))
        return 2;
    client = ctl_connect(ctl, error);
    networks = client ? macvtap_client_list_networks(client, error) : NULL;
    if (!networks)
        return 1;
    for (guint i = 0; i < networks->len; i++) {
        const MacvtapNetwork *network = networks->pdata[i];
        g_autofree char *json = NULL;

        if (!g_str_equal(macvtap_network_get_name(network), argv[1]))
            continue;
        if (!ctl->json) {
            print_network(network);
            return print_members(client, argv[1], error);
        }
        json = macvtap_network_to_json(network);
        g_print("%s\n", json);
        return 0;
    }
    g_set_error(error, MACVTAP_ERROR, MACVTAP_ERROR_REFUSED,
                "there is no network '%s' that you may use", argv[1]);
    return 1;
}

/* A network whose file has an error was not taken over: how many, each with a line on stderr. */
static guint
complain_of_networks(GPtrArray *networks)
{
    guint n = 0;

    for (guint i = 0; i < networks->len; i++) {
        const char *problem = macvtap_network_get_problem(networks->pdata[i]);

        if (!problem)
            continue;
        g_printerr("macvtapctl: network %s cannot be used: %s\n",
                   macvtap_network_get_name(networks->pdata[i]), problem);
        n++;
    }
    return n;
}

int
ctl_reload(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_autoptr(MacvtapClient) client = NULL;
    g_autoptr(GPtrArray) networks = NULL;
    guint n;

    if (!ctl_parse(ctl, NULL, &argc, &argv, 0, 0, "", error))
        return 2;
    client = ctl_connect(ctl, error);
    if (!client || !macvtap_client_reload(client, &n, error))
        return 1;
    networks = macvtap_client_list_networks(client, error);
    if (!networks)
        return 1;
    if (ctl->json)
        g_print("{\"networks\":%u}\n", n);
    else
        g_print("networks: %u\n", n);
    return complain_of_networks(networks) > 0;
}
