/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network-option.h"

#include "arguments.h"
#include "field-options.h"

#include <string.h>

typedef enum KeyType {
    KEY_TEXT,
    KEY_WORD,   /* a text for QEMU's command line */
    KEY_NUMBER, /* within the limits of the port's field with the key's name */
    KEY_TRUTH,
    KEY_ADDRESS, /* may be given again, for the other family */
    KEY_ADHOC,   /* part of an ad-hoc network's description */
} KeyType;

typedef struct Key {
    const char *name;
    KeyType type;
    gsize offset; /* in NetworkOption */
    gboolean of_ports;
} Key;

#define AT(member) offsetof(NetworkOption, member)
#define BOTH .of_ports = TRUE

static const Key keys[] = {
    {"parent", KEY_ADHOC},
    {"mode", KEY_ADHOC},
    {"vlan", KEY_ADHOC},
    {"name", KEY_TEXT, AT(name)},
    {"ifname", KEY_TEXT, AT(interface_name)},
    {"mac", KEY_TEXT, AT(mac)},
    {"address", KEY_ADDRESS, AT(addresses)},
    {"queues", KEY_NUMBER, AT(queues), BOTH},
    {"mtu", KEY_NUMBER, AT(mtu)},
    {"vhost", KEY_TEXT, AT(vhost)},
    {"model", KEY_WORD, AT(model), BOTH},
    {"bus", KEY_WORD, AT(bus), BOTH},
    {"seed", KEY_TEXT, AT(seed), BOTH},
    {"incoming", KEY_TRUTH, AT(incoming)},
    {"agent", KEY_TRUTH, AT(agent)},
    {"check-mac", KEY_TRUTH, AT(check_mac), BOTH},
};

/* An option while it is parsed. */
typedef struct Parsing {
    const char *option, *text; /* "network" or "port", and its argument */
    NetworkOption *to;
    GString *adhoc; /* "parent=…,mode=…" */
    guint given;    /* bit i: keys[i] */
} Parsing;

static gboolean
refuse_key(const Parsing *parsing, const char *name, GError **error)
{
    g_autoptr(GString) known = g_string_new(NULL);

    for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
        if (!parsing->to->port || keys[i].of_ports)
            g_string_append_printf(known, "%s%s", known->len > 0 ? ", " : "", keys[i].name);
    }
    return arguments_refuse(error, "unknown key '%s' (--%s has %s)", name, parsing->option,
                            known->str);
}

/* A driver or bus name must not contain what QEMU would read as the end of the value. */
static gboolean
check_word(const char *key, const char *value, GError **error)
{
    g_autofree char *shown = g_strescape(value, NULL);

    return (value[0] && !value[strspn(value, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_.-")]) ||
           arguments_refuse(error, "'%s' cannot be a %s", shown, key);
}

static gboolean
add_address(char **at, const char *value, GError **error)
{
    char *all;

    if (!field_option_check("addresses", value, error))
        return FALSE;
    all = *at ? g_strconcat(*at, ",", value, NULL) : g_strdup(value);
    g_free(*at);
    *at = all;
    return TRUE;
}

static gboolean
store_value(Parsing *parsing, const Key *key, const char *value, GError **error)
{
    gpointer at = (char *)parsing->to + key->offset;

    switch (key->type) {
    case KEY_ADHOC:
        g_string_append_printf(parsing->adhoc, "%s%s=%s", parsing->adhoc->len ? "," : "", key->name,
                               value);
        return TRUE;
    case KEY_NUMBER:
        return field_option_number(key->name, value, at, error);
    case KEY_TRUTH:
        *(gboolean *)at = g_str_equal(value, "yes");
        return *(gboolean *)at || g_str_equal(value, "no") ||
               arguments_refuse(error, "%s must be yes or no, not '%s'", key->name, value);
    case KEY_ADDRESS:
        return add_address(at, value, error);
    case KEY_WORD:
        if (!check_word(key->name, value, error))
            return FALSE;
        break;
    case KEY_TEXT:
        break;
    }
    *(char **)at = g_strdup(value);
    return TRUE;
}

static gboolean
take_pair(Parsing *parsing, const char *name, const char *value, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
        const Key *key = &keys[i];

        if (!g_str_equal(key->name, name) || (parsing->to->port && !key->of_ports))
            continue;
        if (parsing->given & 1U << i && key->type != KEY_ADHOC && key->type != KEY_ADDRESS)
            return arguments_refuse(error, "'%s' is given twice", name);
        parsing->given |= 1U << i;
        return store_value(parsing, key, value, error);
    }
    return refuse_key(parsing, name, error);
}

/* Splits the words in place. */
static gboolean
take_pairs(Parsing *parsing, char **words, GError **error)
{
    for (; *words; words++) {
        char *equals = strchr(*words, '=');

        if (!equals)
            return arguments_refuse(error, "'%s' in --%s=%s is not key=value", *words,
                                    parsing->option, parsing->text);
        *equals = '\0';
        if (!take_pair(parsing, *words, equals + 1, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
network_option_parse(const char *text, NetworkOption *ret_option, GError **error)
{
    g_auto(GStrv) words = g_strsplit(text, ",", -1);
    g_autoptr(GString) adhoc = g_string_new(NULL);
    Parsing parsing = {"network", text, ret_option, adhoc};
    gboolean named = words[0] && !strchr(words[0], '=');

    *ret_option = (NetworkOption){.check_mac = TRUE};
    /* GOption takes "-n=lan" for the value "=lan". */
    if (text[0] == '=')
        return arguments_refuse(error, "'%s' begins with '='; write -n %s or --network=%s", text,
                                text + 1, text + 1);
    if (named)
        ret_option->network = g_strdup(words[0]);
    if (!take_pairs(&parsing, words + named, error))
        return FALSE;
    if (named && adhoc->len > 0)
        return arguments_refuse(error, "--network=%s names both a network and a parent", text);
    if (adhoc->len > 0)
        ret_option->network = g_strdup(adhoc->str);
    return (ret_option->network && ret_option->network[0]) ||
           arguments_refuse(error, "--network=%s names no network", text);
}

gboolean
port_option_parse(const char *text, NetworkOption *ret_option, GError **error)
{
    g_auto(GStrv) words = g_strsplit(text, ",", -1);
    Parsing parsing = {"port", text, ret_option, NULL};

    *ret_option = (NetworkOption){.check_mac = TRUE};
    if (text[0] == '=')
        return arguments_refuse(error, "'%s' begins with '='; write -p %s or --port=%s", text,
                                text + 1, text + 1);
    if (!words[0] || !words[0][0])
        return arguments_refuse(error, "--port=%s names no port", text);
    ret_option->port = g_strdup(words[0]);
    return take_pairs(&parsing, words + 1, error);
}

const char *
network_option_label(const NetworkOption *option)
{
    return option->port ? option->port : option->network;
}

void
network_option_clear(NetworkOption *option)
{
    g_free(option->network);
    g_free(option->port);
    for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
        if (keys[i].type == KEY_TEXT || keys[i].type == KEY_WORD || keys[i].type == KEY_ADDRESS)
            g_free(*(char **)((char *)option + keys[i].offset));
    }
    memset(option, 0, sizeof(*option));
}
