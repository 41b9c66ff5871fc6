/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guest runs, libvirt finds it again, the guest has stopped, libvirt releases it.
 *
 * None of these checks the metadata: it was right at 'prepare', users may have changed it since,
 * and a guest must be released in any case.
 */
#include "hook.h"

#include "domain-port.h"
#include "hook-state.h"
#include "qemu-process.h"

#include "ask.h"

/* How long release waits for a macvtapd that did not answer the operation before. */
#define MILLISECONDS_SLOW 200

/* QEMU's process ID, or 0 with an error: the ports are still tied to libvirt's process then, and a
 * restart of libvirt would take them from a guest that runs. */
static int
find_qemu(const Hook *hook, GError **error)
{
    const DomainXml *domain = hook->domain;
    pid_t pid;

    if (qemu_process_find((const char *const *)hook->run_folders, hook->proc_folder, domain->name,
                          domain->uuid, &pid, error))
        return (int)pid;
    g_prefix_error(error, "cannot tell which process the domain's QEMU is: ");
    return 0;
}

/* The domain's port with this device; NULL with an error. */
static MacvtapPort *
find_port(const Hook *hook, MacvtapClient *client, const char *target, GError **error)
{
    g_autoptr(MacvtapPort) port = NULL;

    if (!domain_port_get(client, target, &port, error))
        return NULL;
    if (port && domain_port_is_held(port, hook->domain->uuid))
        return g_steal_pointer(&port);
    g_set_error_literal(error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_PORTS,
                        "macvtapd has no such port of this domain");
    return NULL;
}

/* Whether it is still tied to libvirt's process, as prepare has left it. One that is tied to QEMU
 * has been set up, and so has one that attach has tied to nothing. */
static gboolean
awaits_start(const MacvtapPort *port, int qemu)
{
    int tied = macvtap_port_get_holder_pid(port);

    return qemu != 0 && tied != 0 && tied != qemu;
}

/* Continues with the next port after a failure; the first one is reported. */
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
set_up(MacvtapClient *client, const char *target, GError **error)
{
    g_autoptr(MacvtapRequest) request = macvtap_request_new(MACVTAP_METHOD_SET_PORT);

    macvtap_request_set_port(request, target);
    macvtap_request_set_link_up(request, true);
    return ask(client, request, error);
}

/* It is tied last: a port that is tied to QEMU needs no setting up (awaits_start()). */
static gboolean
run_port(MacvtapClient *client, const DomainPort *port, gboolean up, int pid, GError **error)
{
    return (!up || set_up(client, port->target, error)) &&
           (pid == 0 || ask_set_holder_pid(client, port->target, pid, error));
}

/* The ports may not be those that 'prepare' created: changes only the domain's own, and sets none
 * up twice, as an administrator may have set it down. */
static gboolean
run_found_port(const Hook *hook, MacvtapClient *client, const DomainPort *port, int pid,
               GError **error)
{
    g_autoptr(MacvtapPort) there = find_port(hook, client, port->target, error);

    return there && run_port(client, port, awaits_start(there, pid), pid, error);
}

static gboolean
run_ports(Hook *hook, MacvtapClient *client, gboolean just_made, GError **error)
{
    const GPtrArray *ports = hook->domain->ports;
    int pid = find_qemu(hook, error);
    gboolean good = pid != 0;

    for (guint i = 0; i < ports->len; i++) {
        const DomainPort *port = ports->pdata[i];
        GError *cause = NULL;

        if (just_made ? run_port(client, port, TRUE, pid, &cause)
                      : run_found_port(hook, client, port, pid, &cause))
            continue;
        good = keep_first(cause, port->target, error);
    }
    return good;
}

gboolean
hook_started(Hook *hook, GError **error)
{
    g_autoptr(MacvtapClient) client = NULL;

    if (hook->domain->ports->len == 0)
        return TRUE;
    client = ask_connect(hook->socket, error);
    return client && run_ports(hook, client, TRUE, error);
}

/* libvirtd was restarted, perhaps before it could call 'started'. The ports were not just created
 * by 'prepare', so the names in the metadata may belong to another domain. */
gboolean
hook_reconnect(Hook *hook, GError **error)
{
    g_autoptr(MacvtapClient) client = NULL;

    if (hook->domain->ports->len == 0)
        return TRUE;
    client = ask_connect(hook->socket, error);
    return client && run_ports(hook, client, FALSE, error);
}

static gboolean
end_domain(const Hook *hook, GError **error)
{
    g_autoptr(MacvtapClient) client = ask_connect(hook->socket, error);

    return client && ask_end_domain(client, hook->domain->uuid, error);
}

/* QEMU has ended, and libvirt no longer uses the devices. Ends the ports by domain, not by name: a
 * domain that was refused because another has its device is stopped as well. */
gboolean
hook_stopped(Hook *hook, GError **error)
{
    return hook_state_has(hook->state_folder, hook->domain->uuid, HOOK_STATE_SLOW) ||
           end_domain(hook, error);
}

/* Does what 'stopped' could not do. */
gboolean
hook_release(Hook *hook, GError **error)
{
    const char *uuid = hook->domain->uuid;

    /* The last call for this domain: no later one needs the mark. */
    deadline_set_mark(-1, NULL);
    if (hook_state_has(hook->state_folder, uuid, HOOK_STATE_SLOW))
        deadline_shorten(MILLISECONDS_SLOW);
    hook_state_clear(hook->state_folder, uuid, HOOK_STATE_SLOW);
    hook_state_clear(hook->state_folder, uuid, HOOK_STATE_INCOMING);
    return end_domain(hook, error);
}
