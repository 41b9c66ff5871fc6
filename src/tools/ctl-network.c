/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "field.h"
#include "macvtapctl.h"
#include "output.h"

#include <jansson.h>

static GPtrArray *
list_networks(const Ctl *ctl, GError **error)
{
    g_autoptr(MacvtapClient) client = ctl_connect(ctl, error);

    return client ? ask_networks(client, error) : NULL;
}

/* What is wrong with its file, or else with its parents; free with g_free(). */
static char *
problem_text(const MacvtapNetwork *network)
{
    GString *text = g_string_new(macvtap_network_get_problem(network));

    for (gsize i = 0; i < macvtap_network_get_n_parent_problems(network); i++)
        g_string_append_printf(text, "%s%s", text->len > 0 ? "; " : "",
                               macvtap_network_get_parent_problem(network, i));
    return g_string_free(text, FALSE);
}

static char *
column_text(const MacvtapNetwork *network, const Field *field)
{
    return g_str_equal(field->name, "problem") ? problem_text(network)
                                               : g_strdup(network_text(network, field->name));
}

static void
print_networks(const GPtrArray *networks)
{
    Table *table = table_new_of_fields(network_fields);

    for (guint i = 0; i < networks->len; i++) {
        for (const Field *field = network_fields; field->name; field++) {
            if (field->column)
                table_add_cell(table, column_text(networks->pdata[i], field));
        }
    }
    table_print(table);
}

static void
print_json_networks(const GPtrArray *networks)
{
    GPtrArray *texts = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < networks->len; i++)
        g_ptr_array_add(texts, g_strdup(macvtap_network_get_json(networks->pdata[i])));
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

/* "1 Gbit/s"; free with g_free(). */
static char *
format_speed(json_int_t megabits)
{
    if (megabits < 1000)
        return g_strdup_printf("%" JSON_INTEGER_FORMAT " Mbit/s", megabits);
    return megabits % 1000 == 0
               ? g_strdup_printf("%" JSON_INTEGER_FORMAT " Gbit/s", megabits / 1000)
               : g_strdup_printf("%.1f Gbit/s", (double)megabits / 1000);
}

static json_int_t
number_in(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static void
print_parent(const char *label, const json_t *parent)
{
    g_autofree char *speed = format_speed(number_in(parent, "speed"));
    json_int_t n_macs = number_in(parent, "macs");

    if (!json_is_true(json_object_get(parent, "exists")))
        return; /* parentProblems says so */
    g_print("%-12s %s: %s%s%s, MTU %" JSON_INTEGER_FORMAT ", %" JSON_INTEGER_FORMAT " MAC%s\n",
            label, json_string_value(json_object_get(parent, "name")),
            json_is_true(json_object_get(parent, "carrier")) ? "carrier" : "no carrier",
            json_object_get(parent, "speed") ? ", " : "",
            json_object_get(parent, "speed") ? speed : "", number_in(parent, "mtu"), n_macs,
            n_macs == 1 ? "" : "s");
}

static void
print_pool(const char *label, const json_t *pool)
{
    g_print("%-12s %s: %" JSON_INTEGER_FORMAT " leased, %" JSON_INTEGER_FORMAT " free\n", label,
            json_string_value(json_object_get(pool, "subnet")), number_in(pool, "leased"),
            number_in(pool, "free"));
}

/* A line for each object of the network's list. */
static void
print_objects(const MacvtapNetwork *network, const Field *field,
              void (*print)(const char *label, const json_t *object))
{
    json_t *whole = json_loads(macvtap_network_get_json(network), 0, NULL), *object;
    gsize i;

    json_array_foreach (json_object_get(whole, field->name), i, object)
        print(field->label, object);
    json_decref(whole);
}

static char *
join(const json_t *strings)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_auto(GStrv) words = NULL;
    json_t *string;
    gsize i;

    json_array_foreach (strings, i, string)
        g_strv_builder_add(builder, json_string_value(string));
    words = g_strv_builder_end(builder);
    return g_strjoinv(" ", words);
}

static void
print_host_link(const char *label, const json_t *link)
{
    const char *name = json_string_value(json_object_get(link, "interfaceName"));
    const char *parent = json_string_value(json_object_get(link, "parent"));
    json_t *problem;
    gsize i;

    if (name && parent) {
        g_autofree char *addresses = join(json_object_get(link, "addresses"));

        g_print("%-12s %s on %s, the host is %s, routes to guests: %" JSON_INTEGER_FORMAT "\n",
                label, name, parent, addresses[0] ? addresses : "(no address)",
                json_integer_value(json_object_get(link, "routes")));
    }
    json_array_foreach (json_object_get(link, "problems"), i, problem)
        g_print("%-12s %s\n", "  problem", json_string_value(problem));
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
        else if (g_str_equal(field->name, "parentLinks"))
            print_objects(network, field, print_parent);
        else if (g_str_equal(field->name, "pools"))
            print_objects(network, field, print_pool);
        else if (g_str_equal(field->name, "hostLinks"))
            print_objects(network, field, print_host_link);
        else if (field->members)
            print_fields(network, field->members, inside);
        else if (field->label && text[0])
            g_print("%-12s %s\n", field->label, text);
    }
}

static int
print_members(MacvtapClient *client, const char *name, GError **error)
{
    static const char *const headings[] = {"PORT",  "MAC",      "ADDRESS", "PARENT", "INTERFACE",
                                           "STATE", "RECEIVED", "SENT",    NULL};
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
                  g_strdup(macvtap_port_get_mac_address(port)), ctl_port_address(port),
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
    g_autoptr(MacvtapNetwork) network = NULL;

    if (!ctl_parse(ctl, NULL, &argc, &argv, 1, 1, "NET", error))
        return 2;
    client = ctl_connect(ctl, error);
    network = client ? ask_network(client, argv[1], error) : NULL;
    if (!network)
        return 1;
    if (!ctl->json) {
        print_fields(network, network_fields, "");
        return print_members(client, argv[1], error);
    }
    g_print("%s\n", macvtap_network_get_json(network));
    return 0;
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
    g_autoptr(MacvtapRequest) request = macvtap_request_new(MACVTAP_METHOD_RELOAD);
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
