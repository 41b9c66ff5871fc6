/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* up0 is one end of a veth pair; the other end, up1, is the wire. */
#include "world.h"

#include "linux.h"
#include "test-namespace.h"

#include <fcntl.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/resource.h>

Kernel *
world_kernel_new(void)
{
    g_autoptr(GError) error = NULL;
    Kernel *kernel = kernel_linux_new(open("/sys", O_PATH | O_DIRECTORY | O_CLOEXEC),
                                      open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC), &error);

    if (!kernel)
        fail_msg("%s", error->message);
    return kernel;
}

int
world_setup(void **state)
{
    test_veth_add("up0", "up1");
    world_kernel = world_kernel_new();
    return 0;
}

int
world_teardown(void **state)
{
    if (if_nametoindex("up0"))
        test_link_delete("up0");
    if (if_nametoindex("br0"))
        test_link_delete("br0");
    assert_int_equal(world_link_count(), 1); /* lo */
    g_clear_pointer(&world_kernel, kernel_free);
    return 0;
}

void
world_set_mac(const char *name, const char *mac)
{
    test_link_set_mac(name, mac);
}

void
world_set_mtu(const char *name, guint mtu)
{
    test_link_set_mtu(name, mtu);
}

void
world_set_up(const char *name, gboolean up)
{
    test_link_set_up(name, up);
}

void
world_make_bridge_port(const char *name)
{
    test_bridge_add("br0");
    test_link_set_master(name, "br0");
}

void
world_remove(const char *name)
{
    test_link_delete(name);
}

int
main(void)
{
    const struct rlimit files = {4096, 4096};
    const char *reason = test_namespace_enter();

    if (reason)
        return test_skip_all(reason);
    if (setrlimit(RLIMIT_NOFILE, &files) < 0)
        return EXIT_FAILURE;
    return _cmocka_run_group_tests("linux", contract_tests, n_contract_tests, NULL, NULL);
}
