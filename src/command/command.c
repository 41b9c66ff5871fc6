/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "command.h"

#include "field-options.h"
#include "output.h"

#include "privileges.h"
#include "suggestion.h"

#include <string.h>

G_DEFINE_QUARK(macvtapd - command - error, command_error)

void
ctl_note(const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_printerr("macvtapctl: note: %s\n", text);
}

gboolean
ctl_parse_syntax(Ctl *ctl, ArgumentsSyntax syntax, int *argc, char ***argv, GError **error)
{
    const GOptionEntry common[] = {
        {"connect", 'c', 0, G_OPTION_ARG_STRING, &ctl->uri, "libvirt's URI", "URI"},
        {"socket", 0, 0, G_OPTION_ARG_FILENAME, &ctl->socket, "macvtapd's socket", "PATH"},
        {"json", 0, 0, G_OPTION_ARG_NONE, &ctl->json, "Print JSON, as the API returns it", NULL},
        {"version", 0, G_OPTION_FLAG_NO_ARG, G_OPTION_ARG_CALLBACK, arguments_show_version,
         "Show the version", NULL},
        {NULL},
    };

    syntax.common = ctl->program->connects_to_libvirt ? common : common + 1;
    return arguments_parse(&syntax, argc, argv, error);
}

gboolean
ctl_parse(Ctl *ctl, const GOptionEntry *entries, int *argc, char ***argv, int min, int max,
          const char *arguments, GError **error)
{
    g_autofree char *summary = g_strdup_printf("%s.", ctl->help);
    const ArgumentsSyntax syntax = {
        .own = entries, .arguments = arguments, .summary = summary, .min = min, .max = max};

    return ctl_parse_syntax(ctl, syntax, argc, argv, error);
}

MacvtapClient *
ctl_connect(const Ctl *ctl, GError **error)
{
    return ask_connect(ctl->socket, error);
}

#define COLUMNS 79

/* The length of the word that text begins with: up to a space that is in no brackets. */
static gsize
word_length(const char *text)
{
    guint depth = 0;
    gsize i;

    for (i = 0; text[i] && (text[i] != ' ' || depth > 0); i++) {
        if (text[i] == '[')
            depth++;
        else if (text[i] == ']' && depth > 0)
            depth--;
    }
    return i;
}

/* Appends a command's usage, indented by 2, and what does not fit in a line by 10. */
static void
append_usage(GString *text, const char *usage)
{
    gsize column = 0;

    for (gsize length; *usage; usage += length) {
        usage += strspn(usage, " ");
        length = word_length(usage);
        if (length == 0)
            break;
        if (column == 0 || column + 1 + length > COLUMNS) {
            g_string_append_printf(text, "%s%*s", column > 0 ? "\n" : "", column > 0 ? 10 : 2, "");
            column = column > 0 ? 10 : 2;
        } else {
            g_string_append_c(text, ' ');
            column++;
        }
        g_string_append_len(text, usage, (gssize)length);
        column += length;
    }
    g_string_append_c(text, '\n');
}

/* The words that begin with this one; NULL: all. Free with g_free(). */
static char *
describe_commands(const CommandProgram *program, const char *first)
{
    GString *text = g_string_new("Commands:\n");

    for (const Command *command = program->commands; command->first; command++) {
        g_autofree char *options = command->options ? field_options_usage(command->options) : NULL;
        g_autofree char *usage = NULL;

        if (first && !g_str_equal(command->first, first))
            continue;
        usage = g_strdup_printf("%s %s %s%s", command->first, command->second ?: "",
                                command->arguments, options ?: "");
        append_usage(text, usage);
        g_string_append_printf(text, "      %s\n", command->help);
    }
    g_string_append_printf(text, "\n%s%sExit status: 0 done, 1 refused or failed, 2 wrong usage.",
                           program->note ?: "", program->note ? "\n" : "");
    return g_string_free(text, FALSE);
}

static const Command *
find_command(const CommandProgram *program, int argc, char **argv)
{
    for (const Command *command = program->commands; argc > 1 && command->first; command++) {
        if (g_str_equal(argv[1], command->first) &&
            (!command->second || (argc > 2 && g_str_equal(argv[2], command->second))))
            return command;
    }
    return NULL;
}

/* "list, show", the words that can follow this one; NULL when no command begins with it. Free with
 * g_free(). */
static char *
list_second_words(const CommandProgram *program, const char *first)
{
    g_autoptr(GString) words = g_string_new(NULL);

    for (const Command *command = program->commands; command->first; command++) {
        const char *word = first ? command->second : command->first;

        if (word && (!first || g_str_equal(command->first, first)))
            g_string_append_printf(words, "%s%s", words->len > 0 ? ", " : "", word);
    }
    return words->len > 0 ? g_string_free(g_steal_pointer(&words), FALSE) : NULL;
}

/* words: the possible second words; second: the one given, or NULL. */
static gboolean
refuse_in_group(const char *group, const char *words, const char *second, GError **error)
{
    return second ? arguments_refuse(error, "unknown command '%s %s': %s has %s", group, second,
                                     group, words)
                  : arguments_refuse(error, "%s needs a command: %s", group, words);
}

/* The first word of the command that the user probably meant, or NULL. */
static const char *
find_near_word(const CommandProgram *program, const char *word)
{
    const char *best = NULL;
    guint least = G_MAXUINT;

    for (const Command *command = program->commands; command->first; command++) {
        guint distance = suggestion_distance(word, command->first);

        if (distance < least) {
            best = command->first;
            least = distance;
        }
    }
    return suggestion_is_near(word, least) ? best : NULL;
}

/* "'network list', 'port list' or 'vm list'": the commands whose second word this is, or NULL. Free
 * with g_free(). */
static char *
list_commands_with(const CommandProgram *program, const char *second)
{
    g_autoptr(GString) text = g_string_new(NULL);
    gsize last = 0;

    for (const Command *command = program->commands; command->first; command++) {
        if (!command->second || !g_str_equal(command->second, second))
            continue;
        last = text->len;
        g_string_append_printf(text, "%s'%s %s'", text->len > 0 ? ", " : "", command->first,
                               second);
    }
    if (text->len == 0)
        return NULL;
    if (last > 0) {
        g_string_erase(text, (gssize)last, 1);
        g_string_insert(text, (gssize)last, " or");
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* A first word that no command begins with. */
static gboolean
refuse_first_word(const CommandProgram *program, const char *word, GError **error)
{
    g_autofree char *commands = list_commands_with(program, word);
    const char *near = find_near_word(program, word);

    if (commands)
        return arguments_refuse(error, "unknown command '%s'; did you mean %s?", word, commands);
    if (near)
        return arguments_refuse(error, "unknown command '%s'; did you mean '%s'?", word, near);
    return arguments_refuse(error, "unknown command '%s' (see macvtapctl --help)", word);
}

static gboolean
refuse_command(const CommandProgram *program, int argc, char **argv, GError **error)
{
    const char *first = argc > 1 ? argv[1] : NULL;
    g_autofree char *words = list_second_words(program, program->group ? NULL : first);

    if (program->group)
        return refuse_in_group(program->group, words, first, error);
    if (!first)
        return arguments_refuse(error, "no command given (see macvtapctl --help)");
    if (!words)
        return refuse_first_word(program, first, error);
    return refuse_in_group(first, words, argc > 2 ? argv[2] : NULL, error);
}

/* Appends the words to the program's name, for the usage in --help; all words after a NULL are
 * NULL. */
static void
name_program(const CommandProgram *program, const char *first, const char *second)
{
    const char *words[] = {"macvtapctl", program->group ?: first, program->group ? first : second,
                           NULL};
    g_autofree char *name = g_strjoinv(" ", (GStrv)words);

    g_set_prgname(name);
}

/* Parses options before a command's first word, or between its first and second. */
static gboolean
parse_leading_options(Ctl *ctl, const char *first, int *argc, char ***argv, GError **error)
{
    g_autofree char *description = describe_commands(ctl->program, first);
    const ArgumentsSyntax syntax = {
        .arguments = "COMMAND",
        .summary = first ? NULL : ctl->program->summary,
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
    second_words = *argc > 1 ? list_second_words(ctl->program, argv[1]) : NULL;
    if (!second_words)
        return TRUE;
    name_program(ctl->program, argv[1], NULL);
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
command_run(Ctl *ctl, int argc, char **argv, GError **error)
{
    const Command *command;
    int words;

    name_program(ctl->program, NULL, NULL);
    if (!parse_words(ctl, &argc, argv, error))
        return 2;
    while (argc > 1 && g_str_equal(argv[1], "help")) {
        turn_help_around(argc, argv);
        if (!parse_words(ctl, &argc, argv, error))
            return 2;
    }
    command = find_command(ctl->program, argc, argv);
    if (!command) {
        refuse_command(ctl->program, argc, argv, error);
        return 2;
    }
    if (!ctl->program->connects_to_libvirt && !command->starts_programs &&
        !capabilities_keep(command->capabilities, error))
        return 1;
    name_program(ctl->program, command->first, command->second);
    words = command->second ? 2 : 1;
    ctl->help = command->help;
    return command->run(ctl, argc - words, argv + words, error);
}

static void
ctl_clear(Ctl *ctl)
{
    if (ctl->program->clear)
        ctl->program->clear(ctl);
    g_free(ctl->socket);
    g_free(ctl->uri);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Ctl, ctl_clear)

int
command_main(const CommandProgram *program, int argc, char **argv)
{
    g_auto(Ctl) ctl = {.program = program};
    g_autofree char **words = arguments_copy(argc, argv);
    g_autoptr(GError) error = NULL;
    int status;

    if (!output_start_program())
        return 1;
    status = command_run(&ctl, argc, words, &error);
    if (!error && output_finish(&error))
        return status;
    g_printerr("macvtapctl: %s\n", error->message);
    return error->domain == G_OPTION_ERROR ? 2 : MAX(status, 1);
}
