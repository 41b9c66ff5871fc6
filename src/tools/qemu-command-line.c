/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * QEMU tells its helper nothing of the -netdev that it is started for, so the MAC can be known only
 * of a QEMU with one network device. With two, each may have a mac= of its own, or the default of
 * the place that it comes to (…:56, …:57): a guess would give a guest a port that does not take in
 * its frames.
 */
#include "qemu-command-line.h"

#include <jansson.h>
#include <string.h>

/* What QEMU gives its first network device when no mac= is there (net/net.c,
 * qemu_macaddr_default_if_unset). */
#define QEMU_DEFAULT_MAC "52:54:00:12:34:56"

/* What the values of one option say, as far as it matters here. */
typedef struct Options {
    char *first; /* a first value without a key: the driver, or the kind of network */
    char *type, *netdev, *mac, *macaddr;
} Options;

static void
options_clear(Options *options)
{
    g_free(options->first);
    g_free(options->type);
    g_free(options->netdev);
    g_free(options->mac);
    g_free(options->macaddr);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

/* The value up to the next ',' that is not doubled, which *text is moved behind (QEMU's
 * util/qemu-option.c, get_opt_value). Free with g_free(). */
static char *
take_value(const char **text)
{
    g_autoptr(GString) value = g_string_new(NULL);
    const char *c = *text;

    for (; *c && (*c != ',' || c[1] == ','); c++) {
        if (*c == ',')
            c++;
        g_string_append_c(value, *c);
    }
    *text = *c ? c + 1 : c;
    return g_string_free(g_steal_pointer(&value), FALSE);
}

/* As in QEMU, the last of several values counts. value is consumed. */
static void
set_value(Options *options, const char *key, gsize key_length, char *value)
{
    const struct {
        const char *key;
        char **place;
    } known[] = {
        {"type", &options->type},
        {"netdev", &options->netdev},
        {"mac", &options->mac},
        {"macaddr", &options->macaddr},
    };

    for (guint i = 0; i < G_N_ELEMENTS(known); i++) {
        if (strlen(known[i].key) == key_length && strncmp(known[i].key, key, key_length) == 0) {
            g_free(*known[i].place);
            *known[i].place = value;
            return;
        }
    }
    g_free(value);
}

/* QEMU's key=value form: "virtio-net-pci,netdev=n0,mac=…". */
static void
read_keys(Options *options, const char *text)
{
    for (gboolean first = TRUE; *text; first = FALSE) {
        gsize length = strcspn(text, "=,");

        if (text[length] == '=') {
            const char *key = text;

            text += length + 1;
            set_value(options, key, length, take_value(&text));
        } else {
            g_autofree char *word = take_value(&text);

            if (first)
                options->first = g_steal_pointer(&word);
        }
    }
}

/* A -device '{"driver":"virtio-net-pci","netdev":"n0"}'; QEMU takes '…' for "…" in it too. */
static gboolean
read_json(Options *options, const char *text, GError **error)
{
    g_autofree char *quoted = g_strdup(text);
    json_t *root, *value;
    const char *key;

    if (!strchr(quoted, '"'))
        g_strdelimit(quoted, "'", '"');
    root = json_loads(quoted, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(root)) {
        g_autofree char *shown = g_strescape(text, NULL);

        json_decref(root);
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "cannot read QEMU's -device '%.64s': say which MAC the device has with "
                    "--mac=MAC",
                    shown);
        return FALSE;
    }
    json_object_foreach (root, key, value) {
        if (json_is_string(value))
            set_value(options, key, strlen(key), g_strdup(json_string_value(value)));
    }
    json_decref(root);
    return TRUE;
}

static gboolean
kind_is(const Options *options, const char *kind)
{
    return g_strcmp0(options->type ? options->type : options->first, kind) == 0;
}

/* Whether "-option argument" makes a network device; *ret_mac is its MAC then, or NULL. */
static gboolean
makes_network_device(const char *option, const Options *options, const char **ret_mac)
{
    if (g_str_equal(option, "net")) {
        *ret_mac = options->macaddr;
        return kind_is(options, "nic");
    }
    *ret_mac = options->mac;
    if (g_str_equal(option, "nic"))
        return !kind_is(options, "none");
    /* One without netdev= is connected to nothing, or later. */
    return options->netdev || options->mac;
}

/* The name of the option that argument is, if it is one of those that make devices, or NULL. */
static const char *
device_option(const char *argument)
{
    static const char *const names[] = {"device", "nic", "net"};
    const char *name = argument;

    if (*name++ != '-')
        return NULL;
    name += *name == '-';
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        if (g_str_equal(name, names[i]))
            return names[i];
    }
    return NULL;
}

/* Counts the network device that "-option argument" makes, if it does, and takes its MAC. */
static gboolean
take_device(const char *option, const char *argument, guint *devices, char **mac, GError **error)
{
    g_auto(Options) options = {0};
    const char *found = NULL;

    if (argument[0] != '{')
        read_keys(&options, argument);
    else if (!read_json(&options, argument, error))
        return FALSE;
    if (!makes_network_device(option, &options, &found))
        return TRUE;
    if (++*devices > 1) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                    "QEMU has several network devices: say which MAC this one has with --mac=MAC");
        return FALSE;
    }
    *mac = g_strdup(found);
    return TRUE;
}

char *
qemu_command_line_mac(const char *text, gsize length, GError **error)
{
    g_autofree char *mac = NULL;
    const char *option = NULL;
    guint devices = 0;

    for (gsize i = 0; i < length;) {
        gsize size = strnlen(text + i, length - i);
        g_autofree char *argument = g_strndup(text + i, size);

        if (option && !take_device(option, argument, &devices, &mac, error))
            return NULL;
        option = option ? NULL : device_option(argument);
        i += size + 1;
    }
    return mac ? g_steal_pointer(&mac) : g_strdup(QEMU_DEFAULT_MAC);
}
