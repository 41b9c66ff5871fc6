/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The CNI plugin of macvtapd: a container or pod gets a port that its network namespace holds. The
 * device stays in macvtapd's namespace, as root of a container that had it could change the host's
 * parent; a VMM in the container opens the port over the container socket, by the name that the
 * runtime gave the interface ("macvtap-run --port eth0").
 *
 * For ADD the plugin enters the container's network namespace before it connects: macvtapd reads
 * from the connection which namespace that is. Then it gives up every capability, for itself and
 * for the IPAM plugin. Addresses come from the IPAM plugin of the configuration, or from the
 * network itself. What goes wrong after the addresses were given gives them back, unless the
 * attachment has or may have a port. DEL succeeds however often it comes, and whatever is gone
 * already, but not while macvtapd cannot be asked: the port would stay. GC removes the ports of
 * this configuration's name, and gives back the addresses (cni-notes.c), that are not among the
 * attachments that the runtime still knows.
 *
 * Nothing but CNI's own parameters is taken from the environment: a runtime calls DEL from
 * processes that have none of it.
 */
#include "cni.h"

#include "ask.h"

#include "descriptor.h"
#include "error.h"
#include "privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SOCKET_DEFAULT "/run/macvtapd/socket"
#define CONFIG_MAX (1024 * 1024) /* bytes */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)

typedef struct Plugin {
    CniRequest request;
    const char *path; /* CNI_PATH */
    MacvtapClient *client;
} Plugin;

static gboolean
connect_to_macvtapd(Plugin *plugin, GError **error)
{
    const char *socket = plugin->request.socket ?: SOCKET_DEFAULT;
    g_autoptr(GError) cause = NULL;

    g_clear_pointer(&plugin->client, macvtap_client_free);
    plugin->client = ask_connect_within(socket, ASK_TIME, &cause);
    return plugin->client || cni_refuse(error, CNI_TRY_AGAIN, "%s", cause->message);
}

/* macvtapd's refusal as one of CNI's errors. */
static gboolean
refuse_as_macvtapd(Plugin *plugin, const GError *cause, GError **error)
{
    MacvtapRefusal refusal = macvtap_client_get_refusal(plugin->client);

    return cni_refuse(error, refusal ? CNI_REFUSED + (int)refusal : CNI_TRY_AGAIN, "%s",
                      cause->message);
}

/* setns(2) takes CAP_SYS_ADMIN, and a namespace may be named by a process in /proc. */
static gboolean
keep_capabilities(gboolean to_enter, GError **error)
{
    guint64 wanted = to_enter ? CAPABILITY(CAP_SYS_ADMIN) | CAPABILITY(CAP_SYS_PTRACE) : 0;
    g_autoptr(GError) cause = NULL;

    return capabilities_keep(wanted, &cause) || cni_refuse(error, CNI_IO, "%s", cause->message);
}

/* In the container's network namespace, which the connection then belongs to. The plugin returns to
 * its own afterwards, for good: IPAM plugins run there. */
static gboolean
connect_from_container(Plugin *plugin, GError **error)
{
    AUTO_FD int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    AUTO_FD int there = open(plugin->request.netns, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    gboolean good;

    if (there < 0)
        return cni_refuse(error, CNI_UNKNOWN_CONTAINER, "cannot open the network namespace %s: %s",
                          plugin->request.netns, g_strerror(errno));
    if (own < 0 || setns(there, CLONE_NEWNET) < 0)
        return cni_refuse(error, CNI_IO, "cannot enter the network namespace %s: %s",
                          plugin->request.netns, g_strerror(errno));
    good = connect_to_macvtapd(plugin, error);
    if (setns(own, CLONE_NEWNET) < 0)
        return cni_refuse(error, CNI_IO, "cannot return from the network namespace %s: %s",
                          plugin->request.netns, g_strerror(errno));
    return good && keep_capabilities(FALSE, error);
}

/* The port of an attachment, by its name. *ret_port is NULL if there is none, or if another port
 * has that name, or that name for its device: somebody has chosen it, or the ends of a container's
 * ID and an interface's name make it. */
static gboolean
find_port(Plugin *plugin, const char *container, const char *interface, MacvtapPort **ret_port,
          GError **error)
{
    g_autofree char *name = cni_port_name(container, interface);
    g_autoptr(GError) cause = NULL;
    g_autoptr(MacvtapPort) port = ask_port(plugin->client, name, FALSE, &cause);

    if (!port && macvtap_client_get_refusal(plugin->client) != MACVTAP_REFUSAL_PORT_NOT_FOUND)
        return refuse_as_macvtapd(plugin, cause, error);
    if (port && g_str_equal(macvtap_port_get_name(port), name) &&
        macvtap_port_get_holder(port) == MACVTAP_HOLDER_NAMESPACE &&
        g_strcmp0(macvtap_port_get_holder_interface(port), interface) == 0)
        *ret_port = g_steal_pointer(&port);
    return TRUE;
}

static void
add_ips(MacvtapRequest *create, json_t *ipam)
{
    json_t *ips = json_object_get(ipam, "ips"), *ip;
    gsize i;

    json_array_foreach (ips, i, ip)
        macvtap_request_add_address(create, json_string_value(json_object_get(ip, "address")));
}

static MacvtapPort *
create_port(Plugin *plugin, json_t *ipam, GError **error)
{
    const CniRequest *request = &plugin->request;
    g_autoptr(MacvtapRequest) create = macvtap_request_new(MACVTAP_METHOD_CREATE_PORT);
    g_autofree char *name = cni_port_name(request->container, request->interface);
    g_autofree char *description = cni_description(request);
    g_autoptr(GError) cause = NULL;
    MacvtapPort *port;

    macvtap_request_set_network(create, request->network);
    macvtap_request_set_name(create, name);
    macvtap_request_set_description(create, description);
    macvtap_request_set_holder_namespace(create, request->interface);
    macvtap_request_set_open_descriptors(create, false);
    macvtap_request_set_mac_address(create, request->mac);
    macvtap_request_set_queues(create, request->queues);
    if (ipam)
        add_ips(create, ipam);
    for (char **address = request->addresses; !ipam && *address; address++)
        macvtap_request_add_address(create, *address);
    port = ask_take_port(plugin->client, create, &cause);
    if (!port)
        refuse_as_macvtapd(plugin, cause, error);
    return port;
}

/* The gateway of the address's family, from the network. */
static json_t *
gateway_for(const MacvtapNetwork *network, const char *address)
{
    g_auto(GStrv) gateways =
        g_strsplit_set(network ? network_text(network, "gateways") : "", ", ", -1);

    for (char **gateway = gateways; *gateway; gateway++) {
        if (*gateway[0] != '\0' && !strchr(*gateway, ':') == !strchr(address, ':'))
            return json_string(*gateway);
    }
    return NULL;
}

static gboolean
have_family_of(json_t *ips, gsize n, const char *address)
{
    for (gsize i = 0; i < n; i++) {
        json_t *other = json_object_get(json_array_get(ips, i), "address");

        if (!strchr(json_string_value(other), ':') == !strchr(address, ':'))
            return TRUE;
    }
    return FALSE;
}

/* What the network gave the port: an address of each of its families that has not been handed in.
 */
static void
put_leases(Plugin *plugin, const MacvtapPort *port, json_t *ips)
{
    g_autoptr(MacvtapNetwork) network = NULL;
    gsize n_given = json_array_size(ips);

    for (size_t i = 0; i < macvtap_port_get_n_addresses(port); i++) {
        const char *address = macvtap_port_get_address(port, i);
        json_t *ip, *gateway;

        if (have_family_of(ips, n_given, address))
            continue;
        if (!network)
            network = ask_network(plugin->client, plugin->request.network, NULL);
        ip = json_pack("{s:s, s:i}", "address", address, "interface", 0);
        gateway = gateway_for(network, address);
        if (gateway)
            json_object_set_new(ip, "gateway", gateway);
        json_array_append_new(ips, ip);
    }
}

/* What the IPAM plugin has said, for the container's interface. */
static void
put_ipam(json_t *ipam, json_t *ips, json_t *result)
{
    static const char *const passed[] = {"routes", "dns"};
    json_t *given = json_object_get(ipam, "ips"), *ip;
    gsize i;

    for (guint j = 0; j < G_N_ELEMENTS(passed); j++) {
        json_t *value = json_object_get(ipam, passed[j]);

        if (value && !json_is_null(value))
            json_object_set(result, passed[j], value);
    }
    json_array_foreach (given, i, ip) {
        json_object_set_new(ip, "interface", json_integer(0));
        json_array_append(ips, ip);
    }
}

/* Before 1.0.0 each address says its family. */
static void
put_families(const char *version, json_t *result)
{
    json_t *ips = json_object_get(result, "ips"), *ip;
    gsize i;

    json_array_foreach (ips, i, ip) {
        const char *address = json_string_value(json_object_get(ip, "address"));

        if (version[0] == '0' && address)
            json_object_set_new(ip, "version", json_string(strchr(address, ':') ? "6" : "4"));
        else
            json_object_del(ip, "version");
    }
}

static json_t *
make_result(Plugin *plugin, const MacvtapPort *port, json_t *ipam)
{
    const CniRequest *request = &plugin->request;
    json_t *interface = json_pack("{s:s, s:s, s:s}", "name", request->interface, "mac",
                                  macvtap_port_get_mac_address(port), "sandbox", request->netns);
    json_t *ips = json_array();
    json_t *result = json_pack("{s:s, s:[o], s:o}", "cniVersion", request->version, "interfaces",
                               interface, "ips", ips);

    if (!result)
        return NULL;
    if (g_str_equal(request->version, CNI_VERSION))
        json_object_set_new(interface, "mtu", json_integer(macvtap_port_get_mtu(port)));
    put_ipam(ipam, ips, result);
    put_leases(plugin, port, ips);
    put_families(request->version, result);
    return result;
}

static gboolean
give_back(Plugin *plugin, const char *container, const char *interface, GError **error)
{
    const CniRequest *request = &plugin->request;

    return cni_ipam_release(request, plugin->path, container, interface, error) &&
           cni_note_remove(request, container, interface, error);
}

/* If the IPAM plugin gives the container no address, the network must not lease it one. */
static gboolean
check_addresses(Plugin *plugin, json_t *ipam, GError **error)
{
    const CniRequest *request = &plugin->request;
    g_autoptr(MacvtapNetwork) network = NULL;

    if (!cni_ipam_check(request, ipam, error))
        return FALSE;
    if (json_array_size(json_object_get(ipam, "ips")) > 0)
        return TRUE;
    network = ask_network(plugin->client, request->network, NULL); /* or CreatePort says why not */
    return !network || network_text(network, "subnets")[0] == '\0' ||
           cni_refuse(error, CNI_INVALID_CONFIG,
                      "%s: %s gave no address, and network %s gives its ports addresses of its own"
                      " ([Addresses]): leave out 'ipam', or name another network",
                      request->name, request->ipam, request->network);
}

/* Whether there is certainly no port of the attachment's, whatever has gone wrong: a second ADD
 * finds that of the first, and when macvtapd was lost before it answered there may be one. DEL or
 * GC then give the addresses back, with the port. */
static gboolean
has_no_port(Plugin *plugin)
{
    const CniRequest *request = &plugin->request;
    g_autoptr(MacvtapPort) port = NULL;

    return find_port(plugin, request->container, request->interface, &port, NULL) && !port;
}

/* ipam: what the IPAM plugin has answered. */
static gboolean
add_port(Plugin *plugin, json_t *ipam, json_t **ret_result, GError **error)
{
    g_autoptr(MacvtapPort) port = NULL;

    if (plugin->request.ipam && !check_addresses(plugin, ipam, error))
        return FALSE;
    port = create_port(plugin, ipam, error);
    if (!port)
        return FALSE;
    *ret_result = make_result(plugin, port, ipam);
    return *ret_result || cni_refuse(error, CNI_IO, "the result cannot be put into JSON");
}

static gboolean
run_add(Plugin *plugin, json_t **ret_result, GError **error)
{
    const CniRequest *request = &plugin->request;
    g_autoptr(json_t) ipam = NULL;

    if (!connect_from_container(plugin, error))
        return FALSE;
    if (request->ipam && (!cni_note_add(request, error) ||
                          !cni_ipam_call(request, plugin->path, "ADD", &ipam, error)))
        return FALSE;
    if (add_port(plugin, ipam, ret_result, error))
        return TRUE;
    if (request->ipam && has_no_port(plugin))
        give_back(plugin, request->container, request->interface, NULL);
    return FALSE;
}

/* By its ID: meanwhile another port can have got the name. */
static gboolean
delete_found(Plugin *plugin, const MacvtapPort *port, GError **error)
{
    g_autoptr(GError) cause = NULL;

    return ask_delete(plugin->client, macvtap_port_get_id(port), &cause) ||
           macvtap_client_get_refusal(plugin->client) == MACVTAP_REFUSAL_PORT_NOT_FOUND ||
           refuse_as_macvtapd(plugin, cause, error);
}

static gboolean
delete_port(Plugin *plugin, const char *container, const char *interface, GError **error)
{
    g_autoptr(MacvtapPort) port = NULL;

    return find_port(plugin, container, interface, &port, error) &&
           (!port || delete_found(plugin, port, error));
}

static gboolean
run_del(Plugin *plugin, GError **error)
{
    const CniRequest *request = &plugin->request;

    return connect_to_macvtapd(plugin, error) &&
           delete_port(plugin, request->container, request->interface, error) &&
           (!request->ipam || give_back(plugin, request->container, request->interface, error));
}

/* The MAC that ADD has told; NULL: the runtime does not pass it on. */
static const char *
told_mac(const CniRequest *request)
{
    json_t *interfaces =
        json_object_get(json_object_get(request->config, "prevResult"), "interfaces");
    json_t *interface;
    gsize i;

    json_array_foreach (interfaces, i, interface) {
        const char *name = json_string_value(json_object_get(interface, "name"));

        if (g_strcmp0(name, request->interface) == 0)
            return json_string_value(json_object_get(interface, "mac"));
    }
    return NULL;
}

static gboolean
run_check(Plugin *plugin, GError **error)
{
    const CniRequest *request = &plugin->request;
    g_autofree char *name = cni_port_name(request->container, request->interface);
    const char *mac = told_mac(request);
    g_autoptr(MacvtapPort) port = NULL;

    if (!connect_to_macvtapd(plugin, error) ||
        !find_port(plugin, request->container, request->interface, &port, error))
        return FALSE;
    if (!port)
        return cni_refuse(error, CNI_REFUSED + MACVTAP_REFUSAL_PORT_NOT_FOUND,
                          "there is no port '%s'", name);
    if (macvtap_port_get_state(port) != MACVTAP_PORT_STATE_ACTIVE)
        return cni_refuse(error, CNI_REFUSED, "port %s is %s", name,
                          macvtap_port_state_name(macvtap_port_get_state(port)));
    if (mac && !g_str_equal(mac, macvtap_port_get_mac_address(port)))
        return cni_refuse(error, CNI_REFUSED, "port %s has MAC %s, not %s", name,
                          macvtap_port_get_mac_address(port), mac);
    return !request->ipam || cni_ipam_call(request, plugin->path, "CHECK", NULL, error);
}

static gboolean
check_network(Plugin *plugin, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autoptr(MacvtapNetwork) network =
        ask_network(plugin->client, plugin->request.network, &cause);
    const char *problem;

    if (!network)
        return cni_refuse(error, CNI_NOT_AVAILABLE, "%s", cause->message);
    problem = macvtap_network_get_problem(network);
    if (!problem && macvtap_network_get_n_parent_problems(network) > 0)
        problem = macvtap_network_get_parent_problem(network, 0);
    return !problem ||
           cni_refuse(error, CNI_NOT_AVAILABLE, "network %s: %s", plugin->request.network, problem);
}

static gboolean
run_status(Plugin *plugin, GError **error)
{
    const CniRequest *request = &plugin->request;
    g_autoptr(GError) cause = NULL;

    if (!connect_to_macvtapd(plugin, &cause))
        return cni_refuse(error, CNI_NOT_AVAILABLE, "%s", cause->message);
    if (request->ipam && !cni_ipam_is_there(request, plugin->path, &cause))
        return cni_refuse(error, CNI_NOT_AVAILABLE, "%s", cause->message);
    return check_network(plugin, error) &&
           (!request->ipam || !cni_ipam_knows_all(request, plugin->path) ||
            cni_ipam_call(request, plugin->path, "STATUS", NULL, error));
}

static gboolean
is_valid(const CniRequest *request, const char *port)
{
    json_t *attachments = json_object_get(request->config, CNI_VALID_ATTACHMENTS);
    json_t *attachment;
    gsize i;

    json_array_foreach (attachments, i, attachment) {
        const char *container = json_string_value(json_object_get(attachment, "containerID"));
        const char *interface = json_string_value(json_object_get(attachment, "ifname"));
        g_autofree char *name = cni_port_name(container, interface);

        if (g_str_equal(name, port))
            return TRUE;
    }
    return FALSE;
}

/* Goes on over failures, and reports the first. */
static gboolean
collect_ports(Plugin *plugin, GError **error)
{
    const CniRequest *request = &plugin->request;
    g_autofree char *description = cni_description(request);
    g_autoptr(GError) cause = NULL;
    g_autoptr(GPtrArray) ports = ask_ports(plugin->client, request->network, FALSE, &cause);
    gboolean good = TRUE;

    if (!ports)
        return refuse_as_macvtapd(plugin, cause, error);
    for (guint i = 0; i < ports->len; i++) {
        const MacvtapPort *port = ports->pdata[i];

        if (macvtap_port_get_holder(port) == MACVTAP_HOLDER_NAMESPACE &&
            g_strcmp0(macvtap_port_get_description(port), description) == 0 &&
            !is_valid(request, macvtap_port_get_name(port)))
            good = delete_found(plugin, port, good ? error : NULL) && good;
    }
    return good;
}

/* The port first: an address is free when no port has it. */
static gboolean
give_back_unless_valid(const char *container, const char *interface, gpointer data, GError **error)
{
    Plugin *plugin = data;
    g_autofree char *name = cni_port_name(container, interface);

    return is_valid(&plugin->request, name) || (delete_port(plugin, container, interface, error) &&
                                                give_back(plugin, container, interface, error));
}

static gboolean
collect_addresses(Plugin *plugin, GError **error)
{
    const CniRequest *request = &plugin->request;
    gboolean good = cni_notes_foreach(request, give_back_unless_valid, plugin, error);

    if (cni_ipam_knows_all(request, plugin->path))
        good = cni_ipam_call(request, plugin->path, "GC", NULL, good ? error : NULL) && good;
    return good;
}

static gboolean
run_gc(Plugin *plugin, GError **error)
{
    gboolean good;

    if (!connect_to_macvtapd(plugin, error))
        return FALSE;
    good = collect_ports(plugin, error);
    if (plugin->request.ipam)
        good = collect_addresses(plugin, good ? error : NULL) && good;
    return good;
}

static gboolean
run(Plugin *plugin, json_t **ret_result, GError **error)
{
    switch (plugin->request.command) {
    case CNI_ADD:
        return run_add(plugin, ret_result, error);
    case CNI_DEL:
        return run_del(plugin, error);
    case CNI_CHECK:
        return run_check(plugin, error);
    case CNI_GC:
        return run_gc(plugin, error);
    case CNI_STATUS:
        return run_status(plugin, error);
    case CNI_VERSION_QUERY:
        *ret_result =
            json_pack("{s:s, s:o}", "cniVersion", CNI_VERSION, "supportedVersions", cni_versions());
        return TRUE;
    }
    return FALSE;
}

static gboolean
read_input(char **ret_text, gsize *ret_length, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    char buffer[4096];
    ssize_t n;

    while ((n = RETRY_EINTR(read(STDIN_FILENO, buffer, sizeof buffer))) > 0) {
        g_string_append_len(text, buffer, n);
        if (text->len > CONFIG_MAX)
            return cni_refuse(error, CNI_DECODE, "the configuration is longer than 1 MiB");
    }
    if (n < 0)
        return cni_refuse(error, CNI_IO, "cannot read the configuration: %s", g_strerror(errno));
    *ret_length = text->len;
    *ret_text = g_string_free(g_steal_pointer(&text), FALSE);
    return TRUE;
}

/* Takes object. What cannot be printed, the runtime has not got. */
static gboolean
print_json(json_t *object)
{
    g_autofree char *text = json_dumps(object, JSON_COMPACT);
    gboolean good = text && printf("%s\n", text) >= 0 && fflush(stdout) == 0;

    json_decref(object);
    return good;
}

/* What others have said may have any bytes. */
static void
print_error(const CniRequest *request, const GError *error)
{
    g_autofree char *message = g_utf8_make_valid(error->message, -1);

    print_json(json_pack("{s:s, s:i, s:s}", "cniVersion", request->version ?: CNI_VERSION, "code",
                         error->code, "msg", message));
}

static gboolean
serve(Plugin *plugin, json_t **ret_result, GError **error)
{
    const CniEnvironment environment = {g_getenv("CNI_COMMAND"), g_getenv("CNI_CONTAINERID"),
                                        g_getenv("CNI_NETNS"), g_getenv("CNI_IFNAME"),
                                        g_getenv("CNI_ARGS")};
    g_autofree char *text = NULL;
    gsize length;

    return keep_capabilities(g_strcmp0(environment.command, "ADD") == 0, error) &&
           read_input(&text, &length, error) &&
           cni_request_read(&environment, text, length, &plugin->request, error) &&
           run(plugin, ret_result, error);
}

int
main(int argc, char **argv)
{
    Plugin plugin = {.path = g_getenv("CNI_PATH")};
    g_autoptr(GError) error = NULL;
    json_t *result = NULL;
    gboolean good;

    if (!descriptor_fill_standard())
        return 1;
    good = serve(&plugin, &result, &error);
    if (result)
        good = print_json(result);
    else if (!good)
        print_error(&plugin.request, error);
    g_clear_pointer(&plugin.client, macvtap_client_free);
    cni_request_clear(&plugin.request);
    return good ? 0 : 1;
}
