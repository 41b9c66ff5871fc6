/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu-command-line.h"

#include <string.h>

/* What QEMU gives its first network device when no mac= is there (net/net.c,
 * qemu_macaddr_default_if_unset). */
#define QEMU_DEFAULT_MAC "52:54:00:12:34:56"

static gboolean
takes_mac(const char *option)
{
    while (*option == '-')
        option++;
    return g_str_equal(option, "device") || g_str_equal(option, "nic") ||
           g_str_equal(option, "net");
}

/* The mac= of a -device, in QEMU's key=value form or as JSON ("mac":"…"). */
static char *
mac_of_value(const char *value)
{
    const char *json = value[0] == '{' ? strstr(value, "\"mac\"") : NULL;
    const char *start;

    if (json) {
        start = strchr(json + 5, '"');
        return start ? g_strndup(start + 1, strcspn(start + 1, "\"")) : NULL;
    }
    start = g_str_has_prefix(value, "mac=") ? value : strstr(value, ",mac=");
    if (!start)
        return NULL;
    start = strchr(start, '=') + 1;
    return g_strndup(start, strcspn(start, ","));
}

char *
qemu_command_line_mac(const char *text, gsize length)
{
    g_autofree char *found = NULL;
    const char *previous = "";

    for (gsize i = 0; i < length;) {
        g_autofree char *argument = g_strndup(text + i, length - i);
        g_autofree char *mac = takes_mac(previous) ? mac_of_value(argument) : NULL;

        if (mac && found && g_ascii_strcasecmp(mac, found) != 0)
            return NULL;
        if (mac && !found)
            found = g_steal_pointer(&mac);
        previous = text + i;
        i += strnlen(text + i, length - i) + 1;
    }
    return found ? g_steal_pointer(&found) : g_strdup(QEMU_DEFAULT_MAC);
}
