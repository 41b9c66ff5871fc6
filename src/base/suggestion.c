/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "suggestion.h"

#include <string.h>

#define MAX_LENGTH 64
#define FAR 1000

/* The cost of making the last letters of a[0..i) and b[0..j) the same, from the rows before. */
static guint
step(guint rows[3][MAX_LENGTH + 1], const char *a, const char *b, gsize i, gsize j)
{
    gboolean same = g_ascii_tolower(a[i - 1]) == g_ascii_tolower(b[j - 1]);
    guint best = rows[(i - 1) % 3][j - 1] + !same;

    best = MIN(best, rows[(i - 1) % 3][j] + 1);
    best = MIN(best, rows[i % 3][j - 1] + 1);
    if (i > 1 && j > 1 && g_ascii_tolower(a[i - 1]) == g_ascii_tolower(b[j - 2]) &&
        g_ascii_tolower(a[i - 2]) == g_ascii_tolower(b[j - 1]))
        best = MIN(best, rows[(i - 2) % 3][j - 2] + 1);
    return best;
}

guint
suggestion_distance(const char *a, const char *b)
{
    gsize a_length = strlen(a), b_length = strlen(b);
    guint rows[3][MAX_LENGTH + 1];

    if (a_length > MAX_LENGTH || b_length > MAX_LENGTH)
        return FAR;
    for (gsize j = 0; j <= b_length; j++)
        rows[0][j] = (guint)j;
    for (gsize i = 1; i <= a_length; i++) {
        rows[i % 3][0] = (guint)i;
        for (gsize j = 1; j <= b_length; j++)
            rows[i % 3][j] = step(rows, a, b, i, j);
    }
    return rows[a_length % 3][b_length];
}

gboolean
suggestion_is_near(const char *word, guint distance)
{
    return distance <= 2 && distance * 2 < strlen(word);
}
