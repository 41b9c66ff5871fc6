/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-fixture.h"

#include <dlfcn.h>
#include <poll.h>
#include <stdio.h>
#include <sys/un.h>

static char *
json_of(const char *text)
{
    return g_strdelimit(g_strdup(text), "'", '"');
}

/* A test that is run with another library must not have got the one that it was built with. */
static void
check_library(void)
{
    const char *folder = getenv("MACVTAPD_LIBRARY");
    Dl_info info;

    if (!folder)
        return;
    assert_true(dladdr((void *)macvtap_client_new, &info));
    if (!g_str_has_prefix(info.dli_fname, folder))
        fail_msg("the library is %s", info.dli_fname);
}

int
client_set_up(void **state)
{
    ClientFixture *fixture = g_new0(ClientFixture, 1);
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    check_library();
    fixture->folder = g_dir_make_tmp("macvtapd-test-XXXXXX", NULL);
    fixture->path = g_build_filename(fixture->folder, "socket", NULL);
    g_strlcpy(address.sun_path, fixture->path, sizeof(address.sun_path));
    fixture->listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fixture->service = -1;
    assert_int_equal(bind(fixture->listening, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fixture->listening, 1), 0);
    fixture->client = macvtap_client_new();
    client_connect_again(fixture);
    *state = fixture;
    return 0;
}

int
client_tear_down(void **state)
{
    ClientFixture *fixture = *state;

    macvtap_request_free(fixture->request);
    macvtap_client_free(fixture->client);
    descriptor_clear(&fixture->service);
    descriptor_clear(&fixture->listening);
    remove(fixture->path);
    remove(fixture->folder);
    g_free(fixture->path);
    g_free(fixture->folder);
    g_free(fixture);
    return 0;
}

void
client_connect_again(ClientFixture *fixture)
{
    assert_int_equal(macvtap_client_connect(fixture->client, fixture->path), 0);
    descriptor_clear(&fixture->service);
    fixture->service = accept4(fixture->listening, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fixture->service >= 0);
}

void
answer_with(ClientFixture *fixture, const char *text, guint n_descriptors)
{
    g_autofree char *json = json_of(text);
    g_autoptr(DescriptorArray) descriptors = make_descriptors(n_descriptors);
    gssize length = (gssize)strlen(json) + 1;

    assert_int_equal(
        send_bytes(fixture->service, json, (gsize)length, n_descriptors ? descriptors : NULL),
        length);
}

void
answer(ClientFixture *fixture, const char *text)
{
    answer_with(fixture, text, 0);
}

void
expect_call(ClientFixture *fixture, const char *method, const char *parameters)
{
    gboolean more = g_str_equal(method, "WatchPorts");
    g_autofree char *text = g_strdup_printf("{'method':'org.macvtapd.Ports.%s'%s%s%s}", method,
                                            *parameters ? ",'parameters':" : "", parameters,
                                            more ? ",'more':true" : "");
    g_autofree char *json = json_of(text);

    expect_text(fixture->service, json);
}

MacvtapRequest *
new_request(MacvtapMethod method, const char *field, const char *text)
{
    static const struct {
        const char *name;
        void (*set)(MacvtapRequest *, const char *);
    } fields[] = {
        {"network", macvtap_request_set_network},
        {"port", macvtap_request_set_port},
        {"domain", macvtap_request_set_domain},
    };
    MacvtapRequest *request = macvtap_request_new(method);

    for (guint i = 0; i < G_N_ELEMENTS(fields); i++) {
        if (g_strcmp0(field, fields[i].name) == 0)
            fields[i].set(request, text);
    }
    return request;
}

int
ask(ClientFixture *fixture, MacvtapMethod method, const char *field, const char *text)
{
    macvtap_request_free(fixture->request);
    fixture->request = new_request(method, field, text);
    return macvtap_client_call(fixture->client, fixture->request);
}

void
expect_failure(ClientFixture *fixture, int result, int errnum, const char *message)
{
    const char *said = macvtap_client_get_message(fixture->client);

    assert_int_equal(result, -errnum);
    assert_non_null(said);
    if (!strstr(said, message))
        fail_msg("'%s' is not in the message '%s'", message, said);
}

void
start_watch(ClientFixture *fixture)
{
    answer(fixture, READY);
    assert_int_equal(ask(fixture, MACVTAP_METHOD_WATCH_PORTS, NULL, NULL), 0);
    expect_call(fixture, "WatchPorts", "");
}

gboolean
is_readable(ClientFixture *fixture)
{
    struct pollfd item = {macvtap_client_get_fd(fixture->client), POLLIN};

    assert_true(item.fd >= 0);
    return poll(&item, 1, 0) == 1 && item.revents == POLLIN;
}
