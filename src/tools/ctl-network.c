/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "macvtapctl.h"
#include "network-fields.h"
#include "output.h"

static GPtrArray *
list_networks(const Ctl *ctl, GError **error)
{
    g_autoptr(MacvtapClient) client = ctl_connect(ctl, error);

    return client ? ask_networks(client, error) : NULL;
}

static void
print_networks(const GPtrArray *networks)
{
    Table *table = table_new_of_fields(network_fields);

    for (guint i = 0; i < networks->len; i++) {
        for (const Field *field = network_fields; field->name; field++) {
            if (field->column)
                table_add_cell(table, g_strdup(network_text(networks->pdata[i], field->name)));
        }
    }
    table_print(table);
}

static void
print_json_networks(const GPtrArray *networks)
{
    GPtrArray *texts = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < networks->len; i++)
        g_ptr_array_add(texts, g_strdup(macvtap_network_to_json(networks->pdata[i])));
    output_json_list("networks", texts);
}

int
ctl_network_list(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_autoptr(GPtrArray) networks = NULL;

    if (!ctl_parse(ctl, NULL, &argc, &argv, 0, 0, "", error))
        return 2;
    networks = list_networks(ctl, error);
    if (!networks)
        return 1;
    if (ctl->json)
        print_json_networks(networks);
    else
        print_networks(networks);
    return 0;
}

static void
print_lines(const char *label, const MacvtapNetwork *network, gsize n,
            const char *(*get)(const MacvtapNetwork *network, size_t index))
{
    for (gsize i = 0; i < n; i++)
        g_print("%-12s %s\n", label, get(network, i));
}

/* within: "", or the group of the fields followed by ".". */
static void
print_fields(const MacvtapNetwork *network, const Field *field, const char *within)
{
    for (; field->name; field++) {
        g_autofree char *name = g_strconcat(within, field->name, NULL);
        g_autofree char *inside = g_strconcat(name, ".", NULL);
        const char *text = network_text(network, name);

        if (g_str_equal(field->name, "parentProblems"))
            print_lines(field->label, network, macvtap_network_get_n_parent_problems(network),
                        macvtap_network_get_parent_problem);
        else if (g_str_equal(field->name, "takenVlans"))
            print_lines(field->label, network, macvtap_network_get_n_taken_vlans(network),
                        macvtap_network_get_taken_vlan);
        else if (field->members)
            print_fields(network, field->members, inside);
        else if (field->label && text[0])
            g_print("%-12s %s\n", field->label, text);
    }
}

static int
print_members(MacvtapClient *client, const char *name, GError **error)
{
    static const char *const headings[] = {"PORT",  "MAC",      "PARENT", "INTERFACE",
                                           "STATE", "RECEIVED", "SENT",   NULL};
    g_autoptr(GPtrArray) ports = ask_ports(client, name, TRUE, error);
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
                  g_strdup(port_text(port, "statistics.receivedPackets")),
                  g_strdup(port_text(port, "statistics.sentPackets")));
    }
    g_print("\n");
    table_print(table);
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
    networks = client ? ask_networks(client, error) : NULL;
    if (!networks)
        return 1;
    for (guint i = 0; i < networks->len; i++) {
        const MacvtapNetwork *network = networks->pdata[i];

        if (!g_str_equal(macvtap_network_get_name(network), argv[1]))
            continue;
        if (!ctl->json) {
            print_fields(network, network_fields, "");
            return print_members(client, argv[1], error);
        }
        g_print("%s\n", macvtap_network_to_json(network));
        return 0;
    }
    return !ctl_fail(error, "there is no network '%s' that you may use", argv[1]);
}

/* Prints a line on stderr for each network whose file has an error; returns their number. */
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
    g_autoptr(MacvtapRequest) request = macvtap_request_new(MACVTAP_RELOAD);
    g_autoptr(GPtrArray) networks = NULL;
    guint n;

    if (!ctl_parse(ctl, NULL, &argc, &argv, 0, 0, "", error))
        return 2;
    client = ctl_connect(ctl, error);
    if (!client || !ask(client, request, error))
        return 1;
    n = (guint)macvtap_request_get_count(request);
    networks = ask_networks(client, error);
    if (!networks)
        return 1;
    if (ctl->json)
        g_print("{\"networks\":%u}\n", n);
    else
        g_print("networks: %u\n", n);
    return complain_of_networks(networks) > 0;
}
