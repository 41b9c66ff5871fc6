/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * QEMU's monitor is the agent's life: when the connection ends, so does the agent, as soon as an
 * operation that is under way has undone what it has begun. By SIGTERM it ends when that operation
 * has come to its end; a second one kills it.
 *
 * It listens before QEMU is started, so that nobody comes too early; what it is asked then waits
 * for QEMU's greeting.
 *
 * Operations that change the guest come one after the other: two that look for a free slot at the
 * same time would find the same one.
 */
#include "agent-private.h"

#include "agent-folder.h"
#include "attach.h"

#include "bounded-close.h"
#include "call-filter.h"
#include "descriptor.h"
#include "error.h"
#include "privileges.h"
#include "source.h"

#include <errno.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* The connections to QEMU and to macvtapd (the client's epoll, wake-up and deadline), who may ask,
 * and ready(), which turns standard error away. */
static const Privileges agent_privileges = {
    .part = "agent",
    .system_calls =
        SYSTEM_CALLS({"connect"}, {"sendmsg"}, {"recvmsg"}, {"epoll_create1"}, {"eventfd2"},
                     {"timerfd_create"}, {"timerfd_settime"}, {"geteuid"}, {"dup2"}, {"dup3"}),
};

typedef struct Operation {
    Agent *agent;
    VarlinkCall *call;
    void (*start)(struct Operation *operation);
    char *port; /* to detach: its name, then its ID */
} Operation;

static void
agent_port_free(gpointer data)
{
    AgentPort *port = data;

    g_free(port->id);
    g_free(port->netdev);
    g_free(port->slave);
    macvtap_port_free(port->port);
    g_free(port);
}

AgentPort *
agent_find_port(Agent *agent, const char *id)
{
    for (guint i = 0; i < agent->ports->len; i++) {
        AgentPort *port = agent->ports->pdata[i];

        if (g_str_equal(port->id, id))
            return port;
    }
    return NULL;
}

static AgentPort *
add_port(Agent *agent, const char *id, char *netdev)
{
    AgentPort *port = g_new0(AgentPort, 1);

    port->id = g_strdup(id);
    port->netdev = netdev;
    g_ptr_array_add(agent->ports, port);
    return port;
}

/* The port with this ID, name or interface name; NULL if the VM has none. */
static AgentPort *
find_named(Agent *agent, const char *name)
{
    AgentPort *port = agent_find_port(agent, name);

    for (guint i = 0; !port && i < agent->ports->len; i++) {
        AgentPort *candidate = agent->ports->pdata[i];

        if (candidate->port &&
            (g_str_equal(macvtap_port_get_name(candidate->port), name) ||
             g_str_equal(macvtap_port_get_interface_name(candidate->port), name)))
            port = candidate;
    }
    return port;
}

static json_t *
port_json(const MacvtapPort *port)
{
    return json_loads(macvtap_port_get_json(port), 0, NULL);
}

static void
fail_call(VarlinkCall *call, const char *error, const char *message)
{
    g_autofree char *name = g_strconcat("org.macvtapd.Agent.", error, NULL);

    varlink_call_error(call, name, json_pack("{s:s}", "message", message));
}

/* The folder lets in nobody else either. */
static gboolean
admit(VarlinkCall *call)
{
    uid_t uid = varlink_call_peer(call)->uid;

    if (uid == geteuid() || uid == 0)
        return TRUE;
    fail_call(call, "AccessDenied", "the VM belongs to another user");
    return FALSE;
}

static void finish_operation(Operation *operation, json_t *port, const GError *error);

static void
refuse_at_end(Operation *operation)
{
    g_autoptr(GError) error =
        g_error_new_literal(QMP_ERROR, QMP_ERROR_CLOSED, "the VM's agent was told to end");

    finish_operation(operation, NULL, error);
}

static void
start_next(Agent *agent)
{
    Operation *operation = g_queue_peek_head(&agent->operations);

    if (operation && agent->is_ending)
        refuse_at_end(operation);
    else if (operation && (agent->is_ready || agent->is_closed))
        operation->start(operation);
    else if (agent->is_closed || agent->is_ending)
        g_main_loop_quit(agent->loop);
}

static void
queue_operation(Agent *agent, VarlinkCall *call, const char *port,
                void (*start)(Operation *operation))
{
    Operation *operation = g_new(Operation, 1);

    *operation = (Operation){agent, varlink_call_ref(call), start, g_strdup(port)};
    g_queue_push_tail(&agent->operations, operation);
    if (agent->operations.length == 1)
        start_next(agent);
}

static void
finish_operation(Operation *operation, json_t *port, const GError *error)
{
    Agent *agent = operation->agent;

    if (error)
        fail_call(operation->call,
                  g_error_matches(error, DAEMON_CALL_ERROR, MACVTAP_REFUSAL_PORT_NOT_FOUND)
                      ? "PortNotFound"
                      : "Failed",
                  error->message);
    else
        varlink_call_reply(operation->call, json_pack("{s:o}", "port", port), NULL);
    varlink_call_unref(operation->call);
    g_free(operation->port);
    g_free(operation);
    g_queue_pop_head(&agent->operations);
    start_next(agent);
}

static void
on_attached(MacvtapPort *port, const GError *error, gpointer user_data)
{
    Operation *operation = user_data;
    Agent *agent = operation->agent;
    json_t *json = port ? port_json(port) : NULL;
    AgentPort *added;
    const char *id;

    if (port) {
        id = macvtap_port_get_id(port);
        g_message("attached port %s on network %s", macvtap_port_get_name(port),
                  macvtap_port_get_network(port));
        added = add_port(agent, id, attach_netdev_name(id));
        guest_links_take(agent, added, port);
        guest_links_ask(agent, added);
        port_watch_try(agent->watch);
    }
    finish_operation(operation, json, error);
}

static void
start_attach(Operation *operation)
{
    Agent *agent = operation->agent;
    json_t *parameters = varlink_call_parameters(operation->call);
    const AttachSettings settings = {
        .socket = agent->socket,
        .model = json_string_value(json_object_get(parameters, "model")),
        .bus = json_string_value(json_object_get(parameters, "bus")),
    };
    const char *network = json_string_value(json_object_get(parameters, "network"));
    g_autoptr(GError) error = NULL;
    MacvtapRequest *request = attach_request_new(network, json_object_get(parameters, "fields"),
                                                 agent->guest_name, &error);

    if (request)
        attach_port(agent->qmp, &settings, request, on_attached, operation);
    else
        finish_operation(operation, NULL, error);
}

static gboolean
is_text(json_t *parameters, const char *name, gboolean optional)
{
    json_t *value = json_object_get(parameters, name);

    return json_is_string(value) || (optional && (!value || json_is_null(value)));
}

static void
handle_attach(VarlinkCall *call, gpointer user_data)
{
    Agent *agent = user_data;
    json_t *parameters = varlink_call_parameters(call);
    json_t *fields = json_object_get(parameters, "fields");

    if (!admit(call))
        return;
    if (!is_text(parameters, "network", FALSE))
        varlink_call_invalid_parameter(call, "network");
    else if (fields && !json_is_null(fields) && !json_is_object(fields))
        varlink_call_invalid_parameter(call, "fields");
    else if (!is_text(parameters, "model", TRUE))
        varlink_call_invalid_parameter(call, "model");
    else if (!is_text(parameters, "bus", TRUE))
        varlink_call_invalid_parameter(call, "bus");
    else
        queue_operation(agent, call, NULL, start_attach);
}

static void
on_detached(const GError *error, gpointer user_data)
{
    Operation *operation = user_data;
    Agent *agent = operation->agent;
    AgentPort *port = agent_find_port(agent, operation->port);
    json_t *json = port && port->port ? port_json(port->port) : json_object();

    if (port)
        port->is_leaving = FALSE;
    if (!error && port) {
        g_message("detached port %s", operation->port);
        g_ptr_array_remove(agent->ports, port);
    } else if (port) {
        guest_links_ask(agent, port); /* its end may have gone unheard, or a change of its link */
    }
    finish_operation(operation, json, error);
    if (error)
        json_decref(json);
}

static void
detach(Operation *operation, AgentPort *port)
{
    Agent *agent = operation->agent;

    g_free(operation->port);
    operation->port = g_strdup(port->id);
    port->is_leaving = TRUE; /* it also ends by itself, before it is deleted */
    detach_port(agent->qmp, agent->socket, port->port, port->netdev, on_detached, operation);
}

static void
fail_not_found(Operation *operation)
{
    Agent *agent = operation->agent;
    const char *format = agent_find_port(agent, operation->port)
                             ? "VM %s has a port %s, but macvtapd does not show it to this user"
                             : "VM %s has no port %s";
    g_autofree char *message = g_strdup_printf(format, agent->name, operation->port);
    g_autoptr(GError) error =
        g_error_new_literal(DAEMON_CALL_ERROR, MACVTAP_REFUSAL_PORT_NOT_FOUND, message);

    finish_operation(operation, NULL, error);
}

static void
on_looked(MacvtapRequest *request, const GError *error, gpointer user_data)
{
    Operation *operation = user_data;
    Agent *agent = operation->agent;
    MacvtapPort *found = error ? NULL : macvtap_request_take_port(request, 0);
    AgentPort *port = found ? agent_find_port(agent, macvtap_port_get_id(found)) : NULL;

    if (port) {
        guest_links_take(agent, port, found);
        detach(operation, port);
        return;
    }
    macvtap_port_free(found);
    if (error && error->code != MACVTAP_REFUSAL_PORT_NOT_FOUND)
        finish_operation(operation, NULL, error);
    else
        fail_not_found(operation);
}

static gboolean
lacks_news(const Agent *agent)
{
    for (guint i = 0; i < agent->ports->len; i++) {
        if (!((const AgentPort *)agent->ports->pdata[i])->port)
            return TRUE;
    }
    return FALSE;
}

/* The agent may not have heard yet what the names of its ports are. */
static void
start_detach(Operation *operation)
{
    Agent *agent = operation->agent;
    AgentPort *port = find_named(agent, operation->port);
    MacvtapRequest *look;

    if (port && port->port) {
        detach(operation, port);
    } else if (lacks_news(agent)) {
        look = macvtap_request_new(MACVTAP_METHOD_GET_PORT);
        macvtap_request_set_port(look, operation->port);
        daemon_call(agent->socket, look, on_looked, operation);
    } else {
        fail_not_found(operation);
    }
}

static void
handle_detach(VarlinkCall *call, gpointer user_data)
{
    Agent *agent = user_data;
    json_t *parameters = varlink_call_parameters(call);
    const char *name = json_string_value(json_object_get(parameters, "port"));

    if (!admit(call))
        return;
    if (name)
        queue_operation(agent, call, name, start_detach);
    else
        varlink_call_invalid_parameter(call, "port");
}

/* macvtap-run's, which has made the socket pair, as long as QEMU has not written to it. */
static int
find_pid(const Agent *agent)
{
    struct ucred maker = {0};
    socklen_t size = sizeof(maker);
    int pid = agent->qmp ? (int)qmp_get_peer_pid(agent->qmp) : 0;

    if (pid != 0 || getsockopt(agent->qmp_fd, SOL_SOCKET, SO_PEERCRED, &maker, &size) != 0)
        return pid;
    return (int)maker.pid;
}

static void
handle_describe(VarlinkCall *call, gpointer user_data)
{
    Agent *agent = user_data;
    json_t *ports;

    if (!admit(call))
        return;
    ports = json_array();
    for (guint i = 0; i < agent->ports->len; i++) {
        const AgentPort *port = agent->ports->pdata[i];

        if (port->port)
            json_array_append_new(ports, port_json(port->port));
        else if (port->is_untold)
            json_array_append_new(ports, json_pack("{s:s}", "id", port->id));
    }
    varlink_call_reply(
        call,
        json_pack("{s:s, s:i, s:o}", "name", agent->name, "pid", find_pid(agent), "ports", ports),
        NULL);
}

static const VarlinkMethod methods[] = {
    {"Describe", handle_describe},
    {"Attach", handle_attach},
    {"Detach", handle_detach},
    {NULL},
};

static gboolean
serve(Agent *agent, GError **error)
{
    const VarlinkServiceInfo info = {"macvtapd", "macvtap-agent", MACVTAPD_VERSION, ""};
    int pid = find_pid(agent);
    g_autofree char *number = g_strdup_printf("%d", pid);
    AUTO_FD int fd =
        agent_folder_listen(agent->folder, agent->guest_name ?: number, pid, &agent->name, error);

    if (fd < 0)
        return FALSE;
    agent->path = g_build_filename(agent->folder, agent->name, NULL);
    agent->server = varlink_server_new(&info, NULL, error);
    if (!agent->server)
        return FALSE;
    varlink_server_add_interface(agent->server, "org.macvtapd.Agent", agent_description(), methods,
                                 agent);
    return varlink_server_listen(agent->server, g_steal_fd(&fd), VARLINK_ROOT_IS_ROOT, error);
}

static void
on_ready(Qmp *qmp, gpointer user_data)
{
    Agent *agent = user_data;

    agent->is_ready = TRUE;
    guest_links_start(agent);
    start_next(agent);
}

/* Nobody finds the agent any longer, and the next VM may have the name. */
static void
remove_socket(Agent *agent)
{
    if (agent->path)
        unlink(agent->path);
    g_clear_pointer(&agent->path, g_free);
}

/* What was under way has failed. macvtapd may still have to remove a port for it. */
static void
on_closed(Qmp *qmp, const GError *error, gpointer user_data)
{
    Agent *agent = user_data;

    g_message("%s", error->message);
    agent->is_closed = TRUE;
    remove_socket(agent);
    if (agent->operations.length == 0 || !agent->is_ready)
        start_next(agent);
}

static gboolean
on_signal(int fd, GIOCondition condition, gpointer user_data)
{
    Agent *agent = user_data;
    struct signalfd_siginfo information;

    if (read(fd, &information, sizeof(information)) < 0)
        return G_SOURCE_CONTINUE;
    remove_socket(agent);
    agent->is_ending = TRUE;
    if (agent->operations.length == 0 || !agent->is_ready)
        start_next(agent);
    source_clear(&agent->signals);
    sigprocmask(SIG_UNBLOCK, &agent->signal_set, NULL); /* the next one kills it */
    return G_SOURCE_REMOVE;
}

static void
agent_clear(Agent *agent)
{
    remove_socket(agent);
    source_clear(&agent->signals);
    descriptor_clear(&agent->signal_fd);
    varlink_server_free(agent->server);
    port_watch_free(agent->watch);
    qmp_free(agent->qmp);
    g_ptr_array_unref(agent->ports);
    g_main_loop_unref(agent->loop);
    g_free(agent->name);
    g_free(agent->folder);
}

static gboolean
get_ready(Agent *agent, GError **error)
{
    agent->folder = agent_folder_path(error);
    return agent->folder && agent_folder_make(agent->folder, error) &&
           capabilities_keep(0, error) && serve(agent, error);
}

/* A QEMU that a guest has taken over may try to take over the agent next. */
static gboolean
confine(GError **error)
{
    g_autoptr(GPtrArray) parts = g_ptr_array_new();
    const Privileges *const all[] = {
        &agent_privileges, &varlink_server_privileges, &bounded_close_privileges,
        &loop_privileges,  &library_privileges,        &end_privileges,
    };

    for (guint i = 0; i < G_N_ELEMENTS(all); i++)
        g_ptr_array_add(parts, (gpointer)all[i]);
    return call_filter_install(parts, error);
}

/* Not with GLib's function for this, which starts a thread. */
static gboolean
watch_signals(Agent *agent, GError **error)
{
    sigemptyset(&agent->signal_set);
    sigaddset(&agent->signal_set, SIGTERM);
    sigaddset(&agent->signal_set, SIGINT);
    sigprocmask(SIG_BLOCK, &agent->signal_set, NULL);
    agent->signal_fd = signalfd(-1, &agent->signal_set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (agent->signal_fd < 0)
        return error_set_errno(error, errno, "cannot wait for signals");
    agent->signals = source_add_fd(agent->signal_fd, G_IO_IN, on_signal, agent, "signals");
    return TRUE;
}

gboolean
agent_run(const AgentOptions *options, void (*ready)(void), GError **error)
{
    const QmpHandlers handlers = {on_ready, on_closed};
    Agent agent = {
        .socket = options->socket,
        .guest_name = options->name,
        .qmp_fd = options->qmp,
        .signal_fd = -1,
        .loop = g_main_loop_new(NULL, FALSE),
        .ports = g_ptr_array_new_with_free_func(agent_port_free),
    };
    gboolean good = get_ready(&agent, error);

    agent.qmp = qmp_new(options->qmp, 0, &handlers, &agent);
    for (guint i = 0; options->ports && options->ports[i]; i++)
        add_port(&agent, options->ports[i], NULL);
    good = good && watch_signals(&agent, error) && confine(error);
    if (good) {
        ready();
        g_main_loop_run(agent.loop);
    }
    agent_clear(&agent);
    return good;
}
