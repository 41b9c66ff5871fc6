/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A domain arrives from another host or from a file. Its networks are found here by name, whatever
 * their parents are, and its MACs stay; only its devices' names may be taken. As libvirt accepts
 * changed XML from these two operations only, such a device is renamed now; if the new name is
 * taken before 'prepare', that one refuses. What an
 * incoming guest changes at its port's creation: hook-prepare.c.
 */
#include "hook.h"

#include "hook-state.h"

#include "interface-name.h"

#include <string.h>

#define ATTEMPTS 100
#define HASH_DIGITS 5

static gboolean
is_taken(const Hook *hook, const char *name)
{
    return domain_xml_find_port(hook->domain, name) || hook->interface_index(name) != 0;
}

/* The truncated old name and some digits that are specific to the domain. */
static char *
make_name(const char *target, const char *uuid, guint attempt)
{
    g_autofree char *seed = g_strdup_printf("%s %s %u", uuid, target, attempt);
    g_autofree char *hash = g_compute_checksum_for_string(G_CHECKSUM_SHA256, seed, -1);

    return g_strdup_printf("%.*s-%.*s", INTERFACE_NAME_MAX - 1 - HASH_DIGITS, target, HASH_DIGITS,
                           hash);
}

static void
rename_port(const Hook *hook, DomainPort *port)
{
    for (guint i = 0; i < ATTEMPTS; i++) {
        g_autofree char *name = make_name(port->target, hook->domain->uuid, i);

        if (is_taken(hook, name))
            continue;
        domain_xml_rename_target(port, name);
        return;
    }
}

gboolean
hook_restore(Hook *hook, GError **error)
{
    const GPtrArray *ports = hook->domain->ports;
    gboolean changed = FALSE;

    if (!domain_xml_check(hook->domain, error))
        return FALSE;
    for (guint i = 0; i < ports->len; i++) {
        DomainPort *port = ports->pdata[i];

        if (hook->interface_index(port->target) == 0)
            continue;
        rename_port(hook, port);
        changed = TRUE;
    }
    if (changed)
        hook->output = domain_xml_format(hook->domain);
    return TRUE;
}

gboolean
hook_migrate(Hook *hook, GError **error)
{
    if (!hook_restore(hook, error))
        return FALSE;
    if (hook->domain->ports->len > 0)
        hook_state_mark(hook->state_folder, hook->domain->uuid, HOOK_STATE_INCOMING);
    return TRUE;
}
