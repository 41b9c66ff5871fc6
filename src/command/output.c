/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "output.h"

#include "error.h"

#include <errno.h>
#include <stdio.h>

/* The errno of the first write to stdout that failed; g_print() has no other place for it. */
static int first_failure;

static void
print(const char *text)
{
    if ((fputs(text, stdout) == EOF || fflush(stdout) == EOF) && first_failure == 0)
        first_failure = errno;
}

/* There is no place left to tell of a failure here. */
static void
print_error(const char *text)
{
    fputs(text, stderr);
    fflush(stderr);
}

void
output_start(void)
{
    g_set_print_handler(print);
    g_set_printerr_handler(print_error);
}

gboolean
output_finish(GError **error)
{
    return first_failure == 0 || error_set_errno(error, first_failure, "cannot write the output");
}
