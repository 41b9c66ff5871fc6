/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A port's record. What is taken is a port that can be, and says the same when it is written and
 * read again. */
#include "fuzz-target.h"

#include "port-error.h"
#include "registry.h"

#include <string.h>

/* Any bytes that the kernel takes, which have a text of ASCII. */
static void
check_name(const char *name)
{
    char text[INTERFACE_NAME_TEXT_SIZE], again[INTERFACE_NAME_MAX + 1];

    g_assert_true(g_str_is_ascii(interface_name_format(name, text)));
    g_assert_true(interface_name_parse(text, again));
    g_assert_cmpstr(name, ==, again);
}

static void
check_port(const Port *port)
{
    gsize length = 0, again_length = 0;
    g_autofree char *text = record_format(port, &length, NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(Port) again = record_parse(text, length, &error);
    g_autofree char *again_text = NULL;

    g_assert_no_error(error);
    again_text = record_format(again, &again_length, NULL);
    g_assert_cmpstr(text, ==, again_text);
    g_assert_true(port_id_is_valid(port->id));
    g_assert_true(network_name_is_valid(port->name));
    check_name(port->interface_name);
    check_name(port->parent);
    g_assert_cmpint(port->interface_index, >, 0);
    g_assert_cmpuint(port->queues, >=, 1);
    g_assert_cmpuint(port->queues, <=, NETWORK_QUEUES_MAX);
    g_assert_false(mac_address_is_multicast(&port->mac));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Port) port = record_parse((const char *)data, size, &error);

    if (port)
        check_port(port);
    else
        g_assert_error(error, PORT_ERROR, PORT_ERROR_SYSTEM);
    return 0;
}
