/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shows macvtapd's lines in the journal, by running journalctl with the right arguments.
 */
#include "macvtapctl.h"

#include <errno.h>
#include <glob.h>
#include <unistd.h>

#define OF_DAEMON "_SYSTEMD_UNIT=macvtapd.service"

static void
take_word(GPtrArray *words, char *word)
{
    g_ptr_array_add(words, word);
}

static void
add_word(GPtrArray *words, const char *word)
{
    take_word(words, g_strdup(word));
}

/* Matches lines about the port by any of its names. All matches in a group must apply, and "+"
 * separates alternative groups (journalctl(1)). */
static void
add_port(GPtrArray *words, const char *port)
{
    static const char *const fields[] = {"MACVTAPD_PORT", "MACVTAPD_PORT_ID", "MACVTAPD_INTERFACE"};

    for (gsize i = 0; i < G_N_ELEMENTS(fields); i++) {
        if (i > 0)
            add_word(words, "+");
        add_word(words, OF_DAEMON);
        take_word(words, g_strdup_printf("%s=%s", fields[i], port));
    }
}

/* A folder is not enough: journald creates it even if told to store nothing, and images may contain
 * it. */
static gboolean
has_journal(void)
{
    glob_t found = {0};
    gboolean any = glob("/run/log/journal/*/*.journal", 0, NULL, &found) == 0 ||
                   glob("/var/log/journal/*/*.journal", 0, NULL, &found) == 0;

    globfree(&found);
    return any;
}

static gboolean
become_journalctl(GPtrArray *words, GError **error)
{
    if (!has_journal())
        return ctl_fail(error,
                        "this machine keeps no journal: see where macvtapd's standard error goes");
    g_ptr_array_add(words, NULL);
    execvp(words->pdata[0], (char **)words->pdata);
    return ctl_fail(error, "cannot run journalctl (%s): see where macvtapd's standard error goes",
                    g_strerror(errno));
}

int
ctl_log(Ctl *ctl, int argc, char **argv, GError **error)
{
    g_autofree char *port = NULL;
    gboolean follow = FALSE;
    int lines = -1;
    const GOptionEntry entries[] = {
        {"port", 0, 0, G_OPTION_ARG_STRING, &port,
         "Only lines about this port: its name, id or interface", "PORT"},
        {"follow", 'f', 0, G_OPTION_ARG_NONE, &follow, "Keep printing new lines", NULL},
        {"lines", 'n', 0, G_OPTION_ARG_INT, &lines, "The last N lines", "N"},
        {NULL},
    };
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);

    if (!ctl_parse(ctl, entries, &argc, &argv, 0, 0, "", error))
        return 2;
    if (lines < -1) {
        arguments_refuse(error, "-n must be 0 or more lines, not %d", lines);
        return 2;
    }
    add_word(words, "journalctl");
    if (follow)
        add_word(words, "--follow");
    if (lines >= 0)
        take_word(words, g_strdup_printf("--lines=%d", lines));
    if (ctl->json)
        add_word(words, "--output=json");
    if (port)
        add_port(words, port);
    else
        add_word(words, OF_DAEMON);
    become_journalctl(words, error);
    return 1;
}
