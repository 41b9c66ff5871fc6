/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "activation.h"
#include "descriptor.h"
#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
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
    AUTO_FD int fd = activation_listen(path, &error);
    struct stat status;

    assert_no_error(error);
    assert_true(fd >= 0);
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

    assert_true(activation_listen(path, &error) < 0);
    assert_error_cleared(&error, ERRNO_ERROR, errnum, text);
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

/* One of another kind is another program's, also before it reads from it; when that has ended, it
 * is as stale as any. */
static void
test_socket_of_another_kind(void **state)
{
    static const int types[] = {SOCK_DGRAM, SOCK_SEQPACKET};
    Fixture *fixture = *state;

    for (guint i = 0; i < G_N_ELEMENTS(types); i++) {
        AUTO_FD int other = make_socket(types[i], fixture->path);
        struct stat before, after;

        assert_int_equal(lstat(fixture->path, &before), 0);
        expect_refusal(fixture->path, EADDRINUSE, "another program uses the socket");
        assert_int_equal(lstat(fixture->path, &after), 0);
        assert_int_equal(after.st_ino, before.st_ino);
        descriptor_clear(&other);
        expect_own_socket(fixture->path);
        assert_int_equal(unlink(fixture->path), 0);
    }
}

/* Whether it is in use cannot be told without a descriptor: the file stays. */
static void
test_socket_that_cannot_be_asked(void **state)
{
    Fixture *fixture = *state;
    AUTO_FD int stale = make_socket(SOCK_STREAM, fixture->path);
    struct rlimit before, none;

    descriptor_clear(&stale);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){0, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    expect_refusal(fixture->path, EMFILE, "cannot tell whether");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(access(fixture->path, F_OK), 0);
    expect_own_socket(fixture->path);
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

/* Runs the child's part with so many descriptors handed in, of which all are fd, and tells what it
 * took: bit 0 the main socket, bit 1 the containers'. */
static int
run_activated(int fd, const char *fds, const char *names, gboolean for_us)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        g_autofree char *pid = g_strdup_printf("%d", (int)getpid() + (for_us ? 0 : 1));
        int taken[DAEMON_SOCKETS] = {-7, -7};
        gboolean good;

        for (int i = 3; i < 6; i++)
            dup2(fd, i);
        g_setenv("LISTEN_PID", pid, TRUE);
        g_setenv("LISTEN_FDS", fds, TRUE);
        if (names)
            g_setenv("LISTEN_FDNAMES", names, TRUE);
        good = activation_take(taken, NULL);
        if (g_getenv("LISTEN_PID") || g_getenv("LISTEN_FDS") || g_getenv("LISTEN_FDNAMES"))
            _exit(100);
        for (int i = 0; i < DAEMON_SOCKETS; i++) {
            if (!good && taken[i] != -7)
                _exit(101);
            if (good && taken[i] != -1 && !(fcntl(taken[i], F_GETFD) & FD_CLOEXEC))
                _exit(102);
        }
        _exit(!good ? 99 : (taken[SOCKET_MAIN] > 0) | (taken[SOCKET_CONTAINERS] > 0) << 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

enum { NOTHING = 0, MAIN = 1, BOTH = 3, REFUSED = 99 };

static void
test_handed_in(void **state)
{
    Fixture *fixture = *state;
    AUTO_FD int given = make_socket(SOCK_STREAM, fixture->path);

    /* Not listening yet. */
    assert_int_equal(run_activated(given, "1", NULL, TRUE), REFUSED);
    assert_int_equal(listen(given, 1), 0);
    assert_int_equal(run_activated(given, "1", NULL, TRUE), MAIN);
    assert_int_equal(run_activated(given, "0", NULL, TRUE), NOTHING);
    /* For a child of the service manager that is not this process. */
    assert_int_equal(run_activated(given, "1", NULL, FALSE), NOTHING);
}

/* A name that is missing or another's makes no socket the containers', and none is root's twice. */
static void
test_handed_in_by_name(void **state)
{
    Fixture *fixture = *state;
    AUTO_FD int given = make_socket(SOCK_STREAM, fixture->path);
    static const struct {
        const char *fds, *names;
        int taken;
    } rows[] = {
        {"1", "varlink", MAIN},
        {"1", "macvtapd.socket", MAIN},
        {"2", "macvtapd.socket:containers", BOTH},
        {"2", "containers:macvtapd.socket", BOTH},
        {"1", "containers", REFUSED},
        {"2", NULL, REFUSED},
        {"2", "macvtapd.socket", REFUSED},
        {"2", "containers:containers", REFUSED},
        {"2", "macvtapd.socket:macvtapd.socket", REFUSED},
        {"2", "macvtapd.socket:containers2", REFUSED},
        {"3", "macvtapd.socket:containers:other", REFUSED},
    };

    assert_int_equal(listen(given, 1), 0);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (run_activated(given, rows[i].fds, rows[i].names, TRUE) != rows[i].taken)
            fail_msg("%s named %s", rows[i].fds, rows[i].names);
    }
}

static void
test_handed_in_what_is_no_socket(void **state)
{
    AUTO_FD int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    AUTO_FD int internet = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(run_activated(null, "1", NULL, TRUE), REFUSED);
    if (internet >= 0 && listen(internet, 1) == 0)
        assert_int_equal(run_activated(internet, "1", NULL, TRUE), REFUSED);
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
        TEST(test_socket_of_another_kind),
        TEST(test_socket_that_cannot_be_asked),
        TEST(test_socket_in_use),
        TEST(test_what_is_no_socket),
        TEST(test_paths_that_cannot_be),
        TEST(test_handed_in),
        TEST(test_handed_in_by_name),
        TEST(test_handed_in_what_is_no_socket),
        TEST(test_notify),
        cmocka_unit_test(test_notify_abstract),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
