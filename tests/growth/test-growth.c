/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a program of the later version says and sees of the two fields more. */
#include "client-fixture.h"

static void
test_fields_of_the_later_version(void **state)
{
    ClientFixture *fixture = *state;
    MacvtapRequest *request = new_request(MACVTAP_METHOD_CREATE_PORT, "network", "lan");

    macvtap_request_set_shade(request, "grey");
    answer(fixture, GRANT("{'shade':'green','id':'p1','name':'web','network':'lan',"
                          "'parent':'eth0','mode':'bridge','interfaceName':'tap0',"
                          "'interfaceIndex':7,'macAddress':'52:54:00:00:00:01','mtu':1500,"
                          "'queues':2,'holder':{'type':'none'},'owner':0,'state':'active'}",
                          "[]", "[]"));
    assert_int_equal(macvtap_client_call(fixture->client, request), 0);
    expect_call(fixture, "CreatePort", "{'network':'lan','shade':'grey'}");
    assert_string_equal(macvtap_port_get_shade(macvtap_request_get_port(request, 0)), "green");
    macvtap_request_free(request);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {CLIENT_TEST(test_fields_of_the_later_version)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
