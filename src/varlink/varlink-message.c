/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "varlink-message.h"

#include "varlink-error.h"

G_DEFINE_QUARK(macvtapd - varlink - error, varlink_error)

G_GNUC_PRINTF(2, 3)
static gboolean
message_refuse(GError **error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_propagate_error(error,
                      g_error_new_valist(VARLINK_ERROR, VARLINK_ERROR_PROTOCOL, format, arguments));
    va_end(arguments);
    return FALSE;
}

gboolean
varlink_message_has_at_most(const char *text, gsize length, guint values)
{
    gsize found = 1;

    /* Each value but the first follows one of these; those inside strings are counted, too. */
    for (gsize i = 0; i < length; i++)
        found += text[i] == ',' || text[i] == '[' || text[i] == '{';
    return found <= values;
}

static json_t *
message_load(const char *text, gsize length, GError **error)
{
    json_error_t where;
    json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);

    if (!root) {
        message_refuse(error, "message is not valid JSON: %s (at byte %d)", where.text,
                       where.position);
        return NULL;
    }
    if (!json_is_object(root)) {
        json_decref(root);
        message_refuse(error, "message is not a JSON object");
        return NULL;
    }
    return root;
}

/* Each takes the member's value into *target, and is called at most once per target. */
static gboolean
message_take_string(const char *key, json_t *value, char **target, GError **error)
{
    if (!json_is_string(value) || json_string_length(value) == 0)
        return message_refuse(error, "\"%s\" is not a string with text", key);
    *target = g_strdup(json_string_value(value));
    return TRUE;
}

static gboolean
message_take_boolean(const char *key, json_t *value, gboolean *target, GError **error)
{
    if (!json_is_boolean(value))
        return message_refuse(error, "\"%s\" is not true or false", key);
    *target = json_is_true(value);
    return TRUE;
}

static gboolean
message_take_parameters(json_t *value, json_t **target, GError **error)
{
    if (json_is_null(value))
        return TRUE;
    if (!json_is_object(value))
        return message_refuse(error, "\"parameters\" is not an object");
    *target = json_incref(value);
    return TRUE;
}

static gboolean
call_take_member(VarlinkCallMessage *call, const char *key, json_t *value, GError **error)
{
    if (g_str_equal(key, "method"))
        return message_take_string(key, value, &call->method, error);
    if (g_str_equal(key, "parameters"))
        return message_take_parameters(value, &call->parameters, error);
    if (g_str_equal(key, "oneway"))
        return message_take_boolean(key, value, &call->oneway, error);
    if (g_str_equal(key, "more"))
        return message_take_boolean(key, value, &call->more, error);
    if (g_str_equal(key, "upgrade"))
        return message_take_boolean(key, value, &call->upgrade, error);
    return message_refuse(error, "unknown key \"%s\" in a call", key);
}

static gboolean
call_take_object(VarlinkCallMessage *call, json_t *root, GError **error)
{
    const char *key;
    json_t *value;

    json_object_foreach (root, key, value) {
        if (!call_take_member(call, key, value, error))
            return FALSE;
    }
    if (!call->method)
        return message_refuse(error, "call without \"method\"");
    if (call->more && call->oneway)
        return message_refuse(error, "call with both \"more\" and \"oneway\"");
    if (!call->parameters)
        call->parameters = json_object();
    return TRUE;
}

gboolean
varlink_call_message_parse(const char *text, gsize length, VarlinkCallMessage *ret_call,
                           GError **error)
{
    g_auto(VarlinkCallMessage) call = {0};
    json_t *root = message_load(text, length, error);
    gboolean good = root && call_take_object(&call, root, error);

    json_decref(root);
    if (!good)
        return FALSE;
    *ret_call = call;
    call = (VarlinkCallMessage){0};
    return TRUE;
}

static gboolean
reply_take_member(VarlinkReplyMessage *reply, const char *key, json_t *value, GError **error)
{
    if (g_str_equal(key, "parameters"))
        return message_take_parameters(value, &reply->parameters, error);
    if (g_str_equal(key, "error"))
        return message_take_string(key, value, &reply->error, error);
    if (g_str_equal(key, "continues"))
        return message_take_boolean(key, value, &reply->continues, error);
    return message_refuse(error, "unknown key \"%s\" in a reply", key);
}

static gboolean
reply_take_object(VarlinkReplyMessage *reply, json_t *root, GError **error)
{
    const char *key;
    json_t *value;

    json_object_foreach (root, key, value) {
        if (!reply_take_member(reply, key, value, error))
            return FALSE;
    }
    if (reply->error && reply->continues)
        return message_refuse(error, "reply with both \"error\" and \"continues\"");
    if (!reply->parameters)
        reply->parameters = json_object();
    return TRUE;
}

gboolean
varlink_reply_message_parse(const char *text, gsize length, VarlinkReplyMessage *ret_reply,
                            GError **error)
{
    g_auto(VarlinkReplyMessage) reply = {0};
    json_t *root = message_load(text, length, error);
    gboolean good = root && reply_take_object(&reply, root, error);

    json_decref(root);
    if (!good)
        return FALSE;
    *ret_reply = reply;
    reply = (VarlinkReplyMessage){0};
    return TRUE;
}

void
varlink_call_message_clear(VarlinkCallMessage *call)
{
    g_clear_pointer(&call->method, g_free);
    g_clear_pointer(&call->parameters, json_decref);
}

void
varlink_reply_message_clear(VarlinkReplyMessage *reply)
{
    g_clear_pointer(&reply->error, g_free);
    g_clear_pointer(&reply->parameters, json_decref);
}

static void
message_put_flag(json_t *root, const char *key, gboolean value)
{
    if (value)
        json_object_set_new(root, key, json_true());
}

static char *
message_dump(json_t *root, json_t *parameters)
{
    char *text = NULL;

    if (!parameters || json_object_set(root, "parameters", parameters) == 0)
        text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    return text;
}

char *
varlink_call_message_format(const VarlinkCallMessage *call)
{
    json_t *root = json_pack("{s:s}", "method", call->method);

    if (!root)
        return NULL;
    message_put_flag(root, "oneway", call->oneway);
    message_put_flag(root, "more", call->more);
    message_put_flag(root, "upgrade", call->upgrade);
    return message_dump(root, call->parameters);
}

char *
varlink_reply_message_format(const VarlinkReplyMessage *reply)
{
    json_t *root = json_object();

    if (reply->error && json_object_set_new(root, "error", json_string(reply->error)) < 0) {
        json_decref(root);
        return NULL;
    }
    message_put_flag(root, "continues", reply->continues);
    return message_dump(root, reply->parameters);
}
