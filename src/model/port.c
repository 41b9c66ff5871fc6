/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "port.h"

#include "field.h"

#include <string.h>

#define ALIAS_PREFIX "macvtapd:"
#define ID_HEX_DIGITS 12

static const char *const state_names[] = {
    [PORT_STATE_CREATING] = "creating",
    [PORT_STATE_ACTIVE] = "active",
    [PORT_STATE_PARENT_GONE] = "parent-gone",
    [PORT_STATE_DEVICE_GONE] = "device-gone",
};
G_STATIC_ASSERT(G_N_ELEMENTS(state_names) == PORT_STATE_COUNT);

const char *
port_state_name(PortState state)
{
    return state_names[state];
}

/* 0: IPv4, 1: IPv6, 2: link-local of either. */
static int
rank_address(const IpAddress *address)
{
    const guint8 *bytes = address->bytes;

    if (ip_address_is_ipv4(address))
        return bytes[12] == 169 && bytes[13] == 254 ? 2 : 0;
    return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80 ? 2 : 1;
}

static gint
compare_seen(gconstpointer a, gconstpointer b)
{
    const SeenAddress *one = a, *other = b;
    int order = rank_address(&one->address) - rank_address(&other->address);

    if (order == 0)
        order = (one->age > other->age) - (one->age < other->age);
    return order != 0 ? order : memcmp(&one->address, &other->address, sizeof(one->address));
}

void
seen_addresses_sort(GArray *seen)
{
    g_array_sort(seen, compare_seen);
}

Port *
port_new(void)
{
    return g_new0(Port, 1);
}

Port *
port_copy(const Port *port)
{
    Port *copy = g_memdup2(port, sizeof(*port));

    fields_duplicate(port_fields, FIELD_USE_REPLY, copy);
    return copy;
}

void
port_free(Port *port)
{
    if (!port)
        return;
    fields_release(port_fields, FIELD_USE_REPLY, port);
    g_free(port);
}

gboolean
port_id_is_valid(const char *text)
{
    if (text[0] != 'p' || strlen(text) != 1 + ID_HEX_DIGITS)
        return FALSE;
    return strspn(text + 1, "0123456789abcdef") == ID_HEX_DIGITS;
}

char *
port_alias(const Port *port)
{
    return g_strconcat(ALIAS_PREFIX, port->id, NULL);
}

const char *
port_alias_id(const char *alias)
{
    const char *id;

    if (!g_str_has_prefix(alias, ALIAS_PREFIX))
        return NULL;
    id = alias + strlen(ALIAS_PREFIX);
    return port_id_is_valid(id) ? id : NULL;
}

gboolean
port_set_problem(Port *port, const char *problem)
{
    if (g_strcmp0(port->problem, problem) == 0)
        return FALSE;
    g_free(port->problem);
    port->problem = g_strdup(problem);
    return TRUE;
}

uid_t
port_account_of(uid_t owner, gboolean from_container)
{
    return owner == 0 && from_container ? (uid_t)-1 : owner;
}

uid_t
port_account(const Port *port)
{
    return port_account_of(port->owner, port->from_container);
}

char *
port_node_path(const Port *port)
{
    return g_strdup_printf("/dev/tap%d", port->interface_index);
}

void
port_request_clear(PortRequest *request)
{
    fields_release(port_fields, FIELD_USE_REQUEST, request);
    *request = (PortRequest){0};
}

void
port_change_clear(PortChange *change)
{
    fields_release(port_fields, FIELD_USE_CHANGE, change);
    *change = (PortChange){0};
}
