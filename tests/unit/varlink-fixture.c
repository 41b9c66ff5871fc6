/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "varlink-fixture.h"

static const char description[] = "interface org.example.test\n"
                                  "method Echo(text: ?string) -> (text: ?string)\n"
                                  "# Answered by the test, whenever it likes.\n"
                                  "method Later() -> ()\n"
                                  "method Stream() -> (n: int)\n"
                                  "method Descriptors(count: int) -> ()\n"
                                  "method Forget() -> ()\n"
                                  "method Twice() -> ()\n"
                                  "method FreeServer() -> ()\n"
                                  "# Runs the main loop before and after it answers.\n"
                                  "method RunLoop() -> ()\n";

static void
handle_echo(VarlinkCall *call, gpointer user_data)
{
    ((Fixture *)user_data)->calls++;
    varlink_call_reply(call, json_incref(varlink_call_parameters(call)), NULL);
}

static void
note_gone(VarlinkCall *call, gpointer user_data)
{
    ((Fixture *)user_data)->gone++;
}

static void
handle_later(VarlinkCall *call, gpointer user_data)
{
    Fixture *fixture = user_data;

    fixture->calls++;
    assert_null(fixture->kept);
    fixture->kept = varlink_call_ref(call);
    varlink_call_on_gone(call, note_gone, fixture);
}

static void
handle_descriptors(VarlinkCall *call, gpointer user_data)
{
    json_t *count = json_object_get(varlink_call_parameters(call), "count");

    if (!json_is_integer(count))
        varlink_call_invalid_parameter(call, "count");
    else
        varlink_call_reply(call, NULL, make_descriptors(json_integer_value(count)));
}

static void
handle_forget(VarlinkCall *call, gpointer user_data)
{
}

static void
handle_twice(VarlinkCall *call, gpointer user_data)
{
    varlink_call_reply(call, json_pack("{s:i}", "n", 1), NULL);
    varlink_call_reply(call, json_pack("{s:i}", "n", 2), make_descriptors(2));
}

static void
handle_free_server(VarlinkCall *call, gpointer user_data)
{
    Fixture *fixture = user_data;

    g_clear_pointer(&fixture->server, varlink_server_free);
    varlink_call_reply(call, NULL, make_descriptors(1));
}

static void
handle_run_loop(VarlinkCall *call, gpointer user_data)
{
    Fixture *fixture = user_data;
    guint calls = fixture->calls;

    settle();
    assert_int_equal(fixture->calls, calls);
    varlink_call_reply(call, NULL, NULL);
    settle();
}

static const VarlinkMethod methods[] = {
    {"Echo", handle_echo},
    {"Later", handle_later},
    {"Stream", handle_later, .needs_more = TRUE},
    {"Descriptors", handle_descriptors},
    {"Forget", handle_forget},
    {"Twice", handle_twice},
    {"FreeServer", handle_free_server},
    {"RunLoop", handle_run_loop},
    {NULL},
};

const VarlinkServiceInfo fixture_info = {"Vendor", "Product", "1", "https://example.org/"};

int
connect_client(Fixture *fixture)
{
    int pair[2];

    make_pair(pair);
    fixture->near = pair[0];
    assert_true(
        varlink_server_add_connection(fixture->server, pair[0], VARLINK_ROOT_IS_ROOT, NULL));
    return pair[1];
}

void
fixture_init_with(Fixture *fixture, const VarlinkLimits *limits)
{
    *fixture = (Fixture){.before = count_descriptors()};
    fixture->server = varlink_server_new(&fixture_info, limits, NULL);
    varlink_server_add_interface(fixture->server, "org.example.test", description, methods,
                                 fixture);
    fixture->client = connect_client(fixture);
    fixture->held = count_descriptors();
}

void
fixture_init(Fixture *fixture)
{
    /* The default context's wake-up descriptor is made on first use. */
    settle();
    fixture_init_with(fixture, NULL);
}

void
fixture_clear(Fixture *fixture)
{
    varlink_server_free(fixture->server);
    g_clear_pointer(&fixture->kept, varlink_call_unref);
    descriptor_clear(&fixture->client);
    assert_int_equal(count_descriptors(), fixture->before);
}

void
ask(Fixture *fixture, const char *text)
{
    send_text(fixture->client, text);
    settle();
}

void
expect_answer(Fixture *fixture, const char *call, const char *reply)
{
    ask(fixture, call);
    expect_text(fixture->client, reply);
}

void
expect_first_text(Fixture *fixture, const char *text)
{
    char buffer[100];

    assert_int_equal(recv(fixture->client, buffer, strlen(text) + 1, MSG_DONTWAIT),
                     strlen(text) + 1);
    assert_string_equal(buffer, text);
}

void
expect_dropped(Fixture *fixture)
{
    settle();
    expect_closed(fixture->client);
    assert_int_equal(varlink_server_connection_count(fixture->server), 0);
}

int
make_listener(struct sockaddr_un *address, socklen_t *length)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    *length = sizeof *address;
    assert_int_equal(bind(fd, (struct sockaddr *)address, sizeof(sa_family_t)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)address, length), 0);
    assert_int_equal(listen(fd, 10), 0);
    return fd;
}

int
dial(const struct sockaddr_un *address, socklen_t length)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (const struct sockaddr *)address, length), 0);
    return fd;
}
