/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Input: the text of a message. What parses must say the same after formatting and parsing again.
 */
#include "fuzz-target.h"

#include "varlink-message.h"

#include <stdlib.h>
#include <string.h>

static void
check(gboolean promise)
{
    if (!promise)
        g_error("the message broke a promise");
}

static void
check_error(const GError *error)
{
    check(error && error->domain == VARLINK_ERROR && error->code == VARLINK_ERROR_PROTOCOL);
}

static void
check_call(const char *text, gsize size)
{
    g_auto(VarlinkCallMessage) call = {0};
    g_auto(VarlinkCallMessage) again = {0};
    g_autoptr(GError) error = NULL;
    char *formatted;

    if (!varlink_call_message_parse(text, size, &call, &error)) {
        check_error(error);
        return;
    }
    check(json_is_object(call.parameters) && !(call.more && call.oneway));
    formatted = varlink_call_message_format(&call);
    check(formatted && varlink_call_message_parse(formatted, strlen(formatted), &again, NULL));
    free(formatted);
    check(g_str_equal(call.method, again.method) && call.more == again.more &&
          call.oneway == again.oneway && call.upgrade == again.upgrade);
    check(json_equal(call.parameters, again.parameters));
}

static void
check_reply(const char *text, gsize size)
{
    g_auto(VarlinkReplyMessage) reply = {0};
    g_auto(VarlinkReplyMessage) again = {0};
    g_autoptr(GError) error = NULL;
    char *formatted;

    if (!varlink_reply_message_parse(text, size, &reply, &error)) {
        check_error(error);
        return;
    }
    check(json_is_object(reply.parameters) && !(reply.error && reply.continues));
    formatted = varlink_reply_message_format(&reply);
    check(formatted && varlink_reply_message_parse(formatted, strlen(formatted), &again, NULL));
    free(formatted);
    check(g_strcmp0(reply.error, again.error) == 0 && reply.continues == again.continues);
    check(json_equal(reply.parameters, again.parameters));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_call((const char *)data, size);
    check_reply((const char *)data, size);
    return 0;
}
