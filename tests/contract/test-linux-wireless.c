/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Looks at the Wi-Fi interfaces of the machine as it is (mac80211_hwsim gives some), because a
 * radio does not come along into a new namespace. Changes nothing.
 */
#include "cmocka-all.h"
#include "linux.h"
#include "test-namespace.h"

#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

/* The radios name their interfaces; the operation looks from the other side. */
#define INTERFACES "/sys/class/ieee80211/*/device/net/*"

static glob_t interfaces;

static void
knows_a_radio(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Kernel) kernel =
        kernel_linux_new(open("/sys", O_PATH | O_DIRECTORY | O_CLOEXEC), -1, &error);

    if (!kernel)
        fail_msg("%s", error->message);
    for (gsize i = 0; i < interfaces.gl_pathc; i++) {
        const char *name = strrchr(interfaces.gl_pathv[i], '/') + 1;
        LinkInfo link;

        assert_true(kernel->ops->link_by_name(kernel, name, &link, &error));
        assert_true(kernel->ops->link_is_wireless(kernel, &link));
    }
}

static void
knows_a_wire(void **state)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Kernel) kernel =
        kernel_linux_new(open("/sys", O_PATH | O_DIRECTORY | O_CLOEXEC), -1, &error);
    LinkInfo link;

    if (!kernel)
        fail_msg("%s", error->message);
    assert_true(kernel->ops->link_by_name(kernel, "lo", &link, &error));
    assert_false(kernel->ops->link_is_wireless(kernel, &link));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_a_radio),
        cmocka_unit_test(knows_a_wire),
    };

    if (glob(INTERFACES, 0, NULL, &interfaces) != 0)
        return test_skip_all("no Wi-Fi interface; mac80211_hwsim makes some");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
