/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "activation.h"
#include "descriptor.h"
#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct Fixture {
    char *folder, *path;
} Fixture;

static int
set_up(void **state)
{
    Fixture *fixture = g_new0(Fixture, 1);

    fixture->folder = g_dir_make_tmp("macvtapd-test-XXXXXX", NULL);
    fixture->path = g_build_filename(fixture->folder, "socket", NULL);
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    Fixture *fixture = *state;

    remove(fixture->path);
    remove(fixture->folder);
    g_free(fixture->path);
    g_free(fixture->folder);
    g_free(fixture);
    return 0;
}

static struct sockaddr_un
address_of(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    return address;
}

static int
make_socket(int type, const char *path)
{
    struct sockaddr_un address = address_of(path);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static gboolean
can_connect(const char *path)
{
    struct sockaddr_un address = address_of(path);
    AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

static void
expect_own_socket(const char *path)
{
    g_autoptr(GError) error = NULL;
    gboolean owned = FALSE;
    AUTO_FD int fd = activation_listen(path, &owned, &error);
    struct stat status;

    assert_no_error(error);
    assert_true(fd >= 0);
    assert_true(owned);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_int_equal(lstat(path, &status), 0);
    assert_true(S_ISSOCK(status.st_mode));
    assert_int_equal(status.st_mode & 0777, 0666);
    assert_true(can_connect(path));
}

static void
expect_refusal(const char *path, int errnum, const char *text)
{
    g_autoptr(GError) error = NULL;
    gboolean owned = 7;

    assert_true(activation_listen(path, &owned, &error) < 0);
    assert_error_cleared(&error, ERRNO_ERROR, errnum, text);
    assert_int_equal(owned, 7);
}

static void
test_new_socket(void **state)
{
    Fixture *fixture = *state;
    mode_t before = umask(0077);

    expect_own_socket(fixture->path);
    umask(before);
}

static void
test_stale_socket(void **state)
{
    Fixture *fixture = *state;
    AUTO_FD int stale = make_socket(SOCK_STREAM, fixture->path);

    descriptor_clear(&stale);
    assert_false(can_connect(fixture->path));
    expect_own_socket(fixture->path);
    /* And what that leaves is the next one's stale socket. */
    expect_own_socket(fixture->path);
}

static void
test_socket_in_use(void **state)
{
    Fixture *fixture = *state;
    AUTO_FD int other = make_socket(SOCK_STREAM, fixture->path);
    struct sockaddr_un address = address_of(fixture->path);
    int waiting[3];

    assert_int_equal(listen(other, 0), 0);
    expect_refusal(fixture->path, EADDRINUSE, fixture->path);
    /* Also while its queue is full. */
    for (guint i = 0; i < 3; i++) {
        waiting[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)!connect(waiting[i], (struct sockaddr *)&address, sizeof(address));
    }
    expect_refusal(fixture->path, EADDRINUSE, "another daemon listens");
    for (guint i = 0; i < 3; i++)
        close(waiting[i]);
}

static void
test_what_is_no_socket(void **state)
{
    Fixture *fixture = *state;
    struct stat status;

    assert_true(g_file_set_contents(fixture->path, "x", 1, NULL));
    expect_refusal(fixture->path, EEXIST, "is not a socket");
    assert_int_equal(unlink(fixture->path), 0);
    assert_int_equal(symlink("/nonexistent", fixture->path), 0);
    expect_refusal(fixture->path, EEXIST, "is not a socket");
    assert_int_equal(lstat(fixture->path, &status), 0);
    assert_true(S_ISLNK(status.st_mode));
}

static void
test_paths_that_cannot_be(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *missing = g_build_filename(fixture->folder, "none", "socket", NULL);
    g_autofree char *many = g_strnfill(108, 'x');

    expect_refusal(many, ENAMETOOLONG, many);
    expect_refusal(missing, ENOENT, missing);
}

/* Runs the child's part with so many descriptors handed in, the first of which is fd; the child
 * fails by its exit status. */
static int
run_activated(Fixture *fixture, int fd, const char *fds, gboolean for_us)
{
    pid_t child = fork();
    gboolean owned = 7;
    int status;

    if (child == 0) {
        g_autofree char *pid = g_strdup_printf("%d", (int)getpid() + (for_us ? 0 : 1));
        int listening;

        dup2(fd, 3);
        g_setenv("LISTEN_PID", pid, TRUE);
        g_setenv("LISTEN_FDS", fds, TRUE);
        g_setenv("LISTEN_FDNAMES", "varlink", TRUE);
        listening = activation_listen(fixture->path, &owned, NULL);
        if (g_getenv("LISTEN_PID") || g_getenv("LISTEN_FDS") || g_getenv("LISTEN_FDNAMES"))
            _exit(100);
        if (listening == 3 && (owned || !(fcntl(3, F_GETFD) & FD_CLOEXEC)))
            _exit(101);
        if (listening < 0 && owned != 7)
            _exit(102);
        if (listening >= 0 && listening != 3 && owned)
            unlink(fixture->path);
        _exit(listening < 0 ? 99 : listening == 3 ? 3 : 4);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

enum { HANDED_IN = 3, OWN = 4, REFUSED = 99 };

static void
test_handed_in(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *path = g_build_filename(fixture->folder, "given", NULL);
    AUTO_FD int given = make_socket(SOCK_STREAM, path);

    /* Not listening yet. */
    assert_int_equal(run_activated(fixture, given, "1", TRUE), REFUSED);
    assert_int_equal(listen(given, 1), 0);
    assert_int_equal(run_activated(fixture, given, "1", TRUE), HANDED_IN);
    assert_int_equal(run_activated(fixture, given, "2", TRUE), REFUSED);
    assert_int_equal(run_activated(fixture, given, "0", TRUE), OWN);
    /* For a child of the service manager that is not this process. */
    assert_int_equal(run_activated(fixture, given, "1", FALSE), OWN);
    unlink(path);
}

static void
test_handed_in_what_is_no_socket(void **state)
{
    Fixture *fixture = *state;
    AUTO_FD int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    AUTO_FD int internet = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(run_activated(fixture, null, "1", TRUE), REFUSED);
    if (internet >= 0 && listen(internet, 1) == 0)
        assert_int_equal(run_activated(fixture, internet, "1", TRUE), REFUSED);
}

static void
test_notify(void **state)
{
    Fixture *fixture = *state;
    AUTO_FD int manager = make_socket(SOCK_DGRAM, fixture->path);
    g_autofree char *too_long = g_strnfill(200, '/');
    g_autoptr(GError) error = NULL;
    char text[16] = {0};

    g_setenv("NOTIFY_SOCKET", fixture->path, TRUE);
    activation_notify("READY=1", NULL);
    assert_int_equal(recv(manager, text, sizeof(text), MSG_DONTWAIT), 7);
    assert_string_equal(text, "READY=1");
    /* Nobody there, nothing set: nobody's business. */
    g_setenv("NOTIFY_SOCKET", "/nonexistent", TRUE);
    assert_true(activation_notify("READY=1", NULL));
    g_setenv("NOTIFY_SOCKET", "", TRUE);
    assert_true(activation_notify("READY=1", NULL));
    g_unsetenv("NOTIFY_SOCKET");
    assert_true(activation_notify("READY=1", NULL));
    /* Somebody may be waiting there. */
    g_setenv("NOTIFY_SOCKET", too_long, TRUE);
    assert_false(activation_notify("READY=1", &error));
    assert_true(error_is_errno(error, ENAMETOOLONG));
    g_unsetenv("NOTIFY_SOCKET");
    assert_int_equal(recv(manager, text, sizeof(text), MSG_DONTWAIT), -1);
}

static void
test_notify_abstract(void **state)
{
    g_autofree char *name = g_strdup_printf("@macvtapd-test-%d", (int)getpid());
    struct sockaddr_un address = address_of(name);
    AUTO_FD int manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    char text[16] = {0};

    address.sun_path[0] = '\0';
    assert_int_equal(bind(manager, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
                     0);
    g_setenv("NOTIFY_SOCKET", name, TRUE);
    activation_notify("STOPPING=1", NULL);
    g_unsetenv("NOTIFY_SOCKET");
    assert_int_equal(recv(manager, text, sizeof(text), MSG_DONTWAIT), 10);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_new_socket),
        TEST(test_stale_socket),
        TEST(test_socket_in_use),
        TEST(test_what_is_no_socket),
        TEST(test_paths_that_cannot_be),
        TEST(test_handed_in),
        TEST(test_handed_in_what_is_no_socket),
        TEST(test_notify),
        cmocka_unit_test(test_notify_abstract),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
