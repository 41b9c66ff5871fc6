/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "port-options.h"

#define IN_PLACE "parent=eth0,mode=bridge"

static void
take(PortOptions *options, const char *network, const char *mac, const char *queues,
     const char *mtu)
{
    *options = (PortOptions){.network = g_strdup(network),
                             .mac = g_strdup(mac),
                             .queues = g_strdup(queues),
                             .mtu = g_strdup(mtu)};
}

static void
test_taken(void **state)
{
    static const char *const rows[][4] = {
        {"lan"},
        {NULL, "52:54:00:12:34:56", "1", "68"},
        {"lan", "52:54:00:AB:cd:00", "256", "65535"},
        {IN_PLACE, NULL, "4", NULL},
        {"mode=passthru,vlan=4094,parent=bond0"},
        {"parent=a.b-c_d,mode=source,vlan=1.4094"},
        {"parent=eth0,mode=vepa"},
        {"parent=eth0,mode=private"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        PortOptions options;
        g_autoptr(GError) error = NULL;

        take(&options, rows[i][0], rows[i][1], rows[i][2], rows[i][3]);
        port_options_check(&options, &error);
        assert_no_error(error);
        port_options_clear(&options);
    }
}

static void
test_what_it_says(void **state)
{
    PortOptions options;

    take(&options, "parent=eth1,mode=passthru,vlan=7", NULL, "007", "01500");
    assert_true(port_options_check(&options, NULL));
    assert_string_equal(options.queues, "7");
    assert_string_equal(options.mtu, "1500");
    port_options_clear(&options);
    port_options_clear(&options);
}

static void
test_refused(void **state)
{
    static const char *const rows[][5] = {
        {"", NULL, NULL, NULL, "'' cannot be a network's name"},
        {"l n", NULL, NULL, NULL, "'l n' cannot be a network's name"},
        {"l\n", NULL, NULL, NULL, "'l\\n' cannot be a network's name"},
        {"caf\xc3\xa9", NULL, NULL, NULL, "cannot be a network's name"},
        {"parent=eth0, mode=bridge", NULL, NULL, NULL, "unknown word ' mode=bridge'"},
        {"parent=eth0", NULL, NULL, NULL, "mode= is missing in the ad-hoc network"},
        {"mode=bridge", NULL, NULL, NULL, "parent= is missing in the ad-hoc network"},
        {"parent=eth0,mode=bride", NULL, NULL, NULL, "unknown word 'mode=bride'"},
        {"parent=,mode=bridge", NULL, NULL, NULL, "'' cannot be an interface name"},
        {IN_PLACE ",mtu=9000", NULL, NULL, NULL, "unknown word 'mtu=9000'"},
        {IN_PLACE ",vlan=4095", NULL, NULL, NULL, "'4095' is not N or OUTER.INNER"},
        {"lan", "", NULL, NULL, "'' is not a MAC address"},
        {"lan", "52:54:00:12:34", NULL, NULL, "'52:54:00:12:34' is not a MAC address"},
        {"lan", NULL, "0", NULL, "queues must be 1 to 256, not '0'"},
        {"lan", NULL, "-1", NULL, "queues must be 1 to 256, not '-1'"},
        {"lan", NULL, "257", NULL, "queues must be 1 to 256, not '257'"},
        {"lan", NULL, "4x", NULL, "queues must be 1 to 256, not '4x'"},
        {"lan", NULL, "", NULL, "queues must be 1 to 256, not ''"},
        {"lan", NULL, NULL, "67", "the MTU must be 68 to 65535, not '67'"},
        {"lan", NULL, NULL, "65536", "the MTU must be 68 to 65535, not '65536'"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        PortOptions options;
        g_autoptr(GError) error = NULL;

        take(&options, rows[i][0], rows[i][1], rows[i][2], rows[i][3]);
        assert_false(port_options_check(&options, &error));
        assert_error_cleared(&error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, rows[i][4]);
        port_options_clear(&options);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken),
        cmocka_unit_test(test_what_it_says),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
