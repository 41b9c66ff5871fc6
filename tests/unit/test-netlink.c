/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* recvmsg() is wrapped, so that answers can be lost, late, cut or forged. */
#include "netlink.h"

#include "error.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#define MISSING 7654321

typedef enum Mishap { NONE, FAILS, CUT, FORGED } Mishap;

static Mishap mishap; /* of the next recvmsg() */
static int mishap_errno;

ssize_t __real_recvmsg(int fd, struct msghdr *header, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *header, int flags);

/* An acknowledgement of everything by a process that is not the kernel. */
static ssize_t
forge(struct msghdr *header)
{
    struct nlmsghdr *message = header->msg_iov[0].iov_base;

    memset(message, 0, 36);
    message->nlmsg_len = 36;
    message->nlmsg_type = NLMSG_ERROR;
    message->nlmsg_seq = 1;
    ((struct sockaddr_nl *)header->msg_name)->nl_pid = 99;
    header->msg_flags = 0;
    return 36;
}

ssize_t
__wrap_recvmsg(int fd, struct msghdr *header, int flags)
{
    Mishap now = mishap;
    ssize_t length;

    mishap = NONE;
    if (now == FAILS) {
        errno = mishap_errno;
        return -1;
    }
    if (now == FORGED)
        return forge(header);
    length = __real_recvmsg(fd, header, flags);
    if (now == CUT)
        header->msg_flags |= MSG_TRUNC;
    return length;
}

static int
setup(void **state)
{
    g_autoptr(GError) error = NULL;

    *state = netlink_new(&error);
    if (!*state)
        fail_msg("%s", error->message);
    return 0;
}

static int
teardown(void **state)
{
    netlink_free(*state);
    return 0;
}

static void
count(guint index, struct nlmsghdr *message, gpointer user_data)
{
    assert_int_equal(message->nlmsg_type, RTM_NEWLINK);
    ((guint *)user_data)[index]++;
}

static NetlinkMessage *
get(int index)
{
    return netlink_link_request(RTM_GETLINK, 0, index, 0);
}

static void
each_message_has_its_own_result(void **state)
{
    const int lo = (int)if_nametoindex("lo");
    g_autoptr(NetlinkMessage) a = get(lo), b = get(MISSING), c = get(lo);
    NetlinkMessage *messages[] = {a, b, c};
    NetlinkResult results[3];
    guint counts[3] = {0};

    assert_true(netlink_talk(*state, messages, 3, count, counts, results, NULL));
    assert_int_equal(results[0].errnum, 0);
    assert_int_equal(results[1].errnum, ENODEV);
    assert_int_equal(results[2].errnum, 0);
    assert_int_equal(counts[0], 1);
    assert_int_equal(counts[1], 0);
    assert_int_equal(counts[2], 1);
}

static void
a_dump_is_one_conversation(void **state)
{
    g_autoptr(NetlinkMessage) dump = netlink_link_request(RTM_GETLINK, NLM_F_DUMP, 0, 0);
    guint links = 0;

    assert_true(netlink_ask(*state, dump, count, &links, "cannot list", NULL));
    assert_true(links > 0);
}

static void
an_error_has_the_kernels_words(void **state)
{
    const NetlinkResult result = {.errnum = EBUSY, .text = "Device is in use"};
    g_autoptr(NetlinkMessage) missing = get(MISSING);
    g_autoptr(NetlinkMessage) bad = netlink_link_request(RTM_GETLINK, 0, -1, 64);
    g_autoptr(GError) error = NULL;
    NetlinkResult words;

    assert_false(netlink_ask(*state, missing, NULL, NULL, "cannot look", &error));
    assert_true(error_is_errno(error, ENODEV));
    assert_true(g_str_has_prefix(error->message, "cannot look: "));
    g_clear_error(&error);
    assert_false(netlink_result_error(&result, "cannot make", &error));
    assert_true(g_str_has_prefix(error->message, "cannot make (Device is in use): "));
    /* A text attribute longer than its bound: the kernel's policy says which one. */
    nla_put(bad, IFLA_IFNAME, 60, "a-name-that-is-far-longer-than-any-interface-name-may-ever-be");
    assert_true(netlink_talk(*state, &bad, 1, NULL, NULL, &words, NULL));
    assert_int_not_equal(words.errnum, 0);
    assert_true(words.text[0] != '\0');
}

static void
talk_fails(Netlink *netlink, int errnum)
{
    g_autoptr(NetlinkMessage) request = get((int)if_nametoindex("lo"));
    g_autoptr(GError) error = NULL;
    guint links = 0;

    assert_false(netlink_ask(netlink, request, count, &links, "cannot look", &error));
    assert_true(error_is_errno(error, errnum));
}

static void
late_answers_are_not_taken_for_new_ones(void **state)
{
    g_autoptr(NetlinkMessage) missing = get(MISSING);
    g_autoptr(GError) error = NULL;
    guint links = 0;

    mishap = FAILS;
    mishap_errno = ENOBUFS;
    talk_fails(*state, ENOBUFS);
    assert_false(netlink_ask(*state, missing, count, &links, "cannot look", &error));
    assert_true(error_is_errno(error, ENODEV));
    assert_int_equal(links, 0);
}

static void
a_missing_answer_does_not_block(void **state)
{
    mishap = FAILS;
    mishap_errno = EAGAIN;
    talk_fails(*state, EPROTO);
}

static void
a_cut_answer_is_an_error(void **state)
{
    mishap = CUT;
    talk_fails(*state, EMSGSIZE);
}

static void
an_interruption_is_not(void **state)
{
    g_autoptr(NetlinkMessage) request = get((int)if_nametoindex("lo"));

    mishap = FAILS;
    mishap_errno = EINTR;
    assert_true(netlink_ask(*state, request, NULL, NULL, "cannot look", NULL));
}

static void
only_the_kernel_is_believed(void **state)
{
    g_autoptr(NetlinkMessage) missing = get(MISSING);
    g_autoptr(GError) error = NULL;

    mishap = FORGED;
    assert_false(netlink_ask(*state, missing, NULL, NULL, "cannot look", &error));
    assert_true(error_is_errno(error, ENODEV));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_message_has_its_own_result, setup, teardown),
        cmocka_unit_test_setup_teardown(a_dump_is_one_conversation, setup, teardown),
        cmocka_unit_test_setup_teardown(an_error_has_the_kernels_words, setup, teardown),
        cmocka_unit_test_setup_teardown(late_answers_are_not_taken_for_new_ones, setup, teardown),
        cmocka_unit_test_setup_teardown(a_missing_answer_does_not_block, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cut_answer_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(an_interruption_is_not, setup, teardown),
        cmocka_unit_test_setup_teardown(only_the_kernel_is_believed, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
