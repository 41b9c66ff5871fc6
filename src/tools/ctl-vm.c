/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* macvtapctl vm: ports of running virtual machines, through their agents or a monitor. */
#include "agent-folder.h"
#include "macvtapctl.h"
#include "network-option.h"
#include "vm-monitor.h"

#include "output.h"

#include "printable.h"
#include "varlink-client.h"

#include <poll.h>
#include <string.h>

#define AGENT "org.macvtapd.Agent."

/* For all agents together to say what they are. */
#define PATIENCE (5 * G_USEC_PER_SEC)
#define MILLISECOND (G_USEC_PER_SEC / 1000)

/* The options that each of these commands adds to the common ones. */
#define MONITOR_ENTRY(variable)                                                                    \
    {                                                                                              \
        "qmp", 0, 0, G_OPTION_ARG_FILENAME, variable,                                              \
            "QEMU's monitor at this socket, instead of an agent", "PATH"                           \
    }

/* The fields of a --network that CreatePort has. */
static const struct {
    const char *name;
    gsize offset;
    gboolean is_number;
} attach_fields[] = {
    {"name", offsetof(NetworkOption, name)},
    {"interfaceName", offsetof(NetworkOption, interface_name)},
    {"macAddress", offsetof(NetworkOption, mac)},
    {"addresses", offsetof(NetworkOption, addresses)},
    {"vhost", offsetof(NetworkOption, vhost)},
    {"queues", offsetof(NetworkOption, queues), TRUE},
    {"mtu", offsetof(NetworkOption, mtu), TRUE},
};

/* Calls a method of an agent; parameters are taken. NULL: it has failed. Free with json_decref().
 */
static json_t *
call_agent(VarlinkClient *client, const char *method, json_t *parameters, GError **error)
{
    g_auto(VarlinkReply) reply = {0};
    g_autofree char *message = NULL;

    if (!varlink_client_call(client, method, parameters, &reply, error))
        return NULL;
    if (!reply.error)
        return json_incref(reply.parameters);
    message =
        printable(json_string_value(json_object_get(reply.parameters, "message")) ?: reply.error);
    ctl_fail(error, "%s", message);
    return NULL;
}

/* Root sees the VMs of all users, which choose their names. */
static const AgentPlace *
find_place(GPtrArray *places, const char *name, GError **error)
{
    const AgentPlace *found = NULL;

    for (guint i = 0; i < places->len; i++) {
        const AgentPlace *place = places->pdata[i];

        if (!g_str_equal(place->name, name))
            continue;
        if (found) {
            ctl_fail(error, "several users have a VM %s (%s, %s): run macvtapctl as the one", name,
                     found->path, place->path);
            return NULL;
        }
        found = place;
    }
    if (!found)
        ctl_fail(error, "there is no VM '%s' with an agent (macvtap-run --agent starts one)", name);
    return found;
}

static VarlinkClient *
connect_to_vm(const char *name, GError **error)
{
    g_autoptr(GPtrArray) places = agent_folder_list(error);
    const AgentPlace *place = places ? find_place(places, name, error) : NULL;

    return place ? varlink_client_connect(place->path, error) : NULL;
}

/* "web, mail" or "-"; free with g_free(). Of some ports the agent knows the ID only. */
static char *
list_ports(json_t *ports)
{
    g_autoptr(GString) names = g_string_new(NULL);

    for (gsize i = 0; i < json_array_size(ports); i++) {
        const json_t *port = json_array_get(ports, i);
        const json_t *name = json_object_get(port, "name") ?: json_object_get(port, "id");
        g_autofree char *shown = printable(json_string_value(name) ?: "?");

        g_string_append_printf(names, "%s%s", names->len > 0 ? ", " : "", shown);
    }
    return names->len > 0 ? g_string_free(g_steal_pointer(&names), FALSE) : g_strdup("-");
}

/* vms: an array of what Describe returns; taken. */
static void
print_vms(const Ctl *ctl, json_t *vms)
{
    static const char *const headings[] = {"VM", "PID", "PORTS", NULL};
    Table *table;

    if (ctl->json) {
        output_json(json_pack("{s:o}", "vms", vms));
        return;
    }
    table = table_new(headings);
    for (gsize i = 0; i < json_array_size(vms); i++) {
        const json_t *vm = json_array_get(vms, i);

        table_add(table, printable(json_string_value(json_object_get(vm, "name")) ?: "?"),
                  g_strdup_printf("%" JSON_INTEGER_FORMAT,
                                  json_integer_value(json_object_get(vm, "pid"))),
                  list_ports(json_object_get(vm, "ports")));
    }
    table_print(table);
    json_decref(vms);
}

/* A VM may have ended since its agent was found: then NULL. */
static VarlinkClient *
ask_agent(const AgentPlace *place)
{
    g_autoptr(VarlinkClient) client = varlink_client_connect_within(place->path, 0, NULL);

    if (client && varlink_client_start(client, AGENT "Describe", NULL, VARLINK_CALL_PLAIN, NULL))
        return g_steal_pointer(&client);
    return NULL;
}

/* What the agent has said by the end (of g_get_monotonic_time()). */
static json_t *
read_answer(VarlinkClient *client, const AgentPlace *place, gint64 end)
{
    g_auto(VarlinkReply) reply = {0};
    g_autofree char *path = printable(place->path);
    VarlinkProgress progress;

    while ((progress = varlink_client_step(client, &reply, NULL)) == VARLINK_PROGRESS_WAIT) {
        gint64 left = end - g_get_monotonic_time();
        struct pollfd item = {varlink_client_get_fd(client), POLLIN, 0};

        if (left <= 0) {
            g_printerr("macvtapctl: the agent at %s does not answer\n", path);
            return NULL;
        }
        if (varlink_client_has_unsent(client))
            item.events |= POLLOUT;
        poll(&item, 1, (int)(left / MILLISECOND + 1));
    }
    return progress == VARLINK_PROGRESS_DONE && !reply.error ? json_incref(reply.parameters) : NULL;
}

/* All are asked before one is waited for: one that is stopped, or another user's program at such a
 * socket, must not keep the others from view. */
static json_t *
describe_all(GError **error)
{
    g_autoptr(GPtrArray) places = agent_folder_list(error);
    g_autoptr(GPtrArray) clients =
        g_ptr_array_new_with_free_func((GDestroyNotify)varlink_client_free);
    gint64 end = g_get_monotonic_time() + PATIENCE;
    json_t *vms = places ? json_array() : NULL;

    for (guint i = 0; places && i < places->len; i++)
        g_ptr_array_add(clients, ask_agent(places->pdata[i]));
    for (guint i = 0; i < clients->len; i++) {
        json_t *vm =
            clients->pdata[i] ? read_answer(clients->pdata[i], places->pdata[i], end) : NULL;

        if (vm)
            json_array_append_new(vms, vm);
    }
    return vms;
}

static json_t *
describe_monitor(const Ctl *ctl, const char *path, GError **error)
{
    g_autoptr(VmMonitor) monitor = vm_monitor_open(path, ctl->socket, error);
    g_autoptr(MacvtapClient) client = monitor ? ctl_connect(ctl, error) : NULL;
    g_autoptr(GPtrArray) ports = client ? ask_ports(client, NULL, FALSE, error) : NULL;
    g_autoptr(GPtrArray) found = ports ? vm_monitor_list(monitor, ports, error) : NULL;
    json_t *list;

    if (!found)
        return NULL;
    list = json_array();
    for (guint i = 0; i < found->len; i++)
        json_array_append_new(list, json_loads(macvtap_port_get_json(found->pdata[i]), 0, NULL));
    return json_pack("[{s:s, s:i, s:o}]", "name", vm_monitor_get_name(monitor), "pid",
                     vm_monitor_get_pid(monitor), "ports", list);
}

int
ctl_vm_list(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_autofree char *path = NULL;
    const GOptionEntry entries[] = {MONITOR_ENTRY(&path), {NULL}};
    json_t *vms;

    if (!ctl_parse(ctl, entries, &argc, &argv, 0, 0, "[--qmp PATH]", error))
        return 2;
    vms = path ? describe_monitor(ctl, path, error) : describe_all(error);
    if (!vms)
        return 1;
    print_vms(ctl, vms);
    return 0;
}

static json_t *
list_fields(const NetworkOption *option)
{
    json_t *fields = json_object();

    for (guint i = 0; i < G_N_ELEMENTS(attach_fields); i++) {
        const void *at = (const char *)option + attach_fields[i].offset;
        g_autofree char *text = NULL;

        if (!attach_fields[i].is_number)
            text = g_strdup(*(char *const *)at);
        else if (*(const guint *)at != 0)
            text = g_strdup_printf("%u", *(const guint *)at);
        if (text)
            json_object_set_new(fields, attach_fields[i].name, json_string(text));
    }
    return fields;
}

static gboolean
check_option(const NetworkOption *option, GError **error)
{
    return (!option->incoming && option->check_mac && !option->agent && !option->seed) ||
           arguments_refuse(error,
                            "incoming, check-mac, agent and seed have no meaning for a VM that "
                            "runs");
}

/* The new port's ID; free with g_free(). */
static char *
attach_by_agent(const char *vm, const NetworkOption *option, GError **error)
{
    g_autoptr(VarlinkClient) client = connect_to_vm(vm, error);
    json_t *parameters, *reply;
    char *id;

    if (!client)
        return NULL;
    parameters = json_pack("{s:s, s:o}", "network", option->network, "fields", list_fields(option));
    if (option->model)
        json_object_set_new(parameters, "model", json_string(option->model));
    if (option->bus)
        json_object_set_new(parameters, "bus", json_string(option->bus));
    reply = call_agent(client, AGENT "Attach", parameters, error);
    if (!reply)
        return NULL;
    id = g_strdup(json_string_value(json_object_get(json_object_get(reply, "port"), "id")));
    json_decref(reply);
    return id;
}

static char *
attach_by_monitor(const Ctl *ctl, const char *path, const NetworkOption *option, GError **error)
{
    g_autoptr(VmMonitor) monitor = vm_monitor_open(path, ctl->socket, error);
    g_autoptr(MacvtapPort) port = NULL;
    const char *name = monitor ? vm_monitor_get_name(monitor) : NULL;
    json_t *fields = list_fields(option);
    MacvtapRequest *request =
        monitor ? attach_request_new(option->network, fields, name[0] ? name : NULL, error) : NULL;

    json_decref(fields);
    if (request)
        port = vm_monitor_attach(monitor, option->model, option->bus, request, error);
    return port ? g_strdup(macvtap_port_get_id(port)) : NULL;
}

static int
show_port(const Ctl *ctl, const char *id, GError **error)
{
    g_autoptr(MacvtapClient) client = ctl_connect(ctl, error);
    g_autoptr(MacvtapPort) port = client ? ask_port(client, id, FALSE, error) : NULL;

    if (!port)
        return 1;
    ctl_port_print(ctl, port);
    return 0;
}

/* With --qmp there is no VM to name. */
static gboolean
check_words(int argc, int expected, const char *path, GError **error)
{
    return argc == expected - (path != NULL) ||
           arguments_refuse(error, path ? "with --qmp no VM is named"
                                        : "name the VM (macvtapctl vm list), or use --qmp PATH");
}

int
ctl_vm_attach(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_autofree char *path = NULL, *network = NULL, *id = NULL;
    const GOptionEntry entries[] = {
        {"network", 'n', 0, G_OPTION_ARG_STRING, &network,
         "The network, with macvtap-run's keys for the port", "NET[,KEY=VALUE...]"},
        MONITOR_ENTRY(&path),
        {NULL},
    };
    NetworkOption option = {0};
    gboolean parsed;

    if (!ctl_parse(ctl, entries, &argc, &argv, 0, 1, "VM --network NET | --qmp PATH --network NET",
                   error) ||
        !check_words(argc, 2, path, error))
        return 2;
    if (!network)
        return 2 + arguments_refuse(error, "no network given; add --network=NET");
    parsed = network_option_parse(network, &option, error) && check_option(&option, error);
    if (parsed)
        id = path ? attach_by_monitor(ctl, path, &option, error)
                  : attach_by_agent(argv[1], &option, error);
    network_option_clear(&option);
    if (!parsed)
        return 2;
    return id ? show_port(ctl, id, error) : 1;
}

static gboolean
detach_by_agent(const char *vm, const char *port, GError **error)
{
    g_autoptr(VarlinkClient) client = connect_to_vm(vm, error);
    json_t *reply =
        client ? call_agent(client, AGENT "Detach", json_pack("{s:s}", "port", port), error) : NULL;

    json_decref(reply);
    return reply != NULL;
}

static gboolean
detach_by_monitor(const Ctl *ctl, const char *path, const char *name, GError **error)
{
    g_autoptr(VmMonitor) monitor = vm_monitor_open(path, ctl->socket, error);
    g_autoptr(MacvtapClient) client = monitor ? ctl_connect(ctl, error) : NULL;
    g_autoptr(MacvtapPort) port = client ? ask_port(client, name, FALSE, error) : NULL;

    return port && vm_monitor_detach(monitor, port, error);
}

int
ctl_vm_detach(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_autofree char *path = NULL;
    const GOptionEntry entries[] = {MONITOR_ENTRY(&path), {NULL}};
    gboolean done;

    if (!ctl_parse(ctl, entries, &argc, &argv, 1, 2, "VM PORT | --qmp PATH PORT", error) ||
        !check_words(argc, 3, path, error))
        return 2;
    done = path ? detach_by_monitor(ctl, path, argv[1], error)
                : detach_by_agent(argv[1], argv[2], error);
    return done ? 0 : 1;
}
