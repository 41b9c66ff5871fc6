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
    return qemu_command_line_mac(text, length, error);
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

static void
test_macs(void **state)
{
    static const char *const commands[] = {
        "qemu|-device|virtio-net-pci,netdev=n,mac=" MAC,
        "qemu|--device|virtio-net-pci,mac=" MAC ",netdev=n",
        "qemu|-device|mac=" MAC ",driver=virtio-net-pci",
        "qemu|-nic|tap,mac=" MAC ",model=virtio",
        "qemu|-net|nic,macaddr=" MAC "|-net|bridge,helper=h",
        "qemu|-net|nic,model=e1000,macaddr=" MAC,
        "qemu|-device|{\"driver\":\"virtio-net-pci\",\"mac\":\"" MAC "\",\"netdev\":\"n\"}",
        "qemu|-device|{\"mac\" : \"" MAC "\"}",
        "qemu|-device|{'driver':'virtio-net-pci','mac':'" MAC "','netdev':'n'}",
        "qemu|-device|{\"driver\":\"virtio-net-pci\",\"id\":\"mac\",\"mac\":\"" MAC "\"}",
        "qemu|-nic|none|-net|none|-nic|type=tap,mac=" MAC,
        "qemu|-nic|tap,helper=h --x=a,,mac=" OTHER_MAC ",mac=" MAC,
        "qemu|-device|virtio-net-pci,mac=" OTHER_MAC ",mac=" MAC,
        "qemu|-net|type=nic,macaddr=" MAC "|-net|tap",
        "qemu|-device|virtio-rng-pci|-device|virtio-net-pci,mac=" MAC "|-device|qemu-xhci",
    };

    for (guint i = 0; i < G_N_ELEMENTS(commands); i++)
        expect(commands[i], MAC);
}

static void
test_none_is_qemus_own(void **state)
{
    static const char *const commands[] = {
        "",
        "qemu",
        "qemu|-device",
        "qemu|-device|virtio-net-pci,netdev=n",
        "qemu|-netdev|tap,mac=" MAC,
        "qemu|-append|mac=" MAC,
        "qemu|-name|-device|mac",
        "qemu|-device|driver=virtio-net-pci,netdev=n",
        "qemu|--device|virtio-net-pci,netdev=n|--netdev|tap,id=n",
        "qemu|-device|{\"driver\":\"virtio-net-pci\",\"netdev\":\"mac\"}",
        "qemu|-nic|tap",
        "qemu|-nic|none",
        "qemu|-net|nic|-net|tap",
        "qemu|-net|nic,mac=" MAC,
        "qemu|---device|virtio-net-pci,mac=" MAC,
        "qemu|-append|device|virtio-net-pci,mac=" MAC,
        "qemu|-device|virtio-rng-pci|-device|virtio-net-pci,netdev=n|-device|qemu-xhci",
        "qemu|-device|virtio-net-pci,netdev=a,,mac=" MAC,
        "qemu|-device|virtio-net-pci,xmac=" MAC,
        "qemu|-device|virtio-net-pci,mac2=" MAC,
        "qemu|-device|{\"driver\":\"virtio-net-pci\"}",
        "mac=" MAC,
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
            g_autofree char *command = g_strdup_printf(
                "qemu|%s|-netdev|tap,id=n|-device|qemu-xhci|%s", devices[i], devices[j]);

            expect_refusal(command, "several network devices");
        }
    }
}

static void
test_unreadable_device(void **state)
{
    expect_refusal("qemu|-device|{\"driver\"", "cannot read QEMU's -device '{\\\"driver\\\"'");
    expect_refusal("qemu|-device|{'netdev':'n', 'mac':}", "cannot read");
    expect_refusal("qemu|-device|{\"mac\":\"a\",\"mac\":\"b\"}", "cannot read");
}

/* The text may end within an argument, and anything may be in it. */
static void
test_cut_texts(void **state)
{
    const char text[] = "qemu\0-device\0virtio-net-pci,mac=" MAC;

    for (gsize length = 0; length < sizeof(text); length++) {
        g_autofree char *copy = g_memdup2(text, length);
        g_autofree char *mac = qemu_command_line_mac(copy, length, NULL);

        assert_non_null(mac);
    }
}

/* As long as the kernel lets a command line be, of the shortest arguments. */
static void
test_long_command_line(void **state)
{
    gsize length = 1 << 21;
    g_autofree char *text = g_malloc0(length);
    g_autofree char *mac = qemu_command_line_mac(text, length, NULL);

    assert_string_equal(mac, DEFAULT_MAC);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_macs),
        cmocka_unit_test(test_none_is_qemus_own),
        cmocka_unit_test(test_several_are_ambiguous),
        cmocka_unit_test(test_unreadable_device),
        cmocka_unit_test(test_cut_texts),
        cmocka_unit_test(test_long_command_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
