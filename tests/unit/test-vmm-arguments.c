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

    *port = (VmmPort){.label = network,
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
    const char *const argv[] = {"vmm", argument, "{ifname:0}", NULL};
    g_autoptr(GError) error = NULL;
    VmmUse uses[3];
    g_auto(GStrv) expanded = vmm_arguments_expand(argv, ports, n_ports, uses, &error);

    if (!expanded) {
        assert_true(g_error_matches(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE));
        return g_strdup(error->message);
    }
    assert_int_equal(g_strv_length(expanded), 3);
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
    VmmUse uses[3];

    assert_null(vmm_arguments_expand(argv, ports, n_ports, uses, &error));
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
        "{ fd}",
        "{fd }",
        "{f}",
        "{:lan}",
        "{bash}",
        "{print}",
        "{id}",
        "${mca}",
        "{mca",
        "{mca }",
        "{mac3}",
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

/* A word that is nearly a token is refused everywhere, any other in the arguments of QEMU, which
 * has no use for it. */
static void
test_misspelt_tokens(void **state)
{
    static const struct {
        const char *argument, *message;
    } near[] = {
        {"{mca}", "{mca} is not a token; did you mean {mac}?"},
        {"tap,fd={fd},mac={mca}", "did you mean {mac}?"},
        {"{MAC}", "{MAC} is not a token; did you mean {mac}?"},
        {"{fdx}", "did you mean {fd}?"},
        {"{netdve:lan}", "{netdve} is not a token; did you mean {netdev}?"},
        {"{fdss,}", "did you mean {fds}?"},
        {"{ifnam}", "did you mean {ifname}?"},
    };
    const char *const qemu[] = {"env",      "A={interface}", "qemu-system-x86_64", "-netdev",
                                "{netdev}", "-device",       "{interface}",        NULL};
    const char *const json[] = {"qemu-system-x86_64",
                                "-blockdev",
                                "{\"driver\":\"file\"}",
                                "-device",
                                "{'driver':'e1000'}",
                                "-netdev",
                                "{netdev}",
                                "-device",
                                "{device}",
                                NULL};
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) expanded = NULL;
    VmmUse uses[1];
    VmmPort port;

    set_port(&port, 0, "lan", 1, 0);
    for (guint i = 0; i < G_N_ELEMENTS(near); i++)
        expect_refusal(&port, 1, near[i].argument, near[i].message);
    assert_null(vmm_arguments_expand(qemu, &port, 1, uses, &error));
    assert_error_cleared(&error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                         "{interface} is not a token; the tokens are {netdev}, ");
    expanded = vmm_arguments_expand(json, &port, 1, uses, &error);
    assert_non_null(expanded);
    assert_string_equal(expanded[2], json[2]);
    assert_string_equal(expanded[4], json[4]);
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
    expect_refusal(ports, 3, "{netdev}", "there are 3 networks: select one, as in {netdev:NET} or");
    expect_refusal(ports, 3, "{fd:}", "there is no --network or --port ''");
    expect_refusal(ports, 3, "{fd:3}", "there is no --network or --port '3'");
    expect_refusal(ports, 3, "{fd:-1}", "there is no --network or --port '-1'");
    expect_refusal(ports, 3, "{fd:LAN}", "there is no --network or --port 'LAN'");
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
    expect_refusal(ports, 2, "{fd:lan}", "there are 2 ports on network lan: select one by number");
    expect(ports, 2, "{fd:0} {fd:1}", "10 20");
    clear_ports(ports, 2);
}

static void
test_no_port_at_all(void **state)
{
    expect_refusal(NULL, 0, "{fd}", "there are 0 networks");
    expect_refusal(NULL, 0, "{fd:0}", "there is no --network or --port '0'");
}

static char *
expand_command(const VmmPort *ports, guint n_ports, const char *command)
{
    g_auto(GStrv) argv = g_strsplit(command, " ", -1);
    g_autoptr(GError) error = NULL;
    VmmUse uses[3];
    g_auto(GStrv) expanded =
        vmm_arguments_expand((const char *const *)argv, ports, n_ports, uses, &error);

    if (!expanded ||
        !vmm_arguments_check((const char *const *)expanded, ports, n_ports, uses, &error))
        return g_strdup(error->message);
    return g_strjoinv(" ", expanded);
}

static void
test_qemu_gets_pairs(void **state)
{
    VmmPort ports[2];
    g_autofree char *both = NULL, *wrapped = NULL;

    set_port(&ports[0], 0, "lan", 1, 1);
    set_port(&ports[1], 1, "dmz", 2, 0);
    both = expand_command(ports, 2, "qemu-system-x86_64 -m 1G");
    assert_string_equal(both, "qemu-system-x86_64 -m 1G"
                              " -netdev tap,id=macvtap0,fd=10,vhost=on,vhostfd=15"
                              " -device virtio-net-pci,netdev=macvtap0,mac=52:54:00:00:00:00"
                              " -netdev tap,id=macvtap1,fds=20:21"
                              " -device virtio-net-pci,netdev=macvtap1,mac=52:54:00:00:00:01,"
                              "mq=on,vectors=6");
    wrapped = expand_command(ports, 1, "nice -n 5 kvm -S");
    assert_string_equal(wrapped, "nice -n 5 kvm -S"
                                 " -netdev tap,id=macvtap0,fd=10,vhost=on,vhostfd=15"
                                 " -device virtio-net-pci,netdev=macvtap0,mac=52:54:00:00:00:00");
    clear_ports(ports, 2);
}

/* The device of "QEMU OPTIONS" for one port with n queues. */
static void
expect_device(VmmPort *port, const char *command, const char *device)
{
    g_autofree char *text = expand_command(port, 1, command);
    const char *found = strstr(text, " -device ");

    if (g_strcmp0(found ? found + strlen(" -device ") : text, device) != 0)
        fail_msg("%s: %s", command, text);
}

static void
test_device_suits_the_machine(void **state)
{
    VmmPort port;

    set_port(&port, 0, "lan", 1, 0);
    port.mtu = 9000;
    expect_device(&port, "qemu-system-x86_64 -M microvm",
                  "virtio-net-device,netdev=macvtap0,mac=52:54:00:00:00:00,host_mtu=9000");
    expect_device(&port, "qemu-system-s390x",
                  "virtio-net-ccw,netdev=macvtap0,mac=52:54:00:00:00:00,host_mtu=9000");
    expect_device(&port, "qemu-system-i386 -machine isapc",
                  "ne2k_isa,netdev=macvtap0,mac=52:54:00:00:00:00");
    expect_device(&port, "qemu-system-aarch64 -M raspi3b",
                  "QEMU's machine raspi3b has no bus for virtio-net: say which network device it "
                  "takes with model=MODEL");
    port.model = "usb-net";
    expect_device(&port, "qemu-system-aarch64 -M raspi3b",
                  "usb-net,netdev=macvtap0,mac=52:54:00:00:00:00");
    port.model = "virtio";
    port.bus = "port1";
    expect_device(&port, "qemu-system-x86_64 -M q35",
                  "virtio-net-pci,netdev=macvtap0,mac=52:54:00:00:00:00,bus=port1,host_mtu=9000");
    clear_ports(&port, 1);
    set_port(&port, 0, "lan", 2, 0);
    expect_device(&port, "qemu-system-x86_64 -M microvm",
                  "virtio-net-device,netdev=macvtap0,mac=52:54:00:00:00:00,mq=on");
    port.model = "e1000";
    expect_device(&port, "kvm", "e1000,netdev=macvtap0,mac=52:54:00:00:00:00");
    clear_ports(&port, 1);
}

static void
test_lists_and_numbers(void **state)
{
    VmmPort ports[2];

    set_port(&ports[0], 0, "lan", 2, 2);
    set_port(&ports[1], 1, "7", 3, 3);
    expect(ports, 1, "fd=[{fds,}],vhost=[{vhostfds,}]", "fd=[10,11],vhost=[15,16]");
    expect(ports, 1, "{fd:0}+{fd:1}+{vhostfd:1}", "10+11+16");
    expect(ports, 2, "{fds,:lan} {fds,:1}", "10,11 20,21,22");
    expect(ports, 2, "{fd:lan:1} {fd:0:0} {fd:7:2} {vhostfd:1:0}", "11 10 22 25");
    expect_refusal(ports, 1, "{fd:2}",
                   "{fd:2}: the port on network lan has 2 queues, counted from 0");
    expect_refusal(ports, 2, "{fd:lan:2}", "{fd:2}: the port on network lan has 2 queues");
    expect_refusal(ports, 2, "{fd:nosuch:0}", "there is no --network or --port 'nosuch'");
    expect_refusal(ports, 2, "{fd:lan:x}", "there is no --network or --port 'lan:x'");
    expect_refusal(ports, 2, "{fd:lan:256}", "there is no --network or --port 'lan:256'");
    clear_ports(ports, 2);
}

/* What stands for what is not known before a port is made. */
static void
test_plan(void **state)
{
    VmmPort port;

    set_port(&port, 0, "lan", 2, 0);
    port.mac = port.interface_name = NULL;
    port.mtu = 0;
    port.is_plan = TRUE;
    for (guint i = 0; i < 2; i++)
        g_array_index(port.taps, int, i) = -1;
    {
        g_autofree char *text = expand_command(&port, 1,
                                               "vmm {fds} {fd:7} {vhostfd:1} {mac} {mtu} "
                                               "{ifname} {netdev} {device}");

        assert_string_equal(text, "vmm FD0:FD1 FD7 VHOSTFD1 MAC MTU IFNAME"
                                  " tap,id=macvtap0,fds=FD0:FD1"
                                  " virtio-net-pci,netdev=macvtap0,mac=MAC,mq=on,vectors=6");
    }
    port.is_plan = FALSE;
    expect_refusal(&port, 1, "{fd:7}", "{fd:7}: the port on network lan has 2 queues");
    clear_ports(&port, 1);
}

static void
test_what_is_no_network(void **state)
{
    static const char *const rows[][2] = {
        {"true", "the command starts no QEMU and uses no token"},
        {"sh -c qemu-system-x86_64", "the command starts no QEMU"},
        {"sudo -u alice kvm",
         "sudo closes the port's descriptors; run 'sudo -u USER macvtap-run …' instead"},
        {"nice doas kvm {netdev} {device}", "doas -u USER macvtap-run …"},
        {"vmm {mac}", "does not use the descriptor of the port on network lan"},
        {"kvm -device {device}", "does not use the descriptor of the port on network lan"},
        {"vmm {vhostfd} {mac}", "does not use the descriptor of the port on network lan"},
        {"kvm -netdev {netdev}",
         "the MAC of the port on network lan (52:54:00:00:00:00) is not in the command"},
        {"vmm {fd}", "use {mac} or {device}, or add check-mac=no to --network=lan"},
        {"kvm -netdev {netdev} -device {device},mac=52:54:00:00:00:01", "a later mac= overrides"},
        {"vmm {fd} mac=52:54:00:00:00:01", "is not in the command"},
        {"vmm {fd} mac=152:54:00:00:00:00", "is not in the command"},
        {"vmm {fd} mac=52:54:00:00:00:001", "is not in the command"},
        {"vmm {fd} mac=52:54:00:00:00:0", "is not in the command"},
        {"52:54:00:00:00:00 {fd}", "is not in the command"},
    };
    VmmPort port;

    set_port(&port, 0, "lan", 1, 1);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text = expand_command(&port, 1, rows[i][0]);

        if (!strstr(text, rows[i][1]))
            fail_msg("%s: %s", rows[i][0], text);
    }
    clear_ports(&port, 1);
}

static void
test_mac_in_every_spelling(void **state)
{
    static const char *const commands[] = {
        "vmm {fd} {mac}",
        "vmm {netdev} {device}",
        "vmm {fd} mac=52:54:00:aB:cD:eF",
        "vmm {fd} 52-54-00-AB-CD-EF",
        "vmm {fd} 5254.00ab.cdef",
        "vmm {fd} x=525400abcdef,y",
    };
    VmmPort port;

    set_port(&port, 0, "lan", 1, 0);
    port.mac = "52:54:00:ab:cd:ef";
    for (guint i = 0; i < G_N_ELEMENTS(commands); i++) {
        g_autofree char *text = expand_command(&port, 1, commands[i]);

        if (!g_str_has_prefix(text, "vmm "))
            fail_msg("%s: %s", commands[i], text);
    }
    {
        g_autofree char *refused = expand_command(&port, 1, "vmm {fd}"), *taken = NULL;

        port.other_mac = TRUE;
        taken = expand_command(&port, 1, "vmm {fd}");
        assert_string_equal(taken, "vmm 10");
        assert_non_null(strstr(refused, "is not in the command"));
    }
    clear_ports(&port, 1);
}

/* Each of several ports must be used, and have its MAC. */
static void
test_one_of_two_is_forgotten(void **state)
{
    VmmPort ports[2];
    g_autofree char *unused = NULL, *deaf = NULL;

    set_port(&ports[0], 0, "lan", 1, 0);
    set_port(&ports[1], 1, "web", 1, 0);
    ports[1].is_port = TRUE;
    unused = expand_command(ports, 2, "kvm {netdev:lan} {device:lan}");
    deaf = expand_command(ports, 2, "kvm {netdev:lan} {device:lan} {fd:web}");
    assert_non_null(strstr(unused, "does not use the descriptor of port web"));
    assert_non_null(strstr(deaf, "the MAC of port web (52:54:00:00:00:01) is not in"));
    assert_non_null(strstr(deaf, "check-mac=no to --port=web"));
    clear_ports(ports, 2);
}

static void
test_quoting(void **state)
{
    const char *const words[] = {"kvm", "-name", "a b", "", "it's", "x=1,y:2", "$HOME", NULL};
    g_autofree char *text = vmm_arguments_quote(words);
    g_auto(GStrv) back = NULL;

    assert_string_equal(text, "kvm -name 'a b' '' 'it'\\''s' x=1,y:2 '$HOME'");
    assert_true(g_shell_parse_argv(text, NULL, &back, NULL));
    assert_true(g_strv_equal((const char *const *)back, words));
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
        cmocka_unit_test(test_misspelt_tokens),
        cmocka_unit_test(test_several_networks),
        cmocka_unit_test(test_network_named_by_a_number),
        cmocka_unit_test(test_one_network_twice),
        cmocka_unit_test(test_no_port_at_all),
        cmocka_unit_test(test_qemu_gets_pairs),
        cmocka_unit_test(test_device_suits_the_machine),
        cmocka_unit_test(test_lists_and_numbers),
        cmocka_unit_test(test_plan),
        cmocka_unit_test(test_what_is_no_network),
        cmocka_unit_test(test_mac_in_every_spelling),
        cmocka_unit_test(test_one_of_two_is_forgotten),
        cmocka_unit_test(test_quoting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
