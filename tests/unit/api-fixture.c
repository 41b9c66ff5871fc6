/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api-fixture.h"

#include <sys/socket.h>
#include <unistd.h>

/* Who the peer is was settled when the pair was made. */
VarlinkClient *
api_connect(ApiFixture *fixture)
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_true(
        varlink_server_add_connection(fixture->server, pair[0], VARLINK_ROOT_IS_ROOT, NULL));
    return varlink_client_new_from_fd(pair[1]);
}

/* ApiReload: what the fixture has to say. */
static gboolean
on_reload(const Caller *caller, guint *ret_networks, gpointer user_data, GError **error)
{
    ApiFixture *fixture = user_data;

    fixture->reloads++;
    assert_int_equal(caller->uid, getuid());
    if (fixture->reload_error)
        g_set_error_literal(error, G_FILE_ERROR, G_FILE_ERROR_ACCES, fixture->reload_error);
    *ret_networks = 7;
    return !fixture->reload_error;
}

int
api_set_up(void **state)
{
    const VarlinkServiceInfo info = {"macvtapd", "macvtapd", "1", "https://example.org/"};
    ApiFixture *fixture = g_new0(ApiFixture, 1);
    uid_t uid = getuid();
    g_autoptr(GError) error = NULL;

    fixture->test = test_broker_new();
    g_array_append_val(test_broker_network(fixture->test, "lan")->allow_uids, uid);
    fixture->server = varlink_server_new(&info, NULL, &error);
    fixture->api = api_new(fixture->server, fixture->test->broker, on_reload, fixture);
    assert_no_error(error);
    fixture->client = api_connect(fixture);
    *state = fixture;
    return 0;
}

int
api_tear_down(void **state)
{
    ApiFixture *fixture = *state;

    varlink_client_free(fixture->client);
    varlink_server_free(fixture->server);
    api_free(fixture->api);
    test_broker_free(fixture->test);
    g_free(fixture);
    return 0;
}

/* parameters: JSON, with ' for ". */
void
api_send(VarlinkClient *client, const char *method, const char *parameters, VarlinkCallFlags flags)
{
    g_autofree char *name = g_strconcat(API_INTERFACE, method, NULL);
    g_autofree char *text = g_strdelimit(g_strdup(parameters), "'", '"');
    json_t *json = json_loads(text, 0, NULL);
    g_autoptr(GError) error = NULL;

    assert_non_null(json);
    varlink_client_send(client, name, json, flags, &error);
    assert_no_error(error);
    test_settle();
}

void
api_receive(VarlinkClient *client, VarlinkReply *ret_reply)
{
    g_autoptr(GError) error = NULL;

    varlink_client_set_timeout(client, 0);
    varlink_client_receive(client, ret_reply, &error);
    assert_no_error(error);
}

void
api_call(ApiFixture *fixture, const char *method, const char *parameters, VarlinkReply *ret_reply)
{
    api_send(fixture->client, method, parameters, VARLINK_CALL_PLAIN);
    api_receive(fixture->client, ret_reply);
}

void
api_call_well(ApiFixture *fixture, const char *method, const char *parameters,
              VarlinkReply *ret_reply)
{
    api_call(fixture, method, parameters, ret_reply);
    if (ret_reply->error)
        fail_msg("%s: %s", ret_reply->error,
                 json_string_value(json_object_get(ret_reply->parameters, "message")));
    assert_false(ret_reply->continues);
}

void
api_expect_error(ApiFixture *fixture, const char *method, const char *parameters, const char *name,
                 const char *text)
{
    g_autofree char *qualified = g_strconcat(API_INTERFACE, name, NULL);
    g_auto(VarlinkReply) reply = {0};
    const char *message;

    api_call(fixture, method, parameters, &reply);
    assert_non_null(reply.error);
    assert_string_equal(reply.error, qualified);
    assert_int_equal(json_object_size(reply.parameters), 1);
    message = json_string_value(json_object_get(reply.parameters, "message"));
    assert_non_null(message);
    if (!strstr(message, text))
        fail_msg("'%s' is not in '%s'", text, message);
    assert_int_equal(reply.descriptors->len, 0);
}

const char *
api_text_of(json_t *object, const char *field)
{
    return json_string_value(json_object_get(object, field));
}

static gboolean check_type(json_t *value, const char *type);

/* Whether the object has exactly the fields of the interface's type of this name. */
gboolean
api_check_struct(json_t *object, const char *name)
{
    g_autofree char *start = g_strdup_printf("\ntype %s (\n", name);
    const char *found = strstr(api_description(), start);
    g_autofree char *body = NULL;
    g_auto(GStrv) lines = NULL;
    gsize n_found = 0;

    assert_non_null(found);
    found += strlen(start);
    body = g_strndup(found, (gsize)(strstr(found, "\n)") - found));
    lines = g_strsplit(body, "\n", -1);
    for (guint i = 0; lines[i]; i++) {
        g_auto(GStrv) parts = g_strsplit(g_strstrip(lines[i]), ": ", 2);
        json_t *value = json_object_get(object, parts[0]);
        gsize length = strlen(parts[1]);

        if (parts[1][length - 1] == ',')
            parts[1][length - 1] = '\0';
        if (!value && parts[1][0] == '?')
            continue;
        if (!check_type(value, parts[1][0] == '?' ? parts[1] + 1 : parts[1]))
            fail_msg("%s.%s is no %s", name, parts[0], parts[1]);
        n_found++;
    }
    if (n_found != json_object_size(object))
        fail_msg("%s has more fields than the interface: %s", name, json_dumps(object, 0));
    return TRUE;
}

static gboolean
check_type(json_t *value, const char *type)
{
    if (g_str_has_prefix(type, "[]")) {
        json_t *element;
        gsize i;

        json_array_foreach (value, i, element) {
            if (!check_type(element, type + 2))
                return FALSE;
        }
        return json_is_array(value);
    }
    if (g_str_has_prefix(type, "[string]")) {
        const char *key;
        json_t *member;

        json_object_foreach (value, key, member) {
            if (!check_type(member, type + strlen("[string]")))
                return FALSE;
        }
        return json_is_object(value);
    }
    if (type[0] == '(') {
        g_autofree char *list = g_strndup(type + 1, strlen(type) - 2);
        g_auto(GStrv) names = g_strsplit(list, ", ", -1);

        return json_is_string(value) &&
               g_strv_contains((const char *const *)names, json_string_value(value));
    }
    if (g_str_equal(type, "string"))
        return json_is_string(value);
    if (g_str_equal(type, "int"))
        return json_is_integer(value);
    if (g_str_equal(type, "bool"))
        return json_is_boolean(value);
    return json_is_object(value) && api_check_struct(value, type);
}
