/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A port's record. What is taken is a port that can be, and says the same when it is written and
 * read again. */
#include "fuzz-target.h"

#include "port-error.h"
#include "record.h"

#include <string.h>

static void
check_port(const Port *port)
{
    gsize length = 0, again_length = 0;
    g_autofree char *text = record_format(port, &length);
    g_autoptr(GError) error = NULL;
    g_autoptr(Port) again = record_parse(text, length, &error);
    g_autofree char *again_text = NULL;

    g_assert_no_error(error);
    again_text = record_format(again, &again_length);
    g_assert_cmpstr(text, ==, again_text);
    g_assert_true(port_id_is_valid(port->id));
    g_assert_true(network_name_is_valid(port->name));
    g_assert_true(interface_name_check(port->interface_name, NULL));
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
