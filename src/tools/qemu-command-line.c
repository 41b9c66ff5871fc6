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

/* The value of key (with its '=') in QEMU's key=value form; borrowed, up to ','. NULL: not there.
 */
static const char *
find_value(const char *value, const char *key)
{
    g_autofree char *later = g_strconcat(",", key, NULL);
    const char *found = strstr(value, later);

    if (g_str_has_prefix(value, key))
        return value + strlen(key);
    return found ? found + strlen(later) : NULL;
}

/* The mac= of a -device or -nic, also as JSON ("mac":"…"), or the macaddr= of a -net nic. */
static char *
mac_of_value(const char *value)
{
    const char *json = value[0] == '{' ? strstr(value, "\"mac\"") : NULL;
    const char *start;

    if (json) {
        start = strchr(json + 5, '"');
        return start ? g_strndup(start + 1, strcspn(start + 1, "\"")) : NULL;
    }
    start = find_value(value, "mac=");
    if (!start)
        start = find_value(value, "macaddr=");
    return start ? g_strndup(start, strcspn(start, ",")) : NULL;
}

char *
qemu_command_line_mac(const char *text, gsize length)
{
    g_autofree char *found = NULL;
    const char *previous = "";

    for (gsize i = 0; i < length;) {
        g_autofree char *argument = g_strndup(text + i, strnlen(text + i, length - i));
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
