/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "holder.h"

#include "port-error.h"

#include <string.h>

static const char *const type_names[] = {
    [HOLDER_NONE] = "none",           [HOLDER_PROCESS] = "process",
    [HOLDER_DOMAIN] = "domain",       [HOLDER_DESCRIPTORS] = "descriptors",
    [HOLDER_NAMESPACE] = "namespace",
};
G_STATIC_ASSERT(G_N_ELEMENTS(type_names) == HOLDER_TYPE_COUNT);

const char *
holder_type_name(HolderType type)
{
    return type_names[type];
}

static gboolean
parse_pid(const char *text, Holder *ret_holder, GError **error)
{
    guint64 pid;

    if (!g_ascii_string_to_unsigned(text, 10, 1, G_MAXINT32, &pid, NULL)) {
        g_autofree char *shown = g_strescape(text, NULL);

        return port_error_set(error, PORT_ERROR_INVALID_REQUEST, "'%.64s' is not a process ID",
                              shown);
    }
    *ret_holder = (Holder){.type = HOLDER_PROCESS, .pid = (pid_t)pid};
    return TRUE;
}

static gboolean
parse_domain(const char *text, Holder *ret_holder, GError **error)
{
    Holder holder = {.type = HOLDER_DOMAIN};

    if (!uuid_is_valid(text)) {
        g_autofree char *shown = g_strescape(text, NULL);

        return port_error_set(
            error, PORT_ERROR_INVALID_REQUEST,
            "'%.64s' is not a domain's UUID (example: 123e4567-e89b-12d3-a456-426614174000)",
            shown);
    }
    for (guint i = 0; i < UUID_TEXT_SIZE - 1; i++)
        holder.domain[i] = g_ascii_tolower(text[i]);
    *ret_holder = holder;
    return TRUE;
}

static gboolean
parse_namespace(const char *text, Holder *ret_holder, GError **error)
{
    Holder holder = {.type = HOLDER_NAMESPACE};
    g_autoptr(GError) cause = NULL;

    if (!interface_name_check_chosen(text, &cause))
        return port_error_set(error, PORT_ERROR_INVALID_REQUEST, "holder: %s", cause->message);
    g_strlcpy(holder.interface, text, sizeof holder.interface);
    *ret_holder = holder;
    return TRUE;
}

gboolean
holder_is_whole(const Holder *holder, gboolean is_request)
{
    gboolean is_namespace = holder->type == HOLDER_NAMESPACE;
    gboolean is_domain = holder->type == HOLDER_DOMAIN;
    gboolean may_have_pid = is_domain || holder->type == HOLDER_PROCESS;

    if ((holder->domain[0] != '\0') != is_domain ||
        (holder->interface[0] != '\0') != is_namespace || (holder->pid != 0 && !may_have_pid))
        return FALSE;
    if (is_request)
        return TRUE;
    return (holder->namespace_cookie != 0) == is_namespace &&
           (holder->type != HOLDER_PROCESS || holder->pid != 0);
}

gboolean
holder_parse(const char *text, Holder *ret_holder, GError **error)
{
    g_autofree char *shown = NULL;

    if (g_str_equal(text, "none")) {
        *ret_holder = (Holder){.type = HOLDER_NONE};
        return TRUE;
    }
    if (g_str_has_prefix(text, "pid:"))
        return parse_pid(text + strlen("pid:"), ret_holder, error);
    if (g_str_has_prefix(text, "domain:"))
        return parse_domain(text + strlen("domain:"), ret_holder, error);
    if (g_str_has_prefix(text, "namespace:"))
        return parse_namespace(text + strlen("namespace:"), ret_holder, error);
    shown = g_strescape(text, NULL);
    return port_error_set(error, PORT_ERROR_INVALID_REQUEST,
                          "'%.64s' is not a holder: none, pid:N, domain:UUID or namespace:NAME",
                          shown);
}

gboolean
uuid_is_valid(const char *text)
{
    return g_uuid_string_is_valid(text);
}
