/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "field.h"

#include <glib.h>

/* A table for people: columns as wide as their widest text, two blanks between. */
typedef struct Table Table;

/* headings: NULL-terminated, copied. */
Table *table_new(const char *const *headings);

/* Has a column for each field that has a heading. */
Table *table_new_of_fields(const Field *fields);

/* Adds a row: as many texts as there are headings, each taken. */
void table_add(Table *table, ...);

/* Adds the next cell of a row; its text is taken. */
void table_add_cell(Table *table, char *text);

/* The table as text with a line per row; frees the table. Free the text with g_free(). */
char *table_finish(Table *table);

/* Prints it instead. */
void table_print(Table *table);
