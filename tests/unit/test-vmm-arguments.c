/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "vmm-arguments.h"

static GArray *
numbers(int first, guint n)
{
    GArray *array = g_array_new(FALSE, FALSE, sizeof(int));

    for (guint i = 0; i < n; i++, first++)
        g_array_append_val(array, first);
    return array;
}

static void
set_port(VmmPort *port, int number, const char *network, guint n_taps, guint n_vhosts)
{
    static const char *const macs[] = {"52:54:00:00:00:00", "52:54:00:00:00:01",
                                       "52:54:00:00:00:02"};
    static const char *const interfaces[] = {"tap0", "tap1", "tap2"};

    *port = (VmmPort){.network = network,
                      .mac = macs[number],
                      .interface_name = interfaces[number],
                      .mtu = 1500,
                      .taps = numbers(10 * (number + 1), n_taps),
                      .vhosts = numbers(10 * (number + 1) + 5, n_vhosts)};
}

static void
clear_ports(VmmPort *ports, guint n)
{
    for (guint i = 0; i < n; i++) {
        g_array_unref(ports[i].taps);
        g_array_unref(ports[i].vhosts);
    }
}

/* The arguments behind "vmm", joined by blanks, or the error's message. */
static char *
expand(const VmmPort *ports, guint n_ports, const char *argument)
{
    const char *const argv[] = {"vmm", argument, NULL};
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) expanded = vmm_arguments_expand(argv, ports, n_ports, &error);

    if (!expanded) {
        assert_true(g_error_matches(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE));
        return g_strdup(error->message);
    }
    assert_int_equal(g_strv_length(expanded), 2);
    assert_string_equal(expanded[0], "vmm");
    return g_strdup(expanded[1]);
}

static void
expect(const VmmPort *ports, guint n_ports, const char *argument, const char *expected)
{
    g_autofree char *expanded = expand(ports, n_ports, argument);

    assert_string_equal(expanded, expected);
}

static void
expect_refusal(const VmmPort *ports, guint n_ports, const char *argument, const char *text)
{
    const char *const argv[] = {"vmm", argument, NULL};
    g_autoptr(GError) error = NULL;

    assert_null(vmm_arguments_expand(argv, ports, n_ports, &error));
    assert_error_cleared(&error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, text);
}

static void
test_every_token(void **state)
{
    VmmPort port;

    set_port(&port, 0, "lan", 1, 1);
    expect(&port, 1, "{netdev}", "tap,id=macvtap0,fd=10,vhost=on,vhostfd=15");
    expect(&port, 1, "{device}", "virtio-net-pci,netdev=macvtap0,mac=52:54:00:00:00:00");
    expect(&port, 1, "{fd}", "10");
    expect(&port, 1, "{fds}", "10");
    expect(&port, 1, "{vhostfd}", "15");
    expect(&port, 1, "{vhostfds}", "15");
    expect(&port, 1, "{mac}", "52:54:00:00:00:00");
    expect(&port, 1, "{mtu}", "1500");
    expect(&port, 1, "{ifname}", "tap0");
    expect(&port, 1, "tap,fd={fd},mac={mac},x", "tap,fd=10,mac=52:54:00:00:00:00,x");
    clear_ports(&port, 1);
}

static void
test_without_vhost(void **state)
{
    VmmPort port;

    set_port(&port, 0, "lan", 1, 0);
    expect(&port, 1, "{netdev}", "tap,id=macvtap0,fd=10");
    expect_refusal(&port, 1, "{vhostfd}", "{vhostfd}: the port on network lan has no vhost-net");
    expect_refusal(&port, 1, "{vhostfds}", "no vhost-net");
    clear_ports(&port, 1);
}

static void
test_several_queues(void **state)
{
    VmmPort port;

    set_port(&port, 0, "lan", 4, 4);
    expect(&port, 1, "{netdev}", "tap,id=macvtap0,fds=10:11:12:13,vhost=on,vhostfds=15:16:17:18");
    expect(&port, 1, "{device}",
           "virtio-net-pci,netdev=macvtap0,mac=52:54:00:00:00:00,mq=on,vectors=10");
    expect(&port, 1, "{fds}", "10:11:12:13");
    expect(&port, 1, "{vhostfds}", "15:16:17:18");
    expect_refusal(&port, 1, "{fd}", "has 4 queues; use {fds}");
    expect_refusal(&port, 1, "{vhostfd}", "use {vhostfds}");
    clear_ports(&port, 1);
}

static void
test_host_mtu(void **state)
{
    VmmPort port;

    set_port(&port, 0, "lan", 1, 0);
    port.mtu = 9000;
    expect(&port, 1, "{mtu}", "9000");
    expect(&port, 1, "{device}",
           "virtio-net-pci,netdev=macvtap0,mac=52:54:00:00:00:00,host_mtu=9000");
    clear_ports(&port, 1);
}

static void
test_other_braces_stay(void **state)
{
    static const char *const texts[] = {
        "",
        "{",
        "}",
        "{}",
        "{fd",
        "fd}",
        "{FD}",
        "{ fd}",
        "{fd }",
        "{fdx}",
        "{f}",
        "{:lan}",
        "{bash}",
        "{\"a\":{}}",
        "${HOME}",
        "{netdev",
        "{{}}",
        "{x:0}",
        "{\"driver\":\"virtio-net-pci\"}",
    };
    VmmPort port;

    set_port(&port, 0, "lan", 1, 0);
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++)
        expect(&port, 1, texts[i], texts[i]);
    expect(&port, 1, "{{fd}}", "{10}");
    expect(&port, 1, "{x{fd}", "{x10");
    expect(&port, 1, "{\"fd\":{fd}}", "{\"fd\":10}");
    clear_ports(&port, 1);
}

static void
test_several_networks(void **state)
{
    VmmPort ports[3];

    set_port(&ports[0], 0, "lan", 1, 0);
    set_port(&ports[1], 1, "dmz", 2, 2);
    set_port(&ports[2], 2, "parent=eth0,mode=bridge", 1, 1);
    expect(ports, 3, "{fd:lan}", "10");
    expect(ports, 3, "{fds:dmz}", "20:21");
    expect(ports, 3, "{fd:parent=eth0,mode=bridge}", "30");
    expect(ports, 3, "{fd:0} {fds:1} {fd:2}", "10 20:21 30");
    expect(ports, 3, "{netdev:dmz}", "tap,id=macvtap1,fds=20:21,vhost=on,vhostfds=25:26");
    expect(ports, 3, "{device:2}", "virtio-net-pci,netdev=macvtap2,mac=52:54:00:00:00:02");
    expect(ports, 1, "{fd:lan} {fd:0}", "10 10");
    expect_refusal(ports, 3, "{fd}", "there are 3 networks");
    expect_refusal(ports, 3, "{fd:}", "there is no --network ''");
    expect_refusal(ports, 3, "{fd:3}", "there is no --network '3'");
    expect_refusal(ports, 3, "{fd:-1}", "there is no --network '-1'");
    expect_refusal(ports, 3, "{fd:LAN}", "there is no --network 'LAN'");
    clear_ports(ports, 3);
}

/* A network's name comes before a position, should it be a number. */
static void
test_network_named_by_a_number(void **state)
{
    VmmPort ports[2];

    set_port(&ports[0], 0, "1", 1, 0);
    set_port(&ports[1], 1, "0", 1, 0);
    expect(ports, 2, "{fd:0} {fd:1}", "20 10");
    clear_ports(ports, 2);
}

static void
test_one_network_twice(void **state)
{
    VmmPort ports[2];

    set_port(&ports[0], 0, "lan", 1, 0);
    set_port(&ports[1], 1, "lan", 1, 0);
    expect_refusal(ports, 2, "{fd:lan}", "there are 2 ports on network lan: say which by number");
    expect(ports, 2, "{fd:0} {fd:1}", "10 20");
    clear_ports(ports, 2);
}

static void
test_no_port_at_all(void **state)
{
    expect(NULL, 0, "fd", "fd");
    expect_refusal(NULL, 0, "{fd}", "there are 0 networks");
    expect_refusal(NULL, 0, "{fd:0}", "there is no --network '0'");
}

static void
test_qemu_is_known(void **state)
{
    static const char *const qemus[] = {"qemu-system-x86_64", "/usr/bin/qemu-system-aarch64",
                                        "qemu-kvm", "/usr/libexec/qemu-kvm", "./kvm"};
    static const char *const others[] = {
        "qemu-img", "cloud-hypervisor", "qemu", "", "kvmtool", "/usr/bin/qemu-system-x86_64/x"};

    for (guint i = 0; i < G_N_ELEMENTS(qemus); i++)
        assert_true(vmm_is_qemu(qemus[i]));
    for (guint i = 0; i < G_N_ELEMENTS(others); i++)
        assert_false(vmm_is_qemu(others[i]));
}

static char *
expand_command(const VmmPort *ports, guint n_ports, const char *command)
{
    g_auto(GStrv) argv = g_strsplit(command, " ", -1);
    g_auto(GStrv) expanded = vmm_arguments_expand((const char *const *)argv, ports, n_ports, NULL);

    return g_strjoinv(" ", expanded);
}

static void
test_qemu_gets_pairs(void **state)
{
    VmmPort ports[2];
    g_autofree char *both = NULL, *token = NULL, *other = NULL;

    set_port(&ports[0], 0, "lan", 1, 1);
    set_port(&ports[1], 1, "dmz", 2, 0);
    both = expand_command(ports, 2, "qemu-system-x86_64 -m 1G");
    assert_string_equal(both, "qemu-system-x86_64 -m 1G"
                              " -netdev tap,id=macvtap0,fd=10,vhost=on,vhostfd=15"
                              " -device virtio-net-pci,netdev=macvtap0,mac=52:54:00:00:00:00"
                              " -netdev tap,id=macvtap1,fds=20:21"
                              " -device virtio-net-pci,netdev=macvtap1,mac=52:54:00:00:00:01,"
                              "mq=on,vectors=6");
    token = expand_command(ports, 1, "qemu-system-x86_64 -netdev {netdev}");
    assert_string_equal(token, "qemu-system-x86_64 -netdev "
                               "tap,id=macvtap0,fd=10,vhost=on,vhostfd=15");
    other = expand_command(ports, 1, "crosvm run");
    assert_string_equal(other, "crosvm run");
    clear_ports(ports, 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_token),
        cmocka_unit_test(test_without_vhost),
        cmocka_unit_test(test_several_queues),
        cmocka_unit_test(test_host_mtu),
        cmocka_unit_test(test_other_braces_stay),
        cmocka_unit_test(test_several_networks),
        cmocka_unit_test(test_network_named_by_a_number),
        cmocka_unit_test(test_one_network_twice),
        cmocka_unit_test(test_no_port_at_all),
        cmocka_unit_test(test_qemu_is_known),
        cmocka_unit_test(test_qemu_gets_pairs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
