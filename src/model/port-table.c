/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "port-table.h"

#include <string.h>

struct PortTable {
    GQueue *ports;     /* of Port, owned, in the order of creation */
    GHashTable *by_id; /* each: text -> its link in ports */
    GHashTable *by_name;
    GHashTable *by_interface;
    GHashTable *by_index;   /* ifindex -> link */
    GHashTable *by_mac;     /* MAC -> GSList of Port */
    GHashTable *by_address; /* a copy of an IP address -> GSList of Port */
    guint n_addresses;
    GHashTable *accounts; /* port_account() -> number of ports */
    GSList *aside;        /* of Port: those set aside, the last first, */
    GSList *followers;    /* and the link in ports before which each was, or NULL */
};

static guint
mac_hash(gconstpointer key)
{
    guint32 low;

    /* MACs differ in the last four of their six octets, if at all. */
    memcpy(&low, ((const MacAddress *)key)->octets + 2, sizeof(low));
    return low;
}

static gboolean
mac_equal(gconstpointer a, gconstpointer b)
{
    return mac_address_equal(a, b);
}

static guint
address_hash(gconstpointer key)
{
    return ip_address_hash(key);
}

static gboolean
address_equal(gconstpointer a, gconstpointer b)
{
    return ip_address_equal(a, b);
}

PortTable *
port_table_new(void)
{
    PortTable *table = g_new0(PortTable, 1);

    table->ports = g_queue_new();
    table->by_id = g_hash_table_new(g_str_hash, g_str_equal);
    table->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    table->by_interface = g_hash_table_new(g_str_hash, g_str_equal);
    table->by_index = g_hash_table_new(NULL, NULL);
    table->by_mac = g_hash_table_new(mac_hash, mac_equal);
    table->by_address = g_hash_table_new_full(address_hash, address_equal, g_free, NULL);
    table->accounts = g_hash_table_new(NULL, NULL);
    return table;
}

static void
free_port(gpointer port)
{
    port_free(port);
}

static void
free_list(gpointer key, gpointer list, gpointer user_data)
{
    g_slist_free(list);
}

void
port_table_free(PortTable *table)
{
    if (!table)
        return;
    g_hash_table_unref(table->by_id);
    g_hash_table_unref(table->by_name);
    g_hash_table_unref(table->by_interface);
    g_hash_table_unref(table->by_index);
    g_hash_table_foreach(table->by_mac, free_list, NULL);
    g_hash_table_unref(table->by_mac);
    g_hash_table_foreach(table->by_address, free_list, NULL);
    g_hash_table_unref(table->by_address);
    g_hash_table_unref(table->accounts);
    g_queue_free_full(table->ports, free_port);
    g_free(table);
}

gboolean
port_table_has_namesake(const PortTable *table, const Port *port)
{
    return port_table_find(table, port->id) || g_hash_table_contains(table->by_name, port->name) ||
           g_hash_table_contains(table->by_interface, port->interface_name) ||
           g_hash_table_contains(table->by_index, GINT_TO_POINTER(port->interface_index));
}

/* The key of a list is its first port's MAC, so the list is inserted again when that port changes.
 */
static void
add_mac(PortTable *table, Port *port)
{
    GSList *ports = g_hash_table_lookup(table->by_mac, &port->mac);

    g_hash_table_replace(table->by_mac, &port->mac, g_slist_prepend(ports, port));
}

static void
remove_mac(PortTable *table, Port *port)
{
    GSList *ports = g_hash_table_lookup(table->by_mac, &port->mac);

    ports = g_slist_remove(ports, port);
    if (ports)
        g_hash_table_replace(table->by_mac, &((Port *)ports->data)->mac, ports);
    else
        g_hash_table_remove(table->by_mac, &port->mac);
}

static void
add_addresses(PortTable *table, Port *port)
{
    for (guint i = 0; port->addresses && i < port->addresses->len; i++) {
        const IpAddress *address = &g_array_index(port->addresses, PortAddress, i).address;
        GSList *ports = g_hash_table_lookup(table->by_address, address);

        g_hash_table_insert(table->by_address, g_memdup2(address, sizeof(*address)),
                            g_slist_prepend(ports, port));
        table->n_addresses++;
    }
}

static void
remove_addresses(PortTable *table, Port *port)
{
    for (guint i = 0; port->addresses && i < port->addresses->len; i++) {
        const IpAddress *address = &g_array_index(port->addresses, PortAddress, i).address;
        GSList *ports = g_hash_table_lookup(table->by_address, address);

        ports = g_slist_remove(ports, port);
        if (ports)
            g_hash_table_insert(table->by_address, g_memdup2(address, sizeof(*address)), ports);
        else
            g_hash_table_remove(table->by_address, address);
        table->n_addresses--;
    }
}

/* follower NULL: at the end. */
static void
insert_before(PortTable *table, GList *follower, Port *port)
{
    gpointer account = GUINT_TO_POINTER(port_account(port));
    guint owned = GPOINTER_TO_UINT(g_hash_table_lookup(table->accounts, account));
    GList *link = g_list_alloc();

    link->data = port;
    g_queue_insert_before_link(table->ports, follower, link);
    g_hash_table_insert(table->by_id, port->id, link);
    g_hash_table_insert(table->by_name, port->name, link);
    g_hash_table_insert(table->by_interface, port->interface_name, link);
    g_hash_table_insert(table->by_index, GINT_TO_POINTER(port->interface_index), link);
    add_mac(table, port);
    add_addresses(table, port);
    g_hash_table_insert(table->accounts, account, GUINT_TO_POINTER(owned + 1));
}

/* Returns the link that followed it, or NULL. */
static GList *
take_out(PortTable *table, Port *port)
{
    GList *link = g_hash_table_lookup(table->by_id, port->id), *follower = link->next;
    gpointer account = GUINT_TO_POINTER(port_account(port));
    guint owned = GPOINTER_TO_UINT(g_hash_table_lookup(table->accounts, account));

    g_hash_table_remove(table->by_id, port->id);
    g_hash_table_remove(table->by_name, port->name);
    g_hash_table_remove(table->by_interface, port->interface_name);
    g_hash_table_remove(table->by_index, GINT_TO_POINTER(port->interface_index));
    remove_mac(table, port);
    remove_addresses(table, port);
    if (owned > 1)
        g_hash_table_insert(table->accounts, account, GUINT_TO_POINTER(owned - 1));
    else
        g_hash_table_remove(table->accounts, account);
    g_queue_delete_link(table->ports, link);
    return follower;
}

void
port_table_add(PortTable *table, Port *port)
{
    insert_before(table, NULL, port);
}

void
port_table_remove(PortTable *table, Port *port)
{
    take_out(table, port);
    port_free(port);
}

void
port_table_set_aside(PortTable *table, Port *port)
{
    table->followers = g_slist_prepend(table->followers, take_out(table, port));
    table->aside = g_slist_prepend(table->aside, port);
}

/* The last first, so that each follower is there again. */
void
port_table_restore(PortTable *table)
{
    while (table->aside) {
        insert_before(table, table->followers->data, table->aside->data);
        table->followers = g_slist_delete_link(table->followers, table->followers);
        table->aside = g_slist_delete_link(table->aside, table->aside);
    }
}

const GSList *
port_table_aside(const PortTable *table)
{
    return table->aside;
}

Port *
port_table_find(const PortTable *table, const char *text)
{
    GList *link = g_hash_table_lookup(table->by_id, text);

    if (!link)
        link = g_hash_table_lookup(table->by_name, text);
    if (!link)
        link = g_hash_table_lookup(table->by_interface, text);
    return link ? link->data : NULL;
}

Port *
port_table_find_index(const PortTable *table, int interface_index)
{
    GList *link = g_hash_table_lookup(table->by_index, GINT_TO_POINTER(interface_index));

    return link ? link->data : NULL;
}

void
port_table_set_mac(PortTable *table, Port *port, const MacAddress *mac)
{
    remove_mac(table, port);
    port->mac = *mac;
    add_mac(table, port);
}

gboolean
port_table_rename_interface(PortTable *table, Port *port, const char *name)
{
    GList *link = g_hash_table_lookup(table->by_interface, port->interface_name);
    const Port *other = port_table_find(table, name);

    if (!interface_name_check(name, NULL) || (other && other != port))
        return FALSE;
    g_hash_table_remove(table->by_interface, port->interface_name);
    g_strlcpy(port->interface_name, name, sizeof(port->interface_name));
    g_hash_table_insert(table->by_interface, port->interface_name, link);
    return TRUE;
}

const GSList *
port_table_find_mac(const PortTable *table, const MacAddress *mac)
{
    return g_hash_table_lookup(table->by_mac, mac);
}

const GSList *
port_table_find_address(const PortTable *table, const IpAddress *address)
{
    return g_hash_table_lookup(table->by_address, address);
}

guint
port_table_count_addresses(const PortTable *table)
{
    return table->n_addresses;
}

GPtrArray *
port_table_list(const PortTable *table)
{
    GPtrArray *list = g_ptr_array_sized_new(table->ports->length);

    for (GList *link = table->ports->head; link; link = link->next)
        g_ptr_array_add(list, link->data);
    return list;
}

void
port_table_foreach(const PortTable *table, void (*visit)(Port *port, gpointer user_data),
                   gpointer user_data)
{
    for (GList *link = table->ports->head; link; link = link->next)
        visit(link->data, user_data);
}

guint
port_table_count(const PortTable *table)
{
    return table->ports->length;
}

guint
port_table_count_account(const PortTable *table, uid_t account)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(table->accounts, GUINT_TO_POINTER(account)));
}
