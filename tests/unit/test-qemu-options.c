/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "qemu-options.h"

static void
test_guest_name(void **state)
{
    static const char *const rows[][2] = {
        {"kvm -name web", "web"},
        {"kvm --name web,process=x", "web"},
        {"kvm -name guest=web,debug-threads=on", "web"},
        {"kvm -name debug-threads=on,guest=web", "web"},
        {"kvm -name a,,b", "a,b"},
        {"kvm -name a -S -name b", "b"},
        {"kvm -name web -name debug-threads=on", "web"},
        {"kvm -name process=x", NULL},
        {"kvm -name", NULL},
        {"kvm", NULL},
        {"kvm name web", NULL},
        {"-name web", NULL},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(GStrv) words = g_strsplit(rows[i][0], " ", -1);
        g_autofree char *name = qemu_options_guest_name((const char *const *)words);

        if (g_strcmp0(name, rows[i][1]) != 0)
            fail_msg("%s: %s", rows[i][0], name);
    }
}

static void
test_network_device(void **state)
{
    static const char *const rows[][2] = {
        {"qemu-system-x86_64", "virtio-net-pci"},
        {"qemu-system-x86_64 -M q35", "virtio-net-pci"},
        {"/usr/bin/qemu-system-x86_64 -machine pc,accel=kvm", "virtio-net-pci"},
        {"qemu-system-x86_64 -M microvm", "virtio-net-device"},
        {"qemu-system-x86_64 -machine microvm,rtc=on", "virtio-net-device"},
        {"qemu-system-x86_64 --machine accel=tcg,type=microvm", "virtio-net-device"},
        {"qemu-system-x86_64 -M microvm -machine accel=tcg", "virtio-net-device"},
        {"qemu-system-x86_64 -M microvm -M q35", "virtio-net-pci"},
        {"qemu-system-x86_64-microvm", "virtio-net-device"},
        {"qemu-system-x86_64 -name -M", "virtio-net-pci"},
        {"qemu-system-i386 -M isapc", "ne2k_isa"},
        {"qemu-system-s390x", "virtio-net-ccw"},
        {"qemu-system-s390x -M s390-ccw-virtio-7.2", "virtio-net-ccw"},
        {"qemu-system-aarch64 -M virt", "virtio-net-pci"},
        {"qemu-system-aarch64 -M raspi3b", NULL},
        {"qemu-system-arm -M vexpress-a15", "virtio-net-device"},
        {"qemu-system-riscv64 -M virt", "virtio-net-pci"},
        {"qemu-system-riscv64 -M sifive_u", NULL},
        {"qemu-system-riscv64", NULL},
        {"qemu-system-m68k -M virt", "virtio-net-device"},
        {"qemu-system-m68k", NULL},
        {"qemu-system-x86_64 -M none", NULL},
        {"qemu-system-ppc64", "virtio-net-pci"},
        {"qemu-system-x86_64 -M", "virtio-net-pci"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(GStrv) words = g_strsplit(rows[i][0], " ", -1);
        g_autoptr(GError) error = NULL;
        const char *device = qemu_options_network_device((const char *const *)words, &error);

        if (g_strcmp0(device, rows[i][1]) != 0)
            fail_msg("%s: %s", rows[i][0], device);
        assert_true((device == NULL) == (error != NULL));
        if (error)
            assert_non_null(strstr(error->message, "model=MODEL"));
    }
}

static void
test_bare_machines(void **state)
{
    static const char *const bare[] = {"qemu-system-x86_64",
                                       "/usr/bin/qemu-system-i386 -M isapc",
                                       "qemu-system-aarch64 -M virt,gic-version=3",
                                       "qemu-system-arm -machine type=virt-7.2",
                                       "qemu-system-s390x",
                                       "qemu-system-ppc64"};
    static const char *const others[] = {"qemu-system-aarch64 -M xlnx-versal-virt",
                                         "qemu-system-aarch64", "qemu-system-arm -M xlnx-zcu102",
                                         "qemu-system-ppc64 -M mac99"};

    for (guint i = 0; i < G_N_ELEMENTS(bare); i++) {
        g_auto(GStrv) words = g_strsplit(bare[i], " ", -1);

        if (!qemu_options_machine_is_bare((const char *const *)words))
            fail_msg("%s", bare[i]);
    }
    for (guint i = 0; i < G_N_ELEMENTS(others); i++) {
        g_auto(GStrv) words = g_strsplit(others[i], " ", -1);

        if (qemu_options_machine_is_bare((const char *const *)words))
            fail_msg("%s", others[i]);
    }
}

static void
test_root_ports(void **state)
{
    static const struct {
        const char *command;
        gboolean needed;
    } rows[] = {
        {"qemu-system-x86_64", FALSE},
        {"qemu-system-x86_64 -M pc-i440fx-7.2", FALSE},
        {"qemu-system-x86_64 -M q35,accel=kvm", TRUE},
        {"/usr/bin/qemu-system-x86_64 -machine type=pc-q35-7.2", TRUE},
        {"qemu-system-aarch64 -M virt-7.2", TRUE},
        {"qemu-system-riscv64 -M virt", TRUE},
        {"qemu-system-s390x", FALSE},
        {"qemu-system-x86_64 -M microvm", FALSE},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(GStrv) words = g_strsplit(rows[i].command, " ", -1);

        if (qemu_options_need_root_ports((const char *const *)words) != rows[i].needed)
            fail_msg("%s", rows[i].command);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_guest_name),
        cmocka_unit_test(test_network_device),
        cmocka_unit_test(test_bare_machines),
        cmocka_unit_test(test_root_ports),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
