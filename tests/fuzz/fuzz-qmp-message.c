/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Input: what QEMU sends. However it is cut into reads, the lines are the same, and what parses is
 * whole. */
#include "fuzz-target.h"

#include "qmp-message.h"

#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES 4096

static void
check(gboolean promise)
{
    if (!promise)
        g_error("a message broke a promise");
}

static void
check_line(const char *line, gsize length)
{
    g_auto(QmpMessage) message = {0};
    g_autoptr(GError) error = NULL;

    check(!memchr(line, '\n', length));
    if (!qmp_message_parse(line, length, &message, &error)) {
        check(error && error->domain == QMP_ERROR && error->code == QMP_ERROR_PROTOCOL);
        return;
    }
    check((message.type == QMP_MESSAGE_RETURN) == (message.value && !message.name));
    check((message.type == QMP_MESSAGE_ERROR) == (message.text != NULL));
    check((message.type == QMP_MESSAGE_EVENT) == (message.name && json_is_object(message.value)));
    check(!message.has_id || message.type == QMP_MESSAGE_RETURN ||
          message.type == QMP_MESSAGE_ERROR);
}

/* Sums up the lines of the input, read in pieces of this many bytes. */
static guint
read_lines(const char *bytes, gsize size, gsize piece, gboolean parse)
{
    g_autoptr(QmpLines) lines = qmp_lines_new(LINE_MAX_BYTES);
    guint sum = 0;

    for (gsize at = 0; at < size; at += piece) {
        const char *line;
        gsize length;

        if (!qmp_lines_add(lines, bytes + at, MIN(piece, size - at), NULL))
            return 0;
        while (qmp_lines_next(lines, &line, &length)) {
            sum = sum * 31 + (guint)length + 1;
            if (parse)
                check_line(line, length);
        }
    }
    return sum;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    guint whole = read_lines(bytes, size, MAX(size, 1), TRUE);

    check(size > LINE_MAX_BYTES || read_lines(bytes, size, 1, FALSE) == whole);
    return 0;
}
