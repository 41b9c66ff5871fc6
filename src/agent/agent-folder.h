/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The folder in which the agents of a user listen, each on a socket named after its VM:
 * $MACVTAP_AGENT_DIR, else /run/macvtap-agent for root, else $XDG_RUNTIME_DIR/macvtap-agent or
 * /run/user/UID/macvtap-agent.
 */
#pragma once

#include <glib.h>

/* NULL with ERRNO_ERROR if the user has none. Free with g_free(). */
char *agent_folder_path(GError **error);

/* Creates the folder, which only its user may enter, unless it exists. */
gboolean agent_folder_make(const char *folder, GError **error);

/*
 * Listens as name there, or as "NAME.PID" if another agent does: *ret_name (g_free()) is the name
 * it got. A dead agent's socket is replaced. -1 on failure.
 */
int agent_folder_listen(const char *folder, const char *name, int pid, char **ret_name,
                        GError **error);

/* name as a file in a folder and as a word: other characters become '_'. Free with g_free(). */
char *agent_folder_name(const char *name);

/* A VM whose agent listens. */
typedef struct AgentPlace {
    char *name, *path;
} AgentPlace;

/* Those of this user and, for root, of every user in /run/user: a GPtrArray of AgentPlace, by name.
 * What dead agents of this user have left is removed. NULL on failure. */
GPtrArray *agent_folder_list(GError **error);
