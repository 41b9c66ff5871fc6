/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "printable.h"

static void
expect(const char *text, const char *expected)
{
    g_autofree char *shown = printable(text);

    assert_string_equal(shown, expected);
}

static void
test_printable(void **state)
{
    expect("", "");
    expect("web server, \303\274ber 5 \342\202\254", "web server, \303\274ber 5 \342\202\254");
    expect("\033[31mred\nnext\ttab\177", "?[31mred?next?tab?");
    expect("C1 \302\233 and \342\200\256 backwards", "C1 ? and ? backwards");
    expect("\303 is cut, \377 is nothing, and so is \303", "? is cut, ? is nothing, and so is ?");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_printable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
