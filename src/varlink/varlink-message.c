/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "varlink-message.h"

#include "error.h"

G_DEFINE_QUARK(macvtapd - varlink - error, varlink_error)

#define message_refuse(error, ...)                                                                 \
    error_set(error, VARLINK_ERROR, VARLINK_ERROR_PROTOCOL, __VA_ARGS__)

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

typedef enum MemberType {
    MEMBER_TEXT,   /* char *, not empty */
    MEMBER_TRUTH,  /* gboolean */
    MEMBER_OBJECT, /* json_t *; may be null */
} MemberType;

/* A top-level key, and where its value goes in the message. */
typedef struct Member {
    const char *key;
    MemberType type;
    gsize offset;
} Member;

static const Member call_members[] = {
    {"method", MEMBER_TEXT, offsetof(VarlinkCallMessage, method)},
    {"parameters", MEMBER_OBJECT, offsetof(VarlinkCallMessage, parameters)},
    {"oneway", MEMBER_TRUTH, offsetof(VarlinkCallMessage, oneway)},
    {"more", MEMBER_TRUTH, offsetof(VarlinkCallMessage, more)},
    {"upgrade", MEMBER_TRUTH, offsetof(VarlinkCallMessage, upgrade)},
    {NULL},
};
static const Member reply_members[] = {
    {"parameters", MEMBER_OBJECT, offsetof(VarlinkReplyMessage, parameters)},
    {"error", MEMBER_TEXT, offsetof(VarlinkReplyMessage, error)},
    {"continues", MEMBER_TRUTH, offsetof(VarlinkReplyMessage, continues)},
    {NULL},
};

static gboolean
member_take(const Member *member, json_t *value, gpointer at, GError **error)
{
    switch (member->type) {
    case MEMBER_TEXT:
        if (!json_is_string(value) || json_string_length(value) == 0)
            return message_refuse(error, "\"%s\" is not a nonempty string", member->key);
        *(char **)at = g_strdup(json_string_value(value));
        return TRUE;
    case MEMBER_TRUTH:
        if (!json_is_boolean(value))
            return message_refuse(error, "\"%s\" is not true or false", member->key);
        *(gboolean *)at = json_is_true(value);
        return TRUE;
    case MEMBER_OBJECT:
        if (!json_is_object(value) && !json_is_null(value))
            return message_refuse(error, "\"%s\" is not an object", member->key);
        *(json_t **)at = json_is_object(value) ? json_incref(value) : NULL;
        return TRUE;
    }
    return FALSE;
}

/* Fills a zeroed message, which is the caller's to clear in any case. what: "call". */
static gboolean
message_parse(const char *text, gsize length, const Member *members, const char *what,
              gpointer message, GError **error)
{
    json_t *root = message_load(text, length, error), *value;
    gboolean good = root != NULL;
    const char *key;

    json_object_foreach (root, key, value) {
        const Member *member = members;

        while (member->key && !g_str_equal(member->key, key))
            member++;
        good = member->key ? member_take(member, value, (char *)message + member->offset, error)
                           : message_refuse(error, "unknown key \"%s\" in a %s", key, what);
        if (!good)
            break;
    }
    json_decref(root);
    return good;
}

gboolean
varlink_call_message_parse(const char *text, gsize length, VarlinkCallMessage *ret_call,
                           GError **error)
{
    g_auto(VarlinkCallMessage) call = {0};

    if (!message_parse(text, length, call_members, "call", &call, error))
        return FALSE;
    if (!call.method)
        return message_refuse(error, "call without \"method\"");
    if (call.more && call.oneway)
        return message_refuse(error, "call with both \"more\" and \"oneway\"");
    if (!call.parameters)
        call.parameters = json_object();
    *ret_call = call;
    call = (VarlinkCallMessage){0};
    return TRUE;
}

gboolean
varlink_reply_message_parse(const char *text, gsize length, VarlinkReplyMessage *ret_reply,
                            GError **error)
{
    g_auto(VarlinkReplyMessage) reply = {0};

    if (!message_parse(text, length, reply_members, "reply", &reply, error))
        return FALSE;
    if (reply.error && reply.continues)
        return message_refuse(error, "reply with both \"error\" and \"continues\"");
    if (!reply.parameters)
        reply.parameters = json_object();
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
