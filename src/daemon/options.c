/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "options.h"

static void
set_default(char **field, const char *value)
{
    if (!*field)
        *field = g_strdup(value);
}

gboolean
options_parse(Options *ret_options, int argc, char **argv, GError **error)
{
    g_auto(Options) options = {0};
    const GOptionEntry entries[] = {
        {"config", 0, 0, G_OPTION_ARG_FILENAME, &options.config,
         "Folder of networks.d/NAME.network (/etc/macvtapd)", "DIR"},
        {"state", 0, 0, G_OPTION_ARG_FILENAME, &options.state,
         "Folder of the records (/run/macvtapd)", "DIR"},
        {"socket", 0, 0, G_OPTION_ARG_FILENAME, &options.socket,
         "Where to listen (/run/macvtapd/socket)", "PATH"},
        {"privileges", 0, 0, G_OPTION_ARG_NONE, &options.privileges,
         "Show the capabilities and system calls that each part keeps", NULL},
        {"version", 0, 0, G_OPTION_ARG_NONE, &options.version, "Show the version", NULL},
        {NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);

    g_option_context_set_summary(context,
                                 "Make macvtap devices for virtual machines, and remove them.");
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, error))
        return FALSE;
    if (argc > 1) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "unknown argument '%s'", argv[1]);
        return FALSE;
    }
    set_default(&options.config, "/etc/macvtapd");
    set_default(&options.state, "/run/macvtapd");
    set_default(&options.socket, "/run/macvtapd/socket");
    *ret_options = options;
    options = (Options){0};
    return TRUE;
}

void
options_clear(Options *options)
{
    g_clear_pointer(&options->config, g_free);
    g_clear_pointer(&options->state, g_free);
    g_clear_pointer(&options->socket, g_free);
}
