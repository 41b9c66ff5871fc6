/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tokens of a Varlink interface text; for varlink-interface.c alone. No I/O. */
#pragma once

#include <glib.h>

typedef enum VarlinkToken {
    VARLINK_TOKEN_END,
    VARLINK_TOKEN_WORD,        /* letters, digits, '_', '-', '.' */
    VARLINK_TOKEN_ARROW,       /* "->" */
    VARLINK_TOKEN_PUNCTUATION, /* one of "():,?[]" */
    VARLINK_TOKEN_BAD,         /* any other character */
} VarlinkToken;

typedef struct VarlinkScanner {
    const char *at, *end;
    guint line;          /* of the token, from 1 */
    gboolean line_start; /* no token on this line yet */
    GString *comment;    /* the whole-line comments directly above the token */
    VarlinkToken token;  /* the current token… */
    const char *text;    /* …its first byte… */
    gsize length;        /* …and its length in bytes */
} VarlinkScanner;

/* text must stay while the scanner is used. Starts at the first token. */
void varlink_scanner_init(VarlinkScanner *scanner, const char *text, gsize length);
void varlink_scanner_clear(VarlinkScanner *scanner);

void varlink_scanner_advance(VarlinkScanner *scanner);

/* Whether the current token reads exactly so. */
gboolean varlink_scanner_is(const VarlinkScanner *scanner, const char *text);
