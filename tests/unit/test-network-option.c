/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "field-options.h"
#include "network-option.h"

static void
option_clear(NetworkOption *option)
{
    network_option_clear(option);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(NetworkOption, option_clear)

static void
test_a_name(void **state)
{
    g_auto(NetworkOption) option = {0};

    assert_true(network_option_parse("lan", &option, NULL));
    assert_string_equal(option.network, "lan");
    assert_null(option.name);
    assert_null(option.interface_name);
    assert_null(option.mac);
    assert_null(option.vhost);
    assert_null(option.port);
    assert_null(option.model);
    assert_true(option.check_mac);
    assert_int_equal(option.queues, 0);
    assert_int_equal(option.mtu, 0);
}

static void
test_every_key(void **state)
{
    g_auto(NetworkOption) option = {0};

    assert_true(network_option_parse("lan,vhost=off,mtu=9000,queues=256,mac=52:54:00:00:00:01,"
                                     "ifname=tap0,name=web,model=e1000,bus=rp.0,incoming=yes,"
                                     "check-mac=no,address=10.0.0.5,address=fd00::5/64",
                                     &option, NULL));
    assert_string_equal(option.network, "lan");
    assert_string_equal(option.name, "web");
    assert_string_equal(option.interface_name, "tap0");
    assert_string_equal(option.mac, "52:54:00:00:00:01");
    assert_string_equal(option.vhost, "off");
    assert_int_equal(option.queues, 256);
    assert_int_equal(option.mtu, 9000);
    assert_string_equal(option.model, "e1000");
    assert_string_equal(option.bus, "rp.0");
    assert_string_equal(option.addresses, "10.0.0.5,fd00::5/64");
    assert_true(option.incoming);
    assert_false(option.check_mac);
}

static void
test_adhoc(void **state)
{
    static const char *const rows[][2] = {
        {"parent=eth0,mode=bridge", "parent=eth0,mode=bridge"},
        {"mode=bridge,name=web,parent=eth0,queues=2,vlan=7", "mode=bridge,parent=eth0,vlan=7"},
        /* Whether it makes a network is for macvtapd to say. */
        {"parent=", "parent="},
        {"parent=a,parent=b", "parent=a,parent=b"},
        {"mode=a=b", "mode=a=b"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(NetworkOption) option = {0};

        assert_true(network_option_parse(rows[i][0], &option, NULL));
        assert_string_equal(option.network, rows[i][1]);
    }
}

static void
test_refusals(void **state)
{
    static const char *const rows[][2] = {
        {"", "names no network"},
        {",", "is not key=value"},
        {"lan,", "is not key=value"},
        {"lan,web", "'web' in --network=lan,web is not key=value"},
        {"name=web", "names no network"},
        {"=", "'=' begins with '='"},
        {"=lan,queues=2",
         "'=lan,queues=2' begins with '='; write -n lan,queues=2 or --network=lan,queues=2"},
        {"lan,speed=9", "unknown key 'speed'"},
        {"lan,Mac=52:54:00:00:00:01", "unknown key 'Mac'"},
        {"lan,parent=eth0,mode=bridge", "a network and a parent"},
        {"lan,name=a,name=b", "'name' is given twice"},
        {"lan,mac=a,mac=a", "'mac' is given twice"},
        {"lan,ifname=a,ifname=b", "'ifname' is given twice"},
        {"lan,vhost=on,vhost=off", "'vhost' is given twice"},
        {"lan,queues=1,queues=2", "'queues' is given twice"},
        {"lan,mtu=1500,mtu=1500", "'mtu' is given twice"},
        {"lan,queues=0", "queues must be 1 to 256, not '0'"},
        {"lan,queues=257", "not '257'"},
        {"lan,queues=", "not ''"},
        {"lan,queues=+1", "not '+1'"},
        {"lan,queues= 1", "not ' 1'"},
        {"lan,queues=1x", "not '1x'"},
        {"lan,queues=18446744073709551617", "queues must be"},
        {"lan,mtu=67", "the MTU must be 68 to 65535"},
        {"lan,mtu=65536", "not '65536'"},
        {"lan,incoming=1", "incoming must be yes or no, not '1'"},
        {"lan,address=web", "'web' is neither ADDRESS nor ADDRESS/BITS"},
        {"lan,address=", "'' is neither ADDRESS nor ADDRESS/BITS"},
        {"lan,address=10.0.0.5,address=", "'' is neither ADDRESS nor ADDRESS/BITS"},
        {"lan,check-mac=", "check-mac must be yes or no, not ''"},
        {"lan,incoming=no,incoming=yes", "'incoming' is given twice"},
        {"lan,check-mac=yes,check-mac=yes", "'check-mac' is given twice"},
        {"lan,model=", "'' cannot be a model"},
        {"lan,model=a b", "'a b' cannot be a model"},
        {"lan,bus=a/b", "'a/b' cannot be a bus"},
        {"lan,model=a,model=b", "'model' is given twice"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(NetworkOption) option = {0};
        g_autoptr(GError) error = NULL;

        if (network_option_parse(rows[i][0], &option, &error))
            fail_msg("'%s' is taken", rows[i][0]);
        assert_error_cleared(&error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, rows[i][1]);
    }
}

static void
test_a_port(void **state)
{
    g_auto(NetworkOption) plain = {0}, option = {0};

    assert_true(port_option_parse("web", &plain, NULL));
    assert_string_equal(plain.port, "web");
    assert_null(plain.network);
    assert_string_equal(network_option_label(&plain), "web");
    assert_true(port_option_parse("a=b,queues=2,model=e1000,bus=x,check-mac=no", &option, NULL));
    assert_string_equal(option.port, "a=b");
    assert_int_equal(option.queues, 2);
    assert_string_equal(option.model, "e1000");
    assert_false(option.check_mac);
}

static void
test_refused_ports(void **state)
{
    static const char *const rows[][2] = {
        {"", "--port= names no port"},
        {"=web", "write -p web or --port=web"},
        {",queues=2", "names no port"},
        {"web,2", "'2' in --port=web,2 is not key=value"},
        {"web,mac=52:54:00:00:00:01", "unknown key 'mac' (--port has queues"},
        {"web,queues=0", "queues must be 1 to 256"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(NetworkOption) option = {0};
        g_autoptr(GError) error = NULL;

        if (port_option_parse(rows[i][0], &option, &error))
            fail_msg("'%s' is taken", rows[i][0]);
        assert_error_cleared(&error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, rows[i][1]);
    }
}

static void
test_numbers(void **state)
{
    guint number = 7;

    assert_false(field_option_number("queues", "0", &number, NULL));
    assert_int_equal(number, 7);
    assert_true(field_option_number("queues", "1", &number, NULL));
    assert_int_equal(number, 1);
    assert_false(field_option_number("mtu", "0x600", &number, NULL));
    assert_true(field_option_number("mtu", "68", &number, NULL));
    assert_int_equal(number, 68);
    assert_true(field_option_number("mtu", "65535", &number, NULL));
    assert_int_equal(number, 65535);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_name),        cmocka_unit_test(test_every_key),
        cmocka_unit_test(test_adhoc),         cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_numbers),       cmocka_unit_test(test_a_port),
        cmocka_unit_test(test_refused_ports),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
