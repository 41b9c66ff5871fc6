/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A record as JSON, written and read. Files, and setting a damaged one aside: registry.c. */
#include "registry.h"

#include "field.h"
#include "port-error.h"

#include <jansson.h>
#include <string.h>

#define RECORD_VERSION 1

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)

/* Checks combinations of fields; returns the name of a wrong one, or NULL. */
static const char *
find_contradiction(const Port *port)
{
    if (!holder_is_whole(&port->holder, FALSE))
        return "holder";
    if (!port->vlan != !port->trunk)
        return "vlan";
    return port->trunk_index != 0 && !port->trunk ? "trunkIndex" : NULL;
}

/* Parses and checks a record, for the reader and the writer alike. */
static Port *
port_from_record(json_t *object, GError **error)
{
    g_autoptr(Port) port = port_new();
    const char *wrong = NULL;

    if (fields_from_json(port_fields, FIELD_USE_RECORD, object, port, &wrong, NULL))
        wrong = find_contradiction(port);
    if (wrong) {
        port_error_set(error, PORT_ERROR_SYSTEM, "invalid value for '%s'", wrong);
        return NULL;
    }
    return g_steal_pointer(&port);
}

char *
record_format(const Port *port, gsize *ret_length, GError **error)
{
    g_autoptr(json_t) object = fields_to_json(port_fields, FIELD_USE_RECORD, port);
    g_autoptr(Port) read = port_from_record(object, error);
    char text[RECORD_SIZE_MAX];
    gsize length;

    if (!read)
        return NULL;
    json_object_set_new(object, "version", json_integer(RECORD_VERSION));
    if (port->parent_index == 0 && !port->is_by_name) /* without it, the name counts */
        json_object_set_new(object, "parentIndex", json_integer(0));
    if (port->wanted_mtu == port->mtu)
        json_object_del(object, "wantedMtu");
    length = json_dumpb(object, text, RECORD_SIZE_MAX - 2, JSON_COMPACT);
    if (length == 0 || length > RECORD_SIZE_MAX - 2) {
        port_error_set(error, PORT_ERROR_SYSTEM, "its record would be longer than %d bytes",
                       RECORD_SIZE_MAX);
        return NULL;
    }
    text[length] = '\n';
    text[length + 1] = '\0';
    *ret_length = length + 1;
    return g_memdup2(text, length + 2);
}

static gboolean
check_version(json_t *object, GError **error)
{
    json_t *version = json_object_get(object, "version");

    if (!json_is_integer(version))
        return port_error_set(error, PORT_ERROR_SYSTEM, "it has no version");
    if (json_integer_value(version) != RECORD_VERSION)
        return port_error_set(error, PORT_ERROR_SYSTEM,
                              "it has version %" JSON_INTEGER_FORMAT
                              ", but this macvtapd supports version %d",
                              json_integer_value(version), RECORD_VERSION);
    return TRUE;
}

Port *
record_parse(const char *text, gsize length, GError **error)
{
    json_error_t problem;
    g_autoptr(json_t) object = json_loadb(text, length, JSON_REJECT_DUPLICATES, &problem);
    Port *port;

    if (!object) {
        port_error_set(error, PORT_ERROR_SYSTEM, "line %d: %s", problem.line, problem.text);
        return NULL;
    }
    port = check_version(object, error) ? port_from_record(object, error) : NULL;
    if (!port)
        return NULL;
    port->state = PORT_STATE_ACTIVE;
    port->is_by_name = !json_object_get(object, "parentIndex");
    if (port->wanted_mtu == 0)
        port->wanted_mtu = port->mtu;
    return port;
}
