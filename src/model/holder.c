/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "holder.h"

static const char *const type_names[] = {
    [HOLDER_NONE] = "none",
    [HOLDER_PROCESS] = "process",
    [HOLDER_DOMAIN] = "domain",
    [HOLDER_DESCRIPTORS] = "descriptors",
};
G_STATIC_ASSERT(G_N_ELEMENTS(type_names) == HOLDER_DESCRIPTORS + 1);

const char *
holder_type_name(HolderType type)
{
    return type_names[type];
}

gboolean
uuid_is_valid(const char *text)
{
    return g_uuid_string_is_valid(text);
}
