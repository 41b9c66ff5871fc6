/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "field-options.h"

#include "arguments.h"

typedef struct FieldOption {
    const Field *field;
    GStrv values;   /* of a list that may be given in parts, */
    char *value;    /* which become this; NULL: not given */
    gboolean truth; /* of an option without an argument */
} FieldOption;

struct FieldOptions {
    FieldUse use;
    FieldOption *options; /* n of them, */
    guint n;
    GOptionEntry *entries; /* which these fill, */
};

/* Whether the option may be given again, to add to its list. */
static gboolean
is_repeatable(const Field *field, FieldUse use)
{
    return field_place(field, use)->type == FIELD_PORT_ADDRESSES;
}

static GOptionArg
kind_of(const Field *field, FieldUse use)
{
    if (!field->argument)
        return G_OPTION_ARG_NONE;
    return is_repeatable(field, use) ? G_OPTION_ARG_STRING_ARRAY : G_OPTION_ARG_STRING;
}

static gpointer
place_of(FieldOption *option, FieldUse use)
{
    if (!option->field->argument)
        return &option->truth;
    return is_repeatable(option->field, use) ? (gpointer)&option->values : &option->value;
}

static gboolean
is_option(const Field *field, FieldUse use)
{
    return field->option && field_place(field, use);
}

FieldOptions *
field_options_new(FieldUse use)
{
    FieldOptions *options = g_new0(FieldOptions, 1);
    guint n = 0;

    for (const Field *field = port_fields; field->name; field++)
        n += is_option(field, use);
    options->use = use;
    options->options = g_new0(FieldOption, n);
    options->entries = g_new0(GOptionEntry, n + 1);
    for (const Field *field = port_fields; field->name; field++) {
        FieldOption *option = &options->options[options->n];

        if (!is_option(field, use))
            continue;
        option->field = field;
        options->entries[options->n++] = (GOptionEntry){
            .long_name = field->option,
            .short_name = g_strcmp0(field->option, "network") == 0 ? 'n' : 0, /* as macvtap-run */
            .arg = kind_of(field, use),
            .arg_data = place_of(option, use),
            .description = field->help,
            .arg_description = field->argument,
        };
    }
    return options;
}

void
field_options_free(FieldOptions *options)
{
    if (!options)
        return;
    for (guint i = 0; i < options->n; i++) {
        g_strfreev(options->options[i].values);
        g_free(options->options[i].value);
    }
    g_free(options->options);
    g_free(options->entries);
    g_free(options);
}

const GOptionEntry *
field_options_entries(const FieldOptions *options)
{
    return options->entries;
}

static const char *
value_of(const FieldOption *option)
{
    return option->truth ? "yes" : option->value;
}

const char *
field_options_get(const FieldOptions *options, const char *name)
{
    for (guint i = 0; i < options->n; i++) {
        if (g_str_equal(options->options[i].field->name, name))
            return value_of(&options->options[i]);
    }
    return NULL;
}

/* "--sources MAC[,MAC...] or --link up|down"; free with g_free(). */
static char *
list_options(FieldUse use)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (const Field *field = port_fields; field->name; field++) {
        if (is_option(field, use))
            g_string_append_printf(text, "%s--%s %s", text->len > 0 ? " or " : "", field->option,
                                   field->argument);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static gboolean
check_given(const FieldOptions *options, guint n_given, GError **error)
{
    g_autofree char *all = NULL;

    for (guint i = 0; i < options->n; i++) {
        const Field *field = options->options[i].field;

        if (!(field->flags & FIELD_MANDATORY) || value_of(&options->options[i]))
            continue;
        return arguments_refuse(error, "--%s %s is missing", field->option, field->argument);
    }
    if (options->use != FIELD_USE_CHANGE || n_given > 0)
        return TRUE;
    all = list_options(options->use);
    return arguments_refuse(error, "nothing to change; give %s", all);
}

/* If the model rejects the value, the usage is wrong. */
static gboolean
check_text(const Field *field, FieldUse use, const char *text, GError **error)
{
    g_autoptr(GError) cause = NULL;

    return field_check_text(field, use, text, &cause) ||
           arguments_refuse(error, "%s", cause->message);
}

gboolean
field_option_check(const char *name, const char *text, GError **error)
{
    return check_text(field_find(port_fields, FIELD_USE_REQUEST, name), FIELD_USE_REQUEST, text,
                      error);
}

gboolean
field_option_number(const char *name, const char *text, guint *ret_number, GError **error)
{
    if (!field_option_check(name, text, error))
        return FALSE;
    *ret_number = (guint)g_ascii_strtoull(text, NULL, 10);
    return TRUE;
}

static gboolean
check_texts(const FieldOptions *options, GError **error)
{
    for (guint i = 0; i < options->n; i++) {
        const FieldOption *option = &options->options[i];

        if (option->value && !check_text(option->field, options->use, option->value, error))
            return FALSE;
    }
    return TRUE;
}

static void
join_values(FieldOptions *options)
{
    for (guint i = 0; i < options->n; i++) {
        FieldOption *option = &options->options[i];

        if (option->values && !option->value)
            option->value = g_strjoinv(",", option->values);
    }
}

MacvtapRequest *
field_options_request(FieldOptions *options, GError **error)
{
    g_autoptr(MacvtapRequest) request = macvtap_request_new(
        options->use == FIELD_USE_CHANGE ? MACVTAP_METHOD_SET_PORT : MACVTAP_METHOD_CREATE_PORT);
    guint n = 0;

    join_values(options);
    for (guint i = 0; i < options->n; i++)
        n += value_of(&options->options[i]) != NULL;
    if (!check_given(options, n, error) || !check_texts(options, error))
        return NULL;
    for (guint i = 0; i < options->n; i++) {
        const FieldOption *option = &options->options[i];

        if (macvtap_request_set_text(request, option->field->name, value_of(option)) >= 0)
            continue;
        arguments_refuse(error, "%s", macvtap_request_get_message(request));
        return NULL;
    }
    return g_steal_pointer(&request);
}

char *
field_options_usage(FieldUse use)
{
    g_autoptr(GString) must = g_string_new(NULL), may = g_string_new(NULL);

    for (const Field *field = port_fields; field->name; field++) {
        gboolean mandatory = (field->flags & FIELD_MANDATORY) != 0;

        if (is_option(field, use))
            g_string_append_printf(mandatory ? must : may, mandatory ? "--%s%s%s " : "[--%s%s%s] ",
                                   field->option, field->argument ? " " : "",
                                   field->argument ? field->argument : "");
    }
    g_string_append(must, may->str);
    g_string_truncate(must, must->len - 1);
    return g_string_free(g_steal_pointer(&must), FALSE);
}
