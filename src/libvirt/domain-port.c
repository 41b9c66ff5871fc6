/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain-port.h"

#include "mac-address.h"

#include <string.h>

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
domain_port_is_held(const MacvtapPort *port, const char *uuid)
{
    g_autofree char *holder = macvtap_port_get_holder(port);

    return g_str_has_prefix(holder, "domain:") &&
           g_ascii_strcasecmp(holder + strlen("domain:"), uuid) == 0;
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
