/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The examples of xml-templates/networks are good networks, and there is one of each mode. */
#include "unit.h"

#include "config.h"

static void
test_examples(void **state)
{
    g_autofree char *path = g_build_filename(g_getenv("MACVTAPD_TEMPLATES"), "networks", NULL);
    g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
    guint seen = 0;
    const char *file;

    assert_non_null(folder);
    while ((file = g_dir_read_name(folder))) {
        g_autofree char *full = g_build_filename(path, file, NULL);
        g_autofree char *text = NULL;
        g_autoptr(GError) error = NULL;
        gsize length;
        Network *network;

        assert_true(g_str_has_suffix(file, ".network"));
        assert_true(g_file_get_contents(full, &text, &length, NULL));
        network =
            config_parse_network("example", file, text, length, &config_lookup_system, &error);
        assert_no_error(error);
        seen |= 1u << network->mode;
        network_unref(network);
    }
    for (MacvtapMode mode = 0; mode <= MACVTAP_MODE_SOURCE; mode++)
        assert_true(seen & 1u << mode);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_examples)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
