/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The ports of a domain are created before libvirt opens them, by name and by path: it opens
 * /dev/tap<ifindex> as its own user and checks nothing. So everything that may differ is checked
 * here: that libvirt sees the device at all (macvtapd may run in another network namespace), that
 * the node is the device's (/dev may differ), and that the guest will send from the port's MAC. A
 * port stays down until 'started': a guest that never runs is never heard.
 *
 * Until 'started' makes QEMU the holder of the ports, libvirt's process holds them: if it dies in
 * between, no 'release' will come, and after its restart it ends a domain that was half started.
 *
 * Ports that a domain already has at a plain start are left from an earlier run whose 'release'
 * never came; they are removed first. Not for an incoming migration: the domain may be running on
 * this very host.
 */
#include "hook.h"

#include "domain-port.h"
#include "hook-state.h"

#include "ask.h"
#include "error.h"
#include "network.h"
#include "port.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define refuse(error, ...) error_set(error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_PORTS, __VA_ARGS__)

static gboolean
check_node(const Hook *hook, const MacvtapPort *port, GError **error)
{
    const char *name = macvtap_port_get_interface_name(port);
    int index = macvtap_port_get_interface_index(port);
    g_autofree char *path = g_strdup_printf("%s/tap%d", hook->device_folder, index);
    struct stat status;
    dev_t device;

    if (hook->interface_index(name) != (guint)index)
        return refuse(error, "macvtapd made it in another network namespace than libvirt's");
    if (stat(path, &status) < 0)
        return refuse(error, "libvirt does not see %s: %s (does it have a /dev of its own?)", path,
                      g_strerror(errno));
    if (!S_ISCHR(status.st_mode))
        return refuse(error, "%s is not a device", path);
    if (domain_port_get_device(port, hook->sysfs_folder, &device) && device != status.st_rdev)
        return refuse(error, "%s is another device's", path);
    return TRUE;
}

static gboolean
check_mac(const DomainPort *wanted, const MacvtapPort *port, GError **error)
{
    const char *has = macvtap_port_get_mac_address(port);

    if (domain_port_same_mac(wanted->mac, has))
        return TRUE;
    return refuse(error,
                  "the domain says MAC %s, but the port has %s: set <mac address='%s'/>, or"
                  " allow any MAC on network %s (Mac=any; in passthru mode Mac=assign)",
                  wanted->mac, has, has, wanted->network);
}

/* What can be said of a port that is not made yet, too. */
static gboolean
check_values(const DomainPort *wanted, const MacvtapPort *port, GError **error)
{
    if (!check_mac(wanted, port, error))
        return FALSE;
    if (wanted->mtu > macvtap_port_get_mtu(port))
        return refuse(error, "the domain says MTU %u, but the port has %u", wanted->mtu,
                      macvtap_port_get_mtu(port));
    return domain_filter_check(wanted, port, error);
}

const char *
hook_port_name(const char *target)
{
    return network_name_is_valid(target) && !port_id_is_valid(target) ? target : NULL;
}

/* check_only: macvtapd says what it would make. */
static MacvtapPort *
make_port(const Hook *hook, MacvtapClient *client, const DomainPort *wanted, gboolean incoming,
          gboolean check_only, GError **error)
{
    g_autoptr(MacvtapRequest) request = macvtap_request_new(MACVTAP_METHOD_CREATE_PORT);
    MacvtapPort *port;

    if (!wanted->mac) {
        refuse(error, "it has no <mac address='…'/>");
        return NULL;
    }
    macvtap_request_set_network(request, wanted->network);
    macvtap_request_set_name(request, hook_port_name(wanted->target));
    macvtap_request_set_interface_name(request, wanted->target);
    macvtap_request_set_mac_address(request, wanted->mac);
    macvtap_request_set_mtu(request, wanted->mtu);
    macvtap_request_set_queues(request, wanted->queues);
    macvtap_request_set_text(request, "limits", wanted->limits);
    macvtap_request_set_holder_domain(request, hook->domain->uuid);
    macvtap_request_set_open_descriptors(request, false);
    macvtap_request_set_device_node(request, geteuid(), getegid());
    macvtap_request_set_link_up(request, false);
    /* Only root may ask for that; otherwise the neighbours reach the guest late. */
    macvtap_request_set_incoming(request, incoming && geteuid() == 0);
    macvtap_request_set_check_only(request, check_only);
    port = ask_take_port(client, request, error);
    if (!port)
        domain_port_explain(client, hook->domain->uuid, wanted, hook->proc_folder, error);
    return port;
}

static gboolean
make_ports(const Hook *hook, MacvtapClient *client, gboolean incoming, GError **error)
{
    const GPtrArray *ports = hook->domain->ports;

    for (guint i = 0; i < ports->len; i++) {
        const DomainPort *wanted = ports->pdata[i];
        g_autoptr(MacvtapPort) port = make_port(hook, client, wanted, incoming, FALSE, error);

        if (!port || !check_values(wanted, port, error) || !check_node(hook, port, error) ||
            !ask_set_holder_pid(client, wanted->target, hook->libvirt_pid, error)) {
            g_prefix_error(error, "interface %s: ", wanted->target);
            return FALSE;
        }
    }
    return TRUE;
}

gboolean
hook_prepare(Hook *hook, GError **error)
{
    const char *uuid = hook->domain->uuid;
    gboolean incoming = hook_state_has(hook->state_folder, uuid, HOOK_STATE_INCOMING);
    g_autoptr(MacvtapClient) client = NULL;

    hook_state_clear(hook->state_folder, uuid, HOOK_STATE_INCOMING);
    hook_state_clear(hook->state_folder, uuid, HOOK_STATE_SLOW);
    if (!domain_xml_check(hook->domain, error))
        return FALSE;
    if (hook->domain->ports->len == 0)
        return TRUE;
    client = ask_connect(hook->socket, error);
    if (!client || (!incoming && !ask_end_domain(client, uuid, error)))
        return FALSE;
    if (make_ports(hook, client, incoming, error))
        return TRUE;
    ask_end_domain(client, uuid, NULL);
    return FALSE;
}

guint
hook_try(Hook *hook, MacvtapClient *client, const GPtrArray *there, GPtrArray *users)
{
    const GPtrArray *ports = hook->domain->ports;
    guint problems = 0;

    for (guint i = 0; i < ports->len; i++) {
        const DomainPort *wanted = ports->pdata[i];
        g_autoptr(MacvtapPort) port = NULL;
        g_autoptr(GError) cause = NULL;
        char *note;

        if (domain_port_find_old(there, hook->domain->uuid, wanted))
            continue;
        port = make_port(hook, client, wanted, FALSE, TRUE, &cause);
        if (port && check_values(wanted, port, &cause))
            continue;
        note = g_strdup_printf("interface %s: %s", wanted->target, cause->message);
        if (users && !port && macvtap_client_get_refusal(client) == MACVTAP_REFUSAL_ACCESS_DENIED) {
            g_ptr_array_add(users, note);
            continue;
        }
        g_ptr_array_add(hook->notes, note);
        problems++;
    }
    return problems;
}
