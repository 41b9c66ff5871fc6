/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Only on Linux: which device the descriptors of tap_open() belong to, whatever lies in /dev. */
#include "world.h"

#include "linux.h"
#include "raw-frames.h"
#include "test-namespace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

/* A kernel of our own whose /dev is an empty tmpfs. */
typedef struct PrivateDev {
    char path[32];
    int fd;
    Kernel *kernel;
} PrivateDev;

static PrivateDev
private_dev_new(void)
{
    PrivateDev dev = {.path = "/tmp/test-node-XXXXXX"};
    g_autoptr(GError) error = NULL;

    assert_non_null(mkdtemp(dev.path));
    test_mount_dev(dev.path);
    dev.fd = open(dev.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(dev.fd >= 0);
    dev.kernel =
        kernel_linux_new(open("/sys", O_PATH | O_DIRECTORY | O_CLOEXEC), dup(dev.fd), &error);
    if (!dev.kernel)
        fail_msg("%s", error->message);
    return dev;
}

static void
private_dev_done(PrivateDev *dev)
{
    kernel_free(dev->kernel);
    close(dev->fd);
    umount(dev->path);
    rmdir(dev->path);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PrivateDev, private_dev_done)

static guint
count_entries(int folder_fd)
{
    int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fdopendir(fd);
    guint count = 0;

    while (readdir(folder))
        count++;
    closedir(folder);
    return count - 2; /* . and .. */
}

/* A frame to the port that is sent on the wire comes out of this queue. */
static void
assert_queue_is_of(int queue, const LinkInfo *link)
{
    guint8 frame[2048], expected[60];
    gsize length = frame_text_frame(expected, &link->mac, "for this queue");
    int wire = frame_open("up1");
    gssize got;

    frame_send(wire, expected, length);
    do {
        struct pollfd waiting = {queue, POLLIN, 0};

        assert_int_equal(poll(&waiting, 1, -1), 1);
        got = read(queue, frame, sizeof frame); /* after a virtio_net_hdr of 10 octets */
        assert_true(got > 10);
    } while (memcmp(frame + 10, expected, 6) != 0);
    assert_int_equal(got, 10 + length);
    assert_memory_equal(frame + 10, expected, length);
    close(wire);
}

static void
open_and_check(Kernel *kernel, const LinkInfo *link)
{
    g_autoptr(DescriptorArray) queues = descriptor_array_new();
    g_autoptr(GError) error = NULL;

    if (!kernel->ops->tap_open(kernel, link, "p1", 1, FALSE, queues, &error))
        fail_msg("%s", error->message);
    assert_queue_is_of(descriptor_array_get(queues, 0), link);
    world_forget_queues(kernel);
}

static void
a_node_of_another_namespace_is_stepped_around(void **state)
{
    int other = test_namespace_new(), home;
    MacvtapSpec spec = world_spec("vm1", 1);
    g_autofree char *node = g_strdup_printf("/dev/tap%d", world_index());
    struct stat before, after;
    LinkInfo link;

    home = test_namespace_switch(other);
    test_veth_add("up0", "up1");
    test_macvtap_add("vm1", "up0", world_index());
    close(test_namespace_switch(home));
    assert_int_equal(stat(node, &before), 0); /* theirs: they were first */
    spec.index = world_index();
    link = world_create(&spec);
    assert_int_equal(stat(node, &after), 0);
    assert_int_equal(after.st_rdev, before.st_rdev);
    open_and_check(world_kernel, &link);
    close(home);
    close(other);
}

static void
a_missing_node_is_made_and_removed(void **state)
{
    g_auto(PrivateDev) dev = private_dev_new();
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo link = world_create(&spec);

    open_and_check(dev.kernel, &link);
    assert_int_equal(count_entries(dev.fd), 0);
}

/* Takes the power over owners and other users' files, and gives back what there was. */
static void
switch_capabilities(struct __user_cap_data_struct data[2])
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct before[2];

    assert_int_equal(syscall(SYS_capget, &header, before), 0);
    if (data[0].permitted == 0) {
        memcpy(data, before, sizeof before);
        data[0].effective &= ~(1U << CAP_DAC_OVERRIDE | 1U << CAP_DAC_READ_SEARCH |
                               1U << CAP_FOWNER | 1U << CAP_CHOWN);
    }
    assert_int_equal(syscall(SYS_capset, &header, data), 0);
    memcpy(data, before, sizeof before);
}

static guint64
ensure(Kernel *kernel, const LinkInfo *link, uid_t user)
{
    g_autoptr(GError) error = NULL;
    guint64 made = 0;

    if (!kernel->ops->tap_node_ensure(kernel, link, user, &made, &error))
        fail_msg("%s", error->message);
    return made;
}

static void
remove_node(Kernel *kernel, const LinkInfo *link, guint64 made)
{
    g_autoptr(GError) error = NULL;

    if (!kernel->ops->tap_node_remove(kernel, link, made, &error))
        fail_msg("%s", error->message);
}

/* By udev, say. Without power over other users' files it is not ours to change; and who had it
 * would have it for good if it were unlinked as it is. */
static void
a_node_that_is_given_away_is_stepped_around_and_stays(void **state)
{
    struct __user_cap_data_struct capabilities[2] = {{0}};
    MacvtapSpec spec = world_spec("vm1", 1);
    g_autofree char *name = g_strdup_printf("tap%d", world_index());
    struct stat before, after;

    spec.index = world_index();
    for (guint i = 0; i < 2; i++) {
        g_auto(PrivateDev) dev = private_dev_new();
        Kernel *kernel = i == 0 ? world_kernel : dev.kernel;
        AUTO_FD int folder = i == 0 ? open("/dev", O_PATH | O_CLOEXEC) : dup(dev.fd);
        LinkInfo link = world_create(&spec);
        g_autoptr(GError) error = NULL;
        guint64 made = ensure(kernel, &link, 0), none = 0;

        assert_int_equal(fchownat(folder, name, 107, 108, 0), 0);
        assert_int_equal(fstatat(folder, name, &before, 0), 0);
        switch_capabilities(capabilities);
        open_and_check(kernel, &link);
        assert_false(kernel->ops->tap_node_ensure(kernel, &link, 107, &none, &error));
        assert_non_null(strstr(error->message, "is user 107's"));
        assert_errno(&error, EPERM);
        assert_false(kernel->ops->tap_node_remove(kernel, &link, made, &error));
        assert_errno(&error, EPERM);
        switch_capabilities(capabilities);
        assert_int_equal(fstatat(folder, name, &after, 0), 0);
        assert_int_equal(after.st_ino, before.st_ino);
        assert_int_equal(after.st_uid, 107);
        assert_int_equal(fchownat(folder, name, 0, 0, 0), 0);
        assert_true(ensure(kernel, &link, 107) == 0);
        remove_node(kernel, &link, made);
        assert_true(world_kernel->ops->link_delete(world_kernel, &link.index, 1, NULL));
    }
}

/* The errno of this user's opening the node that he has got hold of by an O_PATH descriptor. */
static int
open_as(uid_t user, int held)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", held);
    pid_t child = fork();
    int status;

    if (child == 0) {
        if (syscall(SYS_setgroups, 0, NULL) < 0 || setresgid(user, user, user) < 0 ||
            setresuid(user, user, user) < 0)
            _exit(255);
        _exit(open(path, O_RDWR | O_NONBLOCK) < 0 ? errno : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Else he would have the next device with this number, which the kernel gives out again at once.
 * Whether there is one is not looked at before. */
static void
who_held_on_to_a_node_cannot_open_it_any_more(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);

    spec.index = world_index();
    for (guint i = 0; i < 3; i++) {
        g_auto(PrivateDev) dev = private_dev_new();
        Kernel *kernel = i == 2 ? dev.kernel : world_kernel;
        LinkInfo link = world_create(&spec);
        g_autofree char *path = g_strdup_printf("%s/tap%d", i == 2 ? dev.path : "/dev", link.index);
        guint64 made = ensure(kernel, &link, 107);
        AUTO_FD int held = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

        assert_int_equal(open_as(107, held), 0);
        assert_int_equal(open_as(108, held), EACCES);
        ensure(kernel, &link, 108);
        assert_int_equal(open_as(108, held), 0);
        assert_int_equal(open_as(107, held), EACCES);
        if (i > 0) /* one that is the kernel's too, as for a device without a record */
            remove_node(kernel, &link, made);
        else
            assert_true(kernel->ops->link_delete(kernel, &link.index, 1, NULL));
        assert_int_equal(open_as(108, held), EACCES);
        world_kernel->ops->link_delete(world_kernel, &link.index, 1, NULL);
        assert_int_equal(open_as(108, held), EACCES);
    }
}

static void
a_dev_without_access_lists_is_named(void **state)
{
    g_auto(PrivateDev) dev = private_dev_new();
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo link = world_create(&spec);
    g_autoptr(GError) error = NULL;
    guint64 made = 7;

    /* ramfs has none. */
    assert_int_equal(mount("ramfs", dev.path, "ramfs", 0, NULL), 0);
    close(dev.fd);
    dev.fd = open(dev.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    kernel_free(dev.kernel);
    dev.kernel =
        kernel_linux_new(open("/sys", O_PATH | O_DIRECTORY | O_CLOEXEC), dup(dev.fd), NULL);
    assert_false(dev.kernel->ops->tap_node_ensure(dev.kernel, &link, 107, &made, &error));
    assert_errno(&error, EOPNOTSUPP);
    assert_int_equal(count_entries(dev.fd), 0);
    assert_true(ensure(dev.kernel, &link, 0) != 0);
    umount2(dev.path, MNT_DETACH); /* it is in use */
}

typedef void (*Obstacle)(int folder_fd, const char *name);

static void
put_file(int folder_fd, const char *name)
{
    close(openat(folder_fd, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}

static void
put_fifo(int folder_fd, const char *name)
{
    mkfifoat(folder_fd, name, 0600);
}

static void
put_folder(int folder_fd, const char *name)
{
    mkdirat(folder_fd, name, 0700);
}

static void
put_symlink(int folder_fd, const char *name)
{
    g_autofree char *target = g_strdup_printf("/dev/%s", name);

    assert_int_equal(symlinkat(target, folder_fd, name), 0);
}

static void
put_dangling_symlink(int folder_fd, const char *name)
{
    assert_int_equal(symlinkat("nowhere", folder_fd, name), 0);
}

static void
put_block_device(int folder_fd, const char *name)
{
    g_autofree char *path = g_strdup_printf("/dev/%s", name);
    struct stat status;

    assert_int_equal(stat(path, &status), 0);
    mknodat(folder_fd, name, S_IFBLK | 0600, status.st_rdev);
}

static void
put_null_device(int folder_fd, const char *name)
{
    mknodat(folder_fd, name, S_IFCHR | 0600, makedev(1, 3));
}

static void
anything_else_there_is_stepped_around(void **state)
{
    const Obstacle obstacles[] = {
        put_file,         put_fifo,       put_folder, put_symlink, put_dangling_symlink,
        put_block_device, put_null_device};
    g_auto(PrivateDev) dev = private_dev_new();
    MacvtapSpec spec = world_spec("vm1", 1);
    g_autofree char *name = g_strdup_printf("tap%d", world_index());
    LinkInfo link;

    spec.index = world_index();
    link = world_create(&spec);
    for (guint i = 0; i < G_N_ELEMENTS(obstacles); i++) {
        struct stat before, after;

        obstacles[i](dev.fd, name);
        assert_int_equal(fstatat(dev.fd, name, &before, AT_SYMLINK_NOFOLLOW), 0);
        open_and_check(dev.kernel, &link);
        assert_int_equal(fstatat(dev.fd, name, &after, AT_SYMLINK_NOFOLLOW), 0);
        assert_int_equal(after.st_ino, before.st_ino);
        assert_int_equal(count_entries(dev.fd), 1);
        unlinkat(dev.fd, name, S_ISDIR(before.st_mode) ? AT_REMOVEDIR : 0);
    }
}

static void
a_dev_without_devices_is_an_error(void **state)
{
    g_auto(PrivateDev) dev = private_dev_new();
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo link = world_create(&spec);
    g_autoptr(DescriptorArray) queues = descriptor_array_new();
    g_autoptr(GError) error = NULL;

    assert_int_equal(mount(NULL, dev.path, NULL, MS_REMOUNT | MS_NODEV, NULL), 0);
    assert_false(dev.kernel->ops->tap_open(dev.kernel, &link, "p1", 1, FALSE, queues, &error));
    assert_errno(&error, EACCES);
    assert_int_equal(count_entries(dev.fd), 0);
}

/* A kernel of our own whose /sys is empty. */
static Kernel *
kernel_without_sysfs(void)
{
    g_autoptr(GError) error = NULL;
    char path[] = "/tmp/test-node-XXXXXX";
    Kernel *kernel;

    assert_non_null(mkdtemp(path));
    kernel = kernel_linux_new(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC),
                              open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC), &error);
    assert_non_null(kernel);
    rmdir(path);
    return kernel;
}

static void
assert_sysfs_is_foreign(Kernel *kernel, const LinkInfo *link)
{
    g_autoptr(DescriptorArray) queues = descriptor_array_new();
    g_autoptr(GError) error = NULL;

    assert_false(kernel->ops->tap_open(kernel, link, "p1", 1, FALSE, queues, &error));
    assert_non_null(strstr(error->message, "sysfs shows another network namespace"));
    assert_errno(&error, ENXIO);
}

static void
a_foreign_sysfs_is_named(void **state)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo link = world_create(&spec);
    Kernel *kernel = kernel_without_sysfs();

    assert_sysfs_is_foreign(kernel, &link);
    kernel_free(kernel);
}

static void
the_first_queue_of_a_new_device_needs_no_sysfs(void **state)
{
    Kernel *kernel = kernel_without_sysfs();
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo link = world_create(&spec);

    open_and_check(kernel, &link);
    assert_sysfs_is_foreign(kernel, &link);
    kernel_free(kernel);
}

/* The kernel gives the first one's number to another device. */
static void
a_second_device_of_that_name_and_index_is_told_apart(void **state)
{
    Kernel *kernel = kernel_without_sysfs();
    MacvtapSpec spec = world_spec("vm1", 1), between = world_spec("vm2", 2);
    LinkInfo link;

    spec.index = world_index();
    link = world_create(&spec);
    assert_true(world_kernel->ops->link_delete(world_kernel, &link.index, 1, NULL));
    world_create(&between);
    link = world_create(&spec);
    assert_int_equal(link.index, spec.index);
    open_and_check(kernel, &link);
    kernel_free(kernel);
}

#define MANY 400 /* announcements: more than a socket has room for */

static void
make_many(void)
{
    for (guint i = 0; i < MANY; i++) {
        g_autofree char *name = g_strdup_printf("many%u", i);
        MacvtapSpec spec = world_spec(name, (guint8)i);

        spec.mac.octets[4] = (guint8)(1 + (i >> 8));
        world_create(&spec);
    }
}

/* The second device's, so that the first one's is the last that is there. */
static void
a_lost_announcement_is_not_taken_for_another(void **state)
{
    g_auto(PrivateDev) dev = private_dev_new();
    MacvtapSpec spec = world_spec("vm1", 1), between = world_spec("vm2", 2);
    LinkInfo link;

    spec.index = world_index();
    link = world_create(&spec);
    make_many();
    assert_true(world_kernel->ops->link_delete(world_kernel, &link.index, 1, NULL));
    world_create(&between);
    link = world_create(&spec);
    open_and_check(dev.kernel, &link);
}

const struct CMUnitTest contract_tests[] = {
    WORLD_TEST(a_node_of_another_namespace_is_stepped_around),
    WORLD_TEST(a_missing_node_is_made_and_removed),
    WORLD_TEST(a_node_that_is_given_away_is_stepped_around_and_stays),
    WORLD_TEST(who_held_on_to_a_node_cannot_open_it_any_more),
    WORLD_TEST(a_dev_without_access_lists_is_named),
    WORLD_TEST(anything_else_there_is_stepped_around),
    WORLD_TEST(a_dev_without_devices_is_an_error),
    WORLD_TEST(a_foreign_sysfs_is_named),
    WORLD_TEST(the_first_queue_of_a_new_device_needs_no_sysfs),
    WORLD_TEST(a_second_device_of_that_name_and_index_is_told_apart),
    WORLD_TEST(a_lost_announcement_is_not_taken_for_another),
};
const gsize n_contract_tests = G_N_ELEMENTS(contract_tests);
