/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What one call of the hook leaves for a later one: marks, one empty file "UUID.WORD" each, in a
 * folder of its user's, root's below /run. Losing them is harmless, so nothing here fails.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* The next prepare of the domain is an incoming migration's. */
#define HOOK_STATE_INCOMING "incoming"
/* The daemon did not answer in time: the calls that follow do not wait for it again. */
#define HOOK_STATE_SLOW "slow"

/*
 * Where what a user's programs keep for as long as the machine runs may lie, the likeliest first:
 * /run/user/UID, then what g_get_user_runtime_dir() gives, which libvirt uses, then the cache
 * folder. That is $XDG_RUNTIME_DIR or, without it, the cache folder; but libvirt does not hand
 * XDG_RUNTIME_DIR on to its hooks, so a hook cannot tell which of them its libvirt has. None needs
 * to be there. NULL-terminated, none twice; free with g_strfreev().
 */
GStrv user_folders(uid_t uid);

/* Where the folder of a user may be, the likeliest first: see user_folders(). NULL-terminated; free
 * with g_strfreev(). */
GStrv hook_state_folders(uid_t uid);

/* Opens the folder and makes it if need be (mode 0700); -1 and errno on failure; all the
 * other functions accept -1. */
int hook_state_open(const char *path);

/* Leaves the time of this call, for macvtapctl doctor: the file "called". */
void hook_state_stamp(int folder);

void hook_state_mark(int folder, const char *uuid, const char *word);
void hook_state_clear(int folder, const char *uuid, const char *word);

/* Whether the mark exists and is at most a minute old: a later start must not take one that was
 * left because the call that should have followed never came. */
gboolean hook_state_has(int folder, const char *uuid, const char *word);

/* The mark's file in the folder; free with g_free(). */
char *hook_state_file(const char *uuid, const char *word);

/* change-lock.c: serializes the programs of one user that change a domain's ports. Waits for the
 * lock in the first usable folder (NULL-terminated list) and takes it; closing the descriptor, or
 * the end of the process, releases it. -1 with an error. */
int change_lock_take(const char *const *folders, GError **error);
