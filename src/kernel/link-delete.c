/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Each RTM_DELLINK waits for RCU grace periods, 20 ms in all; a thousand of them block the daemon
 * for 20 s. The links of a link group are deleted together in one such wait. So several links are
 * moved to an unused group, and the group is deleted. Each link is checked first: one that cannot
 * be deleted (a NIC) would make the whole group fail and is left out.
 *
 * The group's number is random and checked against those of all links. The cost of listing them
 * grows with the number of links, however few are deleted, and a caller that deletes many does so
 * in batches. So one list is used until as many links were deleted as it had, which keeps the cost
 * proportional. A number that another program has taken since then collides with a chance of one in
 * 2^30; the same can happen between listing and use.
 */
#include "linux-private.h"

#include "error.h"
#include "random.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>
#include <sys/socket.h>

#define GROUP_MIN 0x40000000 /* the range that we choose from */
#define LOOK_MAX 64          /* links in one batch, whose answers fit the socket's buffer */

/* The groups in use when the links were listed. */
typedef struct Survey {
    GHashTable *groups; /* a set, starting at GROUP_MIN */
    gsize n_links;
} Survey;

static void
take_group(guint index, struct nlmsghdr *message, gpointer user_data)
{
    Survey *survey = user_data;
    struct nlattr *group;

    if (message->nlmsg_type != RTM_NEWLINK)
        return;
    survey->n_links++;
    group = nlmsg_find_attr(message, sizeof(struct ifinfomsg), IFLA_GROUP);
    if (group && nla_len(group) >= 4 && nla_get_u32(group) >= GROUP_MIN)
        g_hash_table_add(survey->groups, GUINT_TO_POINTER(nla_get_u32(group)));
}

static gboolean
list_groups(LinuxKernel *kernel, GError **error)
{
    g_autoptr(NetlinkMessage) request = link_get_request(0, NULL);
    g_autoptr(GHashTable) groups = g_hash_table_new(NULL, NULL);
    Survey survey = {.groups = groups};

    if (!netlink_ask(kernel->netlink, request, take_group, &survey, "cannot list the links", error))
        return FALSE;
    g_clear_pointer(&kernel->groups, g_hash_table_unref);
    kernel->groups = g_steal_pointer(&groups);
    kernel->groups_serve = survey.n_links;
    return TRUE;
}

/* An unused group for n_links links. */
static gboolean
choose_group(LinuxKernel *kernel, gsize n_links, guint32 *ret_group, GError **error)
{
    guint32 group;

    if (kernel->groups_serve < n_links && !list_groups(kernel, error))
        return FALSE;
    kernel->groups_serve -= MIN(n_links, kernel->groups_serve);
    do
        group = GROUP_MIN | random_number() >> 2;
    while (g_hash_table_contains(kernel->groups, GUINT_TO_POINTER(group)));
    *ret_group = group;
    return TRUE;
}

/* "Gone already" is no failure. */
static void
check_result(const NetlinkResult *result, int index, GError **failure)
{
    g_autofree char *what = g_strdup_printf("cannot delete link %d", index);
    GError *error = NULL;

    if (result->errnum != 0 && result->errnum != ENODEV)
        netlink_result_error(result, what, &error);
    error_keep_first(failure, error);
}

static void
delete_one(LinuxKernel *kernel, int index, GError **failure)
{
    g_autoptr(NetlinkMessage) request = netlink_link_request(RTM_DELLINK, 0, index, 0);
    NetlinkResult result;
    GError *error = NULL;

    if (index <= 0) /* the kernel would take it as "by name" or "by group" */
        return;
    if (netlink_talk(kernel->netlink, &request, 1, NULL, NULL, &result, &error))
        check_result(&result, index, failure);
    error_keep_first(failure, error);
}

static void
move_to_group(LinuxKernel *kernel, const int *indexes, gsize n_indexes, guint32 group,
              GError **failure)
{
    g_autoptr(GPtrArray) messages = g_ptr_array_new_with_free_func((GDestroyNotify)nlmsg_free);
    NetlinkResult results[NETLINK_BATCH_MAX] = {0};
    GError *error = NULL;

    for (gsize i = 0; i < n_indexes; i++) {
        NetlinkMessage *message = netlink_link_request(RTM_SETLINK, 0, indexes[i], 16);

        nla_put_u32(message, IFLA_GROUP, group);
        g_ptr_array_add(messages, message);
    }
    if (!netlink_talk(kernel->netlink, (NetlinkMessage **)messages->pdata, n_indexes, NULL, NULL,
                      results, &error)) {
        error_keep_first(failure, error);
        return;
    }
    for (gsize i = 0; i < n_indexes; i++)
        check_result(&results[i], indexes[i], failure);
}

static void
delete_group(LinuxKernel *kernel, guint32 group, GError **failure)
{
    g_autoptr(NetlinkMessage) request = netlink_link_request(RTM_DELLINK, 0, 0, 16);
    NetlinkResult result;
    GError *error = NULL;

    nla_put_u32(request, IFLA_GROUP, group);
    if (netlink_talk(kernel->netlink, &request, 1, NULL, NULL, &result, &error) &&
        result.errnum != 0 && result.errnum != ENODEV)
        netlink_result_error(&result, "cannot delete a group of links", &error);
    error_keep_first(failure, error);
}

static void
delete_together(LinuxKernel *kernel, const GArray *indexes, GError **failure)
{
    GError *error = NULL;
    guint32 group;

    if (!choose_group(kernel, indexes->len, &group, &error)) {
        error_keep_first(failure, error);
        return;
    }
    for (guint i = 0; i < indexes->len; i += NETLINK_BATCH_MAX)
        move_to_group(kernel, &g_array_index(indexes, int, i),
                      MIN(indexes->len - i, NETLINK_BATCH_MAX), group, failure);
    delete_group(kernel, group, failure);
}

/* The links to delete that still exist. */
typedef struct Sorted {
    GArray *with_kind; /* of int: those that can be deleted as a group */
    GArray *others;
} Sorted;

static void
sort_link(guint index, struct nlmsghdr *message, gpointer user_data)
{
    const Sorted *sorted = user_data;
    LinkInfo link;

    if (link_parse(message, &link))
        g_array_append_val(link.kind[0] ? sorted->with_kind : sorted->others, link.index);
}

static void
look_at(LinuxKernel *kernel, const int *indexes, gsize n_indexes, Sorted *sorted, GError **failure)
{
    g_autoptr(GPtrArray) messages = g_ptr_array_new_with_free_func((GDestroyNotify)nlmsg_free);
    NetlinkResult results[NETLINK_BATCH_MAX] = {0};
    GError *error = NULL;

    for (gsize i = 0; i < n_indexes; i++) {
        if (indexes[i] > 0)
            g_ptr_array_add(messages, link_get_request(indexes[i], NULL));
    }
    if (messages->len > 0)
        netlink_talk(kernel->netlink, (NetlinkMessage **)messages->pdata, messages->len, sort_link,
                     sorted, results, &error);
    for (guint i = 0; i < messages->len && !error; i++) {
        if (results[i].errnum != 0 && results[i].errnum != ENODEV)
            netlink_result_error(&results[i], "cannot look up a link to delete", &error);
    }
    error_keep_first(failure, error);
}

static void
delete_many(LinuxKernel *kernel, const int *indexes, gsize n_indexes, GError **failure)
{
    g_autoptr(GArray) with_kind = g_array_new(FALSE, FALSE, sizeof(int));
    g_autoptr(GArray) others = g_array_new(FALSE, FALSE, sizeof(int));
    Sorted sorted = {with_kind, others};

    for (gsize i = 0; i < n_indexes; i += LOOK_MAX)
        look_at(kernel, &indexes[i], MIN(n_indexes - i, LOOK_MAX), &sorted, failure);
    for (guint i = 0; i < others->len; i++)
        delete_one(kernel, g_array_index(others, int, i), failure);
    if (with_kind->len == 1)
        delete_one(kernel, g_array_index(with_kind, int, 0), failure);
    else if (with_kind->len > 1)
        delete_together(kernel, with_kind, failure);
}

gboolean
link_remove(Kernel *base, const int *indexes, gsize n_indexes, GError **error)
{
    LinuxKernel *kernel = linux_kernel(base);
    GError *failure = NULL;

    queues_clean_up(kernel->queues);
    if (n_indexes == 1)
        delete_one(kernel, indexes[0], &failure);
    else if (n_indexes > 1)
        delete_many(kernel, indexes, n_indexes, &failure);
    if (!failure)
        return TRUE;
    g_propagate_error(error, failure);
    return FALSE;
}
