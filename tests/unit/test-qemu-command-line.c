/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "qemu-command-line.h"

#define DEFAULT_MAC "52:54:00:12:34:56"
#define MAC "52:54:00:00:00:01"
#define OTHER_MAC "52:54:00:00:00:02"

static char *
find(const char *command, GError **error)
{
    gsize length = strlen(command) + 1;
    g_autofree char *text = g_strdup(command);

    for (gsize i = 0; i < length; i++)
        text[i] = command[i] == '|' ? '\0' : command[i];
    return qemu_command_line_mac(text, length, "lan", error);
}

/* command: arguments joined by '|', as /proc/PID/cmdline has them by NUL. */
static void
expect(const char *command, const char *mac)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *found = find(command, &error);

    if (g_strcmp0(found, mac) != 0)
        fail_msg("%s: %s", command, found ? found : error->message);
}

static void
expect_refusal(const char *command, const char *words)
{
    GError *error = NULL;
    g_autofree char *found = find(command, &error);

    if (found)
        fail_msg("%s: %s", command, found);
    if (!strstr(error->message, "--mac=MAC") || !strstr(error->message, words))
        fail_msg("%s: %s", command, error->message);
    g_error_free(error);
    assert_null(find(command, NULL));
}

#define HELPER "-netdev|tap,id=n,helper=h"

static void
test_macs(void **state)
{
    static const char *const commands[] = {
        "qemu|" HELPER "|-device|virtio-net-pci,netdev=n,mac=" MAC,
        "qemu|--device|virtio-net-pci,mac=" MAC ",netdev=n|--"
        "netdev|tap,id=n,helper=h",
        "qemu|" HELPER "|-device|mac=" MAC ",driver=virtio-net-pci,netdev=n",
        "qemu|-netdev|bridge,id=n,br=lan|-device|e1000,netdev=n,mac=" MAC,
        "qemu|-nic|tap,helper=h,mac=" MAC ",model=virtio",
        "qemu|-nic|bridge,br=lan,mac=" MAC,
        "qemu|-nic|tap,helper=h --network=lan,mac=" MAC,
        "qemu|-nic|tap,helper=h --port lan --mac=x,mac=" MAC,
        "qemu|-net|nic,macaddr=" MAC "|-net|bridge,helper=h",
        "qemu|-net|nic,model=e1000,macaddr=" MAC "|-net|tap,helper=h",
        "qemu|" HELPER "|-device|{\"driver\":\"virtio-net-pci\",\"mac\":\"" MAC
        "\",\"netdev\":\"n\"}",
        "qemu|-netdev|{\"type\":\"tap\",\"id\":\"n\",\"helper\":\"h\"}|-device|{\"mac\" : \"" MAC
        "\",\"netdev\":\"n\"}",
        "qemu|" HELPER "|-device|{'driver':'virtio-net-pci','mac':'" MAC "','netdev':'n'}",
        "qemu|" HELPER "|-device|{\"driver\":\"virtio-net-pci\",\"id\":\"mac\",\"mac\":\"" MAC
        "\",\"netdev\":\"n\"}",
        "qemu|-nic|none|-net|none|-nic|type=tap,helper=h,mac=" MAC,
        "qemu|-nic|tap,helper=h --x=a,,mac=" OTHER_MAC ",mac=" MAC,
        "qemu|" HELPER "|-device|virtio-net-pci,netdev=n,mac=" OTHER_MAC ",mac=" MAC,
        "qemu|-net|type=nic,macaddr=" MAC "|-net|tap,helper=h",
        "qemu|" HELPER "|-device|virtio-rng-pci|-device|virtio-net-pci,netdev=n,mac=" MAC
        "|-device|qemu-xhci",
        /* What else can give a MAC gives way to mac=, or is not about MACs. */
        "qemu|-global|virtio-net-pci.mac=" OTHER_MAC "|" HELPER
        "|-device|virtio-net-pci,netdev=n,mac=" MAC,
        "qemu|-set|device.video0.vram=1|" HELPER "|-device|virtio-net-pci,netdev=n,mac=" MAC,
        "qemu|-device|e1000|" HELPER "|-device|virtio-net-pci,netdev=n,mac=" MAC,
    };

    for (guint i = 0; i < G_N_ELEMENTS(commands); i++)
        expect(commands[i], MAC);
}

static void
test_none_is_qemus_own(void **state)
{
    static const char *const commands[] = {
        "qemu-system-x86_64|" HELPER "|-device|virtio-net-pci,netdev=n",
        "qemu-system-x86_64|-device|driver=virtio-net-pci,netdev=n|" HELPER,
        "qemu-system-x86_64|--device|virtio-net-pci,netdev=n|--netdev|tap,id=n,helper=h",
        "qemu-system-x86_64|" HELPER "|-device|{\"driver\":\"virtio-net-pci\",\"netdev\":\"n\"}",
        "qemu-system-x86_64|-nic|tap,helper=h",
        "qemu-system-x86_64|-nic|bridge",
        "qemu-system-x86_64|-net|nic|-net|tap,helper=h",
        "qemu-system-x86_64|-net|nic,mac=" MAC "|-net|bridge",
        "qemu-system-x86_64|-nodefaults|" HELPER "|-device|virtio-net-pci,netdev=n",
        "qemu-system-x86_64|" HELPER
        "|-device|virtio-net-pci,netdev=n|---device|virtio-net-pci,mac=" MAC,
        "qemu-system-x86_64|" HELPER
        "|-device|virtio-net-pci,netdev=n|-append|device|virtio-net-pci,mac=" MAC,
        "qemu-system-x86_64|-device|virtio-rng-pci|" HELPER
        "|-device|virtio-net-pci,netdev=n|-device|qemu-xhci",
        "qemu-system-x86_64|" HELPER "|-device|virtio-net-pci,netdev=n,xmac=" MAC,
        "qemu-system-x86_64|" HELPER "|-device|virtio-net-pci,netdev=n,mac2=" MAC,
        "qemu-system-x86_64|-global|virtio-net-pci.romfile=|-set|device.x.y=z|" HELPER
        "|-device|virtio-net-pci,netdev=n",
        "qemu-system-aarch64|-M|xlnx-versal-virt|-nic|tap,helper=h",
        "qemu-system-aarch64|-M|virt|" HELPER "|-device|virtio-net-pci,netdev=n",
        "qemu-system-x86_64|" HELPER "|-device|virtio-net-pci,netdev=n",
        "qemu-system-s390x|" HELPER "|-device|virtio-net-ccw,netdev=n",
        "qemu-system-x86_64|-netdev|user,id=u,net=mac=" MAC "|" HELPER
        "|-device|virtio-net-pci,netdev=n",
    };

    for (guint i = 0; i < G_N_ELEMENTS(commands); i++)
        expect(commands[i], DEFAULT_MAC);
}

/* Each in every form, with and without a MAC. */
static void
test_several_are_ambiguous(void **state)
{
    static const char *const devices[] = {
        "-device|virtio-net-pci,netdev=n",
        "--device|driver=virtio-net-pci,netdev=n",
        "-device|virtio-net-pci,mac=" MAC ",netdev=n",
        "-device|virtio-net-pci,netdev=n,mac=" OTHER_MAC,
        "-device|{\"driver\":\"virtio-net-pci\",\"netdev\":\"n\"}",
        "-device|{\"netdev\":\"n\",\"mac\":\"" MAC "\"}",
        "-device|{'netdev':'n'}",
        "-nic|tap",
        "-nic|user,model=e1000,mac=" MAC,
        "-nic|type=bridge,br=lan",
        "-net|nic",
        "-net|nic,macaddr=" MAC,
        "-net|type=nic",
    };

    for (guint i = 0; i < G_N_ELEMENTS(devices); i++) {
        for (guint j = 0; j < G_N_ELEMENTS(devices); j++) {
            g_autofree char *command =
                g_strdup_printf("qemu|%s|" HELPER "|-device|qemu-xhci|%s", devices[i], devices[j]);

            expect_refusal(command, "several network devices");
        }
    }
}

/* It is not on the command line, or not with its MAC. */
static void
test_not_sure(void **state)
{
    static const char *const rows[][2] = {
        {"", "does not define this helper's network device"},
        {"qemu", "does not define this helper's network device"},
        {"qemu|-device", "does not define this helper's network device"},
        {"qemu|-nodefaults|" HELPER, "does not define this helper's network device"},
        {"qemu|-nic|none|-qmp|stdio", "does not define this helper's network device"},
        {"qemu|-nic|user", "does not define this helper's network device"},
        {"qemu|-nic|tap,fd=3,mac=" MAC, "does not define this helper's network device"},
        {"qemu|-netdev|user,id=u|-device|virtio-net-pci,netdev=u,mac=" MAC,
         "does not define this helper's network device"},
        {"qemu|" HELPER "|-device|virtio-net-pci,netdev=u,mac=" MAC,
         "does not define this helper's network device"},
        {"qemu|" HELPER "|-device|virtio-net-pci,mac=" MAC,
         "does not define this helper's network device"},
        {"qemu|" HELPER "|-nic|user", "does not define this helper's network device"},
        {"qemu|-nic|tap,helper=h --network=dmz,mac=" MAC,
         "does not define this helper's network device"},
        {"qemu|-nic|tap,helper=h --port dmz,mac=" MAC,
         "does not define this helper's network device"},
        {"qemu|" HELPER "|-netdev|bridge,id=b|-device|e1000,netdev=n",
         "does not define this helper's network"},
        {"qemu|" HELPER "|-device|virtio-net-pci,netdev=a,,mac=" MAC,
         "does not define this helper's network"},
        {"qemu|-readconfig|f|" HELPER "|-device|virtio-net-pci,netdev=n", "-readconfig"},
        {"qemu|-readconfig|f|" HELPER "|-device|virtio-net-pci,netdev=n,mac=" MAC, "-readconfig"},
        {"qemu|-readconfig|f", "-readconfig"},
        {"qemu|" HELPER "|-device|e1000,netdev=n,id=x|-set|device.x.mac=" MAC, "-set"},
        {"qemu|" HELPER "|-device|e1000,netdev=n,mac=" OTHER_MAC "|-set|device.x.mac=" MAC, "-set"},
        {"qemu|-set|device.x.netdev=y|" HELPER "|-device|e1000,netdev=n", "-set"},
        {"qemu|-global|e1000.mac=" MAC "|" HELPER "|-device|e1000,netdev=n", "-global"},
        {"qemu|-global|driver=e1000,property=mac,value=" MAC "|" HELPER "|-device|e1000,netdev=n",
         "-global"},
        {"qemu-system-aarch64|-M|xlnx-versal-virt|" HELPER "|-device|virtio-net-device,netdev=n",
         "QEMU's machine may have a network device"},
        {"qemu-system-arm|" HELPER "|-device|virtio-net-device,netdev=n",
         "QEMU's machine may have"},
        {"qemu|-device|rtl8139|" HELPER "|-device|e1000,netdev=n", "not connected"},
        {"qemu|" HELPER "|-device|e1000,netdev=n|-device|driver=virtio-net-pci", "not connected"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        expect_refusal(rows[i][0], rows[i][1]);
}

static void
test_unreadable_option(void **state)
{
    expect_refusal("qemu|-device|{\"driver\"", "cannot read QEMU's -device '{\\\"driver\\\"'");
    expect_refusal("qemu|-device|{'netdev':'n', 'mac':}", "cannot read");
    expect_refusal("qemu|-device|{\"mac\":\"a\",\"mac\":\"b\"}", "cannot read");
    expect_refusal("qemu|-netdev|{\"type\"", "cannot read QEMU's -netdev");
}

static void
test_host_mtu(void **state)
{
    static const struct {
        const char *command;
        guint mtu;
    } rows[] = {
        {"qemu|" HELPER "|-device|virtio-net-pci,netdev=n,host_mtu=9000", 9000},
        {"qemu|" HELPER "|-device|{\"netdev\":\"n\",\"host_mtu\":9000}", 9000},
        {"qemu|" HELPER "|-device|virtio-net-pci,netdev=n,mac=" MAC ",host_mtu=9000", 9000},
        {"qemu|" HELPER "|-device|virtio-net-pci,netdev=n", 0},
        {"qemu|" HELPER "|-device|virtio-net-pci,netdev=n,host_mtu=x", 0},
        {"qemu", 0},
        {"qemu|-device|e1000,netdev=a,mac=" OTHER_MAC
         ",host_mtu=7|-device|virtio-net-pci,netdev=n,mac=52:54:00:00:00:01,host_mtu=9000",
         9000},
        {"qemu|-device|e1000,netdev=a,host_mtu=7|-device|e1000,netdev=b,host_mtu=7", 0},
        {"qemu|-device|{\"netdev\"", 0},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        gsize length = strlen(rows[i].command) + 1;
        g_autofree char *text = g_strdelimit(g_strdup(rows[i].command), "|", '\1');

        for (gsize j = 0; j < length; j++)
            text[j] = text[j] == '\1' ? '\0' : text[j];
        if (qemu_command_line_host_mtu(text, length, MAC) != rows[i].mtu)
            fail_msg("%s", rows[i].command);
    }
}

/* The text may end within an argument, and anything may be in it. */
static void
test_cut_texts(void **state)
{
    const char text[] = "qemu\0-nic\0tap,helper=h,mac=" MAC;

    for (gsize length = 0; length < sizeof(text); length++) {
        g_autofree char *copy = g_memdup2(text, length);
        g_autoptr(GError) error = NULL;
        g_autofree char *mac = qemu_command_line_mac(copy, length, "lan", &error);

        assert_true((mac == NULL) == (error != NULL));
    }
}

/* As long as the kernel lets a command line be, of the shortest arguments. */
static void
test_long_command_line(void **state)
{
    gsize length = 1 << 21;
    g_autofree char *text = g_malloc0(length);

    assert_null(qemu_command_line_mac(text, length, "lan", NULL));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_macs),
        cmocka_unit_test(test_none_is_qemus_own),
        cmocka_unit_test(test_several_are_ambiguous),
        cmocka_unit_test(test_not_sure),
        cmocka_unit_test(test_unreadable_option),
        cmocka_unit_test(test_host_mtu),
        cmocka_unit_test(test_cut_texts),
        cmocka_unit_test(test_long_command_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
