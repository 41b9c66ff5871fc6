/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "port-options.h"

/* What this machine has. */
static guint
fake_index(const char *name)
{
    return g_str_equal(name, "here-net0") ? 7 : 0;
}

static void
assert_chosen(const char *domain, gboolean users, GHashTable *taken, const char *expected)
{
    g_autofree char *name = target_name_choose(domain, users, taken, fake_index);

    assert_string_equal(name, expected);
}

static void
test_names(void **state)
{
    assert_chosen("idle", FALSE, NULL, "idle-net0");
    assert_chosen("a name that is long", FALSE, NULL, "anamethat-net0");
    assert_chosen("___", FALSE, NULL, "vm-net0");
    assert_chosen("", TRUE, NULL, "vm-net0");
    assert_chosen("web", TRUE, NULL, "vmweb-net0");
    assert_chosen("vmweb", TRUE, NULL, "vmweb-net0");
    assert_chosen("webserver01", TRUE, NULL, "vmwebserve-net0");
    assert_chosen("here", FALSE, NULL, "here-net1");
}

/* Two domains whose names are cut alike, and a number that takes more room. */
static void
test_taken(void **state)
{
    g_autoptr(GHashTable) taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    g_hash_table_add(taken, g_strdup("webserver-net0"));
    assert_chosen("web-server-02", FALSE, taken, "webserver-net1");
    assert_chosen("webs", FALSE, taken, "webs-net0");
    g_hash_table_add(taken, g_strdup("vm1-net0"));
    assert_chosen("vm-1", FALSE, taken, "vm1-net1");
    for (guint i = 0; i < 10; i++)
        g_hash_table_add(taken, g_strdup_printf("vmwebserve-net%u", i));
    assert_chosen("webserver", TRUE, taken, "vmwebserv-net10");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
