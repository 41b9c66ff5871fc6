/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bench.h"

#include <stdio.h>

static gint
compare(gconstpointer a, gconstpointer b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

void
samples_print(const char *name, GArray *samples, const char *end)
{
    g_array_sort(samples, compare);
    printf("\"%s\": {\"p50\": %.1f, \"p99\": %.1f}%s", name,
           g_array_index(samples, double, samples->len / 2),
           g_array_index(samples, double, samples->len * 99 / 100), end);
}

GArray *
samples_new(void)
{
    return g_array_new(FALSE, FALSE, sizeof(double));
}
