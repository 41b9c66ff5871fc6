/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ports there are, in memory and as records in STATE/ports. */
#pragma once

#include "port.h"
#include "privileges.h"

#include <glib.h>

extern const Privileges registry_privileges;

typedef struct Registry Registry;

/*
 * Opens (or makes) the folder "ports" below state_fd, which is taken, and locks it against a second
 * daemon (PORT_ERROR_SYSTEM says so). The registry is empty until registry_load().
 */
Registry *registry_new(int state_fd, GError **error);
void registry_free(Registry *registry);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Registry, registry_free)

/*
 * Reads the records. Those of ports whose creation (PORT_STATE_CREATING) or removal was under way
 * go to *ret_unfinished (a GPtrArray of Port, owned): they are in no table and keep their file
 * until registry_abort(). What could not be read is renamed to ID.damaged, and *ret_problems (a
 * GPtrArray of text) says so.
 */
gboolean registry_load(Registry *registry, GPtrArray **ret_unfinished, GPtrArray **ret_problems,
                       GError **error);

/* Writes the record of a port that is about to be created (again, when its index had to change). */
gboolean registry_begin(Registry *registry, const Port *port, GError **error);

/* The device is whole: makes its record final and takes port into the tables. On failure port stays
 * the caller's. */
gboolean registry_commit(Registry *registry, Port *port, GError **error);

/* The creation of this port has failed, and its device could not be removed: takes the port into
 * the tables, where it keeps its names until registry_forget(); its record stays what it is. */
void registry_keep_unfinished(Registry *registry, Port *port);

/* The creation of id has been undone, or its removal been finished after a restart: removes its
 * record. */
void registry_abort(Registry *registry, const char *id);

/* The device is about to be removed: a crash from now on leaves a record of a port to be removed.
 * registry_restore() takes that back. */
gboolean registry_retire(Registry *registry, const Port *port, GError **error);
void registry_restore(Registry *registry, const Port *port);

/* Whether a record of this port was set aside. */
gboolean registry_has_damaged(Registry *registry, const char *id);

/* Writes the record of a port that is in the tables anew, after its fields changed. */
gboolean registry_update(Registry *registry, const Port *port, GError **error);

/* The device is gone: removes the record and frees the port. On failure nothing changed. */
gboolean registry_forget(Registry *registry, Port *port, GError **error);

/* By id, name or interface name, in this order. NULL when there is none; owned by the registry. */
Port *registry_find(Registry *registry, const char *text);
Port *registry_find_index(Registry *registry, int interface_index);

/* The ports with this MAC on whatever parent, a list of borrowed Port that belongs to the registry.
 */
const GSList *registry_find_mac(Registry *registry, const MacAddress *mac);

/* The port's interface has another name: its record is the caller's to write. FALSE: it is, or may
 * be taken for, another port's, or cannot be kept in a record. */
gboolean registry_rename_interface(Registry *registry, Port *port, const char *name);

/* Gives a port in the tables another MAC; its record is the caller's to write. */
void registry_set_mac(Registry *registry, Port *port, const MacAddress *mac);

/* All ports in the order of their making, as a GPtrArray of borrowed Port; free with
 * g_ptr_array_unref(). */
GPtrArray *registry_list(Registry *registry);

/* Port by port without a copy of the list; the registry must not change meanwhile. */
void registry_foreach(Registry *registry, void (*visit)(Port *port, gpointer user_data),
                      gpointer user_data);

guint registry_count(const Registry *registry);

/* Of this port_account(). */
guint registry_count_account(const Registry *registry, uid_t account);
