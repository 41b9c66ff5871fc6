/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "field-options.h"
#include "macvtapctl.h"
#include "queue-users.h"

#include "output.h"

#include <string.h>

const char *
ctl_port_state(const MacvtapPort *port)
{
    const char *state = macvtap_port_get_state(port);
    g_autofree char *link_up = macvtap_port_get_text(port, "linkUp");
    g_autofree char *carrier = macvtap_port_get_text(port, "carrier");

    if (!g_str_equal(state, "active"))
        return state;
    if (g_str_equal(link_up, "no"))
        return "link-down";
    return g_str_equal(carrier, "no") ? "no-carrier" : state;
}

/* The address that the guest is best reached by; one that it may have until it was heard of. Free
 * with g_free(). */
static char *
address_text(const MacvtapPort *port)
{
    g_autofree char *seen = macvtap_port_get_text(port, "seenAddresses");
    g_autofree char *listed = macvtap_port_get_text(port, "guard.allowAddresses");
    const char *all = seen[0] ? seen : listed;

    return g_strndup(all, strcspn(all, " "));
}

static char *
column_text(const MacvtapPort *port, const Field *field)
{
    if (g_str_equal(field->name, "holder"))
        return macvtap_port_get_holder(port);
    if (g_str_equal(field->name, "state"))
        return g_strdup(ctl_port_state(port));
    if (g_str_equal(field->name, "seenAddresses"))
        return address_text(port);
    return macvtap_port_get_text(port, field->name);
}

static void
print_ports(GPtrArray *ports)
{
    Table *table = table_new_of_fields(port_fields);

    for (guint i = 0; i < ports->len; i++) {
        for (const Field *field = port_fields; field->name; field++) {
            if (field->column)
                table_add_cell(table, column_text(ports->pdata[i], field));
        }
    }
    table_print(table);
}

/* The processes are looked for only here: it takes a look at every process's descriptors. Free with
 * g_free(). */
static char *
open_queues_text(const MacvtapPort *port)
{
    g_autofree char *open = macvtap_port_get_text(port, "openQueues"), *users = NULL;

    if (!open[0] || g_str_equal(open, "0"))
        return g_strdup("");
    users = queue_users_describe(macvtap_port_get_id(port));
    return g_strdup_printf("%s queue%s%s%s", open, g_str_equal(open, "1") ? "" : "s",
                           users[0] ? ", in " : "", users);
}

/* The process of a domain; another holder's stands in the line of the holder. */
static char *
domain_process_text(const MacvtapPort *port)
{
    g_autofree char *holder = macvtap_port_get_holder(port);

    return g_str_has_prefix(holder, "domain:") ? macvtap_port_get_text(port, "holder.pid")
                                               : g_strdup("");
}

static char *
field_text(const MacvtapPort *port, const Field *field)
{
    g_autofree char *text = NULL;

    if (g_str_equal(field->name, "holder"))
        return macvtap_port_get_holder(port);
    if (g_str_equal(field->name, "holder.pid"))
        return domain_process_text(port);
    if (g_str_equal(field->name, "openQueues"))
        return open_queues_text(port);
    if (g_str_equal(field->name, "state"))
        return g_strdup(ctl_port_state(port));
    text = macvtap_port_get_text(port, field->name);
    if (field->truths && text[0])
        return g_strdup(field->truths[g_str_equal(text, "yes")]);
    return g_steal_pointer(&text);
}

/* A field that is not there, or a count of 0, is not worth a line; but that no packet has passed is
 * what one looks for. */
static void
append_line(GString *lines, const Field *field, const char *text)
{
    gboolean is_packets = g_str_has_prefix(field->name, "statistics.");

    if (text[0] && (is_packets || !g_str_equal(text, "0")))
        g_string_append_printf(lines, "%s%-10s %s", lines->len > 0 ? "\n" : "", field->label, text);
}

static void
append_addresses(GString *lines, const Field *field, const MacvtapPort *port)
{
    g_auto(GStrv) addresses = macvtap_port_get_seen_addresses(port);

    for (char **address = addresses; *address; address++)
        append_line(lines, field, *address);
}

static void
print_port(const MacvtapPort *port)
{
    g_autoptr(GString) lines = g_string_new(NULL);

    for (const Field *field = port_fields; field->name; field++) {
        g_autofree char *text = field->label || field->also ? field_text(port, field) : NULL;
        g_auto(GStrv) around = field->also ? g_strsplit(field->also, "%", 2) : NULL;
        g_autofree char *whole =
            around && text[0] ? g_strdup_printf("%s%s%s", around[0], text, around[1]) : NULL;

        if (g_str_equal(field->name, "seenAddresses"))
            append_addresses(lines, field, port);
        else if (field->label)
            append_line(lines, field, whole ? whole : text);
        else if (whole)
            g_string_append(lines, whole);
    }
    g_print("%s\n", lines->str);
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
    GPtrArray *texts = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < ports->len; i++)
        g_ptr_array_add(texts, macvtap_port_to_json(ports->pdata[i]));
    output_json_list("ports", texts);
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

/* A value that no network takes is wrong usage, whether macvtapd had to say so or we could. */
static int
refused_status(const MacvtapClient *client)
{
    return client && g_strcmp0(macvtap_client_get_refusal(client), "InvalidRequest") == 0 ? 2 : 1;
}

int
ctl_port_create(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_autoptr(FieldOptions) options = field_options_new(FIELD_USE_REQUEST);
    MacvtapRequest request = {.no_descriptors = TRUE, .holder = "none"};
    g_autoptr(MacvtapClient) client = NULL;
    g_autoptr(MacvtapPort) port = NULL;
    int status;

    if (!ctl_parse(ctl, field_options_entries(options), &argc, &argv, 0, 0, "--network NET", error))
        return 2;
    request.fields = field_options_check(options, error);
    if (!request.fields)
        return 2;
    client = ctl_connect(ctl, error);
    port = client ? macvtap_client_create(client, &request, error) : NULL;
    status = port ? 0 : refused_status(client);
    if (client && !port)
        queue_users_explain(client, field_options_get(options, "name"),
                            field_options_get(options, "macAddress"), error);
    if (!port)
        return status;
    if (ctl->json)
        print_json(port);
    else
        print_port(port);
    return 0;
}

int
ctl_port_set(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_autoptr(FieldOptions) options = field_options_new(FIELD_USE_CHANGE);
    g_autoptr(MacvtapClient) client = NULL;
    const MacvtapField *fields;

    if (!ctl_parse(ctl, field_options_entries(options), &argc, &argv, 1, 1, "PORT", error))
        return 2;
    fields = field_options_check(options, error);
    if (!fields)
        return 2;
    client = ctl_connect(ctl, error);
    return client && macvtap_client_set(client, argv[1], fields, error) ? 0 : 1;
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
    return any_name + (network != NULL) + all == 1 ||
           arguments_refuse(error, "name the ports by one of PORT..., --network NET and --all");
}

/* One alone is asked for by the parameter that a macvtapd of any age knows: a client may be newer.
 */
static gboolean
delete_named(MacvtapClient *client, const char *const *ports, gboolean *failed, GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (ports[1])
        return macvtap_client_delete_ports(client, ports, report_failure, failed, error);
    if (macvtap_client_delete(client, ports[0], &cause))
        return TRUE;
    if (!g_error_matches(cause, MACVTAP_ERROR, MACVTAP_ERROR_REFUSED)) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    report_failure(ports[0], cause->message, failed);
    return TRUE;
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
               ? delete_named(client, (const char *const *)argv + 1, &failed, error)
               : macvtap_client_delete_network(client, network, report_failure, &failed, error);
    return !good || failed;
}

static void
print_drop(const MacvtapPort *port)
{
    g_autofree char *example = macvtap_port_get_text(port, "dropExample");

    g_print("%-8s %s  %s\n", "dropped", macvtap_port_get_name(port), example);
}

static void
print_event(const char *event, const MacvtapPort *port)
{
    g_autofree char *slave = macvtap_port_get_text(port, "activeSlave");

    g_print("%-8s %s  %s on %s  %s  %s%s%s\n", event, macvtap_port_get_name(port),
            macvtap_port_get_interface_name(port), macvtap_port_get_parent(port),
            macvtap_port_get_mac_address(port), ctl_port_state(port), slave[0] ? ", through " : "",
            slave);
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
        else if (g_str_equal(event, "dropped"))
            print_drop(port);
        else
            print_event(event, port);
        if (!output_finish(error))
            return 1;
    }
}
