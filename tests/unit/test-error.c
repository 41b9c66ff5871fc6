/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "error.h"

#include <errno.h>

static void
test_set_errno_has_code_and_text_and_keeps_errno(void **state)
{
    GError *error = NULL;

    errno = ENOTTY;
    assert_false(error_set_errno(&error, EACCES, "cannot open %s", "x"));
    assert_int_equal(errno, ENOTTY);
    assert_string_equal(error->message, "cannot open x: Permission denied");
    assert_error_cleared(&error, ERRNO_ERROR, EACCES, "cannot open x");
}

static void
test_set_errno_takes_no_error(void **state)
{
    assert_false(error_set_errno(NULL, EACCES, "unseen"));
}

static void
test_is_errno(void **state)
{
    g_autoptr(GError) ours = NULL;
    g_autoptr(GError) other = g_error_new_literal(G_FILE_ERROR, EBUSY, "not ours");

    error_set_errno(&ours, EBUSY, "x");
    assert_true(error_is_errno(ours, EBUSY));
    assert_false(error_is_errno(ours, EINVAL));
    assert_false(error_is_errno(other, EBUSY));
    assert_false(error_is_errno(NULL, EBUSY));
}

static int calls;

/* Fails with errnum twice, then gives 7. */
static int
fail_twice(int errnum)
{
    errno = errnum;
    return ++calls > 2 ? 7 : -1;
}

static void
test_retry_repeats_only_after_eintr(void **state)
{
    calls = 0;
    assert_int_equal(RETRY_EINTR(fail_twice(EINTR)), 7);
    assert_int_equal(calls, 3);
    calls = 0;
    assert_int_equal(RETRY_EINTR(fail_twice(EAGAIN)), -1);
    assert_int_equal(calls, 1);
}

static void
test_the_first_failure_is_kept(void **state)
{
    GError *failure = NULL, *first = NULL, *second = NULL;

    error_set_errno(&first, ENOENT, "first");
    error_set_errno(&second, EIO, "second");
    error_keep_first(&failure, NULL);
    assert_null(failure);
    error_keep_first(&failure, first);
    error_keep_first(&failure, second);
    error_keep_first(&failure, NULL);
    assert_error_cleared(&failure, ERRNO_ERROR, ENOENT, "first: ");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_errno_has_code_and_text_and_keeps_errno),
        cmocka_unit_test(test_set_errno_takes_no_error),
        cmocka_unit_test(test_is_errno),
        cmocka_unit_test(test_retry_repeats_only_after_eintr),
        cmocka_unit_test(test_the_first_failure_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
