/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A port's record: one JSON object (Jansson), "version": 1, with the record's fields from the table
 * port_fields. Pure; the registry does the I/O. */
#pragma once

#include "port.h"

#include <glib.h>

/* The longest record in bytes. */
#define RECORD_SIZE_MAX 16384

/* The port's record as text; free with g_free(). The state is not part of it. Fails with
 * PORT_ERROR_SYSTEM if record_parse() would refuse the result. */
char *record_format(const Port *port, gsize *ret_length, GError **error);

/* Reads a record of length bytes. Everything is checked as untrusted input. Fails with
 * PORT_ERROR_SYSTEM, whose message says what is wrong. */
Port *record_parse(const char *text, gsize length, GError **error);
