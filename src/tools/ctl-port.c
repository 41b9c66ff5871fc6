/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "field-options.h"
#include "macvtapctl.h"
#include "queue-users.h"

#include "output.h"

#include <string.h>

const char *
ctl_port_state(const MacvtapPort *port)
{
    const char *link_up = port_text(port, "linkUp"), *carrier = port_text(port, "carrier");

    if (macvtap_port_get_state(port) != MACVTAP_PORT_STATE_ACTIVE)
        return port_text(port, "state");
    if (g_str_equal(link_up, "no"))
        return "link-down";
    return g_str_equal(carrier, "no") ? "no-carrier" : port_text(port, "state");
}

/* The first word of text, up to any of these characters; free with g_free(). */
static char *
first_word(const char *text, const char *ends)
{
    return g_strndup(text, strcspn(text, ends));
}

static gboolean
is_ipv6(const char *address)
{
    return strchr(address, ':') != NULL;
}

/* Whether the guest uses an address in place of the one of its family that it was given. Its
 * link-local address comes on top. */
static gboolean
is_astray(const MacvtapPort *port, const char *used)
{
    gboolean has_family = FALSE;

    if (used[0] == '\0' || g_str_has_prefix(used, "fe80:"))
        return FALSE;
    for (gsize i = 0; i < macvtap_port_get_n_addresses(port); i++) {
        g_autofree char *leased = first_word(macvtap_port_get_address(port, i), "/");

        if (g_str_equal(leased, used))
            return FALSE;
        has_family |= is_ipv6(leased) == is_ipv6(used);
    }
    return has_family;
}

char *
ctl_port_address(const MacvtapPort *port)
{
    g_autofree char *leased = first_word(port_text(port, "addresses"), " /");
    g_autofree char *used = first_word(port_text(port, "seenAddresses"), " ");

    if (leased[0] == '\0' && used[0] == '\0')
        return first_word(port_text(port, "guard.allowAddresses"), " ");
    if (leased[0] == '\0')
        return g_steal_pointer(&used);
    return is_astray(port, used) ? g_strdup_printf("%s (uses %s)", leased, used)
                                 : g_steal_pointer(&leased);
}

static char *
column_text(const MacvtapPort *port, const Field *field)
{
    if (g_str_equal(field->name, "holder"))
        return port_holder_text(port);
    if (g_str_equal(field->name, "state"))
        return g_strdup(ctl_port_state(port));
    if (g_str_equal(field->name, "seenAddresses"))
        return ctl_port_address(port);
    return g_strdup(port_text(port, field->name));
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

/* Only called when needed, as it searches the descriptors of every process. Free with g_free(). */
static char *
open_queues_text(const MacvtapPort *port)
{
    const char *open = port_text(port, "openQueues");
    g_autofree char *users = NULL;

    if (!open[0] || g_str_equal(open, "0"))
        return g_strdup("");
    users = queue_users_describe(macvtap_port_get_id(port));
    return g_strdup_printf("%s queue%s%s%s", open, g_str_equal(open, "1") ? "" : "s",
                           users[0] ? ", in " : "", users);
}

/* The process of a domain; for other holders the holder's line shows it. */
static const char *
domain_process_text(const MacvtapPort *port)
{
    return macvtap_port_get_holder(port) == MACVTAP_HOLDER_DOMAIN ? port_text(port, "holder.pid")
                                                                  : "";
}

static char *
field_text(const MacvtapPort *port, const Field *field)
{
    const char *text;

    if (g_str_equal(field->name, "holder"))
        return port_holder_text(port);
    if (g_str_equal(field->name, "holder.pid"))
        return g_strdup(domain_process_text(port));
    if (g_str_equal(field->name, "openQueues"))
        return open_queues_text(port);
    if (g_str_equal(field->name, "state"))
        return g_strdup(ctl_port_state(port));
    text = port_text(port, field->name);
    return g_strdup(field->truths && text[0] ? field->truths[g_str_equal(text, "yes")] : text);
}

/* Fields that are absent, and counts of 0, are not shown; but a port without any traffic is worth
 * showing. */
static void
append_line(GString *lines, const Field *field, const char *text)
{
    gboolean is_packets = g_str_has_prefix(field->name, "statistics.");

    if (text[0] && (is_packets || !g_str_equal(text, "0")))
        g_string_append_printf(lines, "%s%-10s %s", lines->len > 0 ? "\n" : "", field->label, text);
}

/* "12 s", "3 min", "2 h", "5 days"; free with g_free(). */
static char *
format_age(gint64 seconds)
{
    static const struct {
        gint64 size;
        const char *unit;
    } units[] = {{2 * 86400, "days"}, {2 * 3600, "h"}, {2 * 60, "min"}};

    for (gsize i = 0; i < G_N_ELEMENTS(units); i++) {
        if (seconds >= units[i].size)
            return g_strdup_printf("%" G_GINT64_FORMAT " %s", seconds / (units[i].size / 2),
                                   units[i].unit);
    }
    return g_strdup_printf("%" G_GINT64_FORMAT " s", seconds);
}

static void
append_addresses(GString *lines, const Field *field, const MacvtapPort *port)
{
    for (gsize i = 0; i < macvtap_port_get_n_seen_addresses(port); i++) {
        g_autofree char *age = format_age(macvtap_port_get_seen_address_age(port, i));
        g_autofree char *line =
            g_strdup_printf("%s (%s, %s ago)", macvtap_port_get_seen_address(port, i),
                            macvtap_port_get_seen_address_how(port, i), age);

        append_line(lines, field, line);
    }
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

void
ctl_port_print(const Ctl *ctl, const MacvtapPort *port)
{
    if (ctl->json)
        g_print("%s\n", macvtap_port_get_json(port));
    else
        print_port(port);
}

static void
print_json_ports(GPtrArray *ports)
{
    GPtrArray *texts = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < ports->len; i++)
        g_ptr_array_add(texts, g_strdup(macvtap_port_get_json(ports->pdata[i])));
    output_json_list("ports", texts);
}

int
ctl_port_list(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_autofree char *network = NULL;
    const GOptionEntry entries[] = {
        {"network", 'n', 0, G_OPTION_ARG_STRING, &network, "Only ports of this network", "NET"},
        {NULL},
    };
    g_autoptr(MacvtapClient) client = NULL;
    g_autoptr(GPtrArray) ports = NULL;

    if (!ctl_parse(ctl, entries, &argc, &argv, 0, 0, "[--network NET]", error))
        return 2;
    client = ctl_connect(ctl, error);
    ports = client ? ask_ports(client, network, ctl->json, error) : NULL;
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
    port = client ? ask_port(client, argv[1], TRUE, error) : NULL;
    if (!port)
        return 1;
    ctl_port_print(ctl, port);
    return 0;
}

/* A value that is invalid on any network is wrong usage, whether it was macvtapd or we that found
 * it. */
static int
refused_status(const MacvtapClient *client)
{
    return client && macvtap_client_get_refusal(client) == MACVTAP_REFUSAL_INVALID_REQUEST ? 2 : 1;
}

int
ctl_port_create(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_autoptr(FieldOptions) options = field_options_new(FIELD_USE_REQUEST);
    g_autoptr(MacvtapRequest) request = NULL;
    g_autoptr(MacvtapClient) client = NULL;
    g_autoptr(MacvtapPort) port = NULL;
    int status;

    if (!ctl_parse(ctl, field_options_entries(options), &argc, &argv, 0, 0, "--network NET", error))
        return 2;
    request = field_options_request(options, error);
    if (!request)
        return 2;
    macvtap_request_set_open_descriptors(request, false);
    if (!field_options_get(options, "holder"))
        macvtap_request_set_holder(request, MACVTAP_HOLDER_NONE);
    client = ctl_connect(ctl, error);
    port = client ? ask_take_port(client, request, error) : NULL;
    status = port ? 0 : refused_status(client);
    if (client && !port)
        queue_users_explain(client, field_options_get(options, "name"),
                            field_options_get(options, "macAddress"), error);
    if (!port)
        return status;
    ctl_port_print(ctl, port);
    return 0;
}

int
ctl_port_set(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_autoptr(FieldOptions) options = field_options_new(FIELD_USE_CHANGE);
    g_autoptr(MacvtapRequest) request = NULL;
    g_autoptr(MacvtapClient) client = NULL;

    if (!ctl_parse(ctl, field_options_entries(options), &argc, &argv, 1, 1, "PORT", error))
        return 2;
    request = field_options_request(options, error);
    if (!request)
        return 2;
    macvtap_request_set_port(request, argv[1]);
    client = ctl_connect(ctl, error);
    return client && ask(client, request, error) ? 0 : 1;
}

static void
report_failure(const char *port, const char *message)
{
    if (strstr(message, port))
        g_printerr("macvtapctl: %s\n", message);
    else
        g_printerr("macvtapctl: port %s: %s\n", port, message);
}

static gboolean
check_delete_options(gboolean any_name, const char *network, gboolean all, GError **error)
{
    return any_name + (network != NULL) + all == 1 ||
           arguments_refuse(error,
                            "name the ports by exactly one of PORT..., --network NET and --all");
}

/* A single port goes into the parameter that every version of macvtapd knows: the client may be
 * newer. */
static int
delete_one(MacvtapClient *client, const char *port, GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (ask_delete(client, port, &cause))
        return 0;
    if (macvtap_client_get_refusal(client))
        report_failure(port, cause->message);
    else
        g_propagate_error(error, g_steal_pointer(&cause));
    return 1;
}

static int
delete_several(MacvtapClient *client, MacvtapRequest *request, GError **error)
{
    gsize n_failures;

    if (!ask(client, request, error))
        return 1;
    n_failures = macvtap_request_get_n_failures(request);
    for (gsize i = 0; i < n_failures; i++) {
        const MacvtapFailure *failure = macvtap_request_get_failure(request, i);

        report_failure(macvtap_failure_get_port(failure), macvtap_failure_get_message(failure));
    }
    return n_failures > 0;
}

int
ctl_port_delete(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_autofree char *network = NULL;
    gboolean all = FALSE;
    const GOptionEntry entries[] = {
        {"network", 'n', 0, G_OPTION_ARG_STRING, &network, "The ports of this network", "NET"},
        {"all", 0, 0, G_OPTION_ARG_NONE, &all, "All of your ports (root: everybody's)", NULL},
        {NULL},
    };
    g_autoptr(MacvtapRequest) request = macvtap_request_new(MACVTAP_METHOD_DELETE_PORT);
    g_autoptr(MacvtapClient) client = NULL;

    if (!ctl_parse(ctl, entries, &argc, &argv, 0, -1, "PORT... | --network NET | --all", error) ||
        !check_delete_options(argc > 1, network, all, error))
        return 2;
    client = ctl_connect(ctl, error);
    if (!client)
        return 1;
    if (argc == 2)
        return delete_one(client, argv[1], error);
    for (int i = 1; i < argc; i++)
        macvtap_request_add_port(request, argv[i]);
    macvtap_request_set_network(request, network);
    macvtap_request_set_all(request, all);
    return delete_several(client, request, error);
}

/* Reasons are words of the API, which need no escaping. */
static void
print_json_event(const char *type, const MacvtapEvent *event)
{
    const char *reason = macvtap_event_get_reason(event);

    g_print("{\"event\":\"%s\",\"port\":%s%s%s%s}\n", type,
            macvtap_port_get_json(macvtap_event_get_port(event)), reason ? ",\"reason\":\"" : "",
            reason ? reason : "", reason ? "\"" : "");
}

static void
print_event(const Ctl *ctl, const MacvtapEvent *event)
{
    const char *type = macvtap_event_get_name(event);
    const MacvtapPort *port = macvtap_event_get_port(event);
    const char *slave = port_text(port, "activeSlave");

    if (ctl->json)
        print_json_event(type, event);
    else if (macvtap_event_get_type(event) == MACVTAP_EVENT_DROPPED)
        g_print("%-8s %s  %s\n", type, macvtap_port_get_name(port), port_text(port, "dropExample"));
    else
        g_print("%-8s %s  %s on %s  %s  %s%s%s\n", type, macvtap_port_get_name(port),
                macvtap_port_get_interface_name(port), macvtap_port_get_parent(port),
                macvtap_port_get_mac_address(port), ctl_port_state(port),
                slave[0] ? ", through " : "", slave);
}

int
ctl_monitor(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_autoptr(MacvtapRequest) request = macvtap_request_new(MACVTAP_METHOD_WATCH_PORTS);
    g_autoptr(MacvtapClient) client = NULL;

    if (!ctl_parse(ctl, NULL, &argc, &argv, 0, 0, "", error))
        return 2;
    client = ctl_connect(ctl, error);
    if (!client || !ask(client, request, error))
        return 1;
    for (;;) {
        g_autoptr(MacvtapEvent) event = NULL;

        if (!ask_event(client, &event, error))
            return 1;
        print_event(ctl, event);
        if (!output_finish(error))
            return 1;
    }
}
