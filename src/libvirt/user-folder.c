/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "user-folder.h"

GStrv
user_folders(uid_t uid)
{
    g_autofree char *login = g_strdup_printf("/run/user/%u", (guint)uid);
    const char *const candidates[] = {login, g_get_user_runtime_dir(), g_get_user_cache_dir()};
    GPtrArray *folders = g_ptr_array_new();

    for (guint i = 0; i < G_N_ELEMENTS(candidates); i++) {
        if (!g_ptr_array_find_with_equal_func(folders, candidates[i], g_str_equal, NULL))
            g_ptr_array_add(folders, g_strdup(candidates[i]));
    }
    g_ptr_array_add(folders, NULL);
    return (GStrv)g_ptr_array_free(folders, FALSE);
}
