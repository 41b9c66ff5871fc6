/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ports there are, in memory, found by what names them. Pure: src/broker/registry.h keeps their
 * records. */
#pragma once

#include "port.h"

#include <glib.h>

typedef struct PortTable PortTable;

PortTable *port_table_new(void);
void port_table_free(PortTable *table); /* with its ports */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PortTable, port_table_free)

/* Whether a port in the table has this one's id, name, interface name or ifindex. */
gboolean port_table_has_namesake(const PortTable *table, const Port *port);

/* Takes a port that has no namesake in the table. Its id, name and ifindex must not change any
 * more; its MAC and its interface name change by the calls below. */
void port_table_add(PortTable *table, Port *port);

/* Frees the port. */
void port_table_remove(PortTable *table, Port *port);

/* By id, name or interface name, in this order. NULL when there is none; owned by the table. */
Port *port_table_find(const PortTable *table, const char *text);
Port *port_table_find_index(const PortTable *table, int interface_index);

/* The ports with this MAC on whatever parent, a list of borrowed Port that belongs to the table. */
const GSList *port_table_find_mac(const PortTable *table, const MacAddress *mac);

/* The port's interface has another name. FALSE: it is, or may be taken for, another port's, or
 * cannot be kept in a record. */
gboolean port_table_rename_interface(PortTable *table, Port *port, const char *name);

void port_table_set_mac(PortTable *table, Port *port, const MacAddress *mac);

/* All ports in the order of their making, as a GPtrArray of borrowed Port; free with
 * g_ptr_array_unref(). */
GPtrArray *port_table_list(const PortTable *table);

/* Port by port without a copy of the list; the table must not change meanwhile. */
void port_table_foreach(const PortTable *table, void (*visit)(Port *port, gpointer user_data),
                        gpointer user_data);

guint port_table_count(const PortTable *table);

/* Of this port_account(). */
guint port_table_count_account(const PortTable *table, uid_t account);
