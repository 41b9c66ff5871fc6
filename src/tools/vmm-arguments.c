/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmm-arguments.h"

#include <string.h>

/* The Ethernet MTU, which a guest assumes unless it is told otherwise (RFC 894). */
#define DEFAULT_MTU 1500

gboolean
vmm_is_qemu(const char *path)
{
    g_autofree char *name = g_path_get_basename(path);

    return g_str_has_prefix(name, "qemu-system-") || g_str_equal(name, "qemu-kvm") ||
           g_str_equal(name, "kvm");
}

static void
append_numbers(GString *text, const GArray *numbers)
{
    for (guint i = 0; i < numbers->len; i++)
        g_string_append_printf(text, "%s%d", i ? ":" : "", g_array_index(numbers, int, i));
}

/* QEMU takes fd= with vhostfd=, or fds= with vhostfds= (net/tap.c, net_init_tap). */
static void
append_netdev(GString *text, const VmmPort *port, guint position)
{
    gboolean many = port->taps->len > 1;

    g_string_append_printf(text, "tap,id=macvtap%u,%s=", position, many ? "fds" : "fd");
    append_numbers(text, port->taps);
    if (port->vhosts->len > 0) {
        g_string_append(text, many ? ",vhost=on,vhostfds=" : ",vhost=on,vhostfd=");
        append_numbers(text, port->vhosts);
    }
}

static void
append_device(GString *text, const VmmPort *port, guint position)
{
    g_string_append_printf(text, "virtio-net-pci,netdev=macvtap%u,mac=%s", position, port->mac);
    /* One vector for each direction of each queue, one for control, one for configuration. */
    if (port->taps->len > 1)
        g_string_append_printf(text, ",mq=on,vectors=%u", 2 * port->taps->len + 2);
    if (port->mtu != DEFAULT_MTU)
        g_string_append_printf(text, ",host_mtu=%u", port->mtu);
}

typedef enum Token {
    TOKEN_NETDEV,
    TOKEN_DEVICE,
    TOKEN_FD,
    TOKEN_FDS,
    TOKEN_VHOSTFD,
    TOKEN_VHOSTFDS,
    TOKEN_MAC,
    TOKEN_MTU,
    TOKEN_IFNAME,
    TOKEN_NONE,
} Token;

static const char *const token_names[] = {
    [TOKEN_NETDEV] = "netdev", [TOKEN_DEVICE] = "device",   [TOKEN_FD] = "fd",
    [TOKEN_FDS] = "fds",       [TOKEN_VHOSTFD] = "vhostfd", [TOKEN_VHOSTFDS] = "vhostfds",
    [TOKEN_MAC] = "mac",       [TOKEN_MTU] = "mtu",         [TOKEN_IFNAME] = "ifname",
};
G_STATIC_ASSERT(G_N_ELEMENTS(token_names) == TOKEN_NONE);

/* The token that "{…}" at text holds; its length with the braces, and the part behind ':' or NULL.
 */
static Token
find_token(const char *text, gsize *ret_length, char **ret_which)
{
    const char *end = strchr(text, '}');
    const char *colon;
    gsize name_length;

    if (!end)
        return TOKEN_NONE;
    colon = memchr(text, ':', (gsize)(end - text));
    name_length = (gsize)((colon ? colon : end) - text) - 1;
    for (guint i = 0; i < TOKEN_NONE; i++) {
        if (strlen(token_names[i]) == name_length &&
            strncmp(text + 1, token_names[i], name_length) == 0) {
            *ret_length = (gsize)(end - text) + 1;
            *ret_which = colon ? g_strndup(colon + 1, (gsize)(end - colon) - 1) : NULL;
            return (Token)i;
        }
    }
    return TOKEN_NONE;
}

static gboolean G_GNUC_PRINTF(2, 3) refuse(GError **error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    if (error)
        *error = g_error_new_valist(G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, format, arguments);
    va_end(arguments);
    return FALSE;
}

static gboolean
find_port(const char *which, const VmmPort *ports, guint n_ports, guint *ret_position,
          GError **error)
{
    guint found = 0, n_found = 0;
    guint64 number;

    if (!which) {
        *ret_position = 0;
        return n_ports == 1 ||
               refuse(error, "there are %u networks: say which, as {fd:NET} or {fd:0}", n_ports);
    }
    for (guint i = 0; i < n_ports; i++) {
        if (g_str_equal(ports[i].network, which)) {
            found = i;
            n_found++;
        }
    }
    if (n_found > 1)
        return refuse(error, "there are %u ports on network %s: say which by number, from 0",
                      n_found, which);
    if (n_found == 0) {
        if (n_ports == 0 || !g_ascii_string_to_unsigned(which, 10, 0, n_ports - 1, &number, NULL))
            return refuse(error, "there is no --network '%s' on this command line", which);
        found = (guint)number;
    }
    *ret_position = found;
    return TRUE;
}

static gboolean
append_token(GString *text, Token token, const VmmPort *port, guint position, GError **error)
{
    if ((token == TOKEN_VHOSTFD || token == TOKEN_VHOSTFDS) && port->vhosts->len == 0)
        return refuse(error, "{%s}: the port on network %s has no vhost-net", token_names[token],
                      port->network);
    if (((token == TOKEN_FD) || (token == TOKEN_VHOSTFD)) && port->taps->len > 1)
        return refuse(error, "{%s}: the port on network %s has %u queues; use {%ss}",
                      token_names[token], port->network, port->taps->len, token_names[token]);
    if (token == TOKEN_NETDEV)
        append_netdev(text, port, position);
    else if (token == TOKEN_DEVICE)
        append_device(text, port, position);
    else if (token == TOKEN_FD || token == TOKEN_FDS)
        append_numbers(text, port->taps);
    else if (token == TOKEN_VHOSTFD || token == TOKEN_VHOSTFDS)
        append_numbers(text, port->vhosts);
    else if (token == TOKEN_MTU)
        g_string_append_printf(text, "%u", port->mtu);
    else
        g_string_append(text, token == TOKEN_MAC ? port->mac : port->interface_name);
    return TRUE;
}

static char *
expand_one(const char *argument, const VmmPort *ports, guint n_ports, gboolean *found,
           GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);

    while (*argument) {
        g_autofree char *which = NULL;
        gsize length = 0;
        guint position = 0;
        Token token = *argument == '{' ? find_token(argument, &length, &which) : TOKEN_NONE;

        if (token == TOKEN_NONE) {
            g_string_append_c(text, *argument++);
            continue;
        }
        if (!find_port(which, ports, n_ports, &position, error) ||
            !append_token(text, token, &ports[position], position, error))
            return NULL;
        argument += length;
        *found = TRUE;
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static void
append_pairs(GPtrArray *arguments, const VmmPort *ports, guint n_ports)
{
    for (guint i = 0; i < n_ports; i++) {
        GString *netdev = g_string_new(NULL), *device = g_string_new(NULL);

        append_netdev(netdev, &ports[i], i);
        append_device(device, &ports[i], i);
        g_ptr_array_add(arguments, g_strdup("-netdev"));
        g_ptr_array_add(arguments, g_string_free(netdev, FALSE));
        g_ptr_array_add(arguments, g_strdup("-device"));
        g_ptr_array_add(arguments, g_string_free(device, FALSE));
    }
}

GStrv
vmm_arguments_expand(const char *const *argv, const VmmPort *ports, guint n_ports, GError **error)
{
    g_autoptr(GPtrArray) arguments = g_ptr_array_new_with_free_func(g_free);
    gboolean found = FALSE;

    for (guint i = 0; argv[i]; i++) {
        char *argument = expand_one(argv[i], ports, n_ports, &found, error);

        if (!argument)
            return NULL;
        g_ptr_array_add(arguments, argument);
    }
    if (!found && vmm_is_qemu(argv[0]))
        append_pairs(arguments, ports, n_ports);
    g_ptr_array_add(arguments, NULL);
    return (GStrv)g_ptr_array_free(g_steal_pointer(&arguments), FALSE);
}
