/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "varlink-scanner.h"

#include <string.h>

static gboolean
is_word(char byte)
{
    return g_ascii_isalnum(byte) || byte == '_' || byte == '-' || byte == '.';
}

static void
scanner_take_comment(VarlinkScanner *scanner)
{
    const char *newline = memchr(scanner->at, '\n', scanner->end - scanner->at);
    const char *stop = newline ? newline : scanner->end;
    const char *text = scanner->at + 1;

    if (scanner->line_start) {
        if (text < stop && *text == ' ')
            text++;
        if (scanner->comment->len > 0)
            g_string_append_c(scanner->comment, '\n');
        g_string_append_len(scanner->comment, text, stop - text);
    }
    /* The newline that ends a comment does not make an empty line. */
    if (newline) {
        stop++;
        scanner->line++;
        scanner->line_start = TRUE;
    }
    scanner->at = stop;
}

static void
scanner_skip_blank(VarlinkScanner *scanner)
{
    g_string_truncate(scanner->comment, 0);
    for (; scanner->at < scanner->end; scanner->at++) {
        while (scanner->at < scanner->end && *scanner->at == '#')
            scanner_take_comment(scanner);
        if (scanner->at == scanner->end || !strchr(" \t\r\n", *scanner->at))
            return;
        if (*scanner->at != '\n')
            continue;
        /* An empty line parts a comment from what follows. */
        if (scanner->line_start)
            g_string_truncate(scanner->comment, 0);
        scanner->line++;
        scanner->line_start = TRUE;
    }
}

static VarlinkToken
scanner_read_token(VarlinkScanner *scanner)
{
    const char *at = scanner->at;

    if (at == scanner->end)
        return VARLINK_TOKEN_END;
    if (scanner->end - at >= 2 && at[0] == '-' && at[1] == '>') {
        scanner->length = 2;
        return VARLINK_TOKEN_ARROW;
    }
    while (at < scanner->end && is_word(*at))
        at++;
    if (at > scanner->at) {
        scanner->length = at - scanner->at;
        return VARLINK_TOKEN_WORD;
    }
    scanner->length = 1;
    return strchr("():,?[]", *at) ? VARLINK_TOKEN_PUNCTUATION : VARLINK_TOKEN_BAD;
}

void
varlink_scanner_advance(VarlinkScanner *scanner)
{
    scanner_skip_blank(scanner);
    scanner->text = scanner->at;
    scanner->length = 0;
    scanner->token = scanner_read_token(scanner);
    scanner->at += scanner->length;
    scanner->line_start = FALSE;
}

void
varlink_scanner_init(VarlinkScanner *scanner, const char *text, gsize length)
{
    *scanner = (VarlinkScanner){
        .at = text,
        .end = text + length,
        .line = 1,
        .line_start = TRUE,
        .comment = g_string_new(NULL),
    };
    varlink_scanner_advance(scanner);
}

void
varlink_scanner_clear(VarlinkScanner *scanner)
{
    g_string_free(g_steal_pointer(&scanner->comment), TRUE);
}

gboolean
varlink_scanner_is(const VarlinkScanner *scanner, const char *text)
{
    return scanner->length == strlen(text) && memcmp(scanner->text, text, scanner->length) == 0;
}
