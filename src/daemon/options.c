/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon.h"

#include <string.h>

static void
set_default(char **field, const char *value)
{
    if (!*field)
        *field = g_strdup(value);
}

static gboolean
is_in_folder(const char *path, const char *folder)
{
    g_autofree char *whole = g_canonicalize_filename(path, NULL);
    gsize length = strlen(folder);

    return g_str_equal(folder, "/") ||
           (strncmp(whole, folder, length) == 0 && (whole[length] == '/' || whole[length] == 0));
}

/* Containers get its folder, so it must not contain anything else. */
static gboolean
check_container_socket(const Options *options, GError **error)
{
    g_autofree char *path = NULL, *folder = NULL;

    if (!options->container_socket)
        return TRUE;
    path = g_canonicalize_filename(options->container_socket, NULL);
    folder = g_path_get_dirname(path);
    if (!is_in_folder(options->socket, folder) && !is_in_folder(options->state, folder))
        return TRUE;
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                "the container socket %s needs its own folder, without %s and %s", path,
                options->socket, options->state);
    return FALSE;
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
        {"container-socket", 0, 0, G_OPTION_ARG_FILENAME, &options.container_socket,
         "Where to listen for containers, \"\" for nowhere (/run/macvtapd-containers/socket; "
         "nowhere with --socket)",
         "PATH"},
        {"privileges", 0, 0, G_OPTION_ARG_NONE, &options.privileges,
         "Show the capabilities and system calls that each part keeps, and exit", NULL},
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
    /* A second daemon must not take the socket of the host's own. */
    if (!options.socket)
        set_default(&options.container_socket, "/run/macvtapd-containers/socket");
    set_default(&options.socket, "/run/macvtapd/socket");
    if (options.container_socket && !options.container_socket[0])
        g_clear_pointer(&options.container_socket, g_free);
    if (!check_container_socket(&options, error))
        return FALSE;
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
    g_clear_pointer(&options->container_socket, g_free);
}
