/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "host-look.h"

#include <glib/gstdio.h>
#include <unistd.h>

#define RELEASE "6.1.0-56-amd64"

static char *root;

static int
set_up(void **state)
{
    root = g_dir_make_tmp("host-look-XXXXXX", NULL);
    return 0;
}

static int
tear_down(void **state)
{
    const char *const command[] = {"rm", "-rf", root, NULL};

    g_spawn_sync(NULL, (char **)command, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL,
                 NULL);
    g_clear_pointer(&root, g_free);
    return 0;
}

static void
put(const char *path, const char *text)
{
    g_autofree char *whole = g_build_filename(root, path, NULL);
    g_autofree char *folder = g_path_get_dirname(whole);

    assert_int_equal(g_mkdir_with_parents(folder, 0700), 0);
    assert_true(g_file_set_contents(whole, text, -1, NULL));
}

static void
put_link(const char *path, const char *target)
{
    g_autofree char *whole = g_build_filename(root, path, NULL);
    g_autofree char *folder = g_path_get_dirname(whole);

    assert_int_equal(g_mkdir_with_parents(folder, 0700), 0);
    assert_int_equal(symlink(target, whole), 0);
}

static void
expect(HostModule macvtap, HostModule vlan)
{
    assert_int_equal(host_look_module(root, RELEASE, "macvtap"), macvtap);
    assert_int_equal(host_look_module(root, RELEASE, "8021q"), vlan);
}

static void
test_modules(void **state)
{
    expect(HOST_MODULE_UNKNOWN, HOST_MODULE_UNKNOWN);
    put("proc/devices", "Character devices:\n  1 mem\n 10 misc\n");
    expect(HOST_MODULE_UNKNOWN, HOST_MODULE_UNKNOWN);
    /* What needs a module is not the module. */
    put("lib/modules/" RELEASE "/modules.dep",
        "kernel/drivers/net/macvlan.ko:\nkernel/net/garp.ko: kernel/net/8021q.ko\n");
    expect(HOST_MODULE_MISSING, HOST_MODULE_MISSING);
    put("lib/modules/" RELEASE "/modules.dep",
        "kernel/drivers/net/macvtap.ko: "
        "kernel/drivers/net/tap.ko\nkernel/net/8021q/8021q.ko.xz:\n");
    expect(HOST_MODULE_LOADABLE, HOST_MODULE_LOADABLE);
    put("lib/modules/" RELEASE "/modules.builtin", "kernel/net/8021q/8021q.ko\n");
    expect(HOST_MODULE_LOADABLE, HOST_MODULE_WORKS);
    put("proc/devices", "Character devices:\n  1 mem\n246 macvtap\n");
    expect(HOST_MODULE_WORKS, HOST_MODULE_WORKS);
}

static void
test_vlans_that_are_loaded(void **state)
{
    put("proc/net/vlan/config", "");
    expect(HOST_MODULE_UNKNOWN, HOST_MODULE_WORKS);
}

/* Where the modules cannot be seen. */
static void
test_kernels_configuration(void **state)
{
    g_autofree char *text = g_build_filename(root, "proc", "config", NULL);
    const char *const command[] = {"gzip", text, NULL};
    int status;

    put("proc/config", "# x\nCONFIG_MACVTAP=m\nCONFIG_VLAN_8021Q_GVRP=y\n");
    assert_true(g_spawn_sync(NULL, (char **)command, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL,
                             NULL, &status, NULL));
    assert_int_equal(status, 0);
    expect(HOST_MODULE_UNKNOWN, HOST_MODULE_MISSING);
    put("boot/config-" RELEASE, "# x\n# CONFIG_MACVTAP is not set\nCONFIG_VLAN_8021Q=y\n");
    expect(HOST_MODULE_MISSING, HOST_MODULE_WORKS);
    put("lib/modules/" RELEASE "/modules.dep", "kernel/drivers/net/macvtap.ko:\n");
    expect(HOST_MODULE_LOADABLE, HOST_MODULE_MISSING);
}

static void
test_config_that_is_cut_off(void **state)
{
    put("proc/config.gz", "\x1f\x8b nothing of the kind");
    expect(HOST_MODULE_UNKNOWN, HOST_MODULE_UNKNOWN);
}

static void
test_processes(void **state)
{
    g_autoptr(GArray) processes = NULL;
    guint n_here = 0;

    put("proc/12/comm", "dhcpcd\n");
    put("proc/13/comm", "systemd-network\n");
    put("proc/14/comm", "elsewhere\n");
    put("proc/net/packet", "");
    put_link("proc/self/ns/net", "net:[1]");
    put_link("proc/12/ns/net", "net:[1]");
    put_link("proc/14/ns/net", "net:[2]");
    put_link("proc/13/fd/5", "socket:[77]");
    processes = host_list_processes(root);
    assert_int_equal(processes->len, 3);
    for (guint i = 0; i < processes->len; i++) {
        const HostProcess *process = &g_array_index(processes, HostProcess, i);

        n_here += process->is_here;
        assert_int_equal(process->is_here, process->pid != 14);
    }
    assert_int_equal(n_here, 2);
    assert_string_equal(host_find_socket(root, processes, 77)->name, "systemd-network");
    assert_int_equal(host_find_socket(root, processes, 77)->pid, 13);
    assert_null(host_find_socket(root, processes, 7));
}

static void
test_packet_sockets(void **state)
{
    g_autoptr(GArray) none = host_list_packet_sockets(root, 7), some = NULL;

    put("proc/net/packet", "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n"
                           "00000000a1b2c3d4 3      3    0003   7     1 0      0      101\n"
                           "00000000a1b2c3d4 3      2    0800   7     1 0      0      102\n"
                           "00000000a1b2c3d4 3      3    0806   7     1 0      0      103\n"
                           "00000000a1b2c3d4 3      3    88cc   7     1 0      0      104\n"
                           "00000000a1b2c3d4 3      3    0003   0     1 0      0      105\n"
                           "00000000a1b2c3d4 3      3    0003   77    1 0      0      106\n"
                           "what is this\n");
    some = host_list_packet_sockets(root, 7);
    assert_int_equal(none->len, 0);
    assert_int_equal(some->len, 3);
    for (guint i = 0; i < 3; i++)
        assert_int_equal(g_array_index(some, guint64, i), 101 + i);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_modules),
        TEST(test_vlans_that_are_loaded),
        TEST(test_kernels_configuration),
        TEST(test_config_that_is_cut_off),
        TEST(test_processes),
        TEST(test_packet_sockets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
