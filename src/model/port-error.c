/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "port-error.h"

G_DEFINE_QUARK(macvtapd - port - error, port_error)

Fault *
fault_new(const char *code, char *subject, char *message, char *remedy)
{
    Fault *fault = g_new(Fault, 1);

    *fault = (Fault){code, subject, message, remedy};
    return fault;
}

static void
fault_free(gpointer data)
{
    Fault *fault = data;

    g_free(fault->subject);
    g_free(fault->message);
    g_free(fault->remedy);
    g_free(fault);
}

GPtrArray *
fault_list_new(void)
{
    return g_ptr_array_new_with_free_func(fault_free);
}
