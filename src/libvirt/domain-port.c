/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain-port.h"

#include "qemu-process.h"

#include "mac-address.h"

#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

const MacvtapPort *
domain_port_find(const GPtrArray *ports, const char *target)
{
    for (guint i = 0; i < ports->len; i++) {
        if (g_str_equal(macvtap_port_get_interface_name(ports->pdata[i]), target))
            return ports->pdata[i];
    }
    return NULL;
}

gboolean
domain_port_get(MacvtapClient *client, const char *target, MacvtapPort **ret_port, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autoptr(MacvtapPort) port = ask_port(client, target, FALSE, &cause);

    if (!port && macvtap_client_get_refusal(client) != MACVTAP_REFUSAL_PORT_NOT_FOUND) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
    }
    /* A port may have the name of another port's interface. */
    *ret_port = port && g_str_equal(macvtap_port_get_interface_name(port), target)
                    ? g_steal_pointer(&port)
                    : NULL;
    return TRUE;
}

gboolean
domain_port_is_held(const MacvtapPort *port, const char *uuid)
{
    const char *domain = macvtap_port_get_holder_domain(port);

    return domain && g_ascii_strcasecmp(domain, uuid) == 0;
}

gboolean
domain_port_same_mac(const char *a, const char *b)
{
    MacAddress first, second;

    return a && b && mac_address_parse(a, &first) && mac_address_parse(b, &second) &&
           mac_address_equal(&first, &second);
}

const MacvtapPort *
domain_port_find_old(const GPtrArray *ports, const char *uuid, const DomainPort *wanted)
{
    for (guint i = 0; i < ports->len; i++) {
        const MacvtapPort *port = ports->pdata[i];

        if (domain_port_is_held(port, uuid) &&
            (g_str_equal(macvtap_port_get_interface_name(port), wanted->target) ||
             domain_port_same_mac(macvtap_port_get_mac_address(port), wanted->mac)))
            return port;
    }
    return NULL;
}

static gboolean
is_in_the_way(const MacvtapPort *port, const DomainPort *wanted)
{
    return g_str_equal(macvtap_port_get_interface_name(port), wanted->target) ||
           g_str_equal(macvtap_port_get_name(port), wanted->target) ||
           domain_port_same_mac(macvtap_port_get_mac_address(port), wanted->mac);
}

static const MacvtapPort *
find_in_the_way(const GPtrArray *ports, const DomainPort *wanted)
{
    for (guint i = 0; i < ports->len; i++) {
        if (is_in_the_way(ports->pdata[i], wanted))
            return ports->pdata[i];
    }
    return NULL;
}

/* By its QEMU, as a hook must not call libvirt; a domain that is just starting has none. */
static char *
name_domain(const MacvtapPort *port, const char *proc_folder)
{
    int pid = macvtap_port_get_holder_pid(port);
    char *name = pid ? qemu_process_get_name(proc_folder, (pid_t)pid) : NULL;

    return name ? name : g_strdup(macvtap_port_get_holder_domain(port));
}

void
domain_port_explain(MacvtapClient *client, const char *uuid, const DomainPort *wanted,
                    const char *proc_folder, GError **error)
{
    MacvtapRefusal refusal = macvtap_client_get_refusal(client);
    g_autoptr(GPtrArray) ports = NULL;
    g_autofree char *name = NULL;
    const MacvtapPort *port;
    GError *explained;

    if (!error || !*error ||
        (refusal != MACVTAP_REFUSAL_NAME_TAKEN && refusal != MACVTAP_REFUSAL_MAC_CONFLICT))
        return;
    ports = ask_ports(client, NULL, FALSE, NULL);
    port = ports ? find_in_the_way(ports, wanted) : NULL;
    if (!port || !macvtap_port_get_holder_domain(port) || domain_port_is_held(port, uuid))
        return;
    name = name_domain(port, proc_folder);
    explained = g_error_new((*error)->domain, (*error)->code, "%s; domain %s has it",
                            (*error)->message, name);
    g_clear_error(error);
    g_propagate_error(error, explained);
}

gboolean
domain_port_get_device(const MacvtapPort *port, const char *sysfs, dev_t *ret_device)
{
    g_autofree char *path = g_strdup_printf("%s/class/net/%s/macvtap/tap%d/dev", sysfs,
                                            macvtap_port_get_interface_name(port),
                                            macvtap_port_get_interface_index(port));
    g_autofree char *text = NULL;
    guint major_number, minor_number;

    if (!g_file_get_contents(path, &text, NULL, NULL) ||
        sscanf(text, "%u:%u", &major_number, &minor_number) != 2)
        return FALSE;
    *ret_device = makedev(major_number, minor_number);
    return TRUE;
}
