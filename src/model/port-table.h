/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The existing ports, in memory, by their names. Pure: src/broker/registry.h has their records. */
#pragma once

#include "port.h"

#include <glib.h>

typedef struct PortTable PortTable;

PortTable *port_table_new(void);
void port_table_free(PortTable *table); /* frees its ports, too */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PortTable, port_table_free)

/* Whether a port in the table has this one's id, name, interface name or ifindex. */
gboolean port_table_has_namesake(const PortTable *table, const Port *port);

/* Takes a port that has no namesake in the table. Its ID, name and ifindex must not change
 * afterwards; its MAC and interface name change only through the functions below. */
void port_table_add(PortTable *table, Port *port);

/*
 * Takes the port out of the table, which keeps it, until port_table_restore() puts all such ports
 * back in their places: what would be if it did not exist. Meanwhile the table must not change.
 */
void port_table_set_aside(PortTable *table, Port *port);
void port_table_restore(PortTable *table);

/* The ports that are set aside: a list of borrowed Port, owned by the table. */
const GSList *port_table_aside(const PortTable *table);

/* Frees the port. */
void port_table_remove(PortTable *table, Port *port);

/* By ID, name or interface name, in this order; NULL: not found. Owned by the table. */
Port *port_table_find(const PortTable *table, const char *text);
Port *port_table_find_index(const PortTable *table, int interface_index);

/* The ports with this MAC on any parent: a list of borrowed Port, owned by the table. */
const GSList *port_table_find_mac(const PortTable *table, const MacAddress *mac);

/* The same for an IP address that ports were given, on any network, and the number of such
 * addresses of all ports. A port's addresses do not change while it is in the table. */
const GSList *port_table_find_address(const PortTable *table, const IpAddress *address);
guint port_table_count_addresses(const PortTable *table);

/* Changes the port's interface name. FALSE: the name is ambiguous with another port's, or cannot be
 * stored in a record. */
gboolean port_table_rename_interface(PortTable *table, Port *port, const char *name);

void port_table_set_mac(PortTable *table, Port *port, const MacAddress *mac);

/* All ports in the order of creation, as a GPtrArray of borrowed Port; free with
 * g_ptr_array_unref(). */
GPtrArray *port_table_list(const PortTable *table);

/* Iterates without a copy of the list; the table must not change meanwhile. */
void port_table_foreach(const PortTable *table, void (*visit)(Port *port, gpointer user_data),
                        gpointer user_data);

guint port_table_count(const PortTable *table);

/* The number of ports with this port_account(). */
guint port_table_count_account(const PortTable *table, uid_t account);
