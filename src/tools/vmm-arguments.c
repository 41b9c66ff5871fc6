/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmm-arguments.h"

#include "arguments.h"
#include "hand-over.h"
#include "qemu-options.h"

#include "suggestion.h"

#include <string.h>

typedef enum Token {
    TOKEN_NETDEV,
    TOKEN_DEVICE,
    TOKEN_FD,
    TOKEN_FDS,
    TOKEN_FDS_COMMA,
    TOKEN_VHOSTFD,
    TOKEN_VHOSTFDS,
    TOKEN_VHOSTFDS_COMMA,
    TOKEN_MAC,
    TOKEN_MTU,
    TOKEN_IFNAME,
    TOKEN_ADDRESS,
    TOKEN_PREFIX,
    TOKEN_GATEWAY,
    TOKEN_DNS,
    TOKEN_IP,
    TOKEN_NONE,
} Token;

static const char *const token_names[] = {
    [TOKEN_NETDEV] = "netdev",
    [TOKEN_DEVICE] = "device",
    [TOKEN_FD] = "fd",
    [TOKEN_FDS] = "fds",
    [TOKEN_FDS_COMMA] = "fds,",
    [TOKEN_VHOSTFD] = "vhostfd",
    [TOKEN_VHOSTFDS] = "vhostfds",
    [TOKEN_VHOSTFDS_COMMA] = "vhostfds,",
    [TOKEN_MAC] = "mac",
    [TOKEN_MTU] = "mtu",
    [TOKEN_IFNAME] = "ifname",
    [TOKEN_ADDRESS] = "address",
    [TOKEN_PREFIX] = "prefix",
    [TOKEN_GATEWAY] = "gateway",
    [TOKEN_DNS] = "dns",
    [TOKEN_IP] = "ip=",
};
G_STATIC_ASSERT(G_N_ELEMENTS(token_names) == TOKEN_NONE);

#define NO_QUEUE (-1)

/* The context of one expansion. */
typedef struct Expansion {
    const VmmPort *ports;
    guint n_ports;
    VmmUse *uses;
    const char *const *qemu; /* QEMU's part of the command, or NULL */
    const char *device;      /* options that suit the machine; NULL: not looked up yet */
    gboolean found;          /* a token that places the port */
} Expansion;

static const char *
port_kind(const VmmPort *port)
{
    return port->is_port ? "port" : "the port on network";
}

static void
append_number(GString *text, const VmmPort *port, gboolean vhost, guint queue)
{
    const GArray *numbers = vhost ? port->vhosts : port->taps;
    int number = queue < numbers->len ? g_array_index(numbers, int, queue) : -1;

    if (number < 0)
        g_string_append_printf(text, "%s%u", vhost ? "VHOSTFD" : "FD", queue);
    else
        g_string_append_printf(text, "%d", number);
}

static void
append_numbers(GString *text, const VmmPort *port, gboolean vhost, const char *separator)
{
    for (guint i = 0; i < (vhost ? port->vhosts : port->taps)->len; i++) {
        g_string_append(text, i ? separator : "");
        append_number(text, port, vhost, i);
    }
}

/* QEMU takes fd= with vhostfd=, or fds= with vhostfds= (net/tap.c, net_init_tap). */
static void
append_netdev(GString *text, const VmmPort *port, guint position)
{
    gboolean many = port->taps->len > 1;

    g_string_append_printf(text, "tap,id=macvtap%u,%s=", position, many ? "fds" : "fd");
    append_numbers(text, port, FALSE, ":");
    if (port->vhosts->len > 0) {
        g_string_append(text, many ? ",vhost=on,vhostfds=" : ",vhost=on,vhostfd=");
        append_numbers(text, port, TRUE, ":");
    }
}

static const char *
find_device(Expansion *expansion, const VmmPort *port, GError **error)
{
    if (port->model && !g_str_equal(port->model, "virtio"))
        return port->model;
    if (!expansion->device)
        expansion->device = expansion->qemu ? qemu_options_network_device(expansion->qemu, error)
                                            : "virtio-net-pci";
    return expansion->device;
}

static gboolean
append_device(Expansion *expansion, GString *text, guint position, GError **error)
{
    const VmmPort *port = &expansion->ports[position];
    const char *device = find_device(expansion, port, error);
    gboolean is_virtio;

    if (!device)
        return FALSE;
    is_virtio = g_str_has_prefix(device, "virtio-net");
    g_string_append_printf(text, "%s,netdev=macvtap%u,mac=%s", device, position,
                           port->mac ? port->mac : "MAC");
    if (port->bus)
        g_string_append_printf(text, ",bus=%s", port->bus);
    if (is_virtio && port->taps->len > 1)
        g_string_append(text, ",mq=on");
    /* One vector for each direction of each queue, one for control, one for configuration. */
    if (g_str_has_prefix(device, "virtio-net-pci") && port->taps->len > 1)
        g_string_append_printf(text, ",vectors=%u", 2 * port->taps->len + 2);
    if (is_virtio && port->mtu != 0 && port->mtu != VMM_DEFAULT_MTU)
        g_string_append_printf(text, ",host_mtu=%u", port->mtu);
    expansion->uses[position].mac = TRUE;
    expansion->uses[position].mtu |= is_virtio;
    return TRUE;
}

/* The token in the "{…}" at text, its length including the braces, and the part after ':' (or
 * NULL). */
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

/* The token that the user probably meant by the word, or NULL; borrowed. */
static const char *
find_near_token(const char *word)
{
    const char *best = NULL;
    guint least = G_MAXUINT;

    for (guint i = 0; i < TOKEN_NONE; i++) {
        guint distance = suggestion_distance(word, token_names[i]);

        if (distance < least) {
            best = token_names[i];
            least = distance;
        }
    }
    return suggestion_is_near(word, least) ? best : NULL;
}

/* "{word}" in text that is not a token. QEMU never needs one, as in its JSON quotes follow the
 * brace. A script may, so there only a word that resembles a token is refused. */
static gboolean
check_word(const char *text, gboolean is_qemu, GError **error)
{
    gsize length = strspn(text + 1, G_CSET_a_2_z G_CSET_A_2_Z);
    g_autofree char *word = g_strndup(text + 1, length);
    const char *end = text + 1 + length, *near;

    end += *end == ',';
    if (length == 0 || (*end != '}' && *end != ':') || !strchr(end, '}'))
        return TRUE;
    near = find_near_token(word);
    if (near)
        return arguments_refuse(error, "{%s} is not a token; did you mean {%s}?", word, near);
    return !is_qemu ||
           arguments_refuse(error,
                            "{%s} is not a token; the tokens are {netdev}, {device}, {fd}, {fds}, "
                            "{vhostfd}, {vhostfds}, {mac}, {mtu}, {ifname}, {address}, {prefix}, "
                            "{gateway}, {dns} and {ip=}",
                            word);
}

/* The port with the label which or, if there is none, with that number. */
static gboolean
find_port(const Expansion *expansion, const char *which, guint *ret_position, GError **error)
{
    guint n_found = 0;
    guint64 number;

    for (guint i = 0; i < expansion->n_ports; i++) {
        if (!g_str_equal(expansion->ports[i].label, which))
            continue;
        *ret_position = i;
        n_found++;
    }
    if (n_found > 1)
        return arguments_refuse(error,
                                "there are %u ports on network %s: select one by number, from 0",
                                n_found, which);
    if (n_found == 1)
        return TRUE;
    if (expansion->n_ports == 0 ||
        !g_ascii_string_to_unsigned(which, 10, 0, expansion->n_ports - 1, &number, NULL))
        return arguments_refuse(error, "there is no --network or --port '%s' on this command line",
                                which);
    *ret_position = (guint)number;
    return TRUE;
}

/* "LABEL:QUEUE", "N:QUEUE", or with one port "QUEUE"; FALSE: none of these, or error is set. */
static gboolean
find_queue(const Expansion *expansion, const char *which, guint *ret_position, int *ret_queue,
           GError **error)
{
    const char *colon = strrchr(which, ':');
    const char *digits = colon ? colon + 1 : which;
    g_autofree char *label = colon ? g_strndup(which, (gsize)(colon - which)) : NULL;
    guint64 number;

    if ((!colon && expansion->n_ports != 1) ||
        !g_ascii_string_to_unsigned(digits, 10, 0, 255, &number, NULL))
        return FALSE;
    *ret_queue = (int)number;
    *ret_position = 0;
    return !label || find_port(expansion, label, ret_position, error);
}

static gboolean
has_label(const Expansion *expansion, const char *which)
{
    for (guint i = 0; i < expansion->n_ports; i++) {
        if (g_str_equal(expansion->ports[i].label, which))
            return TRUE;
    }
    return FALSE;
}

static gboolean
resolve_token(const Expansion *expansion, Token token, const char *which, guint *ret_position,
              int *ret_queue, GError **error)
{
    g_autoptr(GError) cause = NULL;

    *ret_position = 0;
    *ret_queue = NO_QUEUE;
    if (!which)
        return expansion->n_ports == 1 ||
               arguments_refuse(error,
                                "there are %u networks: select one, as in {%s:NET} or {%s:0}",
                                expansion->n_ports, token_names[token], token_names[token]);
    if ((token == TOKEN_FD || token == TOKEN_VHOSTFD) && !has_label(expansion, which)) {
        if (find_queue(expansion, which, ret_position, ret_queue, &cause))
            return TRUE;
        if (cause) {
            g_propagate_error(error, g_steal_pointer(&cause));
            return FALSE;
        }
    }
    return find_port(expansion, which, ret_position, error);
}

static gboolean
append_descriptor(GString *text, Token token, const VmmPort *port, int queue, GError **error)
{
    gboolean vhost = token == TOKEN_VHOSTFD;
    guint n = (vhost ? port->vhosts : port->taps)->len;

    if (queue == NO_QUEUE && port->taps->len > 1)
        return arguments_refuse(error, "{%s}: %s %s has %u queues; use {%ss}", token_names[token],
                                port_kind(port), port->label, port->taps->len, token_names[token]);
    if (!port->is_plan && queue >= (int)n)
        return arguments_refuse(error, "{%s:%d}: %s %s has %u queue%s, counted from 0",
                                token_names[token], queue, port_kind(port), port->label, n,
                                n > 1 ? "s" : "");
    append_number(text, port, vhost, queue == NO_QUEUE ? 0 : (guint)queue);
    return TRUE;
}

static gboolean
is_vhost(Token token)
{
    return token == TOKEN_VHOSTFD || token == TOKEN_VHOSTFDS || token == TOKEN_VHOSTFDS_COMMA;
}

/* It tells the guest its address, and does not say where in the command the port goes. */
static gboolean
is_of_lease(Token token)
{
    return token >= TOKEN_ADDRESS && token <= TOKEN_IP;
}

static gboolean
append_lease(GString *text, Token token, const VmmPort *port, GError **error)
{
    static const char *const unknown[] = {"ADDRESS", "PREFIX", "GATEWAY", "DNS",
                                          "ip=ADDRESS::GATEWAY:NETMASK:NAME::off:DNS"};
    g_autofree char *value = NULL;

    if (!port->hand_over) {
        g_string_append(text, unknown[token - TOKEN_ADDRESS]);
        return TRUE;
    }
    value = hand_over_text(port->hand_over, (HandOverValue)(token - TOKEN_ADDRESS), error);
    if (!value)
        return FALSE;
    g_string_append(text, value);
    return TRUE;
}

static gboolean
append_token(Expansion *expansion, GString *text, Token token, guint position, int queue,
             GError **error)
{
    const VmmPort *port = &expansion->ports[position];
    VmmUse *use = &expansion->uses[position];

    if (is_vhost(token) && port->vhosts->len == 0 && !port->is_plan)
        return arguments_refuse(error, "{%s}: %s %s has no vhost-net", token_names[token],
                                port_kind(port), port->label);
    use->descriptor |= token == TOKEN_NETDEV || token == TOKEN_FD || token == TOKEN_FDS ||
                       token == TOKEN_FDS_COMMA;
    use->mac |= token == TOKEN_MAC;
    use->mtu |= token == TOKEN_MTU;
    if (token == TOKEN_NETDEV)
        append_netdev(text, port, position);
    else if (is_of_lease(token))
        return append_lease(text, token, port, error);
    else if (token == TOKEN_DEVICE)
        return append_device(expansion, text, position, error);
    else if (token == TOKEN_FD || token == TOKEN_VHOSTFD)
        return append_descriptor(text, token, port, queue, error);
    else if (token == TOKEN_MAC)
        g_string_append(text, port->mac ? port->mac : "MAC");
    else if (token == TOKEN_IFNAME)
        g_string_append(text, port->interface_name ? port->interface_name : "IFNAME");
    else if (token != TOKEN_MTU)
        append_numbers(text, port, is_vhost(token),
                       token == TOKEN_FDS_COMMA || token == TOKEN_VHOSTFDS_COMMA ? "," : ":");
    else if (port->mtu != 0)
        g_string_append_printf(text, "%u", port->mtu);
    else
        g_string_append(text, "MTU");
    return TRUE;
}

static char *
expand_one(Expansion *expansion, const char *argument, gboolean is_qemu, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);

    while (*argument) {
        g_autofree char *which = NULL;
        gsize length = 0;
        guint position;
        int queue;
        Token token = *argument == '{' ? find_token(argument, &length, &which) : TOKEN_NONE;

        if (token == TOKEN_NONE) {
            gboolean is_variable = text->len > 0 && text->str[text->len - 1] == '$';

            if (*argument == '{' && !is_variable && !check_word(argument, is_qemu, error))
                return NULL;
            g_string_append_c(text, *argument++);
            continue;
        }
        if (!resolve_token(expansion, token, which, &position, &queue, error) ||
            !append_token(expansion, text, token, position, queue, error))
            return NULL;
        argument += length;
        expansion->found |= !is_of_lease(token);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* Never start a VM with another network than the requested one. */
static gboolean
append_pairs(Expansion *expansion, GPtrArray *arguments, GError **error)
{
    if (!expansion->qemu)
        return arguments_refuse(
            error, "the command starts no QEMU and uses no token; put {netdev} and {device}, or"
                   " {fd} and {mac}, into the VMM's arguments");
    for (guint i = 0; i < expansion->n_ports; i++) {
        g_autoptr(GString) netdev = g_string_new(NULL);
        g_autoptr(GString) device = g_string_new(NULL);

        append_netdev(netdev, &expansion->ports[i], i);
        if (!append_device(expansion, device, i, error))
            return FALSE;
        expansion->uses[i].descriptor = TRUE;
        g_ptr_array_add(arguments, g_strdup("-netdev"));
        g_ptr_array_add(arguments, g_strdup(netdev->str));
        g_ptr_array_add(arguments, g_strdup("-device"));
        g_ptr_array_add(arguments, g_strdup(device->str));
    }
    return TRUE;
}

static gboolean
refuse_closer(const char *closer, GError **error)
{
    return arguments_refuse(
        error, "%s closes the port's descriptors; run '%s %s USER macvtap-run …' instead", closer,
        closer, g_str_equal(closer, "pkexec") ? "--user" : "-u");
}

GStrv
vmm_arguments_expand(const char *const *command, const VmmPort *ports, guint n_ports, VmmUse *uses,
                     GError **error)
{
    g_autoptr(GPtrArray) arguments = g_ptr_array_new_with_free_func(g_free);
    Expansion expansion = {.ports = ports, .n_ports = n_ports, .uses = uses};
    const char *closer;
    int qemu = vmm_command_find_qemu(command, &closer);

    if (n_ports > 0)
        memset(uses, 0, n_ports * sizeof(*uses));
    if (closer) {
        refuse_closer(closer, error);
        return NULL;
    }
    expansion.qemu = qemu >= 0 ? command + qemu : NULL;
    for (guint i = 0; command[i]; i++) {
        char *argument = expand_one(&expansion, command[i], qemu >= 0 && i > (guint)qemu, error);

        if (!argument)
            return NULL;
        g_ptr_array_add(arguments, argument);
    }
    if (!expansion.found && !append_pairs(&expansion, arguments, error))
        return NULL;
    g_ptr_array_add(arguments, NULL);
    return (GStrv)g_ptr_array_free(g_steal_pointer(&arguments), FALSE);
}

/* The 12 hex digits of a MAC at text in any common notation (52:54:…, 52-54-…, 5254.0000.…, 5254…),
 * in lower case. */
static gboolean
read_mac(const char *text, char digits[static 13])
{
    guint n = 0;

    for (; n < 12; text++) {
        if (g_ascii_isxdigit(*text))
            digits[n++] = g_ascii_tolower(*text);
        else if (n == 0 || n % 2 != 0 || !*text || !strchr(":-.", *text) ||
                 !g_ascii_isxdigit(text[1]))
            return FALSE;
    }
    digits[12] = '\0';
    return !g_ascii_isxdigit(*text);
}

/* mac NULL: any. */
static gboolean
has_mac(const char *const *arguments, const char *mac)
{
    char wanted[13], found[13];

    if (mac && !read_mac(mac, wanted))
        return FALSE;
    for (guint i = 1; arguments[0] && arguments[i]; i++) {
        for (const char *c = arguments[i]; *c; c++) {
            if ((c == arguments[i] || !g_ascii_isxdigit(c[-1])) && read_mac(c, found) &&
                (!mac || g_str_equal(wanted, found)))
                return TRUE;
        }
    }
    return FALSE;
}

static gboolean
refuse_other_mac(const VmmPort *port, GError **error)
{
    return arguments_refuse(
        error,
        "the MAC of %s %s%s%s%s is not in the command, so the guest would receive "
        "nothing; use {mac}"
        " or {device}, or add check-mac=no to --%s=%s",
        port_kind(port), port->label, port->mac ? " (" : "", port->mac ? port->mac : "",
        port->mac ? ")" : "", port->is_port ? "port" : "network", port->label);
}

/* If a device has several mac=, QEMU uses the last. */
static gboolean
overrides_mac(const char *argument, const char *mac)
{
    gboolean is_ours = FALSE, was_ours = FALSE;
    char wanted[13], found[13];

    if (!mac || !read_mac(mac, wanted))
        return FALSE;
    for (const char *c = strstr(argument, ",mac="); c; c = strstr(c + 1, ",mac=")) {
        if (!read_mac(c + strlen(",mac="), found))
            continue;
        was_ours |= is_ours;
        is_ours = g_str_equal(found, wanted);
    }
    return was_ours && !is_ours;
}

static gboolean
any_overrides_mac(const char *const *arguments, const char *mac)
{
    for (guint i = 0; arguments[i]; i++) {
        if (overrides_mac(arguments[i], mac))
            return TRUE;
    }
    return FALSE;
}

gboolean
vmm_arguments_check(const char *const *arguments, const VmmPort *ports, guint n_ports,
                    const VmmUse *uses, GError **error)
{
    for (guint i = 0; i < n_ports; i++) {
        if (!uses[i].descriptor)
            return arguments_refuse(
                error,
                "the command does not use the descriptor of %s %s; add {netdev}, {fd} or {fds}",
                port_kind(&ports[i]), ports[i].label);
        if (!uses[i].mac && !ports[i].other_mac && !has_mac(arguments, ports[i].mac))
            return refuse_other_mac(&ports[i], error);
        if (!ports[i].other_mac && any_overrides_mac(arguments, ports[i].mac))
            return arguments_refuse(
                error,
                "a later mac= overrides the MAC of %s %s, so the guest would receive"
                " nothing; remove it, or ask for that MAC with mac= in --%s",
                port_kind(&ports[i]), ports[i].label, ports[i].is_port ? "port" : "network");
    }
    return TRUE;
}

char *
vmm_arguments_quote(const char *const *arguments)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; arguments[i]; i++) {
        const char *word = arguments[i];
        g_autofree char *quoted = g_shell_quote(word);
        gboolean plain =
            word[0] && !word[strspn(word, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_@%+=:,./-")];

        g_string_append_printf(text, "%s%s", i ? " " : "", plain ? word : quoted);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}
