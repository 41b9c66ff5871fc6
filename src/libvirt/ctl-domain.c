/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * macvtapctl-domain: `macvtapctl domain …` becomes this program, so that macvtapctl itself needs no
 * libvirt.
 */
#include "ctl-domain.h"

#include "arguments.h"
#include "descriptor.h"
#include "output.h"

#include <libvirt/virterror.h>
#include <locale.h>

G_DEFINE_QUARK(macvtapctl - domain - error, ctl_error)

typedef struct Command {
    const char *name;
    int (*run)(Ctl *ctl, int argc, char **argv, GError **error);
    const char *arguments, *help;
} Command;

static const Command commands[] = {
    {"attach", ctl_attach,
     "DOMAIN --network NET [--mac MAC] [--target IFNAME] [--model MODEL] [--queues N] [--mtu N]"
     " [--live] [--config] | DOMAIN [TARGET|MAC] --replace [--network NET] [...]",
     "Give a domain a port, or make one of an interface that it has"},
    {"detach", ctl_detach, "DOMAIN TARGET|MAC [--direct] [--live] [--config] [--timeout SECONDS]",
     "Take a port away from it"},
    {"list", ctl_list, "", "The ports of all domains"},
    {"check", ctl_check, "DOMAIN", "Look for what would keep it from starting"},
    {"hook", ctl_hook, "", "Look whether libvirt knows macvtapd's hook"},
    {"xml", ctl_xml,
     "--network NET [--template NAME] [--domain NAME] [--mac MAC] [--target IFNAME] [--model MODEL]"
     " [--queues N] [--mtu N] | --list",
     "Print XML to edit by hand"},
};

gboolean
ctl_fail(GError **error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    if (error)
        *error = g_error_new_valist(CTL_ERROR, 0, format, arguments);
    va_end(arguments);
    return FALSE;
}

guint
ctl_report(gboolean good, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_print("%-8s %s\n", good ? "ok" : "PROBLEM", text);
    return !good;
}

gboolean
ctl_fail_libvirt(GError **error, const char *what)
{
    return ctl_fail(error, "%s: %s", what, virGetLastErrorMessage());
}

static gboolean
parse_syntax(Ctl *ctl, ArgumentsSyntax syntax, int *argc, char ***argv, GError **error)
{
    const GOptionEntry common[] = {
        {"connect", 'c', 0, G_OPTION_ARG_STRING, &ctl->uri, "libvirt's URI", "URI"},
        {"socket", 0, 0, G_OPTION_ARG_FILENAME, &ctl->socket, "macvtapd's socket", "PATH"},
        {"json", 0, 0, G_OPTION_ARG_NONE, &ctl->json, "Print JSON", NULL},
        {"version", 0, G_OPTION_FLAG_NO_ARG, G_OPTION_ARG_CALLBACK, arguments_show_version,
         "Show the version", NULL},
        {NULL},
    };

    syntax.common = common;
    return arguments_parse(&syntax, argc, argv, error);
}

gboolean
ctl_parse_range(Ctl *ctl, const GOptionEntry *entries, int *argc, char ***argv, int min, int max,
                const char *arguments, GError **error)
{
    const ArgumentsSyntax syntax = {.own = entries, .arguments = arguments, .min = min, .max = max};

    return parse_syntax(ctl, syntax, argc, argv, error);
}

gboolean
ctl_parse(Ctl *ctl, const GOptionEntry *entries, int *argc, char ***argv, int n,
          const char *arguments, GError **error)
{
    return ctl_parse_range(ctl, entries, argc, argv, n, n, arguments, error);
}

static char *
describe_commands(void)
{
    GString *text = g_string_new("Commands:\n");

    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
        g_string_append_printf(text, "  %s %s\n      %s\n", commands[i].name, commands[i].arguments,
                               commands[i].help);
    g_string_append(text,
                    "\nWithout --live and --config a command changes the domain as it is now, as"
                    " virsh does.\nExit status: 0 done, 1 refused or failed, 2 wrong usage.");
    return g_string_free(text, FALSE);
}

static void
ctl_clear(Ctl *ctl)
{
    if (ctl->connection)
        virConnectClose(ctl->connection);
    g_free(ctl->uri);
    g_free(ctl->socket);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Ctl, ctl_clear)

static int
run_command(Ctl *ctl, int argc, char **argv, GError **error)
{
    for (gsize i = 0; argc > 0 && i < G_N_ELEMENTS(commands); i++) {
        g_autofree char *program = g_strdup_printf("macvtapctl domain %s", commands[i].name);

        if (!g_str_equal(argv[0], commands[i].name))
            continue;
        g_set_prgname(program); /* for the usage that --help shows */
        return commands[i].run(ctl, argc, argv, error);
    }
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                "%s%s%s (see macvtapctl domain --help)",
                argc > 0 ? "unknown command 'domain " : "domain needs a command",
                argc > 0 ? argv[0] : "", argc > 0 ? "'" : "");
    return 2;
}

static int
run(int argc, char **argv, GError **error)
{
    g_auto(Ctl) ctl = {0};
    g_autofree char *description = describe_commands();
    const ArgumentsSyntax syntax = {
        .arguments = "COMMAND",
        .summary = "Ports of macvtapd in libvirt's domains.",
        .description = description,
        .max = -1,
        .stop_at_argument = TRUE,
    };

    if (!parse_syntax(&ctl, syntax, &argc, &argv, error))
        return 2;
    return run_command(&ctl, argc - 1, argv + 1, error);
}

/* What libvirt has to say is in the error that we print. */
static void
be_silent(void *user_data, virErrorPtr error)
{
}

int
main(int argc, char **argv)
{
    g_autofree char **words = arguments_copy(argc, argv);
    g_autoptr(GError) error = NULL;
    int status;

    if (!descriptor_fill_standard())
        return 1;
    setlocale(LC_ALL, "");
    output_start();
    g_set_prgname("macvtapctl domain");
    virSetErrorFunc(NULL, be_silent);
    virEventRegisterDefaultImpl();
    status = run(argc, words, &error);
    if (!error && output_finish(&error))
        return status;
    g_printerr("macvtapctl: %s\n", error->message);
    return error->domain == G_OPTION_ERROR ? 2 : 1;
}
