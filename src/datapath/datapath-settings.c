/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of the datapath that do not need BPF. */
#include "datapath.h"

#include "addresses.h"

#include <string.h>

#define DEFAULT_STATE "/run/macvtapd"
#define NAME "macvtapd"

G_STATIC_ASSERT(GUARD_PREFIXES == GUARD_PREFIXES_MAX);
G_STATIC_ASSERT(GUARD_WITHHELD >= GUARD_PORTS * PORT_ADDRESSES_MAX);
G_STATIC_ASSERT(GUARD_LEARNERS >= GUARD_PORTS * GUARD_LEARNED);
G_STATIC_ASSERT(sizeof(struct guard_address) == sizeof(IpAddress));

char *
datapath_name(const char *state_folder)
{
    g_autofree char *path = g_canonicalize_filename(state_folder, NULL), *digest = NULL;

    if (g_str_equal(path, DEFAULT_STATE))
        return g_strdup(NAME);
    digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, path, -1);
    return g_strdup_printf(NAME "-%.12s", digest);
}

char *
datapath_folder(const char *name)
{
    return g_build_filename("/sys/fs/bpf", name, NULL);
}

void
datapath_fill_settings(const DatapathPort *port, struct guard_settings *ret_settings)
{
    const GuardSettings *guard = port->guard;
    guint n_prefixes = guard->prefixes ? MIN(guard->prefixes->len, (guint)GUARD_PREFIXES) : 0;

    memset(ret_settings, 0,
           sizeof *ret_settings); /* clear the padding too: the struct is compared with memcmp() */
    memcpy(ret_settings->mac, port->mac.octets, sizeof ret_settings->mac);
    ret_settings->senders = (guint8)guard->senders;
    ret_settings->verdict = (guint8)guard->verdict;
    ret_settings->addresses = (guint8)guard->addresses;
    ret_settings->allow = (guint16)(guard->allow & GUARD_ALLOW_ALL);
    ret_settings->n_prefixes = (guint8)n_prefixes;
    ret_settings->link = (guint32)port->link;
    ret_settings->answers_dhcp = port->dhcp != NULL || port->keeps_dhcp;
    for (guint i = 0; i < n_prefixes; i++) {
        const IpPrefix *prefix = &g_array_index(guard->prefixes, IpPrefix, i);

        memcpy(&ret_settings->prefixes[i].address, &prefix->address, sizeof prefix->address);
        ret_settings->prefixes[i].length = (guint8)prefix->prefix_bits;
    }
}

#define NANOSECONDS G_GUINT64_CONSTANT(1000000000)

gboolean
datapath_fill_limits(const DatapathPort *port, struct limit_settings *ret_settings)
{
    const Limits *limits = port->limits;

    memset(ret_settings, 0, sizeof *ret_settings);
    if (!limits || (limits->receive.bits == 0 && limits->broadcasts == 0))
        return FALSE;
    if (limits->receive.bits > 0) {
        ret_settings->receive.per_second = limits->receive.bits / 8;
        ret_settings->receive.burst_time =
            limits_receive_burst(&limits->receive) * NANOSECONDS / ret_settings->receive.per_second;
    }
    if (limits->broadcasts > 0) {
        ret_settings->broadcasts.per_second = limits->broadcasts;
        ret_settings->broadcasts.burst_time = NANOSECONDS;
    }
    return TRUE;
}
