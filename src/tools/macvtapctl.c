/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "macvtapctl.h"
#include "field-options.h"

#include "capabilities.h"
#include "descriptor.h"
#include "output.h"

#include <linux/capability.h>
#include <locale.h>
#include <string.h>

typedef struct Command {
    const char *first, *second; /* second NULL: a command of one word */
    int (*run)(Ctl *ctl, int argc, char **argv, GError **error);
    const char *arguments, *help;
    guint64 capabilities;     /* that it needs, if the user has them */
    gboolean starts_programs; /* libvirt's or a VMM, which must have what the user has */
    FieldUse options;         /* which fields are its options; 0: none */
} Command;

/* To see which processes have a descriptor: /proc/PID/fd of others. */
#define LOOK_AT_PROCESSES (CAPABILITY(CAP_SYS_PTRACE) | CAPABILITY(CAP_DAC_READ_SEARCH))

static const Command commands[] = {
    {"network", "list", ctl_network_list, "", "The networks you may use"},
    {"network", "show", ctl_network_show, "NET", "One network and its ports"},
    {"port", "list", ctl_port_list, "[--network NET]", "Your ports"},
    {"port", "show", ctl_port_show, "PORT", "One port, by id, name or interface",
     .capabilities = LOOK_AT_PROCESSES},
    {"port", "create", ctl_port_create, "", "Make a port", .capabilities = LOOK_AT_PROCESSES,
     .options = FIELD_USE_REQUEST},
    {"port", "set", ctl_port_set, "PORT ", "Change a port", .options = FIELD_USE_CHANGE},
    {"port", "delete", ctl_port_delete, "PORT... | --network NET | --all",
     "Remove ports: these, those of a network, or all of yours (root: everybody's)"},
    {"port", "open", ctl_port_open, "PORT[,KEY=VALUE...] -- CMD [ARG...]",
     "Start CMD with the queues of a port, as macvtap-run --port does", .starts_programs = TRUE},
    {"domain", NULL, ctl_domain, "attach|detach|list|check|hook|xml ...",
     "Ports in libvirt's domains (see macvtapctl domain --help)", .starts_programs = TRUE},
    {"log", NULL, ctl_log, "[--port PORT] [--follow|-f] [-n N]",
     "Who got which port, who was refused one, and why ports ended (by journalctl)"},
    {"monitor", NULL, ctl_monitor, "", "Show changes as they happen"},
    {"reload", NULL, ctl_reload, "", "Have macvtapd read its files again, and say what came of it"},
    {"doctor", NULL, ctl_doctor, "", "Look for what would keep a VM from its network",
     .capabilities = LOOK_AT_PROCESSES},
};

gboolean
ctl_parse_syntax(Ctl *ctl, ArgumentsSyntax syntax, int *argc, char ***argv, GError **error)
{
    const GOptionEntry common[] = {
        {"socket", 0, 0, G_OPTION_ARG_FILENAME, &ctl->socket, "macvtapd's socket", "PATH"},
        {"json", 0, 0, G_OPTION_ARG_NONE, &ctl->json, "Print what the API returns", NULL},
        {"version", 0, G_OPTION_FLAG_NO_ARG, G_OPTION_ARG_CALLBACK, arguments_show_version,
         "Show the version", NULL},
        {NULL},
    };

    syntax.common = common;
    return arguments_parse(&syntax, argc, argv, error);
}

gboolean
ctl_parse(Ctl *ctl, const GOptionEntry *entries, int *argc, char ***argv, int min, int max,
          const char *arguments, GError **error)
{
    const ArgumentsSyntax syntax = {.own = entries, .arguments = arguments, .min = min, .max = max};

    return ctl_parse_syntax(ctl, syntax, argc, argv, error);
}

MacvtapClient *
ctl_connect(Ctl *ctl, GError **error)
{
    return macvtap_client_connect(ctl->socket, error);
}

Table *
ctl_table_new(const Field *fields)
{
    g_autoptr(GPtrArray) headings = g_ptr_array_new();

    for (; fields->name; fields++) {
        if (fields->column)
            g_ptr_array_add(headings, (gpointer)fields->column);
    }
    g_ptr_array_add(headings, NULL);
    return table_new((const char *const *)headings->pdata);
}

void
ctl_print_json_list(const char *name, GPtrArray *texts)
{
    g_autofree char *joined = NULL;

    g_ptr_array_add(texts, NULL);
    joined = g_strjoinv(",", (GStrv)texts->pdata);
    g_print("{\"%s\":[%s]}\n", name, joined);
}

/* Those that begin with this word; NULL: all. Free with g_free(). */
static char *
describe_commands(const char *first)
{
    GString *text = g_string_new("Commands:\n");

    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
        const Command *command = &commands[i];
        g_autofree char *options = command->options ? field_options_usage(command->options) : NULL;

        if (!first || g_str_equal(command->first, first))
            g_string_append_printf(text, "  %s%s%s %s%s\n      %s\n", command->first,
                                   command->second ? " " : "", command->second ?: "",
                                   command->arguments, options ?: "", command->help);
    }
    g_string_append(text, "\nExit status: 0 done, 1 refused or failed, 2 wrong usage.");
    return g_string_free(text, FALSE);
}

static void
ctl_clear(Ctl *ctl)
{
    g_free(ctl->socket);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Ctl, ctl_clear)

static const Command *
find_command(int argc, char **argv, int *ret_words)
{
    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
        const Command *command = &commands[i];

        if (argc < 2 || !g_str_equal(argv[1], command->first))
            continue;
        if (command->second && (argc < 3 || !g_str_equal(argv[2], command->second)))
            continue;
        *ret_words = command->second ? 2 : 1;
        return command;
    }
    return NULL;
}

/* "list, show", what may follow the word; NULL when it is none of ours. Free with g_free(). */
static char *
list_second_words(const char *first)
{
    g_autoptr(GString) words = g_string_new(NULL);

    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (g_str_equal(commands[i].first, first) && commands[i].second)
            g_string_append_printf(words, "%s%s", words->len > 0 ? ", " : "", commands[i].second);
    }
    return words->len > 0 ? g_string_free(g_steal_pointer(&words), FALSE) : NULL;
}

static int
refuse_command(int argc, char **argv, GError **error)
{
    g_autofree char *words = argc > 1 ? list_second_words(argv[1]) : NULL;

    if (argc < 2)
        g_set_error_literal(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                            "no command given (see macvtapctl --help)");
    else if (!words)
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                    "unknown command '%s' (see macvtapctl --help)", argv[1]);
    else if (argc < 3)
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "%s needs a command: %s", argv[1],
                    words);
    else
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                    "unknown command '%s %s': %s has %s", argv[1], argv[2], argv[1], words);
    return 2;
}

/* As it is called, for the usage that --help shows. */
static void
name_program(const char *first, const char *second)
{
    g_autofree char *name = g_strjoin(" ", "macvtapctl", first, second, NULL);

    g_set_prgname(name);
}

/* Options before a command's first word, or, with that, before its second. */
static gboolean
parse_leading_options(Ctl *ctl, const char *first, int *argc, char ***argv, GError **error)
{
    g_autofree char *description = describe_commands(first);
    const ArgumentsSyntax syntax = {
        .arguments = "COMMAND",
        .summary = first ? NULL : "Administer macvtapd's networks and ports.",
        .description = description,
        .max = -1,
        .stop_at_argument = TRUE,
    };

    return ctl_parse_syntax(ctl, syntax, argc, argv, error);
}

static gboolean
parse_words(Ctl *ctl, int *argc, char **argv, GError **error)
{
    g_autofree char *second_words = NULL;
    char **rest = argv + 1;
    int n;

    if (!parse_leading_options(ctl, NULL, argc, &argv, error))
        return FALSE;
    second_words = *argc > 1 ? list_second_words(argv[1]) : NULL;
    if (!second_words)
        return TRUE;
    name_program(argv[1], NULL);
    n = *argc - 1;
    if (!parse_leading_options(ctl, argv[1], &n, &rest, error))
        return FALSE;
    *argc = n + 1;
    return TRUE;
}

/* "help WORDS" means "WORDS --help". */
static void
turn_help_around(int argc, char **argv)
{
    memmove(argv + 1, argv + 2, (gsize)(argc - 2) * sizeof(char *));
    argv[argc - 1] = (char *)"--help";
}

static int
run(int argc, char **argv, GError **error)
{
    g_auto(Ctl) ctl = {0};
    const Command *command;
    int words = 0;

    if (!parse_words(&ctl, &argc, argv, error))
        return 2;
    while (argc > 1 && g_str_equal(argv[1], "help")) {
        turn_help_around(argc, argv);
        if (!parse_words(&ctl, &argc, argv, error))
            return 2;
    }
    command = find_command(argc, argv, &words);
    if (!command)
        return refuse_command(argc, argv, error);
    if (!command->starts_programs && !capabilities_keep(command->capabilities, error))
        return 1;
    name_program(command->first, command->second);
    return command->run(&ctl, argc - words, argv + words, error);
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
    status = run(argc, words, &error);
    if (!error && output_finish(&error))
        return status;
    g_printerr("macvtapctl: %s\n", error->message);
    return error->domain == G_OPTION_ERROR ? 2 : MAX(status, 1);
}
