/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "hand-over.h"
#include "vmm-arguments.h"

#include <glib/gstdio.h>

static char *none[] = {NULL};
static char *dual[] = {(char *)"fd00::21/64", (char *)"192.168.1.33/26", NULL};
static char *six[] = {(char *)"fd00::21/64", NULL};
static char *gateways[] = {(char *)"192.168.1.1", (char *)"fd00::1", NULL};
static char *dns[] = {(char *)"fd00::53", (char *)"192.168.1.53", (char *)"192.168.1.54",
                      (char *)"192.168.1.55", NULL};
static char *search[] = {(char *)"example.net", NULL};

static const HandOver full = {.port = (char *)"web",
                              .network = (char *)"lan",
                              .mac = (char *)"52:54:00:00:00:07",
                              .mtu = 1500,
                              .addresses = dual,
                              .gateways = gateways,
                              .dns = dns,
                              .search = search};

static void
expect(const HandOver *hand_over, HandOverValue value, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = hand_over_text(hand_over, value, &error);

    assert_string_equal(text ? text : error->message, expected);
    if (!text)
        assert_true(g_error_matches(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE));
}

static void
test_values(void **state)
{
    HandOver lease = full;

    expect(&lease, HAND_OVER_ADDRESS, "192.168.1.33");
    expect(&lease, HAND_OVER_PREFIX, "26");
    expect(&lease, HAND_OVER_GATEWAY, "192.168.1.1");
    expect(&lease, HAND_OVER_DNS, "192.168.1.53");
    expect(&lease, HAND_OVER_IP,
           "ip=192.168.1.33::192.168.1.1:255.255.255.192:web::off:192.168.1.53:192.168.1.54");
    lease.gateways = lease.dns = none;
    lease.port = (char *)"web.1";
    expect(&lease, HAND_OVER_IP, "ip=192.168.1.33:::255.255.255.192:::off");
    expect(&lease, HAND_OVER_GATEWAY,
           "network lan has no IPv4 gateway for port web.1; its file has none in Gateway=");
    expect(&lease, HAND_OVER_DNS,
           "network lan has no IPv4 DNS server for port web.1; its file has none in DNS=");
}

/* A guest must not start without its default route because macvtapd tells its user nothing. */
static void
test_unknown_network(void **state)
{
    static const struct {
        HandOverValue value;
        const char *token;
    } rows[] = {
        {HAND_OVER_GATEWAY, "{gateway}"}, {HAND_OVER_DNS, "{dns}"}, {HAND_OVER_IP, "{ip=}"}};
    HandOver lease = full;

    lease.gateways = lease.dns = none;
    lease.unknown = (char *)"network lan has been removed";
    expect(&lease, HAND_OVER_ADDRESS, "192.168.1.33");
    expect(&lease, HAND_OVER_PREFIX, "26");
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *message =
            g_strconcat(rows[i].token,
                        ": the gateway and DNS servers of port web are not known, as network lan"
                        " has been removed",
                        NULL);

        assert_null(hand_over_text(&lease, rows[i].value, &error));
        assert_error_cleared(&error, ASK_ERROR, 0, message);
    }
    lease.addresses = none;
    assert_true(hand_over_is_known(&lease, "network-config", NULL));
}

static void
test_ipv6_alone(void **state)
{
    HandOver lease = full;

    lease.addresses = six;
    expect(&lease, HAND_OVER_ADDRESS, "fd00::21");
    expect(&lease, HAND_OVER_PREFIX, "64");
    expect(&lease, HAND_OVER_GATEWAY, "fd00::1");
    expect(&lease, HAND_OVER_DNS, "fd00::53");
    expect(&lease, HAND_OVER_IP, "port web has no IPv4 address, which {ip=} needs");
    lease.addresses = none;
    expect(&lease, HAND_OVER_ADDRESS,
           "port web has no address: network lan has no [Addresses], and none was asked for");
}

static void
expect_yaml(const HandOver *const *ports, guint n, const char *expected)
{
    json_t *config = hand_over_network_config(ports, n);
    g_autofree char *yaml = hand_over_to_yaml(config);

    json_decref(config);
    assert_string_equal(yaml, expected);
}

static void
test_network_config(void **state)
{
    HandOver other = full;
    const HandOver *ports[] = {&full, &other};

    other.mac = (char *)"52:54:00:00:00:08";
    other.mtu = 9000;
    other.addresses = none;
    expect_yaml(ports, 2,
                "version: 2\n"
                "ethernets:\n"
                "  macvtap0:\n"
                "    match:\n"
                "      macaddress: \"52:54:00:00:00:07\"\n"
                "    addresses:\n"
                "      - \"fd00::21/64\"\n"
                "      - \"192.168.1.33/26\"\n"
                "    routes:\n"
                "      - to: \"0.0.0.0/0\"\n"
                "        via: \"192.168.1.1\"\n"
                "      - to: \"::/0\"\n"
                "        via: \"fd00::1\"\n"
                "    nameservers:\n"
                "      addresses:\n"
                "        - \"fd00::53\"\n"
                "        - \"192.168.1.53\"\n"
                "        - \"192.168.1.54\"\n"
                "        - \"192.168.1.55\"\n"
                "      search:\n"
                "        - \"example.net\"\n"
                "  macvtap1:\n"
                "    match:\n"
                "      macaddress: \"52:54:00:00:00:08\"\n"
                "    mtu: 9000\n"
                "    dhcp4: true\n");
}

/* Tokens of a lease leave QEMU's -netdev and -device to be added. */
static void
test_tokens(void **state)
{
    const char *const command[] = {"qemu-system-x86_64", "-append",
                                   "quiet {ip=} {address:lan}/{prefix:0}", NULL};
    const int fd = 5;
    g_autoptr(GArray) taps = g_array_new(FALSE, FALSE, sizeof(int));
    g_autoptr(GArray) vhosts = g_array_new(FALSE, FALSE, sizeof(int));
    VmmPort port = {.label = "lan", .mac = full.mac, .mtu = 1500, .taps = taps, .vhosts = vhosts};
    VmmUse use;
    g_auto(GStrv) planned = NULL, expanded = NULL;

    g_array_append_val(taps, fd);
    planned = vmm_arguments_expand(command, &port, 1, &use, NULL);
    assert_string_equal(planned[2],
                        "quiet ip=ADDRESS::GATEWAY:NETMASK:NAME::off:DNS ADDRESS/PREFIX");
    port.hand_over = &full;
    expanded = vmm_arguments_expand(command, &port, 1, &use, NULL);
    assert_string_equal(expanded[2], "quiet ip=192.168.1.33::192.168.1.1:255.255.255.192:web::off:"
                                     "192.168.1.53:192.168.1.54 192.168.1.33/26");
    assert_string_equal(expanded[3], "-netdev");
    assert_int_equal(g_strv_length(expanded), 7);
}

static char *
read_file(const char *folder, const char *name)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    char *text;

    assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return text;
}

static void
test_seed(void **state)
{
    g_autofree char *parent = g_dir_make_tmp("seed-XXXXXX", NULL);
    g_autofree char *folder = g_build_filename(parent, "seed,1", NULL);
    g_autofree char *config = g_build_filename(folder, "network-config", NULL);
    const char *const names[] = {"network-config", "meta-data", "user-data"};
    gboolean kept;

    assert_true(seed_write(folder, "web", "version: 2\n", &kept, NULL));
    assert_false(kept);
    for (guint i = 0; i < 2; i++) { /* a second start writes its own file again, and no other */
        g_autofree char *text = read_file(folder, "network-config");
        g_autofree char *meta = read_file(folder, "meta-data");

        assert_true(g_str_has_prefix(text, "# macvtap-run writes this file"));
        assert_true(g_str_has_suffix(text, i == 0 ? "\nversion: 2\n" : "\nversion: 2.1\n"));
        assert_string_equal(meta, "instance-id: \"web\"\nlocal-hostname: \"web\"\n");
        assert_true(seed_write(folder, "other", "version: 2.1\n", &kept, NULL));
        assert_false(kept);
    }
    assert_true(g_file_set_contents(config, "version: 1\n", -1, NULL));
    assert_true(seed_write(folder, "web", "version: 2\n", &kept, NULL));
    assert_true(kept);
    {
        g_autofree char *text = read_file(folder, "network-config");

        assert_string_equal(text, "version: 1\n");
    }
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(folder, names[i], NULL);

        assert_int_equal(g_unlink(path), 0);
    }
    assert_int_equal(g_rmdir(folder), 0);
    assert_int_equal(g_rmdir(parent), 0);
}

static void
test_seed_disk(void **state)
{
    static const char *const rows[][3] = {
        {"qemu-system-x86_64", "if=virtio", NULL},
        {"qemu-system-x86_64 -M microvm", "if=none", "virtio-blk-device,drive=macvtap-seed"},
        {"qemu-system-s390x", "if=virtio", NULL},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(GStrv) command = g_strsplit(rows[i][0], " ", -1);
        g_auto(GStrv) words = seed_arguments("a,b", (const char *const *)command, NULL);
        g_autofree char *drive =
            g_strconcat(rows[i][1],
                        ",id=macvtap-seed,format=raw,read-only=on,file.driver=vvfat,"
                        "file.label=CIDATA,file.dir=a,,b",
                        NULL);

        assert_string_equal(words[1], drive);
        assert_int_equal(g_strv_length(words), rows[i][2] ? 4 : 2);
        if (rows[i][2])
            assert_string_equal(words[3], rows[i][2]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),          cmocka_unit_test(test_ipv6_alone),
        cmocka_unit_test(test_unknown_network), cmocka_unit_test(test_network_config),
        cmocka_unit_test(test_tokens),          cmocka_unit_test(test_seed),
        cmocka_unit_test(test_seed_disk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
