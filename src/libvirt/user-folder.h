/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <sys/types.h>

/*
 * Where what a user's programs keep for as long as the machine runs may lie, the likeliest first:
 * /run/user/UID, then what g_get_user_runtime_dir() gives, which libvirt uses, then the cache
 * folder. That is $XDG_RUNTIME_DIR or, without it, the cache folder; but libvirt does not hand
 * XDG_RUNTIME_DIR on to its hooks, so a hook cannot tell which of them its libvirt has. None needs
 * to be there. NULL-terminated, none twice; free with g_strfreev().
 */
GStrv user_folders(uid_t uid);
