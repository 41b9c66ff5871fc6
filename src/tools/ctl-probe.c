/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* macvtapctl network probe: makes a port for a moment, and tells what a guest would get there. */
#include "macvtapctl.h"
#include "output.h"
#include "probe-report.h"

#include "descriptor.h"
#include "interface-name.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

/* The port's MAC derives from this, so that a switch that learns MACs learns no new one each time.
 */
#define GUEST_NAME "network-probe"

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23 /* <linux/if_packet.h> since 4.20 */
#endif

static MacvtapPort *
make_port(MacvtapClient *client, const char *network, GError **error)
{
    g_autoptr(MacvtapRequest) request = macvtap_request_new(MACVTAP_METHOD_CREATE_PORT);

    macvtap_request_set_network(request, network);
    macvtap_request_set_guest_name(request, GUEST_NAME);
    macvtap_request_set_queues(request, 1);
    macvtap_request_set_vhost(request, MACVTAP_VHOST_OFF);
    return ask_take_port(client, request, error);
}

/* The network's own description; NULL: an ad-hoc one. */
static const MacvtapNetwork *
find_network(const GPtrArray *networks, const char *name)
{
    for (guint i = 0; i < networks->len; i++) {
        if (g_str_equal(macvtap_network_get_name(networks->pdata[i]), name))
            return networks->pdata[i];
    }
    return NULL;
}

/* Calls take for each address in a list, without its length. */
static void
for_each_address(const char *list, void (*take)(const IpAddress *address, gpointer data),
                 gpointer data)
{
    g_auto(GStrv) words = g_strsplit_set(list, " ,", -1);

    for (guint i = 0; words[i]; i++) {
        IpAddress address;

        words[i][strcspn(words[i], "/")] = '\0';
        if (ip_address_parse(words[i], &address))
            take(&address, data);
    }
}

static void
take_gateway(const IpAddress *address, gpointer data)
{
    ProbeFacts *facts = data;
    ProbeGateway *gateway = &facts->gateways[ip_address_is_ipv4(address) ? PROBE_IPV4 : PROBE_IPV6];

    gateway->address = *address;
    gateway->origin = "by Gateway=";
}

static void
take_own_address(const IpAddress *address, gpointer data)
{
    ProbeSockets *sockets = data;

    if (ip_address_is_ipv4(address))
        sockets->address = *address;
}

static void
describe_port(const MacvtapPort *port, const MacvtapNetwork *network, ProbeFacts *facts)
{
    facts->parent = macvtap_port_get_parent(port);
    facts->vlan = "";
    facts->mtu = macvtap_port_get_mtu(port);
    facts->has_carrier = macvtap_port_get_carrier(port);
    facts->is_passthru = macvtap_port_get_mode(port) == MACVTAP_PORT_MODE_PASSTHRU;
    facts->is_source = macvtap_port_get_mode(port) == MACVTAP_PORT_MODE_SOURCE;
    facts->is_limited = g_str_equal(port_text(port, "guard.addresses"), "listed") ||
                        g_str_equal(port_text(port, "guard.addresses"), "dhcp");
    mac_address_parse(macvtap_port_get_mac_address(port), &facts->mac);
    if (!network)
        return;
    facts->vlan = network_text(network, "vlan");
    facts->serves_dhcp = g_str_equal(network_text(network, "serve"), "dhcp");
    facts->has_subnet = network_text(network, "subnets")[0] != '\0';
    for_each_address(network_text(network, "gateways"), take_gateway, facts);
}

/* A packet socket on the parent, for root in macvtapd's network namespace. */
static void
open_parent(const ProbeFacts *facts, ProbeSockets *sockets)
{
    struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    socklen_t size = sizeof address;
    char name[INTERFACE_NAME_MAX + 1];
    const int on = 1;
    AUTO_FD int fd = -1;

    if (!interface_name_parse(facts->parent, name))
        return;
    address.sll_ifindex = (int)if_nametoindex(name);
    fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || address.sll_ifindex == 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) < 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0 || address.sll_halen != 6)
        return;
    memcpy(sockets->host.octets, address.sll_addr, 6);
    if (!facts->is_passthru)
        sockets->host_fd = g_steal_fd(&fd);
}

/* Without a packet socket, the kernel may know that the gateway answers the host. */
static void
look_up_neighbour(const ProbeFacts *facts, ProbeGateway *gateway)
{
    char name[INTERFACE_NAME_MAX + 1];

    if (gateway->host == PROBE_UNKNOWN && probe_has_address(&gateway->address) &&
        interface_name_parse(facts->parent, name) &&
        host_neighbour_answers(name, &gateway->address))
        gateway->host = PROBE_YES;
}

/* What comes from these MACs has not come over the wire: those of the links here, among which are
 * other users' ports, if macvtapd is here; the caller's own ports, wherever macvtapd is. */
static GArray *
list_own_macs(MacvtapClient *client, const ProbeFacts *facts, gboolean is_here)
{
    GArray *macs = is_here ? host_list_macs() : g_array_new(FALSE, FALSE, sizeof(MacAddress));
    g_autoptr(GPtrArray) ports = ask_ports(client, NULL, FALSE, NULL);
    MacAddress mac;

    g_array_append_val(macs, facts->mac);
    for (guint i = 0; ports && i < ports->len; i++) {
        if (mac_address_parse(macvtap_port_get_mac_address(ports->pdata[i]), &mac))
            g_array_append_val(macs, mac);
    }
    return macs;
}

static void
probe_network(MacvtapClient *client, MacvtapPort *port, ProbeFacts *facts)
{
    AUTO_FD int tap_fd = macvtap_port_take_tap(port, 0);
    AUTO_FD int host_fd = -1;
    ProbeSockets sockets = {.tap_fd = tap_fd, .host_fd = -1};
    gboolean is_here;

    if (!facts->has_carrier)
        return;
    is_here = host_has_daemon(macvtap_client_get_peer_pid(client));
    if (is_here)
        open_parent(facts, &sockets);
    host_fd = sockets.host_fd;
    for_each_address(port_text(port, "addresses"), take_own_address, &sockets);
    sockets.own_macs = list_own_macs(client, facts, is_here);
    probe_ask(&sockets, facts);
    g_array_unref(sockets.own_macs);
    for (guint i = 0; is_here && i < PROBE_FAMILIES; i++)
        look_up_neighbour(facts, &facts->gateways[i]);
}

static void
print_findings(const char *network, const MacvtapPort *port, const ProbeFacts *facts,
               const GPtrArray *findings)
{
    static const char *const words[] = {"ok", "note", "unknown", "PROBLEM"};

    g_print("network %s: a port on %s%s%s with MAC %s, MTU %u, for %.1f s\n", network,
            facts->parent, facts->vlan[0] ? ", VLAN " : "", facts->vlan,
            macvtap_port_get_mac_address(port), facts->mtu, facts->seconds);
    for (guint i = 0; i < findings->len; i++) {
        const ProbeFinding *finding = findings->pdata[i];

        g_print("%-8s %s: %s\n", words[finding->result], finding->check, finding->message);
        if (finding->remedy)
            g_print("%-8s   %s\n", "", finding->remedy);
    }
}

static void
print_json(const char *network, const MacvtapPort *port, const ProbeFacts *facts,
           const GPtrArray *findings)
{
    json_t *array = json_array();

    for (guint i = 0; i < findings->len; i++) {
        const ProbeFinding *finding = findings->pdata[i];

        json_array_append_new(array,
                              json_pack("{s:s, s:s, s:s, s:s*}", "check", finding->check, "result",
                                        probe_result_name(finding->result), "message",
                                        finding->message, "remedy", finding->remedy));
    }
    output_json(json_pack("{s:s, s:s, s:s, s:i, s:o}", "network", network, "parent", facts->parent,
                          "macAddress", macvtap_port_get_mac_address(port), "mtu", (int)facts->mtu,
                          "findings", array));
}

static gboolean
has_problem(const GPtrArray *findings)
{
    for (guint i = 0; i < findings->len; i++) {
        if (((const ProbeFinding *)findings->pdata[i])->result == PROBE_PROBLEM)
            return TRUE;
    }
    return FALSE;
}

int
ctl_network_probe(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_autoptr(MacvtapClient) client = NULL;
    g_autoptr(GPtrArray) networks = NULL, findings = NULL;
    g_autoptr(MacvtapPort) port = NULL;
    ProbeFacts facts = {0};

    if (!ctl_parse(ctl, NULL, &argc, &argv, 1, 1, "NET", error))
        return 2;
    client = ctl_connect(ctl, error);
    networks = client ? ask_networks(client, error) : NULL;
    port = networks ? make_port(client, argv[1], error) : NULL;
    if (!port)
        return 1;
    describe_port(port, find_network(networks, argv[1]), &facts);
    probe_network(client, port, &facts);
    findings = probe_report(&facts);
    if (ctl->json)
        print_json(argv[1], port, &facts, findings);
    else
        print_findings(argv[1], port, &facts, findings);
    return has_problem(findings);
}
