/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What libmacvtap's setters put on the wire. */
#include "client-fixture.h"

static void
test_every_setter(void **state)
{
    ClientFixture *fixture = *state;
    MacvtapRequest *request = macvtap_request_new(MACVTAP_METHOD_CREATE_PORT);

    macvtap_request_set_network(request, "lan");
    macvtap_request_set_name(request, "web");
    macvtap_request_set_description(request, "the shop's");
    macvtap_request_set_guest_name(request, "Web 1");
    macvtap_request_set_interface_name(request, "tap0");
    macvtap_request_set_mac_address(request, "52:54:00:00:00:01");
    macvtap_request_set_mtu(request, 1500);
    macvtap_request_set_queues(request, 2);
    macvtap_request_set_vhost(request, MACVTAP_VHOST_AUTO);
    macvtap_request_set_open_descriptors(request, false);
    macvtap_request_set_link_up(request, false);
    macvtap_request_set_incoming(request, true);
    macvtap_request_set_device_node(request, 107, 4294967294);
    macvtap_request_set_holder_process(request, 42);
    macvtap_request_set_check_only(request, true);
    answer(fixture, GRANT(PORT, "[]", "[]"));
    assert_int_equal(macvtap_client_call(fixture->client, request), 0);
    macvtap_request_set_description(request, NULL);
    macvtap_request_set_mtu(request, 0);
    macvtap_request_set_vhost(request, MACVTAP_VHOST_UNKNOWN);
    macvtap_request_set_incoming(request, false);
    macvtap_request_set_check_only(request, false);
    macvtap_request_set_holder(request, MACVTAP_HOLDER_UNKNOWN);
    {
        static const char json[] =
            "{\"method\":\"org.macvtapd.Ports.CreatePort\",\"parameters\":{\"network\":\"lan\","
            "\"name\":\"web\",\"description\":\"the shop's\",\"guestName\":\"Web 1\","
            "\"interfaceName\":\"tap0\",\"macAddress\":\"52:54:00:00:00:01\",\"mtu\":1500,"
            "\"queues\":2,\"vhost\":\"auto\",\"openDescriptors\":false,\"linkUp\":false,"
            "\"incoming\":true,\"deviceNode\":{\"owner\":107,\"group\":4294967294},"
            "\"holder\":{\"type\":\"process\",\"pid\":42},\"checkOnly\":true}}";

        expect_text(fixture->service, json);
    }
    macvtap_request_set_holder_namespace(request, "eth0");
    macvtap_request_set_holder_namespace(request, NULL);
    macvtap_request_set_holder_process(request, 42);
    macvtap_request_set_holder_process(request, 0);
    answer(fixture, GRANT(PORT, "[]", "[]"));
    assert_int_equal(macvtap_client_call(fixture->client, request), 0);
    expect_call(fixture, "CreatePort",
                "{'network':'lan','name':'web','guestName':'Web 1','interfaceName':'tap0',"
                "'macAddress':'52:54:00:00:00:01','queues':2,'openDescriptors':false,"
                "'linkUp':false,'deviceNode':{'owner':107,'group':4294967294}}");
    macvtap_request_free(request);
}

static void
set_holder_none(MacvtapRequest *request)
{
    macvtap_request_set_holder(request, MACVTAP_HOLDER_NONE);
}

static void
set_holder_descriptors(MacvtapRequest *request)
{
    macvtap_request_set_holder(request, MACVTAP_HOLDER_DESCRIPTORS);
}

static void
set_holder_domain(MacvtapRequest *request)
{
    macvtap_request_set_holder_domain(request, "x");
}

static void
set_holder_namespace(MacvtapRequest *request)
{
    macvtap_request_set_holder_namespace(request, "x");
}

static void
test_holders(void **state)
{
    static const struct {
        const char *text, *json;
        void (*set)(MacvtapRequest *request);
    } rows[] = {
        {"none", "{'type':'none'}", set_holder_none},
        {"descriptors", "{'type':'descriptors'}", set_holder_descriptors},
        {"process", "{'type':'process'}"},
        {"pid:1", "{'type':'process','pid':1}"},
        {"domain:x", "{'type':'domain','domain':'x'}", set_holder_domain},
        {"namespace:x", "{'type':'namespace','interface':'x'}", set_holder_namespace},
    };
    ClientFixture *fixture = *state;

    for (guint i = 0; i < 2 * G_N_ELEMENTS(rows); i++) {
        g_autofree char *parameters = g_strdup_printf("{'holder':%s}", rows[i / 2].json);
        MacvtapRequest *request = macvtap_request_new(MACVTAP_METHOD_CREATE_PORT);

        if (i % 2 == 0 || !rows[i / 2].set)
            assert_int_equal(macvtap_request_set_text(request, "holder", rows[i / 2].text), 0);
        else
            rows[i / 2].set(request);
        answer(fixture, GRANT(PORT, "[]", "[]"));
        assert_int_equal(macvtap_client_call(fixture->client, request), 0);
        expect_call(fixture, "CreatePort", parameters);
        macvtap_request_free(request);
    }
}

static void
test_texts(void **state)
{
    ClientFixture *fixture = *state;
    MacvtapRequest *request = new_request(MACVTAP_METHOD_CREATE_PORT, "network", "lan");

    macvtap_request_set_vhost(request, MACVTAP_VHOST_AUTO);
    assert_int_equal(macvtap_request_set_text(request, "queues", "2"), 0);
    assert_int_equal(macvtap_request_set_text(request, "mtu", "1400"), 0);
    assert_int_equal(macvtap_request_set_text(request, "mtu", NULL), 0);
    assert_int_equal(macvtap_request_set_text(request, "openDescriptors", "no"), 0);
    assert_int_equal(macvtap_request_set_text(request, "vhost", "off"), 0);
    answer(fixture, GRANT(PORT, "[]", "[]"));
    assert_int_equal(macvtap_client_call(fixture->client, request), 0);
    expect_call(fixture, "CreatePort",
                "{'network':'lan','vhost':'off','queues':2,'openDescriptors':false}");
    macvtap_request_free(request);
    request = new_request(MACVTAP_METHOD_SET_PORT, "port", "web");
    assert_int_equal(macvtap_request_set_text(request, "linkUp", "down"), 0);
    assert_int_equal(macvtap_request_set_text(request, "sources", "a,b"), 0);
    answer(fixture, "{'parameters':{'port':" PORT "}}");
    assert_int_equal(macvtap_client_call(fixture->client, request), 0);
    expect_call(fixture, "SetPort", "{'port':'web','linkUp':false,'sources':['a','b']}");
    macvtap_request_free(request);
}

static void
test_wrong_texts(void **state)
{
    static const struct {
        MacvtapMethod method;
        const char *field, *text, *message;
    } rows[] = {
        {MACVTAP_METHOD_SET_PORT, "colour", "red", "there is no field 'colour'"},
        {MACVTAP_METHOD_SET_PORT, "id", "p000000000001", "there is no field 'id'"},
        {MACVTAP_METHOD_SET_PORT, "holderPid", "two",
         "a process ID must be 1 to 2147483647, not 'two'"},
        {MACVTAP_METHOD_SET_PORT, "linkUp", "yes", "link must be up or down, not 'yes'"},
        {MACVTAP_METHOD_CREATE_PORT, "holder", "", "a holder is descriptors"},
        {MACVTAP_METHOD_CREATE_PORT, "holder", "pid", "not 'pid'"},
        {MACVTAP_METHOD_CREATE_PORT, "holder", "pid:", "not 'pid:'"},
        {MACVTAP_METHOD_CREATE_PORT, "holder", "pid:0", "not 'pid:0'"},
        {MACVTAP_METHOD_CREATE_PORT, "holder", "pid:-1", "not 'pid:-1'"},
        {MACVTAP_METHOD_CREATE_PORT, "holder", "pid:99999999999", "a holder is"},
        {MACVTAP_METHOD_CREATE_PORT, "holder", "None", "a holder is"},
        {MACVTAP_METHOD_CREATE_PORT, "holder", "domain:\xff", "a holder is"},
    };
    ClientFixture *fixture = *state;

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        MacvtapRequest *request = macvtap_request_new(rows[i].method);

        assert_int_equal(macvtap_request_get_result(request), -EINPROGRESS);
        assert_int_equal(macvtap_request_set_text(request, rows[i].field, rows[i].text), -EINVAL);
        assert_int_equal(macvtap_request_get_result(request), -EINVAL);
        if (!strstr(macvtap_request_get_message(request), rows[i].message))
            fail_msg("%s: %s", rows[i].message, macvtap_request_get_message(request));
        /* What was wrong is not in it. */
        answer(fixture, "{'parameters':{'port':" PORT ",'tapFileDescriptors':[],"
                        "'vhostFileDescriptors':[]}}");
        assert_int_equal(macvtap_client_call(fixture->client, request), 0);
        assert_null(macvtap_request_get_message(request));
        expect_call(fixture, rows[i].method == MACVTAP_METHOD_SET_PORT ? "SetPort" : "CreatePort",
                    "");
        macvtap_request_free(request);
    }
}

static void
test_text_that_is_not_utf_8(void **state)
{
    ClientFixture *fixture = *state;

    answer(fixture, REFUSAL("PortNotFound", "no"));
    assert_int_equal(ask(fixture, MACVTAP_METHOD_DELETE_PORT, "port", "\xff"), -ENOENT);
    expect_call(fixture, "DeletePort", "{'port':'\xef\xbf\xbd'}");
}

static void
test_changes(void **state)
{
    ClientFixture *fixture = *state;
    MacvtapRequest *request = new_request(MACVTAP_METHOD_SET_PORT, "port", "web");

    macvtap_request_add_source(request, "52:54:00:00:00:01");
    macvtap_request_add_source(request, "52:54:00:00:00:02");
    macvtap_request_set_link_up(request, true);
    macvtap_request_set_holder_pid(request, 42);
    answer(fixture, "{'parameters':{'port':" PORT "}}");
    assert_int_equal(macvtap_client_call(fixture->client, request), 0);
    assert_string_equal(macvtap_port_get_name(macvtap_request_get_port(request, 0)), "web");
    expect_call(fixture, "SetPort",
                "{'port':'web','sources':['52:54:00:00:00:01','52:54:00:00:00:02'],"
                "'linkUp':true,'holderPid':42}");
    macvtap_request_clear_sources(request);
    answer(fixture, REFUSAL("HolderInvalid", "no"));
    expect_failure(fixture, macvtap_client_call(fixture->client, request), ESRCH, "no");
    expect_call(fixture, "SetPort", "{'port':'web','sources':[],'linkUp':true,'holderPid':42}");
    macvtap_request_free(request);
}

static void
test_addresses(void **state)
{
    ClientFixture *fixture = *state;
    MacvtapRequest *request = new_request(MACVTAP_METHOD_CREATE_PORT, "network", "lan");

    macvtap_request_add_address(request, "192.0.2.1");
    macvtap_request_add_address(request, "2001:db8::1/64");
    answer(fixture, GRANT(PORT, "[]", "[]"));
    assert_int_equal(macvtap_client_call(fixture->client, request), 0);
    expect_call(fixture, "CreatePort",
                "{'network':'lan','addresses':['192.0.2.1','2001:db8::1/64']}");
    macvtap_request_clear_addresses(request);
    answer(fixture, GRANT(PORT, "[]", "[]"));
    assert_int_equal(macvtap_client_call(fixture->client, request), 0);
    expect_call(fixture, "CreatePort", "{'network':'lan'}");
    macvtap_request_free(request);
}

static void
test_each_method(void **state)
{
    ClientFixture *fixture = *state;
    MacvtapRequest *request = new_request(MACVTAP_METHOD_LIST_PORTS, "network", "lan");

    macvtap_request_set_statistics(request, true);
    answer(fixture, "{'parameters':{'ports':[]}}");
    assert_int_equal(macvtap_client_call(fixture->client, request), 0);
    expect_call(fixture, "ListPorts", "{'network':'lan','statistics':true}");
    macvtap_request_free(request);
    answer(fixture, "{'parameters':{'port':" PORT "}}");
    assert_int_equal(ask(fixture, MACVTAP_METHOD_GET_PORT, "port", "web"), 0);
    expect_call(fixture, "GetPort", "{'port':'web'}");
    answer(fixture, "{'parameters':{'networks':[]}}");
    assert_int_equal(ask(fixture, MACVTAP_METHOD_LIST_NETWORKS, NULL, NULL), 0);
    expect_call(fixture, "ListNetworks", "");
    answer(fixture, "{'parameters':{'ports':0}}");
    assert_int_equal(ask(fixture, MACVTAP_METHOD_END_DOMAIN, "domain", "uuid"), 0);
    expect_call(fixture, "EndDomain", "{'domain':'uuid'}");
    answer(fixture, "{'parameters':{'networks':3}}");
    assert_int_equal(ask(fixture, MACVTAP_METHOD_RELOAD, NULL, NULL), 0);
    expect_call(fixture, "Reload", "");
    expect_failure(fixture, ask(fixture, 0, NULL, NULL), EINVAL, "no such method");
    expect_failure(fixture, ask(fixture, 99, NULL, NULL), EINVAL, "no such method");
    expect_nothing(fixture->service);
}

static void
test_delete_network_or_all(void **state)
{
    ClientFixture *fixture = *state;
    MacvtapRequest *request = macvtap_request_new(MACVTAP_METHOD_DELETE_PORT);

    answer(fixture, "{'parameters':{'deleted':3,'failures':[]}}");
    assert_int_equal(ask(fixture, MACVTAP_METHOD_DELETE_PORT, "network", "lan"), 0);
    expect_call(fixture, "DeletePort", "{'network':'lan'}");
    assert_int_equal(macvtap_request_get_count(fixture->request), 3);
    macvtap_request_set_all(request, true);
    answer(fixture, "{'parameters':{'deleted':3}}");
    expect_failure(fixture, macvtap_client_call(fixture->client, request), EPROTO,
                   "no list of failures");
    expect_call(fixture, "DeletePort", "{'all':true}");
    macvtap_request_free(request);
}

/* How many names the call has that came; it is no longer than any user's may be. */
static guint
count_names(ClientFixture *fixture)
{
    char text[5000];
    gssize length = recv(fixture->service, text, sizeof(text), MSG_DONTWAIT);
    guint n = 0;

    assert_true(length > 0 && length <= 4096 && text[length - 1] == '\0');
    for (const char *c = text; (c = strstr(c, "\"00000")); c++)
        n++;
    return n;
}

#define DELETED_80                                                                                 \
    "{'parameters':{'deleted':80,'failures':[{'port':'a','error':'PortNotFound','message':"        \
    "'there is none'}]}}"

/* As many in one call as a message may hold, so that any user's are taken. */
static void
test_delete_several(void **state)
{
    ClientFixture *fixture = *state;
    MacvtapRequest *request = macvtap_request_new(MACVTAP_METHOD_DELETE_PORT);
    const MacvtapFailure *failure;

    for (guint i = 0; i < 200; i++) {
        g_autofree char *name = g_strdup_printf("%040u", i);

        macvtap_request_add_port(request, name);
        if (i == 0) /* begins again */
            macvtap_request_clear_ports(request), macvtap_request_add_port(request, name);
    }
    assert_int_equal(macvtap_client_submit(fixture->client, request, NULL, NULL), 0);
    for (guint i = 0; i < 3; i++) {
        assert_null(macvtap_client_next_completed(fixture->client));
        assert_int_equal(count_names(fixture), i < 2 ? 81 : 200 - 2 * 81);
        answer(fixture, DELETED_80);
        assert_int_equal(macvtap_client_dispatch(fixture->client), 0);
    }
    assert_ptr_equal(macvtap_client_next_completed(fixture->client), request);
    assert_int_equal(macvtap_request_get_result(request), 0);
    assert_int_equal(macvtap_request_get_count(request), 240);
    assert_int_equal(macvtap_request_get_n_failures(request), 3);
    failure = macvtap_request_get_failure(request, 2);
    assert_string_equal(macvtap_failure_get_port(failure), "a");
    assert_string_equal(macvtap_failure_get_message(failure), "there is none");
    assert_int_equal(macvtap_failure_get_refusal(failure), MACVTAP_REFUSAL_PORT_NOT_FOUND);
    assert_null(macvtap_request_get_failure(request, 3));
    macvtap_request_free(request);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CLIENT_TEST(test_every_setter),
        CLIENT_TEST(test_holders),
        CLIENT_TEST(test_texts),
        CLIENT_TEST(test_wrong_texts),
        CLIENT_TEST(test_text_that_is_not_utf_8),
        CLIENT_TEST(test_changes),
        CLIENT_TEST(test_addresses),
        CLIENT_TEST(test_each_method),
        CLIENT_TEST(test_delete_network_or_all),
        CLIENT_TEST(test_delete_several),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
