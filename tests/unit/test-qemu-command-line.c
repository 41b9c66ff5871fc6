/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "qemu-command-line.h"

#define DEFAULT_MAC "52:54:00:12:34:56"
#define MAC "52:54:00:00:00:01"
#define OTHER_MAC "52:54:00:00:00:02"

/* command: arguments joined by '|', as /proc/PID/cmdline has them by NUL; mac NULL: ambiguous. */
static void
expect(const char *command, const char *mac)
{
    gsize length = strlen(command) + 1;
    g_autofree char *text = g_strdelimit(g_strdup(command), "|", '\0');
    g_autofree char *found = NULL;

    for (gsize i = 0; i < length; i++)
        text[i] = command[i] == '|' ? '\0' : command[i];
    found = qemu_command_line_mac(text, length);
    if (g_strcmp0(found, mac) != 0)
        fail_msg("%s: %s", command, found ? found : "(none)");
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
        "qemu|-device|virtio-net-pci,mac=" MAC "|-device|virtio-net-pci,mac=" MAC,
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
        "qemu|-device|virtio-net-pci,xmac=" MAC,
        "qemu|-device|virtio-net-pci,mac2=" MAC,
        "qemu|-device|{\"driver\":\"virtio-net-pci\"}",
        "mac=" MAC,
    };

    for (guint i = 0; i < G_N_ELEMENTS(commands); i++)
        expect(commands[i], DEFAULT_MAC);
}

static void
test_several_are_ambiguous(void **state)
{
    expect("qemu|-device|a,mac=" MAC "|-device|b,mac=" OTHER_MAC, NULL);
    expect("qemu|-device|a,mac=" MAC "|-nic|user,mac=" OTHER_MAC, NULL);
    expect("qemu|-device|a,mac=52:54:00:aa:00:01|-device|b,mac=52:54:00:AA:00:01",
           "52:54:00:aa:00:01");
}

/* The text may end within an argument, and anything may be in it. */
static void
test_cut_texts(void **state)
{
    const char text[] = "qemu\0-device\0virtio-net-pci,mac=" MAC;

    for (gsize length = 0; length < sizeof(text); length++) {
        g_autofree char *copy = g_memdup2(text, length);
        g_autofree char *mac = qemu_command_line_mac(copy, length);

        assert_non_null(mac);
    }
}

/* As long as the kernel lets a command line be, of the shortest arguments. */
static void
test_long_command_line(void **state)
{
    gsize length = 1 << 21;
    g_autofree char *text = g_malloc0(length);
    g_autofree char *mac = qemu_command_line_mac(text, length);

    assert_string_equal(mac, DEFAULT_MAC);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_macs),
        cmocka_unit_test(test_none_is_qemus_own),
        cmocka_unit_test(test_several_are_ambiguous),
        cmocka_unit_test(test_cut_texts),
        cmocka_unit_test(test_long_command_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
