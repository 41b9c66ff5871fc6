/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Only on Linux: what a process can do to the end of its queue, and what is left in /dev. */
#include "world.h"

#include "queue-locks.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static guint told;

static void
note(const char *const *owners, gpointer user_data)
{
    assert_string_equal(owners[0], "p1");
    assert_null(owners[1]);
    told++;
}

static void
watch(void)
{
    g_autoptr(GError) error = NULL;

    told = 0;
    if (!world_kernel->ops->queue_watch(world_kernel, note, NULL, &error))
        fail_msg("%s", error->message);
}

static DescriptorArray *
open_queues(guint n)
{
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo link = world_create(&spec);
    DescriptorArray *queues = descriptor_array_new();
    g_autoptr(GError) error = NULL;

    if (!world_kernel->ops->tap_open(world_kernel, &link, "p1", n, n > 1, queues, &error))
        fail_msg("%s", error->message);
    return queues;
}

static void
settle(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

static void
wait_until_told(void)
{
    while (told == 0)
        g_main_context_iteration(NULL, TRUE);
}

static char *
folder(void)
{
    struct stat status;

    assert_int_equal(stat("/proc/thread-self/ns/net", &status), 0);
    return g_strdup_printf("/dev/macvtapd-%llu", (unsigned long long)status.st_ino);
}

static gsize
count_nodes(void)
{
    g_autofree char *path = folder(), *pattern = g_strdup_printf("%s/*", path);
    glob_t found = {0};
    gsize n;

    glob(pattern, 0, NULL, &found);
    n = found.gl_pathc;
    globfree(&found);
    return n;
}

static gboolean
has_folder(void)
{
    g_autofree char *path = folder();
    struct stat status;

    return lstat(path, &status) == 0;
}

static int
reopen(int fd, int flags)
{
    char path[64];
    int copy;

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    copy = open(path, flags | O_CLOEXEC);
    assert_true(copy >= 0);
    return copy;
}

static void
nodes_are_roots_alone_and_go_with_their_queues(void **state)
{
    DescriptorArray *queues;
    g_autofree char *path = folder();
    struct stat status;

    watch();
    queues = open_queues(2);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    assert_int_equal(count_nodes(), 2);
    g_array_set_size(queues, 1);
    wait_until_told();
    assert_int_equal(count_nodes(), 1);
    told = 0;
    g_array_unref(queues);
    wait_until_told();
    assert_false(has_folder());
}

static void
an_o_path_descriptor_keeps_nothing(void **state)
{
    DescriptorArray *queues;
    int held;

    watch();
    queues = open_queues(1);
    held = reopen(descriptor_array_get(queues, 0), O_PATH);
    g_array_unref(queues);
    wait_until_told();
    assert_int_equal(world_kernel->ops->queue_count(world_kernel, "p1"), 0);
    close(held);
}

/* By root, who looks at the descriptor of another process, say. */
static void
closing_a_second_opening_is_not_the_end(void **state)
{
    DescriptorArray *queues;

    watch();
    queues = open_queues(2);
    for (guint i = 0; i < 3; i++)
        close(reopen(descriptor_array_get(queues, 0), O_RDWR | O_NONBLOCK));
    settle();
    assert_int_equal(told, 0);
    assert_int_equal(world_kernel->ops->queue_count(world_kernel, "p1"), 2);
    g_array_unref(queues);
    while (world_kernel->ops->queue_count(world_kernel, "p1") > 0)
        g_main_context_iteration(NULL, TRUE);
}

static void
the_first_may_end_before_a_second_opening(void **state)
{
    DescriptorArray *queues;
    int second;

    watch();
    queues = open_queues(1);
    second = reopen(descriptor_array_get(queues, 0), O_RDWR | O_NONBLOCK);
    g_array_unref(queues);
    wait_until_told();
    close(second);
    settle();
    assert_int_equal(told, 1);
}

static void
write_limit(const char *text)
{
    int fd = open("/proc/sys/fs/inotify/max_queued_events", O_WRONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

/* A kernel whose queue of events has room for one. The limit is the machine's: it is back before
 * anything else happens. */
static void
restart_with_short_queue(void)
{
    g_autofree char *before = NULL;

    assert_true(g_file_get_contents("/proc/sys/fs/inotify/max_queued_events", &before, NULL, NULL));
    write_limit("1");
    world_restart();
    write_limit(before);
}

static void
lost_events_are_made_up_for(void **state)
{
    DescriptorArray *queues;

    restart_with_short_queue();
    watch();
    queues = open_queues(8);
    g_array_unref(queues);
    while (world_kernel->ops->queue_count(world_kernel, "p1") > 0)
        g_main_context_iteration(NULL, TRUE);
    assert_int_equal(told > 0, TRUE);
    assert_false(has_folder());
}

static void
leftovers_of_a_killed_daemon_go(void **state)
{
    g_autofree char *path = folder(), *node = g_strconcat(path, "/p2.0", NULL),
                    *file = g_strconcat(path, "/strange", NULL);
    g_autoptr(DescriptorArray) queues = open_queues(1);

    assert_int_equal(mknod(node, S_IFCHR | 0600, 1 << 8 | 3), 0);
    assert_true(g_file_set_contents(file, "", 0, NULL));
    world_restart();
    watch();
    assert_int_equal(count_nodes(), 1);
    assert_int_equal(world_kernel->ops->queue_count(world_kernel, "p1"), 1);
    assert_int_equal(world_kernel->ops->queue_count(world_kernel, "p2"), 0);
}

static void
a_folder_that_was_removed_is_made_again(void **state)
{
    g_autofree char *path = folder(), *node = g_strconcat(path, "/p1.0", NULL);
    DescriptorArray *queues = open_queues(1);
    LinkInfo link = world_link("vm1");

    watch();
    assert_int_equal(unlink(node), 0);
    assert_int_equal(rmdir(path), 0);
    assert_true(world_kernel->ops->tap_open(world_kernel, &link, "p1", 1, FALSE, queues, NULL));
    assert_int_equal(count_nodes(), 1);
    g_array_unref(queues);
    while (world_kernel->ops->queue_count(world_kernel, "p1") > 0)
        g_main_context_iteration(NULL, TRUE);
    assert_false(has_folder());
}

static void
a_strangers_folder_is_not_used(void **state)
{
    g_autofree char *path = folder();
    g_autoptr(DescriptorArray) queues = descriptor_array_new();
    g_autoptr(GError) error = NULL;
    MacvtapSpec spec = world_spec("vm1", 1);
    LinkInfo link = world_create(&spec);

    assert_int_equal(mkdir(path, 0755), 0);
    assert_false(world_kernel->ops->tap_open(world_kernel, &link, "p1", 1, FALSE, queues, &error));
    assert_non_null(strstr(error->message, path));
    assert_errno(&error, EPERM);
    assert_int_equal(rmdir(path), 0);
}

static void
locks_are_read_line_by_line(void **state)
{
    static const char text[] = "1: POSIX  ADVISORY  WRITE 77 00:18:99 0 EOF\n"
                               "2: OFDLCK ADVISORY  WRITE -1 00:05:1234 0 EOF\n"
                               "2: -> OFDLCK ADVISORY  WRITE -1 00:05:4321 0 EOF\n"
                               "3: OFDLCK\n"
                               "4: FLOCK  ADVISORY  WRITE 9 fd:01:5 0 EOF\n"
                               "10: OFDLCK ADVISORY  READ -1 fe:1a:18446744073709551615 0 EOF";
    const FileKey first = {5, 1234}, second = {0xfe << 8 | 0x1a, G_MAXUINT64};
    g_autoptr(GHashTable) keys = file_keys_new();

    locks_parse(text, keys);
    assert_int_equal(g_hash_table_size(keys), 2);
    assert_true(g_hash_table_contains(keys, &first));
    assert_true(g_hash_table_contains(keys, &second));
}

const struct CMUnitTest contract_tests[] = {
    WORLD_TEST(nodes_are_roots_alone_and_go_with_their_queues),
    WORLD_TEST(an_o_path_descriptor_keeps_nothing),
    WORLD_TEST(closing_a_second_opening_is_not_the_end),
    WORLD_TEST(the_first_may_end_before_a_second_opening),
    WORLD_TEST(lost_events_are_made_up_for),
    WORLD_TEST(leftovers_of_a_killed_daemon_go),
    WORLD_TEST(a_folder_that_was_removed_is_made_again),
    WORLD_TEST(a_strangers_folder_is_not_used),
    WORLD_TEST(locks_are_read_line_by_line),
};
const gsize n_contract_tests = G_N_ELEMENTS(contract_tests);
