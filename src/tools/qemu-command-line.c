/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * QEMU tells its helper nothing about the -netdev that it is started for, so the MAC is certain
 * only for a QEMU with one network device whose backend is on the command line and starts a helper.
 * With two, each may have its own mac=, or a default that depends on their order (…:56, …:57).
 * Devices from elsewhere (a file, -set, -global, QMP) are invisible here. A wrong guess would give
 * a guest a port that drops its frames.
 */
#include "qemu-command-line.h"

#include "qemu-options.h"

#include <jansson.h>
#include <string.h>

/* QEMU's MAC for its first network device without mac= (net/net.c, qemu_macaddr_default_if_unset).
 * */
#define QEMU_DEFAULT_MAC "52:54:00:12:34:56"

/* The values of one option, as far as they matter here. */
typedef struct Options {
    char *first; /* a first value without a key: the driver, or the kind of network */
    char *type, *driver, *id, *netdev, *mac, *macaddr, *helper, *property, *host_mtu;
} Options;

/* What was found on the whole command line. */
typedef struct Search {
    guint n_devices;       /* connected to a backend, or with a MAC */
    guint n_unconnected;   /* other network devices, which also take a default MAC */
    guint n_backends;      /* backends that start a helper */
    char *mac, *netdev;    /* of the device */
    guint host_mtu;        /* of the device; 0: none */
    const char *wanted;    /* a MAC, or NULL */
    guint wanted_mtu;      /* the host_mtu of the device that has it */
    char *backend;         /* the id of the -netdev, or NULL: of a -nic or -net */
    char *helper;          /* the program that the backend starts; NULL: QEMU's default */
    const char *elsewhere; /* an option that can define or change anything */
    gboolean
        plugged; /* the device comes from -device; QEMU creates those after the machine's own */
    gboolean mac_is_set; /* set by -set, which overrides mac= */
    gboolean has_global; /* set by -global, which applies without mac= */
} Search;

static void
options_clear(Options *options)
{
    g_free(options->first);
    g_free(options->type);
    g_free(options->driver);
    g_free(options->id);
    g_free(options->netdev);
    g_free(options->mac);
    g_free(options->macaddr);
    g_free(options->helper);
    g_free(options->property);
    g_free(options->host_mtu);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

static void
search_clear(Search *search)
{
    g_free(search->mac);
    g_free(search->netdev);
    g_free(search->backend);
    g_free(search->helper);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Search, search_clear)

/* As in QEMU, the last of several values wins. value is consumed. */
static void
set_value(Options *options, const char *key, gsize key_length, char *value)
{
    const struct {
        const char *key;
        char **place;
    } known[] = {
        {"type", &options->type},
        {"driver", &options->driver},
        {"id", &options->id},
        {"netdev", &options->netdev},
        {"mac", &options->mac},
        {"macaddr", &options->macaddr},
        {"helper", &options->helper},
        {"property", &options->property},
        {"host_mtu", &options->host_mtu},
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
            set_value(options, key, length, qemu_option_value(&text));
        } else {
            g_autofree char *word = qemu_option_value(&text);

            if (first)
                options->first = g_steal_pointer(&word);
        }
    }
}

static void
set_json_value(Options *options, const char *key, const json_t *value)
{
    if (json_is_string(value))
        set_value(options, key, strlen(key), g_strdup(json_string_value(value)));
    else if (json_is_integer(value))
        set_value(options, key, strlen(key),
                  g_strdup_printf("%" JSON_INTEGER_FORMAT, json_integer_value(value)));
}

/* Parses -device '{"driver":"virtio-net-pci","netdev":"n0"}'; QEMU accepts '…' in place of "…",
 * too. */
static gboolean
read_json(Options *options, const char *option, const char *text, GError **error)
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
                    "cannot read QEMU's -%s '%.64s'; name the device's MAC with --mac=MAC", option,
                    shown);
        return FALSE;
    }
    json_object_foreach (root, key, value)
        set_json_value(options, key, value);
    json_decref(root);
    return TRUE;
}

static const char *
kind_of(const Options *options)
{
    const char *kind = options->type ? options->type : options->first;

    return kind ? kind : "";
}

static void
take_text(char **place, const char *text)
{
    g_free(*place);
    *place = g_strdup(text);
}

/* The names of QEMU's network devices (-device help). Those without netdev= also take a default
 * MAC. */
static gboolean
is_network_driver(const char *driver)
{
    static const char *const beginnings[] = {
        "virtio-net", "e1000",   "igb",     "i825",   "i82801",  "ne2k_",
        "rtl8139",    "vmxnet3", "pcnet",   "tulip",  "usb-net", "spapr-vlan",
        "sungem",     "sunhme",  "lan9118", "rocker", "pvrdma"};

    for (guint i = 0; driver && i < G_N_ELEMENTS(beginnings); i++) {
        if (g_str_has_prefix(driver, beginnings[i]))
            return TRUE;
    }
    return FALSE;
}

static guint
read_mtu(const char *text)
{
    guint64 number;

    return text && g_ascii_string_to_unsigned(text, 10, 0, 65535, &number, NULL) ? (guint)number
                                                                                 : 0;
}

static void
count_device(Search *search, const Options *options, const char *mac)
{
    search->n_devices++;
    take_text(&search->mac, mac);
    take_text(&search->netdev, options->netdev);
    search->host_mtu = read_mtu(options->host_mtu);
    if (search->wanted && mac && g_ascii_strcasecmp(mac, search->wanted) == 0)
        search->wanted_mtu = search->host_mtu;
}

/* The backends that start a helper: "bridge" always, "tap" if a helper is given (net/tap.c). id
 * NULL: of a -nic or -net. */
static void
count_backend(Search *search, const Options *options, const char *id)
{
    const char *kind = kind_of(options);

    if (!g_str_equal(kind, "bridge") && !(g_str_equal(kind, "tap") && options->helper))
        return;
    search->n_backends++;
    take_text(&search->backend, id);
    take_text(&search->helper, options->helper);
}

/* -set group.id.name=value */
static void
take_set(Search *search, const char *text)
{
    const char *end = strchr(text, '=');
    g_autofree char *name = g_strndup(text, end ? (gsize)(end - text) : strlen(text));

    if (g_str_has_suffix(name, ".mac") || g_str_has_suffix(name, ".macaddr") ||
        g_str_has_suffix(name, ".netdev") || g_str_has_suffix(name, ".driver"))
        search->mac_is_set = TRUE;
}

/* -global driver.property=value, or the same as three keys */
static void
take_global(Search *search, const char *text, const Options *options)
{
    const char *end = strchr(text, '=');
    g_autofree char *name = g_strndup(text, end ? (gsize)(end - text) : strlen(text));

    search->has_global |=
        g_str_has_suffix(name, ".mac") || g_strcmp0(options->property, "mac") == 0;
}

static void
take_device(Search *search, const Options *options)
{
    /* One without netdev= is not connected, or is connected later. */
    search->plugged = TRUE;
    if (options->netdev || options->mac)
        count_device(search, options, options->mac);
    else if (is_network_driver(options->driver ? options->driver : options->first))
        search->n_unconnected++;
}

static void
take_options(Search *search, const char *option, const char *text, const Options *options)
{
    if (g_str_equal(option, "set")) {
        take_set(search, text);
    } else if (g_str_equal(option, "global")) {
        take_global(search, text, options);
    } else if (g_str_equal(option, "readconfig")) {
        search->elsewhere = "-readconfig";
    } else if (g_str_equal(option, "device")) {
        take_device(search, options);
    } else if (g_str_equal(option, "netdev")) {
        count_backend(search, options, options->id);
    } else if (g_str_equal(option, "net") && g_str_equal(kind_of(options), "nic")) {
        count_device(search, options, options->macaddr);
    } else if (g_str_equal(option, "net")) {
        count_backend(search, options, NULL);
    } else if (!g_str_equal(kind_of(options), "none")) {
        count_backend(search, options, NULL);
        count_device(search, options, options->mac);
    }
}

/* The option that argument names, if it matters here, or NULL. */
static const char *
known_option(const char *argument)
{
    static const char *const names[] = {"device", "netdev", "nic",       "net",
                                        "set",    "global", "readconfig"};

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        if (qemu_option_is(argument, names[i]))
            return names[i];
    }
    return NULL;
}

static gboolean
take_argument(Search *search, const char *option, const char *text, GError **error)
{
    g_auto(Options) options = {0};

    if (text[0] != '{')
        read_keys(&options, text);
    else if (!read_json(&options, option, text, error))
        return FALSE;
    take_options(search, option, text, &options);
    return TRUE;
}

static gboolean
search_arguments(Search *search, const char *text, gsize length, GError **error)
{
    const char *option = NULL;

    for (gsize i = 0; i < length;) {
        gsize size = strnlen(text + i, length - i);
        g_autofree char *argument = g_strndup(text + i, size);

        if (option && !take_argument(search, option, argument, error))
            return FALSE;
        option = option ? NULL : known_option(argument);
        i += size + 1;
    }
    return TRUE;
}

/* Whether the backend's helper has arguments other than which. A script may have none. */
static gboolean
is_for_another(const Search *search, const char *which)
{
    const char *helper = search->helper;

    return helper && (strstr(helper, "--network") || strstr(helper, "--port")) &&
           !strstr(helper, which);
}

/* Whether this machine is known to create no network device of its own. */
static gboolean
machine_is_bare(const char *text, gsize length)
{
    g_autoptr(GPtrArray) command = g_ptr_array_new_with_free_func(g_free);

    for (gsize i = 0; i < length; i += strnlen(text + i, length - i) + 1)
        g_ptr_array_add(command, g_strndup(text + i, length - i));
    g_ptr_array_add(command, NULL);
    return qemu_options_machine_is_bare((const char *const *)command->pdata);
}

static const char *
why_unsure(const Search *search, const char *which)
{
    if (search->n_devices > 1)
        return "QEMU has several network devices; name this one's MAC with --mac=MAC";
    if (search->elsewhere)
        return "QEMU was given -readconfig, and the file may define network devices; name this "
               "one's"
               " MAC with --mac=MAC";
    if (search->n_backends != 1 || search->n_devices == 0 ||
        (search->backend && g_strcmp0(search->backend, search->netdev) != 0) ||
        is_for_another(search, which))
        return "QEMU's command line does not define this helper's network device; name its MAC with"
               " --mac=MAC";
    if (search->mac_is_set)
        return "QEMU's -set changes a network device; name this one's MAC with --mac=MAC";
    if (!search->mac && search->has_global)
        return "QEMU's -global sets the MAC of network devices; name this one's MAC with --mac=MAC";
    if (!search->mac && search->n_unconnected > 0)
        return "QEMU has a network device that is not connected, so this one may not have the"
               " default MAC; name its MAC with --mac=MAC";
    return NULL;
}

char *
qemu_command_line_mac(const char *text, gsize length, const char *which, GError **error)
{
    g_auto(Search) search = {0};
    const char *why;

    if (!search_arguments(&search, text, length, error))
        return NULL;
    why = why_unsure(&search, which);
    if (!why && !search.mac && search.plugged && !machine_is_bare(text, length))
        why = "QEMU's machine may have a network device that takes the default MAC; name this"
              " one's MAC with --mac=MAC";
    if (why) {
        g_set_error_literal(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, why);
        return NULL;
    }
    return search.mac ? g_steal_pointer(&search.mac) : g_strdup(QEMU_DEFAULT_MAC);
}

guint
qemu_command_line_host_mtu(const char *text, gsize length, const char *mac)
{
    g_auto(Search) search = {.wanted = mac};

    if (!search_arguments(&search, text, length, NULL))
        return 0;
    return search.wanted_mtu == 0 && search.n_devices == 1 ? search.host_mtu : search.wanted_mtu;
}
