/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Each RTM_DELLINK waits for RCU grace periods, 20 ms in all; a thousand of them hold up the daemon
 * for 20 s. Links of one link group die together in one such wait. So several links are moved to a
 * group that nobody uses, and the group is deleted. The group's number is random and checked
 * against all links; a link that cannot be deleted (a NIC) would spoil the whole group and stays
 * out.
 */
#include "linux-private.h"

#include "error.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <sys/socket.h>

/* What the namespace has: of each index whether it can be deleted, and the groups in use. */
typedef struct Survey {
    GHashTable *links;  /* index -> GUINT_TO_POINTER(has a kind) */
    GHashTable *groups; /* set */
} Survey;

static void
survey_done(Survey *survey)
{
    g_hash_table_unref(survey->links);
    g_hash_table_unref(survey->groups);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Survey, survey_done)

static void
take_survey(guint index, struct nlmsghdr *message, gpointer user_data)
{
    Survey *survey = user_data;
    struct nlattr *group;
    LinkInfo link;

    if (!link_parse(message, &link))
        return;
    group = nlmsg_find_attr(message, sizeof(struct ifinfomsg), IFLA_GROUP);
    g_hash_table_insert(survey->links, GINT_TO_POINTER(link.index),
                        GINT_TO_POINTER(link.kind[0] != '\0'));
    if (group && nla_len(group) >= 4)
        g_hash_table_add(survey->groups, GUINT_TO_POINTER(nla_get_u32(group)));
}

static guint32
choose_group(const Survey *survey)
{
    guint32 group;

    do
        group = 0x40000000 | g_random_int() >> 2;
    while (g_hash_table_contains(survey->groups, GUINT_TO_POINTER(group)));
    return group;
}

/* Keeps only the first failure; "gone already" is none. */
static gboolean
judge(const NetlinkResult *result, int index, GError **error)
{
    g_autofree char *what = NULL;

    if (result->errnum == 0 || result->errnum == ENODEV)
        return TRUE;
    what = g_strdup_printf("cannot delete link %d", index);
    if (error && *error)
        return FALSE;
    return netlink_result_error(result, what, error);
}

static gboolean
delete_one(LinuxKernel *kernel, int index, GError **error)
{
    g_autoptr(NetlinkMessage) request = netlink_link_request(RTM_DELLINK, 0, index, 0);
    NetlinkResult result;

    if (index <= 0) /* for the kernel it would mean "by name" or "by group" */
        return TRUE;
    return netlink_talk(kernel->netlink, &request, 1, NULL, NULL, &result, error) &&
           judge(&result, index, error);
}

static gboolean
move_to_group(LinuxKernel *kernel, const int *indexes, gsize n_indexes, guint32 group,
              GError **error)
{
    g_autoptr(GPtrArray) messages = g_ptr_array_new_with_free_func((GDestroyNotify)nlmsg_free);
    NetlinkResult results[NETLINK_BATCH_MAX];
    gboolean good = TRUE;

    for (gsize i = 0; i < n_indexes; i++) {
        NetlinkMessage *message = netlink_link_request(RTM_SETLINK, 0, indexes[i], 16);

        nla_put_u32(message, IFLA_GROUP, group);
        g_ptr_array_add(messages, message);
    }
    if (!netlink_talk(kernel->netlink, (NetlinkMessage **)messages->pdata, n_indexes, NULL, NULL,
                      results, error))
        return FALSE;
    for (gsize i = 0; i < n_indexes; i++)
        good = judge(&results[i], indexes[i], good ? error : NULL) && good;
    return good;
}

static gboolean
delete_group(LinuxKernel *kernel, guint32 group, GError **error)
{
    g_autoptr(NetlinkMessage) request = netlink_link_request(RTM_DELLINK, 0, 0, 16);
    NetlinkResult result;

    nla_put_u32(request, IFLA_GROUP, group);
    if (!netlink_talk(kernel->netlink, &request, 1, NULL, NULL, &result, error))
        return FALSE;
    return result.errnum == 0 || result.errnum == ENODEV ||
           netlink_result_error(&result, "cannot delete a group of links", error);
}

static gboolean
delete_together(LinuxKernel *kernel, const GArray *indexes, guint32 group, GError **error)
{
    gboolean good = TRUE;

    for (guint i = 0; i < indexes->len; i += NETLINK_BATCH_MAX) {
        gsize n = MIN(indexes->len - i, NETLINK_BATCH_MAX);

        good =
            move_to_group(kernel, &g_array_index(indexes, int, i), n, group, good ? error : NULL) &&
            good;
    }
    return delete_group(kernel, group, good ? error : NULL) && good;
}

static gboolean
delete_many(LinuxKernel *kernel, const int *indexes, gsize n_indexes, GError **error)
{
    g_auto(Survey) survey = {g_hash_table_new(NULL, NULL), g_hash_table_new(NULL, NULL)};
    g_autoptr(GArray) group = g_array_new(FALSE, FALSE, sizeof(int));
    g_autoptr(NetlinkMessage) request = link_get_request(0, NULL);
    gboolean good = TRUE;

    if (!netlink_ask(kernel->netlink, request, take_survey, &survey, "cannot list the links",
                     error))
        return FALSE;
    for (gsize i = 0; i < n_indexes; i++) {
        gpointer has_kind;

        if (!g_hash_table_lookup_extended(survey.links, GINT_TO_POINTER(indexes[i]), NULL,
                                          &has_kind))
            continue;
        if (has_kind)
            g_array_append_val(group, indexes[i]);
        else
            good = delete_one(kernel, indexes[i], good ? error : NULL) && good;
    }
    if (group->len == 1)
        return delete_one(kernel, g_array_index(group, int, 0), good ? error : NULL) && good;
    if (group->len == 0)
        return good;
    return delete_together(kernel, group, choose_group(&survey), good ? error : NULL) && good;
}

gboolean
link_remove(Kernel *base, const int *indexes, gsize n_indexes, GError **error)
{
    LinuxKernel *kernel = linux_kernel(base);

    if (n_indexes == 0)
        return TRUE;
    if (n_indexes == 1)
        return delete_one(kernel, indexes[0], error);
    return delete_many(kernel, indexes, n_indexes, error);
}
