/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs a fuzz target without libFuzzer: on every file of the corpus folder given as the only
 * argument, and on mutations of them that are the same in each run. Prints TAP; a crash is the
 * failure, and the last "#" line names the input that caused it.
 */
#include "fuzz-target.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>

enum { MUTATIONS = 4000, CHANGES_MAX = 4, SEED = 20260 };

typedef struct Input {
    char *name, *data;
    gsize size;
} Input;

static void
input_clear(Input *input)
{
    g_free(input->name);
    g_free(input->data);
}

static int
compare_names(gconstpointer left, gconstpointer right)
{
    return strcmp(((const Input *)left)->name, ((const Input *)right)->name);
}

/* A GArray of Input in the order of their names. */
static GArray *
read_corpus(const char *folder_name, GError **error)
{
    g_autoptr(GArray) inputs = g_array_new(FALSE, FALSE, sizeof(Input));
    g_autoptr(GDir) folder = g_dir_open(folder_name, 0, error);
    const char *name;

    g_array_set_clear_func(inputs, (GDestroyNotify)input_clear);
    if (!folder)
        return NULL;
    while ((name = g_dir_read_name(folder))) {
        g_autofree char *path = g_build_filename(folder_name, name, NULL);
        Input input = {0};

        if (!g_file_get_contents(path, &input.data, &input.size, error))
            return NULL;
        input.name = g_strdup(name);
        g_array_append_val(inputs, input);
    }
    g_array_sort(inputs, compare_names);
    return g_steal_pointer(&inputs);
}

/* The target gets memory of exactly this size, so that a sanitizer sees one byte too many. */
static void
run_target(const void *data, gsize size)
{
    g_autofree guint8 *copy = g_memdup2(data, size);

    LLVMFuzzerTestOneInput(copy ? copy : (const guint8 *)"", size);
}

static gsize
random_below(GRand *random, gsize limit)
{
    return limit == 0 ? 0 : g_rand_int_range(random, 0, (gint32)limit);
}

/* Changes text in one random way; other lends pieces. */
static void
mutate(GRand *random, GString *text, const Input *other)
{
    gsize at = random_below(random, text->len + 1);
    gsize part = random_below(random, text->len - at + 1);
    gsize from = random_below(random, other->size);

    switch (g_rand_int_range(random, 0, 6)) {
    case 0:
        if (at < text->len)
            text->str[at] ^= (char)(1 << g_rand_int_range(random, 0, 8));
        break;
    case 1:
        g_string_insert_c(text, at, (char)g_rand_int_range(random, 0, 256));
        break;
    case 2:
        g_string_erase(text, at, MIN(part, 16));
        break;
    case 3:
        g_string_truncate(text, at);
        break;
    case 4: {
        g_autofree char *copy = g_memdup2(text->str + at, part + 1);

        g_string_insert_len(text, at, copy, part);
        break;
    }
    default:
        g_string_insert_len(text, at, other->data + from, MIN(other->size - from, 32));
    }
}

static void
run_mutations(const GArray *inputs)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(SEED);

    for (guint i = 0; i < MUTATIONS; i++) {
        const Input *input = &g_array_index(inputs, Input, random_below(random, inputs->len));
        const Input *other = &g_array_index(inputs, Input, random_below(random, inputs->len));
        g_autoptr(GString) text = g_string_new_len(input->data, input->size);

        for (guint left = g_rand_int_range(random, 1, CHANGES_MAX + 1); left > 0; left--)
            mutate(random, text, other);
        run_target(text->str, text->len);
    }
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) inputs = argc == 2 ? read_corpus(argv[1], &error) : NULL;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!inputs || inputs->len == 0) {
        printf("Bail out! %s\n", error ? error->message : "usage: PROGRAM CORPUS-FOLDER");
        return 1;
    }
    printf("1..%u\n", inputs->len + 1);
    for (guint i = 0; i < inputs->len; i++) {
        const Input *input = &g_array_index(inputs, Input, i);

        printf("# %s\n", input->name);
        run_target(input->data, input->size);
        printf("ok %u - %s\n", i + 1, input->name);
    }
    printf("# mutations\n");
    run_mutations(inputs);
    printf("ok %u - %d mutations with seed %d\n", inputs->len + 1, MUTATIONS, SEED);
    return 0;
}
