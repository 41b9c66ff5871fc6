/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Columns as wide as their widest cell. What the tables show: src/tools/ctl-*.c. */
#include "table.h"

#include <string.h>

struct Table {
    guint n_columns;
    GPtrArray *cells; /* of text, row by row */
};

Table *
table_new(const char *const *headings)
{
    Table *table = g_new0(Table, 1);

    table->cells = g_ptr_array_new_with_free_func(g_free);
    for (; headings[table->n_columns]; table->n_columns++)
        g_ptr_array_add(table->cells, g_strdup(headings[table->n_columns]));
    return table;
}

Table *
table_new_of_fields(const Field *fields)
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
table_add_cell(Table *table, char *text)
{
    g_ptr_array_add(table->cells, text && text[0] ? text : g_strdup("-"));
    if (text && !text[0])
        g_free(text);
}

void
table_add(Table *table, ...)
{
    va_list cells;

    va_start(cells, table);
    for (guint i = 0; i < table->n_columns; i++)
        table_add_cell(table, va_arg(cells, char *));
    va_end(cells);
}

static glong
column_width(const Table *table, guint column)
{
    glong width = 0;

    for (guint i = column; i < table->cells->len; i += table->n_columns)
        width = MAX(width, g_utf8_strlen(table->cells->pdata[i], -1));
    return width;
}

char *
table_finish(Table *table)
{
    GString *text = g_string_new(NULL);
    g_autofree glong *widths = g_new(glong, table->n_columns);

    for (guint i = 0; i < table->n_columns; i++)
        widths[i] = column_width(table, i);
    for (guint i = 0; i < table->cells->len; i++) {
        const char *cell = table->cells->pdata[i];
        guint column = i % table->n_columns;
        gboolean last = column + 1 == table->n_columns;

        g_string_append(text, cell);
        for (glong pad = g_utf8_strlen(cell, -1); !last && pad < widths[column] + 2; pad++)
            g_string_append_c(text, ' ');
        if (last)
            g_string_append_c(text, '\n');
    }
    g_ptr_array_unref(table->cells);
    g_free(table);
    return g_string_free(text, FALSE);
}

void
table_print(Table *table)
{
    g_autofree char *text = table_finish(table);

    g_print("%s", text);
}
