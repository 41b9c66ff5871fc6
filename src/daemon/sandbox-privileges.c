/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sandbox.h"

#include "bounded-close.h"
#include "broker.h"
#include "call-filter.h"
#include "config.h"
#include "datapath.h"
#include "file.h"
#include "linux.h"
#include "log.h"
#include "port-features.h"
#include "process.h"
#include "random.h"
#include "varlink-server.h"
#include "vhost-net.h"

#include <linux/capability.h>

static const Privileges *const single_parts[] = {
    &file_privileges,
    &process_privileges,
    &random_privileges,
    &config_privileges,
    &vhost_net_privileges,
    &varlink_server_privileges,
    &bounded_close_privileges,
    &log_privileges,
    &loop_privileges,
    &library_privileges,
    &end_privileges,
    &datapath_privileges,
    NULL,
};

GPtrArray *
sandbox_list_privileges(void)
{
    const Privileges *const *const modules[] = {linux_privileges, features_privileges,
                                                broker_privileges, single_parts};
    GPtrArray *parts = g_ptr_array_new();

    for (guint i = 0; i < G_N_ELEMENTS(modules); i++) {
        for (guint j = 0; modules[i][j]; j++)
            g_ptr_array_add(parts, (gpointer)modules[i][j]);
    }
    return parts;
}

guint64
sandbox_capabilities(void)
{
    g_autoptr(GPtrArray) parts = sandbox_list_privileges();
    guint64 capabilities = 0;

    for (guint i = 0; i < parts->len; i++)
        capabilities |= ((const Privileges *)parts->pdata[i])->capabilities;
    return capabilities;
}

guint64
sandbox_start_capabilities(void)
{
    return datapath_start_privileges.capabilities;
}

static void
format_capabilities(GString *text, guint64 capabilities)
{
    static const char *const names[] = {
        [CAP_NET_ADMIN] = "CAP_NET_ADMIN", [CAP_NET_RAW] = "CAP_NET_RAW", [CAP_MKNOD] = "CAP_MKNOD",
        [CAP_PERFMON] = "CAP_PERFMON",     [CAP_BPF] = "CAP_BPF",
    };
    const char *separator = "";

    for (guint i = 0; i < 64; i++) {
        if (!(capabilities & CAPABILITY(i)))
            continue;
        g_assert(i < G_N_ELEMENTS(names) && names[i]); /* room for one more in this text */
        g_string_append_printf(text, "%s%s", separator, names[i]);
        separator = " ";
    }
}

static void
format_system_calls(GString *text, const SystemCall *calls)
{
    for (const SystemCall *call = calls; call->name; call++) {
        g_string_append_printf(text, "%s%s", call == calls ? "" : " ", call->name);
        if (call->argument > 0)
            g_string_append_printf(text, "(%u=%" G_GUINT64_FORMAT ")", call->argument, call->value);
    }
}

char *
sandbox_format_privileges(void)
{
    g_autoptr(GPtrArray) parts = sandbox_list_privileges();
    g_autoptr(GString) text = g_string_new(NULL);

    g_ptr_array_add(parts, (gpointer)&datapath_start_privileges);
    for (guint i = 0; i < parts->len; i++) {
        const Privileges *part = parts->pdata[i];

        g_string_append_printf(text, "%s\t", part->part);
        format_capabilities(text, part->capabilities);
        g_string_append_c(text, '\t');
        format_system_calls(text, part->system_calls);
        g_string_append_c(text, '\n');
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}
