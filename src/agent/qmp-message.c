/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmp-message.h"

#include "printable.h"
#include "varlink-message.h"

#include <string.h>

struct QmpLines {
    GByteArray *buffer;
    gsize begin; /* the first byte after the last line taken */
    gsize limit;
};

G_DEFINE_QUARK(macvtapd - qmp - error, qmp_error)

static gboolean
refuse(GError **error, const char *problem)
{
    g_set_error(error, QMP_ERROR, QMP_ERROR_PROTOCOL, "QEMU's monitor sent a message that %s",
                problem);
    return FALSE;
}

/* QMP has unsigned numbers of 64 bits, which Jansson does not: a message with one of these gets
 * floating-point numbers. */
static json_t *
load(const char *line, gsize length)
{
    const size_t flags = JSON_REJECT_DUPLICATES;
    json_error_t problem;
    json_t *root = json_loadb(line, length, flags, &problem);

    if (!root && json_error_code(&problem) == json_error_numeric_overflow)
        root = json_loadb(line, length, flags | JSON_DECODE_INT_AS_REAL, NULL);
    return root;
}

static gboolean
take_id(const json_t *root, QmpMessage *message, GError **error)
{
    const json_t *id = json_object_get(root, "id");
    double number = json_number_value(id);

    if (!id)
        return TRUE;
    /* 2^53: up to there the number is exact. */
    if (!json_is_number(id) || number < 0 || number > 9007199254740992.0 ||
        number != (double)(guint64)number)
        return refuse(error, "answers a command that was never sent");
    message->id = (guint64)number;
    message->has_id = TRUE;
    return TRUE;
}

static gboolean
take_error(const json_t *object, QmpMessage *message, GError **error)
{
    const char *name = json_string_value(json_object_get(object, "class"));
    const char *text = json_string_value(json_object_get(object, "desc"));

    if (!name || !text)
        return refuse(error, "has an error without class or description");
    message->name = g_strdup(name);
    message->text = printable(text);
    return TRUE;
}

static gboolean
take_event(const json_t *root, const json_t *name, QmpMessage *message, GError **error)
{
    json_t *data = json_object_get(root, "data");

    if (!json_is_string(name) || (data && !json_is_object(data)))
        return refuse(error, "has an event without a name, or whose data is not an object");
    message->name = g_strdup(json_string_value(name));
    message->value = data ? json_incref(data) : json_object();
    return TRUE;
}

static gboolean
take_message(json_t *root, QmpMessage *message, GError **error)
{
    json_t *value;

    if ((value = json_object_get(root, "return"))) {
        message->type = QMP_MESSAGE_RETURN;
        message->value = json_incref(value);
        return take_id(root, message, error);
    }
    if ((value = json_object_get(root, "error"))) {
        message->type = QMP_MESSAGE_ERROR;
        return take_error(value, message, error) && take_id(root, message, error);
    }
    if ((value = json_object_get(root, "event"))) {
        message->type = QMP_MESSAGE_EVENT;
        return take_event(root, value, message, error);
    }
    message->type = QMP_MESSAGE_GREETING;
    return json_object_get(root, "QMP") || refuse(error, "is not a QMP message");
}

gboolean
qmp_message_parse(const char *line, gsize length, QmpMessage *ret_message, GError **error)
{
    g_auto(QmpMessage) message = {0};
    json_t *root;
    gboolean taken;

    if (!varlink_message_has_at_most(line, length, QMP_VALUES_MAX))
        return refuse(error, "has too many values");
    root = load(line, length);
    taken = json_is_object(root) ? take_message(root, &message, error)
                                 : refuse(error, "is not a JSON object");
    json_decref(root);
    if (taken) {
        *ret_message = message;
        message = (QmpMessage){0};
    }
    return taken;
}

void
qmp_message_clear(QmpMessage *message)
{
    json_decref(message->value);
    g_free(message->name);
    g_free(message->text);
    *message = (QmpMessage){0};
}

char *
qmp_command_format(const char *command, json_t *arguments, guint64 id)
{
    json_t *root = json_pack("{s:s, s:I}", "execute", command, "id", (json_int_t)id);
    char *text, *line;

    if (arguments)
        json_object_set(root, "arguments", arguments);
    text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    line = text ? g_strconcat(text, "\n", NULL) : NULL;
    free(text);
    return line;
}

QmpLines *
qmp_lines_new(gsize limit)
{
    QmpLines *lines = g_new(QmpLines, 1);

    *lines = (QmpLines){.buffer = g_byte_array_new(), .limit = limit};
    return lines;
}

void
qmp_lines_free(QmpLines *lines)
{
    if (!lines)
        return;
    g_byte_array_unref(lines->buffer);
    g_free(lines);
}

gboolean
qmp_lines_add(QmpLines *lines, const char *bytes, gsize length, GError **error)
{
    gsize kept = lines->buffer->len - lines->begin;

    if (kept > lines->limit || length > lines->limit - kept)
        return refuse(error, "is too long");
    g_byte_array_remove_range(lines->buffer, 0, (guint)lines->begin);
    lines->begin = 0;
    g_byte_array_append(lines->buffer, (const guint8 *)bytes, (guint)length);
    return TRUE;
}

gboolean
qmp_lines_next(QmpLines *lines, const char **ret_line, gsize *ret_length)
{
    const char *begin = (const char *)lines->buffer->data + lines->begin;
    gsize length = lines->buffer->len - lines->begin;
    const char *end = length > 0 ? memchr(begin, '\n', length) : NULL;

    if (!end)
        return FALSE;
    lines->begin += (gsize)(end - begin) + 1;
    *ret_line = begin;
    *ret_length = (gsize)(end - begin) - (end > begin && end[-1] == '\r');
    return TRUE;
}
