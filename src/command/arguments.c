/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "arguments.h"

#include "output.h"

#include <stdlib.h>
#include <string.h>

/* Entries whose text must be freed when a later part of the line replaces it. */
#define TEXTS_MAX 8

char **
arguments_copy(int argc, char **argv)
{
    char **copy = g_new0(char *, 2 * (gsize)argc + 1); /* each word can become two */

    memcpy(copy, argv, (gsize)argc * sizeof(char *));
    return copy;
}

static gboolean
takes_value(const GOptionEntry *entry)
{
    return entry->arg != G_OPTION_ARG_NONE && !(entry->flags & G_OPTION_FLAG_NO_ARG);
}

/* Finds an entry by its long name (n bytes) or its letter. */
static const GOptionEntry *
find_in(const GOptionEntry *entry, const char *name, gsize n, char letter)
{
    for (; entry && entry->long_name; entry++) {
        if (name ? strlen(entry->long_name) == n && strncmp(entry->long_name, name, n) == 0
                 : entry->short_name == letter)
            return entry;
    }
    return NULL;
}

static gboolean
option_takes_value(const ArgumentsSyntax *syntax, const char *name, gsize n, char letter)
{
    const GOptionEntry *entry = find_in(syntax->own, name, n, letter);

    if (!entry)
        entry = find_in(syntax->common, name, n, letter);
    return entry && takes_value(entry);
}

/* Whether the value of an option in word is the next word; *ret_cut: the offset of a value in the
 * same word, or 0. */
static gboolean
wants_next(const ArgumentsSyntax *syntax, const char *word, gsize *ret_cut)
{
    *ret_cut = 0;
    if (word[1] == '-')
        return !strchr(word, '=') && option_takes_value(syntax, word + 2, strlen(word + 2), 0);
    for (gsize i = 1; word[i]; i++) {
        if (!option_takes_value(syntax, NULL, 0, word[i]))
            continue;
        *ret_cut = word[i + 1] ? i + 1 : 0;
        return word[i + 1] == '\0';
    }
    return FALSE;
}

static void
cut_word(int *argc, char **argv, int i, gsize cut)
{
    g_autofree char *option = g_strndup(argv[i], cut);

    memmove(argv + i + 2, argv + i + 1, (gsize)(*argc - i) * sizeof(char *));
    argv[i + 1] = argv[i] + cut;
    argv[i] = (char *)g_intern_string(option);
    (*argc)++;
}

static void
cut_attached_values(const ArgumentsSyntax *syntax, int *argc, char **argv)
{
    for (int i = 1; i < *argc && !g_str_equal(argv[i], "--"); i++) {
        gsize cut;

        if (argv[i][0] != '-' || argv[i][1] == '\0') {
            if (syntax->stop_at_argument)
                return;
        } else if (wants_next(syntax, argv[i], &cut)) {
            i++;
        } else if (cut > 0) {
            cut_word(argc, argv, i, cut);
            i++;
        }
    }
}

static void
remove_separator(const ArgumentsSyntax *syntax, int *argc, char **argv)
{
    int last = syntax->stop_at_argument ? MIN(1, *argc - 1) : *argc - 1;

    for (int i = 1; i <= last; i++) {
        if (!g_str_equal(argv[i], "--"))
            continue;
        memmove(argv + i, argv + i + 1, (gsize)(*argc - i) * sizeof(char *));
        (*argc)--;
        return;
    }
}

/* Texts from an earlier part of the line, which GOption overwrites without freeing them. */
static void
remember_texts(const GOptionEntry *entry, char *ret_texts[TEXTS_MAX])
{
    guint n = 0;

    for (; entry && entry->long_name; entry++) {
        if (entry->arg != G_OPTION_ARG_STRING && entry->arg != G_OPTION_ARG_FILENAME)
            continue;
        g_assert(n < TEXTS_MAX);
        ret_texts[n++] = *(char **)entry->arg_data;
    }
}

static void
free_replaced(const GOptionEntry *entry, char *const texts[TEXTS_MAX])
{
    guint n = 0;

    for (; entry && entry->long_name; entry++) {
        if (entry->arg != G_OPTION_ARG_STRING && entry->arg != G_OPTION_ARG_FILENAME)
            continue;
        if (*(char **)entry->arg_data != texts[n])
            g_free(texts[n]);
        n++;
    }
}

static GOptionContext *
make_context(const ArgumentsSyntax *syntax)
{
    GOptionContext *context = g_option_context_new(syntax->arguments);
    GOptionGroup *group = g_option_group_new("main", "", "", syntax->data, NULL);

    if (syntax->own)
        g_option_group_add_entries(group, syntax->own);
    if (syntax->common)
        g_option_group_add_entries(group, syntax->common);
    g_option_context_set_main_group(context, group);
    g_option_context_set_summary(context, syntax->summary);
    g_option_context_set_description(context, syntax->description);
    g_option_context_set_strict_posix(context, syntax->stop_at_argument);
    return context;
}

/* Rejects n arguments: too few or too many. */
static gboolean
refuse_count(const ArgumentsSyntax *syntax, int n, char *const *argv, GError **error)
{
    const char *program = g_get_prgname() ? g_get_prgname() : argv[0];
    const char *arguments = syntax->arguments ? syntax->arguments : "";
    g_autofree char *usage =
        g_strdup_printf("usage: %s%s%s", program, arguments[0] ? " " : "", arguments);

    return n < syntax->min ? arguments_refuse(error, "missing argument; %s", usage)
                           : arguments_refuse(error, "unexpected argument '%s'; %s",
                                              argv[syntax->max + 1], usage);
}

gboolean
arguments_parse(const ArgumentsSyntax *syntax, int *argc, char ***argv, GError **error)
{
    g_autoptr(GOptionContext) context = make_context(syntax);
    char *texts[TEXTS_MAX];
    int n;

    remember_texts(syntax->common, texts);
    cut_attached_values(syntax, argc, *argv);
    if (!g_option_context_parse(context, argc, argv, error))
        return FALSE;
    free_replaced(syntax->common, texts);
    remove_separator(syntax, argc, *argv);
    n = *argc - 1;
    return (n >= syntax->min && (syntax->max < 0 || n <= syntax->max)) ||
           refuse_count(syntax, n, *argv, error);
}

gboolean
arguments_show_version(const char *name, const char *value, gpointer data, GError **error)
{
    g_auto(GStrv) words = g_strsplit(g_get_prgname(), " ", 2); /* "macvtapctl port list" */
    g_autoptr(GError) cause = NULL;

    g_print("%s %s\n", words[0], MACVTAPD_VERSION);
    if (output_finish(&cause))
        exit(0);
    g_printerr("%s: %s\n", words[0], cause->message);
    exit(1);
}

int
arguments_main(int argc, char **argv, const char *name,
               int (*run)(int argc, char **argv, GError **error))
{
    g_autofree char **words = arguments_copy(argc, argv);
    g_autoptr(GError) error = NULL;
    int status;

    if (!output_start_program())
        return 1;
    status = run(argc, words, &error);
    if (error)
        g_printerr("%s%s%s\n", name ?: "", name ? ": " : "", error->message);
    return status;
}
