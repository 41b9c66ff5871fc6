/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The records of ports, in STATE/ports, and the table of the ports with a record. */
#pragma once

#include "port-table.h"
#include "privileges.h"

#include <glib.h>

extern const Privileges registry_privileges;

typedef struct Registry Registry;

/*
 * Opens or creates the folder "ports" in state_fd, which is taken, and locks it against a second
 * daemon (PORT_ERROR_SYSTEM). The registry is empty until registry_load().
 */
Registry *registry_new(int state_fd, GError **error);
void registry_free(Registry *registry);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Registry, registry_free)

/* Owned by the registry; a caller that changes a port must write its record. */
PortTable *registry_ports(const Registry *registry);

/*
 * Reads the records. Those of ports whose creation (PORT_STATE_CREATING) or removal was under way
 * go to *ret_unfinished (a GPtrArray of Port, owned): they are not in the table and keep their file
 * until registry_abort(). An invalid record is renamed to ID.damaged and reported in *ret_problems
 * (a GPtrArray of text).
 */
gboolean registry_load(Registry *registry, GPtrArray **ret_unfinished, GPtrArray **ret_problems,
                       GError **error);

/* Writes the record of a port that is about to be created (again, when its index had to change). */
gboolean registry_begin(Registry *registry, const Port *port, GError **error);

/* The device is complete: makes its record final and moves port into the table. On failure port
 * stays the caller's. */
gboolean registry_commit(Registry *registry, Port *port, GError **error);

/* The creation of this port has failed, and its device could not be removed: moves the port into
 * the table, where it keeps its names until registry_forget(); its record is unchanged. */
void registry_keep_unfinished(Registry *registry, Port *port);

/* The creation of id was undone, or its removal finished after a restart: removes its record. */
void registry_abort(Registry *registry, const char *id);

/* The device is about to be removed: a crash from now on leaves a record of a port to be removed.
 * registry_restore() takes that back. */
gboolean registry_retire(Registry *registry, const Port *port, GError **error);
void registry_restore(Registry *registry, const Port *port);

/* Whether a record of this port was set aside. */
gboolean registry_has_damaged(Registry *registry, const char *id);

/* The file names of the records that were set aside, sorted; g_ptr_array_unref() it. */
GPtrArray *registry_list_damaged(Registry *registry);

/* Rewrites the record of a port in the table after its fields changed. */
gboolean registry_update(Registry *registry, const Port *port, GError **error);

/* The device is gone: removes the record and frees the port. On failure nothing changed. */
gboolean registry_forget(Registry *registry, Port *port, GError **error);

/* record.c: a port's record: one JSON object (Jansson), "version": 1, with the record's fields from
 * the table port_fields. Pure; the registry does the I/O. */

/* The longest record in bytes. */
#define RECORD_SIZE_MAX 16384

/* The port's record as text; free with g_free(). The state is not part of it. Fails with
 * PORT_ERROR_SYSTEM if record_parse() would refuse the result. */
char *record_format(const Port *port, gsize *ret_length, GError **error);

/* Reads a record of length bytes. Everything is checked as untrusted input. Fails with
 * PORT_ERROR_SYSTEM, whose message says what is wrong. */
Port *record_parse(const char *text, gsize length, GError **error);
