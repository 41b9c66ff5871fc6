/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guest runs, libvirt finds it again, the guest has stopped, libvirt lets it go.
 *
 * None of these asks whether the metadata is right: it was at prepare, users may have changed it
 * since, and a guest must be let go whatever it says.
 */
#include "hook.h"

#include "deadline.h"
#include "hook-state.h"
#include "qemu-process.h"

#include "macvtap.h"

#include <string.h>

/* How long release waits for a macvtapd that did not answer the operation before. */
#define MILLISECONDS_SLOW 200

/* QEMU's process ID, or 0 with an error: the ports are still tied to libvirt's process then, and a
 * restart of libvirt would take them from a guest that runs. */
static int
find_qemu(const Hook *hook, GError **error)
{
    const DomainXml *domain = hook->domain;
    pid_t pid;

    if (qemu_process_find(hook->run_folder, hook->proc_folder, domain->name, domain->uuid, &pid,
                          error))
        return (int)pid;
    g_prefix_error(error, "cannot tell which process the domain's QEMU is: ");
    return 0;
}

/* Goes on to the next port after a failure; the first one is what is told. */
static gboolean
keep_first(GError *cause, const char *target, GError **error)
{
    g_prefix_error(&cause, "interface %s: ", target);
    if (error && !*error)
        g_propagate_error(error, cause);
    else
        g_error_free(cause);
    return FALSE;
}

static gboolean
run_port(MacvtapClient *client, const DomainPort *port, int pid, GError **error)
{
    return (pid == 0 || macvtap_client_set_holder_pid(client, port->target, pid, error)) &&
           macvtap_client_set_link(client, port->target, TRUE, error);
}

gboolean
hook_started(Hook *hook, GError **error)
{
    const GPtrArray *ports = hook->domain->ports;
    g_autoptr(MacvtapClient) client = NULL;
    gboolean good;
    int pid;

    if (ports->len == 0)
        return TRUE;
    client = macvtap_client_connect(hook->socket, error);
    if (!client)
        return FALSE;
    pid = find_qemu(hook, error);
    good = pid != 0;
    for (guint i = 0; i < ports->len; i++) {
        const DomainPort *port = ports->pdata[i];
        GError *cause = NULL;

        if (!run_port(client, port, pid, &cause))
            good = keep_first(cause, port->target, error);
    }
    return good;
}

/* libvirtd was restarted, perhaps before it could call started. */
gboolean
hook_reconnect(Hook *hook, GError **error)
{
    return hook_started(hook, error);
}

/* The port of a QEMU that has ended may be gone already: its process was the holder. */
static gboolean
is_gone(const MacvtapClient *client)
{
    return g_strcmp0(macvtap_client_get_refusal(client), "PortNotFound") == 0;
}

static gboolean
is_held_by(const MacvtapPort *port, const char *uuid)
{
    g_autofree char *holder = macvtap_port_get_holder(port);
    const char *domain = g_str_has_prefix(holder, "domain:") ? holder + strlen("domain:") : "";

    return g_ascii_strcasecmp(domain, uuid) == 0;
}

/* The domain's ports by what macvtapd says, not by their names: a domain that was refused because
 * another has its device is stopped as well. */
gboolean
hook_stopped(Hook *hook, GError **error)
{
    const char *uuid = hook->domain->uuid;
    g_autoptr(MacvtapClient) client = NULL;
    g_autoptr(GPtrArray) ports = NULL;
    gboolean good = TRUE;

    if (hook->domain->ports->len == 0 || hook_state_has(hook->state_folder, uuid, HOOK_STATE_SLOW))
        return TRUE;
    client = macvtap_client_connect(hook->socket, error);
    ports = client ? macvtap_client_list_ports(client, NULL, error) : NULL;
    for (guint i = 0; ports && i < ports->len; i++) {
        const MacvtapPort *port = ports->pdata[i];
        GError *cause = NULL;

        if (!is_held_by(port, uuid) ||
            macvtap_client_set_link(client, macvtap_port_get_id(port), FALSE, &cause))
            continue;
        if (is_gone(client))
            g_error_free(cause);
        else
            good = keep_first(cause, macvtap_port_get_interface_name(port), error);
    }
    return ports && good;
}

gboolean
hook_release(Hook *hook, GError **error)
{
    const char *uuid = hook->domain->uuid;
    g_autoptr(MacvtapClient) client = NULL;
    guint ended;

    /* The last call of this domain: nobody is left to warn. */
    deadline_set_mark(-1, NULL);
    if (hook_state_has(hook->state_folder, uuid, HOOK_STATE_SLOW))
        deadline_shorten(MILLISECONDS_SLOW);
    hook_state_clear(hook->state_folder, uuid, HOOK_STATE_SLOW);
    hook_state_clear(hook->state_folder, uuid, HOOK_STATE_INCOMING);
    client = macvtap_client_connect(hook->socket, error);
    return client && macvtap_client_end_domain(client, uuid, &ended, error);
}
