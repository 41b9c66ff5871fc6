/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The options of commands that make or change a port: one for each field of
 * port_fields that is an option and can be given (FIELD_USE_REQUEST) or set (FIELD_USE_CHANGE). */
#pragma once

#include "ask.h"
#include "field.h"

typedef struct FieldOptions FieldOptions;

FieldOptions *field_options_new(FieldUse use);
void field_options_free(FieldOptions *options);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FieldOptions, field_options_free)

/* For g_option_context_parse(); they belong to the options. */
const GOptionEntry *field_options_entries(const FieldOptions *options);

/* What was given for the field with this name in the API, or NULL. */
const char *field_options_get(const FieldOptions *options, const char *name);

/* A request with the given fields: MACVTAP_METHOD_CREATE_PORT or MACVTAP_METHOD_SET_PORT, depending
 * on the use. NULL with G_OPTION_ERROR if a number or a word is wrong, if the request lacks a
 * mandatory field, or if a change is empty: the daemon checks the rest. */
MacvtapRequest *field_options_request(FieldOptions *options, GError **error);

/* Whether text could be the value of the request's field with this name in the API, whatever the
 * network; errors are of G_OPTION_ERROR. The second is for a number. */
gboolean field_option_check(const char *name, const char *text, GError **error);
gboolean field_option_number(const char *name, const char *text, guint *ret_number, GError **error);

/* "--network NET [--name NAME]…"; free with g_free(). */
char *field_options_usage(FieldUse use);
